//! The edge to calendars: `FeedClient::pull` brings what changed since what is
//! held, or an error, never half of a calendar.
//!
//! `http` and `file` read one ICS document, `caldav` a collection of them.
//! Whether the bytes are a calendar is for `ics` to judge, what to do about a
//! failure for the flow, and when to try again for the scheduler.

mod auth;
mod body;
mod caldav;
mod challenge;
mod dav;
mod dav_xml;
mod digest;
mod discover;
mod document;
pub mod error;
mod exchange;
mod fetch;
mod file;
mod http;
pub mod inspect;
mod listing;
mod member;
mod network;
mod oauth;
mod share;
#[cfg(test)]
mod testhost;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use crate::config::{Feed, Source};
use crate::model::feed_url::FeedUrl;
use crate::model::item::{Held, Pulled};
use crate::model::time::UnixTime;

use self::auth::Session;
use self::error::PullError;
use self::exchange::{Exchange, Limits};
pub use self::network::Network;
use self::share::{Shared, SourceKey};

/// One feed of one room.
pub struct FeedClient {
    feed: Feed,
    /// `None` for a file.
    exchange: Option<Exchange>,
    shared: Arc<Shared>,
    /// The number of the shared answer that this client was handed last.
    seen: Mutex<u64>,
}

impl FeedClient {
    /// # Errors
    /// `PullError::BadSetting` when a value of the configuration cannot be sent.
    pub fn new(feed: &Feed, network: &Network) -> Result<Self, PullError> {
        let exchange = match &feed.source {
            Source::Ics { url, login } | Source::CalDav { url, login, .. } => Some(Exchange {
                network: network.clone(),
                session: Session::new(login.clone(), url),
                limits: Limits {
                    timeout: feed.timeout,
                    size: feed.max_size,
                },
                user_agent: user_agent(feed, url)?,
            }),
            Source::File { .. } => None,
        };
        Ok(Self {
            feed: feed.clone(),
            exchange,
            shared: network.shared(SourceKey::of(feed)),
            seen: Mutex::new(0),
        })
    }

    /// What changed since what is held.
    ///
    /// Clients of the same address and login share a download when they ask
    /// within the same seconds; see `share`. `now` is only for dates that a
    /// server gives (`Retry-After`) and for the full comparison of CalDAV once a day.
    ///
    /// # Errors
    /// Why nothing came; what is held stays in force.
    pub async fn pull(&self, held: &Held, now: UnixTime) -> Result<Pulled, PullError> {
        let mut seen = self.seen.lock().await;
        self.shared
            .pull(&mut seen, held, self.pull_alone(held, now))
            .await
    }

    async fn pull_alone(&self, held: &Held, now: UnixTime) -> Result<Pulled, PullError> {
        match (&self.feed.source, &self.exchange) {
            (Source::Ics { url, .. }, Some(exchange)) => http::pull(exchange, url, held, now).await,
            (Source::File { path }, _) => file::pull(path, self.feed.max_size, held).await,
            (Source::CalDav { url, calendar, .. }, Some(exchange)) => {
                caldav::pull(exchange, url, calendar.as_deref(), held, now).await
            }
            (Source::CalDav { url, .. } | Source::Ics { url, .. }, None) => {
                Err(PullError::NoCalendar { host: url.host() })
            }
        }
    }
}

/// Who podcal says it is.
///
/// Outlook answers 500 or an error page to programs that it does not know; what
/// it lets pass is the shape of a browser's name with a recent Chrome in it
/// (nextcloud/server#54799). podcal's own name stands at the end all the same.
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
    HeaderValue::from_str(text).map_err(|_| PullError::BadSetting {
        host: url.host(),
        setting: "user_agent",
    })
}
