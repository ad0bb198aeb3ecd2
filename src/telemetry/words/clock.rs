//! The words of the clock.

use crate::control::clock::{ClockEvent, ClockFault};
use crate::telemetry::line::{Level, Line, time};

#[must_use]
pub fn line(event: &ClockEvent) -> Line {
    match event {
        ClockEvent::Stepped { seconds } => {
            let direction = if *seconds < 0 { "back" } else { "forward" };
            Line::new(
                "clock.stepped",
                Level::Warn,
                format!(
                    "the clock of this machine was set {direction} by {} seconds; due times were \
                     worked out anew",
                    seconds.unsigned_abs()
                ),
            )
            .with("seconds", *seconds)
        }
        ClockEvent::NotBelieved { wall, why } => {
            let why = match why {
                ClockFault::BeforeRelease => "earlier than this program was made".to_owned(),
                ClockFault::Differs { host, date } => format!("while {host} says {date}"),
            };
            Line::new(
                "clock.not_believed",
                Level::Error,
                format!(
                    "the clock of this machine says {wall}, {why}; displays are left as they are \
                     until it agrees; set the clock"
                ),
            )
            .with("clock", time(*wall))
        }
        ClockEvent::Believed { wall } => Line::new(
            "clock.believed",
            Level::Info,
            format!("the clock of this machine is believed again: {wall}"),
        )
        .with("clock", time(*wall)),
    }
}
