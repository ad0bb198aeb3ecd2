//! How a building stands, from what is remembered: the document of `podcal status --json`
//! and of `/api/v1/status`. The service has it in memory, a command reads the ledger.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::report::HeldReport;
use crate::config::{Config, Room};
use crate::control::pod::PodState;
use crate::ledger::ServiceTimes;
use crate::model::agenda::Agenda;
use crate::model::meeting::Meeting;
use crate::model::memory::{FeedMemory, HoldMemory, Memories, PodMemory};
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::replica::{Replica, Roll};
use crate::model::time::UnixTime;
use crate::telemetry::words;

/// How every room stands.
#[derive(Clone, Debug)]
pub struct Status {
    pub now: UnixTime,
    pub service: ServiceTimes,
    /// In the order of the configuration.
    pub rooms: Vec<RoomStatus>,
    /// Who serves what, where several podcal share the rooms.
    pub roll: Arc<Roll>,
}

/// How one room stands.
#[derive(Clone, Debug)]
pub struct RoomStatus {
    pub room: RoomName,
    pub title: String,
    pub state: RoomState,
    pub feeds: Vec<FeedStatus>,
    pub displays: Vec<DisplayStatus>,
    /// Of all feeds that are held.
    pub hold: Option<HoldMemory>,
}

/// The state of a room, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    /// A display does not show what it should.
    OutOfStep,
    /// Meetings to come vanished at once and are kept for now.
    Held,
    /// A feed was never read.
    Incomplete,
    /// A feed cannot be read; the display keeps its last good meetings.
    Stale,
    /// Nothing is known yet.
    Unknown,
    InStep,
}

impl RoomState {
    /// Worst first.
    pub const ALL: [Self; 6] = [
        Self::OutOfStep,
        Self::Held,
        Self::Incomplete,
        Self::Stale,
        Self::Unknown,
        Self::InStep,
    ];

    /// As `--json` and metrics have it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::OutOfStep => "out_of_step",
            Self::Held => "held",
            Self::Incomplete => "incomplete",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::InStep => "in_step",
        }
    }

    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OutOfStep => "out of step",
            Self::Held => "held",
            Self::Incomplete => "incomplete",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::InStep => "in step",
        }
    }
}

#[derive(Clone, Debug)]
pub struct FeedStatus {
    pub feed: FeedId,
    pub memory: FeedMemory,
    /// Whether this room has a version of it in use.
    pub is_read: bool,
}

#[derive(Clone, Debug)]
pub struct DisplayStatus {
    pub pod: PodUrl,
    pub state: PodState,
    pub memory: PodMemory,
}

impl Status {
    /// From what is remembered of the rooms of a configuration.
    #[must_use]
    pub fn of(config: &Config, memories: &Memories, service: ServiceTimes, now: UnixTime) -> Self {
        let rooms = config.rooms.iter();
        Self {
            now,
            service,
            rooms: rooms.map(|room| RoomStatus::of(room, memories)).collect(),
            roll: Arc::default(),
        }
    }

    #[must_use]
    pub fn with_roll(self, roll: Arc<Roll>) -> Self {
        Self { roll, ..self }
    }

