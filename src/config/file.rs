//! The file as it was written: tables and values that know their line and key,
//! refuse unknown keys and wrong types, and note every problem instead of
//! stopping at the first.
//!
//! What the values mean is for `check` and its neighbours.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::fault::Problem;
use super::keys::Section;
use super::{syntax, units};

/// A TOML document and the notes that are taken while it is read.
pub struct Notes {
    /// Of an included file.
    file: Option<PathBuf>,
    /// Where each line begins, in bytes.
    line_starts: Vec<usize>,
    problems: RefCell<Vec<(Problem, Kind)>>,
    warnings: RefCell<Vec<Problem>>,
}

/// Whether a problem can be caused by another: what is missing may stand behind
/// a quotation mark that was never closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wrong,
    Missing,
}

/// Problems and warnings, each in the order of the file.
pub struct Noted {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// Where something stands, for a problem that is found later.
#[derive(Clone, Debug)]
pub struct Place {
    file: Option<PathBuf>,
    line: usize,
    key: String,
}

impl Place {
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The line, and the file where it is another one than that of the value.
    #[must_use]
    pub fn seen_from(&self, value: &Value<'_>) -> String {
        self.seen_from_file(value.notes.file.as_deref())
    }

    /// The same, seen from the configuration itself.
    #[must_use]
    pub fn seen_from_root(&self) -> String {
        self.seen_from_file(None)
    }

    fn seen_from_file(&self, from: Option<&Path>) -> String {
        let line = self.line;
        match &self.file {
            file if file.as_deref() == from => format!("line {line}"),
            Some(file) => format!("{}, line {line}", file.display()),
            None => format!("line {line} of the main file"),
        }
    }
}

/// Reads the text as TOML and hands its root, a table with the keys of `section`, to
/// `check`; gives back what that made of it, and all that was noted. `file` is named in
/// the problems of an included file.
///
/// Where the text is no TOML, what seems to be missing may only be unreadable, and
/// from the first bracket or quotation mark that is not closed the tables cannot be
/// relied on; of the other problems those are given that hold nevertheless.
pub fn read<T>(
    text: &str,
    file: Option<&Path>,
    section: &'static Section,
    check: impl FnOnce(&Table<'_>) -> T,
) -> (T, Noted) {
    let notes = Notes {
        file: file.map(Path::to_owned),
        line_starts: std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect(),
        problems: RefCell::default(),
        warnings: RefCell::default(),
    };
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
    let mut problems = notes.problems.take();
    let syntax = syntax::problems(text, &faults, |at| notes.line_of(at));
    if !syntax.is_empty() {
        let unreadable: BTreeSet<usize> = syntax.iter().map(|problem| problem.line).collect();
        let lost = faults
            .iter()
            .filter(|fault| !syntax::stays_on_its_line(fault.message()))
            .map(|fault| notes.line_of(fault.span().unwrap_or_default().start))
            .min()
            .unwrap_or(usize::MAX);
        problems.retain(|(problem, kind)| {
            *kind == Kind::Wrong && problem.line < lost && !unreadable.contains(&problem.line)
        });
    }
    let mut problems: Vec<Problem> = problems.into_iter().map(|(problem, _)| problem).collect();
    problems.extend(syntax.into_iter().map(|problem| Problem {
        file: notes.file.clone(),
        ..problem
    }));
    problems.sort_by_key(|problem| problem.line);
    let mut warnings = notes.warnings.take();
    warnings.sort_by_key(|warning| warning.line);
    (checked, Noted { problems, warnings })
}

impl Notes {
    fn problem(&self, line: usize, key: String, says: String) -> Problem {
        Problem {
            file: self.file.clone(),
            line,
            key,
            says,
        }
    }

    fn wrong(&self, problem: Problem, kind: Kind) {
        self.problems.borrow_mut().push((problem, kind));
    }

    fn line_of(&self, at: usize) -> usize {
        self.line_starts
            .partition_point(|start| *start <= at)
            .max(1)
    }
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
            raw: value.get_ref(),
        })
    }

    /// Notes that a key is wrong which this table has, or should have.
    pub fn wrong(&self, key: &str, says: impl Into<String>) {
        self.note(key, says.into(), Kind::Wrong);
    }

    /// Notes that a key is needed that this table lacks.
    pub fn missing(&self, key: &str, says: &str) {
        self.note(key, format!("missing; {says}"), Kind::Missing);
    }

    /// Notes something that works and that the operator should know.
    pub fn warn(&self, key: &str, says: impl Into<String>) {
        let warning = self
            .notes
            .problem(self.line, self.path_of(key), says.into());
        self.notes.warnings.borrow_mut().push(warning);
    }

    /// The same for a key that is missing elsewhere, perhaps in another file.
    pub fn missing_at(&self, place: &Place, key: &str, says: &str) {
        let problem = Problem {
            file: place.file.clone(),
            line: place.line,
            key: joined(&place.key, key),
            says: format!("missing; {says}"),
        };
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
    raw: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// Where it stands, for later.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            file: self.notes.file.clone(),
            line: self.line,
            key: self.path.clone(),
        }
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
        self.notes.warnings.borrow_mut().push(warning);
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
            self.wrong("holds a line break or another control character; write one line of text");
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

    /// A whole number within bounds.
    #[must_use]
    pub fn integer(&self, from: i64, to: i64) -> Option<i64> {
        if !self.raw.is_integer() {
            match self.raw.as_str().map(|text| text.trim().parse::<i64>()) {
                Some(Ok(number)) => self.wrong(format!(
                    "expected an integer, found a string; write {number}, without quotes"
                )),
                _ => self.wrong_type("an integer"),
            }
            return None;
        }
        let value = integer(self.raw).filter(|value| (from..=to).contains(value));
        if value.is_none() {
            self.wrong(format!("is out of range; write {from} to {to}"));
        }
        value
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

/// Reads a size within bounds, in bytes.
pub fn size(value: &Value<'_>, from: u64, to: u64) -> Option<u64> {
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
    if !(from..=to).contains(&bytes) {
        value.wrong(format!(
            "is out of range; write {} to {}",
            units::spelt_size(from),
            units::spelt_size(to)
        ));
        return None;
    }
    Some(bytes)
}

/// Reads a duration within bounds.
pub fn duration(value: &Value<'_>, from: Duration, to: Duration) -> Option<Duration> {
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
    if !(from..=to).contains(&span) {
        value.wrong(format!(
            "is out of range; write {} to {}",
            units::spelt(from),
            units::spelt(to)
        ));
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
