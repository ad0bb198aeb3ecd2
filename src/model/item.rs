//! What feeds hand on: calendar objects as bytes, with where they came from.

use std::fmt;

use bytes::Bytes;

use super::time::UnixTime;

/// One calendar object: an ICS document is a feed with one item, a CalDAV
/// collection has one for each resource.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedItem {
    /// The path of the resource in its collection as the server spells it;
    /// empty for an ICS document.
    pub href: String,
    /// The entity tag that came with the body.
    pub etag: Option<String>,
    /// The `Last-Modified` that came with the body, as sent.
    pub last_modified: Option<String>,
    pub body: Bytes,
}

/// The size stands for the body: meeting text does not reach a log by accident.
impl fmt::Debug for FeedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedItem")
            .field("size_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What the ledger holds of a feed, given back to the client that pulled it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub items: Vec<FeedItem>,
    /// What the client left for itself at the last pull, such as a sync-token.
    pub state: FeedState,
}

/// What a feed client remembers between two pulls; opaque to everything else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FeedState(pub Option<String>);

/// A sync-token or a discovered address may be secret.
impl fmt::Debug for FeedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "FeedState(some)"
        } else {
            "FeedState(none)"
        })
    }
}

/// What one pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Nothing changed since what is held; the state may have moved on.
    Unchanged {
        state: FeedState,
        missing: Vec<String>,
        server_date: Option<UnixTime>,
    },
    /// Items that are new or different, and the hrefs of those that are gone.
    Changed {
        items: Vec<FeedItem>,
        removed: Vec<String>,
        state: FeedState,
        missing: Vec<String>,
        server_date: Option<UnixTime>,
    },
}

impl Pulled {
    /// The `Date` of the last answer, which tells a wrong clock here.
    #[must_use]
    pub fn server_date(&self) -> Option<UnixTime> {
        match self {
            Self::Unchanged { server_date, .. } | Self::Changed { server_date, .. } => *server_date,
        }
    }

    /// The same, with the `Date` of the last answer.
    #[must_use]
    pub fn dated(mut self, date: Option<UnixTime>) -> Self {
        match &mut self {
            Self::Unchanged { server_date, .. } | Self::Changed { server_date, .. } => {
                *server_date = date;
            }
        }
        self
    }
}
