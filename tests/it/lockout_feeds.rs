//! Calendar accounts and hosts: one attempt a pause, and no more than a host allows.

use podcal::sim::feedhost::FeedFault;

use crate::support::{World, calendar, meeting, titles, within};

/// Ten rooms whose calendars are behind one account.
async fn ten_rooms() -> World {
    let mut world = World::start().await;
    for number in 0..10 {
        let room = format!("room-{number}");
        world = world
            .room(&room, &[meeting("Standup", 1)])
            .await
            .with_login(&room, "calendar-password");
    }
    std::fs::write(world.path("calendar-password"), "wrong").unwrap();
    world.require_password("right");
    world
}

fn wrong(world: &World) -> u64 {
    world.feeds.traffic().sign_ins().1
}

#[tokio::test]
async fn an_account_that_ten_rooms_share_is_tried_once() {
    let world = ten_rooms().await;
    for command in [
        &["sync", "--dry-run"][..],
        &["check", "--connect"],
        &["sync"],
        &["agenda", "room-3"],
    ] {
        world.podcal(command).await;
        assert_eq!(wrong(&world), 1, "{command:?}");
    }
    let service = world.serve();
    service.says("first pass done").await;
    assert_eq!(wrong(&world), 1, "{}", service.log());
    // Corrected where the configuration names it, and noticed without a signal.
    std::fs::write(world.path("calendar-password"), "right").unwrap();
    for number in 0..10 {
        let pod = world.pod(&format!("room-{number}"));
        within(
            "the calendar",
            pod.wait_for(|pod| titles(pod) == ["Standup"]),
        )
        .await;
    }
    assert_eq!(wrong(&world), 1, "{}", service.log());
    service.stop().await;
}

#[tokio::test]
async fn one_account_of_ten_rooms_is_tried_once_by_a_fresh_service() {
    let world = ten_rooms().await;
    let service = world.serve();
    service.says("first pass done").await;
    let log = service.stop().await;
    assert_eq!(wrong(&world), 1, "{log}");
    assert_eq!(log.matches("sign_in.paused").count(), 1, "{log}");
}

/// One calendar that is not shared with the account.
#[tokio::test]
async fn a_forbidden_calendar_pauses_alone() {
    let mut world = World::start().await;
    for room in ["oak", "elm"] {
        world = world
            .room(room, &[meeting("Standup", 1)])
            .await
            .with_login(room, "calendar-password");
    }
    std::fs::write(world.path("calendar-password"), "right").unwrap();
    world.require_password("right");
    world.feeds.fault(FeedFault::status(403).on("oak.ics"));
    let service = world.serve();
    service.says("sign_in.paused_alone").await;
    let asked = world.pulls("oak");
    world.set_feed("elm", &calendar(&[meeting("Second", 1)]));
    world
        .until("the other room", "elm", |pod| titles(pod) == ["Second"])
        .await;
    world.until_pulled("elm", 3).await;
    assert_eq!(world.pulls("oak"), asked);
    world.sync().await.exits(1);
    assert_eq!(world.pulls("oak"), asked);
    // Shared at last, and a person says so.
    world.feeds.clear_faults();
    world.podcal(&["sync", "--try-password"]).await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
    service.stop().await;
}

/// A 429 without a time: 1 min, 2 min, 4 min, also over processes. Whoever asks for a pull by
/// hand is not refused for that, but makes the next wait longer.
#[tokio::test]
async fn a_host_that_is_asked_too_often_is_left_alone_for_longer_each_time() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    world.sync().await.exits(0);
    world.feeds.fault(FeedFault::status(429));
    let mut waits = Vec::new();
    for _ in 0..3 {
        world.sync().await.exits(1);
        let status = world.podcal(&["status", "--json"]).await.json();
        let feed = &status["rooms"][0]["feeds"][0];
        let until = feed["not_before"].as_str().unwrap();
        let until = until.parse::<jiff::Timestamp>().unwrap();
        waits.push(until.as_second() - crate::support::now());
    }
    for (wait, minutes) in waits.iter().zip([1, 2, 4]) {
        let range = minutes * 60 - 40..=minutes * 60;
        assert!(range.contains(wait), "{waits:?}");
    }
    let asked = world.pulls("oak");
    let service = world.serve();
    service.says("first pass done").await;
    // What the display shows is served meanwhile.
    world.pod("oak").reboot();
    world
        .until("the repair", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    assert_eq!(world.pulls("oak"), asked);
    service.stop().await;
}

#[tokio::test]
async fn the_service_leaves_a_host_alone_that_is_asked_too_often() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .room("elm", &[meeting("Standup", 1)])
        .await;
    let service = world.serve();
    service.says("first pass done").await;
    world.feeds.fault(FeedFault::status(429).on("oak.ics"));
    service.says("feed.failing").await;
    let asked = world.pulls("oak");
    world.until_pulled("elm", 4).await;
    service.signal("HUP").await;
    service.says("unchanged").await;
    world.until_pulled("elm", 2).await;
    assert_eq!(world.pulls("oak"), asked);
    // A display that loses its meetings is served meanwhile.
    world.pod("oak").reboot();
    world
        .until("the repair", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    service.stop().await;
}
