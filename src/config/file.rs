//! The file as it was written: tables and values that know their line and key,
//! refuse unknown keys and wrong types, and note every problem instead of
//! stopping at the first.
//!
//! What the values mean is for `check` and its neighbours.

use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::keys::Section;
use super::notes::{Kind, Noted, Notes, Place};
use super::schema::{self, Entry, Shape};
use super::units;

/// Reads the text as TOML and hands its root, a table with the keys of `section`, to
/// `check`; gives back what that made of it, and all that was noted. `file` is named in
/// the problems of an included file.
pub fn read<T>(
    text: &str,
    file: Option<&Path>,
    section: &'static Section,
    check: impl FnOnce(&Table<'_>) -> T,
) -> (T, Noted) {
    let notes = Notes::new(text, file);
    let (root, faults) = DeTable::parse_recoverable(text);
    let checked = {
        let root = Table {
            notes: &notes,
            path: String::new(),
            line: 1,
            section,
            entries: root.get_ref(),
        };
        root.refuse_unknown_keys();
        check(&root)
    };
    (checked, notes.finished(text, &faults))
}

/// A table of the file, its unknown keys already refused.
#[derive(Clone)]
pub struct Table<'a> {
    notes: &'a Notes,
    path: String,
    line: usize,
    section: &'static Section,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The value of a key; `None` when the file does not give it.
    #[must_use]
    pub fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.section.knows(key), "{key} is not in the list of keys");
        let (written, value) = self.entries.get_key_value(key)?;
        Some(Value {
            notes: self.notes,
            path: self.path_of(key),
            line: self.notes.line_of(written.span().start),
            entry: schema::entry(self.section, key),
            raw: value.get_ref(),
        })
    }

    /// Whether this is written in it, known or not.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Notes that a key is wrong which this table has, or should have.
    pub fn wrong(&self, key: &str, says: impl Into<String>) {
        self.note(key, says.into(), Kind::Wrong);
    }

    /// Notes that a key is needed that this table lacks.
    pub fn missing(&self, key: &str, says: &str) {
        self.lacks(key, format!("missing; {says}"));
    }

    /// The same, where `says` tells itself that it is missing.
    pub fn lacks(&self, key: &str, says: String) {
        self.note(key, says, Kind::Missing);
    }

    /// Notes something that works and that the operator should know.
    pub fn warn(&self, key: &str, says: impl Into<String>) {
        let warning = self
            .notes
            .problem(self.line, self.path_of(key), says.into());
        self.notes.warn(warning);
    }

    /// The same for a key that is missing elsewhere, perhaps in another file.
    pub fn missing_at(&self, place: &Place, key: &str, says: &str) {
        let problem = place.problem(|path| joined(path, key), format!("missing; {says}"));
        self.notes.wrong(problem, Kind::Missing);
    }

    fn note(&self, key: &str, says: String, kind: Kind) {
        let problem = self.notes.problem(self.line, self.path_of(key), says);
        self.notes.wrong(problem, kind);
    }

    fn path_of(&self, key: &str) -> String {
        joined(&self.path, key)
    }

    fn refuse_unknown_keys(&self) {
        for (written, _) in self.entries {
            if !self.section.knows(written.get_ref()) {
                let problem = self.notes.problem(
                    self.notes.line_of(written.span().start),
                    self.path_of(written.get_ref()),
                    self.section.advice(written.get_ref()),
                );
                self.notes.wrong(problem, Kind::Wrong);
            }
        }
    }
}

