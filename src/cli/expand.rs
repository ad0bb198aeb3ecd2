//! `podcal expand`: the instances of a calendar file in a window, offline.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use super::Failure;
use super::output::{Ended, Output};
use super::progress::Shown;
use super::when::When;
use crate::model::item::FeedItem;
use crate::model::meeting::Meeting;
use crate::model::time::Window;
use crate::model::zone::Zone;
use crate::telemetry::words::service::count;
use crate::{compose, expand, ics};

/// Far more than any calendar; a pipe without an end is noticed.
const LARGEST: u64 = 256 * 1024 * 1024;

/// In megabytes: reading more is shown on a terminal.
const LARGE: usize = 5;

/// List the instances of a calendar file that overlap a window; needs no configuration.
///
/// Titles are shown as they are, whatever their CLASS; cancelled and free events are
/// left out. Exits with 1 when the file is not a calendar.
#[derive(Debug, Args)]
pub struct ExpandArgs {
    /// An iCalendar file, or `-` for standard input.
    file: PathBuf,
    /// The beginning of the window, such as 2026-03-02T00:00:00Z, or "2026-03-02 00:00" in
    /// --time-zone.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    from: When,
    /// The end of the window, exclusive.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    to: When,
    /// Where floating times and all-day events are, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    time_zone: Zone,
}

/// With `--json`. Written as it is: the calendar may have a hundred thousand meetings.
#[derive(Serialize)]
struct Listing {
    meetings: Vec<Meeting>,
}

pub async fn run(args: ExpandArgs, output: Output) -> Result<Ended, Failure> {
    let (from, to) = (
        args.from.in_zone(&args.time_zone),
        args.to.in_zone(&args.time_zone),
    );
    let Some(window) = Window::new(from, to) else {
        return Err(Failure::usage(
            "the window is empty: --to is not after --from",
            "give a --to that is later",
        ));
    };
    let item = item(&args.file)?;
    let size = item.body.len() / 1_000_000;
    let shown = (size >= LARGE)
        .then(|| Shown::new(&format!("reading {} ({size} MB)", args.file.display())))
        .flatten();
    let reading = ics::merge(vec![ics::read_for(&item, window)?]);
    // Beside its meetings, there is room for the largest.
    drop(item);
    if reading.cut_off {
        super::note(
            "the calendar is cut off: END:VCALENDAR is missing; a feed like this would be rejected",
        );
    }
    let expansion = expand::expand(&reading.series, window, &args.time_zone);
    let all = reading.verdicts.iter().chain(&expansion.verdicts);
    let troubles = all.filter(|verdict| verdict.rule.is_trouble()).count();
    if troubles > 0 {
        super::note(&format!(
            "{} could not be read properly; `podcal explain FILE` names each",
            count(troubles, "entry", "entries")
        ));
    }
    let meetings = compose::plain(&expansion.occurrences);
    drop(shown);
    if output.json {
        output.json(&Listing { meetings });
    } else {
        output.table(
            &["start", "end", "title", "organizer"],
            meetings.iter().map(|one| row(one, &args.time_zone)),
        );
    }
    Ok(Ended::Well)
}

fn row(meeting: &Meeting, zone: &Zone) -> Vec<String> {
    let local = |at| zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    let title = compose::text::title(&meeting.title).unwrap_or_default();
    vec![
        local(meeting.start_time),
        local(meeting.end_time),
        title,
        meeting.organizer.to_string(),
    ]
}

/// A calendar file, or standard input.
pub fn item(path: &Path) -> Result<FeedItem, Failure> {
    let mut body = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| {
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            body.reserve_exact(usize::try_from(size.min(LARGEST)).unwrap_or(0) + 1);
            file.take(LARGEST + 1).read_to_end(&mut body)
        })
    };
    match read {
        Err(error) => Err(Failure::at_work(
            format!("{} cannot be read: {error}", path.display()),
            "give the path of an .ics file",
        )),
        Ok(_) if body.len() as u64 > LARGEST => Err(Failure::at_work(
            format!("{} is larger than 256 MiB", path.display()),
            "give a smaller calendar",
        )),
        Ok(_) => Ok(FeedItem {
            href: String::new(),
            etag: None,
            last_modified: None,
            body: Bytes::from(body),
        }),
    }
}

/// A zone on the command line.
pub fn zone(text: &str) -> Result<Zone, String> {
    Zone::named(text)
        .ok_or_else(|| "expected the IANA name of a time zone, such as Europe/Berlin".into())
}
