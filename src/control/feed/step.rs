//! What a feed is set to, does next, learns and says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::control::now::Monotonic;
use crate::model::cron::Cron;
use crate::model::failure::Failure;
use crate::model::time::UnixTime;
use crate::model::version::{FeedVersion, Trouble};
use crate::model::zone::Zone;

/// What a feed is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSettings {
    pub sync: Cron,
    /// In which the cron line is read.
    pub zone: Zone,
    /// `schedule.jitter`.
    pub spread: Duration,
    /// In one pass by hand: pulled when the pass asks for it, and not by the schedule beside it.
    pub is_on_demand: bool,
    /// The digests of the filters (`only`) of all rooms that read it, the one that lets
    /// everything through included.
    pub filters: BTreeSet<String>,
}

/// What a feed does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedStep {
    /// Nothing, until then or until a command comes.
    Wait(Monotonic),
    Pull {
        /// Without validators: what is held does not serve.
        afresh: bool,
        /// Try although sign-in is paused.
        insists: bool,
    },
    /// Sign-in is paused: compare the secret with the one that was rejected, and see
    /// whether the pause still stands.
    CheckSignIn,
}

/// What a person or the service asks of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullNow {
    /// Without validators.
    pub afresh: bool,
    /// Although sign-in is paused or the host asked to be left alone (`--try-password`).
    pub insists: bool,
}

/// What came of a step.
#[derive(Clone, Debug)]
pub enum FeedOutcome {
    /// A pull that succeeded.
    Read {
        /// `None`: nothing changed.
        version: Option<Arc<FeedVersion>>,
        client_state: Option<String>,
    },
    /// It failed; `paused_until` where sign-in is paused because of it.
    Failed {
        failure: Failure,
        paused_until: Option<Monotonic>,
    },
    /// Nothing was sent.
    SignInPaused { failure: Failure, until: Monotonic },
    /// What became of the pause; `None`: a new secret, or the pause has ended.
    SignInChecked { paused_until: Option<Monotonic> },
}

/// What is worth saying about a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    Pulled {
        /// Nothing new is not worth more than a `debug`.
        is_new: bool,
        items: usize,
    },
    Failing {
        failure: Failure,
        since: UnixTime,
        failures: u32,
        /// When it was last read; `None`: never.
        read_at: Option<UnixTime>,
        /// Already said, or said elsewhere.
        is_quiet: bool,
    },
    Recovered {
        since: UnixTime,
        failures: u32,
        is_quiet: bool,
    },
    /// It fails and recovers by turns; what follows is quiet until it is steady.
    Flapping { times: u32, since: UnixTime },
    /// No failure for an hour after that.
    Steady { times: u32 },
    /// Entries that could not be read as they were meant, more or fewer than before.
    Trouble { trouble: Trouble },
    /// Members that are listed and could not be fetched; 0: none any more.
    Partial { missing: usize, members: usize },
    /// Why a new refresh token could not be written; `None`: it is again.
    TokenNotSaved { why: Option<String> },
}
