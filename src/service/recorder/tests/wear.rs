//! How much is written to the disk: in a process of its own, so that nothing else is counted.
#![cfg(target_os = "linux")]

use std::process::Command;

use ring::digest;

use super::*;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::memory::{RememberedMeeting, RoomFeedMemory};
use crate::model::version::{KeptItem, PackedBody, Reduction, Trouble};
use crate::service::recorder::desk::{Desk, Extent};

const CHILD: &str = "PODCAL_TEST_WEAR";

/// Runs one test of this file alone.
fn in_a_process_of_its_own(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg(format!("service::recorder::tests::wear::{test}"))
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    for line in said.lines().filter(|line| line.contains("bytes")) {
        println!("{line}");
    }
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Bytes that this process handed to the system to be written.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find(|line| line.starts_with("wchar:")).unwrap();
    line.trim_start_matches("wchar:").trim().parse().unwrap()
}

fn second(second: i64) -> UnixTime {
    UnixTime::from_seconds(1_772_442_000 + second)
}

fn agenda(room: usize) -> Agenda {
    let meetings = (0..20).map(|n| Meeting {
        id: MeetingId::new(&format!("{room}-{n}"), ""),
        title: format!("Planning of project {n}").into(),
        organizer: "Ada Lovelace".into(),
        description: Some("https://meet.example.com/j/1234567890".into()),
        start_time: second(n * 3600),
        end_time: second(n * 3600 + 1800),
    });
    Agenda::new(meetings.collect())
}

fn packed(body: &[u8]) -> PackedBody {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    PackedBody {
        bytes: encoder.finish().unwrap().into(),
        inflated_bytes: Some(body.len()),
    }
}

fn calendar(events: usize, edition: usize) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = String::from("BEGIN:VCALENDAR\r\n");
    for n in 0..events {
        let uid = digest::digest(&digest::SHA256, format!("{n}").as_bytes());
        let uid = crate::model::digest::hex(uid.as_ref());
        let _ = write!(
            text,
            "BEGIN:VEVENT\r\nUID:{uid}\r\nSUMMARY:Planning {n} edition {edition}\r\n\
             ORGANIZER;CN=Ada:mailto:ada{n}@example.com\r\nDTSTART:20260302T{:02}0000Z\r\n\
             DTEND:20260302T{:02}3000Z\r\nSEQUENCE:{edition}\r\nEND:VEVENT\r\n",
            n % 24,
            n % 24
        );
    }
    text.push_str("END:VCALENDAR\r\n");
    text.into_bytes()
}

fn version(id: u64, body: &[u8]) -> Arc<FeedVersion> {
    let digest = digest::digest(&digest::SHA256, body);
    Arc::new(FeedVersion {
        id: VersionId(id),
        items: vec![KeptItem {
            href: String::new(),
            etag: Some("\"1\"".to_owned()),
            last_modified: None,
            digest: digest.as_ref().try_into().unwrap(),
            body: packed(body),
        }],
        reduction: Reduction {
            from: second(0),
            filters: BTreeSet::new(),
        },
        missing: Vec::new(),
        trouble: Trouble::default(),
    })
}

async fn store(ledger: &Ledger, desk: &mut Desk, extent: Extent) -> bool {
    let mut is_something = false;
    loop {
        let outgoing = desk.outgoing(extent);
        let is_part = outgoing.is_part;
        if !outgoing.batch.is_empty() {
            ledger.store(&outgoing.batch).await.unwrap();
            is_something = true;
        }
        desk.wrote(outgoing);
        if !is_part {
            return is_something;
        }
    }
}

