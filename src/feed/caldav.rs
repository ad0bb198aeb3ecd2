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

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dav::{Dav, Depth, Reply};
use super::dav_xml::{self, Properties};
use super::discover;
use super::error::{PullError, PullErrorKind, Status};
use super::exchange::Exchange;
use super::fetch::{self, Fetched, Wanted};
use super::listing::{Changes, Entry, List};
use super::member::{self, Key};
use crate::model::feed_url::FeedUrl;
use crate::model::item::{FeedItem, FeedState, Held, Pulled};
use crate::model::time::UnixTime;

/// A full comparison at least so often: tokens and CTags are promises that not
/// every server keeps.
const FULL_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A report that failed so often in a row is not tried again before the next
/// full comparison is due.
const SYNC_REFUSALS: u8 = 2;

/// A CTag that moved so often without any change moves for other reasons.
const IDLE_MOVES: u8 = 3;

/// A pull may take as long as so many requests that just do not time out.
const PATIENCE: u32 = 30;

/// What one pull leaves for the next, as JSON in `FeedState`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The calendar that discovery found.
    url: String,
    /// Absent where sync-collection does not work.
    sync_token: Option<String>,
    ctag: Option<String>,
    /// The mark is a clock, and changes within its last tick would not show.
    #[serde(default)]
    young: bool,
    /// Something that is listed could not be had: to be tried again.
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
}

impl State {
    fn read(state: &FeedState) -> Option<Self> {
        serde_json::from_str(state.0.as_deref()?).ok()
    }

    fn feed_state(&self) -> FeedState {
        FeedState(serde_json::to_string(self).ok())
    }

    /// A server that was updated may do today what it refused yesterday.
    fn forgiven(self, now: UnixTime) -> Self {
        if self.sync_refusals > 0 && is_a_day_ago(self.refused_at, now) {
            Self {
                sync_refusals: 0,
                idle_moves: 0,
                ..self
            }
        } else {
            self
        }
    }

    fn calendar(&self) -> Option<FeedUrl> {
        FeedUrl::from_url(url::Url::parse(&self.url).ok()?)
    }
}

pub(super) async fn pull(
    exchange: &Exchange<'_>,
    url: &FeedUrl,
    wanted: Option<&str>,
    held: &Held,
) -> Result<Pulled, PullError> {
    let patience = exchange.limits().timeout.saturating_mul(PATIENCE);
    let whole = pull_in_time(Dav { exchange }, url, wanted, held);
    tokio::time::timeout(patience, whole)
        .await
        .unwrap_or_else(|_| Err(PullErrorKind::TimedOut(patience).at(url.host())))
}

async fn pull_in_time(
    dav: Dav<'_>,
    url: &FeedUrl,
    wanted: Option<&str>,
    held: &Held,
) -> Result<Pulled, PullError> {
    if let Some(known) = State::read(&held.state)
        && let Some(calendar) = known.calendar()
    {
        // Discovery found this host over https, in an earlier life of this program.
        dav.exchange.session().trust(url, &calendar);
        match Collection::open(&dav, &calendar, held).await {
            Ok((collection, marks)) => return collection.update(known, marks).await,
            // The server may have moved its calendars: look once more.
            Err(error)
                if matches!(
                    error.kind,
                    PullErrorKind::NotFound(_) | PullErrorKind::NotDav(_)
                ) && !member::is_same(url, calendar.reveal().path()) => {}
            Err(error) => return Err(error),
        }
    }
    let found = discover::find(&dav, url, wanted).await?;
    let (collection, marks) = Collection::open(&dav, &found.url, held).await?;
    collection.compare(State::default(), marks).await
}

/// One pull of one calendar.
pub(super) struct Collection<'a> {
    pub dav: &'a Dav<'a>,
    pub calendar: FeedUrl,
    held: HashMap<Key, &'a FeedItem>,
}

/// Why an increment could not be used.
pub(super) enum Doubt {
    /// The report does not work here, or the token is not known any more.
    Refused,
    /// It answered, but not in a way that can be relied upon.
    Unsure,
    /// It told of nothing, and its token did not move, although the CTag did: a
    /// restored backup, or a token from the future, which sabre accepts.
    Idle,
}

impl<'a> Collection<'a> {
    /// Sees whether the calendar is there, and reads the marks of its state.
    pub(super) async fn open(
        dav: &'a Dav<'a>,
        calendar: &FeedUrl,
        held: &'a Held,
    ) -> Result<(Self, Properties), PullError> {
        let reply = dav
            .propfind(calendar, Depth::Zero, dav_xml::ask_for_change_marks())
            .await?;
        let page = discover::there(dav.page(reply)?)?;
        let marks = discover::itself(&page).map(|place| place.properties.clone());
        let marks = marks.unwrap_or_default();
        if !marks.is_calendar {
            // What was a calendar and is none now was deleted, and something
            // else answers in its place.
            return Err(PullErrorKind::NotFound(Status(404)).at(calendar.host()));
        }
        let items = held.items.iter();
        let collection = Self {
            dav,
            calendar: page.url,
            held: items.map(|item| (Key::of_held(&item.href), item)).collect(),
        };
        Ok((collection, marks))
    }

