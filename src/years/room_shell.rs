//! The shell of a room, as `service::room_task` is: it composes when the controller asks for
//! it, and publishes what the displays should show.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::calendar;
use super::env::{Env, Happening};
use super::names::room_name;
use super::process::Process;
use crate::control::brake::FeedOfRoom;
use crate::control::now::Now;
use crate::control::published::Wanted;
use crate::control::room::{RoomController, RoomEvent, RoomSettings, RoomStep};
use crate::model::memory::RoomMemory;
use crate::model::version::VersionId;

pub struct RoomShell {
    pub controller: RoomController,
    /// The feeds that it hears, in the order of the configuration.
    pub feeds: Vec<usize>,
    pub wanted: Wanted,
    told: Vec<FeedOfRoom>,
    wake: (u64, u32),
    latest: Vec<Option<(Option<VersionId>, bool)>>,
}

impl Process {
    pub fn start_room(
        &mut self,
        room: usize,
        settings: RoomSettings,
        feeds: Vec<usize>,
        env: &mut Env,
    ) {
        let memory = match self.recorder.current.room(&room_name(room)) {
            Some(memory) => (**memory).clone(),
            None => RoomMemory {
                keeps_shown: self.is_ledger_new,
                ..RoomMemory::default()
            },
        };
        let mut versions = BTreeMap::new();
        for feed in &settings.room.feeds {
            let Some(part) = memory.feeds.get(feed.id.as_str()) else {
                continue;
            };
            let named = [part.believed, part.replaced.as_ref().map(|one| one.version)];
            for version in named.into_iter().flatten() {
                let key: (String, VersionId) = (feed.id.as_str().to_owned(), version);
                if let Some(found) = self.recorder.versions.get(&key) {
                    versions.insert(key, found.clone());
                }
            }
        }
        let controller = RoomController::new(settings, memory, &versions, env.clocks());
        env.oracle.wanted[room] = (None, env.now);
        let shell = RoomShell {
            wanted: controller.wanted().clone(),
            controller,
            feeds,
            told: Vec::new(),
            wake: (u64::MAX, 0),
            latest: Vec::new(),
        };
        self.rooms[room] = Some(Box::new(shell));
        env.oracle.is_arranging = true;
        self.room_learns_clock(room, env);
        self.room_learns_feeds(room, env);
        env.oracle.is_arranging = false;
        self.check_wanted(room, env);
    }

    pub fn configure_room(
        &mut self,
        room: usize,
        settings: RoomSettings,
        feeds: Vec<usize>,
        env: &mut Env,
    ) {
        if let Some(shell) = &mut self.rooms[room] {
            shell.feeds = feeds;
            env.oracle.is_arranging = true;
            self.room_learns(room, env, |room, now| room.configure(settings, now));
            self.room_learns_feeds(room, env);
            env.oracle.is_arranging = false;
            self.check_wanted(room, env);
        }
    }

    pub fn room_learns_clock(&mut self, room: usize, env: &mut Env) {
        let is_believed = self.clock.is_believed;
        self.room_learns(room, env, |room, now| room.learn_clock(is_believed, now));
    }

    fn room_learns_feeds(&mut self, room: usize, env: &mut Env) {
        let feeds = match &self.rooms[room] {
            Some(shell) => shell.feeds.clone(),
            None => return,
        };
        for feed in feeds {
            self.room_learns_feed(room, feed, env);
        }
    }

    fn room_learns_feed(&mut self, room: usize, feed: usize, env: &mut Env) {
        let Some(shell) = &self.feeds[feed] else {
            return;
        };
        let view = shell.view.clone();
        self.room_learns(room, env, |room, now| room.learn_feed(view, now));
    }

    /// A feed published something.
    pub fn rooms_learn_feed(&mut self, feed: usize, env: &mut Env) {
        for room in 0..self.rooms.len() {
            let reads = self.rooms[room]
                .as_ref()
                .is_some_and(|shell| shell.feeds.contains(&feed));
            if reads {
                self.room_learns_feed(room, feed, env);
            }
        }
    }

