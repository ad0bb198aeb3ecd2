//! What podcal 0.1 knew, in the words of today: read once, when its ledger is opened.
//!
//! Its calendars are not taken along: the next pull asks for all of them. Until it has
//! succeeded, the sets that the displays confirmed are what is known of a room.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use super::Answer;
use super::memories::{self, Batch, Loaded};
use super::pin;
use super::query::Db;
use crate::model::agenda::Agenda;
use crate::model::failure::{Failure, FailureClass};
use crate::model::meeting::Meeting;
use crate::model::memory::{
    FailingMemory, FeedMemory, Memories, PodMemory, RememberedMeeting, RoomMemory,
};
use crate::model::time::UnixTime;

pub(super) struct Old {
    pub(super) loaded: Loaded,
    pauses: Vec<Pause>,
}

#[derive(FromRow)]
struct Feed {
    feed: String,
    host: String,
    pulled_at: Option<UnixTime>,
    changed_at: Option<UnixTime>,
    failing_since: Option<UnixTime>,
    failures: u32,
    last_error: Option<String>,
    last_kind: Option<String>,
    not_before: Option<UnixTime>,
}

#[derive(FromRow)]
struct Pod {
    pod: String,
    room: Option<String>,
    device_id: Option<String>,
    mode: Option<String>,
    mode_checked_at: Option<UnixTime>,
    health: Option<String>,
    health_since: Option<UnixTime>,
    health_detail: Option<String>,
    seen_at: Option<UnixTime>,
    checked_at: Option<UnixTime>,
    failing_since: Option<UnixTime>,
    failures: u32,
    last_error: Option<String>,
    confirmed: Option<String>,
    confirmed_at: Option<UnixTime>,
}

#[derive(FromRow)]
struct Pause {
    pod: String,
    rest_until: UnixTime,
    rejections: u32,
    password_tag: i64,
}

/// What was carried over from podcal 0.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Upgrade {
    pub(super) rooms: usize,
    pub(super) pods: usize,
}

