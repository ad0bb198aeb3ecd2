use super::*;
use crate::ledger::old::tests::{at, new_ledger, pod, room};

#[tokio::test]
async fn a_pod_that_refused_the_password_rests_across_a_restart() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    ledger.rest(&display, at(600), 2, u16::MAX).await.unwrap();
    let again = Ledger::open(ledger.path()).await.unwrap();
    let standing = again.pod(&display).await.unwrap();
    assert_eq!(
        (
            standing.rest_until,
            standing.rejections,
            standing.password_tag
        ),
        (Some(at(600)), 2, Some(u16::MAX))
    );
    again.clear_rest(&display).await.unwrap();
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(
        (
            standing.rest_until,
            standing.rejections,
            standing.password_tag
        ),
        (None, 0, None)
    );
}

#[tokio::test]
async fn health_names_the_state_before_when_it_changes() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    ledger.set_room(&display, &room("elm")).await.unwrap();
    for (second, state, detail, before, since) in [
        (1, "well", None, None, 1),
        (2, "well", None, None, 1),
        (3, "unreachable", Some("timed out"), Some("well"), 3),
        (4, "unreachable", Some("refused"), None, 3),
        (5, "well", None, Some("unreachable"), 5),
    ] {
        let changed = ledger
            .set_health(&display, state, detail, at(second))
            .await
            .unwrap();
        assert_eq!(changed.as_deref(), before, "{second}");
        let standing = ledger.pod(&display).await.unwrap();
        assert_eq!(standing.health.as_deref(), Some(state));
        assert_eq!(standing.health_detail.as_deref(), detail);
        assert_eq!(standing.health_since, Some(at(since)));
        assert_eq!(standing.checked_at, Some(at(second)));
    }
    let changes = ledger.history(&room("elm"), 10).await.unwrap();
    assert_eq!(
        changes.iter().map(|entry| entry.at).collect::<Vec<_>>(),
        [at(5), at(3), at(1)]
    );
}

#[tokio::test]
async fn a_poll_that_was_answered_is_remembered() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    for second in [1, 2] {
        ledger.seen(&display, at(second)).await.unwrap();
        assert_eq!(
            ledger.pod(&display).await.unwrap().seen_at,
            Some(at(second))
        );
    }
}

#[tokio::test]
async fn the_configuration_of_a_pod_is_kept_as_it_was_read_last() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    assert_eq!(ledger.config_snapshot(&display).await.unwrap(), None);
    for (json, second) in [("{\"a\":1}", 1), ("{\"a\":2}", 2)] {
        ledger
            .keep_config(&display, json, at(second))
            .await
            .unwrap();
        let kept = ledger.config_snapshot(&display).await.unwrap();
        assert_eq!(kept, Some((at(second), json.to_owned())));
    }
}

#[tokio::test]
async fn the_same_drift_every_hour_is_one_line() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    ledger.set_room(&display, &room("elm")).await.unwrap();
    for (second, detail) in [
        (1, "display.calendar"),
        (2, "display.calendar"),
        (3, "audio"),
        (4, "display.calendar"),
    ] {
        ledger
            .drifted(&display, detail, false, at(second))
            .await
            .unwrap();
    }
    let history = ledger.history(&room("elm"), 10).await.unwrap();
    let lines: Vec<_> = history
        .iter()
        .map(|entry| (entry.at, entry.count))
        .collect();
    assert_eq!(lines, [(at(4), 1), (at(3), 1), (at(2), 2)]);
}
