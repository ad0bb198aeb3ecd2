//! Loading everything that is remembered, and writing what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;

use super::history::{self, HistoryLine};
use super::pin::{self, Pin};
use super::query::{Db, sql};
use super::{Answer, json, packed, sign_in, version};
use crate::model::memory::{FailingMemory, FeedMemory, Memories, PodMemory, RoomMemory};
use crate::model::sign_in::SignIn;
use crate::model::time::UnixTime;
use crate::model::version::{FeedVersion, VersionId};

/// What one kind of memory is to the ledger.
///
/// Times alone are no reason to write: they are kept for all feeds and all pods together.
pub(crate) trait Remembered:
    Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync
{
    /// Tells the kinds apart in `last_seen`.
    const KIND: &'static str;
    const SELECT: &'static str;
    /// Those that were written since; on a server alone.
    const SELECT_CHANGED: &'static str;
    const PUT: &'static str;
    const REMOVE: &'static str;

    /// What changes by itself with every look, in an order that never changes.
    fn times(&self) -> Times;

    fn set_times(&mut self, times: &Times);

    /// Takes the later of each.
    fn take_later_times(&mut self, times: &Times);

    /// Takes over what else alone is no reason to write it; gives back what was there.
    fn swap_state(&mut self, _: &Self) -> Option<Option<String>> {
        None
    }

    fn restore_state(&mut self, _: Option<Option<String>>) {}
}

/// Seconds and counts; `None` where there was none.
pub(crate) type Times = Vec<Option<i64>>;

fn seconds(time: Option<UnixTime>) -> Option<i64> {
    time.map(UnixTime::seconds)
}

fn time(times: &Times, at: usize) -> Option<UnixTime> {
    let seconds = times.get(at).copied().flatten();
    seconds.map(UnixTime::from_seconds)
}

fn take_later(time: &mut Option<UnixTime>, found: Option<&Option<i64>>) {
    let found = found.copied().flatten().map(UnixTime::from_seconds);
    *time = (*time).max(found);
}

/// Failures of the streak that began then: another streak has its own count.
fn streak(failing: Option<&FailingMemory>) -> [Option<i64>; 2] {
    [
        failing.map(|failing| failing.since.seconds()),
        failing.map(|failing| i64::from(failing.failures)),
    ]
}

/// Of the same streak only.
fn set_streak(failing: Option<&mut FailingMemory>, found: Option<&[Option<i64>]>) {
    if let (Some(failing), Some([Some(since), Some(failures)])) = (failing, found)
        && failing.since.seconds() == *since
    {
        failing.failures = u32::try_from(*failures).unwrap_or(u32::MAX);
    }
}

fn take_later_streak(failing: Option<&mut FailingMemory>, found: Option<&[Option<i64>]>) {
    if let (Some(failing), Some([Some(since), Some(failures)])) = (failing, found)
        && failing.since.seconds() == *since
    {
        failing.failures = failing
            .failures
            .max(u32::try_from(*failures).unwrap_or(u32::MAX));
    }
}

impl Remembered for FeedMemory {
    const KIND: &'static str = "feed";
    const SELECT: &'static str = "SELECT feed, memory FROM feed_memory ORDER BY feed";
    const SELECT_CHANGED: &'static str =
        "SELECT feed, memory FROM feed_memory WHERE changed >= $1 ORDER BY feed";
    const PUT: &'static str = "INSERT INTO feed_memory (feed, memory) VALUES ($1, $2) \
        ON CONFLICT (feed) DO UPDATE SET memory = excluded.memory";
    const REMOVE: &'static str = "DELETE FROM feed_memory WHERE feed = $1";

    fn times(&self) -> Times {
        let [since, failures] = streak(self.failing.as_ref());
        vec![seconds(self.read_at), since, failures]
    }

    fn set_times(&mut self, times: &Times) {
        self.read_at = time(times, 0);
        set_streak(self.failing.as_mut(), times.get(1..3));
    }

    fn take_later_times(&mut self, times: &Times) {
        take_later(&mut self.read_at, times.first());
        take_later_streak(self.failing.as_mut(), times.get(1..3));
    }

    /// Older validators of the same version cost one whole answer after a restart.
    fn swap_state(&mut self, other: &Self) -> Option<Option<String>> {
        (self.latest == other.latest)
            .then(|| std::mem::replace(&mut self.client_state, other.client_state.clone()))
    }

