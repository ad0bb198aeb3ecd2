//! What all feeds of a process share: the HTTP clients, and a bound on how many
//! requests one host gets at a time.
//!
//! Which request is made, and what its answer means, is left to `exchange`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use url::Host;

use super::error::{Cause, PullError, PullErrorKind};
use crate::model::feed_url::FeedUrl;

/// So many requests to one host at a time; what browsers grant themselves is
/// six, and hosted calendars throttle customers that ask for more.
const PLACES_PER_HOST: usize = 4;

/// Hosts are remembered up to this number, far more than one service asks.
const MAX_GATES: usize = 4096;

/// A host that cannot even be connected to within this long is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shared by all feeds of a process; a clone is the same network.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    /// By the proxies that the environment names, if it does.
    client: Result<reqwest::Client, String>,
    /// For this very machine, which no proxy can reach.
    loopback: Result<reqwest::Client, String>,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Network {
    #[must_use]
    pub fn new() -> Self {
        // The first one wins; whoever installed another before had a reason.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            inner: Arc::new(Inner {
                client: client(|builder| builder),
                loopback: client(reqwest::ClientBuilder::no_proxy),
                gates: Mutex::default(),
            }),
        }
    }

    pub(super) fn client(&self, url: &FeedUrl) -> Result<&reqwest::Client, PullError> {
        let client = if is_loopback(url) {
            &self.inner.loopback
        } else {
            &self.inner.client
        };
        client
            .as_ref()
            .map_err(|reason| PullErrorKind::NoClient(reason.clone()).at(url.host()))
    }

    /// Waits for one of the host's places.
    ///
    /// # Errors
    /// When as many requests as there are places failed one after the other
    /// while this one waited: five hundred rooms of a dead server would
    /// otherwise wait for it in turn, a time-out each.
    pub(super) async fn place(&self, url: &FeedUrl) -> Result<Place, PullError> {
        let gate = self.gate(url);
        let began = Instant::now();
        let place = Gate::enter(gate).await;
        if place.gate.went_down_since(began) {
            return Err(PullErrorKind::Unreachable(Cause::HostIsDown).at(url.host()));
        }
        Ok(place)
    }

    fn gate(&self, url: &FeedUrl) -> Arc<Gate> {
        let mut gates = locked(&self.inner.gates);
        if let Some(gate) = gates.get(&url.host()) {
            return Arc::clone(gate);
        }
        // Redirects can name any number of hosts.
        if gates.len() >= MAX_GATES {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let gate = Arc::new(Gate::new());
        gates.insert(url.host(), Arc::clone(&gate));
        gate
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

/// The requests of one host: at most `PLACES_PER_HOST` at a time, and only one
/// after a 429, a 503 or a time-out, until an answer comes.
struct Gate {
    state: Mutex<GateState>,
    /// Whoever holds it is the next to enter; the others wait in order.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
}

#[derive(Default)]
struct GateState {
    running: usize,
    is_narrow: bool,
    /// In a row, without an answer of any kind in between.
    failures: usize,
    failed_at: Option<Instant>,
}

impl Gate {
    fn new() -> Self {
        Self {
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }

    async fn enter(gate: Arc<Self>) -> Place {
        let turn = gate.turn.lock().await;
        loop {
            let changed = gate.changed.notified();
            {
                let mut state = locked(&gate.state);
                let places = if state.is_narrow { 1 } else { PLACES_PER_HOST };
                if state.running < places {
                    state.running += 1;
                    break;
                }
            }
            changed.await;
        }
        drop(turn);
        Place { gate }
    }

    fn went_down_since(&self, began: Instant) -> bool {
        let state = locked(&self.state);
        state.failures >= PLACES_PER_HOST && state.failed_at.is_some_and(|at| at > began)
    }
}

/// The right to have one request under way at a host, given back when dropped.
pub(super) struct Place {
    gate: Arc<Gate>,
}

impl Place {
    /// The host answered, whatever it was.
    pub(super) fn answered(&self) {
        let mut state = locked(&self.gate.state);
        state.failures = 0;
        state.is_narrow = false;
    }

    /// The host answered that it is asked too often.
    pub(super) fn overloaded(&self) {
        let mut state = locked(&self.gate.state);
        state.failures = 0;
        state.is_narrow = true;
    }

    /// There was no connection.
    pub(super) fn failed(&self) {
        let mut state = locked(&self.gate.state);
        state.failures += 1;
        state.failed_at = Some(Instant::now());
    }

    /// There was no answer in time.
    pub(super) fn timed_out(&self) {
        self.failed();
        locked(&self.gate.state).is_narrow = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.gate.state).running -= 1;
        self.gate.changed.notify_one();
    }
}

/// Whether requests to this address stay on this machine.
pub(super) fn is_loopback(url: &FeedUrl) -> bool {
    match url.reveal().host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

fn client(
    with: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, String> {
    let builder = || {
        with(reqwest::Client::builder())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Some CalDAV servers stumble over several requests in one
            // connection, and a pull makes one request after the other anyway.
            .http1_only()
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .connect_timeout(CONNECT_TIMEOUT)
            // Shorter than the keep-alive of common servers, so that a request
            // seldom meets a connection that is just being closed.
            .pool_idle_timeout(Duration::from_secs(4))
            .pool_max_idle_per_host(PLACES_PER_HOST)
    };
    builder()
        .build()
        // A machine without any certificate authorities can still read http
        // feeds; https ones then say that the issuer is unknown.
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(|error| error.without_url().to_string())
}

/// A lock whose holder panicked holds plain data all the same.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