    /// Whether anything changed, and then what.
    async fn update(&self, known: State, marks: Properties) -> Result<Pulled, PullError> {
        let known = known.forgiven(self.dav.exchange.now);
        let token_counts = known.sync_token.is_some();
        let has_mark = marks.ctag.is_some() || (token_counts && marks.sync_token.is_some());
        let moved =
            marks.ctag != known.ctag || (token_counts && marks.sync_token != known.sync_token);
        if is_a_day_ago(known.full_at, self.dav.exchange.now)
            || known.unfinished
            || known.untagged
            || !has_mark
        {
            return self.compare(known, marks).await;
        }
        if !moved && !known.young {
            return Ok(Pulled::Unchanged {
                state: known.feed_state(),
                missing: Vec::new(),
                server_date: None,
            });
        }
        let Some(token) = known.sync_token.clone() else {
            return self.compare(known, marks).await;
        };
        match self.increment(&known, &token, &marks).await? {
            Ok(pulled) => Ok(pulled),
            Err(Doubt::Refused) => {
                let refused = State {
                    sync_refusals: known.sync_refusals.saturating_add(1),
                    refused_at: self.dav.exchange.now.seconds(),
                    ..known
                };
                self.compare(refused, marks).await
            }
            Err(Doubt::Unsure) => self.compare(known, marks).await,
            Err(Doubt::Idle) => {
                let suspecting = State {
                    idle_moves: known.idle_moves.saturating_add(1),
                    ..known
                };
                self.compare(suspecting, marks).await
            }
        }
    }

    /// What changed since the token; `Err` inside when only a comparison can tell.
    async fn increment(
        &self,
        known: &State,
        token: &str,
        marks: &Properties,
    ) -> Result<Result<Pulled, Doubt>, PullError> {
        let (changes, token_now) = match self.changes(token).await? {
            Ok(changes) => changes,
            Err(doubt) => return Ok(Err(doubt)),
        };
        let ctag_moved = marks.ctag != known.ctag;
        let nothing = changes.entries.is_empty() && changes.removed.is_empty();
        if nothing && token_now == token && ctag_moved && known.idle_moves < IDLE_MOVES {
            return Ok(Err(Doubt::Idle));
        }
        let familiar = changes
            .entries
            .iter()
            .filter(|entry| self.has(entry))
            .count();
        if familiar > 0 && familiar * 2 >= self.held.len() {
            // DAViCal and SOGo answer a token they forgot with everything there
            // is; what was deleted meanwhile is not mentioned.
            return Ok(Err(Doubt::Unsure));
        }
        // A small increment is fetched as it is: an event that was deleted and made
        // anew may bear the tag of the old one (SOGo counts versions). In a large
        // one, what bears the tag that is held is the same.
        let few = changes.entries.len() <= fetch::CHUNK;
        let wanted = changes
            .entries
            .into_iter()
            .filter(|entry| few || !self.has(entry))
            .map(Wanted::from)
            .collect();
        let fetched = fetch::bodies(self, wanted).await?;
        let state = State {
            sync_token: Some(token_now),
            ctag: marks.ctag.clone(),
            young: is_young(marks, self.dav.exchange.now),
            unfinished: !fetched.missing.is_empty(),
            untagged: known.untagged || fetched.untagged,
            sync_refusals: 0,
            ..known.clone()
        };
        Ok(Ok(self.pulled(fetched, changes.removed, state)))
    }

    /// Asks for the changes, page by page where the server hands out pages.
    pub(super) async fn changes(
        &self,
        token: &str,
    ) -> Result<Result<(Changes, String), Doubt>, PullError> {
        const MOST_PAGES: usize = 1000;
        let mut token = token.to_owned();
        let mut changes = Changes::default();
        for _ in 0..MOST_PAGES {
            let question = dav_xml::ask_for_changes(&token);
            let page = match self
                .dav
                .report(&self.calendar, Depth::Zero, question)
                .await?
            {
                Reply::Multi(page) => page,
                Reply::Unreadable { .. } => return Ok(Err(Doubt::Refused)),
                Reply::Other(answer) => {
                    self.dav.fatal(&answer)?;
                    return Ok(Err(Doubt::Refused));
                }
            };
            // DavMail answers any report as a query, Calypso has no tokens.
            let Some(next) = page.multistatus.sync_token.clone() else {
                return Ok(Err(Doubt::Refused));
            };
            let more = changes.take(&page)?;
            if !more {
                return Ok(Ok((changes, next)));
            }
            if next == token {
                break;
            }
            token = next;
        }
        Ok(Err(Doubt::Unsure))
    }

