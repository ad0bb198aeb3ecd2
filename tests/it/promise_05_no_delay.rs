//! Promise 5: one slow, dead or hostile feed or pod delays no other room.

use podcal::sim::Fault;
use podcal::sim::feedhost::FeedFault;

use crate::support::{World, calendar, meeting, titles, within};

/// Three rooms, of which one is in order.
async fn three_rooms() -> World {
    let mut world = World::start().await.with("http.timeout", "\"10m\"");
    for room in ["feed-hangs", "pod-hangs", "well"] {
        world = world.room(room, &[meeting("Standup", 1)]).await;
    }
    world
}

/// The others would have to wait for ten minutes.
#[tokio::test]
async fn a_feed_and_a_pod_that_hang_delay_nobody_in_the_service() {
    let world = three_rooms().await;
    world.feeds.fault(FeedFault::hang().on("feed-hangs.ics"));
    world.pod("pod-hangs").fault(Fault::hang());
    let _service = world.serve();
    for title in ["Standup", "Second", "Third"] {
        world.set_feed("well", &calendar(&[meeting(title, 1)]));
        let shown = world.pod("well").wait_for(|pod| titles(pod) == [title]);
        within("the room that is well", shown).await;
    }
    // The display of a room whose feed hangs is still looked after.
    let polled = world
        .pod("feed-hangs")
        .wait_for(|pod| pod.count("GET", "/v2/calendar") > 2);
    within("polls", polled).await;
}

#[tokio::test]
async fn a_feed_and_a_pod_that_hang_do_not_keep_sync_from_the_others() {
    let world = three_rooms().await.with("http.timeout", "\"4s\"");
    world.feeds.fault(FeedFault::hang().on("feed-hangs.ics"));
    world.pod("pod-hangs").fault(Fault::hang());
    let begun = std::time::Instant::now();
    let done = async {
        let shown = world.pod("well").wait_for(|pod| titles(pod) == ["Standup"]);
        within("the room that is well", shown).await;
        begun.elapsed()
    };
    let (ran, done) = tokio::join!(world.sync(), done);
    let ran = ran.exits(1);
    assert!(
        done < begun.elapsed() / 2,
        "{done:?} of {:?}",
        begun.elapsed()
    );
    assert_eq!(ran.display("well"), "pushed");
    assert_eq!(ran.display("pod-hangs"), "failed");
    assert_eq!(ran.room("feed-hangs")["feeds"][0]["result"], "failed");
}

/// One of two displays of a room.
#[tokio::test]
async fn a_dead_pod_does_not_keep_its_neighbour_in_the_same_room_from_its_meetings() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .pod_with("oak", podcal::sim::Options::default())
        .await
        .with("http.timeout", "\"4s\"");
    world.pods("oak")[0].fault(Fault::hang());
    world.sync().await.exits(1);
    assert_eq!(titles(&world.pods("oak")[1]), ["Standup"]);
}

#[tokio::test]
async fn a_hostile_calendar_does_not_keep_the_others_waiting() {
    let world = World::start()
        .await
        .room("hostile", &[])
        .await
        .room("well", &[meeting("Standup", 1)])
        .await;
    let forever = meeting("Bomb", 1).replace("SUMMARY", "RRULE:FREQ=SECONDLY\r\nSUMMARY");
    let many: Vec<String> = (0..20)
        .map(|n| forever.replace("bomb@", &format!("bomb{n}@")))
        .collect();
    world.set_feed("hostile", &calendar(&many));
    let ran = world.sync().await;
    assert_eq!(ran.display("well"), "pushed", "{ran}");
    assert!(world.pod("hostile").meetings().len() <= 100);
}
