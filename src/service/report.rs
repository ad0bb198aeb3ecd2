//! What one pass over some rooms did: for the table and the JSON of `podcal sync`, made
//! by the service itself when one runs.

use serde::{Deserialize, Serialize};

use crate::control::pod::{PodState, PodView, PushResult};
use crate::control::published::FeedView;
use crate::control::room::RoomView;
use crate::model::agenda::Changes;
use crate::model::time::UnixTime;
use crate::model::version::Trouble;

/// One pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncReport {
    pub rooms: Vec<RoomReport>,
}

/// One room in one pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomReport {
    pub room: String,
    /// Whether every feed was read and every display shows what it should.
    pub in_step: bool,
    /// Meetings that the displays should show; `None` while nothing is known.
    #[serde(rename = "meeting_count")]
    pub meetings: Option<usize>,
    /// Entries of its feeds that could not be read as they were meant.
    pub unreadable: usize,
    /// Time zones that are defined nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_zones: Vec<String>,
    pub held: Option<HeldReport>,
    pub feeds: Vec<FeedReport>,
    pub displays: Vec<DisplayReport>,
}

/// Meetings to come vanished at once and are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldReport {
    pub since: UnixTime,
    pub until: UnixTime,
    /// How many.
    pub vanished: usize,
}

/// One feed in one pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedReport {
    pub feed: String,
    pub result: FeedResult,
    pub error: Option<String>,
    pub error_type: Option<String>,
    pub hint: Option<String>,
    pub stale_since: Option<UnixTime>,
    /// Whether it was ever read.
    pub read: bool,
    /// Members that are listed and could not be fetched.
    #[serde(default)]
    pub missing: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedResult {
    NotTried,
    Unchanged,
    Changed,
    Recovered,
    Failed,
}

/// One display in one pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisplayReport {
    pub pod: String,
    /// `pushed`, `would_push`, `held`, `failed`, or the state of the pod.
    pub result: String,
    /// In words, where the pod has more to say than its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub state: PodState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl SyncReport {
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.rooms.iter().all(|room| room.in_step)
    }
}

impl RoomReport {
    /// From what the tasks of a room publish, before and after the pass.
    #[must_use]
    pub fn of(
        room: &str,
        view: &RoomView,
        feeds: &[(FeedView, FeedView)],
        pods: &[(PodView, PodView)],
    ) -> Self {
        let held = view.held.first().map(|first| HeldReport {
            since: view
                .held
                .iter()
                .map(|feed| feed.since)
                .min()
                .unwrap_or(first.since),
            until: view
                .held
                .iter()
                .map(|feed| feed.until)
                .max()
                .unwrap_or(first.until),
            vanished: view.held.iter().map(|feed| feed.missing).sum(),
        });
        let troubles: Vec<&Trouble> = feeds
            .iter()
            .filter_map(|(_, after)| after.latest.as_ref())
            .map(|version| &version.trouble)
            .collect();
        let feeds: Vec<FeedReport> = feeds
            .iter()
            .map(|(before, after)| FeedReport::of(before, after))
            .collect();
        let displays: Vec<DisplayReport> = pods
            .iter()
            .map(|(before, after)| DisplayReport::of(before, after, held.as_ref()))
            .collect();
        Self {
            room: room.to_owned(),
            in_step: held.is_none()
                && view.wanted.clock_is_believed
                && view.unread.is_empty()
                && feeds.iter().all(|feed| feed.result != FeedResult::Failed)
                && displays.iter().all(DisplayReport::is_in_step),
            meetings: view.wanted.agenda.as_ref().map(|agenda| agenda.len()),
            unreadable: troubles.iter().map(|trouble| trouble.entries).sum(),
            unknown_zones: troubles
                .iter()
                .flat_map(|trouble| trouble.unknown_zones.iter().cloned())
                .collect(),
            held,
            feeds,
            displays,
        }
    }
}

impl FeedReport {
    fn of(before: &FeedView, after: &FeedView) -> Self {
        let failing = after.failing.as_ref();
        let id = |view: &FeedView| view.latest.as_ref().map(|version| version.id);
        let result = match (failing, &before.failing) {
            (Some(_), _) => FeedResult::Failed,
            _ if after.attempts == before.attempts => FeedResult::NotTried,
            (None, Some(_)) => FeedResult::Recovered,
            (None, None) if id(before) == id(after) => FeedResult::Unchanged,
            (None, None) => FeedResult::Changed,
        };
        Self {
            feed: after.id.to_string(),
            result,
            error: failing.map(|failing| failing.failure.says.clone()),
            error_type: failing.map(|failing| failing.failure.kind.clone()),
            hint: failing.map(|failing| failing.failure.hint.clone()),
            stale_since: failing.map(|failing| failing.since),
            read: after.latest.is_some(),
            missing: after
                .latest
                .as_ref()
                .map_or(0, |version| version.missing.len()),
        }
    }
}

impl DisplayReport {
    fn of(before: &PodView, after: &PodView, held: Option<&HeldReport>) -> Self {
        let is_new = before.counts.pushes != after.counts.pushes
            || before.counts.failed_pushes != after.counts.failed_pushes;
        let last = after.last_push.as_ref();
        let would_push = last.filter(|last| last.result == PushResult::WouldPush);
        let pushed = last.filter(|last| {
            is_new && matches!(last.result, PushResult::Shown | PushResult::Accepted)
        });
        let push = would_push.or(pushed);
        let failure = after.failing.as_ref().map(|failing| &failing.failure);
        let failure = failure.or(match last.map(|last| &last.result) {
            Some(PushResult::Failed(failure)) if is_new => Some(failure),
            _ => None,
        });
        let result = if after.state.is_in_step() && held.is_some() {
            "held"
        } else if would_push.is_some() {
            "would_push"
        } else if pushed.is_some() && after.state.is_in_step() {
            "pushed"
        } else {
            match after.state {
                PodState::Unreachable
                | PodState::Failing
                | PodState::Throttled
                | PodState::CertificateChanged
                | PodState::NotLicensed => "failed",
                // A push was tried and failed; the pod itself answers.
                PodState::Behind if failure.is_some() => "failed",
                state => state.key(),
            }
        };
        Self {
            pod: after.identity.pod.to_string(),
            result: result.to_owned(),
            detail: after.detail.clone(),
            state: after.state,
            reason: push.map(|push| push.reason.key().to_owned()),
            changes: push.map(|push| (*push.changes).clone()),
            duration_ms: pushed
                .map(|push| u64::try_from(push.duration.as_millis()).unwrap_or(u64::MAX)),
            calendar_mode: after.mode.as_ref().map(|mode| mode.name().to_owned()),
            error: failure.map(|failure| failure.says.clone()),
            error_type: failure.map(|failure| failure.kind.clone()),
            hint: failure.map(|failure| failure.hint.clone()),
        }
    }

    /// Whether the display shows what it should, or a dry run found out what is missing.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.result != "held" && (self.state.is_in_step() || self.result == "would_push")
    }
}
