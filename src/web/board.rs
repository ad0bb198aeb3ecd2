//! The tiles of all rooms, worst first, made anew only where something changed.
//!
//! Thousands of rooms are looked at once a second while somebody watches. What is
//! remembered of a room is shared and never changed, so a room whose memories are the very
//! same ones as before has the same tile, until the clock changes what is on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;

use super::tile::{Tile, tile};
use crate::config::{Config, Room};
use crate::model::memory::{FeedMemory, Memories, PodMemory, RoomMemory};
use crate::model::name::RoomName;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
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
    pub news: News,
}

/// What differs from the board before, as an event; made when it is first sent, for all.
#[derive(Clone, Debug, Default)]
pub struct News {
    pub plain: OnceLock<Option<Bytes>>,
    pub gzip: OnceLock<Option<Bytes>>,
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
        self.make(&snapshot.config, &snapshot.memories, snapshot.at.wall)
    }

    fn make(
        &mut self,
        config: &Arc<Config>,
        memories: &Arc<Memories>,
        now: UnixTime,
    ) -> Arc<Board> {
        let is_same_config = self
            .config
            .as_ref()
            .is_some_and(|before| Arc::ptr_eq(before, config));
        if !is_same_config {
            self.config = Some(config.clone());
            self.reloads += 1;
            self.board = None;
            self.kept.clear();
        }
        if let Some(board) = &self.board
            && Arc::ptr_eq(&self.memories, memories)
            && now < self.until
        {
            return board.clone();
        }
        self.memories = memories.clone();
        let revision = self.board.as_ref().map_or(0, |board| board.revision) + 1;
        let mut is_new = self.board.is_none();
        let mut tiles = Vec::with_capacity(config.rooms.len());
        self.until = now.plus(LONGEST);
        for room in &config.rooms {
            let kept = self.kept(room, &config.time_zone, now, revision);
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
            news: News::default(),
        });
        self.board = Some(board.clone());
        board
    }

    fn kept(&mut self, room: &Room, usual: &Zone, now: UnixTime, revision: u64) -> &Kept {
        let made_from = MadeFrom::of(room, &self.memories);
        let old = self.kept.remove(&room.name);
        let is_current = |kept: &Kept| {
            // A clock that was set back makes everything anew.
            kept.made_at <= now && now < kept.until && kept.made_from.is_same(&made_from)
        };
        let kept = match old {
            Some(kept) if is_current(&kept) => kept,
            old => {
                let status = RoomStatus::of(room, &self.memories);
                let mut made = tile(room, &status, usual, now);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::model::agenda::Agenda;
    use crate::model::meeting::{Meeting, MeetingId};
    use crate::web::events::{Since, news};

    const START: UnixTime = UnixTime::from_seconds(1_790_000_000);

    fn config(rooms: &[&str]) -> Arc<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("podcal.toml");
        let mut text = "time_zone = \"UTC\"\npod.password = \"x\"\n".to_owned();
        for (number, room) in rooms.iter().enumerate() {
            text += &format!(
                "[rooms.{room}]\nfeed = \"https://calendar.example.com/{room}.ics\"\npod = \"pod-{number}.example.com\"\n"
            );
        }
        std::fs::write(&path, text).unwrap();
        Arc::new(config::load::load(&path).unwrap().config)
    }

    /// A display that shows one meeting, an hour from the start.
    fn remember(memories: &mut Arc<Memories>, config: &Config, room: usize, title: &str) {
        let pod = PodMemory {
            state: Some("in_step".to_owned()),
            state_since: Some(START),
            sent: Some(Agenda::new(vec![Meeting {
                id: MeetingId::new(title, ""),
                title: title.into(),
                organizer: "".into(),
                description: None,
                start_time: START.plus(Duration::from_secs(3600)),
                end_time: START.plus(Duration::from_secs(7200)),
            }])),
            ..PodMemory::default()
        };
        let url = config.rooms[room].pods[0].url.key();
        Arc::make_mut(memories).pods.insert(url, Arc::new(pod));
    }

    #[test]
    fn only_what_changed_is_made_anew_and_told() {
        let config = config(&["ash", "elm", "oak"]);
        let mut memories: Arc<Memories> = Arc::default();
        remember(&mut memories, &config, 0, "Standup");
        remember(&mut memories, &config, 2, "Retro");
        let mut keeper = Keeper::new(START);
        let mut at = |memories: &Arc<Memories>, seconds| {
            keeper.make(&config, memories, START.plus(Duration::from_secs(seconds)))
        };
        let first = at(&memories, 0);
        assert_eq!(first.counts.values().sum::<usize>(), 3);
        let again = at(&memories, 1);
        assert!(Arc::ptr_eq(&first, &again), "nothing changed");

        remember(&mut memories, &config, 2, "Review");
        let second = at(&memories, 2);
        assert!(second.revision > first.revision);
        let changed = |board: &Board, since: u64| -> Vec<String> {
            let tiles = board.tiles.iter().filter(|tile| tile.revision > since);
            tiles.map(|tile| tile.room.to_string()).collect()
        };
        assert_eq!(changed(&second, first.revision), ["oak"]);
        let text = |board: &Board| -> String {
            board.tiles.iter().map(|tile| tile.html.as_str()).collect()
        };
        assert!(text(&second).contains("Review") && !text(&second).contains("Retro"));

        // The same again, although it was looked at: nothing that shows is different.
        remember(&mut memories, &config, 2, "Review");
        assert!(Arc::ptr_eq(&second, &at(&memories, 3)));

        // The clock alone: a meeting begins.
        let third = at(&memories, 3600);
        assert_eq!(changed(&third, second.revision), ["ash", "oak"]);
        assert!(text(&third).contains("<b>Standup</b>"), "{}", text(&third));
    }

    /// What is written down in `docs/performance.md`; the limits leave room for longer titles.
    #[test]
    fn what_is_sent_of_5000_rooms_is_in_proportion_to_what_changed_and_made_once() {
        let names: Vec<String> = (0..5000).map(|number| format!("room-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let config = config(&names);
        let mut memories: Arc<Memories> = Arc::default();
        let meetings =
            |memories: &mut Arc<Memories>, rooms: std::ops::Range<usize>, title: &str| {
                for room in rooms {
                    remember(memories, &config, room, &format!("{title} of team {room}"));
                }
            };
        meetings(&mut memories, 0..5000, "Weekly planning");
        let mut keeper = Keeper::new(START);
        let first = keeper.make(&config, &memories, START);
        let since = Since::board(&first);

        // A minute in which nothing changes: the very same board, so nothing is sent.
        for second in 1..60 {
            let now = START.plus(Duration::from_secs(second));
            assert!(Arc::ptr_eq(&first, &keeper.make(&config, &memories, now)));
        }
        // One in a hundred changes.
        meetings(&mut memories, 0..50, "Moved planning");
        let second = keeper.make(&config, &memories, START.plus(Duration::from_secs(60)));
        let sent = |board: &Board, since: &Since, is_gzip| news(board, since, is_gzip).unwrap();
        let (plain, gzip) = (sent(&second, &since, false), sent(&second, &since, true));
        assert_eq!(
            plain
                .windows(9)
                .filter(|part| part == b"\"room\":\"r")
                .count(),
            50
        );
        assert!(
            plain.len() < 60_000 && gzip.len() < 6_000,
            "{} {}",
            plain.len(),
            gzip.len()
        );
        // Whoever follows too is sent the same bytes, not others that are equal.
        for (is_gzip, bytes) in [(false, &plain), (true, &gzip)] {
            assert_eq!(sent(&second, &since, is_gzip).as_ptr(), bytes.as_ptr());
        }
        // At the full hour every room's meeting begins.
        let since = Since::board(&second);
        let hour = keeper.make(&config, &memories, START.plus(Duration::from_secs(3600)));
        let (all, squeezed) = (sent(&hour, &since, false), sent(&hour, &since, true));
        assert!(
            all.len() < 6_000_000 && squeezed.len() < 600_000,
            "{} {}",
            all.len(),
            squeezed.len()
        );
        println!(
            "bytes, plain and compressed: 50 of 5,000: {} {}; all: {} {}",
            plain.len(),
            gzip.len(),
            all.len(),
            squeezed.len()
        );
    }

    #[test]
    fn other_rooms_are_another_board() {
        let mut keeper = Keeper::new(START);
        let memories: Arc<Memories> = Arc::default();
        let one = keeper.make(&config(&["oak"]), &memories, START);
        let two = keeper.make(&config(&["oak", "elm"]), &memories, START);
        assert_ne!(one.epoch, two.epoch);
        assert_eq!(two.tiles.len(), 2);
    }
}
