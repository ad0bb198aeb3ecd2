//! What is remembered of a feed that is one document: its validators and a hash
//! of its bytes, so that the same bytes are no change whatever their headers say.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::model::digest::{hex, sha256};
use crate::model::item::{FeedItem, FeedState, Held, Pulled};

/// Kept with the body, as JSON in `FeedState`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// Of the whole body as it came; the ledger may keep less of it.
    hash: String,
    /// Whether the validators were too fresh to be relied upon.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
    /// When the whole body came last.
    #[serde(default)]
    pub whole_at: i64,
}

/// A body and the hash of it, which takes a while for a large one.
pub(super) struct Hashed {
    pub body: Bytes,
    hash: String,
}

impl Hashed {
    pub(super) fn new(body: Bytes) -> Self {
        Self {
            hash: hex(&sha256(&body)),
            body,
        }
    }
}

impl State {
    pub(super) fn new(etag: Option<String>, last_modified: Option<String>, body: &Hashed) -> Self {
        Self {
            etag,
            last_modified,
            hash: body.hash.clone(),
            doubtful: false,
            whole_at: 0,
        }
    }

    /// What belongs to the body that is held. Without the body there is nothing:
    /// a validator alone would earn a 304 and leave the room with nothing to show.
    pub(super) fn of(held: &Held) -> Option<Self> {
        if held.items.is_empty() {
            return None;
        }
        serde_json::from_str(held.state.0.as_deref()?).ok()
    }

    pub(super) fn feed_state(&self) -> FeedState {
        FeedState(serde_json::to_string(self).ok())
    }

    pub(super) fn unchanged(&self) -> Pulled {
        Pulled::Unchanged {
            state: self.feed_state(),
            missing: Vec::new(),
            server_date: None,
        }
    }

    /// What a whole body that was just read amounts to, beside what is held.
    pub(super) fn pulled(self, held: &Held, known: Option<&Self>, body: Bytes) -> Pulled {
        if known.is_some_and(|known| known.hash == self.hash) {
            return self.unchanged();
        }
        let state = self.feed_state();
        Pulled::Changed {
            items: vec![FeedItem {
                href: String::new(),
                etag: self.etag,
                last_modified: self.last_modified,
                body,
            }],
            removed: held
                .items
                .iter()
                .map(|item| item.href.clone())
                .filter(|href| !href.is_empty())
                .collect(),
            state,
            missing: Vec::new(),
            server_date: None,
        }
    }
}
