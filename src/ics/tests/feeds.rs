//! Files that podcal did not make.

use std::path::Path;

use super::*;

/// The calendars beside the repository, where they are there.
pub fn shared(folder: &str) -> Vec<(String, FeedItem)> {
    let root = ["../shared", "../../shared"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.is_dir());
    let Some(root) = root else {
        eprintln!("left out: there is no folder `shared` beside the repository");
        return Vec::new();
    };
    let mut items = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ics") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            items.push((name, item(std::fs::read(&path).unwrap())));
        }
    }
    items
}

#[test]
fn every_real_feed_is_read_whole() {
    for (name, item) in shared("real-feeds") {
        if name == "telerik-radscheduler-first-letter-missing.ics" {
            assert_eq!(
                read(&item),
                Err(NotACalendar::NoCalendar { line: 1 }),
                "{name}"
            );
            continue;
        }
        let read = read(&item).unwrap_or_else(|error| panic!("{name}: {error}"));
        let begun = memchr::memmem::find_iter(&item.body, b"BEGIN:VEVENT").count();
        let events: usize = read
            .series
            .iter()
            .map(|series| series.overrides.len() + usize::from(series.master.is_some()))
            .sum();
        assert_eq!(events, begun, "{name}");
        assert_eq!(read.cut_off, name == "pagerduty-on-call.ics", "{name}");
        let trouble = read
            .verdicts
            .iter()
            .filter(|verdict| verdict.rule.is_trouble())
            .count();
        // `DTEND;VALUE=DATE-TIME:20031114T18300` lacks a digit; nothing defines a zone.
        let known = [
            "phpicalendar-sample-mixed-components.ics",
            "outlook-published-invalid-timezone.ics",
        ];
        assert_eq!(
            trouble,
            usize::from(known.contains(&name.as_str())),
            "{name}"
        );
        let unknown = read
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict.rule, Why::ZoneUnknown { .. }));
        assert_eq!(
            unknown,
            name == "outlook-published-invalid-timezone.ics",
            "{name}"
        );
    }
}
