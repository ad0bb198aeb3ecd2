//! What can go wrong with the ledger, said so that a person can act on it.
//!
//! SQLite's result codes become variants here and nowhere else. No message holds
//! what was stored: SQLite names tables and columns, not values.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use crate::fault::Fault;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the folder {} of the ledger does not exist", folder.display())]
    FolderMissing { folder: PathBuf },
    #[error("the ledger {} is not a file", path.display())]
    NotAFile { path: PathBuf },
    #[error("the ledger {} cannot be opened", path.display())]
    CannotOpen {
        path: PathBuf,
        #[source]
        source: OpenFailure,
    },
    #[error("the ledger {} is not an SQLite database", path.display())]
    NotADatabase { path: PathBuf },
    #[error("the ledger {} is a database of something other than podcal", path.display())]
    Foreign { path: PathBuf },
    #[error("the ledger {} is damaged", path.display())]
    Corrupt { path: PathBuf },
    #[error(
        "the ledger {} was written by a newer podcal (schema {found}, this one knows up to {known})",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "the ledger {} was written by another build of podcal (its schema {version} differs)",
        path.display()
    )]
    Altered { path: PathBuf, version: i64 },
    #[error("the ledger {} stayed locked by another process", path.display())]
    Locked { path: PathBuf },
    #[error("the ledger {} is in use by another `podcal run`{}", path.display(), pid_in_brackets(*pid))]
    ServiceRunning { path: PathBuf, pid: Option<u32> },
    #[error("there is no room left on the disk of the ledger {}", path.display())]
    DiskFull { path: PathBuf },
    #[error("the ledger {} cannot be written", path.display())]
    ReadOnly { path: PathBuf },
    #[error("the file system of the ledger {} has no shared memory", path.display())]
    NoSharedMemory { path: PathBuf },
    #[error("the disk of the ledger {} failed", path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the ledger {} holds {what} that podcal cannot read", path.display())]
    Unreadable { path: PathBuf, what: &'static str },
    #[error("the ledger {} is closed already", path.display())]
    Closed { path: PathBuf },
    /// A statement of ours that this database refuses: a defect of podcal.
    #[error("the ledger {} refused a statement", path.display())]
    Refused {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
}

/// Why a file could not be opened: as the system said it, or as SQLite did.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    #[error(transparent)]
    System(#[from] io::Error),
    #[error(transparent)]
    Sqlite(sqlx::Error),
}

fn pid_in_brackets(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl LedgerError {
    /// What an error of the database means for this ledger.
    pub(super) fn of(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match &source {
            sqlx::Error::PoolTimedOut => Self::Locked { path },
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed { path },
            sqlx::Error::Io(_) => Self::Disk { path, source },
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse::<i32>().ok());
                match code.unwrap_or_default() {
                    // SQLITE_IOERR_SHMOPEN, _SHMSIZE, _SHMLOCK, _SHMMAP
                    4618 | 4874 | 5130 | 5386 => Self::NoSharedMemory { path },
                    // The low byte is the kind, the rest says more of it (sqlite.org/rescode.html).
                    code => match code & 0xff {
                        5 | 6 => Self::Locked { path },
                        8 => Self::ReadOnly { path },
                        10 => Self::Disk { path, source },
                        11 => Self::Corrupt { path },
                        13 => Self::DiskFull { path },
                        14 => Self::CannotOpen {
                            path,
                            source: OpenFailure::Sqlite(source),
                        },
                        26 => Self::NotADatabase { path },
                        _ => Self::Refused { path, source },
                    },
                }
            }
            _ => Self::Refused { path, source },
        }
    }
}

const REBUILT: &str = "the next sync builds it anew from feeds and pods; only the history and the \
    trusted certificates are lost (pods are trusted again on first contact)";

impl Fault for LedgerError {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::FolderMissing { .. } => {
                "create the folder, or correct `ledger.path`; in a container, mount a volume there"
                    .into()
            }
            Self::NotAFile { .. } => "let `ledger.path` name a file, such as \"podcal.db\"".into(),
            Self::CannotOpen { .. } => {
                "let the user that runs podcal read and write the file and its folder; SQLite \
                 puts two more files beside it"
                    .into()
            }
            Self::NotADatabase { .. } | Self::Corrupt { .. } | Self::Unreadable { .. } => {
                format!("stop podcal and move the file away, with its -wal and -shm; {REBUILT}")
                    .into()
            }
            Self::Foreign { .. } => "let `ledger.path` name a file of podcal's own".into(),
            Self::Newer { .. } => {
                format!("run the newer podcal, or move the file away; {REBUILT}").into()
            }
            Self::Altered { .. } => {
                format!("run the podcal that wrote it, or move the file away; {REBUILT}").into()
            }
            Self::Locked { .. } => {
                "see what holds it (`fuser` on the file names the process); a backup that locks \
                 it, or an open database tool, is the usual cause"
                    .into()
            }
            Self::ServiceRunning { .. } => {
                "stop the other one, or give this one a `ledger.path` of its own; `podcal sync` \
                 and the commands that read may run beside it"
                    .into()
            }
            Self::DiskFull { .. } => {
                "make room; the displays keep what they show, and the next sync catches up".into()
            }
            Self::ReadOnly { .. } => {
                "let the user that runs podcal write the file and its folder; in a container, \
                 mount the folder writable"
                    .into()
            }
            Self::NoSharedMemory { .. } => {
                "put the ledger on a local disk: SQLite's write-ahead log does not work on \
                 network shares"
                    .into()
            }
            Self::Disk { .. } => {
                "look at the system's log for faults of the disk; on a network share, move the \
                 ledger to a local disk"
                    .into()
            }
            Self::Closed { .. } => "podcal is stopping; start it again".into(),
            Self::Refused { .. } => "this is a defect of podcal; please report it".into(),
        }
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::Locked { .. } => true,
            Self::FolderMissing { .. }
            | Self::NotAFile { .. }
            | Self::CannotOpen { .. }
            | Self::NotADatabase { .. }
            | Self::Foreign { .. }
            | Self::Corrupt { .. }
            | Self::Newer { .. }
            | Self::Altered { .. }
            | Self::ServiceRunning { .. }
            | Self::DiskFull { .. }
            | Self::ReadOnly { .. }
            | Self::NoSharedMemory { .. }
            | Self::Disk { .. }
            | Self::Unreadable { .. }
            | Self::Closed { .. }
            | Self::Refused { .. } => false,
        }
    }
}
