//! `podcal sync`: dry runs, rooms by name, rooms of several pods and feeds, exit codes.

use podcal::sim::{Fault, Options};

use crate::support::{World, calendar, hour, meeting, titles};

/// Two rooms, of which one is in step and one has news.
async fn with_news() -> World {
    let world = World::start()
        .await
        .room("elm", &[meeting("Standup", 1)])
        .await
        .room("oak", &[meeting("Standup", 1), meeting("Review", 3)])
        .await;
    world.sync().await.exits(0);
    world.set_feed(
        "oak",
        &calendar(&[meeting("Standup", 1), meeting("New", 5)]),
    );
    world
}

#[tokio::test]
async fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let world = with_news().await;
    let before = world.ledger().await;
    for pod in ["elm", "oak"] {
        world.pod(pod).forget_requests();
    }
    let ran = world
        .podcal(&["sync", "--dry-run", "--json"])
        .await
        .exits(0);
    assert_eq!(ran.display("oak"), "would_push");
    assert_eq!(ran.display("elm"), "in_step");
    let changes = &ran.room("oak")["displays"][0]["changes"];
    assert_eq!(changes["added"][0]["title"], "New", "{changes}");
    assert_eq!(changes["removed"][0]["title"], "Review", "{changes}");
    world
        .podcal(&["sync", "--dry-run"])
        .await
        .exits(0)
        .prints(&[
            "1 of 2 rooms in step; 1 display would be pushed",
            "would",
            "New",
            "Review",
        ]);
    world
        .podcal(&["sync", "--dry-run", "--force"])
        .await
        .exits(0);

    assert_eq!(world.ledger().await, before);
    for room in ["elm", "oak"] {
        let requests = world.pod(room).requests();
        let writes: Vec<_> = requests
            .iter()
            .filter(|seen| seen.method != "GET" && seen.path != "/v2/token")
            .collect();
        assert!(writes.is_empty(), "{writes:?}");
    }
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "New"]);
}

#[tokio::test]
async fn a_dry_run_before_the_first_start_leaves_no_trace() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let ran = world
        .podcal(&["sync", "--dry-run", "--json"])
        .await
        .exits(0);
    assert_eq!(ran.display("oak"), "would_push");
    assert_eq!(world.shows("oak"), [""; 0]);
    let rows = world.ledger().await;
    // That the password was accepted is remembered, so that it is not doubted again.
    let ours = |row: &&String| !row.starts_with("_sqlx_migrations") && !row.starts_with("sign_in");
    assert_eq!(rows.iter().filter(ours).count(), 0, "{rows:?}");
    // And the next dry run says the same.
    let ran = world
        .podcal(&["sync", "--dry-run", "--json"])
        .await
        .exits(0);
    assert_eq!(ran.display("oak"), "would_push");
}

/// Trouble of a dry run is trouble all the same, and is not written down either.
#[tokio::test]
async fn a_dry_run_that_fails_changes_nothing() {
    let world = with_news().await;
    let before = world.ledger().await;
    world
        .feeds
        .fault(podcal::sim::feedhost::FeedFault::status(500).on("elm.ics"));
    world.pod("oak").fault(Fault::status(500));
    world.podcal(&["sync", "--dry-run"]).await.exits(1);
    assert_eq!(world.ledger().await, before);
}

#[tokio::test]
async fn only_the_named_rooms_are_synced() {
    let world = World::start()
        .await
        .room("ash", &[meeting("Standup", 1)])
        .await
        .room("elm", &[meeting("Standup", 1)])
        .await
        .room("oak", &[meeting("Standup", 1)])
        .await;
    world
        .podcal(&["sync", "--room", "ash", "--room", "oak"])
        .await
        .exits(0);
    assert_eq!(world.shows("ash"), ["Standup"]);
    assert_eq!(world.shows("oak"), ["Standup"]);
    assert_eq!(world.pod("elm").requests(), []);
}

#[tokio::test]
async fn a_room_that_does_not_exist_is_a_mistake_of_the_caller() {
    let world = with_news().await;
    for command in [
        &["sync", "--room", "oka"][..],
        &["agenda", "oka"],
        &["explain", "oka"],
        &["status", "oka"],
        &["history", "oka"],
    ] {
        world
            .podcal(command)
            .await
            .exits(2)
            .says(&["there is no room `oka`", "did you mean `oak`?"]);
    }
    let ran = world
        .podcal(&["sync", "--room", "cafeteria"])
        .await
        .exits(2);
    ran.says(&["elm, oak"]);
    assert_eq!(
        world.shows("oak"),
        ["Standup", "Review"],
        "nothing was done"
    );
}

#[tokio::test]
async fn every_pod_of_a_room_shows_the_same() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .pod_with("oak", Options::default())
        .await;
    world.sync().await.exits(0);
    for pod in world.pods("oak") {
        assert_eq!(titles(pod), ["Standup"]);
    }
    // Only the one that lost it gets it again.
    world.pods("oak")[1].reboot();
    world.sync().await.exits(0);
    let pushes = |pod: &podcal::sim::Sim| pod.count("PUT", "/v2/calendar");
    assert_eq!(
        world.pods("oak").iter().map(pushes).collect::<Vec<_>>(),
        [1, 2]
    );

    world.pods("oak")[0].fault(Fault::status(500));
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    let ran = world.sync().await.exits(1);
    assert_eq!(ran.display("oak"), "failed");
    assert_eq!(titles(&world.pods("oak")[1]), ["New"]);
}

