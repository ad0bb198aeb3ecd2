//! The brake: rooms that lose everything together are held together.
//!
//! A room's own guard sees one feed of one room. A host that hands out empty calendars to
//! a whole building takes one or two meetings from each room, below every guard; only
//! all rooms seen together tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::now::{Monotonic, Now};
use super::retry::Past;
use crate::model::memory::RoomMemory;
use crate::model::name::{FeedId, RoomName};
use crate::model::time::UnixTime;

/// What the brake is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeSettings {
    /// So many rooms of one host (and a third of them) that lose everything; 0: off.
    pub rooms: usize,
    /// Meetings of a document that several rooms share; 0: off.
    pub vanished: usize,
    /// Losses within this time count as together: the longer of `guard.hold` and one
    /// period of `schedule.sync` with its jitter.
    pub within: Duration,
}

/// What one room tells of one of its feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedOfRoom {
    pub feed: FeedId,
    /// Meetings to come that its display shows, or showed before the loss.
    pub to_come: usize,
    /// When everything to come was last taken from it by a good reading.
    pub lost_at: Option<Past>,
}

/// The same of a room that another replica serves, as that one wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedLoss {
    feed: FeedId,
    to_come: usize,
    lost_at: Option<UnixTime>,
}

impl RememberedLoss {
    #[must_use]
    pub fn of(feed: &FeedId, memory: &RoomMemory, now: UnixTime) -> Self {
        let part = memory.feeds.get(feed.as_str());
        let meetings = memory.agenda.iter();
        let to_come = meetings
            .filter(|one| one.meeting.end_time > now)
            .filter(|one| one.feeds.iter().any(|of| **of == *feed.as_str()))
            .count();
        let hold = part.and_then(|part| part.hold.as_ref());
        let replaced = part.and_then(|part| part.replaced.as_ref());
        let (to_come, lost_at) = match (hold, replaced) {
            (Some(hold), _) => (hold.missing, Some(hold.since)),
            // How many there were is not written down.
            (None, Some(replaced)) => (to_come.max(1), Some(replaced.at)),
            (None, None) => (to_come, None),
        };
        Self {
            feed: feed.clone(),
            to_come,
            lost_at,
        }
    }

    #[must_use]
    pub fn told(&self, now: Now) -> FeedOfRoom {
        FeedOfRoom {
            feed: self.feed.clone(),
            to_come: self.to_come,
            lost_at: self.lost_at.map(|at| Past::restored(at, now)),
        }
    }
}

/// What is held for all rooms that lost everything to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrakeState {
    pub hosts: BTreeSet<String>,
    pub feeds: BTreeSet<FeedId>,
    /// Losses within this time count as together, and what is older does not come back.
    pub within: Duration,
}

impl BrakeState {
    #[must_use]
    pub fn holds(&self, feed: &FeedId) -> bool {
        self.hosts.contains(feed.host()) || self.feeds.contains(feed)
    }
}

/// What is worth saying about the brake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrakeEvent {
    /// So many of the host's rooms with meetings to come lost all of them.
    Pulled {
        host: String,
        rooms: usize,
        of: usize,
    },
    /// A document that so many rooms share lost everything for all of them.
    PulledForFeed {
        feed: FeedId,
        rooms: usize,
    },
    Released {
        host: String,
    },
}

/// Watches the losses of all rooms.
#[derive(Clone, Debug)]
pub struct Brake {
    settings: BrakeSettings,
    rooms: BTreeMap<RoomName, Vec<FeedOfRoom>>,
    state: BrakeState,
}

impl Brake {
    #[must_use]
    pub fn new(settings: BrakeSettings) -> Self {
        Self {
            settings,
            rooms: BTreeMap::new(),
            state: BrakeState::default(),
        }
    }

    pub fn configure(&mut self, settings: BrakeSettings) {
        self.settings = settings;
    }

    #[must_use]
    pub fn state(&self) -> &BrakeState {
        &self.state
    }

    /// Takes in what a room tells; nothing for a room that left the configuration.
    pub fn learn(&mut self, room: &RoomName, feeds: Vec<FeedOfRoom>) {
        if feeds.is_empty() {
            self.rooms.remove(room);
        } else {
            self.rooms.insert(room.clone(), feeds);
        }
    }

    /// Works out anew what is held.
    pub fn judge(&mut self, now: Now) -> Vec<BrakeEvent> {
        let state = BrakeState {
            hosts: self.hosts(now),
            feeds: self.documents(now),
            within: self.settings.within,
        };
        let mut events = Vec::new();
        for host in state.hosts.difference(&self.state.hosts) {
            let (lost, all) = self.of_host(host, now);
            events.push(BrakeEvent::Pulled {
                host: host.clone(),
                rooms: lost,
                of: all,
            });
        }
        for feed in state.feeds.difference(&self.state.feeds) {
            // The host's line says it for all its feeds.
            if !state.hosts.contains(feed.host()) {
                let rooms = self.rooms_of(feed, now).0;
                events.push(BrakeEvent::PulledForFeed {
                    feed: feed.clone(),
                    rooms,
                });
            }
        }
        for host in self.state.hosts.difference(&state.hosts) {
            events.push(BrakeEvent::Released { host: host.clone() });
        }
        self.state = state;
        events
    }

