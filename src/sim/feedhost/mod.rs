//! A calendar server beside the simulated pods: serves ICS files over HTTP or HTTPS with
//! validators, gzip, sign-in and redirects, and goes wrong on demand in the ways in which real ones
//! do.
//!
//! Files are set by the test or the command; reading them from disk is left to the caller.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;

use super::server::{Server, Site};
use super::traffic::Traffic;

mod body;
mod fault;
mod file;
mod host;
mod sign_in;

pub use fault::{FeedFault, WORDS, parse_fault};
pub use host::FeedRequest;
pub use sign_in::SignIn;

use fault::normal;
use file::File;
use host::Host;

/// Serves the feeds over HTTPS, with a self-signed certificate that follows from the seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedTls {
    pub seed: u64,
}

/// A running calendar server. Stops when it is dropped.
pub struct FeedHost {
    host: Arc<Host>,
    address: SocketAddr,
    server: Server,
}

impl FeedHost {
    /// Serves on `listener` until [`FeedHost::stop`] or drop. Needs a tokio runtime with IO and
    /// time.
    ///
    /// # Errors
    /// When the listener has no address or the certificate cannot be made.
    pub fn start(listener: TcpListener, tls: Option<FeedTls>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let seed = tls.map(|tls| tls.seed);
        let host = Arc::new(Host::new(seed, address.ip())?);
        let server = Server::start(listener, Arc::clone(&host) as Arc<dyn Site>);
        Ok(Self {
            host,
            address,
            server,
        })
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `path`, such as `http://127.0.0.1:41234/oak.ics`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.host.certificate_pem().is_some() {
            "https"
        } else {
            "http"
        };
        format!(
            "{scheme}://{}/{}",
            self.address,
            path.trim_start_matches('/')
        )
    }

    /// The certificate in PEM; empty over plain HTTP.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.host.certificate_pem().unwrap_or_default()
    }

    /// Puts a file at `path`; its `ETag` follows from the content, and `Last-Modified` moves on
    /// with each call.
    pub fn set(&self, path: &str, body: impl Into<Bytes>) {
        let file = |sets| File::new(body.into(), sets);
        self.host.change(|state| {
            state.sets += 1;
            state.files.insert(normal(path), file(state.sets));
        });
    }

    pub fn remove(&self, path: &str) {
        self.host.change(|state| state.files.remove(&normal(path)));
    }

    /// What is served at `path` now.
    #[must_use]
    pub fn body(&self, path: &str) -> Option<Bytes> {
        self.host
            .state()
            .files
            .get(&normal(path))
            .map(|file| file.body.clone())
    }

    /// Asks for this name and password from now on, at every path.
    pub fn require(&self, sign_in: SignIn) {
        self.host.change(|state| state.sign_in = Some(sign_in));
    }

    /// Asks for no name and password from now on.
    pub fn require_nothing(&self) {
        self.host.change(|state| state.sign_in = None);
    }

    /// Adds a fault. Of faults that exclude each other the first that fits a request is shown.
    pub fn fault(&self, fault: FeedFault) {
        self.host.change(|state| state.faults.add(fault));
    }

    pub fn clear_faults(&self) {
        self.host.change(|state| state.faults.clear());
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<FeedRequest> {
        self.host.state().seen.clone()
    }

    pub fn forget_requests(&self) {
        self.host.change(|state| state.seen.clear());
    }

    /// Counts of requests and sign-ins.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.host.traffic
    }

    /// The paths of the files that are served.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.host.state().files.keys().cloned().collect()
    }

    /// Resolves as soon as `holds` is true, which is asked again after each request and each
    /// change.
    pub async fn wait_for(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changes = self.host.changes();
        while !holds(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
