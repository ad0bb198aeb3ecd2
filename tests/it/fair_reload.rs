//! A reload exchanges what changed and disturbs nothing else; one that cannot be done is
//! refused whole.

use std::time::Duration;

use podcal::sim::Fault;

use crate::support::beside::NEVER;
use crate::support::{World, calendar, meeting, titles, within};

/// Two rooms in step, and nothing happens by itself any more.
async fn quiet() -> (World, crate::support::Service) {
    let world = World::start()
        .await
        .room("oak", &[meeting("Standup", 1)])
        .await
        .room("elm", &[meeting("Review", 1)])
        .await
        .with("schedule.sync", NEVER)
        .with("schedule.health", NEVER);
    let service = world.serve();
    service.says("first pass done: 2 of 2 rooms in step").await;
    (world, service)
}

/// Pulls, requests to a pod and sign-ins so far.
fn traffic(world: &World, room: &str) -> (usize, usize, u64) {
    (world.pulls(room), world.asked(room), world.sign_ins(room).0)
}

#[tokio::test]
async fn a_reload_without_a_change_disturbs_nothing_and_says_so() {
    let (mut world, service) = quiet().await;
    let before = [traffic(&world, "oak"), traffic(&world, "elm")];
    for times in 1..=5 {
        service.signal("HUP").await;
        service.says_so_often("unchanged", times).await;
    }
    world
        .podcal(&["reload"])
        .await
        .exits(0)
        .prints(&["unchanged"]);
    // The same file, spelt otherwise.
    world.set("ledger.path", "\"./podcal.db\"");
    world
        .podcal(&["reload"])
        .await
        .exits(0)
        .prints(&["unchanged"]);
    // What a reload might have begun would be done before this is.
    let ran = world.sync().await.exits(0);
    assert_eq!(ran.display("oak"), "in_step");
    for (room, before) in ["oak", "elm"].iter().zip(before) {
        let after = traffic(&world, room);
        assert_eq!(after.0, before.0 + 1, "pulls of {room}");
        assert!(after.1 <= before.1 + 3, "{room}: {before:?} {after:?}");
        assert_eq!(after.2, before.2, "sign-ins of {room}");
        assert_eq!(world.pushes(room), 1);
    }
    service.stop().await;
}

#[tokio::test]
async fn a_changed_room_restarts_alone() {
    let (mut world, service) = quiet().await;
    let before = traffic(&world, "elm");
    world.set_room("oak", "meetings", "{ hide_titles = true }");
    world
        .podcal(&["reload"])
        .await
        .exits(0)
        .prints(&["room `oak` changed"]);
    world
        .until("the hidden title", "oak", |pod| titles(pod) != ["Standup"])
        .await;
    assert_eq!(traffic(&world, "elm"), before);
    assert_eq!(world.shows("elm"), ["Review"]);
    let log = service.stop().await;
    assert_eq!(log.matches("pod.removed").count(), 0, "{log}");
}

#[tokio::test]
async fn a_reload_that_cannot_be_done_is_refused_and_the_service_lives_on() {
    let (mut world, service) = quiet().await;
    let other = World::of_one_room(&[meeting("Other", 1)]).await;
    let holder = other.serve();
    holder.says("first pass done").await;
    let taken = other.path("podcal.db");
    let good = world.config_text();
    let folder = world.path("a-folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(world.path("text.db"), "this is no database\n".repeat(100)).unwrap();
    for (ledger, says) in [
        (taken.display().to_string(), "cannot move its ledger"),
        ("no/such/folder/podcal.db".to_owned(), "no/such/folder"),
        ("a-folder".to_owned(), "a-folder"),
        ("text.db".to_owned(), "text.db"),
    ] {
        world.set("ledger.path", &format!("{ledger:?}"));
        let ran = world.podcal(&["reload"]).await.exits(1);
        assert!(ran.stderr.contains(says), "{ran}");
        world.podcal(&["status", "--healthy"]).await.exits(0);
    }
    world.write_config("nonsense = ");
    service.signal("HUP").await;
    service.says_so_often("config.refused", 5).await;
    world.podcal(&["status", "--healthy"]).await.exits(0);

    world.write_config(&good);
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["New"]);
    assert_eq!(world.pushes("elm"), 1);
    service.stop().await;
    holder.stop().await;
}

