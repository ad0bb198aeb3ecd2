//! `podcal history`: what was done for a room and what went wrong, newest first.

use clap::Args;
use serde_json::{Value, json};

use super::output::{Ended, Output};
use super::{Failure, Global, load, room};
use crate::ledger::{Entry, Event, Ledger};
use crate::model::meeting::Meeting;
use crate::model::zone::Zone;
use crate::service::history_text::{says, subject};

/// Show the pulls and pushes of a room, newest first, with what each changed.
///
/// Reads only the ledger. Pulls that changed nothing are not listed, and a repeated failure
/// is one line with a count.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// A room of the configuration.
    room: String,
    /// At most this many lines.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub async fn run(global: &Global, args: HistoryArgs, output: Output) -> Result<Ended, Failure> {
    let config = load(global)?;
    let room = room::find(&config, &args.room)?;
    super::ledger_exists(&config)?;
    let ledger = Ledger::open_place_to_read(&config.ledger_place()).await?;
    let feeds: Vec<_> = room.feeds.iter().map(|feed| feed.id.clone()).collect();
    let entries = ledger.history(&room.name, &feeds, args.limit).await?;
    ledger.close().await;
    if output.json {
        let history: Vec<Value> = entries.iter().map(as_json).collect();
        output.json(&json!({ "room": room.name, "history": history }));
        return Ok(Ended::Well);
    }
    if entries.is_empty() {
        output.line(&format!("Nothing has happened to {} yet.", room.name));
        return Ok(Ended::Well);
    }
    let mut rows = Vec::new();
    for entry in &entries {
        rows.push(vec![
            when(entry, &room.zone),
            subject(&entry.event).to_owned(),
            says(entry, &room.zone),
        ]);
        for detail in details(&entry.event, &room.zone) {
            rows.push(vec![String::new(), String::new(), detail]);
        }
    }
    output.table(&["when", "what", "result"], rows);
    Ok(Ended::Well)
}

/// With the names of `docs/json.md`; the ledger has older ones, which must stay.
fn as_json(entry: &Entry) -> Value {
    let before = match &entry.event {
        Event::Mode { .. } => "calendar_mode_before",
        _ => "state_before",
    };
    let mut line = json!(entry);
    for (name, new) in [
        ("before", before),
        ("changed", "calendar_changed"),
        ("kind", "error_type"),
        ("meetings", "meeting_count"),
        ("mode", "calendar_mode"),
        ("since", "first_at"),
    ] {
        let line = line.as_object_mut();
        if let Some((line, value)) = line.and_then(|line| line.remove(name).map(|it| (line, it))) {
            line.insert(new.to_owned(), value);
        }
    }
    line
}

fn when(entry: &Entry, zone: &Zone) -> String {
    zone.local(entry.at)
        .strftime("%a %Y-%m-%d %H:%M:%S")
        .to_string()
}

/// What a push added, removed and changed, a line each.
fn details(event: &Event, zone: &Zone) -> Vec<String> {
    let Event::Pushed { changes, .. } = event else {
        return Vec::new();
    };
    let line = |mark: char, one: &Meeting| {
        let (start, end) = (zone.local(one.start_time), zone.local(one.end_time));
        let until = match start.date() == end.date() {
            true => "%H:%M",
            false => "%a %Y-%m-%d %H:%M",
        };
        let (from, until) = (start.strftime("%a %Y-%m-%d %H:%M"), end.strftime(until));
        format!("  {mark} {from} - {until}  {}", one.title)
    };
    let removed = changes.removed.iter().map(|one| line('-', one));
    let added = changes.added.iter().map(|one| line('+', one));
    let changed = changes
        .changed
        .iter()
        .flat_map(|one| [line('<', &one.before), line('>', &one.after)]);
    removed.chain(added).chain(changed).collect()
}