    /// Lists everything and compares it with what is held.
    async fn compare(&self, known: State, marks: Properties) -> Result<Pulled, PullError> {
        // The token is older than the list: what changes in between is reported
        // once more, and nothing is lost.
        let sync_token = self.token(&known, &marks).await?;
        let list = self.list().await?;
        let named: HashSet<&Key> = list.entries.iter().map(|entry| &entry.member.key).collect();
        let removed: Vec<Key> = if list.complete {
            let held = self.held.keys();
            held.filter(|key| !named.contains(key)).cloned().collect()
        } else {
            Vec::new()
        };
        let complete = list.complete;
        let wanted: Vec<Wanted> = list
            .entries
            .into_iter()
            .filter(|entry| !self.has(entry))
            .map(Wanted::from)
            .collect();
        let fetched = fetch::bodies(self, wanted).await?;
        // A comparison that finds something proves the CTag right.
        let nothing = fetched.items.is_empty() && removed.is_empty();
        let state = State {
            idle_moves: if nothing { known.idle_moves } else { 0 },
            url: self.calendar.reveal().as_str().to_owned(),
            sync_token,
            young: is_young(&marks, self.dav.exchange.now),
            ctag: marks.ctag,
            unfinished: !fetched.missing.is_empty() || !complete,
            untagged: fetched.untagged,
            full_at: self.dav.exchange.now.seconds(),
            ..known
        };
        Ok(self.pulled(fetched, removed, state))
    }

    /// The token to begin with, where sync-collection is worth trying.
    async fn token(&self, known: &State, marks: &Properties) -> Result<Option<String>, PullError> {
        if known.sync_refusals >= SYNC_REFUSALS {
            return Ok(None);
        }
        if marks.sync_token.is_some() || !marks.offers_sync {
            return Ok(marks.sync_token.clone());
        }
        // Offered, but without the property: an initial report brings a token.
        let question = dav_xml::ask_for_changes("");
        match self
            .dav
            .report(&self.calendar, Depth::Zero, question)
            .await?
        {
            Reply::Multi(page) => Ok(page.multistatus.sync_token),
            Reply::Unreadable { .. } => Ok(None),
            Reply::Other(answer) => {
                self.dav.fatal(&answer)?;
                Ok(None)
            }
        }
    }

    /// All members with their tags; by a query where there is no list.
    pub(super) async fn list(&self) -> Result<List, PullError> {
        let reply = self
            .dav
            .propfind(&self.calendar, Depth::One, dav_xml::ask_for_list())
            .await?;
        let list = match reply {
            Reply::Multi(page) => Ok(List::of(&page)?),
            Reply::Other(answer) => {
                self.dav.fatal(&answer)?;
                Err(self.dav.error(&answer))
            }
            unreadable => self.dav.page(unreadable).map(|_| List {
                entries: Vec::new(),
                complete: false,
            }),
        };
        if list.as_ref().is_ok_and(|list| list.complete) {
            return list;
        }
        let question = dav_xml::ask_for_events();
        match self
            .dav
            .report(&self.calendar, Depth::One, question)
            .await?
        {
            Reply::Multi(page) => List::of(&page),
            Reply::Other(answer) => {
                self.dav.fatal(&answer)?;
                list
            }
            Reply::Unreadable { .. } => list,
        }
    }

    /// Whether this very version is held.
    fn has(&self, entry: &Entry) -> bool {
        entry.etag.is_some()
            && self
                .held
                .get(&entry.member.key)
                .is_some_and(|item| item.etag == entry.etag)
    }

    pub(super) fn held(&self, key: &Key) -> Option<&'a FeedItem> {
        self.held.get(key).copied()
    }

    pub(super) fn held_size(&self) -> u64 {
        let bodies = self.held.values().map(|item| item.body.len() as u64);
        bodies.sum()
    }

    fn pulled(&self, fetched: Fetched, removed: Vec<Key>, state: State) -> Pulled {
        let state = state.feed_state();
        // Removed on one page and made anew on the next.
        let back: HashSet<Key> = fetched
            .items
            .iter()
            .map(|item| Key::of_held(&item.href))
            .collect();
        let removed: Vec<String> = removed
            .into_iter()
            .chain(fetched.gone)
            .filter(|key| !back.contains(key))
            .filter_map(|key| self.held(&key))
            .map(|item| item.href.clone())
            .collect();
        if fetched.items.is_empty() && removed.is_empty() {
            return Pulled::Unchanged {
                state,
                missing: fetched.missing,
                server_date: None,
            };
        }
        Pulled::Changed {
            items: fetched.items,
            removed,
            state,
            missing: fetched.missing,
            server_date: None,
        }
    }
}

/// Whether a mark is the clock of a server, just read: SOGo counts seconds, and a
/// second change within the same second moves nothing.
fn is_young(marks: &Properties, now: UnixTime) -> bool {
    const ABOUT_NOW: i64 = 120;
    [&marks.ctag, &marks.sync_token]
        .into_iter()
        .flatten()
        .filter_map(|mark| mark.trim_matches('"').parse::<i64>().ok())
        .any(|seconds| (seconds - now.seconds()).abs() <= ABOUT_NOW)
}

/// Also when the clock was set back: then nobody knows how long ago it was.
fn is_a_day_ago(then: i64, now: UnixTime) -> bool {
    let then = UnixTime::from_seconds(then);
    now.since(then) >= FULL_EVERY || now < then
}

#[cfg(test)]
mod tests;
