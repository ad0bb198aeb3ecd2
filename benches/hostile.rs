//! What calendars cost that want to cost much: the whole process, `podcal expand`, from
//! start to exit, on each, beside an ordinary calendar of the same size in the same run.
//!
//! Every calendar also holds one ordinary meeting, which must come out. `time` is the
//! median on the clock; `cpu` is processor time, which stays true on a busy machine, in
//! steps of 10 ms over all runs, and so is `ratio` where there is enough of it. Memory is
//! the peak while the process runs, in a run of its own. The last two need Linux.
//!
//! What calendar servers, sign-in servers and pods can send, and many rooms at once, costs
//! the service and not a command: `cargo test --test hostile -- --nocapture` prints that.

#![expect(clippy::unwrap_used, reason = "the calendars are our own")]
#![expect(clippy::indexing_slicing, reason = "a fixed number of runs")]
#![expect(clippy::print_stdout, reason = "the table is what this is for")]

mod synthetic;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs behind each median.
const RUNS: usize = 7;

const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Hostile//EN\r\n";
const GOOD: &str = "BEGIN:VEVENT\r\nUID:good\r\nDTSTAMP:20260301T000000Z\r\n\
                    DTSTART:20260303T090000Z\r\nDTEND:20260303T100000Z\r\n\
                    SUMMARY:The meeting that must be shown\r\nEND:VEVENT\r\n";

fn main() {
    // `cargo test --benches` has nothing to learn here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calendar.ics");
    println!(
        "{:<38} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>6}",
        "calendar", "size", "time", "cpu", "memory", "ordinary", "its cpu", "ratio"
    );
    for (name, body) in calendars().into_iter().chain(without_number()) {
        let twin = ordinary(body.len());
        let beside = folder.path().join("ordinary.ics");
        fs::write(&path, format!("{HEAD}{body}{GOOD}END:VCALENDAR\r\n")).unwrap();
        fs::write(&beside, twin).unwrap();
        let shown = run(&path);
        assert!(shown.contains("The meeting that must be shown"), "{name}");
        let (mut ours, mut twins) = (Cost::default(), Cost::default());
        for _ in 0..RUNS {
            ours.add(&path);
            twins.add(&beside);
        }
        println!(
            "{name:<38} {:>7} kB {:>6} ms {:>6} ms {:>6} MB {:>6} ms {:>6} ms {:>6.1}",
            fs::metadata(&path).unwrap().len() / 1000,
            ours.median().as_millis(),
            ours.processor.as_millis() / RUNS as u128,
            memory(&path),
            twins.median().as_millis(),
            twins.processor.as_millis() / RUNS as u128,
            ours.against(&twins)
        );
    }
}

