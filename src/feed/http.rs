//! One ICS document over http(s): asked for with its validators, and looked at
//! just enough to tell a login page from a calendar. Whether the calendar is
//! whole is for `ics::read` to say.

use reqwest::Method;
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED,
};

use super::document::State;
use super::error::{PullError, PullErrorKind, Status};
use super::exchange::{Answer, Exchange, Question, status_error};
use crate::model::feed_url::FeedUrl;
use crate::model::item::{Held, Pulled};
use crate::model::time::UnixTime;

pub(super) async fn pull(
    exchange: &Exchange<'_>,
    url: &FeedUrl,
    held: &Held,
    now: UnixTime,
) -> Result<Pulled, PullError> {
    let known = State::of(held);
    let question = question(url, known.as_ref());
    let answer = exchange.ask(&question).await?;
    match (answer.status.as_u16(), &known) {
        (304, Some(known)) => Ok(Pulled::Unchanged {
            state: refreshed(known, &answer.headers).feed_state(),
            missing: Vec::new(),
            server_date: None,
        }),
        _ => {
            refuse_failures(&answer, now)?;
            let state = State::new(
                header(&answer.headers, &ETAG),
                header(&answer.headers, &LAST_MODIFIED),
                &answer.body,
            );
            Ok(state.pulled(held, known.as_ref(), answer.body))
        }
    }
}

/// Lets only an answer pass that may be a calendar.
pub(super) fn refuse_failures(answer: &Answer, now: UnixTime) -> Result<(), PullError> {
    match answer.status.as_u16() {
        200 | 203 => refuse_pages(answer),
        _ => Err(status_error(answer, || now.seconds())),
    }
}

pub(super) fn question(url: &FeedUrl, known: Option<&State>) -> Question {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/calendar, */*;q=0.1"));
    if let Some(known) = known {
        let mut condition = |name, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        };
        condition(IF_NONE_MATCH, known.etag.as_deref().map(without_gzip));
        condition(IF_MODIFIED_SINCE, known.last_modified.clone());
    }
    Question {
        method: Method::GET,
        url: url.clone(),
        headers,
        body: bytes::Bytes::new(),
    }
}

/// Apache adds `-gzip` to the tag of a compressed body and then never finds it
/// again; it does find the tag without it.
fn without_gzip(etag: &str) -> String {
    match etag.strip_suffix("-gzip\"") {
        Some(tag) => format!("{tag}\""),
        None => etag.to_owned(),
    }
}

/// A 304 may bring newer validators for the same body (RFC 9111 section 4.3.4).
fn refreshed(known: &State, headers: &HeaderMap) -> State {
    let mut state = known.clone();
    if let Some(etag) = header(headers, &ETAG) {
        state.etag = Some(etag);
    }
    if let Some(last_modified) = header(headers, &LAST_MODIFIED) {
        state.last_modified = Some(last_modified);
    }
    state
}

pub(super) fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    // A validator is sent back with each request; nobody needs more than this.
    (!text.is_empty() && text.len() <= 1024).then(|| text.to_owned())
}

/// Says early what is plainly not a calendar. A body in which a calendar begins
/// somewhere is left to be read, whatever stands before it.
fn refuse_pages(answer: &Answer) -> Result<(), PullError> {
    const START: usize = 64 * 1024;
    let start = answer.body.get(..START).unwrap_or(&answer.body);
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    if start.contains("begin:vcalendar") {
        return Ok(());
    }
    let host = answer.url.host();
    let first = start.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let content_type = header(&answer.headers, &CONTENT_TYPE)
        .unwrap_or_default()
        .to_ascii_lowercase();
    // SabreDAV and its kin answer a bad password with 200 and a DAV error.
    if first.starts_with('<') && first.contains("notauthenticated") {
        return Err(PullErrorKind::LoginRejected {
            status: Status(answer.status.as_u16()),
            login: answer.login,
        }
        .at(host));
    }
    let looks_like = if first.starts_with('<') {
        if content_type.contains("html")
            || first.contains("<html")
            || first.contains("<!doctype html")
        {
            "an HTML page"
        } else {
            "an XML document"
        }
    } else if first.starts_with('{') || first.starts_with('[') {
        "a JSON document"
    } else if content_type.contains("html") && !first.is_empty() {
        "an HTML page"
    } else {
        return Ok(());
    };
    Err(PullErrorKind::NotACalendar { looks_like }.at(host))
}
