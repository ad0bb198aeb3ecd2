//! `podcal explain`: why each event is on the display or not.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::output::{Ended, Output, table};
use super::when::When;
use super::{Failure, Global, expand as expand_file, load, room};
use crate::app::clock;
use crate::compose::{self, FromFeed, filter};
use crate::config::{MeetingRules, Only, Room};
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::{Rule, Subject, Verdict};
use crate::model::zone::Zone;
use crate::service::clock::Clock;
use crate::service::open_ledger::OpenLedger;
use crate::service::study::{Study, study};
use crate::telemetry::words::service::count;
use crate::{expand, ics};

/// Instances of one event that are listed for each rule.
const FEW: usize = 20;
/// Characters of a title in a table.
const WIDEST: usize = 60;
/// What ended so long ago is still explained.
const BACK: Duration = Duration::from_secs(24 * 3600);
/// What is listed around a time that was asked about.
const NEAR: Duration = Duration::from_secs(12 * 3600);
/// The window of a file, which has no room to say it.
const DAYS_OF_A_FILE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Say for each event whether it is on the display, and the rule that decided it.
///
/// Given a room, its feeds are pulled and the rules of its configuration apply; given
/// an .ics file, the default rules. What is near the window is listed. With --at the
/// answer is for that time: what the display shows then, and why not something else, and
/// what is near it is listed. Titles of private events are masked unless --unmask is given.
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
}

/// What is explained.
struct Explained {
    name: String,
    zone: Zone,
    /// As of when.
    at: UnixTime,
    /// Whether a time was asked about.
    asked: bool,
    /// What a person is told of; `--json` has the rest too.
    near: Option<Window>,
    unmask: bool,
    private_title: String,
    /// How each feed was read, for people.
    feeds: Vec<String>,
    verdicts: Vec<Verdict>,
}

pub async fn run(global: &Global, args: ExplainArgs, output: Output) -> Result<Ended, Failure> {
    let is_file = args.what == "-" || args.what.to_lowercase().ends_with(".ics");
    let (mut explained, ended) = if is_file {
        (of_file(&args)?, Ended::Well)
    } else {
        of_room(global, &args).await?
    };
    explained
        .verdicts
        .sort_by_key(|verdict| (verdict.start, verdict.end));
    if output.json {
        output.json(&explained.as_json());
    } else {
        explained.show(output);
    }
    Ok(ended)
}

fn of_file(args: &ExplainArgs) -> Result<Explained, Failure> {
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
    let mut feeds = Vec::new();
    if reading.cut_off {
        feeds.push(
            "cut off: END:VCALENDAR is missing; as a feed it would not be believed".to_owned(),
        );
    }
    Ok(Explained {
        name: args.what.clone(),
        zone: args.time_zone.clone(),
        at,
        asked: args.at.is_some(),
        near: near(args, at, end),
        unmask: args.unmask,
        private_title: rules.private_title,
        feeds,
        verdicts: [reading.verdicts, expansion.verdicts, composed.verdicts].concat(),
    })
}

async fn of_room(global: &Global, args: &ExplainArgs) -> Result<(Explained, Ended), Failure> {
    let config = load(global)?;
    let room = room::find(&config, &args.what)?;
    let at = args.at(&room.zone);
    let clock = Clock::start(clock);
    let ledger = OpenLedger::open(&config, clock, true).await?;
    let ground = ledger.ground(clock, &ledger.network(), true, true);
    let study = study(&ground, room, at, BACK, false).await;
    ledger.close().await;
    let ended = if study.is_fresh() {
        Ended::Well
    } else {
        Ended::WithTrouble
    };
    let explained = Explained {
        name: room.title.clone(),
        zone: room.zone.clone(),
        at,
        asked: args.at.is_some(),
        near: near(args, at, room.window(at).to()),
        unmask: args.unmask,
        private_title: room.meetings.private_title.clone(),
        feeds: feeds(room, &study),
        verdicts: study.verdicts,
    };
    Ok((explained, ended))
}

/// Around the time that was asked about, else around the window.
fn near(args: &ExplainArgs, at: UnixTime, end: UnixTime) -> Option<Window> {
    match args.at {
        Some(_) => Window::new(at.minus(NEAR), at.plus(NEAR)),
        None => Window::new(at.minus(BACK), end.plus(BACK)),
    }
}

