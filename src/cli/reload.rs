//! `podcal reload`: has the service read its configuration again, for images without a shell.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::output::{Ended, Output};
use super::{Failure, Global, load};
use crate::service::control_socket::{self, Answer, Request};

/// Opening a new ledger may wait for the one who holds it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Have the service read its configuration again, and say what changed.
///
/// The same as SIGHUP. A bad configuration is refused and the old one stays in force.
#[derive(Debug, Args)]
pub struct ReloadArgs {}

pub async fn run(global: &Global, _args: ReloadArgs, output: Output) -> Result<Ended, Failure> {
    let config = load(global)?;
    // The path of the ledger may be what has changed.
    let mut answer = control_socket::ask_for(&global.config, &Request::Reload, PATIENCE)
        .await
        .map_err(|error| Failure::no_answer(&config.ledger, &error))?;
    let mut ledger = config.ledger;
    if answer.is_none() {
        ledger = crate::ledger::resolve(&ledger)?;
        answer = control_socket::ask(&ledger, &Request::Reload, PATIENCE)
            .await
            .map_err(|error| Failure::no_answer(&ledger, &error))?;
    }
    match answer {
        Some(Answer::Done(done)) => {
            if output.json {
                output.json(&done);
            } else {
                output.line(done.get("says").and_then(Value::as_str).unwrap_or_default());
            }
            Ok(Ended::Well)
        }
        Some(Answer::Refused { says, hint }) => Err(Failure::at_work(says, &hint)),
        None => Err(Failure::at_work(
            format!("no service runs on the ledger {}", ledger.display()),
            "start it with `podcal run`; to a service that runs on another ledger, send SIGHUP",
        )),
    }
}
