//! The tiles of all rooms, worst first, made anew only where something changed.
//!
//! Thousands of rooms are looked at once a second while somebody watches. What is
//! remembered of a room is shared and never changed, so a room whose memories are the very
//! same ones as before has the same tile, until the clock changes what is on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::board_page::tile;
use crate::config::{Config, Room};
use crate::model::memory::{FeedMemory, Memories, PodMemory, RoomMemory};
use crate::model::name::RoomName;
use crate::model::time::UnixTime;
use crate::service::snapshot::Snapshot;
use crate::service::status::{RoomState, RoomStatus};

/// No tile is older, whatever it shows.
const LONGEST: Duration = Duration::from_secs(60);

/// All tiles at one moment.
#[derive(Clone, Debug)]
pub struct Board {
    /// Differs where rooms came or went, or podcal was started anew.
    pub epoch: String,
    /// Counts boards that differ within an epoch.
    pub revision: u64,
    /// Worst first.
    pub tiles: Vec<Arc<Tile>>,
    /// Worst first.
    pub counts: BTreeMap<RoomState, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub room: RoomName,
    pub state: RoomState,
    /// What it is sorted by among those of one state.
    pub title: String,
    /// What it is found by, in lower case.
    pub text: String,
    pub html: String,
    /// The revision that brought it.
    pub revision: u64,
}

/// What was made before.
pub struct Keeper {
    started: UnixTime,
    reloads: u64,
    config: Option<Arc<Config>>,
    board: Option<Arc<Board>>,
    memories: Arc<Memories>,
    kept: HashMap<RoomName, Kept>,
    /// Before then the same memories make the same board.
    until: UnixTime,
}

struct Kept {
    made_from: MadeFrom,
    made_at: UnixTime,
    until: UnixTime,
    tile: Arc<Tile>,
}

/// Held, so that none of them can be another one at the same address.
struct MadeFrom {
    room: Option<Arc<RoomMemory>>,
    feeds: Vec<Option<Arc<FeedMemory>>>,
    pods: Vec<Option<Arc<PodMemory>>>,
}

impl MadeFrom {
    fn of(room: &Room, memories: &Memories) -> Self {
        let feeds = room.feeds.iter();
        let pods = room.pods.iter();
        Self {
            room: memories.room(&room.name).cloned(),
            feeds: feeds.map(|one| memories.feed(&one.id).cloned()).collect(),
            pods: pods.map(|one| memories.pod(&one.url).cloned()).collect(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        fn same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
            match (one, other) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (None, None) => true,
                _ => false,
            }
        }
        fn all<T>(some: &[Option<Arc<T>>], others: &[Option<Arc<T>>]) -> bool {
            some.len() == others.len() && some.iter().zip(others).all(|(a, b)| same(a, b))
        }
        same(&self.room, &other.room)
            && all(&self.feeds, &other.feeds)
            && all(&self.pods, &other.pods)
    }
}

impl Keeper {
    pub fn new(started: UnixTime) -> Self {
        Self {
            started,
            reloads: 0,
            config: None,
            board: None,
            memories: Arc::default(),
            kept: HashMap::new(),
            until: started,
        }
    }

    /// The board of a snapshot.
    pub fn board(&mut self, snapshot: &Snapshot) -> Arc<Board> {
        let now = snapshot.at.wall;
        let is_same_config = self
            .config
            .as_ref()
            .is_some_and(|config| Arc::ptr_eq(config, &snapshot.config));
        if !is_same_config {
            self.config = Some(snapshot.config.clone());
            self.reloads += 1;
            self.board = None;
            self.kept.clear();
        }
        if let Some(board) = &self.board
            && Arc::ptr_eq(&self.memories, &snapshot.memories)
            && now < self.until
        {
            return board.clone();
        }
        self.memories = snapshot.memories.clone();
        let revision = self.board.as_ref().map_or(0, |board| board.revision) + 1;
        let mut is_new = self.board.is_none();
        let mut tiles = Vec::with_capacity(snapshot.config.rooms.len());
        self.until = now.plus(LONGEST);
        for room in &snapshot.config.rooms {
            let kept = self.kept(room, snapshot, revision);
            let (until, tile) = (kept.until, kept.tile.clone());
            is_new |= tile.revision == revision;
            self.until = self.until.min(until);
            tiles.push(tile);
        }
        if let Some(board) = self.board.as_ref().filter(|_| !is_new) {
            return board.clone();
        }
        tiles.sort_by(|a, b| (a.state, &a.title, &a.room).cmp(&(b.state, &b.title, &b.room)));
        let mut counts = BTreeMap::new();
        for tile in &tiles {
            *counts.entry(tile.state).or_insert(0) += 1;
        }
        let board = Arc::new(Board {
            epoch: format!("{}-{}", self.started.seconds(), self.reloads),
            revision,
            tiles,
            counts,
        });
        self.board = Some(board.clone());
        board
    }

    fn kept(&mut self, room: &Room, snapshot: &Snapshot, revision: u64) -> &Kept {
        let now = snapshot.at.wall;
        let made_from = MadeFrom::of(room, &snapshot.memories);
        let old = self.kept.remove(&room.name);
        let is_current = |kept: &Kept| {
            // A clock that was set back makes everything anew.
            kept.made_at <= now && now < kept.until && kept.made_from.is_same(&made_from)
        };
        let kept = match old {
            Some(kept) if is_current(&kept) => kept,
            old => {
                let status = RoomStatus::of(room, &snapshot.memories);
                let mut made = tile(room, &status, &snapshot.config.time_zone, now);
                made.revision = revision;
                let tile = match old {
                    Some(kept) if kept.tile.html == made.html && kept.tile.state == made.state => {
                        kept.tile
                    }
                    _ => Arc::new(made),
                };
                Kept {
                    until: next_change(&status, now),
                    made_at: now,
                    made_from,
                    tile,
                }
            }
        };
        self.kept.entry(room.name.clone()).or_insert(kept)
    }
}

/// The next start or end of a meeting, if that is near.
fn next_change(status: &RoomStatus, now: UnixTime) -> UnixTime {
    let displays = status.displays.iter();
    let sent = displays.filter_map(|display| display.memory.sent.as_ref());
    let edges = sent.flat_map(|agenda| {
        let meetings = agenda.meetings().iter();
        meetings.flat_map(|meeting| [meeting.start_time, meeting.end_time])
    });
    let next = edges.filter(|edge| *edge > now).min();
    next.unwrap_or(UnixTime::MAX).min(now.plus(LONGEST))
}