    pub fn room_wakes(&mut self, room: usize, turn: u32, env: &mut Env) {
        let is_its = self.rooms[room]
            .as_ref()
            .is_some_and(|shell| shell.wake.1 == turn);
        if is_its {
            if let Some(shell) = &mut self.rooms[room] {
                shell.wake = (u64::MAX, 0);
            }
            self.room_learns(room, env, RoomController::tick);
        }
    }

    /// Hands the controller something, composes what it asks for then, and publishes.
    pub fn room_learns(
        &mut self,
        room: usize,
        env: &mut Env,
        learn: impl FnOnce(&mut RoomController, Now) -> Vec<RoomEvent>,
    ) {
        let clocks = env.clocks();
        let Some(shell) = &mut self.rooms[room] else {
            return;
        };
        let mut events = learn(&mut shell.controller, clocks);
        let until = loop {
            match shell.controller.next(clocks) {
                RoomStep::Wait(until) => break until,
                RoomStep::Compose(jobs) => {
                    let settings = shell.controller.settings().room.clone();
                    let mut compositions = Vec::new();
                    for job in &jobs {
                        let feed = shell.feeds[job.place];
                        if let Some(reading) = env.readings.get(&(feed, job.version.id)) {
                            compositions.push(calendar::compose(job, reading, &settings));
                        }
                    }
                    if compositions.len() < jobs.len() {
                        env.broken("every version is one that was read", || {
                            format!("room {room} asks for one that nobody read")
                        });
                        return;
                    }
                    events.extend(shell.controller.learn_composed(compositions, clocks));
                }
            }
        };
        for event in &events {
            env.oracle.line(env.now);
            env.say(|| format!("room {room}: {event:?}"));
        }
        let is_new = shell.wanted != *shell.controller.wanted();
        if is_new {
            shell.wanted.clone_from(shell.controller.wanted());
        }
        let losses = shell.controller.losses(clocks);
        let told = (losses != shell.told).then(|| {
            shell.told.clone_from(&losses);
            losses
        });
        // A look at the same again changes nothing that is remembered.
        let latest: Vec<_> = shell
            .feeds
            .iter()
            .map(|feed| {
                let feed = self.feeds[*feed].as_ref()?;
                let version = feed.view.latest.as_ref().map(|latest| latest.id);
                Some((version, feed.view.failing.is_some()))
            })
            .collect();
        let is_other = is_new || !events.is_empty() || told.is_some() || shell.latest != latest;
        if is_other {
            shell.latest = latest;
            self.recorder
                .room(room_name(room).as_str(), shell.controller.memory(clocks));
        }
        let when = env.when(until);
        if let Some(when) = when
            && shell.wake.0 != when
        {
            self.turns_for_room(room, when, env);
        }
        if let Some(losses) = told {
            self.tell_brake(room, losses, env);
        }
        self.record_soon(env);
        if is_new {
            self.check_wanted(room, env);
            for address in self.plan.rooms[room].addresses.clone() {
                self.pod_takes_in(address, env);
            }
        }
    }

    fn turns_for_room(&mut self, room: usize, when: u64, env: &mut Env) {
        let turn = self.turn();
        let life = self.life;
        if let Some(shell) = &mut self.rooms[room] {
            shell.wake = (when, turn);
            env.at(when, Happening::RoomWakes { life, room, turn });
        }
    }

    /// What the room wants, for the promises.
    pub fn check_wanted(&mut self, room: usize, env: &mut Env) {
        let clocks = env.clocks();
        let Some(shell) = &self.rooms[room] else {
            return;
        };
        let view = shell.controller.view(clocks);
        let settings = shell.controller.settings().room.clone();
        let wanted: Wanted = shell.wanted.clone();
        let feeds: Arc<[usize]> = shell.feeds.clone().into();
        if let Some(agenda) = wanted.agenda.clone() {
            env.say(|| format!("room {room} wants {}", super::story::agenda(&agenda)));
        }
        super::promises::wanted(room, &settings, &feeds, &view, self.clock.is_believed, env);
    }
}
