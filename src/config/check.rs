//! The file as written -> `Config`: what holds where the file is silent, and all
//! problems of all files gathered before any is reported.
//!
//! Pure: files and variables are read by the functions that the caller gives.
//! Each group of keys has a file of its own beside this one.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::fault::{ConfigFaults, Problem};
use super::feeds::Limits;
use super::file::{self, Table, duration, size};
use super::include;
use super::keys;
use super::ledger;
use super::notes::Noted;
use super::pods::{self, Settings};
use super::rooms::{Defaults, Rooms};
use super::rules;
use super::schedule;
pub use super::secret::NoVariable;
use super::secret::Sources;
use super::web;
use super::zone;
use super::{Config, MeetingRules, OnRemove};

/// A configuration to work with, and what its author should know.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// In the order of the file, then of those that it includes.
    pub warnings: Vec<Problem>,
}

/// Turns the text of a configuration into a `Config`.
///
/// `path` is where the text came from: paths in it, and in the files that it includes,
/// are relative to its folder.
///
/// # Errors
/// All problems at once, each with its file, line and key.
pub fn check(
    text: &str,
    path: &Path,
    read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    list_folder: &dyn Fn(&Path) -> io::Result<Vec<String>>,
    variable: &dyn Fn(&str) -> Result<String, NoVariable>,
) -> Result<Loaded, ConfigFaults> {
    let sources = Sources {
        folder: path.parent().unwrap_or(Path::new("")),
        read_file,
        list_folder,
        variable,
    };
    let ((config, included), mut noted) =
        file::read(text, None, &keys::ROOT, |root| whole(root, path, &sources));
    for more in included {
        noted.problems.extend(more.problems);
        noted.warnings.extend(more.warnings);
    }
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

/// Fit for use only when no problem was noted, here or in an included file.
fn whole(root: &Table<'_>, path: &Path, sources: &Sources<'_>) -> (Config, Vec<Noted>) {
    let ledger = root
        .get("ledger")
        .and_then(|value| value.table(&keys::LEDGER));
    let keep_history = ledger
        .as_ref()
        .and_then(|table| table.get("keep"))
        .and_then(|value| duration(&value));
    let ledger = ledger::place(ledger.as_ref(), sources);
    let limits = limits(root);
    let pod = root.get("pod").and_then(|value| value.table(&keys::POD));
    let (guard, brake_rooms) = root
        .get("guard")
        .map_or((rules::GUARD, rules::GUARD_ROOMS), |value| {
            rules::guard(&value)
        });
    let built_in = MeetingRules::default();
    let defaults = Defaults {
        zone: zone::of_building(root),
        days: root
            .get("window")
            .map_or(DAYS, |value| rules::window(&value, DAYS)),
        meetings: root.get("meetings").map_or_else(
            || built_in.clone(),
            |value| rules::meetings(&value, &built_in),
        ),
        guard,
        limits,
        pod: pod.map_or_else(Settings::default, |table| {
            pods::settings(&table, &Settings::default(), sources)
        }),
    };
    let memory = memory(root, limits);
    let on_remove = root
        .get("on_remove")
        .and_then(|value| value.one_of(&[("keep", OnRemove::Keep), ("clear", OnRemove::Clear)]));
    let schedule = schedule::schedule(root);
    let web = root.get("web").and_then(|value| web::web(&value, sources));
    let (rooms, included) = rooms(root, path, &defaults, sources);
    let config = Config {
        path: path.to_owned(),
        time_zone: defaults.zone,
        ledger: ledger.path,
        ledger_server: ledger.server,
        keep_history: keep_history.unwrap_or(KEEP_HISTORY),
        schedule,
        guard,
        brake_rooms,
        memory,
        on_remove: on_remove.unwrap_or_default(),
        web,
        rooms,
    };
    (config, included)
}

const DAYS: u16 = 7;
const KEEP_HISTORY: Duration = Duration::from_secs(90 * 24 * 3_600);

fn rooms(
    root: &Table<'_>,
    path: &Path,
    defaults: &Defaults,
    sources: &Sources<'_>,
) -> (Vec<super::Room>, Vec<Noted>) {
    let mut rooms = Rooms::new(defaults, sources);
    let of_root = root.get("rooms");
    if let Some(value) = &of_root {
        rooms.read(value);
    }
    let files = include::files(root, path, sources);
    let included: Vec<Noted> = files
        .iter()
        .map(|file| {
            let read = |root: &Table<'_>| {
                if let Some(value) = root.get("rooms") {
                    rooms.read(&value);
                }
            };
            file::read(&file.text, Some(&file.path), &keys::INCLUDED, read).1
        })
        .collect();
    let are_sound = included.iter().all(|noted| noted.problems.is_empty());
    // Whoever wrote `[room.oak]` is told of that alone.
    let is_misspelt = of_root.is_none() && root.has("room");
    if rooms.are_none() && are_sound && !is_misspelt {
        let mut says = "there are no rooms; write `[rooms.NAME]` with `feed` and `pod`".to_owned();
        if root.get("include").is_some() && files.is_empty() {
            says += ", here or in a file that `include` names; it matches no file";
        }
        match of_root {
            Some(value) => value.wrong(says),
            None => root.lacks("rooms", says),
        }
    }
    (rooms.finished(root), included)
}

fn limits(root: &Table<'_>) -> Limits {
    let http = root.get("http").and_then(|value| value.table(&keys::HTTP));
    let get = |key| http.as_ref().and_then(|table| table.get(key));
    let timeout = get("timeout").and_then(|value| duration(&value));
    Limits {
        timeout: timeout.unwrap_or(Duration::from_secs(20)),
        max_size: get("max_feed_size")
            .and_then(|value| size(&value))
            .unwrap_or(50_000_000),
    }
}

fn memory(root: &Table<'_>, limits: Limits) -> u64 {
    let value = root
        .get("limits")
        .and_then(|value| value.table(&keys::LIMITS))
        .and_then(|table| table.get("memory"));
    let memory = value
        .as_ref()
        .and_then(|value| size(value))
        .unwrap_or(256_000_000);
    if memory < limits.max_size
        && let Some(value) = value
    {
        value.warn("is less than `http.max_feed_size`; a feed that needs more is refused");
    }
    memory
}
