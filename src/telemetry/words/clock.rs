//! What is said of the wall clock.

use serde_json::json;

use crate::control::clock::{ClockEvent, ClockFault, RELEASED};
use crate::telemetry::line::{Level, Line};

/// The line of an event.
#[must_use]
pub fn line(event: &ClockEvent) -> Line {
    match event {
        ClockEvent::Stepped { seconds } => Line {
            name: "clock.stepped",
            level: Level::Warn,
            text: format!(
                "the clock was set {} by {} s; everything that is due by the clock is worked out anew",
                if *seconds < 0 { "back" } else { "forward" },
                seconds.unsigned_abs(),
            ),
            fields: vec![("seconds", json!(seconds))],
        },
        ClockEvent::NotBelieved { wall, why } => Line {
            name: "clock.not_believed",
            level: Level::Error,
            text: format!(
                "the clock of this machine says {wall}, {}; until it is set right, no meeting is taken off a display \
                 because of the time",
                match why {
                    ClockFault::BeforeRelease =>
                        format!("which is before this podcal was released ({RELEASED})"),
                    ClockFault::Differs { host, date } => format!("but {host} says {date}"),
                }
            ),
            fields: vec![("clock", json!(wall.to_string()))],
        },
        ClockEvent::Believed { wall } => Line {
            name: "clock.believed",
            level: Level::Info,
            text: format!("the clock of this machine agrees with the others again: {wall}"),
            fields: vec![("clock", json!(wall.to_string()))],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::UnixTime;

    #[test]
    fn a_step_says_its_direction_and_a_wrong_clock_is_an_error() {
        let stepped = |seconds| line(&ClockEvent::Stepped { seconds }).text;
        assert!(stepped(-7_200).contains("set back by 7200 s"));
        assert!(stepped(40).contains("set forward by 40 s"));
        let wall = UnixTime::parse("1970-01-01T00:00:10Z").unwrap();
        let line = line(&ClockEvent::NotBelieved {
            wall,
            why: ClockFault::BeforeRelease,
        });
        assert_eq!(line.level, Level::Error);
        assert!(line.text.contains("1970-01-01T00:00:10Z"), "{}", line.text);
    }
}
