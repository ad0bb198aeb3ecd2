//! `podcal agenda`: what the display of a room should show.

use clap::Args;
use serde_json::json;

use super::output::{Ended, Output};
use super::{Failure, Global, load, room};
use crate::app::{App, clock};
use crate::config::Room;
use crate::model::agenda::Agenda;
use crate::sync::{self, Pull, PullResult};

/// Show the meetings that a room's display should show, day by day.
#[derive(Debug, Args)]
pub struct AgendaArgs {
    room: String,
    /// Days from today, instead of the room's own window.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=366))]
    days: Option<u16>,
}

pub async fn run(global: &Global, args: AgendaArgs, output: Output) -> Result<Ended, Failure> {
    let config = load(global)?;
    let app = App::open_to_read(config).await?;
    let mut room = room::find(&app.config, &args.room)?.clone();
    if let Some(days) = args.days {
        room.days = days;
    }
    let plan = sync::plan_room(&app.edges, &room, clock(), Pull::Now).await?;
    let mut failed = false;
    for copy in &plan.gathered.feeds {
        if let PullResult::Failed(trouble) = &copy.pulled {
            failed = true;
            let since = copy
                .standing
                .pulled_at
                .map(|at| format!("; this is how it was at {at}"))
                .unwrap_or_default();
            tracing::warn!(room = %room.name, "room `{}`: {}{since}; {}", room.name, trouble.says, trouble.hint);
        }
    }
    if !plan.gathered.is_complete() {
        return Err(Failure::at_work(
            format!("room `{}`: a feed was never read", room.name),
            &format!(
                "run `podcal check --connect` and mend `rooms.{}`",
                room.name
            ),
        ));
    }
    let agenda = &plan.composed.agenda;
    if output.json {
        output.json(&json!({ "meetings": agenda.meetings() }));
    } else {
        show(output, &room, agenda);
    }
    Ok(if failed {
        Ended::WithTrouble
    } else {
        Ended::Well
    })
}

fn show(output: Output, room: &Room, agenda: &Agenda) {
    output.line(&format!("{} ({})", room.title, room.zone));
    if agenda.is_empty() {
        output.line(&format!("\nNo meetings in {} days.", room.days));
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
