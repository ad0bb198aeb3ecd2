//! What was done and what went wrong, newest first, for `podcal history`.
//!
//! A pull that brought nothing new leaves no line; a failure that repeats itself
//! is one line with a count. No room, feed or pod has more than a bounded number of lines,
//! and trouble has its own share of them, because it is what people come looking for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::query::{Db, sql};
use super::{Answer, Ledger, Result, json, packed};
use crate::model::agenda::Changes;
use crate::model::digest::hex;
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::time::UnixTime;

/// Of success and of trouble each, for one room. A pod that flaps at every poll would
/// write three thousand lines a day.
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
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Pulled { .. } => "pulled",
            Self::PullFailed { .. } => "pull_failed",
            Self::Pushed { .. } => "pushed",
            Self::PushFailed { .. } => "push_failed",
            Self::Lost { .. } => "lost",
            Self::Health { .. } => "health",
            Self::Mode { .. } => "mode",
            Self::Certificate { .. } => "certificate",
            Self::Drift { .. } => "drift",
        }
    }

    fn is_trouble(&self) -> bool {
        !matches!(self, Self::Pulled { .. } | Self::Pushed { .. })
    }
}

/// A line as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryLine {
    /// `None`: of a feed that several rooms may share.
    pub room: Option<String>,
    pub feed: Option<String>,
    pub pod: Option<String>,
    pub at: UnixTime,
    /// When the streak began that this is one of: the same event again since then is counted,
    /// and has no line of its own.
    pub streak_since: Option<UnixTime>,
    pub event: Event,
}

impl HistoryLine {
    #[must_use]
    pub fn of_feed(feed: &FeedId, at: UnixTime, event: Event) -> Self {
        Self {
            room: None,
            feed: Some(feed.as_str().to_owned()),
            pod: None,
            at,
            streak_since: None,
            event,
        }
    }

    #[must_use]
    pub fn of_pod(room: Option<&RoomName>, pod: &PodUrl, at: UnixTime, event: Event) -> Self {
        Self {
            room: room.map(|room| room.as_str().to_owned()),
            feed: None,
            pod: Some(pod.key()),
            at,
            streak_since: None,
            event,
        }
    }

    /// A certificate that is trusted from now on, or none.
    #[must_use]
    pub fn certificate(
        room: Option<&RoomName>,
        pod: &PodUrl,
        at: UnixTime,
        pin: Option<[u8; 32]>,
    ) -> Self {
        let event = Event::Certificate {
            pod: pod.to_string(),
            sha256: pin.map(|pin| hex(&pin)),
        };
        Self::of_pod(room, pod, at, event)
    }

    /// One of a streak: see [`HistoryLine::streak_since`].
    #[must_use]
    pub fn in_streak(self, since: UnixTime) -> Self {
        Self {
            streak_since: Some(since),
            ..self
        }
    }

    /// Whether this only counts one more of the other.
    #[must_use]
    pub fn repeats(&self, other: &Self) -> bool {
        self.streak_since.is_some_and(|since| other.at >= since)
            && (&self.room, &self.feed, &self.pod) == (&other.room, &other.feed, &other.pod)
            && self.event == other.event
    }
}

