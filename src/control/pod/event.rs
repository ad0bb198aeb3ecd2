//! What is worth telling about a pod. Plain data without meeting texts and secrets;
//! `telemetry::words::pod` has the words.

use std::time::Duration;

use super::view::{PodState, PushReason};
use crate::model::failure::Failure;
use crate::model::name::{PodUrl, RoomName};
use crate::model::time::UnixTime;

#[derive(Clone, Debug, PartialEq)]
pub enum PodEvent {
    /// The state changed, or a failure that lasts is said again.
    State {
        before: PodState,
        state: PodState,
        detail: Option<String>,
        /// Failed contacts in a row; 0 where the pod answers.
        failures: u32,
        /// Said before, or expected: for the debug log only.
        is_quiet: bool,
    },
    /// The state goes to and fro; its changes are not said before it is steady again.
    Flapping {
        changes: u32,
    },
    /// It has kept one state for a while.
    Steady {
        state: PodState,
        changes: u32,
    },
    Pushed {
        reason: PushReason,
        meetings: usize,
        added: usize,
        removed: usize,
        changed: usize,
        duration: Duration,
        reboot_required: bool,
        restart_required: bool,
        /// Pushes that failed in a row before this one.
        failures: u32,
        /// Whether the display was seen to show it.
        is_shown: bool,
    },
    PushFailed {
        failure: Failure,
        /// In a row.
        failures: u32,
        since: UnixTime,
        is_quiet: bool,
    },
    /// The display does not show what was put on it, and is put right.
    DisplayLost {
        loss: Loss,
        /// How often in a row.
        times: u32,
        is_quiet: bool,
    },
    /// Corrections did not last; further ones come with growing waits.
    SomebodyElseWrites {
        corrections: u32,
    },
    /// The pod changes texts in this way, and what comes out is accepted.
    TextsAltered {
        how: String,
    },
    /// The pod keeps only the nearest meetings.
    ShowsPart {
        shown: usize,
        of: usize,
    },
    /// The pod accepts pushes and is never seen to show them.
    CannotBeVerified {
        how: String,
    },
    /// The pod is in another calendar mode, and is not written to.
    ModeWrong {
        mode: String,
    },
    /// It is back in the mode in which it shows what it is sent.
    ModeRight {
        mode: String,
        before: String,
    },
    /// It does not report its mode; pushes are sent anyway.
    ModeNotVerified,
    /// Another device answers at the address, which no other room's pod was.
    DeviceReplaced {
        before: String,
        device: String,
    },
    /// A device answers that is another room's; it is not written to.
    DeviceOfOtherRoom {
        device: String,
        room: RoomName,
        pod: PodUrl,
    },
    /// A person accepted the device that answers now.
    DeviceAccepted {
        device: String,
    },
    /// Two configured addresses lead to one device; this one is not written to.
    AddressClash {
        device: String,
        room: RoomName,
        pod: PodUrl,
    },
    AddressClashEnded,
    /// Another pod reports the same device id; nothing proves that it is the same device.
    SharedDeviceId {
        device: String,
        room: RoomName,
        pod: PodUrl,
    },
    NoDeviceId,
    /// The certificate was seen for the first time, and no other is accepted from now on.
    CertificatePinned {
        fingerprint: String,
        /// `false`: the ledger cannot be written, and it holds for this process.
        is_written: bool,
    },
    ConfigDrift {
        path: String,
        before: String,
        now: String,
    },
    /// `enforce` wants another value.
    ConfigUnwanted {
        path: String,
        now: String,
        wanted: String,
    },
    ConfigRepaired {
        settings: String,
        reboot_required: bool,
        restart_required: bool,
    },
    ConfigFailed {
        /// `read` or `repaired`.
        what: &'static str,
        failure: Failure,
        is_quiet: bool,
    },
    /// The pod left the configuration.
    Removed {
        removal: Removal,
        /// Meetings that its display was last seen to show.
        shown: Option<usize>,
    },
}

/// What became of the meetings that a display was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It shows nothing.
    Emptied,
    /// It shows other meetings.
    Foreign,
    /// Another device answers at its address.
    Replaced,
    /// The pod accepted them and went on showing what it showed.
    NotShown,
}

impl Loss {
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Emptied => "emptied",
            Self::Foreign => "foreign",
            Self::Replaced => "replaced",
            Self::NotShown => "not_shown",
        }
    }

    /// As people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Emptied => "its display lost the meetings",
            Self::Foreign => "its display shows other meetings than it was sent",
            Self::Replaced => "another device answers at its address",
            Self::NotShown => "it accepted the meetings and does not show them",
        }
    }

    /// The words of a key; of an unknown one the key itself.
    #[must_use]
    pub fn words_of_key(key: &str) -> &str {
        let all = [Self::Emptied, Self::Foreign, Self::Replaced, Self::NotShown];
        match all.into_iter().find(|loss| loss.key() == key) {
            Some(loss) => loss.words(),
            None => key,
        }
    }
}

/// What was done about the display of a pod that left the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Left as it is.
    Kept,
    Cleared,
    /// It was to be cleared and was not.
    NotCleared {
        why: String,
    },
}
