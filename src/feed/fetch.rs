//! The bodies of events: by multiget in chunks, one by one where a chunk fails,
//! and never mixed up, since servers leave out, reorder and add as they like.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::header::CONTENT_TYPE;

use super::collection::Collection;
use super::dav::{Depth, Page, Reply};
use super::dav_xml;
use super::error::{Cause, Measure, PullError, PullErrorKind};
use super::listing::Entry;
use super::member::{Folder, Key, Member};
use super::pace::Pace;
use super::transport;
use crate::model::digest::{hex, sha256};
use crate::model::item::FeedItem;

/// Small enough for the limits that servers have, large enough to be quick.
pub(super) const CHUNK: usize = 50;

/// Single GETs at a time; the network's bound for one host is the same.
const AT_ONCE: usize = 4;

/// After this many failures in a row the others are not tried.
const MAX_FAILURES: usize = 32;

/// What came of it.
#[derive(Default)]
pub(super) struct Fetched {
    /// New and changed ones.
    pub items: Vec<FeedItem>,
    /// Listed, but not there: 404 or 410 for the event alone.
    pub gone: Vec<Key>,
    /// Could not be had now, by the names that they are held under.
    pub missing: Vec<String>,
    /// Some have no entity tag.
    pub untagged: bool,
    size: u64,
}

/// What stands in `FeedItem::etag` for an event without one.
fn tag_of(body: &[u8]) -> String {
    format!("sha256:{}", hex(&sha256(body)))
}

enum Single {
    Body(Bytes),
    Gone,
    /// Readable, but no calendar: some servers keep other things in between.
    Other,
    Unread,
}

