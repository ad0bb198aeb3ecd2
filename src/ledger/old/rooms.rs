//! How far each room got, and how the service itself is doing.

use serde::Serialize;
use sqlx::FromRow;

use super::{At as _, Ledger, Result};
use crate::model::name::RoomName;
use crate::model::time::UnixTime;

/// How the cycles of a room go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RoomStanding {
    /// The last cycle, whatever its outcome.
    pub synced_at: Option<UnixTime>,
    /// Whether every display of the room then showed what it should.
    pub in_step: bool,
    /// Of the last cycle; `None` where nothing failed.
    pub last_error: Option<String>,
    /// The first failure since a cycle without one.
    pub failing_since: Option<UnixTime>,
    /// Everything to come vanished from the feeds then, and the guard does not believe it yet.
    pub vanished_since: Option<UnixTime>,
}

#[derive(FromRow)]
struct RoomRow {
    synced_at: Option<i64>,
    in_step: bool,
    last_error: Option<String>,
    failing_since: Option<i64>,
    vanished_since: Option<i64>,
}

/// How the service is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceStanding {
    pub started_at: Option<UnixTime>,
    /// `None` while it runs, and after it was killed.
    pub stopped_at: Option<UnixTime>,
    pub version: Option<String>,
    /// The last cycle that was finished, maybe by an earlier start.
    pub last_cycle_at: Option<UnixTime>,
}

#[derive(Default, FromRow)]
struct ServiceRow {
    started_at: Option<i64>,
    stopped_at: Option<i64>,
    version: Option<String>,
    last_cycle_at: Option<i64>,
}

impl Ledger {
    /// How the cycles of a room go; all empty where there was none.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn room_standing(&self, room: &RoomName) -> Result<RoomStanding> {
        let row: Option<RoomRow> = sqlx::query_as(
            "SELECT synced_at, in_step, last_error, failing_since, vanished_since \
             FROM room WHERE room = ?",
        )
        .bind(room.as_str())
        .fetch_optional(&self.readers)
        .await
        .at(&self.path)?;
        Ok(row.map_or_else(RoomStanding::default, |row| RoomStanding {
            synced_at: row.synced_at.map(UnixTime::from_seconds),
            in_step: row.in_step,
            last_error: row.last_error,
            failing_since: row.failing_since.map(UnixTime::from_seconds),
            vanished_since: row.vanished_since.map(UnixTime::from_seconds),
        }))
    }

    /// Notes the end of a room's cycle; `error` says what failed in it, if anything did.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn room_synced(
        &self,
        room: &RoomName,
        at: UnixTime,
        in_step: bool,
        error: Option<&str>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO room (room, synced_at, in_step, last_error, failing_since) \
             VALUES (?1, ?2, ?3, ?4, iif(?4 IS NULL, NULL, ?2)) \
             ON CONFLICT (room) DO UPDATE SET synced_at = excluded.synced_at, \
             in_step = excluded.in_step, last_error = excluded.last_error, \
             failing_since = iif(excluded.last_error IS NULL, NULL, \
             coalesce(failing_since, excluded.failing_since))",
        )
        .bind(room.as_str())
        .bind(at.seconds())
        .bind(in_step)
        .bind(error)
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// Notes since when everything to come is gone from the room's feeds; `None` once
    /// it is back or believed.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_vanished(&self, room: &RoomName, since: Option<UnixTime>) -> Result<()> {
        sqlx::query(
            "INSERT INTO room (room, vanished_since) VALUES (?, ?) \
             ON CONFLICT (room) DO UPDATE SET vanished_since = excluded.vanished_since",
        )
        .bind(room.as_str())
        .bind(since.map(UnixTime::seconds))
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// Notes that the service finished a cycle of some room.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn beat(&self, at: UnixTime) -> Result<()> {
        sqlx::query(
            "INSERT INTO service (id, last_cycle_at) VALUES (1, ?) \
             ON CONFLICT (id) DO UPDATE SET last_cycle_at = excluded.last_cycle_at",
        )
        .bind(at.seconds())
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// The last cycle that the service finished.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn last_beat(&self) -> Result<Option<UnixTime>> {
        Ok(self.service().await?.last_cycle_at)
    }

    /// Notes that the service runs.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn service_started(&self, at: UnixTime, version: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO service (id, started_at, version) VALUES (1, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, \
             version = excluded.version, stopped_at = NULL",
        )
        .bind(at.seconds())
        .bind(version)
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// Notes that the service ended by itself. A service that is killed leaves no such note.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn service_stopped(&self, at: UnixTime) -> Result<()> {
        sqlx::query(
            "INSERT INTO service (id, stopped_at) VALUES (1, ?) \
             ON CONFLICT (id) DO UPDATE SET stopped_at = excluded.stopped_at",
        )
        .bind(at.seconds())
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// How the service is doing; all empty where it never ran.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn service(&self) -> Result<ServiceStanding> {
        let row: Option<ServiceRow> = sqlx::query_as(
            "SELECT started_at, stopped_at, version, last_cycle_at FROM service WHERE id = 1",
        )
        .fetch_optional(&self.readers)
        .await
        .at(&self.path)?;
        let row = row.unwrap_or_default();
        Ok(ServiceStanding {
            started_at: row.started_at.map(UnixTime::from_seconds),
            stopped_at: row.stopped_at.map(UnixTime::from_seconds),
            version: row.version,
            last_cycle_at: row.last_cycle_at.map(UnixTime::from_seconds),
        })
    }
}

#[cfg(test)]
mod tests;
