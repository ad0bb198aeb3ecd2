//! One feed as one room sees it: the version in use, the latest, and a hold between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Basis, Composition, HeldFeed, Released, RoomEvent};
use crate::compose::Candidate;
use crate::config::{Feed, Guard, MeetingRules, WhenStale};
use crate::control::brake::{BrakeState, FeedOfRoom};
use crate::control::guard::{self, Counts, Hold, Judgement};
use crate::control::mutation::{self, Mutation};
use crate::control::now::{Monotonic, Now};
use crate::control::published::FeedView;
use crate::control::retry::Past;
use crate::model::memory::{ReplacedMemory, RoomFeedMemory};
use crate::model::name::FeedId;
use crate::model::version::{FeedVersion, VersionId};

/// A document that several rooms share is lost for all of them at the same moment. Before
/// one of them takes everything off its display, the others get this long to say so.
const WAIT_FOR_OTHER_ROOMS: Duration = Duration::from_secs(2);

/// A version that was replaced is kept at most this long for the brake, whatever it is
/// set to.
const LONGEST_REPLACED: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) id: FeedId,
    /// The digest of the room's filter.
    filter: String,
    pub(super) view: FeedView,
    believed: Option<Arc<FeedVersion>>,
    hold: Option<Hold>,
    /// The version before the one in use, where that took everything to come away.
    replaced: Option<Replaced>,
    loss: Option<Loss>,
    /// Until then a loss that others may share is not acted upon.
    waits_until: Option<Monotonic>,
    forced: bool,
    compositions: BTreeMap<VersionId, Composition>,
    /// The first version that was read lacked members, and so did all since.
    pub(super) is_uncertain: bool,
    /// It failed for longer than the room shows it.
    pub(super) is_cleared: bool,
    pub(super) unread_was_said: bool,
}

#[derive(Clone, Debug)]
struct Replaced {
    version: Arc<FeedVersion>,
    at: Past,
}

/// Everything to come was taken away by a good reading.
#[derive(Clone, Copy, Debug)]
struct Loss {
    at: Past,
    to_come: usize,
}

impl Part {
    pub(super) fn new(feed: &Feed) -> Self {
        Self {
            id: feed.id.clone(),
            filter: feed.only.digest(),
            view: FeedView::unknown(feed.id.clone()),
            believed: None,
            hold: None,
            replaced: None,
            loss: None,
            waits_until: None,
            forced: false,
            compositions: BTreeMap::new(),
            is_uncertain: false,
            is_cleared: false,
            unread_was_said: false,
        }
    }

    pub(super) fn restore(
        feed: &Feed,
        memory: Option<&RoomFeedMemory>,
        version: impl Fn(VersionId) -> Option<Arc<FeedVersion>>,
        guard: Guard,
        now: Now,
    ) -> Self {
        let mut part = Self::new(feed);
        let Some(memory) = memory else {
            return part;
        };
        part.believed = memory.believed.and_then(&version);
        if part.believed.is_some() {
            part.hold = memory
                .hold
                .as_ref()
                .filter(|_| !mutation::is(Mutation::HoldIsForgottenByRestart))
                .map(|hold| Hold::restore(hold, guard, now));
            part.is_uncertain = memory.is_uncertain;
            part.is_cleared = memory.is_cleared;
            part.loss = part.hold.as_ref().map(|hold| Loss {
                at: Past::restored(hold.since, now),
                to_come: hold.missing,
            });
        }
        if let Some(replaced) = &memory.replaced
            && let Some(version) = version(replaced.version)
        {
            part.replaced = Some(Replaced {
                version,
                at: Past::restored(replaced.at, now),
            });
        }
        part
    }

    /// The same feed with another filter or other options.
    pub(super) fn configured(mut self, feed: &Feed) -> Self {
        self.filter = feed.only.digest();
        self
    }

