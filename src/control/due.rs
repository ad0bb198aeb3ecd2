//! When something is due by a cron line, spread by a jitter of its own.

use std::time::Duration;

use ring::digest;

use super::now::{Monotonic, Now};
use crate::model::cron::Cron;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// The first requests of a process are spread over no more than this.
pub const FIRST_SPREAD: Duration = Duration::from_secs(15);

/// How a feed, room or pod is spread against all others: always the same for one name,
/// from nothing to just below `spread`, to the millisecond.
#[must_use]
pub fn jitter(name: &str, spread: Duration) -> Duration {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    let first = hash
        .as_ref()
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(first.checked_rem(millis).unwrap_or(0))
}

/// The first time of all after a start: a jitter that may be long, folded into a few seconds, so
/// that a service that restarts often serves everybody.
#[must_use]
pub fn soon(jitter: Duration) -> Duration {
    let spread = u64::try_from(FIRST_SPREAD.as_millis()).unwrap_or(u64::MAX);
    match u64::try_from(jitter.as_millis()) {
        Ok(millis) if jitter > FIRST_SPREAD => Duration::from_millis(millis % spread),
        _ => jitter.min(FIRST_SPREAD),
    }
}

/// The next match of the line, put off by the jitter.
///
/// Computed anew after a step of the clock, so that a cron line goes by the time that people see.
#[must_use]
pub fn next_due(now: Now, cron: &Cron, zone: &Zone, jitter: Duration) -> Monotonic {
    match next_match(now.wall, cron, zone, jitter) {
        Some(matched) => now
            .until_wall(matched.plus(jitter))
            .plus(below_second(jitter)),
        None => Monotonic::NEVER,
    }
}

/// How far apart two matches of the line are around this time.
#[must_use]
pub fn period(now: Now, cron: &Cron, zone: &Zone) -> Duration {
    let first = cron.next(now.wall, zone);
    let second = first.and_then(|first| cron.next(first, zone));
    match (first, second) {
        (Some(first), Some(second)) => second.since(first),
        _ => Duration::MAX,
    }
}

/// The match whose put-off time is the next one; it may itself lie in the past.
fn next_match(now: UnixTime, cron: &Cron, zone: &Zone, jitter: Duration) -> Option<UnixTime> {
    cron.next(now.minus(jitter), zone)
}

fn below_second(jitter: Duration) -> Duration {
    Duration::from_nanos(u64::from(jitter.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Now {
        Now {
            wall: UnixTime::parse(&format!("2026-03-02T{text}Z")).unwrap(),
            monotonic: Monotonic::from_start(Duration::from_secs(1000)),
        }
    }

    #[test]
    fn the_first_time_comes_within_seconds_however_long_the_jitter_is() {
        let soon = |millis| soon(Duration::from_millis(millis)).as_millis();
        let times = [0, 9_000, 15_000, 15_001, 3_599_999].map(soon);
        assert_eq!(times, [0, 9_000, 15_000, 1, 14_999]);
    }

    #[test]
    fn a_due_time_is_the_next_match_and_the_jitter() {
        let cron = Cron::parse("0 */5 * * * *").unwrap();
        for (now, jitter, expected) in [
            ("10:00:00", 0, 300_000),
            ("10:00:00", 7_250, 7_250),
            ("10:00:07", 7_250, 300_250),
            ("10:04:59", 0, 1_000),
            // A jitter longer than the period: every match still comes, an hour later.
            ("10:00:00", 3_600_000, 300_000),
        ] {
            let jitter = Duration::from_millis(jitter);
            let due = next_due(at(now), &cron, &Zone::utc(), jitter);
            let wait = due.since(at(now).monotonic);
            assert_eq!(wait, Duration::from_millis(expected), "{now} +{jitter:?}");
        }
    }

    #[test]
    fn the_jitter_of_a_name_is_stable_and_spread_below_the_second_too() {
        let spread = Duration::from_secs(15);
        assert_eq!(jitter("aurora", spread), jitter("aurora", spread));
        let all: Vec<_> = (0..1000).map(|n| jitter(&n.to_string(), spread)).collect();
        for second in 0..15 {
            let count = all.iter().filter(|one| one.as_secs() == second).count();
            assert!(
                (30..=110).contains(&count),
                "{count} of 1000 in second {second}"
            );
        }
        assert!(all.iter().any(|one| one.subsec_millis() > 0));
        assert_eq!(jitter("aurora", Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn the_period_is_the_distance_of_two_matches() {
        let cron = Cron::parse("*/30 * * * * *").unwrap();
        let found = period(at("10:00:10"), &cron, &Zone::utc());
        assert_eq!(found, Duration::from_secs(30));
    }
}
