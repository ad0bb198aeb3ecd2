//! A CalDAV calendar: finds out what changed with as little as it takes, then
//! fetches just that.
//!
//! 1. One PROPFIND brings the calendar's CTag and sync-token. Nothing moved:
//!    done.
//! 2. A sync-collection report (RFC 6578) says what changed since the token, on
//!    servers where that truly works.
//! 3. Otherwise, once a day, and whenever a token is refused or doubtful, all
//!    members are listed with their entity tags and compared with what is held.
//!
//! What a complete list no longer names is gone; what a failed answer does not
//! name stays. Servers' time ranges and expansion are never used: half of them
//! lose events.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::collection::{Collection, Doubt};
use super::dav::{Dav, Depth, Reply};
use super::dav_xml::{self, Properties};
use super::discover;
use super::error::{PullError, PullErrorKind};
use super::exchange::Exchange;
use super::fetch::{self, Fetched};
use super::marks::{earlier, is_young};
use super::member::{self, Key};
use super::pace::Pace;
use crate::model::digest::{hex, sha256};
use crate::model::feed_url::FeedUrl;
use crate::model::item::{FeedState, Held, Pulled};

/// A report that failed this many times in a row is not tried again before the
/// next full comparison is due.
const SYNC_REFUSALS: u8 = 2;

/// A CTag that moved this many times without any change moves for other reasons.
const IDLE_MOVES: u8 = 3;

/// Overall deadline of a pull, as a multiple of the request timeout.
const DEADLINE_FACTOR: u32 = 30;

/// What one pull leaves for the next, as JSON in `FeedState`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Of the address of the calendar that all this is about. The address itself may be
    /// a secret, so it is found anew after a restart.
    #[serde(default)]
    calendar: String,
    /// That address, as podcal kept it before version 0.2.
    #[serde(default, rename = "url", skip_serializing)]
    older: Option<String>,
    /// Absent where sync-collection does not work.
    sync_token: Option<String>,
    ctag: Option<String>,
    /// The mark is a clock, and changes within its last tick would not show.
    #[serde(default)]
    young: bool,
    /// Something that is listed could not be fetched: to be tried again.
    #[serde(default)]
    unfinished: bool,
    /// Some items have no entity tag, so only their bodies tell.
    #[serde(default)]
    untagged: bool,
    full_at: i64,
    #[serde(default)]
    sync_refusals: u8,
    #[serde(default)]
    refused_at: i64,
    #[serde(default)]
    idle_moves: u8,
    /// The configured host has a private address, so the calendar may have one too.
    #[serde(default)]
    inside: bool,
}

impl State {
    fn read(state: &FeedState) -> Option<Self> {
        serde_json::from_str(state.0.as_deref()?).ok()
    }

    fn feed_state(&self) -> FeedState {
        FeedState(serde_json::to_string(self).ok())
    }

    /// A server that was updated may do today what it refused yesterday.
    fn forgiven(self, exchange: &Exchange<'_>) -> Self {
        if self.sync_refusals > 0 && exchange.is_a_day_ago(self.refused_at) {
            Self {
                sync_refusals: 0,
                idle_moves: 0,
                ..self
            }
        } else {
            self
        }
    }

    /// Whether all this is about the calendar at this address.
    fn is_of(&self, calendar: &FeedUrl) -> bool {
        match &self.older {
            Some(address) => address == calendar.reveal().as_str(),
            None => self.calendar == digest_of(calendar),
        }
    }

    /// Where the calendar is, if that can be told without looking for it.
    fn place(&self, configured: &FeedUrl) -> Option<FeedUrl> {
        match &self.older {
            Some(address) => FeedUrl::from_url(url::Url::parse(address).ok()?),
            None => self.is_of(configured).then(|| configured.clone()),
        }
    }
}

fn digest_of(calendar: &FeedUrl) -> String {
    hex(&sha256(calendar.reveal().as_str().as_bytes()))
}

pub(super) async fn pull(
    exchange: &Exchange<'_>,
    url: &FeedUrl,
    wanted: Option<&str>,
    held: &Held,
) -> Result<Pulled, PullError> {
    let deadline = exchange.limits().timeout.saturating_mul(DEADLINE_FACTOR);
    let whole = pull_in_time(Dav { exchange }, url, wanted, held);
    let pulled = tokio::time::timeout(deadline, whole)
        .await
        .unwrap_or_else(|_| Err(PullErrorKind::TimedOut(deadline).at(url.host())));
    match &pulled {
        Ok(_) => exchange.memory().was_gone = false,
        Err(error) if matches!(error.kind, PullErrorKind::NotFound(_)) => {
            exchange.memory().was_gone = true;
        }
        Err(_) => {}
    }
    pulled
}

