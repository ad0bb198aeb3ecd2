//! Answers of a pod: read within limits, and judged by what they hold.
//!
//! The reference's errors become [`PodError::Refused`]; a page, an empty body or
//! an empty object is said to be one. Nothing else of a body goes into an error.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;

use super::Done;
use super::error::{ApiError, Body, PodError, cleaned};
use super::operation::Operation;
use super::tree;
use crate::model::name::PodUrl;

/// The largest JSON that is read. A configuration has some 30 KB.
pub(super) const JSON_LIMIT: u64 = 8 * 1024 * 1024;

/// An answer, read to its end.
pub(super) struct Answer {
    pub status: u16,
    /// Lower case, without parameters.
    pub content_type: String,
    /// `Date`: what the pod's clock showed.
    pub date: Option<String>,
    pub body: Bytes,
}

impl Answer {
    /// Reads the rest of an answer, up to a limit.
    pub(super) async fn read(
        pod: &PodUrl,
        operation: Operation,
        mut response: reqwest::Response,
        limit: u64,
    ) -> Result<Self, PodError> {
        let status = response.status().as_u16();
        let header = |name: &str| -> Option<String> {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let content_type = header("content-type").unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default();
        let content_type = content_type.trim().to_ascii_lowercase();
        let date = header("date");
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => {
                    return Err(PodError::CutOff {
                        pod: pod.clone(),
                        operation,
                        status,
                    });
                }
            }
            if body.len() as u64 > limit {
                return Err(PodError::TooLarge {
                    pod: pod.clone(),
                    operation,
                    limit,
                });
            }
        }
        Ok(Self {
            status,
            content_type,
            date,
            body: body.freeze(),
        })
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
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

    /// The error that the pod reports, if it is one of the reference's. Words in
    /// `hide` are blanked in its description.
    pub(super) fn reported(&self, hide: &[&str]) -> Option<(ApiError, String)> {
        let reported: Reported = serde_json::from_slice(&self.body).ok()?;
        let first = reported.errors.into_iter().flatten().next();
        let (name, description) = match (first, reported.error) {
            (Some(first), _) => (first.error, first.description),
            (None, Some(name)) => (name, reported.description.or(reported.error_description)),
            (None, None) => return None,
        };
        let mut description = description.unwrap_or_default();
        for word in hide.iter().filter(|word| word.chars().count() > 2) {
            description = description.replace(*word, tree::BLANK);
        }
        let mut name = name;
        for word in hide.iter().filter(|word| word.chars().count() > 2) {
            name = name.replace(*word, tree::BLANK);
        }
        Some((ApiError::named(&name), cleaned(&description, 200)))
    }

    /// This answer as the failure that it is.
    pub(super) fn failure(&self, pod: &PodUrl, operation: Operation, hide: &[&str]) -> PodError {
        let pod = pod.clone();
        let status = self.status;
        match self.reported(hide) {
            Some((error, description)) => PodError::Refused {
                pod,
                operation,
                status,
                error,
                description,
            },
            None if (300..400).contains(&status) => PodError::Redirected {
                pod,
                operation,
                status,
            },
            None => self.unexpected(&pod, operation, self.kind()),
        }
    }

    pub(super) fn unexpected(&self, pod: &PodUrl, operation: Operation, body: Body) -> PodError {
        PodError::Unexpected {
            pod: pod.clone(),
            operation,
            status: self.status,
            body,
        }
    }

    /// The body as JSON of any form.
    pub(super) fn json(&self, pod: &PodUrl, operation: Operation) -> Result<Value, PodError> {
        self.value()
            .ok_or_else(|| self.unexpected(pod, operation, self.kind()))
    }

    /// The body as an object that is not empty.
    pub(super) fn object(&self, pod: &PodUrl, operation: Operation) -> Result<Value, PodError> {
        match self.value() {
            Some(Value::Object(map)) if !map.is_empty() => Ok(Value::Object(map)),
            _ => Err(self.unexpected(pod, operation, self.kind())),
        }
    }

    /// The confirmation of a write.
    ///
    /// An answer without `message`, even an empty one, is a success that says so;
    /// a web page is none.
    pub(super) fn done(&self, pod: &PodUrl, operation: Operation) -> Result<Done, PodError> {
        let value = match self.value() {
            Some(value) => value,
            None if self.body.trim_ascii().is_empty() => Value::Null,
            None => return Err(self.unexpected(pod, operation, self.kind())),
        };
        let text = |key| {
            tree::at(&value, &[key])
                .and_then(tree::text)
                .map(|text| cleaned(&text, 200))
        };
        let flag = |key| tree::at(&value, &[key]).and_then(tree::flag) == Some(true);
        let message = text("message");
        Ok(Done {
            confirmed: message.is_some(),
            message,
            reboot_required: flag("reboot_required"),
            restart_required: flag("restart_required"),
            device_id: text("device_id"),
        })
    }
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
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        Answer {
            status,
            content_type: content_type.into(),
            date: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn said(status: u16, body: &str) -> String {
        let pod = PodUrl::parse("192.0.2.11").unwrap();
        answer(status, "text/html", body)
            .failure(&pod, Operation::SetMeetings, &["Merger talks", "x"])
            .to_string()
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
        let pod = PodUrl::parse("192.0.2.11").unwrap();
        let done = |body: &str| answer(200, "", body).done(&pod, Operation::SetMeetings);
        let good = done(r#"{"message":"success!","reboot_required":true}"#).unwrap();
        assert!(good.confirmed && good.reboot_required && !good.restart_required);
        for body in ["", "{}", "null", "[]", "{\"message\":null}"] {
            assert!(!done(body).unwrap().confirmed, "{body}");
        }
        let page = done("<html>").unwrap_err();
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
