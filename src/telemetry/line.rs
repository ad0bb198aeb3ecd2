//! One line of the log, as data.

use serde_json::Value;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// What is said of one event: its name, its words, and its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Such as `push.done`; see [`events`](super::events).
    pub name: &'static str,
    pub level: Level,
    pub text: String,
    pub fields: Vec<(&'static str, Value)>,
}
