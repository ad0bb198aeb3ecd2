//! `podcal sync`: one pass over the rooms.

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

use super::output::{Ended, Output};
use super::{Failure, Global, load, room};
use crate::app::{App, clock};
use crate::fault::{self, Fault as _};
use crate::ledger::old::LedgerError;
use crate::model::agenda::Changes;
use crate::model::meeting::Meeting;
use crate::plan::Wish;
use crate::sync::{
    self, DisplayOutcome, DisplayResult, FeedOutcome, FeedResult, Look, Manner, Pull, RoomOutcome,
};

/// How many rooms are in work at once; most of their time is spent waiting.
const AT_ONCE: usize = 64;

/// Bring the displays of all rooms, or of the named ones, up to date once, and exit.
///
/// Pulls the feeds, looks at what each display shows, and pushes what differs.
/// Exits with 0 when everything is in step, with 1 when a feed, a room or a pod
/// failed or is held; the other rooms are done all the same.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// A room to sync; may be given several times. All rooms when left out.
    #[arg(long = "room", value_name = "ROOM")]
    rooms: Vec<String>,
    /// Show what would change; write to no pod and change no row of the ledger.
    #[arg(long)]
    dry_run: bool,
    /// Push also what is in step, and what the guard holds back.
    #[arg(long)]
    force: bool,
}

pub async fn run(global: &Global, args: SyncArgs, output: Output) -> Result<Ended, Failure> {
    let config = load(global)?;
    let app = if args.dry_run {
        App::open_to_read(config).await?
    } else {
        App::open(config).await?
    };
    let rooms = room::select(&app.config, &args.rooms)?;
    let manner = Manner {
        wish: Wish { force: args.force },
        pull: Pull::Now,
        look: Look::Always,
    };
    let work = rooms.into_iter().map(|room| async {
        let outcome = sync::sync_room(&app.edges, room, clock(), manner).await?;
        if !args.dry_run {
            sync::log(&outcome);
        }
        Ok::<_, LedgerError>(outcome)
    });
    let done: Vec<_> = stream::iter(work).buffered(AT_ONCE).collect().await;
    app.edges.ledger.close().await;
    let outcomes: Vec<RoomOutcome> = done.into_iter().collect::<Result<_, _>>()?;
    if output.json {
        let rooms: Vec<Value> = outcomes.iter().map(as_json).collect();
        output.json(&json!({ "rooms": rooms }));
    } else {
        show(output, &outcomes);
    }
    Ok(if outcomes.iter().all(RoomOutcome::is_in_step) {
        Ended::Well
    } else {
        Ended::WithTrouble
    })
}

fn show(output: Output, outcomes: &[RoomOutcome]) {
    let mut rows = Vec::new();
    for outcome in outcomes {
        let troubled = outcome
            .feeds
            .iter()
            .filter_map(feed_trouble)
            .collect::<Vec<_>>()
            .join("; ");
        if outcome.displays.is_empty() {
            rows.push(vec![
                outcome.room.to_string(),
                "-".into(),
                String::new(),
                format!("waits: {troubled}"),
            ]);
            continue;
        }
        for display in &outcome.displays {
            let mut says = display_text(display);
            if !troubled.is_empty() {
                says = format!("{says}; {troubled}");
            }
            let (room, pod) = (outcome.room.to_string(), display.pod.to_string());
            rows.push(vec![room, pod, outcome.meetings.to_string(), says]);
        }
    }
    output.table(&["room", "pod", "meetings", "result"], rows);
    for outcome in outcomes {
        for display in &outcome.displays {
            if let DisplayResult::WouldPush { changes, .. } = &display.result {
                show_changes(output, outcome, display, changes);
            }
        }
    }
}

fn show_changes(
    output: Output,
    outcome: &RoomOutcome,
    display: &DisplayOutcome,
    changes: &Changes,
) {
    output.line(&format!(
        "\n{} on {} would change:",
        outcome.room, display.pod
    ));
    let line = |mark: char, meeting: &Meeting| {
        let (start, end, title) = (meeting.start_time, meeting.end_time, &meeting.title);
        output.line(&format!("  {mark} {start}  {end}  {title}"));
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

fn feed_trouble(feed: &FeedOutcome) -> Option<String> {
    let FeedResult::Failed(trouble) = &feed.result else {
        return None;
    };
    let since = feed
        .standing
        .failing_since
        .map(|since| format!(" (stale since {since})"))
        .unwrap_or_default();
    Some(format!("{}{since}; {}", trouble.says, trouble.hint))
}

fn display_text(display: &DisplayOutcome) -> String {
    match &display.result {
        DisplayResult::InStep => "in step".to_owned(),
        DisplayResult::Pushed {
            changes, reason, ..
        } => format!("pushed ({}): {}", reason.key(), counts(changes)),
        DisplayResult::WouldPush {
            changes, reason, ..
        } => {
            format!("would push ({}): {}", reason.key(), counts(changes))
        }
        DisplayResult::Held { until, missing, .. } => {
            format!(
                "held until {until}: {missing} meetings vanished at once; --force believes it now"
            )
        }
        DisplayResult::Refused { mode } => format!("not written to: its calendar mode is {mode}"),
        DisplayResult::Resting { until } => {
            format!("rests until {until}: its password was rejected")
        }
        DisplayResult::Failed(error) => {
            format!("failed: {}; {}", fault::chain(error), error.hint())
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

fn as_json(outcome: &RoomOutcome) -> Value {
    let feeds: Vec<Value> = outcome.feeds.iter().map(feed_json).collect();
    let displays: Vec<Value> = outcome.displays.iter().map(display_json).collect();
    json!({
        "room": outcome.room,
        "in_step": outcome.is_in_step(),
        "meetings": outcome.meetings,
        "unreadable": outcome.troubles,
        "feeds": feeds,
        "displays": displays,
    })
}

fn feed_json(feed: &FeedOutcome) -> Value {
    let (result, error) = match &feed.result {
        FeedResult::NotTried => ("not_tried", None),
        FeedResult::Unchanged => ("unchanged", None),
        FeedResult::Changed { .. } => ("changed", None),
        FeedResult::Recovered { .. } => ("recovered", None),
        FeedResult::Failed(trouble) => ("failed", Some(trouble)),
    };
    json!({
        "feed": feed.id.to_string(),
        "result": result,
        "error": error.map(|trouble| &trouble.says),
        "error_type": error.map(|trouble| &trouble.kind),
        "stale_since": feed.standing.failing_since,
    })
}

fn display_json(display: &DisplayOutcome) -> Value {
    let mut value = json!({ "pod": display.pod.key() });
    let more = match &display.result {
        DisplayResult::InStep => json!({ "result": "in_step" }),
        DisplayResult::Pushed {
            changes,
            reason,
            duration,
            ..
        } => json!({
            "result": "pushed", "reason": reason.key(), "changes": changes,
            "duration_ms": u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        }),
        DisplayResult::WouldPush {
            changes, reason, ..
        } => {
            json!({ "result": "would_push", "reason": reason.key(), "changes": changes })
        }
        DisplayResult::Held {
            since,
            until,
            missing,
            ..
        } => {
            json!({ "result": "held", "since": since, "until": until, "missing": missing })
        }
        DisplayResult::Refused { mode } => json!({ "result": "refused", "mode": mode }),
        DisplayResult::Resting { until } => json!({ "result": "resting", "until": until }),
        DisplayResult::Failed(error) => {
            json!({ "result": "failed", "error": fault::chain(error), "error_type": error.kind() })
        }
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}