    fn restore_state(&mut self, state: Option<Option<String>>) {
        if let Some(state) = state {
            self.client_state = state;
        }
    }
}

impl Remembered for RoomMemory {
    const KIND: &'static str = "room";
    const SELECT: &'static str = "SELECT room, memory FROM room_memory ORDER BY room";
    const SELECT_CHANGED: &'static str =
        "SELECT room, memory FROM room_memory WHERE changed >= $1 ORDER BY room";
    const PUT: &'static str = "INSERT INTO room_memory (room, memory) VALUES ($1, $2) \
        ON CONFLICT (room) DO UPDATE SET memory = excluded.memory";
    const REMOVE: &'static str = "DELETE FROM room_memory WHERE room = $1";

    fn times(&self) -> Times {
        vec![seconds(self.composed_at)]
    }

    fn set_times(&mut self, times: &Times) {
        self.composed_at = time(times, 0);
    }

    fn take_later_times(&mut self, times: &Times) {
        take_later(&mut self.composed_at, times.first());
    }
}

impl Remembered for PodMemory {
    const KIND: &'static str = "pod";
    const SELECT: &'static str = "SELECT pod, memory FROM pod_memory ORDER BY pod";
    const SELECT_CHANGED: &'static str =
        "SELECT pod, memory FROM pod_memory WHERE changed >= $1 ORDER BY pod";
    const PUT: &'static str = "INSERT INTO pod_memory (pod, memory) VALUES ($1, $2) \
        ON CONFLICT (pod) DO UPDATE SET memory = excluded.memory";
    const REMOVE: &'static str = "DELETE FROM pod_memory WHERE pod = $1";

    fn times(&self) -> Times {
        let [since, failures] = streak(self.failing.as_ref());
        vec![
            seconds(self.seen_at),
            seconds(self.checked_at),
            seconds(self.mode_checked_at),
            since,
            failures,
        ]
    }

    fn set_times(&mut self, times: &Times) {
        self.seen_at = time(times, 0);
        self.checked_at = time(times, 1);
        self.mode_checked_at = time(times, 2);
        set_streak(self.failing.as_mut(), times.get(3..5));
    }

    fn take_later_times(&mut self, times: &Times) {
        take_later(&mut self.seen_at, times.first());
        take_later(&mut self.checked_at, times.get(1));
        take_later(&mut self.mode_checked_at, times.get(2));
        take_later_streak(self.failing.as_mut(), times.get(3..5));
    }
}

/// Whether two values differ in more than what changes by itself with every look. Copies
/// nothing large: every look at every pod asks this. `newer` is afterwards as before.
pub(crate) fn differ<T: Remembered>(written: &T, newer: &mut T) -> bool {
    let (times, state) = (newer.times(), newer.swap_state(written));
    newer.set_times(&written.times());
    let is_other = written != newer;
    newer.set_times(&times);
    newer.restore_state(state);
    is_other
}

/// How the service is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
pub struct ServiceTimes {
    pub started_at: Option<UnixTime>,
    /// `None` while it runs, and after it was killed.
    pub stopped_at: Option<UnixTime>,
    pub version: Option<String>,
}

/// Everything that a process begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub memories: Memories,
    /// By feed: those that are stored whole, as far as can be seen without unpacking them.
    pub versions: BTreeMap<String, BTreeSet<VersionId>>,
    pub pins: BTreeMap<String, Pin>,
    /// By account.
    pub sign_ins: BTreeMap<String, SignIn>,
    /// Device ids that were accepted, by pod.
    pub accepted_devices: BTreeMap<String, String>,
    pub service: ServiceTimes,
    /// When all of a kind were last seen, where that is not in the memories yet.
    pub(crate) seen: Vec<(&'static str, BTreeMap<String, Times>)>,
    /// Values that could not be read; they count as never written.
    pub unreadable: usize,
}

