//! `podcal run`: the service.

use clap::Args;

use super::output::Ended;
use super::{Failure, Global};
use crate::app::clock;
use crate::config;
use crate::server::{Server, warned};
use crate::service::clock::Clock;
use crate::service::signals::Signals;

/// Run the service: pull feeds, push what changed, poll pods, until SIGTERM or SIGINT.
///
/// SIGHUP, or `podcal reload`, reads the configuration again; a bad one is refused and the
/// old one stays in force. What happens is logged on stderr, one line for each change.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Say what would be pushed, write to no pod, and keep the ledger in memory; only pauses
    /// of sign-in are written down.
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(global: &Global, args: RunArgs) -> Result<Ended, Failure> {
    let loaded = config::load::load(&global.config)
        .map_err(|faults| Failure::configuration(&faults, &global.config))?;
    let config = warned(loaded);
    let mut signals = Signals::listen().map_err(|error| Failure::signals(&error))?;
    let started = Server::start(config, Clock::start(clock), args.dry_run).await;
    let server = started.map_err(Failure::at_start)?;
    server.serve(&mut signals).await;
    Ok(Ended::Well)
}
