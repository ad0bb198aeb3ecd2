use super::*;
use crate::ledger::old::feeds::{Keep, PullTrouble};
use crate::ledger::old::tests::{agenda, at, feed, item, new_ledger, pod, room};
use crate::model::agenda::Agenda;
use crate::model::item::FeedState;

const DAYS: i64 = 86_400;

async fn push(ledger: &Ledger, host: &str, name: &str, titles: &[&str], second: i64) {
    let now = agenda(titles);
    let changes = Changes::between(&Agenda::default(), &now);
    ledger
        .confirm(
            &pod(host),
            &room(name),
            &now,
            &changes,
            "changed",
            at(second),
            42,
        )
        .await
        .unwrap();
}

async fn fail(ledger: &Ledger, name: &str, error: &str, second: i64) {
    let trouble = PullTrouble {
        error,
        kind: "timeout",
        passing: true,
        not_before: None,
    };
    ledger
        .pull_failed(&feed("a"), &room(name), at(second), &trouble)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_push_says_what_came_and_went_as_the_display_shows_it() {
    let (_folder, ledger) = new_ledger().await;
    let (before, after) = (
        agenda(&["Planning", "Lunch"]),
        agenda(&["Planning", "Review"]),
    );
    let changes = Changes::between(&before, &after);
    ledger
        .confirm(
            &pod("192.0.2.1"),
            &room("elm"),
            &after,
            &changes,
            "changed",
            at(5),
            42,
        )
        .await
        .unwrap();
    let history = ledger.history(&room("elm"), 10).await.unwrap();
    let json = serde_json::to_value(&history).unwrap();
    assert_eq!(json[0]["what"], "pushed");
    assert_eq!(json[0]["at"], 5);
    assert_eq!(json[0]["pod"], "192.0.2.1");
    assert_eq!(json[0]["meetings"], 2);
    assert_eq!(json[0]["reason"], "changed");
    assert_eq!(json[0]["duration_ms"], 42);
    assert_eq!(json[0]["changes"]["added"][0]["title"], "Review");
    assert_eq!(json[0]["changes"]["removed"][0]["title"], "Lunch");
    assert!(ledger.history(&room("oak"), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_push_of_a_hundred_meetings_is_kept_small_and_comes_back_whole() {
    let (_folder, ledger) = new_ledger().await;
    let titles: Vec<_> = (0..100)
        .map(|n| format!("Weekly planning of team {n}"))
        .collect();
    let titles: Vec<_> = titles.iter().map(String::as_str).collect();
    push(&ledger, "192.0.2.1", "elm", &titles, 5).await;
    let stored: i64 = sqlx::query_scalar("SELECT length(event) FROM history")
        .fetch_one(&ledger.readers)
        .await
        .unwrap();
    assert!(stored < 8000, "{stored}");
    let history = ledger.history(&room("elm"), 10).await.unwrap();
    let Event::Pushed { changes, .. } = &history[0].event else {
        panic!("{history:?}");
    };
    assert_eq!(changes.added, agenda(&titles).meetings());
}

#[tokio::test]
async fn the_newest_come_first_and_no_more_than_asked_for() {
    let (_folder, ledger) = new_ledger().await;
    for second in [10, 30, 20, 20] {
        push(&ledger, "192.0.2.1", "elm", &[], second).await;
    }
    let times = async |limit| -> Vec<_> {
        let entries = ledger.history(&room("elm"), limit).await.unwrap();
        entries.iter().map(|entry| entry.at.seconds()).collect()
    };
    assert_eq!(times(10).await, [30, 20, 20, 10]);
    assert_eq!(times(2).await, [30, 20]);
    assert_eq!(times(0).await, [0i64; 0]);
}

#[tokio::test]
async fn trouble_outlives_success() {
    let (_folder, ledger) = new_ledger().await;
    let now = at(1000 * DAYS);
    for days in [10, 29, 31, 179, 181] {
        let then = (1000 - days) * DAYS;
        push(&ledger, "192.0.2.1", "elm", &[], then).await;
        fail(&ledger, "elm", &format!("error {days}"), then).await;
    }
    assert_eq!(ledger.prune(now).await.unwrap(), 4);
    let left: Vec<_> = ledger
        .history(&room("elm"), 100)
        .await
        .unwrap()
        .iter()
        .map(|entry| {
            (
                now.since(entry.at).as_secs() as i64 / DAYS,
                entry.event.is_trouble(),
            )
        })
        .collect();
    assert_eq!(
        left,
        [
            (10, true),
            (10, false),
            (29, true),
            (29, false),
            (31, true),
            (179, true)
        ]
    );
    assert_eq!(ledger.prune(now).await.unwrap(), 0);
}

#[tokio::test]
async fn a_pod_that_flaps_for_weeks_fills_no_disk_and_hides_no_push() {
    let (_folder, ledger) = new_ledger().await;
    push(&ledger, "192.0.2.1", "elm", &["Planning"], 1).await;
    push(&ledger, "192.0.2.2", "oak", &["Planning"], 1).await;
    let flapping = pod("192.0.2.1");
    for second in 2..1200 {
        let state = if second % 2 == 0 {
            "unreachable"
        } else {
            "well"
        };
        ledger
            .set_health(&flapping, state, None, at(second))
            .await
            .unwrap();
    }
    ledger.prune(at(1200)).await.unwrap();
    let history = ledger.history(&room("elm"), 5000).await.unwrap();
    assert_eq!(history.len(), 1001);
    assert_eq!(history[0].at, at(1199));
    assert!(matches!(history[1000].event, Event::Pushed { .. }));
    assert_eq!(ledger.history(&room("oak"), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_pod_did_before_its_room_was_known_is_in_the_rooms_history() {
    let (_folder, ledger) = new_ledger().await;
    let new = pod("192.0.2.1");
    ledger
        .set_health(&new, "unreachable", Some("timed out"), at(1))
        .await
        .unwrap();
    assert!(ledger.history(&room("elm"), 10).await.unwrap().is_empty());
    ledger.set_room(&new, &room("elm")).await.unwrap();
    ledger.set_health(&new, "well", None, at(2)).await.unwrap();
    let history = ledger.history(&room("elm"), 10).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(
        history[1].event,
        Event::Health {
            pod: "192.0.2.1".to_owned(),
            before: None,
            state: "unreachable".to_owned(),
            detail: Some("timed out".to_owned()),
        }
    );
    // The display was carried to another room: the past stays where it was.
    ledger.set_room(&new, &room("oak")).await.unwrap();
    ledger
        .set_health(&new, "unreachable", None, at(3))
        .await
        .unwrap();
    assert_eq!(ledger.history(&room("elm"), 10).await.unwrap().len(), 1);
    assert_eq!(ledger.history(&room("oak"), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_of_a_later_podcal_is_passed_over() {
    let (_folder, ledger) = new_ledger().await;
    push(&ledger, "192.0.2.1", "elm", &[], 1).await;
    sqlx::query(
        "INSERT INTO history (room, what, trouble, since_at, at, event) \
         VALUES ('elm', 'sung', 0, 2, 2, CAST('{\"what\":\"sung\"}' AS BLOB))",
    )
    .execute(&ledger.writer)
    .await
    .unwrap();
    assert_eq!(ledger.history(&room("elm"), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_configuration_no_longer_names_is_removed_but_not_its_pin() {
    let (_folder, ledger) = new_ledger().await;
    let state = FeedState(None);
    let body = [item("", "BEGIN:VCALENDAR")];
    for (name, host) in [("elm", "192.0.2.1"), ("oak", "192.0.2.2")] {
        let keep = Keep {
            changed: &body,
            removed: &[],
            whole: true,
            state: &state,
            at: at(1),
        };
        ledger.keep(&feed(name), &keep).await.unwrap();
        ledger
            .set_pin(&pod(host), Some([7; 32]), at(1))
            .await
            .unwrap();
        ledger.keep_config(&pod(host), "{}", at(1)).await.unwrap();
        push(&ledger, host, name, &["Planning"], 2).await;
        ledger
            .room_synced(&room(name), at(2), true, None)
            .await
            .unwrap();
    }
    let keep = async |rooms: &[RoomName], feeds: &[FeedId], pods: &[PodUrl]| {
        ledger.prune_unknown(rooms, feeds, pods).await.unwrap()
    };
    let all = (
        [room("elm"), room("oak")],
        [feed("elm"), feed("oak")],
        [pod("192.0.2.1"), pod("192.0.2.2")],
    );
    assert_eq!(keep(&all.0, &all.1, &all.2).await, 0);
    assert_eq!(keep(&all.0[..1], &all.1[..1], &all.2[..1]).await, 3);

    assert_eq!(ledger.held(&feed("elm")).await.unwrap().items, body);
    assert!(
        ledger
            .pod(&pod("192.0.2.1"))
            .await
            .unwrap()
            .confirmed
            .is_some()
    );
    assert_eq!(
        ledger.room_standing(&room("elm")).await.unwrap().synced_at,
        Some(at(2))
    );

    assert!(ledger.held(&feed("oak")).await.unwrap().items.is_empty());
    assert_eq!(
        ledger.room_standing(&room("oak")).await.unwrap().synced_at,
        None
    );
    let gone = ledger.pod(&pod("192.0.2.2")).await.unwrap();
    assert_eq!((gone.confirmed, gone.pin), (None, Some([7; 32])));
    assert_eq!(
        ledger.config_snapshot(&pod("192.0.2.2")).await.unwrap(),
        None
    );
    let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item")
        .fetch_one(&ledger.readers)
        .await
        .unwrap();
    assert_eq!(items, 1, "bodies go with their feed");
}
