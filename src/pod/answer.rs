//! Answers of a pod: read within limits, and judged by what they hold.
//!
//! The reference's errors become [`PodErrorKind::Refused`]; a page, an empty body
//! or an empty object is said to be one. Nothing else of a body goes into an error.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{ApiError, Body, PodErrorKind};
use super::operation::Operation;
use super::tree;
use crate::model::time::UnixTime;
use crate::net::transport::Cause;
use crate::net::{clean, retry_after};

/// The largest JSON that is read. A configuration has some 30 KB.
const JSON_LIMIT: u64 = 2 * 1024 * 1024;

/// Objects, arrays and values in it: what is built from them takes many times its length.
/// A configuration has a thousand.
const VALUES_LIMIT: usize = 50_000;

/// Honest answers are smaller, but for images.
const SMALL: usize = 128 * 1024;

/// Of larger ones, how many are held at once, in all of the process.
const MAX_LARGE_ANSWERS: usize = 4;
static LARGE_ANSWERS: Semaphore = Semaphore::const_new(MAX_LARGE_ANSWERS);

/// The largest splash image that is sent or fetched.
pub const IMAGE_LIMIT: u64 = 50 * 1024 * 1024;

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    /// Lower case, without parameters.
    pub content_type: String,
    /// `Date`: what the pod's clock showed.
    pub date: Option<UnixTime>,
    pub retry_after: Option<Duration>,
    pub body: Bytes,
    /// The right to hold a large one.
    #[expect(dead_code, reason = "it is given back when this is dropped")]
    pub place: Option<SemaphorePermit<'static>>,
}

/// How a pod confirmed a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Whether it said so; without that, look at what the pod holds now.
    pub confirmed: bool,
    /// `success!` in the reference.
    pub message: Option<String>,
    pub reboot_required: bool,
    pub restart_required: bool,
    /// Only after a change of the configuration.
    pub device_id: Option<String>,
}

/// What an answer means for the token that it was asked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Good,
    Bad,
    /// The token is not accepted.
    Unauthorized,
    /// Perhaps the token is not accepted.
    Suspect,
}

impl Answer {
    /// Reads the rest of an answer, up to the limit of the operation.
    pub(super) async fn read(
        operation: Operation,
        mut response: reqwest::Response,
        now: UnixTime,
    ) -> Result<Self, PodErrorKind> {
        let limit = if operation.entry().image && response.status().is_success() {
            IMAGE_LIMIT
        } else {
            JSON_LIMIT
        };
        let header = |name: &str| -> Option<String> {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let content_type = header("content-type").unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default();
        let content_type = content_type.trim().to_ascii_lowercase();
        let date = header("date").and_then(|date| retry_after::http_date(&date));
        // A date in it is the pod's, so it counts by the pod's clock.
        let retry_after =
            header("retry-after").and_then(|value| retry_after::parse(&value, date.unwrap_or(now)));
        let status = response.status().as_u16();
        let mut body = BytesMut::new();
        let mut place = None;
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => return Err(PodErrorKind::NoAnswer(Cause::CutOff)),
            }
            if body.len() as u64 > limit {
                return Err(PodErrorKind::TooLarge { limit });
            }
            if body.len() > SMALL && place.is_none() {
                place = LARGE_ANSWERS.acquire().await.ok();
            }
        }
        if limit == JSON_LIMIT && values(&body) > VALUES_LIMIT {
            let limit = VALUES_LIMIT;
            return Err(PodErrorKind::TooManyValues { limit });
        }
        Ok(Self {
            status,
            content_type,
            date,
            retry_after,
            body: body.freeze(),
            place,
        })
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether it claims to be an image, or claims nothing.
    pub(super) fn is_image(&self) -> bool {
        self.content_type.is_empty()
            || self.content_type.starts_with("image/")
            || self.content_type.starts_with("application/octet-stream")
    }

    /// What the body is, for people.
    pub(super) fn kind(&self) -> Body {
        let start = self.body.trim_ascii_start();
        if start.is_empty() {
            return Body::Empty;
        }
        match self.value() {
            Some(Value::Object(map)) if map.is_empty() => Body::EmptyObject,
            Some(_) => Body::Json,
            None if self.content_type.contains("html") || start.starts_with(b"<") => Body::Html,
            None => Body::Other,
        }
    }