/// How each feed was read, and what the display keeps besides, for people.
fn feeds(room: &Room, study: &Study) -> Vec<String> {
    let time = |at| {
        room.zone
            .local(at)
            .strftime("%a %Y-%m-%d %H:%M")
            .to_string()
    };
    let mut says: Vec<String> = study
        .feeds
        .iter()
        .map(|feed| match (&feed.failure, feed.read_at) {
            (Some(failure), Some(at)) => format!(
                "{}: as it was at {}, because {}; {}",
                feed.id,
                time(at),
                failure.says,
                failure.hint
            ),
            (Some(failure), None) => format!(
                "{}: never read, because {}; {}",
                feed.id, failure.says, failure.hint
            ),
            (None, _) if feed.missing > 0 => format!(
                "{}: read now, but for {} that could not be had",
                feed.id,
                count(feed.missing, "event", "events")
            ),
            (None, _) => format!("{}: read now", feed.id),
        })
        .collect();
    for held in &study.view.held {
        says.push(format!(
            "{}: {} vanished at once; the display keeps them until {} unless they come back",
            held.feed,
            count(held.missing, "upcoming meeting", "upcoming meetings"),
            time(held.until)
        ));
    }
    if study.view.kept > 0 {
        says.push(format!(
            "the display keeps {} that no feed accounts for, until they end",
            count(study.view.kept, "meeting", "meetings")
        ));
    }
    says
}

impl Explained {
    fn show(&self, output: Output) {
        let as_of = self.local(self.at);
        if self.asked {
            self.show_answer(output, &as_of);
            output.line("");
        }
        output.line(&format!("{} ({}), as of {as_of}", self.name, self.zone));
        for feed in &self.feeds {
            output.line(&format!("  {feed}"));
        }
        let with_times = |verdict: &&Verdict| self.is_near(verdict) == Some(true);
        let shown = self
            .verdicts
            .iter()
            .filter(with_times)
            .filter(|verdict| verdict.rule.is_shown());
        self.show_part(output, "On the display", shown.collect());
        let missing = self
            .verdicts
            .iter()
            .filter(with_times)
            .filter(|verdict| !verdict.rule.is_shown());
        self.show_part(output, "Not on the display", missing.collect());
        self.show_part(
            output,
            "About the calendar",
            self.verdicts.iter().filter(|v| v.start.is_none()).collect(),
        );
        let far = self.verdicts.iter().map(|verdict| self.is_near(verdict));
        let far = far.filter(|near| *near == Some(false)).count();
        if far > 0 {
            let events = count(
                far,
                "event that is over or far away",
                "events that are over or far away",
            );
            output.line(&format!("\nLeft out: {events} (--json has all)."));
        }
    }

    /// Whether it is near enough to be listed; `None` where it is about no time.
    fn is_near(&self, verdict: &Verdict) -> Option<bool> {
        let start = verdict.start?;
        let end = verdict.end.unwrap_or(start);
        Some(self.near.is_none_or(|near| near.overlaps(start, end)))
    }

    /// What the display shows at the time that was asked about, and what it does not.
    fn show_answer(&self, output: Output, as_of: &str) {
        let then = |verdict: &&Verdict| {
            verdict.start.is_some_and(|start| start <= self.at)
                && verdict.end.is_some_and(|end| end > self.at)
        };
        let (shown, missing): (Vec<_>, Vec<_>) = self
            .verdicts
            .iter()
            .filter(then)
            .partition(|verdict| verdict.rule.is_shown());
        if shown.is_empty() {
            let next = self.verdicts.iter().filter(|one| one.rule.is_shown());
            let next = next.filter_map(|one| one.start.filter(|start| *start > self.at));
            let until = next
                .min()
                .map(|at| format!(" until {}", self.until(self.at, at)));
            output.line(&format!(
                "At {as_of} the display shows the room as free{}.",
                until.unwrap_or_default()
            ));
        }
        for verdict in shown {
            let why = match verdict.rule {
                Rule::Shown => String::new(),
                _ => format!(": {}", verdict.rule),
            };
            output.line(&format!(
                "At {as_of} the display shows `{}`{why}.",
                self.title(verdict)
            ));
        }
        for verdict in missing {
            output.line(&format!(
                "It does not show `{}`: {}.",
                self.title(verdict),
                verdict.rule
            ));
        }
    }

