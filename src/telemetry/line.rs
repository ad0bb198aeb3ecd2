//! One line of the log, before it is written: a name that somebody's alert depends on, a
//! sentence, and fields that can be searched.

use tracing::Level;

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Such as `push.done`.
    pub name: &'static str,
    pub level: Level,
    pub text: String,
    pub fields: Vec<(&'static str, serde_json::Value)>,
}
