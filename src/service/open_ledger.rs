//! A ledger that is open and claimed, and what writes to it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::gate::{Gate, SignIns, credential_of};
use super::recorder::Recorder;
use super::replica_task::known_rooms;
use super::restart::Keeper;
use super::{Ground, Mode};
use crate::config::Config;
use crate::feed::Network;
use crate::ledger::{Ledger, LedgerError, PodSecret};
use crate::telemetry::{self, words};

/// For what was given up to be written down.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than the recorder takes at its stop.
const LAST_WRITE: Duration = Duration::from_secs(12);

/// The ledger of one process.
pub struct OpenLedger {
    pub recorder: Recorder,
    /// One for all that works on this ledger.
    pub gate: Gate,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    /// Renews the lease of a command that works alone on a ledger on a server.
    lease: Option<JoinHandle<()>>,
    is_new: bool,
}

impl OpenLedger {
    /// Opens the ledger; claims it, unless nothing is to be written to it but sign-ins.
    ///
    /// # Errors
    /// When it cannot be opened, or another process holds it.
    pub async fn open(config: &Config, clock: Clock, is_dry: bool) -> Result<Self, LedgerError> {
        Self::open_as(config, clock, is_dry, false).await
    }

    /// The same for a service, which shares a ledger on a server with others.
    ///
    /// # Errors
    /// As [`OpenLedger::open`].
    pub async fn open_shared(
        config: &Config,
        clock: Clock,
        is_dry: bool,
    ) -> Result<Self, LedgerError> {
        Self::open_as(config, clock, is_dry, true).await
    }

    async fn open_as(
        config: &Config,
        clock: Clock,
        is_dry: bool,
        is_shared: bool,
    ) -> Result<Self, LedgerError> {
        let (now, place) = (clock.now(), config.ledger_place());
        let (ledger, events) = match (is_dry, is_shared) {
            (true, _) => (Ledger::open_place_to_read(&place).await?, Vec::new()),
            (false, false) => Ledger::claim_and_open(&place, now.wall).await?,
            (false, true) => {
                let opened = Ledger::open_to_write(&place, now.wall).await?;
                if opened.0.is_on_server() {
                    let known = known_rooms(config);
                    opened.0.register(env!("CARGO_PKG_VERSION"), &known).await?;
                }
                opened
            }
        };
        for event in &events {
            telemetry::emit(words::ledger::line(event));
        }
        adopt_old_pauses(&ledger, config).await;
        let loaded = ledger.load().await?;
        let is_new = loaded.service.started_at.is_none();
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
        let lease = match recorder.ledger().is_on_server() && !is_dry && !is_shared {
            true => Some(tokio::spawn(renew(recorder.ledger().clone()))),
            false => None,
        };
        Ok(Self {
            gate: Gate::new(SignIns::Recorder(recorder.clone()), clock),
            recorder,
            stop,
            task,
            lease,
            is_new,
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
            gate: self.gate.clone(),
            recorder: self.recorder.clone(),
            network: network.clone(),
            mode: Mode {
                is_dry,
                is_once,
                ledger_is_new: self.is_new,
            },
        }
    }

    /// Writes what is left, and gives the ledger back. Everything that works on it has ended.
    pub async fn close(mut self) {
        // A disk that does not answer must not keep the process.
        let _ = tokio::time::timeout(PATIENCE, self.gate.settle()).await;
        self.recorder.service_stopped();
        let _ = self.stop.send(true);
        if tokio::time::timeout(LAST_WRITE, &mut self.task)
            .await
            .is_err()
        {
            // Its writer waits after a fault of podcal.
            self.task.abort();
            self.recorder.write_now().await;
        }
        if let Some(lease) = self.lease {
            lease.abort();
            let _ = lease.await;
        }
        self.recorder.ledger().close().await;
    }
}

/// A password that was rejected under podcal 0.1 is not tried again by this one. Where this
/// cannot be written, neither can the pause of a new attempt, so that none is made.
async fn adopt_old_pauses(ledger: &Ledger, config: &Config) {
    let pods = config.rooms.iter().flat_map(|room| &room.pods);
    let pods: Vec<_> = pods.map(|pod| (pod, credential_of(pod).key())).collect();
    let secrets: Vec<PodSecret<'_>> = pods
        .iter()
        .map(|(pod, account)| PodSecret {
            pod: &pod.url,
            username: &pod.username,
            password: &pod.password,
            account,
        })
        .collect();
    let _ = ledger.adopt_old_pauses(&secrets).await;
}

/// A failure is for the recorder to say.
async fn renew(ledger: Ledger) {
    loop {
        tokio::time::sleep(Ledger::LEASE / 6).await;
        let _ = ledger.renew_alone().await;
    }
}

async fn record(recorder: Recorder, stopped: watch::Receiver<bool>) {
    let stop = || {
        let mut stopped = stopped.clone();
        async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    };
    let mut keeper = Keeper::new("the writer of the ledger");
    while keeper.failed(recorder.run(stop())).await {}
}