#[tokio::test]
async fn a_building_in_which_nothing_changes_writes_next_to_nothing() {
    if !is_child() {
        return in_a_process_of_its_own(
            "a_building_in_which_nothing_changes_writes_next_to_nothing",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let (ledger, loaded) = open(&folder.path().join("podcal.db")).await;
    let mut desk = Desk::new(loaded);
    let look = |desk: &mut Desk, now: i64| {
        let mut is_change = false;
        for n in 0..500 {
            let feed = FeedMemory {
                host: "calendar.example.com".to_owned(),
                client_state: Some(format!("token of {now}")),
                latest: Some(VersionId(n)),
                read_at: Some(second(now)),
                changed_at: Some(second(0)),
                ..FeedMemory::default()
            };
            let key = format!("{n:020}");
            let latest = (now == 0).then(|| version(n, &calendar(20, n as usize)));
            is_change |= desk.feed(&key, feed, latest);
            let agenda = agenda(n as usize);
            let meetings = agenda.meetings().iter().map(|meeting| RememberedMeeting {
                meeting: meeting.clone(),
                feeds: vec![key.as_str().into()],
            });
            let of_feed = RoomFeedMemory {
                believed: Some(VersionId(n)),
                ..RoomFeedMemory::default()
            };
            let room = RoomMemory {
                feeds: [(key.clone(), of_feed)].into(),
                agenda: meetings.collect(),
                composed_at: Some(second(now)),
                is_known: true,
                keeps_shown: false,
            };
            is_change |= desk.room(&format!("room {n}"), room);
            let pod = PodMemory {
                room: Some(format!("room {n}")),
                device_id: Some(format!("device {n}")),
                sent: Some(agenda),
                sent_at: Some(second(0)),
                state: Some("in_step".to_owned()),
                seen_at: Some(second(now)),
                checked_at: Some(second(now)),
                mode_checked_at: Some(second(now)),
                ..PodMemory::default()
            };
            is_change |= desk.pod(&format!("https://192.0.2.{n}:5443"), pod);
        }
        is_change
    };
    assert!(look(&mut desk, 0));
    store(&ledger, &mut desk, Extent::Changes).await;
    let first = written();
    // A day. Between two hours nothing is written however often anybody looks.
    for hour in 1..=24 {
        for minute in [1, 30, 59] {
            assert!(!look(&mut desk, hour * 3600 + minute * 60));
            assert!(!store(&ledger, &mut desk, Extent::Changes).await);
        }
        let extent = match hour % 6 {
            0 => Extent::All,
            _ => Extent::ChangesAndTimes,
        };
        assert!(store(&ledger, &mut desk, extent).await);
    }
    ledger.close().await;
    let day = written() - first;
    println!("a day of 500 feeds, rooms and pods: {day} bytes");
    assert!(day < 10_000_000, "{day}");
}

#[tokio::test]
async fn a_large_feed_that_changed_is_written_about_twice_as_packed() {
    if !is_child() {
        return in_a_process_of_its_own(
            "a_large_feed_that_changed_is_written_about_twice_as_packed",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let (ledger, loaded) = open(&folder.path().join("podcal.db")).await;
    let mut desk = Desk::new(loaded);
    let mut change = async |id: u64| {
        let body = calendar(9_500, id as usize);
        let memory = FeedMemory {
            latest: Some(VersionId(id)),
            changed_at: Some(second(id as i64)),
            ..FeedMemory::default()
        };
        let version = version(id, &body);
        let packed = version.items[0].body.bytes.len() as u64;
        desk.feed("feed", memory, Some(version));
        let before = written();
        store(&ledger, &mut desk, Extent::Changes).await;
        (body.len(), packed, written() - before)
    };
    let (_, _, first) = change(1).await;
    let (size, packed, second) = change(2).await;
    let before = written();
    ledger.close().await;
    let merged = written() - before;
    println!(
        "a feed of {size} bytes, packed {packed}: {first}, then {second} bytes, merged {merged}"
    );
    assert!((1_900_000..2_300_000).contains(&size), "{size}");
    // Once to the log; once to the file when the log is merged, and this one had the first too.
    assert!(second < packed + packed / 4 + 200_000, "{second}");
    assert!(merged < 3 * packed, "{merged}");
}
