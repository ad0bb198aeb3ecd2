//! A time on the command line: with its offset, or as a clock on the wall shows it.

use jiff::civil::DateTime;

use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// What was typed; which moment it is depends on the zone where it has no offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Instant(UnixTime),
    Local(DateTime),
}

impl When {
    /// Reads `2026-11-25T09:00:00+01:00`, `2026-11-25 09:00` or `2026-11-25`.
    ///
    /// # Errors
    /// What would have been right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(instant) = UnixTime::parse(text) {
            return Ok(Self::Instant(instant));
        }
        text.parse().map(Self::Local).map_err(|_| {
            "expected a time such as \"2026-03-02 11:00\", or with its offset (RFC 3339), such as \
             2026-03-02T11:00:00+01:00"
                .to_owned()
        })
    }

    /// The moment, by the clocks of this zone where no offset was typed.
    #[must_use]
    pub fn in_zone(self, zone: &Zone) -> UnixTime {
        match self {
            Self::Instant(instant) => instant,
            Self::Local(local) => zone.instant(local),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, zone: &str, expected: &str) {
        let zone = Zone::named(zone).unwrap();
        let at = When::parse(typed).unwrap().in_zone(&zone);
        assert_eq!(at.to_string(), expected, "{typed}");
    }

    #[test]
    fn without_an_offset_it_is_a_time_of_the_zone() {
        for typed in [
            "2026-11-25 09:00",
            "2026-11-25T09:00",
            "2026-11-25 09:00:00",
            " 2026-11-25 09:00 ",
        ] {
            check(typed, "America/Denver", "2026-11-25T16:00:00Z");
        }
        check("2026-11-25", "Europe/Berlin", "2026-11-24T23:00:00Z");
        // In summer, and in the hour that the clocks leave out.
        check("2026-07-01 09:00", "America/Denver", "2026-07-01T15:00:00Z");
        check("2026-03-08 02:30", "America/Denver", "2026-03-08T09:30:00Z");
    }

    #[test]
    fn with_an_offset_the_zone_does_not_count() {
        for zone in ["UTC", "Asia/Tokyo"] {
            check("2026-11-25T09:00:00+01:00", zone, "2026-11-25T08:00:00Z");
            check("2026-11-25T09:00Z", zone, "2026-11-25T09:00:00Z");
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for typed in [
            "",
            "tomorrow",
            "09:00",
            "25.11.2026",
            "2026-13-01",
            "2026-11-25 25:00",
        ] {
            let says = When::parse(typed).unwrap_err();
            assert!(says.contains("2026-03-02 11:00"), "{typed}: {says}");
        }
    }
}
