//! One feed: when it is pulled, and what came of it.
//!
//! It is due by `schedule.sync` and a jitter of its own; sooner after a failure that may
//! pass, later where the host asks for it or sign-in is paused. What was read last stays
//! in force until something newer was read: no failure changes it.

mod health;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use self::health::Health;
pub use self::step::{FeedEvent, FeedOutcome, FeedSettings, FeedStep, PullNow};
use super::due;
use super::mutation::{self, Mutation};
use super::now::{Monotonic, Now};
use super::published::{FeedFailing, FeedView};
use super::retry::{LONGEST_RETRY_AFTER, doubling, doubling_minutes};
use crate::model::failure::{Failure, FailureClass};
use crate::model::memory::{FailingMemory, FeedMemory};
use crate::model::name::FeedId;
use crate::model::time::UnixTime;
use crate::model::version::{FeedVersion, Trouble};

/// After a failure that may pass, the first tries come quickly: 15, 30, 60 s.
const FIRST_RETRY: Duration = Duration::from_secs(15);
const QUICK_RETRIES: u32 = 3;
/// The longest wait after a 429 or 503 that does not say how long.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3600);
/// While sign-in is paused, the secret is compared this often.
const COMPARE_SECRET: Duration = Duration::from_secs(30);
/// A task that has not moved on so long after its time is late.
const GRACE: Duration = Duration::from_secs(120);
/// And so is a pull that lasts longer than any host can make it last.
const LONGEST_PULL: Duration = Duration::from_secs(3600);

/// The controller of one feed.
#[derive(Clone, Debug)]
pub struct FeedController {
    id: FeedId,
    settings: FeedSettings,
    /// Its own part of `settings.spread`.
    jitter: Duration,
    clock_is_believed: bool,
    latest: Option<Arc<FeedVersion>>,
    client_state: Option<String>,
    read_at: Option<UnixTime>,
    changed_at: Option<UnixTime>,
    successes: u64,
    succeeded_at: Option<Monotonic>,
    succeeding_since: Option<Monotonic>,
    attempts: u64,
    health: Health,
    /// By the schedule.
    due: Monotonic,
    /// One of the quick tries.
    retry: Option<Monotonic>,
    /// The host asked to be left alone.
    not_before: Option<Monotonic>,
    /// Answers in a row that it is asked too often, without a time.
    throttled: u32,
    sign_in: Option<SignInPause>,
    command: Option<PullNow>,
    pulling_since: Option<Monotonic>,
    /// Why its newest refresh token ends with this process.
    token_not_saved: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct SignInPause {
    until: Monotonic,
    checked: Monotonic,
}

impl FeedController {
    /// A feed of which nothing is known.
    #[must_use]
    pub fn new(id: FeedId, settings: FeedSettings, now: Now) -> Self {
        let mut feed = Self {
            jitter: due::jitter(id.as_str(), settings.spread),
            id,
            settings,
            clock_is_believed: true,
            latest: None,
            client_state: None,
            read_at: None,
            changed_at: None,
            successes: 0,
            succeeded_at: None,
            succeeding_since: None,
            attempts: 0,
            health: Health::default(),
            due: now.monotonic,
            retry: None,
            not_before: None,
            throttled: 0,
            sign_in: None,
            command: None,
            pulling_since: None,
            token_not_saved: None,
        };
        feed.due = feed.soon(now);
        feed
    }

    /// Takes over what was written down, with the version that it names as the latest.
    pub fn restore(&mut self, memory: &FeedMemory, latest: Option<Arc<FeedVersion>>, now: Now) {
        // Validators without what they belong to would earn a 304 and nothing to show.
        let latest = latest.filter(|version| memory.latest == Some(version.id));
        self.client_state = memory.client_state.clone().filter(|_| latest.is_some());
        if latest.is_some() {
            self.read_at = memory.read_at;
            self.changed_at = memory.changed_at;
        }
        self.latest = latest;
        self.health.restore(memory.failing.as_ref(), now);
        let was_well = self.latest.is_some() && memory.failing.is_none();
        // For all that is known, pulls had gone on succeeding when the last process ended.
        self.succeeding_since = was_well.then_some(Monotonic::default());
        let longest = match &memory.failing {
            Some(failing) => match failing.failure.retry_after {
                Some(asked) => asked.min(LONGEST_RETRY_AFTER),
                None => LONGEST_BACK_OFF,
            },
            None => LONGEST_RETRY_AFTER,
        };
        self.throttled = memory.throttled;
        self.not_before = memory
            .not_before
            .map(|until| now.restored(until, longest))
            .filter(|until| *until > now.monotonic);
    }

