//! Runs every fuzz target once over its corpus, its seeds and the data of the tests, with stable
//! Rust and without libFuzzer: what was found once is not brought back.
//!
//! With a number of seconds as its argument, each target also gets inputs that are made of
//! these by chance for as long: a poor man's fuzzing, where there is no nightly Rust.
//!
//! Prints a line for each target; a panic or an input that takes too long ends it with 1, and
//! leaves the input in `fuzz/artifacts`.

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

type Inputs = Vec<(PathBuf, Vec<u8>)>;

fn main() {
    let seconds = std::env::args().nth(1).map(|text| text.parse());
    let by_chance = match seconds {
        None => Duration::ZERO,
        Some(Ok(seconds)) => Duration::from_secs(seconds),
        Some(Err(_)) => {
            eprintln!("expected a number of seconds for each target");
            std::process::exit(2);
        }
    };
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let calendars = files(&fuzz.join("../tests/data/conformance"), "ics");
    assert!(
        !calendars.is_empty(),
        "no calendars in tests/data/conformance"
    );
    let read = files(&fuzz.join("corpus/read"), "")
        .into_iter()
        .chain(calendars.clone());
    over("read", read.collect(), by_chance, podcal_fuzz::read);
    let windows = calendars.iter().flat_map(|(path, bytes)| {
        WINDOWS.map(|window| (path.clone(), [window.as_slice(), bytes].concat()))
    });
    let expand = files(&fuzz.join("corpus/expand"), "")
        .into_iter()
        .chain(windows);
    over("expand", expand.collect(), by_chance, podcal_fuzz::expand);
    for (name, run) in [
        ("caldav", podcal_fuzz::caldav as fn(&[u8])),
        ("pod", podcal_fuzz::pod),
        ("config", podcal_fuzz::config),
    ] {
        let mut inputs = files(&fuzz.join("corpus").join(name), "");
        inputs.extend(files(&fuzz.join("seeds").join(name), ""));
        if name == "config" {
            inputs.extend(files(&fuzz.join("../tests/data/config"), "toml"));
        }
        assert!(!inputs.is_empty(), "no seeds for {name}");
        over(name, inputs, by_chance, run);
    }
}

fn over(target: &'static str, inputs: Inputs, by_chance: Duration, run: fn(&[u8])) {
    let mut slowest = Duration::ZERO;
    for (path, bytes) in &inputs {
        slowest = slowest.max(once(target, &path.display().to_string(), bytes, run));
    }
    println!(
        "{target}: {} inputs, the slowest took {slowest:.1?}",
        inputs.len()
    );
    let began = Instant::now();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut count = 0;
    while began.elapsed() < by_chance {
        let bytes = chance.mutated(&inputs);
        slowest = slowest.max(once(target, "an input made by chance", &bytes, run));
        count += 1;
    }
    if count > 0 {
        println!("{target}: {count} made by chance, the slowest took {slowest:.1?}");
    }
}

/// How long it took.
fn once(target: &str, name: &str, bytes: &[u8], run: fn(&[u8])) -> Duration {
    let started = Instant::now();
    let (done, ended) = mpsc::channel();
    let input = bytes.to_vec();
    // Not waited for when it hangs: it ends with the program.
    let running = thread::spawn(move || {
        run(&input);
        let _ = done.send(());
    });
    let trouble = match ended.recv_timeout(TOO_LONG) {
        Ok(()) => {
            drop(running.join());
            return started.elapsed();
        }
        Err(RecvTimeoutError::Disconnected) => "fails".to_owned(),
        Err(RecvTimeoutError::Timeout) => format!("takes longer than {TOO_LONG:?}"),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let kept = folder.join(format!("{target}-by-corpus"));
    let _ = fs::create_dir_all(&folder);
    let _ = fs::write(&kept, bytes);
    eprintln!("{target}: {name} {trouble}; it is in {}", kept.display());
    std::process::exit(1);
}

/// Numbers that are the same at each run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// One of the inputs, with a few pieces left out, doubled, changed, or taken from another.
    fn mutated(&mut self, inputs: &Inputs) -> Vec<u8> {
        let one = self.below(inputs.len());
        let mut bytes = inputs[one].1.clone();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(40)).min(bytes.len());
            match self.below(6) {
                0 => drop(bytes.drain(at..end)),
                1 => {
                    let piece = bytes[at..end].repeat(1 + self.below(20));
                    bytes.splice(at..at, piece);
                }
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                3 => bytes.truncate(at),
                4 => {
                    let odd = [
                        b'<', b'>', b'"', b'{', b'[', b'\\', b'\n', 0, 0xff, b'&', b'=', b'.',
                    ];
                    bytes.insert(at, odd[self.below(odd.len())]);
                }
                _ => {
                    let one = self.below(inputs.len());
                    let other = &inputs[one].1;
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(200)).min(other.len());
                    bytes.splice(at..end, other[from..to].iter().copied());
                }
            }
        }
        bytes
    }
}

/// The files of a folder with this ending; none where there is no such folder.
fn files(folder: &Path, ending: &str) -> Inputs {
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