    /// Rooms in each state, worst first.
    #[must_use]
    pub fn counts(&self) -> Vec<(RoomState, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        for room in &self.rooms {
            *counts.entry(room.state).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    #[must_use]
    pub fn is_well(&self) -> bool {
        self.rooms
            .iter()
            .all(|room| room.state == RoomState::InStep)
    }

    #[must_use]
    pub fn as_json(&self) -> Value {
        let summary: serde_json::Map<String, Value> = self
            .counts()
            .into_iter()
            .map(|(state, count)| (state.key().to_owned(), json!(count)))
            .collect();
        let mut rooms: Vec<Value> = Vec::new();
        let is_shared = !self.roll.replicas.is_empty();
        for room in &self.rooms {
            let mut document = room.as_json(self.now);
            if let Some(document) = document.as_object_mut().filter(|_| is_shared) {
                let replica = self.roll.owner_of(&room.room).map(|one| &one.name);
                document.insert("replica".to_owned(), json!(replica));
            }
            rooms.push(document);
        }
        let mut document = json!({
            "at": self.now,
            "service": self.service,
            "summary": summary,
            "rooms": rooms,
        });
        if let Some(document) = document.as_object_mut().filter(|_| is_shared) {
            let replica = |(one, served): (&Replica, usize)| json!({ "replica": one.name, "version": one.version, "served_rooms": served });
            let replicas: Vec<Value> = self.roll.shares().into_iter().map(replica).collect();
            document.insert("replicas".to_owned(), json!(replicas));
        }
        document
    }
}

impl RoomStatus {
    /// From what is remembered of one room.
    #[must_use]
    pub fn of(room: &Room, memories: &Memories) -> Self {
        let memory = memories.room(&room.name);
        let part = |feed: &FeedId| memory.and_then(|memory| memory.feeds.get(feed.as_str()));
        let feeds: Vec<FeedStatus> = room
            .feeds
            .iter()
            .map(|feed| FeedStatus {
                memory: memories
                    .feed(&feed.id)
                    .map_or_else(FeedMemory::default, |memory| (**memory).clone()),
                is_read: part(&feed.id).is_some_and(|part| part.believed.is_some()),
                feed: feed.id.clone(),
            })
            .collect();
        let displays: Vec<DisplayStatus> = room
            .pods
            .iter()
            .map(|pod| {
                let memory = memories
                    .pod(&pod.url)
                    .map_or_else(PodMemory::default, |memory| (**memory).clone());
                let state = memory.state.as_deref().and_then(PodState::of_key);
                DisplayStatus {
                    pod: pod.url.clone(),
                    state: state.unwrap_or(PodState::Unknown),
                    memory,
                }
            })
            .collect();
        let holds: Vec<&HoldMemory> = room
            .feeds
            .iter()
            .filter_map(|feed| part(&feed.id)?.hold.as_ref())
            .collect();
        let hold = holds.first().map(|first| HoldMemory {
            since: holds
                .iter()
                .map(|hold| hold.since)
                .min()
                .unwrap_or(first.since),
            empty_since: first.empty_since,
            until: holds
                .iter()
                .map(|hold| hold.until)
                .max()
                .unwrap_or(first.until),
            missing: holds.iter().map(|hold| hold.missing).sum(),
            is_brake: holds.iter().any(|hold| hold.is_brake),
        });
        let out_of_step = displays
            .iter()
            .any(|one| !one.state.is_in_step() && one.state != PodState::Unknown);
        let state = if memory.is_none() && displays.iter().all(|one| one.state == PodState::Unknown)
        {
            RoomState::Unknown
        } else if out_of_step {
            RoomState::OutOfStep
        } else if hold.is_some() {
            RoomState::Held
        } else if feeds.iter().any(|feed| !feed.is_read) {
            RoomState::Incomplete
        } else if feeds.iter().any(|feed| feed.memory.failing.is_some()) {
            RoomState::Stale
        } else if displays.iter().any(|one| one.state == PodState::Unknown) {
            RoomState::Unknown
        } else {
            RoomState::InStep
        };
        Self {
            room: room.name.clone(),
            title: room.title.clone(),
            state,
            feeds,
            displays,
            hold,
        }
    }

    /// The oldest failure of a feed that still lasts.
    #[must_use]
    pub fn stale_since(&self) -> Option<UnixTime> {
        let failing = self
            .feeds
            .iter()
            .filter_map(|feed| feed.memory.failing.as_ref());
        failing.map(|failing| failing.since).min()
    }

    /// Since when the room is in its state, where that is known.
    #[must_use]
    pub fn since(&self) -> Option<UnixTime> {
        let displays = self.displays.iter();
        match self.state {
            RoomState::OutOfStep => displays
                .filter(|one| !one.state.is_in_step() && one.state != PodState::Unknown)
                .filter_map(|one| one.memory.state_since)
                .min(),
            RoomState::Held => self.hold.as_ref().map(|hold| hold.since),
            RoomState::Incomplete | RoomState::Stale => self.stale_since(),
            RoomState::Unknown => None,
            RoomState::InStep => displays.filter_map(|one| one.memory.state_since).max(),
        }
    }

    /// The last pull of the feed that was read longest ago; `None` when one was never read.
    #[must_use]
    pub fn pulled_at(&self) -> Option<UnixTime> {
        let all: Option<Vec<UnixTime>> =
            self.feeds.iter().map(|feed| feed.memory.read_at).collect();
        all?.into_iter().min()
    }

    /// What is wrong, most important first; empty where nothing is.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        for display in &self.displays {
            if display.state != PodState::InStep && display.state != PodState::Unknown {
                let says = display.state.says(display.memory.detail.as_deref());
                troubles.push(match self.displays.len() {
                    1 => says,
                    _ => format!("{}: {says}", display.pod),
                });
            }
        }
        if let Some(hold) = &self.hold {
            troubles.push(format!(
                "{} vanished at once and are kept until {}",
                words::service::count(hold.missing, "upcoming meeting", "upcoming meetings"),
                hold.until
            ));
        }
        for feed in &self.feeds {
            match &feed.memory.failing {
                Some(failing) if feed.is_read => troubles.push(failing.failure.says.clone()),
                Some(failing) => {
                    troubles.push(format!("{} (never read)", failing.failure.says));
                }
                None if !feed.is_read && feed.memory.host.is_empty() => {}
                None if !feed.is_read => {
                    troubles.push(format!("feed {} was never read", feed.feed))
                }
                None => {}
            }
            let memory = &feed.memory;
            troubles.extend(words::feed::in_trouble(&memory.trouble));
            if memory.missing > 0 {
                troubles.push(format!(
                    "{} could not be fetched",
                    words::service::count(memory.missing, "listed event", "listed events")
                ));
            }
            let not_saved = memory.token_not_saved.as_deref();
            troubles.extend(not_saved.map(words::feed::in_memory_only));
        }
        troubles
    }

