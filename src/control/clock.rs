//! Whether the wall clock is believed, and whether somebody set it.
//!
//! The hosts that answer say what time it is (`Date`). A clock that is earlier than the
//! program, or more than a day off what all of them say, is wrong: nothing is removed from
//! a display, reduced or recorded by it, until it agrees again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::now::{Monotonic, Now};
use crate::model::time::UnixTime;

/// No clock is right that is earlier than this version of podcal: 2026-03-01T00:00:00Z.
pub const RELEASED: UnixTime = UnixTime::from_seconds(1_772_323_200);

/// A clock may be off by this much: a day, since calendars are about days.
const TOLERANCE: Duration = Duration::from_secs(24 * 3600);
/// What a host said counts no longer than this.
const LATEST_WORD: Duration = Duration::from_secs(24 * 3600);
/// Of so many hosts the last word is kept.
const MAX_HOSTS: usize = 64;
/// A difference between the two clocks that is a step and no drift.
const STEP: Duration = Duration::from_secs(30);

/// What is worth saying about the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockEvent {
    /// The wall clock moved by so many seconds against the one that nobody can set.
    Stepped { seconds: i64 },
    /// It is wrong and not used to remove anything.
    NotBelieved { wall: UnixTime, why: ClockFault },
    /// It agrees again.
    Believed { wall: UnixTime },
}

/// How a clock is known to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// Earlier than the program.
    BeforeRelease,
    /// All hosts that answered lately say otherwise; one of them.
    Differs { host: String, date: UnixTime },
}

/// The time from which on a version is complete: now. By a clock that is not believed, or
/// that the very answer (of this `date`) contradicts, only what was over long ago is left
/// out.
#[must_use]
pub fn reduce_from(wall: UnixTime, is_believed: bool, date: Option<UnixTime>) -> UnixTime {
    let contradicts = |date: UnixTime| wall.since(date) > TOLERANCE;
    if is_believed && !date.is_some_and(contradicts) {
        wall
    } else {
        wall.min(RELEASED)
    }
}

/// Watches the wall clock.
#[derive(Clone, Debug, Default)]
pub struct ClockWatch {
    last: Option<Now>,
    /// What each host said last, and when.
    dates: BTreeMap<String, (UnixTime, Monotonic)>,
    is_doubted: bool,
}

impl ClockWatch {
    #[must_use]
    pub fn is_believed(&self) -> bool {
        !self.is_doubted
    }

    /// Compares both clocks; to be called once a second.
    pub fn tick(&mut self, now: Now) -> Vec<ClockEvent> {
        let mut events = Vec::new();
        if let Some(last) = self.last.replace(now) {
            let passed = now.monotonic.since(last.monotonic).as_secs();
            let passed = i64::try_from(passed).unwrap_or(i64::MAX);
            let moved = now.wall.seconds().saturating_sub(last.wall.seconds());
            let seconds = moved.saturating_sub(passed);
            if seconds.unsigned_abs() > STEP.as_secs() {
                events.push(ClockEvent::Stepped { seconds });
            }
        }
        self.dates
            .retain(|_, (_, heard)| now.monotonic.since(*heard) <= LATEST_WORD);
        events.extend(self.judge(now));
        events
    }

