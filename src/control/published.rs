//! What the stages publish: the newest value of each feed for its rooms, and of each
//! room for its pods. Whoever is slow misses the ones between.

use std::sync::Arc;

use super::now::Monotonic;
use super::retry::Past;
use crate::config::MeetingRules;
use crate::model::agenda::Agenda;
use crate::model::failure::Failure;
use crate::model::name::FeedId;
use crate::model::time::UnixTime;
use crate::model::version::FeedVersion;

/// What is known of a feed.
#[derive(Clone, Debug)]
pub struct FeedView {
    pub id: FeedId,
    /// What the last pull that succeeded brought; `None` while none ever did.
    pub latest: Option<Arc<FeedVersion>>,
    /// When it was last confirmed, changed or not.
    pub read_at: Option<UnixTime>,
    /// When it last brought something new.
    pub changed_at: Option<UnixTime>,
    /// Pulls that succeeded since the process began, and the time of the last one:
    /// a hold ends only by pulls that still find nothing.
    pub successes: u64,
    pub succeeded_at: Option<Monotonic>,
    /// The first success since a failure, or the start of the process where none is known
    /// before it; `None` while it fails, or was never read. Whoever misses a failure is told so.
    pub succeeding_since: Option<Monotonic>,
    /// Since when it fails, and how; `None` while it is read as scheduled.
    pub failing: Option<FeedFailing>,
    /// Pulls that ended since the process began, well or not: a one-shot run waits
    /// until each of its feeds has had one.
    pub attempts: u64,
}

impl FeedView {
    /// Of a feed of which nothing is known.
    #[must_use]
    pub fn unknown(id: FeedId) -> Self {
        Self {
            id,
            latest: None,
            read_at: None,
            changed_at: None,
            successes: 0,
            succeeded_at: None,
            succeeding_since: None,
            failing: None,
            attempts: 0,
        }
    }
}

/// How a feed fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedFailing {
    /// The first failure since a success.
    pub since: UnixTime,
    /// The same moment, for waits.
    pub began: Past,
    /// In a row.
    pub failures: u32,
    pub failure: Failure,
    /// No pull before then: a pause of sign-in, or the host asked to be left alone.
    pub not_before: Option<UnixTime>,
}

/// What the displays of a room should show. Compared as a whole: the same value again
/// asks nothing of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `None` while nothing is known: the display is left as it is.
    pub agenda: Option<Arc<Agenda>>,
    /// A feed was never read and the ledger does not know what was shown before it:
    /// meetings that the display showed under ids of our form before it was first pushed to
    /// stay until they end, with their texts cut down to these rules.
    pub keep_shown: Option<Arc<MeetingRules>>,
    /// Counts `--force`: a display that has not had this one is pushed to, in step or not.
    pub force: u64,
    /// Whether meetings may be taken away by the clock.
    pub clock_is_believed: bool,
}
