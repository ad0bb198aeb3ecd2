//! Requests exactly as the reference spells them: method, path, body.
//!
//! A request is plain data, so that a dry run shows the very thing that would be
//! sent. Sending it is the client's business.

use std::fmt;

use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::error::PodError;
use super::operation::Operation;
use super::tree;
use crate::model::meeting::Meeting;
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;

/// One request to a pod, without token. Its `Debug` shows no body.
#[derive(Clone)]
pub struct Request {
    pub operation: Operation,
    pub method: Method,
    pub url: Url,
    /// `Accept`.
    pub accept: &'static str,
    /// The JSON body, where there is one.
    pub body: Option<Value>,
    /// The answer is an object with at least one of these keys; else the token is
    /// suspected and renewed once. Empty: any object but an empty one will do.
    pub(super) expects: &'static [&'static str],
    /// Whether doing it twice is the same as doing it once.
    pub(super) repeatable: bool,
}

/// The fields of a meeting to add, all of them optional (`POST /calendar`).
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
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

/// The shape of a splash image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// `16x9`, one screen.
    Single,
    /// `32x9`, two screens side by side.
    Double,
}

impl Aspect {
    /// Reads `16x9` or `32x9`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "16x9" => Some(Self::Single),
            "32x9" => Some(Self::Double),
            _ => None,
        }
    }

    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Single => "16x9",
            Self::Double => "32x9",
        }
    }
}

