//! What is remembered of each feed, room and pod: what a controller needs to go on after a
//! restart, and what `status` and the page show. Written to the ledger as JSON when it changes.
//!
//! Fields may be added (each has a default), so that a ledger of an older podcal is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::agenda::Agenda;
use super::failure::Failure;
use super::meeting::Meeting;
use super::name::{FeedId, PodUrl, RoomName};
use super::time::UnixTime;
use super::version::{Trouble, VersionId};

/// Everything that is remembered, by the keys of the ledger. Copies share what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memories {
    /// By the digest of the feed's id.
    pub feeds: BTreeMap<String, Arc<FeedMemory>>,
    /// By name.
    pub rooms: BTreeMap<String, Arc<RoomMemory>>,
    /// By the key of the pod's URL.
    pub pods: BTreeMap<String, Arc<PodMemory>>,
}

impl Memories {
    #[must_use]
    pub fn feed(&self, feed: &FeedId) -> Option<&Arc<FeedMemory>> {
        self.feeds.get(feed.as_str())
    }

    #[must_use]
    pub fn room(&self, room: &RoomName) -> Option<&Arc<RoomMemory>> {
        self.rooms.get(room.as_str())
    }

    #[must_use]
    pub fn pod(&self, pod: &PodUrl) -> Option<&Arc<PodMemory>> {
        self.pods.get(&pod.key())
    }
}

/// Of a feed; by the digest of its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedMemory {
    /// For people.
    pub host: String,
    /// What the feed client left for itself, such as validators or a sync token. Always
    /// written together with `latest`, which it belongs to.
    pub client_state: Option<String>,
    pub latest: Option<VersionId>,
    /// The last pull that succeeded.
    pub read_at: Option<UnixTime>,
    /// The last one that brought something new.
    pub changed_at: Option<UnixTime>,
    pub failing: Option<FailingMemory>,
    /// The host asked to be left alone until then.
    pub not_before: Option<UnixTime>,
    /// Answers in a row that it is asked too often, without a time.
    pub throttled: u32,
    /// What of `latest` could not be read properly.
    pub trouble: Trouble,
    /// Members of `latest` that are listed and could not be fetched.
    pub missing: usize,
    /// Why the newest refresh token could not be written.
    pub token_not_saved: Option<String>,
}

/// Failures in a row, since a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingMemory {
    pub since: UnixTime,
    pub failures: u32,
    pub failure: Failure,
}

/// Of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomMemory {
    /// By the digest of the feed's id; in the order of digests.
    pub feeds: BTreeMap<String, RoomFeedMemory>,
    /// What the displays were to show last, with where each meeting came from.
    pub agenda: Arc<[RememberedMeeting]>,
    pub composed_at: Option<UnixTime>,
    /// Whether `agenda` was ever composed or handed down; `false`: nothing is known.
    pub is_known: bool,
    /// The ledger began anew, and since then some feed was never read: what a display
    /// shows under ids of our form may come from it.
    pub keeps_shown: bool,
}

/// Of one feed of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomFeedMemory {
    /// The version in use; another than the feed's latest only while there is a hold, or just
    /// after it was replaced.
    pub believed: Option<VersionId>,
    pub hold: Option<HoldMemory>,
    /// The version before the one in use, while the brake may still bring it back.
    pub replaced: Option<ReplacedMemory>,
    /// Every version that was read lacked members.
    pub is_uncertain: bool,
    /// It failed for longer than the room shows it.
    pub is_cleared: bool,
}

/// Meetings to come vanished whole and are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldMemory {
    pub since: UnixTime,
    /// The first of the successful pulls in a row that found nothing.
    pub empty_since: Option<UnixTime>,
    /// When it ends if pulls go on finding nothing; for people.
    pub until: UnixTime,
    /// Meetings to come that are kept.
    pub missing: usize,
    /// Whether rooms of one host lost everything together.
    pub is_brake: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedMemory {
    pub version: VersionId,
    pub at: UnixTime,
}

/// A meeting of an agenda and the feeds that it came from (digests of their ids; empty: unknown).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedMeeting {
    #[serde(flatten)]
    pub meeting: Meeting,
    pub feeds: Vec<Arc<str>>,
}

/// Of a pod; by its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodMemory {
    /// Whose display it is.
    pub room: Option<String>,
    pub device_id: Option<String>,
    /// The calendar mode, as it was found last.
    pub mode: Option<String>,
    pub mode_checked_at: Option<UnixTime>,
    /// What the pod was sent last and confirmed.
    pub sent: Option<Agenda>,
    pub sent_at: Option<UnixTime>,
    /// What the display showed under ids of our form before the first push of this ledger, as
    /// far as no reading accounted for it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Agenda>,
    /// A key of `PodState`.
    pub state: Option<String>,
    pub state_since: Option<UnixTime>,
    pub detail: Option<String>,
    /// The last time that it answered.
    pub seen_at: Option<UnixTime>,
    /// The last time that its display was looked at.
    pub checked_at: Option<UnixTime>,
    /// Pushes that failed in a row.
    pub failing: Option<FailingMemory>,
    /// No push before then, after one that failed.
    pub push_not_before: Option<UnixTime>,
    /// The pod asked to be left alone until then, and how often in a row.
    pub silent_until: Option<UnixTime>,
    /// How long that was, when it was asked for.
    pub silent_seconds: u64,
    pub throttled: u32,
    /// Corrections of what the display showed without our doing, in a row, and the last one.
    pub corrections: u32,
    pub corrected_at: Option<UnixTime>,
    /// Whether the display was in step when a poll looked at it last.
    pub was_in_step: bool,
    /// Pushes in a row that the pod accepted and was never seen to show, and the times of
    /// the latest ones.
    pub unshown: u32,
    pub unshown_at: Vec<UnixTime>,
    /// What the display showed after the last of them.
    pub echo: Option<Agenda>,
    /// How the pod is known to change the texts that it is sent.
    pub alteration: Option<Alteration>,
    /// How many meetings the pod is known to show at most.
    pub cap: Option<usize>,
    /// Whether it needs a while to show what it accepted.
    pub applies_late: bool,
    /// Whether it was in another calendar mode, another device or another room's since the
    /// last push that it accepted: what it shows may be somebody else's.
    pub shows_others: bool,
}

/// How a pod changes the texts of the meetings that it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alteration {
    pub title: TextAlteration,
    pub organizer: TextAlteration,
    pub description: TextAlteration,
}

/// How a pod changes one text: white space first, then upper and lower case, then length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextAlteration {
    pub spaces: Spaces,
    pub case: Case,
    /// Cut after so much.
    pub cut: Option<usize>,
    pub unit: CutUnit,
    /// What then stands at the end, in place of what was cut off.
    pub ellipsis: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spaces {
    #[default]
    Kept,
    Trimmed,
    /// Trimmed, and each run of white space is one blank.
    Collapsed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    #[default]
    Kept,
    Upper,
    Lower,
}

/// How the length of a text is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutUnit {
    #[default]
    Characters,
    /// As Java and JavaScript count.
    Utf16,
    Bytes,
}
