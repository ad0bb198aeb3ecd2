//! Promise 1: a display never goes blank or wrong because a feed failed.

use std::time::Duration;

use podcal::sim::feedhost::FeedFault;

use crate::support::{
    Ran, World, broken, calendar, calendar_with, hour, meeting, meeting_at, now, titles, within,
};

fn three() -> [String; 3] {
    [
        meeting("Standup", 1),
        meeting("Review", 3),
        meeting("Planning", 5),
    ]
}

/// How a feed goes wrong: the name of its room, the fault, and the key of the error.
fn faults() -> Vec<(&'static str, FeedFault, &'static str)> {
    vec![
        ("login-page", FeedFault::login_page(), "not_a_calendar"),
        ("empty", FeedFault::empty(), "not_a_calendar"),
        ("cut-off", FeedFault::cut_off(), "cut_off"),
        ("cut-chunked", FeedFault::cut_chunked(), "cut_off"),
        ("status-401", FeedFault::status(401), "auth"),
        ("status-403", FeedFault::status(403), "auth"),
        ("status-404", FeedFault::status(404), "gone"),
        ("status-500", FeedFault::status(500), "server_error"),
        ("status-503", FeedFault::status(503), "server_error"),
        ("slow", FeedFault::slow(Duration::from_secs(600)), "timeout"),
        (
            "drip",
            FeedFault::drip(1, Duration::from_secs(1)),
            "timeout",
        ),
        ("hang", FeedFault::hang(), "timeout"),
        ("refuse", FeedFault::refuse(), "unreachable"),
        ("too-large", FeedFault::oversized(3_000_000), "too_large"),
        ("gzip-bomb", FeedFault::gzip_bomb(200_000_000), "too_large"),
        ("loop", FeedFault::redirect("/loop.ics"), "redirect"),
    ]
}

#[tokio::test]
async fn every_fault_of_a_feed_keeps_the_display_and_the_other_rooms_are_done() {
    let mut world = World::start()
        .await
        .with("http.timeout", "\"4s\"")
        .with("http.max_feed_size", "\"1MB\"")
        .room("well", &three())
        .await;
    for (room, _, _) in faults() {
        world = world.room(room, &three()).await;
    }
    world.sync().await.exits(0);

    for (room, fault, _) in faults() {
        world.set_feed(room, &calendar(&[meeting("Nobody may see this", 2)]));
        world.feeds.fault(fault.on(&format!("{room}.ics")));
    }
    world.set_feed("well", &calendar(&[meeting("Changed", 2)]));
    let ran = world.sync().await.exits(1);
    assert_eq!(world.shows("well"), ["Changed"]);
    for (room, _, kind) in faults() {
        check_keeps(&world, &ran, room, kind);
    }

    world.feeds.clear_faults();
    let ran = world.sync().await.exits(0);
    for (room, _, _) in faults() {
        assert_eq!(world.shows(room), ["Nobody may see this"], "{room}\n{ran}");
        assert_eq!(ran.room(room)["feeds"][0]["result"], "recovered", "{room}");
    }
}

/// The room shows what it did, and its fault is told with its key and since when.
#[track_caller]
fn check_keeps(world: &World, ran: &Ran, room: &str, kind: &str) {
    assert_eq!(
        world.shows(room),
        ["Standup", "Review", "Planning"],
        "{room}\n{ran}"
    );
    assert_eq!(world.pushes(room), 1, "{room}\n{ran}");
    let feed = &ran.room(room)["feeds"][0];
    assert_eq!(feed["result"], "failed", "{room}\n{ran}");
    assert_eq!(feed["error_type"], kind, "{room}\n{ran}");
    assert!(!feed["stale_since"].is_null(), "{room}\n{ran}");
    let said = ran
        .stderr
        .lines()
        .find(|line| line.contains(&format!("room `{room}`")))
        .unwrap_or_else(|| panic!("nothing was said about {room}\n{ran}"));
    assert!(
        said.contains("keeps its last good meetings, stale since 20"),
        "{said}"
    );
}

