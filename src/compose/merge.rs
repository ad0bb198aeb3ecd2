//! The meetings of a room's feeds merged: each meeting once, the nearest ones, with unique ids.

use std::collections::{HashMap, HashSet};

use super::candidate::hide;
use super::{Candidate, FeedMeetings};
use crate::config::MeetingRules;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::time::UnixTime;
use crate::model::verdict::{Rule, Verdict};

/// What became of the feeds of a room when they were merged.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Nearest first, at most `rules.max`, with unique ids.
    pub meetings: Vec<MergedMeeting>,
    /// Of each feed, of each candidate.
    pub fates: Vec<Vec<Fate>>,
}

/// A meeting and the feeds that it stands in, by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedMeeting {
    pub meeting: Meeting,
    pub feeds: Vec<usize>,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Shown,
    /// Another feed has the same meeting, and that one is shown.
    Duplicate,
    /// The nearest `max` come before it.
    BeyondMax,
}

/// Merges the meetings of the feeds of a room.
///
/// A meeting that stands in two feeds is shown once: the same instance of the same
/// UID, or, across feeds, the same times and title. If one of the copies is
/// private, the meeting is.
#[must_use]
pub fn merge(feeds: &[&[Candidate]], rules: &MeetingRules) -> Merged {
    let mut merging = Merging::default();
    let mut fates: Vec<Vec<Fate>> = Vec::with_capacity(feeds.len());
    for (feed, candidates) in feeds.iter().enumerate() {
        fates.push(vec![Fate::Shown; candidates.len()]);
        for (place, candidate) in candidates.iter().enumerate() {
            if let Some((feed, place)) = merging.add(feed, place, candidate)
                && let Some(fate) = fates.get_mut(feed).and_then(|fates| fates.get_mut(place))
            {
                *fate = Fate::Duplicate;
            }
        }
    }
    let mut kept = merging.kept;
    kept.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut ids = HashSet::new();
    let mut meetings = Vec::new();
    for (number, kept) in kept.into_iter().enumerate() {
        if number >= rules.max {
            if let Some(fate) = fates
                .get_mut(kept.feed)
                .and_then(|fates| fates.get_mut(kept.place))
            {
                *fate = Fate::BeyondMax;
            }
            continue;
        }
        let mut meeting = kept.candidate.meeting.clone();
        if kept.is_private && !kept.candidate.is_private {
            hide(&mut meeting, rules);
        }
        // One UID in two feeds at different times.
        let mut nth = 1;
        while !ids.insert(meeting.id.clone()) {
            nth += 1;
            meeting.id = MeetingId::new(kept.candidate.meeting.id.as_str(), &format!("#{nth}"));
        }
        meetings.push(MergedMeeting {
            meeting,
            feeds: kept.feeds,
        });
    }
    Merged { meetings, fates }
}

/// Every verdict on the feeds of a room, in the order of the feeds.
#[must_use]
pub fn verdicts(feeds: Vec<FeedMeetings>, merged: &Merged, rules: &MeetingRules) -> Vec<Verdict> {
    let mut all = Vec::new();
    for (feed, meetings) in feeds.into_iter().enumerate() {
        all.extend(meetings.left_out);
        for (place, mut verdict) in meetings.shown.into_iter().enumerate() {
            match merged.fates.get(feed).and_then(|fates| fates.get(place)) {
                Some(Fate::Duplicate) => verdict.rule = Rule::Duplicate,
                Some(Fate::BeyondMax) => verdict.rule = Rule::BeyondMax { max: rules.max },
                Some(Fate::Shown) | None => {}
            }
            all.push(verdict);
        }
    }
    all
}

/// Candidates of several feeds, each meeting once.
#[derive(Default)]
struct Merging<'a> {
    by_instance: HashMap<(&'a MeetingId, UnixTime), usize>,
    by_face: HashMap<(UnixTime, UnixTime, u64), Vec<usize>>,
    kept: Vec<Kept<'a>>,
}

struct Kept<'a> {
    feed: usize,
    place: usize,
    candidate: &'a Candidate,
    /// Of this copy, or of one that it stands for.
    is_private: bool,
    feeds: Vec<usize>,
}

impl Kept<'_> {
    fn order(&self) -> (UnixTime, UnixTime, &MeetingId) {
        let meeting = &self.candidate.meeting;
        (meeting.start_time, meeting.end_time, &meeting.id)
    }
}

impl<'a> Merging<'a> {
    /// The feed and place of the copy that is not shown, where there is one.
    fn add(
        &mut self,
        feed: usize,
        place: usize,
        candidate: &'a Candidate,
    ) -> Option<(usize, usize)> {
        let meeting = &candidate.meeting;
        let instance = (&meeting.id, meeting.start_time);
        let face = candidate
            .face
            .map(|face| (meeting.start_time, meeting.end_time, face));
        let elsewhere = |face| {
            let places = self.by_face.get(&face)?;
            places
                .iter()
                .copied()
                .find(|&place| self.kept.get(place).is_some_and(|other| other.feed != feed))
        };
        // Without a title there is nothing to know a copy by.
        let copy = self
            .by_instance
            .get(&instance)
            .copied()
            .or_else(|| face.and_then(elsewhere));
        if let Some(other) = copy.and_then(|place| self.kept.get_mut(place)) {
            other.is_private |= candidate.is_private;
            if !other.feeds.contains(&feed) {
                other.feeds.push(feed);
            }
            if candidate.richness > other.candidate.richness {
                let not_shown = (other.feed, other.place);
                (other.feed, other.place, other.candidate) = (feed, place, candidate);
                return Some(not_shown);
            }
            return Some((feed, place));
        }
        self.by_instance.insert(instance, self.kept.len());
        if let Some(face) = face {
            self.by_face.entry(face).or_default().push(self.kept.len());
        }
        self.kept.push(Kept {
            feed,
            place,
            candidate,
            is_private: candidate.is_private,
            feeds: vec![feed],
        });
        None
    }
}
