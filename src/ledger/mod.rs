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
mod copy;
mod device;
mod error;
mod file;
mod history;
mod json;
mod lock;
mod memories;
mod packed;
mod pin;
mod query;
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
use std::time::Duration;

use sqlx::ConnectOptions as _;
#[cfg(test)]
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use tokio::sync::Mutex as AsyncMutex;

pub use device::WHICHEVER_ANSWERS;
pub use error::LedgerError;
pub use file::resolve;
pub use history::{Entry, Event, HistoryLine};
pub use lock::ServiceLock;
pub use memories::{Batch, Loaded, ServiceTimes};
pub(crate) use memories::{Remembered, differ};
pub use pin::Pin;
pub use server_error::ServerError;
pub use sign_in::PodSecret;

use crate::model::ledger_event::LedgerEvent;
use crate::model::ledger_place::{LedgerPlace, LedgerServer};
use crate::model::time::UnixTime;
use file::FileId;
use query::{Connection, Db};
use server::Server;

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
    /// `None`: an SQLite file at the path.
    server: Option<Server>,
    /// For people.
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
    /// Claims the ledger at this path for this process, so that two services do not push
    /// against each other. The same file spelt otherwise is the same ledger.
    ///
    /// # Errors
    /// [`LedgerError::ServiceRunning`] where another process holds it; where the folder is
    /// missing or the lock file cannot be opened.
    pub fn claim(path: &Path) -> Result<ServiceLock> {
        ServiceLock::claim(resolve(path)?)
    }

    /// Opens a claimed ledger, creates it where there is none (readable by its owner only), and
    /// brings its schema up to date. A damaged file is set aside; the events say what was lost.
    ///
    /// # Errors
    /// A folder that is missing is not created: in a container it would be a volume
    /// that somebody forgot, and the ledger would be lost with the container.
    /// A newer schema and the database of another program are refused.
    pub async fn open(lock: ServiceLock, at: UnixTime) -> Result<(Self, Vec<LedgerEvent>)> {
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

    /// Claims and opens the ledger at this place: as [`Ledger::claim`] and [`Ledger::open`].
    ///
    /// # Errors
    /// As those; a server that cannot be reached, is too old, or refuses the user.
    pub async fn claim_and_open(
        place: &LedgerPlace,
        at: UnixTime,
    ) -> Result<(Self, Vec<LedgerEvent>)> {
        let Some(server) = &place.server else {
            return Self::open(Self::claim(&place.path)?, at).await;
        };
        let server = Server::new(server)?;
        let path = resolve(&place.path)?;
        server.begin().await?;
        let ledger = Self::with_server(
            path,
            Some(server),
            Access::Write,
            on_server(Schema::Current),
        );
        Ok((ledger, Vec::new()))
    }

    /// Opens the ledger at this place for a command: as [`Ledger::open_to_read`].
    ///
    /// # Errors
    /// When a ledger that exists cannot be opened.
    pub async fn open_place_to_read(place: &LedgerPlace) -> Result<Self> {
        let Some(server) = &place.server else {
            return Self::open_to_read(&place.path).await;
        };
        let server = Server::new(server)?;
        let path = resolve(&place.path)?;
        let schema = match server.look().await? {
            found if found == server::newest() => Schema::Current,
            _ => Schema::None,
        };
        Ok(Self::with_server(
            path,
            Some(server),
            Access::Read,
            on_server(schema),
        ))
    }

    /// Opens the ledger for a command beside the service: nothing but sign-ins is ever written.
    ///
    /// Where there is no file it is as if there were an empty one; it is created when a
    /// sign-in has to be written. The ledger of an older podcal is read as it is.
    ///
    /// # Errors
    /// When a ledger that exists cannot be opened.
    pub async fn open_to_read(path: &Path) -> Result<Self> {
        let path = resolve(path)?;
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
        Self::with_server(path, None, access, opened)
    }

    fn with_server(path: PathBuf, server: Option<Server>, access: Access, opened: Opened) -> Self {
        Self(Arc::new(Inner {
            name: server::name_of(server.as_ref(), &path),
            path,
            server,
            access,
            writer: AsyncMutex::default(),
            reader: AsyncMutex::default(),
            opened: Mutex::new(opened),
            #[cfg(test)]
            hindrance: Mutex::default(),
        }))
    }

    /// The ledger for people: its path, or its address without a password.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.0.name
    }

    /// Whether it is on a server, with a lease in place of a lock file.
    #[must_use]
    pub fn is_on_server(&self) -> bool {
        self.0.server.is_some()
    }

    /// Whether it is on this server, or in a file where there is none.
    #[must_use]
    pub fn is_on(&self, server: Option<&LedgerServer>) -> bool {
        match (&self.0.server, server) {
            (None, None) => true,
            (Some(server), Some(other)) => server.name == Path::new(&other.url),
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
        server.sign_in_by(Server::new(other)?).await
    }

    /// How often the lease is to be renewed.
    pub const RENEW_EVERY: Duration = server::RENEW_EVERY;

    /// Renews the lease of a ledger on a server.
    ///
    /// # Errors
    /// When the server cannot be reached, or another process took the lease.
    pub async fn renew_lease(&self) -> Result<()> {
        self.write(async |_| Ok(())).await
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

    /// The size of the database file and its log, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        file::size(&self.0.path) + file::size(&file::beside(&self.0.path, "-wal"))
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
        if let Some(server) = self
            .0
            .server
            .as_ref()
            .filter(|_| self.0.access == Access::Write)
        {
            server.give_back().await;
        }
        self.opened().lock = None;
    }

    /// Whether the file at the path is still the one that was opened, and the lock file the
    /// one that is held. Asks the file system only.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        if self.is_on_server() {
            return true;
        }
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
        if self.is_on_server() {
            self.renew_lease().await?;
            return Ok(Vec::new());
        }
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

    /// Does some work in one transaction: all of it, or nothing where it fails or is dropped.
    async fn write<T>(&self, work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>) -> Result<T> {
        if self.0.access == Access::Read {
            return Err(LedgerError::ReadOnly {
                path: self.0.name.clone(),
            });
        }
        let Some(server) = &self.0.server else {
            return self.write_beside(work).await;
        };
        // By the holder of the lease alone; renewed by the way.
        let done = self
            .write_beside(async |db| match server.renew(db).await? {
                true => work(db).await.map(Some),
                false => Ok(None),
            })
            .await?;
        match done {
            Some(value) => Ok(value),
            None => Err(server.holder_now().await),
        }
    }

    /// The same for what every process may write.
    async fn write_beside<T>(&self, work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>) -> Result<T> {
        let mut seat = self.0.writer.lock().await;
        // Out of its seat: it comes back only when all went well.
        let mut connection = match seat.take() {
            Some(connection) if self.is_opened_file() => connection,
            _ => self.connection(Access::Write).await?,
        };
        match self
            .in_transaction(&mut connection, Access::Write, work)
            .await
        {
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
                // What does not answer is not taken leave of.
                let _ = tokio::time::timeout(BUSY_TIMEOUT, connection.close()).await;
                Err(error)
            }
        }
    }

    /// Reads in one transaction; where there is no file, nothing is found.
    async fn read<T: Default>(
        &self,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        if self.opened().schema == Schema::None {
            return Ok(T::default());
        }
        let mut seat = self.0.reader.lock().await;
        let mut connection = match seat.take() {
            Some(connection) if self.is_opened_file() => connection,
            _ => self.connection(Access::Read).await?,
        };
        match self
            .in_transaction(&mut connection, Access::Read, work)
            .await
        {
            Ok(value) => {
                *seat = Some(connection);
                Ok(value)
            }
            Err(error) => {
                // What does not answer is not taken leave of.
                let _ = tokio::time::timeout(BUSY_TIMEOUT, connection.close()).await;
                Err(error)
            }
        }
    }

    async fn in_transaction<T>(
        &self,
        connection: &mut Connection,
        access: Access,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        let begin = match (&self.0.server, access) {
            (None, Access::Write) => "BEGIN IMMEDIATE",
            (None, Access::Read) => "BEGIN",
            (Some(_), Access::Write) => server::BEGIN,
            (Some(_), Access::Read) => server::BEGIN_READ,
        };
        let transaction = async {
            let mut db = connection.db();
            db.run(begin).await?;
            let value = work(&mut db).await?;
            db.run("COMMIT").await?;
            Ok(value)
        };
        match &self.0.server {
            Some(server) => server.in_time(transaction).await,
            None => transaction
                .await
                .map_err(|error| LedgerError::of(&self.0.path, error)),
        }
    }

    /// A new connection to what was opened.
    async fn connection(&self, access: Access) -> Result<Connection> {
        match &self.0.server {
            Some(server) => server.connect().await.map(Connection::Postgres),
            None => self.connect(access).await.map(Connection::Sqlite),
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
        self.is_on_server()
            || self.0.access == Access::Read
            || FileId::of(&self.0.path) == self.opened().file
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing of it is a file.
fn on_server(schema: Schema) -> Opened {
    Opened {
        lock: None,
        file: None,
        log: None,
        journal: Journal::WriteAhead,
        schema,
    }
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
        let mut db = connection.db();
        db.run("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    }

    async fn hinder(&self, mut connection: SqliteConnection, access: Access) -> SqliteConnection {
        let hindrance = *self.0.hindrance.lock().unwrap();
        if let Some(pragma) = hindrance.filter(|_| access == Access::Write) {
            sqlx::query(pragma).execute(&mut connection).await.unwrap();
        }
        connection
    }
}