    pub(super) fn memory(&self, guard: Guard, now: Now) -> RoomFeedMemory {
        RoomFeedMemory {
            believed: self.believed.as_ref().map(|version| version.id),
            hold: self.hold.as_ref().map(|hold| hold.memory(guard, now)),
            replaced: self.replaced.as_ref().map(|replaced| ReplacedMemory {
                version: replaced.version.id,
                at: replaced.at.wall(now),
            }),
            is_uncertain: self.is_uncertain,
            is_cleared: self.is_cleared,
        }
    }

    /// Whether there is no version that this room can use.
    pub(super) fn is_unread(&self) -> bool {
        self.believed.is_none()
    }

    /// Whether what it lacks may still take place.
    pub(super) fn is_unsure(&self) -> bool {
        self.is_unread() || self.is_uncertain
    }

    pub(super) fn held(&self, guard: Guard, now: Now) -> Option<HeldFeed> {
        let hold = self.hold.as_ref()?;
        let memory = hold.memory(guard, now);
        Some(HeldFeed {
            feed: self.id.clone(),
            since: memory.since,
            until: memory.until,
            missing: memory.missing,
            is_brake: memory.is_brake,
        })
    }

    pub(super) fn loss_of_room(&self, now: Now) -> FeedOfRoom {
        FeedOfRoom {
            feed: self.id.clone(),
            to_come: match &self.loss {
                Some(loss) => loss.to_come,
                None => self.to_come(now).count(),
            },
            lost_at: self.loss.map(|loss| loss.at),
        }
    }

    /// Which meetings are in use; `None` where none can be.
    pub(super) fn in_use(&self) -> Option<(VersionId, Basis)> {
        let version = self.believed.as_ref().filter(|_| !self.is_cleared)?;
        let composition = self.compositions.get(&version.id)?;
        (!self.is_uncertain).then_some((version.id, composition.basis))
    }

    /// The meetings in use that have not ended.
    pub(super) fn to_come(&self, now: Now) -> impl Iterator<Item = &Candidate> {
        let version = self.believed.as_ref().filter(|_| !self.is_cleared);
        version
            .into_iter()
            .flat_map(move |version| self.left(version, now))
    }

    /// The meetings of a version that have not ended.
    fn left(&self, version: &FeedVersion, now: Now) -> impl Iterator<Item = &Candidate> {
        let composition = self.compositions.get(&version.id);
        composition
            .into_iter()
            .flat_map(|composition| composition.candidates.iter())
            .filter(move |candidate| candidate.meeting.end_time > now.wall)
    }

    pub(super) fn learn(&mut self, composition: Composition) {
        self.compositions.insert(composition.version, composition);
    }

    /// The versions whose meetings are needed for a decision and are not worked out.
    pub(super) fn needed(
        &self,
        basis: Basis,
        max: usize,
        brake: &BrakeState,
        now: Now,
    ) -> Vec<Arc<FeedVersion>> {
        let believed = self.believed.as_ref();
        let replaced = self.replaced.as_ref().map(|replaced| &replaced.version);
        let replaced = replaced.filter(|_| brake.holds(&self.id));
        let all = [self.latest(now), believed, replaced];
        let mut last = None;
        let versions = all
            .into_iter()
            .flatten()
            .filter(|version| last.replace(version.id) != Some(version.id));
        let is_old = |version: &&Arc<FeedVersion>| match self.compositions.get(&version.id) {
            None => true,
            Some(known) => {
                known.basis.settings != basis.settings
                    || known.basis.window.to() != basis.window.to()
                    // The clock was set back: what had ended then is to come again.
                    || known.basis.window.from() > basis.window.from()
                    || (known.is_truncated && self.left(version, now).count() < max)
            }
        };
        versions.filter(is_old).cloned().collect()
    }

    /// The latest version, where it was reduced so that this room can use it now.
    fn latest(&self, now: Now) -> Option<&Arc<FeedVersion>> {
        let latest = self.view.latest.as_ref()?;
        latest
            .reduction
            .serves(&self.filter, now.wall)
            .then_some(latest)
    }

