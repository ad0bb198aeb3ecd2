//! What a pod's controller asks for, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::control::mutation::{self, Mutation};
use crate::control::now::Monotonic;
use crate::model::agenda::Agenda;
use crate::model::failure::Failure;
use crate::model::time::UnixTime;

/// What to do next. Each step is one request to the pod, or a few that belong together.
#[derive(Clone, Debug, PartialEq)]
pub enum PodStep {
    /// Nothing before then, unless an input changes.
    Wait(Monotonic),
    /// Ask who the pod is, and what its display holds.
    Look,
    /// Ask for the calendar mode.
    AskMode,
    /// Replace all meetings.
    Put(Arc<Agenda>),
    /// Ask for the configuration and the calendar mode.
    ReadConfig,
    /// Change a part of the configuration.
    PatchConfig(Map<String, Value>),
    /// Sign-in is paused: compare the secret with the one that was rejected, and see
    /// whether the pause still stands.
    CheckSignIn,
    /// The pod left the configuration, and everything was done about it.
    Finished,
}

/// What came of a step.
#[derive(Clone, Debug)]
pub enum PodOutcome {
    Look(Result<LookAnswer, Failure>),
    Mode(Result<ModeAnswer, Failure>),
    Put(Result<PutAnswer, PutFailure>),
    Config(Result<ConfigAnswer, Failure>),
    Patch(Result<PatchAnswer, Failure>),
    /// The step was not taken: sign-in is paused until then, after a rejected secret or, where
    /// `is_rejected` is not set, after a sign-in that was not answered.
    SignInPaused {
        until: Monotonic,
        is_rejected: bool,
    },
    /// `None`: the secret is another one, or the pause has ended.
    SignInChecked {
        paused_until: Option<Monotonic>,
    },
    /// The step was not taken: another request is just trying this secret.
    SignInBusy,
}

#[derive(Clone, Debug)]
pub struct LookAnswer {
    /// `None` for firmware that does not tell.
    pub device_id: Option<String>,
    pub shown: Arc<Agenda>,
    /// The pod's own clock, where the answers tell.
    pub clock: Option<UnixTime>,
}

#[derive(Clone, Debug)]
pub struct ModeAnswer {
    pub mode: ReportedMode,
    pub clock: Option<UnixTime>,
}

/// The calendar mode that a pod reports, as far as writing depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportedMode {
    /// What is set over the API is shown.
    ThirdParty,
    /// The pod does not report its mode in a way that is known.
    NotVerified,
    /// Another one: a write could change a real mailbox.
    Other(String),
}

impl ReportedMode {
    /// As it is shown to people and kept in the ledger.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ThirdParty => "3rd party only",
            Self::NotVerified => "not verified",
            Self::Other(name) => name,
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        [Self::ThirdParty, Self::NotVerified]
            .into_iter()
            .find(|mode| mode.name() == name)
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    #[must_use]
    pub fn is_other(&self) -> bool {
        let is_ignored = mutation::is(Mutation::OtherModeIsWritten);
        matches!(self, Self::Other(_)) && !is_ignored
    }
}

/// The pod answered that all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutAnswer {
    pub duration: Duration,
    pub reboot_required: bool,
    pub restart_required: bool,
}

#[derive(Clone, Debug)]
pub struct PutFailure {
    pub failure: Failure,
    pub duration: Duration,
    /// Whether the pod may have done it although it did not say so.
    pub may_be_done: bool,
}

#[derive(Clone, Debug)]
pub struct ConfigAnswer {
    /// With a blank for each secret.
    pub config: Value,
    /// The same as it was read last, by this process or an earlier one.
    pub last: Option<Value>,
    pub mode: ReportedMode,
    pub clock: Option<UnixTime>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchAnswer {
    pub reboot_required: bool,
    pub restart_required: bool,
}
