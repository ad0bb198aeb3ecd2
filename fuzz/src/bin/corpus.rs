//! Runs every fuzz target once over its corpus and over the calendars of the tests, with stable
//! Rust and without libFuzzer: what was found once is not brought back.
//!
//! Prints a line for each target; a panic or an input that takes too long ends it with 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Of one input, also in a build that is not optimised.
const TOO_LONG: Duration = Duration::from_secs(20);

/// The window and zone that the target `expand` reads from an input: 2026 in each zone.
const WINDOWS: [[u8; 4]; 4] = [
    [86, 1, 60, 0],
    [86, 70, 120, 1],
    [86, 200, 255, 2],
    [86, 90, 9, 3],
];

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let calendars = files(&fuzz.join("../tests/data/conformance"), "ics");
    assert!(
        !calendars.is_empty(),
        "no calendars in tests/data/conformance"
    );
    let read = files(&fuzz.join("corpus/read"), "")
        .into_iter()
        .chain(calendars.clone());
    over("read", read, podcal_fuzz::read);
    let windows = calendars.iter().flat_map(|(path, bytes)| {
        WINDOWS.map(|window| (path.clone(), [window.as_slice(), bytes].concat()))
    });
    let expand = files(&fuzz.join("corpus/expand"), "")
        .into_iter()
        .chain(windows);
    over("expand", expand, podcal_fuzz::expand);
}

fn over(target: &str, inputs: impl Iterator<Item = (PathBuf, Vec<u8>)>, run: fn(&[u8])) {
    let (mut count, mut slowest) = (0, Duration::ZERO);
    for (path, bytes) in inputs {
        let started = Instant::now();
        let (done, ended) = mpsc::channel();
        // Not waited for when it hangs: it ends with the program.
        let running = thread::spawn(move || {
            run(&bytes);
            let _ = done.send(());
        });
        match ended.recv_timeout(TOO_LONG) {
            Ok(()) => drop(running.join()),
            Err(RecvTimeoutError::Disconnected) => {
                eprintln!("{target}: {} fails", path.display());
                std::process::exit(1);
            }
            Err(RecvTimeoutError::Timeout) => {
                eprintln!(
                    "{target}: {} takes longer than {TOO_LONG:?}",
                    path.display()
                );
                std::process::exit(1);
            }
        }
        let took = started.elapsed();
        slowest = slowest.max(took);
        count += 1;
    }
    println!("{target}: {count} inputs, the slowest took {slowest:.1?}");
}

/// The files of a folder with this ending; none where there is no such folder.
fn files(folder: &Path, ending: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && path.to_string_lossy().ends_with(ending))
        .collect();
    paths.sort();
    let with_bytes = |path: PathBuf| fs::read(&path).ok().map(|bytes| (path, bytes));
    paths.into_iter().filter_map(with_bytes).collect()
}