    /// What the answer to an operation means for the token.
    pub(super) fn judge(&self, operation: Operation, asked_for_part: bool) -> Judgement {
        let entry = operation.entry();
        if entry.image && self.status == 200 && !operation.is_write() && self.is_image() {
            return Judgement::Good;
        }
        let reported = self.reported(&[]).map(|(error, _)| error);
        if self.status == 401 || reported == Some(ApiError::InvalidToken) {
            return Judgement::Unauthorized;
        }
        if !self.is_success() || reported.is_some() {
            return Judgement::Bad;
        }
        let lacks_all = |map: &serde_json::Map<String, Value>| {
            !entry.keys.is_empty() && !entry.keys.iter().any(|key| map.contains_key(*key))
        };
        match self.value() {
            // A part of a configuration may well be an empty object.
            Some(Value::Object(map)) if map.is_empty() && asked_for_part => Judgement::Good,
            Some(Value::Object(map)) if map.is_empty() || lacks_all(&map) => Judgement::Suspect,
            // A page is not a success of any operation.
            _ if self.kind() == Body::Html => Judgement::Bad,
            _ => Judgement::Good,
        }
    }

    /// The error that the pod reports, if it is one of the reference's. Words in
    /// `hide` are blanked in it.
    pub(super) fn reported(&self, hide: &[&str]) -> Option<(ApiError, String)> {
        let reported: Reported = serde_json::from_slice(&self.body).ok()?;
        let first = reported.errors.into_iter().flatten().next();
        let (name, description) = match (first, reported.error) {
            (Some(first), _) => (first.error, first.description),
            (None, Some(name)) => (name, reported.description.or(reported.error_description)),
            (None, None) => return None,
        };
        let blanked = |text: String| {
            hide.iter()
                .filter(|word| word.chars().count() > 2)
                .fold(text, |text, word| text.replace(*word, tree::BLANK))
        };
        let description = blanked(description.unwrap_or_default());
        Some((
            ApiError::named(&blanked(name)),
            clean::line(&description, 200),
        ))
    }

    /// This answer as the failure that it is.
    pub(super) fn failure(&self, hide: &[&str]) -> PodErrorKind {
        let status = self.status;
        match self.reported(hide) {
            Some((error, description)) => PodErrorKind::Refused {
                status,
                error,
                description,
            },
            None if (300..400).contains(&status) => PodErrorKind::Redirected { status },
            None => self.unexpected(self.kind()),
        }
    }

    pub(super) fn unexpected(&self, body: Body) -> PodErrorKind {
        PodErrorKind::Unexpected {
            status: self.status,
            body,
        }
    }

    /// JSON without this key, or whatever else the body is.
    pub(super) fn lacks(&self, key: &'static str) -> PodErrorKind {
        self.unexpected(match self.kind() {
            Body::Json => Body::Lacks(key),
            other => other,
        })
    }

    /// The body as JSON of any form.
    pub(super) fn json(&self) -> Result<Value, PodErrorKind> {
        self.value().ok_or_else(|| self.unexpected(self.kind()))
    }

    /// The body as an object that is not empty.
    pub(super) fn object(&self) -> Result<Value, PodErrorKind> {
        match self.value() {
            Some(Value::Object(map)) if !map.is_empty() => Ok(Value::Object(map)),
            _ => Err(self.unexpected(self.kind())),
        }
    }

    /// The text under a key of the body.
    pub(super) fn text(&self, key: &'static str) -> Result<String, PodErrorKind> {
        self.value()
            .and_then(|value| tree::at(&value, &[key]).and_then(tree::text))
            .ok_or_else(|| self.lacks(key))
    }

    /// The body as an image.
    pub(super) fn image(&self) -> Result<Bytes, PodErrorKind> {
        if self.status == 200 && self.is_image() {
            Ok(self.body.clone())
        } else {
            Err(self.failure(&[]))
        }
    }

