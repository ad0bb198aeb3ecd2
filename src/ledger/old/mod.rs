//! The ledger of the cycles that are being replaced: its own schema, the first migration alone.
//!
//! Each file here asks one kind of question: `feeds` what calendars said last,
//! `rooms` how far each room got, `pods` what each display confirmed, `polls` how
//! each pod is, `history` what was done. This file opens the database; `lock` keeps two services apart.
//!
//! Writes go through one connection, because SQLite has one writer: waiting for
//! it in our own queue is fair and costs no polling. Reads have their own few,
//! and with a write-ahead log they wait for nobody. A transaction that writes
//! says so at its start, so that it waits its turn instead of failing halfway.
//! A killed process loses at most what it had not committed.

mod error;
mod feeds;
mod history;
mod lock;
mod packed;
mod pods;
mod polls;
mod rooms;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};

pub use error::{LedgerError, OpenFailure};
pub use feeds::{FeedStanding, Keep, PullTrouble};
pub use history::{Entry, Event};
pub use lock::ServiceLock;
pub use pods::PodStanding;
pub use rooms::{RoomStanding, ServiceStanding};

pub type Result<T> = std::result::Result<T, LedgerError>;

static ALL: Migrator = sqlx::migrate!();

/// The schema of this API.
fn migrations() -> impl Iterator<Item = &'static sqlx::migrate::Migration> {
    ALL.iter().filter(|migration| migration.version == 1)
}

/// sqlx's own name for it, so that its tools know the file.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// `PRAGMA application_id` of a ledger: "podc".
const APPLICATION_ID: i64 = 0x706f_6463;

/// A backup or a command beside the service is done sooner; longer is a fault that a person should see.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads are short; more would only be more threads.
const READERS: u32 = 3;

/// The log is cut back to this after a burst of large feeds.
const LOG_BYTES: &str = "67108864";

/// The open ledger. Clones share its connections.
#[derive(Clone)]
pub struct Ledger {
    writer: SqlitePool,
    readers: SqlitePool,
    path: Arc<Path>,
    journal: Journal,
}

/// How the file is kept sound when a process or the machine stops in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// A write-ahead log: readers and the writer do not wait for each other.
    WriteAhead,
    /// The file system has no shared memory (network shares have none), so SQLite's older
    /// way serves: as safe, but slower, and readers and the writer wait for each other.
    Rollback,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

/// Only the path: what is in the ledger is nobody else's business.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger, creates it where there is none (readable by its owner
    /// only), and brings its schema up to date.
    ///
    /// # Errors
    /// A folder that is missing is not created: in a container it would be a volume
    /// that somebody forgot, and the ledger would be lost with the container.
    pub async fn open(path: &Path) -> Result<Self> {
        let path = absolute(path)?;
        create_if_missing(&path)?;
        Self::connect(options(&path), path, Access::Write).await
    }

    /// Opens the ledger for a command that only reads: `None` where there is none.
    ///
    /// Every write through it fails with [`LedgerError::ReadOnly`], so a dry run
    /// cannot change a row by mistake. An older schema is brought up to date.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_existing(path: &Path) -> Result<Option<Self>> {
        let path = absolute(path)?;
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => return Err(LedgerError::NotAFile { path }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot_open(path, error)),
        }
        Self::connect(options(&path), path, Access::Read)
            .await
            .map(Some)
    }

    /// A ledger that knows nothing and is gone with the process: for a command that
    /// only reads, where there is no file yet. It leaves none behind.
    ///
    /// # Errors
    /// When SQLite itself cannot start.
    pub async fn nowhere() -> Result<Self> {
        let path = PathBuf::from(":memory:");
        let options = SqliteConnectOptions::new()
            .in_memory(true)
            .foreign_keys(true)
            .disable_statement_logging();
        // Such a database belongs to its connection, so there is just one.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .at(&path)?;
        migrate(&mut *pool.acquire().await.at(&path)?, &path).await?;
        Ok(Self {
            writer: pool.clone(),
            readers: pool,
            path: path.into(),
            journal: Journal::WriteAhead,
        })
    }

    /// Claims the ledger for a service, so that two do not push against each other.
    ///
    /// The claim is a lock on the file `<ledger>.lock` and ends with the value or
    /// the process. Commands that run once do not need it.
    ///
    /// # Errors
    /// [`LedgerError::ServiceRunning`] where another process holds it.
    pub async fn claim_service(path: &Path) -> Result<ServiceLock> {
        ServiceLock::claim(&absolute(path)?)
    }

    async fn connect(options: SqliteConnectOptions, path: PathBuf, access: Access) -> Result<Self> {
        let mut first = options.connect().await.at(&path)?;
        let journal = match access {
            Access::Write => write_ahead(&mut first, &path).await?,
            Access::Read => journal(&mut first).await.at(&path)?,
        };
        migrate(&mut first, &path).await?;
        first.close().await.at(&path)?;

        let options = match journal {
            // The log is flushed when it is merged into the file; what a power cut
            // can take is the last moments, never the file.
            Journal::WriteAhead => options.synchronous(SqliteSynchronous::Normal),
            Journal::Rollback => options.synchronous(SqliteSynchronous::Full),
        };
        let options = match access {
            Access::Write => options,
            Access::Read => options.pragma("query_only", "ON"),
        };
        let pool = |size| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        Ok(Self {
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(READERS).connect_lazy_with(options.pragma("query_only", "ON")),
            path: path.into(),
            journal,
        })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Anything but a write-ahead log is worth one warning at the start.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.journal
    }

    /// The size of the database file and its log, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        ["", "-wal"]
            .iter()
            .filter_map(|suffix| fs::metadata(beside(&self.path, suffix)).ok())
            .map(|found| found.len())
            .sum()
    }

    /// Waits for what is being written, merges the log into the file and closes it.
    ///
    /// Not needed for safety: a ledger whose process is killed is whole as well.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that will write.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .at(&self.path)
    }
}

