//! Rooms that lose everything together keep it, though each of them alone would not.

use podcal::sim::feedhost::FeedFault;

use crate::support::{World, calendar, meeting, titles};

const ROOMS: usize = 20;

fn name(room: usize) -> String {
    format!("room{room:02}")
}

/// One or two meetings.
fn meetings(room: usize) -> Vec<String> {
    let one = meeting("One", 1);
    match room % 2 {
        0 => vec![one],
        _ => vec![one, meeting("Two", 3)],
    }
}

fn shown(room: usize) -> &'static [&'static str] {
    match room % 2 {
        0 => &["One"],
        _ => &["One", "Two"],
    }
}

async fn building() -> World {
    let mut world = World::start().await.with("guard.hold", "\"1h\"");
    for room in 0..ROOMS {
        world = world.room(&name(room), &meetings(room)).await;
    }
    world
}

async fn all_show_their_meetings(world: &World) {
    for room in 0..ROOMS {
        world
            .until("the meetings of every room", &name(room), |pod| {
                titles(pod) == shown(room)
            })
            .await;
    }
}

#[tokio::test]
async fn a_host_that_turns_empty_takes_nothing_off_the_displays() {
    let world = building().await;
    let service = world.serve();
    all_show_their_meetings(&world).await;
    world.feeds.fault(FeedFault::empty_calendar());
    service.says("brake.pulled").await;
    all_show_their_meetings(&world).await;
    let ran = world.sync().await.exits(1);
    for room in 0..ROOMS {
        let held = &ran.room(&name(room))["held"];
        assert_eq!(held["vanished"], shown(room).len(), "{ran}");
    }
    all_show_their_meetings(&world).await;
    let log = service.stop().await;
    let pulled: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("brake.pulled"))
        .collect();
    assert_eq!(pulled.len(), 1, "{log}");
    assert!(
        pulled[0].contains("ERROR") && pulled[0].contains("127.0.0.1"),
        "{log}"
    );
}

#[tokio::test]
async fn a_sync_by_hand_keeps_them_too() {
    let world = building().await;
    world.sync().await.exits(0);
    world.feeds.fault(FeedFault::empty_calendar());
    for _ in 0..2 {
        let ran = world.sync().await.exits(1);
        for room in 0..ROOMS {
            assert_eq!(world.shows(&name(room)), shown(room), "{ran}");
        }
    }
    world.feeds.clear_faults();
    world.sync().await.exits(0);
    all_show_their_meetings(&world).await;
}

#[tokio::test]
async fn the_only_meeting_of_one_room_that_is_cancelled_leaves_at_once() {
    let world = building().await;
    let service = world.serve();
    all_show_their_meetings(&world).await;
    world.set_feed("room04", &calendar(&[]));
    world
        .until("the cancellation", "room04", |pod| {
            pod.meetings().is_empty()
        })
        .await;
    let log = service.stop().await;
    assert!(!log.contains("room.held"), "{log}");
    assert!(!log.contains("brake"), "{log}");
}

/// Of a document that several rooms read, a loss waits a moment for the others.
#[tokio::test]
async fn a_cancellation_in_a_document_that_rooms_share_is_followed_too() {
    let mut world = World::start().await;
    let event =
        |room: &str| meeting(room, 1).replace("SUMMARY", &format!("LOCATION:{room}\r\nSUMMARY"));
    world.feeds.set(
        "all.ics",
        calendar(&[event("oak"), event("elm"), event("ash")]),
    );
    for room in ["oak", "elm", "ash"] {
        world = world.room(room, &[]).await;
        let feed = world.feeds.url("all.ics");
        let feed = format!("{{ ics = {feed:?}, only = {{ location = {room:?} }} }}");
        world.set_room(room, "feed", &feed);
    }
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["oak"]);
    world
        .feeds
        .set("all.ics", calendar(&[event("elm"), event("ash")]));
    world.sync().await.exits(0);
    assert!(world.shows("oak").is_empty());

    // All of them at once, and it is held for all of them.
    world.feeds.set(
        "all.ics",
        calendar(&[event("oak"), event("elm"), event("ash")]),
    );
    world.sync().await.exits(0);
    world.feeds.set("all.ics", calendar(&[]));
    world.sync().await.exits(1);
    for room in ["oak", "elm", "ash"] {
        assert_eq!(world.shows(room), [room]);
    }
}