/// Reads the tables of podcal 0.1.
pub(super) async fn read(connection: &mut SqliteConnection) -> Answer<Old> {
    let mut memories = Memories::default();
    let feeds: Vec<Feed> = sqlx::query_as(
        "SELECT feed, host, pulled_at, changed_at, failing_since, failures, last_error, \
         last_kind, not_before FROM feed",
    )
    .fetch_all(&mut *connection)
    .await?;
    for feed in feeds {
        memories
            .feeds
            .insert(feed.feed.clone(), Arc::new(feed.into()));
    }
    let pods: Vec<Pod> = sqlx::query_as(
        "SELECT pod.pod, room, device_id, mode, mode_checked_at, health, health_since, \
         health_detail, seen_at, checked_at, failing_since, failures, last_error, confirmed, \
         confirmed_at FROM pod LEFT JOIN pod_agenda ON pod_agenda.pod = pod.pod",
    )
    .fetch_all(&mut *connection)
    .await?;
    for pod in pods {
        memories.pods.insert(pod.pod.clone(), Arc::new(pod.into()));
    }
    memories.rooms = rooms(connection, &memories.pods).await?;
    let pauses = sqlx::query_as(
        "SELECT pod, rest_until, rejections, password_tag FROM pod \
         WHERE rest_until IS NOT NULL AND password_tag IS NOT NULL",
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(Old {
        loaded: Loaded {
            memories,
            pins: pin::all(&mut Db::from(&mut *connection))
                .await?
                .into_iter()
                .collect(),
            service: memories::service(&mut Db::from(&mut *connection)).await?,
            ..Loaded::default()
        },
        pauses,
    })
}

/// Reads the old tables and fills the new ones.
pub(super) async fn store(connection: &mut SqliteConnection) -> Answer<Upgrade> {
    let Old { loaded, pauses } = read(connection).await?;
    let upgrade = Upgrade {
        rooms: loaded.memories.rooms.len(),
        pods: loaded.memories.pods.len(),
    };
    let batch = Batch {
        feeds: every(loaded.memories.feeds),
        rooms: every(loaded.memories.rooms),
        pods: every(loaded.memories.pods),
        ..Batch::default()
    };
    memories::store(&mut Db::from(&mut *connection), &batch).await?;
    for pause in pauses {
        sqlx::query(
            "INSERT INTO old_pause (pod, until, rejections, password_tag) VALUES ($1, $2, $3, $4)",
        )
        .bind(pause.pod)
        .bind(pause.rest_until)
        .bind(i64::from(pause.rejections))
        .bind(pause.password_tag)
        .execute(&mut *connection)
        .await?;
    }
    for statement in [
        "INSERT INTO pod_settings (pod, read_at, json) SELECT pod, read_at, json FROM pod_config",
        // Lines of a pod whose room was not known then.
        "UPDATE history SET room = (SELECT room FROM pod WHERE pod.pod = history.pod) \
         WHERE room IS NULL AND pod IS NOT NULL",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(upgrade)
}

fn every<T>(memories: BTreeMap<String, Arc<T>>) -> Vec<(String, Option<Arc<T>>)> {
    memories
        .into_iter()
        .map(|(key, memory)| (key, Some(memory)))
        .collect()
}

/// What the displays of each room were to show: the set that one of them confirmed last.
async fn rooms(
    connection: &mut SqliteConnection,
    pods: &BTreeMap<String, Arc<PodMemory>>,
) -> Answer<BTreeMap<String, Arc<RoomMemory>>> {
    let mut found: BTreeMap<String, RoomMemory> = BTreeMap::new();
    for pod in pods.values() {
        let (Some(room), Some(sent)) = (&pod.room, &pod.sent) else {
            continue;
        };
        let room = found.entry(room.clone()).or_default();
        if !room.is_known || room.composed_at < pod.sent_at {
            let meeting = |meeting: &Meeting| RememberedMeeting {
                meeting: meeting.clone(),
                feeds: Vec::new(),
            };
            room.agenda = sent.meetings().iter().map(meeting).collect();
            room.composed_at = pod.sent_at;
            room.is_known = true;
        }
    }
    let names: Vec<String> = sqlx::query_scalar("SELECT room FROM room")
        .fetch_all(&mut *connection)
        .await?;
    // A hold is not taken along: it was about calendars that are not.
    for name in names {
        found.entry(name).or_default();
    }
    Ok(found
        .into_iter()
        .map(|(name, room)| (name, Arc::new(room)))
        .collect())
}

fn failing(
    since: Option<UnixTime>,
    failures: u32,
    kind: Option<String>,
    says: Option<String>,
) -> Option<FailingMemory> {
    Some(FailingMemory {
        since: since?,
        failures,
        failure: Failure {
            class: FailureClass::Other,
            kind: kind.unwrap_or_else(|| "unknown".to_owned()),
            says: says.unwrap_or_default(),
            hint: String::new(),
            is_passing: true,
            retry_after: None,
            secret_was_sent: false,
        },
    })
}

impl From<Feed> for FeedMemory {
    fn from(feed: Feed) -> Self {
        Self {
            host: feed.host,
            read_at: feed.pulled_at,
            changed_at: feed.changed_at,
            failing: failing(
                feed.failing_since,
                feed.failures,
                feed.last_kind,
                feed.last_error,
            ),
            not_before: feed.not_before,
            ..Self::default()
        }
    }
}

impl From<Pod> for PodMemory {
    fn from(pod: Pod) -> Self {
        // One that cannot be read is repaired by the next look.
        let sent: Option<Agenda> = pod
            .confirmed
            .and_then(|json| serde_json::from_str(&json).ok());
        Self {
            room: pod.room,
            device_id: pod.device_id,
            mode: pod.mode,
            mode_checked_at: pod.mode_checked_at,
            sent_at: pod.confirmed_at.filter(|_| sent.is_some()),
            sent,
            state: pod.health,
            state_since: pod.health_since,
            detail: pod.health_detail,
            seen_at: pod.seen_at,
            checked_at: pod.checked_at,
            failing: failing(pod.failing_since, pod.failures, None, pod.last_error),
            ..Self::default()
        }
    }
}
