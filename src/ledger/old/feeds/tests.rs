use super::*;
use crate::ledger::old::history::{Entry, Event};
use crate::ledger::old::tests::{at, feed, item, new_ledger, room};

fn whole<'a>(items: &'a [FeedItem], state: &'a FeedState) -> Keep<'a> {
    Keep {
        changed: items,
        removed: &[],
        whole: true,
        state,
        at: at(100),
    }
}

fn trouble(error: &str) -> PullTrouble<'_> {
    PullTrouble {
        error,
        kind: "timeout",
        passing: true,
        not_before: None,
    }
}

#[tokio::test]
async fn a_feed_that_was_never_kept_holds_nothing() {
    let (_folder, ledger) = new_ledger().await;
    assert_eq!(ledger.held(&feed("a")).await.unwrap(), Held::default());
    assert_eq!(
        ledger.feed_standing(&feed("a")).await.unwrap(),
        FeedStanding::default()
    );
}

#[tokio::test]
async fn bodies_come_back_with_their_validators() {
    let (_folder, ledger) = new_ledger().await;
    let state = FeedState(Some("sync-token".to_owned()));
    let long = format!(
        "BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n",
        "X-A:1\r\n".repeat(5000)
    );
    let items = [
        item("a.ics", "BEGIN:VCALENDAR"),
        FeedItem {
            etag: None,
            last_modified: None,
            ..item("b.ics", &long)
        },
        FeedItem {
            body: vec![0xFF, 0, 0xFE].into(),
            ..item("c.ics", "")
        },
    ];
    ledger
        .keep(&feed("a"), &whole(&items, &state))
        .await
        .unwrap();
    let held = ledger.held(&feed("a")).await.unwrap();
    assert_eq!(held.items, items);
    assert_eq!(held.state, state);
    assert_eq!(ledger.held(&feed("b")).await.unwrap(), Held::default());
    let standing = ledger.feed_standing(&feed("a")).await.unwrap();
    assert!(standing.has_items);
    assert_eq!(standing.changed_at, Some(at(100)));
    assert_eq!(standing.pulled_at, None, "keeping is not pulling");
}

#[tokio::test]
async fn of_a_collection_only_what_changed_is_written() {
    let (_folder, ledger) = new_ledger().await;
    let collection = feed("a");
    let first = [item("a", "1"), item("b", "1"), item("c", "1")];
    ledger
        .keep(&collection, &whole(&first, &FeedState(None)))
        .await
        .unwrap();
    let hrefs = |held: Held| -> Vec<_> {
        held.items
            .iter()
            .map(|item| format!("{}={}", item.href, String::from_utf8_lossy(&item.body)))
            .collect()
    };
    let part = Keep {
        changed: &[item("b", "22"), item("d", "1")],
        removed: &["c".to_owned(), "never".to_owned()],
        whole: false,
        state: &FeedState(Some("2".to_owned())),
        at: at(200),
    };
    ledger.keep(&collection, &part).await.unwrap();
    assert_eq!(
        hrefs(ledger.held(&collection).await.unwrap()),
        ["a=1", "b=22", "d=1"]
    );
    assert_eq!(
        ledger.feed_standing(&collection).await.unwrap().changed_at,
        Some(at(200))
    );

    // Only the state moved on.
    let state = FeedState(Some("3".to_owned()));
    let nothing = Keep {
        changed: &[],
        removed: &[],
        whole: false,
        state: &state,
        at: at(300),
    };
    ledger.keep(&collection, &nothing).await.unwrap();
    let held = ledger.held(&collection).await.unwrap();
    assert_eq!(held.state, state);
    assert_eq!(held.items.len(), 3);
    assert_eq!(
        ledger.feed_standing(&collection).await.unwrap().changed_at,
        Some(at(200))
    );

    let rest = [item("d", "1")];
    ledger
        .keep(&collection, &whole(&rest, &state))
        .await
        .unwrap();
    assert_eq!(hrefs(ledger.held(&collection).await.unwrap()), ["d=1"]);
    ledger.keep(&collection, &whole(&[], &state)).await.unwrap();
    assert!(!ledger.feed_standing(&collection).await.unwrap().has_items);
}

#[tokio::test]
async fn a_damaged_body_is_asked_for_again_without_its_validators() {
    let (_folder, ledger) = new_ledger().await;
    let items = [item("a", &"BEGIN:VEVENT\r\n".repeat(500)), item("b", "1")];
    let state = FeedState(Some("sync-token".to_owned()));
    ledger
        .keep(&feed("a"), &whole(&items, &state))
        .await
        .unwrap();
    sqlx::query("UPDATE item SET body = substr(body, 1, 20) WHERE href = 'a'")
        .execute(&ledger.writer)
        .await
        .unwrap();
    assert_eq!(ledger.held(&feed("a")).await.unwrap(), Held::default());
    ledger
        .keep(&feed("a"), &whole(&items, &state))
        .await
        .unwrap();
    assert_eq!(ledger.held(&feed("a")).await.unwrap().items, items);
}

