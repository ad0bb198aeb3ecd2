use super::*;
use crate::ledger::{Event, HistoryLine};
use crate::model::failure::{Failure, FailureClass};
use crate::model::memory::{FailingMemory, ReplacedMemory, RoomFeedMemory};
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::version::{Reduction, Trouble, VersionId};

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

fn version(id: u64) -> Arc<FeedVersion> {
    Arc::new(FeedVersion {
        id: VersionId(id),
        items: Vec::new(),
        reduction: Reduction {
            from: at(0),
            filters: BTreeSet::new(),
        },
        missing: Vec::new(),
        trouble: Trouble::default(),
    })
}

fn feed(latest: u64, read_at: i64) -> FeedMemory {
    FeedMemory {
        host: "calendar.example.com".to_owned(),
        latest: Some(VersionId(latest)),
        read_at: Some(at(read_at)),
        ..FeedMemory::default()
    }
}

fn room(believed: Option<u64>, replaced: Option<u64>) -> RoomMemory {
    let of_feed = RoomFeedMemory {
        believed: believed.map(VersionId),
        replaced: replaced.map(|id| ReplacedMemory {
            version: VersionId(id),
            at: at(0),
        }),
        ..RoomFeedMemory::default()
    };
    RoomMemory {
        feeds: [("feed".to_owned(), of_feed)].into(),
        ..RoomMemory::default()
    }
}

fn pod(seen_at: i64) -> PodMemory {
    PodMemory {
        state: Some("in_step".to_owned()),
        seen_at: Some(at(seen_at)),
        checked_at: Some(at(seen_at)),
        mode_checked_at: Some(at(seen_at)),
        ..PodMemory::default()
    }
}

fn failing(failures: u32) -> PodMemory {
    PodMemory {
        failing: Some(FailingMemory {
            since: at(5),
            failures,
            failure: Failure {
                class: FailureClass::TimedOut,
                kind: "timed_out".to_owned(),
                says: "no answer in time".to_owned(),
                hint: String::new(),
                is_passing: true,
                retry_after: None,
                secret_was_sent: false,
            },
        }),
        ..PodMemory::default()
    }
}

fn desk() -> Desk {
    Desk::new(Loaded::default())
}

/// Hands a batch out and takes it as written: what was in it, in words.
fn write(desk: &mut Desk, extent: Extent) -> Vec<String> {
    let outgoing = desk.outgoing(extent);
    let batch = &outgoing.batch;
    let mut found = Vec::new();
    if batch.is_everything {
        found.push("everything".to_owned());
    }
    let value = |is_some: bool| if is_some { "" } else { " removed" };
    found.extend(
        batch
            .feeds
            .iter()
            .map(|(key, memory)| format!("{key}{}", value(memory.is_some()))),
    );
    found.extend(
        batch
            .rooms
            .iter()
            .map(|(key, memory)| format!("{key}{}", value(memory.is_some()))),
    );
    found.extend(
        batch
            .pods
            .iter()
            .map(|(key, memory)| format!("{key}{}", value(memory.is_some()))),
    );
    found.extend(
        batch
            .versions
            .iter()
            .map(|(_, version)| format!("+{}", version.id.0)),
    );
    found.extend(batch.unnamed.iter().map(|(_, id)| format!("-{}", id.0)));
    found.extend(batch.seen.iter().map(|(kind, _)| format!("seen {kind}")));
    found.extend(
        batch
            .pod_settings
            .iter()
            .map(|(pod, _, json)| format!("{pod} {json}")),
    );
    found.extend(
        batch
            .pins
            .iter()
            .map(|(pod, pin)| format!("pin {pod}{}", value(pin.is_some()))),
    );
    found.extend(
        batch
            .history
            .iter()
            .map(|(line, count)| format!("{} x{count}", line.at.seconds())),
    );
    assert_eq!(
        batch.is_empty(),
        found.is_empty() && batch.service.is_none()
    );
    desk.wrote(outgoing);
    found
}