/// Answers that are complete by HTTP and no calendar all the same.
#[tokio::test]
async fn what_is_no_whole_calendar_keeps_the_display() {
    let whole = calendar(&[meeting("Nobody may see this", 2), meeting("Nor this", 4)]);
    let bodies = [
        ("no-end", whole.replace("END:VCALENDAR\r\n", "")),
        ("half-an-event", whole[..whole.len() - 40].to_owned()),
        ("half-a-line", whole[..whole.len() - 5].to_owned()),
        ("only-begin", "BEGIN:VCALENDAR\r\n".to_owned()),
        ("blank", "\r\n\r\n".to_owned()),
        ("json", "{\"error\":\"sign in\"}".to_owned()),
        ("page", "<!doctype html>\n<title>Sign in</title>".to_owned()),
        ("words", "Service temporarily unavailable".to_owned()),
        ("bytes", "PK\u{3}\u{4}\u{0}\u{0}\u{0}".to_owned()),
        ("vcard", "BEGIN:VCARD\r\nFN:Oak\r\nEND:VCARD\r\n".to_owned()),
    ];
    let mut world = World::start().await;
    for (room, _) in &bodies {
        world = world.room(room, &three()).await;
    }
    world.sync().await.exits(0);
    for (room, body) in &bodies {
        world.set_feed(room, body);
    }
    let ran = world.sync().await.exits(1);
    for (room, _) in &bodies {
        assert_eq!(
            world.shows(room),
            ["Standup", "Review", "Planning"],
            "{room}\n{ran}"
        );
        assert_eq!(world.pushes(room), 1, "{room}\n{ran}");
        assert_eq!(
            ran.room(room)["feeds"][0]["result"],
            "failed",
            "{room}\n{ran}"
        );
    }
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let mut world = World::of_one_room(&three()).await.secure_feeds().await;
    world.secure().set("oak.ics", calendar(&three()));
    let address = world.secure().url("oak.ics");
    world.set_room("oak", "feed", &format!("{address:?}"));
    world.sync().await.exits(0);

    world
        .feeds
        .set("open.ics", calendar(&[meeting("Forged", 2)]));
    let open = world.feeds.url("open.ics");
    world.secure().fault(FeedFault::redirect(open));
    let ran = world.sync().await.exits(1);
    assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
    assert_eq!(world.feeds.requests(), [], "{ran}");
}

#[tokio::test]
async fn a_redirect_to_the_calendar_is_followed() {
    let world = World::of_one_room(&[]).await;
    world.feeds.set("new.ics", calendar(&three()));
    world
        .feeds
        .fault(FeedFault::redirect("/new.ics").on("oak.ics"));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
}

#[tokio::test]
async fn a_feed_that_was_never_read_leaves_the_display_as_it_is() {
    let world = World::of_one_room(&three()).await;
    let foreign = serde_json::json!({
        "id": "1", "title": "Set by hand", "organizer": "", "start_time": hour(1), "end_time": hour(2)
    });
    world.pod("oak").put_foreign(&[foreign]).unwrap();
    world.feeds.fault(FeedFault::status(500).once());
    world.sync().await.exits(1).says(&["was never read"]);
    assert_eq!(world.shows("oak"), ["Set by hand"]);
    assert_eq!(world.pushes("oak"), 0);

    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
}

/// The other feed is shown, and what is missing is said.
#[tokio::test]
async fn a_feed_that_was_never_read_holds_nothing_up() {
    let mut world = World::of_one_room(&three()).await;
    let (one, two) = (world.feeds.url("oak.ics"), world.feeds.url("two.ics"));
    world.set_room(
        "oak",
        "feeds",
        &format!("[{{ ics = {one:?} }}, {{ ics = {two:?} }}]"),
    );
    world.sync().await.exits(1).says(&["was never read"]);
    assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);

    world
        .feeds
        .set("two.ics", calendar(&[meeting("Second", 2)]));
    world.sync().await.exits(0);
    assert_eq!(
        world.shows("oak"),
        ["Standup", "Second", "Review", "Planning"]
    );

    world.feeds.fault(FeedFault::login_page().on("two.ics"));
    world.set_feed("oak", &calendar(&[meeting("Standup", 1)]));
    world.sync().await.exits(1);
    assert_eq!(world.shows("oak"), ["Standup", "Second"]);
}

#[tokio::test]
async fn one_broken_event_leaves_the_others() {
    let mut events = three().to_vec();
    events.insert(1, broken());
    let world = World::of_one_room(&events).await;
    let ran = world
        .sync()
        .await
        .exits(0)
        .says(&["1 entry could not be read", "podcal explain"]);
    assert_eq!(ran.room("oak")["unreadable"], 1);
    assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
    world
        .podcal(&["explain", "oak"])
        .await
        .exits(0)
        .prints(&["DTSTART"]);
}

#[tokio::test]
async fn the_log_says_once_that_a_feed_fails_and_once_that_it_is_well() {
    let world = World::in_step(&three()).await;
    world.feeds.fault(FeedFault::status(404).times(3));
    world
        .sync()
        .await
        .exits(1)
        .says(&["keeps its last good meetings"]);
    for _ in 0..2 {
        let ran = world.sync().await.exits(1);
        assert!(!ran.stderr.contains("keeps its last good"), "{ran}");
    }
    world
        .sync()
        .await
        .exits(0)
        .says(&["recovered after 3 failures"]);
}

