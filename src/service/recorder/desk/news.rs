//! What other processes wrote to a ledger that several share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Desk, Keys};
use crate::ledger::{Loaded, Remembered, Times};
use crate::model::memory::{FeedMemory, Memories};

/// What belongs to the rooms that are served here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::service::recorder) struct Own {
    pub feeds: BTreeSet<String>,
    pub rooms: BTreeSet<String>,
    pub pods: BTreeSet<String>,
}

impl Desk {
    /// Takes in what others wrote, of all but what is served here.
    pub(in crate::service::recorder) fn take_news(&mut self, news: Loaded, own: &Own) {
        let Memories { feeds, rooms, pods } = news.memories;
        let current = Arc::make_mut(&mut self.current);
        let (written, changed) = (&mut self.written, &mut self.changed);
        for feed in feeds.keys().filter(|feed| !own.feeds.contains(*feed)) {
            self.validators.remove(feed);
        }
        for pod in pods.keys().filter(|pod| !own.pods.contains(*pod)) {
            self.settings.remove(pod);
            self.written_settings.remove(pod);
        }
        replace(
            feeds,
            &own.feeds,
            (&mut current.feeds, &mut written.feeds, &mut changed.feeds),
        );
        replace(
            rooms,
            &own.rooms,
            (&mut current.rooms, &mut written.rooms, &mut changed.rooms),
        );
        replace(
            pods,
            &own.pods,
            (&mut current.pods, &mut written.pods, &mut changed.pods),
        );
        for (kind, times) in &news.seen {
            match *kind {
                FeedMemory::KIND => {
                    take_later(times, &own.feeds, [&mut current.feeds, &mut written.feeds]);
                }
                _ => take_later(times, &own.pods, [&mut current.pods, &mut written.pods]),
            }
        }
        for (feed, ids) in news.versions {
            if !own.feeds.contains(&feed) {
                self.versions.entry(feed).or_default().stored = ids;
            }
        }
        for (pod, pin) in news.pins {
            if !self.unwritten_pins.contains(&pod) {
                self.pins.insert(pod, pin);
            }
        }
        self.sign_ins.extend(news.sign_ins);
        self.accepted_devices.extend(news.accepted_devices);
    }

    /// Forgets what was not written yet, but pins and history: others may serve now what it
    /// was about.
    pub(in crate::service::recorder) fn forget_unwritten(&mut self) {
        self.current = Arc::new(self.written.clone());
        self.changed = Keys::default();
        self.validators.clear();
        self.settings.clear();
        self.written_settings.clear();
        for versions in self.versions.values_mut() {
            versions.latest = None;
        }
    }
}

type Kept<'a, T> = (
    &'a mut BTreeMap<String, Arc<T>>,
    &'a mut BTreeMap<String, Arc<T>>,
    &'a mut BTreeSet<String>,
);

fn replace<T>(
    news: BTreeMap<String, Arc<T>>,
    own: &BTreeSet<String>,
    (current, written, changed): Kept<'_, T>,
) {
    for (key, memory) in news {
        if !own.contains(&key) {
            changed.remove(&key);
            written.insert(key.clone(), memory.clone());
            current.insert(key, memory);
        }
    }
}

fn take_later<T: Remembered>(
    times: &BTreeMap<String, Times>,
    own: &BTreeSet<String>,
    memories: [&mut BTreeMap<String, Arc<T>>; 2],
) {
    for memories in memories {
        for (key, memory) in memories.iter_mut().filter(|(key, _)| !own.contains(*key)) {
            if let Some(times) = times.get(key) {
                Arc::make_mut(memory).take_later_times(times);
            }
        }
    }
}
