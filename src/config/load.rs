//! Reads the configuration and what it refers to: the only part of it that
//! touches the disk and the environment.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use super::check::Loaded;
use super::check::check;
use super::fault::{ConfigFaults, Problem};
use super::{Login, OAuth2};
use crate::model::cron::Cron;
use crate::model::secret::Secret;
use crate::model::zone::Zone;

/// Far more than the rooms of a large campus need.
const LARGEST_CONFIGURATION: u64 = 16_000_000;

/// Far more than a password or a bundle of certificates needs.
const LARGEST_FILE_REFERRED_TO: u64 = 4_000_000;

/// Reads and checks the configuration at `path`.
///
/// # Errors
/// The file cannot be read, or everything that is wrong in it, each with its line and key.
pub fn load(path: &Path) -> Result<Loaded, ConfigFaults> {
    let bytes = limited(path, LARGEST_CONFIGURATION).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigFaults::Missing {
            path: path.to_owned(),
        },
        io::ErrorKind::FileTooLarge => ConfigFaults::TooLarge {
            path: path.to_owned(),
            limit: LARGEST_CONFIGURATION,
        },
        _ => ConfigFaults::Unreadable {
            path: path.to_owned(),
            source,
        },
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let breaks = before
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n');
        ConfigFaults::Wrong {
            path: path.to_owned(),
            problems: vec![Problem {
                line: breaks.count() + 1,
                key: String::new(),
                says: "is not UTF-8; save the file as UTF-8".to_owned(),
            }],
        }
    })?;
    check(
        &text,
        path,
        &|path| limited(path, LARGEST_FILE_REFERRED_TO),
        &|name| std::env::var(name).ok(),
    )
}

/// A secret as it is now at the place that it was read from; `None` where it is the same,
/// cannot be read, or is written out in the configuration.
#[must_use]
pub fn changed(secret: &Secret) -> Option<Secret> {
    let read_file = |path: &Path| limited(path, LARGEST_FILE_REFERRED_TO);
    let variable = |name: &str| std::env::var(name).ok();
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
    pub sync: Cron,
    pub zone: Zone,
}

/// Glances at a configuration that does not pass the check: its ledger and its
/// schedule, with the defaults for what is missing or makes no sense.
#[must_use]
pub fn glance(path: &Path) -> Option<Glance> {
    let text = limited(path, LARGEST_CONFIGURATION).ok()?;
    let text = String::from_utf8_lossy(&text);
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    let word = |group: &str, key: &str| table.get(group)?.get(key)?.as_str();
    let ledger = word("ledger", "path").unwrap_or("podcal.db");
    let sync = word("schedule", "sync").and_then(|line| Cron::parse(line).ok());
    let zone = table
        .get("time_zone")
        .and_then(|zone| zone.as_str())
        .and_then(Zone::named);
    Some(Glance {
        ledger: path.parent().unwrap_or(Path::new("")).join(ledger),
        sync: sync.or_else(|| Cron::parse("0 */5 * * * *").ok())?,
        zone: zone.unwrap_or_else(Zone::utc),
    })
}

/// The whole file, or `FileTooLarge`. Pipes and devices are refused at once: to open
/// one may take for ever.
fn limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit => Ok(bytes),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

#[cfg(test)]
mod tests;
