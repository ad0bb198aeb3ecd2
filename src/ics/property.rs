//! One logical line: the name of its property, its parameters and its value.
//!
//! `icalendar::parser::Property` would do this for well-formed lines, and a test
//! holds the two against each other. It is not used on feeds because it knows names
//! in capitals only, unescapes a value before its list can be split at commas, keeps
//! RFC 6868 carets, and allocates for each parameter of lines that are then dropped;
//! with it reading was measured at 92-127 MB/s.

use std::borrow::Cow;

macro_rules! names {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// The properties that podcal reads; letter case does not count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Name {
            $($variant,)+
            Other,
        }

        impl Name {
            #[must_use]
            pub fn of(name: &[u8]) -> Self {
                let mut upper = [0_u8; 48];
                let Some(upper) = upper.get_mut(..name.len()) else {
                    return Self::Other;
                };
                upper.copy_from_slice(name);
                upper.make_ascii_uppercase();
                match &*upper {
                    $($text => Self::$variant,)+
                    _ => Self::Other,
                }
            }
        }
    };
}

names! {
    Begin = b"BEGIN",
    End = b"END",
    // Of calendars.
    Method = b"METHOD",
    CalendarTitle = b"X-WR-CALNAME",
    NewCalendarTitle = b"NAME",
    CalendarZone = b"X-WR-TIMEZONE",
    // Of time zones.
    Tzid = b"TZID",
    OffsetFrom = b"TZOFFSETFROM",
    OffsetTo = b"TZOFFSETTO",
    // Of events.
    Uid = b"UID",
    Start = b"DTSTART",
    EndTime = b"DTEND",
    Duration = b"DURATION",
    RecurrenceId = b"RECURRENCE-ID",
    Rule = b"RRULE",
    ExclusionRule = b"EXRULE",
    Dates = b"RDATE",
    ExclusionDates = b"EXDATE",
    Sequence = b"SEQUENCE",
    Modified = b"LAST-MODIFIED",
    Stamped = b"DTSTAMP",
    Summary = b"SUMMARY",
    Description = b"DESCRIPTION",
    Location = b"LOCATION",
    Categories = b"CATEGORIES",
    Organizer = b"ORGANIZER",
    Attendee = b"ATTENDEE",
    Class = b"CLASS",
    Access = b"X-CALENDARSERVER-ACCESS",
    Status = b"STATUS",
    Transparency = b"TRANSP",
    BusyStatus = b"X-MICROSOFT-CDO-BUSYSTATUS",
    IntendedStatus = b"X-MICROSOFT-CDO-INTENDEDSTATUS",
    Conference = b"CONFERENCE",
    GoogleConference = b"X-GOOGLE-CONFERENCE",
    SkypeTeams = b"X-MICROSOFT-SKYPETEAMSMEETINGURL",
    Url = b"URL",
    // What `keep` writes for `read`.
    KeptLine = b"X-PODCAL-LINE",
    KeptOnly = b"X-PODCAL-ONLY",
    KeptDeclined = b"X-PODCAL-DECLINED",
}

/// A content line (RFC 5545 section 3.1) without its name.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    parameters: &'a str,
    pub value: &'a str,
    /// Whether double quotes shield `;` and `:` in the parameters; not when one
    /// of them is never closed.
    quotes: bool,
}

impl<'a> Property<'a> {
    /// `None` for a line without a value.
    #[must_use]
    pub fn split(line: &'a str) -> Option<Self> {
        let head = line.find([':', ';'])?;
        let rest = line.get(head..)?;
        if let Some(value) = rest.strip_prefix(':') {
            return Some(Self {
                parameters: "",
                value,
                quotes: true,
            });
        }
        let mut quoted = false;
        let shielded = rest.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b':' && !quoted
        });
        let colon = match shielded {
            Some(colon) => colon,
            None => rest.find(':')?,
        };
        Some(Self {
            parameters: rest.get(1..colon)?,
            value: rest.get(colon + 1..)?,
            quotes: shielded.is_some(),
        })
    }

    /// The first value of a parameter, unquoted, with its carets decoded (RFC 6868).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.parameters;
        while !rest.is_empty() {
            let mut quoted = false;
            let end = rest
                .bytes()
                .position(|byte| {
                    quoted ^= byte == b'"' && self.quotes;
                    byte == b';' && !quoted
                })
                .unwrap_or(rest.len());
            let parameter = rest.get(..end).unwrap_or_default();
            if let Some((key, value)) = parameter.split_once('=')
                && key.trim().eq_ignore_ascii_case(name)
            {
                return Some(parameter_value(value));
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        None
    }

    /// Whether a parameter has this value, in any letter case.
    #[must_use]
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.parameter(name)
            .is_some_and(|found| found.eq_ignore_ascii_case(value))
    }
}

fn parameter_value(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    let value = match value.strip_prefix('"') {
        Some(rest) => rest.split_once('"').map_or(rest, |(value, _)| value),
        None => value,
    };
    if !value.contains('^') {
        return Cow::Borrowed(value);
    }
    let mut decoded = String::with_capacity(value.len());
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        let meant = match (character, characters.peek()) {
            ('^', Some('n')) => '\n',
            ('^', Some('\'')) => '"',
            ('^', Some('^')) => '^',
            _ => {
                decoded.push(character);
                continue;
            }
        };
        characters.next();
        decoded.push(meant);
    }
    Cow::Owned(decoded)
}

/// A TEXT value (RFC 5545 section 3.3.11) without its escapes.
///
/// `\:` and `\"`, which some programs write, lose their backslash too; before
/// anything else it stays, as in `C:\docs`.
#[must_use]
pub fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some('n' | 'N') => text.push('\n'),
            Some(escaped @ ('\\' | ',' | ';' | ':' | '"')) => text.push(escaped),
            _ => {
                text.push('\\');
                rest = after;
                continue;
            }
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text
}

/// The parts of a value between commas that are not escaped, still escaped themselves.
pub fn list(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let mut escaped = false;
        let comma = value.bytes().position(|byte| {
            let here = byte == b',' && !escaped;
            escaped = byte == b'\\' && !escaped;
            here
        });
        rest = comma.and_then(|at| value.get(at + 1..));
        Some(comma.and_then(|at| value.get(..at)).unwrap_or(value))
    })
}
