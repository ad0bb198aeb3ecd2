//! The calendar operations: list, add, set, clear, and get, change and delete one meeting.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::answer::{Answer, ErrorName, Outcome, Refusal};
use super::fields::{self, Field, Kind};
use super::meeting::{Meeting, field, read_meetings};
use super::options::CalendarMode;
use super::pod_fault::{Delay, PodFault};
use super::request::Call;
use super::secret::{derive, hex};
use super::state::{Due, PendingSet, Pod, State};

/// So that an added meeting more a second does not fill the memory.
const MOST_MEETINGS: usize = 10_000;

const ADDED: [Field; 4] = [
    field("title", Kind::Text, false),
    field("organizer", Kind::Text, false),
    field("start_time", Kind::Integer, false),
    field("end_time", Kind::Integer, false),
];

const CHANGED: [Field; 6] = [
    field("id", Kind::Text, false),
    field("title", Kind::Text, false),
    field("organizer", Kind::Text, false),
    field("description", Kind::Text, false),
    field("start_time", Kind::Integer, false),
    field("end_time", Kind::Integer, false),
];

pub(super) fn list(_: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    for pending in &mut state.pending {
        if let Due::Reads(left) = &mut pending.due {
            *left = left.saturating_sub(1);
        }
    }
    state.show_pending();
    let meetings: Vec<Value> = if reads_empty(state, call) {
        Vec::new()
    } else {
        let as_strings = state.quirks.times_as_strings;
        let shown = state.meetings.iter();
        shown.map(|meeting| meeting.shown(as_strings)).collect()
    };
    let key = if state.quirks.colon_in_meetings {
        "meetings:"
    } else {
        "meetings"
    };
    Ok(Answer::json(&json!({ key: meetings })))
}

fn reads_empty(state: &mut State, call: &Call) -> bool {
    let faults = &mut state.log.faults;
    !faults
        .take(call.method.as_str(), &call.path, PodFault::of_a_read)
        .is_empty()
}

pub(super) fn add(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    refuse_in_third_party_mode(state)?;
    call.refuse_large_body()?;
    // Every field is optional and the samples send no body at all.
    let object = if call.body.is_empty() {
        Map::new()
    } else {
        call.json(pod.options.strict)?
    };
    fields::check(&object, "", &ADDED, pod.options.strict)?;
    if state.meetings.len() >= MOST_MEETINGS {
        return Err(Refusal::invalid("the calendar is full"));
    }
    let now = pod.now(state).seconds();
    let mut meeting = Meeting {
        start_time: now,
        end_time: now.saturating_add(3600),
        ..Meeting::default()
    };
    meeting.take(&object);
    if object.contains_key("start_time") && !object.contains_key("end_time") {
        meeting.end_time = meeting.start_time.saturating_add(3600);
    }
    if pod.options.strict {
        meeting.refuse_backwards("")?;
    }
    let taken: HashSet<&str> = state
        .meetings
        .iter()
        .map(|meeting| meeting.id.as_str())
        .collect();
    let id = (0..=state.meetings.len())
        .map(|number| {
            derive(
                &state.key,
                &["meeting", &now.to_string(), &number.to_string()],
            )
        })
        .map(|bytes| hex(bytes.get(..12).unwrap_or_default()))
        .find(|id| !taken.contains(id.as_str()))
        .unwrap_or_default();
    meeting.id.clone_from(&id);
    state.meetings.push(meeting);
    Ok(Answer::json(&json!({ "id": id })))
}

/// Replaces all meetings.
pub(super) fn set(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    let object = call.json(pod.options.strict)?;
    let meetings = match object.get("meetings") {
        Some(Value::Array(meetings)) => meetings,
        Some(other) => {
            return Err(Refusal::invalid(format!(
                "`meetings` must be an array, not {}",
                fields::name(other)
            )));
        }
        None => return Err(Refusal::invalid("`meetings` is missing")),
    };
    if pod.options.strict
        && let Some(unknown) = object.keys().find(|key| key.as_str() != "meetings")
    {
        return Err(Refusal::invalid(format!(
            "`{unknown}` is not a field of the reference"
        )));
    }
    let meetings = read_meetings(meetings, pod.options.strict)?;
    note_other_mode(state, call);
    show(pod, state, call, meetings);
    Ok(Answer::success())
}

