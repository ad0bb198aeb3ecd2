//! When things are done: cron expressions, and the shorter forms that people write.

use std::time::Duration;

use crate::model::cron::Cron;

use super::Schedule;
use super::file::{Table, Value, duration, quoted};
use super::{keys, units};

pub const SYNC: &str = "0 */5 * * * *";
pub const HEALTH: &str = "*/30 * * * * *";
pub const CONFIG: &str = "0 0 * * * *";

/// `[schedule]`, with the defaults for what it leaves out.
pub fn schedule(root: &Table<'_>) -> Schedule {
    let table = root
        .get("schedule")
        .and_then(|value| value.table(&keys::SCHEDULE));
    let get = |key| table.as_ref().and_then(|table| table.get(key));
    let line = |key, default: &str| match get(key) {
        Some(value) => cron(&value),
        None => Cron::parse(default).ok(),
    };
    let jitter = get("jitter").and_then(|value| duration(&value));
    let (sync, health, config) = (
        line("sync", SYNC),
        line("health", HEALTH),
        line("config", CONFIG),
    );
    // What is wrong has been noted; any other expression stands in for it until the end.
    #[expect(clippy::expect_used, reason = "a constant that every test reads")]
    let or_any =
        |cron: Option<Cron>| cron.unwrap_or_else(|| Cron::parse(CONFIG).expect("a constant"));
    Schedule {
        sync: or_any(sync),
        health: or_any(health),
        config: or_any(config),
        jitter: jitter.unwrap_or(Duration::from_secs(15)),
    }
}

fn cron(value: &Value<'_>) -> Option<Cron> {
    let text = value
        .string_or("a cron expression such as \"0 */5 * * * *\", or an interval such as \"5m\"")?;
    if text.len() > 200 {
        value.wrong("is too long for a cron expression");
        return None;
    }
    parse(text)
        .map_err(|says| {
            let shown = match text.trim().strip_prefix('@') {
                // `quoted` withholds what could be an address.
                Some(nickname) => quoted(nickname).replacen('"', "\"@", 1),
                None => quoted(text),
            };
            value.wrong(format!("{shown} {says}"));
        })
        .ok()
}

/// Reads a cron expression of six fields, an interval such as `5m`, or a nickname of
/// crontab such as `@hourly`.
///
/// # Errors
/// What would have been right.
pub fn parse(text: &str) -> Result<Cron, String> {
    let text = text.trim();
    if let Some(nickname) = text.strip_prefix('@') {
        return named(&nickname.to_ascii_lowercase());
    }
    if let Ok(interval) = units::duration(text) {
        return every(interval);
    }
    Cron::parse(text).map_err(|says| {
        let with_seconds = format!("0 {text}");
        match text.split_whitespace().count() {
            5 if Cron::parse(&with_seconds).is_ok() => {
                format!("has five fields; write six, such as \"{with_seconds}\"")
            }
            _ => says,
        }
    })
}

fn named(nickname: &str) -> Result<Cron, String> {
    if let Some(interval) = nickname.strip_prefix("every ") {
        return units::duration(interval).and_then(every);
    }
    Cron::parse(match nickname {
        "hourly" => "0 0 * * * *",
        "daily" | "midnight" => "0 0 0 * * *",
        "weekly" => "0 0 0 * * sun",
        "monthly" => "0 0 0 1 * *",
        "yearly" | "annually" => "0 0 0 1 1 *",
        _ => {
            return Err(
                "is not known; write @hourly, @daily, or six fields such as \"0 */5 * * * *\""
                    .to_owned(),
            );
        }
    })
}

/// An interval as a cron expression: one that divides a minute, an hour or a day evenly.
fn every(interval: Duration) -> Result<Cron, String> {
    let seconds = interval.as_secs();
    let steps = |count: u64, of: u64| count > 0 && count < of && of.is_multiple_of(count);
    let step = |count: u64| match count {
        1 => "*".to_owned(),
        count => format!("*/{count}"),
    };
    let whole = |unit: u64| (seconds.is_multiple_of(unit)).then_some(seconds / unit);
    let line = if interval.subsec_millis() == 0 && steps(seconds, 60) {
        format!("{} * * * * *", step(seconds))
    } else if let Some(minutes) = whole(60).filter(|minutes| steps(*minutes, 60)) {
        format!("0 {} * * * *", step(minutes))
    } else if let Some(hours) = whole(3_600).filter(|hours| steps(*hours, 24)) {
        format!("0 0 {} * * *", step(hours))
    } else if seconds == 86_400 {
        "0 0 0 * * *".to_owned()
    } else {
        return Err(
            "is an interval that does not divide a minute, an hour or a day evenly; write one that does, such as \
             \"30s\", \"5m\" or \"2h\""
                .to_owned(),
        );
    };
    Cron::parse(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_nicknames_are_understood() {
        for (text, line) in [
            ("30s", "*/30 * * * * *"),
            ("1s", "* * * * * *"),
            ("60s", "0 * * * * *"),
            ("5m", "0 */5 * * * *"),
            ("5 minutes", "0 */5 * * * *"),
            ("60m", "0 0 * * * *"),
            ("2h", "0 0 */2 * * *"),
            ("1d", "0 0 0 * * *"),
            ("@hourly", "0 0 * * * *"),
            ("@Daily", "0 0 0 * * *"),
            ("@every 10m", "0 */10 * * * *"),
            (" 0 30 7 * * mon-fri ", "0 30 7 * * mon-fri"),
        ] {
            assert_eq!(parse(text).map(|cron| cron.to_string()), Ok(line.into()));
        }
    }

    #[test]
    fn what_cannot_be_a_schedule_says_what_to_write() {
        for (text, says) in [
            ("7m", "\"5m\""),
            ("0s", "\"5m\""),
            ("1500ms", "\"30s\""),
            ("90m", "\"2h\""),
            ("36h", "evenly"),
            ("@reboot", "@hourly"),
            ("@every", "@hourly"),
            ("*/5 * * * *", "\"0 */5 * * * *\""),
            ("0 0 * * *", "\"0 0 0 * * *\""),
            ("99 * * * *", "six"),
            ("always", "six"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
