use super::*;
use crate::ledger::old::tests::{agenda, at, new_ledger, pod, room};

/// A pod that confirmed a push at second 10.
async fn pushed(ledger: &Ledger, pod: &PodUrl, titles: &[&str]) -> Agenda {
    let now = agenda(titles);
    let changes = Changes::between(&Agenda::default(), &now);
    ledger
        .confirm(pod, &room("elm"), &now, &changes, "first", at(10), 42)
        .await
        .unwrap();
    now
}

#[tokio::test]
async fn a_pod_that_was_never_met_has_an_empty_standing() {
    let (_folder, ledger) = new_ledger().await;
    let standing = ledger.pod(&pod("192.0.2.1")).await.unwrap();
    assert_eq!(standing, PodStanding::default());
    assert_eq!(standing.on_display(), OnDisplay::Never);
}

#[tokio::test]
async fn what_the_pod_confirmed_is_on_its_display_until_it_is_lost() {
    let (_folder, ledger) = new_ledger().await;
    let (display, other) = (pod("192.0.2.1"), pod("192.0.2.2"));
    let agenda = pushed(&ledger, &display, &["Planning", "Lunch"]).await;
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(standing.on_display(), OnDisplay::Shows(agenda.clone()));
    assert_eq!(
        (standing.confirmed_at, standing.seen_at),
        (Some(at(10)), Some(at(10)))
    );
    assert_eq!(
        ledger.pod(&other).await.unwrap().on_display(),
        OnDisplay::Never
    );

    ledger.set_echo(&display, Some(&agenda)).await.unwrap();
    ledger.forget(&display, "restarted", at(20)).await.unwrap();
    ledger.forget(&display, "foreign", at(30)).await.unwrap();
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(standing.on_display(), OnDisplay::Lost);
    assert_eq!(standing.lost_reason.as_deref(), Some("restarted"));
    assert_eq!(
        standing.confirmed,
        Some(agenda),
        "still known, for the history of the next push"
    );
    assert_eq!(standing.echo, None);
    let lost: Vec<_> = ledger
        .history(&room("elm"), 10)
        .await
        .unwrap()
        .into_iter()
        .filter(|entry| matches!(entry.event, Event::Lost { .. }))
        .map(|entry| entry.at)
        .collect();
    assert_eq!(lost, [at(20)], "one loss is one line");

    let again = pushed(&ledger, &display, &["Planning"]).await;
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(standing.on_display(), OnDisplay::Shows(again));
    assert_eq!(standing.lost_reason, None);
}

#[tokio::test]
async fn a_display_that_was_never_pushed_to_can_be_lost() {
    let (_folder, ledger) = new_ledger().await;
    ledger
        .forget(&pod("192.0.2.1"), "foreign", at(1))
        .await
        .unwrap();
    let standing = ledger.pod(&pod("192.0.2.1")).await.unwrap();
    assert_eq!(standing.on_display(), OnDisplay::Lost);
}

#[tokio::test]
async fn an_agenda_that_cannot_be_read_is_pushed_again() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    pushed(&ledger, &display, &["Planning"]).await;
    sqlx::query("UPDATE pod_agenda SET confirmed = '[{\"id\":'")
        .execute(&ledger.writer)
        .await
        .unwrap();
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(standing.on_display(), OnDisplay::Lost);
    assert_eq!(standing.confirmed, None);
}

#[tokio::test]
async fn what_a_pod_makes_of_an_agenda_belongs_to_that_push() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    let echo = agenda(&["PLANNING"]);
    ledger.set_echo(&display, Some(&echo)).await.unwrap();
    assert_eq!(ledger.pod(&display).await.unwrap().echo, Some(echo.clone()));
    assert_eq!(
        ledger.pod(&display).await.unwrap().on_display(),
        OnDisplay::Never
    );
    ledger.set_echo(&display, None).await.unwrap();
    assert_eq!(ledger.pod(&display).await.unwrap().echo, None);
    ledger.set_echo(&display, Some(&echo)).await.unwrap();
    pushed(&ledger, &display, &["Review"]).await;
    assert_eq!(ledger.pod(&display).await.unwrap().echo, None);
}

