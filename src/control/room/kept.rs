//! Meetings that stay on the display although no reading has them now.

use std::collections::BTreeSet;

use super::RoomController;
use super::part::Part;
use crate::compose::MergedMeeting;
use crate::control::mutation::{self, Mutation};
use crate::control::now::Now;
use crate::model::memory::RememberedMeeting;

impl RoomController {
    /// Meetings of the last agenda that no reading accounts for: of a feed that was never
    /// read, or of one that is no longer configured while a successor was never read. They
    /// stay until they end.
    pub(super) fn kept_meetings(&self, now: Now) -> Vec<RememberedMeeting> {
        let unread: BTreeSet<&str> = self
            .parts
            .iter()
            .filter(|part| part.is_unsure())
            .map(|part| part.id.as_str())
            .collect();
        if unread.is_empty() || mutation::is(Mutation::UnreadTakesAway) {
            return Vec::new();
        }
        let stays = |one: &&RememberedMeeting| {
            one.meeting.end_time > now.wall
                && (one.feeds.iter().any(|feed| unread.contains(feed.as_str()))
                    || !self.comes_from_configured(one))
        };
        self.last.iter().filter(stays).cloned().collect()
    }

    fn comes_from_configured(&self, one: &RememberedMeeting) -> bool {
        let mut ids = self.parts.iter().map(|part| part.id.as_str());
        ids.any(|id| one.feeds.iter().any(|feed| feed == id))
    }

    /// Whether a reading of one of its feeds has a kept meeting, at whatever time; of one whose
    /// feeds are no longer configured, any reading.
    pub(super) fn is_replaced(&self, one: &RememberedMeeting, now: Now) -> bool {
        let is_orphan = !self.comes_from_configured(one);
        let is_its_own = |part: &&Part| {
            is_orphan
                || one
                    .feeds
                    .iter()
                    .any(|feed| feed.as_str() == part.id.as_str())
        };
        let mut parts = self.parts.iter().filter(is_its_own);
        parts.any(|part| {
            part.to_come(now)
                .any(|candidate| candidate.meeting.id == one.meeting.id)
        })
    }

    pub(super) fn remembered(
        &self,
        one: MergedMeeting,
        kept: &[RememberedMeeting],
    ) -> RememberedMeeting {
        let mut feeds: Vec<String> = Vec::new();
        for place in &one.feeds {
            // The place behind the last feed is that of the kept ones.
            if let Some(part) = self.parts.get(*place) {
                feeds.push(part.id.as_str().to_owned());
            }
        }
        // Whatever an unread feed had of it before still counts.
        let before = kept.iter().filter(|kept| kept.meeting.id == one.meeting.id);
        for feed in before.flat_map(|kept| &kept.feeds) {
            if !feeds.contains(feed) {
                feeds.push(feed.clone());
            }
        }
        RememberedMeeting {
            meeting: one.meeting,
            feeds,
        }
    }
}