#[tokio::test]
async fn a_calendar_that_is_suddenly_empty_is_held_until_somebody_insists() {
    let world = World::in_step(&three()).await;
    world.set_feed("oak", &calendar(&[]));
    for _ in 0..2 {
        let ran = world.sync().await.exits(1);
        assert_eq!(ran.display("oak"), "held", "{ran}");
        assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
    }
    assert_eq!(world.pushes("oak"), 1);
    world.podcal(&["sync", "--force"]).await.exits(0);
    assert_eq!(world.shows("oak"), [""; 0]);
    assert_eq!(world.sync().await.exits(0).display("oak"), "in_step");
}

#[tokio::test]
async fn a_hold_is_said_with_the_way_out() {
    let world = World::in_step(&three()).await;
    world.set_feed("oak", &calendar(&[]));
    let ran = world.sync().await.exits(1);
    ran.says(&[
        "all 3 upcoming meetings vanished",
        "podcal sync --room oak --force",
    ]);
}

#[tokio::test]
async fn meetings_that_come_back_end_a_hold() {
    let world = World::in_step(&three()).await;
    world.set_feed("oak", &calendar(&[]));
    world.sync().await.exits(1);
    world.set_feed("oak", &calendar(&[meeting("Standup", 1)]));
    world.sync().await.exits(0).says(&["no longer held"]);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

/// Whole rooms of meetings that are all replaced are a change, not a loss.
#[tokio::test]
async fn a_calendar_of_other_meetings_is_believed_at_once() {
    let world = World::in_step(&three()).await;
    world.set_feed("oak", &calendar(&[meeting("New", 2)]));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["New"]);
}

#[tokio::test]
async fn fewer_than_the_guard_counts_leave_at_once() {
    let world = World::in_step(&three()[..2]).await;
    world.set_feed("oak", &calendar(&[]));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), [""; 0]);
}

#[tokio::test]
async fn one_meeting_cancelled_leaves_at_once() {
    let world = World::in_step(&three()).await;
    let cancelled = meeting("Review", 3).replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY");
    world.set_feed(
        "oak",
        &calendar(&[meeting("Standup", 1), cancelled, meeting("Planning", 5)]),
    );
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "Planning"]);
    world.set_feed("oak", &calendar(&[meeting("Standup", 1)]));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

#[tokio::test]
async fn an_empty_calendar_that_is_seen_for_long_enough_is_believed() {
    let world = World::in_step(&three()).await.with("guard.hold", "\"2s\"");
    let service = world.serve();
    world.set_feed("oak", &calendar_with("X-WR-CALNAME:Oak\r\n", &[]));
    service.says("upcoming meetings vanished").await;
    world
        .until("the empty calendar to be believed", "oak", |pod| {
            pod.meetings().is_empty()
        })
        .await;
    service.says("no longer held").await;
    assert_eq!(world.pushes("oak"), 2);
}

/// Until it is seen again: a feed that fails meanwhile says nothing about it.
#[tokio::test]
async fn a_hold_is_not_believed_while_the_feed_fails() {
    let world = World::in_step(&three()).await.with("guard.hold", "\"1s\"");
    world.set_feed("oak", &calendar(&[]));
    assert_eq!(world.sync().await.exits(1).display("oak"), "held");
    world.feeds.fault(FeedFault::status(500));
    let begun = now();
    while now() < begun + 3 {
        world.sync().await.exits(1);
        assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
    }
}

#[tokio::test]
async fn a_meeting_that_has_ended_leaves_at_the_next_sync() {
    let ends = now() + 3;
    let short = meeting_at("Short", ends - 600, ends);
    let world = World::in_step(&[short, meeting("Review", 3)]).await;
    assert_eq!(world.shows("oak"), ["Short", "Review"]);
    while now() <= ends {
        world.sync().await.exits(0);
    }
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Review"]);
    assert_eq!(world.pushes("oak"), 2);
}

#[tokio::test]
async fn a_meeting_that_has_ended_leaves_although_the_feed_fails_or_is_held() {
    let ends = now() + 4;
    let mut events = three().to_vec();
    events.push(meeting_at("Short", ends - 600, ends));
    let world = World::start()
        .await
        .room("failing", &events)
        .await
        .room("held", &events)
        .await;
    world.sync().await.exits(0);
    world.feeds.fault(FeedFault::status(500).on("failing.ics"));
    world.set_feed("held", &calendar(&[]));
    let service = world.serve();
    for room in ["failing", "held"] {
        let left = |pod: &podcal::sim::Sim| titles(pod) == ["Standup", "Review", "Planning"];
        within("the ended meeting to leave", world.pod(room).wait_for(left)).await;
    }
    drop(service);
}
