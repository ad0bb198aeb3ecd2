//! Which pods a command line means, with what the ledger knows of them, and what
//! is kept afterwards.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use bytes::Bytes;

use super::args::PodArgs;
use super::every_room;
use super::input::{Job, job};
use super::run::{Streams, Target, error_document, run};
use super::trust::keep_trust;
use crate::app::clock;
use crate::cli::output::{Ended, Output};
use crate::cli::{Failure, Global, load, room};
use crate::compose::{self, FromFeed};
use crate::config::{Config, MeetingRules, Only, Room};
use crate::ledger::Ledger;
use crate::model::item::FeedItem;
use crate::model::meeting::Meeting;
use crate::model::name::PodUrl;
use crate::model::time::Window;
use crate::model::zone::Zone;
use crate::net::clean;
use crate::pod::Fingerprint;
use crate::service::clock::Clock;
use crate::service::open_ledger::OpenLedger;
use crate::service::signals::Signals;
use crate::{expand, ics, report};

/// The window of a calendar file for a pod without a room.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Who is meant by the first argument.
enum Meant {
    Room {
        config: Box<Config>,
        room: Box<Room>,
    },
    Address(PodUrl),
}

/// Runs `podcal pod`.
pub async fn command(global: &Global, mut args: PodArgs, output: Output) -> Result<Ended, Failure> {
    args.options.json = output.json;
    let Some(target) = &args.target else {
        return every_room::trust(global, &args, output).await;
    };
    let meant = meant(global, target, &args)?;
    let zone = match &meant {
        Meant::Room { room, .. } => room.zone.clone(),
        Meant::Address(_) => Zone::utc(),
    };
    let from_ics = |bytes: &[u8]| meetings(bytes, &meant);
    let job = job(&args.action, &zone, &mut tokio::io::stdin(), &from_ics).await?;
    let targets = match &meant {
        Meant::Room { config, room } => targets(config, room, &args).await?,
        Meant::Address(url) => {
            let shows_only = args.options.dry_run && job.writes();
            let signs_in = !shows_only && !matches!(job, Job::Trust);
            let pod = args.options.address.pod(url.clone(), signs_in)?;
            vec![Target {
                pod,
                pin: known_pin(global, url).await,
                keeps_pin: false,
                gate: None,
            }]
        }
    };
    let (mut out, mut talk) = (io::stdout(), io::stderr());
    let progress = talk.is_terminal();
    let mut streams = Streams {
        out: &mut out,
        talk: &mut talk,
        progress,
    };
    let mut signals = Signals::listen().map_err(|error| Failure::signals(&error))?;
    let outcome = tokio::select! {
        outcome = run(&job, &args.options, &targets, &mut streams) => Ok(outcome),
        signal = signals.stop() => Err(signal),
    };
    if let Some(gate) = targets.iter().find_map(|target| target.gate.as_ref()) {
        gate.settle().await;
    }
    let outcome = outcome.map_err(|signal| {
        Failure::at_work(
            format!("stopped by {signal}"),
            "what was sent to a pod may have been done",
        )
    })??;
    if let Meant::Room { config, .. } = &meant {
        keep_trust(config, &outcome).await?;
    }
    match outcome.errors.as_slice() {
        [] if outcome.denied => Ok(Ended::WithTrouble),
        [] => Ok(Ended::Well),
        errors => {
            let texts: Vec<String> = errors
                .iter()
                .map(|error| zone.told(&report::print(error)))
                .collect();
            // Of several pods each has its own error in the document that was printed.
            let only = targets.len() == 1;
            let document = errors.first().filter(|_| only).map(error_document);
            Err(Failure {
                text: texts.join("\n"),
                code: report::FAILURE,
                document: document.map(Box::new),
            })
        }
    }
}

