//! What is current, what is written, and what has to be written next. Knows no clock and
//! no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use crate::ledger::{Batch, HistoryLine, Loaded, Pin, Remembered, ServiceTimes, differ};
use crate::model::memory::{FeedMemory, Memories, PodMemory, RoomMemory};
use crate::model::sign_in::SignIn;
use crate::model::time::UnixTime;
use crate::model::version::{FeedVersion, VersionId};

/// Lines that wait for a disk that fails. More are dropped, the oldest first, and counted.
const MAX_WAITING_LINES: usize = 10_000;

/// The newest value of everything, and what the ledger has of it.
pub(super) struct Desk {
    current: Arc<Memories>,
    written: Memories,
    changed: Keys,
    versions: BTreeMap<String, Versions>,
    pub(super) pins: BTreeMap<String, Pin>,
    unwritten_pins: BTreeSet<String>,
    pub(super) sign_ins: BTreeMap<String, SignIn>,
    pub(super) accepted_devices: BTreeMap<String, String>,
    settings: BTreeMap<String, (UnixTime, String)>,
    /// Digests: the settings themselves are long, and nobody asks for them here.
    written_settings: BTreeMap<String, u64>,
    lines: Vec<(HistoryLine, u32)>,
    streaks: BTreeMap<StreakKey, Streak>,
    lost_lines: u64,
    service: ServiceTimes,
    is_service_changed: bool,
    /// The file is a new one: nothing of what was written is in it.
    is_file_new: bool,
    have_times_changed: bool,
}

#[derive(Clone, Default)]
struct Keys {
    feeds: BTreeSet<String>,
    rooms: BTreeSet<String>,
    pods: BTreeSet<String>,
}

/// The versions of one feed.
#[derive(Default)]
struct Versions {
    stored: BTreeSet<VersionId>,
    /// Those that some task still holds.
    known: BTreeMap<VersionId, Weak<FeedVersion>>,
    /// Kept here until it is written, or nobody names it.
    latest: Option<Arc<FeedVersion>>,
    /// Same contents, other validators.
    outdated: BTreeSet<VersionId>,
    /// What is stored of them cannot be read.
    damaged: BTreeSet<VersionId>,
}

impl Versions {
    fn find(&self, id: VersionId) -> Option<Arc<FeedVersion>> {
        self.latest
            .as_ref()
            .filter(|version| version.id == id)
            .cloned()
            .or_else(|| self.known.get(&id)?.upgrade())
    }
}

/// Which streak a line may be one of: room, feed, pod and kind of event.
type StreakKey = (Option<String>, Option<String>, Option<String>, &'static str);

struct Streak {
    /// The first of it.
    line: HistoryLine,
    last_at: UnixTime,
    /// How often it happened by the lines that were handed out to be written.
    counted: u32,
    uncounted: u32,
}

impl Streak {
    fn take_uncounted(&mut self) -> (HistoryLine, u32) {
        self.counted = self.counted.saturating_add(self.uncounted);
        let line = HistoryLine {
            at: self.last_at,
            ..self.line.clone()
        };
        (line, std::mem::take(&mut self.uncounted))
    }
}

/// How much is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Changes,
    /// And when everything was last seen, and how often failures were repeated.
    ChangesAndTimes,
    /// And validators that changed alone.
    All,
}

/// A batch on its way to the disk.
pub(super) struct Outgoing {
    pub(super) batch: Batch,
    extent: Extent,
    settings: BTreeMap<String, (UnixTime, String)>,
}

impl Desk {
    pub(super) fn new(loaded: Loaded) -> Self {
        let stored = |stored| Versions {
            stored,
            ..Versions::default()
        };
        Self {
            current: Arc::new(loaded.memories.clone()),
            written: loaded.memories,
            changed: Keys::default(),
            versions: loaded
                .versions
                .into_iter()
                .map(|(feed, ids)| (feed, stored(ids)))
                .collect(),
            pins: loaded.pins,
            unwritten_pins: BTreeSet::new(),
            sign_ins: loaded.sign_ins,
            accepted_devices: loaded.accepted_devices,
            settings: BTreeMap::new(),
            written_settings: BTreeMap::new(),
            lines: Vec::new(),
            streaks: BTreeMap::new(),
            lost_lines: 0,
            service: loaded.service,
            is_service_changed: false,
            is_file_new: false,
            have_times_changed: false,
        }
    }

