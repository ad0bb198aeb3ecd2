//! What all feeds of a process share: the HTTP clients, a bound on how many
//! requests one host gets at a time, and answers that several rooms wait for.
//!
//! Which request is made, and what its answer means, is left to `exchange`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use url::Host;

use super::error::{Cause, PullError};
use super::share::{Shared, SourceKey};
use crate::model::feed_url::FeedUrl;

/// So many requests to one host at a time; what browsers grant themselves is
/// six, and hosted calendars throttle customers that ask for more.
const PLACES_PER_HOST: usize = 4;

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
    gates: Mutex<HashMap<String, Weak<Gate>>>,
    sources: Mutex<HashMap<SourceKey, Weak<Shared>>>,
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
                sources: Mutex::default(),
            }),
        }
    }

    pub(super) fn client(&self, url: &FeedUrl) -> Result<&reqwest::Client, PullError> {
        let client = if is_loopback(url) {
            &self.inner.loopback
        } else {
            &self.inner.client
        };
        client.as_ref().map_err(|reason| PullError::NoClient {
            host: url.host(),
            reason: reason.clone(),
        })
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
        // A semaphore that is never closed always gives a permit.
        let permit = Arc::clone(&gate.places).acquire_owned().await.ok();
        if gate.went_down_since(began) {
            return Err(PullError::Unreachable {
                host: url.host(),
                cause: Cause::HostIsDown,
            });
        }
        Ok(Place {
            gate,
            _permit: permit,
        })
    }

    fn gate(&self, url: &FeedUrl) -> Arc<Gate> {
        let mut gates = locked(&self.inner.gates);
        if let Some(gate) = gates.get(&url.host()).and_then(Weak::upgrade) {
            return gate;
        }
        // Redirects can name any number of hosts; only those in use are kept.
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Gate::new());
        gates.insert(url.host(), Arc::downgrade(&gate));
        gate
    }

    /// What all clients of one source share.
    pub(super) fn shared(&self, key: SourceKey) -> Arc<Shared> {
        let mut sources = locked(&self.inner.sources);
        if let Some(shared) = sources.get(&key).and_then(Weak::upgrade) {
            return shared;
        }
        sources.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared::new());
        sources.insert(key, Arc::downgrade(&shared));
        shared
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

/// The requests of one host.
struct Gate {
    places: Arc<Semaphore>,
    /// In a row, without an answer of any kind in between.
    failures: AtomicU32,
    failed_at: Mutex<Option<Instant>>,
}

impl Gate {
    fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES_PER_HOST)),
            failures: AtomicU32::new(0),
            failed_at: Mutex::default(),
        }
    }

    fn went_down_since(&self, began: Instant) -> bool {
        self.failures.load(Ordering::Relaxed) as usize >= PLACES_PER_HOST
            && locked(&self.failed_at).is_some_and(|at| at > began)
    }
}

/// The right to have one request under way at a host, given back when dropped.
pub(super) struct Place {
    gate: Arc<Gate>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// The host said something, whatever it was.
    pub(super) fn answered(&self) {
        self.gate.failures.store(0, Ordering::Relaxed);
    }

    /// The host said nothing: no connection, or no answer in time.
    pub(super) fn failed(&self) {
        *locked(&self.gate.failed_at) = Some(Instant::now());
        self.gate.failures.fetch_add(1, Ordering::Relaxed);
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
