//! `podcal status`: how the building stands, from the ledger alone.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::output::{Ended, Output};
use super::{Failure, Global, load, room};
use crate::app::clock;
use crate::config::{self, Config, Room};
use crate::ledger::Ledger;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
use crate::service::control_socket::{self, Answer, Request};
use crate::service::status::{DisplayStatus, RoomState, RoomStatus, Status, current, next};
use crate::telemetry::words::service::count;

/// A service whose tasks work answers at once.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Show how things stand: what is on each display, since when, and what is wrong.
///
/// Reads the ledger alone; no feed and no pod is asked. Begins with a summary and exits
/// with 1 if anything is wrong. With --healthy it asks the running service whether
/// its tasks work, for the health check of a container.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this room, with all that is known of it.
    room: Option<String>,
    /// Only whether the service works: exits with 0 if its tasks are alive and on time, else
    /// with 1.
    #[arg(long)]
    healthy: bool,
    /// With --healthy: ask the service whose ledger is in this folder, even if the configuration
    /// has changed since; if there is none, the service that the configuration names.
    #[arg(long, value_name = "FOLDER", requires = "healthy")]
    ledger_folder: Option<PathBuf>,
    /// Only the rooms in which something is wrong.
    #[arg(long)]
    problems: bool,
    /// Show it again every two seconds, until Ctrl-C.
    #[arg(long, conflicts_with = "healthy")]
    watch: bool,
}