/// Puts a set on the display, as the faults that were asked for have it.
fn show(pod: &Arc<Pod>, state: &mut State, call: &Call, mut meetings: Vec<Meeting>) {
    let method = call.method.as_str();
    let faults = state
        .log
        .faults
        .take(method, &call.path, PodFault::of_a_set);
    let mut due = None;
    for fault in faults {
        match fault {
            PodFault::KeepOld => return,
            PodFault::Late(delay) => due = Some(delay),
            PodFault::NewIds => give_ids(&mut meetings, state),
            PodFault::Cap(limit) => keep_nearest(&mut meetings, limit, pod.now(state).seconds()),
            text => meetings
                .iter_mut()
                .for_each(|meeting| rewrite(&mut meeting.title, &text)),
        }
    }
    let due = match due {
        // An earlier set that is still to come must not come after this one.
        None => {
            state.pending.clear();
            state.meetings = meetings;
            return;
        }
        Some(Delay::Reads(reads)) => Due::Reads(reads),
        Some(Delay::Time(time)) => {
            let later = Arc::downgrade(pod);
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                if let Some(pod) = later.upgrade() {
                    pod.change(State::show_pending);
                }
            });
            let now = Instant::now();
            Due::At(now.checked_add(time).unwrap_or(now))
        }
    };
    state.pending.push_back(PendingSet { meetings, due });
    state.show_pending();
}

fn give_ids(meetings: &mut [Meeting], state: &mut State) {
    state.own_ids = state.own_ids.wrapping_add(1);
    let set = state.own_ids.to_string();
    for (index, meeting) in meetings.iter_mut().enumerate() {
        let id = derive(&state.key, &["own id", &set, &index.to_string()]);
        meeting.id = hex(id.get(..12).unwrap_or_default());
    }
}

/// Keeps the meetings that are going on or come next, in the order of the set.
fn keep_nearest(meetings: &mut Vec<Meeting>, limit: usize, now: i64) {
    let distance = |meeting: &Meeting| (meeting.end_time <= now, meeting.start_time);
    let mut nearest: Vec<(usize, &Meeting)> = meetings.iter().enumerate().collect();
    nearest.sort_by_key(|(_, meeting)| distance(meeting));
    let kept: HashSet<usize> = nearest
        .iter()
        .take(limit)
        .map(|(index, _)| *index)
        .collect();
    let mut index = 0..;
    meetings.retain(|_| index.next().is_some_and(|index| kept.contains(&index)));
}

fn rewrite(title: &mut String, fault: &PodFault) {
    match fault {
        PodFault::Truncate(characters) => *title = title.chars().take(*characters).collect(),
        PodFault::Trim => *title = title.trim().to_owned(),
        PodFault::UpperCase => *title = title.to_uppercase(),
        PodFault::Suffix(text) => title.push_str(text),
        _ => {}
    }
}

pub(super) fn clear(_: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    note_other_mode(state, call);
    state.meetings.clear();
    state.pending.clear();
    Ok(Answer::success())
}

pub(super) fn get(_: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    state.show_pending();
    if reads_empty(state, call) {
        return Err(not_found());
    }
    let meeting = state.meetings.get(find(state, call)?);
    let as_strings = state.quirks.times_as_strings;
    meeting
        .map(|meeting| Answer::json(&meeting.shown(as_strings)))
        .ok_or_else(not_found)
}

pub(super) fn delete(_: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    refuse_in_third_party_mode(state)?;
    let index = find(state, call)?;
    state.meetings.remove(index);
    Ok(Answer::success())
}

/// Where the meeting of the path is.
fn find(state: &State, call: &Call) -> Result<usize, Refusal> {
    let id = call.segment(2);
    let index = state.meetings.iter().position(|meeting| meeting.id == id);
    index.ok_or_else(not_found)
}

pub(super) fn update(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    refuse_in_third_party_mode(state)?;
    let object = call.json(pod.options.strict)?;
    fields::check(&object, "", &CHANGED, pod.options.strict)?;
    let index = find(state, call)?;
    let mut meeting = state.meetings.get(index).cloned().ok_or_else(not_found)?;
    meeting.take(&object);
    if pod.options.strict {
        meeting.refuse_backwards("")?;
    }
    let has_id = |other: &Meeting| other.id == meeting.id;
    if meeting.id != call.segment(2) && state.meetings.iter().any(has_id) {
        return Err(Refusal::invalid("`id` is the id of another meeting"));
    }
    if let Some(place) = state.meetings.get_mut(index) {
        *place = meeting;
    }
    Ok(Answer::success())
}

/// The reference's own example: 500 and not 404.
fn not_found() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        ErrorName::Internal,
        "Failed to find meeting",
        false,
    )
}

fn refuse_in_third_party_mode(state: &State) -> Result<(), Refusal> {
    if state.mode != CalendarMode::ThirdPartyOnly {
        return Ok(());
    }
    Err(Refusal::invalid(
        "this operation does not support the \"3rd Party Only\" calendar type; set all entries instead",
    ))
}

fn note_other_mode(state: &mut State, call: &Call) {
    if state.mode != CalendarMode::ThirdPartyOnly {
        let mode = state.mode.name();
        let what = format!("the calendar type is {mode}: this may alter a real mailbox");
        state.log.violation(call.violation(&what));
    }
}
