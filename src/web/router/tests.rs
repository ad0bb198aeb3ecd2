//! Answers of the router over a service that publishes nothing more.

use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;

use tokio::sync::watch;

use super::*;
use crate::config::load::{Draft, check_draft};
use crate::model::name::RoomName;
use crate::model::replica::{KnownRooms, Replica, ReplicaId, Roll};
use crate::model::time::UnixTime;
use crate::service::Service;
use crate::service::clock::Clock;
use crate::service::open_ledger::OpenLedger;
use crate::service::snapshot::Snapshot;

fn wall() -> UnixTime {
    UnixTime::from_seconds(jiff::Timestamp::now().as_second())
}

/// A snapshot of a service that has just been started; nothing of it runs any more.
async fn snapshot(folder: &TempDir, clock: Clock) -> Snapshot {
    let path = folder.path().join("podcal.toml");
    let text = "time_zone = \"UTC\"\npod.password = \"solstice\"\n[rooms.oak]\nfeed = \"file:oak.ics\"\n\
                pod = \"https://127.0.0.1:1\"\n";
    let config = check_draft(text, &path, Draft::default()).unwrap().config;
    let ledger = OpenLedger::open(&config, clock, false).await.unwrap();
    let ground = ledger.ground(clock, &ledger.network(), false, false);
    let mut service = Service::start(config, ground).await;
    let snapshot = service.snapshot(Arc::new(service.views()), 0, false);
    service.end().await;
    ledger.close().await;
    snapshot
}

struct Served {
    snapshots: watch::Sender<Arc<Snapshot>>,
    router: TowerToHyperService<Router>,
}

impl Served {
    fn new(snapshot: Snapshot, clock: Clock) -> Self {
        let (snapshots, published) = watch::channel(Arc::new(snapshot));
        let site = Arc::new(Site::new(published, clock, None));
        Self {
            snapshots,
            router: TowerToHyperService::new(router(site)),
        }
    }

    /// The status and the text of an answer.
    async fn get(&self, path: &str) -> (u16, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = self.router.call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 10_000_000);
        let body = body.await.unwrap().to_vec();
        (status, String::from_utf8(body).unwrap())
    }

    fn publish(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = Snapshot::clone(&self.snapshots.borrow());
        change(&mut snapshot);
        self.snapshots.send_replace(Arc::new(snapshot));
    }
}

#[tokio::test]
async fn a_service_that_stands_still_is_not_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::start(wall);
    let served = Served::new(snapshot(&folder, clock).await, clock);
    assert_eq!(served.get("/healthz").await, (200, "healthy\n".to_owned()));
    // Its loop publishes nothing for longer than a minute.
    tokio::time::pause();
    tokio::time::advance(LATE + Duration::from_secs(1)).await;
    let stuck = "not healthy: the service has stopped working\n".to_owned();
    assert_eq!(served.get("/healthz").await, (503, stuck));
    served.publish(|snapshot| snapshot.at = clock.now());
    assert_eq!(served.get("/healthz").await.0, 200);
    // The loop goes on, but tasks do not.
    served.publish(|snapshot| snapshot.late = 2);
    let late = "not healthy: 2 of the service's tasks are late or ended\n".to_owned();
    assert_eq!(served.get("/healthz").await, (503, late));
}

#[tokio::test]
async fn it_is_ready_once_the_first_pass_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::start(wall);
    let served = Served::new(snapshot(&folder, clock).await, clock);
    let (status, says) = served.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(
        says.contains("the first pass over all rooms is not done"),
        "{says}"
    );
    served.publish(|snapshot| snapshot.is_first_pass_done = true);
    assert_eq!(served.get("/readyz").await, (200, "ready\n".to_owned()));
    // Trouble in the building is no reason to take the service out.
    served.publish(|snapshot| snapshot.is_ledger_writable = false);
    assert_eq!(served.get("/readyz").await.0, 200);
    assert_eq!(served.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn which_replica_serves_a_room_is_on_the_page_in_the_metrics_and_in_the_status() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::start(wall);
    let served = Served::new(snapshot(&folder, clock).await, clock);
    for path in ["/rooms/oak", "/metrics", "/api/v1/status"] {
        let (status, says) = served.get(path).await;
        assert!(status == 200 && !says.contains("replica"), "{path}: {says}");
    }
    let replica = |name: &str| Replica {
        id: ReplicaId(name.to_owned()),
        name: format!("{name} (process 7)"),
        version: "1.0.0".to_owned(),
        known: KnownRooms::default(),
    };
    let oak = RoomName::new("oak").unwrap();
    let roll = Roll {
        replicas: vec![replica("east"), replica("west")],
        owners: [(oak, ReplicaId("west".to_owned()))].into(),
    };
    served.publish(|snapshot| snapshot.roll = Arc::new(roll));
    for (path, expected) in [
        ("/rooms/oak", "Served by west (process 7)."),
        (
            "/metrics",
            "podcal_replica_rooms{replica=\"west (process 7)\"} 1",
        ),
        (
            "/metrics",
            "podcal_replica_rooms{replica=\"east (process 7)\"} 0",
        ),
        ("/api/v1/status", "\"replica\":\"west (process 7)\""),
    ] {
        let (_, says) = served.get(path).await;
        assert!(says.contains(expected), "{path}: {says}");
    }
}
