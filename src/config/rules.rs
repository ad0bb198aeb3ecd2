//! What a display may show, how far ahead, and when an empty calendar is not believed:
//! the tables that a room may write over those of the building.

use std::time::Duration;

use super::file::{Table, Value, duration, quoted};
use super::keys;
use super::{Description, Guard, MeetingRules, WhenStale};

/// Days of the window, over `base`.
pub fn window(value: &Value<'_>, base: u16) -> u16 {
    value
        .table(&keys::WINDOW)
        .and_then(|table| table.get("days"))
        .and_then(|value| value.integer())
        .and_then(|days| u16::try_from(days).ok())
        .unwrap_or(base)
}

pub const GUARD: Guard = Guard {
    vanished: 3,
    hold: Duration::from_secs(15 * 60),
};

/// How many rooms of one host make the service suspicious of that host.
pub const GUARD_ROOMS: usize = 5;

/// `[guard]` of the building, with its `rooms`.
pub fn guard(value: &Value<'_>) -> (Guard, usize) {
    let Some(table) = value.table(&keys::GUARD) else {
        return (GUARD, GUARD_ROOMS);
    };
    let rooms = table
        .get("rooms")
        .and_then(|value| value.integer())
        .and_then(|rooms| usize::try_from(rooms).ok());
    (guard_over(&table, GUARD), rooms.unwrap_or(GUARD_ROOMS))
}

/// `guard` of a room.
pub fn guard_of_room(value: &Value<'_>, base: Guard) -> Guard {
    value
        .table(&keys::ROOM_GUARD)
        .map_or(base, |table| guard_over(&table, base))
}

fn guard_over(table: &Table<'_>, base: Guard) -> Guard {
    let vanished = table.get("vanished").and_then(|value| value.integer());
    let hold = table.get("hold").and_then(|value| duration(&value));
    Guard {
        vanished: vanished
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(base.vanished),
        hold: hold.unwrap_or(base.hold),
    }
}

/// `[meetings]`, or `meetings` of a room over them.
pub fn meetings(value: &Value<'_>, base: &MeetingRules) -> MeetingRules {
    let Some(table) = value.table(&keys::MEETINGS) else {
        return base.clone();
    };
    let truth = |key, base: bool| {
        table
            .get(key)
            .and_then(|value| value.boolean())
            .unwrap_or(base)
    };
    let text = |key, base: &str| {
        table
            .get(key)
            .and_then(|value| value.line_of_text())
            .unwrap_or(base)
            .to_owned()
    };
    let max = table.get("max").and_then(|value| value.integer());
    let rules = MeetingRules {
        all_day: truth("all_day", base.all_day),
        tentative: truth("tentative", base.tentative),
        max: max
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(base.max),
        description: table
            .get("description")
            .and_then(|value| description(&value))
            .unwrap_or(base.description),
        private_title: text("private_title", &base.private_title),
        hidden_title: text("hidden_title", &base.hidden_title),
        untitled: text("untitled", &base.untitled),
        hide_titles: truth("hide_titles", base.hide_titles),
        hide_organizers: truth("hide_organizers", base.hide_organizers),
        max_stale: table
            .get("max_stale")
            .and_then(|value| max_stale(&value))
            .unwrap_or(base.max_stale),
        when_stale: table
            .get("when_stale")
            .and_then(|value| when_stale(&value))
            .unwrap_or(base.when_stale),
    };
    warn_of_no_effect(&table, &rules);
    rules
}

/// A key that is written and changes nothing was meant to change something.
fn warn_of_no_effect(table: &Table<'_>, rules: &MeetingRules) {
    if let Some(value) = table.get("when_stale")
        && rules.max_stale.is_none()
        && rules.when_stale == WhenStale::Clear
    {
        value.warn("has no effect where there is no `max_stale`, such as `max_stale = \"24h\"`");
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

/// How long a feed may fail; the inner `None` is "never".
fn max_stale(value: &Value<'_>) -> Option<Option<Duration>> {
    if value.raw().as_str().is_some_and(|text| text == "never") {
        return Some(None);
    }
    duration(value).map(Some)
}

fn when_stale(value: &Value<'_>) -> Option<WhenStale> {
    value.one_of(&[("keep", WhenStale::Keep), ("clear", WhenStale::Clear)])
}
