//! The filters by which a calendar is reduced, and which of them an event matches.

use crate::config::Only;
use crate::model::occurrence::Details;

/// The filters of the rooms, but for those that let everything through.
pub(super) struct Filters<'a> {
    filters: Vec<(&'a Only, String)>,
    /// Some room shows every event.
    pub(super) everything: bool,
}

impl<'a> Filters<'a> {
    pub(super) fn new(filters: &[&'a Only]) -> Self {
        let everything = filters.is_empty() || filters.iter().any(|only| only.is_everything());
        let narrow = filters.iter().filter(|only| !only.is_everything());
        let mut filters: Vec<_> = narrow.map(|only| (*only, only.digest())).collect();
        filters.sort_by(|(_, a), (_, b)| a.cmp(b));
        filters.dedup_by(|(_, a), (_, b)| a == b);
        Self {
            filters,
            everything,
        }
    }

    /// The digests of those that an event matches.
    pub(super) fn matched(&self, details: &Details) -> Vec<String> {
        let matches = |only: &Only, digest: &String| match &details.only_matched {
            Some(matched) => matched.contains(digest),
            None => only.missed(details).is_none(),
        };
        let matched = self
            .filters
            .iter()
            .filter(|(only, digest)| matches(only, digest));
        matched.map(|(_, digest)| digest.clone()).collect()
    }
}
