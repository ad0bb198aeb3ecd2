//! The connection to a pod: kept for the requests of one contact, where the pod
//! allows it.
//!
//! A TLS handshake costs a pod more than the request itself. But a connection
//! that is kept for long would outlive a restart or a new certificate of the pod
//! unseen, and a pod has few; so none grows older than two seconds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpInfo;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::operation::Operation;
use super::tls;
use super::verifier::Verifier;
use crate::config::Pod;
use crate::net::lookup::Lookup;
use crate::net::transport::{self, Cause};

/// How long new requests go over a connection that was made for an earlier one.
const KEPT_FOR: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    verifier: Arc<Verifier>,
    connect_timeout: Duration,
    state: Mutex<State>,
    /// Why the pod has nothing in common with podcal, once it was asked.
    explained: OnceCell<Cause>,
}

struct State {
    current: Option<Http>,
    /// Whether connections are kept: until the pod closes one without saying so.
    keeps: bool,
    /// Whether the pod has answered over a kept connection: then writes use it too.
    has_kept: bool,
}

/// An HTTP client with its connection.
#[derive(Clone)]
struct Http {
    client: reqwest::Client,
    made_at: Instant,
    /// Whether it was made for TLS 1.2 alone.
    tls12: bool,
    /// This end of the connection over which it has answered.
    answered_over: Option<SocketAddr>,
}

/// What one attempt of a request goes over.
pub(super) struct Attempt {
    pub client: reqwest::Client,
    /// Whether it reads over what may be an old connection, which the pod has closed.
    may_be_closed: bool,
    tls12: bool,
}

impl Connection {
    /// # Errors
    /// TLS that cannot be set up.
    pub(super) fn new(verifier: &Arc<Verifier>, timeout: Duration) -> Result<Self, Cause> {
        tls::client_config(verifier).map_err(|error| Cause::of_tls(&error))?;
        Ok(Self {
            verifier: Arc::clone(verifier),
            // Below the limit of the request, so that a connection that is never made
            // is told from an answer that never came.
            connect_timeout: (timeout * 3 / 4).min(Duration::from_secs(10)),
            state: Mutex::new(State {
                current: None,
                keeps: true,
                has_kept: false,
            }),
            explained: OnceCell::new(),
        })
    }

    /// What the next attempt goes over.
    ///
    /// What must not be done twice has a connection of its own, which cannot be a dead
    /// one; so have writes while it is not known whether the pod keeps connections.
    ///
    /// # Errors
    /// TLS that cannot be set up.
    pub(super) fn attempt(&self, operation: Operation) -> Result<Attempt, Cause> {
        let mut state = self.state();
        let tls12 = self.verifier.wants_tls12();
        let is_alone = !operation.entry().repeatable || operation.is_write() && !state.has_kept;
        let current = state.current.clone().filter(|http| {
            http.made_at.elapsed() < KEPT_FOR
                && http.tls12 == tls12
                && !(is_alone && http.answered_over.is_some())
        });
        let http = match current {
            Some(http) => http,
            None => Http {
                client: self.client(state.keeps)?,
                made_at: Instant::now(),
                tls12,
                answered_over: None,
            },
        };
        state.current = Some(http.clone());
        Ok(Attempt {
            client: http.client,
            may_be_closed: state.keeps && http.answered_over.is_some() && !operation.is_write(),
            tls12,
        })
    }

    /// Nothing is asked for a while: closes the connection, and gives back what it takes.
    pub(super) fn close(&self) {
        self.state().current = None;
    }

    /// The pod has begun to answer.
    pub(super) fn answered(&self, response: &reqwest::Response) {
        let info = response.extensions().get::<HttpInfo>();
        let over = info.map(HttpInfo::local_addr);
        let mut state = self.state();
        let Some(http) = &mut state.current else {
            return;
        };
        let before = std::mem::replace(&mut http.answered_over, over);
        state.has_kept |= over.is_some() && before == over;
    }

    /// Whether a failed attempt should be made again at once, in another way.
    ///
    /// It may where nothing was sent, and where a pod had closed the kept connection
    /// of a read meanwhile; then none is kept any more. A write is never repeated.
    pub(super) fn is_worth_repeating(&self, attempt: &Attempt, error: &reqwest::Error) -> bool {
        if !attempt.tls12 && self.verifier.wants_tls12() {
            return true;
        }
        let was_closed = attempt.may_be_closed
            && transport::was_sent(error)
            && Cause::of(error) == Cause::NoAnswer;
        if was_closed {
            let mut state = self.state();
            state.current = None;
            state.keeps = false;
        }
        was_closed
    }

    /// The cause of a failed handshake in full; the pod is asked for it once.
    pub(super) async fn explained(&self, pod: &Pod, cause: Cause) -> Cause {
        if !matches!(cause, Cause::OldTls | Cause::NothingInCommon { .. }) {
            return cause;
        }
        let asking = || tls::explained(pod, cause);
        self.explained.get_or_init(asking).await.clone()
    }

    fn client(&self, keeps: bool) -> Result<reqwest::Client, Cause> {
        let config = tls::client_config(&self.verifier).map_err(|error| Cause::of_tls(&error))?;
        reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .dns_resolver(Lookup::shared())
            .user_agent(concat!("podcal/", env!("CARGO_PKG_VERSION")))
            // Pods are on the AV network, behind no proxy.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .pool_max_idle_per_host(usize::from(keeps))
            .pool_idle_timeout(KEPT_FOR)
            .connect_timeout(self.connect_timeout)
            .build()
            .map_err(|error| Cause::of(&error))
    }

    #[cfg(test)]
    pub(super) fn has_kept(&self) -> bool {
        self.state().has_kept
    }

    #[cfg(test)]
    pub(super) fn made_at(&self) -> Option<Instant> {
        self.state().current.as_ref().map(|http| http.made_at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
