//! Keeps two services apart that were started on one ledger.
//!
//! The lock is the operating system's, on a file of its own beside the ledger, so
//! it cannot outlive a killed process. The file stays; what it holds is for people.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::file::{self, FileId, beside, cannot_open, owner_only};
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
        if ledger.is_dir() {
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
            _ => cannot_open(path.clone(), error),
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::ServiceRunning {
                    path: ledger,
                    // Half-written or empty just after the other one's start: then it goes unnamed.
                    pid: fs::read_to_string(&path)
                        .ok()
                        .and_then(|text| text.trim().parse().ok()),
                    host: None,
                });
            }
            Err(TryLockError::Error(error)) => return Err(cannot_open(path, error)),
        }
        // The number is a courtesy; the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
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

/// Never through a link: whoever may write the folder could have us lock or cut another file.
fn open(path: &Path) -> io::Result<File> {
    let mut options = owner_only();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed(),
    );
    options.create(true).truncate(false).open(path)
}