pub(super) async fn write(connection: &mut Db<'_>, line: &HistoryLine, count: u32) -> Answer<()> {
    let event = packed::pack(&json::bytes(&line.event)?);
    // Of several, the first is not known here; the last is.
    let since = line.streak_since.filter(|_| count > 1).unwrap_or(line.at);
    sql("INSERT INTO history \
         (room, feed, pod, what, trouble, since_at, at, count, event, inflated_bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind(&line.room)
    .bind(&line.feed)
    .bind(&line.pod)
    .bind(line.event.what())
    .bind(i64::from(line.event.is_trouble()))
    .bind(since)
    .bind(line.at)
    .bind(i64::from(count))
    .bind(event.bytes)
    .bind(event.inflated_bytes)
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts the same event again where it was seen in its streak; else writes it.
pub(super) async fn write_or_count(
    connection: &mut Db<'_>,
    line: &HistoryLine,
    count: u32,
) -> Answer<()> {
    let Some(since) = line.streak_since else {
        return write(connection, line, count).await;
    };
    // Each by its own index.
    let (statement, key) = match (&line.pod, &line.feed) {
        (Some(pod), _) => (
            "SELECT max(id) FROM history WHERE pod = $1 AND what = $2 AND since_at >= $3 \
             AND event = $4 AND coalesce(room, '') = $5",
            pod,
        ),
        (None, Some(feed)) => (
            "SELECT max(id) FROM history WHERE feed = $1 AND what = $2 AND since_at >= $3 \
             AND event = $4 AND coalesce(room, '') = $5",
            feed,
        ),
        (None, None) => return write(connection, line, count).await,
    };
    // The same input always packs to the same bytes.
    let event = packed::pack(&json::bytes(&line.event)?);
    let last: Option<(Option<i64>,)> = sql(statement)
        .bind(key)
        .bind(line.event.what())
        .bind(since)
        .bind(event.bytes)
        .bind(line.room.as_deref().unwrap_or_default())
        .fetch_optional(connection)
        .await?;
    let Some((Some(last),)) = last else {
        return write(connection, line, count).await;
    };
    sql(
        "UPDATE history SET at = CASE WHEN at < $1 THEN $1 ELSE at END, count = count + $2 \
         WHERE id = $3",
    )
    .bind(line.at)
    .bind(i64::from(count))
    .bind(last)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: i64,
    since_at: UnixTime,
    at: UnixTime,
    count: i64,
    event: Vec<u8>,
    inflated_bytes: Option<i64>,
}

impl Row {
    /// `None` for an event that this podcal does not know, or that is damaged.
    fn entry(self) -> Option<Entry> {
        let event = packed::unpack(self.event, self.inflated_bytes)?;
        Some(Entry {
            at: self.at,
            since: self.since_at,
            count: u32::try_from(self.count).unwrap_or(u32::MAX),
            event: serde_json::from_slice(&event).ok()?,
        })
    }
}

impl Ledger {
    /// The last lines of a room, its pods and its feeds, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn history(
        &self,
        room: &RoomName,
        feeds: &[FeedId],
        limit: u32,
    ) -> Result<Vec<Entry>> {
        const OF_ROOM: &str = "SELECT id, since_at, at, count, event, inflated_bytes FROM history \
            WHERE room = $1 ORDER BY at DESC, id DESC LIMIT $2";
        // A feed has lines of its own since 0.2; before, each room had its own.
        const OF_FEED: &str = "SELECT id, since_at, at, count, event, inflated_bytes FROM history \
            WHERE feed = $1 AND room IS NULL ORDER BY at DESC, id DESC LIMIT $2";
        let mut rows: Vec<Row> = self
            .read(async |connection| {
                let mut rows = Vec::new();
                let of_room = std::iter::once((OF_ROOM, room.as_str()));
                let of_feeds = feeds.iter().map(|feed| (OF_FEED, feed.as_str()));
                for (statement, key) in of_room.chain(of_feeds) {
                    let found: Vec<Row> = sql(statement)
                        .bind(key)
                        .bind(i64::from(limit))
                        .fetch_all(connection)
                        .await?;
                    rows.extend(found);
                }
                Ok(rows)
            })
            .await?;
        rows.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(rows.into_iter().filter_map(Row::entry).collect())
    }

    /// Removes what is older than `keep`, and what is too much of it; says how many lines.
    ///
    /// Once a day is enough.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn prune_history(&self, now: UnixTime, keep: Duration) -> Result<u64> {
        self.write(async |connection| {
            let old = sql("DELETE FROM history WHERE at < $1")
                .bind(now.minus(keep))
                .execute(connection)
                .await?;
            let many = sql(
                "DELETE FROM history WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER \
                 (PARTITION BY coalesce(room, feed, pod), trouble ORDER BY at DESC, id DESC) \
                 AS place FROM history) AS placed WHERE place > $1)",
            )
            .bind(LINES_KEPT)
            .execute(connection)
            .await?;
            Ok(old + many)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