fn changes(desk: &mut Desk) -> Vec<String> {
    write(desk, Extent::Changes)
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_did_not_change_is_not_written() {
    let mut desk = desk();
    assert!(desk.pod("pod", pod(1)));
    assert!(desk.room("room", room(None, None)));
    assert_eq!(changes(&mut desk), ["room", "pod"]);
    assert_eq!(changes(&mut desk), NOTHING);
    assert!(!desk.pod("pod", pod(1)));
    assert!(!desk.room("room", room(None, None)));
    // Changed and changed back before it was written.
    assert!(desk.pod("pod", PodMemory::default()));
    assert!(!desk.pod("pod", pod(1)));
    assert_eq!(changes(&mut desk), NOTHING);
}

#[test]
fn when_it_was_last_seen_goes_with_the_next_change_or_with_all_others() {
    let mut desk = desk();
    desk.pod("a", pod(1));
    desk.pod("b", pod(1));
    desk.feed("feed", feed(1, 1), Some(version(1)));
    changes(&mut desk);
    for second in 2..100 {
        assert!(!desk.pod("a", pod(second)));
        assert!(!desk.pod("b", pod(second)));
        assert!(!desk.feed("feed", feed(1, second), None));
        assert_eq!(changes(&mut desk), NOTHING);
    }
    assert_eq!(
        desk.memories().pods["a"].seen_at,
        Some(at(99)),
        "it is known"
    );
    let times = ["seen feed", "seen pod"];
    assert_eq!(write(&mut desk, Extent::ChangesAndTimes), times);
    assert_eq!(write(&mut desk, Extent::ChangesAndTimes), NOTHING);
    // A clock that was set back is no change.
    assert!(!desk.pod("a", pod(50)));
    assert_eq!(changes(&mut desk), NOTHING);
}

#[test]
fn one_more_of_the_same_failure_is_no_change_and_another_one_is() {
    let mut desk = desk();
    assert!(desk.pod("pod", failing(1)));
    changes(&mut desk);
    assert!(!desk.pod("pod", failing(2)));
    assert!(!desk.pod("pod", failing(3)));
    assert_eq!(changes(&mut desk), NOTHING);
    let mut other = failing(4);
    other.failing.as_mut().unwrap().failure.says = "no connection".to_owned();
    assert!(desk.pod("pod", other));
    assert_eq!(changes(&mut desk), ["pod"]);
    assert!(desk.pod("pod", PodMemory::default()), "recovered");
}

#[test]
fn validators_that_change_alone_are_written_seldom() {
    let mut desk = desk();
    let first = version(1);
    desk.feed("feed", feed(1, 1), Some(first.clone()));
    assert_eq!(changes(&mut desk), ["feed", "+1"]);
    let mut moved = feed(1, 2);
    moved.client_state = Some("token 2".to_owned());
    assert!(!desk.feed("feed", moved.clone(), None));
    assert_eq!(changes(&mut desk), NOTHING);
    let times = ["seen feed", "seen pod"];
    assert_eq!(write(&mut desk, Extent::ChangesAndTimes), times);
    assert_eq!(write(&mut desk, Extent::All), ["feed"]);
    assert_eq!(write(&mut desk, Extent::All), NOTHING);
    // Also those of its members: with the next write of the feed.
    let mut same = FeedVersion::clone(&first);
    same.reduction.from = at(9);
    let held = Arc::new(same);
    assert!(!desk.feed("feed", moved.clone(), Some(held.clone())));
    moved.client_state = Some("token 3".to_owned());
    desk.feed("feed", moved, None);
    let expected = ["feed", "+1", "seen feed", "seen pod"];
    assert_eq!(write(&mut desk, Extent::All), expected);
}

#[test]
fn a_version_stays_while_a_memory_names_it() {
    let mut desk = desk();
    let first = version(1);
    desk.feed("feed", feed(1, 1), Some(first.clone()));
    desk.room("room", room(Some(1), None));
    assert_eq!(changes(&mut desk), ["feed", "room", "+1"]);
    // A hold: the room goes on with the first.
    let second = version(2);
    desk.feed("feed", feed(2, 2), Some(second.clone()));
    assert_eq!(changes(&mut desk), ["feed", "+2"]);
    // It is over, and the brake may still bring the first back.
    desk.room("room", room(Some(2), Some(1)));
    assert_eq!(changes(&mut desk), ["room"]);
    desk.room("room", room(Some(2), None));
    assert_eq!(changes(&mut desk), ["room", "-1"]);
    desk.room("room", room(None, None));
    assert_eq!(changes(&mut desk), ["room"], "it is still the latest");
}

#[test]
fn versions_that_came_and_went_within_a_second_are_never_written() {
    let mut desk = desk();
    let (one, two, three) = (version(1), version(2), version(3));
    desk.feed("feed", feed(1, 1), Some(one));
    desk.feed("feed", feed(2, 2), Some(two.clone()));
    desk.feed("feed", feed(3, 3), Some(three));
    assert_eq!(changes(&mut desk), ["feed", "+3"]);
    // A room that was slower names one that somebody still holds.
    desk.room("room", room(Some(2), None));
    assert_eq!(changes(&mut desk), ["room", "+2"]);
    drop(two);
    // And one that nobody has any more: it counts as never read after a restart.
    desk.room("room", room(Some(1), None));
    assert_eq!(changes(&mut desk), ["room", "-2"]);
}

#[test]
fn a_version_that_waits_for_the_disk_is_held() {
    let mut desk = desk();
    desk.feed("feed", feed(1, 1), Some(version(1)));
    let outgoing = desk.outgoing(Extent::Changes);
    desk.failed(outgoing);
    assert_eq!(changes(&mut desk), ["feed", "+1"]);
    assert!(desk.known_version("feed", VersionId(1)).is_none());
}

#[test]
fn a_version_that_could_not_be_read_is_removed_or_written_again() {
    let mut loaded = Loaded::default();
    loaded
        .memories
        .feeds
        .insert("feed".to_owned(), Arc::new(feed(1, 1)));
    loaded
        .memories
        .rooms
        .insert("room".to_owned(), Arc::new(room(Some(2), None)));
    loaded
        .versions
        .insert("feed".to_owned(), [VersionId(1), VersionId(2)].into());
    let mut desk = Desk::new(loaded);
    desk.distrust("feed", VersionId(1));
    desk.distrust("feed", VersionId(7));
    // The next pull asked for everything and it is the same, even the times.
    assert!(desk.feed("feed", feed(1, 1), Some(version(1))));
    assert_eq!(changes(&mut desk), ["feed", "+1", "-1"]);
    assert!(!desk.feed("feed", feed(1, 2), Some(version(1))));
    assert_eq!(changes(&mut desk), NOTHING);
    desk.distrust("feed", VersionId(2));
    desk.room("room", room(Some(1), None));
    assert_eq!(changes(&mut desk), ["room", "-2"]);
}

#[test]
fn what_came_while_a_write_was_on_its_way_is_written_next() {
    let mut desk = desk();
    desk.pod("pod", failing(1));
    let outgoing = desk.outgoing(Extent::Changes);
    desk.pod("pod", PodMemory::default());
    desk.room("room", room(None, None));
    desk.wrote(outgoing);
    assert_eq!(changes(&mut desk), ["room", "pod"]);
    assert_eq!(changes(&mut desk), NOTHING);
}

#[test]
fn a_write_that_failed_is_made_again_with_the_newest() {
    let mut desk = desk();
    desk.pod("pod", failing(1));
    desk.pod_settings("pod", at(1), "{1}".to_owned());
    desk.pod_settings("other", at(1), "{1}".to_owned());
    desk.lines.add(line(1, None));
    let outgoing = desk.outgoing(Extent::Changes);
    desk.pod_settings("pod", at(2), "{2}".to_owned());
    desk.lines.add(line(2, None));
    desk.failed(outgoing);
    let expected = ["pod", "other {1}", "pod {2}", "1 x1", "2 x1"];
    assert_eq!(changes(&mut desk), expected);
    assert!(!desk.pod_settings("pod", at(3), "{2}".to_owned()));
    assert_eq!(changes(&mut desk), NOTHING);
}

#[test]
fn a_new_file_gets_everything_current() {
    let mut desk = desk();
    let held = version(1);
    desk.feed("feed", feed(1, 1), Some(held.clone()));
    desk.room("room", room(Some(1), None));
    desk.pod("pod", pod(1));
    let pin = Pin {
        sha256: [1; 32],
        at: at(1),
    };
    desk.set_pin("pod", Some(pin), true);
    desk.pod_settings("pod", at(1), "{}".to_owned());
    changes(&mut desk);
    desk.file_is_new();
    let everything = ["everything", "feed", "room", "pod", "+1", "pin pod"];
    assert_eq!(changes(&mut desk), everything);
    assert_eq!(changes(&mut desk), NOTHING);
    // The settings are not held here; they come with the next look.
    assert!(desk.pod_settings("pod", at(2), "{}".to_owned()));
}

#[test]
fn a_pin_that_could_not_be_written_goes_with_the_next_write() {
    let mut desk = desk();
    let pin = Pin {
        sha256: [1; 32],
        at: at(1),
    };
    desk.set_pin("pod", Some(pin), false);
    assert_eq!(changes(&mut desk), ["pin pod"]);
    assert_eq!(changes(&mut desk), NOTHING);
    desk.set_pin("pod", None, false);
    assert_eq!(changes(&mut desk), ["pin pod removed"]);
    assert_eq!(changes(&mut desk), NOTHING);
}

#[test]
fn what_the_configuration_no_longer_names_is_removed_with_its_versions() {
    let mut desk = desk();
    desk.feed("feed", feed(1, 1), Some(version(1)));
    desk.pod("a", pod(1));
    desk.pod("b", pod(1));
    changes(&mut desk);
    let only = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    assert!(desk.keep_only(&only(&[]), &only(&[]), &only(&["b", "c"])));
    assert_eq!(changes(&mut desk), ["feed removed", "a removed", "-1"]);
    assert_eq!(changes(&mut desk), NOTHING);
    assert!(!desk.keep_only(&only(&[]), &only(&[]), &only(&["b"])));
}

fn line(second: i64, streak_since: Option<i64>) -> HistoryLine {
    let event = Event::PullFailed {
        feed: "feed".to_owned(),
        error: "404".to_owned(),
        kind: "refused".to_owned(),
        passing: true,
    };
    let feed = FeedId::new("calendar.example.com", &["feed"]);
    let line = HistoryLine::of_feed(&feed, at(second), event);
    match streak_since {
        Some(since) => line.in_streak(at(since)),
        None => line,
    }
}

#[test]
fn a_failure_that_repeats_is_counted_at_growing_distances() {
    let mut desk = desk();
    let mut written = Vec::new();
    for second in 1..=100 {
        desk.lines.add(line(second, Some(1)));
        written.extend(changes(&mut desk));
    }
    let expected = ["1 x1", "2 x1", "4 x2", "8 x4", "16 x8", "32 x16", "64 x32"];
    assert_eq!(written, expected);
    assert_eq!(write(&mut desk, Extent::ChangesAndTimes), ["100 x36"]);
    // Another streak begins; what was not counted of the old one is not lost.
    desk.lines.add(line(101, Some(1)));
    desk.lines.add(line(200, Some(200)));
    assert_eq!(changes(&mut desk), ["101 x1", "200 x1"]);
    // Without a streak, each has its own line.
    desk.lines.add(line(300, None));
    desk.lines.add(line(301, None));
    assert_eq!(changes(&mut desk), ["300 x1", "301 x1"]);
}

#[test]
fn a_disk_that_fails_for_long_costs_lines_of_the_history_and_no_memory() {
    let mut desk = desk();
    for second in 0..10_500 {
        desk.lines.add(line(second, None));
    }
    assert_eq!(desk.lines.take_lost(), 500);
    // In ten portions.
    let written: Vec<String> = (0..10).flat_map(|_| changes(&mut desk)).collect();
    assert_eq!(written.len(), 10_000);
    assert_eq!(written[0], "500 x1");
    assert_eq!(desk.lines.take_lost(), 0);
}

#[test]
fn a_snapshot_does_not_change_and_costs_nothing() {
    let mut desk = desk();
    desk.pod("https://192.0.2.1:5443", pod(1));
    let before = desk.memories();
    assert!(Arc::ptr_eq(&before, &desk.memories()));
    desk.pod("https://192.0.2.1:5443", pod(2));
    let after = desk.memories();
    let url = PodUrl::parse("192.0.2.1").unwrap();
    let seen = |memories: &Memories| memories.pod(&url).unwrap().seen_at;
    assert_eq!((seen(&before), seen(&after)), (Some(at(1)), Some(at(2))));
    assert!(after.room(&RoomName::new("elm").unwrap()).is_none());
}

/// While one portion is written, others may write a pin; and no version goes before the last row
/// that names it.
#[test]
fn what_thousands_of_rooms_changed_is_written_in_portions() {
    let mut desk = desk();
    let all: Vec<String> = (0..1_000).map(|n| format!("{n:04}")).collect();
    let change = |desk: &mut Desk, id: u64| {
        for name in &all {
            desk.feed(name, feed(id, 1), Some(version(id)));
            // In another order than that of the feeds.
            let name = format!("room {}", name.chars().rev().collect::<String>());
            let of_feed = RoomFeedMemory {
                believed: Some(VersionId(id)),
                ..RoomFeedMemory::default()
            };
            let feed = name.trim_start_matches("room ").chars().rev().collect();
            let memory = RoomMemory {
                feeds: [(feed, of_feed)].into(),
                ..RoomMemory::default()
            };
            desk.room(&name, memory);
            desk.pod(&name, pod(1));
            desk.pod_settings(&name, at(1), format!("{{\"id\":{id}}}"));
        }
    };
    for id in [1, 2] {
        change(&mut desk, id);
        let (mut rows, mut portions) = ([0; 4], 0);
        loop {
            let outgoing = desk.outgoing(Extent::Changes);
            let batch = &outgoing.batch;
            assert!(batch.feeds.len() <= 400 && batch.rooms.len() <= 400);
            let rooms: BTreeSet<&str> = batch
                .rooms
                .iter()
                .flat_map(|(_, memory)| memory.iter().flat_map(|memory| memory.feeds.keys()))
                .map(String::as_str)
                .collect();
            let feeds: BTreeSet<&str> = batch.feeds.iter().map(|(feed, _)| feed.as_str()).collect();
            for (feed, _) in &batch.unnamed {
                assert!(rooms.contains(feed.as_str()) && feeds.contains(feed.as_str()));
            }
            let counts = [
                batch.feeds.len(),
                batch.rooms.len(),
                batch.pods.len(),
                batch.pod_settings.len(),
            ];
            for (rows, count) in rows.iter_mut().zip(counts) {
                *rows += count;
            }
            portions += 1;
            let is_part = outgoing.is_part;
            desk.wrote(outgoing);
            if !is_part {
                break;
            }
        }
        let pods = if id == 1 { 1_000 } else { 0 };
        assert_eq!(rows, [1_000, 1_000, pods, 1_000]);
        assert!(portions >= 3, "{portions}");
        assert!(desk.outgoing(Extent::Changes).batch.is_empty());
    }
}
