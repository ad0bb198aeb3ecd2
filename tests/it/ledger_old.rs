//! A ledger that podcal 0.1 wrote goes on: its pins, pauses and confirmed agendas.

use std::fs;

use crate::support::{World, meeting, now, titles};

/// Of the sample: the pod that rejected its password, and that password.
const POD: &str = "https://192.0.2.2:5443";
const PASSWORD_OF_THEN: &str = "wrong";

/// The room `oak` with the ledger of 0.1, as if it had been written for its pod.
async fn upgraded(rests: bool) -> World {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ledger/0.1.db");
    fs::copy(sample, world.path("podcal.db")).unwrap();
    let key = world.pod("oak").url();
    let until = if rests { now() + 3600 } else { now() - 60 };
    let tag = old_tag(&key, "admin", PASSWORD_OF_THEN);
    let mut ledger = world.open_ledger().await;
    for statement in [
        "PRAGMA foreign_keys = OFF".to_owned(),
        format!(
            "UPDATE pod SET pod = '{key}', rest_until = {until}, password_tag = {tag} WHERE pod = '{POD}'"
        ),
    ] {
        crate::support::beside::execute(&mut ledger, &statement).await;
    }
    world
}

/// How 0.1 told passwords apart: each part with its length before it, and of SHA-256 the first
/// two bytes.
fn old_tag(pod: &str, user: &str, password: &str) -> u16 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [pod, user, password] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    u16::from_be_bytes([digest.as_ref()[0], digest.as_ref()[1]])
}

#[tokio::test]
async fn a_pause_goes_on_for_every_command_and_the_service() {
    for command in [
        &["sync"][..],
        &["sync", "--dry-run"],
        &["check", "--connect"],
        &["pod", "oak", "token"],
    ] {
        let world = upgraded(true).await;
        world.set_password(PASSWORD_OF_THEN);
        let ran = world.podcal(command).await.exits(1);
        assert_eq!(world.sign_ins("oak"), (0, 0), "{ran}");
    }
    let world = upgraded(true).await;
    world.set_password(PASSWORD_OF_THEN);
    let service = world.serve();
    service.says("ledger.upgraded").await;
    world.until_pulled("oak", 3).await;
    service.stop().await;
    assert_eq!(world.sign_ins("oak"), (0, 0));
}

/// One room of many: the pauses of the others are not forgotten.
#[tokio::test]
async fn a_sync_of_one_room_keeps_the_pauses_of_the_others() {
    let world = upgraded(true)
        .await
        .room("elm", &[meeting("Review", 1)])
        .await;
    world.set_password(PASSWORD_OF_THEN);
    world.podcal(&["sync", "--room", "elm"]).await.exits(1);
    world.sync().await.exits(1);
    assert_eq!(world.sign_ins("oak"), (0, 0));
    assert_eq!(world.sign_ins("elm"), (0, 1));
}

#[tokio::test]
async fn another_password_is_tried_and_a_pause_that_is_over_is_over() {
    let world = upgraded(true).await;
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup"]);
    let world = upgraded(false).await;
    world.set_password(PASSWORD_OF_THEN);
    world.sync().await.exits(1);
    assert_eq!(world.sign_ins("oak"), (0, 1));
}

/// Another certificate than the one that 0.1 pinned.
#[tokio::test]
async fn a_pin_is_insisted_on() {
    let world = upgraded(false).await;
    let key = world.pod("oak").url();
    world
        .in_ledger(&format!("UPDATE pin SET pod = '{key}' WHERE pod = '{POD}'"))
        .await;
    let ran = world.sync().await.exits(1);
    assert!(
        ran.stderr.contains("shows another certificate")
            || ran.stdout.contains("shows another certificate"),
        "{ran}"
    );
    assert_eq!(world.pod("oak").requests(), []);
    world.podcal(&["pod", "oak", "trust"]).await.exits(0);
    world.sync().await.exits(0);
    assert_eq!(titles(world.pod("oak")), ["Standup"]);
}
