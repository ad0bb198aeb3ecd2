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
    ZoneLocation = b"X-LIC-LOCATION",
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

impl Name {
    /// Whether its value is a date or a list of dates.
    #[must_use]
    pub fn is_date(self) -> bool {
        matches!(
            self,
            Self::Start | Self::EndTime | Self::RecurrenceId | Self::Dates | Self::ExclusionDates
        )
    }
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

    /// The property again, where its value is none that `is_value` accepts and one
    /// behind a later colon is: `DTSTART;TZID=GMT+05:30:20260610T020000`.
    #[must_use]
    pub fn behind_a_later_colon(&self, line: &'a str, is_value: fn(&str) -> bool) -> Self {
        if self.parameters.is_empty() || is_value(self.value) {
            return *self;
        }
        let start = line.len() - self.value.len();
        let parameters = line.len() - self.value.len() - 1 - self.parameters.len();
        let colons = self.value.match_indices(':').take(8);
        let mut later = colons.filter_map(|(at, _)| {
            let value = self.value.get(at + 1..)?;
            is_value(value).then(|| Self {
                parameters: line.get(parameters..start + at).unwrap_or_default(),
                value,
                quotes: self.quotes,
            })
        });
        later.next().unwrap_or(*self)
    }

    /// The first value of a parameter, unquoted, with its carets decoded (RFC 6868).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        #[cfg(test)]
        SEARCHES.set(SEARCHES.get() + 1);
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
                // `TZID=Pacific Time; Tijuana`: what has no name belongs to this one.
                let after = rest.get(end..).unwrap_or_default();
                let unnamed = after.split_inclusive(';').skip(1);
                let unnamed = unnamed.take_while(|part| !part.contains('='));
                let more: usize = unnamed.map(str::len).sum();
                if more > 0 && !value.contains('"') {
                    let start = parameter.len() - value.len();
                    let whole = rest.get(start..end + 1 + more).unwrap_or(value);
                    return Some(parameter_value(whole.trim_end_matches(';')));
                }
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

impl Property<'_> {
    /// The value as text. vCalendar 1.0 wrote it quoted-printable instead of escaped,
    /// and its programs still do in files that call themselves 2.0.
    #[must_use]
    pub fn text(&self) -> String {
        if self.has("ENCODING", "QUOTED-PRINTABLE") {
            let text = unescape(&quoted_printable(self.value));
            return text.replace("\r\n", "\n");
        }
        unescape(self.value)
    }
}

