//! What the operating system asks of the service: stop, or read the configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM, or SIGINT from a keyboard.
    Stop { signal: &'static str },
    /// SIGHUP.
    Reload,
}

/// The signals that the service listens to, from when this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next thing asked for.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop { signal: "SIGTERM" },
            _ = self.interrupt.recv() => Asked::Stop { signal: "SIGINT" },
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }
}
