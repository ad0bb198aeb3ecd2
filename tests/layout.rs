//! The rules of structure, checked by reading the sources: who may use whom, what the pure
//! stages may not know, how long a file may be, and that each says what it is for.
//!
//! A breach is changed, or the table here is, on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what failed"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// What a folder or file directly under `src` may use of the others; the guide in
/// `src/lib.rs` has the same table in words.
const MAY_USE: &[(&str, &[&str])] = &[
    ("fault", &[]),
    ("model", &[]),
    ("config", &["fault", "model"]),
    // The pure stages, each with the types of an earlier one.
    ("ics", &["config", "fault", "model"]),
    ("expand", &["ics", "model"]),
    ("compose", &["config", "expand", "model"]),
    ("control", &["compose", "config", "model"]),
    // The edges, which do not know each other, and the ground below them.
    ("net", &["model"]),
    ("feed", &["config", "fault", "model", "net"]),
    ("pod", &["config", "fault", "model", "net"]),
    ("ledger", &["fault", "model"]),
    // What is done with all of them, and said about it.
    ("app", &["model"]),
    ("telemetry", &["control", "fault", "model", "net"]),
    ("service", SERVICE),
    // It only reads: what the service publishes, and the history.
    (
        "web",
        &[
            "config",
            "control",
            "fault",
            "ledger",
            "model",
            "net",
            "service",
            "telemetry",
        ],
    ),
    // It joins the service and the page, which do not know it.
    (
        "server",
        &[
            "config",
            "fault",
            "ledger",
            "model",
            "service",
            "telemetry",
            "web",
        ],
    ),
    ("report", &["fault"]),
    // The simulator of years: the controllers without the shells but for the difference of two
    // configurations.
    (
        "years",
        &["compose", "config", "control", "model", "service"],
    ),
    // A pod that is not ours: it shares no type with the client.
    ("sim", &["model"]),
];

const SERVICE: &[&str] = &[
    "compose",
    "config",
    "control",
    "expand",
    "fault",
    "feed",
    "ics",
    "ledger",
    "model",
    "net",
    "pod",
    "telemetry",
];

/// Without network, disk, clock and log.
const PURE: &[&str] = &[
    "src/compose/",
    "src/control/",
    "src/expand/",
    "src/feed/dav_xml.rs",
    "src/ics/",
    "src/model/",
];

const UNKNOWN_TO_PURE: &[&str] = &[
    "tokio::",
    "reqwest::",
    "sqlx::",
    "axum::",
    "fs::",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "env::",
    "std::process",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "println!",
];

/// Lines of a file; tests beside it count for themselves.
const LONGEST: usize = 500;
/// Files that are still longer, until they are cut.
const TOO_LONG: &[&str] = &[
    "src/control/room.rs",
    "src/years/feed_shell.rs",
    "src/years/plan.rs",
    "src/years/pod_shell.rs",
];
/// Columns of a line of comment.
const WIDEST: usize = 100;
/// Lists that are read by search.
const TABLES: &[&str] = &["src/model/zone_names.rs"];

struct Source {
    /// From the folder of the package, such as `src/service/run.rs`.
    path: String,
    text: String,
}

impl Source {
    /// Which part of the program it belongs to, such as `service`.
    fn part(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap();
        rest.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        [
            "/tests.rs",
            "/tests/",
            "/testhost.rs",
            "/oracle.rs",
            "/properties.rs",
        ]
        .iter()
        .any(|mark| self.path.contains(mark))
    }

    /// What is compiled into the program: without comments and without the tests at the end.
    fn code(&self) -> String {
        let text = match self.text.find("#[cfg(test)]\nmod tests {") {
            Some(at) => &self.text[..at],
            None => &self.text,
        };
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// The parts of the program that it names after `crate::`.
    fn uses(&self) -> Vec<String> {
        let code = self.code();
        let mut used = Vec::new();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let group = rest.strip_prefix('{').map(in_braces);
            for path in group.unwrap_or_else(|| vec![rest]) {
                let path = path.trim_start();
                let end = path
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(path.len());
                used.push(path[..end].to_owned());
            }
        }
        used
    }
}

/// The items of a group up to its closing brace; those of inner groups stay together.
fn in_braces(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut items) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&text[from..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    rust_files(&root().join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty());
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/"),
    };
    paths.into_iter().map(source).collect()
}

#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn each_part_uses_only_what_is_below_it() {
    let mut breaches = Vec::new();
    for source in sources("src").iter().filter(|source| !source.is_test()) {
        let part = source.part();
        // At the top: they may use everything.
        if ["cli", "lib", "main"].contains(&part) {
            continue;
        }
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == part) else {
            breaches.push(format!("{}: `{part}` is not in the table", source.path));
            continue;
        };
        for used in source.uses() {
            if used != part && !may_use.contains(&used.as_str()) {
                breaches.push(format!("{}: `{part}` may not use `{used}`", source.path));
            }
        }
    }
    none(breaches);
}

