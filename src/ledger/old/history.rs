//! What was done and what went wrong, newest first, for `podcal history`.
//!
//! A pull that brought nothing new leaves no line; a failure that repeats itself
//! is one line with a count. Trouble is kept longer than success, because it is
//! what people come looking for, and no room has more than a bounded number of lines.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use super::packed;
use super::{At as _, Ledger, Result};
use crate::model::agenda::Changes;
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::time::UnixTime;

const DAY: Duration = Duration::from_secs(86_400);
const SUCCESS_KEPT: Duration = DAY.saturating_mul(30);
const TROUBLE_KEPT: Duration = DAY.saturating_mul(180);

/// Of each of the two, for one room. A pod that flaps at every poll would write
/// three thousand lines a day.
const LINES_KEPT: i64 = 1000;

/// One line of a room's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it happened; of several alike in a row, the last.
    pub at: UnixTime,
    /// Of several alike in a row, the first; else the same as `at`.
    pub since: UnixTime,
    pub count: u32,
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. Feeds and pods are named as people see them.
///
/// The names are stored, so they may be added to but not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Event {
    Pulled {
        feed: String,
        changed: bool,
        /// So many failures ended with it.
        failures: u32,
    },
    PullFailed {
        feed: String,
        error: String,
        kind: String,
        passing: bool,
    },
    Pushed {
        pod: String,
        reason: String,
        meetings: usize,
        changes: Changes,
        duration_ms: u64,
        /// So many failures ended with it.
        failures: u32,
    },
    PushFailed {
        pod: String,
        error: String,
        kind: String,
        passing: bool,
    },
    /// The display no longer shows what the pod had confirmed.
    Lost { pod: String, reason: String },
    Health {
        pod: String,
        /// `None` at the first look.
        before: Option<String>,
        state: String,
        detail: Option<String>,
    },
    /// The calendar mode was found to be another.
    Mode {
        pod: String,
        before: Option<String>,
        mode: String,
    },
    /// A certificate was trusted (lower-case hexadecimal SHA-256), or trust was withdrawn.
    Certificate { pod: String, sha256: Option<String> },
    /// The pod's configuration is not as wanted.
    Drift {
        pod: String,
        detail: String,
        repaired: bool,
    },
}

impl Event {
    fn what(&self) -> &'static str {
        match self {
            Self::Pulled { .. } => "pulled",
            Self::PullFailed { .. } => PULL_FAILED,
            Self::Pushed { .. } => "pushed",
            Self::PushFailed { .. } => "push_failed",
            Self::Lost { .. } => "lost",
            Self::Health { .. } => "health",
            Self::Mode { .. } => "mode",
            Self::Certificate { .. } => "certificate",
            Self::Drift { .. } => DRIFT,
        }
    }

    fn is_trouble(&self) -> bool {
        !matches!(self, Self::Pulled { .. } | Self::Pushed { .. })
    }
}

const PULL_FAILED: &str = "pull_failed";
pub(super) const DRIFT: &str = "drift";

/// A line as it is written.
pub(super) struct Line<'a> {
    /// `None`: that of the pod, where it is known.
    pub(super) room: Option<&'a str>,
    pub(super) feed: Option<&'a str>,
    pub(super) pod: Option<&'a str>,
    pub(super) at: UnixTime,
    pub(super) event: &'a Event,
}

