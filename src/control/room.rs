//! The room: what its displays should show, from what its feeds last said.
//!
//! Keeps of each feed the version in use and, while there is a hold, the latest beside
//! it; and the agenda that it last asked for, each meeting with the feeds it came from,
//! so that a feed that cannot be read takes nothing away.

mod days;
mod kept;
mod made_of;
mod part;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::days::Day;
use self::made_of::MadeOf;
use self::part::Part;
use super::brake::{BrakeState, FeedOfRoom};
use super::guard::Reason;
use super::mutation::{self, Mutation};
use super::now::{Monotonic, Now};
use super::published::{FeedView, Wanted};
use crate::compose::{self, Candidate};
use crate::config::Room;
use crate::model::agenda::Agenda;
use crate::model::memory::{RememberedMeeting, RoomMemory};
use crate::model::name::FeedId;
use crate::model::time::{UnixTime, Window};
use crate::model::version::{FeedVersion, VersionId};

/// What a room is set to.
#[derive(Clone, Debug)]
pub struct RoomSettings {
    pub room: Arc<Room>,
    /// Of each feed of the room, how many rooms read it.
    pub shared_by: BTreeMap<FeedId, usize>,
    /// What changes by the clock alone is spread by this.
    pub jitter: Duration,
}

/// What a room does next.
#[derive(Clone, Debug)]
pub enum RoomStep {
    /// Nothing, until then or until something is learnt.
    Wait(Monotonic),
    /// Work out the meetings of these versions by the room's rules.
    Compose(Vec<ComposeJob>),
}

/// A version of a feed whose meetings are needed.
#[derive(Clone, Debug)]
pub struct ComposeJob {
    /// The place of the feed in the configuration of the room.
    pub place: usize,
    pub version: Arc<FeedVersion>,
    pub basis: Basis,
}

/// What a composition goes by besides the version: one with another basis is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    pub window: Window,
    /// Counts changes of the room's settings.
    pub settings: u64,
}

/// The meetings of one version by the rules of the room.
#[derive(Clone, Debug)]
pub struct Composition {
    pub place: usize,
    pub version: VersionId,
    pub basis: Basis,
    /// Nearest first.
    pub candidates: Arc<[Candidate]>,
    /// Whether there are more than these.
    pub is_truncated: bool,
}

/// What is worth saying about a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// Meetings to come vanished whole from a feed; they are kept.
    Held {
        feed: FeedId,
        missing: usize,
        since: UnixTime,
        until: UnixTime,
    },
    /// A hold ended.
    Released { feed: FeedId, why: Released },
    /// A feed was never read; the others are shown, and what came from it before stays.
    FeedUnread { feed: FeedId, kept: usize },
    /// It was read for the first time.
    FeedRead { feed: FeedId },
    /// A feed that failed for longer than `max_stale` is no longer shown.
    StaleCleared { feed: FeedId, since: UnixTime },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Meetings to come are back.
    CameBack,
    /// Pulls went on finding nothing for as long as `guard.hold`.
    SeenLongEnough,
    /// What was held has ended.
    NothingLeft,
    /// Somebody ran `podcal sync --force`.
    Forced,
    /// The room's filter changed, or the feed left the room.
    Reconfigured,
}

/// How a room stands, for status and for the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomView {
    pub wanted: Wanted,
    /// Feeds that were never read.
    pub unread: Vec<FeedId>,
    pub held: Vec<HeldFeed>,
    /// Meetings that stay although no feed that was read accounts for them.
    pub kept: usize,
    /// Of its feeds, how many attempts it has seen; a one-shot run waits for the first.
    pub attempts: BTreeMap<FeedId, u64>,
    /// Whether everything it has learnt is in `wanted`.
    pub is_settled: bool,
}

/// A feed that is held for a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFeed {
    pub feed: FeedId,
    pub since: UnixTime,
    pub until: UnixTime,
    pub missing: usize,
    pub is_brake: bool,
}

