//! Every calendar of `tests/data/conformance`, through the program as a person runs it.
//!
//! `NAME.ics` is the calendar; `NAME.json` holds the window, the zone, the instances
//! that must come out, and why. A second folder of the same form beside the
//! repository, `../shared/conformance`, is read too where it exists, and so is
//! `../shared/found`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    from: String,
    to: String,
    time_zone: String,
    why: String,
    expected: Vec<Instance>,
}

/// Start, end, title.
type Instance = (String, String, String);

#[derive(Deserialize)]
struct Output {
    meetings: Vec<Meeting>,
}

#[derive(Deserialize)]
struct Meeting {
    id: String,
    title: String,
    start_time: i64,
    end_time: i64,
}

#[test]
fn calendars_are_read_as_their_case_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance");
    let cases = calendars(&folder);
    assert!(
        cases.len() >= 220,
        "only {} calendars in {}",
        cases.len(),
        folder.display()
    );
    check_all(&cases);
}

#[test]
fn calendars_beside_the_repository_are_read_as_their_case_says() {
    for folder in ["../shared/conformance", "../shared/found"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        check_all(&calendars(&folder));
    }
}

fn calendars(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ics"))
        .collect();
    found.sort();
    found
}

/// Runs the cases on a few threads and reports all that fail at once.
fn check_all(cases: &[PathBuf]) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(path) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = check(path) {
                        failures.lock().unwrap().push((path.clone(), what));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let mut report = String::new();
    for (path, what) in &failures {
        writeln!(report, "\n{}\n{what}", path.display()).unwrap();
    }
    assert!(
        failures.is_empty(),
        "{} of {} calendars are read wrong\n{report}",
        failures.len(),
        cases.len()
    );
}

fn check(path: &Path) -> Result<(), String> {
    let case: Case = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap())
        .map_err(|error| format!("  its case cannot be read: {error}"))?;
    let ran = Command::new(env!("CARGO_BIN_EXE_podcal"))
        .arg("expand")
        .arg(path)
        .args([
            "--from",
            &case.from,
            "--to",
            &case.to,
            "--time-zone",
            &case.time_zone,
            "--json",
        ])
        .output()
        .unwrap();
    if !ran.status.success() {
        return Err(format!(
            "  {}: {}",
            ran.status,
            String::from_utf8_lossy(&ran.stderr).trim()
        ));
    }
    let output: Output = serde_json::from_slice(&ran.stdout)
        .map_err(|error| format!("  its output cannot be read: {error}"))?;
    let order: Vec<_> = output
        .meetings
        .iter()
        .map(|m| (m.start_time, m.end_time, &m.id))
        .collect();
    if !order.is_sorted() {
        return Err("  not sorted by start, end, id".to_owned());
    }
    let mut got: Vec<Instance> = output
        .meetings
        .iter()
        .map(|m| (time(m.start_time), time(m.end_time), m.title.clone()))
        .collect();
    let mut expected = case.expected;
    got.sort();
    expected.sort();
    if got == expected {
        return Ok(());
    }
    let mut what = format!("  {}\n", case.why);
    for (mark, these, those) in [("missing", &expected, &got), ("too much", &got, &expected)] {
        for instance in without(these, those) {
            let (start, end, title) = instance;
            writeln!(what, "  {mark:8} {start} {end} {title:?}").unwrap();
        }
    }
    Err(what)
}

/// The instances of one multiset that the other has not.
fn without(these: &[Instance], those: &[Instance]) -> Vec<Instance> {
    let mut left = those.to_vec();
    let mut found = Vec::new();
    for instance in these {
        match left.iter().position(|other| other == instance) {
            Some(at) => drop(left.swap_remove(at)),
            None => found.push(instance.clone()),
        }
    }
    found
}

fn time(unix: i64) -> String {
    Timestamp::from_second(unix).unwrap().to_string()
}
