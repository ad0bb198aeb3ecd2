//! Nothing that is slow, silent or hanging holds up what does not need it.

use std::net::UdpSocket;
use std::time::Duration;

use podcal::sim::feedhost::FeedFault;
use podcal::sim::{Fault, Options};

use crate::support::beside::NEVER;
use crate::support::{World, calendar, meeting, titles, within};

/// Forty calendars of eight seconds, four at a time, take 80 s; a display that lost its
/// meetings is refilled by the next poll.
#[tokio::test]
async fn a_slow_host_behind_forty_rooms_delays_no_repair() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with_rooms_without_pods(39, None);
    let service = world.serve();
    world
        .until("the first push", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    world.feeds.fault(FeedFault::delay(Duration::from_secs(8)));
    world.feeds.forget_requests();
    let busy = world.feeds.wait_for(|feeds| feeds.requests().len() >= 4);
    within("pulls", busy).await;
    for _ in 0..2 {
        let before = world.asked("oak");
        world.pod("oak").reboot();
        world
            .until("the repair", "oak", |pod| titles(pod) == ["Standup"])
            .await;
        let requests = world.pod("oak").requests();
        let until_put = requests.iter().skip(before);
        let looks = until_put
            .take_while(|seen| seen.method != "PUT")
            .filter(|seen| seen.path == "/v2/calendar")
            .count();
        // A look under way, one that finds it, one before the push; who waited for the calendars
        // would look every second meanwhile.
        assert!(looks < 10, "{looks} looks\n{}", service.log());
    }
    world.podcal(&["status", "--healthy"]).await.exits(0);
}

#[tokio::test]
async fn a_pod_that_hangs_delays_neither_its_neighbour_nor_its_rooms_pulls() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .pod_with("oak", Options::default())
        .await
        .with("http.timeout", "\"10m\"");
    let _service = world.serve();
    let [first, second] = world.pods("oak") else {
        panic!()
    };
    for pod in [first, second] {
        within("a push", pod.wait_for(|pod| titles(pod) == ["Standup"])).await;
    }
    first.fault(Fault::hang());
    let hanging = first.requests().len();
    let asked = first.wait_for(|pod| pod.requests().len() > hanging);
    within("a request that hangs", asked).await;
    for title in ["Second", "Third"] {
        world.set_feed("oak", &calendar(&[meeting(title, 1)]));
        // The request that hangs does so for ten minutes.
        within(
            "the neighbour",
            second.wait_for(|pod| titles(pod) == [title]),
        )
        .await;
    }
    second.reboot();
    within(
        "the repair",
        second.wait_for(|pod| titles(pod) == ["Third"]),
    )
    .await;
    world.until_pulled("oak", 3).await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
}

/// A pod that keeps losing its meetings wakes its room all the time.
#[tokio::test]
async fn a_pod_that_keeps_losing_its_meetings_does_not_keep_its_room_from_pulling() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    world.pod("oak").fault(Fault::reads_empty());
    let service = world.serve();
    world
        .until("pushes", "oak", |pod| pod.count("PUT", "/v2/calendar") > 1)
        .await;
    world.until_pulled("oak", 5).await;
    service.stop().await;
}

#[tokio::test]
async fn the_service_is_healthy_with_440_rooms_behind_a_slow_host() {
    let world = World::start()
        .await
        .with("schedule.health", "\"0 * * * * *\"")
        .with_rooms_without_pods(440, None);
    world.feeds.fault(FeedFault::delay(Duration::from_secs(2)));
    let service = world.serve();
    service.says("service.started").await;
    for _ in 0..3 {
        let before = world.feeds.requests().len();
        let pulls = world
            .feeds
            .wait_for(|feeds| feeds.requests().len() >= before + 6);
        within("pulls", pulls).await;
        world
            .podcal(&["status", "--healthy"])
            .await
            .exits(0)
            .prints(&["healthy"]);
    }
    service.stop().await;
}

/// Seven hundred names that nobody answers for; the one room whose host is an address is
/// served meanwhile.
#[tokio::test]
async fn a_silent_name_server_does_not_delay_a_room_by_address() {
    let Ok(_silent) = UdpSocket::bind("127.53.53.53:53") else {
        return;
    };
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with("schedule.health", "\"0 * * * * *\"")
        .with_rooms_without_pods(700, Some("rooms.example"));
    std::fs::write(world.path("resolv.conf"), "nameserver 127.53.53.53\n").unwrap();
    let Some(service) = world
        .serve_after("mount --bind resolv.conf /etc/resolv.conf")
        .await
    else {
        return;
    };
    service.says("service.started").await;
    world
        .until("the room by address", "oak", |pod| {
            titles(pod) == ["Standup"]
        })
        .await;
    world.set_feed("oak", &calendar(&[meeting("Second", 1)]));
    world
        .until("a change", "oak", |pod| titles(pod) == ["Second"])
        .await;
    service.stop().await;
}

/// With a spread of an hour, whoever reloads often must not put everybody off for ever.
#[tokio::test]
async fn a_long_jitter_and_frequent_reloads_leave_no_room_unserved() {
    let mut world = World::start()
        .await
        .with("schedule.jitter", "\"1h\"")
        .with("schedule.sync", NEVER);
    for room in ["oak", "elm", "ash"] {
        world = world.room(room, &[meeting("Standup", 1)]).await;
    }
    let service = world.serve();
    service.says("service.started").await;
    let mut reloads = 0;
    let is_served = |world: &World, room: &str| world.shows(room) == ["Standup"];
    let all_served = async {
        while !["oak", "elm", "ash"]
            .iter()
            .all(|room| is_served(&world, room))
        {
            world.set("guard.hold", &format!("\"{}m\"", 16 + reloads % 2));
            service.signal("HUP").await;
            reloads += 1;
            service
                .says_so_often("config.reloaded: the new configuration", reloads)
                .await;
        }
    };
    within("every room to be served", all_served).await;
    let log = service.stop().await;
    assert!(reloads > 2, "{log}");
}