/// A room that is gone, or was renamed, would leave a rule that nothing is held to.
#[test]
fn the_table_names_only_what_there_is() {
    let sources = sources("src");
    let is_there = |part: &str| sources.iter().any(|source| source.part() == part);
    let gone = MAY_USE
        .iter()
        .map(|(part, _)| *part)
        .filter(|part| !is_there(part));
    none(gone.map(|part| format!("`{part}` is no part")).collect());
    let moved = PURE
        .iter()
        .filter(|pure| !sources.iter().any(|source| source.path.starts_with(**pure)));
    none(moved.map(|pure| format!("{pure} holds nothing")).collect());
}

#[test]
fn the_simulator_shares_no_type_but_the_time() {
    let mut breaches = Vec::new();
    for source in sources("src/sim") {
        for line in source
            .code()
            .lines()
            .filter(|line| line.contains("crate::model"))
        {
            if !line.contains("crate::model::time") {
                breaches.push(format!("{}: {line}", source.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn the_pure_stages_know_neither_network_nor_disk_nor_clock_nor_log() {
    let mut breaches = Vec::new();
    let is_pure = |source: &&Source| PURE.iter().any(|pure| source.path.starts_with(pure));
    for source in sources("src")
        .iter()
        .filter(is_pure)
        .filter(|source| !source.is_test())
    {
        for line in source.code().lines() {
            for word in UNKNOWN_TO_PURE.iter().filter(|word| line.contains(**word)) {
                breaches.push(format!("{}: `{word}` in `{}`", source.path, line.trim()));
            }
        }
    }
    none(breaches);
}

#[test]
fn the_configuration_reads_the_disk_in_one_part() {
    let mut breaches = Vec::new();
    for source in sources("src/config")
        .iter()
        .filter(|source| !source.is_test())
    {
        let reads = |word: &&str| source.code().contains(*word);
        let found = ["std::fs", "std::env", "tokio::", "reqwest::"]
            .into_iter()
            .find(reads);
        if let Some(word) = found.filter(|_| !source.path.starts_with("src/config/load")) {
            breaches.push(format!("{}: {word}", source.path));
        }
    }
    none(breaches);
}

#[test]
fn each_file_says_what_it_is_for() {
    let silent = sources("src")
        .into_iter()
        .chain(sources("tests"))
        // Of `name/tests.rs` the name says it.
        .filter(|source| !source.path.ends_with("/tests.rs"))
        .filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| source.path).collect());
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut breaches = Vec::new();
    for source in sources("src") {
        let lines = source.text.lines().count();
        let path = source.path.as_str();
        let is_known = TABLES.contains(&path) || TOO_LONG.contains(&path);
        let may_be_long = source.is_test() || is_known;
        if lines > LONGEST && !may_be_long {
            breaches.push(format!("{}: {lines} lines", source.path));
        }
    }
    none(breaches);
}

/// Rows of a table, drawings, and what has no space to break at may be longer.
#[test]
fn no_comment_is_too_wide_to_read() {
    let mut breaches = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        for (number, line) in source.text.lines().enumerate() {
            let comment = line.trim_start();
            let words = comment.trim_start_matches(['/', '!', ' ']);
            let is_wide = comment.starts_with("//") && line.chars().count() > WIDEST;
            let is_drawn = words.starts_with('|') || words.contains('─');
            if is_wide && !is_drawn && words.contains(' ') {
                breaches.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    none(breaches);
}

#[test]
fn no_file_is_a_drawer() {
    let drawers = ["utils", "util", "helpers", "common", "manager", "misc"];
    let is_drawer = |source: &Source| {
        source
            .path
            .split(['/', '.'])
            .any(|part| drawers.contains(&part))
    };
    let found = sources("src").into_iter().filter(is_drawer);
    none(found.map(|source| source.path).collect());
}

#[test]
fn every_migration_says_why_it_exists() {
    let folders = ["migrations", "migrations/postgres"].map(|folder| root().join(folder));
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-- Why: "), "{}", path.display());
    }
}

/// An old image would be rolled out by files that were forgotten.
#[test]
fn what_is_deployed_is_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for (path, line) in [
        ("Dockerfile", format!("ARG VERSION={version}")),
        ("deploy/compose.yaml", format!("image: podcal:{version}")),
        (
            "deploy/replicas/compose.yaml",
            format!("image: podcal:{version}"),
        ),
        (
            "deploy/replicas/deployment.yaml",
            format!("/podcal:{version}"),
        ),
        (
            "deploy/kubernetes/statefulset.yaml",
            format!("/podcal:{version}"),
        ),
    ] {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(&line), "{path} lacks `{line}`");
    }
}

/// An alert on a metric that there is not never comes.
#[test]
fn alerts_and_boards_name_metrics_that_there_are() {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let documented = read("docs/metrics.md");
    for path in ["docs/alerts.yaml", "deploy/grafana/podcal.json"] {
        let text = read(path);
        let names: Vec<&str> = text
            .split(|char: char| !char.is_ascii_lowercase() && char != '_')
            .filter(|word| word.starts_with("podcal_"))
            .collect();
        assert!(names.len() > 5, "{path}");
        for name in names {
            let name = ["_bucket", "_sum", "_count"]
                .into_iter()
                .find_map(|part| name.strip_suffix(part))
                .unwrap_or(name);
            assert!(documented.contains(&format!("`{name}")), "{path}: {name}");
        }
    }
}
