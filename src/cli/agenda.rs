//! `podcal agenda`: what the display of a room should show.

use clap::Args;
use serde_json::json;

use super::output::{Ended, Output};
use super::{Failure, Global, load, room};
use crate::app::clock;
use crate::config::Room;
use crate::model::agenda::Agenda;
use crate::service::clock::Clock;
use crate::service::open_ledger::OpenLedger;
use crate::service::study::{AsOf, Study, study};
use crate::telemetry::words::service::count;

/// Show the meetings that a room's display should show, day by day.
///
/// The same as the service would push. Meetings that are held because they vanished at once,
/// and those that stay although their feed cannot be read, are included and named.
#[derive(Debug, Args)]
pub struct AgendaArgs {
    /// A room of the configuration.
    room: String,
    /// Days from today, instead of the room's own window.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=366))]
    days: Option<u16>,
}

pub async fn run(global: &Global, args: AgendaArgs, output: Output) -> Result<Ended, Failure> {
    let config = load(global)?;
    let mut room = room::find(&config, &args.room)?.clone();
    if let Some(days) = args.days {
        room.days = days;
    }
    let clock = Clock::start(clock);
    let ledger = OpenLedger::open(&config, clock, true).await?;
    let ground = ledger.ground(clock, &ledger.network(), true, true);
    let study = study(&ground, &room, AsOf::from(clock.now().wall), false).await;
    ledger.close().await;
    let Some(agenda) = &study.view.wanted.agenda else {
        return Err(never_read(&room, &study));
    };
    if output.json {
        output.json(&json!({ "meetings": agenda.meetings() }));
    } else {
        show(output, &room, agenda, &study);
    }
    for note in notes(&room, &study) {
        super::note(&note);
    }
    Ok(if study.is_fresh() {
        Ended::Well
    } else {
        Ended::WithTrouble
    })
}

fn never_read(room: &Room, study: &Study) -> Failure {
    let failure = study.feeds.iter().find_map(|feed| feed.failure.as_ref());
    let says = failure.map_or_else(
        || "no feed was ever read".to_owned(),
        |failure| failure.says.clone(),
    );
    let hint = format!(
        "run `podcal check --connect` and correct `rooms.{}`",
        room.name
    );
    Failure::at_work(format!("room `{}`: {says}", room.name), &hint)
}

/// What the reader should know besides the meetings.
fn notes(room: &Room, study: &Study) -> Vec<String> {
    let time = |at| {
        room.zone
            .local(at)
            .strftime("%a %Y-%m-%d %H:%M")
            .to_string()
    };
    let mut notes = Vec::new();
    for feed in &study.feeds {
        let Some(failure) = &feed.failure else {
            continue;
        };
        let since = match feed.read_at {
            Some(at) => format!("; these are its meetings as of {}", time(at)),
            None => "; it was never read".to_owned(),
        };
        notes.push(format!("{}{since}; {}", failure.says, failure.hint));
    }
    for held in &study.view.held {
        notes.push(format!(
            "{} vanished from feed {} at once and are held until {}; `podcal sync --room {} \
             --force` accepts the empty calendar now",
            count(held.missing, "upcoming meeting", "upcoming meetings"),
            held.feed,
            time(held.until),
            room.name
        ));
    }
    if study.view.kept > 0 {
        notes.push(format!(
            "{} from a feed that cannot be read stay until they end",
            count(study.view.kept, "meeting", "meetings")
        ));
    }
    notes
}

fn show(output: Output, room: &Room, agenda: &Agenda, study: &Study) {
    let held = if study.view.held.is_empty() {
        ""
    } else {
        ", held"
    };
    output.line(&format!("{} (times in {}{held})", room.title, room.zone));
    if agenda.is_empty() {
        let days = count(usize::from(room.days), "day", "days");
        output.line(&format!("\nNo meetings in {days}."));
        return;
    }
    let mut day = None;
    for meeting in agenda.meetings() {
        let (start, end) = (
            room.zone.local(meeting.start_time),
            room.zone.local(meeting.end_time),
        );
        if day != Some(start.date()) {
            day = Some(start.date());
            output.line(&format!("\n{}", start.strftime("%A %-d %B %Y")));
        }
        let until = if end.date() == start.date() {
            end.strftime("%H:%M").to_string()
        } else {
            end.strftime("%a %H:%M").to_string()
        };
        let by = if meeting.organizer.is_empty() {
            String::new()
        } else {
            format!("  ({})", meeting.organizer)
        };
        output.line(&format!(
            "  {} - {until:<9}  {}{by}",
            start.strftime("%H:%M"),
            meeting.title
        ));
    }
}