/// The controller of one room.
#[derive(Clone, Debug)]
pub struct RoomController {
    settings: RoomSettings,
    revision: u64,
    /// One for each feed, in the order of the configuration.
    parts: Vec<Part>,
    brake: Arc<BrakeState>,
    /// Shared with what is written down of it.
    last: Arc<[RememberedMeeting]>,
    is_known: bool,
    keeps_shown: bool,
    kept: usize,
    clock_is_believed: bool,
    force: u64,
    composed_at: Option<UnixTime>,
    wanted: Wanted,
    /// What the agenda was made of last, and until when that stays so by itself.
    made_of: Option<MadeOf>,
    /// What goes by days, for as long as today lasts.
    day: Option<Day>,
}

impl RoomController {
    /// A room as it was written down; `versions` are those that the memory names, as far
    /// as the ledger still has them.
    #[must_use]
    pub fn new(
        settings: RoomSettings,
        memory: RoomMemory,
        versions: &BTreeMap<(String, VersionId), Arc<FeedVersion>>,
        now: Now,
    ) -> Self {
        let guard = settings.room.guard;
        let feeds = settings.room.feeds.iter();
        let parts = feeds
            .map(|feed| {
                let key = feed.id.as_str();
                let version = |id: VersionId| versions.get(&(key.to_owned(), id)).cloned();
                Part::restore(feed, memory.feeds.get(key), version, guard, now)
            })
            .collect();
        let mut room = Self {
            settings,
            revision: 0,
            parts,
            brake: Arc::default(),
            last: memory.agenda,
            is_known: memory.is_known,
            keeps_shown: memory.keeps_shown,
            kept: 0,
            clock_is_believed: true,
            force: 0,
            composed_at: memory.composed_at,
            wanted: Wanted {
                agenda: None,
                keep_shown: None,
                force: 0,
                clock_is_believed: true,
            },
            made_of: None,
            day: None,
        };
        room.hide();
        room
    }

    #[must_use]
    pub fn settings(&self) -> &RoomSettings {
        &self.settings
    }

    #[must_use]
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// What is written down of the room.
    #[must_use]
    pub fn memory(&self, now: Now) -> RoomMemory {
        let guard = self.settings.room.guard;
        RoomMemory {
            feeds: self
                .parts
                .iter()
                .map(|part| (part.id.as_str().to_owned(), part.memory(guard, now)))
                .collect(),
            agenda: self.last.clone(),
            composed_at: self.composed_at,
            is_known: self.is_known,
            keeps_shown: self.keeps_shown,
        }
    }

    #[must_use]
    pub fn view(&self, now: Now) -> RoomView {
        let guard = self.settings.room.guard;
        RoomView {
            wanted: self.wanted.clone(),
            unread: self
                .parts
                .iter()
                .filter(|part| part.is_unread())
                .map(|part| part.id.clone())
                .collect(),
            held: self
                .parts
                .iter()
                .filter_map(|part| part.held(guard, now))
                .collect(),
            kept: self.kept,
            attempts: self
                .parts
                .iter()
                .map(|part| (part.id.clone(), part.view.attempts))
                .collect(),
            // By a wrong clock nothing is decided, and nothing is waited for.
            is_settled: !self.clock_is_believed
                || (self.needed(now).is_empty() && !self.parts.iter().any(Part::is_waiting)),
        }
    }

    /// What the brake over all rooms is told.
    #[must_use]
    pub fn losses(&self, now: Now) -> Vec<FeedOfRoom> {
        self.parts
            .iter()
            .map(|part| part.loss_of_room(now))
            .collect()
    }

