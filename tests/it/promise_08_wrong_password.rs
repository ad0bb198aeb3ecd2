//! Promise 8: a wrong password is tried once, then sign-in is paused.

use crate::support::{PASSWORD, World, meeting, titles, within};

const WRONG: &str = "Not-the-password-1";

async fn locked_out() -> World {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    world.set_password(WRONG);
    world
}

fn tries(world: &World) -> usize {
    world.pod("oak").count("POST", "/v2/token")
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_over_many_syncs() {
    let world = locked_out().await;
    world
        .sync()
        .await
        .exits(1)
        .says(&["password or token was rejected"]);
    for command in [
        &["sync"][..],
        &["sync", "--force"],
        &["sync", "--dry-run"],
        &["check", "--connect"],
    ] {
        world.podcal(command).await.exits(1);
        assert_eq!(tries(&world), 1, "{command:?}");
    }
    let ran = world.sync().await.exits(1);
    assert_eq!(ran.display("oak"), "sign_in_paused");
    assert_eq!(tries(&world), 1);
}

#[tokio::test]
async fn a_changed_password_is_tried_at_once() {
    let world = locked_out().await;
    world.sync().await.exits(1);
    world.set_password("Another-wrong-1");
    world.sync().await.exits(1);
    assert_eq!(tries(&world), 2);
    world.sync().await.exits(1);
    assert_eq!(tries(&world), 2);
    world.set_password(PASSWORD);
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

#[tokio::test]
async fn the_service_tries_a_wrong_password_once_until_it_is_reloaded() {
    let world = locked_out()
        .await
        .room("elm", &[meeting("Standup", 1)])
        .await
        .with("schedule.config", "\"* * * * * *\"");
    let service = world.serve();
    service.says("password or token was rejected").await;
    // The other pod has the same wrong password; both have had many turns by then.
    let pulled = world.feeds.wait_for(|feeds| {
        feeds
            .requests()
            .iter()
            .filter(|seen| seen.path == "/oak.ics")
            .count()
            > 4
    });
    within("some cycles", pulled).await;
    assert_eq!(tries(&world), 1, "{}", service.log());
    assert_eq!(
        world.pod("elm").count("POST", "/v2/token"),
        1,
        "{}",
        service.log()
    );

    world.set_password(PASSWORD);
    service.signal("HUP").await;
    world
        .until("the meetings", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    service.stop().await;
}

/// A service that is started again and again by an init system must not lock anybody out.
#[tokio::test]
async fn a_restart_does_not_try_it_again() {
    let world = locked_out().await;
    for _ in 0..3 {
        let service = world.serve();
        service.says("service.started").await;
        let before = world.feeds.requests().len();
        let pulled = world
            .feeds
            .wait_for(|feeds| feeds.requests().len() > before + 1);
        within("a cycle", pulled).await;
        service.stop().await;
    }
    assert_eq!(tries(&world), 1);
}

#[tokio::test]
async fn a_password_that_changes_on_the_pod_is_tried_once() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    let service = world.serve();
    service.says("service.started").await;
    world
        .until("polls", "oak", |pod| pod.count("GET", "/v2/calendar") > 3)
        .await;
    let before = tries(&world);
    world.pod("oak").set_password("Set-by-somebody-1");
    service.says("password or token was rejected").await;
    let pulls = world.feeds.requests().len();
    let pulled = world
        .feeds
        .wait_for(|feeds| feeds.requests().len() > pulls + 2);
    within("some cycles", pulled).await;
    assert_eq!(tries(&world), before + 1, "{}", service.log());
    assert_eq!(world.shows("oak"), ["Standup"]);
}
