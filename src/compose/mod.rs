//! Occurrences to the agenda of a display: what a display may show, and how.
//! Pure.

pub(crate) mod filter;
mod plain;
pub(crate) mod text;

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Description, MeetingRules, Only};
use crate::model::agenda::Agenda;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::occurrence::{Details, Occurrence};
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::{Rule, Subject, Verdict};

pub use plain::plain;

/// What one feed of a room brought.
#[derive(Clone, Copy, Debug)]
pub struct FromFeed<'a> {
    pub occurrences: &'a [Occurrence],
    pub only: &'a Only,
}

/// The agenda of a room's displays, and why each instance is on it or not.
#[derive(Clone, Debug, Default)]
pub struct Composed {
    pub agenda: Agenda,
    /// One for each occurrence.
    pub verdicts: Vec<Verdict>,
}

/// Composes what a display shows of the feeds of a room in a window, whose start is now.
#[must_use]
pub fn agenda(feeds: &[FromFeed<'_>], rules: &MeetingRules, window: Window) -> Composed {
    let feeds: Vec<FeedMeetings> = feeds
        .iter()
        .map(|from| of_feed(from.occurrences, from.only, rules, window))
        .collect();
    let candidates: Vec<&[Candidate]> = feeds
        .iter()
        .map(|feed| feed.candidates.as_slice())
        .collect();
    let merged = merge(&candidates, rules);
    let meetings = merged.meetings.iter().map(|one| one.meeting.clone());
    Composed {
        agenda: Agenda::new(meetings.collect()),
        verdicts: verdicts(feeds, &merged, rules),
    }
}

/// The meetings of one feed by the rules of one room, before they are merged with
/// those of the room's other feeds.
#[derive(Clone, Debug, Default)]
pub struct FeedMeetings {
    /// Sorted by start.
    pub candidates: Vec<Candidate>,
    /// Of each candidate, in the same order: shown, unless merging decides otherwise.
    pub shown: Vec<Verdict>,
    pub left_out: Vec<Verdict>,
}

/// Applies the rules of a room to the occurrences of one feed.
#[must_use]
pub fn of_feed(
    occurrences: &[Occurrence],
    only: &Only,
    rules: &MeetingRules,
    window: Window,
) -> FeedMeetings {
    let mut meetings = FeedMeetings::default();
    let mut kept: Vec<&Occurrence> = Vec::new();
    for occurrence in occurrences {
        match filter::left_out(occurrence, only, rules).or_else(|| out_of_time(occurrence, window))
        {
            Some(rule) => meetings.left_out.push(verdict(occurrence, rule)),
            None => kept.push(occurrence),
        }
    }
    let mut shown = one_of_each_instance(kept, &mut meetings.left_out);
    shown.sort_by_key(|instance| instance.order());
    let mut ids = Ids::default();
    let mut texts: HashMap<*const Details, Texts> = HashMap::new();
    for instance in shown {
        let details = &instance.occurrence.details;
        let texts = texts
            .entry(Arc::as_ptr(details))
            .or_insert_with(|| Texts::of(details, rules));
        let rule = if instance.is_private {
            Rule::ShownPrivate
        } else {
            Rule::Shown
        };
        meetings.shown.push(verdict(instance.occurrence, rule));
        meetings
            .candidates
            .push(instance.candidate(&mut ids, texts, rules));
    }
    meetings
}

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
    let mut ids = std::collections::HashSet::new();
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

/// Cuts the texts of a meeting that was composed before down to what may be shown now.
pub fn restrict(meeting: &mut Meeting, rules: &MeetingRules) {
    if rules.hide_titles {
        meeting.title = hidden_title(rules);
    }
    if rules.hide_organizers {
        meeting.organizer = Arc::default();
    }
    // A description says what a hidden title should not.
    let kept = meeting.description.take().filter(|_| !rules.hide_titles);
    meeting.description = match rules.description {
        Description::None => None,
        Description::Conference => kept.as_deref().and_then(text::links_of).map(Arc::from),
        Description::Full => kept,
    };
}

/// A meeting that a display may show, by the rules of its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub meeting: Meeting,
    pub is_private: bool,
    /// What a copy in another feed is known by besides its times: a digest of its title.
    /// `None` for events without one.
    face: Option<u64>,
    /// Of two copies the one that says more is kept.
    richness: u8,
}

impl Candidate {
    /// A meeting that was composed before, of which only what was shown is known.
    #[must_use]
    pub fn remembered(meeting: Meeting) -> Self {
        Self {
            is_private: false,
            face: face(&meeting.title),
            richness: 0,
            meeting,
        }
    }
}

/// An instance that a display may show.
struct Instance<'a> {
    occurrence: &'a Occurrence,
    /// Of this copy, or of one that it stands for.
    is_private: bool,
}

impl<'a> Instance<'a> {
    /// The nearest first; the others only make the order the same each time.
    fn order(&self) -> (UnixTime, UnixTime, &'a str, &'a str) {
        (
            self.occurrence.start,
            self.occurrence.end,
            &self.occurrence.details.uid,
            &self.occurrence.instance,
        )
    }