    /// When a loss stops to count, so that the state may change by itself.
    #[must_use]
    pub fn next_change(&self, now: Now) -> Monotonic {
        let losses = self.rooms.values().flatten();
        losses
            .filter_map(|feed| feed.lost_at)
            .map(|at| at.plus(self.settings.within))
            .filter(|at| *at > now.monotonic)
            .min()
            .unwrap_or(Monotonic::NEVER)
    }

    fn hosts(&self, now: Now) -> BTreeSet<String> {
        if self.settings.rooms == 0 {
            return BTreeSet::new();
        }
        let mut hosts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for feeds in self.rooms.values() {
            let of_room: BTreeSet<&str> = feeds.iter().map(|feed| feed.feed.host()).collect();
            for host in of_room {
                let (lost, all) = self.counts(feeds, host, now);
                let counts = hosts.entry(host).or_default();
                counts.0 += usize::from(lost);
                counts.1 += usize::from(all);
            }
        }
        let held = hosts
            .into_iter()
            .filter(|(_, (lost, all))| *lost >= self.settings.rooms && lost * 3 >= *all);
        held.map(|(host, _)| host.to_owned()).collect()
    }

    fn of_host(&self, host: &str, now: Now) -> (usize, usize) {
        self.rooms.values().fold((0, 0), |(lost, all), feeds| {
            let counts = self.counts(feeds, host, now);
            (lost + usize::from(counts.0), all + usize::from(counts.1))
        })
    }

    /// Whether a room lost everything to come from this host, and whether it had anything.
    fn counts(&self, feeds: &[FeedOfRoom], host: &str, now: Now) -> (bool, bool) {
        let of_host = || feeds.iter().filter(|feed| feed.feed.host() == host);
        let lost = of_host().any(|feed| self.is_lost(feed, now))
            && of_host().all(|feed| self.has_nothing(feed, now) || self.is_lost(feed, now));
        (lost, of_host().any(|feed| !self.has_nothing(feed, now)))
    }

    fn documents(&self, now: Now) -> BTreeSet<FeedId> {
        if self.settings.vanished == 0 {
            return BTreeSet::new();
        }
        let lost: BTreeSet<&FeedId> = self
            .rooms
            .values()
            .flatten()
            .filter(|feed| self.is_lost(feed, now))
            .map(|feed| &feed.feed)
            .collect();
        let held = lost.into_iter().filter(|feed| {
            let (rooms, meetings) = self.rooms_of(feed, now);
            let left = self
                .rooms
                .values()
                .flatten()
                .filter(|one| one.feed == **feed)
                .any(|one| !self.has_nothing(one, now) && !self.is_lost(one, now));
            rooms > 1 && meetings >= self.settings.vanished && !left
        });
        held.cloned().collect()
    }

    /// Rooms that lost everything to a feed, and how many meetings together.
    fn rooms_of(&self, feed: &FeedId, now: Now) -> (usize, usize) {
        let of_feed = self.rooms.values().flatten();
        of_feed
            .filter(|one| one.feed == *feed && self.is_lost(one, now))
            .fold((0, 0), |(rooms, meetings), one| {
                (rooms + 1, meetings + one.to_come)
            })
    }

    fn is_lost(&self, feed: &FeedOfRoom, now: Now) -> bool {
        feed.lost_at
            .is_some_and(|at| at.elapsed(now.monotonic) < self.settings.within)
    }

