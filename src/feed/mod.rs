//! The edge to calendars: `FeedClient::pull` brings what changed since what is
//! held, or an error, never half of a calendar without saying so.
//!
//! `http` and `file` read one ICS document, `caldav` a collection of them.
//! Whether the bytes are a calendar is for `ics` to judge, what to do about a
//! failure and when to try again for the caller.

mod account;
mod auth;
mod body;
mod caldav;
mod challenge;
mod collection;
mod connect;
mod cookies;
mod dav;
mod dav_xml;
mod digest;
mod discover;
mod document;
pub mod error;
mod exchange;
mod fetch;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod http;
mod idle;
pub mod inspect;
mod listing;
mod load;
mod marks;
mod member;
mod network;
mod oauth;
mod pace;
mod place;
mod received;
mod request_body;
mod tls;
mod tokens;
mod transport;

#[cfg(test)]
mod testhost;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hyper::header::HeaderValue;

use crate::config::{Feed, Login, Source};
use crate::model::feed_url::FeedUrl;
use crate::model::item::{Held, Pulled};
use crate::model::time::UnixTime;
use crate::net::memory::Room;

pub use self::account::AccountKey;
use self::auth::Session;
use self::error::{PullError, PullErrorKind};
use self::exchange::{Exchange, Settings};
use self::load::Load;
pub use self::network::Network;
use self::transport::Limits;

/// One feed. Its owner asks for one pull at a time.
pub struct FeedClient {
    feed: Feed,
    network: Network,
    /// `None` for a file.
    settings: Option<Settings>,
}

impl FeedClient {
    /// # Errors
    /// `PullErrorKind::BadSetting` when a value of the configuration cannot be sent.
    pub fn new(feed: &Feed, network: &Network) -> Result<Self, PullError> {
        let settings = match &feed.source {
            Source::Ics { url, login } | Source::CalDav { url, login, .. } => Some(Settings {
                network: network.clone(),
                session: Session::new(login.clone(), url),
                limits: Limits {
                    timeout: feed.timeout,
                    size: feed.max_size,
                },
                user_agent: user_agent(feed, url)?,
                tls: feed.tls.clone(),
                url: url.clone(),
                memory: std::sync::Mutex::default(),
            }),
            Source::File { .. } => None,
        };
        Ok(Self {
            feed: feed.clone(),
            network: network.clone(),
            settings,
        })
    }

    /// The account that this feed signs in with; `None` where it has no login.
    /// Feeds with the same account share its secret.
    #[must_use]
    pub fn account(&self) -> Option<AccountKey> {
        AccountKey::of(&self.feed.source)
    }

    /// Why the newest refresh token of this feed ends with this process: it could not be
    /// written beside the ledger. `None` where all is well.
    pub async fn token_not_saved(&self) -> Option<String> {
        let (Source::Ics { login, .. } | Source::CalDav { login, .. }) = &self.feed.source else {
            return None;
        };
        match login {
            Login::OAuth2(oauth2) => oauth::not_saved(&self.network, oauth2).await,
            _ => None,
        }
    }

    /// What changed since what is held.
    ///
    /// `now` is only for dates that a server gives (`Retry-After`) and for the
    /// full comparison once a day.
    ///
    /// # Errors
    /// Why nothing came; what is held stays in force.
    pub async fn pull(&self, held: &Held, now: UnixTime) -> Result<Pulled, PullError> {
        self.pull_into(held, now, None).await.0
    }

    /// The same, with the room in memory that what was pulled takes until it has been read;
    /// `expected` is about how much it will be. A body is read only when there is room, which
    /// is waited for when a host has answered: one that does not holds up nobody.
    pub async fn pull_into(
        &self,
        held: &Held,
        now: UnixTime,
        expected: Option<u64>,
    ) -> (Result<Pulled, PullError>, Option<Room>) {
        let budget = self.network.memory();
        let mut room = None;
        loop {
            let load = Arc::new(Load::new(budget, expected, room.take()));
            let pulled = self.pull_once(held, now, &load).await;
            match (pulled, load.needs()) {
                // What came so far is given up, so that who waits holds nothing.
                (Err(_), Some(needs)) => {
                    drop(load.take_room());
                    room = Some(budget.room(Some(needs)).await);
                }
                (pulled, _) => return (pulled, load.take_room()),
            }
        }
    }

    async fn pull_once(
        &self,
        held: &Held,
        now: UnixTime,
        load: &Arc<Load>,
    ) -> Result<Pulled, PullError> {
        let exchange = self.settings.as_ref();
        let exchange = exchange.map(|settings| Exchange::new(settings, now).with_load(load));
        let pulled = match (&self.feed.source, &exchange) {
            (Source::Ics { url, .. }, Some(exchange)) => http::pull(exchange, url, held).await,
            (Source::File { path }, _) => {
                file::pull(path, self.feed.max_size, held, &self.network, load).await
            }
            (Source::CalDav { url, calendar, .. }, Some(exchange)) => {
                caldav::pull(exchange, url, calendar.as_deref(), held).await
            }
            (Source::CalDav { url, .. } | Source::Ics { url, .. }, None) => {
                Err(PullErrorKind::NoCalendar.at(url.host()))
            }
        };
        let Some(exchange) = exchange else {
            return pulled;
        };
        match pulled {
            Ok(pulled) => Ok(pulled.dated(exchange.server_date())),
            Err(error) => Err(exchange.noted(error)),
        }
    }
}

/// Who podcal says it is.
///
/// Outlook answers 500 or an error page to programs that it does not know; what
/// it lets pass is the shape of a browser's name with a recent Chrome in it
/// (nextcloud/server#54799). podcal's own name stands at the end of it.
fn user_agent(feed: &Feed, url: &FeedUrl) -> Result<HeaderValue, PullError> {
    const OWN: &str = concat!(
        "podcal/",
        env!("CARGO_PKG_VERSION"),
        " (+room calendar sync)"
    );
    const FOR_OUTLOOK: &str = concat!(
        "Mozilla/5.0 (X11; Linux x86_64) Chrome/139.0.0.0 podcal/",
        env!("CARGO_PKG_VERSION")
    );
    let host = url.reveal().host_str().unwrap_or_default();
    let outlook = ["outlook.office365.com", "outlook.office.com"].contains(&host);
    let text = match &feed.user_agent {
        Some(text) => text,
        None if outlook => FOR_OUTLOOK,
        None => OWN,
    };
    HeaderValue::from_str(text).map_err(|_| PullErrorKind::BadSetting("user_agent").at(url.host()))
}