    pub(super) fn memories(&self) -> Arc<Memories> {
        self.current.clone()
    }

    /// Each says whether there is something to write now.
    pub(super) fn feed(
        &mut self,
        feed: &str,
        memory: FeedMemory,
        latest: Option<Arc<FeedVersion>>,
    ) -> bool {
        if let Some(version) = latest {
            self.note_version(feed, &version);
            self.versions.entry(feed.to_owned()).or_default().latest = Some(version);
        }
        let current = self.current.feeds.get(feed);
        if current.is_some_and(|current| **current == memory) {
            return false;
        }
        let is_change = is_change(self.written.feeds.get(feed), &memory);
        Arc::make_mut(&mut self.current)
            .feeds
            .insert(feed.to_owned(), Arc::new(memory));
        mark(&mut self.changed.feeds, feed, is_change);
        self.have_times_changed = true;
        is_change
    }

    pub(super) fn room(&mut self, room: &str, memory: RoomMemory) -> bool {
        let current = self.current.rooms.get(room);
        if current.is_some_and(|current| **current == memory) {
            return false;
        }
        let is_change = is_change(self.written.rooms.get(room), &memory);
        Arc::make_mut(&mut self.current)
            .rooms
            .insert(room.to_owned(), Arc::new(memory));
        mark(&mut self.changed.rooms, room, is_change);
        is_change
    }

    pub(super) fn pod(&mut self, pod: &str, memory: PodMemory) -> bool {
        let current = self.current.pods.get(pod);
        if current.is_some_and(|current| **current == memory) {
            return false;
        }
        let is_change = is_change(self.written.pods.get(pod), &memory);
        Arc::make_mut(&mut self.current)
            .pods
            .insert(pod.to_owned(), Arc::new(memory));
        mark(&mut self.changed.pods, pod, is_change);
        self.have_times_changed = true;
        is_change
    }

    /// Remembers that a version is in memory somewhere.
    pub(super) fn note_version(&mut self, feed: &str, version: &Arc<FeedVersion>) {
        let versions = self.versions.entry(feed.to_owned()).or_default();
        let before = versions.find(version.id);
        if before.is_some_and(|before| !Arc::ptr_eq(&before, version) && *before != **version) {
            versions.outdated.insert(version.id);
        }
        versions.known.insert(version.id, Arc::downgrade(version));
        versions.known.retain(|_, known| known.strong_count() > 0);
    }

    pub(super) fn known_version(&self, feed: &str, id: VersionId) -> Option<Arc<FeedVersion>> {
        self.versions.get(feed)?.find(id)
    }

    /// A version that is stored could not be read: with the next write of the feed it is
    /// removed, or written again where it is in memory then.
    pub(super) fn distrust(&mut self, feed: &str, id: VersionId) {
        if let Some(versions) = self.versions.get_mut(feed)
            && versions.stored.contains(&id)
        {
            versions.damaged.insert(id);
        }
    }

    pub(super) fn pod_settings(&mut self, pod: &str, at: UnixTime, json: String) -> bool {
        if self.written_settings.get(pod) == Some(&fingerprint(&json)) {
            self.settings.remove(pod);
            return false;
        }
        self.settings.insert(pod.to_owned(), (at, json));
        true
    }

    /// A pin that could not be written goes with the next write.
    pub(super) fn set_pin(&mut self, pod: &str, pin: Option<Pin>, is_written: bool) {
        match pin {
            Some(pin) => self.pins.insert(pod.to_owned(), pin),
            None => self.pins.remove(pod),
        };
        mark(&mut self.unwritten_pins, pod, !is_written);
    }

    pub(super) fn set_service(&mut self, times: ServiceTimes) {
        self.service = times;
        self.is_service_changed = true;
    }

    pub(super) fn service(&self) -> &ServiceTimes {
        &self.service
    }

