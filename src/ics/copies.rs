//! Copies of one event told from events that only share a UID.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::event::{self, Resolved};
use super::series::{Event, When};
use crate::model::time::UnixTime;
use crate::model::verdict::{Newer, Rule, Verdict};

/// Which of two copies is newer, and by what; equal where nothing tells.
#[must_use]
pub fn revision(a: &Event, b: &Event) -> (Ordering, Newer) {
    let sequence = a.sequence.cmp(&b.sequence);
    if sequence != Ordering::Equal {
        return (sequence, Newer::Sequence);
    }
    let modified = a.details.modified.zip(b.details.modified);
    let stamped = a.details.stamped.zip(b.details.stamped);
    match (modified, stamped) {
        (Some((a, b)), _) if a != b => (a.cmp(&b), Newer::Modified),
        (None, Some((a, b))) if a != b => (a.cmp(&b), Newer::Stamped),
        _ => (Ordering::Equal, Newer::Place),
    }
}

/// By what an event is an older copy of another of its UID, if it is one.
///
/// Who moves an event has to raise its SEQUENCE (RFC 5546 section 2.1.4). Programs that
/// never write one also give one UID to several events, and stamp each with the clock
/// of the moment, so a time stamp only tells where the events start at one time, or
/// have one title and were stamped at different hours.
fn older_by(event: &Event, newest: &Event) -> Option<Newer> {
    let (order, by) = revision(event, newest);
    let far_apart = |a: Option<UnixTime>, b: Option<UnixTime>| {
        let seconds = a.zip(b).map(|(a, b)| a.seconds().abs_diff(b.seconds()));
        seconds.is_some_and(|seconds| seconds >= 3_600)
    };
    let (old, new) = (&event.details, &newest.details);
    let is_copy = match by {
        Newer::Sequence => true,
        _ if start_text(&event.start) == start_text(&newest.start) => true,
        _ if old.summary != new.summary => false,
        Newer::Modified => far_apart(old.modified, new.modified),
        Newer::Stamped => far_apart(old.stamped, new.stamped),
        Newer::Place => false,
    };
    (order == Ordering::Less && is_copy).then_some(by)
}

/// The masters that count: one as a rule, several where one UID was given to
/// different events. A recurring one comes first; overrides are of it.
pub fn newest_masters(masters: Vec<Resolved>, verdicts: &mut Vec<Verdict>) -> Vec<Resolved> {
    if masters.len() < 2 {
        return masters;
    }
    let mut newest = 0;
    for (index, candidate) in masters.iter().enumerate() {
        if masters
            .get(newest)
            .is_some_and(|best| revision(&best.event, &candidate.event).0 != Ordering::Greater)
        {
            newest = index;
        }
    }
    let Some(best) = masters.get(newest).map(|best| best.event.clone()) else {
        return masters;
    };
    let mut by_start: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Resolved> = Vec::new();
    for candidate in masters {
        if let Some(by) = older_by(&candidate.event, &best) {
            let rule = Rule::Superseded { by };
            verdicts.push(event::verdict_on(&candidate.event.details, rule));
            continue;
        }
        let start = start_text(&candidate.event.start);
        match by_start.get(&start).and_then(|index| kept.get_mut(*index)) {
            Some(held) => supersede(held, candidate, verdicts),
            None => {
                by_start.insert(start, kept.len());
                kept.push(candidate);
            }
        }
    }
    let recurs = |event: &Event| !event.rules.is_empty() || !event.dates.is_empty();
    if let Some(at) = kept.iter().position(|one| recurs(&one.event))
        && let Some(front) = kept.get_mut(..=at)
    {
        front.rotate_right(1);
    }
    kept
}

/// Keeps the newer of two copies in `held`.
fn supersede(held: &mut Resolved, candidate: Resolved, verdicts: &mut Vec<Verdict>) {
    let (order, by) = revision(&candidate.event, &held.event);
    let older = match order {
        Ordering::Less => candidate,
        _ => std::mem::replace(held, candidate),
    };
    let rule = Rule::Superseded { by };
    verdicts.push(event::verdict_on(&older.event.details, rule));
}

pub fn newest_overrides(overrides: Vec<Resolved>, verdicts: &mut Vec<Verdict>) -> Vec<Resolved> {
    let mut by_instance: HashMap<(String, bool), usize> = HashMap::new();
    let mut kept: Vec<Resolved> = Vec::with_capacity(overrides.len());
    for candidate in overrides {
        let Some(id) = &candidate.event.recurrence_id else {
            continue;
        };
        let key = (start_text(&id.when), id.this_and_future);
        match by_instance.get(&key).and_then(|index| kept.get_mut(*index)) {
            Some(held) => supersede(held, candidate, verdicts),
            None => {
                by_instance.insert(key, kept.len());
                kept.push(candidate);
            }
        }
    }
    kept
}

/// A time as text: equal for one instant in two zones, where both are known.
#[must_use]
pub fn start_text(when: &When) -> String {
    match when {
        When::Date(date) => date.to_string(),
        When::Time { local, place } => match event::instant(*local, place) {
            Some(at) => at.to_string(),
            None => format!("{local} {place:?}"),
        },
    }
}
