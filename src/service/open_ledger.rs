//! A ledger that is open and claimed, what writes to it, and the socket beside it.

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::control_socket::ControlSocket;
use super::gate::{Gate, SignIns};
use super::recorder::Recorder;
use super::{Ground, Mode};
use crate::config::Config;
use crate::feed::Network;
use crate::ledger::{Ledger, LedgerError};
use crate::telemetry::{self, words};

/// The ledger of one process.
pub struct OpenLedger {
    pub recorder: Recorder,
    /// `None` where the folder does not allow one, or nothing is written; then commands
    /// cannot ask.
    pub socket: Option<ControlSocket>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    is_new: bool,
}

impl OpenLedger {
    /// Opens the ledger; claims it, unless nothing is to be written to it but sign-ins.
    ///
    /// # Errors
    /// When it cannot be opened, or another process holds it.
    pub async fn open(config: &Config, clock: Clock, is_dry: bool) -> Result<Self, LedgerError> {
        let now = clock.now();
        let (ledger, events) = if is_dry {
            (Ledger::open_to_read(&config.ledger).await?, Vec::new())
        } else {
            let lock = Ledger::claim(&config.ledger)?;
            Ledger::open(lock, now.wall).await?
        };
        for event in &events {
            telemetry::emit(words::ledger::line(event));
        }
        let loaded = ledger.load().await?;
        let is_new = loaded.service.started_at.is_none();
        let socket = if is_dry {
            None
        } else {
            match ControlSocket::listen(ledger.path()) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    telemetry::emit(words::service::no_control_socket(ledger.path(), &error));
                    None
                }
            }
        };
        let recorder = Recorder::new(
            ledger,
            loaded,
            config.keep_history,
            Box::new(move || clock.now().wall),
            Box::new(|event| telemetry::emit(words::ledger::line(&event))),
        );
        let (stop, stopped) = watch::channel(false);
        let task = if is_dry {
            tokio::spawn(async {})
        } else {
            recorder.service_started(env!("CARGO_PKG_VERSION"));
            tokio::spawn(record(recorder.clone(), stopped))
        };
        Ok(Self {
            recorder,
            stop,
            task,
            is_new,
            socket,
        })
    }

    /// The network of feeds, with the renewed OAuth tokens in a file beside the ledger.
    #[must_use]
    pub fn network(&self) -> Network {
        let mut path = self.recorder.ledger().path().as_os_str().to_owned();
        path.push(".tokens");
        Network::with_token_file(path.into())
    }

    /// What tasks that work on it are made of.
    #[must_use]
    pub fn ground(&self, clock: Clock, network: &Network, is_dry: bool, is_once: bool) -> Ground {
        Ground {
            clock,
            gate: Gate::new(SignIns::Recorder(self.recorder.clone()), clock),
            recorder: self.recorder.clone(),
            network: network.clone(),
            mode: Mode {
                is_dry,
                is_once,
                ledger_is_new: self.is_new,
            },
        }
    }

    /// Writes what is left, and gives the ledger back.
    pub async fn close(self) {
        self.recorder.service_stopped();
        let _ = self.stop.send(true);
        let _ = self.task.await;
        drop(self.socket);
        self.recorder.ledger().close().await;
    }
}

async fn record(recorder: Recorder, mut stopped: watch::Receiver<bool>) {
    recorder
        .run(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        })
        .await;
}
