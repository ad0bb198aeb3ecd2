//! `podcal init` and `podcal config`: from nothing to a configuration that works.

use std::fs;

use crate::support::{World, meeting};

const ROOM: [&str; 6] = [
    "--room",
    "oak",
    "--feed",
    "file:oak.ics",
    "--pod",
    "192.0.2.1",
];

#[tokio::test]
async fn a_first_configuration_passes_the_check() {
    let world = World::start().await;
    let init = [
        &["--config", "first.toml", "init"][..],
        &ROOM,
        &["--password-file", "password"],
    ];
    world.podcal(&init.concat()).await.exits(0).prints(&[
        "first.toml",
        "1 room",
        "podcal --config first.toml check",
    ]);
    world
        .podcal(&["--config", "first.toml", "check"])
        .await
        .exits(0)
        .prints(&["1 room"]);
    let before = fs::read(world.path("first.toml")).unwrap();
    world
        .podcal(&init.concat())
        .await
        .exits(2)
        .says(&["exists already"]);
    assert_eq!(fs::read(world.path("first.toml")).unwrap(), before);
}

/// The rooms of a spreadsheet, and what `sync` makes of them.
#[tokio::test]
async fn a_table_of_rooms_becomes_a_service() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let (feed, pod) = (world.feeds.url("oak.ics"), world.pod("oak").url());
    let table = format!("Pod;Room;Feed;Floor\r\n{pod};\"Saal; \"\"groß\"\"\";{feed};3\r\n");
    fs::write(world.path("rooms.csv"), table).unwrap();
    world
        .podcal(&[
            "--config",
            "first.toml",
            "init",
            "--csv",
            "rooms.csv",
            "--password-file",
            "password",
            "--time-zone",
            "UTC",
        ])
        .await
        .exits(0)
        .prints(&["1 room", "not used: Floor"]);
    world
        .podcal(&["--config", "first.toml", "sync"])
        .await
        .exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

#[tokio::test]
async fn a_table_with_mistakes_is_told_all_of_them_and_writes_nothing() {
    let world = World::start().await;
    let table = "room,feed,pod\noak,c.example.com/a.ics,192.0.2.1\nelm,file:elm.ics,192.0.2.1\n";
    fs::write(world.path("rooms.csv"), table).unwrap();
    let init = [
        "--config",
        "first.toml",
        "init",
        "--csv",
        "rooms.csv",
        "--no-password",
    ];
    world.podcal(&init).await.exits(2).says(&[
        "rooms.csv has 2 problems",
        "line 2, rooms.oak.feed: has no scheme",
        "line 3, rooms.elm.pod: 192.0.2.1 is already a pod of room \"oak\" (line 2)",
    ]);
    assert!(!world.path("first.toml").exists());
}

#[tokio::test]
async fn without_a_terminal_it_says_what_is_missing() {
    let world = World::start().await;
    world
        .podcal(&["--config", "first.toml", "init"])
        .await
        .exits(2)
        .says(&["--room", "--csv", "--password-file", "--no-password"]);
    let unlike = [
        "--config",
        "first.toml",
        "init",
        "--room",
        "oak",
        "--no-password",
    ];
    world
        .podcal(&unlike)
        .await
        .exits(2)
        .says(&["each room needs"]);
    assert!(!world.path("first.toml").exists());
}

#[tokio::test]
async fn the_example_and_the_schema_are_printed() {
    let world = World::start().await;
    let example = world.podcal(&["config", "example"]).await.exits(0);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml");
    assert_eq!(example.stdout, fs::read_to_string(file).unwrap());
    let schema = world.podcal(&["config", "schema"]).await.exits(0).json();
    assert!(schema["properties"]["rooms"].is_object());
}
