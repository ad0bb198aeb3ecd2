//! The guard: meetings to come that vanish whole from a feed are not believed at once.

use std::time::Duration;

use super::mutation::{self, Mutation};
use super::now::Now;
use super::published::FeedView;
use super::retry::Past;
use crate::config::Guard;
use crate::model::memory::HoldMemory;
use crate::model::time::UnixTime;

/// A hold of one feed of one room. Only [`judge`] ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub since: UnixTime,
    /// Whether rooms of one host lost everything together, or a document that several share.
    pub is_brake: bool,
    /// Meetings to come that are kept.
    pub missing: usize,
    /// Since when pulls have gone on finding nothing: the first success of those in a row;
    /// `None` after a failure.
    empty: Option<Past>,
}

/// What is counted when a guard judges. Both counts are by today's rules, before `max`
/// and before copies are merged.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Meetings to come in the version in use.
    pub believed: usize,
    /// Meetings to come in the latest version.
    pub latest: usize,
}

/// Whether the latest version of a feed takes the place of the one in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Believe(Reason),
    Hold(Hold),
}

/// Why the latest version is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing speaks against it: it has meetings to come, or too few are lost to matter.
    Sound,
    /// Pulls went on finding nothing for as long as `guard.hold`.
    SeenLongEnough,
    /// What was held has ended.
    NothingLeft,
}

/// Judges a version that differs from the one in use.
///
/// | to come in use | to come in the latest | held | judgement |
/// | --- | --- | --- | --- |
/// | any | some | any | believe |
/// | none | none | any | believe: nothing is left to hold |
/// | fewer than `vanished` (with the brake: never) | none | no | believe |
/// | `vanished` or more (with the brake: one) | none | no | hold |
/// | some | none | yes | hold, until successful pulls found nothing for `guard.hold` |
#[must_use]
pub fn judge(
    counts: Counts,
    hold: Option<&Hold>,
    guard: Guard,
    brake: bool,
    view: &FeedView,
    now: Now,
) -> Judgement {
    let fewer = counts.latest < counts.believed && mutation::is(Mutation::FewerIsNotBelieved);
    if fewer && counts.latest > 0 && hold.is_none() {
        return Judgement::Hold(Hold::begin(counts.believed, brake, view, now));
    }
    if counts.latest > 0 || mutation::is(Mutation::LossIsBelieved) {
        return Judgement::Believe(Reason::Sound);
    }
    if counts.believed == 0 {
        return Judgement::Believe(match hold {
            Some(_) => Reason::NothingLeft,
            None => Reason::Sound,
        });
    }
    let Some(hold) = hold else {
        let enough = if brake {
            1
        } else {
            usize::try_from(guard.vanished).unwrap_or(usize::MAX)
        };
        if enough == 0 || counts.believed < enough {
            return Judgement::Believe(Reason::Sound);
        }
        return Judgement::Hold(Hold::begin(counts.believed, brake, view, now));
    };
    if view.failing.is_some() && mutation::is(Mutation::HoldEndsByFailedPull) {
        return Judgement::Believe(Reason::SeenLongEnough);
    }
    let hold = hold.seen(counts.believed, view);
    let lasted = match mutation::is(Mutation::HoldGoesByTheWall) {
        true => now.wall.since(hold.since),
        false => hold.lasted(view),
    };
    if lasted >= guard.hold && !mutation::is(Mutation::HoldNeverEnds) {
        return Judgement::Believe(Reason::SeenLongEnough);
    }
    Judgement::Hold(hold)
}

impl Hold {
    /// A hold that begins with the pull that found nothing.
    #[must_use]
    pub fn begin(missing: usize, is_brake: bool, view: &FeedView, now: Now) -> Self {
        Self {
            since: now.wall,
            is_brake,
            missing,
            empty: match view.failing {
                Some(_) => None,
                None => Some(Past::at(view.succeeded_at.unwrap_or(now.monotonic))),
            },
        }
    }

    /// A hold of what was taken off a display some time ago and comes back.
    #[must_use]
    pub fn resume(missing: usize, lost: Past, view: &FeedView, now: Now) -> Self {
        let hold = Self {
            since: lost.wall(now),
            is_brake: true,
            missing,
            empty: Some(lost),
        };
        hold.seen(missing, view)
    }

