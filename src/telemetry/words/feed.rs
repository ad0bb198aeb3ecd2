//! The words of feeds. A feed is named by its host and the start of its digest, never by
//! its address.

use serde_json::Value;

use super::service::count;
use crate::control::feed::FeedEvent;
use crate::model::failure::{Failure, FailureClass};
use crate::model::name::{FeedId, RoomName};
use crate::model::time::UnixTime;
use crate::model::version::Trouble;
use crate::telemetry::line::{Level, Line, time};

/// The line of an event of a feed that these rooms read.
#[must_use]
pub fn line(feed: &FeedId, rooms: &[RoomName], event: &FeedEvent) -> Line {
    let of = of(feed, rooms);
    let line = match event {
        FeedEvent::Pulled { is_new, items } => pulled(&of, *is_new, *items),
        FeedEvent::Failing {
            failure,
            since,
            failures,
            read_at,
            is_quiet,
        } => failing(&of, failure, *since, *failures, *read_at, *is_quiet),
        FeedEvent::Recovered {
            since,
            failures,
            is_quiet,
        } => Line::new(
            "feed.recovered",
            level(*is_quiet, Level::Info),
            format!(
                "{of}: recovered after {} since {since}",
                count(*failures as usize, "failure", "failures")
            ),
        )
        .with("failures", *failures)
        .with("since", time(*since)),
        FeedEvent::Flapping { times, since } => Line::new(
            "feed.flapping",
            Level::Warn,
            format!(
                "{of}: keeps failing and recovering, {times} times since {since}; the display keeps its last good \
                 meetings in between, and single failures are not reported any more until it is steady"
            ),
        )
        .with("times", *times)
        .with("since", time(*since)),
        FeedEvent::Steady { times } => Line::new(
            "feed.steady",
            Level::Info,
            format!("{of}: read without a failure for an hour, after it had failed {times} times"),
        )
        .with("times", *times),
        FeedEvent::Trouble { trouble } => self::trouble(&of, trouble),
        FeedEvent::Partial { missing, members } => partial(&of, *missing, *members),
        FeedEvent::TokenNotSaved { why } => token_not_saved(&of, why.as_deref()),
    };
    let line = line.with("feed", feed.to_string());
    match rooms {
        [room] => line.with("room", room.to_string()),
        rooms => line.with(
            "rooms",
            Value::from_iter(rooms.iter().map(RoomName::to_string)),
        ),
    }
}

/// "room `oak`: feed …", or the feed with the number of its rooms.
fn of(feed: &FeedId, rooms: &[RoomName]) -> String {
    match rooms {
        [room] => format!("room `{room}`: feed {feed}"),
        [] => format!("feed {feed}"),
        rooms => format!("feed {feed} of {} rooms", rooms.len()),
    }
}

fn level(is_quiet: bool, level: Level) -> Level {
    if is_quiet { Level::Debug } else { level }
}

fn pulled(of: &str, is_new: bool, items: usize) -> Line {
    let text = match (is_new, items) {
        // A calendar file is one item, whatever it has.
        (true, 1) => format!("{of}: changed"),
        (true, items) => format!("{of}: changed; it has {items} items"),
        (false, _) => format!("{of}: unchanged"),
    };
    Line::new("feed.pulled", level(!is_new, Level::Info), text)
        .with("changed", is_new)
        .with("items", items)
}

fn failing(
    of: &str,
    failure: &Failure,
    since: UnixTime,
    failures: u32,
    read_at: Option<UnixTime>,
    is_quiet: bool,
) -> Line {
    let wants_a_person = matches!(
        failure.class,
        FailureClass::SecretRejected | FailureClass::Forbidden
    );
    let loud = if wants_a_person {
        Level::Error
    } else {
        Level::Warn
    };
    let shown = match read_at {
        Some(at) => format!("the display keeps its last good meetings, stale since {at}"),
        None => "it was never read".to_owned(),
    };
    let so_far = match failures {
        0 | 1 => String::new(),
        failures => format!(" ({failures} failures since {since})"),
    };
    Line::new(
        "feed.failing",
        level(is_quiet, loud),
        format!("{of}: {}{so_far}; {shown}; {}", failure.says, failure.hint),
    )
    .with("failures", failures)
    .with("since", time(since))
    .with("read_at", read_at.map_or(Value::Null, time))
    .with("error", failure.says.clone())
    .with("error.type", failure.kind.clone())
}

fn trouble(of: &str, trouble: &Trouble) -> Line {
    let (loud, text) = match in_trouble(trouble) {
        Some(says) => (Level::Warn, format!("{of}: {says}")),
        None => (Level::Info, format!("{of}: every entry can be read again")),
    };
    Line::new("feed.trouble", loud, text)
        .with("unreadable", trouble.entries)
        .with("unknown_zones", trouble.unknown_zones.clone())
}