impl Request {
    fn read(
        pod: &PodUrl,
        operation: Operation,
        path: &[&str],
        expects: &'static [&'static str],
    ) -> Self {
        Self {
            operation,
            method: Method::GET,
            url: pod.join(path),
            accept: "application/json",
            body: None,
            expects,
            repeatable: true,
        }
    }

    fn write(
        pod: &PodUrl,
        operation: Operation,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Self {
        Self {
            operation,
            method,
            url: pod.join(path),
            accept: "application/json",
            body,
            expects: &[],
            repeatable: true,
        }
    }

    #[must_use]
    pub fn metadata(pod: &PodUrl) -> Self {
        Self::read(
            pod,
            Operation::ReadMetadata,
            &["v2", "metadata"],
            &["device_id"],
        )
    }

    #[must_use]
    pub fn info(pod: &PodUrl) -> Self {
        Self::read(pod, Operation::ReadInfo, &["v2", "info"], &[])
    }

    #[must_use]
    pub fn screen_key(pod: &PodUrl, key: &str) -> Self {
        Self::write(
            pod,
            Operation::CheckScreenKey,
            Method::POST,
            &["v2", "info", "screen_key"],
            Some(json!({ "screen_key": key })),
        )
    }

    #[must_use]
    pub fn list_meetings(pod: &PodUrl) -> Self {
        // The reference's example spells the key with a colon in it.
        const KEYS: &[&str] = &["meetings", "meetings:"];
        Self::read(pod, Operation::ListMeetings, &["v2", "calendar"], KEYS)
    }

    /// # Errors
    /// An id that cannot be part of a path.
    pub fn get_meeting(pod: &PodUrl, id: &str) -> Result<Self, PodError> {
        let operation = Operation::GetMeeting;
        let id = segment(pod, operation, "the id", id)?;
        const KEYS: &[&str] = &["id", "title", "start_time"];
        Ok(Self::read(pod, operation, &["v2", "calendar", id], KEYS))
    }

    #[must_use]
    pub fn add_meeting(pod: &PodUrl, meeting: &NewMeeting) -> Self {
        Self {
            repeatable: false,
            ..Self::write(
                pod,
                Operation::AddMeeting,
                Method::POST,
                &["v2", "calendar"],
                Some(json!(meeting)),
            )
        }
    }

    /// The full set; it replaces all that the pod holds.
    #[must_use]
    pub fn set_meetings(pod: &PodUrl, meetings: &[Meeting]) -> Self {
        Self::write(
            pod,
            Operation::SetMeetings,
            Method::PUT,
            &["v2", "calendar"],
            Some(json!({ "meetings": meetings })),
        )
    }

    /// # Errors
    /// An id that cannot be part of a path.
    pub fn update_meeting(
        pod: &PodUrl,
        id: &str,
        changes: &MeetingChanges,
    ) -> Result<Self, PodError> {
        let operation = Operation::UpdateMeeting;
        let path = ["v2", "calendar", segment(pod, operation, "the id", id)?];
        let body = Some(json!(changes));
        Ok(Self::write(pod, operation, Method::PATCH, &path, body))
    }

    /// # Errors
    /// An id that cannot be part of a path; an empty one would clear everything.
    pub fn delete_meeting(pod: &PodUrl, id: &str) -> Result<Self, PodError> {
        let operation = Operation::DeleteMeeting;
        let path = ["v2", "calendar", segment(pod, operation, "the id", id)?];
        Ok(Self::write(pod, operation, Method::DELETE, &path, None))
    }

    #[must_use]
    pub fn clear_meetings(pod: &PodUrl) -> Self {
        let operation = Operation::ClearMeetings;
        let path = ["v2", "calendar"];
        Self::write(pod, operation, Method::DELETE, &path, None)
    }

    /// The whole configuration, or the part at a path of keys.
    ///
    /// # Errors
    /// A key that cannot be part of a path.
    pub fn config(pod: &PodUrl, path: &[&str]) -> Result<Self, PodError> {
        let operation = Operation::ReadConfig;
        let mut segments = vec!["v2", "config"];
        for key in path {
            segments.push(segment(pod, operation, "a key", key)?);
        }
        Ok(Self::read(pod, operation, &segments, &[]))
    }

    #[must_use]
    pub fn legacy_config(pod: &PodUrl) -> Self {
        let operation = Operation::ReadLegacyConfig;
        Self::read(pod, operation, &["v2", "api", "config"], &[])
    }

    /// `rollback` is after how many seconds the pod takes back changes to its
    /// network if it cannot reach Solstice Cloud then.
    #[must_use]
    pub fn patch_config(pod: &PodUrl, subset: Value, rollback: Option<u32>) -> Self {
        let mut request = Self::write(
            pod,
            Operation::PatchConfig,
            Method::PATCH,
            &["v2", "config"],
            Some(subset),
        );
        if let Some(seconds) = rollback {
            request
                .url
                .query_pairs_mut()
                .append_pair("rollback_timeout_seconds", &seconds.to_string());
        }
        request
    }

    #[must_use]
    pub fn hdmi_input(pod: &PodUrl, force_off: bool) -> Self {
        Self::write(
            pod,
            Operation::SwitchHdmi,
            Method::POST,
            &["v2", "config", "hdmi_input"],
            Some(json!({ "force_off": force_off })),
        )
    }

    #[must_use]
    pub fn read_splash(pod: &PodUrl, position: u32, aspect: Aspect) -> Self {
        let position = position.to_string();
        Self {
            accept: "image/*",
            ..Self::read(pod, Operation::ReadSplash, &splash(&position, aspect), &[])
        }
    }

    /// Without its body, which is streamed.
    #[must_use]
    pub fn write_splash(pod: &PodUrl, position: u32, aspect: Aspect) -> Self {
        let position = position.to_string();
        Self::write(
            pod,
            Operation::WriteSplash,
            Method::PATCH,
            &splash(&position, aspect),
            None,
        )
    }

    #[must_use]
    pub fn camera_status(pod: &PodUrl) -> Self {
        let path = ["v2", "control", "cameras", "status"];
        Self::read(pod, Operation::ReadCameraStatus, &path, &["updateStatus"])
    }

    /// # Errors
    /// A GUID that cannot be part of a path, or is the word `status`.
    pub fn camera_version(pod: &PodUrl, guid: &str) -> Result<Self, PodError> {
        let operation = Operation::ReadCameraVersion;
        let path = ["v2", "control", "cameras", camera(pod, operation, guid)?];
        Ok(Self::read(pod, operation, &path, &[]))
    }

    /// # Errors
    /// A GUID that cannot be part of a path, or is the word `status`.
    pub fn update_camera(pod: &PodUrl, guid: &str, force: bool) -> Result<Self, PodError> {
        let operation = Operation::UpdateCamera;
        let path = ["v2", "control", "cameras", camera(pod, operation, guid)?];
        let body = Some(json!({ "forceUpdate": force }));
        Ok(Self::write(pod, operation, Method::PATCH, &path, body))
    }

    /// The body for people: secrets in it are blanked.
    #[must_use]
    pub fn shown_body(&self) -> Option<Value> {
        self.body.as_ref().map(tree::without_secrets)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, self.url.path())
    }
}

fn splash(position: &str, aspect: Aspect) -> [&str; 7] {
    [
        "v2",
        "config",
        "display",
        "splash",
        "images",
        position,
        aspect.key(),
    ]
}

fn camera<'a>(pod: &PodUrl, operation: Operation, guid: &'a str) -> Result<&'a str, PodError> {
    // `cameras/status` is another operation.
    if guid == "status" {
        return Err(PodError::BadRequest {
            pod: pod.clone(),
            operation,
            what: "`status` is no GUID of a camera".to_owned(),
        });
    }
    segment(pod, operation, "the GUID", guid)
}

