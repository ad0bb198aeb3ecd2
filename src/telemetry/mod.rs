//! Logs: format, level and destination. What is said is in `events`.
//!
//! Only podcal's own events are written, at every level: the traces of HTTP and
//! SQL libraries hold addresses, headers and texts that are secret.

pub mod events;
pub mod line;
pub mod words;

use std::io;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::FormatTime;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people, with the fields at its end.
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
    fn filter(self) -> &'static str {
        match self {
            Self::Error => "off,podcal=error",
            Self::Warn => "off,podcal=warn",
            Self::Info => "off,podcal=info",
            Self::Debug => "off,podcal=debug",
            Self::Trace => "off,podcal=trace",
        }
    }
}

/// Starts logging to stderr. A second call does nothing.
pub fn start(format: LogFormat, level: LogLevel) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level.filter()))
        .with_timer(Milliseconds)
        .with_target(false)
        .with_writer(io::stderr);
    let _ = match format {
        LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr())
                && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).try_init()
        }
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
    };
}

/// RFC 3339 in UTC, to the millisecond.
struct Milliseconds;

impl FormatTime for Milliseconds {
    fn format_time(
        &self,
        writer: &mut tracing_subscriber::fmt::format::Writer<'_>,
    ) -> std::fmt::Result {
        write!(writer, "{:.3}", jiff::Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level for everything would print the headers of every request.
    #[test]
    fn only_our_own_events_are_ever_written() {
        for level in LogLevel::value_variants() {
            assert!(level.filter().starts_with("off,podcal="));
            assert!(EnvFilter::try_new(level.filter()).is_ok());
        }
    }
}
