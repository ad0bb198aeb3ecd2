//! `podcal ledger copy`: from a file to a PostgreSQL server.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{Ended, Output};
use super::{Failure, note};
use crate::app::clock;
use crate::config::ledger::server_address;
use crate::ledger::Ledger;
use crate::model::ledger_place::{LedgerPlace, LedgerServer};
use crate::model::secret::Secret;

/// Work on the ledger itself.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    #[command(subcommand)]
    operation: Operation,
}

#[derive(Debug, Subcommand)]
enum Operation {
    /// Take everything that a ledger in a file holds to a PostgreSQL server: trusted
    /// certificates, pauses of sign-in, history, and what displays and calendars showed last.
    ///
    /// No service may run on either. The file stays as it is. A copy that was interrupted can be
    /// repeated.
    Copy(CopyArgs),
}

#[derive(Debug, Args)]
struct CopyArgs {
    /// The SQLite file (`ledger.path`).
    #[arg(long, value_name = "PATH")]
    from: PathBuf,
    /// The server, as in `ledger.url`: postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "URL")]
    to: String,
    /// A file with the password of the user in the address; else `PODCAL_LEDGER_PASSWORD`.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub async fn run(args: LedgerArgs, output: Output) -> Result<Ended, Failure> {
    let Operation::Copy(args) = args.operation;
    let url = server_address(&args.to).map_err(|wrong| {
        Failure::usage(
            format!("the address of `--to` {wrong}"),
            "write postgres://USER@HOST/DATABASE; the password goes into a file for `--password-file`",
        )
    })?;
    if !args.from.is_file() {
        return Err(Failure::usage(
            format!("there is no ledger at {}", args.from.display()),
            "name the file of `ledger.path`",
        ));
    }
    let password = match &args.password_file {
        Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(
                format!(
                    "the password file {} cannot be read ({error})",
                    file.display()
                ),
                "correct the path, or let this user read the file",
            )
        })?),
        // Not an option: other users of the computer see the command line.
        None => std::env::var("PODCAL_LEDGER_PASSWORD").ok(),
    };
    let password = password.map(|text| Secret::new(text.trim_end_matches(['\r', '\n'])));
    let to = LedgerPlace {
        path: args.from.clone(),
        server: Some(Arc::new(LedgerServer { url, password })),
    };
    let (file, events) = Ledger::claim_and_open(&args.from.into(), clock()).await?;
    for event in &events {
        note(&crate::telemetry::words::ledger::line(event).text);
    }
    let (server, _) = Ledger::claim_and_open(&to, clock()).await?;
    let copied = match server.was_served().await {
        Ok(true) => Err(Failure::at_work(
            format!(
                "a service ran on the ledger {} already",
                server.name().display()
            ),
            "copy to a new database; what is remembered of two ledgers cannot be joined",
        )),
        Ok(false) => server.take_from(&file).await.map_err(Failure::from),
        Err(error) => Err(error.into()),
    };
    server.close().await;
    file.close().await;
    let copied = copied?;
    if output.json {
        let tables = copied
            .iter()
            .map(|one| (one.table.to_owned(), json!(one.rows)));
        output.json(&json!({ "copied": tables.collect::<serde_json::Map<_, _>>() }));
        return Ok(Ended::Well);
    }
    let count = |name| {
        copied
            .iter()
            .find(|one| one.table == name)
            .map_or(0, |one| one.rows)
    };
    output.line(&format!(
        "Copied: certificate pins {}, sign-in pauses {}, feeds {}, rooms {}, pods {}, lines of the history {}.",
        count("pin"),
        count("sign_in") + count("old_pause"),
        count("feed_memory"),
        count("room_memory"),
        count("pod_memory"),
        count("history"),
    ));
    output.line("Now write `url` in place of `path` in [ledger], and start the service again.");
    Ok(Ended::Well)
}