fn calendars() -> Vec<(&'static str, String)> {
    let rules = |rule: &str| event("DTSTART:20200101T000000Z", "DTEND:20200101T000001Z", rule);
    let mut exdates = String::new();
    for second in 0..100_000_u32 {
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let day = 1 + hour / 24;
        let _ = write!(
            exdates,
            "EXDATE:202603{day:02}T{:02}{minute:02}{second:02}Z\r\n",
            hour % 24
        );
    }
    let numbers = |from: i32, to: i32| {
        let all: Vec<String> = (from..=to).map(|number| number.to_string()).collect();
        all.join(",")
    };
    vec![
        ("nothing but the good meeting", String::new()),
        ("every second, for ever", rules("RRULE:FREQ=SECONDLY\r\n")),
        ("INTERVAL=0", rules("RRULE:FREQ=DAILY;INTERVAL=0\r\n")),
        (
            "daily since the year 1",
            event(
                "DTSTART:00010101T090000Z",
                "DTEND:00010101T100000Z",
                "RRULE:FREQ=DAILY\r\n",
            ),
        ),
        (
            "every second since the year 1",
            event(
                "DTSTART:00010101T090000Z",
                "DTEND:00010101T090001Z",
                "RRULE:FREQ=SECONDLY\r\n",
            ),
        ),
        (
            "a rule that never comes true",
            rules("RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30\r\n"),
        ),
        (
            "every month, day, hour, minute, second",
            rules(&format!(
                "RRULE:FREQ=YEARLY;BYMONTH={};BYMONTHDAY={};BYHOUR={};BYMINUTE={};BYSECOND={}\r\n",
                numbers(1, 12),
                numbers(1, 31),
                numbers(0, 23),
                numbers(0, 59),
                numbers(0, 59)
            )),
        ),
        (
            "the same, counted to the window",
            rules(&format!(
                "RRULE:FREQ=YEARLY;COUNT=2000000000;BYMONTH={};BYMONTHDAY={};BYHOUR={};BYMINUTE={};BYSECOND={}\r\n",
                numbers(1, 12),
                numbers(1, 31),
                numbers(0, 23),
                numbers(0, 59),
                numbers(0, 59)
            )),
        ),
        (
            "100,000 EXDATEs",
            rules(&format!("RRULE:FREQ=MINUTELY\r\n{exdates}")),
        ),
        (
            "a thousand series of every second",
            (0..1_000)
                .map(|number| {
                    rules("RRULE:FREQ=SECONDLY\r\n").replace("UID:bad", &format!("UID:bad{number}"))
                })
                .collect(),
        ),
        ("20,000 nested BEGINs", nested(20_000)),
        (
            "20,000 overrides of one instance",
            (0..20_000)
                .map(|_| {
                    event(
                        "DTSTART:20260304T090000Z",
                        "DTEND:20260304T100000Z",
                        "RECURRENCE-ID:20260304T090000Z\r\n",
                    )
                })
                .collect(),
        ),
        (
            "a line of 40 MB",
            event(
                "DTSTART:20260304T090000Z",
                "DTEND:20260304T100000Z",
                &format!("DESCRIPTION:{}\r\n", "x".repeat(40_000_000)),
            ),
        ),
        (
            "a folded line of 40 MB",
            event(
                "DTSTART:20260304T090000Z",
                "DTEND:20260304T100000Z",
                &format!("DESCRIPTION:{}x\r\n", "x\r\n ".repeat(10_000_000)),
            ),
        ),
        (
            "a million empty events",
            "BEGIN:VEVENT\r\nEND:VEVENT\r\n".repeat(1_000_000),
        ),
    ]
}

/// Parts of calendars as many as fit tens of megabytes.
fn without_number() -> Vec<(&'static str, String)> {
    let daily = |uid: usize, more: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20200101T090000Z\r\nDURATION:PT1H\r\n\
             RRULE:FREQ=DAILY\r\n{more}END:VEVENT\r\n"
        )
    };
    let rule = |n: usize| {
        format!(
            "RRULE:FREQ=YEARLY;INTERVAL={};BYMONTH=1,2,3,4,5,6,7,8;BYHOUR=1,2,3,4\r\n",
            n % 900 + 1
        )
    };
    let rules: String = (0..240_000).map(rule).collect();
    let dates: Vec<String> = (0..500_000)
        .map(|n| {
            format!(
                "{}{:02}{:02}T{:02}{:02}{:02}Z",
                2020 + n % 16,
                n / 16 % 12 + 1,
                n / 192 % 28 + 1,
                n / 5376 % 24,
                n / 129_024 % 60,
                n % 60
            )
        })
        .collect();
    let overrides = |range: &str| -> String {
        let each = dates.iter().take(200_000).map(|date| {
            format!(
                "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID{range}:{date}\r\nDTSTART:{date}\r\nDURATION:PT1H\r\nEND:VEVENT\r\n"
            )
        });
        daily(1, "") + &each.collect::<String>()
    };
    let zone = |name: usize, observances: usize, rules: usize| {
        let observance = format!(
            "BEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n{}END:STANDARD\r\n",
            "RRULE:FREQ=YEARLY;BYMONTH=3\r\n".repeat(rules)
        );
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:Z{name}\r\n{}END:VTIMEZONE\r\n",
            observance.repeat(observances)
        )
    };
    vec![
        (
            "a million small parts",
            "BEGIN:X\r\nEND:X\r\n".repeat(1_000_000),
        ),
        (
            "a million calendars",
            "END:VCALENDAR\r\nBEGIN:VCALENDAR\r\n".repeat(1_000_000),
        ),
        (
            "200,000 that come every day",
            (0..200_000).map(|n| daily(n, "")).collect(),
        ),
        ("200,000 overrides of one series", overrides("")),
        (
            "200,000 overrides of all that follow",
            overrides(";RANGE=THISANDFUTURE"),
        ),
        ("240,000 rules in one event", daily(1, &rules)),
        (
            "240,000 rules in as many events",
            (0..240_000).map(|n| daily(n, &rule(n))).collect(),
        ),
        (
            "500,000 dates in one line",
            daily(1, &format!("RDATE:{}\r\n", dates.join(","))),
        ),
        (
            "40 zones of 1,000 times 32 rules",
            (0..40).map(|name| zone(name, 1_000, 32)).collect(),
        ),
        ("a zone of 400,000 observances", zone(0, 400_000, 0)),
        (
            "200,000 unknown zones",
            (0..200_000)
                .map(|n| {
                    format!(
                        "BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART;TZID=Unknown {n}:20260304T090000\r\nEND:VEVENT\r\n"
                    )
                })
                .collect(),
        ),
        (
            "a hundred thousand guests",
            event(
                "DTSTART:20260304T090000Z",
                "DTEND:20260304T100000Z",
                &"ATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED;CN=\"A B\":mailto:a@example.com\r\n".repeat(100_000),
            ),
        ),
    ]
}