    /// Changed settings take effect; what is known stays, also holds.
    pub fn configure(&mut self, settings: RoomSettings, now: Now) -> Vec<RoomEvent> {
        let mut old: BTreeMap<FeedId, Part> = std::mem::take(&mut self.parts)
            .into_iter()
            .map(|part| (part.id.clone(), part))
            .collect();
        self.parts = settings
            .room
            .feeds
            .iter()
            .map(|feed| match old.remove(&feed.id) {
                Some(part) => part.configured(feed),
                None => Part::new(feed),
            })
            .collect();
        self.settings = settings;
        self.day = None;
        self.revision += 1;
        self.hide();
        self.decide(now)
    }

    /// A feed published something.
    pub fn learn_feed(&mut self, view: FeedView, now: Now) -> Vec<RoomEvent> {
        if let Some(part) = self.parts.iter_mut().find(|part| part.id == view.id) {
            part.view = view;
        }
        self.decide(now)
    }

    /// Meetings were worked out.
    pub fn learn_composed(&mut self, compositions: Vec<Composition>, now: Now) -> Vec<RoomEvent> {
        for composition in compositions {
            if let Some(part) = self.parts.get_mut(composition.place) {
                part.learn(composition);
            }
        }
        self.decide(now)
    }

    /// The brake over all rooms was pulled or let go.
    pub fn learn_brake(&mut self, brake: Arc<BrakeState>, now: Now) -> Vec<RoomEvent> {
        self.brake = brake;
        self.decide(now)
    }

    /// Whether the wall clock is believed, and that it was set.
    pub fn learn_clock(&mut self, is_believed: bool, now: Now) -> Vec<RoomEvent> {
        let is_believed = is_believed || mutation::is(Mutation::DoubtIsIgnored);
        self.clock_is_believed = is_believed;
        self.wanted.clock_is_believed = is_believed;
        self.decide(now)
    }

    /// Believes whatever is held, and has every display pushed to.
    pub fn force(&mut self, now: Now) -> Vec<RoomEvent> {
        self.force += 1;
        self.wanted.force = self.force;
        let mut events = Vec::new();
        for part in &mut self.parts {
            if part.force() {
                events.push(RoomEvent::Released {
                    feed: part.id.clone(),
                    why: Released::Forced,
                });
            }
        }
        events.extend(self.decide(now));
        events
    }

    /// The wait that was asked for is over.
    pub fn tick(&mut self, now: Now) -> Vec<RoomEvent> {
        self.decide(now)
    }

    #[must_use]
    pub fn next(&self, now: Now) -> RoomStep {
        if !self.clock_is_believed {
            return RoomStep::Wait(Monotonic::NEVER);
        }
        let jobs = self.needed(now);
        if jobs.is_empty() {
            RoomStep::Wait(self.next_change(now))
        } else {
            RoomStep::Compose(jobs)
        }
    }

    fn needed(&self, now: Now) -> Vec<ComposeJob> {
        let basis = self.basis(now);
        let max = self.settings.room.meetings.max;
        let parts = self.parts.iter().enumerate();
        parts
            .flat_map(|(place, part)| {
                let versions = part.needed(basis, max, &self.brake, now);
                versions.into_iter().map(move |version| ComposeJob {
                    place,
                    version,
                    basis,
                })
            })
            .collect()
    }

    /// The next moment at which the agenda changes although nothing is learnt.
    fn next_change(&self, now: Now) -> Monotonic {
        let spread = |at: UnixTime| now.until_wall(at).plus(self.settings.jitter);
        let ends = self
            .last
            .iter()
            .map(|one| one.meeting.end_time)
            .filter(|end| *end > now.wall && !mutation::is(Mutation::EndedStays))
            .min()
            .map(spread);
        let room = &self.settings.room;
        let tomorrow = self.tomorrow(now);
        let parts = self.parts.iter().filter_map(|part| {
            let stale = room.meetings.max_stale.filter(|_| !part.is_cleared);
            part.next_change(stale, now)
        });
        parts
            .chain(ends)
            .chain([spread(tomorrow)])
            .min()
            .unwrap_or(Monotonic::NEVER)
    }

