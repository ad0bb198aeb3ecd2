//! A feed that was never read holds nothing up, and what came from it before stays.

use podcal::sim::feedhost::FeedFault;

use crate::support::{World, calendar, meeting, meeting_at, now, titles};

/// The room reads these two documents.
fn read_both(world: &mut World, one: &str, two: &str) {
    let (one, two) = (world.feeds.url(one), world.feeds.url(two));
    world.set_room("oak", "feeds", &format!("[{one:?}, {two:?}]"));
}

async fn until_shown(world: &World, shown: &[&str]) {
    let what = format!("{shown:?}");
    world.until(&what, "oak", |pod| titles(pod) == shown).await;
}

#[tokio::test]
async fn the_other_feed_is_followed_and_what_is_missing_is_said() {
    let soon_over = meeting_at("Soon over", now() - 600, now() + 6);
    let standup = meeting("Standup", 1);
    let mut world = World::of_one_room(&[soon_over.clone(), standup.clone()]).await;
    read_both(&mut world, "oak.ics", "nowhere.ics");
    let service = world.serve();
    until_shown(&world, &["Soon over", "Standup"]).await;
    service.says("room.waiting").await;
    // It ends, another one is new.
    until_shown(&world, &["Standup"]).await;
    world.set_feed("oak", &calendar(&[standup, meeting("Review", 3)]));
    until_shown(&world, &["Standup", "Review"]).await;
    world.set_feed("oak", &calendar(&[meeting("Review", 3)]));
    until_shown(&world, &["Review"]).await;
    world.pod("oak").reboot();
    until_shown(&world, &["Review"]).await;
    let ran = world.sync().await.exits(1);
    assert_eq!(ran.room("oak")["feeds"][1]["read"], false, "{ran}");
    world
        .podcal(&["status"])
        .await
        .exits(1)
        .prints(&["incomplete", "never read", "404"]);
    let room = world.podcal(&["status", "--json"]).await.json()["rooms"][0].clone();
    assert_eq!(room["state"], "incomplete", "{room}");
    assert_eq!(room["feeds"][1]["read"], false, "{room}");
    let log = service.stop().await;
    assert_eq!(log.matches("room.waiting").count(), 1, "{log}");
}

#[tokio::test]
async fn a_feed_that_is_mistyped_by_a_reload_takes_nothing_away() {
    let mut world = World::of_one_room(&[meeting("Standup", 1), meeting("Review", 3)]).await;
    world
        .feeds
        .set("two.ics", calendar(&[meeting("Of the second", 2)]));
    read_both(&mut world, "oak.ics", "two.ics");
    let service = world.serve();
    until_shown(&world, &["Standup", "Of the second", "Review"]).await;
    read_both(&mut world, "oak.ics", "tow.ics");
    world.set_feed("oak", &calendar(&[meeting("Review", 3), meeting("New", 4)]));
    service.signal("HUP").await;
    service.says("room.waiting").await;
    until_shown(&world, &["Of the second", "Review", "New"]).await;
    world.pod("oak").reboot();
    until_shown(&world, &["Of the second", "Review", "New"]).await;
    read_both(&mut world, "oak.ics", "two.ics");
    world.feeds.set("two.ics", calendar(&[]));
    service.signal("HUP").await;
    until_shown(&world, &["Review", "New"]).await;
    service.stop().await;
}

#[tokio::test]
async fn what_an_old_address_gave_stays_until_it_ends() {
    let soon_over = meeting_at("Soon over", now() - 600, now() + 10);
    let mut world = World::of_one_room(&[soon_over, meeting("Standup", 1)]).await;
    let service = world.serve();
    until_shown(&world, &["Soon over", "Standup"]).await;
    let (old, new) = (world.feeds.url("oak.ics"), world.feeds.url("moved.ics"));
    world.set_room("oak", "feed", &format!("{new:?}"));
    service.signal("HUP").await;
    service.says("room.waiting").await;
    until_shown(&world, &["Standup"]).await;
    world.pod("oak").reboot();
    until_shown(&world, &["Standup"]).await;
    // Also over a restart, and by hand.
    service.stop().await;
    world.sync().await.exits(1);
    assert_eq!(world.shows("oak"), ["Standup"]);
    world.set_room("oak", "feed", &format!("{old:?}"));
    world.set_feed("oak", &calendar(&[meeting("Changed", 2)]));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Changed"]);
}

/// The ledger is lost, and one feed cannot be read: what the display shows may be that one's.
#[tokio::test]
async fn what_only_the_display_knows_stays_and_what_was_read_may_leave() {
    let mut world = World::of_one_room(&[meeting("Standup", 1), meeting("Review", 3)]).await;
    world
        .feeds
        .set("two.ics", calendar(&[meeting("Of the second", 2)]));
    read_both(&mut world, "oak.ics", "two.ics");
    world.sync().await.exits(0);
    for name in ["podcal.db", "podcal.db-wal", "podcal.db-shm"] {
        let _ = std::fs::remove_file(world.path(name));
    }
    world.feeds.fault(FeedFault::status(500).on("two.ics"));
    let service = world.serve();
    service.says("room.waiting").await;
    service.says("first pass done").await;
    assert_eq!(world.pushes("oak"), 1);
    world.set_feed("oak", &calendar(&[meeting("Review", 3), meeting("New", 4)]));
    until_shown(&world, &["Of the second", "Review", "New"]).await;
    world.pod("oak").reboot();
    until_shown(&world, &["Of the second", "Review", "New"]).await;
    service.stop().await;
    let service = world.serve();
    world.set_feed("oak", &calendar(&[meeting("New", 4)]));
    until_shown(&world, &["Of the second", "New"]).await;
    world.feeds.set("two.ics", calendar(&[]));
    world.feeds.clear_faults();
    until_shown(&world, &["New"]).await;
    service.stop().await;
}
