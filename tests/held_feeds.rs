//! A calendar as it is held in the ledger shows the same meetings as the calendar that
//! was pulled: over all conformance cases, and the real feeds beside the repository.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what failed and what it left out"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use podcal::model::item::FeedItem;
use podcal::model::occurrence::{Class, Occurrence};
use podcal::model::time::{UnixTime, Window};
use podcal::model::zone::Zone;
use podcal::{expand, ics};

fn calendars(folder: &str) -> Vec<(PathBuf, FeedItem)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("left out: there is no folder {}", folder.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let calendars = paths.filter(|path| path.extension().is_some_and(|kind| kind == "ics"));
    calendars
        .map(|path| {
            let item = FeedItem {
                href: String::new(),
                etag: None,
                last_modified: None,
                body: std::fs::read(&path).unwrap().into(),
            };
            (path, item)
        })
        .collect()
}

/// Id, times and, of public events, what they say.
fn seen(item: &FeedItem, window: Window, zone: &Zone) -> Option<Vec<String>> {
    let reading = ics::merge(vec![ics::read(item).ok()?]);
    let show = |one: &Occurrence| {
        let details = &one.details;
        let text = (details.class == Class::Public).then(|| {
            let texts = (&details.summary, &details.description, &details.location);
            format!(
                "{texts:?} {:?} {:?}",
                details.categories, details.conference
            )
        });
        format!(
            "{} {} {}..{} {} {:?} {} {:?} {} {text:?}",
            details.uid,
            one.instance,
            one.start,
            one.end,
            one.all_day,
            details.status,
            details.transparent,
            details.busy_status,
            details.room_declined,
        )
    };
    let expansion = expand::expand(&reading.series, window, zone);
    let mut seen: Vec<_> = expansion.occurrences.iter().map(show).collect();
    seen.sort();
    Some(seen)
}

#[test]
fn what_is_held_shows_the_same_meetings() {
    let mut calendars = calendars("tests/data/conformance");
    assert!(calendars.len() > 100, "only {}", calendars.len());
    calendars.extend(self::calendars("../shared/conformance"));
    calendars.extend(self::calendars("../shared/real-feeds"));
    let mut meetings = 0;
    for (path, item) in &calendars {
        for from in [
            "2004-05-01T00:00:00Z",
            "2020-11-24T10:10:00Z",
            "2026-01-06T12:00:00Z",
            "2026-03-29T00:30:00Z",
        ] {
            let from = UnixTime::parse(from).unwrap();
            let window = Window::new(from, from.plus(Duration::from_secs(60 * 86_400))).unwrap();
            let held = ics::keep(item, from, &[]);
            for zone in ["Pacific/Kiritimati", "America/Los_Angeles"] {
                let zone = Zone::named(zone).unwrap();
                let before = seen(item, window, &zone);
                assert_eq!(before, seen(&held, window, &zone), "{}", path.display());
                meetings += before.map_or(0, |before| before.len());
            }
        }
    }
    assert!(meetings > 500, "only {meetings}");
}
