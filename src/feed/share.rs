//! One download for all rooms that read the same address.
//!
//! A building's feed serves many rooms, each with another `only`. Their pulls
//! fall into the same seconds (a schedule and its jitter), and a hosted calendar
//! that is asked forty times in a row answers 429. So the pulls of one source
//! wait for each other, and an answer is handed to every client that holds the
//! same as the one that asked for it.
//!
//! No client is ever handed the same answer twice, and none that is older than
//! `REUSE`: whatever the schedule, each cycle of a room brings a fresh look.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ring::digest;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::PullError;
use crate::config::{Feed, Login, Source};
use crate::model::item::{Held, Pulled};

/// A little longer than the usual jitter of rooms (`schedule.jitter`, 15 s).
const REUSE: Duration = Duration::from_secs(20);

/// All that decides what a source answers; a digest, because it holds secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct SourceKey([u8; 32]);

impl SourceKey {
    pub(super) fn of(feed: &Feed) -> Self {
        let mut parts = Parts::new();
        match &feed.source {
            Source::Ics { url, login } => {
                parts.add("ics").add(url.reveal().as_str());
                add_login(&mut parts, login);
            }
            Source::File { path } => {
                parts.add("file").add(&path.to_string_lossy());
            }
            Source::CalDav {
                url,
                login,
                calendar,
            } => {
                parts.add("caldav").add(url.reveal().as_str());
                parts.add(calendar.as_deref().unwrap_or_default());
                add_login(&mut parts, login);
            }
        }
        parts.add(feed.user_agent.as_deref().unwrap_or_default());
        parts.add(&format!("{:?} {}", feed.timeout, feed.max_size));
        Self(parts.finish())
    }
}

fn add_login(parts: &mut Parts, login: &Login) {
    match login {
        Login::None => parts.add("none"),
        Login::Password { username, password } => {
            parts.add("password").add(username).add(password.reveal())
        }
        Login::Token(token) => parts.add("token").add(token.reveal()),
        Login::OAuth2(oauth2) => parts
            .add("oauth2")
            .add(oauth2.token_url.reveal().as_str())
            .add(&oauth2.client_id)
            .add(oauth2.refresh_token.reveal()),
    };
}

/// What the clients of one source share.
pub(super) struct Shared {
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// Counts the answers; 0 is none.
    serial: u64,
    answer: Option<Answer>,
}

struct Answer {
    at: Instant,
    /// What the client held that asked.
    held: [u8; 32],
    result: Result<Pulled, PullError>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            last: Mutex::default(),
        }
    }

    /// The answer that another client has just got, or a new one from `ask`.
    ///
    /// `seen` is the number of the answer that this client was handed last.
    pub(super) async fn pull(
        self: &Arc<Self>,
        seen: &mut u64,
        held: &Held,
        ask: impl Future<Output = Result<Pulled, PullError>>,
    ) -> Result<Pulled, PullError> {
        // Waits while another client of the same source is asking.
        let mut last = self.last.lock().await;
        let held = fingerprint(held);
        if let Some(answer) = &last.answer
            && last.serial > *seen
            && answer.at.elapsed() < REUSE
            // What failed for one failed for all: forty rooms of a dead server
            // must not wait for forty time-outs, one after the other.
            && (answer.result.is_err() || answer.held == held)
        {
            *seen = last.serial;
            return answer.result.clone();
        }
        let result = ask.await;
        last.serial += 1;
        *seen = last.serial;
        last.answer = None;
        // A client that is alone keeps nothing, which is the usual case.
        if Arc::strong_count(self) > 1 {
            last.answer = Some(Answer {
                at: Instant::now(),
                held,
                result: result.clone(),
            });
            self.forget_later(last.serial);
        }
        result
    }

    /// Bodies may be large, and after `REUSE` nobody is handed them any more.
    fn forget_later(self: &Arc<Self>, serial: u64) {
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(REUSE).await;
            if let Some(shared) = shared.upgrade() {
                let mut last = shared.last.lock().await;
                if last.serial == serial {
                    last.answer = None;
                }
            }
        });
    }
}

/// Two clients with the same fingerprint would be answered the same.
fn fingerprint(held: &Held) -> [u8; 32] {
    let mut parts = Parts::new();
    parts.add(held.state.0.as_deref().unwrap_or_default());
    for item in &held.items {
        parts.add(&item.href);
        parts.add(item.etag.as_deref().unwrap_or_default());
        parts.add(item.last_modified.as_deref().unwrap_or_default());
        parts.add(&item.body.len().to_string());
    }
    parts.finish()
}

/// A digest over texts of known length, so that no two lists run together.
struct Parts(digest::Context);

impl Parts {
    fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    fn add(&mut self, part: &str) -> &mut Self {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part.as_bytes());
        self
    }

    fn finish(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.finish().as_ref());
        bytes
    }
}