fn event(start: &str, end: &str, more: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:bad\r\nDTSTAMP:20260301T000000Z\r\n{start}\r\n{end}\r\n\
         SUMMARY:Bad\r\n{more}END:VEVENT\r\n"
    )
}

fn nested(depth: usize) -> String {
    let (begins, ends) = ("BEGIN:X-DEEP\r\n", "END:X-DEEP\r\n");
    begins.repeat(depth) + &ends.repeat(depth)
}

/// At least as large, by less than an event of the usual size.
fn ordinary(size: usize) -> String {
    let of_ten = synthetic::calendar(10).len() / 10;
    synthetic::calendar((size / of_ten).max(1))
}

fn command(path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podcal"));
    command
        .arg("expand")
        .arg(path)
        .args(["--from", &time(0), "--to", &time(synthetic::WINDOW_DAYS)])
        .arg("--json")
        .stderr(Stdio::null());
    command
}

fn time(days: i64) -> String {
    let at = jiff::Timestamp::from_second(synthetic::NOW + days * 86_400);
    at.unwrap().to_string()
}

fn run(path: &Path) -> String {
    let output = command(path).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[derive(Default)]
struct Cost {
    times: Vec<Duration>,
    /// Of all runs together.
    processor: Duration,
}

impl Cost {
    fn add(&mut self, path: &Path) {
        let (before, began) = (processor(), Instant::now());
        let status = command(path).stdout(Stdio::null()).status().unwrap();
        self.times.push(began.elapsed());
        self.processor += processor().saturating_sub(before);
        assert!(status.success());
    }

    fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        times[RUNS / 2]
    }

    fn against(&self, other: &Self) -> f64 {
        let enough = Duration::from_millis(100);
        if self.processor >= enough && other.processor >= enough {
            self.processor.as_secs_f64() / other.processor.as_secs_f64()
        } else {
            self.median().as_secs_f64() / other.median().as_secs_f64()
        }
    }
}

/// What all children that have ended took, by Linux's hundredths of a second.
fn processor() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The most that was resident, in MB, as seen by asking every few hundred microseconds;
/// 0 where the system does not tell.
fn memory(path: &Path) -> u64 {
    let mut child = command(path).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(kilobytes.unwrap_or(0));
        std::thread::sleep(Duration::from_micros(200));
    }
    most / 1_000
}
