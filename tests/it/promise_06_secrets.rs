//! Promise 6: no secret appears in a log, an error, the ledger or `--json` output.

use podcal::sim::feedhost::{FeedFault, SignIn};
use podcal::sim::{Fault, Options};
use serde_json::{Value, json};

use crate::support::{Ran, World, calendar, meeting, titles};

const POD_PASSWORD: &str = "Canary-pod-1";
const FEED_USER: &str = "canary-feed-user";
const FEED_PASSWORD: &str = "canary-feed-password";
const FEED_PATH: &str = "canary-feed-path";
const PRIVATE: &str = "Canary private title";

/// A room whose every secret is a word that can be searched for.
async fn world() -> World {
    let private = meeting(PRIVATE, 1).replace(
        "SUMMARY",
        "CLASS:PRIVATE\r\nLOCATION:Canary private place\r\nDESCRIPTION:Canary private text\r\n\
         ORGANIZER;CN=Canary Private Person:mailto:canary-private@example.com\r\nSUMMARY",
    );
    let private = private.replace("canary-private-title@", "uid-1@");
    let mut world = World::start().await.room("oak", &[]).await;
    world.set_password(POD_PASSWORD);
    world.pod("oak").set_password(POD_PASSWORD);
    world.feeds.set(
        &format!("{FEED_PATH}.ics"),
        calendar(&[private, meeting("Standup", 2)]),
    );
    world.feeds.require(SignIn::basic(FEED_USER, FEED_PASSWORD));
    let address = world.feeds.address();
    let feed =
        format!("http://{FEED_USER}:{FEED_PASSWORD}@{address}/{FEED_PATH}.ics?key=canary-query");
    world.set_room("oak", "feed", &format!("{feed:?}"));
    world
}

/// The salts and hashes in a pod's configuration.
fn pod_secrets(world: &World) -> Vec<String> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value.as_str() {
                Some(text) if key.starts_with("secret_") && !text.is_empty() => {
                    found.push(text.to_owned());
                }
                _ => walk(value, found),
            }
        }
    }
    let mut found = Vec::new();
    walk(&world.pod("oak").config(), &mut found);
    assert!(!found.is_empty(), "{}", world.pod("oak").config());
    found
}

fn canaries(world: &World) -> Vec<String> {
    let mut words: Vec<String> = [
        POD_PASSWORD,
        FEED_USER,
        FEED_PASSWORD,
        FEED_PATH,
        "canary-query",
        "Canary private",
        "Canary Private",
        "canary-private",
        // As a token or a password looks in a header.
        "Bearer ",
        "Basic ",
    ]
    .map(str::to_owned)
    .into();
    words.extend(pod_secrets(world));
    words
}

