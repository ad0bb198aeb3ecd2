//! The rooms of all files: each checked by itself, and against the others.

use std::collections::HashMap;

use crate::model::name::RoomName;
use crate::model::zone::Zone;

use super::feeds::{self, Limits};
use super::file::{Table, Value, quoted};
use super::keys;
use super::known_feeds::KnownFeeds;
use super::notes::Place;
use super::pods::{self, RoomPod, Settings};
use super::secret::Sources;
use super::{Feed, Guard, MeetingRules, Pod, Room, rules, zone};

/// What every room starts from.
pub struct Defaults {
    pub zone: Zone,
    pub days: u16,
    pub meetings: MeetingRules,
    pub guard: Guard,
    pub limits: Limits,
    pub pod: Settings,
}

/// The rooms that have been read, and what they must not have in common.
pub struct Rooms<'d> {
    defaults: &'d Defaults,
    sources: &'d Sources<'d>,
    rooms: Vec<Room>,
    /// Whether a `[rooms]` was more than an empty table, right or wrong.
    any: bool,
    /// By the room's name in lower case.
    names: HashMap<String, (String, Place)>,
    /// By the pod's address: its room, and where it stands.
    pods: HashMap<String, (String, Place)>,
    /// The pods that have no password, here or in `[pod]`.
    without_password: Vec<Place>,
    feeds: KnownFeeds,
}

impl<'d> Rooms<'d> {
    #[must_use]
    pub fn new(defaults: &'d Defaults, sources: &'d Sources<'d>) -> Self {
        Self {
            defaults,
            sources,
            rooms: Vec::new(),
            any: false,
            names: HashMap::new(),
            pods: HashMap::new(),
            without_password: Vec::new(),
            feeds: KnownFeeds::default(),
        }
    }

    /// Reads the rooms of one file.
    pub fn read(&mut self, value: &Value<'_>) {
        let Some(entries) = value.entries("tables such as [rooms.aurora]") else {
            self.any = true;
            return;
        };
        for (name, value) in entries {
            self.any = true;
            let room = self.room(name, &value);
            self.rooms.extend(room);
        }
    }

    /// Whether no file says anything about a room.
    #[must_use]
    pub fn are_none(&self) -> bool {
        !self.any
    }

    /// All rooms, in the order in which they were read.
    #[must_use]
    pub fn finished(self, root: &Table<'_>) -> Vec<Room> {
        self.report_missing_passwords(root);
        self.rooms
    }

    fn room(&mut self, name: &str, value: &Value<'_>) -> Option<Room> {
        let room_name = RoomName::new(name);
        if room_name.is_none() {
            value.wrong(
                "is not a name for a room; write up to 100 characters without control characters",
            );
        }
        self.refuse_known_name(name, value);
        let defaults = self.defaults;
        let table = value.table_or(&keys::ROOM, "a table with `feed` and `pod`")?;
        let title = table.get("title").and_then(|value| value.line_of_text());
        let zone = table.get("time_zone").and_then(|value| zone::zone(&value));
        let meetings = table
            .get("meetings")
            .map(|value| rules::meetings(&value, &defaults.meetings));
        let days = table
            .get("window")
            .map(|value| rules::window(&value, defaults.days));
        let guard = table
            .get("guard")
            .map(|value| rules::guard_of_room(&value, defaults.guard));
        let feeds = self.feeds(name, &table);
        let pods = self.pods(name, &table);
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

    /// Within one file TOML refuses a second table of the same name.
    fn refuse_known_name(&mut self, name: &str, value: &Value<'_>) {
        let known = (name.to_owned(), value.place());
        match self.names.insert(name.to_lowercase(), known) {
            Some((other, place)) if other == name => value.wrong(format!(
                "is given twice ({}); keep one",
                place.seen_from(&value.place())
            )),
            Some((other, _)) => value.warn(format!(
                "differs from room {} in capital letters only",
                quoted(&other)
            )),
            None => {}
        }
    }

    fn feeds(&mut self, name: &str, table: &Table<'_>) -> Vec<Feed> {
        let written = one_or_more(table, "feed", "feeds", "\"https://...\"");
        let mut feeds: Vec<Feed> = Vec::with_capacity(written.len());
        for value in written {
            let Some(feed) = feeds::feed(&value, self.defaults.limits, self.sources) else {
                continue;
            };
            self.feeds.add(&feed, name, &value);
            let same = |other: &Feed| other.id == feed.id && other.only == feed.only;
            if feeds.iter().any(same) {
                value.warn("is the same feed as another of this room");
            }
            feeds.push(feed);
        }
        feeds
    }

    fn pods(&mut self, name: &str, table: &Table<'_>) -> Vec<Pod> {
        let mut pods = Vec::new();
        for value in one_or_more(table, "pod", "pods", "\"192.0.2.11\"") {
            let Some(pod) = pods::pod(&value, &self.defaults.pod, self.sources) else {
                continue;
            };
            self.refuse_known_pod(&pod, name, &value);
            pods.extend(pod.finished(self.defaults.limits.timeout));
        }
        pods
    }

    fn refuse_known_pod(&mut self, pod: &RoomPod, room: &str, value: &Value<'_>) {
        if let Some((other, place)) = self.pods.get(&pod.url.key()) {
            let whose = match other == room {
                true => "this room".to_owned(),
                false => format!("room {}", quoted(other)),
            };
            value.wrong(format!(
                "{} is already a pod of {whose} ({}); a pod shows one room, once",
                pod.url,
                place.seen_from(&value.place())
            ));
            return;
        }
        self.pods
            .insert(pod.url.key(), (room.to_owned(), pod.place.clone()));
        if pod.lacks_password() {
            self.without_password.push(value.place());
        }
    }

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
                let (key, line) = (first.key(), first.seen_from_root());
                defaults.missing("password", &format!("{which} (`{key}`, {line}); {WRITE}"));
            }
            None => root.missing_at(
                first,
                "password",
                &format!("{WRITE}; in `[pod]` it is for all pods"),
            ),
        }
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
            both.wrong(format!("is beside `{one}`; keep one of the two"));
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
