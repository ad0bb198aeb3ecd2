//! What a pod's task publishes: for `status`, the page, metrics, and one-shot runs.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::step::ReportedMode;
use crate::control::identity::PodIdentity;
use crate::control::published::Wanted;
use crate::model::agenda::Changes;
use crate::model::failure::{Failure, FailureClass};
use crate::model::time::UnixTime;

/// The state of a pod and its display. The key is the same in the ledger, in `--json`,
/// in logs and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodState {
    /// It was not looked at yet.
    Unknown,
    /// It answers, but what it should show is not known yet.
    Waiting,
    /// The display shows what it should.
    InStep,
    /// It does not, and is going to be put right.
    Behind,
    /// It does not, because somebody else writes to it; it is put right with growing waits.
    SomebodyElseWrites,
    /// It shows only the nearest meetings of those that it is sent.
    ShowsPart,
    /// It accepts what it is sent and is never seen to show it.
    CannotBeVerified,
    /// In step, but the pod's own clock is wrong.
    ClockWrong,
    /// No answer, or none that makes sense.
    Unreachable,
    /// It answers with an error.
    Failing,
    /// It asked to be left alone.
    Throttled,
    /// Its password was rejected, and is not tried again for a while.
    SignInPaused,
    CertificateChanged,
    NotLicensed,
    /// It is in another calendar mode and is not written to.
    WrongMode,
    /// Another room's device answers at its address; it is not written to.
    DeviceChanged,
    /// An earlier address in the configuration leads to the same device.
    AddressClash,
}

impl PodState {
    pub const ALL: [Self; 17] = [
        Self::Unknown,
        Self::Waiting,
        Self::InStep,
        Self::Behind,
        Self::SomebodyElseWrites,
        Self::ShowsPart,
        Self::CannotBeVerified,
        Self::ClockWrong,
        Self::Unreachable,
        Self::Failing,
        Self::Throttled,
        Self::SignInPaused,
        Self::CertificateChanged,
        Self::NotLicensed,
        Self::WrongMode,
        Self::DeviceChanged,
        Self::AddressClash,
    ];

    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Waiting => "waiting",
            Self::InStep => "in_step",
            Self::Behind => "behind",
            Self::SomebodyElseWrites => "somebody_else_writes",
            Self::ShowsPart => "shows_part",
            Self::CannotBeVerified => "cannot_be_verified",
            Self::ClockWrong => "clock_wrong",
            Self::Unreachable => "unreachable",
            Self::Failing => "failing",
            Self::Throttled => "throttled",
            Self::SignInPaused => "sign_in_paused",
            Self::CertificateChanged => "certificate_changed",
            Self::NotLicensed => "not_licensed",
            Self::WrongMode => "wrong_mode",
            Self::DeviceChanged => "device_changed",
            Self::AddressClash => "address_clash",
        }
    }

    /// The state of that key, also as ledgers of 0.1 have it.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        match key {
            "well" => Some(Self::InStep),
            "lost" => Some(Self::Behind),
            "password_rejected" => Some(Self::SignInPaused),
            key => Self::ALL.into_iter().find(|state| state.key() == key),
        }
    }

    /// As people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "not looked at yet",
            Self::Waiting => "waiting for the calendar",
            Self::InStep => "in step",
            Self::Behind => "behind",
            Self::SomebodyElseWrites => "somebody else writes to this display",
            Self::ShowsPart => "shows a part",
            Self::CannotBeVerified => "cannot be verified",
            Self::ClockWrong => "clock wrong",
            Self::Unreachable => "unreachable",
            Self::Failing => "failing",
            Self::Throttled => "asked to be left alone",
            Self::SignInPaused => "sign-in paused",
            Self::CertificateChanged => "certificate changed",
            Self::NotLicensed => "not licensed",
            Self::WrongMode => "wrong mode",
            Self::DeviceChanged => "another room's device",
            Self::AddressClash => "address clash",
        }
    }

    /// In words, with what more there is to say.
    #[must_use]
    pub fn says(self, detail: Option<&str>) -> String {
        match (self, detail) {
            // It says how many of how many.
            (Self::ShowsPart, Some(detail)) => detail.to_owned(),
            (_, Some(detail)) if !detail.starts_with(self.words()) => {
                format!("{}: {detail}", self.words())
            }
            (_, Some(detail)) => detail.to_owned(),
            (_, None) => self.words().to_owned(),
        }
    }

    /// Whether the display shows what it should; a wrong clock of the pod does not change that.
    #[must_use]
    pub fn is_in_step(self) -> bool {
        matches!(self, Self::InStep | Self::ClockWrong)
    }

    /// Whether it waits for a person.
    #[must_use]
    pub fn wants_a_person(self) -> bool {
        matches!(
            self,
            Self::SignInPaused
                | Self::CertificateChanged
                | Self::NotLicensed
                | Self::WrongMode
                | Self::DeviceChanged
                | Self::AddressClash
        )
    }

    /// The state that a failed request tells of.
    #[must_use]
    pub fn of_failure(class: FailureClass) -> Self {
        match class {
            FailureClass::Unreachable | FailureClass::TimedOut => Self::Unreachable,
            FailureClass::SecretRejected | FailureClass::SignInPaused => Self::SignInPaused,
            FailureClass::CertificateChanged => Self::CertificateChanged,
            FailureClass::NotLicensed => Self::NotLicensed,
            FailureClass::Throttled => Self::Throttled,
            FailureClass::Forbidden | FailureClass::Other => Self::Failing,
        }
    }
}