    /// Takes in the `Date` of an answer that was just received from a host.
    pub fn heard(&mut self, host: &str, date: UnixTime, now: Now) -> Vec<ClockEvent> {
        if self.dates.len() >= MAX_HOSTS && !self.dates.contains_key(host) {
            let oldest = self.dates.iter().min_by_key(|(_, (_, heard))| *heard);
            if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
                self.dates.remove(&oldest);
            }
        }
        match self.dates.get_mut(host) {
            Some(last) => *last = (date, now.monotonic),
            None => {
                self.dates.insert(host.to_owned(), (date, now.monotonic));
            }
        }
        self.judge(now).into_iter().collect()
    }

    fn judge(&mut self, now: Now) -> Option<ClockEvent> {
        let fault = self.fault(now);
        let was_doubted = std::mem::replace(&mut self.is_doubted, fault.is_some());
        match (was_doubted, fault) {
            (false, Some(why)) => Some(ClockEvent::NotBelieved {
                wall: now.wall,
                why,
            }),
            (true, None) => Some(ClockEvent::Believed { wall: now.wall }),
            _ => None,
        }
    }

    /// One host that is wrong itself must not outvote the clock; one that agrees with it
    /// within a day would hardly do so by chance.
    fn fault(&self, now: Now) -> Option<ClockFault> {
        if now.wall < RELEASED {
            return Some(ClockFault::BeforeRelease);
        }
        let dates = self.dates.iter().map(|(host, (date, heard))| {
            let date = date.plus(now.monotonic.since(*heard));
            (host, date)
        });
        let mut differing = None;
        for (host, date) in dates {
            if date.since(now.wall).max(now.wall.since(date)) <= TOLERANCE {
                return None;
            }
            differing = Some(ClockFault::Differs {
                host: host.clone(),
                date,
            });
        }
        differing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(wall: &str, monotonic: u64) -> Now {
        Now {
            wall: UnixTime::parse(wall).unwrap(),
            monotonic: Monotonic::from_start(Duration::from_secs(monotonic)),
        }
    }

    fn time(wall: &str) -> UnixTime {
        UnixTime::parse(wall).unwrap()
    }

    #[test]
    fn the_release_is_the_day_that_it_says() {
        assert_eq!(RELEASED.to_string(), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn a_step_is_told_from_drift_in_both_directions() {
        for (wall, monotonic, expected) in [
            ("2027-03-02T10:00:01Z", 101, None),
            ("2027-03-02T10:00:31Z", 101, None),
            ("2027-03-02T10:00:32Z", 101, Some(31)),
            ("2027-03-02T09:59:30Z", 101, Some(-31)),
            ("2027-03-02T08:00:00Z", 100, Some(-7_200)),
            ("2027-03-03T10:00:10Z", 110, Some(DAY)),
        ] {
            let mut watch = ClockWatch::default();
            assert_eq!(watch.tick(at("2027-03-02T10:00:00Z", 100)), []);
            let stepped = expected.map(|seconds| ClockEvent::Stepped { seconds });
            let events = watch.tick(at(wall, monotonic));
            assert_eq!(events, Vec::from_iter(stepped), "{wall} {monotonic}");
        }
    }

    #[test]
    fn a_clock_before_the_release_is_not_believed_until_it_is_set() {
        let mut watch = ClockWatch::default();
        let events = watch.tick(at("1970-01-01T00:00:10Z", 0));
        let wall = time("1970-01-01T00:00:10Z");
        let why = ClockFault::BeforeRelease;
        assert_eq!(events, [ClockEvent::NotBelieved { wall, why }]);
        assert!(!watch.is_believed());
        assert_eq!(watch.tick(at("1970-01-01T00:00:11Z", 1)), []);
        let events = watch.tick(at("2027-03-02T10:00:00Z", 2));
        assert!(matches!(
            events[..],
            [ClockEvent::Stepped { .. }, ClockEvent::Believed { .. }]
        ));
        assert!(watch.is_believed());
    }

    #[test]
    fn a_clock_that_is_a_week_ahead_is_not_believed_once_a_host_answers() {
        let mut watch = ClockWatch::default();
        let ahead = at("2027-03-09T10:00:00Z", 0);
        assert_eq!(watch.tick(ahead), []);
        assert!(watch.is_believed());
        let date = time("2027-03-02T10:00:00Z");
        let events = watch.heard("dav.example.com", date, ahead);
        assert!(matches!(events[..], [ClockEvent::NotBelieved { .. }]));
        assert!(!watch.is_believed());
        // Set right an hour later: believed at once, before anybody answers again.
        let events = watch.tick(at("2027-03-02T11:00:00Z", 3_600));
        assert!(events.contains(&ClockEvent::Believed {
            wall: time("2027-03-02T11:00:00Z")
        }));
    }

    #[test]
    fn by_a_clock_that_may_be_ahead_only_the_distant_past_is_left_out() {
        let wall = time("2027-03-09T10:00:00Z");
        let (near, far) = (time("2027-03-09T09:00:00Z"), time("2027-03-02T10:00:00Z"));
        assert_eq!(reduce_from(wall, true, None), wall);
        assert_eq!(reduce_from(wall, true, Some(near)), wall);
        assert_eq!(reduce_from(wall, true, Some(far)), RELEASED);
        assert_eq!(reduce_from(wall, false, Some(near)), RELEASED);
        let start = time("1970-01-01T00:00:10Z");
        assert_eq!(reduce_from(start, false, Some(near)), start);
    }

    #[test]
    fn a_host_with_a_wrong_date_does_not_outvote_one_that_agrees() {
        let mut watch = ClockWatch::default();
        let now = at("2027-03-02T10:00:00Z", 0);
        watch.heard("right.example.com", now.wall, now);
        let wrong = time("2020-01-01T00:00:00Z");
        assert_eq!(watch.heard("wrong.example.com", wrong, now), []);
        assert!(watch.is_believed());
        // Alone, it is believed for want of a better one.
        let mut watch = ClockWatch::default();
        watch.heard("wrong.example.com", wrong, now);
        assert!(!watch.is_believed());
        watch.heard("right.example.com", now.wall, now);
        assert!(watch.is_believed());
    }

    #[test]
    fn a_day_off_is_within_tolerance_and_old_answers_are_forgotten() {
        let mut watch = ClockWatch::default();
        let now = at("2027-03-02T10:00:00Z", 0);
        watch.heard("a", time("2027-03-01T10:00:00Z"), now);
        assert!(watch.is_believed());
        watch.heard("a", time("2027-03-01T09:59:59Z"), now);
        assert!(!watch.is_believed());
        watch.tick(at("2027-03-03T10:00:01Z", 86_401));
        assert!(watch.is_believed());
        for n in 0..1000 {
            watch.heard(&format!("host-{n}"), now.wall, now);
        }
        assert!(watch.dates.len() <= MAX_HOSTS);
    }
}
