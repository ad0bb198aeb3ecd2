//! `Retry-After` and the dates of HTTP (RFC 9110, sections 5.6.7 and 10.2.3).

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::model::time::UnixTime;

/// Nobody can silence a room or a pod for longer.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long from `now` a server asks to be left alone: whole seconds or a date.
///
/// At most a day; zero where the date has passed; `None` where it is neither.
#[must_use]
pub fn parse(value: &str, now: UnixTime) -> Option<Duration> {
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_number {
        // More digits than a number holds are a very long time.
        value.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        http_date(value)?.since(now)
    };
    Some(wait.min(LONGEST))
}

/// A date of HTTP in any of its three forms; all of them are in UTC.
#[must_use]
pub fn http_date(text: &str) -> Option<UnixTime> {
    let text = text.trim();
    if let Ok(date) = jiff::fmt::rfc2822::parse(text) {
        return Some(UnixTime::from_seconds(date.timestamp().as_second()));
    }
    // RFC 850, with two digits for the year, and asctime.
    let date = DateTime::strptime("%A, %d-%b-%y %H:%M:%S GMT", text)
        .or_else(|_| DateTime::strptime("%a %b %e %H:%M:%S %Y", text))
        .ok()?;
    let date = date.to_zoned(TimeZone::UTC).ok()?;
    Some(UnixTime::from_seconds(date.timestamp().as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_both_forms_and_bounded() {
        let now = UnixTime::parse("1994-11-06T08:49:00Z").unwrap();
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("Tue, 06 Nov 2040 08:49:37 GMT", Some(86_400)),
            ("86401", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("-5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            let found = parse(value, now).map(|wait| wait.as_secs());
            assert_eq!(found, seconds, "{value}");
        }
    }
}