pub(super) async fn bodies(
    collection: &Collection<'_>,
    wanted: Vec<Entry>,
) -> Result<Fetched, PullError> {
    let mut fetched = Fetched {
        size: collection.held_size(),
        ..Fetched::default()
    };
    let count = wanted.len();
    let singles = by_multiget(collection, wanted, &mut fetched).await?;
    let failures = AtomicUsize::new(0);
    let mut results = futures_util::stream::iter(singles)
        .map(async |wanted: Entry| {
            // A server that fails at everything need not be asked for all of it.
            if failures.load(Ordering::Relaxed) >= MAX_FAILURES {
                return (wanted, Ok(Single::Unread));
            }
            let result = single(collection, &wanted.member).await;
            if matches!(result, Ok(Single::Unread)) {
                failures.fetch_add(1, Ordering::Relaxed);
            } else {
                failures.store(0, Ordering::Relaxed);
            }
            (wanted, result)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((wanted, result)) = results.next().await {
        match result? {
            Single::Body(body) => fetched.add(collection, wanted, body).await?,
            Single::Gone => fetched.gone.push(wanted.member.key),
            Single::Other => {}
            Single::Unread => fetched.miss(collection, &wanted.member),
        }
    }
    // A reading may be partial; but of which nothing at all could be had, and
    // nothing is held, that is none.
    let missing = fetched.missing.len();
    if missing > 0 && missing == count && collection.held_keys().len() == 0 {
        return Err(PullErrorKind::Incomplete { missing }.at(collection.calendar.host()));
    }
    Ok(fetched)
}

/// Fetches chunk by chunk; gives back what has to be asked for one by one.
async fn by_multiget(
    collection: &Collection<'_>,
    wanted: Vec<Entry>,
    fetched: &mut Fetched,
) -> Result<Vec<Entry>, PullError> {
    let mut singles = Vec::new();
    let (mut worked, mut failed) = (false, 0);
    let mut wanted = wanted.into_iter().peekable();
    while wanted.peek().is_some() {
        let chunk: Vec<Entry> = wanted.by_ref().take(CHUNK).collect();
        // A server that has no multiget at all need not be asked for every chunk.
        if !worked && failed >= 2 {
            singles.extend(chunk);
            continue;
        }
        let Some(page) = multiget(collection, &chunk).await? else {
            failed += 1;
            singles.extend(chunk);
            continue;
        };
        worked = true;
        let folder = Folder::of(&page.url);
        let mut pace = Pace::default();
        let mut bodies: HashMap<Key, String> = HashMap::new();
        for response in page.multistatus.responses {
            pace.step().await;
            if let Some(body) = response.properties.calendar_data
                && let Some(member) = folder.member(response.href)
            {
                bodies.insert(member.key, body);
            }
        }
        for wanted in chunk {
            match bodies.remove(&wanted.member.key) {
                Some(body) => fetched.add(collection, wanted, body.into()).await?,
                // Left out, or said to be missing: the event itself decides.
                None => singles.push(wanted),
            }
        }
    }
    Ok(singles)
}

/// `None` where this does not work for these events.
async fn multiget(collection: &Collection<'_>, chunk: &[Entry]) -> Result<Option<Page>, PullError> {
    let dav = collection.dav;
    let hrefs = chunk.iter().map(|wanted| wanted.member.href.as_str());
    let question = dav_xml::ask_for_bodies(hrefs);
    match dav.report(&collection.calendar, Depth::One, question).await {
        Ok(Reply::Multi(page)) => Ok(Some(page)),
        Ok(Reply::Unreadable { .. }) => Ok(None),
        Ok(Reply::Other(answer)) => dav.fatal(&answer).map(|()| None),
        Err(error) if is_about_one_answer(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn single(collection: &Collection<'_>, member: &Member) -> Result<Single, PullError> {
    // No server sends podcal to fetch things from somewhere else.
    let Some(url) = member.url(&collection.calendar) else {
        return Ok(Single::Unread);
    };
    let answer = match collection.dav.get(&url).await {
        Err(error) if is_about_one_answer(&error) => return Ok(Single::Unread),
        answer => answer?,
    };
    match answer.status.as_u16() {
        200 => {
            let content_type = answer.headers.get(CONTENT_TYPE);
            let content_type = content_type.and_then(|value| value.to_str().ok());
            let content_type = content_type.map(str::to_owned);
            let exchange = collection.dav.exchange;
            let (network, limit) = (exchange.network(), exchange.limits().size);
            let (body, mut weight) = (answer.body, answer.weight);
            let text = transport::text(network, body, content_type, limit, &mut weight).await;
            let body = match text.map_err(|kind| kind.at(answer.url.host())) {
                Err(error) if is_about_one_answer(&error) => return Ok(Single::Unread),
                text => text?,
            };
            Ok(if contains_calendar(&body) {
                Single::Body(body)
            } else if body.trim_ascii_start().starts_with(b"<") {
                // A login page, most likely.
                Single::Unread
            } else {
                Single::Other
            })
        }
        404 | 410 => Ok(Single::Gone),
        _ => {
            collection.dav.fatal(&answer)?;
            Ok(Single::Unread)
        }
    }
}

/// Whether an error may be the fault of what was asked for, so that the next
/// question may well be answered.
fn is_about_one_answer(error: &PullError) -> bool {
    // That is about all of what the pull holds.
    if let PullErrorKind::TooLarge { measure, .. } = error.kind {
        return measure != Measure::Memory;
    }
    matches!(
        error.kind,
        PullErrorKind::TimedOut(_)
            | PullErrorKind::CutOff { .. }
            | PullErrorKind::DamagedCompression
            | PullErrorKind::UnknownEncoding(_)
            | PullErrorKind::Redirect(_)
            | PullErrorKind::Unreachable(Cause::NoAnswer)
    )
}

fn contains_calendar(body: &[u8]) -> bool {
    const BEGIN: &[u8] = b"BEGIN:VCALENDAR";
    let start = body.get(..4096).unwrap_or(body);
    start
        .windows(BEGIN.len())
        .any(|window| window.eq_ignore_ascii_case(BEGIN))
}

impl Fetched {
    fn miss(&mut self, collection: &Collection<'_>, member: &Member) {
        let held = collection.held(&member.key);
        let name = held.map_or_else(|| member.name(), |held| held.href.clone());
        self.missing.push(name);
    }

    async fn add(
        &mut self,
        collection: &Collection<'_>,
        wanted: Entry,
        body: Bytes,
    ) -> Result<(), PullError> {
        let limit = collection.dav.exchange.limits().size;
        self.size = self.size.saturating_add(body.len() as u64);
        let held = collection.held(&wanted.member.key);
        if let Some(held) = held {
            self.size = self.size.saturating_sub(held.body.len() as u64);
        }
        if self.size > limit {
            return Err(PullErrorKind::TooLarge {
                measure: Measure::Held,
                limit,
            }
            .at(collection.calendar.host()));
        }
        let etag = match wanted.etag {
            Some(etag) => etag,
            None => {
                self.untagged = true;
                let (body, size) = (body.clone(), body.len());
                let tag = move || tag_of(&body);
                let network = collection.dav.exchange.network();
                network.work_on(size, tag).await
            }
        };
        // Without a tag of the server's, the same body is the same version.
        let same = held
            .is_some_and(|held| held.etag.as_deref() == Some(&etag) && etag.starts_with("sha256:"));
        if !same {
            let mut weight = collection.dav.exchange.weight();
            let added = weight.add(body.len() as u64);
            added.map_err(|kind| kind.at(collection.calendar.host()))?;
            weight.keep();
            self.items.push(FeedItem {
                // Held under the name that it was first seen with: servers change
                // their spelling, and one event must not become two.
                href: held.map_or_else(|| wanted.member.name(), |held| held.href.clone()),
                etag: Some(etag),
                last_modified: None,
                body,
            });
        }
        Ok(())
    }
}
