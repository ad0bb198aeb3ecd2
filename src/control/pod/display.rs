//! What a display shows against what it should show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::alteration;
use crate::compose;
use crate::config::MeetingRules;
use crate::control::mutation::{self, Mutation};
use crate::control::published::Wanted;
use crate::model::agenda::Agenda;
use crate::model::meeting::Meeting;
use crate::model::memory::Alteration;
use crate::model::time::UnixTime;

/// A pod may drop a meeting so much before it ends; its clock is not ours.
pub const TOLERANCE: Duration = Duration::from_secs(120);

/// What a display shows, seen against a set of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Every meeting, with our texts, or as this pod is known to change them.
    Same,
    /// Only the nearest ones, and nothing else.
    Nearest {
        shown: usize,
        of: usize,
    },
    /// Nothing that is still to come.
    Empty,
    /// The same times, with other texts.
    OtherTexts,
    Other,
}

/// Compares what is shown with a set of ours. `now` is `None` while the clock is not believed:
/// then no meeting counts as ended.
#[must_use]
pub fn compare(
    shown: &Agenda,
    ours: &Agenda,
    known: Option<&Alteration>,
    now: Option<UnixTime>,
) -> Comparison {
    if std::ptr::eq(shown, ours) || shown == ours {
        return Comparison::Same;
    }
    if mutation::is(Mutation::TimesAreEnough) && times(shown, now) == times(ours, now) {
        return Comparison::Same;
    }
    let matched = matched(shown, ours, known);
    let last_matched = matched.ours.iter().rposition(|matched| *matched);
    let is_missing = |(meeting, matched): (&Meeting, &bool)| !matched && is_to_come(meeting, now);
    let first_missing = ours
        .meetings()
        .iter()
        .zip(&matched.ours)
        .position(is_missing);
    let is_foreign = |(meeting, matched): (&Meeting, &bool)| {
        !matched && (is_to_come(meeting, now) || now.is_some_and(|now| meeting.end_time <= now))
    };
    let has_foreign = shown.meetings().iter().zip(&matched.shown).any(is_foreign);
    if first_missing.is_none() && !has_foreign {
        return Comparison::Same;
    }
    let is_over = |meeting: &Meeting| now.is_some_and(|now| meeting.end_time <= now);
    if shown.meetings().iter().all(is_over) && first_missing.is_some() {
        return Comparison::Empty;
    }
    if !has_foreign
        && let Some(last) = last_matched
        && first_missing.is_some_and(|first| first > last)
    {
        return Comparison::Nearest {
            // What the pod dropped because it is about to end counts as shown.
            shown: ours
                .meetings()
                .iter()
                .zip(&matched.ours)
                .filter(|(meeting, matched)| **matched || !is_to_come(meeting, now))
                .count(),
            of: ours.len(),
        };
    }
    if first_missing.is_some() && times(shown, now) == times(ours, now) {
        return Comparison::OtherTexts;
    }
    Comparison::Other
}

/// A comparison that holds until one of the meetings ends, or something changes.
#[derive(Debug)]
pub struct Compared {
    shown: Arc<Agenda>,
    ours: Arc<Agenda>,
    from: Option<UnixTime>,
    until: UnixTime,
    comparison: Comparison,
}

impl Compared {
    #[must_use]
    pub fn new(
        shown: Arc<Agenda>,
        ours: Arc<Agenda>,
        known: Option<&Alteration>,
        now: Option<UnixTime>,
    ) -> Self {
        let meetings = shown.meetings().iter().chain(ours.meetings());
        let ends = meetings.flat_map(|one| [one.end_time.minus(TOLERANCE), one.end_time]);
        let later = ends.filter(|end| now.is_some_and(|now| *end > now));
        Self {
            until: later.min().unwrap_or(UnixTime::MAX),
            comparison: compare(&shown, &ours, known, now),
            from: now,
            shown,
            ours,
        }
    }

    /// The comparison, where it is of these very sets and holds at that time.
    #[must_use]
    pub fn of(&self, shown: &Agenda, ours: &Agenda, now: Option<UnixTime>) -> Option<Comparison> {
        let holds = match (self.from, now) {
            (Some(from), Some(now)) => from <= now && now < self.until,
            (from, now) => from == now,
        };
        let is_it = |one: &Arc<Agenda>, other: &Agenda| std::ptr::eq(&raw const **one, other);
        (holds && is_it(&self.shown, shown) && is_it(&self.ours, ours)).then_some(self.comparison)
    }
}

struct Matched {
    ours: Vec<bool>,
    shown: Vec<bool>,
}

/// Which meetings of both sets belong together: those with our texts first, then those with
/// texts that the pod is known to change.
fn matched(shown: &Agenda, ours: &Agenda, known: Option<&Alteration>) -> Matched {
    let mut matched = Matched {
        ours: vec![false; ours.len()],
        shown: vec![false; shown.len()],
    };
    let mut by_times: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, meeting) in shown.meetings().iter().enumerate() {
        let times = (meeting.start_time, meeting.end_time);
        by_times.entry(times).or_default().push(index);
    }
    for known in [None, known] {
        for (meeting, is_matched) in ours.meetings().iter().zip(&mut matched.ours) {
            if *is_matched {
                continue;
            }
            let times = (meeting.start_time, meeting.end_time);
            let Some(places) = by_times.get_mut(&times) else {
                continue;
            };
            let found = places.iter().position(|place| {
                shown
                    .meetings()
                    .get(*place)
                    .is_some_and(|other| alteration::is_text_of(meeting, other, known))
            });
            if let Some(found) = found {
                let place = places.remove(found);
                if let Some(flag) = matched.shown.get_mut(place) {
                    *flag = true;
                }
                *is_matched = true;
            }
        }
    }
    matched
}

