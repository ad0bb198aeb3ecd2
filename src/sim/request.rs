//! A request as a pod receives it, and what is remembered of it.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::answer::{ErrorName, Refusal};
use super::fields;
use crate::model::time::UnixTime;

pub(super) const TOKEN: &str = "/v2/token";

const JSON_LIMIT: usize = 1024 * 1024;
const IMAGE_LIMIT: usize = 16 * 1024 * 1024;
/// A body that is too large is read and thrown away up to here, so that the sender hears the
/// refusal.
const DISCARD_LIMIT: usize = 64 * 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that the pod received.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestRecord {
    pub at: UnixTime,
    pub method: String,
    /// The path without its query.
    pub path: String,
    pub query: Option<String>,
    /// `None` when the connection was closed, or left hanging, instead of an answer.
    pub status: Option<u16>,
    /// `None` when there was none or it is not UTF-8. A password is left out of a request for a
    /// token.
    pub body: Option<String>,
    /// Whether it bore a valid token.
    pub authorized: bool,
}

impl RequestRecord {
    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        self.body
            .as_deref()
            .and_then(|body| serde_json::from_str(body).ok())
            .unwrap_or_default()
    }
}

/// Leaves out the body, which may hold meetings and secrets.
impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at, self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, " -> {status}"),
            None => f.write_str(" -> no answer"),
        }
    }
}

/// More of a request's body than this is not remembered.
const REMEMBERED_BODY: usize = 256 * 1024;

/// A request, received in full.
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    /// The parts of the path, each decoded on its own.
    pub segments: Vec<String>,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The limit that the body was over.
    pub over: Option<usize>,
    /// Whether the answer will not reach the sender.
    pub unanswered: bool,
}

impl Call {
    /// `None` when the sender broke off or takes too long.
    pub async fn receive(parts: Parts, body: Body) -> Option<Self> {
        let path = parts.uri.path().to_owned();
        let limit = if parts.method == Method::PATCH
            && path.starts_with("/v2/config/display/splash/images/")
        {
            IMAGE_LIMIT
        } else {
            JSON_LIMIT
        };
        let body = tokio::time::timeout(BODY_TIMEOUT, read_body(body, limit));
        let (body, over) = match body.await.ok()?? {
            Some(body) => (body, None),
            None => (Bytes::new(), Some(limit)),
        };
        let segments = path
            .strip_prefix('/')
            .unwrap_or_default()
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        Some(Self {
            segments,
            query: parts.uri.query().map(str::to_owned),
            method: parts.method,
            path,
            headers: parts.headers,
            body,
            over,
            unanswered: false,
        })
    }

    pub fn segment(&self, index: usize) -> &str {
        self.segments.get(index).map_or("", String::as_str)
    }

    /// A violation of the reference, with the request that it is in.
    pub fn violation(&self, what: &str) -> String {
        format!("{} {}: {what}", self.method, self.path)
    }

    pub fn is_for_token(&self) -> bool {
        self.path == TOKEN
    }

    pub fn to_seen(&self, at: UnixTime, status: Option<u16>, authorized: bool) -> RequestRecord {
        let status = status.filter(|_| !self.unanswered);
        let body = (!self.body.is_empty() && self.body.len() <= REMEMBERED_BODY)
            .then(|| std::str::from_utf8(&self.body).ok())
            .flatten()
            .map(|body| {
                if self.is_for_token() {
                    without_password(body)
                } else {
                    body.to_owned()
                }
            });
        RequestRecord {
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
                fields::name(&other)
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

/// The body unless it is larger than `limit`. The outer `None` when the sender broke off.
async fn read_body(body: Body, limit: usize) -> Option<Option<Bytes>> {
    let mut chunks = body.into_data_stream();
    let mut read = BytesMut::new();
    let mut length = 0usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        length = length.saturating_add(chunk.len());
        if length <= limit {
            read.extend_from_slice(&chunk);
        } else if length > DISCARD_LIMIT {
            break;
        }
    }
    Some((length <= limit).then(|| read.freeze()))
}