async fn pull_in_time(
    dav: Dav<'_>,
    url: &FeedUrl,
    wanted: Option<&str>,
    held: &Held,
) -> Result<Pulled, PullError> {
    let exchange = dav.exchange;
    let known = State::read(&held.state);
    if known.as_ref().is_some_and(|known| known.inside) {
        exchange.set_inside();
    }
    let remembered = exchange.memory().calendar.clone();
    let place = remembered.or_else(|| known.as_ref()?.place(url));
    if let Some(place) = place {
        // Discovery found this host over https, in an earlier life of this program perhaps.
        exchange.session().trust(url, &place);
        match Collection::open(&dav, &place, held).await {
            Ok(opened) => return read(opened, known).await,
            // The server may have moved its calendars: look once more.
            Err(error)
                if matches!(
                    error.kind,
                    PullErrorKind::NotFound(_)
                        | PullErrorKind::NotDav(_)
                        | PullErrorKind::Redirect(_)
                ) && !member::is_same(url, place.reveal().path()) => {}
            Err(error) => return Err(error),
        }
    }
    let found = discover::find(&dav, url, wanted).await?;
    read(Collection::open(&dav, &found.url, held).await?, known).await
}

/// What is new in a calendar that is there.
async fn read(
    (collection, marks): (Collection<'_>, Properties),
    known: Option<State>,
) -> Result<Pulled, PullError> {
    let exchange = collection.dav.exchange;
    let was_gone = {
        let mut memory = exchange.memory();
        memory.calendar = Some(collection.calendar.clone());
        memory.was_gone
    };
    let known = known.filter(|known| known.is_of(&collection.calendar));
    let known = known.map(|known| State {
        calendar: digest_of(&collection.calendar),
        older: None,
        ..known
    });
    match known {
        Some(known) if !was_gone => update(&collection, known, marks).await,
        // Another calendar, or one made anew, may count its marks and tags from the
        // beginning, so that nothing that is held is known to be the same.
        _ => {
            let all = collection.held_keys().copied().collect();
            compare(&collection, State::default(), marks, &all).await
        }
    }
}

/// Whether anything changed, and then what.
async fn update(
    collection: &Collection<'_>,
    known: State,
    marks: Properties,
) -> Result<Pulled, PullError> {
    let exchange = collection.dav.exchange;
    let known = known.forgiven(exchange);
    let none = HashSet::new();
    let token_counts = known.sync_token.is_some();
    let has_mark = marks.ctag.is_some() || (token_counts && marks.sync_token.is_some());
    let moved = marks.ctag != known.ctag || (token_counts && marks.sync_token != known.sync_token);
    if exchange.is_a_day_ago(known.full_at) || known.unfinished || known.untagged || !has_mark {
        return compare(collection, known, marks, &none).await;
    }
    if known.young {
        let suspects = suspects(collection, &known).await?;
        return compare(collection, known, marks, &suspects).await;
    }
    if !moved {
        return Ok(Pulled::Unchanged {
            state: known.feed_state(),
            missing: Vec::new(),
            server_date: None,
        });
    }
    let Some(token) = known.sync_token.clone() else {
        return compare(collection, known, marks, &none).await;
    };
    let doubtful = match increment(collection, &known, &token, &marks).await? {
        Ok(pulled) => return Ok(pulled),
        Err(Doubt::Refused) => State {
            sync_refusals: known.sync_refusals.saturating_add(1),
            refused_at: exchange.now.seconds(),
            ..known
        },
        Err(Doubt::Unsure) => known,
        Err(Doubt::Idle) => State {
            idle_moves: known.idle_moves.saturating_add(1),
            ..known
        },
    };
    compare(collection, doubtful, marks, &none).await
}

/// What changed since the token; `Err` inside when only a comparison can tell.
async fn increment(
    collection: &Collection<'_>,
    known: &State,
    token: &str,
    marks: &Properties,
) -> Result<Result<Pulled, Doubt>, PullError> {
    let (changes, token_now) = match collection.changes(token).await? {
        Ok(changes) => changes,
        Err(doubt) => return Ok(Err(doubt)),
    };
    let ctag_moved = marks.ctag != known.ctag;
    let nothing = changes.entries.is_empty() && changes.removed.is_empty();
    if nothing && token_now == token && ctag_moved && known.idle_moves < IDLE_MOVES {
        return Ok(Err(Doubt::Idle));
    }
    // A small increment is fetched as it is: an event that was deleted and made
    // anew may bear the tag of the old one (SOGo counts versions). In a large one,
    // what bears the tag that is held is the same.
    let few = changes.entries.len() <= fetch::CHUNK;
    let mut pace = Pace::default();
    let mut familiar = 0;
    let mut wanted = Vec::new();
    for entry in changes.entries {
        pace.step().await;
        let has = collection.has(&entry);
        familiar += usize::from(has);
        if few || !has {
            wanted.push(entry);
        }
    }
    if familiar > 0 && familiar * 2 >= collection.held_keys().len() {
        // DAViCal and SOGo answer a token they forgot with everything there is;
        // what was deleted meanwhile is not mentioned.
        return Ok(Err(Doubt::Unsure));
    }
    let fetched = fetch::bodies(collection, wanted).await?;
    let state = State {
        sync_token: Some(token_now),
        ctag: marks.ctag.clone(),
        young: is_young(marks, collection.dav.exchange.server_now()),
        unfinished: !fetched.missing.is_empty(),
        untagged: known.untagged || fetched.untagged,
        sync_refusals: 0,
        ..known.clone()
    };
    Ok(Ok(pulled(collection, fetched, changes.removed, state).await))
}

/// What an increment names beside the list that has to be compared: an event that
/// was deleted and made anew may bear the tag of the old one.
async fn suspects(collection: &Collection<'_>, known: &State) -> Result<HashSet<Key>, PullError> {
    let Some(token) = known.sync_token.as_deref() else {
        return Ok(HashSet::new());
    };
    let earlier = earlier(token);
    let token = earlier.as_deref().unwrap_or(token);
    Ok(match collection.changes(token).await? {
        Ok((changes, _)) if changes.entries.len() <= fetch::CHUNK => {
            let entries = changes.entries.iter();
            entries.map(|entry| entry.member.key).collect()
        }
        _ => HashSet::new(),
    })
}

/// Lists everything and compares it with what is held. `suspects` are fetched
/// whatever tag they have.
async fn compare(
    collection: &Collection<'_>,
    known: State,
    marks: Properties,
    suspects: &HashSet<Key>,
) -> Result<Pulled, PullError> {
    let exchange = collection.dav.exchange;
    // The token is older than the list: what changes in between is reported once
    // more, and nothing is lost.
    let sync_token = token(collection, &known, &marks).await?;
    let young = is_young(&marks, exchange.server_now());
    let list = collection.list().await?;
    let mut pace = Pace::default();
    let mut named: HashSet<Key> = HashSet::with_capacity(list.entries.len());
    let mut wanted = Vec::new();
    for entry in list.entries {
        pace.step().await;
        named.insert(entry.member.key);
        if !collection.has(&entry) || suspects.contains(&entry.member.key) {
            wanted.push(entry);
        }
    }
    let mut removed = Vec::new();
    if list.complete {
        for key in collection.held_keys() {
            pace.step().await;
            if !named.contains(key) {
                removed.push(*key);
            }
        }
    }
    let fetched = fetch::bodies(collection, wanted).await?;
    // A comparison that finds something proves the CTag right.
    let nothing = fetched.items.is_empty() && removed.is_empty();
    let state = State {
        idle_moves: if nothing { known.idle_moves } else { 0 },
        calendar: digest_of(&collection.calendar),
        sync_token,
        young,
        ctag: marks.ctag,
        unfinished: !fetched.missing.is_empty() || !list.complete,
        untagged: fetched.untagged,
        full_at: exchange.now.seconds(),
        inside: exchange.is_inside(),
        ..known
    };
    Ok(pulled(collection, fetched, removed, state).await)
}

/// The token to begin with, where sync-collection is worth trying.
async fn token(
    collection: &Collection<'_>,
    known: &State,
    marks: &Properties,
) -> Result<Option<String>, PullError> {
    if known.sync_refusals >= SYNC_REFUSALS {
        return Ok(None);
    }
    if marks.sync_token.is_some() || !marks.offers_sync {
        return Ok(marks.sync_token.clone());
    }
    // Offered, but without the property: an initial report brings a token.
    let question = dav_xml::ask_for_changes("");
    let dav = collection.dav;
    match dav
        .report(&collection.calendar, Depth::Zero, question)
        .await?
    {
        Reply::Multi(page) => Ok(page.multistatus.sync_token),
        Reply::Unreadable { .. } => Ok(None),
        Reply::Other(answer) => {
            dav.fatal(&answer)?;
            Ok(None)
        }
    }
}

async fn pulled(
    collection: &Collection<'_>,
    fetched: Fetched,
    removed: Vec<Key>,
    state: State,
) -> Pulled {
    let state = state.feed_state();
    let mut pace = Pace::default();
    // Removed on one page and made anew on the next.
    let mut back: HashSet<Key> = HashSet::with_capacity(fetched.items.len());
    for item in &fetched.items {
        pace.step().await;
        back.insert(Key::of_held(&item.href));
    }
    let mut gone = HashSet::new();
    let mut hrefs = Vec::new();
    for key in removed.into_iter().chain(fetched.gone) {
        pace.step().await;
        if !back.contains(&key)
            && gone.insert(key)
            && let Some(item) = collection.held(&key)
        {
            hrefs.push(item.href.clone());
        }
    }
    if fetched.items.is_empty() && hrefs.is_empty() {
        return Pulled::Unchanged {
            state,
            missing: fetched.missing,
            server_date: None,
        };
    }
    Pulled::Changed {
        items: fetched.items,
        removed: hrefs,
        state,
        missing: fetched.missing,
        server_date: None,
    }
}

#[cfg(test)]
mod tests;
