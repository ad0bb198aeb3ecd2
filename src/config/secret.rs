//! Where a password, token or client secret comes from: a file, an environment
//! variable or, with a warning, the configuration itself.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::secret::{Secret, SecretSource};

use super::file::Value;
use super::{keys, text};

/// What the configuration may refer to. Reading is the caller's, so that all of
/// `check` can be tried without a disk.
pub struct Sources<'a> {
    /// The folder of the configuration file; other paths are relative to it.
    pub folder: &'a Path,
    pub read_file: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// The names of what is in a folder.
    pub list_folder: &'a dyn Fn(&Path) -> io::Result<Vec<String>>,
    pub variable: &'a dyn Fn(&str) -> Result<String, NoVariable>,
}

/// Why an environment variable cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVariable {
    NotSet,
    /// It is not UTF-8.
    NotText,
}

impl Sources<'_> {
    /// A path of the configuration, as it is to be opened.
    #[must_use]
    pub fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// The bytes of a file that a value names; notes why not.
    pub fn file(&self, value: &Value<'_>) -> Option<(PathBuf, Vec<u8>)> {
        let path = self.path(value.line_of_text()?);
        match (self.read_file)(&path) {
            Ok(bytes) => Some((path, bytes)),
            Err(error) => {
                let is_missing = error.kind() == io::ErrorKind::NotFound;
                let relative = match is_missing && path.is_relative() {
                    true => " (relative to the configuration file)",
                    false => "",
                };
                value.wrong(format!(
                    "the file `{}` {}{relative}",
                    path.display(),
                    unreadable(&error)
                ));
                None
            }
        }
    }
}

/// Why a file or folder cannot be read, and what to do; follows its name.
pub fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist; write it, or correct the path".to_owned(),
        io::ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            format!("may not be read by user {user}, which podcal runs as")
        }
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        io::ErrorKind::FileTooLarge => "is too large for what it should hold".to_owned(),
        // A pipe or device, which says itself what it is.
        io::ErrorKind::InvalidInput => error.to_string(),
        _ => format!("cannot be read ({error})"),
    }
}

/// Whether a secret that is written out as `""` means that there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// A pod without an admin password accepts an empty one.
    Allowed,
    Refused,
}

const EXPECTED: &str = "{ file = \"...\" } or { env = \"...\" }";

/// Reads a secret; notes what is wrong with it, never what is in it.
pub fn secret(value: &Value<'_>, sources: &Sources<'_>, empty: Empty) -> Option<Secret> {
    if let Some(literal) = value.raw().as_str() {
        return written_out(value, literal, empty);
    }
    let table = value.table_or(&keys::SECRET, EXPECTED)?;
    match (table.get("file"), table.get("env")) {
        (Some(file), None) => from_file(&file, sources),
        (None, Some(name)) => from_variable(&name, sources),
        (Some(_), Some(_)) => {
            value.wrong("names both a file and a variable; keep one");
            None
        }
        (None, None) => {
            value.wrong(format!("names no source; write {EXPECTED}"));
            None
        }
    }
}

fn written_out(value: &Value<'_>, literal: &str, empty: Empty) -> Option<Secret> {
    if literal.is_empty() {
        if empty == Empty::Allowed {
            return Some(Secret::new(""));
        }
        value.wrong(format!("is empty; write {EXPECTED}"));
        return None;
    }
    let named = || "the text".to_owned();
    let secret = on_one_line(literal, SecretSource::Text, named, value)?;
    let noun = value.key().replace('_', " ");
    let is_name = |name: &str| {
        let mut letters = name.chars();
        name.len() > 1 && letters.all(|char| char.is_ascii_alphanumeric() || char == '_')
    };
    let variable = literal.strip_prefix('$').map(|name| {
        let inner = name
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'));
        inner.unwrap_or(name)
    });
    // Its name is not repeated: it may be the password after all.
    value.warn(match variable.is_some_and(is_name) {
        true => format!(
            "the {noun} is taken as it is written, and not from a variable; write {{ env = \"NAME\" }}"
        ),
        false => format!("the {noun} is written out; use {EXPECTED}"),
    });
    Some(secret)
}

fn from_file(value: &Value<'_>, sources: &Sources<'_>) -> Option<Secret> {
    let (path, bytes) = sources.file(value)?;
    let named = format!("the file `{}`", path.display());
    match in_file(&path, bytes) {
        Ok((secret, is_padded)) => {
            if is_padded {
                value.warn(format!(
                    "{named} begins or ends with white space, which is not taken as part of the secret"
                ));
            }
            Some(secret)
        }
        Err(says) => {
            value.wrong(format!("{named} {says}"));
            None
        }
    }
}

/// The secret in a file that contains nothing else, and whether white space around it was
/// left out. A line break at the end is no such white space: editors and `echo` write it.
///
/// # Errors
/// What is wrong, in words that follow the file's name.
pub fn in_file(path: &Path, bytes: Vec<u8>) -> Result<(Secret, bool), &'static str> {
    let whole = text::decode(bytes).map_err(|(_, says)| says)?;
    let text = whole.trim();
    if text.is_empty() {
        return Err("is empty; write the secret into it");
    }
    if !is_one_line(text) {
        return Err(NOT_ONE_LINE);
    }
    let is_padded = whole.trim_end_matches(['\r', '\n']) != text;
    let source = SecretSource::File(path.to_owned());
    Ok((Secret::read_from(source, text), is_padded))
}

fn from_variable(value: &Value<'_>, sources: &Sources<'_>) -> Option<Secret> {
    let name = value.line_of_text()?;
    let named = || format!("the environment variable `{}`", name.escape_debug());
    if name.contains(['=', '\0']) {
        value.wrong(
            "is not the name of an environment variable; write one such as \"POD_PASSWORD\"",
        );
        return None;
    }
    match (sources.variable)(name) {
        Err(NoVariable::NotSet) => {
            value.wrong(format!("{} is not set; set it for podcal", named()));
            None
        }
        Err(NoVariable::NotText) => {
            value.wrong(format!("{} is not UTF-8", named()));
            None
        }
        Ok(text) if text.is_empty() => {
            value.wrong(format!("{} is empty; set it for podcal", named()));
            None
        }
        Ok(text) => on_one_line(&text, SecretSource::Variable(name.to_owned()), named, value),
    }
}

/// A secret with a line break or another control character in it is the wrong
/// file, and could break the header of a request.
fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

const NOT_ONE_LINE: &str = "contains more than one line, or a control character";

fn on_one_line(
    text: &str,
    source: SecretSource,
    named: impl Fn() -> String,
    value: &Value<'_>,
) -> Option<Secret> {
    if !is_one_line(text) {
        value.wrong(format!("{} {NOT_ONE_LINE}", named()));
        return None;
    }
    Some(Secret::read_from(source, text))
}

/// What a secret is now, at the place that it was read from; `None` where that cannot be
/// read, or holds nothing that could be a secret.
#[must_use]
pub fn read_again(
    source: &SecretSource,
    read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<Secret> {
    match source {
        SecretSource::Text => None,
        SecretSource::File(path) => {
            let (secret, _) = in_file(path, read_file(path).ok()?).ok()?;
            Some(secret)
        }
        SecretSource::Variable(name) => variable(name)
            .filter(|text| !text.is_empty() && is_one_line(text))
            .map(|text| Secret::read_from(source.clone(), text)),
    }
}
