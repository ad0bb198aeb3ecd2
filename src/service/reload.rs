//! What a new configuration changes: by difference, so that whatever did not change goes on
//! undisturbed, with its connections and waits.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Feed, Only, Pod, Room};
use crate::model::name::{FeedId, PodUrl, RoomName};

/// A feed with everything that its task depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPlan {
    pub feed: Feed,
    /// Of the rooms that read it; by digest, none twice.
    pub filters: BTreeMap<String, Only>,
    /// How many rooms read it.
    pub rooms: usize,
}

/// The distinct feeds of a configuration.
#[must_use]
pub fn feeds(config: &Config) -> BTreeMap<FeedId, FeedPlan> {
    let mut plans: BTreeMap<FeedId, FeedPlan> = BTreeMap::new();
    for feed in config.rooms.iter().flat_map(|room| &room.feeds) {
        let plan = plans.entry(feed.id.clone()).or_insert_with(|| FeedPlan {
            feed: Feed {
                only: Only::default(),
                ..feed.clone()
            },
            filters: BTreeMap::new(),
            rooms: 0,
        });
        plan.filters.insert(feed.only.digest(), feed.only.clone());
        plan.rooms += 1;
    }
    plans
}

/// The pods of a configuration with their rooms and places.
pub fn pods(config: &Config) -> impl Iterator<Item = (usize, &Room, &Pod)> {
    config
        .rooms
        .iter()
        .flat_map(|room| room.pods.iter().map(move |pod| (room, pod)))
        .enumerate()
        .map(|(place, (room, pod))| (place, room, pod))
}

/// What became different, for the log and for `podcal reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: BTreeSet<RoomName>,
    pub removed: BTreeSet<RoomName>,
    pub changed: BTreeSet<RoomName>,
    /// Something that concerns every room, such as the schedule.
    pub everything: bool,
    /// Where the page is served, or who may read it.
    pub web: bool,
    pub removed_pods: BTreeSet<PodUrl>,
}

impl Difference {
    #[must_use]
    pub fn between(old: &Config, new: &Config) -> Self {
        let by_name = |config: &Config| -> BTreeMap<RoomName, Room> {
            let rooms = config.rooms.iter();
            rooms
                .map(|room| (room.name.clone(), room.clone()))
                .collect()
        };
        let (before, after) = (by_name(old), by_name(new));
        let pods_of = |config: &Config| -> BTreeSet<PodUrl> {
            pods(config).map(|(_, _, pod)| pod.url.clone()).collect()
        };
        let names = |rooms: &BTreeMap<RoomName, Room>| -> BTreeSet<RoomName> {
            rooms.keys().cloned().collect()
        };
        let kept = after
            .iter()
            .filter(|(name, room)| before.get(*name).is_some_and(|before| before != *room));
        Self {
            added: &names(&after) - &names(&before),
            removed: &names(&before) - &names(&after),
            changed: kept.map(|(name, _)| name.clone()).collect(),
            everything: shared(old) != shared(new),
            web: old.web != new.web,
            removed_pods: &pods_of(old) - &pods_of(new),
        }
    }

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Such as "2 rooms added, 1 room changed".
    #[must_use]
    pub fn says(&self) -> String {
        let mut says = Vec::new();
        for (rooms, what) in [
            (&self.added, "added"),
            (&self.removed, "removed"),
            (&self.changed, "changed"),
        ] {
            match rooms.len() {
                0 => {}
                1 => says.extend(rooms.iter().map(|room| format!("room `{room}` {what}"))),
                many => says.push(format!("{many} rooms {what}")),
            }
        }
        if self.everything {
            says.push("settings of the whole service changed".to_owned());
        }
        if self.web {
            says.push("settings of `[web]` changed".to_owned());
        }
        if says.is_empty() {
            says.push("unchanged".to_owned());
        }
        says.join(", ")
    }
}

/// What concerns every room.
fn shared(config: &Config) -> impl PartialEq + use<> {
    (
        config.schedule.clone(),
        config.time_zone.clone(),
        config.guard,
        config.brake_rooms,
        config.memory,
        config.on_remove,
        config.keep_history,
        // Not the ledger: a service that runs has one, and a reload to another is refused.
    )
}