#[cfg(test)]
thread_local! {
    /// How often parameters were searched.
    pub static SEARCHES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// `=C3=A9` to `é` (RFC 2045 section 6.7); what is no such code stays.
fn quoted_printable(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let code = after.get(..2).and_then(|code| str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, byte) {
            (b'=', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            // A soft line break, whose next line is lost.
            (b'=', None) if after.is_empty() => {}
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
            // Not of the RFC; from programs that escape `\r\n` as such.
            Some('r') if characters.as_str().starts_with("\\n") => {}
            Some('r') => text.push(' '),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, parameter: Option<(&str, &str)>, value: &str) {
        let property = Property::split(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(property.value, value, "{line}");
        if let Some((name, expected)) = parameter {
            let found = property.parameter(name);
            assert_eq!(found.as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn parameters_may_be_quoted_or_not() {
        check("SUMMARY:a:b;c", None, "a:b;c");
        check(
            "A;TZID=Europe/Berlin:1",
            Some(("TZID", "Europe/Berlin")),
            "1",
        );
        check("A;tzid=\"x\":1", Some(("TZID", "x")), "1");
        check("A;X=1;TZID=x;Y=2:1", Some(("TZID", "x")), "1");
        check("A;X=\"b;c:d,e\";TZID=x:1", Some(("TZID", "x")), "1");
        check(
            "A;CN=\"Doe, John: CEO; x\":mailto:j@x",
            Some(("CN", "Doe, John: CEO; x")),
            "mailto:j@x",
        );
        check("A;CN=\"\":1", Some(("CN", "")), "1");
        check("A;CN=:1", Some(("CN", "")), "1");
        check("A; CN = Ada :1", Some(("CN", "Ada")), "1");
        check("A;VALUE:1", None, "1");
        check("A;:1", None, "1");
        check("A;CN=a=b:1", Some(("CN", "a=b")), "1");
    }

    #[test]
    fn carets_are_decoded() {
        // RFC 6868 section 3.
        check(
            "A;CN=^'Ada^'^nB^^ ^x:1",
            Some(("CN", "\"Ada\"\nB^ ^x")),
            "1",
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_shields_nothing() {
        check(
            "A;TZID=\"Europe/Berlin:1",
            Some(("TZID", "Europe/Berlin")),
            "1",
        );
        check("A;CN=\"x;TZID=y:1", Some(("TZID", "y")), "1");
        check("A;CN=\"a\" b\":1", Some(("CN", "a")), "1");
    }

    #[test]
    fn a_line_without_a_value_is_no_property() {
        for line in ["", "SUMMARY", "ORGANIZER;CN=Sixt SE", "A;B=\"c:d\""] {
            let found = Property::split(line).map(|property| property.value.to_owned());
            assert!(found.is_none() || line.contains("c:d"), "{line}: {found:?}");
        }
    }

    #[test]
    fn text_is_unescaped_once() {
        for (escaped, text) in [
            (r"a\, b\; c\\d\\n e\nf\N", "a, b; c\\d\\n e\nf\n"),
            (r"https\://x", "https://x"),
            (r"C:\docs\", r"C:\docs\"),
            (r"a\r\nb\rc", "a\nb c"),
            (r"\\\\", r"\\"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(unescape(escaped), text, "{escaped}");
        }
    }

    #[test]
    fn quoted_printable_text_is_decoded() {
        for (line, text) in [
            ("S;ENCODING=QUOTED-PRINTABLE:Caf=C3=A9 =3D=", "Café ="),
            (
                "S;encoding=quoted-printable;CHARSET=utf-8:a=0D=0Ab=zz=+1",
                "a\nb=zz=+1",
            ),
            ("S:a=C3=A9", "a=C3=A9"),
        ] {
            assert_eq!(Property::split(line).unwrap().text(), text, "{line}");
        }
    }

    #[test]
    fn lists_are_split_at_commas_that_are_not_escaped() {
        let split = |value: &'static str| list(value).collect::<Vec<_>>();
        assert_eq!(split(r"a,b\,c,d\\,e,"), ["a", r"b\,c", r"d\\", "e", ""]);
        assert_eq!(split(""), [""]);
    }

    proptest! {
        /// The parser of the `icalendar` crate, on lines that both understand.
        #[test]
        fn well_formed_lines_are_split_as_the_icalendar_crate_splits_them(
            name in "X-[A-Z]{1,8}",
            keys in prop::collection::vec("[A-Z]{2,6}", 0..4),
            texts in prop::collection::vec("[a-zA-Z0-9/ ]{1,12}", 4),
            quoted in prop::collection::vec(any::<bool>(), 4),
            value in "[a-zA-Z0-9:;,./=-]{1,40}",
        ) {
            let mut line = name;
            for ((key, text), quoted) in keys.iter().zip(&texts).zip(&quoted) {
                let text = text.trim();
                prop_assume!(!text.is_empty());
                let quote = if *quoted { "\"" } else { "" };
                line.push_str(&format!(";{key}={quote}{text}{quote}"));
            }
            line.push(':');
            line.push_str(&value);
            let ours = Property::split(&line).unwrap();
            let theirs = icalendar::parser::Property::try_from(line.as_str()).unwrap();
            prop_assert_eq!(ours.value, theirs.val.as_ref());
            for key in &keys {
                let first = theirs.params.iter().find(|parameter| parameter.key == key.as_str());
                let text = first.and_then(|parameter| parameter.val.as_ref());
                let text = text.map(|text| text.as_ref().trim_matches('"').to_owned());
                prop_assert_eq!(ours.parameter(key).map(|value| value.into_owned()), text);
            }
        }

        #[test]
        fn no_line_panics(line in ".*") {
            if let Some(property) = Property::split(&line) {
                let _ = property.parameter("TZID");
                let _ = list(property.value).map(unescape).count();
            }
        }
    }
}
