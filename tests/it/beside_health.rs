//! `podcal status --healthy` is about the service's work: not about the configuration's
//! text, the ledger's disk or the calendars.

use std::io::Read as _;
use std::os::unix::net::UnixStream;

use podcal::sim::Fault;
use podcal::sim::feedhost::FeedFault;

use crate::support::{World, meeting, within};

async fn world() -> World {
    World::of_one_room(&[meeting("Standup", 1)]).await
}

async fn healthy(world: &World, code: i32) {
    let ran = world.podcal(&["status", "--healthy"]).await;
    assert_eq!(ran.code(), Some(code), "{ran}");
}

#[tokio::test]
async fn a_service_that_works_is_healthy_whatever_is_around_it() {
    let mut world = world().await;
    healthy(&world, 1).await;
    let service = world.serve();
    service.says("first pass done").await;
    healthy(&world, 0).await;

    world.feeds.fault(FeedFault::status(500));
    world.pod("oak").fault(Fault::refuse());
    service.says("feed.failing").await;
    service.says("pod.health").await;
    healthy(&world, 0).await;

    // Edited, and not reloaded.
    world.set("ledger.path", "\"elsewhere.db\"");
    healthy(&world, 0).await;
    world.write_config("this is = = no configuration");
    healthy(&world, 0).await;
    std::fs::remove_file(world.path("podcal.toml")).unwrap();
    healthy(&world, 0).await;
    service.stop().await;
    let ran = world.podcal(&["status", "--healthy"]).await;
    assert_ne!(ran.code(), Some(0), "{ran}");
}

#[tokio::test]
async fn a_service_that_stands_still_or_is_gone_is_not_healthy() {
    let world = world().await;
    let service = world.serve();
    service.says("first pass done").await;
    service.signal("STOP").await;
    world
        .podcal(&["status", "--healthy"])
        .await
        .exits(1)
        .prints(&["does not answer"]);
    service.signal("CONT").await;
    healthy(&world, 0).await;
    let json = world.podcal(&["status", "--healthy", "--json"]).await;
    assert_eq!(json.json()["healthy"], true);
    service.kill().await;
    world
        .podcal(&["status", "--healthy"])
        .await
        .exits(1)
        .prints(&["no service"]);
}

/// A deleted or unreadable ledger does not make a good service look dead.
#[tokio::test]
async fn a_ledger_that_is_gone_does_not_matter() {
    let world = world().await;
    let service = world.serve();
    service.says("first pass done").await;
    std::fs::remove_file(world.path("podcal.db")).unwrap();
    healthy(&world, 0).await;
    service.says("ledger.replaced").await;
    healthy(&world, 0).await;
    service.stop().await;
}

/// Whoever connects and says nothing holds up neither the others nor a stop.
#[tokio::test]
async fn a_silent_visitor_of_the_socket_holds_up_nobody() {
    let world = world().await;
    let mut service = world.serve();
    service.says("first pass done").await;
    let socket = world.path("podcal.db.control");
    let silent: Vec<UnixStream> = (0..20)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    let begun = std::time::Instant::now();
    healthy(&world, 0).await;
    world.sync().await.exits(0);
    service.signal("TERM").await;
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(begun.elapsed().as_secs() < 9, "{:?}", begun.elapsed());
    for mut one in silent {
        let mut rest = Vec::new();
        let _ = one.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    assert!(!socket.exists());
}

/// Two services of two configurations, and each is asked by its own.
#[tokio::test]
async fn each_configuration_has_its_own_service() {
    let (one, other) = (world().await, world().await);
    let service = one.serve();
    service.says("first pass done").await;
    healthy(&one, 0).await;
    healthy(&other, 1).await;
    let second = other.serve();
    second.says("first pass done").await;
    service.stop().await;
    healthy(&one, 1).await;
    healthy(&other, 0).await;
    within("the end", second.stop()).await;
}
