//! What goes wrong everywhere, or again and again, is a handful of lines.

use podcal::sim::Fault;
use podcal::sim::feedhost::FeedFault;

use crate::support::{Service, World, meeting, titles, within};

/// The lines of an event at levels that somebody reads.
fn said(log: &str, event: &str) -> usize {
    let words = format!(" {event}: ");
    log.lines().filter(|line| line.contains(&words)).count()
}

#[tokio::test]
async fn a_building_that_fails_and_comes_back_together_is_a_handful_of_lines() {
    let mut world = World::start()
        .await
        .with("schedule.sync", "\"*/2 * * * * *\"");
    let rooms: Vec<String> = (0..40).map(|number| format!("room-{number}")).collect();
    for room in &rooms {
        world = world.room(room, &[meeting("Standup", 1)]).await;
    }
    let service = world.serve();
    service
        .says("first pass done: 40 of 40 rooms in step")
        .await;
    let before = service.log();
    for room in &rooms {
        world.pod(room).reboot();
        world.pod(room).fault(Fault::refuse());
    }
    service.says("pod.health").await;
    // Each has been asked in vain, and more than once.
    world.until_pulled("room-0", 3).await;
    for room in &rooms {
        world.pod(room).clear_faults();
    }
    for room in &rooms {
        let shown = world.pod(room).wait_for(|pod| titles(pod) == ["Standup"]);
        within("every display", shown).await;
    }
    let log = service.stop().await;
    let during = log.strip_prefix(&before).unwrap_or(&log);
    assert!(during.contains("lines like this one"), "{during}");
    assert!(during.lines().count() <= 45, "{during}");
}

#[tokio::test]
async fn a_feed_that_fails_in_several_ways_by_turns_is_said_at_the_first_and_the_tenth_failure() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    for turn in 0..30 {
        let status = if turn % 2 == 0 { 500 } else { 404 };
        world.feeds.fault(FeedFault::status(status).once());
    }
    let service = world.serve();
    service.says("feed.recovered").await;
    let log = service.stop().await;
    assert_eq!(said(&log, "feed.failing"), 2, "{log}");
    assert_eq!(world.shows("oak"), ["Standup"]);
}

/// It answers and refuses by turns.
#[tokio::test]
async fn a_flapping_pod_is_one_state_with_a_count() {
    let world = World::in_step(&[meeting("Standup", 1)])
        .await
        .with("schedule.sync", crate::support::beside::NEVER);
    let service = world.serve();
    service.says("first pass done").await;
    for _ in 0..12 {
        let asked = world.asked("oak");
        world.pod("oak").fault(Fault::status(500));
        world
            .until("failures", "oak", |pod| pod.requests().len() > asked + 1)
            .await;
        world.pod("oak").clear_faults();
        let polls = world.pod("oak").count("GET", "/v2/calendar");
        world
            .until("answers", "oak", |pod| {
                pod.count("GET", "/v2/calendar") > polls + 1
            })
            .await;
    }
    let log = service.stop().await;
    assert_eq!(said(&log, "pod.flapping"), 1, "{log}");
    assert!(said(&log, "pod.health") <= 12, "{log}");
    assert!(Service::troubles(&log).len() <= 10, "{log}");
}
