//! The marks of a calendar's state, CTag and sync-token, where they are a clock.
//!
//! SOGo counts seconds: a second change within the same second moves nothing, and
//! would not be seen before the daily comparison.

use super::dav_xml::Properties;
use crate::model::time::UnixTime;
use crate::net::retry_after::http_date;

/// Differences between the clocks of one server.
const ABOUT_NOW: i64 = 120;

/// A mark ahead by no more than this is a clock that is wrong.
const AHEAD: i64 = 7 * 86_400;

/// Whether a mark is a clock that shows about this time: changes within its last
/// tick would not show. `date` is the server's own time.
pub(super) fn is_young(marks: &Properties, date: UnixTime) -> bool {
    [&marks.ctag, &marks.sync_token]
        .into_iter()
        .flatten()
        .filter_map(|mark| time_in(mark))
        .any(|seconds| (-ABOUT_NOW..=AHEAD).contains(&(seconds - date.seconds())))
}

/// A token before this one, where it counts seconds: what changed within its own second
/// is not named by a report since it, and by one since this.
pub(super) fn earlier(token: &str) -> Option<String> {
    let seconds: i64 = token.parse().ok()?;
    (token.len() <= 10).then(|| (seconds - 2).to_string())
}

/// The time that a mark shows, in seconds since 1970.
fn time_in(mark: &str) -> Option<i64> {
    /// From the year 1 to 1970, where Google begins to count.
    const FROM_YEAR_ONE: i64 = 62_135_596_800;
    let mark = mark.trim().trim_matches('"');
    if let Ok(number) = mark.parse::<i64>() {
        return Some(match mark.len() {
            ..=10 => number,
            11 => number - FROM_YEAR_ONE,
            12..=14 => number / 1_000,
            15..=17 => number / 1_000_000,
            _ => number / 1_000_000_000,
        });
    }
    UnixTime::parse(mark)
        .or_else(|| {
            let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", mark).ok()?;
            let date = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(UnixTime::from_seconds(date.timestamp().as_second()))
        })
        .or_else(|| http_date(mark))
        .map(UnixTime::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::tests::NOW;

    #[test]
    fn only_a_token_that_counts_seconds_has_one_before_it() {
        assert_eq!(earlier("1795604657").as_deref(), Some("1795604655"));
        for token in ["data:,6", "1795604657123", "http://sabre.io/ns/sync/11", ""] {
            assert_eq!(earlier(token), None, "{token}");
        }
    }

    #[test]
    fn a_mark_that_is_a_clock_is_doubted_while_it_is_young() {
        let now = NOW.seconds();
        let young = |ctag: String| {
            let marks = Properties {
                ctag: Some(ctag),
                ..Properties::default()
            };
            is_young(&marks, NOW)
        };
        for mark in [
            now.to_string(),
            format!("\"{}\"", now - 60),
            (now + 3600).to_string(),
            format!("{now}123"),
            format!("{now}123456"),
            (now + 62_135_596_800).to_string(),
            NOW.to_string(),
            "20261118T110640Z".to_owned(),
            "Wed, 18 Nov 2026 11:06:40 GMT".to_owned(),
        ] {
            assert!(young(mark.clone()), "{mark}");
        }
        for mark in [
            (now - 600).to_string(),
            format!("{}000", now - 600),
            "5f0c9e".to_owned(),
            "12".to_owned(),
            format!("{now}-13"),
            format!("data:,{now}"),
            String::new(),
        ] {
            assert!(!young(mark.clone()), "{mark}");
        }
    }
}