#[track_caller]
fn check_clean(what: &str, bytes: &[u8], words: &[String]) {
    for word in words {
        let found = bytes
            .windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word.as_bytes()));
        assert!(
            !found,
            "`{word}` in {what}:\n{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

fn said(ran: &Ran) -> Vec<u8> {
    format!("{}\n{}", ran.stdout, ran.stderr).into_bytes()
}

#[tokio::test]
async fn no_secret_is_in_logs_in_output_or_in_the_ledger() {
    let world = world().await;
    let words = canaries(&world);
    for format in ["text", "json"] {
        let trace = ["--log-level", "trace", "--log-format", format];
        for command in [
            &["sync", "--json"][..],
            &["sync"],
            &["sync", "--force", "--json"],
            &["sync", "--dry-run", "--json"],
            &["check", "--connect", "--json"],
            &["check", "--connect"],
            &["agenda", "oak", "--json"],
            &["explain", "oak", "--json"],
            &["explain", "oak"],
            &["status", "--json"],
            &["status", "oak"],
            &["history", "oak", "--json"],
            &["history", "oak"],
            &["pod", "oak", "calendar", "list", "--json"],
            &["pod", "oak", "info", "--json"],
            &["pod", "oak", "config", "get", "--json"],
            &["pod", "oak", "config", "get"],
            &["pod", "oak", "config", "legacy", "--json"],
        ] {
            let ran = world.podcal(&[command, &trace].concat()).await.exits(0);
            check_clean(&command.join(" "), &said(&ran), &words);
        }
    }
    assert_eq!(world.shows("oak"), ["Private meeting", "Standup"]);
    check_clean("the ledger", &world.written().await, &words);
}

#[tokio::test]
async fn no_secret_is_in_what_the_service_says_and_keeps() {
    let mut world = world().await.with("schedule.config", "\"* * * * * *\"");
    world.set("pod.enforce", "{ display.calendar = { show = true } }");
    let words = canaries(&world);
    let service = world.serve_with(&["--log-level", "trace"]);
    world
        .until("the meetings", "oak", |pod| titles(pod).len() == 2)
        .await;
    // The configuration is read, drifts in a secret place and elsewhere, and is repaired.
    // A request is counted when it comes; that a later one came means that the first was answered.
    let before = world.pod("oak").count("GET", "/v2/config");
    world
        .until("the configuration to be read", "oak", |pod| {
            pod.count("GET", "/v2/config") > before + 4
        })
        .await;
    world
        .pod("oak")
        .set_config("display.name", json!("Renamed"))
        .unwrap();
    world
        .pod("oak")
        .set_config("display.calendar.show", json!(false))
        .unwrap();
    service.says("display.name").await;
    world
        .until("the repair", "oak", |pod| {
            pod.count("PATCH", "/v2/config") > 0
        })
        .await;
    // And everything that can fail says so.
    world.pod("oak").fault(Fault::status(500).once());
    world.pod("oak").fault(Fault::html().once());
    world.pod("oak").reboot();
    world
        .until("the meetings to return", "oak", |pod| {
            titles(pod).len() == 2
        })
        .await;
    world.feeds.fault(FeedFault::login_page());
    service.says("feed.failing").await;
    let mut more = words.clone();
    more.extend(pod_secrets(&world));
    let log = service.stop().await;
    check_clean("the log", log.as_bytes(), &more);
    check_clean("the ledger", &world.written().await, &more);
}

#[tokio::test]
async fn no_secret_is_in_an_error() {
    let world = world().await;
    let words = canaries(&world);
    let faults = [
        FeedFault::login_page(),
        FeedFault::status(403),
        FeedFault::status(404),
        FeedFault::redirect("/canary-feed-path/again"),
        FeedFault::refuse(),
        FeedFault::cut_off(),
    ];
    for fault in faults {
        world.feeds.fault(fault);
        for command in [
            &["sync"][..],
            &["check", "--connect"],
            &["explain", "oak"],
            &["agenda", "oak"],
        ] {
            let ran = world
                .podcal(&[command, &["--log-level", "trace"]].concat())
                .await
                .exits(1);
            check_clean(&command.join(" "), &said(&ran), &words);
        }
        world.feeds.clear_faults();
    }
    for fault in [
        Fault::status(400),
        Fault::status(500),
        Fault::html(),
        Fault::refuse(),
    ] {
        world.pod("oak").fault(fault);
        let ran = world
            .podcal(&["sync", "--log-level", "trace"])
            .await
            .exits(1);
        check_clean("sync", &said(&ran), &words);
        world.pod("oak").clear_faults();
    }
    world.pod("oak").set_password("Canary-pod-2");
    let ran = world
        .podcal(&["sync", "--log-level", "trace"])
        .await
        .exits(1);
    check_clean("sync", &said(&ran), &words);
    check_clean("the ledger", &world.written().await, &words);
}

/// A password that stands in the configuration itself.
#[tokio::test]
async fn a_wrong_configuration_is_explained_without_its_secrets() {
    let world = World::start().await;
    world.write_config(
        "time_zone = \"UTC\"\n\
         pod = { password = \"canary-one\", nonsense = \"canary-two\" }\n\
         [rooms.oak]\n\
         feed = \"https://canary-user:canary-three@example.com/canary-four.ics\"\n\
         pod = \"https://admin:canary-five@192.0.2.1\"\n\
         [rooms.elm]\n\
         feed = \"ftp://canary-user:canary-six@example.com/canary-seven.ics\"\n\
         pod = { url = \"192.0.2.2\", password = [\"canary-eight\"] }\n",
    );
    let ran = world
        .podcal(&["check", "--log-level", "trace"])
        .await
        .exits(2);
    check_clean("check", &said(&ran), &["canary-".to_owned()]);
}

#[tokio::test]
async fn the_token_of_a_pod_is_nowhere() {
    let mut world = World::start()
        .await
        .room("oak", &[meeting("Standup", 1)])
        .await;
    world = world.pod_with("oak", Options::default()).await;
    let ran = world
        .podcal(&["sync", "--log-level", "trace"])
        .await
        .exits(0);
    // As every token of a simulated pod begins.
    let words = ["access_token".to_owned(), "eyJ".to_owned()];
    check_clean("sync", &said(&ran), &words);
    check_clean("the ledger", &world.written().await, &words);
}