/// What could not be read properly; `None` where all could.
#[must_use]
pub fn in_trouble(trouble: &Trouble) -> Option<String> {
    let Trouble {
        entries,
        unknown_zones,
    } = trouble;
    let zones = unknown_zones.join("`, `");
    Some(match (entries, unknown_zones.is_empty()) {
        (0, true) => return None,
        (0, false) => {
            format!("no definition of the time zone `{zones}`; the room's zone is used")
        }
        (entries, no_zones) => {
            let entries = count(*entries, "entry", "entries");
            let zones = match no_zones {
                true => String::new(),
                false => format!(", and nothing defines the time zone `{zones}`"),
            };
            format!("{entries} could not be read properly{zones}; `podcal explain` names each")
        }
    })
}

/// What a token that is not saved means for a person.
#[must_use]
pub fn in_memory_only(why: &str) -> String {
    format!(
        "the server gave a new refresh token, and {why}: when podcal ends, access has to be granted again; let \
         podcal write there"
    )
}

fn token_not_saved(of: &str, why: Option<&str>) -> Line {
    let (loud, text) = match why {
        Some(why) => (Level::Warn, format!("{of}: {}", in_memory_only(why))),
        None => (
            Level::Info,
            format!("{of}: the newest refresh token is saved again"),
        ),
    };
    Line::new("feed.token_not_saved", loud, text)
        .with("error", why.map_or(Value::Null, Value::from))
}

fn partial(of: &str, missing: usize, members: usize) -> Line {
    let (loud, text) = match missing {
        0 => (
            Level::Info,
            format!("{of}: every event can be fetched again"),
        ),
        missing => (
            Level::Warn,
            format!(
                "{of}: {missing} of {} could not be fetched; what the display shows of them stays until they are",
                count(members, "event", "events")
            ),
        ),
    };
    Line::new("feed.partial", loud, text)
        .with("missing", missing)
        .with("members", members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(rooms: &[&str], event: &FeedEvent) -> Line {
        let feed = FeedId::new(
            "dav.example.com",
            &["ics", "https://dav.example.com/s3cret"],
        );
        let rooms: Vec<RoomName> = rooms
            .iter()
            .map(|room| RoomName::new(room).unwrap())
            .collect();
        let line = line(&feed, &rooms, event);
        assert!(!format!("{line:?}").contains("s3cret"));
        assert!(line.fields.iter().any(|(key, _)| *key == "feed"));
        line
    }

    fn failed(class: FailureClass, failures: u32, is_quiet: bool) -> FeedEvent {
        FeedEvent::Failing {
            failure: Failure {
                class,
                kind: "gone".to_owned(),
                says: "the feed at dav.example.com answered 404 Not Found".to_owned(),
                hint: "copy the address again".to_owned(),
                is_passing: false,
                retry_after: None,
                secret_was_sent: false,
            },
            since: UnixTime::parse("2027-03-02T10:00:00Z").unwrap(),
            failures,
            read_at: None,
            is_quiet,
        }
    }

    #[test]
    fn a_failure_says_what_is_shown_meanwhile_and_since_when() {
        let first = says(&["oak"], &failed(FailureClass::Other, 1, false));
        assert_eq!(first.level, Level::Warn);
        assert!(first.text.starts_with("room `oak`: feed dav.example.com#"));
        assert!(
            first
                .text
                .contains("it was never read; copy the address again")
        );
        let tenth = says(
            &["oak", "elm"],
            &failed(FailureClass::SecretRejected, 10, false),
        );
        assert_eq!(tenth.level, Level::Error);
        assert!(tenth.text.contains("of 2 rooms"));
        assert!(
            tenth
                .text
                .contains("(10 failures since 2027-03-02T10:00:00Z)")
        );
        let quiet = says(&["oak"], &failed(FailureClass::Other, 2, true));
        assert_eq!(quiet.level, Level::Debug);
    }

    #[test]
    fn a_token_that_is_not_saved_says_what_will_come_of_it() {
        let token = |why: Option<&str>| {
            let why = why.map(str::to_owned);
            says(&["oak"], &FeedEvent::TokenNotSaved { why })
        };
        let lost = token(Some(
            "`podcal.tokens` cannot be written (permission denied)",
        ));
        assert_eq!(
            (lost.level, lost.name),
            (Level::Warn, "feed.token_not_saved")
        );
        assert!(lost.text.contains("permission denied"));
        assert!(lost.text.contains("access has to be granted again"));
        assert_eq!(token(None).level, Level::Info);
    }

    #[test]
    fn numbers_have_real_plurals_and_an_end_is_said() {
        let partial = |missing| {
            let event = FeedEvent::Partial {
                missing,
                members: 57,
            };
            says(&[], &event)
        };
        assert!(
            partial(3)
                .text
                .contains("3 of 57 events could not be fetched")
        );
        assert_eq!(partial(0).level, Level::Info);
        let trouble = |entries, zones: &[&str]| {
            let unknown_zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
            let trouble = Trouble {
                entries,
                unknown_zones,
            };
            says(&["oak"], &FeedEvent::Trouble { trouble })
        };
        assert!(trouble(1, &[]).text.contains("1 entry could not"));
        assert!(trouble(2, &["Mars"]).text.contains("2 entries"));
        assert!(trouble(0, &["Mars"]).text.contains("`Mars`"));
        assert_eq!(trouble(0, &[]).level, Level::Info);
    }
}