/// Gives an error of the database the ledger that it speaks of.
trait At<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> At<T> for std::result::Result<T, sqlx::Error> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| LedgerError::of(path, source))
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

/// SQLite reads more than a path into some names, such as `:memory:` or `file:x`; not into absolute ones.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| cannot_open(path.to_owned(), error))
}

fn cannot_open(path: PathBuf, error: io::Error) -> LedgerError {
    LedgerError::CannotOpen {
        path,
        source: error.into(),
    }
}

/// The ledger's path with something after it, as SQLite names its own files.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// SQLite gives its other files the permissions of this one.
fn create_if_missing(path: &Path) -> Result<()> {
    match owner_only().create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            io::ErrorKind::AlreadyExists if path.is_dir() => Err(LedgerError::NotAFile {
                path: path.to_owned(),
            }),
            io::ErrorKind::AlreadyExists => Ok(()),
            io::ErrorKind::NotFound => Err(LedgerError::FolderMissing {
                folder: path.parent().unwrap_or(path).to_owned(),
            }),
            io::ErrorKind::ReadOnlyFilesystem => Err(LedgerError::ReadOnly {
                path: path.to_owned(),
            }),
            _ => Err(cannot_open(path.to_owned(), error)),
        },
    }
}

fn owner_only() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

async fn journal(connection: &mut SqliteConnection) -> std::result::Result<Journal, sqlx::Error> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(connection)
        .await?;
    Ok(match mode.as_str() {
        "wal" => Journal::WriteAhead,
        _ => Journal::Rollback,
    })
}

/// Turns the write-ahead log on, which the file then remembers.
async fn write_ahead(connection: &mut SqliteConnection, path: &Path) -> Result<Journal> {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    loop {
        if journal(connection).await.at(path)? == Journal::WriteAhead {
            return Ok(Journal::WriteAhead);
        }
        let turned_on = sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await
            .at(path);
        match turned_on {
            // SQLite does not fail where it cannot: it answers the mode that it kept.
            Ok(_) => return journal(connection).await.at(path),
            Err(LedgerError::NoSharedMemory { .. }) => return journal(connection).await.at(path),
            // The busy timeout does not hold for this statement (sqlite.org/wal.html).
            Err(LedgerError::Locked { .. }) if waited < BUSY_TIMEOUT => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Brings the schema up to date, all of it or nothing, and by one process at a time.
async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    // One statement sees one state of the file; another process may be creating it.
    let (application, tables): (i64, i64) = sqlx::query_as(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id",
    )
    .fetch_one(&mut *connection)
    .await
    .at(path)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(LedgerError::Foreign {
            path: path.to_owned(),
        });
    }
    if tables > 0 && is_current(connection, path).await? {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.at(path)?;
    apply_missing(&mut transaction, path).await?;
    transaction.commit().await.at(path)
}

/// What `Migrator::run` does, which cannot be awaited in a task while it holds a transaction.
async fn apply_missing(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let failed = |error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            LedgerError::of(path, error)
        }
        error => LedgerError::of(path, error.into()),
    };
    connection
        .ensure_migrations_table(MIGRATIONS_TABLE)
        .await
        .map_err(failed)?;
    let applied = connection
        .list_applied_migrations(MIGRATIONS_TABLE)
        .await
        .map_err(failed)?;
    for migration in migrations() {
        let before = applied
            .iter()
            .find(|applied| applied.version == migration.version);
        match before {
            Some(before) if before.checksum == migration.checksum => {}
            Some(_) => {
                return Err(LedgerError::Altered {
                    path: path.to_owned(),
                    version: migration.version,
                });
            }
            None => {
                connection
                    .apply(MIGRATIONS_TABLE, migration)
                    .await
                    .map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Whether there is nothing to do, found out without waiting for the writer.
async fn is_current(connection: &mut SqliteConnection, path: &Path) -> Result<bool> {
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
            .fetch_all(connection)
            .await
            .at(path)?;
    let found = applied.last().map_or(0, |(version, _)| *version);
    let known = migrations()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default();
    if found > known {
        return Err(LedgerError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    let embedded = migrations().map(|migration| (migration.version, migration.checksum.as_ref()));
    Ok(embedded.eq(applied
        .iter()
        .map(|(version, checksum)| (*version, checksum.as_slice()))))
}
