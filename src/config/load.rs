//! Reads the configuration and what it refers to: the only part of it that
//! touches the disk and the environment.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use super::check::Loaded;
use super::check::check;
use super::fault::{ConfigFaults, Problem};

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

/// The whole file, or `FileTooLarge`; a device without an end is one of those.
fn limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit => Ok(bytes),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

#[cfg(test)]
mod tests;
