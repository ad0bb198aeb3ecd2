//! What `podcal check --connect` tells an administrator of a feed: who answers,
//! how podcal signs in, what it found, and what is odd about it.
//!
//! This is the one place that gives addresses away, because its reader asked for
//! them; nothing here is logged.

use std::fmt;
use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, ETAG, HeaderMap, LAST_MODIFIED, SERVER};
use percent_encoding::percent_decode_str;

use super::collection::{Collection, Doubt};
use super::dav::Dav;
use super::dav_xml::Properties;
use super::discover::{self, Calendar};
use super::document::State;
use super::error::{PullError, PullErrorKind};
use super::exchange::Exchange;
use super::load::Load;
use super::{FeedClient, Network, file, http};
use crate::config::{Feed, Source};
use crate::model::feed_url::FeedUrl;
use crate::model::item::{Held, Pulled};
use crate::model::time::UnixTime;

/// Calendars that are listed for whoever has to choose.
const MAX_OTHERS: usize = 200;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspection {
    Document(DocumentReport),
    File { size_bytes: usize },
    CalDav(CalDavReport),
}

/// An ICS address that answered with something that may be a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentReport {
    /// The host that answered in the end, where it is not the one configured.
    pub redirected_to: Option<String>,
    pub login: &'static str,
    pub content_type: Option<String>,
    /// As sent and as inflated.
    pub sent_bytes: u64,
    pub size_bytes: usize,
    pub compressed: bool,
    pub etag: bool,
    pub last_modified: bool,
    /// Whether a second request with these validators saved the download.
    pub not_modified: bool,
    pub oddities: Vec<String>,
}

/// A CalDAV server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalDavReport {
    /// The product, by its own word or by its manner.
    pub server: Option<String>,
    pub login: &'static str,
    /// `None` where it has to be chosen first; see `trouble`.
    pub calendar: Option<Place>,
    /// Other calendars that this address leads to.
    pub others: Vec<Place>,
    pub events: usize,
    pub changes: Changes,
    pub oddities: Vec<String>,
    /// Why no pull would succeed.
    pub trouble: Option<PullError>,
}

/// A calendar as a person would name it and as the key `caldav` would.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub address: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

/// How a later pull will find out what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    SyncCollection,
    CTag,
    /// No mark for the whole calendar: its list is compared each time.
    List,
    /// No entity tags: all bodies are compared each time.
    Bodies,
    Unknown,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SyncCollection => "by sync-token (RFC 6578)",
            Self::CTag => "by CTag, then by comparing entity tags",
            Self::List => "by comparing the list of entity tags at each pull",
            Self::Bodies => "by comparing all events at each pull, since they have no entity tags",
            Self::Unknown => "not known yet",
        })
    }
}

impl From<&Calendar> for Place {
    fn from(calendar: &Calendar) -> Self {
        Self {
            name: calendar.name.clone(),
            address: calendar.url.reveal().as_str().to_owned(),
        }
    }
}

/// Tries a feed as a pull would, and reports what it saw.
///
/// # Errors
/// Why there is nothing to report, such as a host that cannot be reached.
pub async fn inspect(
    feed: &Feed,
    network: &Network,
    now: UnixTime,
) -> Result<Inspection, PullError> {
    let client = FeedClient::new(feed, network)?;
    let exchange = client.settings.as_ref();
    let exchange = exchange.map(|settings| Exchange::new(settings, now));
    let inspected = inspect_by(exchange.as_ref(), feed, network, now).await;
    match exchange {
        Some(exchange) => inspected.map_err(|error| exchange.noted(error)),
        None => inspected,
    }
}

