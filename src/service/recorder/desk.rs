//! What is current, what is written, and what has to be written next. Knows no clock and
//! no disk.

mod lines;
pub(super) mod news;
mod portion;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::lines::Lines;
use self::versions::Versions;
use crate::ledger::{Batch, Loaded, Pin, Remembered, ServiceTimes, differ};
use crate::model::memory::{FeedMemory, Memories, PodMemory, RoomMemory};
use crate::model::sign_in::SignIn;
use crate::model::time::UnixTime;
use crate::model::version::FeedVersion;

/// The newest value of everything, and what the ledger has of it.
pub(super) struct Desk {
    current: Arc<Memories>,
    written: Memories,
    changed: Keys,
    /// Feeds of which only what the client left for itself changed.
    validators: BTreeSet<String>,
    versions: BTreeMap<String, Versions>,
    pub(super) pins: BTreeMap<String, Pin>,
    unwritten_pins: BTreeSet<String>,
    pub(super) sign_ins: BTreeMap<String, SignIn>,
    pub(super) accepted_devices: BTreeMap<String, String>,
    settings: BTreeMap<String, (UnixTime, String)>,
    /// Digests: the settings themselves are long, and nobody asks for them here.
    written_settings: BTreeMap<String, u64>,
    pub(super) lines: Lines,
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
    /// There is more to write at once.
    pub(super) is_part: bool,
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
            validators: BTreeSet::new(),
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
            lines: Lines::default(),
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
        mut memory: FeedMemory,
        latest: Option<Arc<FeedVersion>>,
    ) -> bool {
        let is_missing = latest.is_some_and(|version| self.take_version(feed, version));
        if is_missing {
            self.changed.feeds.insert(feed.to_owned());
        }
        let current = self.current.feeds.get(feed);
        if current.is_some_and(|current| **current == memory) {
            return is_missing;
        }
        let written = self.written.feeds.get(feed);
        let is_change = is_change(written, &mut memory) || is_missing;
        if written.is_some_and(|written| written.client_state != memory.client_state) {
            self.validators.insert(feed.to_owned());
        }
        let memory = Arc::new(memory);
        Arc::make_mut(&mut self.current)
            .feeds
            .insert(feed.to_owned(), memory.clone());
        keep(
            &mut self.changed.feeds,
            &mut self.written.feeds,
            feed,
            memory,
            is_change,
        );
        self.have_times_changed = true;
        is_change
    }

    pub(super) fn room(&mut self, room: &str, mut memory: RoomMemory) -> bool {
        let current = self.current.rooms.get(room);
        if current.is_some_and(|current| **current == memory) {
            return false;
        }
        let is_change = is_change(self.written.rooms.get(room), &mut memory);
        let memory = Arc::new(memory);
        Arc::make_mut(&mut self.current)
            .rooms
            .insert(room.to_owned(), memory.clone());
        keep(
            &mut self.changed.rooms,
            &mut self.written.rooms,
            room,
            memory,
            is_change,
        );
        is_change
    }

    pub(super) fn pod(&mut self, pod: &str, mut memory: PodMemory) -> bool {
        let current = self.current.pods.get(pod);
        if current.is_some_and(|current| **current == memory) {
            return false;
        }
        let is_change = is_change(self.written.pods.get(pod), &mut memory);
        let memory = Arc::new(memory);
        Arc::make_mut(&mut self.current)
            .pods
            .insert(pod.to_owned(), memory.clone());
        keep(
            &mut self.changed.pods,
            &mut self.written.pods,
            pod,
            memory,
            is_change,
        );
        self.have_times_changed = true;
        is_change
    }

    pub(super) fn pod_settings(&mut self, pod: &str, at: UnixTime, json: String) -> bool {
        if self.written_settings.get(pod) == Some(&fingerprint(&json)) {
            self.settings.remove(pod);
            return false;
        }
        self.settings.insert(pod.to_owned(), (at, json));
        true
    }

    /// What is to be written of a pod's settings and was not written yet.
    pub(super) fn unwritten_settings(&self, pod: &str) -> Option<String> {
        self.settings.get(pod).map(|(_, json)| json.clone())
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
        self.written_settings.retain(|pod, _| !pods.contains(pod));
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
        let (keys, mut is_all) = match self.is_file_new {
            true => {
                let keys = Keys {
                    feeds: current.feeds.keys().cloned().collect(),
                    rooms: current.rooms.keys().cloned().collect(),
                    pods: current.pods.keys().cloned().collect(),
                };
                (keys, true)
            }
            false => self.portion(),
        };
        let mut batch = Batch {
            is_everything: self.is_file_new,
            feeds: values(keys.feeds.iter(), &current.feeds, &self.written.feeds),
            rooms: values(keys.rooms.iter(), &current.rooms, &self.written.rooms),
            pods: values(keys.pods.iter(), &current.pods, &self.written.pods),
            ..Batch::default()
        };
        if extent == Extent::All {
            let others = self
                .validators
                .iter()
                .filter(|feed| !keys.feeds.contains(*feed) && !self.changed.feeds.contains(*feed));
            let other =
                |feed: &String| Some((feed.clone(), Some(current.feeds.get(feed)?.clone())));
            batch.feeds.extend(others.filter_map(other));
        }
        if extent != Extent::Changes && self.have_times_changed {
            batch.seen = vec![
                (FeedMemory::KIND, times(&current.feeds)),
                (PodMemory::KIND, times(&current.pods)),
            ];
        }
        if extent != Extent::Changes {
            self.lines.count_all();
        }
        self.add_versions(&mut batch);
        batch.history = self.lines.take(portion::MOST_LINES);
        is_all &= self.lines.is_empty();
        let (settings, are_all_settings) = self.take_settings();
        is_all &= are_all_settings;
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
            is_part: !is_all,
        }
    }

    /// It is on the disk.
    pub(super) fn wrote(&mut self, outgoing: Outgoing) {
        let Outgoing {
            batch,
            extent,
            settings,
            is_part: _,
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
        for (feed, memory) in &batch.feeds {
            let state = memory.as_ref().map(|memory| &memory.client_state);
            let current = self.current.feeds.get(feed);
            let is_current = state == current.map(|memory| &memory.client_state);
            mark(&mut self.validators, feed, !is_current);
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
        self.lines.put_back(outgoing.batch.history);
    }
}

fn is_change<T: Remembered>(written: Option<&Arc<T>>, newer: &mut T) -> bool {
    written.is_none_or(|written| differ(written.as_ref(), newer))
}

/// Where only times changed, the newer value stands for the written one too: each is in
/// memory once.
fn keep<T>(
    changed: &mut BTreeSet<String>,
    written: &mut BTreeMap<String, Arc<T>>,
    key: &str,
    memory: Arc<T>,
    is_change: bool,
) {
    mark(changed, key, is_change);
    if !is_change {
        written.insert(key.to_owned(), memory);
    }
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
            (Some(value), Some(current)) => {
                !Arc::ptr_eq(value, current) && differ(value.as_ref(), &mut T::clone(current))
            }
            (None, None) => false,
            _ => true,
        };
        mark(changed, &key, is_still_changed);
        match (value, current.get(&key)) {
            (Some(_), Some(current)) if !is_still_changed => {
                written.insert(key, current.clone());
            }
            (Some(value), _) => {
                written.insert(key, value);
            }
            (None, _) => {
                written.remove(&key);
            }
        }
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
