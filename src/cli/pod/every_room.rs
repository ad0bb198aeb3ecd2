//! `podcal pod --every-room trust`: which pods show another certificate, or are another
//! device, than the ledger knows; accepted together, after a person has seen the list.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::args::{Action, PodArgs};
use super::run::{Outcome, error_document};
use super::show;
use super::trust::keep_trust;
use crate::app::clock;
use crate::cli::output::{Ended, Output};
use crate::cli::progress::Progress;
use crate::cli::{Failure, Global, load};
use crate::config::{Config, Pod, Room, TlsTrust};
use crate::control::pod::PodState;
use crate::fault;
use crate::pod::{Fingerprint, PodError, certificate};
use crate::service::clock::Clock;
use crate::service::open_ledger::OpenLedger;
use crate::telemetry::words::service::count;

/// How many pods are looked at at once.
const AT_ONCE: usize = 32;

/// A pod, and what is known of it.
struct Known<'c> {
    room: &'c Room,
    pod: &'c Pod,
    pin: Option<Fingerprint>,
    /// Another device answered at its address, says the ledger.
    is_other_device: bool,
}

/// What it shows now.
struct Look<'c> {
    known: Known<'c>,
    found: Result<Fingerprint, PodError>,
}

impl Look<'_> {
    /// Whether there is something to accept.
    fn is_changed(&self) -> bool {
        let (pin, found) = (self.known.pin, self.found.as_ref().ok());
        let is_other = found.is_some_and(|found| pin.is_some_and(|pin| pin != *found));
        let is_pinned = self.known.pod.tls == TlsTrust::Pin;
        found.is_some() && (is_other && is_pinned || self.known.is_other_device)
    }

    fn row(&self) -> Vec<String> {
        let short = |sha256: &Fingerprint| sha256.to_string().chars().take(16).collect::<String>();
        let says = match (&self.found, &self.known.pin) {
            (Err(error), _) => fault::chain(error),
            (Ok(found), Some(pin)) if pin != found => {
                format!("sha256 {}..., was {}...", short(found), short(pin))
            }
            (Ok(_), _) => "another device".to_owned(),
        };
        let Known { room, pod, .. } = &self.known;
        vec![room.name.to_string(), pod.url.to_string(), says]
    }

    fn as_json(&self) -> Value {
        match &self.found {
            Ok(found) => json!({
                "pod": self.known.pod.url.to_string(),
                "answer": show::trusted(self.known.pin, *found, true).json,
            }),
            Err(error) => error_document(error),
        }
    }
}

/// Looks at every pod, lists what has changed, and accepts it once that is confirmed.
pub async fn trust(global: &Global, args: &PodArgs, output: Output) -> Result<Ended, Failure> {
    refuse_others(args)?;
    let config = load(global)?;
    let known = known(&config).await?;
    let all = known.len();
    let progress = Progress::new("pods checked", all);
    let looks: Vec<Look> = stream::iter(known)
        .map(async |known| {
            let found = certificate(known.pod).await;
            progress.step();
            Look { known, found }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    drop(progress);
    let changed: Vec<&Look> = looks.iter().filter(|look| look.is_changed()).collect();
    let silent: Vec<&Look> = looks.iter().filter(|look| look.found.is_err()).collect();
    if !output.json {
        list(output, "Changed since podcal first met them:", &changed);
        list(output, "Could not be checked:", &silent);
        if changed.is_empty() && silent.len() < all {
            let pods = count(all - silent.len(), "pod", "pods");
            output.line(&format!("Nothing to accept: {pods} unchanged."));
        }
    }
    if !changed.is_empty() {
        if !args.options.dry_run {
            confirm(args, changed.len())?;
            keep_trust(&config, &accepted(&changed)).await?;
        }
        if !output.json && !args.options.dry_run {
            let pods = count(changed.len(), "pod", "pods");
            output.line(&format!("Accepted {pods}."));
        }
    }
    if output.json {
        let told = looks
            .iter()
            .filter(|look| look.is_changed() || look.found.is_err());
        output.json(&told.map(Look::as_json).collect::<Vec<_>>());
    }
    Ok(match silent.is_empty() {
        true => Ended::Well,
        false => Ended::WithTrouble,
    })
}

/// Of all operations this one alone makes sense for a whole building.
fn refuse_others(args: &PodArgs) -> Result<(), Failure> {
    if !matches!(args.action, Action::Trust) {
        return Err(Failure::usage(
            "`--every-room` is for `trust` alone",
            "name a room, such as `podcal pod aurora info`",
        ));
    }
    let options = &args.options;
    let is_narrowed = !options.pods.is_empty() || options.address.fingerprint.is_some();
    if is_narrowed || options.address.are_given() {
        return Err(Failure::usage(
            "options about single pods do not go with `--every-room`",
            "leave them out, or name a room",
        ));
    }
    Ok(())
}

async fn known(config: &Config) -> Result<Vec<Known<'_>>, Failure> {
    let ledger = OpenLedger::open(config, Clock::start(clock), true).await?;
    let memories = ledger.recorder.memories();
    let rooms = config.rooms.iter();
    let pods = rooms.flat_map(|room| room.pods.iter().map(move |pod| (room, pod)));
    let known = pods.map(|(room, pod)| {
        let state = memories.pod(&pod.url).and_then(|one| one.state.as_deref());
        let pin = ledger.recorder.pin(&pod.url);
        Known {
            room,
            pod,
            pin: pin.map(|pin| Fingerprint(pin.sha256)),
            is_other_device: state.and_then(PodState::of_key) == Some(PodState::DeviceChanged),
        }
    });
    let known = known.collect();
    ledger.close().await;
    Ok(known)
}

fn accepted(changed: &[&Look<'_>]) -> Outcome {
    let pods = changed.iter().map(|look| look.known.pod.url.clone());
    let pinned = changed
        .iter()
        .filter(|look| look.known.pod.tls == TlsTrust::Pin);
    let pins = pinned.filter_map(|look| {
        Some((
            look.known.pod.url.clone(),
            look.found.as_ref().ok().copied()?,
        ))
    });
    Outcome {
        pins: pins.collect(),
        trusted: pods.collect(),
        ..Outcome::default()
    }
}

fn list(output: Output, heading: &str, looks: &[&Look<'_>]) {
    if !looks.is_empty() {
        output.line(heading);
        let rows = looks.iter().map(|look| look.row());
        output.table(&["room", "pod", "certificate"], rows);
        output.line("");
    }
}

/// A certificate that changed may be somebody who wants the password: a person decides.
fn confirm(args: &PodArgs, pods: usize) -> Result<(), Failure> {
    if args.options.yes {
        return Ok(());
    }
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    let pods = count(pods, "pod", "pods");
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Err(Failure::usage(
            format!("{pods} changed, and this is not a terminal, so nobody can be asked"),
            "look at them with `--dry-run`, then add `--yes`",
        ));
    }
    let mut answer = String::new();
    let asked = write!(
        stderr,
        "Accept {pods}? Each is sent its password from then on. [y/N] "
    )
    .and_then(|()| stderr.flush())
    .and_then(|()| stdin.lock().read_line(&mut answer));
    let is_yes = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    match asked {
        Ok(_) if is_yes => Ok(()),
        _ => Err(Failure::at_work(
            "nothing was accepted",
            "answer `y` to accept them",
        )),
    }
}
