//! The ledger on a PostgreSQL server, which comes and goes.

use crate::support::postgres::{Cluster, PASSWORD};
use crate::support::{World, calendar, meeting, titles};

async fn world(cluster: &Cluster) -> World {
    let url = format!("{:?}", cluster.database("podcal_it"));
    let mut world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with("ledger.url", &url);
    world.set_environment("PG_SECRET", PASSWORD);
    world.with("ledger.password", "{ env = \"PG_SECRET\" }")
}

async fn shows(world: &World, title: &str) {
    world.set_feed("oak", &calendar(&[meeting(title, 1)]));
    let until = |pod: &_| titles(pod) == [title];
    world.until(title, "oak", until).await;
}

#[tokio::test]
async fn displays_stay_right_while_the_server_is_down_and_all_is_written_afterwards() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let mut world = world(&cluster).await;
    let service = world.serve();
    service.says("first pass done").await;
    shows(&world, "Before").await;
    cluster.stop();
    shows(&world, "Meanwhile").await;
    service.says("ledger.write_failed").await;
    // What has nothing to do with the server is reloaded.
    world.set("window.days", "6");
    world.podcal(&["reload"]).await.exits(0);
    shows(&world, "Still").await;
    cluster.begin();
    service.says("can be written again").await;
    world
        .podcal(&["status", "oak"])
        .await
        .exits(0)
        .prints(&["Still"]);
    let pushes = world.pushes("oak");
    let log = service.stop().await;
    assert!(!log.contains(PASSWORD), "{log}");
    assert_eq!(
        log.matches("displays are served from memory").count(),
        1,
        "{log}"
    );
    // The next process knows what the display was sent, and sends nothing.
    world.sync().await.exits(0);
    assert_eq!(world.pushes("oak"), pushes, "{log}");
}

#[tokio::test]
async fn a_second_service_is_refused_and_one_after_a_kill_is_not() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let world = world(&cluster).await;
    let service = world.serve();
    service.says("first pass done").await;
    world
        .podcal(&["run"])
        .await
        .exits(2)
        .says(&["is in use by another podcal"]);
    let pushes = world.pushes("oak");
    service.kill().await;
    let service = world.serve();
    service.says("first pass done").await;
    assert_eq!(world.pushes("oak"), pushes);
    service.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_be_used_ends_the_start_and_refuses_a_reload() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let mut world = world(&cluster).await;
    let service = world.serve();
    service.says("first pass done").await;
    let good = cluster.url("podcal", "podcal_it");
    let elsewhere = "postgres://podcal@127.0.0.1:1/podcal_it";
    for (key, value, says) in [
        ("ledger.url", elsewhere, "names another ledger"),
        (
            "ledger.url",
            &format!("{good}?sslmode=require"),
            "encrypted connection",
        ),
        ("ledger.password", "another", "rejected the user name"),
    ] {
        world.set("ledger.url", &format!("{good:?}"));
        world.set(key, &format!("{value:?}"));
        world.podcal(&["reload"]).await.exits(1).says(&[says]);
    }
    shows(&world, "Goes on").await;
    service.stop().await;
    world.set("ledger.password", "{ env = \"PG_SECRET\" }");
    world.set("ledger.url", &format!("{elsewhere:?}"));
    world
        .podcal(&["run"])
        .await
        .exits(2)
        .says(&["cannot be reached"]);
    let mut world = world.with(
        "ledger.url",
        &format!("{:?}", cluster.url("podcal", "podcal_it")),
    );
    world.set_environment("PG_SECRET", "another");
    world
        .podcal(&["run"])
        .await
        .exits(2)
        .says(&["rejected the user name or password"]);
}

#[tokio::test]
async fn a_ledger_moves_from_a_file_to_a_server() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    let (url, pushes) = (cluster.database("moved"), world.pushes("oak"));
    std::fs::write(world.path("pg"), PASSWORD).unwrap();
    let copy = [
        "ledger",
        "copy",
        "--from",
        "podcal.db",
        "--to",
        &url,
        "--password-file",
        "pg",
    ];
    world
        .podcal(&copy)
        .await
        .exits(0)
        .prints(&["certificate pins 1"]);
    std::fs::remove_file(world.path("podcal.db")).unwrap();
    let world = world
        .with("ledger.url", &format!("{url:?}"))
        .with("ledger.password", "{ file = \"pg\" }");
    world.sync().await.exits(0);
    assert_eq!(world.pushes("oak"), pushes);
    world.podcal(&copy).await.exits(2);
}

#[tokio::test]
async fn a_service_works_behind_a_pooler_that_keeps_no_session() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let Some(pooler) = cluster.pooler() else {
        return;
    };
    let world = world(&cluster).await;
    let url = format!("{:?}", pooler.url("podcal_it"));
    let world = world.with("ledger.url", &url);
    let service = world.serve();
    service.says("first pass done").await;
    shows(&world, "Pooled").await;
    world
        .podcal(&["status", "oak"])
        .await
        .exits(0)
        .prints(&["Pooled"]);
    let log = service.stop().await;
    assert!(!log.contains("ledger.write_failed"), "{log}");
    let pushes = world.pushes("oak");
    world.sync().await.exits(0);
    assert_eq!(world.pushes("oak"), pushes);
}
