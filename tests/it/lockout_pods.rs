//! A wrong pod password is tried once a pause, whatever asks.

use podcal::sim::Fault;

use crate::support::{PASSWORD, World, meeting, titles, within};

const WRONG: &str = "Not-the-password-1";

async fn locked_out() -> World {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    world.set_password(WRONG);
    world
}

const ASKING: [&[&str]; 4] = [
    &["sync", "--dry-run"],
    &["check", "--connect"],
    &["pod", "oak", "token"],
    &["sync"],
];

#[tokio::test]
async fn three_of_each_command_sign_in_once_in_all() {
    let world = locked_out().await;
    for _ in 0..3 {
        for command in &ASKING[..3] {
            world.podcal(command).await.exits(1);
            assert_eq!(world.sign_ins("oak"), (0, 1), "{command:?}");
        }
    }
    for command in [
        &["pod", "oak", "info"][..],
        &["pod", "oak", "calendar", "list"],
    ] {
        let ran = world.podcal(command).await.exits(1);
        assert!(ran.stderr.contains("paused until"), "{ran}");
    }
    let service = world.serve();
    service.says("service.started").await;
    world.until_pulled("oak", 3).await;
    service.stop().await;
    assert_eq!(world.sign_ins("oak"), (0, 1));
}

/// Nor does it matter whether they ask one after the other.
#[tokio::test]
async fn commands_at_the_same_time_sign_in_once_in_all() {
    let world = locked_out().await;
    let slow = Fault::slow(std::time::Duration::from_millis(500));
    world.pod("oak").fault(slow.on("POST", "/v2/token"));
    let (a, b, c, d, e, f) = tokio::join!(
        world.podcal(ASKING[0]),
        world.podcal(ASKING[1]),
        world.podcal(ASKING[2]),
        world.podcal(ASKING[3]),
        world.podcal(ASKING[0]),
        world.podcal(ASKING[2]),
    );
    for ran in [a, b, c, d, e, f] {
        ran.exits(1);
    }
    assert_eq!(world.sign_ins("oak"), (0, 1));
}

#[tokio::test]
async fn commands_beside_the_service_sign_in_no_more_often() {
    let world = locked_out().await;
    let service = world.serve();
    service.says("sign_in.paused").await;
    for command in ASKING {
        world.podcal(command).await.exits(1);
    }
    world.podcal(&["sync", "--force"]).await.exits(1);
    service.signal("HUP").await;
    service.says("unchanged").await;
    world.until_pulled("oak", 3).await;
    let log = service.stop().await;
    assert_eq!(world.sign_ins("oak"), (0, 1), "{log}");
    assert_eq!(log.matches("sign_in.paused").count(), 1, "{log}");
}

/// The password was right, and the pod's was corrected: whoever insists ends the pause.
#[tokio::test]
async fn try_password_of_any_command_ends_the_pause() {
    for insisting in [
        &["sync", "--try-password"][..],
        &["check", "--connect", "--try-password"],
        &["pod", "oak", "token", "--try-password"],
    ] {
        let world = locked_out().await;
        world.sync().await.exits(1);
        world.pod("oak").set_password(WRONG);
        world.podcal(&["sync", "--force"]).await.exits(1);
        assert_eq!(world.sign_ins("oak"), (0, 1));
        world.podcal(insisting).await.exits(0);
        world.sync().await.exits(0);
        assert_eq!(world.shows("oak"), ["Standup"], "{insisting:?}");
    }
}

/// Insisting with the wrong one again lengthens the pause and does no more.
#[tokio::test]
async fn try_password_is_one_try() {
    let world = locked_out().await;
    world.sync().await.exits(1);
    for times in 2..4 {
        world.podcal(&["sync", "--try-password"]).await.exits(1);
        assert_eq!(world.sign_ins("oak"), (0, times));
        world.sync().await.exits(1);
        assert_eq!(world.sign_ins("oak"), (0, times));
    }
}

#[tokio::test]
async fn try_password_beside_the_service_ends_its_pause() {
    let world = locked_out().await;
    let service = world.serve();
    service.says("sign_in.paused").await;
    world.pod("oak").set_password(WRONG);
    world.podcal(&["sync", "--try-password"]).await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
    let log = service.stop().await;
    assert!(log.contains("sign_in.resumed"), "{log}");
}

/// As Kubernetes changes a secret: `password` is a link into `..data`, and `..data` another
/// link that is exchanged. Within half a minute, without a signal.
#[tokio::test]
async fn a_corrected_secret_is_noticed_also_behind_exchanged_links() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let folder = world.path("");
    for (version, password) in [("..1", WRONG), ("..2", PASSWORD)] {
        std::fs::create_dir(folder.join(version)).unwrap();
        std::fs::write(folder.join(version).join("password"), password).unwrap();
    }
    std::fs::remove_file(folder.join("password")).unwrap();
    std::os::unix::fs::symlink("..1", folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/password", folder.join("password")).unwrap();
    let service = world.serve();
    service.says("sign_in.paused").await;
    std::os::unix::fs::symlink("..2", folder.join("..new")).unwrap();
    std::fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    let shown = world.pod("oak").wait_for(|pod| titles(pod) == ["Standup"]);
    within("the corrected password", shown).await;
    assert_eq!(world.sign_ins("oak").1, 1);
    service.stop().await;
}

/// Somebody insists beside a service that waits.
#[tokio::test]
async fn the_service_notices_that_another_command_ended_the_pause() {
    let world = locked_out().await;
    let service = world.serve();
    service.says("sign_in.paused").await;
    world.pod("oak").set_password(WRONG);
    world
        .podcal(&["pod", "oak", "token", "--try-password"])
        .await
        .exits(0);
    let shown = world.pod("oak").wait_for(|pod| titles(pod) == ["Standup"]);
    within("the end of the pause", shown).await;
    assert_eq!(world.sign_ins("oak").1, 1);
    service.stop().await;
}

#[tokio::test]
async fn a_pod_that_is_asked_too_often_is_left_alone() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let service = world.serve();
    service.says("first pass done").await;
    world.pod("oak").fault(Fault::status(429));
    service.says("pod.health").await;
    let asked = world.asked("oak");
    world.until_pulled("oak", 4).await;
    assert!(world.asked("oak") <= asked + 1, "{}", service.log());
    // Nor is it asked anew by a restart.
    service.stop().await;
    let asked = world.asked("oak");
    let service = world.serve();
    service.says("service.started").await;
    world.until_pulled("oak", 3).await;
    service.stop().await;
    assert_eq!(world.asked("oak"), asked);
}