    pub(super) fn history(&mut self, line: HistoryLine) -> bool {
        let key = (
            line.room.clone(),
            line.feed.clone(),
            line.pod.clone(),
            line.event.what(),
        );
        if let Some(streak) = self.streaks.get_mut(&key)
            && line.repeats(&streak.line)
        {
            streak.uncounted += 1;
            streak.last_at = line.at;
            // At the second, fourth, eighth time; else once an hour.
            if streak.uncounted < streak.counted {
                return false;
            }
            let last = streak.take_uncounted();
            self.push_line(last);
            return true;
        }
        let started = line.streak_since.map(|_| Streak {
            line: line.clone(),
            last_at: line.at,
            counted: 1,
            uncounted: 0,
        });
        let ended = match started {
            Some(streak) => self.streaks.insert(key, streak),
            None => self.streaks.remove(&key),
        };
        if let Some(mut streak) = ended.filter(|streak| streak.uncounted > 0) {
            self.push_line(streak.take_uncounted());
        }
        self.push_line((line, 1));
        true
    }

    fn push_line(&mut self, line: (HistoryLine, u32)) {
        if self.lines.len() >= MAX_WAITING_LINES {
            self.lines.remove(0);
            self.lost_lines += 1;
        }
        self.lines.push(line);
    }

    /// How many lines were dropped since this was asked last.
    pub(super) fn take_lost_lines(&mut self) -> u64 {
        std::mem::take(&mut self.lost_lines)
    }

    /// Forgets what the configuration no longer names. What is not listed goes, so the
    /// lists must be whole; trust, sign-ins and history stay.
    pub(super) fn keep_only(
        &mut self,
        feeds: &BTreeSet<String>,
        rooms: &BTreeSet<String>,
        pods: &BTreeSet<String>,
    ) -> bool {
        let current = Arc::make_mut(&mut self.current);
        let gone = |known: Vec<&String>, kept: &BTreeSet<String>| -> Vec<String> {
            let is_gone = |key: &&&String| !kept.contains(**key);
            known
                .iter()
                .filter(is_gone)
                .map(|key| (*key).clone())
                .collect()
        };
        let feeds = gone(current.feeds.keys().collect(), feeds);
        let rooms = gone(current.rooms.keys().collect(), rooms);
        let pods = gone(current.pods.keys().collect(), pods);
        current.feeds.retain(|feed, _| !feeds.contains(feed));
        current.rooms.retain(|room, _| !rooms.contains(room));
        current.pods.retain(|pod, _| !pods.contains(pod));
        let is_change = !(feeds.is_empty() && rooms.is_empty() && pods.is_empty());
        self.changed.feeds.extend(feeds);
        self.changed.rooms.extend(rooms);
        self.changed.pods.extend(pods);
        is_change
    }

    /// The file is another one: everything is to be written.
    pub(super) fn file_is_new(&mut self) {
        self.is_file_new = true;
        self.written = Memories::default();
        self.written_settings.clear();
        for versions in self.versions.values_mut() {
            versions.stored.clear();
            versions.damaged.clear();
        }
        self.is_service_changed = true;
    }

