//! What all feeds of a process share: how connections are made and trusted, a
//! bound on how many requests one host gets at a time, the budget of memory, and
//! the access tokens of OAuth 2.0.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ClientConfig;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::connect::{ConnectError, Connection, Connector};
use super::error::{PullError, PullErrorKind, RedirectProblem};
use super::idle::{IdleConnections, ServerKey};
use super::place::Reach;
use super::tls;
use super::tokens::Tokens;
use crate::config::TlsTrust;
use crate::model::digest::Parts;
use crate::model::feed_url::FeedUrl;
use crate::net::memory::MemoryBudget;
use crate::net::transport::Cause;

/// Requests to one host at a time; browsers allow themselves six, and hosted
/// calendars throttle customers that ask for more.
const PLACES_PER_HOST: usize = 4;

/// Hosts are remembered up to this number, far more than one service asks.
const MAX_GATES: usize = 4096;

/// Until `limits.memory` says something else.
const MEMORY: u64 = 256_000_000;

/// Bodies that are inflated, parsed or hashed at once, so that memory and
/// processors stay bounded whatever the number of feeds.
const MAX_CONCURRENT_WORK: usize = 4;

/// Work on this many bytes takes well under a millisecond.
const QUICK: usize = 16 * 1024;

/// Shared by all feeds of a process; a clone is the same network.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    /// By a digest of what is trusted.
    tls: Mutex<HashMap<[u8; 32], Arc<ClientConfig>>>,
    idle: IdleConnections,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    memory: MemoryBudget,
    work: Arc<Semaphore>,
    tokens: Tokens,
}

impl Network {
    /// Rotated refresh tokens are kept in memory only.
    #[must_use]
    pub fn new() -> Self {
        Self::with_tokens(Tokens::in_memory())
    }

    /// Rotated refresh tokens of OAuth 2.0 are kept in this file, which is made with
    /// mode 0600 when there is the first one; processes that name the same file
    /// share its tokens.
    #[must_use]
    pub fn with_token_file(path: PathBuf) -> Self {
        Self::with_tokens(Tokens::in_file(path))
    }

    #[cfg(test)]
    pub(super) fn through(proxy: &str) -> Self {
        Self::made_of(Connector::through(proxy), Tokens::in_memory())
    }

    fn with_tokens(tokens: Tokens) -> Self {
        Self::made_of(Connector::new(), tokens)
    }

    fn made_of(connector: Connector, tokens: Tokens) -> Self {
        Self {
            inner: Arc::new(Inner {
                connector,
                tls: Mutex::default(),
                idle: IdleConnections::default(),
                gates: Mutex::default(),
                memory: MemoryBudget::new(MEMORY),
                work: Arc::new(Semaphore::new(MAX_CONCURRENT_WORK)),
                tokens,
            }),
        }
    }

    /// What everything that comes from feeds shares, until it has been read.
    #[must_use]
    pub fn memory(&self) -> &MemoryBudget {
        &self.inner.memory
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// An open connection. `trust` is for this server, whatever else is trusted.
    pub(super) async fn connect(
        &self,
        url: &FeedUrl,
        reach: Reach,
        trust: &TlsTrust,
    ) -> Result<Connection, PullError> {
        let tls = || self.tls(trust);
        let proxy_tls = || self.tls(&TlsTrust::Ca);
        let opened = self.inner.connector.open(url, reach, tls, proxy_tls).await;
        opened.map_err(|error| {
            match error {
                ConnectError::Unreachable(cause) => PullErrorKind::Unreachable(cause),
                ConnectError::NoAuthorities(error) => PullErrorKind::NoAuthorities(error),
                ConnectError::Private => {
                    PullErrorKind::Redirect(RedirectProblem::ToPrivate { to: url.host() })
                }
            }
            .at(url.host())
        })
    }

    /// A connection that was kept, if there is one.
    pub(super) fn idle(&self, url: &FeedUrl, reach: Reach, trust: &TlsTrust) -> Option<Connection> {
        self.inner.idle.take(&server_key(url, trust), reach)
    }

    pub(super) fn keep(&self, url: &FeedUrl, trust: &TlsTrust, connection: Connection) {
        self.inner.idle.keep(server_key(url, trust), connection);
    }

    fn tls(&self, trust: &TlsTrust) -> Result<Arc<ClientConfig>, ConnectError> {
        let mut known = locked(&self.inner.tls);
        let key = trust_key(trust);
        if let Some(made) = known.get(&key) {
            return Ok(Arc::clone(made));
        }
        // A failure is not kept: what is missing may be there the next time.
        let made = tls::client_config(trust).map_err(ConnectError::NoAuthorities)?;
        known.insert(key, Arc::clone(&made));
        Ok(made)
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
            return Err(PullErrorKind::Unreachable(Cause::HostDown).at(url.host()));
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

    /// Runs work on this many bytes: at once where they are few, else beside the
    /// async threads.
    ///
    /// # Panics
    /// Passes on a panic of the work.
    pub(super) async fn work_on<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if bytes <= QUICK {
            return work();
        }
        self.aside(work).await
    }

    /// Runs work that may take a processor for a while beside the async threads.
    ///
    /// # Panics
    /// Passes on a panic of the work.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let _place = self.inner.work.acquire().await;
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down and drops this task next.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

fn server_key(url: &FeedUrl, trust: &TlsTrust) -> ServerKey {
    ServerKey {
        origin: url.reveal().origin().ascii_serialization(),
        trust: trust_key(trust),
    }
}

fn trust_key(trust: &TlsTrust) -> [u8; 32] {
    match trust {
        TlsTrust::Ca | TlsTrust::Pin => Parts::of(["ca"]),
        TlsTrust::Off => Parts::of(["off"]),
        TlsTrust::Sha256(bytes) => Parts::of([b"sha256".as_slice(), bytes]),
        TlsTrust::CaFile(pem) => Parts::of([b"file".as_slice(), pem]),
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
    answered_at: Option<Instant>,
}

impl GateState {
    fn answered(&mut self, is_narrow: bool) {
        self.failures = 0;
        self.answered_at = Some(Instant::now());
        self.is_narrow = is_narrow;
    }
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
        Place {
            gate,
            began: Instant::now(),
        }
    }

    fn went_down_since(&self, began: Instant) -> bool {
        let state = locked(&self.state);
        state.failures >= PLACES_PER_HOST && state.failed_at.is_some_and(|at| at > began)
    }
}

/// The right to have one request under way at a host, given back when dropped.
pub(super) struct Place {
    gate: Arc<Gate>,
    began: Instant,
}

impl Place {
    /// The host answered, whatever it was.
    pub(super) fn answered(&self) {
        locked(&self.gate.state).answered(false);
    }

    /// The host answered that it is asked too often.
    pub(super) fn overloaded(&self) {
        locked(&self.gate.state).answered(true);
    }

    /// There was no connection. What began before the host last answered says nothing of how it
    /// is now.
    pub(super) fn failed(&self) {
        let mut state = locked(&self.gate.state);
        if state.answered_at.is_some_and(|at| at >= self.began) {
            return;
        }
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

/// Plain data stays good when a holder of its lock panicked.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_could_not_be_read_are_tried_again() {
        let network = Network::new();
        let bad = TlsTrust::CaFile(b"no certificate".as_slice().into());
        assert!(network.tls(&bad).is_err());
        assert!(
            locked(&network.inner.tls).is_empty(),
            "a failure is not kept"
        );
        assert!(network.tls(&TlsTrust::Off).is_ok());
        assert_eq!(locked(&network.inner.tls).len(), 1, "a success is");
    }
}
