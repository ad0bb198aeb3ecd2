//! Opening: a file becomes a ledger that can be trusted, or an error says why not.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::carry_over::Upgrade;
use super::connection::{BUSY_TIMEOUT, options};
use super::file::{self, Found, beside};
use super::salvage::{self, Saved};
use super::schema;
use super::{Journal, Ledger, LedgerError, Result, Schema};
use crate::fault::chain;
use crate::model::ledger_event::LedgerEvent;
use crate::model::time::UnixTime;

pub(super) struct Begun {
    pub(super) journal: Journal,
}

/// Makes the file at the path ready to be written by the process that holds its lock.
pub(super) async fn begin(
    path: &Path,
    at: UnixTime,
    events: &mut Vec<LedgerEvent>,
) -> Result<Begun> {
    if file::create_if_missing(path)? == Found::Empty {
        events.push(LedgerEvent::WasEmpty {
            path: path.to_owned(),
        });
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        file::narrow(&beside(path, suffix), events);
    }
    match prepare(options(path), path, Depth::Whole).await {
        Ok((begun, upgrade)) => {
            events.extend(upgrade.map(|upgrade| LedgerEvent::Upgraded {
                path: path.to_owned(),
                rooms: upgrade.rooms,
                pods: upgrade.pods,
            }));
            Ok(begun)
        }
        Err(error) if error.is_damage() && !file::is_text(path) => {
            anew(path, at, &error, events).await
        }
        Err(error) => Err(error),
    }
}

/// Sets a damaged file aside and begins a new one with what could be read of it.
async fn anew(
    path: &Path,
    at: UnixTime,
    damage: &LedgerError,
    events: &mut Vec<LedgerEvent>,
) -> Result<Begun> {
    let aside = file::set_aside(path, at)?;
    let saved = salvage::read(&aside).await;
    let begun = match begin_with(path, &saved).await {
        Ok(begun) => begun,
        Err(error) => {
            // The next attempt finds the pins where they were.
            file::put_back(&aside, path);
            return Err(error);
        }
    };
    events.push(LedgerEvent::SetAside {
        path: path.to_owned(),
        aside,
        damage: chain(damage),
        pins: saved.pins.len(),
        sign_ins: saved.sign_ins(),
        lost: saved.lost,
    });
    Ok(begun)
}

async fn begin_with(path: &Path, saved: &Saved) -> Result<Begun> {
    file::create_if_missing(path)?;
    let (begun, _) = prepare(options(path), path, Depth::Schema).await?;
    let stored = async {
        let mut connection = options(path).connect().await?;
        saved.store(&mut connection).await?;
        connection.close().await
    };
    stored.await.map_err(|error| LedgerError::of(path, error))?;
    Ok(begun)
}

/// How closely a file is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Schema,
    /// Every page: once, at the start of a service.
    Whole,
}

pub(super) async fn prepare(
    options: SqliteConnectOptions,
    path: &Path,
    depth: Depth,
) -> Result<(Begun, Option<Upgrade>)> {
    let of = |error| LedgerError::of(path, error);
    refuse_stub(path)?;
    let mut connection = options.connect().await.map_err(of)?;
    let found = schema::find(&mut connection, path).await?;
    if depth == Depth::Whole && found > 0 {
        schema::check(&mut connection, path).await?;
    }
    let journal = write_ahead(&mut connection, path).await?;
    let upgrade = schema::upgrade(&mut connection, path).await?;
    connection.close().await.map_err(of)?;
    Ok((Begun { journal }, upgrade))
}

/// What there is for a command that only reads.
pub(super) async fn look(path: &Path) -> Result<Schema> {
    if file::is_no_file(path) {
        return Err(LedgerError::NotAFile {
            path: path.to_owned(),
        });
    }
    match std::fs::metadata(path) {
        Ok(found) if found.len() == 0 => return Ok(Schema::None),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Schema::None),
        Err(error) => return Err(file::cannot_open(path.to_owned(), error)),
    }
    refuse_stub(path)?;
    let of = |error| LedgerError::of(path, error);
    let options = options(path).pragma("query_only", "ON");
    let mut connection = options.connect().await.map_err(of)?;
    let found = schema::find(&mut connection, path).await?;
    connection.close().await.map_err(of)?;
    Ok(match found {
        0 => Schema::None,
        found if found < schema::newest() => Schema::Old,
        _ => Schema::Current,
    })
}

impl Ledger {
    /// Creates the file that a command did not find, or upgrades the one of an older podcal.
    pub(super) async fn make_writable(&self) -> Result<()> {
        let schema = self.opened().schema;
        if schema == Schema::Current {
            return Ok(());
        }
        if let Some(server) = &self.0.server {
            server.make_tables().await?;
            self.opened().schema = Schema::Current;
            return Ok(());
        }
        // A service of the older podcal that runs would find its tables gone.
        let _lock = match schema {
            Schema::Old => Some(Self::claim(self.path()).await?),
            _ => None,
        };
        file::create_if_missing(self.path())?;
        prepare(options(self.path()), self.path(), Depth::Schema).await?;
        self.opened().schema = Schema::Current;
        Ok(())
    }
}

fn refuse_stub(path: &Path) -> Result<()> {
    match file::is_stub(path) {
        true => Err(LedgerError::NotADatabase {
            path: path.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Turns the write-ahead log on, which the file then remembers.
async fn write_ahead(connection: &mut SqliteConnection, path: &Path) -> Result<Journal> {
    const PAUSE: Duration = Duration::from_millis(50);
    let of = |error| LedgerError::of(path, error);
    let mut waited = Duration::ZERO;
    loop {
        if schema::journal(connection).await.map_err(of)? == Journal::WriteAhead {
            return Ok(Journal::WriteAhead);
        }
        let turned_on = sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await
            .map_err(of);
        match turned_on {
            // SQLite does not fail where it cannot: it answers the mode that it kept.
            Ok(_) | Err(LedgerError::NoSharedMemory { .. }) => {
                return schema::journal(connection).await.map_err(of);
            }
            // The busy timeout does not hold for this statement (sqlite.org/wal.html).
            Err(LedgerError::Locked { .. }) if waited < BUSY_TIMEOUT => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            Err(error) => return Err(error),
        }
    }
}
