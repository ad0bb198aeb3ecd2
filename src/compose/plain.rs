//! Instances without a room, for `podcal expand`.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Ids, filter, text};
use crate::model::meeting::Meeting;
use crate::model::occurrence::{Details, Occurrence};

/// The instances as they are: no room's rules, no privacy, also without length;
/// cancelled and free ones are left out. Sorted by start, end and id.
#[must_use]
pub fn plain(occurrences: &[Occurrence]) -> Vec<Meeting> {
    let mut ids = Ids::default();
    // The organizer and the links of an event, the same for each of its instances.
    let mut texts: HashMap<*const Details, (Arc<str>, Option<Arc<str>>)> = HashMap::new();
    let mut sorted: Vec<&Occurrence> = occurrences
        .iter()
        .filter(|occurrence| filter::not_taking_place(&occurrence.details).is_none())
        .collect();
    sorted.sort_by_key(|occurrence| (occurrence.start, occurrence.end));
    let mut meetings: Vec<Meeting> = sorted
        .into_iter()
        .map(|occurrence| {
            let details = &occurrence.details;
            let (organizer, links) = texts.entry(Arc::as_ptr(details)).or_insert_with(|| {
                let links = text::join_links(details);
                (text::organizer(details).into(), links.map(Arc::from))
            });
            Meeting {
                id: ids.next(occurrence),
                title: details.summary.as_deref().unwrap_or_default().into(),
                organizer: organizer.clone(),
                description: links.clone(),
                start_time: occurrence.start,
                end_time: occurrence.end,
            }
        })
        .collect();
    let are_together =
        |a: &Meeting, b: &Meeting| (a.start_time, a.end_time) == (b.start_time, b.end_time);
    for together in meetings.chunk_by_mut(are_together) {
        together.sort_by(|a, b| a.id.cmp(&b.id));
    }
    meetings
}