/// What is written in one transaction. Values are whole; `None` removes one.
#[derive(Clone, Default)]
pub struct Batch {
    /// Removes whatever is stored first, but trust, sign-ins and history: the batch has
    /// everything that is remembered.
    pub is_everything: bool,
    pub feeds: Vec<(String, Option<Arc<FeedMemory>>)>,
    pub rooms: Vec<(String, Option<Arc<RoomMemory>>)>,
    pub pods: Vec<(String, Option<Arc<PodMemory>>)>,
    pub versions: Vec<(String, Arc<FeedVersion>)>,
    /// Versions that nothing names any more; their bodies go with them.
    pub unnamed: Vec<(String, VersionId)>,
    /// Times of all feeds and of all pods, packed.
    pub seen: Vec<(&'static str, BTreeMap<String, Times>)>,
    pub pod_settings: Vec<(String, UnixTime, String)>,
    pub pins: Vec<(String, Option<Pin>)>,
    pub sign_ins: Vec<(String, SignIn)>,
    pub accepted_devices: Vec<(String, String)>,
    /// With how often it happened.
    pub history: Vec<(HistoryLine, u32)>,
    pub service: Option<ServiceTimes>,
}

impl Batch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_everything
            && self.feeds.is_empty()
            && self.rooms.is_empty()
            && self.pods.is_empty()
            && self.versions.is_empty()
            && self.unnamed.is_empty()
            && self.seen.is_empty()
            && self.pod_settings.is_empty()
            && self.pins.is_empty()
            && self.sign_ins.is_empty()
            && self.accepted_devices.is_empty()
            && self.history.is_empty()
            && self.service.is_none()
    }
}

pub(super) async fn load(connection: &mut Db<'_>) -> Answer<Loaded> {
    let mut loaded = Loaded {
        versions: version::all(connection).await?,
        ..Loaded::default()
    };
    load_trust(connection, &mut loaded).await?;
    let unreadable = &mut loaded.unreadable;
    loaded.memories = Memories {
        feeds: all(connection, unreadable).await?,
        rooms: all(connection, unreadable).await?,
        pods: all(connection, unreadable).await?,
    };
    loaded.service = service(connection).await?;
    Ok(loaded)
}

pub(super) async fn load_trust(connection: &mut Db<'_>, loaded: &mut Loaded) -> Answer<()> {
    loaded.pins = pin::all(connection).await?.into_iter().collect();
    loaded.sign_ins = sign_in::all(connection).await?.into_iter().collect();
    let devices: Vec<(String, String)> =
        sql("SELECT pod, device_id FROM accepted_device ORDER BY pod")
            .fetch_all(connection)
            .await?;
    loaded.accepted_devices = devices.into_iter().collect();
    Ok(())
}

/// The memories that were written at this time or later, in milliseconds.
pub(super) async fn changed(connection: &mut Db<'_>, since: i64) -> Answer<Loaded> {
    let mut loaded = Loaded::default();
    let unreadable = &mut loaded.unreadable;
    loaded.memories = Memories {
        feeds: changed_of(connection, since, unreadable).await?,
        rooms: changed_of(connection, since, unreadable).await?,
        pods: changed_of(connection, since, unreadable).await?,
    };
    Ok(loaded)
}

async fn changed_of<T: Remembered>(
    connection: &mut Db<'_>,
    since: i64,
    unreadable: &mut usize,
) -> Answer<BTreeMap<String, Arc<T>>> {
    let rows: Vec<(String, String)> = sql(T::SELECT_CHANGED)
        .bind(since)
        .fetch_all(connection)
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .filter_map(|(key, json)| match serde_json::from_str::<T>(&json) {
            Ok(memory) => Some((key, Arc::new(memory))),
            Err(_) => {
                *unreadable += 1;
                None
            }
        })
        .collect())
}

pub(super) async fn service(connection: &mut Db<'_>) -> Answer<ServiceTimes> {
    let row: Option<ServiceTimes> =
        sql("SELECT started_at, stopped_at, version FROM service WHERE id = 1")
            .fetch_optional(connection)
            .await?;
    Ok(row.unwrap_or_default())
}

async fn all<T: Remembered>(
    connection: &mut Db<'_>,
    unreadable: &mut usize,
) -> Answer<BTreeMap<String, Arc<T>>> {
    let rows: Vec<(String, String)> = sql(T::SELECT).fetch_all(connection).await?;
    let seen = seen(connection, SEEN, T::KIND).await?;
    let mut found = BTreeMap::new();
    for (key, json) in rows {
        match serde_json::from_str::<T>(&json) {
            Ok(mut memory) => {
                if let Some(times) = seen.get(&key) {
                    memory.take_later_times(times);
                }
                found.insert(key, Arc::new(memory));
            }
            Err(_) => *unreadable += 1,
        }
    }
    Ok(found)
}

const SEEN: &str = "SELECT times, inflated_bytes FROM last_seen WHERE kind = $1";
/// On a server alone: nobody else writes them before the transaction ends.
const SEEN_TO_WRITE: &str =
    "SELECT times, inflated_bytes FROM last_seen WHERE kind = $1 FOR UPDATE";

