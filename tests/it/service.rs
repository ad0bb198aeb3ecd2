//! `podcal run` as an init system sees it: signals, reload, the log, the health check.

use podcal::sim::Fault;
use podcal::sim::feedhost::FeedFault;
use serde_json::Value;

use crate::support::{World, calendar, meeting, titles, within};

async fn world() -> World {
    World::of_one_room(&[meeting("Standup", 1)]).await
}

async fn first_push(world: &World) {
    world
        .until("the first push", "oak", |pod| titles(pod) == ["Standup"])
        .await;
}

#[tokio::test]
async fn the_service_keeps_a_display_in_step() {
    let world = world().await;
    let service = world.serve();
    first_push(&world).await;
    for title in ["Second", "Third"] {
        world.set_feed("oak", &calendar(&[meeting(title, 1)]));
        world
            .until("the new meeting", "oak", |pod| titles(pod) == [title])
            .await;
    }
    let log = service.stop().await;
    assert_eq!(log.matches("push.done").count(), 3, "{log}");
}

#[tokio::test]
async fn a_stop_is_clean_and_quick_even_while_feed_and_pod_hang() {
    let world = world()
        .await
        .room("elm", &[meeting("Standup", 1)])
        .await
        .with("http.timeout", "\"10m\"");
    world.feeds.fault(FeedFault::hang().on("oak.ics"));
    world.pod("elm").fault(Fault::hang());
    let mut service = world.serve();
    let asked = world.feeds.wait_for(|feeds| feeds.requests().len() > 1);
    within("the pulls", asked).await;
    world
        .until("a request", "elm", |pod| !pod.requests().is_empty())
        .await;
    let begun = std::time::Instant::now();
    service.signal("TERM").await;
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    world.ledger_is_sound().await;
}

/// From a keyboard.
#[tokio::test]
async fn an_interrupt_stops_it_too() {
    let world = world().await;
    let mut service = world.serve();
    first_push(&world).await;
    service.signal("INT").await;
    assert_eq!(service.ended().await.code(), Some(0));
    service.says("SIGINT").await;
}

#[tokio::test]
async fn a_reload_takes_rooms_in_and_out() {
    let mut world = world().await.room("elm", &[meeting("Standup", 1)]).await;
    let service = world.serve();
    first_push(&world).await;
    world
        .until("the first push", "elm", |pod| titles(pod) == ["Standup"])
        .await;
    world.forget_room("elm");
    world = world.room("ash", &[meeting("Ash", 1)]).await;
    service.signal("HUP").await;
    service.says("config.reloaded").await;
    let shown = world.pod("ash").wait_for(|pod| titles(pod) == ["Ash"]);
    within("the new room", shown).await;
    world.set_feed("elm", &calendar(&[meeting("Too late", 1)]));
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    world
        .until("the old room", "oak", |pod| titles(pod) == ["New"])
        .await;
    service.stop().await;
    assert_eq!(world.shows("elm"), ["Standup"]);
}

#[tokio::test]
async fn a_bad_configuration_is_refused_and_the_old_one_stays_in_force() {
    let world = world().await;
    let service = world.serve();
    first_push(&world).await;
    let good = world.config_text();
    world.write_config(&format!("nonsense = 1\n{good}"));
    service.signal("HUP").await;
    service.says("the old one stays in force").await;
    service.says("nonsense").await;
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    world
        .until("the new meeting", "oak", |pod| titles(pod) == ["New"])
        .await;
    world.write_config(&good);
    service.signal("HUP").await;
    service.says("config.reloaded").await;
    service.stop().await;
}

#[tokio::test]
async fn a_log_in_json_is_one_object_a_line() {
    let world = world().await;
    let service = world.serve_with(&["--log-format", "json", "--log-level", "trace"]);
    first_push(&world).await;
    world.feeds.fault(FeedFault::login_page());
    service.says("feed.failing").await;
    world.pod("oak").fault(Fault::status(500).times(3));
    world.feeds.clear_faults();
    service.says("feed.recovered").await;
    let log = service.stop().await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert!(line["timestamp"].is_string(), "{line}");
        assert!(line["level"].is_string(), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
    let done = lines
        .iter()
        .find(|line| line["event"] == "push.done")
        .unwrap();
    assert_eq!(done["room"], "oak");
    assert_eq!(done["meetings"], 1);
    assert!(done["duration_ms"].is_u64(), "{done}");
    assert!(done["pod"].is_string(), "{done}");
}

#[tokio::test]
async fn the_health_check_tells_whether_the_service_is_at_work() {
    let world = world().await;
    world.sync().await.exits(0);
    let service = world.serve();
    service.says("service.started").await;
    // A cycle has ended when the next one begins.
    let pulled = world.feeds.wait_for(|feeds| feeds.requests().len() > 2);
    within("cycles", pulled).await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    service.kill().await;
    world
        .podcal(&["status", "--healthy"])
        .await
        .exits(1)
        .prints(&["not healthy"]);
}

/// Two of them would push against each other.
#[tokio::test]
async fn a_second_service_on_one_ledger_is_refused() {
    let world = world().await;
    let service = world.serve();
    first_push(&world).await;
    world.podcal(&["run"]).await.exits(1);
    // A command beside it is not.
    world.sync().await.exits(0);
    world.podcal(&["status"]).await.exits(0);
    service.stop().await;
}

#[tokio::test]
async fn a_sync_beside_the_service_does_not_make_it_push_twice() {
    let world = world().await;
    let service = world.serve();
    first_push(&world).await;
    for turn in 0..3 {
        let title = format!("Turn {turn}");
        world.set_feed("oak", &calendar(&[meeting(&title, 1)]));
        world.sync().await.exits(0);
        assert_eq!(world.shows("oak"), [title]);
    }
    let log = service.stop().await;
    assert!(!log.contains("display.lost"), "{log}");
}

/// A server that asks to be left alone is left alone by the service.
#[tokio::test]
async fn retry_after_is_honoured() {
    let world = world().await.room("elm", &[meeting("Standup", 1)]).await;
    let service = world.serve();
    first_push(&world).await;
    world
        .feeds
        .fault(FeedFault::retry_after(503, 3600).on("oak.ics"));
    service.says("feed.failing").await;
    world.feeds.forget_requests();
    let so_many = |feeds: &podcal::sim::feedhost::FeedHost| {
        feeds
            .requests()
            .iter()
            .filter(|seen| seen.path == "/elm.ics")
            .count()
            > 1
    };
    within("the other room's pulls", world.feeds.wait_for(so_many)).await;
    let asked = world.feeds.requests();
    assert!(
        asked.iter().all(|seen| seen.path != "/oak.ics"),
        "{asked:?}"
    );
    service.stop().await;
}
