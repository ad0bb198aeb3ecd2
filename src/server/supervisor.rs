//! What systemd is told of the service that it started with `Type=notify`: that it is ready,
//! that it is alive (`WatchdogSec=`), how it stands, and that it stops. See sd_notify(3).
//!
//! Nothing happens where nobody set `NOTIFY_SOCKET`.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// Whoever started the service and restarts it when it is silent.
pub struct Supervisor {
    /// How often it wants a sign of life; `None` where it does not look.
    every: Option<Duration>,
    next: Instant,
}

impl Supervisor {
    /// Tells it that the service serves from now on.
    #[must_use]
    pub fn ready(says: &str) -> Self {
        tell(&[NotifyState::Ready, NotifyState::Status(says)]);
        Self {
            // Half of what it allows: one sign may be late.
            every: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            next: Instant::now(),
        }
    }

    /// Whether a sign of life is due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.every.is_some() && Instant::now() >= self.next
    }

    /// Gives a sign of life.
    pub fn alive(&mut self) {
        tell(&[NotifyState::Watchdog]);
        self.next = Instant::now() + self.every.unwrap_or_default();
    }

    /// One line for `systemctl status`.
    pub fn stands(&self, says: &str) {
        tell(&[NotifyState::Status(says)]);
    }

    /// Tells it that the service is about to end.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// A datagram is sent or refused at once. Nobody but systemd would miss one, and it acts on that.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
