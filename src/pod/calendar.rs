//! The meetings of a pod: read leniently, written strictly.

use serde_json::{Map, Value};

use super::answer::Answer;
use super::error::{ApiError, Body, PodError};
use super::request::{MeetingChanges, NewMeeting, Request};
use super::tree;
use super::{Done, PodClient};
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::time::UnixTime;

/// Unix seconds reach this in the year 5138, milliseconds in 1973.
const SURELY_MILLISECONDS: i64 = 100_000_000_000;

impl PodClient {
    /// What the display holds, in its order, in any calendar mode.
    ///
    /// Fields that the pod leaves out are empty, a missing time is 1970; so a
    /// damaged entry is seen to differ from what was set.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn meetings(&self) -> Result<Vec<Meeting>, PodError> {
        let request = Request::list_meetings(self.url());
        let answer = self.ask(&request).await?;
        let value = answer.json(self.url(), request.operation)?;
        meetings_in(&value).ok_or_else(|| {
            let body = match answer.kind() {
                Body::Json => Body::Lacks("meetings"),
                other => other,
            };
            answer.unexpected(self.url(), request.operation, body)
        })
    }

    /// One meeting; `None` where the pod has none with this id.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn meeting(&self, id: &str) -> Result<Option<Meeting>, PodError> {
        let request = Request::get_meeting(self.url(), id)?;
        match self.ask(&request).await {
            Ok(answer) => {
                let value = answer.object(self.url(), request.operation)?;
                Ok(Some(meeting_in(&value, id)))
            }
            Err(error) if is_no_such_meeting(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds one meeting and returns its id. Not for the third-party mode.
    ///
    /// # Errors
    /// See [`PodError`]; never repeated by itself, since that would add two.
    pub async fn add_meeting(&self, meeting: &NewMeeting) -> Result<MeetingId, PodError> {
        let request = Request::add_meeting(self.url(), meeting);
        let answer = self.ask(&request).await?;
        let id = answer
            .value()
            .and_then(|value| tree::at(&value, &["id"]).and_then(tree::text));
        id.map(|id| MeetingId::from_text(&id)).ok_or_else(|| {
            let body = match answer.kind() {
                Body::Json => Body::Lacks("id"),
                other => other,
            };
            answer.unexpected(self.url(), request.operation, body)
        })
    }

    /// Replaces all meetings of the display.
    ///
    /// # Errors
    /// See [`PodError`], and there [`PodError::ended_unanswered`].
    pub async fn set_meetings(&self, meetings: &[Meeting]) -> Result<Done, PodError> {
        let request = Request::set_meetings(self.url(), meetings);
        // A pod may quote a meeting in its error.
        let hide: Vec<&str> = meetings
            .iter()
            .flat_map(|meeting| {
                [
                    meeting.title.as_str(),
                    meeting.organizer.as_str(),
                    meeting.description.as_deref().unwrap_or_default(),
                ]
            })
            .collect();
        self.ask_hiding(&request, &hide)
            .await?
            .done(self.url(), request.operation)
    }

    /// Changes some fields of a meeting. Not for the third-party mode.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn update_meeting(
        &self,
        id: &str,
        changes: &MeetingChanges,
    ) -> Result<Done, PodError> {
        self.write(&Request::update_meeting(self.url(), id, changes)?)
            .await
    }

    /// Removes one meeting. Not for the third-party mode.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn delete_meeting(&self, id: &str) -> Result<Done, PodError> {
        self.write(&Request::delete_meeting(self.url(), id)?).await
    }

    /// Removes all meetings.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn clear_meetings(&self) -> Result<Done, PodError> {
        self.write(&Request::clear_meetings(self.url())).await
    }
}

/// The list in an answer: under `meetings`, under the reference's misspelt
/// `meetings:`, or bare. `null` is none at all.
fn meetings_in(value: &Value) -> Option<Vec<Meeting>> {
    let list = match value {
        Value::Array(_) => value,
        Value::Object(map) => map.get("meetings").or_else(|| map.get("meetings:"))?,
        _ => return None,
    };
    let items = match list {
        Value::Null => Vec::new(),
        Value::Array(_) | Value::Object(_) => tree::entries(list),
        _ => return None,
    };
    let meetings = items
        .into_iter()
        .enumerate()
        // A made-up id keeps entries without one apart.
        .map(|(index, item)| meeting_in(item, &format!("#{index}")))
        .collect();
    Some(meetings)
}

fn meeting_in(value: &Value, fallback_id: &str) -> Meeting {
    let empty = Map::new();
    let fields = value.as_object().unwrap_or(&empty);
    let text = |key: &str| fields.get(key).and_then(tree::text);
    let time = |key: &str| fields.get(key).map_or(UnixTime::from_seconds(0), time_in);
    let id = text("id").filter(|id| !id.is_empty());
    Meeting {
        id: MeetingId::from_text(id.as_deref().unwrap_or(fallback_id)),
        title: text("title").unwrap_or_default(),
        organizer: text("organizer").unwrap_or_default(),
        description: text("description").filter(|text| !text.is_empty()),
        start_time: time("start_time"),
        end_time: time("end_time"),
    }
}

/// Seconds or milliseconds, as a number or a text, or RFC 3339.
fn time_in(value: &Value) -> UnixTime {
    match tree::integer(value) {
        Some(number) if number.abs() > SURELY_MILLISECONDS => {
            UnixTime::from_seconds(number.div_euclid(1000))
        }
        Some(number) => UnixTime::from_seconds(number),
        None => value
            .as_str()
            .and_then(UnixTime::parse)
            .unwrap_or(UnixTime::from_seconds(0)),
    }
}

/// The reference answers 500 `internal` with "Failed to find meeting".
fn is_no_such_meeting(error: &PodError) -> bool {
    match error {
        PodError::Refused {
            error, description, ..
        } => {
            *error == ApiError::NotFound
                || (*error == ApiError::Internal
                    && description.to_lowercase().contains("find meeting"))
        }
        PodError::Unexpected { status, body, .. } => *status == 404 && *body != Body::Html,
        _ => false,
    }
}

impl PodClient {
    pub(super) async fn write(&self, request: &Request) -> Result<Done, PodError> {
        let answer: Answer = self.ask(request).await?;
        answer.done(self.url(), request.operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