#[tokio::test]
async fn a_calendar_server_that_is_down_keeps_what_is_held_and_counts() {
    let (_folder, ledger) = new_ledger().await;
    let (calendar, elm) = (feed("a"), room("elm"));
    let items = [item("", "BEGIN:VCALENDAR")];
    ledger
        .keep(&calendar, &whole(&items, &FeedState(None)))
        .await
        .unwrap();
    ledger
        .pull_succeeded(&calendar, &elm, at(100), true)
        .await
        .unwrap();
    for (second, failures) in [(200, 1), (300, 2)] {
        let standing = ledger
            .pull_failed(
                &calendar,
                &elm,
                at(second),
                &PullTrouble {
                    not_before: Some(at(second + 60)),
                    ..trouble("the feed at calendar.example.com did not answer")
                },
            )
            .await
            .unwrap();
        let expected = FeedStanding {
            pulled_at: Some(at(100)),
            changed_at: Some(at(100)),
            failing_since: Some(at(200)),
            failures,
            last_error: Some("the feed at calendar.example.com did not answer".to_owned()),
            last_kind: Some("timeout".to_owned()),
            not_before: Some(at(second + 60)),
            has_items: true,
        };
        assert_eq!(standing, expected);
        assert_eq!(ledger.feed_standing(&calendar).await.unwrap(), expected);
    }
    assert_eq!(ledger.held(&calendar).await.unwrap().items, items);
    ledger
        .pull_succeeded(&calendar, &elm, at(400), false)
        .await
        .unwrap();
    let well = FeedStanding {
        pulled_at: Some(at(400)),
        changed_at: Some(at(100)),
        has_items: true,
        ..FeedStanding::default()
    };
    assert_eq!(ledger.feed_standing(&calendar).await.unwrap(), well);
}

#[tokio::test]
async fn history_tells_a_streak_of_failures_in_one_line_and_its_end_in_another() {
    let (_folder, ledger) = new_ledger().await;
    let (calendar, elm) = (feed("a"), room("elm"));
    ledger
        .pull_succeeded(&calendar, &elm, at(1), true)
        .await
        .unwrap();
    ledger
        .pull_succeeded(&calendar, &elm, at(2), false)
        .await
        .unwrap();
    for second in 3..=10 {
        let error = if second == 5 {
            "answered 503"
        } else {
            "timed out"
        };
        ledger
            .pull_failed(&calendar, &elm, at(second), &trouble(error))
            .await
            .unwrap();
    }
    ledger
        .pull_succeeded(&calendar, &elm, at(11), false)
        .await
        .unwrap();
    ledger
        .pull_succeeded(&calendar, &elm, at(12), false)
        .await
        .unwrap();
    ledger
        .pull_failed(&calendar, &elm, at(13), &trouble("timed out"))
        .await
        .unwrap();

    let name = calendar.to_string();
    let failed = |since, to, count, error: &str| Entry {
        at: at(to),
        since: at(since),
        count,
        event: Event::PullFailed {
            feed: name.clone(),
            error: error.to_owned(),
            kind: "timeout".to_owned(),
            passing: true,
        },
    };
    let pulled = |second, changed, failures| Entry {
        at: at(second),
        since: at(second),
        count: 1,
        event: Event::Pulled {
            feed: name.clone(),
            changed,
            failures,
        },
    };
    assert_eq!(
        ledger.history(&elm, 100).await.unwrap(),
        [
            failed(13, 13, 1, "timed out"),
            pulled(11, false, 8),
            failed(3, 10, 7, "timed out"),
            failed(5, 5, 1, "answered 503"),
            pulled(1, true, 0),
        ]
    );
}

#[tokio::test]
async fn rooms_that_share_a_feed_each_have_their_history_of_it() {
    let (_folder, ledger) = new_ledger().await;
    let shared = feed("building");
    let (elm, oak, ash) = (room("elm"), room("oak"), room("ash"));
    ledger
        .pull_failed(&shared, &elm, at(1), &trouble("timed out"))
        .await
        .unwrap();
    ledger
        .pull_failed(&shared, &oak, at(2), &trouble("timed out"))
        .await
        .unwrap();
    let standing = ledger.feed_standing(&shared).await.unwrap();
    assert_eq!(
        (standing.failures, standing.failing_since),
        (2, Some(at(1)))
    );
    ledger
        .pull_succeeded(&shared, &ash, at(3), true)
        .await
        .unwrap();
    for (room, events) in [(&elm, 2), (&oak, 2), (&ash, 1)] {
        let history = ledger.history(room, 10).await.unwrap();
        assert_eq!(history.len(), events, "{room}");
        let Event::Pulled {
            changed, failures, ..
        } = &history[0].event
        else {
            panic!("{history:?}");
        };
        assert_eq!((*changed, *failures), (room == &ash, 2), "{room}");
    }
}
