//! What stays on the displays although no reading accounts for it, and in which words.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::RoomController;
use super::part::Part;
use crate::compose::{self, MergedMeeting};
use crate::control::mutation::{self, Mutation};
use crate::control::now::Now;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::memory::RememberedMeeting;

impl RoomController {
    /// Before anything is composed, what is to be hidden by the rules of today is hidden in
    /// what was shown last: no clock that is doubted and no feed that fails puts that off.
    pub(super) fn hide(&mut self) {
        if !self.is_known {
            return;
        }
        let rules = &self.settings.room.meetings;
        for one in Arc::make_mut(&mut self.last) {
            if !mutation::is(Mutation::KeptIsNotRestricted) {
                compose::restrict(&mut one.meeting, rules);
            }
        }
        self.set_wanted();
    }

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
                && (one.feeds.iter().any(|feed| unread.contains(&**feed))
                    || !self.comes_from_configured(one))
        };
        self.last.iter().filter(stays).cloned().collect()
    }

    fn comes_from_configured(&self, one: &RememberedMeeting) -> bool {
        let mut ids = self.parts.iter().map(|part| part.id.as_str());
        ids.any(|id| one.feeds.iter().any(|feed| **feed == *id))
    }

    /// Whether a reading of one of its feeds has a kept meeting, at whatever time; of one whose
    /// feeds are no longer configured, any reading that did not have another one of that name
    /// beside it before.
    pub(super) fn is_replaced(&self, one: &RememberedMeeting, now: Now) -> bool {
        let has =
            |feeds: &[Arc<str>], part: &Part| feeds.iter().any(|id| **id == *part.id.as_str());
        let is_orphan = !self.comes_from_configured(one);
        // As `compose::merge` calls the second of that name.
        let second = MeetingId::new(one.meeting.id.as_str(), "#2");
        let was_beside = |part: &Part, meeting: &Meeting| {
            let mut others = self
                .last
                .iter()
                .filter(|other| other.meeting.id != one.meeting.id && has(&other.feeds, part));
            others.any(|other| {
                let other = &other.meeting;
                let is_then = other.start_time == meeting.start_time;
                other.id == second || (is_then && other.end_time == meeting.end_time)
            })
        };
        self.parts.iter().any(|part| {
            let mut same = part
                .to_come(now)
                .map(|candidate| &candidate.meeting)
                .filter(|meeting| meeting.id == one.meeting.id);
            match is_orphan {
                true => same.any(|meeting| !was_beside(part, meeting)),
                false => has(&one.feeds, part) && same.next().is_some(),
            }
        })
    }

    pub(super) fn remembered(
        &self,
        one: MergedMeeting,
        kept: &[RememberedMeeting],
    ) -> RememberedMeeting {
        // The place behind the last feed is that of the kept ones.
        let parts = one.feeds.iter().filter_map(|place| self.parts.get(*place));
        let mut feeds: Vec<Arc<str>> = parts.map(|part| part.id.key()).collect();
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