    /// Decides which version is in use. All that is needed has been worked out.
    pub(super) fn decide(
        &mut self,
        guard: Guard,
        brake: &BrakeState,
        is_shared: bool,
        now: Now,
    ) -> Vec<RoomEvent> {
        let mut events = Vec::new();
        // A version that lacks what the room's filter asks for now is none.
        if let Some(believed) = &self.believed
            // A clock that was set back takes nothing away: what the version says still counts,
            // and the guard goes by it when the next one comes.
            && !believed.reduction.has(&self.filter)
        {
            self.believed = None;
            self.replaced = None;
            self.end_hold(Released::Reconfigured, &mut events);
        }
        let forced = std::mem::take(&mut self.forced);
        if let Some(latest) = self.latest(now).cloned() {
            self.weigh(latest, guard, brake, is_shared, forced, now, &mut events);
        }
        self.return_to_replaced(brake, now, &mut events, guard);
        self.forget_old(now);
        events
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all that a decision about one version depends on"
    )]
    fn weigh(
        &mut self,
        latest: Arc<FeedVersion>,
        guard: Guard,
        brake: &BrakeState,
        is_shared: bool,
        forced: bool,
        now: Now,
        events: &mut Vec<RoomEvent>,
    ) {
        let Some(believed) = self.believed.clone() else {
            self.is_uncertain = !latest.missing.is_empty();
            self.believed = Some(latest);
            return;
        };
        self.is_uncertain &= !latest.missing.is_empty();
        if self.left(&latest, now).next().is_some() {
            self.loss = None;
            self.replaced = None;
        }
        if believed.id == latest.id {
            self.believed = Some(latest);
            self.waits_until = None;
            self.end_hold(Released::CameBack, events);
            return;
        }
        let counts = Counts {
            believed: self.left(&believed, now).count(),
            latest: self.left(&latest, now).count(),
        };
        if forced {
            self.believe(latest, None);
            self.loss = None;
            return;
        }
        let judgement = guard::judge(
            counts,
            self.hold.as_ref(),
            guard,
            brake.holds(&self.id),
            &self.view,
            now,
        );
        match judgement {
            Judgement::Hold(hold) => self.keep(hold, counts, guard, now, events),
            Judgement::Believe(reason) => {
                let is_loss = counts.latest == 0 && counts.believed > 0 && self.hold.is_none();
                if is_loss {
                    self.note_loss(counts.believed, now);
                    if is_shared && self.waits(now) {
                        return;
                    }
                }
                let replaced = is_loss.then_some(Replaced {
                    version: believed,
                    at: Past::now(now),
                });
                self.believe(latest, replaced);
                self.end_hold(reason.into(), events);
            }
        }
    }

    fn keep(
        &mut self,
        hold: Hold,
        counts: Counts,
        guard: Guard,
        now: Now,
        events: &mut Vec<RoomEvent>,
    ) {
        self.waits_until = None;
        if self.hold.is_none() {
            self.note_loss(counts.believed, now);
            let memory = hold.memory(guard, now);
            events.push(RoomEvent::Held {
                feed: self.id.clone(),
                missing: memory.missing,
                since: memory.since,
                until: memory.until,
            });
        }
        self.hold = Some(hold);
    }

    fn believe(&mut self, latest: Arc<FeedVersion>, replaced: Option<Replaced>) {
        self.believed = Some(latest);
        self.replaced = replaced;
        self.waits_until = None;
    }

    fn end_hold(&mut self, why: Released, events: &mut Vec<RoomEvent>) {
        if self.hold.take().is_some() {
            events.push(RoomEvent::Released {
                feed: self.id.clone(),
                why,
            });
        }
    }

    fn note_loss(&mut self, to_come: usize, now: Now) {
        self.loss.get_or_insert(Loss {
            at: Past::now(now),
            to_come,
        });
    }

    /// Whether a loss is not acted upon yet, because other rooms may have it too.
    fn waits(&mut self, now: Now) -> bool {
        let until = *self
            .waits_until
            .get_or_insert(now.monotonic.plus(WAIT_FOR_OTHER_ROOMS));
        now.monotonic < until
    }

    /// Whether a loss is to be acted upon in a moment.
    pub(super) fn is_waiting(&self) -> bool {
        self.waits_until.is_some()
    }

    /// The brake brings back what was taken off the display just before it was pulled.
    fn return_to_replaced(
        &mut self,
        brake: &BrakeState,
        now: Now,
        events: &mut Vec<RoomEvent>,
        guard: Guard,
    ) {
        if !brake.holds(&self.id) || self.hold.is_some() || self.to_come(now).next().is_some() {
            return;
        }
        let within = guard.hold.max(brake.within);
        let is_usable = |replaced: &&Replaced| {
            replaced.at.elapsed(now.monotonic) < within
                && replaced.version.reduction.has(&self.filter)
        };
        // One that cannot be used yet stays.
        let version = self.replaced.as_ref().filter(is_usable);
        let to_come = version.map_or(0, |replaced| self.left(&replaced.version, now).count());
        if to_come == 0 {
            return;
        }
        let Some(replaced) = self.replaced.take() else {
            return;
        };
        let hold = Hold::resume(to_come, replaced.at, &self.view, now);
        self.believed = Some(replaced.version);
        self.keep(
            hold,
            Counts {
                believed: to_come,
                latest: 0,
            },
            guard,
            now,
            events,
        );
    }

    /// Whether somebody's `--force` ended a hold. The version is believed when decided.
    pub(super) fn force(&mut self) -> bool {
        self.forced = true;
        self.loss = None;
        self.replaced = None;
        self.hold.take().is_some()
    }

    pub(super) fn judge_staleness(&mut self, rules: &MeetingRules, now: Now) -> Option<RoomEvent> {
        let failing = self.view.failing.as_ref();
        let too_stale = match self.view.attempts {
            // Before it was tried, what an earlier process decided stands.
            0 => self.is_cleared && is_too_stale(rules, Duration::MAX),
            _ => failing
                .is_some_and(|failing| is_too_stale(rules, failing.began.elapsed(now.monotonic))),
        };
        let was_cleared = std::mem::replace(&mut self.is_cleared, too_stale);
        let failing = failing.filter(|_| too_stale && !was_cleared && self.believed.is_some())?;
        Some(RoomEvent::StaleCleared {
            feed: self.id.clone(),
            since: failing.since,
        })
    }

    pub(super) fn next_change(&self, max_stale: Option<Duration>, now: Now) -> Option<Monotonic> {
        let failing = self.view.failing.as_ref();
        let stale = max_stale.and_then(|most| failing.map(|failing| failing.began.plus(most)));
        [self.waits_until, stale]
            .into_iter()
            .flatten()
            .filter(|at| *at > now.monotonic)
            .min()
    }

    /// Meetings of versions that nobody uses any more.
    fn forget_old(&mut self, now: Now) {
        if let Some(replaced) = &self.replaced
            && replaced.at.elapsed(now.monotonic) > LONGEST_REPLACED
        {
            self.replaced = None;
        }
        let used = [
            self.believed.as_ref(),
            self.view.latest.as_ref(),
            self.replaced.as_ref().map(|replaced| &replaced.version),
        ]
        .map(|version| version.map(|version| version.id));
        self.compositions
            .retain(|version, _| used.contains(&Some(*version)));
    }
}

/// Whether a feed that fails for so long is taken off the display.
pub(super) fn is_too_stale(rules: &MeetingRules, failing: Duration) -> bool {
    rules.when_stale == WhenStale::Clear && rules.max_stale.is_some_and(|most| failing >= most)
}