async fn inspect_by(
    exchange: Option<&Exchange<'_>>,
    feed: &Feed,
    network: &Network,
    now: UnixTime,
) -> Result<Inspection, PullError> {
    match (&feed.source, exchange) {
        (Source::File { path }, _) => {
            let load = Arc::new(Load::alone());
            let pulled = file::pull(path, feed.max_size, &Held::default(), network, &load).await?;
            let size_bytes = match pulled {
                Pulled::Changed { items, .. } => items.iter().map(|item| item.body.len()).sum(),
                Pulled::Unchanged { .. } => 0,
            };
            Ok(Inspection::File { size_bytes })
        }
        (Source::Ics { url, .. }, Some(exchange)) => {
            document(exchange, url, now).await.map(Inspection::Document)
        }
        (Source::CalDav { url, calendar, .. }, Some(exchange)) => {
            let dav = Dav { exchange };
            caldav(&dav, url, calendar.as_deref())
                .await
                .map(Inspection::CalDav)
        }
        (Source::Ics { url, .. } | Source::CalDav { url, .. }, None) => {
            Err(PullErrorKind::NoCalendar.at(url.host()))
        }
    }
}

async fn document(
    exchange: &Exchange<'_>,
    url: &FeedUrl,
    now: UnixTime,
) -> Result<DocumentReport, PullError> {
    let mut answer = exchange.ask(&http::request(url, None)).await?;
    http::refuse_failures(&answer, now)?;
    let etag = http::header(&answer.headers, &ETAG);
    let last_modified = http::header(&answer.headers, &LAST_MODIFIED);
    let (has_etag, has_date) = (etag.is_some(), last_modified.is_some());
    let body = http::hashed(exchange, &mut answer).await?;
    let state = State::new(etag, last_modified, &body);
    let not_modified = (has_etag || has_date)
        && exchange
            .ask(&http::request(url, Some(&state)))
            .await
            .is_ok_and(|second| second.status.as_u16() == 304);
    let content_type = http::header(&answer.headers, &CONTENT_TYPE);
    let mut oddities = Vec::new();
    if !not_modified {
        oddities.push(
            "it never says that nothing changed: the whole calendar is sent at each pull"
                .to_owned(),
        );
    }
    if !answer.url.is_encrypted() {
        oddities.push("the calendar is sent in clear (http)".to_owned());
    }
    if content_type
        .as_deref()
        .is_some_and(|kind| !kind.to_ascii_lowercase().starts_with("text/calendar"))
    {
        oddities.push("its content type is not text/calendar".to_owned());
    }
    let redirected = answer.url.host() != url.host();
    Ok(DocumentReport {
        redirected_to: redirected.then(|| answer.url.host()),
        login: exchange.session().scheme(),
        content_type,
        sent_bytes: answer.sent,
        size_bytes: body.body.len(),
        compressed: answer.compressed,
        etag: has_etag,
        last_modified: has_date,
        not_modified,
        oddities,
    })
}

async fn caldav(
    dav: &Dav<'_>,
    url: &FeedUrl,
    wanted: Option<&str>,
) -> Result<CalDavReport, PullError> {
    let found = discover::search(dav, url, wanted).await?;
    let headers = found.headers.clone();
    let all: Vec<Calendar> = found.calendars.iter().take(MAX_OTHERS).cloned().collect();
    let more = found.calendars.len() - all.len();
    let mut report = CalDavReport {
        server: server(&headers),
        login: dav.exchange.session().scheme(),
        calendar: None,
        others: all.iter().map(Place::from).collect(),
        events: 0,
        changes: Changes::Unknown,
        oddities: Vec::new(),
        trouble: None,
    };
    if more > 0 {
        let says = format!("{more} more calendars are not listed here");
        report.oddities.push(says);
    }
    let calendar = match discover::choose(dav, found, url, wanted).await {
        Ok(calendar) => calendar,
        Err(error) => {
            report.trouble = Some(dav.exchange.noted(error));
            return Ok(report);
        }
    };
    report.others = all
        .iter()
        .filter(|other| other.url != calendar.url)
        .map(Place::from)
        .collect();
    report.calendar = Some(Place::from(&calendar));
    if let Err(error) = look_closer(dav, &calendar, &headers, &mut report).await {
        report.trouble = Some(dav.exchange.noted(error));
    }
    Ok(report)
}

