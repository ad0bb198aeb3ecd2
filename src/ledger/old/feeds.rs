//! What feeds said last: items with their validators, and how pulling them goes.
//!
//! Both belong to the feed, not to the room: two rooms that read one address share
//! them. Bodies above 1 kB are stored as zlib, see `packed`.

use std::fmt;

use serde::Serialize;
use sqlx::FromRow;

use super::history::{self, Event, Line};
use super::packed::{self, Packed};
use super::{At as _, Ledger, LedgerError, Result};
use crate::model::item::{FeedItem, FeedState, Held};
use crate::model::name::{FeedId, RoomName};
use crate::model::time::UnixTime;

/// What one good pull changes in what is held.
#[derive(Clone, Copy)]
pub struct Keep<'a> {
    /// New or different, with their bodies.
    pub changed: &'a [FeedItem],
    /// The hrefs of those that are gone.
    pub removed: &'a [String],
    /// `changed` is all there is: items that it does not name are gone too.
    pub whole: bool,
    pub state: &'a FeedState,
    pub at: UnixTime,
}

/// Counts stand for the items: an href is part of an address.
impl fmt::Debug for Keep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep")
            .field("changed", &self.changed.len())
            .field("removed", &self.removed.len())
            .field("whole", &self.whole)
            .finish_non_exhaustive()
    }
}

/// Why a pull failed, in words that hold no secret.
#[derive(Clone, Copy, Debug)]
pub struct PullTrouble<'a> {
    pub error: &'a str,
    /// A short word of one kind of failure, such as `timeout`.
    pub kind: &'a str,
    pub passing: bool,
    /// The server asked to be left alone until then.
    pub not_before: Option<UnixTime>,
}

/// How the pulls of a feed go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FeedStanding {
    /// The last success. Where this is `Some` and there are no items, the
    /// collection was read and is empty.
    pub pulled_at: Option<UnixTime>,
    /// The last success that brought something new.
    pub changed_at: Option<UnixTime>,
    /// The first failure since the last success.
    pub failing_since: Option<UnixTime>,
    /// In a row.
    pub failures: u32,
    /// Of the last failure; `None` once a pull succeeds.
    pub last_error: Option<String>,
    pub last_kind: Option<String>,
    pub not_before: Option<UnixTime>,
    pub has_items: bool,
}

#[derive(FromRow)]
struct StandingRow {
    pulled_at: Option<i64>,
    changed_at: Option<i64>,
    failing_since: Option<i64>,
    failures: u32,
    last_error: Option<String>,
    last_kind: Option<String>,
    not_before: Option<i64>,
    has_items: bool,
}

impl From<StandingRow> for FeedStanding {
    fn from(row: StandingRow) -> Self {
        Self {
            pulled_at: row.pulled_at.map(UnixTime::from_seconds),
            changed_at: row.changed_at.map(UnixTime::from_seconds),
            failing_since: row.failing_since.map(UnixTime::from_seconds),
            failures: row.failures,
            last_error: row.last_error,
            last_kind: row.last_kind,
            not_before: row.not_before.map(UnixTime::from_seconds),
            has_items: row.has_items,
        }
    }
}

const STANDING: &str = "SELECT pulled_at, changed_at, failing_since, failures, last_error, \
    last_kind, not_before, EXISTS (SELECT 1 FROM item WHERE item.feed = feed.feed) AS has_items \
    FROM feed WHERE feed = ?";

#[derive(FromRow)]
struct ItemRow {
    href: String,
    etag: Option<String>,
    last_modified: Option<String>,
    body: Vec<u8>,
    inflated_bytes: Option<i64>,
}

impl ItemRow {
    fn item(self) -> Option<FeedItem> {
        Some(FeedItem {
            href: self.href,
            etag: self.etag,
            last_modified: self.last_modified,
            body: packed::unpack(self.body, self.inflated_bytes)?.into(),
        })
    }
}

