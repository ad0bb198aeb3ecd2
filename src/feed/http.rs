//! One ICS document over http(s): asked for with its validators, and looked at
//! just enough to tell a login page from a calendar. Whether the calendar is
//! whole is for `ics::read` to say.

use bytes::Bytes;
use hyper::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED,
};
use hyper::{Method, StatusCode};

use super::document::{Hashed, State};
use super::error::{PullError, PullErrorKind, Status};
use super::exchange::{Exchange, status_error};
use super::transport::{self, Request, Response};
use crate::model::feed_url::FeedUrl;
use crate::model::item::{Held, Pulled};
use crate::model::time::UnixTime;

/// What 204 stands for: a calendar with nothing in it.
const EMPTY: &[u8] =
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//podcal//empty//EN\r\nEND:VCALENDAR\r\n";

pub(super) async fn pull(
    exchange: &Exchange<'_>,
    url: &FeedUrl,
    held: &Held,
) -> Result<Pulled, PullError> {
    let known = State::of(held);
    // Once a day the whole calendar is asked for: a cache on the way may be stuck
    // and always say that nothing changed.
    let condition = known
        .as_ref()
        .filter(|known| !exchange.is_a_day_ago(known.whole_at));
    let request = request(url, condition);
    let conditional = has_condition(&request);
    let mut answer = exchange.ask(&request).await?;
    if conditional && answer.status == StatusCode::PRECONDITION_FAILED {
        answer = exchange.ask(&self::request(url, None)).await?;
    } else if conditional
        && answer.status == StatusCode::NOT_MODIFIED
        && let Some(known) = &known
    {
        return Ok(refreshed(known, &answer.headers).unchanged());
    }
    refuse_failures(&answer, exchange.now)?;
    let body = hashed(exchange, &mut answer).await?;
    let mut state = State::new(
        header(&answer.headers, &ETAG),
        header(&answer.headers, &LAST_MODIFIED),
        &body,
    );
    state.whole_at = exchange.now.seconds();
    Ok(state.pulled(held, known.as_ref(), body.body))
}

/// The body in UTF-8.
pub(super) async fn hashed(
    exchange: &Exchange<'_>,
    answer: &mut Response,
) -> Result<Hashed, PullError> {
    let body = match answer.status {
        StatusCode::NO_CONTENT => Bytes::from_static(EMPTY),
        _ => std::mem::take(&mut answer.body),
    };
    let content_type = header(&answer.headers, &CONTENT_TYPE);
    let (network, limit) = (exchange.network(), exchange.limits().size);
    let body = transport::text(network, body, content_type, limit, &mut answer.weight).await;
    let body = body.map_err(|kind| kind.at(answer.url.host()))?;
    let size = body.len();
    Ok(network.work_on(size, move || Hashed::new(body)).await)
}

/// Lets only an answer pass that may be a calendar.
pub(super) fn refuse_failures(answer: &Response, now: UnixTime) -> Result<(), PullError> {
    match answer.status.as_u16() {
        200 | 203 => refuse_pages(answer),
        204 => Ok(()),
        _ => Err(status_error(answer, now)),
    }
}

fn has_condition(request: &Request) -> bool {
    request.headers.contains_key(IF_NONE_MATCH) || request.headers.contains_key(IF_MODIFIED_SINCE)
}

pub(super) fn request(url: &FeedUrl, known: Option<&State>) -> Request {
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
    Request {
        method: Method::GET,
        url: url.clone(),
        headers,
        body: Bytes::new(),
        has_secret: false,
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
    // A validator is sent back with each request; honest ones are shorter.
    (!text.is_empty() && text.len() <= 1024).then(|| text.to_owned())
}

/// Refuses early what is clearly not a calendar. A body in which a calendar begins
/// somewhere is left to be read, whatever stands before it.
fn refuse_pages(answer: &Response) -> Result<(), PullError> {
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
