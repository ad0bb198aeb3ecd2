//! The meetings of a pod: the requests about them, read leniently, written strictly.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Confirmation};
use super::error::{ApiError, PodErrorKind};
use super::operation::Operation;
use super::request::Request;
use super::tree;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::time::UnixTime;

/// Far more than any display shows.
const MAX_MEETINGS: usize = 5_000;

/// The fields of a meeting to add, all of them optional (`POST /calendar`).
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewMeeting {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<UnixTime>,
}

/// The fields of a meeting that change (`PATCH /calendar/{id}`).
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeetingChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<UnixTime>,
}

/// What the display holds, in its order, in any calendar mode.
///
/// Fields that the pod leaves out are empty, a missing time is 1970; so a damaged
/// entry is seen to differ from what was set.
#[must_use]
pub fn list() -> Request<Vec<Meeting>> {
    Request::new(Operation::ListMeetings, &[], |answer| {
        let value = answer.json()?;
        let items = items_in(&value).ok_or_else(|| answer.lacks("meetings"))?;
        if items.len() > MAX_MEETINGS {
            let limit = MAX_MEETINGS;
            return Err(PodErrorKind::TooManyMeetings { limit });
        }
        Ok(meetings_in(items))
    })
}

/// One meeting; `None` where the pod has none with this id.
#[must_use]
pub fn get(id: &str) -> Request<Option<Meeting>> {
    let fallback = id.to_owned();
    Request::with_refusals(Operation::GetMeeting, &[id], move |answer| match answer {
        Err(refused) if is_no_such_meeting(&refused) => Ok(None),
        Err(refused) => Err(refused),
        Ok(answer) => Ok(Some(meeting_in(&answer.object()?, &fallback))),
    })
}

/// Adds one meeting and returns its id. Not for the third-party mode, and never
/// repeated by itself, since that would add two.
#[must_use]
pub fn add(meeting: &NewMeeting) -> Request<MeetingId> {
    let decode = |answer: &Answer| answer.text("id").map(|id| MeetingId::from_text(&id));
    Request::new(Operation::AddMeeting, &[], decode).json(json!(meeting))
}

/// Replaces all meetings of the display by these.
#[must_use]
pub fn set(meetings: &[Meeting]) -> Request<Confirmation> {
    Request::write(Operation::SetMeetings, &[]).json(json!({ "meetings": meetings }))
}

/// Changes some fields of a meeting. Not for the third-party mode.
#[must_use]
pub fn update(id: &str, changes: &MeetingChanges) -> Request<Confirmation> {
    Request::write(Operation::UpdateMeeting, &[id]).json(json!(changes))
}

/// Removes one meeting. Not for the third-party mode.
#[must_use]
pub fn delete(id: &str) -> Request<Confirmation> {
    Request::write(Operation::DeleteMeeting, &[id])
}

/// Removes all meetings.
#[must_use]
pub fn clear() -> Request<Confirmation> {
    Request::write(Operation::ClearMeetings, &[])
}

/// The list in an answer: under `meetings`, under the reference's misspelt
/// `meetings:`, or bare. `null` is none at all.
fn items_in(value: &Value) -> Option<Vec<&Value>> {
    let list = match value {
        Value::Array(_) => value,
        Value::Object(map) => map.get("meetings").or_else(|| map.get("meetings:"))?,
        _ => return None,
    };
    match list {
        Value::Null => Some(Vec::new()),
        Value::Array(_) | Value::Object(_) => Some(tree::entries(list)),
        _ => None,
    }
}

fn meetings_in(items: Vec<&Value>) -> Vec<Meeting> {
    let numbered = items.into_iter().enumerate();
    numbered
        // A made-up id keeps entries without one apart.
        .map(|(index, item)| meeting_in(item, &format!("#{index}")))
        .collect()
}

fn meeting_in(value: &Value, fallback_id: &str) -> Meeting {
    let empty = Map::new();
    let fields = value.as_object().unwrap_or(&empty);
    let text = |key: &str| fields.get(key).and_then(tree::text);
    let time = |key: &str| {
        let time = fields.get(key).and_then(tree::time);
        time.unwrap_or(UnixTime::from_seconds(0))
    };
    let id = text("id").filter(|id| !id.is_empty());
    Meeting {
        id: MeetingId::from_text(id.as_deref().unwrap_or(fallback_id)),
        title: text("title").unwrap_or_default().into(),
        organizer: text("organizer").unwrap_or_default().into(),
        description: text("description")
            .filter(|text| !text.is_empty())
            .map(Arc::from),
        start_time: time("start_time"),
        end_time: time("end_time"),
    }
}

/// The reference answers 500 `internal` with "Failed to find meeting".
fn is_no_such_meeting(refused: &PodErrorKind) -> bool {
    refused.is_not_found()
        || matches!(
            refused,
            PodErrorKind::Refused { error: ApiError::Internal, description, .. }
                if description.to_lowercase().contains("find meeting")
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meetings_in(value: &Value) -> Option<Vec<Meeting>> {
        items_in(value).map(super::meetings_in)
    }

    #[test]
    fn meetings_are_read_in_every_spelling() {
        let plain = json!([{
            "id": "1", "title": "Review", "organizer": "Ada", "description": "x",
            "start_time": 1_721_952_000, "end_time": 1_721_955_600
        }]);
        let expected = meetings_in(&plain).unwrap();
        assert_eq!(expected[0].start_time.to_string(), "2024-07-26T00:00:00Z");
        let odd = json!({"meetings:": [{
            "id": 1, "title": "Review", "organizer": "Ada", "description": "x",
            "start_time": "1721952000", "end_time": 1_721_955_600_000_i64, "more": {}
        }]});
        assert_eq!(meetings_in(&odd).unwrap(), expected);
        let indexed = json!({"meetings": {"0": plain[0]}});
        assert_eq!(meetings_in(&indexed).unwrap(), expected);
        for (answer, count) in [
            (json!({"meetings": []}), Some(0)),
            (json!({"meetings:": []}), Some(0)),
            (json!({"meetings": null}), Some(0)),
            (json!({}), None),
            (json!({"meetings": "none"}), None),
            (json!("text"), None),
        ] {
            let found = meetings_in(&answer).map(|meetings| meetings.len());
            assert_eq!(found, count, "{answer}");
        }
    }

    #[test]
    fn entries_with_holes_stay_entries() {
        let answer = json!({"meetings": [
            {"title": null, "description": ""},
            {"start_time": -5, "end_time": 5.0},
            "broken",
            {"start_time": "2026-03-02T10:00:00+01:00"},
        ]});
        let meetings = meetings_in(&answer).unwrap();
        let ids: Vec<_> = meetings.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(ids, ["#0", "#1", "#2", "#3"]);
        assert_eq!(meetings[0].description, None);
        assert_eq!(meetings[1].end_time, UnixTime::from_seconds(5));
        assert_eq!(meetings[3].start_time.to_string(), "2026-03-02T09:00:00Z");
    }
}
