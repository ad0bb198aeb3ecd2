//! Refuses what the reference does not allow: wrong content types, types, missing, unknown and misplaced fields.
//!
//! Says what is wrong; remembering it is left to `route.rs`.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::answer::{ErrorName, Refusal};
use super::pod::{Received, Seen};
use super::route;
use crate::model::time::UnixTime;

/// More of a request's body than this is not remembered.
const REMEMBERED_BODY: usize = 256 * 1024;

/// A request, received in full.
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    /// The parts of the path, each decoded on its own.
    pub segments: Vec<String>,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The limit that the body was over.
    pub over: Option<usize>,
}

impl Asked {
    pub fn new(parts: Parts, body: Received, limit: usize) -> Self {
        let path = parts.uri.path().to_owned();
        let segments = path
            .strip_prefix('/')
            .unwrap_or_default()
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let (body, over) = match body {
            Received::All(body) => (body, None),
            Received::TooMuch => (Bytes::new(), Some(limit)),
        };
        let query = parts.uri.query().map(str::to_owned);
        Self {
            method: parts.method,
            path,
            segments,
            query,
            headers: parts.headers,
            body,
            over,
        }
    }

    pub fn to_seen(&self, at: UnixTime, status: Option<u16>, authorized: bool) -> Seen {
        let body = (!self.body.is_empty() && self.body.len() <= REMEMBERED_BODY)
            .then(|| std::str::from_utf8(&self.body).ok())
            .flatten()
            .map(|body| {
                if self.path == route::TOKEN {
                    without_password(body)
                } else {
                    body.to_owned()
                }
            });
        Seen {
            at,
            method: self.method.as_str().to_owned(),
            path: self.path.clone(),
            query: self.query.clone(),
            status,
            body,
            authorized,
        }
    }

    /// The parameters of the query, decoded.
    pub fn parameters(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes())
            .into_owned()
            .collect()
    }

    /// The media type of the body, without its parameters, in lower case.
    pub fn content_type(&self) -> Option<String> {
        let text = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        Some(
            text.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
        )
    }

    /// Whether the sender takes this media type, by its `Accept`; `None` when it does not say.
    pub fn accepts(&self, media: &str) -> Option<bool> {
        let kind = media.split('/').next().unwrap_or_default();
        let mut said = false;
        for value in self.headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                said = true;
                let range = range
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_ascii_lowercase();
                if range == "*/*" || range == media || range.strip_suffix("/*") == Some(kind) {
                    return Some(true);
                }
                // `Accept: image/*` is met by whichever image there is.
                if media.ends_with("/*") && range.split('/').next() == Some(kind) {
                    return Some(true);
                }
            }
        }
        said.then_some(false)
    }

    pub fn refuse_large_body(&self) -> Result<(), Refusal> {
        match self.over {
            None => Ok(()),
            Some(limit) => Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorName::InvalidRequest,
                format!("the body has more than {limit} bytes"),
                true,
            )),
        }
    }

    /// The body as a JSON object.
    pub fn json(&self, strict: bool) -> Result<Map<String, Value>, Refusal> {
        self.refuse_large_body()?;
        if strict && self.content_type().as_deref() != Some("application/json") {
            return Err(Refusal::invalid(
                "the content type must be `application/json`",
            ));
        }
        if self.body.is_empty() {
            return Err(Refusal::invalid("malformed request body: it is empty"));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(other) => Err(Refusal::invalid(format!(
                "malformed request body: {} instead of an object",
                name(&other)
            ))),
            Err(error) => Err(Refusal::invalid(format!(
                "malformed request body: no JSON at line {}, column {}",
                error.line(),
                error.column()
            ))),
        }
    }
}

fn without_password(form: &str) -> String {
    let kept = |pair: &&str| !pair.starts_with("password=");
    let mut pairs: Vec<&str> = form.split('&').filter(kept).collect();
    if pairs.len() < form.split('&').count() {
        pairs.push("password=[left out]");
    }
    pairs.join("&")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
}

impl Kind {
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.as_i64().is_some(),
            Self::Boolean => value.is_boolean(),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
        }
    }
}

/// A field of a request's body.
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

/// Checks an object against its fields. Unknown ones are refused only when strict.
pub(super) fn check(
    object: &Map<String, Value>,
    place: &str,
    fields: &[Field],
    strict: bool,
) -> Result<(), Refusal> {
    for field in fields {
        match object.get(field.name) {
            None if field.required => {
                return Err(Refusal::invalid(format!(
                    "`{place}{}` is missing",
                    field.name
                )));
            }
            Some(value) if !field.kind.fits(value) => {
                let (name, wanted, found) = (field.name, field.kind.name(), name(value));
                return Err(Refusal::invalid(format!(
                    "`{place}{name}` must be {wanted}, not {found}"
                )));
            }
            _ => {}
        }
    }
    if strict
        && let Some(unknown) = object
            .keys()
            .find(|key| fields.iter().all(|field| field.name != key.as_str()))
    {
        return Err(Refusal::invalid(format!(
            "`{place}{unknown}` is not a field of the reference"
        )));
    }
    Ok(())
}

/// What a JSON value is called in an error.
pub(super) fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.as_i64().is_some() => "an integer",
        Value::Number(_) => "a number that is no 64-bit integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