    /// Nothing is to come, also where the loss lies so far back that it counts no more.
    fn has_nothing(&self, feed: &FeedOfRoom, now: Now) -> bool {
        feed.to_come == 0 || (feed.lost_at.is_some() && !self.is_lost(feed, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BrakeSettings = BrakeSettings {
        rooms: 5,
        vanished: 3,
        within: Duration::from_secs(900),
    };

    fn at(seconds: u64) -> Now {
        Now {
            wall: UnixTime::from_seconds(1_000_000).plus(Duration::from_secs(seconds)),
            monotonic: Monotonic::from_start(Duration::from_secs(seconds)),
        }
    }

    fn name(number: usize) -> RoomName {
        RoomName::new(&format!("room-{number:02}")).unwrap()
    }

    fn own_feed(number: usize) -> FeedId {
        FeedId::new("calendar.example.com", &[&number.to_string()])
    }

    fn tell(brake: &mut Brake, room: usize, feed: FeedId, to_come: usize, lost: Option<u64>) {
        let lost_at = lost.map(|seconds| Past::at(at(seconds).monotonic));
        let feed = FeedOfRoom {
            feed,
            to_come,
            lost_at,
        };
        brake.learn(&name(room), vec![feed]);
    }

    fn building(rooms: usize) -> Brake {
        let mut brake = Brake::new(SETTINGS);
        (0..rooms).for_each(|room| tell(&mut brake, room, own_feed(room), 1, None));
        brake
    }

    #[test]
    fn five_rooms_and_a_third_of_a_host_pull_the_brake_once() {
        let mut brake = building(15);
        for room in 0..4 {
            tell(&mut brake, room, own_feed(room), 1, Some(room as u64 * 10));
        }
        assert!(brake.judge(at(40)).is_empty());
        tell(&mut brake, 4, own_feed(4), 1, Some(40));
        let pulled = BrakeEvent::Pulled {
            host: "calendar.example.com".into(),
            rooms: 5,
            of: 15,
        };
        assert_eq!(brake.judge(at(41)), [pulled]);
        assert!(brake.state().holds(&own_feed(12)));
        tell(&mut brake, 5, own_feed(5), 1, Some(42));
        assert!(brake.judge(at(43)).is_empty());
    }

    #[test]
    fn five_rooms_of_sixteen_are_fewer_than_a_third() {
        let mut brake = building(16);
        (0..5).for_each(|room| tell(&mut brake, room, own_feed(room), 1, Some(10)));
        assert!(brake.judge(at(20)).is_empty());
    }

    #[test]
    fn losses_that_lie_far_apart_do_not_count_together() {
        let mut brake = building(6);
        for room in 0..5 {
            tell(&mut brake, room, own_feed(room), 1, Some(room as u64 * 300));
        }
        assert!(brake.judge(at(1200)).is_empty());
    }

    #[test]
    fn the_brake_lets_go_when_the_losses_are_old() {
        let mut brake = building(5);
        (0..5).for_each(|room| tell(&mut brake, room, own_feed(room), 1, Some(10)));
        assert_eq!(brake.judge(at(11)).len(), 1);
        assert_eq!(brake.next_change(at(11)), at(910).monotonic);
        let released = brake.judge(at(910));
        assert!(matches!(released.as_slice(), [BrakeEvent::Released { .. }]));
        assert!(!brake.state().holds(&own_feed(1)));
    }

    #[test]
    fn what_was_lost_long_ago_counts_neither_as_lost_nor_as_to_come() {
        // Ten rooms lost theirs in the morning; of the eight others, six do now.
        let mut brake = building(18);
        (0..10).for_each(|room| tell(&mut brake, room, own_feed(room), 1, Some(10)));
        brake.judge(at(11));
        brake.judge(at(5_000));
        (10..15).for_each(|room| tell(&mut brake, room, own_feed(room), 1, Some(5_000)));
        let pulled = BrakeEvent::Pulled {
            host: "calendar.example.com".into(),
            rooms: 5,
            of: 8,
        };
        assert_eq!(brake.judge(at(5_001)), [pulled]);
        // Nor does a room keep the others from a document that all of them share.
        let mut brake = Brake::new(SETTINGS);
        let shared = FeedId::new("calendar.example.com", &["building"]);
        tell(&mut brake, 0, shared.clone(), 5, Some(10));
        for room in 1..3 {
            tell(&mut brake, room, shared.clone(), 2, Some(5_000));
        }
        assert_eq!(brake.judge(at(5_001)).len(), 1);
        assert!(brake.state().holds(&shared));
    }

    #[test]
    fn a_document_that_two_rooms_share_is_held_for_both() {
        let mut brake = Brake::new(SETTINGS);
        let shared = FeedId::new("calendar.example.com", &["building"]);
        tell(&mut brake, 0, shared.clone(), 2, Some(10));
        tell(&mut brake, 1, shared.clone(), 1, None);
        assert!(brake.judge(at(10)).is_empty());
        tell(&mut brake, 1, shared.clone(), 1, Some(10));
        assert_eq!(brake.judge(at(11)).len(), 1);
        assert!(brake.state().holds(&shared));
        assert!(!brake.state().holds(&own_feed(1)));
    }

    #[test]
    fn a_room_of_another_replica_counts_by_what_it_wrote_down() {
        use crate::model::memory::{HoldMemory, ReplacedMemory, RoomFeedMemory};
        use crate::model::version::VersionId;
        let feed = FeedId::new("calendar.example.com", &["ics", "a"]);
        let at = UnixTime::from_seconds;
        let now = Now {
            wall: at(10_000),
            monotonic: Monotonic::from_start(Duration::from_secs(500)),
        };
        let of = |part: RoomFeedMemory| {
            let mut memory = RoomMemory::default();
            memory.feeds.insert(feed.as_str().to_owned(), part);
            RememberedLoss::of(&feed, &memory, now.wall).told(now)
        };
        assert_eq!(of(RoomFeedMemory::default()).lost_at, None);
        let lost = of(RoomFeedMemory {
            replaced: Some(ReplacedMemory {
                version: VersionId(1),
                at: at(9_940),
            }),
            ..RoomFeedMemory::default()
        });
        let held = of(RoomFeedMemory {
            hold: Some(HoldMemory {
                since: at(9_940),
                empty_since: None,
                until: at(11_000),
                missing: 4,
                is_brake: false,
            }),
            ..RoomFeedMemory::default()
        });
        assert_eq!((lost.to_come, held.to_come), (1, 4));
        for told in [lost, held] {
            let elapsed = told.lost_at.unwrap().elapsed(now.monotonic);
            assert_eq!(elapsed, Duration::from_secs(60));
        }
    }
}
