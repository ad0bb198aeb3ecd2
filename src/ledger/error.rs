//! What can go wrong with the ledger, said so that a person can act on it.
//!
//! SQLite's result codes become variants here and nowhere else. No message holds
//! what was stored: SQLite names tables and columns, not values.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Holder;
use super::server_error::ServerError;
use crate::fault::{Fault, chain};
use crate::model::failure::{Failure, FailureClass};

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
    #[error("the ledger {} is in use by another podcal{}", path.display(), in_brackets(holder.as_ref()))]
    ServiceRunning {
        path: PathBuf,
        holder: Option<Holder>,
    },
    #[error(transparent)]
    Server(#[from] ServerError),
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
    #[error("the lock file {} of the ledger is a symbolic link", path.display())]
    LockIsALink { path: PathBuf },
    #[error("the disk of the ledger {} does not answer", path.display())]
    NoAnswer { path: PathBuf },
    /// Another file is at its path than the one that was opened.
    #[error("the ledger {} was deleted or replaced", path.display())]
    Replaced { path: PathBuf },
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

pub(super) fn in_brackets(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(" ({holder})"))
}

impl LedgerError {
    /// Whether what is in the file cannot be trusted any more.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::NotADatabase { .. })
    }

    /// Whether another process holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(
            self,
            Self::ServiceRunning { .. } | Self::Server(ServerError::ServedByAnother { .. })
        )
    }

    /// Whether a server is down for everybody, as far as can be told from here.
    #[must_use]
    pub fn is_server_down(&self) -> bool {
        matches!(self, Self::Server(error) if error.is_down())
    }

    /// A stable key for logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::FolderMissing { .. } => "folder_missing",
            Self::NotAFile { .. } => "not_a_file",
            Self::CannotOpen { .. } => "cannot_open",
            Self::NotADatabase { .. } => "not_a_database",
            Self::Foreign { .. } => "foreign",
            Self::Corrupt { .. } => "damaged",
            Self::Newer { .. } => "newer_schema",
            Self::Altered { .. } => "other_schema",
            Self::Locked { .. } => "locked",
            Self::ServiceRunning { .. } => "service_running",
            Self::Server(error) => error.kind(),
            Self::DiskFull { .. } => "disk_full",
            Self::ReadOnly { .. } => "read_only",
            Self::NoSharedMemory { .. } => "no_shared_memory",
            Self::Disk { .. } => "disk_failed",
            Self::LockIsALink { .. } => "lock_is_a_link",
            Self::NoAnswer { .. } => "no_answer",
            Self::Replaced { .. } => "replaced",
            Self::Unreadable { .. } => "unreadable",
            Self::Closed { .. } => "closed",
            Self::Refused { .. } => "refused",
        }
    }

    /// For whoever only passes it on.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure {
            class: FailureClass::Other,
            kind: self.kind().to_owned(),
            says: chain(self),
            hint: self.hint().into_owned(),
            is_passing: self.is_passing(),
            retry_after: None,
            secret_was_sent: false,
        }
    }

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

const REBUILT: &str = "the next sync builds it again from feeds and pods; only the history and the \
    trusted certificates are lost (pods are trusted again on first contact)";

fn folder_of(path: &Path) -> std::path::Display<'_> {
    path.parent().unwrap_or(path).display()
}

