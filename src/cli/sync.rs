//! `podcal sync`: one pass over the rooms.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::output::{Ended, Output};
use super::progress::{Progress, Shown};
use super::{Failure, Global, load, room};
use crate::app::clock;
use crate::config::Config;
use crate::control::pod::PushReason;
use crate::ledger::Ledger;
use crate::model::agenda::Changes;
use crate::model::meeting::Meeting;
use crate::model::name::RoomName;
use crate::model::zone::Zone;
use crate::service::clock::Clock;
use crate::service::control_socket::{self, Answer, Request, SyncRequest};
use crate::service::once::Once;
use crate::service::pass::PassOptions;
use crate::service::remote::sync_by_owners;
use crate::service::report::{DisplayReport, FeedReport, FeedResult, RoomReport, SyncReport};
use crate::service::signals::Signals;
use crate::telemetry::words::service::count;

/// A pass ends by the time-outs of hosts and pods; a service that takes longer hangs.
const LONGEST_PASS: Duration = Duration::from_secs(20 * 60);

/// Whoever else holds the ledger is waited for this long.
const LONGEST_TURN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Bring the displays of all rooms, or of the named ones, up to date once, and exit.
///
/// Pulls the feeds, looks at what each display shows, and pushes what differs. Where the
/// service runs, it is asked to do so. Exits with 0 when everything is in step, with 1 when
/// a feed, a room or a pod failed or is held; the other rooms are served anyway.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// A room to sync; may be given several times. All rooms when left out.
    #[arg(long = "room", value_name = "ROOM")]
    rooms: Vec<String>,
    /// Show what would change; write to no pod and change no row of the ledger.
    #[arg(long)]
    dry_run: bool,
    /// Push also what is in step, and accept calendars that are held because they became empty.
    #[arg(long)]
    force: bool,
    /// Try passwords although sign-in is paused after a rejected one.
    #[arg(long)]
    try_password: bool,
}

pub async fn run(global: &Global, args: SyncArgs, output: Output) -> Result<Ended, Failure> {
    let mut config = load(global)?;
    let rooms = room::select(&config, &args.rooms)?;
    let names: Vec<_> = rooms.iter().map(|room| room.name.clone()).collect();
    let mut signals = Signals::listen().map_err(|error| Failure::signals(&error))?;
    let rooms = config.clone();
    config.rooms.retain(|room| names.contains(&room.name));
    let stopped = |signal| {
        Failure::at_work(
            format!("stopped by {signal} before every room was done"),
            "run it again; what was pushed is in step",
        )
    };
    let all = config.rooms.len();
    let waiting = Shown::new(&format!(
        "bringing {} up to date",
        count(all, "room", "rooms")
    ));
    let begun = tokio::select! {
        begun = begin(&args, config, &rooms) => begun?,
        signal = signals.stop() => return Err(stopped(signal)),
    };
    drop(waiting);
    let report = match begun {
        Begun::Done(report) => report,
        Begun::Here(once) => {
            let progress = Progress::new("rooms done", all);
            let options = PassOptions {
                force: args.force,
                try_password: args.try_password,
            };
            let report = tokio::select! {
                report = once.pass(options, || progress.step()) => Ok(report),
                signal = signals.stop() => Err(stopped(signal)),
            };
            drop(progress);
            once.close().await;
            report?
        }
    };
    let config = rooms;
    if output.json {
        output.json(&json!(report));
    } else {
        show(output, &config, &report);
    }
    Ok(if report.is_in_step() {
        Ended::Well
    } else {
        Ended::WithTrouble
    })
}

/// Who does the pass.
enum Begun {
    /// The service did it.
    Done(SyncReport),
    /// This process does.
    Here(Box<Once>),
}