    /// A hold that was written down. However wrong a clock was, no more than its whole
    /// length counts as over, and a pull has to confirm it.
    #[must_use]
    pub fn restore(memory: &HoldMemory, guard: Guard, now: Now) -> Self {
        Self {
            since: memory.since.min(now.wall),
            is_brake: memory.is_brake,
            missing: memory.missing,
            empty: memory
                .empty_since
                .map(|since| Past::restored(since, now).at_most(guard.hold)),
        }
    }

    #[must_use]
    pub fn memory(&self, guard: Guard, now: Now) -> HoldMemory {
        let counted = self.empty.map(|from| from.elapsed(now.monotonic));
        HoldMemory {
            since: self.since,
            empty_since: self.empty.map(|from| from.wall(now)),
            until: match counted {
                Some(counted) => now.wall.plus(guard.hold.saturating_sub(counted)),
                None => now.wall.plus(guard.hold),
            },
            missing: self.missing,
            is_brake: self.is_brake,
        }
    }

    /// After one more look at the feed: a failure begins the count anew, also one that came
    /// and went since the last look.
    fn seen(&self, missing: usize, view: &FeedView) -> Self {
        let empty = match (&view.failing, self.empty) {
            (_, Some(_)) if mutation::is(Mutation::HoldCountsThroughFailures) => self.empty,
            (Some(_), _) => None,
            (None, None) => view.succeeding_since.or(view.succeeded_at).map(Past::at),
            (None, Some(from)) => match view.succeeding_since {
                Some(since) if from.is_before(since) => Some(Past::at(since)),
                _ => Some(from),
            },
        };
        Self {
            missing,
            empty,
            ..self.clone()
        }
    }

