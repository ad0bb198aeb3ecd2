//! A CalDAV calendar that is there: its marks, its list of members, and what
//! changed since a token, beside what is held of it.

use std::collections::HashMap;

use super::dav::{Dav, Depth, Page, Reply};
use super::dav_xml::{self, Properties};
use super::discover;
use super::error::{PullError, PullErrorKind, Status};
use super::listing::{Changes, Entry, List};
use super::member::Key;
use super::pace::Pace;
use crate::model::feed_url::FeedUrl;
use crate::model::item::{FeedItem, Held};

/// About what a response weighs, for the time that it takes to read it.
const PER_RESPONSE: usize = 100;

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
        let mut pace = Pace::default();
        let mut by_key = HashMap::with_capacity(held.items.len());
        for item in &held.items {
            pace.step().await;
            by_key.insert(Key::of_held(&item.href), item);
        }
        let collection = Self {
            dav,
            calendar: page.url,
            held: by_key,
        };
        Ok((collection, marks))
    }

    /// Asks for the changes, page by page where the server hands out pages.
    pub(super) async fn changes(
        &self,
        token: &str,
    ) -> Result<Result<(Changes, String), Doubt>, PullError> {
        const MAX_PAGES: usize = 1000;
        let mut token = token.to_owned();
        let mut changes = Changes::default();
        for _ in 0..MAX_PAGES {
            let question = dav_xml::ask_for_changes(&token);
            let mut page = match self
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
            let Some(next) = page.multistatus.sync_token.take() else {
                return Ok(Err(Doubt::Refused));
            };
            let size = page.multistatus.responses.len() * PER_RESPONSE;
            let read = move || {
                let more = changes.take(page)?;
                Ok::<_, PullError>((changes, more))
            };
            let more;
            (changes, more) = self.dav.exchange.network().work_on(size, read).await?;
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

    /// All members with their tags; by a query where there is no list.
    pub(super) async fn list(&self) -> Result<List, PullError> {
        let reply = self
            .dav
            .propfind(&self.calendar, Depth::One, dav_xml::ask_for_list())
            .await?;
        let list = match reply {
            Reply::Multi(page) => Ok(self.read_list(page).await?),
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
            Reply::Multi(page) => self.read_list(page).await,
            Reply::Other(answer) => {
                self.dav.fatal(&answer)?;
                list
            }
            Reply::Unreadable { .. } => list,
        }
    }

    async fn read_list(&self, page: Page) -> Result<List, PullError> {
        let network = self.dav.exchange.network();
        let size = page.multistatus.responses.len() * PER_RESPONSE;
        network.work_on(size, move || List::of(page)).await
    }

    /// Whether this very version is held.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        entry.etag.is_some()
            && self
                .held
                .get(&entry.member.key)
                .is_some_and(|item| item.etag == entry.etag)
    }

    pub(super) fn held(&self, key: &Key) -> Option<&'a FeedItem> {
        self.held.get(key).copied()
    }

    pub(super) fn held_keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.held.keys()
    }

    pub(super) fn held_size(&self) -> u64 {
        let bodies = self.held.values().map(|item| item.body.len() as u64);
        bodies.sum()
    }
}
