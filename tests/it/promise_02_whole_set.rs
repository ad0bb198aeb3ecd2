//! Promise 2: a push is a whole, valid set. What is not valid a strict pod refuses, and every
//! world looks at that when it ends.

use std::collections::HashSet;

use serde_json::Value;

use crate::support::{World, calendar, hour, meeting, meeting_at};

/// The body of the latest PUT of a calendar.
fn last_put(world: &World, room: &str) -> Vec<Value> {
    let requests = world.pod(room).requests();
    let put = requests
        .iter()
        .rfind(|seen| seen.method == "PUT" && seen.path == "/v2/calendar")
        .unwrap();
    put.json()["meetings"].as_array().unwrap().clone()
}

fn ids(meetings: &[Value]) -> Vec<String> {
    let id = |meeting: &Value| meeting["id"].as_str().unwrap().to_owned();
    meetings.iter().map(id).collect()
}

#[tokio::test]
async fn the_first_push_is_the_whole_set() {
    let organized = meeting("Review", 3).replace(
        "SUMMARY",
        "ORGANIZER;CN=Ada Lovelace:mailto:ada@example.com\r\nSUMMARY",
    );
    let world = World::of_one_room(&[meeting("Standup", 1), organized]).await;
    let ran = world.sync().await.exits(0);
    assert_eq!(ran.display("oak"), "pushed");

    let sent = last_put(&world, "oak");
    assert_eq!(sent.len(), 2);
    for (meeting, (title, organizer, start)) in sent
        .iter()
        .zip([("Standup", "", 1), ("Review", "Ada Lovelace", 3)])
    {
        assert_eq!(meeting["title"], title);
        assert_eq!(meeting["organizer"], organizer);
        assert_eq!(meeting["start_time"], hour(start));
        assert_eq!(meeting["end_time"], hour(start) + 1800);
    }
    assert_eq!(world.pod("oak").meetings(), sent);
}

/// The very objects that a pod is sent.
#[tokio::test]
async fn the_agenda_is_what_the_pod_is_sent() {
    let world = World::in_step(&[meeting("Standup", 1), meeting("Review", 3)]).await;
    let agenda = world.podcal(&["agenda", "oak", "--json"]).await.exits(0);
    assert_eq!(
        agenda.json()["meetings"],
        Value::from(last_put(&world, "oak"))
    );
}

#[tokio::test]
async fn ids_are_unique_short_and_stable() {
    let long = "x".repeat(3000);
    let mut events: Vec<String> = (1..=30)
        .map(|n| meeting(&format!("Number {n}"), n))
        .collect();
    // Two events of one UID, one without UID, and one with a very long UID.
    events.push(meeting("Twin", 40));
    events.push(meeting("Twin", 42));
    events.push(meeting("Nameless", 44).replace("UID:nameless@example.com\r\n", ""));
    events.push(meeting("Wordy", 46).replace("wordy@example.com", &long));
    events.push(meeting("Series", 2).replace("SUMMARY", "RRULE:FREQ=DAILY;COUNT=3\r\nSUMMARY"));
    let world = World::in_step(&events).await;
    let first = ids(&last_put(&world, "oak"));
    assert!(first.len() >= 34, "{}", first.len());
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), first.len());
    assert!(first.iter().all(|id| id.len() <= 64), "{first:?}");

    world.podcal(&["sync", "--force"]).await.exits(0);
    assert_eq!(ids(&last_put(&world, "oak")), first);
    // Another order of the file changes nothing.
    events.reverse();
    world.set_feed("oak", &calendar(&events));
    world.podcal(&["sync", "--force"]).await.exits(0);
    assert_eq!(ids(&last_put(&world, "oak")), first);
}

#[tokio::test]
async fn a_change_sends_the_whole_set_again() {
    let world = World::in_step(&[meeting("Standup", 1), meeting("Review", 3)]).await;
    world.set_feed(
        "oak",
        &calendar(&[meeting("Standup", 1), meeting("Review", 4)]),
    );
    let ran = world.sync().await.exits(0);
    let changes = &ran.room("oak")["displays"][0]["changes"];
    assert_eq!(
        changes["changed"].as_array().map(Vec::len).unwrap_or(0)
            + changes["added"].as_array().map(Vec::len).unwrap_or(0),
        1,
        "{changes}"
    );
    let sent = last_put(&world, "oak");
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1]["start_time"], hour(4));
}

#[tokio::test]
async fn what_a_display_cannot_show_is_never_sent() {
    let world = World::of_one_room(&[
        meeting("Standup", 1),
        meeting_at("No length", hour(2), hour(2)),
        meeting_at("Backwards", hour(3), hour(2)),
        meeting_at("Over", hour(-3), hour(-2)),
        meeting_at("Next month", hour(24 * 30), hour(24 * 30 + 1)),
        meeting("Free", 4).replace("SUMMARY", "TRANSP:TRANSPARENT\r\nSUMMARY"),
        meeting("Odd \u{1}words", 5),
    ])
    .await;
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "Odd words"]);
}

#[tokio::test]
async fn an_empty_calendar_is_a_set_too() {
    let world = World::of_one_room(&[]).await;
    let foreign = serde_json::json!({
        "id": "1", "title": "Set by hand", "organizer": "", "start_time": hour(1), "end_time": hour(2)
    });
    world.pod("oak").put_foreign(&[foreign]).unwrap();
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), [""; 0]);
}

#[tokio::test]
async fn at_most_so_many_are_sent_and_the_nearest_first() {
    let events: Vec<String> = (1..=9).map(|n| meeting(&format!("M{n}"), n)).collect();
    let world = World::of_one_room(&events).await.with("meetings.max", "3");
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["M1", "M2", "M3"]);
}
