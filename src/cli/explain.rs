//! `podcal explain`: why each event is on the display or not.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::output::{Ended, Output, table};
use super::when::When;
use super::{Failure, Global, expand as expand_file, load, room};
use crate::app::clock;
use crate::compose::{self, FromFeed};
use crate::config::{MeetingRules, Only, Room};
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;
use crate::service::clock::Clock;
use crate::service::explanation::{Explanation, NEAR, Titles};
use crate::service::open_ledger::OpenLedger;
use crate::service::past::{ALL_LINES, PastDisplay};
use crate::service::study::{AsOf, study};
use crate::telemetry::words::service::count;
use crate::{expand, ics};

/// Characters of a title in a table.
const WIDEST: usize = 60;
/// What ended so long ago is still explained.
const BACK: Duration = Duration::from_secs(24 * 3600);
/// A time that was over for less than this is now.
const JUST_NOW: Duration = Duration::from_secs(60);
/// The window of a file, which has no room to say it.
const DAYS_OF_A_FILE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Say for each event whether it is on the display, and the rule that decided it.
///
/// Given a room, its feeds are pulled and the rules of its configuration apply; given
/// an .ics file, the default rules. What is near the window is listed. With --at the
/// answer is for that time: what the display shows then, and why not something else; the
/// events near it are listed. For a past time, the history tells what the display had been
/// sent. Titles of private events are masked unless --unmask is given.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A room of the configuration, or an iCalendar file.
    #[arg(value_name = "ROOM|FILE")]
    what: String,
    /// As of this time instead of now, such as "2026-03-02 09:00" in the room's zone, or
    /// 2026-03-02T09:00:00+01:00.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    at: Option<When>,
    /// Where floating times of a file are; a room has its own zone.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = expand_file::zone)]
    time_zone: Zone,
    /// Show the titles of private events.
    #[arg(long)]
    unmask: bool,
}

impl ExplainArgs {
    /// As of when.
    fn at(&self, zone: &Zone) -> UnixTime {
        self.at.map_or_else(clock, |at| at.in_zone(zone))
    }

    /// What a person is told of: around the time that was given, else around the window.
    fn near(&self, at: UnixTime, end: UnixTime) -> Option<Window> {
        match self.at {
            Some(_) => Window::new(at.minus(NEAR), at.plus(NEAR)),
            None => Window::new(at.minus(BACK), end.plus(BACK)),
        }
    }
}

pub async fn run(global: &Global, args: ExplainArgs, output: Output) -> Result<Ended, Failure> {
    let is_file = args.what == "-" || args.what.to_lowercase().ends_with(".ics");
    let (explanation, ended) = if is_file {
        (of_file(&args)?, Ended::Well)
    } else {
        of_room(global, &args).await?
    };
    if output.json {
        output.json(&explanation.as_json());
    } else {
        show(&explanation, args.at.is_some(), output);
    }
    Ok(ended)
}

fn of_file(args: &ExplainArgs) -> Result<Explanation, Failure> {
    let at = args.at(&args.time_zone);
    let item = expand_file::item(Path::new(&args.what))?;
    let reading = ics::merge(vec![ics::read(&item)?]);
    let end = at.plus(DAYS_OF_A_FILE);
    let (Some(window), Some(studied)) = (Window::new(at, end), Window::new(at.minus(BACK), end))
    else {
        return Err(Failure::usage(
            "--at is beyond the year 9999",
            "give an earlier time",
        ));
    };
    let expansion = expand::expand(&reading.series, studied, &args.time_zone);
    let rules = MeetingRules::default();
    let from = FromFeed {
        occurrences: &expansion.occurrences,
        only: &Only::default(),
    };
    let composed = compose::agenda(&[from], &rules, window);
    let mut notes = Vec::new();
    if reading.cut_off {
        notes.push("cut off: END:VCALENDAR is missing; as a feed it would be rejected".to_owned());
    }
    let titles = titles(args, &rules);
    Ok(Explanation {
        name: args.what.clone(),
        zone: args.time_zone.clone(),
        at,
        near: args.near(at, end),
        titles,
        past: None,
        is_in_step: true,
        notes,
        verdicts: [reading.verdicts, expansion.verdicts, composed.verdicts].concat(),
    }
    .in_order())
}

async fn of_room(global: &Global, args: &ExplainArgs) -> Result<(Explanation, Ended), Failure> {
    let config = load(global)?;
    let room = room::find(&config, &args.what)?;
    let at = args.at(&room.zone);
    let clock = Clock::start(clock);
    let ledger = OpenLedger::open(&config, clock, true).await?;
    let ground = ledger.ground(clock, &ledger.network(), true, true);
    let study = study(&ground, room, AsOf { at, back: BACK }, false).await;
    let past = match at < clock.now().wall.minus(JUST_NOW) {
        true => Some(past(&ledger, room, at).await?),
        false => None,
    };
    let memories = ledger.recorder.memories();
    ledger.close().await;
    let ended = if study.is_fresh() {
        Ended::Well
    } else {
        Ended::WithTrouble
    };
    let near = args.near(at, room.window(at).to());
    let titles = titles(args, &room.meetings);
    let explanation =
        Explanation::of_room(room, study, &memories, at, near, titles).with_past(past);
    Ok((explanation, ended))
}

/// What the displays of a room showed then, by the ledger.
async fn past(ledger: &OpenLedger, room: &Room, at: UnixTime) -> Result<Vec<PastDisplay>, Failure> {
    let history = ledger.recorder.ledger();
    let history = history.history(&room.name, &[], ALL_LINES).await?;
    let memories = ledger.recorder.memories();
    Ok(PastDisplay::all_of(room, &memories, &history, at))
}

fn titles(args: &ExplainArgs, rules: &MeetingRules) -> Titles {
    match args.unmask {
        true => Titles::AsTheyAre,
        false => Titles::PrivateAs(rules.private_title.clone()),
    }
}

fn show(explanation: &Explanation, is_time_given: bool, output: Output) {
    if is_time_given {
        for answer in explanation.answers() {
            output.line(&answer);
        }
        output.line("");
    }
    let as_of = explanation.local(explanation.at);
    let (name, zone) = (&explanation.name, &explanation.zone);
    output.line(&format!("{name} ({zone}), as of {as_of}"));
    for note in &explanation.notes {
        output.line(&format!("  {note}"));
    }
    for part in explanation.parts() {
        output.line(&format!("\n{}", part.heading));
        let rows = part.rows.into_iter().map(|row| {
            let what = shortened(&row.what);
            vec![format!("  {}", row.when), what, row.why]
        });
        output.line(&table(&["  when", "what", "why"], rows));
        if part.more > 0 {
            let more = part.more;
            output.line(&format!(
                "  ... and {more} more of the same (--json has all)"
            ));
        }
    }
    let far = explanation.far();
    if far > 0 {
        let events = count(
            far,
            "event that is over or far away",
            "events that are over or far away",
        );
        output.line(&format!("\nLeft out: {events} (--json has all)."));
    }
}

/// A title for a column.
fn shortened(title: &str) -> String {
    if title.chars().count() <= WIDEST {
        return title.to_owned();
    }
    let head: String = title.chars().take(WIDEST - 1).collect();
    format!("{head}…")
}
