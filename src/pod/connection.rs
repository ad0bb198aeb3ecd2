//! The connection to a pod: kept for the requests of one contact, where the pod
//! allows it.
//!
//! A handshake costs a pod more than all the rest of a request. But a connection
//! that is kept for long would outlive a restart or a new certificate of the pod
//! unseen, and a pod has few; so it is kept for two seconds only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::operation::Operation;
use super::tls;
use super::verifier::Verifier;
use crate::net::lookup::Lookup;
use crate::net::transport::{self, Cause};

/// How long a connection is kept after an answer.
const KEPT_FOR: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    connect_timeout: Duration,
    state: Mutex<State>,
}

struct State {
    http: reqwest::Client,
    /// Whether connections are kept: until the pod closes one without saying so.
    keeps: bool,
    /// Whether `http` was made for TLS 1.2 alone.
    tls12: bool,
    answered_at: Option<Instant>,
}

/// What one attempt of a request goes over.
pub(super) struct Attempt {
    pub http: reqwest::Client,
    /// Whether it reads over what may be an old connection, which the pod has closed.
    may_be_kept: bool,
    tls12: bool,
}

impl Connection {
    pub(super) fn new(verifier: &Arc<Verifier>, timeout: Duration) -> Result<Self, Cause> {
        // Below the limit of the request, so that a connection that is never made
        // is told from an answer that never came.
        let connect_timeout = (timeout * 3 / 4).min(Duration::from_secs(10));
        Ok(Self {
            connect_timeout,
            state: Mutex::new(State {
                http: client(verifier, connect_timeout, true)?,
                keeps: true,
                tls12: false,
                answered_at: None,
            }),
        })
    }

    /// The client for the next attempt; what must not be done twice has a connection
    /// of its own, which cannot be a dead one.
    pub(super) fn attempt(
        &self,
        verifier: &Arc<Verifier>,
        operation: Operation,
    ) -> Result<Attempt, Cause> {
        let is_alone = !operation.entry().repeatable;
        let mut state = self.state();
        if verifier.wants_tls12() && !state.tls12 {
            state.http = client(verifier, self.connect_timeout, state.keeps)?;
            state.tls12 = true;
        }
        let kept = state.keeps
            && state
                .answered_at
                .is_some_and(|at| at.elapsed() <= KEPT_FOR + Duration::from_secs(1));
        let http = if kept && is_alone {
            client(verifier, self.connect_timeout, false)?
        } else {
            state.http.clone()
        };
        Ok(Attempt {
            http,
            may_be_kept: kept && !is_alone && !operation.is_write(),
            tls12: state.tls12,
        })
    }

    pub(super) fn answered(&self) {
        self.state().answered_at = Some(Instant::now());
    }

    /// Whether a failed attempt should be made again at once, in another way.
    ///
    /// It may where nothing was sent, and where a pod had closed the kept connection
    /// of a read meanwhile; then none is kept any more. A write is never repeated.
    pub(super) fn is_worth_repeating(
        &self,
        verifier: &Arc<Verifier>,
        attempt: &Attempt,
        error: &reqwest::Error,
    ) -> bool {
        if !attempt.tls12 && verifier.wants_tls12() {
            return true;
        }
        let was_closed = attempt.may_be_kept
            && transport::was_sent(error)
            && Cause::of(error) == Cause::NoAnswer;
        if was_closed {
            let mut state = self.state();
            if let Ok(http) = client(verifier, self.connect_timeout, false) {
                state.http = http;
                state.keeps = false;
            }
        }
        was_closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(
    verifier: &Arc<Verifier>,
    connect_timeout: Duration,
    keeps: bool,
) -> Result<reqwest::Client, Cause> {
    let config = tls::client_config(verifier).map_err(|error| Cause::of_tls(&error))?;
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
        .connect_timeout(connect_timeout)
        .build()
        .map_err(|error| Cause::of(&error))
}