/// A room of the configuration; else an address, which needs no configuration.
fn meant(global: &Global, target: &str, args: &PodArgs) -> Result<Meant, Failure> {
    let address = PodUrl::parse(target);
    let looks_like_address = target.contains(['.', ':', '[']) || target == "localhost";
    if let Some(url) = address.clone().ok().filter(|_| looks_like_address) {
        if args.options.address.are_given() || !global.config.exists() {
            return Ok(Meant::Address(url));
        }
        // The address of a configured pod has its password, its pin and its room.
        let config = load(global)?;
        let owner = config
            .rooms
            .iter()
            .find(|room| room.pods.iter().any(|pod| pod.url == url));
        return Ok(match owner {
            Some(room) => {
                let mut room = room.clone();
                room.pods.retain(|pod| pod.url == url);
                Meant::Room {
                    config: Box::new(config.clone()),
                    room: Box::new(room),
                }
            }
            None => Meant::Address(url),
        });
    }
    let configured = load(global).and_then(|config| {
        let room = room::find(&config, target)?.clone();
        Ok((config, room))
    });
    let (config, room) = match (configured, address) {
        (Err(_), Err(says)) if looks_like_address => {
            return Err(Failure::usage(
                format!("the address `{}` {says}", clean::line(target, 100)),
                "write it in full, or name a room of the configuration",
            ));
        }
        (configured, _) => configured?,
    };
    if args.options.address.are_given() {
        return Err(Failure::usage(
            format!("`{target}` is a room, and these options are for a bare address"),
            "leave them out; the configuration says how its pods are reached",
        ));
    }
    Ok(Meant::Room {
        config: Box::new(config),
        room: Box::new(room),
    })
}

async fn targets(config: &Config, room: &Room, args: &PodArgs) -> Result<Vec<Target>, Failure> {
    let mut wanted = Vec::new();
    for text in &args.options.pods {
        let url = PodUrl::parse(text).map_err(|says| {
            Failure::usage(
                format!("--pod {text} {says}"),
                "name one of the room's pods",
            )
        })?;
        if !room.pods.iter().any(|pod| pod.url == url) {
            let known: Vec<String> = room.pods.iter().map(|pod| pod.url.to_string()).collect();
            return Err(Failure::usage(
                format!("room `{}` has no pod {url}", room.name),
                &format!("its pods: {}", known.join(", ")),
            ));
        }
        wanted.push(url);
    }
    let clock = Clock::start(clock);
    let ledger = OpenLedger::open(config, clock, true).await?;
    let gate = ledger.ground(clock, &ledger.network(), true, true).gate;
    let chosen = room
        .pods
        .iter()
        .filter(|pod| wanted.is_empty() || wanted.contains(&pod.url));
    Ok(chosen
        .map(|pod| Target {
            pod: pod.clone(),
            pin: ledger
                .recorder
                .pin(&pod.url)
                .map(|pin| Fingerprint(pin.sha256)),
            keeps_pin: true,
            gate: Some(gate.clone()),
        })
        .collect())
}

/// The certificate that the ledger knows for an address. Without a configuration or
/// a ledger that can be read none is known, and then the password is not sent.
async fn known_pin(global: &Global, url: &PodUrl) -> Option<Fingerprint> {
    if !global.config.exists() {
        return None;
    }
    let config = load(global).ok()?;
    let ledger = Ledger::open_place_to_read(&config.ledger_place())
        .await
        .ok()?;
    let pin = ledger.pin(url).await.ok()??;
    Some(Fingerprint(pin.sha256))
}

/// The meetings of a calendar file as a display of the room would be sent them.
fn meetings(bytes: &[u8], meant: &Meant) -> Result<Vec<Meeting>, String> {
    let now = clock();
    let (window, zone, rules) = match meant {
        Meant::Room { room, .. } => (room.window(now), room.zone.clone(), room.meetings.clone()),
        Meant::Address(_) => {
            let window =
                Window::new(now, now.plus(WEEK)).ok_or("the clock stands at the end of time")?;
            (window, Zone::utc(), MeetingRules::default())
        }
    };
    let body = Bytes::copy_from_slice(bytes);
    let item = FeedItem {
        href: String::new(),
        etag: None,
        last_modified: None,
        body,
    };
    let reading = ics::read(&item).map_err(|error| error.to_string())?;
    let expansion = expand::expand(&ics::merge(vec![reading]).series, window, &zone);
    let from = FromFeed {
        occurrences: &expansion.occurrences,
        only: &Only::default(),
    };
    Ok(compose::agenda(&[from], &rules, window)
        .agenda
        .meetings()
        .to_vec())
}
