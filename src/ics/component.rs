//! Components: which there are, and which properties belong to which.

use super::line::Line;
use super::property::Name;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Calendar,
    Event,
    Zone,
    Observance,
    /// VTODO and others that stand beside events; a digest of the name.
    Beside(u64),
    Other(u64),
}

impl Kind {
    /// Whether it is a calendar, or a component in one that is no VTIMEZONE.
    #[must_use]
    pub fn stands_beside_zones(self) -> bool {
        matches!(self, Self::Calendar | Self::Event | Self::Beside(_))
    }

    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let name = name.trim_ascii();
        let digest = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte.to_ascii_uppercase())).wrapping_mul(0x0100_0000_01b3)
        });
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("VEVENT") {
            Self::Event
        } else if is("VCALENDAR") {
            Self::Calendar
        } else if is("VTIMEZONE") {
            Self::Zone
        } else if is("STANDARD") || is("DAYLIGHT") {
            Self::Observance
        } else if ["VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY"]
            .into_iter()
            .any(is)
        {
            Self::Beside(digest)
        } else {
            Self::Other(digest)
        }
    }
}

/// Where these stand outside of an event, one lost its BEGIN.
pub const OF_EVENTS: [Name; 12] = [
    Name::Start,
    Name::EndTime,
    Name::Duration,
    Name::RecurrenceId,
    Name::Rule,
    Name::Dates,
    Name::ExclusionDates,
    Name::Summary,
    Name::Location,
    Name::Organizer,
    Name::Status,
    Name::Transparency,
];
/// RFC 7986 gives a calendar these, too.
pub const OF_BOTH: [Name; 8] = [
    Name::Uid,
    Name::Stamped,
    Name::Modified,
    Name::Description,
    Name::Url,
    Name::Categories,
    Name::Class,
    Name::Sequence,
];

/// Of calendars only.
pub const OF_CALENDARS: [Name; 4] = [
    Name::Method,
    Name::CalendarTitle,
    Name::NewCalendarTitle,
    Name::CalendarZone,
];

/// The component that an END names, and the BEGIN (or END) of another one straight
/// behind it: of two files put together without a line end between them.
#[must_use]
pub fn glued(name: &[u8]) -> (Kind, Option<(bool, Kind)>) {
    let colon = name.iter().position(|byte| *byte == b':');
    let split = colon.and_then(|at| name.split_at_checked(at));
    for (word, is_begin) in [(b"BEGIN".as_slice(), true), (b"END", false)] {
        if let Some((head, [_, next @ ..])) = split
            && let Some(length) = head.len().checked_sub(word.len())
            && let Some((first, found)) = head.split_at_checked(length)
            && found.eq_ignore_ascii_case(word)
        {
            return (Kind::of(first), Some((is_begin, Kind::of(next))));
        }
    }
    (Kind::of(name), None)
}

/// What a BEGIN or END names.
#[must_use]
pub fn named_kind(line: &Line<'_>, buffer: &mut Vec<u8>) -> Kind {
    Kind::of(named(line, buffer))
}

/// The value of a BEGIN or END.
pub fn named<'b>(line: &Line<'b>, buffer: &'b mut Vec<u8>) -> &'b [u8] {
    let line = line.unfold_at_most(128, buffer);
    let colon = line.iter().position(|byte| *byte == b':');
    colon.and_then(|at| line.get(at + 1..)).unwrap_or_default()
}
