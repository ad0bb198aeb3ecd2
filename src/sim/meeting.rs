//! A meeting as the reference has it, and the reading of a set of them.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::fields::{self, Field, Kind};

/// A meeting as the reference's `Meeting` has it.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Meeting {
    pub id: String,
    pub title: String,
    pub organizer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub start_time: i64,
    pub end_time: i64,
}

pub(super) const fn field(name: &'static str, kind: Kind, required: bool) -> Field {
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

impl Meeting {
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// As the calendar operations give it.
    pub fn shown(&self, times_as_strings: bool) -> Value {
        let mut shown = self.to_json();
        if times_as_strings {
            for key in ["start_time", "end_time"] {
                if let Some(time) = shown.get_mut(key) {
                    *time = json!(time.to_string());
                }
            }
        }
        shown
    }

    /// Takes over the fields that `object`, which has been checked, has.
    pub fn take(&mut self, object: &Map<String, Value>) {
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let time = |key: &str| object.get(key).and_then(Value::as_i64);
        self.id = text("id").unwrap_or_else(|| std::mem::take(&mut self.id));
        self.title = text("title").unwrap_or_else(|| std::mem::take(&mut self.title));
        self.organizer = text("organizer").unwrap_or_else(|| std::mem::take(&mut self.organizer));
        self.description = text("description").or_else(|| self.description.take());
        self.start_time = time("start_time").unwrap_or(self.start_time);
        self.end_time = time("end_time").unwrap_or(self.end_time);
    }

    pub fn refuse_backwards(&self, place: &str) -> Result<(), Refusal> {
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
            let found = fields::name(value);
            return Err(Refusal::invalid(format!(
                "`meetings[{index}]` must be an object, not {found}"
            )));
        };
        let place = format!("meetings[{index}].");
        fields::check(object, &place, &WHOLE, strict)?;
        let mut meeting = Meeting::default();
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