pub async fn run(global: &Global, args: StatusArgs, output: Output) -> Result<Ended, Failure> {
    if args.healthy {
        return healthy(global, args.ledger_folder, output).await;
    }
    let config = load(global)?;
    loop {
        let ended = once(&config, &args, output).await?;
        if !args.watch {
            return Ok(ended);
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

async fn once(config: &Config, args: &StatusArgs, output: Output) -> Result<Ended, Failure> {
    let mut shown = config.clone();
    if let Some(name) = &args.room {
        let name = room::find(config, name)?.name.clone();
        shown.rooms.retain(|room| room.name == name);
    }
    super::ledger_exists(config)?;
    let ledger = Ledger::open_place_to_read(&config.ledger_place()).await?;
    let loaded = ledger.load().await?;
    let roll = ledger.roll().await?;
    ledger.close().await;
    let status = Status::of(&shown, &loaded.memories, loaded.service, clock());
    let status = status.with_roll(Arc::new(roll));
    let ended = if status.is_well() {
        Ended::Well
    } else {
        Ended::WithTrouble
    };
    if output.json {
        output.json(&status.as_json());
        return Ok(ended);
    }
    if args.watch {
        output.clear();
    }
    show(output, &shown, &status, args);
    Ok(ended)
}

fn show(output: Output, config: &Config, status: &Status, args: &StatusArgs) {
    output.verdict(&summary(status), status.is_well());
    let mut rooms: Vec<(&Room, &RoomStatus)> = config.rooms.iter().zip(&status.rooms).collect();
    rooms.sort_by_key(|(_, room)| room.state);
    if args.problems {
        rooms.retain(|(_, room)| room.state != RoomState::InStep);
    }
    if !rooms.is_empty() {
        output.line("");
        let rows = rooms
            .iter()
            .flat_map(|(of, room)| rows(of, room, status.now));
        let headings = [
            "room",
            "state",
            "pod",
            "on the display",
            "pulled",
            "pushed",
            "what is wrong",
        ];
        if args.watch {
            let more = "... and more, not worse than these (--problems shows problems alone)";
            output.fitted_table(&headings, rows, 2, more);
        } else {
            output.table(&headings, rows);
        }
    }
    show_replicas(output, status);
    if args.room.is_some() {
        for (of, room) in rooms {
            show_displays(output, of, room, status.now);
        }
    }
}

/// Which podcal serves what, where several share the rooms.
fn show_replicas(output: Output, status: &Status) {
    if status.roll.replicas.is_empty() {
        return;
    }
    output.line("");
    for (replica, served) in status.roll.shares() {
        output.line(&format!(
            "{} serves {}, podcal {}",
            replica.name,
            count(served, "room", "rooms"),
            replica.version
        ));
    }
    for room in &status.rooms {
        match status.roll.owner_of(&room.room) {
            None => output.line(&format!("room `{}` is served by none of them", room.room)),
            Some(one) if status.rooms.len() == 1 => {
                output.line(&format!("room `{}` is served by {}", room.room, one.name));
            }
            Some(_) => {}
        }
    }
}

/// Such as "498 of 500 rooms in step, 1 stale, 1 out of step".
fn summary(status: &Status) -> String {
    let counts = status.counts();
    let in_step = counts
        .iter()
        .find(|(state, _)| *state == RoomState::InStep)
        .map_or(0, |(_, count)| *count);
    let all = status.rooms.len();
    let rooms = if all == 1 { "room" } else { "rooms" };
    let mut says = format!("{in_step} of {all} {rooms} in step");
    for (state, count) in counts {
        if state != RoomState::InStep {
            says = format!("{says}, {count} {}", state.words());
        }
    }
    if status.service.stopped_at.is_some() {
        says = format!("{says}; the service is stopped");
    }
    says
}

/// Asks the service, so that a full disk or an edited configuration does not make a good
/// one look dead.
async fn healthy(
    global: &Global,
    folder: Option<PathBuf>,
    output: Output,
) -> Result<Ended, Failure> {
    for ledger in folder.iter().flat_map(|it| control_socket::ledgers_in(it)) {
        let answer = control_socket::ask(&ledger, &Request::Health, HEALTH_TIMEOUT).await;
        // The socket of a killed service answers nothing; there may be another one.
        if !matches!(answer, Ok(None)) {
            let place = format!("the ledger {}", ledger.display());
            return Ok(show_health(answer, &place, output));
        }
    }
    let by_config = control_socket::ask_for(&global.config, &Request::Health, HEALTH_TIMEOUT).await;
    let (answer, place) = match by_config {
        Ok(None) => {
            let ledger = match load(global) {
                Ok(config) => config.ledger,
                // The service refused this file and goes on with the old one.
                Err(failure) => match config::load::glance(&global.config) {
                    Some(glance) => glance.ledger,
                    None => return Err(failure),
                },
            };
            let ledger = crate::ledger::resolve(&ledger)?;
            let answer = control_socket::ask(&ledger, &Request::Health, HEALTH_TIMEOUT).await;
            (answer, format!("the ledger {}", ledger.display()))
        }
        answer => (answer, global.config.display().to_string()),
    };
    Ok(show_health(answer, &place, output))
}

fn show_health(answer: io::Result<Option<Answer>>, place: &str, output: Output) -> Ended {
    let (is_healthy, says, answer) = match answer {
        Ok(Some(Answer::Done(answer))) => {
            let is_healthy = answer
                .get("healthy")
                .is_some_and(|healthy| *healthy == true);
            let late = answer
                .get("late")
                .and_then(Value::as_array)
                .map_or(0, Vec::len);
            let says = if is_healthy {
                "healthy: every task of the service works".to_owned()
            } else {
                format!("not healthy: {late} tasks of the service are late or ended")
            };
            (is_healthy, says, answer)
        }
        Ok(Some(Answer::Refused { says, .. })) => {
            (false, format!("not healthy: {says}"), Value::Null)
        }
        Ok(None) => (
            false,
            format!("not healthy: no service runs on {place}"),
            Value::Null,
        ),
        Err(error) => (
            false,
            format!("not healthy: the service does not answer: {error}"),
            Value::Null,
        ),
    };
    if output.json {
        let told = |key| answer.get(key).cloned().unwrap_or_default();
        output.json(&json!({
            "healthy": is_healthy,
            "says": says,
            "ready": told("ready"),
            "late": told("late"),
            "ledger_writable": told("ledger_writable"),
        }));
    } else {
        output.line(&says);
    }
    if is_healthy {
        Ended::Well
    } else {
        Ended::WithTrouble
    }
}

fn rows(of: &Room, room: &RoomStatus, now: UnixTime) -> Vec<Vec<String>> {
    let zone = &of.zone;
    let pulled = match (room.pulled_at(), room.stale_since()) {
        (Some(at), Some(since)) => {
            let since = zone.local(since).strftime("%a %H:%M");
            format!("{} (stale since {since})", ago(at, now))
        }
        (Some(at), None) => ago(at, now),
        (None, _) => "never".to_owned(),
    };
    let troubles = zone.told(&room.troubles().join("; "));
    let row = |display: &DisplayStatus| {
        vec![
            room.room.to_string(),
            if display.state.is_in_step() {
                room.state.words().to_owned()
            } else {
                display.state.words().to_owned()
            },
            display.pod.to_string(),
            on_display(zone, display, now),
            pulled.clone(),
            display
                .memory
                .sent_at
                .map_or_else(|| "never".to_owned(), |at| ago(at, now)),
            troubles.clone(),
        ]
    };
    room.displays.iter().map(row).collect()
}

fn on_display(zone: &Zone, display: &DisplayStatus, now: UnixTime) -> String {
    let Some(agenda) = &display.memory.sent else {
        return "nothing of ours".to_owned();
    };
    let time = |at| zone.local(at).strftime("%a %H:%M").to_string();
    match (current(agenda, now), next(agenda, now)) {
        (Some(one), _) => format!("now {} until {}", one.title, time(one.end_time)),
        (None, Some(one)) => format!("free; {} {}", time(one.start_time), one.title),
        (None, None) => "free".to_owned(),
    }
}

fn show_displays(output: Output, of: &Room, room: &RoomStatus, now: UnixTime) {
    for display in &room.displays {
        let memory = &display.memory;
        let Some(agenda) = memory.sent.as_ref().filter(|agenda| !agenda.is_empty()) else {
            continue;
        };
        output.line(&format!(
            "\nOn {}, pushed {} (times in {}):",
            display.pod,
            memory.sent_at.map_or_else(String::new, |at| ago(at, now)),
            of.zone
        ));
        let time = |at| of.zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
        let meetings = agenda.meetings().iter();
        output.table(
            &["start", "end", "title", "organizer"],
            meetings.map(|one| {
                vec![
                    time(one.start_time),
                    time(one.end_time),
                    one.title.to_string(),
                    one.organizer.to_string(),
                ]
            }),
        );
    }
}

/// A span of time as people say it.
pub fn ago(at: UnixTime, now: UnixTime) -> String {
    let seconds = now.since(at).as_secs();
    match seconds {
        0..=1 => "just now".to_owned(),
        2..=119 => format!("{seconds} s ago"),
        120..=7199 => format!("{} min ago", seconds / 60),
        7200..=172_799 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        let now = UnixTime::from_seconds(1_000_000);
        let says = |seconds: i64| ago(UnixTime::from_seconds(1_000_000_i64 - seconds), now);
        assert_eq!(
            [0, 60, 600, 7_200, 400_000, -50].map(says),
            [
                "just now",
                "60 s ago",
                "10 min ago",
                "2 h ago",
                "4 days ago",
                "just now"
            ]
        );
    }
}
