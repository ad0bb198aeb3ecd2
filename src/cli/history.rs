//! `podcal history`: what was done for a room and what went wrong, newest first.

use clap::Args;
use serde_json::json;

use super::output::{Ended, Output};
use super::{Failure, Global, load, room};
use crate::ledger::{Entry, Event, Ledger};
use crate::model::agenda::Changes;
use crate::model::meeting::Meeting;
use crate::model::zone::Zone;

/// Show the pulls and pushes of a room, newest first, with what each changed.
///
/// Reads the ledger alone. Pulls that brought nothing new leave no line, and a
/// failure that repeats itself is one line with a count.
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
    let ledger = Ledger::open_to_read(&config.ledger).await?;
    let feeds: Vec<_> = room.feeds.iter().map(|feed| feed.id.clone()).collect();
    let entries = ledger.history(&room.name, &feeds, args.limit).await?;
    ledger.close().await;
    if output.json {
        output.json(&json!({ "room": room.name, "history": entries }));
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
            says(entry),
        ]);
        for detail in details(&entry.event, &room.zone) {
            rows.push(vec![String::new(), String::new(), detail]);
        }
    }
    output.table(&["when", "what", "result"], rows);
    Ok(Ended::Well)
}

fn when(entry: &Entry, zone: &Zone) -> String {
    zone.local(entry.at)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// The feed or pod that it is about.
fn subject(event: &Event) -> &str {
    match event {
        Event::Pulled { feed, .. } | Event::PullFailed { feed, .. } => feed,
        Event::Pushed { pod, .. }
        | Event::PushFailed { pod, .. }
        | Event::Lost { pod, .. }
        | Event::Health { pod, .. }
        | Event::Mode { pod, .. }
        | Event::Certificate { pod, .. }
        | Event::Drift { pod, .. } => pod,
    }
}

fn says(entry: &Entry) -> String {
    let again = |failures: u32| match failures {
        0 => String::new(),
        1 => " after a failure".to_owned(),
        more => format!(" after {more} failures"),
    };
    let text = match &entry.event {
        Event::Pulled {
            changed: true,
            failures,
            ..
        } => format!("pulled, changed{}", again(*failures)),
        Event::Pulled {
            changed: false,
            failures,
            ..
        } => format!("pulled, unchanged{}", again(*failures)),
        Event::PullFailed { error, .. } => format!("pull failed: {error}"),
        Event::Pushed {
            reason,
            meetings,
            changes,
            duration_ms,
            failures,
            ..
        } => {
            let Changes {
                added,
                removed,
                changed,
            } = changes;
            let (added, removed, changed) = (added.len(), removed.len(), changed.len());
            let how = if reason == "seen" {
                "seen to show"
            } else {
                "pushed"
            };
            format!(
                "{how} {meetings} meetings ({reason}): {added} added, {removed} removed, {changed} changed, \
                 {duration_ms} ms{}",
                again(*failures)
            )
        }
        Event::PushFailed { error, .. } => format!("push failed: {error}"),
        Event::Lost { reason, .. } => format!("the display lost its meetings ({reason})"),
        Event::Health {
            before,
            state,
            detail,
            ..
        } => {
            let before = before
                .as_deref()
                .map(|before| format!(" (was {before})"))
                .unwrap_or_default();
            let detail = detail
                .as_deref()
                .map(|detail| format!(": {detail}"))
                .unwrap_or_default();
            format!("{state}{before}{detail}")
        }
        Event::Mode { before, mode, .. } => {
            let before = before
                .as_deref()
                .map(|before| format!(", was {before}"))
                .unwrap_or_default();
            format!("calendar mode {mode}{before}")
        }
        Event::Certificate {
            sha256: Some(sha256),
            ..
        } => format!("trusts the certificate {sha256}"),
        Event::Certificate { sha256: None, .. } => "trusts no certificate any more".to_owned(),
        Event::Drift {
            detail,
            repaired: true,
            ..
        } => format!("repaired: {detail}"),
        Event::Drift {
            detail,
            repaired: false,
            ..
        } => format!("drifted: {detail}"),
    };
    if entry.count > 1 {
        format!("{text} ({} times since {})", entry.count, entry.since)
    } else {
        text
    }
}

/// What a push added, removed and changed, a line each.
fn details(event: &Event, zone: &Zone) -> Vec<String> {
    let Event::Pushed { changes, .. } = event else {
        return Vec::new();
    };
    let line = |mark: char, one: &Meeting| {
        let local = |at| zone.local(at).strftime("%a %d %b %H:%M").to_string();
        format!(
            "  {mark} {} - {}  {}",
            local(one.start_time),
            local(one.end_time),
            one.title
        )
    };
    let removed = changes.removed.iter().map(|one| line('-', one));
    let added = changes.added.iter().map(|one| line('+', one));
    let changed = changes
        .changed
        .iter()
        .flat_map(|one| [line('<', &one.before), line('>', &one.after)]);
    removed.chain(added).chain(changed).collect()
}
