//! Reads the configuration and what it refers to: the only part of it that
//! touches the disk and the environment.

mod disk;

use std::env::{self, VarError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use super::check::Loaded;
use super::check::{NoVariable, check};
use super::fault::{ConfigFaults, Problem};
use super::{Login, OAuth2, text};
use crate::model::secret::Secret;

/// Far more than the rooms of a large campus need.
const LARGEST_CONFIGURATION: u64 = 16_000_000;

/// Far more than a password or a bundle of certificates needs.
const LARGEST_FILE_REFERRED_TO: u64 = 4_000_000;

/// Reads and checks the configuration at `path`.
///
/// # Errors
/// The file cannot be read, or everything that is wrong in it, each with its line and key.
pub fn load(path: &Path) -> Result<Loaded, ConfigFaults> {
    let bytes = disk::read(path, LARGEST_CONFIGURATION).map_err(|source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ConfigFaults::Missing { path },
            io::ErrorKind::IsADirectory => ConfigFaults::Folder { path },
            io::ErrorKind::FileTooLarge => ConfigFaults::TooLarge {
                path,
                limit: LARGEST_CONFIGURATION,
            },
            io::ErrorKind::InvalidInput => ConfigFaults::Special {
                path,
                says: source.to_string(),
            },
            _ => ConfigFaults::Unreadable { path, source },
        }
    })?;
    let text = text::decode(bytes).map_err(|(line, says)| ConfigFaults::Wrong {
        path: path.to_owned(),
        problems: vec![Problem {
            file: None,
            line,
            key: String::new(),
            says: says.to_owned(),
        }],
    })?;
    check(
        &text,
        path,
        &|path| disk::read(path, LARGEST_FILE_REFERRED_TO),
        &disk::list,
        &variable,
    )
}

/// What a draft refers to that is not there yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draft<'a> {
    /// A file and its content.
    pub file: Option<(&'a Path, &'a str)>,
    /// A variable that will be set for the service.
    pub variable: Option<&'a str>,
}

/// Checks a text as if it were the configuration at `path`; reads what it refers to.
///
/// # Errors
/// All problems at once, each with its line and key.
pub fn check_draft(text: &str, path: &Path, draft: Draft<'_>) -> Result<Loaded, ConfigFaults> {
    check(
        text,
        path,
        &|path| match draft.file {
            Some((file, content)) if file == path => Ok(content.as_bytes().to_vec()),
            _ => disk::read(path, LARGEST_FILE_REFERRED_TO),
        },
        &disk::list,
        &|name| match variable(name) {
            Err(_) if draft.variable == Some(name) => Ok("not known yet".to_owned()),
            found => found,
        },
    )
}

/// The text of a file that a person wrote, such as a table of rooms.
///
/// # Errors
/// Why it cannot be read, in words that follow its name.
pub fn read_text(path: &Path) -> Result<String, String> {
    let bytes = disk::read(path, LARGEST_CONFIGURATION)
        .map_err(|error| super::secret::unreadable(&error))?;
    decode_text(bytes)
}

/// The same for bytes that were read already.
///
/// # Errors
/// Why they are not text, in words that follow a name.
pub fn decode_text(bytes: Vec<u8>) -> Result<String, String> {
    text::decode(bytes).map_err(|(line, says)| format!("{says} (line {line})"))
}

/// The secret in a file that an option names.
///
/// # Errors
/// Why there is none, in words that follow the file's name.
pub fn secret_file(path: &Path) -> Result<Secret, String> {
    let bytes = disk::read(path, LARGEST_FILE_REFERRED_TO)
        .map_err(|error| super::secret::unreadable(&error))?;
    let (secret, _) = super::secret::in_file(path, bytes)?;
    Ok(secret)
}

/// A secret as it is now at the place that it was read from; `None` where it is the same,
/// cannot be read, or is written out in the configuration.
#[must_use]
pub fn changed(secret: &Secret) -> Option<Secret> {
    let read_file = |path: &Path| disk::read(path, LARGEST_FILE_REFERRED_TO);
    let variable = |name: &str| variable(name).ok();
    super::secret::read_again(secret.source(), read_file, variable).filter(|now| now != secret)
}

/// A login with all its secrets as they are now; `None` where none of them changed.
#[must_use]
pub fn changed_login(login: &Login) -> Option<Login> {
    match login {
        Login::None => None,
        Login::Password { username, password } => Some(Login::Password {
            username: username.clone(),
            password: changed(password)?,
        }),
        Login::Token(token) => changed(token).map(Login::Token),
        Login::OAuth2(oauth2) => {
            let client_secret = changed(&oauth2.client_secret);
            let refresh_token = changed(&oauth2.refresh_token);
            if client_secret.is_none() && refresh_token.is_none() {
                return None;
            }
            let mut oauth2 = OAuth2::clone(oauth2);
            oauth2.client_secret = client_secret.unwrap_or(oauth2.client_secret);
            oauth2.refresh_token = refresh_token.unwrap_or(oauth2.refresh_token);
            Some(Login::OAuth2(Arc::new(oauth2)))
        }
    }
}

/// The little of a configuration that can be made out although it is bad.
#[derive(Debug)]
pub struct Glance {
    pub ledger: PathBuf,
}

/// Glances at a configuration that does not pass the check: its ledger, or the default
/// where none is named.
#[must_use]
pub fn glance(path: &Path) -> Option<Glance> {
    let text = disk::read(path, LARGEST_CONFIGURATION).ok()?;
    let text = String::from_utf8_lossy(&text);
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    let word = |group: &str, key: &str| table.get(group)?.get(key)?.as_str();
    let ledger = word("ledger", "path").unwrap_or("podcal.db");
    Some(Glance {
        ledger: path.parent().unwrap_or(Path::new("")).join(ledger),
    })
}

fn variable(name: &str) -> Result<String, NoVariable> {
    env::var(name).map_err(|error| match error {
        VarError::NotPresent => NoVariable::NotSet,
        VarError::NotUnicode(_) => NoVariable::NotText,
    })
}

#[cfg(test)]
mod tests;
