//! One line of the log, before it is written: the words of an event.

use serde_json::{Map, Value};

use crate::model::time::UnixTime;
use crate::net::clean;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Wants a person.
    Error,
    /// podcal carried on.
    Warn,
    /// A change.
    Info,
    /// Nothing changed.
    Debug,
    Trace,
}

impl Level {
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

/// An event in words. The sentence reads alone; the fields can be searched, and the
/// important names are in both.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Such as `push.done`; somebody's alert depends on it.
    pub name: &'static str,
    pub level: Level,
    pub text: String,
    pub fields: Vec<(&'static str, Value)>,
}

impl Line {
    #[must_use]
    pub fn new(name: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self {
            name,
            level,
            text: text.into(),
            fields: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((key, value.into()));
        self
    }

    /// For people: time, level, name and sentence, always on one line.
    #[must_use]
    pub fn as_text(&self, at: &str, colours: bool) -> String {
        let level = self.level.key();
        let level = match (colours, self.level) {
            (true, Level::Error) => format!("\u{1b}[31m{level:>5}\u{1b}[0m"),
            (true, Level::Warn) => format!("\u{1b}[33m{level:>5}\u{1b}[0m"),
            _ => format!("{level:>5}"),
        };
        format!("{at} {level} {}: {}\n", self.name, one_line(&self.text))
    }

    /// One JSON object: `timestamp`, `level`, `event`, `message`, then the fields.
    #[must_use]
    pub fn as_json(&self, at: &str) -> String {
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), at.into());
        object.insert("level".to_owned(), self.level.key().into());
        object.insert("event".to_owned(), self.name.into());
        object.insert("message".to_owned(), one_line(&self.text).into());
        for (key, value) in &self.fields {
            let value = match value {
                Value::String(text) => Value::String(one_line(text)),
                other => other.clone(),
            };
            object.insert((*key).to_owned(), value);
        }
        format!("{}\n", clean::json(&Value::Object(object).to_string()))
    }
}

/// RFC 3339 in UTC for a field.
#[must_use]
pub fn time(at: UnixTime) -> Value {
    Value::String(at.to_string())
}

/// What comes from outside must not be able to forge a line of the log, or to turn
/// the text of a terminal around.
fn one_line(text: &str) -> String {
    clean::lines(text).replace('\n', " | ").replace('\t', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line::new("push.done", Level::Info, "room `oak`: pushed 3 meetings")
            .with("room", "oak")
            .with("meetings", 3)
    }

    #[test]
    fn a_line_is_for_people_or_for_programs() {
        let at = "2026-03-02T09:00:00.000Z";
        assert_eq!(
            line().as_text(at, false),
            "2026-03-02T09:00:00.000Z  INFO push.done: room `oak`: pushed 3 meetings\n"
        );
        let json: Value = serde_json::from_str(&line().as_json(at)).unwrap();
        assert_eq!(json["event"], "push.done");
        assert_eq!(json["meetings"], 3);
        assert_eq!(json["message"], "room `oak`: pushed 3 meetings");
    }

    #[test]
    fn outside_text_cannot_forge_a_line() {
        let forged = Line::new(
            "pod.config_drift",
            Level::Warn,
            "key \u{1b}[31ma\nERROR b\u{202e}c",
        )
        .with("path", "a\u{2028}b");
        let text = forged.as_text("t", false);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text}"
        );
        assert!(!forged.as_json("t").contains('\u{2028}'));
        assert!(text.contains("a | ERROR b\\u{202e}c"), "{text}");
        // Also what only the cleaning of titles knew: marks of Arabic, soft hyphens, tags.
        for c in ['\u{61c}', '\u{ad}', '\u{e0041}'] {
            let line = Line::new("push.done", Level::Info, format!("a{c}b"));
            assert!(!line.as_text("t", false).contains(c), "{c:?}");
        }
    }
}
