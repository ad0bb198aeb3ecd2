//! Logs: format, level and destination. What is said is in `words`, what is counted in `metrics`.

pub(crate) mod damping;
pub mod events;
pub(crate) mod line;
pub(crate) mod metrics;
mod sink;
pub(crate) mod words;

use clap::ValueEnum;

use self::line::Level;
pub use self::sink::{emit, finish, say, start};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important events that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::Error,
            Self::Warn => Level::Warn,
            Self::Info => Level::Info,
            Self::Debug => Level::Debug,
            Self::Trace => Level::Trace,
        }
    }
}
