//! One contact with a pod: its phases, and what passes from one to the next.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::step::{PutAnswer, PutFailure};
use super::view::PushReason;
use crate::control::now::Monotonic;
use crate::control::retry::Past;
use crate::model::agenda::Agenda;
use crate::model::time::UnixTime;

/// Where a contact is: the step that is taken next, or that is just being taken.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Idle,
    Look(Purpose),
    AskMode(Purpose),
    Put(Plan),
    /// The look at what came of a push.
    Verify(Check),
    /// The display did not show it yet; it is looked at again then.
    WaitToVerify(Check, Monotonic),
    ReadConfig,
    Patch(Map<String, Value>),
    CheckSignIn,
    Finished,
}

impl Phase {
    /// Whether the display of a pod that left the configuration is being cleared.
    pub(super) fn is_clearing(&self) -> bool {
        match self {
            Self::Look(purpose) | Self::AskMode(purpose) => *purpose == Purpose::Clear,
            Self::Put(plan) => plan.class == PushClass::Clear,
            _ => false,
        }
    }

    pub(super) fn is_poll(&self) -> bool {
        matches!(
            self,
            Self::Look(Purpose::Poll) | Self::AskMode(Purpose::Poll) | Self::ReadConfig
        )
    }
}

/// What a contact is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Poll,
    Push,
    /// The display is cleared because its pod left the configuration.
    Clear,
}

/// A push that is about to be made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub agenda: Arc<Agenda>,
    pub reason: PushReason,
    pub class: PushClass,
    /// What the display showed before.
    pub before: Arc<Agenda>,
    /// The count of `--force` that it serves.
    pub force: u64,
}

/// Which limit a push is subject to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushClass {
    /// The room's meetings changed, or a person asked for it.
    Ordinary,
    /// The display was in step and is empty.
    Refill,
    /// The display shows something else without our doing.
    Correction,
    /// The display cannot be verified.
    Unverified,
    Clear,
}

/// A push that the pod took, or may have taken.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub plan: Plan,
    pub answer: Result<PutAnswer, PutFailure>,
    pub pushed: Past,
    pub pushed_at: UnixTime,
    /// Looks at what came of it so far.
    pub looks: u32,
}

impl Check {
    pub(super) fn duration(&self) -> Duration {
        match &self.answer {
            Ok(answer) => answer.duration,
            Err(failed) => failed.duration,
        }
    }

    /// How long to wait before looking again, while the pod may only be slow to show it.
    ///
    /// The waits grow from look to look and from push to push.
    pub(super) fn wait(&self, unshown: u32, applies_late: bool) -> Option<Duration> {
        let first = match (unshown, applies_late) {
            (0, false) => 2,
            (1, false) => 4,
            (_, _) => 8,
        };
        let most = if unshown == 0 && !applies_late { 3 } else { 4 };
        (self.looks <= most)
            .then(|| Duration::from_secs(first << self.looks.saturating_sub(1).min(8)))
    }
}