    /// What has to be known to go on after a restart.
    #[must_use]
    pub fn memory(&self, now: Now) -> FeedMemory {
        FeedMemory {
            host: self.id.host().to_owned(),
            client_state: self.client_state.clone(),
            latest: self.latest.as_ref().map(|version| version.id),
            read_at: self.read_at,
            changed_at: self.changed_at,
            failing: self.health.failing().map(|failing| FailingMemory {
                since: failing.since,
                failures: failing.failures,
                failure: failing.failure.clone(),
            }),
            not_before: self.not_before.map(|at| now.wall_at(at)),
            throttled: self.throttled,
            trouble: match &self.latest {
                Some(latest) => latest.trouble.clone(),
                None => Trouble::default(),
            },
            missing: self
                .latest
                .as_ref()
                .map_or(0, |latest| latest.missing.len()),
            token_not_saved: self.token_not_saved.clone(),
        }
    }

    /// Takes in what became of a new refresh token; worth saying once.
    pub fn token_saved(&mut self, not_saved: Option<String>) -> Option<FeedEvent> {
        (self.token_not_saved != not_saved).then(|| {
            self.token_not_saved = not_saved.clone();
            FeedEvent::TokenNotSaved { why: not_saved }
        })
    }

    #[must_use]
    pub fn latest(&self) -> Option<&Arc<FeedVersion>> {
        self.latest.as_ref()
    }

    #[must_use]
    pub fn client_state(&self) -> Option<&str> {
        self.client_state.as_deref()
    }

    #[must_use]
    pub fn view(&self, now: Now) -> FeedView {
        let not_before = self.not_before.max(self.sign_in.map(|pause| pause.until));
        FeedView {
            id: self.id.clone(),
            latest: self.latest.clone(),
            read_at: self.read_at,
            changed_at: self.changed_at,
            successes: self.successes,
            succeeded_at: self.succeeded_at,
            succeeding_since: self.succeeding_since,
            failing: self.health.failing().map(|failing| FeedFailing {
                since: failing.since,
                began: failing.began,
                failures: failing.failures,
                failure: failing.failure.clone(),
                not_before: not_before.map(|at| now.wall_at(at)),
            }),
            attempts: self.attempts,
        }
    }

    /// What to do now. A pull that is handed out counts as under way until its outcome
    /// is learnt.
    pub fn next(&mut self, now: Now) -> FeedStep {
        if let Some(command) = self.command.take() {
            if self.may_ask(now) || self.is_own_wait() || command.insists {
                return self.pull(command, now);
            }
            // Asked in vain: the host is left alone, and whoever waits is told so.
            self.attempts += 1;
        }
        let wake = self.wake();
        if wake > now.monotonic {
            return FeedStep::Wait(wake);
        }
        match self.sign_in {
            Some(pause) if pause.until > now.monotonic => FeedStep::CheckSignIn,
            _ => {
                let command = PullNow {
                    afresh: false,
                    insists: false,
                };
                self.pull(command, now)
            }
        }
    }

    fn pull(&mut self, command: PullNow, now: Now) -> FeedStep {
        self.pulling_since = Some(now.monotonic);
        FeedStep::Pull {
            afresh: command.afresh || !self.serves(now),
            insists: command.insists,
        }
    }

    /// When the next step is due.
    fn wake(&self) -> Monotonic {
        if let Some(pause) = self.sign_in {
            return pause.until.min(pause.checked.plus(COMPARE_SECRET));
        }
        let due = if self.settings.is_on_demand {
            Monotonic::NEVER
        } else {
            self.due
        };
        let due = self.retry.map_or(due, |retry| retry.min(due));
        self.not_before.map_or(due, |earliest| earliest.max(due))
    }

