//! What the fuzz targets do with their bytes, so that a plain program can do it as well.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use podcal::config::Pod;
use podcal::config::fuzz::{ConfigFaults, Loaded, NoVariable, check};
use podcal::ics::series::Series;
use podcal::model::item::FeedItem;
use podcal::model::time::{UnixTime, Window};
use podcal::model::zone::Zone;

const ZONES: [&str; 4] = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
];
const DAY: i64 = 86_400;

/// Any bytes as a feed: reading them never panics and never takes long.
pub fn read(bytes: &[u8]) {
    let _ = podcal::ics::read(&item(bytes.to_vec()));
}

/// Any bytes as a feed, read and expanded into a window that they choose.
///
/// The first four bytes choose window and zone, the rest is the calendar; where it
/// does not begin like one, it is taken as the lines of an event. Beside panics and
/// hangs, this looks for instances outside the window, ends before starts, and a
/// window that holds something else than its two halves.
///
/// # Panics
/// On any of these: that is what a fuzz target is for.
pub fn expand(bytes: &[u8]) {
    let Some((&[year, day, span, zone], rest)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let Ok(reading) = podcal::ics::read(&item(calendar(rest))) else {
        return;
    };
    let Some(zone) = ZONES
        .get(usize::from(zone) % ZONES.len())
        .and_then(|name| Zone::named(name))
    else {
        return;
    };
    let from = (i64::from(year) * 365 + i64::from(day)) * DAY - 30 * 365 * DAY;
    let to = from + (i64::from(span) + 2) * DAY / 2;
    let Some(whole) = instances(&reading.series, from, to, &zone) else {
        return;
    };
    let middle = from + (to - from) / 2;
    let (Some(first), Some(second)) = (
        instances(&reading.series, from, middle, &zone),
        instances(&reading.series, middle, to, &zone),
    ) else {
        return;
    };
    let halves: BTreeSet<_> = first.union(&second).cloned().collect();
    assert_eq!(whole, halves);
}

/// Any bytes as the answer of a CalDAV server: to a question for its calendars, for a list,
/// for changes and for events.
pub fn caldav(bytes: &[u8]) {
    podcal::feed::fuzz::caldav(bytes);
}

/// Any bytes as the answer of a pod, to every question; the first chooses the status.
pub fn pod(bytes: &[u8]) {
    podcal::pod::fuzz::answer(&POD, bytes);
}

static POD: LazyLock<Pod> = LazyLock::new(|| {
    let text = "time_zone = 'UTC'\npod.password = { file = 'secret' }\n\
                [rooms.oak]\nfeed = 'https://example.com/'\npod = '192.0.2.1'\n";
    let loaded = read_config(text).expect("it is a good configuration");
    loaded.config.rooms[0].pods[0].clone()
});

/// Any bytes as a configuration, with all checks. What it names is read from a folder that
/// is made up: every file holds a few words, and the included ones the same bytes again.
///
/// # Panics
/// Where a bad one is refused without saying what is bad, or shows a secret.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match read_config(text) {
        Ok(loaded) => {
            let shown = format!("{:?}", loaded.config);
            assert!(!shown.contains(SECRET), "a secret is shown");
        }
        Err(ConfigFaults::Wrong { problems, .. }) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                let said = problem.to_string();
                assert!(!said.contains(SECRET), "a secret is said");
            }
        }
        Err(_) => {}
    }
}

const SECRET: &str = "a-secret-that-is-nowhere-else";

fn read_config(text: &str) -> Result<Loaded, ConfigFaults> {
    let read_file = |path: &Path| {
        let name = path.to_string_lossy();
        match name.ends_with(".toml") {
            // One that includes itself must come to an end as well.
            true => Ok(text.as_bytes().to_vec()),
            false if name.contains("missing") => Err(io::ErrorKind::NotFound.into()),
            false => Ok(SECRET.as_bytes().to_vec()),
        }
    };
    let list_folder = |_: &Path| Ok(["a.toml", "b.toml", "c"].map(str::to_owned).into());
    let variable = |name: &str| match name.contains("MISSING") {
        true => Err(NoVariable::NotSet),
        false => Ok(SECRET.to_owned()),
    };
    let path = Path::new("/made-up/podcal.toml");
    check(text, path, &read_file, &list_folder, &variable)
}

fn item(body: Vec<u8>) -> FeedItem {
    FeedItem {
        href: String::new(),
        etag: None,
        last_modified: None,
        body: body.into(),
    }
}

fn calendar(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(b"BEGIN:VCALENDAR") {
        return bytes.to_vec();
    }
    [
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:".as_slice(),
        bytes,
        b"\nEND:VEVENT\nEND:VCALENDAR\n",
    ]
    .concat()
}

/// The instances, or `None` where a cap cut them: then halves may hold more than the whole.
fn instances(
    series: &[Series],
    from: i64,
    to: i64,
    zone: &Zone,
) -> Option<BTreeSet<(i64, i64, String, String)>> {
    let window = Window::new(UnixTime::from_seconds(from), UnixTime::from_seconds(to))?;
    let expansion = podcal::expand::expand(series, window, zone);
    for occurrence in &expansion.occurrences {
        assert!(
            occurrence.start <= occurrence.end,
            "an end before its start"
        );
        assert!(
            window.overlaps(occurrence.start, occurrence.end),
            "outside the window"
        );
    }
    let capped = expansion
        .verdicts
        .iter()
        .any(|verdict| matches!(verdict.rule, podcal::model::verdict::Rule::Capped { .. }));
    (!capped).then(|| {
        expansion
            .occurrences
            .iter()
            .map(|o| {
                (
                    o.start.seconds(),
                    o.end.seconds(),
                    o.details.uid.clone(),
                    o.instance.clone(),
                )
            })
            .collect()
    })
}
