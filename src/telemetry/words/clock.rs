//! The words of the wall clock.

use crate::control::clock::{ClockEvent, ClockFault, RELEASED};
use crate::telemetry::line::{Level, Line, time};

#[must_use]
pub fn line(event: &ClockEvent) -> Line {
    match event {
        ClockEvent::Stepped { seconds } => {
            let direction = if *seconds < 0 { "back" } else { "forward" };
            let text = format!(
                "the clock was set {direction} by {} s; what is due is worked out again",
                seconds.unsigned_abs()
            );
            Line::new("clock.stepped", Level::Warn, text).with("seconds", *seconds)
        }
        ClockEvent::NotBelieved { wall, why } => {
            let why = match why {
                ClockFault::BeforeRelease => {
                    format!("which is before this version of podcal existed ({RELEASED})")
                }
                ClockFault::Differs { host, date } => format!("but {host} says {date}"),
            };
            let text = format!(
                "the clock of this machine says {wall}, {why}; until it is right, no meeting is taken off a display \
                 because of the time"
            );
            Line::new("clock.not_believed", Level::Error, text).with("clock", time(*wall))
        }
        ClockEvent::Believed { wall } => Line::new(
            "clock.believed",
            Level::Info,
            format!("the clock of this machine is right again: {wall}"),
        )
        .with("clock", time(*wall)),
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
        let why = ClockFault::BeforeRelease;
        let line = line(&ClockEvent::NotBelieved { wall, why });
        assert_eq!(line.level, Level::Error);
        assert!(line.text.contains("1970-01-01T00:00:10Z"), "{}", line.text);
    }
}