impl<'a> Line<'a> {
    pub(super) fn of_pod(pod: &'a str, at: UnixTime, event: &'a Event) -> Self {
        Self {
            room: None,
            feed: None,
            pod: Some(pod),
            at,
            event,
        }
    }
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    line: &Line<'_>,
) -> std::result::Result<(), sqlx::Error> {
    let event = packed::pack(&json(line.event)?);
    sqlx::query(
        "INSERT INTO history (room, feed, pod, what, trouble, since_at, at, event, inflated_bytes) \
         VALUES (coalesce(?1, (SELECT room FROM pod WHERE pod.pod = ?3)), ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)",
    )
    .bind(line.room)
    .bind(line.feed)
    .bind(line.pod)
    .bind(line.event.what())
    .bind(line.event.is_trouble())
    .bind(line.at.seconds())
    .bind(event.bytes)
    .bind(event.inflated_bytes)
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts the same event again where it was seen since `streak_since`; else writes it.
pub(super) async fn write_or_count(
    connection: &mut SqliteConnection,
    line: &Line<'_>,
    streak_since: UnixTime,
) -> std::result::Result<(), sqlx::Error> {
    let event = packed::pack(&json(line.event)?);
    let counted = sqlx::query(
        "UPDATE history SET at = max(at, ?1), count = count + 1 \
         WHERE id = (SELECT max(id) FROM history WHERE what = ?2 \
         AND room IS coalesce(?3, (SELECT room FROM pod WHERE pod.pod = ?5)) AND feed IS ?4 AND pod IS ?5 AND since_at >= ?6 AND event = ?7)",
    )
    .bind(line.at.seconds())
    .bind(line.event.what())
    .bind(line.room)
    .bind(line.feed)
    .bind(line.pod)
    .bind(streak_since.seconds())
    .bind(event.bytes)
    .execute(&mut *connection)
    .await?;
    match counted.rows_affected() {
        0 => write(connection, line).await,
        _ => Ok(()),
    }
}

fn json<T: Serialize>(value: &T) -> std::result::Result<Vec<u8>, sqlx::Error> {
    serde_json::to_vec(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// When the last event of this kind began that the history has of a pod.
pub(super) async fn last_since(
    connection: &mut SqliteConnection,
    pod: &str,
    what: &'static str,
) -> std::result::Result<Option<UnixTime>, sqlx::Error> {
    let since: Option<i64> = sqlx::query_scalar(
        "SELECT since_at FROM history WHERE pod = ? AND what = ? ORDER BY id DESC LIMIT 1",
    )
    .bind(pod)
    .bind(what)
    .fetch_optional(connection)
    .await?;
    Ok(since.map(UnixTime::from_seconds))
}

/// The rooms that have a line on this streak of failures.
pub(super) async fn rooms_that_saw_it_fail(
    connection: &mut SqliteConnection,
    feed: &FeedId,
    since: UnixTime,
) -> std::result::Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT DISTINCT room FROM history \
         WHERE feed = ? AND what = ? AND since_at >= ? AND room IS NOT NULL ORDER BY room",
    )
    .bind(feed.as_str())
    .bind(PULL_FAILED)
    .bind(since.seconds())
    .fetch_all(connection)
    .await
}

#[derive(FromRow)]
struct Row {
    since_at: i64,
    at: i64,
    count: u32,
    event: Vec<u8>,
    inflated_bytes: Option<i64>,
}

impl Row {
    /// `None` for an event that this podcal does not know, or that is damaged.
    fn entry(self) -> Option<Entry> {
        let event = packed::unpack(self.event, self.inflated_bytes)?;
        Some(Entry {
            at: UnixTime::from_seconds(self.at),
            since: UnixTime::from_seconds(self.since_at),
            count: self.count,
            event: serde_json::from_slice(&event).ok()?,
        })
    }
}

impl Ledger {
    /// The last lines of a room and its pods, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn history(&self, room: &RoomName, limit: u32) -> Result<Vec<Entry>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT since_at, at, count, event, inflated_bytes FROM history \
             WHERE room = ?1 \
             OR (room IS NULL AND pod IN (SELECT pod FROM pod WHERE room = ?1)) \
             ORDER BY at DESC, id DESC LIMIT ?2",
        )
        .bind(room.as_str())
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .at(&self.path)?;
        Ok(rows.into_iter().filter_map(Row::entry).collect())
    }

    /// Removes what is too old and what is too much of it; says how many lines.
    ///
    /// Once a day is enough.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn prune(&self, now: UnixTime) -> Result<u64> {
        let mut transaction = self.begin().await?;
        let old = sqlx::query("DELETE FROM history WHERE at < iif(trouble, ?, ?)")
            .bind(now.minus(TROUBLE_KEPT).seconds())
            .bind(now.minus(SUCCESS_KEPT).seconds())
            .execute(&mut *transaction)
            .await
            .at(&self.path)?;
        let many = sqlx::query(
            "DELETE FROM history WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER \
             (PARTITION BY coalesce(room, pod), trouble ORDER BY at DESC, id DESC) AS place \
             FROM history) WHERE place > ?)",
        )
        .bind(LINES_KEPT)
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        transaction.commit().await.at(&self.path)?;
        Ok(old.rows_affected() + many.rows_affected())
    }

    /// Removes feeds, pods and rooms that the configuration no longer names; says
    /// how many. What is not listed goes, so the lists must be whole.
    ///
    /// Pinned certificates stay, see the schema; history ages out by itself, so
    /// that a room that is put back has its own.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn prune_unknown(
        &self,
        rooms: &[RoomName],
        feeds: &[FeedId],
        pods: &[PodUrl],
    ) -> Result<u64> {
        let rooms: Vec<_> = rooms.iter().map(RoomName::as_str).collect();
        let feeds: Vec<_> = feeds.iter().map(FeedId::as_str).collect();
        let pods: Vec<_> = pods.iter().map(PodUrl::key).collect();
        let mut removed = 0;
        let mut transaction = self.begin().await?;
        for (statement, known) in [
            (
                "DELETE FROM room WHERE room NOT IN (SELECT value FROM json_each(?))",
                json(&rooms),
            ),
            (
                "DELETE FROM feed WHERE feed NOT IN (SELECT value FROM json_each(?))",
                json(&feeds),
            ),
            (
                "DELETE FROM pod WHERE pod NOT IN (SELECT value FROM json_each(?))",
                json(&pods),
            ),
        ] {
            let known = String::from_utf8_lossy(&known.at(&self.path)?).into_owned();
            removed += sqlx::query(statement)
                .bind(known)
                .execute(&mut *transaction)
                .await
                .at(&self.path)?
                .rows_affected();
        }
        transaction.commit().await.at(&self.path)?;
        Ok(removed)
    }
}

#[cfg(test)]
mod tests;
