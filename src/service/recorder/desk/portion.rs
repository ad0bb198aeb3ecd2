//! How much goes into one transaction: while it is written, whoever waits for a pin or a
//! sign-in waits too. When thousands of rooms begin, everything changes within seconds.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, Keys};
use crate::model::time::UnixTime;

/// Feeds, rooms and pods of one transaction, each.
const MOST: usize = 200;
/// And lines of the history.
pub(super) const MOST_LINES: usize = 1_000;

impl Keys {
    fn is_small(&self) -> bool {
        let most = self.feeds.len().max(self.rooms.len()).max(self.pods.len());
        most <= MOST
    }
}

impl Desk {
    /// The keys of the next transaction, and whether these are all that changed.
    ///
    /// Rooms and feeds that name one another go together: a version is removed with the last
    /// row that names it.
    pub(super) fn portion(&self) -> (Keys, bool) {
        let changed = &self.changed;
        if changed.is_small() {
            return (changed.clone(), true);
        }
        let some = |keys: &BTreeSet<String>| keys.iter().take(MOST).cloned().collect();
        let (mut rooms, pods): (BTreeSet<String>, _) = (some(&changed.rooms), some(&changed.pods));
        let first: BTreeSet<String> = some(&changed.feeds);
        let mut feeds: BTreeSet<&str> = first.iter().map(String::as_str).collect();
        loop {
            let before = (feeds.len(), rooms.len());
            for room in &changed.rooms {
                let is_named = || self.feeds_of(room).any(|feed| feeds.contains(feed));
                if rooms.contains(room) || is_named() {
                    feeds.extend(self.feeds_of(room));
                    rooms.insert(room.clone());
                }
            }
            if (feeds.len(), rooms.len()) == before {
                break;
            }
        }
        let has_changed = |feed: &&&str| changed.feeds.contains(**feed);
        let feeds = feeds.iter().filter(has_changed);
        let keys = Keys {
            feeds: feeds.map(|feed| (*feed).to_owned()).collect(),
            rooms,
            pods,
        };
        let is_all = keys.feeds.len() == changed.feeds.len()
            && keys.rooms.len() == changed.rooms.len()
            && keys.pods.len() == changed.pods.len();
        (keys, is_all)
    }

    /// The feeds that a room names, and those that what is written of it names.
    fn feeds_of(&self, room: &str) -> impl Iterator<Item = &str> {
        let memories = [self.current.rooms.get(room), self.written.rooms.get(room)];
        let memories = memories.into_iter().flatten();
        memories.flat_map(|memory| memory.feeds.keys().map(String::as_str))
    }

    /// Some of the settings that wait to be written, and whether these are all.
    pub(super) fn take_settings(&mut self) -> (BTreeMap<String, (UnixTime, String)>, bool) {
        let rest = match self.settings.keys().nth(MOST).cloned() {
            Some(first_of_rest) => self.settings.split_off(&first_of_rest),
            None => BTreeMap::new(),
        };
        let is_all = rest.is_empty();
        (std::mem::replace(&mut self.settings, rest), is_all)
    }
}
