//! Promise 3: nothing is pushed that the display already shows; what the display lost is noticed
//! by the next health poll and pushed again.

use std::time::Duration;

use podcal::sim::feedhost::FeedFault;
use podcal::sim::{Fault, Options};
use serde_json::json;

use crate::support::{Service, World, calendar, calendar_with, hour, meeting, titles};

fn two() -> [String; 2] {
    [meeting("Standup", 1), meeting("Review", 3)]
}

/// Syncs a calendar that says the same in other bytes.
async fn check_pushes_nothing(world: &World, calendar: &str) {
    let before = world.pod("oak").meetings();
    world.set_feed("oak", calendar);
    let ran = world.sync().await.exits(0);
    assert_eq!(ran.display("oak"), "in_step", "{calendar}\n{ran}");
    assert_eq!(world.pushes("oak"), 1, "{calendar}\n{ran}");
    assert_eq!(world.pod("oak").meetings(), before);
}

#[tokio::test]
async fn an_unchanged_feed_is_a_304_and_pushes_nothing() {
    let world = World::in_step(&two()).await;
    world.feeds.forget_requests();
    let ran = world.sync().await.exits(0);
    assert_eq!(ran.display("oak"), "in_step");
    let statuses: Vec<_> = world
        .feeds
        .requests()
        .iter()
        .map(|seen| seen.status)
        .collect();
    assert_eq!(statuses, [Some(304)]);
    assert_eq!(world.pushes("oak"), 1);
    assert_eq!(ran.stderr, "", "an unchanged room is silent");
}

#[tokio::test]
async fn other_bytes_of_the_same_meetings_push_nothing() {
    let world = World::in_step(&two()).await;
    let same = calendar(&two());
    check_pushes_nothing(&world, &calendar_with("X-PUBLISHED-TTL:PT5M\r\n", &two())).await;
    check_pushes_nothing(&world, &same.replace("\r\n", "\n")).await;
    check_pushes_nothing(
        &world,
        &same.replace("20260101T000000Z", "20260202T020202Z"),
    )
    .await;
    check_pushes_nothing(&world, &same.replace("@example.com", "@elsewhere.example")).await;
    check_pushes_nothing(&world, &calendar(&[two()[1].clone(), two()[0].clone()])).await;
    check_pushes_nothing(&world, &same.replace("SUMMARY", "SEQUENCE:4\r\nSUMMARY")).await;
    let more = [&two()[..], &[meeting("Next year", 24 * 400)]].concat();
    check_pushes_nothing(&world, &calendar(&more)).await;
}

#[tokio::test]
async fn validators_in_every_form_earn_a_304() {
    for fault in [FeedFault::weak_etag(), FeedFault::gzip_etag()] {
        let world = World::of_one_room(&two()).await;
        world.feeds.fault(fault);
        world.sync().await.exits(0);
        world.sync().await.exits(0);
        assert_eq!(world.feeds.requests().last().unwrap().status, Some(304));
        assert_eq!(world.pushes("oak"), 1);
    }
}

#[tokio::test]
async fn a_server_that_knows_no_304_changes_nothing() {
    let world = World::of_one_room(&two()).await;
    world.feeds.fault(FeedFault::never_304());
    world.sync().await.exits(0);
    assert_eq!(world.sync().await.exits(0).display("oak"), "in_step");
    assert_eq!(world.pushes("oak"), 1);
}

#[tokio::test]
async fn what_the_display_shows_already_is_not_pushed_even_by_a_new_podcal() {
    let world = World::in_step(&two()).await;
    for name in ["podcal.db", "podcal.db-wal", "podcal.db-shm"] {
        let _ = std::fs::remove_file(world.path(name));
    }
    assert_eq!(world.sync().await.exits(0).display("oak"), "in_step");
    assert_eq!(world.pushes("oak"), 1);
}

#[tokio::test]
async fn force_pushes_what_is_in_step() {
    let world = World::in_step(&two()).await;
    world.podcal(&["sync", "--force"]).await.exits(0);
    assert_eq!(world.pushes("oak"), 2);
}

#[tokio::test]
async fn sync_repairs_what_somebody_else_put() {
    let world = World::in_step(&two()).await;
    world.pod("oak").put_foreign(&[]).unwrap();
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "Review"]);
}