#[tokio::test]
async fn two_feeds_are_one_calendar_and_the_same_meeting_is_shown_once() {
    let mut world = World::of_one_room(&[meeting("Standup", 1), meeting("Shared", 2)]).await;
    let here = meeting("Shared", 2);
    let located = |title: &str, hours: i64, place: &str| {
        meeting(title, hours).replace("SUMMARY", &format!("LOCATION:{place}\r\nSUMMARY"))
    };
    world.feeds.set(
        "building.ics",
        calendar(&[
            here.replace("SUMMARY", "LOCATION:Room Oak\\, 2nd floor\r\nSUMMARY"),
            located("Ours", 3, "Building 1 / OAK"),
            located("Theirs", 4, "Elm"),
            meeting("Nowhere", 5),
        ]),
    );
    let (own, building) = (world.feeds.url("oak.ics"), world.feeds.url("building.ics"));
    world.set_room(
        "oak",
        "feeds",
        &format!(
            "[{{ ics = {own:?} }}, {{ ics = {building:?}, only = {{ location = \"*oak*\" }} }}]"
        ),
    );
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "Shared", "Ours"]);
    world
        .podcal(&["explain", "oak"])
        .await
        .exits(0)
        .prints(&["Theirs", "Nowhere"]);
}

#[tokio::test]
async fn rooms_have_rules_of_their_own() {
    let mut world = World::start()
        .await
        .room("elm", &[meeting("Secret plan", 1)])
        .await
        .room("oak", &[meeting("Secret plan", 1)])
        .await;
    world.set_room("elm", "meetings", "{ hide_titles = true }");
    world.sync().await.exits(0);
    assert_eq!(world.shows("elm"), ["Reserved"]);
    assert_eq!(world.shows("oak"), ["Secret plan"]);
}

#[tokio::test]
async fn feeds_are_read_from_files_and_webcal_addresses_too() {
    let mut world = World::of_one_room(&[]).await;
    std::fs::write(
        world.path("room.ics"),
        calendar(&[meeting("From a file", 1)]),
    )
    .unwrap();
    world.set_room("oak", "feed", "\"file:room.ics\"");
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["From a file"]);
    std::fs::remove_file(world.path("room.ics")).unwrap();
    world.sync().await.exits(1);
    assert_eq!(world.shows("oak"), ["From a file"]);

    let mut world = world.secure_feeds().await;
    world
        .secure()
        .set("oak.ics", calendar(&[meeting("From webcal", 2)]));
    let address = world.secure().url("oak.ics").replace("https:", "webcal:");
    world.set_room("oak", "feed", &format!("{address:?}"));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["From webcal"]);
}

#[tokio::test]
async fn feeds_are_signed_in_to() {
    use podcal::sim::feedhost::SignIn;
    for sign_in in [
        SignIn::basic("room", "pass word"),
        SignIn::digest_md5("room", "pass word"),
        SignIn::digest_sha256("room", "pass word"),
    ] {
        let mut world = World::of_one_room(&[meeting("Standup", 1)]).await;
        let said = format!("{sign_in:?}");
        world.feeds.require(sign_in);
        world.sync().await.exits(1);
        std::fs::write(world.path("feed-password"), "pass word\n").unwrap();
        let feed = world.feeds.url("oak.ics");
        world.set_room(
            "oak",
            "feed",
            &format!("{{ ics = {feed:?}, username = \"room\", password = {{ file = \"feed-password\" }} }}"),
        );
        world.sync().await.exits(0);
        assert_eq!(world.shows("oak"), ["Standup"], "{said}");
    }
}

/// The host's own zone never matters.
#[tokio::test]
async fn floating_times_are_in_the_zone_of_the_room() {
    let mut world = World::of_one_room(&[]).await;
    let tomorrow = jiff::Timestamp::from_second(hour(24))
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let day = tomorrow.strftime("%Y%m%d");
    let floating = format!(
        "BEGIN:VEVENT\r\nUID:f@example.com\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{day}T120000\r\n\
         DTEND:{day}T130000\r\nSUMMARY:Noon\r\nEND:VEVENT\r\n"
    );
    world.set_feed("oak", &calendar(&[floating]));
    world.set_room("oak", "time_zone", "\"Asia/Kolkata\"");
    world.sync().await.exits(0);
    let noon = tomorrow
        .at(6, 30, 0, 0)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap();
    let shown = world.pod("oak").meetings();
    assert_eq!(
        shown[0]["start_time"],
        noon.timestamp().as_second(),
        "{shown:?}"
    );
}

#[tokio::test]
async fn the_sum_is_said_first_and_then_what_is_wrong() {
    let world = with_news().await;
    world.pod("oak").fault(Fault::refuse());
    let ran = world.podcal(&["sync"]).await.exits(1);
    assert!(ran.stdout.starts_with("1 of 2 rooms in step\n"), "{ran}");
    let place = |word: &str| {
        ran.stdout
            .find(word)
            .unwrap_or_else(|| panic!("no `{word}`\n{ran}"))
    };
    assert!(place("\noak ") < place("\nelm "), "problems first\n{ran}");
    world.pod("oak").clear_faults();
    world
        .podcal(&["sync"])
        .await
        .exits(0)
        .prints(&["2 of 2 rooms in step; 1 display pushed"]);
}