    fn show_part(&self, output: Output, heading: &str, verdicts: Vec<&Verdict>) {
        if verdicts.is_empty() {
            return;
        }
        output.line(&format!("\n{heading}"));
        let (verdicts, more) = few_of_each(verdicts);
        let rows = verdicts.into_iter().map(|verdict| {
            let when = match (verdict.start, verdict.end) {
                (Some(start), Some(end)) => {
                    format!("{} - {}", self.local(start), self.until(start, end))
                }
                (Some(start), None) => self.local(start),
                _ => place(verdict),
            };
            let what = shortened(&self.title(verdict));
            vec![format!("  {when}"), what, verdict.rule.to_string()]
        });
        output.line(&table(&["  when", "what", "why"], rows));
        if more > 0 {
            output.line(&format!(
                "  ... and {more} more of the same (--json has all)"
            ));
        }
    }

    fn as_json(&self) -> Value {
        let verdicts: Vec<Value> = self
            .verdicts
            .iter()
            .map(|verdict| {
                json!({
                    "rule": verdict.rule.key(),
                    "says": verdict.rule.to_string(),
                    "shown": verdict.rule.is_shown(),
                    "title": self.title(verdict),
                    "start_time": verdict.start,
                    "end_time": verdict.end,
                    "place": place(verdict),
                })
            })
            .collect();
        json!({ "subject": self.name, "time_zone": self.zone.name(), "at": self.at, "notes": self.feeds, "verdicts": verdicts })
    }

    fn title(&self, verdict: &Verdict) -> String {
        let Subject::Event(details) = &verdict.subject else {
            return String::new();
        };
        if filter::is_private(details) && !self.unmask {
            return self.private_title.clone();
        }
        details
            .summary
            .as_deref()
            .and_then(compose::text::title)
            .unwrap_or_else(|| "(no title)".to_owned())
    }

    fn local(&self, at: UnixTime) -> String {
        self.zone
            .local(at)
            .strftime("%a %Y-%m-%d %H:%M")
            .to_string()
    }

    fn until(&self, start: UnixTime, end: UnixTime) -> String {
        let (start, end) = (self.zone.local(start), self.zone.local(end));
        let format = if start.date() == end.date() {
            "%H:%M"
        } else {
            "%a %Y-%m-%d %H:%M"
        };
        end.strftime(format).to_string()
    }
}

/// Of each event and rule the first instances, and how many were left out: one mad
/// series must not hide what else there is.
fn few_of_each(verdicts: Vec<&Verdict>) -> (Vec<&Verdict>, usize) {
    let mut counts: HashMap<(String, &'static str), usize> = HashMap::new();
    let all = verdicts.len();
    let few: Vec<&Verdict> = verdicts
        .into_iter()
        .filter(|verdict| {
            let uid = match &verdict.subject {
                Subject::Event(details) => details.uid.clone(),
                Subject::Line { .. } => place(verdict),
            };
            let count = counts.entry((uid, verdict.rule.key())).or_default();
            *count += 1;
            *count <= FEW
        })
        .collect();
    let more = all - few.len();
    (few, more)
}

/// A title for a column.
fn shortened(title: &str) -> String {
    if title.chars().count() <= WIDEST {
        return title.to_owned();
    }
    let head: String = title.chars().take(WIDEST - 1).collect();
    format!("{head}…")
}

/// Where in the calendar it stands.
fn place(verdict: &Verdict) -> String {
    let (href, line) = match &verdict.subject {
        Subject::Event(details) => (&details.source.href, details.source.line),
        Subject::Line { href, line } => (href, *line),
    };
    match (href.is_empty(), line) {
        (true, 0) => "the calendar".to_owned(),
        (true, line) => format!("line {line}"),
        (false, 0) => href.clone(),
        (false, line) => format!("{href} line {line}"),
    }
}