/// The pod does the work and the answer never arrives.
#[tokio::test]
async fn a_lost_answer_heals_without_a_second_push() {
    let world = World::of_one_room(&two()).await;
    world
        .pod("oak")
        .fault(Fault::lost_answer().once().on("PUT", "/v2/calendar"));
    world.sync().await;
    assert_eq!(world.sync().await.exits(0).display("oak"), "in_step");
    assert_eq!(world.shows("oak"), ["Standup", "Review"]);
    assert_eq!(world.pushes("oak"), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_heals_without_a_second_push() {
    let world = World::of_one_room(&two()).await;
    world
        .pod("oak")
        .fault(Fault::cut_off().once().on("PUT", "/v2/calendar"));
    world.sync().await;
    assert_eq!(world.sync().await.exits(0).display("oak"), "in_step");
    assert_eq!(world.pushes("oak"), 1);
}

#[tokio::test]
async fn a_pod_that_fails_is_well_at_the_next_sync() {
    for fault in [
        Fault::status(500),
        Fault::status(503),
        Fault::status(404),
        Fault::html(),
        Fault::empty_object(),
        Fault::refuse(),
        Fault::hang(),
    ] {
        let world = World::in_step(&two()).await.with("http.timeout", "\"4s\"");
        world.set_feed("oak", &calendar(&[meeting("New", 2)]));
        let said = format!("{fault:?}");
        world.pod("oak").fault(fault.on("PUT", "/v2/calendar"));
        let ran = world.sync().await.exits(1);
        assert_eq!(ran.display("oak"), "failed", "{said}\n{ran}");
        assert_eq!(world.shows("oak"), ["Standup", "Review"], "{said}\n{ran}");
        world.pod("oak").clear_faults();
        let ran = world.sync().await.exits(0);
        assert_eq!(world.shows("oak"), ["New"], "{said}\n{ran}");
    }
}

/// Whatever fails, and at whichever request.
#[tokio::test]
async fn a_pod_that_fails_at_any_request_is_well_at_the_next_sync() {
    for (method, path) in [
        ("POST", "/v2/token"),
        ("GET", "/v2/calendar"),
        ("GET", "/v2/config*"),
        ("GET", "/api/config"),
    ] {
        let world = World::of_one_room(&two()).await;
        world.pod("oak").fault(Fault::status(502).on(method, path));
        let first = world.sync().await;
        world.pod("oak").clear_faults();
        let ran = world.sync().await.exits(0);
        assert_eq!(
            world.shows("oak"),
            ["Standup", "Review"],
            "{method} {path}\n{first}\n{ran}"
        );
    }
}

#[tokio::test]
async fn a_token_that_expires_is_renewed_without_a_failure() {
    let world = World::in_step(&two()).await;
    let service = world.serve();
    world
        .until("a first poll", "oak", |pod| {
            pod.count("GET", "/v2/metadata") + pod.count("GET", "/v2/info") > 0
        })
        .await;
    for turn in 1..=3 {
        world.pod("oak").expire_tokens();
        let title = format!("Turn {turn}");
        world.set_feed("oak", &calendar(&[meeting(&title, 2)]));
        world
            .until("the new meeting", "oak", |pod| {
                titles(pod) == [title.as_str()]
            })
            .await;
    }
    let log = service.stop().await;
    assert_eq!(Service::troubles(&log), [""; 0]);
}

#[tokio::test]
async fn a_token_of_a_short_life_is_renewed_before_it_ends() {
    let options = Options {
        token_life: Duration::from_secs(1),
        ..Options::default()
    };
    let mut world = World::start().await.room("oak", &two()).await;
    world = world.pod_with("oak", options).await;
    let service = world.serve();
    let brief = &world.pods("oak")[1];
    crate::support::within(
        "polls",
        brief.wait_for(|pod| pod.count("GET", "/v2/calendar") > 6),
    )
    .await;
    let log = service.stop().await;
    assert_eq!(Service::troubles(&log), [""; 0]);
}

#[tokio::test]
async fn a_reboot_is_noticed_and_the_meetings_are_pushed_again() {
    let world = World::in_step(&two()).await;
    let service = world.serve();
    service.says("service.started").await;
    world.pod("oak").reboot();
    world
        .until("the meetings to return", "oak", |pod| {
            titles(pod) == ["Standup", "Review"]
        })
        .await;
    service.says("its display lost the meetings").await;
}

#[tokio::test]
async fn a_replaced_device_gets_the_meetings() {
    let world = World::in_step(&two()).await;
    let service = world.serve();
    world
        .until("the device to be known", "oak", |pod| {
            pod.count("GET", "/v2/calendar") > 3
        })
        .await;
    world.pod("oak").replace_keeping_certificate();
    world
        .until("the meetings to return", "oak", |pod| {
            titles(pod) == ["Standup", "Review"]
        })
        .await;
    service.says("pushing again").await;
}

#[tokio::test]
async fn somebody_elses_meetings_are_replaced() {
    let world = World::in_step(&two()).await;
    let service = world.serve();
    service.says("service.started").await;
    let foreign = json!({
        "id": "x", "title": "Somebody else", "organizer": "", "start_time": hour(1), "end_time": hour(2)
    });
    world.pod("oak").put_foreign(&[foreign]).unwrap();
    world
        .until("the meetings to return", "oak", |pod| {
            titles(pod) == ["Standup", "Review"]
        })
        .await;
    service.says("shows other meetings").await;
    // And podcal does not fight with itself.
    let pushes = world.pushes("oak");
    let polls = world.pod("oak").count("GET", "/v2/calendar");
    world
        .until("three more polls", "oak", |pod| {
            pod.count("GET", "/v2/calendar") > polls + 3
        })
        .await;
    assert_eq!(world.pushes("oak"), pushes);
}

#[tokio::test]
async fn a_service_in_step_pushes_nothing_and_says_nothing() {
    let world = World::in_step(&two()).await;
    let service = world.serve();
    world
        .until("some polls", "oak", |pod| {
            pod.count("GET", "/v2/calendar") > 5
        })
        .await;
    let log = service.stop().await;
    assert_eq!(world.pushes("oak"), 1);
    for line in log.lines() {
        let usual = [
            "service.started",
            "service.stopped",
            "service.summary",
            "pod.health",
            "config.warning",
        ];
        assert!(usual.iter().any(|event| line.contains(event)), "{line}");
    }
}
