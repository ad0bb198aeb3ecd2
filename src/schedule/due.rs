//! When something is due next: cron, a jitter of its own, and failures. Pure.

use std::time::Duration;

use ring::digest;

use crate::model::cron::Cron;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// After a failure that may pass, the first tries come quickly.
const FIRST_RETRY: Duration = Duration::from_secs(15);
/// So many quick tries; then the schedule alone counts.
const QUICK_RETRIES: u32 = 3;

/// How a room or a pod is spread against all others: always the same for one name,
/// from nothing to just below `spread`.
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

/// When a room's next cycle begins: as scheduled, or sooner after a failure that
/// may pass.
///
/// `jitter` counts in whole seconds here; the rest of it is slept on top.
#[must_use]
pub fn next_sync(
    now: UnixTime,
    cron: &Cron,
    zone: &Zone,
    jitter: Duration,
    failures: u32,
) -> UnixTime {
    let scheduled = scheduled(now, cron, zone, jitter);
    if failures == 0 || failures > QUICK_RETRIES {
        return scheduled;
    }
    let retry = now.plus(FIRST_RETRY.saturating_mul(1 << (failures - 1)));
    scheduled.min(retry)
}

/// When a pod's next poll of one kind begins: as scheduled, never sooner than
/// `min_interval` after its last poll of any kind. A pod that does not answer is
/// asked as often as any other: whoever comes back shows the right meetings soon.
#[must_use]
pub fn next_poll(
    now: UnixTime,
    cron: &Cron,
    zone: &Zone,
    jitter: Duration,
    last: Option<UnixTime>,
    min_interval: Duration,
) -> UnixTime {
    let earliest = last.map_or(UnixTime::MIN, |last| last.plus(min_interval));
    scheduled(now, cron, zone, jitter).max(earliest)
}

/// The next match of the line, put off by the jitter.
fn scheduled(now: UnixTime, cron: &Cron, zone: &Zone, jitter: Duration) -> UnixTime {
    // The match whose put-off time is still to come may itself lie in the past.
    let from = now.minus(jitter);
    cron.next(from, zone).unwrap_or(UnixTime::MAX).plus(jitter)
}

/// Whether a service whose last cycle ended then is still at work: the next one
/// after it is not overdue by more than `grace`.
#[must_use]
pub fn is_at_work(
    last_cycle: UnixTime,
    now: UnixTime,
    cron: &Cron,
    zone: &Zone,
    grace: Duration,
) -> bool {
    scheduled(last_cycle, cron, zone, Duration::ZERO).plus(grace) > now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixTime {
        UnixTime::parse(&format!("2026-03-02T{text}Z")).unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn cycles_come_as_scheduled_and_sooner_after_a_failure() {
        let cron = Cron::parse("0 */5 * * * *").unwrap();
        for (now, jitter, failures, expected) in [
            ("10:00:00", 0, 0, "10:05:00"),
            ("10:00:00", 7, 0, "10:00:07"),
            ("10:00:07", 7, 0, "10:05:07"),
            ("10:00:30", 0, 1, "10:00:45"),
            ("10:00:30", 0, 2, "10:01:00"),
            ("10:00:30", 0, 3, "10:01:30"),
            ("10:00:30", 0, 4, "10:05:00"),
            ("10:04:55", 0, 1, "10:05:00"),
        ] {
            let next = next_sync(at(now), &cron, &Zone::utc(), seconds(jitter), failures);
            assert_eq!(next, at(expected), "{now} +{jitter} after {failures}");
        }
    }

    #[test]
    fn polls_of_one_pod_keep_their_distance() {
        let cron = Cron::parse("*/30 * * * * *").unwrap();
        for (now, last, expected) in [
            ("10:00:00", None, "10:00:30"),
            ("10:00:00", Some("10:00:00"), "10:00:30"),
            ("10:00:25", Some("10:00:25"), "10:00:35"),
        ] {
            let last = last.map(at);
            let next = next_poll(at(now), &cron, &Zone::utc(), seconds(0), last, seconds(10));
            assert_eq!(next, at(expected), "{now}");
        }
    }

    #[test]
    fn the_jitter_of_a_name_is_stable_and_spread() {
        let spread = seconds(15);
        assert_eq!(jitter("aurora", spread), jitter("aurora", spread));
        let all: Vec<_> = (0..1000)
            .map(|n| jitter(&n.to_string(), spread).as_secs())
            .collect();
        for second in 0..15 {
            let count = all.iter().filter(|jitter| **jitter == second).count();
            assert!(
                (30..=110).contains(&count),
                "{count} of 1000 in second {second}"
            );
        }
        assert_eq!(jitter("aurora", Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_service_is_at_work_until_a_cycle_is_overdue() {
        let cron = Cron::parse("0 */5 * * * *").unwrap();
        let check = |now| is_at_work(at("10:00:10"), at(now), &cron, &Zone::utc(), seconds(120));
        assert!(check("10:04:00"));
        assert!(check("10:06:59"));
        assert!(!check("10:07:00"));
    }
}