    /// What has to be written now; the values stay here until they are.
    pub(super) fn outgoing(&mut self, extent: Extent) -> Outgoing {
        let current = &self.current;
        let keys = match self.is_file_new {
            true => Keys {
                feeds: current.feeds.keys().cloned().collect(),
                rooms: current.rooms.keys().cloned().collect(),
                pods: current.pods.keys().cloned().collect(),
            },
            false => self.changed.clone(),
        };
        let mut batch = Batch {
            is_everything: self.is_file_new,
            feeds: values(keys.feeds.iter(), &current.feeds, &self.written.feeds),
            rooms: values(keys.rooms.iter(), &current.rooms, &self.written.rooms),
            pods: values(keys.pods.iter(), &current.pods, &self.written.pods),
            ..Batch::default()
        };
        if extent == Extent::All {
            // Validators alone: not marked as changed, and yet not as they are written.
            let is_other = |(feed, memory): &(&String, &Arc<FeedMemory>)| {
                !keys.feeds.contains(*feed)
                    && self
                        .written
                        .feeds
                        .get(*feed)
                        .is_some_and(|written| written.client_state != memory.client_state)
            };
            let others = current.feeds.iter().filter(is_other);
            batch
                .feeds
                .extend(others.map(|(feed, memory)| (feed.clone(), Some(memory.clone()))));
        }
        if extent != Extent::Changes && self.have_times_changed {
            batch.seen = vec![
                (FeedMemory::KIND, times(&current.feeds)),
                (PodMemory::KIND, times(&current.pods)),
            ];
        }
        if extent != Extent::Changes {
            for streak in self.streaks.values_mut().filter(|one| one.uncounted > 0) {
                self.lines.push(streak.take_uncounted());
            }
        }
        self.add_versions(&mut batch);
        batch.history = std::mem::take(&mut self.lines);
        let settings = std::mem::take(&mut self.settings);
        let setting =
            |(pod, (at, json)): (&String, &(UnixTime, String))| (pod.clone(), *at, json.clone());
        batch.pod_settings = settings.iter().map(setting).collect();
        let pin = |pod: &String| (pod.clone(), self.pins.get(pod).copied());
        if self.is_file_new {
            let pods: BTreeSet<_> = self.pins.keys().chain(&self.unwritten_pins).collect();
            batch.pins = pods.into_iter().map(pin).collect();
            batch.sign_ins = self.sign_ins.clone().into_iter().collect();
            batch.accepted_devices = self.accepted_devices.clone().into_iter().collect();
        } else {
            batch.pins = self.unwritten_pins.iter().map(pin).collect();
        }
        batch.service = self.is_service_changed.then(|| self.service.clone());
        Outgoing {
            batch,
            extent,
            settings,
        }
    }

    /// Versions that are named and not stored, and the other way round.
    fn add_versions(&self, batch: &mut Batch) {
        let mut feeds: BTreeSet<&str> = batch.feeds.iter().map(|(feed, _)| feed.as_str()).collect();
        for (room, memory) in &batch.rooms {
            let written = self.written.rooms.get(room);
            for memory in memory.iter().chain(written) {
                feeds.extend(memory.feeds.keys().map(String::as_str));
            }
        }
        if feeds.is_empty() {
            return;
        }
        let named = self.named(&feeds);
        for feed in feeds {
            let (Some(versions), Some(named)) = (self.versions.get(feed), named.get(feed)) else {
                continue;
            };
            for id in named {
                let is_sound = !versions.outdated.contains(id) && !versions.damaged.contains(id);
                if versions.stored.contains(id) && is_sound {
                    continue;
                }
                // One that nobody holds any more counts as never read after a restart.
                if let Some(version) = versions.find(*id) {
                    batch.versions.push((feed.to_owned(), version));
                }
            }
            let unnamed = versions.stored.difference(named);
            batch
                .unnamed
                .extend(unnamed.map(|id| (feed.to_owned(), *id)));
            // Removed before they are written again.
            let damaged = versions.damaged.intersection(named);
            batch
                .unnamed
                .extend(damaged.map(|id| (feed.to_owned(), *id)));
        }
    }

    /// The versions of these feeds that a memory names.
    fn named<'a>(&'a self, feeds: &BTreeSet<&'a str>) -> BTreeMap<&'a str, BTreeSet<VersionId>> {
        let mut named: BTreeMap<&str, BTreeSet<VersionId>> =
            feeds.iter().map(|feed| (*feed, BTreeSet::new())).collect();
        for (feed, ids) in &mut named {
            ids.extend(
                self.current
                    .feeds
                    .get(*feed)
                    .and_then(|memory| memory.latest),
            );
        }
        for room in self.current.rooms.values() {
            for (feed, memory) in &room.feeds {
                if let Some(ids) = named.get_mut(feed.as_str()) {
                    ids.extend(memory.believed);
                    ids.extend(memory.replaced.as_ref().map(|replaced| replaced.version));
                }
            }
        }
        named
    }

