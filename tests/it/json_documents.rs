//! `--json` of every command against `docs/json.schema.json`, errors included.

use std::collections::BTreeSet;
use std::sync::Mutex;

use jsonschema::Validator;
use podcal::sim::feedhost::FeedFault;
use podcal::sim::{CalendarMode, Fault, Options};
use serde_json::{Value, json};

use crate::support::postgres::{self, Cluster};
use crate::support::{Ran, World, calendar, hour, meeting};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../docs/json.schema.json")).unwrap()
}

/// The documents that were applied to something, so that none is forgotten.
#[derive(Default)]
struct Schemas {
    applied: Mutex<BTreeSet<String>>,
}

impl Schemas {
    #[track_caller]
    fn apply(&self, name: &str, document: &Value) {
        self.applied.lock().unwrap().insert(name.to_owned());
        let mut schema = schema();
        schema["$ref"] = json!(format!("#/$defs/document_{name}"));
        let validator: Validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{name}: {}\n{document:#}",
            errors.join("\n")
        );
    }

    #[track_caller]
    fn holds(&self, name: &str, ran: &Ran) {
        self.apply(name, &ran.json());
    }
}

/// A building with a good room, one whose calendar fails, and one with two pods.
async fn world() -> World {
    let world = World::start()
        .await
        .room(
            "oak",
            &[
                meeting("Standup", 0),
                meeting("Off", 2).replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY"),
            ],
        )
        .await
        .room("elm", &[meeting("Plan", 1)])
        .await;
    world.pod_with("elm", Options::default()).await
}

#[tokio::test]
async fn every_document_is_as_the_schema_says() {
    let schemas = Schemas::default();
    let world = world().await.with("guard.vanished", "1");
    let podcal = async |arguments: &[&str]| world.podcal(&[arguments, &["--json"]].concat()).await;
    let holds = async |name: &str, arguments: &[&str]| {
        schemas.holds(name, &podcal(arguments).await);
    };

    holds("sync", &["sync", "--dry-run"]).await;
    holds("sync", &["sync"]).await;
    holds("status", &["status"]).await;
    holds("check", &["check"]).await;
    holds("check", &["check", "--connect"]).await;
    holds("agenda", &["agenda", "oak"]).await;
    holds("explain", &["explain", "oak"]).await;
    holds("history", &["history", "oak"]).await;
    holds("health", &["status", "--healthy"]).await;
    holds("error", &["reload"]).await;

    // Trouble of every kind that a document can tell of.
    world.set_feed("oak", &calendar(&[]));
    world.feeds.fault(FeedFault::status(500).on("elm.ics"));
    world.pods("elm")[0].fault(Fault::refuse());
    world.pods("elm")[1].set_mode(CalendarMode::Exchange);
    holds("sync", &["sync"]).await;
    let held = podcal(&["status"]).await;
    schemas.holds("status", &held);
    assert_eq!(held.room("oak")["held"]["vanished"], 1, "{held}");
    for room in ["oak", "elm"] {
        holds("history", &["history", room]).await;
        holds("explain", &["explain", room]).await;
    }
    holds("check", &["check", "--connect"]).await;
    holds("pod_several", &["pod", "elm", "calendar", "list"]).await;
    world.pods("elm")[0].clear_faults();
    world.feeds.clear_faults();
    holds("sync", &["sync", "--force"]).await;
    holds("history", &["history", "elm"]).await;

    // Operations of a pod.
    let new = r#"{"id":"a","title":"Review","organizer":"Ada","start_time":1795597200,"end_time":1795600800}"#;
    let set = format!("[{new}]");
    let added =
        r#"{"title":"More","organizer":"Ada","start_time":1795597200,"end_time":1795600800}"#;
    for (name, arguments) in [
        (
            "pod_would_send",
            &["calendar", "set", &set, "--dry-run"][..],
        ),
        ("pod_written", &["calendar", "set", &set]),
        ("pod_meetings", &["calendar", "list"]),
        ("pod_meeting", &["calendar", "get", "a"]),
        ("pod_meeting", &["calendar", "get", "nothing"]),
        ("error", &["calendar", "delete", "a"]),
        ("pod_written", &["calendar", "clear"]),
        ("pod_screen_key", &["screen-key", "nope"]),
        ("pod_token", &["token"]),
        ("pod_trust", &["trust"]),
        (
            "pod_image",
            &["splash", "get", "1", "16x9", "--output", "splash.png"],
        ),
        (
            "pod_written",
            &["config", "set", "display.calendar.show=true"],
        ),
    ] {
        holds(name, &[&["pod", "oak"], arguments].concat()).await;
    }
    world.pod("oak").set_mode(CalendarMode::Exchange);
    holds(
        "pod_added",
        &["pod", "oak", "calendar", "add", added, "--insist"],
    )
    .await;
    holds("pod_several", &["pod", "--every-room", "trust"]).await;
    for arguments in [
        &["info"][..],
        &["metadata"],
        &["config", "get"],
        &["config", "legacy"],
        &["camera", "status"],
    ] {
        let ran = podcal(&[&["pod", "oak"], arguments].concat()).await;
        assert!(ran.json().is_object(), "{ran}");
    }

    // What needs no building.
    std::fs::write(world.path("a.ics"), calendar(&[meeting("Standup", 1)])).unwrap();
    let time = |at| jiff::Timestamp::from_second(at).unwrap().to_string();
    let (from, to) = (time(hour(0)), time(hour(9)));
    holds("expand", &["expand", "a.ics", "--from", &from, "--to", &to]).await;
    holds("explain", &["explain", "a.ics"]).await;
    holds("config_example", &["config", "example"]).await;
    let schema_of_config = podcal(&["config", "schema"]).await.json();
    assert!(schema_of_config["$schema"].is_string());
    holds("completions", &["completions", "bash"]).await;
    holds("man", &["man", "pages"]).await;
    holds(
        "init",
        &[
            "--config",
            "new.toml",
            "init",
            "--room",
            "ash",
            "--feed",
            "file:ash.ics",
            "--pod",
            "192.0.2.7",
            "--no-password",
        ],
    )
    .await;
    holds("demo", &["demo"]).await;
    let simulate = ["simulate", "--listen", "127.0.0.1:0", "--json"];
    let (_pods, simulated) = world.begin_json(&simulate).await;
    schemas.apply("simulate", &simulated);

    let service = world.serve();
    service.says("service.summary").await;
    holds("health", &["status", "--healthy"]).await;
    holds("reload", &["reload"]).await;
    holds("sync", &["sync"]).await;
    service.stop().await;
    let cluster = Cluster::start();
    if let Some(cluster) = &cluster {
        std::fs::write(world.path("pg"), postgres::PASSWORD).unwrap();
        let url = cluster.database("documents");
        let from = ["ledger", "copy", "--from", "podcal.db"];
        let to = ["--to", &url, "--password-file", "pg"];
        holds("ledger_copy", &[from, to].concat()).await;
    }

    let schema = schema();
    let names = schema["$defs"].as_object().unwrap().keys();
    let documents = names.filter_map(|name| name.strip_prefix("document_"));
    let is_there = |name: &&str| *name != "ledger_copy" || cluster.is_some();
    let documents = documents.filter(is_there);
    let all: BTreeSet<String> = documents.map(str::to_owned).collect();
    let applied = schemas.applied.lock().unwrap();
    assert_eq!(*applied, all, "documents without a command");
}

