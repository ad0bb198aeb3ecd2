//! Commands beside the running service: no fight, no old pin or set written back.

use std::time::Duration;

use podcal::sim::Fault;
use podcal::sim::feedhost::FeedFault;

use crate::support::beside::NEVER;
use crate::support::{World, calendar, meeting, titles, within};

#[tokio::test]
async fn a_forced_sync_ends_the_hold_of_the_service() {
    let events: Vec<String> = (1..=4)
        .map(|n| meeting(&format!("Meeting {n}"), n))
        .collect();
    let world = World::of_one_room(&events).await;
    let service = world.serve();
    service.says("first pass done").await;
    world.set_feed("oak", &calendar(&[]));
    service.says("room.held").await;
    assert_eq!(world.shows("oak").len(), 4);
    let ran = world.sync().await.exits(1);
    assert_eq!(ran.display("oak"), "held");
    world.podcal(&["sync", "--force"]).await.exits(0);
    assert!(world.shows("oak").is_empty());
    let pushes = world.pushes("oak");
    world.until_pulled("oak", 4).await;
    assert!(world.shows("oak").is_empty());
    assert_eq!(world.pushes("oak"), pushes);
    let log = service.stop().await;
    assert!(log.contains("accepted by `podcal sync --force`"), "{log}");
    assert_eq!(log.matches("room.held").count(), 1, "{log}");
}

#[tokio::test]
async fn a_sync_by_hand_may_be_ahead_of_the_service() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with("schedule.sync", NEVER);
    let service = world.serve();
    service.says("first pass done").await;
    for title in ["Second", "Third"] {
        world.set_feed("oak", &calendar(&[meeting(title, 1)]));
        let ran = world.sync().await.exits(0);
        assert_eq!(ran.display("oak"), "pushed");
        assert_eq!(world.shows("oak"), [title]);
        let polls = world.pod("oak").count("GET", "/v2/calendar");
        world
            .until("polls", "oak", |pod| {
                pod.count("GET", "/v2/calendar") > polls + 3
            })
            .await;
        assert_eq!(world.shows("oak"), [title]);
    }
    assert_eq!(world.pushes("oak"), 3);
    let log = service.stop().await;
    assert!(!log.contains("display.lost"), "{log}");
}

/// The last meetings that a person set by hand are put right once.
#[tokio::test]
async fn a_display_changed_by_hand_is_put_right_once() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let service = world.serve();
    service.says("first pass done").await;
    let by_hand = calendar(&[meeting("By hand", 2)]);
    std::fs::write(world.path("by-hand.ics"), by_hand).unwrap();
    world
        .podcal(&["pod", "oak", "calendar", "set", "by-hand.ics"])
        .await
        .exits(0);
    service.says("display.lost").await;
    world
        .until("ours", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    let polls = world.pod("oak").count("GET", "/v2/calendar");
    world
        .until("polls", "oak", |pod| {
            pod.count("GET", "/v2/calendar") > polls + 3
        })
        .await;
    assert_eq!(world.pushes("oak"), 3);
    let log = service.stop().await;
    assert_eq!(log.matches("display.lost").count(), 1, "{log}");
}

#[tokio::test]
async fn a_certificate_trusted_beside_the_service_is_taken_over_and_stays() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let service = world.serve();
    service.says("first pass done").await;
    world.pod("oak").new_certificate().unwrap();
    service.says("shows another certificate").await;
    world.podcal(&["pod", "oak", "trust"]).await.exits(0);
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    world
        .until("the new meeting", "oak", |pod| titles(pod) == ["New"])
        .await;
    service.stop().await;
    // Nor does the service write the old one back when it stops.
    world.set_feed("oak", &calendar(&[meeting("Newer", 1)]));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Newer"]);
}

/// Two of them take turns, and neither is refused.
#[tokio::test]
async fn syncs_at_the_same_time_take_turns() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with("http.timeout", "\"10m\"");
    let slow = FeedFault::delay(Duration::from_secs(1));
    world.feeds.fault(slow);
    let (one, two, three) = tokio::join!(world.sync(), world.sync(), world.sync());
    for ran in [one, two, three] {
        ran.exits(0);
    }
    assert_eq!(world.pushes("oak"), 1);
    // While one is at work there is no service, and that is said at once.
    world.feeds.clear_faults();
    world.feeds.fault(FeedFault::hang());
    let mut hanging = world.process(&["sync"]).spawn().unwrap();
    world.until_pulled("oak", 1).await;
    world.podcal(&["status", "--healthy"]).await.exits(1);
    // It was not waited for: it hangs for ten minutes.
    assert_eq!(hanging.try_wait().unwrap(), None);
    drop(hanging);
}

#[tokio::test]
async fn signals_end_sync_and_check_at_once() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with("http.timeout", "\"10m\"");
    world.pod("oak").fault(Fault::hang());
    world.feeds.fault(FeedFault::hang());
    for command in [
        &["sync"][..],
        &["sync", "--dry-run"],
        &["check", "--connect"],
    ] {
        for signal in ["TERM", "INT"] {
            let mut child = world
                .process(command)
                .stderr(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            world.until_pulled("oak", 1).await;
            let pid = child.id().unwrap();
            let killed = tokio::process::Command::new("kill")
                .args([&format!("-{signal}"), &pid.to_string()])
                .status();
            assert!(killed.await.unwrap().success());
            let ended = within("the command to end", child.wait()).await.unwrap();
            assert_eq!(ended.code(), Some(1), "{command:?} {signal}");
        }
    }
    world.feeds.clear_faults();
    world.pod("oak").clear_faults();
    // A sign-in that was cut short counts as one that was not answered: nobody waits for it, and
    // it locks nobody out for longer than a minute.
    world.podcal(&["sync", "--try-password"]).await.exits(0);
}
