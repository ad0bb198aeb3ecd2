//! Keeps two services apart that were started on one ledger.
//!
//! The lock is the operating system's, on a file of its own beside the ledger, so
//! it cannot outlive a killed process. The file stays; what it holds is for people.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::file::{self, FileId, beside, cannot_open, is_no_file, owner_only};
use super::{LedgerError, Result};
use crate::model::ledger_event::LedgerEvent;

/// The claim of a process on its ledger; dropping it ends the claim.
#[derive(Debug)]
pub struct ServiceLock {
    ledger: PathBuf,
    path: PathBuf,
    file: File,
}

impl ServiceLock {
    /// `ledger` is a path that was resolved.
    pub(super) fn claim(ledger: PathBuf) -> Result<Self> {
        if is_no_file(&ledger) {
            return Err(LedgerError::NotAFile { path: ledger });
        }
        let path = beside(&ledger, ".lock");
        let mut file = open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LedgerError::FolderMissing {
                folder: path.parent().unwrap_or(&path).to_owned(),
            },
            io::ErrorKind::ReadOnlyFilesystem => LedgerError::ReadOnly {
                path: ledger.clone(),
            },
            _ if path.is_symlink() => LedgerError::LockIsALink { path: path.clone() },
            _ if is_no_file(&path) => LedgerError::NotAFile { path: path.clone() },
            _ => cannot_open(path.clone(), error),
        })?;
        if is_no_file(&path) {
            return Err(LedgerError::NotAFile { path });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::ServiceRunning {
                    path: ledger,
                    holder: fs::read_to_string(&path)
                        .ok()
                        .and_then(|text| Holder::read(&text)),
                });
            }
            Err(TryLockError::Error(error)) => return Err(cannot_open(path, error)),
        }
        // The text is a courtesy; the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(Holder::this().text().as_bytes()));
        Ok(Self { ledger, path, file })
    }

    /// The ledger that it is the claim on, as a resolved path.
    #[must_use]
    pub fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// Whether the lock file is still at its place; where it is not, another process could
    /// claim the same ledger.
    pub(super) fn is_in_place(&self) -> bool {
        FileId::of(&self.path) == FileId::of_open(&self.file)
    }

    pub(super) fn narrow(&self, events: &mut Vec<LedgerEvent>) {
        file::narrow(&self.path, events);
    }
}

/// The process that holds a ledger, for people. In a container the number alone says nothing:
/// it is 1 in each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// Empty where it is not known; podcal 0.1 wrote only the number.
    pub host: String,
    pub command: String,
}

impl Holder {
    pub(super) fn this() -> Self {
        // Not the whole line: it may contain what belongs to nobody else.
        let mut words = std::env::args().skip(1);
        let command = words.find(|word| COMMANDS.contains(&word.as_str()));
        Self {
            pid: std::process::id(),
            host: host(),
            command: command.map_or_else(String::new, |word| format!("podcal {word}")),
        }
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.pid, self.host, self.command)
    }

    /// `None` of one that is half-written or empty, just after the start of the other process.
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let mut word = || -> String {
            let line = lines.next().unwrap_or_default();
            let is_plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
            line.chars().filter(is_plain).take(MAX_WORD).collect()
        };
        Some(Self {
            pid,
            host: word(),
            command: word(),
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.command.is_empty() {
            write!(f, "`{}`, ", self.command)?;
        }
        write!(f, "process {}", self.pid)?;
        if !self.host.is_empty() {
            write!(f, " on host {}", self.host)?;
        }
        Ok(())
    }
}

/// The commands that can hold a ledger.
const COMMANDS: [&str; 4] = ["run", "sync", "pod", "demo"];
/// No host has a longer name.
const MAX_WORD: usize = 255;

#[cfg(unix)]
fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Never through a link: whoever may write the folder could have us lock or cut another file.
/// Nor is a reader of a pipe waited for.
fn open(path: &Path) -> io::Result<File> {
    let mut options = owner_only();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK)
            .bits()
            .cast_signed(),
    );
    options.create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_across_containers() {
        let holder = Holder {
            pid: 1,
            host: "podcal-7f8d".to_owned(),
            command: "podcal run".to_owned(),
        };
        assert_eq!(Holder::read(&holder.text()), Some(holder.clone()));
        assert_eq!(
            holder.to_string(),
            "`podcal run`, process 1 on host podcal-7f8d"
        );
        // As podcal 0.1 wrote it, and not yet written.
        assert_eq!(Holder::read("7\n").unwrap().to_string(), "process 7");
        assert_eq!(Holder::read(""), None);
        let forged = Holder::read("7\na\u{1b}[31m\n").unwrap();
        assert_eq!(forged.host, "a[31m");
        let this = Holder::this();
        assert_eq!(this.pid, std::process::id());
        #[cfg(unix)]
        assert!(!this.host.is_empty());
    }
}