#[tokio::test]
async fn an_error_is_a_document_too() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let schemas = Schemas::default();
    let fails = async |arguments: &[&str], code: i32| {
        let ran = world.podcal(&[arguments, &["--json"]].concat()).await;
        let ran = ran.exits(code).says(&["error"]);
        schemas.holds("error", &ran);
        ran.json()
    };
    // Before there is a ledger.
    assert_eq!(fails(&["status"], 1).await["error_type"], "failed");
    let unknown = fails(&["agenda", "ok"], 2).await;
    assert_eq!(
        unknown,
        json!({ "error": "there is no room `ok`", "error_type": "usage", "hint": "did you mean `oak`?" })
    );
    // What clap refuses.
    let misspelt = fails(&["sync", "--dry"], 2).await;
    assert_eq!(misspelt["error_type"], "usage");
    assert!(
        misspelt["hint"].as_str().unwrap().contains("--dry-run"),
        "{misspelt}"
    );
    fails(&["nonsense"], 2).await;
    fails(&[], 2).await;
    // A pod that does not answer names itself, and why.
    world.pod("oak").fault(Fault::refuse());
    let silent = fails(&["pod", "oak", "info"], 1).await;
    let address = world.pod("oak").url().replace("https://", "");
    assert_eq!(silent["pod"], address.as_str(), "{silent}");
    assert_ne!(silent["error_type"], "failed", "{silent}");
    world.pod("oak").clear_faults();
    // Every command says what is wrong in the configuration.
    world.write_config("time_zone = 1\n[rooms.oak]\nfeed = \"file:a.ics\"\n");
    for command in [
        &["check"][..],
        &["sync"],
        &["status"],
        &["agenda", "oak"],
        &["run"],
        &["pod", "oak", "info"],
    ] {
        let wrong = fails(command, 2).await;
        assert_eq!(wrong["error_type"], "configuration");
        let problems = wrong["problems"].as_array().unwrap();
        assert_eq!(problems[0]["line"], 1, "{wrong}");
        assert_eq!(wrong.get("good").is_some(), command == ["check"]);
    }
}

#[tokio::test]
async fn without_json_an_error_prints_nothing_on_stdout() {
    let world = World::of_one_room(&[]).await;
    let ran = world.podcal(&["agenda", "ok"]).await.exits(2);
    assert_eq!(ran.stdout, "", "{ran}");
}
