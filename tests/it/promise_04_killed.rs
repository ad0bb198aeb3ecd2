//! Promise 4: a killed process loses nothing; within one sync every display is in step again.

use crate::support::{World, calendar, meeting, titles};

#[tokio::test]
async fn after_kill_9_at_any_moment_one_sync_brings_all_in_step() {
    let mut world = World::start().await;
    for room in ["ash", "elm", "oak"] {
        world = world.room(room, &[meeting("Standup", 1)]).await;
    }
    for turn in 0..6_usize {
        let title = format!("Turn {turn}");
        for room in ["ash", "elm", "oak"] {
            world.set_feed(
                room,
                &calendar(&[meeting("Standup", 1), meeting(&title, 2)]),
            );
        }
        world.feeds.forget_requests();
        for room in ["ash", "elm", "oak"] {
            world.pod(room).forget_requests();
        }
        let service = world.serve();
        // Each turn dies at another point: before anything is asked, with the first feed, after
        // so many requests to a pod, in the middle of a push.
        if turn == 1 {
            let read = world.feeds.wait_for(|feeds| !feeds.requests().is_empty());
            crate::support::within("a pull", read).await;
        } else if turn > 1 {
            let so_many = turn * 2 - 3;
            let asked = |pod: &podcal::sim::Sim| pod.requests().len() >= so_many;
            world.until("requests", "elm", asked).await;
        }
        service.kill().await;

        let ran = world.sync().await.exits(0);
        for room in ["ash", "elm", "oak"] {
            assert_eq!(
                world.shows(room),
                ["Standup", title.as_str()],
                "turn {turn}\n{ran}"
            );
        }
        world.ledger_is_sound().await;
        assert_eq!(world.sync().await.exits(0).display("elm"), "in_step");
    }
}

#[tokio::test]
async fn a_sync_that_is_killed_while_a_pod_works_is_repeated() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    world
        .pod("oak")
        .fault(podcal::sim::Fault::hang().once().on("PUT", "/v2/calendar"));
    let service = world.serve();
    world
        .until("the push", "oak", |pod| {
            pod.count("PUT", "/v2/calendar") > 1
        })
        .await;
    service.kill().await;
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["New"]);
}

#[tokio::test]
async fn a_service_that_starts_again_finds_what_a_display_lost_meanwhile() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    world.serve().stop().await;
    world.pod("oak").reboot();
    let service = world.serve();
    world
        .until("the meetings to return", "oak", |pod| {
            titles(pod) == ["Standup"]
        })
        .await;
    service.stop().await;
}
