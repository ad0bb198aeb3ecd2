//! The pod's own clock, as its answers show it in passing.

use serde_json::Value;
use tokio::time::Instant;

use super::config::{LegacyConfig, PodConfig};
use super::tree;
use crate::model::time::UnixTime;

/// What the pod's clock showed, and at which moment here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    shown: UnixTime,
    at: Instant,
}

impl Reading {
    pub(super) fn new(shown: UnixTime, at: Instant) -> Self {
        Self { shown, at }
    }

    /// By how many seconds the pod's clock is ahead of ours, which shows `now`.
    pub(super) fn offset(self, now: UnixTime, at: Instant) -> i64 {
        let elapsed = at.saturating_duration_since(self.at);
        self.shown.plus(elapsed).seconds() - now.seconds()
    }
}

/// `display.clock.current_time`, whose form is not documented: RFC 3339, a date of
/// HTTP or of mail, or Unix seconds or milliseconds. Local times say too little.
pub(super) fn in_config(config: &PodConfig) -> Option<UnixTime> {
    let text = config.current_time()?;
    match text.trim().parse::<i64>() {
        Ok(number) => seconds_or_milliseconds(number),
        Err(_) => UnixTime::parse(&text).or_else(|| crate::net::retry_after::http_date(&text)),
    }
}

/// `m_systemCuration.dateTime`, in milliseconds.
pub(super) fn in_legacy_config(config: &LegacyConfig) -> Option<UnixTime> {
    seconds_or_milliseconds(config.clock_ms()?)
}

fn seconds_or_milliseconds(number: i64) -> Option<UnixTime> {
    let time = tree::time(&Value::from(number))?;
    // A clock at zero was never set.
    (time.seconds() > 0).then_some(time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_clock_goes_on_between_reading_and_asking() {
        let at = Instant::now();
        let reading = Reading::new(UnixTime::from_seconds(1_000), at);
        let later = at + Duration::from_secs(60);
        assert_eq!(reading.offset(UnixTime::from_seconds(1_060), later), 0);
        assert_eq!(reading.offset(UnixTime::from_seconds(900), later), 160);
        assert_eq!(reading.offset(UnixTime::from_seconds(2_000), later), -940);
    }

    #[test]
    fn clocks_are_read_where_their_form_says_enough() {
        let config = |text: &str| {
            let tree = json!({"display": {"clock": {"current_time": text}}});
            in_config(&PodConfig::new(tree)).map(UnixTime::seconds)
        };
        assert_eq!(config("2026-03-02T09:00:00Z"), Some(1_772_442_000));
        assert_eq!(config("Mon, 02 Mar 2026 09:00:00 GMT"), Some(1_772_442_000));
        assert_eq!(config("1772442000"), Some(1_772_442_000));
        assert_eq!(config("1772442000000"), Some(1_772_442_000));
        assert_eq!(config("09:00"), None);
        assert_eq!(config(""), None);
        let tree = json!({"m_systemCuration": {"dateTime": 1_772_442_000_123_i64}});
        let legacy = LegacyConfig::new(tree);
        assert_eq!(
            in_legacy_config(&legacy).map(UnixTime::seconds),
            Some(1_772_442_000)
        );
    }
}
