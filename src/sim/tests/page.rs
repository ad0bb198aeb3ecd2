//! The display, as people in the room see it.

use super::*;

/// 2026-03-02T17:00:00Z, ten in the morning in Denver.
const NOW: i64 = 1_772_470_800;

async fn at_ten() -> World {
    start(Options {
        clock: Clock::from_fn(|| UnixTime::from_seconds(NOW)),
        name: "Oak".to_owned(),
        ..Options::default()
    })
    .await
}

async fn page(world: &World) -> String {
    world
        .client
        .get(world.sim.url() + "/")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_page_shows_room_now_next_three_and_clock() {
    let world = at_ten().await;
    assert!(page(&world).await.contains("Nothing more is planned"));
    let meeting = |id: &str, title: &str, from: i64| json!({ "id": id, "title": title, "organizer": "A & B", "start_time": NOW + from * 60, "end_time": NOW + from * 60 + 1800 });
    let meetings = [
        meeting("5", "Fifth", 200),
        meeting("1", "<script>alert(1)</script> {{board}}", -10),
        meeting("2", "Second", 30),
        meeting("3", "Third", 60),
        meeting("4", "Fourth", 60 * 24),
    ];
    world.sim.put_foreign(&meetings).unwrap();
    let html = page(&world).await;
    for shown in [
        "<h1>Oak</h1>",
        "<time>10:00</time>",
        "09:50 – 10:20</p><p class=title>&lt;script&gt;alert(1)&lt;/script&gt; &#123;&#123;board}}",
        "A &amp; B",
        "10:30 – 11:00</p><p class=title>Second",
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
    let order = ["Second", "Third", "Fifth"].map(|title| html.find(title).unwrap());
    assert!(order.is_sorted());
    assert!(!html.contains("Fourth"));
    assert!(!html.contains("<script>alert"));
    world.sim.put_foreign(&meetings[4..]).unwrap();
    assert!(
        page(&world)
            .await
            .contains("Tue 3 Mar 10:00 – 10:30</p><p class=title>Fourth")
    );
    world.sim.put_foreign(&meetings).unwrap();
    world
        .sim
        .set_config("display.calendar.show_titles", json!(false))
        .unwrap();
    world
        .sim
        .set_config("display.clock.show_24_hours", json!(false))
        .unwrap();
    let html = page(&world).await;
    assert!(!html.contains("Second") && html.contains("Reserved") && html.contains("10:30 AM"));
    world
        .sim
        .set_config("display.calendar.show", json!(false))
        .unwrap();
    assert!(page(&world).await.contains("No calendar"));
    assert!(world.sim.requests().is_empty());
}

#[tokio::test]
async fn whole_days_and_free_rooms_are_said_in_words() {
    let world = at_ten().await;
    // Midnight in Denver was ten hours ago.
    let midnight = NOW - 10 * 3600;
    let day = 24 * 3600;
    let meeting = |id: &str, title: &str, start: i64, end: i64| json!({ "id": id, "title": title, "organizer": "", "start_time": start, "end_time": end });
    let meetings = [
        meeting("1", "Painting", midnight, midnight + day),
        meeting("2", "Fair", midnight + day, midnight + 3 * day),
        meeting("3", "Talk", NOW + 7 * 3600 + 49 * 60, NOW + 9 * 3600),
    ];
    world.sim.put_foreign(&meetings).unwrap();
    let html = page(&world).await;
    for shown in [
        "<p class=when>all day</p><p class=title>Painting",
        "<p class=when>Tue 3 Mar – Wed 4 Mar, all day</p><p class=title>Fair",
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
    world.sim.put_foreign(&meetings[2..]).unwrap();
    let html = page(&world).await;
    assert!(html.contains("<h2>Free</h2><p>until 17:49</p>"), "{html}");
}

#[tokio::test]
async fn the_page_follows_changes_without_reloading() {
    let world = at_ten().await;
    let mut events = world
        .client
        .get(world.sim.url() + "/events")
        .send()
        .await
        .unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut next =
        async || String::from_utf8(events.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(next().await.contains("Free"));
    world.sim.put_foreign(&[meeting("1", NOW - 5)]).unwrap();
    let event = next().await;
    assert!(
        event.starts_with("data: \"") && event.ends_with("\"\n\n") && event.contains("Review"),
        "{event}"
    );
    world.sim.set_clock_offset(60);
    assert!(next().await.contains("10:01"));
}