    fn as_json(&self, now: UnixTime) -> Value {
        let feeds: Vec<Value> = self.feeds.iter().map(FeedStatus::as_json).collect();
        let displays: Vec<Value> = self
            .displays
            .iter()
            .map(|display| display.as_json(now))
            .collect();
        json!({
            "room": self.room,
            "room_title": self.title,
            "state": self.state,
            "state_since": self.since(),
            "in_step": self.state == RoomState::InStep,
            "stale_since": self.stale_since(),
            "held": self.hold.as_ref().map(|hold| HeldReport {
                since: hold.since,
                until: hold.until,
                vanished: hold.missing,
            }),
            "troubles": self.troubles(),
            "feeds": feeds,
            "displays": displays,
        })
    }
}

impl FeedStatus {
    fn as_json(&self) -> Value {
        let failing = self.memory.failing.as_ref();
        json!({
            "feed": self.feed.to_string(),
            "read": self.is_read,
            "pulled_at": self.memory.read_at,
            "changed_at": self.memory.changed_at,
            "stale_since": failing.map(|failing| failing.since),
            "failures": failing.map_or(0, |failing| failing.failures),
            "error": failing.map(|failing| &failing.failure.says),
            "error_type": failing.map(|failing| &failing.failure.kind),
            "hint": failing.map(|failing| &failing.failure.hint),
            "not_before": self.memory.not_before,
        })
    }
}

impl DisplayStatus {
    fn as_json(&self, now: UnixTime) -> Value {
        let memory = &self.memory;
        let failing = memory.failing.as_ref();
        json!({
            "pod": self.pod.to_string(),
            "state": self.state,
            "state_since": memory.state_since,
            "detail": memory.detail,
            "seen_at": memory.seen_at,
            "checked_at": memory.checked_at,
            "device_id": memory.device_id,
            "calendar_mode": memory.mode,
            "pushed_at": memory.sent_at,
            "failing_since": failing.map(|failing| failing.since),
            "error": failing.map(|failing| &failing.failure.says),
            "error_type": failing.map(|failing| &failing.failure.kind),
            "hint": failing.map(|failing| &failing.failure.hint),
            "meetings": memory.sent,
            "now": memory.sent.as_ref().and_then(|agenda| current(agenda, now)),
            "next": memory.sent.as_ref().and_then(|agenda| next(agenda, now)),
        })
    }
}

/// The meeting that is on at that time.
#[must_use]
pub fn current(agenda: &Agenda, now: UnixTime) -> Option<&Meeting> {
    let mut meetings = agenda.meetings().iter();
    meetings.find(|meeting| meeting.start_time <= now && now < meeting.end_time)
}

/// The first that begins after that time.
#[must_use]
pub fn next(agenda: &Agenda, now: UnixTime) -> Option<&Meeting> {
    let mut meetings = agenda.meetings().iter();
    meetings.find(|meeting| meeting.start_time > now)
}