impl Ledger {
    /// What is held of a feed, in the order of the hrefs; empty where it was never kept.
    ///
    /// Where a body is damaged, the feed counts as never kept, so that the next
    /// pull asks for all of it without validators.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn held(&self, feed: &FeedId) -> Result<Held> {
        // One transaction: items and state of one and the same pull.
        let mut transaction = self.readers.begin().await.at(&self.path)?;
        let state: Option<Option<String>> =
            sqlx::query_scalar("SELECT state FROM feed WHERE feed = ?")
                .bind(feed.as_str())
                .fetch_optional(&mut *transaction)
                .await
                .at(&self.path)?;
        let rows: Vec<ItemRow> = sqlx::query_as(
            "SELECT href, etag, last_modified, body, inflated_bytes FROM item \
             WHERE feed = ? ORDER BY href",
        )
        .bind(feed.as_str())
        .fetch_all(&mut *transaction)
        .await
        .at(&self.path)?;
        transaction.commit().await.at(&self.path)?;
        let items: Option<Vec<_>> = self
            .off_the_runtime(|| rows.into_iter().map(ItemRow::item).collect())
            .await?;
        Ok(items.map_or_else(Held::default, |items| Held {
            items,
            state: FeedState(state.flatten()),
        }))
    }

    /// Keeps what a pull brought: bodies, validators and state, all or nothing.
    ///
    /// Says nothing about the pull itself; see [`Ledger::pull_succeeded`].
    ///
    /// # Errors
    /// When the ledger cannot be written; then all is as before.
    pub async fn keep(&self, feed: &FeedId, keep: &Keep<'_>) -> Result<()> {
        let items = keep.changed.to_vec();
        let packed: Vec<Packed> = self
            .off_the_runtime(move || items.iter().map(|item| packed::pack(&item.body)).collect())
            .await?;

        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO feed (feed, host, state) VALUES (?, ?, ?) \
             ON CONFLICT (feed) DO UPDATE SET host = excluded.host, state = excluded.state",
        )
        .bind(feed.as_str())
        .bind(feed.host())
        .bind(keep.state.0.as_deref())
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        if keep.whole {
            sqlx::query("DELETE FROM item WHERE feed = ?")
                .bind(feed.as_str())
                .execute(&mut *transaction)
                .await
                .at(&self.path)?;
        }
        for href in keep.removed {
            sqlx::query("DELETE FROM item WHERE feed = ? AND href = ?")
                .bind(feed.as_str())
                .bind(href)
                .execute(&mut *transaction)
                .await
                .at(&self.path)?;
        }
        for (item, packed) in keep.changed.iter().zip(packed) {
            sqlx::query(
                "INSERT OR REPLACE INTO item \
                 (feed, href, etag, last_modified, body, inflated_bytes) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(feed.as_str())
            .bind(&item.href)
            .bind(item.etag.as_deref())
            .bind(item.last_modified.as_deref())
            .bind(packed.bytes)
            .bind(packed.inflated_bytes)
            .execute(&mut *transaction)
            .await
            .at(&self.path)?;
        }
        if keep.whole || !keep.changed.is_empty() || !keep.removed.is_empty() {
            sqlx::query("UPDATE feed SET changed_at = ? WHERE feed = ?")
                .bind(keep.at.seconds())
                .bind(feed.as_str())
                .execute(&mut *transaction)
                .await
                .at(&self.path)?;
        }
        transaction.commit().await.at(&self.path)
    }

    /// Notes a pull that succeeded; `changed` says whether it brought something new.
    ///
    /// The history gets a line where it did, and one for every room that had seen
    /// the feed fail.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn pull_succeeded(
        &self,
        feed: &FeedId,
        room: &RoomName,
        at: UnixTime,
        changed: bool,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        let before: Option<StandingRow> = sqlx::query_as(STANDING)
            .bind(feed.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .at(&self.path)?;
        let before = before.map_or_else(FeedStanding::default, FeedStanding::from);
        sqlx::query(
            "INSERT INTO feed (feed, host, pulled_at, changed_at) VALUES (?1, ?2, ?3, iif(?4, ?3, NULL)) \
             ON CONFLICT (feed) DO UPDATE SET host = excluded.host, pulled_at = excluded.pulled_at, \
             changed_at = coalesce(excluded.changed_at, changed_at), failing_since = NULL, \
             failures = 0, last_error = NULL, last_kind = NULL, not_before = NULL",
        )
        .bind(feed.as_str())
        .bind(feed.host())
        .bind(at.seconds())
        .bind(changed)
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;

        let mut told: Vec<String> = match before.failing_since {
            Some(since) => history::rooms_that_saw_it_fail(&mut transaction, feed, since)
                .await
                .at(&self.path)?,
            None => Vec::new(),
        };
        if changed && !told.iter().any(|name| name == room.as_str()) {
            told.push(room.as_str().to_owned());
        }
        for name in told {
            let event = Event::Pulled {
                feed: feed.to_string(),
                changed: changed && name == room.as_str(),
                failures: before.failures,
            };
            history::write(
                &mut transaction,
                &Line {
                    room: Some(&name),
                    feed: Some(feed.as_str()),
                    pod: None,
                    at,
                    event: &event,
                },
            )
            .await
            .at(&self.path)?;
        }
        transaction.commit().await.at(&self.path)
    }

    /// Notes a pull that failed and says how the feed now stands. What is held stays.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn pull_failed(
        &self,
        feed: &FeedId,
        room: &RoomName,
        at: UnixTime,
        trouble: &PullTrouble<'_>,
    ) -> Result<FeedStanding> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO feed (feed, host, failing_since, failures, last_error, last_kind, not_before) \
             VALUES (?, ?, ?, 1, ?, ?, ?) \
             ON CONFLICT (feed) DO UPDATE SET host = excluded.host, \
             failing_since = coalesce(failing_since, excluded.failing_since), \
             failures = failures + 1, last_error = excluded.last_error, \
             last_kind = excluded.last_kind, not_before = excluded.not_before",
        )
        .bind(feed.as_str())
        .bind(feed.host())
        .bind(at.seconds())
        .bind(trouble.error)
        .bind(trouble.kind)
        .bind(trouble.not_before.map(UnixTime::seconds))
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        let standing: StandingRow = sqlx::query_as(STANDING)
            .bind(feed.as_str())
            .fetch_one(&mut *transaction)
            .await
            .at(&self.path)?;
        let standing = FeedStanding::from(standing);
        let event = Event::PullFailed {
            feed: feed.to_string(),
            error: trouble.error.to_owned(),
            kind: trouble.kind.to_owned(),
            passing: trouble.passing,
        };
        history::write_or_count(
            &mut transaction,
            &Line {
                room: Some(room.as_str()),
                feed: Some(feed.as_str()),
                pod: None,
                at,
                event: &event,
            },
            standing.failing_since.unwrap_or(at),
        )
        .await
        .at(&self.path)?;
        transaction.commit().await.at(&self.path)?;
        Ok(standing)
    }

    /// How the pulls of a feed go; all empty where it was never tried.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn feed_standing(&self, feed: &FeedId) -> Result<FeedStanding> {
        let row: Option<StandingRow> = sqlx::query_as(STANDING)
            .bind(feed.as_str())
            .fetch_optional(&self.readers)
            .await
            .at(&self.path)?;
        Ok(row.map_or_else(FeedStanding::default, FeedStanding::from))
    }

    /// Packing fifty megabytes takes a while, and pods are waiting for answers meanwhile.
    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| LedgerError::Closed {
                path: self.path.to_path_buf(),
            })
    }
}

#[cfg(test)]
mod tests;
