//! Meetings that vanish whole are kept until that is really over, whatever happens meanwhile.

use podcal::sim::feedhost::{FeedFault, FeedHost};
use podcal::sim::{Fault, Options};
use serde_json::{Value, json};

use crate::support::{Service, World, calendar, hour, meeting, titles, within};

const EIGHT: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

fn eight() -> Vec<String> {
    let hours = (1..).step_by(2);
    EIGHT
        .iter()
        .zip(hours)
        .map(|(title, hours)| meeting(title, hours))
        .collect()
}

async fn status(world: &World) -> Value {
    world.podcal(&["status", "--json"]).await.json()["rooms"][0].clone()
}

/// A room whose calendar just lost its eight meetings, and holds them.
async fn held(hold: &str) -> (World, Service) {
    let world = World::of_one_room(&eight())
        .await
        .with("guard.hold", hold)
        .pod_with("oak", Options::default())
        .await;
    let service = world.serve();
    world
        .until("the meetings", "oak", |pod| titles(pod) == EIGHT)
        .await;
    world.set_feed("oak", &calendar(&[]));
    service.says("room.held").await;
    (world, service)
}

/// Two more pulls, so that whatever they lead to has begun.
async fn pulled(world: &World) {
    let pulls = world.feeds.requests().len();
    let twice = |feeds: &FeedHost| feeds.requests().len() >= pulls + 2;
    within("two more pulls", world.feeds.wait_for(twice)).await;
}

/// A display that lost everything gets back what is held.
async fn refilled(world: &World) {
    world.pod("oak").reboot();
    world
        .until("what is held", "oak", |pod| titles(pod) == EIGHT)
        .await;
}

/// What is on the display is explained, though no calendar has it any more.
#[tokio::test]
async fn what_is_held_is_explained_as_it_is_shown() {
    let (world, service) = held("\"5h\"").await;
    let explain = async |hours: i64| {
        let at = jiff::Timestamp::from_second(hour(hours) + 60).unwrap();
        world
            .podcal(&["explain", "oak", "--at", &at.to_string()])
            .await
    };
    explain(3).await.prints(&[
        "the display shows `B`: kept for now, although its feed does not have it",
        "8 upcoming meetings vanished at once",
    ]);
    // By then the hold is over.
    explain(7)
        .await
        .prints(&["the display shows the room as free", "vanished at once"]);
    let json = world.podcal(&["explain", "oak", "--json"]).await.json();
    let verdicts = json["verdicts"].as_array().unwrap().iter();
    let kept = verdicts.filter(|one| one["rule"] == "kept" && one["shown"] == true);
    let titles: Vec<&str> = kept.map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!(titles, EIGHT[..3]);
    // They come back: meetings as any other.
    world.set_feed("oak", &calendar(&eight()));
    service.says("no longer held").await;
    let json = world.podcal(&["explain", "oak", "--json"]).await.json();
    let verdicts = json["verdicts"].as_array().unwrap();
    assert!(verdicts.iter().all(|one| one["rule"] == "shown"), "{json}");
    service.stop().await;
}

#[tokio::test]
async fn a_hold_goes_on_over_failures_restarts_and_reloads() {
    let (mut world, service) = held("\"1h\"").await;
    // The other display cannot be written to, and loses its meetings.
    let other = &world.pods("oak")[1];
    other.fault(Fault::status(500).on("PUT", "/v2/calendar"));
    other.reboot();
    service.says("push.failed").await;
    refilled(&world).await;
    world.pods("oak")[1].fault(Fault::refuse());
    service.says("is unreachable").await;
    refilled(&world).await;
    world.pods("oak")[1].clear_faults();
    world.pods("oak")[1].set_password("another");
    service.says("sign-in paused").await;
    refilled(&world).await;

    world.feeds.fault(FeedFault::status(500).times(2));
    service.says("feed.recovered").await;
    pulled(&world).await;
    refilled(&world).await;

    world.set("guard.vanished", "4");
    service.signal("HUP").await;
    service.says("config.reloaded").await;
    pulled(&world).await;
    refilled(&world).await;

    let log = service.stop().await;
    assert!(!log.contains("room.released"), "{log}");
    let service = world.serve();
    service.says("service.started").await;
    pulled(&world).await;
    refilled(&world).await;
    service.kill().await;
    let service = world.serve();
    service.says("service.started").await;
    pulled(&world).await;
    refilled(&world).await;
    let room = status(&world).await;
    assert_eq!(room["held"]["vanished"], 8, "{room}");
    let log = service.stop().await;
    assert!(!log.contains("room.released"), "{log}");
    for pod in world.pods("oak") {
        assert_eq!(pod.count("DELETE", "/v2/calendar"), 0);
    }
}