impl Fault for LedgerError {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::FolderMissing { .. } => {
                "create the folder, or correct `ledger.path`; in a container, mount a volume there"
                    .into()
            }
            Self::NotAFile { .. } => "set `ledger.path` to a file, such as \"podcal.db\"".into(),
            Self::CannotOpen { path, .. } => {
                let (user, folder) = (rustix::process::geteuid().as_raw(), folder_of(path));
                format!(
                    "let user {user}, which podcal runs as, read and write the file and its folder, such as \
                     by `chown -R {user} {folder}` (for a container: on the host, the folder that is mounted there)"
                )
                .into()
            }
            Self::NotADatabase { .. } | Self::Corrupt { .. } | Self::Unreadable { .. } => {
                format!("stop podcal and move the file away, with its -wal and -shm; {REBUILT}")
                    .into()
            }
            Self::Foreign { .. } => "set `ledger.path` to a file that only podcal uses".into(),
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
            Self::Server(error) => error.hint().into(),
            Self::ServiceRunning { .. } => {
                "stop the other one, or give this one a `ledger.path` of its own; `podcal sync` \
                 and the commands that read may run beside it"
                    .into()
            }
            Self::DiskFull { .. } => {
                "free some disk space; displays are served meanwhile, and the current state is written then"
                    .into()
            }
            Self::ReadOnly { .. } => {
                let user = rustix::process::geteuid().as_raw();
                format!(
                    "let user {user}, which podcal runs as, write the file and its folder; in a \
                     container, mount the folder writable"
                )
                .into()
            }
            Self::NoSharedMemory { .. } => {
                "put the ledger on a local disk: SQLite's write-ahead log does not work on \
                 network shares"
                    .into()
            }
            Self::Disk { .. } => {
                "check the system's log for disk errors; on a network share, move the \
                 ledger to a local disk"
                    .into()
            }
            Self::LockIsALink { .. } => {
                "remove the link; podcal locks only a file of its own beside the ledger".into()
            }
            Self::NoAnswer { .. } => {
                "check the system's log for errors of the disk or of the network share".into()
            }
            Self::Replaced { .. } => {
                "nothing to do: a running service writes the current state to the new file by itself"
                    .into()
            }
            Self::Closed { .. } => "podcal is stopping; start it again".into(),
            Self::Refused { .. } => "this is a bug in podcal; please report it".into(),
        }
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::NoAnswer { .. } | Self::Replaced { .. } => true,
            Self::Server(error) => error.is_passing(),
            Self::LockIsALink { .. }
            | Self::FolderMissing { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_and_where_and_what_to_do() {
        let path = || PathBuf::from("/var/lib/podcal/podcal.db");
        let source = || sqlx::Error::RowNotFound;
        let system = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (error, says) in [
            (
                LedgerError::FolderMissing { folder: path() },
                "does not exist",
            ),
            (LedgerError::NotAFile { path: path() }, "is not a file"),
            (
                LedgerError::CannotOpen {
                    path: path(),
                    source: system().into(),
                },
                "cannot be opened",
            ),
            (
                LedgerError::NotADatabase { path: path() },
                "is not an SQLite database",
            ),
            (LedgerError::Foreign { path: path() }, "other than podcal"),
            (LedgerError::Corrupt { path: path() }, "is damaged"),
            (
                LedgerError::Newer {
                    path: path(),
                    found: 3,
                    known: 2,
                },
                "(schema 3, this one knows up to 2)",
            ),
            (
                LedgerError::Altered {
                    path: path(),
                    version: 2,
                },
                "(its schema 2 differs)",
            ),
            (
                LedgerError::Locked { path: path() },
                "locked by another process",
            ),
            (
                LedgerError::ServiceRunning {
                    path: path(),
                    holder: None,
                },
                "by another podcal",
            ),
            (
                LedgerError::ServiceRunning {
                    path: path(),
                    holder: Some(Holder {
                        pid: 7,
                        host: "a".to_owned(),
                        command: "podcal run".to_owned(),
                    }),
                },
                "(`podcal run`, process 7 on host a)",
            ),
            (LedgerError::DiskFull { path: path() }, "no room left"),
            (LedgerError::ReadOnly { path: path() }, "cannot be written"),
            (
                LedgerError::NoSharedMemory { path: path() },
                "no shared memory",
            ),
            (
                LedgerError::Disk {
                    path: path(),
                    source: source(),
                },
                "failed",
            ),
            (
                LedgerError::Unreadable {
                    path: path(),
                    what: "a certificate pin",
                },
                "holds a certificate pin that",
            ),
            (
                LedgerError::LockIsALink { path: path() },
                "is a symbolic link",
            ),
            (LedgerError::Replaced { path: path() }, "was deleted"),
            (LedgerError::NoAnswer { path: path() }, "does not answer"),
            (LedgerError::Closed { path: path() }, "is closed"),
            (
                LedgerError::Refused {
                    path: path(),
                    source: source(),
                },
                "refused a statement",
            ),
        ] {
            let (shown, hint) = (error.to_string(), error.hint());
            assert!(
                shown.contains(says) && shown.contains("/var/lib/podcal"),
                "{shown}"
            );
            assert!(
                shown.starts_with(char::is_lowercase) && !shown.ends_with('.'),
                "{shown}"
            );
            assert!(
                hint.starts_with(char::is_lowercase) && !hint.ends_with('.'),
                "{hint}"
            );
            assert!(!shown.contains('\n') && !hint.contains("  "), "{hint}");
            assert_eq!(
                error.is_passing(),
                matches!(
                    error,
                    LedgerError::Locked { .. }
                        | LedgerError::NoAnswer { .. }
                        | LedgerError::Replaced { .. }
                ),
                "{shown}"
            );
        }
    }

    #[test]
    fn sqlites_codes_become_words() {
        for (code, is_right) in [
            (
                "5",
                (|error| matches!(error, LedgerError::Locked { .. })) as fn(&LedgerError) -> bool,
            ),
            ("261", |error| matches!(error, LedgerError::Locked { .. })),
            ("517", |error| matches!(error, LedgerError::Locked { .. })),
            ("1032", |error| {
                matches!(error, LedgerError::ReadOnly { .. })
            }),
            ("266", |error| matches!(error, LedgerError::Disk { .. })),
            ("5386", |error| {
                matches!(error, LedgerError::NoSharedMemory { .. })
            }),
            ("267", |error| matches!(error, LedgerError::Corrupt { .. })),
            ("13", |error| matches!(error, LedgerError::DiskFull { .. })),
            ("14", |error| {
                matches!(error, LedgerError::CannotOpen { .. })
            }),
            ("26", |error| {
                matches!(error, LedgerError::NotADatabase { .. })
            }),
            ("1299", |error| matches!(error, LedgerError::Refused { .. })),
        ] {
            let source = sqlx::Error::Database(Box::new(Coded(code)));
            let error = LedgerError::of(Path::new("podcal.db"), source);
            assert!(is_right(&error), "{code}: {error:?}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("code {0}")]
    struct Coded(&'static str);

    impl sqlx::error::DatabaseError for Coded {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }
}
