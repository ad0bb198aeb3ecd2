//! The commands that read: agenda, explain, expand, status, history, and their exit codes.

use podcal::sim::feedhost::FeedFault;
use serde_json::Value;

use crate::support::{World, broken, calendar, hour, meeting, meeting_at};

async fn world() -> World {
    World::in_step(&[
        meeting("Standup", 1),
        meeting("Off", 2).replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY"),
        meeting("Confidential", 3).replace("SUMMARY", "CLASS:CONFIDENTIAL\r\nSUMMARY"),
        broken(),
    ])
    .await
}

#[tokio::test]
async fn the_agenda_is_what_the_display_should_show() {
    let world = world().await;
    world
        .podcal(&["agenda", "oak"])
        .await
        .exits(0)
        .prints(&["Standup", "Private meeting"]);
    world.feeds.fault(FeedFault::status(500));
    let ran = world.podcal(&["agenda", "oak", "--json"]).await.exits(1);
    assert_eq!(ran.json()["meetings"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn explain_names_the_rule_for_every_event() {
    let world = world().await;
    let ran = world.podcal(&["explain", "oak"]).await.exits(0);
    assert!(!ran.stdout.contains("Confidential"), "{ran}");
    ran.prints(&["Standup", "Off", "cancelled", "DTSTART"]);
    world
        .podcal(&["explain", "oak", "--unmask"])
        .await
        .exits(0)
        .prints(&["Confidential"]);
    world
        .podcal(&["explain", "oak", "--json"])
        .await
        .exits(0)
        .json();
    world.feeds.fault(FeedFault::login_page());
    world.podcal(&["explain", "oak"]).await.exits(1);
}

#[tokio::test]
async fn commands_that_read_change_no_row_of_the_ledger() {
    let world = world().await;
    let before = world.ledger().await;
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    for command in [
        &["agenda", "oak"][..],
        &["explain", "oak"],
        &["status"],
        &["status", "oak"],
        &["history", "oak"],
        &["check", "--connect"],
    ] {
        world.podcal(command).await.exits(0);
        assert_eq!(world.ledger().await, before, "{command:?}");
    }
    assert_eq!(world.pushes("oak"), 1);
}

#[tokio::test]
async fn expand_needs_a_file_and_nothing_else() {
    let world = World::start().await;
    std::fs::remove_file(world.path("podcal.toml")).ok();
    std::fs::write(
        world.path("a.ics"),
        calendar(&[meeting("Standup", 1), meeting("Review", 3)]),
    )
    .unwrap();
    let time = |hours| {
        jiff::Timestamp::from_second(hour(hours))
            .unwrap()
            .to_string()
    };
    // Half-open: Review begins where the window ends.
    let (from, to) = (time(0), time(3));
    let ran = world
        .podcal(&["expand", "a.ics", "--from", &from, "--to", &to, "--json"])
        .await
        .exits(0);
    let meetings = ran.json()["meetings"].clone();
    assert_eq!(meetings.as_array().map(Vec::len), Some(1), "{meetings}");
    assert_eq!(meetings[0]["title"], "Standup");
    assert_eq!(meetings[0]["start_time"], hour(1));
    std::fs::write(world.path("a.ics"), "<!doctype html>").unwrap();
    world
        .podcal(&["expand", "a.ics", "--from", &from, "--to", &to])
        .await
        .exits(1);
    world
        .podcal(&["expand", "missing.ics", "--from", &from, "--to", &to])
        .await
        .exits(1);
}

#[tokio::test]
async fn status_and_history_tell_what_was_done() {
    let world = world().await;
    world
        .podcal(&["status"])
        .await
        .exits(0)
        .prints(&["oak", "Standup"]);
    let status = world
        .podcal(&["status", "oak", "--json"])
        .await
        .exits(0)
        .json();
    let room = &status["rooms"][0];
    assert_eq!(room["room"], "oak");
    assert_eq!(room["in_step"], true);
    assert_eq!(room["displays"][0]["next"]["title"], "Standup", "{room}");
    assert_eq!(room["stale_since"], Value::Null);

    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    world.sync().await.exits(0);
    world.feeds.fault(FeedFault::status(500));
    world.sync().await.exits(1);
    let ran = world.podcal(&["history", "oak"]).await.exits(0);
    let text = ran.stdout.clone();
    let place = |word: &str| {
        text.find(word)
            .unwrap_or_else(|| panic!("no `{word}`\n{text}"))
    };
    assert!(
        place("pull failed") < place("New"),
        "the newest first\n{text}"
    );
    ran.prints(&["+ ", "New", "- ", "Standup", "500"]);
    let status = world
        .podcal(&["status", "oak", "--json"])
        .await
        .exits(1)
        .json();
    assert!(status["rooms"][0]["stale_since"].is_i64(), "{status}");
    world
        .podcal(&["history", "oak", "--json"])
        .await
        .exits(0)
        .json();
}

#[tokio::test]
async fn before_the_first_sync_there_is_nothing_to_tell() {
    let world = World::of_one_room(&[]).await;
    for command in [
        &["status"][..],
        &["history", "oak"],
        &["status", "--healthy"],
    ] {
        world.podcal(command).await.exits(1);
    }
    assert_eq!(
        world.ledger().await,
        [""; 0],
        "and no ledger is made to tell it"
    );
}

/// A calendar of years: one meeting every 28 hours.
fn years() -> String {
    let event = |number: i64| {
        let at = hour(28 * (number - 900));
        meeting_at(&format!("Event {number}"), at, at + 3600)
    };
    calendar(&(0..1000).map(event).collect::<Vec<_>>())
}

#[tokio::test]
async fn explain_says_the_answer_first_and_then_what_is_near() {
    let world = World::start().await;
    std::fs::write(world.path("years.ics"), years()).unwrap();
    let explain = async |more: &[&str]| {
        let all = [&["explain", "years.ics"], more].concat();
        world.podcal(&all).await.exits(0)
    };
    let time = |hours: i64| jiff::Timestamp::from_second(hour(hours)).unwrap();
    // Ten minutes after the 901st begins, as the clocks in Denver show it.
    let zone = "America/Denver";
    let local = time(28).in_tz(zone).unwrap();
    let local = (local + jiff::Span::new().minutes(10)).strftime("%Y-%m-%d %H:%M");
    let local = local.to_string();
    let then = explain(&["--at", &local, "--time-zone", zone]).await;
    let first = then.stdout.lines().next().unwrap_or_default();
    assert!(
        first.ends_with(&format!("{local} the display shows `Event 901`.")),
        "{then}"
    );
    assert!(then.stdout.lines().count() < 20, "{then}");
    assert!(!then.stdout.contains("Event 800"), "{then}");
    let then = then.prints(&["Left out: 99", "(--json has all)"]);
    drop(then);
    // The same moment with its offset, and one between two meetings.
    let instant = time(28).to_string();
    explain(&["--at", &instant])
        .await
        .prints(&["the display shows `Event 901`."]);
    let between = time(26).to_string();
    let free = explain(&["--at", &between]).await;
    let first = free.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("shows the room as free until "), "{free}");
    // Without a time what is near the window, and everything as JSON.
    let now = explain(&[]).await;
    assert!(now.stdout.lines().count() < 30, "{now}");
    let json = explain(&["--json"]).await.json();
    assert_eq!(json["verdicts"].as_array().map(Vec::len), Some(1000));
    world
        .podcal(&["explain", "years.ics", "--at", "tomorrow"])
        .await
        .exits(2)
        .says(&["expected a time such as \"2026-03-02 11:00\""]);
}

#[tokio::test]
async fn expand_takes_times_of_its_zone() {
    let world = World::start().await;
    let event = "BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260302T083000\r\n\
                 DTEND:20260302T093000\r\nSUMMARY:Floating\r\nEND:VEVENT\r\n";
    std::fs::write(world.path("a.ics"), calendar(&[event.to_owned()])).unwrap();
    let expand = async |from: &str, to: &str| {
        let options = [
            "--from",
            from,
            "--to",
            to,
            "--time-zone",
            "Asia/Tokyo",
            "--json",
        ];
        let ran = world
            .podcal(&[&["expand", "a.ics"], &options[..]].concat())
            .await;
        ran.exits(0).json()["meetings"].as_array().map(Vec::len)
    };
    assert_eq!(
        expand("2026-03-02 09:00", "2026-03-02 10:00").await,
        Some(1)
    );
    assert_eq!(expand("2026-03-02 10:00", "2026-03-03").await, Some(0));
}

#[tokio::test]
async fn a_check_says_first_how_good_everything_is_and_what_is_not() {
    let world = World::start()
        .await
        .room("ash", &[meeting("Standup", 1)])
        .await
        .room("elm", &[meeting("Standup", 1)])
        .await
        .room("oak", &[meeting("Standup", 1)])
        .await;
    world.feeds.fault(FeedFault::status(500).on("oak.ics"));
    let ran = world.podcal(&["check", "--connect"]).await.exits(1);
    let ran = ran.prints(&[
        "0 of 3 rooms good, 2 with warnings, 1 failed",
        "3 rooms, 3 feeds, 3 pods",
    ]);
    let place = |word: &str| {
        ran.stdout
            .find(word)
            .unwrap_or_else(|| panic!("no `{word}`\n{ran}"))
    };
    assert!(place("\noak (") < place("\nash ("), "problems first\n{ran}");
}
