//! What the operating system asks of a running program: stop, or read the configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRequest {
    /// SIGTERM, or SIGINT from a keyboard.
    Stop { signal: &'static str },
    /// SIGHUP.
    Reload,
}

/// The signals that a program listens to, from when this is made. As process 1 of a
/// container nothing else would end it.
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
    pub async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.terminate.recv() => SignalRequest::Stop { signal: "SIGTERM" },
            _ = self.interrupt.recv() => SignalRequest::Stop { signal: "SIGINT" },
            _ = self.hang_up.recv() => SignalRequest::Reload,
        }
    }

    /// Until it is asked to stop; for commands that run once.
    pub async fn stop(&mut self) -> &'static str {
        loop {
            if let SignalRequest::Stop { signal } = self.next().await {
                return signal;
            }
        }
    }
}
