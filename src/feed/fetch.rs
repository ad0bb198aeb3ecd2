//! The bodies of events: by multiget in chunks, one by one where a chunk fails,
//! and never mixed up, since servers leave out, reorder and add as they like.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::StreamExt as _;
use ring::digest;

use super::caldav::Collection;
use super::dav::{Depth, Reply};
use super::dav_xml;
use super::error::{Measure, PullError, PullErrorKind};
use super::member::{self, Key, Member};
use crate::model::item::FeedItem;
use crate::model::name::hex;

/// Small enough for the limits that servers have, large enough to be quick.
pub(super) const CHUNK: usize = 50;

/// Single GETs at a time; the network's bound for one host is the same.
const AT_ONCE: usize = 4;

/// An event to be fetched.
pub(super) struct Wanted {
    pub member: Member,
    /// As it was listed. Kept rather than the tag that comes with the body: if the
    /// event changes in between, the older tag makes the next pull look again.
    pub etag: Option<String>,
}

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
    let hash = digest::digest(&digest::SHA256, body);
    format!("sha256:{}", hex(hash.as_ref()))
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
    wanted: Vec<Wanted>,
) -> Result<Fetched, PullError> {
    let mut fetched = Fetched {
        size: collection.held_size(),
        ..Fetched::default()
    };
    let count = wanted.len();
    let singles = by_multiget(collection, wanted, &mut fetched).await?;
    let mut results = futures_util::stream::iter(singles)
        .map(async |wanted: Wanted| {
            let result = single(collection, &wanted.member).await;
            (wanted, result)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((wanted, result)) = results.next().await {
        match result? {
            Single::Body(body) => fetched.add(collection, wanted, body)?,
            Single::Gone => fetched.gone.push(wanted.member.key),
            Single::Other => {}
            Single::Unread => fetched.miss(collection, wanted.member),
        }
    }
    // One bad event must not cost the room the others; but when many fail, or all
    // there are, the calendar has not been read.
    let unread = fetched.missing.len();
    let many = unread >= 4 && unread * 4 > count;
    let all = unread > 0 && unread == count && collection.held_size() == 0;
    if many || all {
        return Err(PullErrorKind::Incomplete { missing: unread }.at(collection.calendar.host()));
    }
    Ok(fetched)
}

/// Fetches chunk by chunk; gives back what has to be asked for one by one.
async fn by_multiget(
    collection: &Collection<'_>,
    wanted: Vec<Wanted>,
    fetched: &mut Fetched,
) -> Result<Vec<Wanted>, PullError> {
    let mut singles = Vec::new();
    let (mut worked, mut failed) = (false, 0);
    let mut wanted = wanted.into_iter().peekable();
    while wanted.peek().is_some() {
        let chunk: Vec<Wanted> = wanted.by_ref().take(CHUNK).collect();
        // A server that has no multiget at all need not be asked for every chunk.
        if !worked && failed >= 2 {
            singles.extend(chunk);
            continue;
        }
        let hrefs = chunk.iter().map(|wanted| wanted.member.href.as_str());
        let question = dav_xml::ask_for_bodies(hrefs);
        let page = match collection
            .dav
            .report(&collection.calendar, Depth::One, question)
            .await?
        {
            Reply::Multi(page) => page,
            Reply::Unreadable { .. } => {
                failed += 1;
                singles.extend(chunk);
                continue;
            }
            Reply::Other(answer) => {
                collection.dav.fatal(&answer)?;
                failed += 1;
                singles.extend(chunk);
                continue;
            }
        };
        worked = true;
        let mut bodies: HashMap<Key, String> = page
            .multistatus
            .responses
            .into_iter()
            .filter_map(|response| {
                let member = member::member(&page.url, &response.href)?;
                Some((member.key, response.properties.calendar_data?))
            })
            .collect();
        for wanted in chunk {
            match bodies.remove(&wanted.member.key) {
                Some(body) => fetched.add(collection, wanted, body.into())?,
                // Left out, or said to be missing: the event itself decides.
                None => singles.push(wanted),
            }
        }
    }
    Ok(singles)
}

async fn single(collection: &Collection<'_>, member: &Member) -> Result<Single, PullError> {
    let Some(url) = member::resolve(&collection.calendar, &member.href) else {
        return Ok(Single::Unread);
    };
    // No server sends podcal to fetch things from somewhere else.
    if url.host() != collection.calendar.host()
        || url.is_encrypted() != collection.calendar.is_encrypted()
    {
        return Ok(Single::Other);
    }
    let answer = collection.dav.get(&url).await?;
    match answer.status.as_u16() {
        200 if contains_calendar(&answer.body) => Ok(Single::Body(answer.body)),
        // A login page, most likely.
        200 if answer.body.trim_ascii_start().starts_with(b"<") => Ok(Single::Unread),
        200 => Ok(Single::Other),
        404 | 410 => Ok(Single::Gone),
        _ => {
            collection.dav.fatal(&answer)?;
            Ok(Single::Unread)
        }
    }
}

fn contains_calendar(body: &[u8]) -> bool {
    const BEGIN: &[u8] = b"BEGIN:VCALENDAR";
    let start = body.get(..4096).unwrap_or(body);
    start
        .windows(BEGIN.len())
        .any(|window| window.eq_ignore_ascii_case(BEGIN))
}

impl Fetched {
    fn miss(&mut self, collection: &Collection<'_>, member: Member) {
        let held = collection.held(&member.key);
        self.missing
            .push(held.map_or(member.name, |held| held.href.clone()));
    }

    fn add(
        &mut self,
        collection: &Collection<'_>,
        wanted: Wanted,
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
        let etag = wanted.etag.unwrap_or_else(|| {
            self.untagged = true;
            tag_of(&body)
        });
        // Without a tag of the server's, the same body is the same version.
        let same = held
            .is_some_and(|held| held.etag.as_deref() == Some(&etag) && etag.starts_with("sha256:"));
        if !same {
            self.items.push(FeedItem {
                // Held under the name that it was first seen with: servers change
                // their spelling, and one event must not become two.
                href: held.map_or(wanted.member.name, |held| held.href.clone()),
                etag: Some(etag),
                last_modified: None,
                body,
            });
        }
        Ok(())
    }
}
