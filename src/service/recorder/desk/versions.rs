//! Which versions of feeds are stored, which are in memory, and which of them a memory names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use super::Desk;
use crate::ledger::Batch;
use crate::model::version::{FeedVersion, VersionId};

/// The versions of one feed.
#[derive(Default)]
pub(super) struct Versions {
    pub(super) stored: BTreeSet<VersionId>,
    /// Those that some task still holds.
    pub(super) known: BTreeMap<VersionId, Weak<FeedVersion>>,
    /// Kept here until it is written, or nobody names it.
    pub(super) latest: Option<Arc<FeedVersion>>,
    /// Same contents, other validators.
    pub(super) outdated: BTreeSet<VersionId>,
    /// What is stored of them cannot be read.
    pub(super) damaged: BTreeSet<VersionId>,
}

impl Versions {
    pub(super) fn find(&self, id: VersionId) -> Option<Arc<FeedVersion>> {
        self.latest
            .as_ref()
            .filter(|version| version.id == id)
            .cloned()
            .or_else(|| self.known.get(&id)?.upgrade())
    }
}

impl Desk {
    /// Remembers that a version is in memory somewhere.
    pub(in crate::service::recorder) fn note_version(
        &mut self,
        feed: &str,
        version: &Arc<FeedVersion>,
    ) {
        let versions = self.versions.entry(feed.to_owned()).or_default();
        let before = versions.find(version.id);
        if before.is_some_and(|before| !Arc::ptr_eq(&before, version) && *before != **version) {
            versions.outdated.insert(version.id);
        }
        versions.known.insert(version.id, Arc::downgrade(version));
        versions.known.retain(|_, known| known.strong_count() > 0);
    }

    /// Keeps the latest version of a feed until it is written. Says whether it has to be.
    pub(super) fn take_version(&mut self, feed: &str, version: Arc<FeedVersion>) -> bool {
        self.note_version(feed, &version);
        let versions = self.versions.entry(feed.to_owned()).or_default();
        let is_stored =
            versions.stored.contains(&version.id) && !versions.damaged.contains(&version.id);
        if !is_stored {
            versions.latest = Some(version);
        }
        !is_stored
    }

    pub(in crate::service::recorder) fn known_version(
        &self,
        feed: &str,
        id: VersionId,
    ) -> Option<Arc<FeedVersion>> {
        self.versions.get(feed)?.find(id)
    }

    /// A version that is stored could not be read: with the next write of the feed it is
    /// removed, or written again where it is in memory then.
    pub(in crate::service::recorder) fn distrust(&mut self, feed: &str, id: VersionId) {
        if let Some(versions) = self.versions.get_mut(feed)
            && versions.stored.contains(&id)
        {
            versions.damaged.insert(id);
        }
    }

    /// Versions that are named and not stored, and the other way round.
    pub(super) fn add_versions(&self, batch: &mut Batch) {
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
}
