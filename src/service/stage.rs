//! The pure stages run one after the other for one version of a feed: unpack, read,
//! expand, apply the room's rules. For the blocking threads.

use std::time::Duration;

use crate::compose::{self, FeedMeetings};
use crate::config::{Only, Room};
use crate::expand;
use crate::ics::{self, Reading, TooLarge};
use crate::model::item::FeedItem;
use crate::model::time::Window;
use crate::model::version::{FeedVersion, KeptItem};

/// A stage that failed inside podcal is not tried again sooner.
pub const AFTER_A_PANIC: Duration = Duration::from_secs(60);

/// The meetings of a version by the rules of a room.
#[must_use]
pub fn meetings_of(
    version: &FeedVersion,
    place: usize,
    room: &Room,
    window: Window,
) -> FeedMeetings {
    meetings_in(reading_of(version), place, room, window)
}

/// The same, where no more than so many bytes may be taken for reading it.
///
/// # Errors
/// When it takes more.
pub fn meetings_within(
    version: &FeedVersion,
    place: usize,
    room: &Room,
    window: Window,
    memory: u64,
) -> Result<FeedMeetings, TooLarge> {
    let items = version.items.iter().filter_map(unpacked);
    let readings: Result<Vec<_>, _> = items
        .scan(memory, |left, item| {
            *left = left.saturating_sub(item.body.len() as u64);
            Some(ics::read_for_within(&item, window, *left))
        })
        .collect();
    let readings = readings?.into_iter().flatten().collect();
    Ok(meetings_in(ics::merge(readings), place, room, window))
}

fn meetings_in(reading: Reading, place: usize, room: &Room, window: Window) -> FeedMeetings {
    let everything = Only::default();
    let only = room.feeds.get(place).map_or(&everything, |feed| &feed.only);
    let expansion = expand::expand(&reading.series, window, &room.zone);
    let mut meetings = compose::of_feed(&expansion.occurrences, only, &room.meetings, window);
    meetings.left_out.extend(reading.verdicts);
    meetings.left_out.extend(expansion.verdicts);
    meetings
}

/// Everything that a version holds, read.
#[must_use]
pub fn reading_of(version: &FeedVersion) -> Reading {
    let items = version.items.iter().filter_map(unpacked);
    ics::merge(items.filter_map(|item| ics::read(&item).ok()).collect())
}

/// `None` where the body is damaged; the ledger checks bodies when it hands them out.
fn unpacked(item: &KeptItem) -> Option<FeedItem> {
    Some(FeedItem {
        href: item.href.clone(),
        etag: item.etag.clone(),
        last_modified: item.last_modified.clone(),
        body: item.body.unpack()?,
    })
}
