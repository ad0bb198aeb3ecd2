//! `podcal pod --every-room trust`: certificates that changed, accepted together.

use crate::support::{World, meeting};

/// Two rooms in step.
async fn world() -> World {
    let world = World::start()
        .await
        .room("oak", &[meeting("Standup", 1)])
        .await
        .room("elm", &[meeting("Plan", 1)])
        .await;
    world.sync().await.exits(0);
    world
}

#[tokio::test]
async fn what_did_not_change_is_left_alone() {
    let world = world().await;
    let before = world.ledger().await;
    world
        .podcal(&["pod", "--every-room", "trust"])
        .await
        .exits(0)
        .prints(&["Nothing to accept: 2 pods unchanged."]);
    assert_eq!(world.ledger().await, before);
}

#[tokio::test]
async fn changed_certificates_are_listed_and_accepted_only_when_confirmed() {
    let world = world().await;
    world.pod("oak").new_certificate().unwrap();
    world.sync().await.exits(1);
    let sent = || world.pod("oak").count("POST", "/v2/token");
    let before = sent();

    let asked = ["pod", "--every-room", "trust"];
    let refused = world.podcal(&asked).await.exits(2);
    refused
        .prints(&["oak", ", was "])
        .says(&["nobody can be asked", "--yes"]);
    let dry = [&asked[..], &["--dry-run"]].concat();
    let dry = world.podcal(&dry).await.exits(0);
    assert!(!dry.stdout.contains("elm"), "{dry}");
    world.sync().await.exits(1);
    assert_eq!(sent(), before, "the password was sent");

    let yes = [&asked[..], &["--yes"]].concat();
    world
        .podcal(&yes)
        .await
        .exits(0)
        .prints(&["oak", "Accepted 1 pod."]);
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

#[tokio::test]
async fn only_trust_is_for_every_room() {
    let world = world().await;
    for (arguments, says) in [
        (&["info"][..], "is for `trust` alone"),
        (&["calendar", "clear"], "is for `trust` alone"),
        (&["trust", "--pod", "192.0.2.1"], "do not go with"),
        (&["trust", "--fingerprint", "00"], "do not go with"),
    ] {
        let all = [&["pod", "--every-room"], arguments].concat();
        world.podcal(&all).await.exits(2).says(&[says]);
    }
    world.podcal(&["pod", "trust"]).await.exits(2);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

#[tokio::test]
async fn a_pod_that_does_not_answer_is_named() {
    let mut world = world().await;
    world.set_room("oak", "pods", "[\"127.0.0.1:1\"]");
    world
        .podcal(&["pod", "--every-room", "trust"])
        .await
        .exits(1)
        .prints(&["Could not be checked", "127.0.0.1:1"]);
}