#[tokio::test]
async fn a_certificate_is_trusted_until_somebody_says_otherwise() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    ledger.set_room(&display, &room("elm")).await.unwrap();
    ledger
        .set_pin(&display, Some([1; 32]), at(1))
        .await
        .unwrap();
    ledger
        .set_pin(&display, Some([1; 32]), at(2))
        .await
        .unwrap();
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(
        (standing.pin, standing.pinned_at),
        (Some([1; 32]), Some(at(1)))
    );
    ledger
        .set_pin(&display, Some([2; 32]), at(3))
        .await
        .unwrap();
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(
        (standing.pin, standing.pinned_at),
        (Some([2; 32]), Some(at(3)))
    );
    ledger.set_pin(&display, None, at(4)).await.unwrap();
    ledger.set_pin(&display, None, at(5)).await.unwrap();
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!((standing.pin, standing.pinned_at), (None, None));
    let history: Vec<_> = ledger.history(&room("elm"), 10).await.unwrap();
    let pins: Vec<_> = history
        .iter()
        .map(|entry| match &entry.event {
            Event::Certificate { sha256, .. } => sha256.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pins, [None, Some("02".repeat(32)), Some("01".repeat(32))]);
}

#[tokio::test]
async fn a_pin_that_cannot_be_read_is_not_no_pin() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    ledger
        .set_pin(&display, Some([1; 32]), at(1))
        .await
        .unwrap();
    let mut writer = ledger.writer.acquire().await.unwrap();
    for statement in [
        "PRAGMA ignore_check_constraints = ON",
        "UPDATE pin SET sha256 = x'01'",
    ] {
        sqlx::query(statement).execute(&mut *writer).await.unwrap();
    }
    let error = ledger.pod(&display).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn device_and_mode_are_remembered() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    ledger.set_room(&display, &room("elm")).await.unwrap();
    for (device, mode, second) in [("d1", "3", 1), ("d1", "3", 2), ("d2", "1", 3)] {
        ledger.set_device(&display, device).await.unwrap();
        ledger.set_mode(&display, mode, at(second)).await.unwrap();
        let standing = ledger.pod(&display).await.unwrap();
        assert_eq!(standing.device_id.as_deref(), Some(device));
        assert_eq!(standing.mode.as_deref(), Some(mode));
        assert_eq!(standing.mode_checked_at, Some(at(second)));
    }
    let modes = ledger.history(&room("elm"), 10).await.unwrap();
    assert_eq!(
        modes.iter().map(|entry| entry.at).collect::<Vec<_>>(),
        [at(3), at(1)]
    );
}

#[tokio::test]
async fn repushes_are_counted_across_pushes_until_the_display_shows_them() {
    let (_folder, ledger) = new_ledger().await;
    let display = pod("192.0.2.1");
    ledger.reset_repushes(&display).await.unwrap();
    assert_eq!(ledger.count_repush(&display).await.unwrap(), 1);
    pushed(&ledger, &display, &["Planning"]).await;
    assert_eq!(ledger.count_repush(&display).await.unwrap(), 2);
    assert_eq!(ledger.pod(&display).await.unwrap().repushes, 2);
    ledger.reset_repushes(&display).await.unwrap();
    assert_eq!(ledger.pod(&display).await.unwrap().repushes, 0);
}

#[tokio::test]
async fn a_push_that_failed_leaves_what_is_known_of_the_display() {
    let (_folder, ledger) = new_ledger().await;
    let (display, elm) = (pod("192.0.2.1"), room("elm"));
    let agenda = pushed(&ledger, &display, &["Planning"]).await;
    for (second, error, failures) in [
        (20, "timed out", 1),
        (30, "timed out", 2),
        (40, "answered 500", 3),
    ] {
        let counted = ledger
            .push_failed(&display, &elm, at(second), error, "network", true)
            .await
            .unwrap();
        assert_eq!(counted, failures);
        // Whatever a poll notes in between does not break the streak.
        ledger
            .set_health(&display, error, None, at(second + 1))
            .await
            .unwrap();
        let standing = ledger.pod(&display).await.unwrap();
        assert_eq!(standing.failures, failures);
        assert_eq!(standing.failing_since, Some(at(20)));
        assert_eq!(standing.last_error.as_deref(), Some(error));
        assert_eq!(standing.on_display(), OnDisplay::Shows(agenda.clone()));
    }
    pushed(&ledger, &display, &["Review"]).await;
    let standing = ledger.pod(&display).await.unwrap();
    assert_eq!(
        (
            standing.failures,
            standing.failing_since,
            standing.last_error
        ),
        (0, None, None)
    );
    ledger
        .push_failed(&display, &elm, at(50), "timed out", "network", true)
        .await
        .unwrap();

    let history = ledger.history(&elm, 20).await.unwrap();
    let failed: Vec<_> = history
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::PushFailed { error, .. } => Some((error.as_str(), entry.count)),
            _ => None,
        })
        .collect();
    assert_eq!(
        failed,
        [("timed out", 1), ("answered 500", 1), ("timed out", 2)]
    );
    let ended: Vec<_> = history
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Pushed { failures, .. } => Some(*failures),
            _ => None,
        })
        .collect();
    assert_eq!(ended.iter().sum::<u32>(), 3);
}
