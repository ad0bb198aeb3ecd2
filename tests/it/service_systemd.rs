//! What systemd is told of a service of `Type=notify` with a watchdog.

use std::time::Duration;

use podcal::sim::Fault;
use podcal::sim::feedhost::FeedFault;
use tokio::net::UnixDatagram;

use crate::support::{World, meeting, titles, within};

/// The next message of the service, as systemd gets it.
async fn told(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = within("a message", socket.recv(&mut message))
        .await
        .unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

async fn told_with(socket: &UnixDatagram, words: &str) -> String {
    loop {
        let message = told(socket).await;
        if message.contains(words) {
            return message;
        }
    }
}

/// A world whose service is started as systemd would, with this long between signs of life.
async fn world(watchdog: Duration) -> (World, UnixDatagram) {
    let mut world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let path = world.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    world.set_environment("NOTIFY_SOCKET", path.to_str().unwrap());
    world.set_environment("WATCHDOG_USEC", &watchdog.as_micros().to_string());
    (world, socket)
}

#[tokio::test]
async fn systemd_is_told_when_it_is_ready_how_it_stands_and_that_it_stops() {
    let (world, systemd) = world(Duration::from_secs(600)).await;
    let service = world.serve();
    assert!(told(&systemd).await.starts_with("READY=1\n"));
    let stands = told_with(&systemd, "in step").await;
    assert!(
        stands.starts_with("STATUS=first pass done: 1 of 1"),
        "{stands}"
    );
    let stopping = async { told_with(&systemd, "STOPPING=1").await };
    let (log, _) = tokio::join!(service.stop(), stopping);
    assert!(!log.contains("ERROR"), "{log}");
}

/// Calendars and displays that fail are no reason to be restarted.
#[tokio::test]
async fn signs_of_life_come_whatever_calendars_and_pods_do_and_end_when_it_stands_still() {
    let (world, systemd) = world(Duration::from_secs(2)).await;
    let service = world.serve();
    world
        .until("the first push", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    world.feeds.fault(FeedFault::hang());
    world.pod("oak").fault(Fault::hang());
    for _ in 0..5 {
        told_with(&systemd, "WATCHDOG=1").await;
    }
    service.signal("STOP").await;
    let stat = format!("/proc/{}/stat", service.pid());
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        tokio::task::yield_now().await;
    }
    // What it had sent before.
    let mut message = [0; 4096];
    while systemd.try_recv(&mut message).is_ok() {}
    let silent = tokio::time::timeout(Duration::from_secs(4), systemd.recv(&mut message));
    assert!(silent.await.is_err(), "twice as long as it had");
    service.signal("CONT").await;
    told_with(&systemd, "WATCHDOG=1").await;
    service.kill().await;
}

/// The variable may be left over from whatever started a shell.
#[tokio::test]
async fn a_socket_that_nobody_listens_to_does_not_matter() {
    let (world, systemd) = world(Duration::from_secs(2)).await;
    drop(systemd);
    let service = world.serve();
    service.says("first pass done").await;
    service.stop().await;
}
