//! What can go wrong with a ledger on a PostgreSQL server. Its SQLSTATE codes become variants
//! here and nowhere else. The ledger is named by its server and database, never by the whole
//! address.

use std::io;
use std::path::{Path, PathBuf};

use super::error::in_brackets;
use super::lock::Holder;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("the address of the ledger (`ledger.url`) is not understood")]
    Address,
    #[error("the PostgreSQL server of the ledger {} cannot be reached", name.display())]
    Unreachable {
        name: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the PostgreSQL server of the ledger {} did not answer within {seconds} s", name.display())]
    NoAnswer { name: PathBuf, seconds: u64 },
    #[error("the encrypted connection to the ledger {} failed", name.display())]
    Tls {
        name: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the PostgreSQL server rejected the user name or password for the ledger {}", name.display())]
    SignIn { name: PathBuf },
    #[error("there is no such database as that of the ledger {}", name.display())]
    NoDatabase { name: PathBuf },
    #[error("the user of the ledger {} lacks a right in the database", name.display())]
    MissingRight {
        name: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error(
        "the PostgreSQL server of the ledger {} is too old (version {found}, podcal needs {needed} or newer)",
        name.display()
    )]
    TooOld {
        name: PathBuf,
        found: i64,
        needed: i64,
    },
    #[error(
        "the tables of the ledger {} were made by a newer podcal (schema {found}, this one knows up to {known})",
        name.display()
    )]
    Newer {
        name: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "the tables of the ledger {} were made by another build of podcal (their schema {version} differs)",
        name.display()
    )]
    Altered { name: PathBuf, version: i64 },
    #[error("the ledger {} is in use by another podcal{}", name.display(), in_brackets(holder.as_ref()))]
    ServedByAnother {
        name: PathBuf,
        holder: Option<Holder>,
    },
    #[error("the lease of this process on the ledger {} has ended", name.display())]
    LeaseEnded { name: PathBuf },
    #[error("the PostgreSQL server of the ledger {} has no room left, or too many connections", name.display())]
    Full {
        name: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the PostgreSQL server of the ledger {} only reads (a standby, or in recovery)", name.display())]
    OnlyReads { name: PathBuf },
    #[error("the ledger {} refused a statement", name.display())]
    Refused {
        name: PathBuf,
        #[source]
        source: sqlx::Error,
    },
}

impl ServerError {
    /// What an error of sqlx means for the ledger of this name.
    pub(super) fn of(name: &Path, source: sqlx::Error) -> Self {
        let name = name.to_owned();
        let code = match &source {
            sqlx::Error::Database(error) => error.code().map(|code| code.into_owned()),
            sqlx::Error::Tls(_) => return Self::Tls { name, source },
            sqlx::Error::Io(error)
                if error
                    .get_ref()
                    .is_some_and(|inner| inner.is::<rustls::Error>()) =>
            {
                return Self::Tls { name, source };
            }
            // Such as a file of `sslrootcert` that cannot be read.
            sqlx::Error::Configuration(_) => return Self::Tls { name, source },
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => {
                return Self::Unreachable { name, source };
            }
            _ => None,
        };
        // Appendix A of PostgreSQL's manual; the first two characters are the class.
        match code.as_deref().unwrap_or_default() {
            "28P01" | "28000" => Self::SignIn { name },
            "3D000" => Self::NoDatabase { name },
            "42501" => Self::MissingRight { name, source },
            "25006" => Self::OnlyReads { name },
            code if code.starts_with("53") => Self::Full { name, source },
            // Shutting down, starting up, or out of reach behind a pooler; a lock that was not
            // free in time.
            code if ["08", "57", "40", "55"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Self::Unreachable { name, source }
            }
            _ => Self::Refused { name, source },
        }
    }

    /// Whether nobody listens at the server's address, or it is starting or stopping.
    pub(super) fn is_down(&self) -> bool {
        let Self::Unreachable { source, .. } = self else {
            return false;
        };
        match source {
            sqlx::Error::Io(error) => matches!(
                error.kind(),
                // Without the second a unix socket has no file.
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ),
            // admin_shutdown, crash_shutdown, cannot_connect_now
            sqlx::Error::Database(error) => error
                .code()
                .is_some_and(|code| ["57P01", "57P02", "57P03"].contains(&&*code)),
            _ => false,
        }
    }

    /// A stable key for logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address => "ledger_address",
            Self::Unreachable { .. } | Self::NoAnswer { .. } => "ledger_unreachable",
            Self::Tls { .. } => "ledger_tls",
            Self::SignIn { .. } => "ledger_sign_in",
            Self::NoDatabase { .. } => "no_database",
            Self::MissingRight { .. } => "missing_right",
            Self::TooOld { .. } => "server_too_old",
            Self::Newer { .. } => "newer_schema",
            Self::Altered { .. } => "other_schema",
            Self::ServedByAnother { .. } => "service_running",
            Self::LeaseEnded { .. } => "lease_ended",
            Self::Full { .. } => "server_full",
            Self::OnlyReads { .. } => "read_only",
            Self::Refused { .. } => "refused",
        }
    }

    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoAnswer { .. }
                | Self::LeaseEnded { .. }
                | Self::Full { .. }
                | Self::OnlyReads { .. }
        )
    }

    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Address => "write `ledger.url` as \"postgres://USER@HOST/DATABASE\"",
            Self::Unreachable { .. } | Self::NoAnswer { .. } => {
                "is the server running, and can this computer reach its port (`pg_isready -h HOST`)?"
            }
            Self::Tls { .. } => {
                "give the server a certificate for the name in `ledger.url`, name its authority by \
                 `?sslrootcert=FILE`, or set `?sslmode=`"
            }
            Self::SignIn { .. } => {
                "correct the user in `ledger.url` or `ledger.password`; see also the server's pg_hba.conf"
            }
            Self::NoDatabase { .. } => "create it, such as by `createdb -O USER DATABASE`",
            Self::MissingRight { .. } => {
                "let the user own the database, or run `GRANT USAGE, CREATE ON SCHEMA public TO USER`"
            }
            Self::TooOld { .. } => "upgrade the server, or use a file (`ledger.path`)",
            Self::Newer { .. } => "run the newer podcal, or let `ledger.url` name another database",
            Self::Altered { .. } => {
                "run the podcal that made them, or let `ledger.url` name another database"
            }
            Self::ServedByAnother { .. } => {
                "stop the other one, or give this one a database of its own"
            }
            Self::LeaseEnded { .. } => {
                "nothing, where the server can be reached: a running service begins a new lease by itself"
            }
            Self::Full { .. } => {
                "make room on the server's disk, or raise its `max_connections`; displays are served meanwhile"
            }
            Self::OnlyReads { .. } => "let `ledger.url` name the primary server",
            Self::Refused { .. } => "this is a defect of podcal; please report it",
        }
    }
}