/// With the ledger go pins, sign-in pauses, devices, holds and tokens.
#[tokio::test]
async fn a_ledger_moves_only_while_podcal_is_stopped() {
    let (mut world, service) = quiet().await;
    world.set("ledger.path", "\"moved.db\"");
    let moved = world.path("moved.db").display().to_string();
    world.podcal(&["reload"]).await.exits(1).says(&[
        "a running service cannot move its ledger",
        "stop podcal, move ",
        &moved,
        ".tokens",
    ]);
    assert!(!world.path("moved.db").exists());
    world.podcal(&["status", "--healthy"]).await.exits(0);
    world.sync().await.exits(0);
    service.stop().await;
    std::fs::rename(world.path("podcal.db"), world.path("moved.db")).unwrap();
    let service = world.serve();
    service.says("first pass done: 2 of 2 rooms in step").await;
    // It was known which certificates to expect, and what the displays show.
    let log = service.stop().await;
    assert!(!log.contains("pod.certificate_pinned"), "{log}");
    assert_eq!((world.pushes("oak"), world.pushes("elm")), (1, 1));
}

/// The push of the old room takes three seconds to be answered; what the new room pushes
/// to the same display meanwhile stays.
#[tokio::test]
async fn a_push_in_flight_never_lands_after_that_of_the_next_room() {
    let world = World::of_one_room(&[meeting("Old", 1)]).await;
    world.set_feed("ash", &calendar(&[meeting("New", 1)]));
    let slow = Fault::slow(Duration::from_secs(3)).on("PUT", "/v2/calendar");
    world.pod("oak").fault(slow.once());
    let service = world.serve();
    world
        .until("the slow push", "oak", |pod| {
            pod.traffic().requests("PUT", "/v2/calendar") > 0
        })
        .await;
    let config = world.config_text();
    let config = config.replace("[rooms.oak]", "[rooms.ash]");
    world.write_config(&config.replace("oak.ics", "ash.ics"));
    service.signal("HUP").await;
    service.says("config.reloaded").await;
    world
        .until("the new room", "oak", |pod| titles(pod) == ["New"])
        .await;
    let polls = world.pod("oak").count("GET", "/v2/calendar");
    world
        .until("more polls", "oak", |pod| {
            pod.count("GET", "/v2/calendar") > polls + 3
        })
        .await;
    assert_eq!(world.shows("oak"), ["New"]);
    let log = service.stop().await;
    assert!(!log.contains("display.lost"), "{log}");
}

/// Its pod hangs, so that it cannot be cleared; meanwhile the room comes back.
#[tokio::test]
async fn a_room_that_comes_back_before_it_was_cleared_is_served() {
    let mut world = World::start()
        .await
        .room("oak", &[meeting("Standup", 1)])
        .await
        .room("elm", &[meeting("Review", 1)])
        .await
        .with("on_remove", "\"clear\"")
        .with("http.timeout", "\"10m\"");
    let service = world.serve();
    for (room, title) in [("oak", "Standup"), ("elm", "Review")] {
        let shown = world.pod(room).wait_for(|pod| titles(pod) == [title]);
        within("the first push", shown).await;
    }
    let both = world.config_text();
    world.pod("elm").fault(Fault::hang());
    world.forget_room("elm");
    for _ in 0..30 {
        service.signal("HUP").await;
    }
    service.says("room `elm` removed").await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    world.pod("elm").clear_faults();
    world.pod("elm").reboot();
    world.write_config(&both);
    world.podcal(&["reload"]).await.exits(0);
    let shown = world.pod("elm").wait_for(|pod| titles(pod) == ["Review"]);
    within("the room that came back", shown).await;
    let polls = world.pod("elm").count("GET", "/v2/calendar");
    let polled = world
        .pod("elm")
        .wait_for(|pod| pod.count("GET", "/v2/calendar") > polls + 3);
    within("polls", polled).await;
    assert_eq!(world.shows("elm"), ["Review"]);
    service.stop().await;
}

#[tokio::test]
async fn a_removed_room_is_said_once_and_its_display_is_cleared_where_that_is_wanted() {
    for (wish, title, says) in [
        ("keep", vec!["Review"], "still shows"),
        ("clear", vec![], "was cleared"),
    ] {
        let mut world = World::start()
            .await
            .room("oak", &[meeting("Standup", 1)])
            .await
            .room("elm", &[meeting("Review", 1)])
            .await
            .with("on_remove", &format!("{wish:?}"));
        let service = world.serve();
        service.says("first pass done").await;
        world.forget_room("elm");
        service.signal("HUP").await;
        service.says(says).await;
        let shown = world.pod("elm").wait_for(|pod| titles(pod) == title);
        within("the display that is left", shown).await;
        let log = service.stop().await;
        assert_eq!(log.matches("pod.removed").count(), 1, "{log}");
        world.set("pod.min_interval", "\"0s\"");
    }
}