    /// How long successful pulls have found nothing; only pulls count, not time alone.
    fn lasted(&self, view: &FeedView) -> Duration {
        let last = self.empty.zip(view.succeeded_at);
        last.and_then(|(from, last)| from.until(last))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::now::Monotonic;
    use crate::control::published::FeedFailing;
    use crate::model::failure::{Failure, FailureClass};
    use crate::model::name::FeedId;

    const GUARD: Guard = Guard {
        vanished: 3,
        hold: Duration::from_secs(900),
    };

    fn at(seconds: u64) -> Now {
        Now {
            wall: UnixTime::from_seconds(1_000_000).plus(Duration::from_secs(seconds)),
            monotonic: Monotonic::from_start(Duration::from_secs(seconds)),
        }
    }

    fn read(seconds: u64) -> FeedView {
        FeedView {
            successes: 1,
            succeeded_at: Some(at(seconds).monotonic),
            ..FeedView::unknown(FeedId::new("host", &["a"]))
        }
    }

    fn failed(mut view: FeedView, seconds: u64) -> FeedView {
        view.failing = Some(FeedFailing {
            since: at(seconds).wall,
            began: Past::at(at(seconds).monotonic),
            failures: 1,
            failure: Failure {
                class: FailureClass::TimedOut,
                kind: "timed_out".into(),
                says: String::new(),
                hint: String::new(),
                is_passing: true,
                retry_after: None,
                secret_was_sent: false,
            },
            not_before: None,
        });
        view
    }

    fn counts(believed: usize, latest: usize) -> Counts {
        Counts { believed, latest }
    }

    /// The hold after a look, or why it ended.
    fn look(
        hold: Option<&Hold>,
        believed: usize,
        view: &FeedView,
        seconds: u64,
    ) -> Result<Hold, Reason> {
        match judge(counts(believed, 0), hold, GUARD, false, view, at(seconds)) {
            Judgement::Hold(hold) => Ok(hold),
            Judgement::Believe(reason) => Err(reason),
        }
    }

    #[test]
    fn several_meetings_that_vanish_together_are_held() {
        assert!(look(None, 3, &read(0), 0).is_ok());
        assert_eq!(look(None, 2, &read(0), 0), Err(Reason::Sound));
        let one_left = judge(counts(8, 1), None, GUARD, false, &read(0), at(0));
        assert_eq!(one_left, Judgement::Believe(Reason::Sound));
        let off = Guard {
            vanished: 0,
            ..GUARD
        };
        let judged = judge(counts(8, 0), None, off, false, &read(0), at(0));
        assert_eq!(judged, Judgement::Believe(Reason::Sound));
    }

    #[test]
    fn a_hold_ends_by_pulls_that_go_on_finding_nothing_not_by_time() {
        let hold = look(None, 3, &read(0), 0).unwrap();
        let hold = look(Some(&hold), 3, &read(899), 899).unwrap();
        // Ten hours without a pull are no evidence.
        let hold = look(Some(&hold), 3, &read(899), 36_000).unwrap();
        assert_eq!(
            look(Some(&hold), 3, &read(900), 900),
            Err(Reason::SeenLongEnough)
        );
    }

    #[test]
    fn a_failure_in_between_begins_the_count_anew() {
        let hold = look(None, 3, &read(0), 0).unwrap();
        let hold = look(Some(&hold), 3, &failed(read(600), 700), 700).unwrap();
        let hold = look(Some(&hold), 3, &read(800), 800).unwrap();
        let hold = look(Some(&hold), 3, &read(1699), 1699).unwrap();
        assert!(look(Some(&hold), 3, &read(1700), 1700).is_err());
    }

    #[test]
    fn a_failure_that_nobody_saw_begins_the_count_anew_too() {
        let hold = look(None, 3, &read(0), 0).unwrap();
        // It failed at 600 and was read again at 700; the room looks at 890 only.
        let succeeding = |seconds: u64, since: u64| FeedView {
            succeeding_since: Some(at(since).monotonic),
            ..read(seconds)
        };
        let hold = look(Some(&hold), 3, &succeeding(890, 700), 890).unwrap();
        let hold = look(Some(&hold), 3, &succeeding(1599, 700), 1599).unwrap();
        assert!(look(Some(&hold), 3, &succeeding(1600, 700), 1600).is_err());
        // Successes since before the loss are no reason to begin anew.
        let hold = look(None, 3, &succeeding(300, 0), 300).unwrap();
        assert!(look(Some(&hold), 3, &succeeding(1200, 0), 1200).is_err());
    }

    #[test]
    fn a_hold_ends_when_nothing_is_left_to_come_or_something_came_back() {
        let hold = look(None, 3, &read(0), 0).unwrap();
        // Meetings end meanwhile; fewer than `vanished` are still held.
        let hold = look(Some(&hold), 1, &read(60), 60).unwrap();
        assert_eq!(hold.missing, 1);
        assert_eq!(
            look(Some(&hold), 0, &read(120), 120),
            Err(Reason::NothingLeft)
        );
        let back = judge(counts(1, 2), Some(&hold), GUARD, false, &read(120), at(120));
        assert_eq!(back, Judgement::Believe(Reason::Sound));
    }

    #[test]
    fn a_hold_outlives_a_restart_and_a_wrong_clock() {
        let hold = look(None, 3, &read(0), 0).unwrap();
        let memory = hold.memory(GUARD, at(300));
        let restored = Hold::restore(&memory, GUARD, at(300));
        // Five minutes were counted before; ten are left, and a pull has to say so.
        let unread = FeedView::unknown(FeedId::new("host", &["a"]));
        let restored = look(Some(&restored), 3, &unread, 2000).unwrap();
        let restored = look(Some(&restored), 3, &read(899), 899).unwrap();
        assert!(look(Some(&restored), 3, &read(900), 900).is_err());
        // A clock that was set back leaves the whole hold, never more.
        let mut early = at(0);
        early.wall = early.wall.minus(Duration::from_secs(90_000));
        let restored = Hold::restore(&memory, GUARD, early);
        assert!(look(Some(&restored), 3, &read(899), 899).is_ok());
        assert!(look(Some(&restored), 3, &read(900), 900).is_err());
    }

    #[test]
    fn the_brake_holds_single_meetings_too() {
        let judged = judge(counts(1, 0), None, GUARD, true, &read(0), at(0));
        assert!(matches!(judged, Judgement::Hold(hold) if hold.is_brake));
    }
}