    /// Whether the host gave no time itself: whoever asks now is not refused for our caution.
    fn is_own_wait(&self) -> bool {
        let failing = self.health.failing();
        failing.is_some_and(|failing| failing.failure.retry_after.is_none())
    }

    fn may_ask(&self, now: Now) -> bool {
        self.not_before.is_none_or(|at| at <= now.monotonic)
    }

    /// Whether what is held can be used by every room now.
    fn serves(&self, now: Now) -> bool {
        if mutation::is(Mutation::FiltersAreNotServed) {
            return true;
        }
        self.latest.as_ref().is_none_or(|version| {
            let reduction = &version.reduction;
            // A clock that is wrong says nothing of when it was reduced.
            let wall = if self.clock_is_believed {
                now.wall
            } else {
                now.wall.max(reduction.from)
            };
            let mut filters = self.settings.filters.iter();
            filters.all(|filter| reduction.serves(filter, wall))
        })
    }

    /// The time by which the task has to have moved on. If it has not, that is a fault of
    /// podcal, not of the host.
    #[must_use]
    pub fn late_after(&self) -> Monotonic {
        match self.pulling_since {
            Some(since) => since.plus(LONGEST_PULL),
            None => self.wake().plus(GRACE),
        }
    }

    /// Somebody asks for a pull now.
    pub fn pull_now(&mut self, command: PullNow) {
        let before = self.command.take();
        self.command = Some(PullNow {
            afresh: command.afresh || before.is_some_and(|before| before.afresh),
            insists: command.insists || before.is_some_and(|before| before.insists),
        });
    }

    /// Takes over new settings with everything that is known.
    pub fn configure(&mut self, settings: FeedSettings, now: Now) {
        let before = std::mem::replace(&mut self.settings, settings);
        self.jitter = due::jitter(self.id.as_str(), self.settings.spread);
        let is_rescheduled = before.sync != self.settings.sync
            || before.zone != self.settings.zone
            || before.spread != self.settings.spread;
        if is_rescheduled {
            // A pull that is due already is not put off.
            self.due = self.due.min(self.scheduled(now));
        }
        if before.filters != self.settings.filters && !self.serves(now) {
            self.due = now.monotonic;
        }
    }

    /// Its password or token is another one, or something else that it is asked with:
    /// tried at once, if it failed.
    pub fn source_changed(&mut self, now: Now) {
        if self.sign_in.take().is_some() || self.health.failing().is_some() {
            self.due = now.monotonic;
        }
    }

    /// Somebody set the wall clock: what is due by it is worked out anew.
    pub fn clock_stepped(&mut self, now: Now) {
        self.due = self.scheduled(now);
        if !self.serves(now) {
            self.due = self.due.min(self.soon(now));
        }
    }

    /// Whether the wall clock is believed; by one that is not, nothing is recorded.
    pub fn clock_believed(&mut self, is_believed: bool, now: Now) {
        if std::mem::replace(&mut self.clock_is_believed, is_believed) != is_believed
            && !self.serves(now)
        {
            self.due = self.due.min(self.soon(now));
        }
    }

    /// Takes in what came of a step.
    pub fn learn(&mut self, outcome: FeedOutcome, now: Now) -> Vec<FeedEvent> {
        match outcome {
            FeedOutcome::SignInChecked { paused_until } => {
                self.sign_in = paused_until
                    .filter(|until| *until > now.monotonic)
                    .map(|until| SignInPause {
                        until,
                        checked: now.monotonic,
                    });
                if self.sign_in.is_none() {
                    self.due = now.monotonic;
                }
                Vec::new()
            }
            FeedOutcome::Read {
                version,
                client_state,
            } => {
                self.ended(now);
                self.read(version, client_state, now)
            }
            FeedOutcome::Failed {
                failure,
                paused_until,
            } => {
                self.ended(now);
                self.failed(failure, paused_until, now)
            }
            FeedOutcome::SignInPaused { failure, until } => {
                self.ended(now);
                self.sign_in = Some(SignInPause {
                    until,
                    checked: now.monotonic,
                });
                self.succeeding_since = None;
                let read_at = self.read_at;
                self.health.not_tried(failure, read_at, now)
            }
        }
    }

