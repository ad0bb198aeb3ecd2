//! What is held of a feed, for the next pull.

use crate::model::item::{FeedItem, FeedState, Held};
use crate::model::version::FeedVersion;

/// What is held, as the client needs it to ask for what changed: it compares names and
/// validators, so the bodies stay packed.
pub(super) fn held(version: &FeedVersion, state: Option<&str>) -> Held {
    let items = version.items.iter().map(|item| FeedItem {
        href: item.href.clone(),
        etag: item.etag.clone(),
        last_modified: item.last_modified.clone(),
        body: item.body.as_held(),
    });
    Held {
        items: items.collect(),
        state: FeedState(state.map(str::to_owned)),
    }
}

/// The unpacked size of what is held.
pub(super) fn size(version: &FeedVersion) -> u64 {
    let sizes = version.items.iter().map(|item| item.body.size() as u64);
    sizes.sum()
}
