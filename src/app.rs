//! Composition: a checked configuration becomes an open ledger, feed clients and
//! pod clients, ready to run. The only reader of the clock.

use std::sync::Arc;

use crate::config::Config;
use crate::edges::{Edges, Feeds, Pods};
use crate::ledger::old::{Ledger, LedgerError};
use crate::model::time::UnixTime;
use crate::pod::Access;

/// Everything that a command or the service needs.
#[derive(Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub edges: Arc<Edges>,
}

impl App {
    /// Opens the ledger and makes everything ready.
    ///
    /// # Errors
    /// When the ledger cannot be opened.
    pub async fn open(config: Config) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(&config.ledger).await?;
        Ok(Self::with_ledger(config, ledger, Access::ReadWrite))
    }

    /// The same for reading only: no pod is written to, no row of the ledger is
    /// changed, and none is created where there is none.
    ///
    /// # Errors
    /// When a ledger that exists cannot be opened.
    pub async fn open_to_read(config: Config) -> Result<Self, LedgerError> {
        let ledger = match Ledger::open_existing(&config.ledger).await? {
            Some(ledger) => ledger,
            None => Ledger::nowhere().await?,
        };
        Ok(Self::with_ledger(config, ledger, Access::ReadOnly))
    }

    /// The same with a ledger that is open already.
    #[must_use]
    pub fn with_ledger(config: Config, ledger: Ledger, access: Access) -> Self {
        let edges = Edges {
            ledger,
            feeds: Feeds::default(),
            pods: Pods::new(access),
        };
        Self {
            config: Arc::new(config),
            edges: Arc::new(edges),
        }
    }
}

/// The time: the only place where podcal asks for it.
#[must_use]
pub fn clock() -> UnixTime {
    UnixTime::from_seconds(jiff::Timestamp::now().as_second())
}
