use super::*;
use crate::ledger::Batch;
use crate::ledger::tests::{agenda, at, feed, new_ledger, pod, room};

fn lost(reason: &str) -> Event {
    Event::Lost {
        pod: "192.0.2.1".to_owned(),
        reason: reason.to_owned(),
    }
}

fn failed(error: &str) -> Event {
    Event::PullFailed {
        feed: feed("a").to_string(),
        error: error.to_owned(),
        kind: "refused".to_owned(),
        passing: true,
    }
}

fn of_pod(second: i64, reason: &str) -> HistoryLine {
    HistoryLine::of_pod(
        Some(&room("elm")),
        &pod("192.0.2.1"),
        at(second),
        lost(reason),
    )
}

fn of_feed(second: i64, error: &str) -> HistoryLine {
    HistoryLine::of_feed(&feed("a"), at(second), failed(error))
}

async fn store(ledger: &Ledger, lines: impl IntoIterator<Item = (HistoryLine, u32)>) {
    let batch = Batch {
        history: lines.into_iter().collect(),
        ..Batch::default()
    };
    ledger.store(&batch).await.unwrap();
}

/// Time of the first, time of the last, count.
async fn told(ledger: &Ledger, limit: u32) -> Vec<(i64, i64, u32)> {
    let entries = ledger
        .history(&room("elm"), &[feed("a")], limit)
        .await
        .unwrap();
    entries
        .iter()
        .map(|entry| (entry.since.seconds(), entry.at.seconds(), entry.count))
        .collect()
}

#[tokio::test]
async fn a_room_has_the_lines_of_its_pods_and_feeds_newest_first() {
    let (_folder, ledger) = new_ledger().await;
    let elsewhere = HistoryLine::of_pod(
        Some(&room("oak")),
        &pod("192.0.2.2"),
        at(4),
        lost("restarted"),
    );
    let lines = [of_pod(1, "a"), of_feed(2, "b"), of_pod(3, "c"), elsewhere];
    store(&ledger, lines.map(|line| (line, 1))).await;
    assert_eq!(told(&ledger, 9).await, [(3, 3, 1), (2, 2, 1), (1, 1, 1)]);
    assert_eq!(told(&ledger, 2).await, [(3, 3, 1), (2, 2, 1)]);
    let without_feed = ledger.history(&room("elm"), &[], 9).await.unwrap();
    assert_eq!(without_feed.len(), 2);
}

#[tokio::test]
async fn the_same_failure_in_one_streak_is_one_line_with_a_count() {
    let (_folder, ledger) = new_ledger().await;
    let in_streak = |second, error, since| of_feed(second, error).in_streak(at(since));
    store(&ledger, [(in_streak(10, "404", 10), 1)]).await;
    store(&ledger, [(in_streak(20, "404", 10), 1)]).await;
    store(&ledger, [(in_streak(50, "404", 10), 3)]).await;
    assert_eq!(told(&ledger, 9).await, [(10, 50, 5)]);
    // Another failure of the same streak, and then the first one again.
    store(&ledger, [(in_streak(60, "500", 10), 1)]).await;
    store(&ledger, [(in_streak(70, "404", 10), 1)]).await;
    assert_eq!(told(&ledger, 9).await, [(10, 70, 6), (60, 60, 1)]);
    // Another streak.
    store(&ledger, [(in_streak(80, "404", 80), 1)]).await;
    assert_eq!(told(&ledger, 1).await, [(80, 80, 1)]);
    // A clock that was set back.
    store(&ledger, [(in_streak(75, "404", 80), 1)]).await;
    assert_eq!(told(&ledger, 1).await, [(80, 80, 2)]);
}

#[tokio::test]
async fn events_come_back_as_they_were() {
    let (_folder, ledger) = new_ledger().await;
    let titles: Vec<String> = (0..100).map(|n| format!("Meeting {n}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let pushed = Event::Pushed {
        pod: "192.0.2.1".to_owned(),
        reason: "changed".to_owned(),
        meetings: 100,
        changes: Changes::between(&agenda(&[]), &agenda(&titles)),
        duration_ms: 12,
        failures: 3,
    };
    let line = HistoryLine::of_pod(Some(&room("elm")), &pod("192.0.2.1"), at(1), pushed.clone());
    store(&ledger, [(line, 1)]).await;
    let entries = ledger.history(&room("elm"), &[], 9).await.unwrap();
    assert_eq!(entries[0].event, pushed);
    let json = serde_json::to_value(&entries[0]).unwrap();
    assert_eq!(json["what"], "pushed");
    assert_eq!(json["at"], 1);
}

#[tokio::test]
async fn an_event_of_a_newer_podcal_is_left_out() {
    let (_folder, ledger) = new_ledger().await;
    store(&ledger, [(of_pod(1, "a"), 1), (of_pod(2, "b"), 1)]).await;
    ledger
        .write(async |connection| {
            sql("UPDATE history SET event = CAST('{\"what\":\"teleported\"}' AS BLOB) WHERE at = 2")
                .execute(connection)
                .await
        })
        .await
        .unwrap();
    assert_eq!(told(&ledger, 9).await, [(1, 1, 1)]);
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_removed() {
    let (_folder, ledger) = new_ledger().await;
    store(&ledger, (1..=1100).map(|n| (of_pod(n, "a"), 1))).await;
    store(&ledger, (1..=5).map(|n| (of_feed(n * 300, "b"), 1))).await;
    let keep = Duration::from_secs(1000);
    let removed = ledger.prune_history(at(1500), keep).await.unwrap();
    // Before 500: 499 of the pod, one of the feed.
    assert_eq!(removed, 500);
    store(&ledger, (1600..=2700).map(|n| (of_pod(n, "a"), 1))).await;
    let removed = ledger
        .prune_history(at(2000), Duration::from_secs(5000))
        .await;
    assert_eq!(removed.unwrap(), 601 + 1101 - 1000);
    let told = told(&ledger, 2000).await;
    assert_eq!(told.len(), 1004, "a feed has its own share");
    assert_eq!(told[0], (2700, 2700, 1));
}