    /// The confirmation of a write.
    ///
    /// An answer without `message`, even an empty one, is a success that says so;
    /// a web page is none.
    pub(super) fn confirmation(&self) -> Result<Confirmation, PodErrorKind> {
        let value = match self.value() {
            Some(value) => value,
            None if self.body.trim_ascii().is_empty() => Value::Null,
            None => return Err(self.unexpected(self.kind())),
        };
        let text = |key| {
            tree::at(&value, &[key])
                .and_then(tree::text)
                .map(|text| clean::line(&text, 200))
        };
        let flag = |key| tree::at(&value, &[key]).and_then(tree::flag) == Some(true);
        let message = text("message");
        Ok(Confirmation {
            confirmed: message.is_some(),
            message,
            reboot_required: flag("reboot_required"),
            restart_required: flag("restart_required"),
            device_id: text("device_id"),
        })
    }
}

/// About how many values JSON has: what opens, parts or names one, outside of texts.
fn values(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' | b',' | b':' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

/// `Errors` and `TokenError` of the reference, and OAuth's own description.
#[derive(Deserialize)]
struct Reported {
    errors: Option<Vec<OneError>>,
    error: Option<String>,
    description: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct OneError {
    error: String,
    description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::error::PodError;
    use super::*;
    use crate::model::name::PodUrl;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        Answer {
            status,
            content_type: content_type.into(),
            date: None,
            retry_after: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
            place: None,
        }
    }

    #[test]
    fn values_are_counted_outside_of_texts() {
        let config = include_bytes!("../../fuzz/seeds/pod/config.txt");
        assert!(values(config) < 100);
        assert_eq!(values(br#"{"a":[{},{"b,\"c":1}]}"#), 7);
        assert!(values("[{},".repeat(VALUES_LIMIT).as_bytes()) > VALUES_LIMIT);
    }

    fn error(kind: PodErrorKind) -> PodError {
        let pod = PodUrl::parse("192.0.2.11").unwrap();
        PodError::new(&pod, Operation::SetMeetings, kind)
    }

    fn said(status: u16, body: &str) -> String {
        let kind = answer(status, "text/html", body).failure(&["Merger talks", "x"]);
        error(kind).to_string()
    }

    #[test]
    fn the_errors_of_the_reference_are_told_by_name() {
        assert_eq!(
            said(
                400,
                r#"{"errors":[{"error":"invalid_request","description":"bad\n meeting `Merger talks` at x"}]}"#
            ),
            "the pod at 192.0.2.11 was asked to set the meetings and answered 400 invalid_request: bad meeting `***` at x"
        );
        assert_eq!(
            said(403, r#"{"errors":[{"error":"not_licensed"}],"more":1}"#),
            "the pod at 192.0.2.11 was asked to set the meetings and answered 403 not_licensed"
        );
        assert_eq!(
            said(401, r#"{"error":"invalid_token"}"#),
            "the pod at 192.0.2.11 was asked to set the meetings and answered 401 invalid_token"
        );
    }

    #[test]
    fn bodies_that_are_no_errors_are_said_to_be_so() {
        for (status, body, says) in [
            (500, "", "500 with nothing in it"),
            (
                502,
                "<html><p>Bad gateway: Merger talks",
                "502 with a web page",
            ),
            (200, "{}", "200 with an empty object"),
            (500, "{\"errors\":[]}", "500 with JSON of an unknown form"),
            (
                500,
                "{\"errors\":\"all\"}",
                "500 with JSON of an unknown form",
            ),
            (302, "", "a redirect (302)"),
        ] {
            let said = said(status, body);
            assert!(said.ends_with(says), "{said}");
        }
        let plain = answer(500, "text/plain", "panic at Merger talks");
        assert_eq!(plain.kind(), Body::Other);
    }

    #[test]
    fn a_success_without_a_message_says_so() {
        let done = |body: &str| answer(200, "", body).confirmation();
        let good = done(r#"{"message":"success!","reboot_required":true}"#).unwrap();
        assert!(good.confirmed && good.reboot_required && !good.restart_required);
        for body in ["", "{}", "null", "[]", "{\"message\":null}"] {
            assert!(!done(body).unwrap().confirmed, "{body}");
        }
        let page = error(done("<html>").unwrap_err());
        assert!(page.ended_unanswered(), "{page}");
    }

    #[test]
    fn long_descriptions_are_cut_and_cannot_break_a_line() {
        let long = format!(
            r#"{{"errors":[{{"error":"new_one\u001b[2J","description":"{}"}}]}}"#,
            "long ".repeat(1000)
        );
        let said = said(400, &long);
        assert!(said.chars().count() < 400, "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}
