//! The ledger on a PostgreSQL server, which comes and goes, and several services that share it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::postgres::{Cluster, PASSWORD};
use crate::support::stall::Stall;
use crate::support::{Service, World, calendar, meeting, titles, within};

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
    let log = service.stop().await;
    assert!(!log.contains("ledger.write_failed"), "{log}");
    let status = world.podcal(&["status", "oak"]).await;
    status.exits(0).prints(&["Pooled"]);
    let pushes = world.pushes("oak");
    world.sync().await.exits(0);
    assert_eq!(world.pushes("oak"), pushes);
}

/// A building of so many rooms whose ledger is on this server.
async fn building(cluster: &Cluster, rooms: usize) -> World {
    let mut world = World::start().await;
    for number in 0..rooms {
        let name = format!("room{number:02}");
        world = world.room(&name, &[meeting("Standup", 1)]).await;
    }
    let url = format!("{:?}", cluster.database("building"));
    world.set_environment("PG_SECRET", PASSWORD);
    let password = format!("{{ file = {:?} }}", world.path("password"));
    let world = world.with("pod.password", &password);
    let world = world.with("schedule.sync", "\"*/2 * * * * *\"");
    let world = world.with("schedule.health", "\"*/2 * * * * *\"");
    let world = world.with("ledger.url", &url);
    world.with("ledger.password", "{ env = \"PG_SECRET\" }")
}

