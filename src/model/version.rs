//! One version of a feed: what a pull that succeeded left behind, reduced and packed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::time::UnixTime;

/// Tells versions of one feed apart: the same content has the same number, also
/// after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(pub u64);

/// Sixteen hexadecimal digits.
impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A reduced and compressed copy of a feed, as it was at one pull. Shared, never changed.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedVersion {
    pub id: VersionId,
    /// One for an ICS document, one for each resource of a CalDAV collection.
    pub items: Vec<KeptItem>,
    /// What the reduction left out: a clock or a filter that differs makes it unusable.
    pub reduction: Reduction,
    /// Members that are listed and were never had; nothing may be concluded from
    /// what this version lacks while there are any.
    pub missing: Vec<String>,
    /// Parts that could not be read as they were meant, and zones that nobody knows.
    pub trouble: Trouble,
}

/// From which time on and for which filters a version is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduction {
    /// Whatever ended before may be missing.
    pub from: UnixTime,
    /// Digests of the filters (`only`) whose events are kept; empty: every event.
    pub filters: BTreeSet<String>,
}

impl Reduction {
    /// Whether a version reduced so serves a room with that filter at that time.
    #[must_use]
    pub fn serves(&self, filter: &str, now: UnixTime) -> bool {
        self.from <= now && self.has(filter)
    }

    /// Whether the events of that filter were kept, whatever the time is.
    #[must_use]
    pub fn has(&self, filter: &str) -> bool {
        self.filters.is_empty() || self.filters.contains(filter)
    }
}

/// What was wrong with a calendar that could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Entries that could not be read as they were meant.
    pub entries: usize,
    /// Names of time zones that are defined nowhere, cleaned.
    pub unknown_zones: Vec<String>,
}

/// One calendar object of a version.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptItem {
    /// See [`FeedItem::href`](super::item::FeedItem::href).
    pub href: String,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// SHA-256 of the unpacked body.
    pub digest: [u8; 32],
    pub body: PackedBody,
}

/// A body, deflated where that makes it smaller.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedBody {
    pub bytes: Arc<[u8]>,
    /// `None`: stored as it came.
    pub inflated_bytes: Option<usize>,
}

/// Numbers only: hrefs and bodies do not reach a log by accident.
impl fmt::Debug for FeedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedVersion")
            .field("id", &self.id)
            .field("items", &self.items.len())
            .field("missing", &self.missing.len())
            .finish_non_exhaustive()
    }
}
