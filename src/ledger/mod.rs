//! The ledger: what podcal remembers over a restart, in one SQLite file.
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
mod device;
mod error;
mod file;
mod history;
mod json;
mod lock;
mod memories;
mod packed;
mod pin;
mod salvage;
mod schema;
mod sign_in;
#[cfg(test)]
mod tests;
mod time;
mod version;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex as AsyncMutex;

pub use device::WHICHEVER_ANSWERS;
pub use error::LedgerError;
pub use file::resolve;
pub use history::{Entry, Event, HistoryLine};
pub use lock::ServiceLock;
pub use memories::{Batch, Loaded, ServiceTimes};
pub(crate) use memories::{Remembered, differ};
pub use pin::Pin;
pub use sign_in::PodSecret;

use crate::model::ledger_event::LedgerEvent;
use crate::model::time::UnixTime;
use file::FileId;

pub type Result<T> = std::result::Result<T, LedgerError>;

/// What a statement gives.
type Answer<T> = std::result::Result<T, sqlx::Error>;

/// Nothing of podcal holds the lock longer than a large calendar takes to be written. A
/// backup may; then the recorder tries again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The log is cut back to this after a burst of large feeds.
const LOG_BYTES: &str = "16777216";

/// The open ledger. Clones share its connections.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    path: PathBuf,
    access: Access,
    writer: AsyncMutex<Option<SqliteConnection>>,
    reader: AsyncMutex<Option<SqliteConnection>>,
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
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Claims the ledger at this path for this process, so that two services do not push
    /// against each other. The same file spelt otherwise is the same ledger.
    ///
    /// # Errors
    /// [`LedgerError::ServiceRunning`] where another process holds it; where the folder is
    /// missing or the lock file cannot be opened.
    pub async fn claim(path: &Path) -> Result<ServiceLock> {
        let path = path.to_owned();
        file::beside_tasks(async move { ServiceLock::claim(resolve(&path)?) }).await
    }

    /// Opens a claimed ledger, creates it where there is none (readable by its owner only), and
    /// brings its schema up to date. A damaged file is set aside; the events say what was lost.
    ///
    /// # Errors
    /// A folder that is missing is not created: in a container it would be a volume
    /// that somebody forgot, and the ledger would be lost with the container.
    /// A newer schema and the database of another program are refused.
    pub async fn open(lock: ServiceLock, at: UnixTime) -> Result<(Self, Vec<LedgerEvent>)> {
        file::beside_tasks(Self::open_here(lock, at)).await
    }

    async fn open_here(lock: ServiceLock, at: UnixTime) -> Result<(Self, Vec<LedgerEvent>)> {
        let path = lock.ledger().to_owned();
        let mut events = Vec::new();
        let begun = begin::begin(&path, at, &mut events).await?;
        lock.narrow(&mut events);
        let opened = Opened {
            lock: Some(lock),
            file: FileId::of(&path),
            log: FileId::of(&file::beside(&path, "-wal")),
            journal: begun.journal,
            schema: Schema::Current,
        };
        if begun.journal == Journal::Rollback {
            events.push(LedgerEvent::NoWriteAheadLog { path: path.clone() });
        }
        Ok((Self::new(path, Access::Write, opened), events))
    }

    /// Opens the ledger for a command beside the service: nothing but sign-ins is ever written.
    ///
    /// Where there is no file it is as if there were an empty one; it is created when a
    /// sign-in has to be written. The ledger of an older podcal is read as it is.
    ///
    /// # Errors
    /// When a ledger that exists cannot be opened.
    pub async fn open_to_read(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        file::beside_tasks(Self::open_to_read_here(path)).await
    }

    async fn open_to_read_here(path: PathBuf) -> Result<Self> {
        let path = resolve(&path)?;
        let schema = begin::look(&path).await?;
        let opened = Opened {
            lock: None,
            file: None,
            log: None,
            journal: Journal::WriteAhead,
            schema,
        };
        Ok(Self::new(path, Access::Read, opened))
    }

    fn new(path: PathBuf, access: Access, opened: Opened) -> Self {
        Self(Arc::new(Inner {
            path,
            access,
            writer: AsyncMutex::default(),
            reader: AsyncMutex::default(),
            opened: Mutex::new(opened),
            #[cfg(test)]
            hindrance: Mutex::default(),
        }))
    }

    /// The path as it was resolved: two ledgers are the same when these are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    #[must_use]
    pub fn journal(&self) -> Journal {
        self.opened().journal
    }

    /// Waits for what is being written, merges the log into the file, closes it and gives
    /// the claim back.
    ///
    /// Not needed for safety: a ledger whose process is killed is whole as well.
    pub async fn close(&self) {
        for seat in [&self.0.reader, &self.0.writer] {
            if let Some(connection) = seat.lock().await.take() {
                let _ = connection.close().await;
            }
        }
        self.opened().lock = None;
    }

    /// Whether the file at the path is still the one that was opened, and the lock file the
    /// one that is held. Asks the file system only.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let opened = self.opened();
        // A ledger is never without its schema: at no length somebody emptied it.
        let is_emptied = std::fs::metadata(&self.0.path).is_ok_and(|file| file.len() == 0);
        !(is_emptied && opened.file.is_some())
            && FileId::of(&self.0.path) == opened.file
            && opened.lock.as_ref().is_none_or(ServiceLock::is_in_place)
    }

    /// Opens anew what is at the path now, after the file was deleted, replaced or found
    /// damaged: as [`Ledger::open`] does. The caller then writes everything current.
    ///
    /// # Errors
    /// As [`Ledger::open`]; then nothing is written until a later call succeeds.
    pub async fn reopen(&self, at: UnixTime) -> Result<Vec<LedgerEvent>> {
        let ledger = self.clone();
        file::beside_tasks(async move { ledger.reopen_here(at).await }).await
    }

    async fn reopen_here(&self, at: UnixTime) -> Result<Vec<LedgerEvent>> {
        let path = &self.0.path;
        let (mut writer, mut reader) = (self.0.writer.lock().await, self.0.reader.lock().await);
        let log = file::beside(path, "-wal");
        let was = {
            let mut opened = self.opened();
            // Nobody reconnects while it is not known what is there.
            opened.log = FileId::of(&log).or(opened.log);
            (opened.file.take(), opened.log)
        };
        for seat in [&mut *reader, &mut *writer] {
            if let Some(connection) = seat.take() {
                let _ = connection.close().await;
            }
        }
        let now = FileId::of(path);
        let mut events = Vec::new();
        if now != was.0 {
            // The log of the old file would be played into the new one.
            file::remove_log_of(path, was.1);
            events.push(LedgerEvent::Replaced {
                path: path.clone(),
                was_deleted: now.is_none(),
            });
        }
        self.claim_again()?;
        let begun = begin::begin(path, at, &mut events).await?;
        let mut opened = self.opened();
        opened.file = FileId::of(path);
        opened.log = FileId::of(&log);
        opened.journal = begun.journal;
        Ok(events)
    }

    /// Holds the lock file that is at its place now, where the one that was held is gone.
    fn claim_again(&self) -> Result<()> {
        let mut opened = self.opened();
        if opened.lock.as_ref().is_none_or(|lock| !lock.is_in_place()) {
            opened.lock = Some(ServiceLock::claim(self.0.path.clone())?);
        }
        Ok(())
    }

    /// Everything that is remembered but the contents of versions and the history.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn load(&self) -> Result<Loaded> {
        let is_old = self.opened().schema == Schema::Old;
        self.read(async |connection| {
            if is_old {
                return carry_over::read(connection).await.map(|old| old.loaded);
            }
            memories::load(connection).await
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

    /// Does some work in one transaction: all of it, or nothing where it fails or is dropped.
    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Answer<T>,
    ) -> Result<T> {
        if self.0.access == Access::Read {
            return Err(LedgerError::ReadOnly {
                path: self.0.path.clone(),
            });
        }
        self.write_beside(work).await
    }

    /// The same for what every process may write.
    async fn write_beside<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Answer<T>,
    ) -> Result<T> {
        let mut seat = self.0.writer.lock().await;
        // Out of its seat: it comes back only when all went well.
        let mut connection = match seat.take() {
            Some(connection) if self.is_opened_file() => connection,
            _ => self.connect(Access::Write).await?,
        };
        match in_transaction(&mut connection, "BEGIN IMMEDIATE", work).await {
            Ok(value) => {
                *seat = Some(connection);
                Ok(value)
            }
            Err(error) => {
                // The last connection that closes merges the log into the file and removes
                // it: a full disk may have room then.
                if let Ok(mut reader) = self.0.reader.try_lock()
                    && let Some(reader) = reader.take()
                {
                    let _ = reader.close().await;
                }
                let _ = connection.close().await;
                Err(LedgerError::of(&self.0.path, error))
            }
        }
    }

    /// Reads in one transaction; where there is no file, nothing is found.
    async fn read<T: Default>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Answer<T>,
    ) -> Result<T> {
        if self.opened().schema == Schema::None {
            return Ok(T::default());
        }
        let mut seat = self.0.reader.lock().await;
        let mut connection = match seat.take() {
            Some(connection) if self.is_opened_file() => connection,
            _ => self.connect(Access::Read).await?,
        };
        match in_transaction(&mut connection, "BEGIN", work).await {
            Ok(value) => {
                *seat = Some(connection);
                Ok(value)
            }
            Err(error) => {
                let _ = connection.close().await;
                Err(LedgerError::of(&self.0.path, error))
            }
        }
    }

    /// A new connection to the file that was opened.
    async fn connect(&self, access: Access) -> Result<SqliteConnection> {
        if !self.is_opened_file() {
            return Err(LedgerError::Replaced {
                path: self.0.path.clone(),
            });
        }
        let options = options(&self.0.path).synchronous(match self.journal() {
            // The log is flushed when it is merged into the file; what a power cut
            // can take is the last moments, never the file.
            Journal::WriteAhead => SqliteSynchronous::Normal,
            Journal::Rollback => SqliteSynchronous::Full,
        });
        let options = match access {
            Access::Write => options,
            Access::Read => options.pragma("query_only", "ON"),
        };
        let connected = options.connect().await;
        let connection = connected.map_err(|error| LedgerError::of(&self.0.path, error))?;
        #[cfg(test)]
        let connection = self.hinder(connection, access).await;
        Ok(connection)
    }

    /// A command has no claim on the file and looks no further.
    fn is_opened_file(&self) -> bool {
        self.0.access == Access::Read || FileId::of(&self.0.path) == self.opened().file
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn in_transaction<T>(
    connection: &mut SqliteConnection,
    begin: &'static str,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Answer<T>,
) -> Answer<T> {
    sqlx::query(begin).execute(&mut *connection).await?;
    let value = work(connection).await?;
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(value)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", LOG_BYTES)
        // Statements are the same every time and say nothing to an operator.
        .disable_statement_logging()
}

#[cfg(test)]
impl Ledger {
    /// Makes every connection that writes fail as a bad disk would, or be sound again.
    pub(crate) async fn fail_writes(&self, pragma: Option<&'static str>) {
        let mut seat = self.0.writer.lock().await;
        if let Some(connection) = seat.take().filter(|_| pragma.is_some()) {
            connection.close().await.unwrap();
        }
        *self.0.hindrance.lock().unwrap() = pragma;
    }

    pub(crate) async fn merge_log(&self) {
        let mut seat = self.0.writer.lock().await;
        let mut connection = seat.take().unwrap();
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await
            .unwrap();
    }

    async fn hinder(&self, mut connection: SqliteConnection, access: Access) -> SqliteConnection {
        let hindrance = *self.0.hindrance.lock().unwrap();
        if let Some(pragma) = hindrance.filter(|_| access == Access::Write) {
            sqlx::query(pragma).execute(&mut connection).await.unwrap();
        }
        connection
    }
}
