//! Durations and sizes as people write them: `15s`, `1h30m`, `50MB`. Pure.

use std::time::Duration;

/// Reads a duration such as `15s`, `10m`, `1h30m`, `1d` or `500ms`.
///
/// # Errors
/// What would have been right.
pub fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str =
        "write a number and a unit (ms, s, m, h, d), such as \"15s\" or \"1h30m\"";
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(format!("is empty; {EXPECTED}"));
    }
    if let Ok(number) = text.parse() {
        return Err(format!("has no unit; write {}", number_as_duration(number)));
    }
    let mut millis: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest);
        let factor: u64 = match unit {
            "ms" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return Err(format!("is not a valid duration; {EXPECTED}")),
        };
        let number: u64 = number
            .parse()
            .map_err(|_| format!("is not a valid duration; {EXPECTED}"))?;
        millis = number
            .checked_mul(factor)
            .and_then(|part| millis.checked_add(part))
            .ok_or("is longer than podcal can count")?;
        rest = after;
    }
    Ok(Duration::from_millis(millis))
}

/// Reads a size such as `50MB`, `1GiB` or `500kB`, in bytes.
///
/// # Errors
/// What would have been right.
pub fn size(text: &str) -> Result<u64, String> {
    const EXPECTED: &str =
        "write a number and a unit (B, kB, MB, GB, KiB, MiB, GiB), such as \"50MB\"";
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("is empty; {EXPECTED}"));
    }
    if let Ok(number) = text.parse() {
        return Err(format!("has no unit; write {}", number_as_size(number)));
    }
    let (number, unit, rest) = number_and_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" | "k" => 1_000,
        "mb" | "m" => 1_000_000,
        "gb" | "g" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(format!("is not a valid size; {EXPECTED}")),
    };
    match number.parse::<u64>() {
        Ok(number) if rest.is_empty() => number
            .checked_mul(factor)
            .ok_or_else(|| "is more than podcal can count".to_owned()),
        _ => Err(format!("is not a valid size; {EXPECTED}")),
    }
}

/// The digits at the start, the letters after them, and what follows.
fn number_and_unit(text: &str) -> (&str, &str, &str) {
    let (number, rest) = split_where(text, |char| !char.is_ascii_digit());
    let (unit, rest) = split_where(rest.trim_start(), |char| !char.is_ascii_alphabetic());
    (number, unit, rest.trim_start())
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(stop).unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

/// What to write instead of a number without a unit.
#[must_use]
pub fn number_as_duration(number: i64) -> String {
    match number {
        1.. => format!("\"{number}s\", \"{number}m\", \"{number}h\" or \"{number}d\""),
        _ => "a number and a unit, such as \"15s\"".to_owned(),
    }
}

/// What to write instead of a number without a unit; a large one was meant in bytes.
#[must_use]
pub fn number_as_size(number: i64) -> String {
    match u64::try_from(number) {
        Ok(bytes @ 1_000..) => format!("\"{}\"", spelt_size(bytes)),
        Ok(number @ 1..) => format!("\"{number}MB\" or \"{number}GB\""),
        _ => "a number and a unit, such as \"50MB\"".to_owned(),
    }
}

/// A size in the largest unit that divides it: `50MB`.
#[must_use]
pub fn spelt_size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("kB", 1_000),
    ];
    let unit = UNITS
        .iter()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    match unit {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// A duration as a person would write it: `1h30m`.
#[must_use]
pub fn spelt(span: Duration) -> String {
    let mut millis = span.as_millis();
    let mut text = String::new();
    for (unit, length) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if millis >= length {
            text.push_str(&format!("{}{unit}", millis / length));
            millis %= length;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("15s", 15),
            ("10m", 600),
            ("10 min", 600),
            ("1h", 3_600),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("1d", 86_400),
            (" 2 days ", 172_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for text in ["", "15", "s", "-1s", "1.5h", "1h30", "1y", "15 s x", "٣s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("99999999999999999999s").is_err());
        assert!(duration("9999999999999999999d").is_err());
    }

    #[test]
    fn durations_are_spelt_as_they_are_read() {
        for text in ["0s", "15s", "10m", "1h30m", "1d", "500ms"] {
            assert_eq!(spelt(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("50MB", 50_000_000),
            ("50 MB", 50_000_000),
            ("1GiB", 1_073_741_824),
            ("500kB", 500_000),
            ("500KB", 500_000),
            ("4KiB", 4_096),
            ("12B", 12),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, bytes) in [("50MB", 50_000_000), ("1GiB", 1 << 30), ("999B", 999)] {
            assert_eq!(spelt_size(bytes), text);
        }
        for text in [
            "",
            "12",
            "MB",
            "1.5MB",
            "-1MB",
            "5 bananas",
            "1MB2",
            "99999999999999999999B",
            "99999999999GB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_told_what_to_write() {
        for (number, says) in [
            (
                "15",
                "has no unit; write \"15s\", \"15m\", \"15h\" or \"15d\"",
            ),
            (
                "-1",
                "has no unit; write a number and a unit, such as \"15s\"",
            ),
        ] {
            assert_eq!(duration(number), Err(says.to_owned()));
        }
        for (number, says) in [
            ("50", "has no unit; write \"50MB\" or \"50GB\""),
            ("50000000", "has no unit; write \"50MB\""),
            ("1073741824", "has no unit; write \"1GiB\""),
            (
                "-1",
                "has no unit; write a number and a unit, such as \"50MB\"",
            ),
        ] {
            assert_eq!(size(number), Err(says.to_owned()));
        }
    }
}