/// A folder with a copy of the configuration, and a way of its own to the server: the file.
fn configure(world: &World, name: &str, way: Option<(&str, &str)>) -> String {
    let folder = world.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut text = world.config_text();
    if let Some((from, to)) = way {
        assert!(text.contains(from));
        text = text.replace(from, to);
    }
    let file = folder.join("podcal.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// One more replica.
fn replica(world: &World, name: &str, way: Option<(&str, &str)>) -> Service {
    world.serve_with(&["--config", &configure(world, name, way)])
}

/// How many rooms each replica has, as the database says, in order of size.
fn shares(cluster: &Cluster) -> Vec<usize> {
    let rows = cluster.sql(
        "building",
        "SELECT count(room) FROM replica LEFT JOIN room_owner ON replica = id GROUP BY id ORDER BY 1",
    );
    rows.lines().map(|line| line.parse().unwrap()).collect()
}

fn owners(cluster: &Cluster) -> BTreeMap<String, String> {
    let rows = cluster.sql("building", "SELECT room, replica FROM room_owner");
    let rows = rows.lines().map(|line| line.split_once('|').unwrap());
    rows.map(|(room, replica)| (room.to_owned(), replica.to_owned()))
        .collect()
}

async fn until_shares(cluster: &Cluster, expected: &[usize]) {
    let what = format!("shares {expected:?}");
    let wait = async {
        while shares(cluster) != expected {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within(&what, wait).await;
}

/// Until the database knows of this meeting in every room, and that every display was sent it.
async fn until_written(cluster: &Cluster, rooms: usize, title: &str) {
    let of = |table| format!("SELECT count(*) FROM {table} WHERE memory LIKE '%{title}%'");
    let expected = rooms.to_string();
    let wait = async {
        while ["room_memory", "pod_memory"]
            .iter()
            .any(|table| cluster.sql("building", &of(table)) != expected)
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within(title, wait).await;
}

fn names(rooms: usize) -> Vec<String> {
    (0..rooms)
        .map(|number| format!("room{number:02}"))
        .collect()
}

/// Every room gets a new meeting, and every display shows it.
async fn all_show(world: &World, rooms: usize, title: &str) {
    for name in names(rooms) {
        world.set_feed(&name, &calendar(&[meeting(title, 1)]));
    }
    for name in names(rooms) {
        let is_shown = |pod: &_| titles(pod) == [title];
        world.until(title, &name, is_shown).await;
    }
}

fn pushes(world: &World, rooms: usize) -> Vec<usize> {
    names(rooms).iter().map(|name| world.pushes(name)).collect()
}

#[tokio::test]
async fn replicas_share_the_rooms_and_take_over_from_one_that_was_killed() {
    const ROOMS: usize = 9;
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let world = building(&cluster, ROOMS).await;
    let first = replica(&world, "a", None);
    first.says("first pass done").await;
    until_shares(&cluster, &[9]).await;
    all_show(&world, ROOMS, "Alone").await;
    let second = replica(&world, "b", None);
    until_shares(&cluster, &[4, 5]).await;
    let before = owners(&cluster);
    let third = replica(&world, "c", None);
    until_shares(&cluster, &[3, 3, 3]).await;
    let after = owners(&cluster);
    let moved = after
        .iter()
        .filter(|(room, owner)| before[*room] != **owner);
    assert_eq!(moved.count(), 3, "a third of the rooms");
    // What moved was not sent again.
    let sent = pushes(&world, ROOMS);
    assert_eq!(sent, vec![2; ROOMS]);
    all_show(&world, ROOMS, "Shared").await;
    assert_eq!(pushes(&world, ROOMS), vec![3; ROOMS]);

    // What a killed process did in its last second is not known to the others.
    until_written(&cluster, ROOMS, "Shared").await;
    let killed = Instant::now();
    first.kill().await;
    all_show(&world, ROOMS, "Taken over").await;
    // The lease, and what a busy machine takes besides.
    assert!(
        killed.elapsed() < Duration::from_secs(55),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(
        pushes(&world, ROOMS),
        vec![4; ROOMS],
        "none that was not needed"
    );
    until_shares(&cluster, &[4, 5]).await;

    // A clean stop gives the rooms back at once: no lease has to end.
    let log = second.stop().await;
    assert!(!log.contains(PASSWORD), "{log}");
    let replicas = cluster.sql("building", "SELECT count(*) FROM replica");
    assert_eq!(replicas, "1");
    until_shares(&cluster, &[9]).await;
    all_show(&world, ROOMS, "Last").await;
    assert_eq!(pushes(&world, ROOMS), vec![5; ROOMS]);
    let log = third.stop().await;
    assert_eq!(Service::troubles(&log), [""; 0], "{log}");
}

#[tokio::test]
async fn a_replica_that_is_cut_off_stops_when_its_lease_ends_and_comes_back() {
    const ROOMS: usize = 4;
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let world = building(&cluster, ROOMS).await;
    let stall = Stall::start(cluster.port()).await;
    let direct = format!(":{}/", cluster.port());
    let way = format!(":{}/", stall.port());
    let cut = replica(&world, "a", Some((&direct, &way)));
    cut.says("first pass done").await;
    let other = replica(&world, "b", None);
    until_shares(&cluster, &[2, 2]).await;
    all_show(&world, ROOMS, "Before").await;
    stall.stall();
    // It serves until its lease ends.
    all_show(&world, ROOMS, "Meanwhile").await;
    cut.says("replica.cut_off").await;
    until_shares(&cluster, &[4]).await;
    // The other one learns what the first one could not write down.
    until_written(&cluster, ROOMS, "Meanwhile").await;
    all_show(&world, ROOMS, "Meanwhile").await;
    let before = pushes(&world, ROOMS);
    all_show(&world, ROOMS, "By the other").await;
    let sent: usize = pushes(&world, ROOMS).iter().sum();
    assert_eq!(sent - before.iter().sum::<usize>(), ROOMS);
    stall.go_on();
    cut.says("replica.back").await;
    until_shares(&cluster, &[2, 2]).await;
    all_show(&world, ROOMS, "After").await;
    cut.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_server_that_restarts_moves_no_room() {
    const ROOMS: usize = 4;
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let world = building(&cluster, ROOMS).await;
    let one = replica(&world, "a", None);
    one.says("first pass done").await;
    let two = replica(&world, "b", None);
    until_shares(&cluster, &[2, 2]).await;
    all_show(&world, ROOMS, "Before").await;
    let before = owners(&cluster);
    cluster.stop();
    all_show(&world, ROOMS, "Meanwhile").await;
    one.says("ledger.write_failed").await;
    // Longer than a lease.
    tokio::time::sleep(Duration::from_secs(35)).await;
    all_show(&world, ROOMS, "Still").await;
    cluster.begin();
    one.says("can be written again").await;
    two.says("can be written again").await;
    all_show(&world, ROOMS, "After").await;
    assert_eq!(owners(&cluster), before);
    assert_eq!(pushes(&world, ROOMS), vec![5; ROOMS]);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn rooms_that_not_every_replica_has_are_said_and_left_alone() {
    const ROOMS: usize = 3;
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let mut world = building(&cluster, ROOMS).await;
    let one = replica(&world, "a", None);
    one.says("first pass done").await;
    world.forget_room("room02");
    let two = replica(&world, "b", None);
    one.says("has other rooms, calendars or pods (`room02`)")
        .await;
    two.says("has other rooms, calendars or pods (`room02`)")
        .await;
    until_shares(&cluster, &[1, 1]).await;
    // The first one gets the new configuration as well.
    std::fs::write(world.path("a/podcal.toml"), world.config_text()).unwrap();
    one.signal("HUP").await;
    one.says("all replicas have the same rooms again").await;
    until_shares(&cluster, &[1, 1]).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn what_is_asked_of_any_replica_is_done_by_the_one_that_serves_the_room() {
    const ROOMS: usize = 2;
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let world = building(&cluster, ROOMS).await;
    let one = replica(&world, "a", None);
    one.says("first pass done").await;
    let two = replica(&world, "b", None);
    until_shares(&cluster, &[1, 1]).await;
    all_show(&world, ROOMS, "Shared").await;
    let before = pushes(&world, ROOMS);
    // Beside each of them, and where none runs.
    let elsewhere = configure(&world, "elsewhere", None);
    let files = ["a", "b"].map(|name| world.path(name).join("podcal.toml"));
    let files = files.map(|file| file.to_str().unwrap().to_owned());
    let files = [&files[0], &files[1], &elsewhere];
    for file in files {
        let sync = ["--config", file, "sync", "--force"];
        world.podcal(&sync).await.exits(0);
        let room = ["--config", file, "sync", "--force", "--room", "room01"];
        world.podcal(&room).await.exits(0);
        let status = ["--config", file, "status"];
        let status = world.podcal(&status).await.exits(0);
        assert_eq!(
            status.stdout.matches("serves 1 room").count(),
            2,
            "{status}"
        );
    }
    assert_eq!(pushes(&world, ROOMS), [before[0] + 3, before[1] + 6]);
    for file in files {
        for room in names(ROOMS) {
            let trust = ["--config", file, "pod", &room, "trust"];
            world.podcal(&trust).await.exits(0);
        }
    }
    let requests = cluster.sql("building", "SELECT count(*) FROM request");
    assert_eq!(requests, "0", "whoever asked cleared up");
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_password_that_one_replica_was_refused_is_not_tried_by_the_next() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let world = building(&cluster, 1).await;
    world.set_password("Not-the-password-1");
    let one = replica(&world, "a", None);
    one.says("sign_in.paused").await;
    let two = replica(&world, "b", None);
    until_shares(&cluster, &[0, 1]).await;
    one.kill().await;
    until_shares(&cluster, &[1]).await;
    let pulls = world.pulls("room00");
    world.until_pulled("room00", pulls + 3).await;
    assert_eq!(world.sign_ins("room00"), (0, 1));
    two.stop().await;
}