    /// It is on the disk.
    pub(super) fn wrote(&mut self, outgoing: Outgoing) {
        let Outgoing {
            batch,
            extent,
            settings,
        } = outgoing;
        if batch.is_everything {
            self.is_file_new = false;
        }
        for (feed, id) in &batch.unnamed {
            if let Some(versions) = self.versions.get_mut(feed) {
                versions.stored.remove(id);
                versions.outdated.remove(id);
                versions.damaged.remove(id);
            }
        }
        for (feed, version) in &batch.versions {
            let versions = self.versions.entry(feed.clone()).or_default();
            versions.stored.insert(version.id);
            versions.outdated.remove(&version.id);
        }
        for (feed, _) in &batch.feeds {
            if let Some(versions) = self.versions.get_mut(feed) {
                let is_written = |latest: &Arc<FeedVersion>| versions.stored.contains(&latest.id);
                if versions.latest.as_ref().is_some_and(is_written) {
                    versions.latest = None;
                }
            }
        }
        self.versions.retain(|_, versions| {
            versions.known.retain(|_, known| known.strong_count() > 0);
            !versions.stored.is_empty() || versions.latest.is_some() || !versions.known.is_empty()
        });
        settle(
            &mut self.changed.feeds,
            &mut self.written.feeds,
            &self.current.feeds,
            batch.feeds,
        );
        settle(
            &mut self.changed.rooms,
            &mut self.written.rooms,
            &self.current.rooms,
            batch.rooms,
        );
        settle(
            &mut self.changed.pods,
            &mut self.written.pods,
            &self.current.pods,
            batch.pods,
        );
        if extent != Extent::Changes {
            self.have_times_changed = false;
        }
        for (pod, (_, json)) in settings {
            self.written_settings.insert(pod, fingerprint(&json));
        }
        for (pod, pin) in &batch.pins {
            if self.pins.get(pod) == pin.as_ref() {
                self.unwritten_pins.remove(pod);
            }
        }
        if batch.service.as_ref() == Some(&self.service) {
            self.is_service_changed = false;
        }
    }

    /// It is not on the disk; what came meanwhile is newer.
    pub(super) fn failed(&mut self, outgoing: Outgoing) {
        for (pod, setting) in outgoing.settings {
            self.settings.entry(pod).or_insert(setting);
        }
        let newer = std::mem::replace(&mut self.lines, outgoing.batch.history);
        for line in newer {
            self.push_line(line);
        }
    }
}

fn is_change<T: Remembered>(written: Option<&Arc<T>>, newer: &T) -> bool {
    written.is_none_or(|written| differ(written.as_ref(), newer))
}

fn mark(keys: &mut BTreeSet<String>, key: &str, is_marked: bool) {
    if is_marked {
        keys.insert(key.to_owned());
    } else {
        keys.remove(key);
    }
}

fn times<T: Remembered>(memories: &BTreeMap<String, Arc<T>>) -> BTreeMap<String, Vec<Option<i64>>> {
    memories
        .iter()
        .map(|(key, memory)| (key.clone(), memory.times()))
        .collect()
}

/// The current values of these keys; `None` of one that is gone and was written.
fn values<'a, T>(
    keys: impl Iterator<Item = &'a String>,
    current: &BTreeMap<String, Arc<T>>,
    written: &BTreeMap<String, Arc<T>>,
) -> Vec<(String, Option<Arc<T>>)> {
    keys.map(|key| (key.clone(), current.get(key).cloned()))
        .filter(|(key, value)| value.is_some() || written.contains_key(key))
        .collect()
}

/// Takes note of what was written; a key whose value moved on meanwhile stays marked.
fn settle<T: Remembered>(
    changed: &mut BTreeSet<String>,
    written: &mut BTreeMap<String, Arc<T>>,
    current: &BTreeMap<String, Arc<T>>,
    batch: Vec<(String, Option<Arc<T>>)>,
) {
    for (key, value) in batch {
        let is_still_changed = match (&value, current.get(&key)) {
            (Some(value), Some(current)) => differ(value.as_ref(), current.as_ref()),
            (None, None) => false,
            _ => true,
        };
        mark(changed, &key, is_still_changed);
        match value {
            Some(value) => written.insert(key, value),
            None => written.remove(&key),
        };
    }
}

fn fingerprint(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
