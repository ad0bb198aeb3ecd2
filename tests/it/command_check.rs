//! `podcal check`, and how every command takes a configuration that is wrong.

use podcal::sim::feedhost::FeedFault;
use podcal::sim::{CalendarMode, Fault};

use crate::support::{World, meeting};

async fn world() -> World {
    World::of_one_room(&[meeting("Standup", 1)]).await
}

const BAD: &str = "time_zone = \"Europe/Nowhere\"\n\
                   [schedule]\n\
                   sync = \"*/5 * * * *\"\n\
                   helth = \"0 * * * * *\"\n\
                   [pod]\n\
                   password = { file = \"missing\" }\n\
                   [rooms.oak]\n\
                   feed = \"https://calendar.example.com/oak.ics\"\n\
                   pod = \"192.0.2.11\"\n\
                   [rooms.elm]\n\
                   feed = 7\n\
                   pod = \"192.0.2.11\"\n";

#[tokio::test]
async fn every_fault_of_a_configuration_is_told_at_once_by_every_command() {
    let world = World::start().await;
    world.write_config(BAD);
    for command in [
        &["check"][..],
        &["check", "--connect"],
        &["sync"],
        &["sync", "--dry-run"],
        &["run"],
        &["agenda", "oak"],
        &["explain", "oak"],
        &["status"],
        &["history", "oak"],
        &["pod", "oak", "info"],
    ] {
        world.podcal(command).await.exits(2).says(&[
            "podcal.toml",
            "line 1",
            "Europe/Nowhere",
            "line 3",
            "six",
            "line 4",
            "did you mean `health`?",
            "line 6",
            "line 11",
            "line 12",
        ]);
    }
    assert_eq!(world.ledger().await, [""; 0]);
}

#[tokio::test]
async fn included_rooms_are_served_and_their_faults_name_their_file() {
    let world = world().await;
    let room = format!(
        "[rooms.elm]\nfeed = {:?}\npod = \"192.0.2.1\"\n",
        world.feeds.url("oak.ics")
    );
    std::fs::create_dir(world.path("rooms.d")).unwrap();
    std::fs::write(world.path("rooms.d/elm.toml"), &room).unwrap();
    let world = world.with("include", "[\"rooms.d/*.toml\", \"none.d/*.toml\"]");
    world
        .podcal(&["check"])
        .await
        .exits(0)
        .prints(&["2 rooms", "\"none.d/*.toml\" matches no file"]);
    world
        .podcal(&["agenda", "elm"])
        .await
        .exits(0)
        .prints(&["Standup"]);

    let wrong = room.replace("feed", "# a comment\nfeeed");
    std::fs::write(world.path("rooms.d/elm.toml"), wrong).unwrap();
    let says = "rooms.d/elm.toml, line 3, rooms.elm.feeed: unknown key; did you mean `feed`?";
    world.podcal(&["check"]).await.exits(2).says(&[says]);
    let json = world.podcal(&["check", "--json"]).await.exits(2).json();
    let file = json["problems"][0]["file"].as_str().unwrap();
    assert!(file.ends_with("rooms.d/elm.toml"), "{json}");
}

#[tokio::test]
async fn a_configuration_that_is_no_file_is_said_at_once() {
    let world = World::start().await;
    world
        .podcal(&["--config", ".", "check"])
        .await
        .exits(2)
        .says(&["is a folder", "podcal.toml"]);
    world
        .podcal(&["--config", "/dev/zero", "check"])
        .await
        .exits(2)
        .says(&["is a device, not a regular file"]);
}

#[tokio::test]
async fn a_configuration_that_is_missing_is_said_with_its_path() {
    let world = World::start().await;
    world
        .podcal(&["--config", "nowhere/podcal.toml", "check"])
        .await
        .exits(2)
        .says(&["nowhere/podcal.toml"]);
}

#[tokio::test]
async fn a_good_configuration_is_good() {
    let world = world().await;
    world.podcal(&["check"]).await.exits(0);
    assert_eq!(world.feeds.requests(), []);
    assert_eq!(world.pod("oak").requests(), []);
    world
        .podcal(&["check", "--connect"])
        .await
        .exits(0)
        .prints(&["oak"]);
}

#[tokio::test]
async fn checking_writes_nothing() {
    let world = world().await;
    world.podcal(&["check", "--connect"]).await.exits(0);
    let writes =
        |seen: &podcal::sim::RequestRecord| seen.method != "GET" && seen.path != "/v2/token";
    assert!(!world.pod("oak").requests().iter().any(writes));
    world.sync().await.exits(0);
    let before = world.ledger().await;
    world.podcal(&["check", "--connect"]).await.exits(0);
    assert_eq!(world.ledger().await, before);
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_and_the_rest_is_checked() {
    let world = world().await.room("elm", &[meeting("Standup", 1)]).await;
    world.feeds.fault(FeedFault::login_page().on("elm.ics"));
    world
        .podcal(&["check", "--connect"])
        .await
        .exits(1)
        .prints(&["elm", "failed", "oak", "good"]);
    world.feeds.clear_faults();
    world.pod("oak").fault(Fault::refuse());
    world.podcal(&["check", "--connect"]).await.exits(1);
    world.pod("oak").clear_faults();
    world.podcal(&["check", "--connect"]).await.exits(0);
}

#[tokio::test]
async fn a_pod_in_another_mode_is_graded() {
    let world = world().await;
    world.pod("oak").set_mode(CalendarMode::Exchange);
    world
        .podcal(&["check", "--connect"])
        .await
        .exits(1)
        .prints(&["failed", "it is never written to in this mode"]);
}

#[tokio::test]
async fn usage_errors_exit_with_2() {
    let world = world().await;
    for command in [
        &["nonsense"][..],
        &["sync", "--nonsense"],
        &["agenda"],
        &["agenda", "oak", "--days", "many"],
        &[
            "expand",
            "x.ics",
            "--from",
            "yesterday",
            "--to",
            "2026-01-01T00:00:00Z",
        ],
        &["--log-level", "loud", "check"],
    ] {
        world.podcal(command).await.exits(2);
    }
    for command in [&["--help"][..], &["--version"], &["sync", "--help"]] {
        world.podcal(command).await.exits(0);
    }
}
