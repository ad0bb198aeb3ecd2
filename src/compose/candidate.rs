//! A meeting that a display may show, made of an occurrence by the rules of its room.

use std::collections::HashMap;
use std::sync::Arc;

use super::text;
use crate::config::{Description, MeetingRules};
use crate::model::digest::sha256;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::occurrence::{Details, Occurrence};
use crate::model::time::UnixTime;

/// A meeting that a display may show, by the rules of its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub meeting: Meeting,
    pub is_private: bool,
    /// What a copy in another feed is known by besides its times: a digest of its title.
    /// `None` for events without one.
    pub(super) face: Option<u64>,
    /// Of two copies the one that says more is kept.
    pub(super) richness: u8,
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
pub(super) struct Instance<'a> {
    pub occurrence: &'a Occurrence,
    /// Of this copy, or of one that it stands for.
    pub is_private: bool,
}

impl<'a> Instance<'a> {
    /// The nearest first; the others only make the order the same each time.
    pub fn order(&self) -> (UnixTime, UnixTime, &'a str, &'a str) {
        (
            self.occurrence.start,
            self.occurrence.end,
            &self.occurrence.details.uid,
            &self.occurrence.instance,
        )
    }

    pub fn candidate(&self, ids: &mut Ids<'a>, texts: &Texts, rules: &MeetingRules) -> Candidate {
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
pub(super) struct Texts {
    title: Arc<str>,
    organizer: Arc<str>,
    description: Option<Arc<str>>,
    face: Option<u64>,
    richness: u8,
}

impl Texts {
    pub fn of(details: &Details, rules: &MeetingRules) -> Self {
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
pub(super) fn hide(meeting: &mut Meeting, rules: &MeetingRules) {
    meeting.title = if rules.hide_titles {
        hidden_title(rules)
    } else {
        text::title(&rules.private_title).map_or_else(|| untitled(rules), Arc::from)
    };
    meeting.organizer = Arc::default();
    meeting.description = None;
}

pub(super) fn hidden_title(rules: &MeetingRules) -> Arc<str> {
    text::title(&rules.hidden_title).map_or_else(|| untitled(rules), Arc::from)
}

fn untitled(rules: &MeetingRules) -> Arc<str> {
    text::title(&rules.untitled).map_or_else(|| "Busy".into(), Arc::from)
}

fn face(title: &str) -> Option<u64> {
    let hash = sha256(title.to_lowercase().as_bytes());
    let first: [u8; 8] = hash.get(..8)?.try_into().ok()?;
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

/// Of two copies the one that says more is kept.
pub(super) fn richness(details: &Details) -> u8 {
    let said = [
        details.summary.is_some(),
        details.organizer.is_some(),
        text::join_links(details).is_some(),
    ];
    said.into_iter().map(u8::from).sum()
}

/// Ids that are unique within one set, also where a feed repeats a UID.
#[derive(Default)]
pub(super) struct Ids<'a> {
    used: HashMap<(&'a str, &'a str), u32>,
}

impl<'a> Ids<'a> {
    pub fn next(&mut self, occurrence: &'a Occurrence) -> MeetingId {
        let (uid, instance) = (&occurrence.details.uid, &occurrence.instance);
        let times = self.used.entry((uid, instance)).or_default();
        *times += 1;
        match *times {
            1 => MeetingId::new(uid, instance),
            nth => MeetingId::new(uid, &format!("{instance}#{nth}")),
        }
    }
}
