//! The meetings of a display as a whole, and the difference between two such sets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::meeting::{Meeting, MeetingId};
use super::time::UnixTime;

/// The full set of meetings of a display: sorted by start, end and id, ids unique. Clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Agenda(Arc<[Meeting]>);

impl Agenda {
    /// Sorts; of meetings with one id the first in that order is kept.
    #[must_use]
    pub fn new(mut meetings: Vec<Meeting>) -> Self {
        meetings.sort_by(|a, b| {
            (a.start_time, a.end_time, &a.id).cmp(&(b.start_time, b.end_time, &b.id))
        });
        let mut seen = std::collections::HashSet::new();
        meetings.retain(|meeting| seen.insert(meeting.id.clone()));
        Self(meetings.into())
    }

    #[must_use]
    pub fn meetings(&self) -> &[Meeting] {
        &self.0
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether people in front of the display see the same. Ids and order do not
    /// show: some feeds give every event a new UID at each download.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        // Nearly always it is the very same set.
        std::ptr::eq(self, other)
            || self == other
            || (self.len() == other.len() && sorted_faces(self) == sorted_faces(other))
    }

    /// What is left of it at that time: meetings that have not ended.
    #[must_use]
    pub fn still_to_come(&self, now: UnixTime) -> Self {
        Self(
            self.0
                .iter()
                .filter(|meeting| meeting.end_time > now)
                .cloned()
                .collect(),
        )
    }
}

type Face<'a> = (UnixTime, UnixTime, &'a str, &'a str, &'a str);

fn sorted_faces(agenda: &Agenda) -> Vec<Face<'_>> {
    let mut faces: Vec<_> = agenda.0.iter().map(Meeting::face).collect();
    faces.sort_unstable();
    faces
}

/// What has to happen to one agenda to make it another, by meeting id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub added: Vec<Meeting>,
    pub removed: Vec<Meeting>,
    pub changed: Vec<Changed>,
}

/// The same meeting before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub before: Meeting,
    pub after: Meeting,
}

impl Changes {
    #[must_use]
    pub fn between(before: &Agenda, after: &Agenda) -> Self {
        let mut old: BTreeMap<&MeetingId, &Meeting> = before
            .0
            .iter()
            .map(|meeting| (&meeting.id, meeting))
            .collect();
        let mut changes = Self::default();
        for meeting in after.meetings() {
            match old.remove(&meeting.id) {
                None => changes.added.push(meeting.clone()),
                Some(same) if same.looks_like(meeting) => {}
                Some(other) => changes.changed.push(Changed {
                    before: other.clone(),
                    after: meeting.clone(),
                }),
            }
        }
        changes.removed = before
            .0
            .iter()
            .filter(|meeting| old.contains_key(&meeting.id))
            .cloned()
            .collect();
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(id: &str, start: i64, title: &str) -> Meeting {
        Meeting {
            id: MeetingId::from_text(id),
            title: title.into(),
            organizer: "".into(),
            description: None,
            start_time: UnixTime::from_seconds(start),
            end_time: UnixTime::from_seconds(start + 60),
        }
    }

    #[test]
    fn an_agenda_is_sorted_and_its_ids_are_unique() {
        let agenda = Agenda::new(vec![
            meeting("b", 60, "B"),
            meeting("a", 60, "A"),
            meeting("b", 0, "B first"),
        ]);
        let order: Vec<_> = agenda
            .meetings()
            .iter()
            .map(|m| (m.id.as_str(), &*m.title))
            .collect();
        assert_eq!(order, [("b", "B first"), ("a", "A")]);
    }

    #[test]
    fn new_ids_alone_do_not_change_what_is_seen() {
        let before = Agenda::new(vec![meeting("1", 0, "A"), meeting("2", 0, "B")]);
        let after = Agenda::new(vec![meeting("3", 0, "B"), meeting("4", 0, "A")]);
        assert!(before.looks_like(&after));
        assert!(!before.looks_like(&Agenda::new(vec![meeting("1", 0, "A")])));
    }

    #[test]
    fn changes_name_what_came_went_and_became_different() {
        let before = Agenda::new(vec![
            meeting("a", 0, "A"),
            meeting("b", 60, "B"),
            meeting("c", 120, "C"),
        ]);
        let after = Agenda::new(vec![
            meeting("a", 0, "A"),
            meeting("b", 90, "B"),
            meeting("d", 120, "D"),
        ]);
        let changes = Changes::between(&before, &after);
        assert_eq!(changes.added, [meeting("d", 120, "D")]);
        assert_eq!(changes.removed, [meeting("c", 120, "C")]);
        assert_eq!(
            changes.changed,
            [Changed {
                before: meeting("b", 60, "B"),
                after: meeting("b", 90, "B")
            }]
        );
        assert_eq!(Changes::between(&before, &before), Changes::default());
    }

    #[test]
    fn a_meeting_has_ended_at_its_end() {
        let agenda = Agenda::new(vec![meeting("a", 0, "A"), meeting("b", 60, "B")]);
        assert_eq!(agenda.still_to_come(UnixTime::from_seconds(59)).len(), 2);
        assert_eq!(agenda.still_to_come(UnixTime::from_seconds(60)).len(), 1);
    }
}
