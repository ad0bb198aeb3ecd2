//! `podcal run`: the service.

use std::sync::Arc;

use clap::Args;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::output::Ended;
use super::{Failure, Global};
use crate::app::{App, clock};
use crate::config::Config;
use crate::config::fault::ConfigFaults;
use crate::ledger::old::{Journal, Ledger, LedgerError};
use crate::model::zone;
use crate::pod::Access;
use crate::schedule;
use crate::schedule::signals::{Asked, Signals};
use crate::telemetry::events;
use crate::{config, report};

/// Run the service: pull feeds, push what changed, poll pods, until SIGTERM or SIGINT.
///
/// SIGHUP reads the configuration again; a bad one is refused and the old one stays
/// in force. Rooms and pods are served each for itself on the schedule of the
/// configuration. What happens is said on stderr, one line for each change.
#[derive(Debug, Args)]
pub struct RunArgs {}

pub async fn run(global: &Global, _args: RunArgs) -> Result<Ended, Failure> {
    let config = match read(global) {
        Ok(config) => config,
        Err(faults) => {
            return Err(Failure {
                text: report::print(&faults),
                code: report::USAGE,
            });
        }
    };
    let mut signals = Signals::listen().map_err(|error| {
        Failure::at_work(
            format!("cannot listen to signals: {error}"),
            "see the system's limits",
        )
    })?;
    let mut lock = Ledger::claim_service(&config.ledger).await?;
    let mut app = App::open(config).await?;
    loop {
        say_started(&app.config);
        begin(&app).await?;
        let (stop, stopped) = watch::channel(false);
        let service = tokio::spawn(schedule::run(
            app.config.clone(),
            app.edges.clone(),
            clock,
            stopped,
        ));
        let next = loop {
            match signals.next().await {
                Asked::Stop { signal } => break Err(signal),
                Asked::Reload => {
                    if let Some(config) = reload(global) {
                        break Ok(config);
                    }
                }
            }
        };
        let _ = stop.send(true);
        let _ = service.await;
        let config = match next {
            Ok(config) => config,
            Err(signal) => {
                app.edges.ledger.service_stopped(clock()).await?;
                app.edges.ledger.close().await;
                info!(
                    event = events::SERVICE_STOPPED,
                    signal, "stopped by {signal}"
                );
                return Ok(Ended::Well);
            }
        };
        if config.ledger == app.config.ledger {
            let ledger = app.edges.ledger.clone();
            app = App::with_ledger(config, ledger, Access::ReadWrite);
        } else {
            lock = Ledger::claim_service(&config.ledger).await?;
            app.edges.ledger.close().await;
            app = App::open(config).await?;
        }
        let _ = &lock;
        info!(
            event = events::CONFIG_RELOADED,
            rooms = app.config.rooms.len(),
            "the new configuration is in force"
        );
    }
}

/// Writes down that the service begins, and whose pods are whose, so that the
/// history of a room has what happens to its pods from the first moment.
async fn begin(app: &App) -> Result<(), LedgerError> {
    let ledger = &app.edges.ledger;
    if ledger.journal() == Journal::Rollback {
        warn!(
            event = events::CONFIG_WARNING,
            "the ledger is on a file system without shared memory, such as a network share; \
             it works, but slower; better put it on a local disk"
        );
    }
    for room in &app.config.rooms {
        for pod in &room.pods {
            ledger.set_room(&pod.url, &room.name).await?;
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    ledger.service_started(clock(), version).await
}

/// The configuration as it is now; a bad one is said and refused.
fn reload(global: &Global) -> Option<Config> {
    match read(global) {
        Ok(config) => Some(config),
        Err(faults) => {
            error!(
                event = events::CONFIG_REFUSED,
                "the configuration was not reloaded, the old one stays in force: {}",
                report::print(&faults)
            );
            None
        }
    }
}

/// The configuration, with a warning for each thing in it that is unwise.
fn read(global: &Global) -> Result<Config, ConfigFaults> {
    let loaded = config::load::load(&global.config)?;
    for warning in &loaded.warnings {
        warn!(
            event = events::CONFIG_WARNING,
            "{}: {warning}",
            global.config.display()
        );
    }
    Ok(loaded.config)
}

fn say_started(config: &Arc<Config>) {
    let rooms = config.rooms.len();
    let pods: usize = config.rooms.iter().map(|room| room.pods.len()).sum();
    let (version, zones) = (env!("CARGO_PKG_VERSION"), zone::database_version());
    info!(
        event = events::SERVICE_STARTED, version, rooms, pods, tzdb = zones, sync = %config.schedule.sync,
        "podcal {version} serves {rooms} rooms on {pods} pods"
    );
}