/// A value of the file.
#[derive(Clone)]
pub struct Value<'a> {
    notes: &'a Notes,
    path: String,
    line: usize,
    /// What there is to say about its key, where that is one and no name.
    entry: Option<&'static Entry>,
    raw: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// Where it stands, for later.
    #[must_use]
    pub fn place(&self) -> Place {
        self.notes.place(self.line, self.path.clone())
    }

    /// Notes that a key is needed that this table, or the table it could be, lacks.
    pub fn missing(&self, key: &str, says: &str) {
        let says = format!("missing; {says}");
        let problem = self.notes.problem(self.line, joined(&self.path, key), says);
        self.notes.wrong(problem, Kind::Missing);
    }

    /// The last part of its key, such as `password`.
    #[must_use]
    pub fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The value as TOML knows it.
    #[must_use]
    pub fn raw(&self) -> &'a DeValue<'a> {
        self.raw
    }

    /// Notes that this value is wrong.
    pub fn wrong(&self, says: impl Into<String>) {
        let problem = self
            .notes
            .problem(self.line, self.path.clone(), says.into());
        self.notes.wrong(problem, Kind::Wrong);
    }

    /// Notes something that works and that the operator should know.
    pub fn warn(&self, says: impl Into<String>) {
        let warning = self
            .notes
            .problem(self.line, self.path.clone(), says.into());
        self.notes.warn(warning);
    }

    /// Notes that something else was expected here; `expected` begins with an article.
    pub fn wrong_type(&self, expected: &str) {
        self.wrong(format!("expected {expected}, found {}", kind_of(self.raw)));
    }

    /// A string, whatever is in it.
    #[must_use]
    pub fn string(&self) -> Option<&'a str> {
        self.string_or("a string")
    }

    /// A string; where it is none, `expected` says what it should hold.
    #[must_use]
    pub fn string_or(&self, expected: &str) -> Option<&'a str> {
        let text = self.raw.as_str();
        if text.is_none() {
            let simple = !(self.raw.is_array() || self.raw.is_table());
            match simple && expected == "a string" {
                true => self.wrong(format!(
                    "expected a string, found {}; put it in quotes",
                    kind_of(self.raw)
                )),
                false => self.wrong_type(expected),
            }
        }
        text
    }

    /// A string on one line that is not blank: a name, a title, a pattern.
    #[must_use]
    pub fn line_of_text(&self) -> Option<&'a str> {
        let text = self.string()?;
        if text.trim().is_empty() {
            self.wrong("is empty; write a text, or leave the key out");
            return None;
        }
        if text.chars().any(char::is_control) {
            self.wrong(
                "contains a line break or another control character; write one line of text",
            );
            return None;
        }
        Some(text)
    }

    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        let value = self.raw.as_bool();
        if value.is_none() {
            let word = self.raw.as_str().map(str::to_ascii_lowercase);
            let meant = match (word.as_deref(), integer(self.raw)) {
                (Some("true" | "yes" | "on" | "1"), _) | (None, Some(1)) => {
                    "; write true, without quotes"
                }
                (Some("false" | "no" | "off" | "0"), _) | (None, Some(0)) => {
                    "; write false, without quotes"
                }
                _ => "",
            };
            self.wrong(format!(
                "expected true or false, found {}{meant}",
                kind_of(self.raw)
            ));
        }
        value
    }

    /// One of a few words.
    #[must_use]
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let mut expected = String::new();
        for (at, (word, _)) in words.iter().enumerate() {
            let between = match at {
                0 => "",
                _ if at + 1 == words.len() => " or ",
                _ => ", ",
            };
            expected += &format!("{between}\"{word}\"");
        }
        let text = self.string_or(&expected)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.wrong(format!("{} is not known; write {expected}", quoted(text)));
        }
        found.map(|(_, value)| *value)
    }

    /// A whole number within the bounds of its key.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        if !self.raw.is_integer() {
            match self.raw.as_str().map(|text| text.trim().parse::<i64>()) {
                Some(Ok(number)) => self.wrong(format!(
                    "expected an integer, found a string; write {number}, without quotes"
                )),
                _ => self.wrong_type("an integer"),
            }
            return None;
        }
        let value = integer(self.raw).filter(|value| match self.entry.map(|entry| &entry.shape) {
            Some(Shape::Whole(from, to)) => (from..=to).contains(&value),
            _ => true,
        });
        if value.is_none() {
            self.out_of_range();
        }
        value
    }

    fn out_of_range(&self) {
        let bounds = self.entry.and_then(Entry::bounds).unwrap_or_default();
        self.wrong(format!("is out of range; write {bounds}"));
    }

    /// A table with these keys and no others.
    #[must_use]
    pub fn table(&self, section: &'static Section) -> Option<Table<'a>> {
        self.table_or(section, "a table")
    }

    /// The same; where it is none, `expected` says what it should be.
    #[must_use]
    pub fn table_or(&self, section: &'static Section, expected: &str) -> Option<Table<'a>> {
        let Some(entries) = self.raw.as_table() else {
            self.wrong_type(expected);
            return None;
        };
        let table = Table {
            notes: self.notes,
            path: self.path.clone(),
            line: self.line,
            section,
            entries,
        };
        table.refuse_unknown_keys();
        Some(table)
    }

    /// The values of a table whose keys are names, in the order of the file.
    #[must_use]
    pub fn entries(&self, expected: &str) -> Option<Vec<(&'a str, Value<'a>)>> {
        let Some(entries) = self.raw.as_table() else {
            self.wrong_type(expected);
            return None;
        };
        let mut entries: Vec<_> = entries.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let entries = entries.into_iter().map(|(name, value)| {
            let value = Value {
                notes: self.notes,
                path: joined(&self.path, name.get_ref()),
                line: self.notes.line_of(name.span().start),
                entry: None,
                raw: value.get_ref(),
            };
            (name.get_ref().as_ref(), value)
        });
        Some(entries.collect())
    }

    /// The elements of an array.
    #[must_use]
    pub fn elements(&self, expected: &str) -> Option<Vec<Value<'a>>> {
        let Some(array) = self.raw.as_array() else {
            self.wrong_type(expected);
            return None;
        };
        let elements = array.iter().enumerate().map(|(index, value)| Value {
            notes: self.notes,
            path: format!("{}[{index}]", self.path),
            line: self.notes.line_of(value.span().start),
            entry: None,
            raw: value.get_ref(),
        });
        Some(elements.collect())
    }
}

