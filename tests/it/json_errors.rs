//! With `--json` every command tells how it failed as a document on stdout.

use std::collections::BTreeSet;
use std::fs;

use podcal::sim::Fault;
use serde_json::Value;

use crate::support::{Ran, World, meeting};

/// For each command at the end of a branch something that it fails at, and its exit code.
const FAILURES: &[(&str, &str, i32)] = &[
    ("podcal-agenda", "agenda elm", 2),
    ("podcal-check", "--config missing.toml check", 2),
    ("podcal-completions", "completions cmd", 2),
    ("podcal-config-example", "config example more", 2),
    ("podcal-config-schema", "config schema more", 2),
    ("podcal-demo", "demo --opne", 2),
    (
        "podcal-expand",
        "expand missing.ics --from 2026-01-01 --to 2026-01-02",
        1,
    ),
    ("podcal-explain", "explain missing.ics", 1),
    ("podcal-history", "history elm", 2),
    ("podcal-init", "init --no-password", 2),
    (
        "podcal-ledger-copy",
        "ledger copy --from missing.db --to postgres://podcal@192.0.2.1/podcal",
        2,
    ),
    ("podcal-man", "man password", 1),
    (
        "podcal-pod-calendar-add",
        "pod oak calendar add --title A",
        1,
    ),
    ("podcal-pod-calendar-clear", "pod oak calendar clear", 1),
    ("podcal-pod-calendar-delete", "pod oak calendar delete a", 1),
    ("podcal-pod-calendar-get", "pod oak calendar get a", 1),
    ("podcal-pod-calendar-list", "pod oak calendar list", 1),
    ("podcal-pod-calendar-set", "pod oak calendar set []", 1),
    (
        "podcal-pod-calendar-update",
        "pod oak calendar update a --title A",
        1,
    ),
    ("podcal-pod-camera-status", "pod oak camera status", 1),
    ("podcal-pod-camera-update", "pod oak camera update a", 1),
    ("podcal-pod-camera-version", "pod oak camera version a", 1),
    ("podcal-pod-config-get", "pod oak config get", 1),
    ("podcal-pod-config-legacy", "pod oak config legacy", 1),
    ("podcal-pod-config-set", "pod oak config set a=1", 1),
    ("podcal-pod-hdmi", "pod oak hdmi on", 1),
    ("podcal-pod-info", "pod oak info", 1),
    ("podcal-pod-metadata", "pod oak metadata", 1),
    ("podcal-pod-screen-key", "pod oak screen-key 1234", 1),
    (
        "podcal-pod-splash-get",
        "pod oak splash get 1 16x9 --output a.png",
        1,
    ),
    (
        "podcal-pod-splash-set",
        "pod oak splash set 1 16x9 missing.png",
        2,
    ),
    ("podcal-pod-token", "pod oak token", 1),
    ("podcal-pod-trust", "pod oak trust", 1),
    ("podcal-reload", "reload", 1),
    ("podcal-run", "--config missing.toml run", 2),
    ("podcal-simulate", "simulate --password-file missing", 2),
    ("podcal-status", "status elm", 2),
    ("podcal-sync", "sync --room elm", 2),
];

/// The commands at the ends of the branches, by the names of their manual pages.
async fn commands(world: &World) -> BTreeSet<String> {
    world.podcal(&["man", "pages"]).await.exits(0);
    let entries = fs::read_dir(world.path("pages")).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let pages: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    let pages: Vec<&str> = pages
        .iter()
        .map(|page| page.strip_suffix(".1").unwrap())
        .collect();
    let has_more = |page: &str| {
        let below = format!("{page}-");
        pages.iter().any(|other| other.starts_with(&below))
    };
    let ends = pages.iter().filter(|page| !has_more(page));
    ends.map(|page| (*page).to_owned()).collect()
}

#[track_caller]
fn is_error(ran: &Ran) -> Value {
    let document = ran.json();
    for key in ["error", "error_type", "hint"] {
        let text = document[key].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{key}\n{ran}");
    }
    for line in [&document["error"], &document["hint"]] {
        assert!(!line.as_str().unwrap().contains("error: "), "{ran}");
    }
    document
}

#[tokio::test]
async fn every_command_tells_its_failure_as_a_document() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let named: BTreeSet<String> = FAILURES
        .iter()
        .map(|(page, ..)| (*page).to_owned())
        .collect();
    assert_eq!(named, commands(&world).await);
    world.pod("oak").fault(Fault::refuse());
    for (_, line, code) in FAILURES {
        let words: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        is_error(&world.podcal(&words).await.exits(*code));
        // What clap refuses is told in the same way, wherever `--json` stands.
        let words: Vec<&str> = ["--json"].into_iter().chain(line.split(' ')).collect();
        let refused = world.podcal(&[&words[..], &["--nonsense"]].concat()).await;
        assert_eq!(is_error(&refused.exits(2))["error_type"], "usage", "{line}");
    }
}

#[tokio::test]
async fn a_service_that_logs_as_json_tells_its_failure_on_stdout_too() {
    let world = World::start().await;
    let line = [
        "--config",
        "missing.toml",
        "--log-format",
        "json",
        "--json",
        "run",
    ];
    let ran = world.podcal(&line).await.exits(2);
    assert_eq!(is_error(&ran)["error_type"], "configuration");
    for line in ran.stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{ran}");
    }
    let quiet = ["--config", "missing.toml", "--log-format", "json", "run"];
    assert_eq!(world.podcal(&quiet).await.exits(2).stdout, "");
}
