//! The ledger: what podcal remembers over a restart, in one SQLite file or on a PostgreSQL server.
//!
//! Tasks work from memory; the ledger is loaded once ([`Ledger::load`]) and written by the
//! recorder alone, what changed in one [`Batch`]. Only what must be on disk before a secret
//! is sent is written at once and awaited: pins and sign-ins.
//!
//! The process that holds the [`ServiceLock`] opens the ledger for writing and may set a
//! damaged file aside. Commands open it to read; they write nothing but sign-ins.
//!
//! There is one connection that writes and one that reads, each behind [`Ledger::write`] and
//! [`Ledger::read`]: a connection that saw any error is dropped and the next use opens a new one,
//! because SQLite may have ended the transaction by itself and nothing on top of it would know.
//! With a write-ahead log readers and the writer do not wait for each other.

mod begin;
mod carry_over;
mod connection;
mod copy;
mod device;
mod error;
mod file;
mod history;
mod json;
mod lock;
mod memories;
mod open;
mod packed;
mod pin;
mod query;
mod replica;
mod request;
mod salvage;
mod schema;
mod server;
mod server_error;
mod sign_in;
#[cfg(test)]
mod tests;
mod time;
mod version;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

pub use device::WHICHEVER_ANSWERS;
pub use error::LedgerError;
pub use file::resolve;
pub use history::{Entry, Event, HistoryLine};
pub use lock::ServiceLock;
pub use memories::{Batch, Loaded, ServiceTimes};
pub(crate) use memories::{Remembered, Times, differ};
pub use pin::Pin;
pub use replica::{ReadUpTo, RollCache};
pub use request::RoomRequest;
pub use sign_in::PodSecret;

use crate::model::ledger_place::{LedgerPlace, LedgerServer};
use file::FileId;
use query::{Connection, Db};
use server::Server;

pub type Result<T> = std::result::Result<T, LedgerError>;

/// What a statement gives.
type Answer<T> = std::result::Result<T, sqlx::Error>;

/// The open ledger. Clones share its connections.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// `None`: an SQLite file at the path.
    server: Option<Server>,
    /// For people: the path, or the server and the database.
    name: PathBuf,
    access: Access,
    writer: AsyncMutex<Option<Connection>>,
    reader: AsyncMutex<Option<Connection>>,
    opened: Mutex<Opened>,
    #[cfg(test)]
    hindrance: Mutex<Option<&'static str>>,
}

/// The file as it was when it was opened last.
struct Opened {
    /// `None`: opened to read, or closed.
    lock: Option<ServiceLock>,
    file: Option<FileId>,
    /// SQLite's log beside it: ours only while it is this one.
    log: Option<FileId>,
    journal: Journal,
    /// A command does not upgrade the ledger of another process: it reads the old tables.
    schema: Schema,
}

/// How the file is kept whole when a process or the machine stops in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// A write-ahead log: readers and the writer do not wait for each other.
    WriteAhead,
    /// The file system has no shared memory (network shares have none), so SQLite's older
    /// journal is used: as safe, but slower, and readers and the writer wait for each other.
    Rollback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    Current,
    /// Of podcal 0.1, only read.
    Old,
    /// There is no file yet, only to read.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

/// Only the path: what is in the ledger is nobody else's business.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("path", &self.0.name)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// The ledger for people: its path, or the server and the database.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.0.name
    }

    /// Whether it is on a server, with a lease in place of a lock file.
    #[must_use]
    pub fn is_on_server(&self) -> bool {
        self.0.server.is_some()
    }

    /// Whether it is this database, or in a file where there is none.
    #[must_use]
    pub fn is_on(&self, server: Option<&LedgerServer>) -> bool {
        match (&self.0.server, server) {
            (None, None) => true,
            (Some(server), Some(other)) => server.is_at(other),
            _ => false,
        }
    }

    /// Signs in to the same server by what the configuration says now.
    ///
    /// # Errors
    /// When that fails; then all is as before.
    pub async fn use_server(&self, place: &LedgerPlace) -> Result<()> {
        let (Some(server), Some(other)) = (&self.0.server, &place.server) else {
            return Ok(());
        };
        server.sign_in_by(other).await
    }

    /// The path as it was resolved, or what local files beside a ledger on a server are
    /// named after.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    #[must_use]
    pub fn journal(&self) -> Journal {
        self.opened().journal
    }

    /// Everything that is remembered but the contents of versions and the history.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn load(&self) -> Result<Loaded> {
        let is_old = self.opened().schema == Schema::Old;
        self.read(async |connection| match connection {
            Db::Sqlite(file) if is_old => carry_over::read(file).await.map(|old| old.loaded),
            db => memories::load(db).await,
        })
        .await
    }

    /// Writes what changed, all of it or nothing.
    ///
    /// # Errors
    /// When the ledger cannot be written; then all is as before.
    pub async fn store(&self, batch: &Batch) -> Result<()> {
        self.write(async |connection| memories::store(connection, batch).await)
            .await
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