/// A whole number; `None` when it is another type or does not fit.
#[must_use]
pub fn integer(value: &DeValue<'_>) -> Option<i64> {
    let written = value.as_integer()?;
    i64::from_str_radix(written.as_str(), written.radix()).ok()
}

/// The type of a value, with its article.
fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Reads a size within the bounds of its key, in bytes.
pub fn size(value: &Value<'_>) -> Option<u64> {
    if let Some(number) = integer(value.raw()) {
        value.wrong(format!(
            "has no unit; write {}",
            units::number_as_size(number)
        ));
        return None;
    }
    let text = value.string_or("a size such as \"50MB\"")?;
    let bytes = units::size(text)
        .map_err(|says| value.wrong(format!("{} {says}", quoted(text))))
        .ok()?;
    if let Some(Shape::Size(from, to)) = value.entry.map(|entry| &entry.shape)
        && !(from..=to).contains(&&bytes)
    {
        value.out_of_range();
        return None;
    }
    Some(bytes)
}

/// Reads a duration within the bounds of its key.
pub fn duration(value: &Value<'_>) -> Option<Duration> {
    if let Some(number) = integer(value.raw()) {
        value.wrong(format!(
            "has no unit; write {}",
            units::number_as_duration(number)
        ));
        return None;
    }
    let text = value.string_or("a duration such as \"15s\"")?;
    let span = units::duration(text)
        .map_err(|says| value.wrong(format!("{} {says}", quoted(text))))
        .ok()?;
    if let Some(Shape::Duration(from, to) | Shape::DurationOrNever(from, to)) =
        value.entry.map(|entry| &entry.shape)
        && !(u128::from(*from)..=u128::from(*to)).contains(&span.as_millis())
    {
        value.out_of_range();
        return None;
    }
    Some(span)
}

/// A value of the file for a message: in quotes, on one line, not too long. An
/// address is withheld, because one that stands in the wrong place is still a password.
#[must_use]
pub fn quoted(text: &str) -> String {
    if text.contains("://") || text.contains('@') {
        return "this address".to_owned();
    }
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// A key below a path, in quotes where TOML wants them.
fn joined(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.len() <= 100
        && key
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
    let key = match bare {
        true => key.to_owned(),
        false if key.contains("://") || key.contains('@') => "\"…\"".to_owned(),
        false => quoted(key),
    };
    match path {
        "" => key,
        path => format!("{path}.{key}"),
    }
}
