//! Whose database a file is, and bringing its tables up to date.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::sqlite::SqliteConnection;

use super::carry_over::{self, Upgrade};
use super::{Journal, LedgerError, Result};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// sqlx's own name for it, so that its tools know the file.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// `PRAGMA application_id` of a ledger: "podc".
const APPLICATION_ID: i64 = 0x706f_6463;

/// The migration that adds the tables of memories; what podcal 0.1 knew is moved
/// into them right after it.
const ADDS_MEMORIES: i64 = 2;

/// The newest schema that this podcal knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

/// The schema of the file; 0 where it is empty.
///
/// # Errors
/// When it is not podcal's, newer than this podcal, of another build, or damaged.
pub(super) async fn find(connection: &mut SqliteConnection, path: &Path) -> Result<i64> {
    // One statement sees one state of the file; another process may be creating it.
    let (application, tables): (i64, i64) = sqlx::query_as(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| LedgerError::of(path, error))?;
    if tables == 0 {
        return Ok(0);
    }
    let applied: std::result::Result<Vec<(i64, Vec<u8>)>, _> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
            .fetch_all(connection)
            .await;
    let is_ours = application == APPLICATION_ID;
    let applied = match applied.map_err(|error| LedgerError::of(path, error)) {
        Ok(applied) => applied,
        // There is no such table.
        Err(LedgerError::Refused { .. }) if is_ours => {
            return Err(LedgerError::Corrupt {
                path: path.to_owned(),
            });
        }
        Err(LedgerError::Refused { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let is_known = |(version, checksum): &(i64, Vec<u8>)| {
        MIGRATIONS
            .iter()
            .any(|known| known.version == *version && *known.checksum == **checksum)
    };
    if !is_ours {
        return Err(match applied.first() {
            // Ours but for the mark in its first page.
            Some(first) if is_known(first) => LedgerError::Corrupt {
                path: path.to_owned(),
            },
            _ => LedgerError::Foreign {
                path: path.to_owned(),
            },
        });
    }
    let found = applied.last().map_or(0, |(version, _)| *version);
    if found > newest() {
        return Err(LedgerError::Newer {
            path: path.to_owned(),
            found,
            known: newest(),
        });
    }
    match applied.iter().find(|applied| !is_known(applied)) {
        Some((version, _)) => Err(LedgerError::Altered {
            path: path.to_owned(),
            version: *version,
        }),
        None => Ok(found),
    }
}

/// Looks through the whole file for damage. Reads it once.
pub(super) async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let says: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| LedgerError::of(path, error))?;
    match says.as_str() {
        "ok" => Ok(()),
        _ => Err(LedgerError::Corrupt {
            path: path.to_owned(),
        }),
    }
}

/// Brings the schema up to date, all of it or nothing, and by one process at a time.
pub(super) async fn upgrade(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Option<Upgrade>> {
    if find(connection, path).await? == newest() {
        return Ok(None);
    }
    let of = |error| LedgerError::of(path, error);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(of)?;
    // Another process may have been faster.
    let found = find(&mut transaction, path).await?;
    let upgrade = apply_after(&mut transaction, found)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => of(error),
            error => of(error.into()),
        })?;
    transaction.commit().await.map_err(of)?;
    Ok(upgrade.filter(|_| found > 0))
}

/// What `Migrator::run` does, which cannot be awaited in a task while it holds a transaction.
async fn apply_after(
    connection: &mut SqliteConnection,
    found: i64,
) -> std::result::Result<Option<Upgrade>, MigrateError> {
    connection.ensure_migrations_table(MIGRATIONS_TABLE).await?;
    let mut upgrade = None;
    for migration in MIGRATIONS.iter().filter(|next| next.version > found) {
        connection.apply(MIGRATIONS_TABLE, migration).await?;
        if migration.version == ADDS_MEMORIES {
            upgrade = Some(carry_over::store(connection).await?);
        }
    }
    Ok(upgrade)
}

pub(super) async fn journal(
    connection: &mut SqliteConnection,
) -> std::result::Result<Journal, sqlx::Error> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(connection)
        .await?;
    Ok(match mode.as_str() {
        "wal" => Journal::WriteAhead,
        _ => Journal::Rollback,
    })
}