/// A text that stands for itself in a path.
///
/// An empty segment and the dots would make another path, that of the whole
/// collection: `DELETE /calendar/` must not come out of an empty id.
fn segment<'a>(
    pod: &PodUrl,
    operation: Operation,
    what: &str,
    text: &'a str,
) -> Result<&'a str, PodError> {
    let wrong = match text {
        "" => "is empty",
        "." | ".." => "is a dot path",
        _ if text.len() > 500 => "is too long",
        _ if text.chars().any(char::is_control) => "holds a control character",
        _ => return Ok(text),
    };
    Err(PodError::BadRequest {
        pod: pod.clone(),
        operation,
        what: format!("{what} {wrong}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> PodUrl {
        PodUrl::parse("192.0.2.11").unwrap()
    }

    #[test]
    fn no_id_turns_a_single_delete_into_a_clear() {
        for id in ["", ".", "..", "a\nb", &"x".repeat(501)] {
            assert!(Request::delete_meeting(&pod(), id).is_err(), "{id}");
            assert!(Request::get_meeting(&pod(), id).is_err(), "{id}");
        }
        let request = Request::delete_meeting(&pod(), "../calendar?a#b").unwrap();
        assert_eq!(request.url.path(), "/v2/calendar/..%2Fcalendar%3Fa%23b");
    }

    #[test]
    fn requests_are_spelt_as_in_the_reference() {
        let meeting = NewMeeting {
            title: Some("Review".into()),
            start_time: Some(UnixTime::from_seconds(60)),
            ..NewMeeting::default()
        };
        let guid = "0e8ba2b6-6b0c-4c5c-8f0e-1f6f4a3f2c11";
        let cases = [
            (Request::metadata(&pod()), "GET /v2/metadata"),
            (Request::info(&pod()), "GET /v2/info"),
            (
                Request::screen_key(&pod(), "1234"),
                r#"POST /v2/info/screen_key {"screen_key":"1234"}"#,
            ),
            (Request::list_meetings(&pod()), "GET /v2/calendar"),
            (
                Request::add_meeting(&pod(), &meeting),
                r#"POST /v2/calendar {"start_time":60,"title":"Review"}"#,
            ),
            (
                Request::set_meetings(&pod(), &[]),
                r#"PUT /v2/calendar {"meetings":[]}"#,
            ),
            (Request::clear_meetings(&pod()), "DELETE /v2/calendar"),
            (
                Request::config(&pod(), &["display", "calendar"]).unwrap(),
                "GET /v2/config/display/calendar",
            ),
            (Request::legacy_config(&pod()), "GET /v2/api/config"),
            (
                Request::patch_config(&pod(), json!({"a": 1}), Some(30)),
                r#"PATCH /v2/config?rollback_timeout_seconds=30 {"a":1}"#,
            ),
            (
                Request::hdmi_input(&pod(), true),
                r#"POST /v2/config/hdmi_input {"force_off":true}"#,
            ),
            (
                Request::read_splash(&pod(), 1, Aspect::Double),
                "GET /v2/config/display/splash/images/1/32x9",
            ),
            (
                Request::write_splash(&pod(), 0, Aspect::Single),
                "PATCH /v2/config/display/splash/images/0/16x9",
            ),
            (
                Request::camera_status(&pod()),
                "GET /v2/control/cameras/status",
            ),
            (
                Request::camera_version(&pod(), guid).unwrap(),
                "GET /v2/control/cameras/0e8ba2b6-6b0c-4c5c-8f0e-1f6f4a3f2c11",
            ),
            (
                Request::update_camera(&pod(), guid, false).unwrap(),
                r#"PATCH /v2/control/cameras/0e8ba2b6-6b0c-4c5c-8f0e-1f6f4a3f2c11 {"forceUpdate":false}"#,
            ),
        ];
        for (request, line) in cases {
            let query = request.url.query().map(|query| format!("?{query}"));
            let body = request.body.as_ref().map(|body| format!(" {body}"));
            let found = format!(
                "{} {}{}{}",
                request.method,
                request.url.path(),
                query.unwrap_or_default(),
                body.unwrap_or_default()
            );
            assert_eq!(found, line);
        }
    }

    #[test]
    fn a_meeting_is_sent_with_every_required_field() {
        let meeting: Meeting = serde_json::from_value(json!({
            "id": "1", "title": "", "organizer": "", "start_time": 1, "end_time": 2
        }))
        .unwrap();
        assert_eq!(
            Request::set_meetings(&pod(), &[meeting]).body.unwrap(),
            json!({"meetings": [
                {"id": "1", "title": "", "organizer": "", "start_time": 1, "end_time": 2}
            ]})
        );
    }
}
