//! A file of a calendar host, and its answers: validators, conditions, gzip.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use ring::digest;

use super::body;
use super::fault::{HostFault, RequestFaults};
use crate::model::time::UnixTime;
use crate::sim::answer::http_date;
use crate::sim::secret::hex;

#[derive(Clone)]
pub(super) struct File {
    pub body: Bytes,
    pub etag: String,
    modified: String,
}

impl File {
    /// The `sets`-th file of a host.
    pub fn new(body: Bytes, sets: i64) -> Self {
        Self {
            etag: etag(&body),
            modified: modified(sets),
            body,
        }
    }

    /// Another content with the date of this one.
    pub fn with_body(self, body: Bytes) -> Self {
        Self {
            etag: etag(&body),
            body,
            ..self
        }
    }
}

pub(super) fn serve_file(file: File, request: &Request, faults: &RequestFaults) -> Response<Body> {
    let gzip = asks_for_gzip(request.headers()) && !faults.has(&HostFault::NoGzip);
    let etag = if faults.has(&HostFault::WeakEtag) {
        format!("W/\"{}\"", file.etag)
    } else if gzip && faults.has(&HostFault::GzipEtag) {
        // As Apache's mod_deflate has it.
        format!("\"{}-gzip\"", file.etag)
    } else {
        format!("\"{}\"", file.etag)
    };
    let is_unchanged = is_unchanged(&file, request.headers()) && !faults.has(&HostFault::Never304);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    insert(headers, header::ETAG, &etag);
    insert(headers, header::LAST_MODIFIED, &file.modified);
    insert(headers, header::VARY, "Accept-Encoding");
    if is_unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let media = faults.find(|fault| match fault {
        HostFault::ContentType(media) => Some(media.as_str()),
        _ => None,
    });
    insert(
        headers,
        header::CONTENT_TYPE,
        media.unwrap_or("text/calendar; charset=utf-8"),
    );
    let body = if gzip {
        insert(headers, header::CONTENT_ENCODING, "gzip");
        body::compressed(&file.body)
    } else {
        file.body
    };
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    if *request.method() != Method::HEAD {
        *response.body_mut() = Body::from(body);
    }
    response
}

/// The entity tag is asked before the date (RFC 9110 section 13.2.2).
fn is_unchanged(file: &File, headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    match text(header::IF_NONE_MATCH) {
        Some(tags) => tags.split(',').any(|tag| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
            tag == "*" || tag.strip_suffix("-gzip").unwrap_or(tag) == file.etag
        }),
        None => text(header::IF_MODIFIED_SINCE) == Some(file.modified.as_str()),
    }
}

fn asks_for_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
                && parts.next() != Some("q=0")
        })
}

fn etag(body: &[u8]) -> String {
    let mut etag = hex(digest::digest(&digest::SHA256, body).as_ref());
    etag.truncate(20);
    etag
}

/// A date that moves on by a minute with each file that is set, as the real clock is too coarse for
/// tests.
fn modified(sets: i64) -> String {
    let at = 1_704_067_200_i64.saturating_add(sets.saturating_mul(60));
    http_date(UnixTime::from_seconds(at))
}

pub(super) fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