/// When all of a kind were last seen.
async fn seen(
    connection: &mut Db<'_>,
    select: &'static str,
    kind: &'static str,
) -> Answer<BTreeMap<String, Times>> {
    let row: Option<(Vec<u8>, Option<i64>)> =
        sql(select).bind(kind).fetch_optional(connection).await?;
    Ok(row
        .and_then(|(times, size)| packed::unpack(times, size))
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default())
}

/// The same, of every kind.
pub(super) async fn load_seen(connection: &mut Db<'_>, loaded: &mut Loaded) -> Answer<()> {
    for kind in [FeedMemory::KIND, PodMemory::KIND] {
        loaded
            .seen
            .push((kind, seen(connection, SEEN, kind).await?));
    }
    Ok(())
}

pub(super) async fn store(connection: &mut Db<'_>, batch: &Batch) -> Answer<()> {
    if batch.is_everything {
        for statement in [
            "DELETE FROM feed_memory",
            "DELETE FROM feed_version",
            "DELETE FROM feed_body",
            "DELETE FROM room_memory",
            "DELETE FROM pod_memory",
            "DELETE FROM last_seen",
        ] {
            sql(statement).execute(connection).await?;
        }
    }
    // A version is there before a memory names it, should two of them ever be two transactions.
    version::store(connection, &batch.versions, &batch.unnamed).await?;
    put_all(connection, &batch.feeds).await?;
    put_all(connection, &batch.rooms).await?;
    put_all(connection, &batch.pods).await?;
    for (pod, _) in batch.pods.iter().filter(|(_, memory)| memory.is_none()) {
        sql("DELETE FROM pod_settings WHERE pod = $1")
            .bind(pod)
            .execute(connection)
            .await?;
    }
    for (kind, times) in &batch.seen {
        let mut all = match connection {
            Db::Sqlite(_) => BTreeMap::new(),
            // Others know better when theirs were seen.
            Db::Postgres(_) => seen(connection, SEEN_TO_WRITE, kind).await?,
        };
        for (key, times) in times {
            let known = all.entry(key.clone()).or_default();
            if known.first() <= times.first() {
                known.clone_from(times);
            }
        }
        let packed = packed::pack(&json::bytes(&all)?);
        sql(
            "INSERT INTO last_seen (kind, times, inflated_bytes) VALUES ($1, $2, $3) \
             ON CONFLICT (kind) DO UPDATE SET times = excluded.times, \
             inflated_bytes = excluded.inflated_bytes",
        )
        .bind(*kind)
        .bind(packed.bytes)
        .bind(packed.inflated_bytes)
        .execute(connection)
        .await?;
    }
    for (pod, at, json) in &batch.pod_settings {
        sql(
            "INSERT INTO pod_settings (pod, read_at, json) VALUES ($1, $2, $3) \
             ON CONFLICT (pod) DO UPDATE SET read_at = excluded.read_at, json = excluded.json",
        )
        .bind(pod)
        .bind(*at)
        .bind(json)
        .execute(connection)
        .await?;
    }
    for (pod, pin) in &batch.pins {
        pin::set(connection, pod, *pin).await?;
    }
    for (account, memory) in &batch.sign_ins {
        sign_in::put_if_absent(connection, account, memory).await?;
    }
    for (pod, device_id) in &batch.accepted_devices {
        sql(
            "INSERT INTO accepted_device (pod, device_id, accepted_at) VALUES ($1, $2, 0) \
             ON CONFLICT (pod) DO NOTHING",
        )
        .bind(pod)
        .bind(device_id)
        .execute(connection)
        .await?;
    }
    for (line, count) in &batch.history {
        history::write_or_count(connection, line, *count).await?;
    }
    if let Some(service) = &batch.service {
        sql(
            "INSERT INTO service (id, started_at, stopped_at, version) VALUES (1, $1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, \
             stopped_at = excluded.stopped_at, version = excluded.version",
        )
        .bind(service.started_at)
        .bind(service.stopped_at)
        .bind(&service.version)
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn put_all<T: Remembered>(
    connection: &mut Db<'_>,
    changed: &[(String, Option<Arc<T>>)],
) -> Answer<()> {
    for (key, memory) in changed {
        let query = match memory {
            Some(memory) => sql(T::PUT).bind(key).bind(json::text(memory.as_ref())?),
            None => sql(T::REMOVE).bind(key),
        };
        query.execute(connection).await?;
    }
    Ok(())
}