    /// Decides which version of each feed is in use, and what the displays should show.
    ///
    /// Does nothing while the clock is not believed, or while meetings that the decision
    /// needs have not been worked out: what was wanted before stays.
    fn decide(&mut self, now: Now) -> Vec<RoomEvent> {
        if !self.clock_is_believed {
            return Vec::new();
        }
        self.look_at_the_calendar(now);
        if !self.needed(now).is_empty() {
            return Vec::new();
        }
        let mut events = Vec::new();
        let room = self.settings.room.clone();
        for part in &mut self.parts {
            let shared = self.settings.shared_by.get(&part.id).copied();
            let is_shared = shared.is_some_and(|rooms| rooms > 1);
            events.extend(part.decide(room.guard, &self.brake, is_shared, now));
            events.extend(part.judge_staleness(&room.meetings, now));
        }
        // Something may have come into use that is to be worked out first.
        if self.needed(now).is_empty() {
            self.compose(now, &mut events);
        }
        events
    }

    fn compose(&mut self, now: Now, events: &mut Vec<RoomEvent>) {
        let any_unsure = self.parts.iter().any(Part::is_unsure);
        if self.parts.iter().all(Part::is_unread) && !self.is_known {
            self.say_unread(events, 0);
            return;
        }
        if self.is_made_of_the_same(now) {
            self.say_unread(events, self.kept);
            return;
        }
        self.made_of = self.made_of_now(now);
        let rules = &self.settings.room.meetings;
        let kept = self.kept_meetings(now);
        // What a reading has at another time now is not shown at both.
        let left = kept.iter().filter(|one| !self.is_replaced(one, now));
        let left: Vec<&RememberedMeeting> = left.collect();
        let mut slices: Vec<Vec<Candidate>> = self
            .parts
            .iter()
            .map(|part| part.to_come(now).cloned().collect())
            .collect();
        slices.push(
            left.iter()
                .map(|one| Candidate::remembered(one.meeting.clone()))
                .collect(),
        );
        let borrowed: Vec<&[Candidate]> = slices.iter().map(Vec::as_slice).collect();
        let merged = compose::merge(&borrowed, rules);
        let last: Arc<[RememberedMeeting]> = merged
            .meetings
            .into_iter()
            .map(|one| self.remembered(one, &kept))
            .collect();
        self.kept = last
            .iter()
            .filter(|one| left.iter().any(|left| left.meeting.id == one.meeting.id))
            .count();
        self.keeps_shown &= any_unsure;
        self.say_unread(events, self.kept);
        if self.last != last || !self.is_known {
            self.last = last;
            self.composed_at = Some(now.wall);
        }
        self.is_known = true;
        self.set_wanted();
    }

    fn set_wanted(&mut self) {
        let rules = &self.settings.room.meetings;
        let agenda = Agenda::new(self.last.iter().map(|one| one.meeting.clone()).collect());
        if self.wanted.agenda.as_deref() != Some(&agenda) {
            self.wanted.agenda = Some(Arc::new(agenda));
        }
        self.wanted.keep_shown = self.keeps_shown.then(|| Arc::new(rules.clone()));
    }

    /// Says once of each feed that it was never read, and once that it was.
    fn say_unread(&mut self, events: &mut Vec<RoomEvent>, kept: usize) {
        for part in &mut self.parts {
            let unread = part.is_unread() && part.view.failing.is_some();
            if unread && !part.unread_was_said {
                part.unread_was_said = true;
                events.push(RoomEvent::FeedUnread {
                    feed: part.id.clone(),
                    kept,
                });
            }
            if !part.is_unread() && part.unread_was_said {
                part.unread_was_said = false;
                events.push(RoomEvent::FeedRead {
                    feed: part.id.clone(),
                });
            }
        }
    }
}

impl From<Reason> for Released {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Sound => Self::CameBack,
            Reason::SeenLongEnough => Self::SeenLongEnough,
            Reason::NothingLeft => Self::NothingLeft,
        }
    }
}
