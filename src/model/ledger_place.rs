//! Where the ledger is: a file, or a PostgreSQL server.

use std::path::PathBuf;
use std::sync::Arc;

use super::secret::Secret;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPlace {
    /// The SQLite file. With a server, the name that the local files beside the ledger begin
    /// with: the control socket and the renewed OAuth tokens.
    pub path: PathBuf,
    pub server: Option<Arc<LedgerServer>>,
}

/// A PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerServer {
    /// Without a password.
    pub url: String,
    pub password: Option<Secret>,
}

impl From<PathBuf> for LedgerPlace {
    fn from(path: PathBuf) -> Self {
        Self { path, server: None }
    }
}
