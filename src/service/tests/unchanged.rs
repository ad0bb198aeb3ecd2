//! A sync that finds nothing new: no reading, no expansion, nothing to write down, and next to
//! no time. The ratio is to composing the same room once, which is what it saves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::config::Only;
use crate::control::feed::{FeedController, FeedOutcome, FeedSettings, FeedStep};
use crate::control::now::Now;
use crate::control::room::{ComposeJob, RoomController, RoomSettings, RoomStep};
use crate::model::item::FeedItem;
use crate::model::memory::RoomMemory;
use crate::service::reading::{self, Download, ReduceBy};
use crate::service::room_task::compose;

/// Composing a room takes at least this many times as long as a sync that finds nothing new.
const SAVED: u32 = 20;
const SYNCS: u32 = 200;
const ROUNDS: u32 = 7;

/// 150 events, three in ten of them weekly, as the rooms of `benches/fleet`.
fn calendar(start: UnixTime) -> String {
    let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n".to_owned();
    for event in 0..150_i64 {
        let rule = if event % 10 < 3 {
            "RRULE:FREQ=WEEKLY\r\n"
        } else {
            ""
        };
        let at = UnixTime::from_seconds(start.seconds() + (event - 40) * 7919);
        let end = at.plus(Duration::from_secs(2700));
        let stamp = |at: UnixTime| at.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
        write!(
            text,
            "BEGIN:VEVENT\r\nUID:{event}@example.com\r\nDTSTART:{}\r\nDTEND:{}\r\n{rule}\
             SUMMARY:Meeting {event}\r\nORGANIZER;CN=Ada:mailto:ada@example.com\r\n\
             DESCRIPTION:Join: https://meet.example.com/j/{event}\r\nEND:VEVENT\r\n",
            stamp(at),
            stamp(end)
        )
        .unwrap();
    }
    text + "END:VCALENDAR\r\n"
}

struct Still {
    feed: FeedController,
    room: RoomController,
    ledger: OpenLedger,
    now: Now,
}

impl Still {
    fn learn(&mut self, outcome: FeedOutcome) {
        let now = self.now;
        assert!(matches!(self.feed.next(now), FeedStep::Pull { .. }));
        self.feed.learn(outcome, now);
        let view = self.feed.view(now);
        let recorder = &self.ledger.recorder;
        recorder.feed(&view.id, self.feed.memory(now), view.latest.clone());
        self.room.learn_feed(view, now);
    }

    /// What a room does when nothing is left to compose.
    fn tell(&self) {
        let (room, now) = (&self.room, self.now);
        let name = &room.settings().room.name;
        self.ledger.recorder.room(name, room.memory(now));
        assert!(room.wanted().agenda.is_some());
        assert!(room.view(now).is_settled && !room.losses(now).is_empty());
    }

    fn next_sync(&mut self) {
        let second = Duration::from_secs(1);
        self.now.wall = self.now.wall.plus(second);
        self.now.monotonic = self.now.monotonic.plus(second);
    }

    fn jobs(&mut self) -> Vec<ComposeJob> {
        match self.room.next(self.now) {
            RoomStep::Wait(_) => Vec::new(),
            RoomStep::Compose(jobs) => jobs,
        }
    }
}

/// The shortest of some rounds: what else the machine does only adds to it.
fn shortest(mut work: impl FnMut()) -> Duration {
    let rounds = (0..ROUNDS).map(|_| {
        let begun = std::time::Instant::now();
        work();
        begun.elapsed()
    });
    rounds.min().unwrap()
}

#[tokio::test]
async fn a_room_in_which_nothing_changed_reads_and_expands_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder, "", &["oak"]);
    let clock = Clock::start(wall);
    let ledger = OpenLedger::open(&config, clock, false).await.unwrap();
    // In the morning: the window moves at midnight.
    let now = Now {
        wall: UnixTime::from_seconds(1_772_442_000),
        ..clock.now()
    };
    let room = Arc::new(config.rooms[0].clone());
    let feed = &room.feeds[0];
    let only = [Only::default()];
    let settings = FeedSettings {
        sync: crate::model::cron::Cron::parse("* * * * * *").unwrap(),
        zone: config.time_zone.clone(),
        spread: Duration::ZERO,
        is_on_demand: false,
        filters: only.iter().map(Only::digest).collect::<BTreeSet<_>>(),
    };
    let room_settings = RoomSettings {
        room: room.clone(),
        shared_by: BTreeMap::from([(feed.id.clone(), 1)]),
        jitter: Duration::ZERO,
    };
    let mut still = Still {
        feed: FeedController::new(feed.id.clone(), settings, now),
        room: RoomController::new(room_settings, RoomMemory::default(), &BTreeMap::new(), now),
        ledger,
        now,
    };
    let download = Download {
        is_document: true,
        items: vec![FeedItem {
            href: String::new(),
            etag: None,
            last_modified: None,
            body: calendar(now.wall).into(),
        }],
        removed: Vec::new(),
        missing: Vec::new(),
        held: None,
        is_afresh: false,
    };
    let by = ReduceBy {
        memory: u64::MAX,
        from: now.wall,
        filters: only.into(),
        largest: 1_000_000,
        host: "calendars.example".to_owned(),
    };
    let version = Arc::new(reading::version(&download, &by).ok().unwrap());
    still.next_sync();
    still.learn(FeedOutcome::Read {
        version: Some(version),
        client_state: Some("\"validator\"".to_owned()),
    });
    let jobs = still.jobs();
    assert_eq!(jobs.len(), 1);
    let now = still.now;
    still
        .room
        .learn_composed(compose(&jobs, &room, u64::MAX).ok().unwrap(), now);
    assert!(still.jobs().is_empty());
    still.tell();

    let composing = shortest(|| assert_eq!(compose(&jobs, &room, u64::MAX).ok().unwrap().len(), 1));
    let syncs = shortest(|| {
        for _ in 0..SYNCS {
            still.next_sync();
            still.learn(FeedOutcome::Read {
                version: None,
                client_state: Some("\"validator\"".to_owned()),
            });
            assert!(still.jobs().is_empty());
            still.tell();
        }
    });
    let sync = syncs / SYNCS;
    assert!(sync * SAVED < composing, "{sync:?} and {composing:?}");
    still.ledger.close().await;
}
