//! The calendar operations: list, add, set, clear, and get, change and delete one meeting.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::{Answer, ErrorName, Outcome, Refusal};
use super::options::CalendarMode;
use super::pod::{Pod, State};
use super::route::remember;
use super::secret::{derive, hex};
use super::strict::{self, Asked, Field, Kind};

/// So that an added meeting more a second does not fill the memory.
const MOST_MEETINGS: usize = 10_000;

/// A meeting as the reference's `Meeting` has it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Meeting {
    pub id: String,
    pub title: String,
    pub organizer: String,
    pub description: Option<String>,
    pub start_time: i64,
    pub end_time: i64,
}

const fn field(name: &'static str, kind: Kind, required: bool) -> Field {
    Field {
        name,
        kind,
        required,
    }
}

const WHOLE: [Field; 6] = [
    field("id", Kind::Text, true),
    field("title", Kind::Text, true),
    field("organizer", Kind::Text, true),
    field("description", Kind::Text, false),
    field("start_time", Kind::Integer, true),
    field("end_time", Kind::Integer, true),
];

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

impl Meeting {
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), json!(self.id));
        object.insert("title".to_owned(), json!(self.title));
        object.insert("organizer".to_owned(), json!(self.organizer));
        if let Some(description) = &self.description {
            object.insert("description".to_owned(), json!(description));
        }
        object.insert("start_time".to_owned(), json!(self.start_time));
        object.insert("end_time".to_owned(), json!(self.end_time));
        Value::Object(object)
    }

    fn shown(&self, state: &State) -> Value {
        let mut shown = self.to_json();
        if state.quirks.times_as_strings {
            for key in ["start_time", "end_time"] {
                if let Some(time) = shown.get_mut(key) {
                    *time = json!(time.to_string());
                }
            }
        }
        shown
    }

    /// Takes over the fields that `object`, which has been checked, has.
    fn take(&mut self, object: &Map<String, Value>) {
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let time = |key: &str| object.get(key).and_then(Value::as_i64);
        self.id = text("id").unwrap_or_else(|| std::mem::take(&mut self.id));
        self.title = text("title").unwrap_or_else(|| std::mem::take(&mut self.title));
        self.organizer = text("organizer").unwrap_or_else(|| std::mem::take(&mut self.organizer));
        self.description = text("description").or_else(|| self.description.take());
        self.start_time = time("start_time").unwrap_or(self.start_time);
        self.end_time = time("end_time").unwrap_or(self.end_time);
    }

    fn refuse_backwards(&self, place: &str) -> Result<(), Refusal> {
        if self.end_time > self.start_time {
            return Ok(());
        }
        Err(Refusal::invalid(format!(
            "`{place}end_time` is not after `start_time`"
        )))
    }
}

/// Reads a whole set of meetings.
pub(super) fn read_meetings(values: &[Value], strict: bool) -> Result<Vec<Meeting>, Refusal> {
    let mut ids = HashSet::new();
    let mut meetings = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let Value::Object(object) = value else {
            let found = strict::name(value);
            return Err(Refusal::invalid(format!(
                "`meetings[{index}]` must be an object, not {found}"
            )));
        };
        let place = format!("meetings[{index}].");
        strict::check(object, &place, &WHOLE, strict)?;
        let mut meeting = Meeting {
            id: String::new(),
            title: String::new(),
            organizer: String::new(),
            description: None,
            start_time: 0,
            end_time: 0,
        };
        meeting.take(object);
        if strict {
            meeting.refuse_backwards(&place)?;
            if !ids.insert(meeting.id.clone()) {
                return Err(Refusal::invalid(format!(
                    "`{place}id` is the id of another meeting too"
                )));
            }
        }
        meetings.push(meeting);
    }
    Ok(meetings)
}

pub(super) fn list(state: &State) -> Answer {
    let meetings: Vec<Value> = state
        .meetings
        .iter()
        .map(|meeting| meeting.shown(state))
        .collect();
    let key = if state.quirks.colon_in_meetings {
        "meetings:"
    } else {
        "meetings"
    };
    Answer::json(&json!({ key: meetings }))
}

pub(super) fn add(pod: &Pod, state: &mut State, asked: &Asked) -> Outcome {
    refuse_in_third_party_mode(state)?;
    asked.refuse_large_body()?;
    // Every field is optional and the samples send no body at all.
    let object = if asked.body.is_empty() {
        Map::new()
    } else {
        asked.json(pod.options.strict)?
    };
    strict::check(&object, "", &ADDED, pod.options.strict)?;
    if state.meetings.len() >= MOST_MEETINGS {
        return Err(Refusal::invalid("the calendar is full"));
    }
    let now = pod.now(state).seconds();
    let mut meeting = Meeting {
        id: String::new(),
        title: String::new(),
        organizer: String::new(),
        description: None,
        start_time: now,
        end_time: now.saturating_add(3600),
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
                &pod.key,
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
pub(super) fn set(pod: &Pod, state: &mut State, asked: &Asked) -> Outcome {
    let object = asked.json(pod.options.strict)?;
    let meetings = match object.get("meetings") {
        Some(Value::Array(meetings)) => meetings,
        Some(other) => {
            return Err(Refusal::invalid(format!(
                "`meetings` must be an array, not {}",
                strict::name(other)
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
    note_other_mode(state, asked);
    state.meetings = meetings;
    Ok(Answer::success())
}

pub(super) fn clear(state: &mut State, asked: &Asked) -> Answer {
    note_other_mode(state, asked);
    state.meetings.clear();
    Answer::success()
}

pub(super) fn get(state: &State, id: &str) -> Outcome {
    let meeting = state
        .meetings
        .iter()
        .find(|meeting| meeting.id == id)
        .ok_or_else(not_found)?;
    Ok(Answer::json(&meeting.shown(state)))
}

pub(super) fn delete(state: &mut State, id: &str) -> Outcome {
    refuse_in_third_party_mode(state)?;
    let index = state
        .meetings
        .iter()
        .position(|meeting| meeting.id == id)
        .ok_or_else(not_found)?;
    state.meetings.remove(index);
    Ok(Answer::success())
}

pub(super) fn update(pod: &Pod, state: &mut State, asked: &Asked, id: &str) -> Outcome {
    refuse_in_third_party_mode(state)?;
    let object = asked.json(pod.options.strict)?;
    strict::check(&object, "", &CHANGED, pod.options.strict)?;
    let index = state
        .meetings
        .iter()
        .position(|meeting| meeting.id == id)
        .ok_or_else(not_found)?;
    let mut meeting = state.meetings.get(index).cloned().ok_or_else(not_found)?;
    meeting.take(&object);
    if pod.options.strict {
        meeting.refuse_backwards("")?;
    }
    if meeting.id != id && state.meetings.iter().any(|other| other.id == meeting.id) {
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

fn note_other_mode(state: &mut State, asked: &Asked) {
    if state.mode != CalendarMode::ThirdPartyOnly {
        let violation = format!(
            "the calendar type is {}: this may alter a real mailbox",
            state.mode.name()
        );
        remember(state, asked, &violation);
    }
}