#[tokio::test]
async fn a_sync_by_hand_keeps_what_is_held_too() {
    let world = World::in_step(&eight()).await;
    world.set_feed("oak", &calendar(&[]));
    for _ in 0..2 {
        let ran = world.sync().await.exits(1);
        assert_eq!(ran.display("oak"), "held", "{ran}");
    }
    world.pod("oak").reboot();
    world.sync().await.exits(1);
    assert_eq!(world.shows("oak"), EIGHT);
    world.podcal(&["sync", "--force"]).await.exits(0);
    assert!(world.shows("oak").is_empty());
}

#[tokio::test]
async fn a_hold_ends_when_the_feed_went_on_showing_nothing() {
    let (world, service) = held("\"3s\"").await;
    service.says("room.released").await;
    for pod in world.pods("oak") {
        within(
            "the empty display",
            pod.wait_for(|pod| titles(pod).is_empty()),
        )
        .await;
    }
    let log = service.stop().await;
    assert_eq!(log.matches("room.held").count(), 1, "{log}");
    assert!(log.contains("still has no meetings"), "{log}");
}

#[tokio::test]
async fn what_is_held_loses_its_titles_as_soon_as_they_are_hidden() {
    let (mut world, service) = held("\"1h\"").await;
    world.set_room("oak", "meetings", "{ hide_titles = true }");
    service.signal("HUP").await;
    world
        .until("hidden titles", "oak", |pod| {
            pod.meetings().len() == 8
                && !titles(pod).iter().any(|one| EIGHT.contains(&one.as_str()))
        })
        .await;
    let log = service.stop().await;
    assert!(!log.contains("room.released"), "{log}");
}

#[tokio::test]
async fn a_feed_that_loses_everything_is_held_although_another_one_has_a_meeting() {
    let mut world = World::of_one_room(&eight()).await;
    let (one, two) = (world.feeds.url("oak.ics"), world.feeds.url("two.ics"));
    world
        .feeds
        .set("two.ics", calendar(&[meeting("Other", 30)]));
    world.set_room("oak", "feeds", &format!("[{one:?}, {two:?}]"));
    let all = [&EIGHT[..], &["Other"]].concat();
    let service = world.serve();
    world
        .until("both feeds", "oak", |pod| titles(pod) == all)
        .await;
    world.set_feed("oak", &calendar(&[]));
    service.says("room.held").await;
    pulled(&world).await;
    assert_eq!(world.shows("oak"), all);
    // The other feed goes on being followed.
    world
        .feeds
        .set("two.ics", calendar(&[meeting("Later", 32)]));
    let now = [&EIGHT[..], &["Later"]].concat();
    world
        .until("the other feed", "oak", |pod| titles(pod) == now)
        .await;
    service.stop().await;
}

/// A change of the room's rules takes every meeting away, and a feed lost nothing.
#[tokio::test]
async fn what_an_operator_changes_is_never_held() {
    for (key, value) in [
        ("meetings", "{ tentative = false }"),
        ("window", "{ days = 1 }"),
        ("only", "{ title = \"nothing is called this\" }"),
    ] {
        let events: Vec<String> = EIGHT
            .iter()
            .zip(48..)
            .map(|(title, hours)| meeting(title, hours))
            .map(|event| event.replace("SUMMARY", "STATUS:TENTATIVE\r\nSUMMARY"))
            .collect();
        let mut world = World::of_one_room(&events).await;
        let service = world.serve();
        world
            .until("the meetings", "oak", |pod| pod.meetings().len() == 8)
            .await;
        if key == "only" {
            let feed = world.feeds.url("oak.ics");
            let feed = format!("{{ ics = {feed:?}, only = {value} }}");
            world.set_room("oak", "feed", &feed);
        } else {
            world.set_room("oak", key, value);
        }
        service.signal("HUP").await;
        world
            .until("an empty display", "oak", |pod| pod.meetings().is_empty())
            .await;
        let log = service.stop().await;
        assert!(!log.contains("room.held"), "{key}\n{log}");
    }
}

#[tokio::test]
async fn the_meetings_of_a_previous_tenant_are_never_held() {
    let world = World::of_one_room(&[]).await;
    let theirs: Vec<Value> = (0..8)
        .map(|n| {
            json!({ "id": format!("{n:024x}"), "title": "Theirs", "organizer": "",
                "start_time": hour(n + 1), "end_time": hour(n + 1) + 60 })
        })
        .collect();
    world.pod("oak").put_foreign(&theirs).unwrap();
    world.sync().await.exits(0);
    assert!(world.shows("oak").is_empty());
}
