use super::*;
use crate::ledger::old::tests::{at, new_ledger, room};

#[tokio::test]
async fn a_room_that_was_never_synced_is_not_in_step() {
    let (_folder, ledger) = new_ledger().await;
    let standing = ledger.room_standing(&room("elm")).await.unwrap();
    assert_eq!(standing, RoomStanding::default());
    assert!(!standing.in_step);
}

#[tokio::test]
async fn a_room_fails_since_its_first_failure_until_it_is_well() {
    let (_folder, ledger) = new_ledger().await;
    let elm = room("elm");
    for (second, in_step, error, failing_since) in [
        (10, true, None, None),
        (20, false, Some("the feed timed out"), Some(20)),
        (30, true, Some("the feed answered 503"), Some(20)),
        (40, true, None, None),
        (50, false, Some("the feed timed out"), Some(50)),
    ] {
        ledger
            .room_synced(&elm, at(second), in_step, error)
            .await
            .unwrap();
        assert_eq!(
            ledger.room_standing(&elm).await.unwrap(),
            RoomStanding {
                synced_at: Some(at(second)),
                in_step,
                last_error: error.map(str::to_owned),
                failing_since: failing_since.map(at),
                vanished_since: None,
            }
        );
    }
    assert_eq!(
        ledger.room_standing(&room("oak")).await.unwrap(),
        RoomStanding::default()
    );
}

#[tokio::test]
async fn what_vanished_is_remembered_across_cycles() {
    let (_folder, ledger) = new_ledger().await;
    let elm = room("elm");
    ledger.set_vanished(&elm, Some(at(5))).await.unwrap();
    ledger.room_synced(&elm, at(6), false, None).await.unwrap();
    let standing = ledger.room_standing(&elm).await.unwrap();
    assert_eq!(standing.vanished_since, Some(at(5)));
    ledger.set_vanished(&elm, None).await.unwrap();
    let standing = ledger.room_standing(&elm).await.unwrap();
    assert_eq!(
        (standing.vanished_since, standing.synced_at),
        (None, Some(at(6)))
    );
}

#[tokio::test]
async fn the_service_is_told_running_from_stopped_from_killed() {
    let (_folder, ledger) = new_ledger().await;
    assert_eq!(ledger.service().await.unwrap(), ServiceStanding::default());
    assert_eq!(ledger.last_beat().await.unwrap(), None);
    ledger.service_started(at(1), "0.1.0").await.unwrap();
    ledger.beat(at(2)).await.unwrap();
    ledger.service_stopped(at(3)).await.unwrap();
    let stopped = ServiceStanding {
        started_at: Some(at(1)),
        stopped_at: Some(at(3)),
        version: Some("0.1.0".to_owned()),
        last_cycle_at: Some(at(2)),
    };
    assert_eq!(ledger.service().await.unwrap(), stopped);
    ledger.service_started(at(4), "0.2.0").await.unwrap();
    let running = ledger.service().await.unwrap();
    assert_eq!(
        (
            running.started_at,
            running.stopped_at,
            running.version.as_deref()
        ),
        (Some(at(4)), None, Some("0.2.0"))
    );
    assert_eq!(running.last_cycle_at, Some(at(2)), "of the start before");
}