/// Opens the calendar, lists it, and tries what a later pull would rely on.
async fn look_closer(
    dav: &Dav<'_>,
    calendar: &Calendar,
    headers: &HeaderMap,
    report: &mut CalDavReport,
) -> Result<(), PullError> {
    let nothing = Held::default();
    let (collection, marks) = Collection::open(dav, &calendar.url, &nothing).await?;
    report.server = product(headers, &marks).or_else(|| report.server.take());
    let list = collection.list().await?;
    report.events = list.entries.len();
    let odd = &mut report.oddities;
    if report.events == 0 {
        odd.push("the calendar is empty: is it the right one?".to_owned());
    }
    if !list.complete {
        odd.push("the server cuts its list of events short".to_owned());
    }
    let untagged = list.untagged();
    if untagged > 0 {
        odd.push(format!("{untagged} events have no entity tag"));
    }
    if !calendar.url.is_encrypted() {
        odd.push("calendar and login are sent in clear (http)".to_owned());
    }
    let sync_works = match &marks.sync_token {
        None => {
            if marks.offers_sync {
                odd.push("it offers sync-collection, but has no sync-token".to_owned());
            }
            false
        }
        Some(token) => match collection.changes(token).await? {
            Ok(_) => true,
            Err(Doubt::Refused | Doubt::Unsure | Doubt::Idle) => {
                odd.push("it has a sync-token, but refuses to say what changed since".to_owned());
                false
            }
        },
    };
    if sync_works && !marks.offers_sync {
        odd.push("it does not list sync-collection, but answers it".to_owned());
    }
    report.changes = if untagged > 0 {
        Changes::Bodies
    } else if sync_works {
        Changes::SyncCollection
    } else if marks.ctag.is_some() {
        Changes::CTag
    } else {
        Changes::List
    };
    Ok(())
}

fn server(headers: &HeaderMap) -> Option<String> {
    let text = http::header(headers, &SERVER)?;
    let plain = text.chars().filter(|c| !c.is_control()).take(80);
    Some(plain.collect())
}

/// Products that can be told by their tokens and headers, whatever web server
/// stands before them.
fn product(headers: &HeaderMap, marks: &Properties) -> Option<String> {
    let token = marks.sync_token.as_deref().unwrap_or_default();
    let server = server(headers).unwrap_or_default().to_ascii_lowercase();
    let name = if headers.contains_key("x-davical-version") || server.contains("davical") {
        "DAViCal"
    } else if token.starts_with("http://radicale.org/") {
        "Radicale"
    } else if headers.contains_key("x-sabre-version")
        || token.starts_with("http://sabre.io/")
        || token.starts_with("http://sabredav.org/")
    {
        "sabre/dav (Nextcloud, ownCloud, Baikal and others)"
    } else if server.contains("cyrus") || is_cyrus_token(token) {
        "Cyrus IMAP"
    } else if server.contains("icloud") {
        "iCloud"
    } else if server.contains("davmail") {
        "DavMail"
    } else if server.contains("zimbra") {
        "Zimbra"
    } else if token.len() == 40 && token.chars().all(|c| c.is_ascii_hexdigit()) {
        "Xandikos"
    } else if headers.contains_key("ms-author-via") && token.parse::<i64>().is_ok() {
        "SOGo"
    } else {
        return None;
    };
    Some(name.to_owned())
}

/// `data:,1795414254-13`.
fn is_cyrus_token(token: &str) -> bool {
    percent_decode_str(token)
        .decode_utf8_lossy()
        .strip_prefix("data:,")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(validity, sequence)| {
            validity.parse::<u64>().is_ok() && sequence.parse::<u64>().is_ok()
        })
}
