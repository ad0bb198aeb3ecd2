//! TLS sessions that are resumed: of one pod, only for a while.
//!
//! A resumed session skips the check of the certificate, for the pod proves by the
//! session itself that it is the one that was checked. So sessions belong to one
//! verifier with one pin (rustls, too, resumes none for another verifier), they
//! are forgotten when a certificate is refused, and after a while the whole
//! handshake is made again, so that a new certificate does not stay unseen.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use tokio::time::Instant;

/// How long after a whole handshake its sessions are used.
const LONGEST_USE: Duration = Duration::from_secs(15 * 60);

/// The newest session of a pod. More would be of no use to one connection at a
/// time, and a building has many pods.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// When the certificate was last checked.
    checked_at: Option<Instant>,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: Option<Tls13ClientSessionValue>,
}

impl Sessions {
    /// The certificate was checked in a whole handshake just now.
    pub(super) fn checked(&self) {
        let mut kept = self.kept();
        kept.tls12 = None;
        kept.tls13 = None;
        kept.checked_at = Some(Instant::now());
    }

    pub(super) fn forget(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.checked_at.is_some_and(|at| at.elapsed() < LONGEST_USE)
    }
}

/// The name does not matter: it is always that of the same pod.
impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.kept().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.kept().tls12 = Some(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let kept = self.kept();
        kept.tls12.clone().filter(|_| kept.is_fresh())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.kept().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.kept().tls13 = Some(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut kept = self.kept();
        let is_fresh = kept.is_fresh();
        kept.tls13.take().filter(|_| is_fresh)
    }
}