    fn candidate(&self, ids: &mut Ids<'a>, texts: &Texts, rules: &MeetingRules) -> Candidate {
        let mut meeting = Meeting {
            id: ids.next(self.occurrence),
            title: texts.title.clone(),
            organizer: texts.organizer.clone(),
            description: texts.description.clone(),
            start_time: self.occurrence.start,
            end_time: self.occurrence.end,
        };
        if self.is_private || rules.hide_titles {
            let organizer = std::mem::take(&mut meeting.organizer);
            hide(&mut meeting, rules);
            if !self.is_private {
                meeting.organizer = organizer;
            }
        }
        Candidate {
            meeting,
            is_private: self.is_private,
            face: texts.face,
            richness: texts.richness,
        }
    }
}

/// What a room shows of an event, the same for each of its instances.
struct Texts {
    title: Arc<str>,
    organizer: Arc<str>,
    description: Option<Arc<str>>,
    face: Option<u64>,
    richness: u8,
}

impl Texts {
    fn of(details: &Details, rules: &MeetingRules) -> Self {
        let title = details.summary.as_deref().and_then(text::title);
        Self {
            face: title.as_deref().and_then(face),
            title: title.map_or_else(|| untitled(rules), Arc::from),
            organizer: if rules.hide_organizers {
                Arc::default()
            } else {
                text::organizer(details).into()
            },
            description: description(details, rules.description).map(Arc::from),
            richness: richness(details),
        }
    }
}

/// Takes the text of a private event off a meeting.
fn hide(meeting: &mut Meeting, rules: &MeetingRules) {
    meeting.title = if rules.hide_titles {
        hidden_title(rules)
    } else {
        text::title(&rules.private_title).map_or_else(|| untitled(rules), Arc::from)
    };
    meeting.organizer = Arc::default();
    meeting.description = None;
}

fn hidden_title(rules: &MeetingRules) -> Arc<str> {
    text::title(&rules.hidden_title).map_or_else(|| untitled(rules), Arc::from)
}

fn untitled(rules: &MeetingRules) -> Arc<str> {
    text::title(&rules.untitled).map_or_else(|| "Busy".into(), Arc::from)
}

fn face(title: &str) -> Option<u64> {
    let hash = ring::digest::digest(&ring::digest::SHA256, title.to_lowercase().as_bytes());
    let first: [u8; 8] = hash.as_ref().get(..8)?.try_into().ok()?;
    Some(u64::from_be_bytes(first))
}

fn description(details: &Details, wanted: Description) -> Option<String> {
    match wanted {
        Description::None => None,
        Description::Conference => text::join_links(details),
        Description::Full => details
            .description
            .as_deref()
            .and_then(text::plain)
            .or_else(|| text::join_links(details)),
    }
}

fn out_of_time(occurrence: &Occurrence, window: Window) -> Option<Rule> {
    if occurrence.end <= window.from() {
        Some(Rule::Ended)
    } else if !window.overlaps(occurrence.start, occurrence.end) {
        Some(Rule::OutsideWindow)
    } else {
        None
    }
}

/// One of each instance: within a feed two different UIDs are two meetings, even with
/// the same title at the same time.
fn one_of_each_instance<'a>(
    occurrences: Vec<&'a Occurrence>,
    left_out: &mut Vec<Verdict>,
) -> Vec<Instance<'a>> {
    let mut places: HashMap<(&str, &str, UnixTime), usize> = HashMap::new();
    let mut kept: Vec<Instance<'a>> = Vec::new();
    for occurrence in occurrences {
        let details = &occurrence.details;
        let is_private = filter::is_private(details);
        let instance = (
            details.uid.as_str(),
            occurrence.instance.as_str(),
            occurrence.start,
        );
        let place = places.get(&instance).copied();
        match place.and_then(|place| kept.get_mut(place)) {
            Some(other) => {
                other.is_private |= is_private;
                if richness(details) > richness(&other.occurrence.details) {
                    left_out.push(verdict(other.occurrence, Rule::Duplicate));
                    other.occurrence = occurrence;
                } else {
                    left_out.push(verdict(occurrence, Rule::Duplicate));
                }
            }
            None => {
                places.insert(instance, kept.len());
                kept.push(Instance {
                    occurrence,
                    is_private,
                });
            }
        }
    }
    kept
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

/// Of two copies the one that says more is kept.
fn richness(details: &Details) -> u8 {
    let said = [
        details.summary.is_some(),
        details.organizer.is_some(),
        text::join_links(details).is_some(),
    ];
    said.into_iter().map(u8::from).sum()
}

/// Ids that are unique within one set, also where a feed repeats a UID.
#[derive(Default)]
struct Ids<'a> {
    used: HashMap<(&'a str, &'a str), u32>,
}

impl<'a> Ids<'a> {
    fn next(&mut self, occurrence: &'a Occurrence) -> MeetingId {
        let (uid, instance) = (&occurrence.details.uid, &occurrence.instance);
        let times = self.used.entry((uid, instance)).or_default();
        *times += 1;
        match *times {
            1 => MeetingId::new(uid, instance),
            nth => MeetingId::new(uid, &format!("{instance}#{nth}")),
        }
    }
}

fn verdict(occurrence: &Occurrence, rule: Rule) -> Verdict {
    Verdict {
        subject: Subject::Event(occurrence.details.clone()),
        start: Some(occurrence.start),
        end: Some(occurrence.end),
        rule,
    }
}

#[cfg(test)]
mod tests;