/// Has the service do the pass, or makes ready to do it where none runs.
async fn begin(args: &SyncArgs, config: Config, all: &Config) -> Result<Begun, Failure> {
    let begun = Instant::now();
    loop {
        if !args.dry_run {
            let rooms = config.rooms.iter().map(|room| room.name.to_string());
            let request = SyncRequest {
                rooms: rooms.collect(),
                force: args.force,
                try_password: args.try_password,
            };
            if let Some(report) = ask_service(all, request).await? {
                return Ok(Begun::Done(report));
            }
        }
        match Once::start(config.clone(), all, Clock::start(clock), args.dry_run).await {
            // Another `sync` is at work, or a service that is just starting.
            // Services elsewhere share the ledger: each room is asked of its own.
            Err(error) if error.is_held() && all.ledger_server.is_some() && !args.dry_run => {
                if let Some(report) = sync_elsewhere(args, &config, all).await? {
                    return Ok(Begun::Done(report));
                }
                // Another command, not a service.
                if begun.elapsed() >= LONGEST_TURN {
                    return Err(error.into());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) if error.is_held() && begun.elapsed() < LONGEST_TURN => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            once => return Ok(Begun::Here(Box::new(once?))),
        }
    }
}

/// The report of the replicas that serve these rooms; `None` where none runs.
async fn sync_elsewhere(
    args: &SyncArgs,
    config: &Config,
    all: &Config,
) -> Result<Option<SyncReport>, Failure> {
    let ledger = Ledger::open_place_to_read(&all.ledger_place()).await?;
    if ledger.roll().await?.replicas.is_empty() {
        return Ok(None);
    }
    let rooms: Vec<RoomName> = config.rooms.iter().map(|room| room.name.clone()).collect();
    let options = SyncRequest {
        rooms: Vec::new(),
        force: args.force,
        try_password: args.try_password,
    };
    let reports = sync_by_owners(&ledger, &rooms, &options, LONGEST_PASS).await;
    ledger.close().await;
    let mut reports = reports.map_err(|refusal| Failure::at_work(refusal.says, &refusal.hint))?;
    let place = |name: &str| rooms.iter().position(|room| room.as_str() == name);
    reports.sort_by_key(|report| place(&report.room));
    Ok(Some(SyncReport { rooms: reports }))
}

/// The report of the service that holds the ledger; `None` where none runs.
async fn ask_service(config: &Config, request: SyncRequest) -> Result<Option<SyncReport>, Failure> {
    let ledger = crate::ledger::resolve(&config.ledger)?;
    let request = Request::Sync(request);
    let answer = control_socket::ask_either(&config.path, &ledger, &request, LONGEST_PASS)
        .await
        .map_err(|error| Failure::no_answer(&ledger, &error))?;
    match answer {
        None => Ok(None),
        Some(Answer::Done(report)) => {
            let report = serde_json::from_value(report).map_err(|_| {
                Failure::at_work(
                    "the service answered something that this podcal does not understand",
                    "are both of the same version? Restart the service",
                )
            })?;
            Ok(Some(report))
        }
        Some(Answer::Refused { says, hint }) => Err(Failure::at_work(says, &hint)),
    }
}

fn show(output: Output, config: &Config, report: &SyncReport) {
    let zone_of = |room: &RoomReport| {
        let rooms = config.rooms.iter();
        let mut of_name = rooms.filter(|known| known.name.as_str() == room.room);
        of_name
            .next()
            .map_or_else(Zone::utc, |room| room.zone.clone())
    };
    output.verdict(&summary(report), report.is_in_step());
    output.line("");
    let mut rows = Vec::new();
    let mut rooms: Vec<&RoomReport> = report.rooms.iter().collect();
    // Problems first.
    rooms.sort_by_key(|room| room.in_step);
    for room in rooms {
        let zone = zone_of(room);
        let feeds: Vec<String> = room
            .feeds
            .iter()
            .filter_map(|feed| feed_trouble(feed, &zone))
            .collect();
        let feeds = feeds.join("; ");
        for display in &room.displays {
            let mut says = zone.told(&display_text(room, display, &zone));
            if !feeds.is_empty() {
                says = format!("{says}; {feeds}");
            }
            let meetings = room
                .meetings
                .map_or_else(|| "-".to_owned(), |meetings| meetings.to_string());
            rows.push(vec![room.room.clone(), display.pod.clone(), meetings, says]);
        }
    }
    output.table(&["room", "pod", "meetings", "result"], rows);
    for room in &report.rooms {
        let zone = zone_of(room);
        for display in &room.displays {
            if let (Some(changes), "would_push") = (&display.changes, display.result.as_str()) {
                show_changes(output, &room.room, display, changes, &zone);
            }
        }
    }
}

/// Such as "499 of 500 rooms in step; 12 displays pushed".
fn summary(report: &SyncReport) -> String {
    // What a dry run would push is not there yet.
    let waits = |room: &RoomReport| room.displays.iter().any(|one| one.result == "would_push");
    let in_step = report
        .rooms
        .iter()
        .filter(|room| room.in_step && !waits(room));
    let in_step = in_step.count();
    let rooms = count(report.rooms.len(), "room", "rooms");
    let displays = || report.rooms.iter().flat_map(|room| &room.displays);
    let with = |result| displays().filter(|one| one.result == result).count();
    let mut says = format!("{in_step} of {rooms} in step");
    for (result, words) in [("pushed", "pushed"), ("would_push", "would be pushed")] {
        match with(result) {
            0 => {}
            pushed => says = format!("{says}; {} {words}", count(pushed, "display", "displays")),
        }
    }
    says
}

fn show_changes(
    output: Output,
    room: &str,
    display: &DisplayReport,
    changes: &Changes,
    zone: &Zone,
) {
    output.line(&format!(
        "\n{room} on {} would change (times in {zone}):",
        display.pod
    ));
    let time = |at| zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    let line = |mark: char, meeting: &Meeting| {
        let (start, end) = (time(meeting.start_time), time(meeting.end_time));
        output.line(&format!("  {mark} {start} to {end}  {}", meeting.title));
    };
    changes
        .removed
        .iter()
        .for_each(|meeting| line('-', meeting));
    changes.added.iter().for_each(|meeting| line('+', meeting));
    for changed in &changes.changed {
        line('<', &changed.before);
        line('>', &changed.after);
    }
}

fn feed_trouble(feed: &FeedReport, zone: &Zone) -> Option<String> {
    let time = |at| zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    let missing = match feed.missing {
        0 => None,
        missing => Some(format!(
            "{} of feed {} could not be fetched",
            count(missing, "event", "events"),
            feed.feed
        )),
    };
    if feed.result != FeedResult::Failed {
        return missing;
    }
    let since = match (feed.read, feed.stale_since) {
        (true, Some(since)) => format!(" (stale since {})", time(since)),
        (true, None) => String::new(),
        (false, _) => " (never read)".to_owned(),
    };
    let says = feed.error.as_deref().unwrap_or_default();
    let hint = feed.hint.as_deref().unwrap_or_default();
    Some(format!("{says}{since}; {hint}"))
}

fn display_text(room: &RoomReport, display: &DisplayReport, zone: &Zone) -> String {
    let time = |at| zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    let reason = PushReason::words_of_key(display.reason.as_deref().unwrap_or_default());
    let changes = display.changes.as_ref().map(counts).unwrap_or_default();
    match display.result.as_str() {
        "pushed" => format!("pushed ({reason}): {changes}"),
        "would_push" => format!("would push ({reason}): {changes}"),
        "held" => match &room.held {
            Some(held) => format!(
                "held until {}: {} vanished at once; `podcal sync --room {} --force` accepts that now",
                time(held.until),
                count(held.vanished, "upcoming meeting", "upcoming meetings"),
                room.room
            ),
            None => "held".to_owned(),
        },
        _ => {
            let mut says = display.state.says(display.detail.as_deref());
            for more in [&display.error, &display.hint].into_iter().flatten() {
                if !says.contains(more.as_str()) {
                    says = format!("{says}; {more}");
                }
            }
            says
        }
    }
}

fn counts(changes: &Changes) -> String {
    format!(
        "{} added, {} removed, {} changed",
        changes.added.len(),
        changes.removed.len(),
        changes.changed.len()
    )
}