fn is_to_come(meeting: &Meeting, now: Option<UnixTime>) -> bool {
    now.is_none_or(|now| meeting.end_time > now.plus(TOLERANCE))
}

fn times(agenda: &Agenda, now: Option<UnixTime>) -> Vec<(UnixTime, UnixTime)> {
    let to_come = agenda
        .meetings()
        .iter()
        .filter(|meeting| is_to_come(meeting, now));
    let mut times: Vec<_> = to_come
        .map(|meeting| (meeting.start_time, meeting.end_time))
        .collect();
    times.sort_unstable();
    times
}

/// Learns how the pod changes texts from what it shows right after a push of `ours`.
///
/// `before` is what it showed before: a pod that went on showing that did not take the push,
/// and nothing is learnt from it.
#[must_use]
pub fn learn(
    before: &Agenda,
    shown: &Agenda,
    ours: &Agenda,
    now: Option<UnixTime>,
) -> Option<Alteration> {
    let faces = |agenda: &Agenda| -> Vec<Meeting> {
        let to_come = agenda.meetings().iter();
        to_come
            .filter(|meeting| is_to_come(meeting, now))
            .cloned()
            .collect()
    };
    let (was, is) = (faces(before), faces(shown));
    if was == is {
        return None;
    }
    let ours = faces(ours);
    // All of ours, or the nearest ones.
    let nearest = ours.get(..is.len())?;
    let mut pairs = Vec::new();
    let mut rest: Vec<&Meeting> = is.iter().collect();
    for meeting in nearest {
        let fits = |other: &&Meeting| {
            other.start_time == meeting.start_time && other.end_time == meeting.end_time
        };
        let found = rest
            .iter()
            .position(|other| fits(other) && other.id == meeting.id)
            .or_else(|| rest.iter().position(fits))?;
        pairs.push((meeting, rest.remove(found)));
    }
    if pairs.is_empty() {
        return None;
    }
    alteration::learn(&pairs)
}

/// What a display should show now; `None` while nothing is known.
///
/// `found` is what it showed before it was first pushed to and no reading accounts for, and
/// `shown` what it shows now; both as far as that may be ours.
#[must_use]
pub fn target(
    wanted: &Wanted,
    found: Option<&Agenda>,
    shown: Option<&Agenda>,
    now: UnixTime,
) -> Option<Arc<Agenda>> {
    let agenda = wanted.agenda.as_ref()?;
    if wanted.clock_is_believed && wanted.keep_shown.is_none() {
        return Some(agenda.clone());
    }
    let found = found.map(Agenda::meetings).unwrap_or_default();
    let shown = shown.map(Agenda::meetings).unwrap_or_default();
    let is_there = |meeting: &Meeting| {
        agenda.meetings().iter().any(|ours| {
            ours.id == meeting.id
                || (ours.start_time, ours.end_time) == (meeting.start_time, meeting.end_time)
        })
    };
    let mut kept: Vec<Meeting> = Vec::new();
    if !wanted.clock_is_believed {
        // Nothing is taken away by a clock that may be wrong.
        kept.extend(shown.iter().filter(|meeting| !is_there(meeting)).cloned());
    } else if let Some(rules) = wanted.keep_shown.as_deref() {
        let ours = found
            .iter()
            .filter(|meeting| meeting.end_time > now && !is_there(meeting));
        kept.extend(ours.map(|meeting| reduced(meeting, rules)));
    }
    if kept.is_empty() {
        return Some(agenda.clone());
    }
    let mut all = agenda.meetings().to_vec();
    all.append(&mut kept);
    let all = Agenda::new(all);
    let most = match wanted.keep_shown.as_deref() {
        Some(rules) if wanted.clock_is_believed => rules.max,
        _ => usize::MAX,
    };
    let nearest = all.meetings().iter().take(most).cloned().collect();
    Some(Arc::new(Agenda::new(nearest)))
}

/// The meetings under ids of our form.
#[must_use]
pub fn under_our_ids(shown: &Agenda) -> Agenda {
    let ours = shown
        .meetings()
        .iter()
        .filter(|meeting| has_our_id(meeting));
    Agenda::new(ours.cloned().collect())
}

/// The meetings whose ids the other agenda does not have.
#[must_use]
pub fn without_ids_of(agenda: &Agenda, other: &Agenda) -> Agenda {
    let is_there = |meeting: &&Meeting| other.meetings().iter().any(|one| one.id == meeting.id);
    let rest = agenda
        .meetings()
        .iter()
        .filter(|meeting| !is_there(meeting));
    Agenda::new(rest.cloned().collect())
}

fn has_our_id(meeting: &Meeting) -> bool {
    let id = meeting.id.as_str();
    mutation::is(Mutation::ForeignIsKept)
        || id.len() == 24
            && id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A meeting that only a display knows, with its texts cut down to a room's rules.
fn reduced(meeting: &Meeting, rules: &MeetingRules) -> Meeting {
    let mut meeting = meeting.clone();
    compose::restrict(&mut meeting, rules);
    meeting
}

#[cfg(test)]
mod tests;