    /// A pull has ended, well or not.
    fn ended(&mut self, now: Now) {
        self.pulling_since = None;
        self.attempts += 1;
        self.retry = None;
        self.not_before = None;
        self.sign_in = None;
        self.due = self.scheduled(now);
    }

    fn read(
        &mut self,
        version: Option<Arc<FeedVersion>>,
        client_state: Option<String>,
        now: Now,
    ) -> Vec<FeedEvent> {
        self.throttled = 0;
        self.successes += 1;
        self.succeeded_at = Some(now.monotonic);
        self.succeeding_since.get_or_insert(now.monotonic);
        if self.clock_is_believed || self.read_at.is_none() {
            self.read_at = Some(now.wall);
        }
        self.client_state = client_state;
        let mut events = self.health.succeeded(now);
        let version = version.filter(|version| !self.is_held(version, now));
        events.push(FeedEvent::Pulled {
            is_new: version.is_some(),
            items: version
                .as_ref()
                .or(self.latest.as_ref())
                .map_or(0, |version| version.items.len()),
        });
        let Some(version) = version else {
            return events;
        };
        let before = self.latest.replace(version.clone());
        let trouble_before = before.as_ref().map(|before| before.trouble.clone());
        if trouble_before.unwrap_or_default() != version.trouble {
            events.push(FeedEvent::Trouble {
                trouble: version.trouble.clone(),
            });
        }
        if before.as_ref().map_or(0, |before| before.missing.len()) != version.missing.len() {
            events.push(FeedEvent::Partial {
                missing: version.missing.len(),
                members: version.items.len() + version.missing.len(),
            });
        }
        if self.clock_is_believed || self.changed_at.is_none() {
            self.changed_at = Some(now.wall);
        }
        events
    }

    /// Whether a version says nothing that the one that is held does not say.
    fn is_held(&self, version: &FeedVersion, now: Now) -> bool {
        let same = |held: &Arc<FeedVersion>| held.id == version.id;
        self.latest.as_ref().is_some_and(same) && self.serves(now)
    }

    fn failed(
        &mut self,
        failure: Failure,
        paused_until: Option<Monotonic>,
        now: Now,
    ) -> Vec<FeedEvent> {
        self.succeeding_since = None;
        let is_throttled =
            failure.class == FailureClass::Throttled && failure.retry_after.is_none();
        self.throttled = match is_throttled {
            true => self.throttled.saturating_add(1),
            false => 0,
        };
        let wait = match failure.retry_after {
            Some(_) if mutation::is(Mutation::RetryAfterIsIgnored) => None,
            Some(asked) if mutation::is(Mutation::RetryAfterHasNoEnd) => Some(asked),
            Some(asked) => Some(asked.min(LONGEST_RETRY_AFTER)),
            None if is_throttled => Some(doubling_minutes(self.throttled, LONGEST_BACK_OFF)),
            None => None,
        };
        self.not_before = wait.map(|wait| now.monotonic.plus(wait));
        self.sign_in = paused_until.map(|until| SignInPause {
            until,
            checked: now.monotonic,
        });
        let is_quick = failure.is_passing && self.not_before.is_none();
        let events = self.health.failed(failure, self.read_at, now);
        let failures = self.health.failing().map_or(0, |failing| failing.failures);
        if is_quick && (1..=QUICK_RETRIES).contains(&failures) {
            let wait = doubling(FIRST_RETRY, failures, Duration::MAX);
            self.retry = Some(now.monotonic.plus(wait));
        }
        events
    }

    /// The next pull by the schedule.
    fn scheduled(&self, now: Now) -> Monotonic {
        let settings = &self.settings;
        due::next_due(now, &settings.sync, &settings.zone, self.jitter)
    }

    /// A moment of its own within the next seconds.
    fn soon(&self, now: Now) -> Monotonic {
        let spread = self.settings.spread.min(due::FIRST_SPREAD);
        now.monotonic.plus(due::jitter(self.id.as_str(), spread))
    }
}
