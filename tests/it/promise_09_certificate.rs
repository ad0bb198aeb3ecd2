//! Promise 9: a pinned certificate that changes stops everything before the password is sent.

use podcal::model::digest::hex;

use crate::support::{World, calendar, meeting, titles};

/// A room in step whose pod shows another certificate from now on, and nothing was asked since.
async fn changed() -> World {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    world.pod("oak").new_certificate().unwrap();
    world.pod("oak").forget_requests();
    world.set_feed("oak", &calendar(&[meeting("New", 2)]));
    world
}

#[tokio::test]
async fn nothing_is_sent_to_a_pod_with_another_certificate() {
    let world = changed().await;
    world
        .sync()
        .await
        .exits(1)
        .says(&["shows another certificate", "podcal pod ROOM trust"]);
    for command in [
        &["sync", "--force"][..],
        &["sync", "--dry-run"],
        &["check", "--connect"],
        &["pod", "oak", "calendar", "list"],
        &["pod", "oak", "info"],
    ] {
        world.podcal(command).await.exits(1);
    }
    assert_eq!(world.pod("oak").requests(), []);
}

#[tokio::test]
async fn the_service_sends_nothing_to_a_pod_with_another_certificate() {
    let world = World::in_step(&[meeting("Standup", 1)])
        .await
        .with("schedule.config", "\"* * * * * *\"");
    let service = world.serve();
    world
        .until("polls", "oak", |pod| pod.count("GET", "/v2/config") > 0)
        .await;
    world.pod("oak").new_certificate().unwrap();
    service.says("podcal pod ROOM trust").await;
    // What was in flight at the change has ended by now.
    world.pod("oak").forget_requests();
    world.set_feed("oak", &calendar(&[meeting("New", 2)]));
    // Each of these pulls is a second from the next, and so are the polls of the settings.
    world.until_pulled("oak", 3).await;
    assert_eq!(world.pod("oak").requests(), []);
    assert_eq!(titles(world.pod("oak")), ["Standup"]);

    // Accepting it beside the service is enough.
    world.podcal(&["pod", "oak", "trust"]).await.exits(0);
    world
        .until("the new meeting", "oak", |pod| titles(pod) == ["New"])
        .await;
}

#[tokio::test]
async fn a_certificate_that_was_accepted_is_good() {
    let world = changed().await;
    world.sync().await.exits(1);
    world.podcal(&["pod", "oak", "trust"]).await.exits(0);
    assert_eq!(
        world.pod("oak").requests(),
        [],
        "accepting sends nothing either"
    );
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["New"]);
    // And the old one, or a third, is not.
    world.pod("oak").new_certificate().unwrap();
    world.sync().await.exits(1);
}

/// Even before the first contact.
#[tokio::test]
async fn a_fingerprint_in_the_configuration_is_insisted_on() {
    let mut world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let tls = |sha256: &str| format!("{{ sha256 = \"{sha256}\" }}");
    world.set("pod.tls", &tls(&"ab".repeat(32)));
    world.sync().await.exits(1);
    assert_eq!(world.pod("oak").requests(), []);
    let right = hex(&world.pod("oak").fingerprint());
    world.set("pod.tls", &tls(&right));
    world.sync().await.exits(0);
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted_and_a_named_one_is() {
    let mut world = World::of_one_room(&[meeting("Standup", 1)]).await;
    world.set("pod.tls", "{ verify = \"ca\" }");
    world.sync().await.exits(1);
    assert_eq!(world.pod("oak").requests(), []);
    std::fs::write(world.path("ca.pem"), world.pod("oak").certificate_pem()).unwrap();
    world.set("pod.tls", "{ ca_file = \"ca.pem\" }");
    world.sync().await.exits(0);
    world.set("pod.tls", "{ verify = \"off\" }");
    world.pod("oak").new_certificate().unwrap();
    world.sync().await.exits(0);
}

/// Another device behind the same address has another certificate, too.
#[tokio::test]
async fn a_replaced_pod_waits_for_its_certificate_to_be_accepted() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    world.pod("oak").replace().unwrap();
    world.sync().await.exits(1).says(&["podcal pod ROOM trust"]);
    assert_eq!(world.shows("oak"), [""; 0]);
    world.podcal(&["pod", "oak", "trust"]).await.exits(0);
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

#[tokio::test]
async fn the_first_contact_is_said_with_the_fingerprint() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let fingerprint = hex(&world.pod("oak").fingerprint());
    world.sync().await.exits(0).says(&[&fingerprint]);
}
