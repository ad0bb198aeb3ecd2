//! What the promises are checked against: what hosts and pods really answered, told apart from
//! what the controllers made of it.

mod secrets;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::secrets::SecretFacts;
use super::calendar::Reading;
use super::names::{self, only};
use super::plan::{ConfigPlan, MINUTE, Plan, SECOND};
use crate::config::Only;
use crate::control::now::{Monotonic, Now};
use crate::control::published::Wanted;
use crate::control::secret_gate::{Request, Verdict, pause};
use crate::model::agenda::Agenda;
use crate::model::failure::FailureClass;
use crate::model::sign_in::{AccountKey, Credential, SignIn};
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;
use std::time::Duration;

/// What good readings say, as far as the ledger can know it: written and restored with it.
#[derive(Clone, Debug, Default)]
pub struct Beliefs {
    pub feeds: BTreeMap<usize, FeedBelief>,
    pub rooms: BTreeMap<(usize, usize), RoomBelief>,
}

#[derive(Clone, Debug)]
pub struct FeedBelief {
    pub latest: Arc<Reading>,
    pub is_failing: bool,
}

/// One feed as one room may see it.
#[derive(Clone, Debug, Default)]
pub struct RoomBelief {
    /// The last good reading with meetings to come for the room.
    pub nonempty: Option<Arc<Reading>>,
    /// Where the guard has to hold it: since when pulls found nothing in a row.
    pub held: Option<Held>,
    /// When a good reading took everything away, and what was there before.
    pub emptied_at: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Held {
    pub empty_since: Option<u64>,
    /// The least time is not sure, since a clock was set or an old ledger restored.
    pub is_loose: bool,
    /// Pulls found nothing for long enough, or nearly so.
    pub may_end: bool,
    pub is_over: bool,
}

#[derive(Clone, Debug, Default)]
pub struct FeedFacts {
    /// Until when faults were there.
    pub bad_until: u64,
    /// The host asked to be left alone until then.
    pub asked_until: u64,
    /// 429 without a time.
    pub throttled_at: Option<u64>,
    pub changed_at: u64,
    pub pulled_at: u64,
    /// By a clock that was wrong when a wait was written down or restored.
    pub may_wait_until: u64,
}

#[derive(Clone, Debug, Default)]
pub struct PodFacts {
    pub bad_until: u64,
    pub asked_until: u64,
    pub asked_at: u64,
    /// The start of the process that was told so.
    pub asked_in: u64,
    pub throttled_at: Option<u64>,
    /// Until when something else than one poll may be needed to put it right.
    pub slow_until: u64,
    pub contact_at: u64,
    /// When the minute began in which requests are counted, and how many there were.
    pub requests: (u64, u64),
    /// The last request asked for the mode, and it allows to write.
    pub may_write: bool,
    /// The display changed without us.
    pub changed_at: u64,
    pub puts: Vec<(u64, bool)>,
    pub last_put: Option<Arc<Agenda>>,
    pub failed_at: Option<u64>,
    /// Another room's device is at the address.
    pub exchanged_at: Option<u64>,
    pub trusted_at: u64,
    /// Something else happened while devices were exchanged: a person has to say what is right.
    pub is_mixed_up: bool,
    /// By a clock that was wrong when a wait was written down or restored.
    pub may_wait_until: u64,
}

/// What a room lets through.
#[derive(Clone, Debug)]
pub struct Filter {
    pub only: Only,
    pub digest: String,
}

impl Filter {
    fn of(place: Option<u8>) -> Self {
        let only = only(place);
        Self {
            digest: only.digest(),
            only,
        }
    }
}

pub struct Oracle {
    pub beliefs: Beliefs,
    /// The configuration as the operator's files have it now.
    pub configured: ConfigPlan,
    /// As the service read it last.
    loaded: ConfigPlan,
    pub host_secrets: Vec<u32>,
    pub feeds: Vec<FeedFacts>,
    pub pods: Vec<PodFacts>,
    /// By what each pod is known to the gate.
    pub pod_keys: Vec<String>,
    /// What each room wants its displays to show, and since when.
    pub wanted: Vec<(Option<Wanted>, u64)>,
    pub forced_at: Vec<u64>,
    /// When somebody asked for a sync of the room, forced or not.
    pub synced_at: Vec<u64>,
    pub started_at: u64,
    pub is_running: bool,
    /// A room is just told one thing after the other.
    pub is_arranging: bool,
    pub reloaded_at: u64,
    /// When the ledger was lost, damaged or restored last.
    pub ledger_lost_at: Option<u64>,
    pub clock_set_at: Option<u64>,
    pub is_clock_believed: bool,
    pub clock_changed_at: u64,
    /// By user.
    secrets: BTreeMap<String, BTreeMap<Credential, SecretFacts>>,
    complaint: Option<String>,
    pub lines: u64,
    pub writes: u64,
    pub puts: u64,
    /// The filters of places, and their digests.
    filters: BTreeMap<Option<u8>, Filter>,
    zone: Zone,
    window: Option<(UnixTime, UnixTime)>,
    period: u64,
}

impl Oracle {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            beliefs: Beliefs::default(),
            configured: plan.config.clone(),
            loaded: plan.config.clone(),
            host_secrets: vec![0; plan.hosts],
            feeds: vec![FeedFacts::default(); plan.feeds.len()],
            pods: vec![PodFacts::default(); plan.config.pod_secrets.len()],
            pod_keys: (0..plan.config.pod_secrets.len())
                .map(|address| names::pod_url(address).key())
                .collect(),
            wanted: vec![(None, 0); plan.config.rooms.len()],
            forced_at: vec![0; plan.config.rooms.len()],
            synced_at: vec![0; plan.config.rooms.len()],
            started_at: 0,
            is_running: false,
            is_arranging: false,
            reloaded_at: 0,
            ledger_lost_at: None,
            clock_set_at: (plan.clock.0 != 0).then_some(0),
            is_clock_believed: true,
            clock_changed_at: 0,
            secrets: BTreeMap::new(),
            complaint: None,
            lines: 0,
            writes: 0,
            puts: 0,
            filters: [None, Some(0), Some(1), Some(2)]
                .map(|place| (place, Filter::of(place)))
                .into(),
            zone: Zone::named(plan.zone).unwrap_or_else(Zone::utc),
            window: None,
            period: 5 * MINUTE,
        }
    }

    pub fn complain(&mut self, words: impl FnOnce() -> String) {
        if self.complaint.is_none() {
            self.complaint = Some(words());
        }
    }

    pub fn take_complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    pub fn line(&mut self, _now: u64) {
        self.lines += 1;
    }

    pub fn wrote(&mut self, _now: u64) {
        self.writes += 1;
    }

    /// From now to the end of the sixth day after today.
    pub fn window(&mut self, wall: UnixTime) -> Window {
        let end = match self.window {
            Some((from, to)) if from <= wall && wall < from_next(from) => to,
            _ => {
                let today = self.zone.local(wall).date();
                let from = self.zone.start_of_day(today);
                let day = jiff::Span::new().days(7);
                let to = today
                    .checked_add(day)
                    .map_or(UnixTime::MAX, |day| self.zone.start_of_day(day));
                self.window = Some((from, to));
                to
            }
        };
        Window::new(wall, end).unwrap_or_else(|| names::window_of_a_day(wall))
    }

    #[must_use]
    pub fn filter(&self, place: Option<u8>) -> &Filter {
        &self.filters[&place]
    }

    /// Seconds since midnight where the displays are.
    #[must_use]
    pub fn since_midnight(&self, wall: UnixTime) -> u64 {
        let today = self.zone.local(wall).date();
        wall.since(self.zone.start_of_day(today)).as_secs()
    }

    pub fn starts(&mut self, beliefs: Beliefs, is_disk_full: bool, now: u64) {
        self.beliefs = beliefs;
        let (before, after) = (self.loaded.clone(), self.configured.clone());
        self.reloaded(&before, &after, now);
        self.is_running = true;
        let stepped = self
            .clock_set_at
            .max(self.ledger_lost_at)
            .is_some_and(|at| at + 48 * 60 * MINUTE > now);
        if stepped {
            for belief in self.beliefs.rooms.values_mut() {
                if let Some(held) = &mut belief.held {
                    held.is_loose = true;
                }
            }
            self.waits_are_restored(now);
        }
        if stepped || is_disk_full {
            self.secrets_are_loose();
        }
        self.started_at = now;
        self.is_clock_believed = true;
        for pod in &mut self.pods {
            pod.may_write = false;
        }
        for wanted in &mut self.wanted {
            *wanted = (None, now);
        }
    }

    /// What was written down may count anew from the start, for its own maximum at most.
    fn waits_are_restored(&mut self, now: u64) {
        for facts in self.secrets.values_mut().flat_map(BTreeMap::values_mut) {
            facts.restored_at = now;
        }
        for feed in &mut self.feeds {
            let is_throttled = feed.throttled_at.is_some_and(|at| now < at + 60 * MINUTE);
            if feed.asked_until > now {
                feed.may_wait_until = now + 24 * 60 * MINUTE;
            } else if is_throttled {
                feed.may_wait_until = feed.may_wait_until.max(now + 60 * MINUTE);
            }
        }
        for pod in &mut self.pods {
            let is_throttled = pod.throttled_at.is_some_and(|at| now < at + 15 * MINUTE);
            let length = match is_throttled {
                true => 15 * MINUTE,
                false => pod.asked_until.saturating_sub(pod.asked_at),
            };
            if pod.asked_until > now || is_throttled {
                pod.may_wait_until = now + length;
            }
        }
    }

    pub fn clock_believed(&mut self, is_believed: bool, now: u64) {
        self.is_clock_believed = is_believed;
        self.clock_changed_at = now;
        // What was read meanwhile was not judged.
        self.beliefs.rooms.clear();
    }

    /// `sync --force` ends every hold of the room.
    pub fn forced(&mut self, room: usize, _plan: &super::plan::RoomPlan) {
        for ((of, _), belief) in &mut self.beliefs.rooms {
            if *of == room {
                *belief = RoomBelief::default();
            }
        }
    }

    /// What a change of rules changes: the guard of a feed begins anew where its filter did.
    pub fn reloaded(&mut self, before: &ConfigPlan, after: &ConfigPlan, now: u64) {
        self.reloaded_at = now;
        self.loaded = after.clone();
        for (room, (old, new)) in before.rooms.iter().zip(&after.rooms).enumerate() {
            let is_same = |feed: usize| {
                old.is_present
                    && new.is_present
                    && old.feeds.iter().find(|one| one.0 == feed)
                        == new.feeds.iter().find(|one| one.0 == feed)
            };
            let is_other_guard =
                (old.vanished, old.hold_minutes) != (new.vanished, new.hold_minutes);
            self.beliefs.rooms.retain(|(of, feed), belief| {
                if *of != room {
                    return true;
                }
                if is_other_guard && let Some(held) = &mut belief.held {
                    held.is_loose = true;
                }
                is_same(*feed)
            });
        }
        let used = |feed: &usize| {
            let rooms = after.rooms.iter().filter(|room| room.is_present);
            rooms.flat_map(|room| &room.feeds).any(|one| one.0 == *feed)
        };
        self.beliefs.feeds.retain(|feed, _| used(feed));
    }

    #[expect(clippy::too_many_arguments, reason = "all that one publication says")]
    pub fn feed_published(
        &mut self,
        feed: usize,
        reading: Option<Arc<Reading>>,
        is_failing: bool,
        is_success: bool,
        plan: &ConfigPlan,
        now: u64,
        wall: UnixTime,
    ) {
        if let Some(belief) = self.beliefs.feeds.get_mut(&feed) {
            belief.is_failing = is_failing;
        }
        let window = self.window(wall);
        let is_believed = self.is_clock_believed;
        if let Some(latest) = reading.filter(|_| is_success) {
            let belief = FeedBelief { latest, is_failing };
            self.beliefs.feeds.insert(feed, belief);
        }
        let Some(latest) = self.beliefs.feeds.get(&feed).map(|one| one.latest.clone()) else {
            return;
        };
        for (number, room) in plan.rooms.iter().enumerate() {
            let Some((_, place)) = room.feeds.iter().find(|one| one.0 == feed) else {
                continue;
            };
            if !room.is_present {
                continue;
            }
            let filter = &self.filters[place];
            let only = &filter.only;
            let belief = self.beliefs.rooms.entry((number, feed)).or_default();
            if is_failing && let Some(held) = &mut belief.held {
                held.empty_since = None;
            }
            if !is_success || !is_believed || !latest.reduction.serves(&filter.digest, wall) {
                continue;
            }
            let count = |reading: &Reading| reading.to_come(only, window).count();
            if latest.to_come(only, window).next().is_some() {
                belief.nonempty = Some(latest.clone());
                belief.held = None;
                belief.emptied_at = None;
                continue;
            }
            let before = belief.nonempty.as_deref().map_or(0, count);
            if before == 0 {
                *belief = RoomBelief::default();
                continue;
            }
            let hold = room.hold_minutes * MINUTE;
            match &mut belief.held {
                Some(held) => {
                    let since = *held.empty_since.get_or_insert(now);
                    held.may_end |= now - since + 2 * SECOND >= hold;
                    held.is_over |= now - since >= hold + 2 * SECOND;
                }
                None if belief.emptied_at.is_none() => {
                    belief.emptied_at = Some(now);
                    let vanished = room.vanished as usize;
                    if vanished > 0 && before >= vanished {
                        belief.held = Some(Held {
                            empty_since: Some(now),
                            is_loose: !self.is_clock_believed,
                            may_end: false,
                            is_over: false,
                        });
                    }
                }
                None => {}
            }
        }
    }

    pub fn pull_begins(&mut self, feed: usize, now: u64, insists: bool) {
        let facts = &mut self.feeds[feed];
        facts.pulled_at = now;
        let early = facts.asked_until.saturating_sub(now);
        // A restart may have lost the last second.
        let is_known = self.started_at < facts.asked_until.saturating_sub(2 * SECOND);
        if early > SECOND && !insists && is_known && self.ledger_is_sure(now) {
            self.complain(|| format!("feed {feed} is asked {} s too early", early / 1000));
        }
    }

    /// Whether nothing was lost with the ledger lately, and no clock was set.
    fn ledger_is_sure(&self, now: u64) -> bool {
        let last = self.ledger_lost_at.max(self.clock_set_at);
        last.is_none_or(|at| at + 25 * 60 * MINUTE < now)
    }

    pub fn feed_failed(
        &mut self,
        feed: usize,
        class: FailureClass,
        retry_after: Option<Duration>,
        now: u64,
    ) {
        let facts = &mut self.feeds[feed];
        if class != FailureClass::Throttled {
            return;
        }
        match retry_after {
            Some(asked) => {
                let wait = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
                facts.asked_until = now + wait.min(24 * 60 * MINUTE);
            }
            None => facts.throttled_at = Some(now),
        }
    }

    pub fn feed_waits(&mut self, feed: usize, until: Monotonic, clocks: Now, now: u64) {
        let facts = &self.feeds[feed];
        let wait = u64::try_from(until.since(clocks.monotonic).as_millis()).unwrap_or(u64::MAX);
        let mut most = self.period + 16 * SECOND;
        let until = facts.asked_until.max(facts.may_wait_until);
        most = most.max(until.saturating_sub(now) + 2 * SECOND);
        if facts.throttled_at.is_some_and(|at| now < at + 61 * MINUTE) {
            most = most.max(60 * MINUTE);
        }
        if !self.ledger_is_sure(now) {
            most = most.max(24 * 60 * MINUTE);
        }
        if wait > most + SECOND {
            self.complain(|| {
                format!(
                    "feed {feed} waits {} s, {} at most",
                    wait / 1000,
                    most / 1000
                )
            });
        }
    }

    pub fn pod_asked(&mut self, address: usize, until: u64, now: u64) {
        let started_at = self.started_at;
        let facts = &mut self.pods[address];
        facts.asked_until = until;
        facts.asked_at = now;
        facts.asked_in = started_at;
    }
}

fn from_next(from: UnixTime) -> UnixTime {
    // Days with a change of the clocks are shorter; a window worked out anew costs little.
    from.plus(Duration::from_secs(23 * 3600))
}
