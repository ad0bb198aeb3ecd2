//! A service that does one pass and ends: for `podcal sync` where no service runs, and for
//! commands that ask what the service would do.

use std::time::Duration;

use super::Service;
use super::clock::Clock;
use super::open_ledger::OpenLedger;
use super::pass::{Pass, PassOptions};
use super::report::SyncReport;
use crate::config::Config;
use crate::ledger::LedgerError;

/// The same controllers and tasks as in the service, until each has done its step once.
pub struct Once {
    service: Service,
    ledger: OpenLedger,
}

impl Once {
    /// Starts the tasks of these rooms; `all` is the whole configuration that they are of.
    ///
    /// # Errors
    /// When the ledger cannot be opened, or another process holds it.
    pub async fn start(
        config: Config,
        all: &Config,
        clock: Clock,
        is_dry: bool,
    ) -> Result<Self, LedgerError> {
        let ledger = OpenLedger::open(&config, clock, is_dry).await?;
        let ground = ledger.ground(clock, &ledger.network(), is_dry, true);
        Ok(Self {
            service: Service::start_some(config, all, ground).await,
            ledger,
        })
    }

    /// One pass over all its rooms; calls this each time that one is done.
    pub async fn pass(&self, options: PassOptions, room_done: impl Fn()) -> SyncReport {
        let pass = Pass::of(&self.service, &[], options);
        pass.run_counted(room_done).await
    }

    /// Ends every task and writes what is left.
    pub async fn close(mut self) {
        self.service.finish(Duration::from_secs(1)).await;
        self.service.end().await;
        self.ledger.close().await;
    }
}