/// All that others may know of a pod.
#[derive(Clone, Debug)]
pub struct PodView {
    pub identity: PodIdentity,
    pub state: PodState,
    pub detail: Option<String>,
    pub mode: Option<ReportedMode>,
    /// What the room wants it to show.
    pub wanted: Option<Wanted>,
    /// The last time that the pod answered anything.
    pub seen_at: Option<UnixTime>,
    /// Whether everything was done that can be done now about `wanted`: the display was
    /// looked at since, and is in step, or a try to put it right ended. A one-shot run
    /// waits for it.
    pub is_settled: bool,
    /// Since the process began.
    pub counts: PodCounts,
    pub last_push: Option<PushReport>,
    /// Pushes that fail, in a row.
    pub failing: Option<PushFailing>,
    /// Seconds by which the pod's clock is ahead, where it tells.
    pub clock_offset: Option<i64>,
    pub cap: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// Looks that were answered.
    pub looks: u64,
    /// Times that somebody asked for a look.
    pub requests: u64,
    /// Looks, whether answered or not.
    pub attempts: u64,
    /// Pushes that the pod accepted.
    pub pushes: u64,
    pub failed_pushes: u64,
    /// Times that the configuration was read.
    pub config_reads: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushFailing {
    pub since: UnixTime,
    pub failures: u32,
    pub failure: Failure,
}

/// The last push since the process began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushReport {
    pub at: UnixTime,
    pub reason: PushReason,
    pub meetings: usize,
    /// Holds meeting texts: for `sync` and the history, not for logs.
    pub changes: Arc<Changes>,
    pub duration: Duration,
    pub result: PushResult,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The display was seen to show it, all of it or its part.
    Shown,
    /// The pod accepted it; the display was not seen to show it, or not yet.
    Accepted,
    Failed(Failure),
    /// A dry run ends before the push.
    WouldPush,
}

/// Why a set of meetings was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushReason {
    /// Nothing was sent before.
    First,
    /// The room's meetings are others than those sent last.
    Changed,
    /// The display did not show what was sent.
    Lost,
    /// The display shows a part, and may have room for all of it by now.
    Refreshed,
    /// A person asked for it.
    Forced,
    /// The pod left the configuration and its display is to be cleared.
    Cleared,
}

impl PushReason {
    pub const ALL: [Self; 6] = [
        Self::First,
        Self::Changed,
        Self::Lost,
        Self::Refreshed,
        Self::Forced,
        Self::Cleared,
    ];

    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Changed => "changed",
            Self::Lost => "lost",
            Self::Refreshed => "refreshed",
            Self::Forced => "forced",
            Self::Cleared => "cleared",
        }
    }

    /// As people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::First => "for the first time",
            Self::Changed => "the calendar changed",
            Self::Lost => "corrected",
            Self::Refreshed => "sent again",
            Self::Forced => "forced",
            Self::Cleared => "cleared",
        }
    }

    /// The words of a key; of an unknown one the key itself.
    #[must_use]
    pub fn words_of_key(key: &str) -> &str {
        let mut all = Self::ALL.into_iter();
        match all.find(|reason| reason.key() == key) {
            Some(reason) => reason.words(),
            None => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_said_with_its_name_once() {
        let says = |state: PodState, detail| state.says(detail);
        assert_eq!(says(PodState::WrongMode, None), "wrong mode");
        assert_eq!(
            says(PodState::WrongMode, Some("its calendar mode is Google")),
            "wrong mode: its calendar mode is Google"
        );
        assert_eq!(
            says(PodState::ShowsPart, Some("shows 3 of 4 meetings")),
            "shows 3 of 4 meetings"
        );
        assert_eq!(
            says(PodState::Behind, Some("behind a proxy")),
            "behind a proxy"
        );
    }
}
