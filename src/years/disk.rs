//! The ledger as a simple model: what is on the disk, and what the recorder of a process holds
//! until it writes it, at most once a second.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::oracle::Beliefs;
use crate::control::secret_gate::{Request, Rows, Write};
use crate::model::memory::{FeedMemory, Memories, PodMemory, RoomMemory};
use crate::model::sign_in::{AccountKey, SignIn};
use crate::model::version::{FeedVersion, VersionId};

pub type Versions = BTreeMap<(String, VersionId), Arc<FeedVersion>>;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub memories: Memories,
    pub versions: Versions,
    pub sign_ins: BTreeMap<AccountKey, SignIn>,
    pub accepted_devices: BTreeMap<String, String>,
    /// Whether a service ever worked with it.
    pub is_begun: bool,
    /// What the promises were checked against when this was written.
    pub beliefs: Beliefs,
    pub is_full: bool,
    pub writes: u64,
}

impl Disk {
    /// What the gate asks for.
    #[must_use]
    pub fn rows(&self, request: &Request) -> Rows {
        let credential = &request.credential;
        Rows {
            shared: self.sign_ins.get(&credential.key()).cloned(),
            alone: self
                .sign_ins
                .get(&credential.key_alone(&request.user))
                .cloned(),
        }
    }

    /// `None`: it cannot be written. `false`: somebody else was faster.
    pub fn reserve(
        &mut self,
        key: &AccountKey,
        expected: Option<&SignIn>,
        new: &SignIn,
    ) -> Option<bool> {
        if self.is_full {
            return None;
        }
        let is_ours = self.sign_ins.get(key) == expected;
        if is_ours {
            self.sign_ins.insert(key.clone(), new.clone());
        }
        Some(is_ours)
    }

    pub fn apply(&mut self, writes: Vec<Write>) {
        if self.is_full {
            return;
        }
        for write in writes {
            match write {
                Write::Set(key, row) => self.sign_ins.insert(key, row),
                Write::Clear(key) => self.sign_ins.remove(&key),
            };
        }
    }
}

/// What a process remembers, and what of it is not written yet.
#[derive(Debug, Default)]
pub struct Recorder {
    pub current: Memories,
    pub versions: Versions,
    pub sign_ins: BTreeMap<AccountKey, SignIn>,
    pub accepted_devices: BTreeMap<String, String>,
    pub is_dirty: bool,
    pub last_write: u64,
    pub is_scheduled: bool,
    /// Writes that failed in a row.
    pub failures: u32,
}

impl Recorder {
    /// Goes on from what the file holds.
    #[must_use]
    pub fn of(disk: &Disk) -> Self {
        Self {
            current: disk.memories.clone(),
            versions: disk.versions.clone(),
            sign_ins: disk.sign_ins.clone(),
            accepted_devices: disk.accepted_devices.clone(),
            is_dirty: true,
            ..Self::default()
        }
    }

    pub fn feed(&mut self, feed: &str, memory: FeedMemory, latest: Option<Arc<FeedVersion>>) {
        if let Some(version) = latest {
            self.versions.insert((feed.to_owned(), version.id), version);
        }
        let written = self.current.feeds.get(feed);
        // When it was read last is written with the next change of something else.
        let is_change = written.is_none_or(|written| {
            written.latest != memory.latest
                || written.client_state != memory.client_state
                || written.not_before != memory.not_before
                || written.throttled != memory.throttled
                || written.failing.as_ref().map(|one| one.since)
                    != memory.failing.as_ref().map(|one| one.since)
        });
        self.is_dirty |= is_change;
        self.current.feeds.insert(feed.to_owned(), Arc::new(memory));
    }

    pub fn room(&mut self, room: &str, memory: RoomMemory) {
        let written = self.current.rooms.get(room);
        if written.is_none_or(|written| **written != memory) {
            self.is_dirty = true;
            self.current.rooms.insert(room.to_owned(), Arc::new(memory));
        }
    }

    pub fn pod(&mut self, pod: &str, memory: PodMemory) {
        self.is_dirty = true;
        self.current.pods.insert(pod.to_owned(), Arc::new(memory));
    }

    /// One transaction. `false`: the disk is full.
    pub fn write(&mut self, disk: &mut Disk, beliefs: &Beliefs, now: u64) -> bool {
        self.is_scheduled = false;
        if disk.is_full {
            self.failures = self.failures.saturating_add(1);
            return false;
        }
        self.failures = 0;
        self.is_dirty = false;
        self.last_write = now;
        let is_named = |(feed, id): &(String, VersionId)| {
            let of_feed = self.current.feeds.get(feed);
            let rooms = self.current.rooms.values();
            let mut of_rooms = rooms.filter_map(|room| room.feeds.get(feed));
            of_feed.is_some_and(|memory| memory.latest == Some(*id))
                || of_rooms.any(|memory| {
                    memory.believed == Some(*id)
                        || memory
                            .replaced
                            .as_ref()
                            .is_some_and(|one| one.version == *id)
                })
        };
        let named: Vec<_> = self
            .versions
            .keys()
            .filter(|key| is_named(key))
            .cloned()
            .collect();
        if named.len() != self.versions.len() {
            self.versions.retain(|key, _| named.contains(key));
        }
        disk.memories = self.current.clone();
        disk.versions = self.versions.clone();
        disk.accepted_devices = self.accepted_devices.clone();
        disk.is_begun = true;
        disk.beliefs = beliefs.clone();
        disk.writes += 1;
        true
    }

    /// The file is another one: everything that is known of secrets goes there too.
    pub fn file_is_new(&mut self, disk: &mut Disk) {
        self.is_dirty = true;
        if !disk.is_full {
            disk.sign_ins = self.sign_ins.clone();
        }
    }
}
