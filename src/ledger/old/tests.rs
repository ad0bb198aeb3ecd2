use std::fs;
use std::io::BufRead as _;
use std::process::{Command, Stdio};

use sqlx::Row as _;
use tempfile::TempDir;

use super::*;
use crate::fault::Fault as _;
use crate::model::agenda::{Agenda, Changes};
use crate::model::item::{FeedItem, FeedState};
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::time::UnixTime;

/// A ledger on a new file; the folder goes with the first value.
pub(super) async fn new_ledger() -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("podcal.db"))
        .await
        .unwrap();
    (folder, ledger)
}

pub(super) fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

pub(super) fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

pub(super) fn pod(host: &str) -> PodUrl {
    PodUrl::parse(host).unwrap()
}

pub(super) fn feed(address: &str) -> FeedId {
    FeedId::new("calendar.example.com", &["ics", address])
}

pub(super) fn item(href: &str, body: &str) -> FeedItem {
    FeedItem {
        href: href.to_owned(),
        etag: Some(format!("\"{}\"", body.len())),
        last_modified: Some("Mon, 02 Mar 2026 09:00:00 GMT".to_owned()),
        body: body.as_bytes().to_vec().into(),
    }
}

pub(super) fn agenda(titles: &[&str]) -> Agenda {
    let meetings = titles.iter().zip(1..).map(|(title, hour)| Meeting {
        id: MeetingId::new(title, ""),
        title: (*title).to_owned(),
        organizer: "Ada".to_owned(),
        description: None,
        start_time: at(hour * 3600),
        end_time: at(hour * 3600 + 1800),
    });
    Agenda::new(meetings.collect())
}

async fn open_error(path: &Path) -> LedgerError {
    let error = Ledger::open(path).await.unwrap_err();
    assert!(!error.hint().is_empty());
    error
}

#[tokio::test]
async fn a_new_ledger_is_its_owners_alone_and_has_a_write_ahead_log() {
    let (folder, ledger) = new_ledger().await;
    ledger.beat(at(1)).await.unwrap();
    assert_eq!(ledger.journal(), Journal::WriteAhead);
    assert!(ledger.size_bytes() > 0);
    #[cfg(unix)]
    for name in ["podcal.db", "podcal.db-wal", "podcal.db-shm"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    ledger.close().await;
    let left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(left, ["podcal.db"], "a closed ledger is one file");
}

#[tokio::test]
async fn every_connection_has_the_settings_that_the_ledger_rests_on() {
    let (_folder, ledger) = new_ledger().await;
    for (pool, query_only) in [(&ledger.writer, 0), (&ledger.readers, 1)] {
        for (pragma, expected) in [
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA synchronous", 1),
            ("PRAGMA busy_timeout", 10_000),
            ("PRAGMA query_only", query_only),
        ] {
            let value: i64 = sqlx::query_scalar(pragma).fetch_one(pool).await.unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
    }
}

#[tokio::test]
async fn what_was_noted_is_there_after_a_restart() {
    let (folder, ledger) = new_ledger().await;
    ledger.beat(at(7)).await.unwrap();
    // Not closed: as after a kill.
    let again = Ledger::open(&folder.path().join("podcal.db"))
        .await
        .unwrap();
    assert_eq!(again.last_beat().await.unwrap(), Some(at(7)));
    drop(ledger);
}

#[tokio::test]
async fn a_command_that_reads_does_not_create_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["podcal.db", "gone/podcal.db"] {
        let found = Ledger::open_existing(&folder.path().join(path))
            .await
            .unwrap();
        assert!(found.is_none());
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_ledger_that_was_opened_for_reading_cannot_be_written() {
    let (_folder, ledger) = new_ledger().await;
    ledger.beat(at(7)).await.unwrap();
    let reading = Ledger::open_existing(ledger.path()).await.unwrap().unwrap();
    assert_eq!(reading.last_beat().await.unwrap(), Some(at(7)));
    let error = reading.beat(at(8)).await.unwrap_err();
    assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error}");
    let error = reading
        .set_pin(&pod("192.0.2.1"), None, at(8))
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error}");
    // And what others write meanwhile, it sees.
    ledger.beat(at(9)).await.unwrap();
    assert_eq!(reading.last_beat().await.unwrap(), Some(at(9)));
}

#[tokio::test]
async fn names_that_mean_something_to_sqlite_are_files_like_others() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ":memory:",
        "file:podcal.db?mode=memory",
        "pod cal#1%20?.db",
        "räume.db",
    ] {
        let ledger = Ledger::open(&folder.path().join(name)).await.unwrap();
        ledger.beat(at(1)).await.unwrap();
        assert!(folder.path().join(name).is_file(), "{name}");
    }
    assert_eq!(
        absolute(Path::new(":memory:")).unwrap(),
        std::env::current_dir().unwrap().join(":memory:")
    );
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_error(&folder.path().join("gone/podcal.db")).await;
    assert_eq!(
        error.to_string(),
        format!(
            "the folder {} of the ledger does not exist",
            folder.path().join("gone").display()
        )
    );
    assert!(!folder.path().join("gone").exists());
}

#[tokio::test]
async fn a_folder_is_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    for error in [
        open_error(folder.path()).await,
        Ledger::open_existing(folder.path()).await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::NotAFile { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    fs::write(&path, b"").unwrap();
    Ledger::open(&path)
        .await
        .unwrap()
        .beat(at(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    let text = "time_zone = \"America/Denver\"\n".repeat(100);
    fs::write(&path, &text).unwrap();
    let error = open_error(&path).await;
    assert!(matches!(error, LedgerError::NotADatabase { .. }), "{error}");
    assert!(
        error.hint().contains("move the file away"),
        "{}",
        error.hint()
    );
    assert!(error.hint().contains("next sync"), "{}", error.hint());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photos.db");
    let mut other = options(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::query("CREATE TABLE photo (id INTEGER)")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    let error = open_error(&path).await;
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
    let mut other = options(&path).connect().await.unwrap();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_damaged_ledger_says_so() {
    let (folder, ledger) = new_ledger().await;
    let path = folder.path().join("podcal.db");
    let feed = feed("a");
    let big = item(
        "",
        &(0..200_000).map(|n| format!("{n:x}")).collect::<String>(),
    );
    ledger
        .keep(
            &feed,
            &Keep {
                changed: &[big],
                removed: &[],
                whole: true,
                state: &FeedState(None),
                at: at(1),
            },
        )
        .await
        .unwrap();
    ledger.close().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[8192..].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = match Ledger::open(&path).await {
        Err(error) => error,
        Ok(ledger) => ledger.held(&feed).await.unwrap_err(),
    };
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
    assert!(error.hint().contains("-wal"), "{}", error.hint());
    assert!(!error.is_passing());
}

#[tokio::test]
async fn the_ledger_of_a_newer_podcal_is_not_touched() {
    let (folder, ledger) = new_ledger().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&ledger.writer)
    .await
    .unwrap();
    let path = folder.path().join("podcal.db");
    for error in [
        open_error(&path).await,
        Ledger::open_existing(&path).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, LedgerError::Newer { found: 9999, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("newer podcal"), "{error}");
    }
}

#[tokio::test]
async fn a_schema_that_was_altered_is_refused() {
    let (folder, ledger) = new_ledger().await;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'")
        .execute(&ledger.writer)
        .await
        .unwrap();
    let error = open_error(&folder.path().join("podcal.db")).await;
    assert!(
        matches!(error, LedgerError::Altered { version: 1, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_there() {
    let (_folder, ledger) = new_ledger().await;
    let (feed, state) = (feed("a"), FeedState(Some("token".into())));
    let small = [item("", "BEGIN:VCALENDAR")];
    let mut keep = Keep {
        changed: &small,
        removed: &[],
        whole: true,
        state: &state,
        at: at(1),
    };
    ledger.keep(&feed, &keep).await.unwrap();
    // The connection of the writer is the one that is full.
    sqlx::query("PRAGMA max_page_count = 1")
        .execute(&ledger.writer)
        .await
        .unwrap();
    let large = [item(
        "",
        &(0..500_000).map(|n| format!("{n:x}")).collect::<String>(),
    )];
    keep.changed = &large;
    let error = ledger.keep(&feed, &keep).await.unwrap_err();
    assert!(matches!(error, LedgerError::DiskFull { .. }), "{error:?}");
    assert_eq!(ledger.held(&feed).await.unwrap().items, small);
    sqlx::query("PRAGMA max_page_count = 1000000")
        .execute(&ledger.writer)
        .await
        .unwrap();
    ledger.keep(&feed, &keep).await.unwrap();
    assert_eq!(ledger.held(&feed).await.unwrap().items, large);
}

#[tokio::test]
async fn a_ledger_that_another_process_locks_too_long_is_passing_trouble() {
    let (_folder, ledger) = new_ledger().await;
    let other = Ledger::open(ledger.path()).await.unwrap();
    let held = other.begin().await.unwrap();
    // The patience of a minute would make this test take as long.
    sqlx::query("PRAGMA busy_timeout = 20")
        .execute(&ledger.writer)
        .await
        .unwrap();
    for error in [
        ledger.beat(at(1)).await.unwrap_err(),
        ledger.begin().await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::Locked { .. }), "{error:?}");
        assert!(error.is_passing());
    }
    // Readers do not wait for writers.
    assert_eq!(ledger.last_beat().await.unwrap(), None);
    held.rollback().await.unwrap();
    ledger.beat(at(1)).await.unwrap();
}

#[tokio::test]
async fn a_file_system_without_shared_memory_gets_the_older_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    create_if_missing(&path).unwrap();
    // This way of locking has no shared memory, like a network share.
    let options = options(&path).vfs("unix-dotfile");
    let ledger = Ledger::connect(options, path, Access::Write).await.unwrap();
    assert_eq!(ledger.journal(), Journal::Rollback);
    ledger.beat(at(3)).await.unwrap();
    assert_eq!(ledger.last_beat().await.unwrap(), Some(at(3)));
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(&ledger.writer)
        .await
        .unwrap();
    assert_eq!(
        synchronous, 2,
        "without the log, only this is safe in a power cut"
    );
}

#[tokio::test]
async fn a_ledger_that_was_moved_to_a_network_share_says_what_is_wrong() {
    let (folder, ledger) = new_ledger().await;
    ledger.close().await;
    let path = folder.path().join("podcal.db");
    let options = options(&path).vfs("unix-dotfile");
    let error = Ledger::connect(options, path, Access::Write)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            LedgerError::CannotOpen { .. } | LedgerError::NoSharedMemory { .. }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_closed_ledger_says_so() {
    let (_folder, ledger) = new_ledger().await;
    ledger.close().await;
    let error = ledger.beat(at(1)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Closed { .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_names_the_file_and_nothing_that_is_in_it() {
    let (_folder, ledger) = new_ledger().await;
    let source =
        sqlx::query("INSERT INTO pin (pod, sha256, pinned_at) VALUES ('hunter2', x'00', 1)")
            .execute(&ledger.writer)
            .await
            .unwrap_err();
    let error = LedgerError::of(ledger.path(), source);
    let shown = format!("{error} {error:?} {ledger:?}");
    assert!(matches!(error, LedgerError::Refused { .. }), "{error:?}");
    assert!(
        shown.contains("podcal.db") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_commands_beside_it_write_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    // Also the first start may happen twice at once.
    let (one, two) = tokio::join!(Ledger::open(&path), Ledger::open(&path));
    let mut tasks = tokio::task::JoinSet::new();
    for (writer, ledger) in [one.unwrap(), two.unwrap()].into_iter().enumerate() {
        for task in 0..4 {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                let pod = pod(&format!("192.0.2.{}", writer * 10 + task));
                for second in 0..50 {
                    ledger
                        .set_health(&pod, &format!("state {second}"), None, at(second))
                        .await?;
                    ledger.count_repush(&pod).await?;
                    ledger.pod(&pod).await?;
                }
                ledger.pod(&pod).await
            });
        }
    }
    let mut done = 0;
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap().unwrap().repushes, 50);
        done += 1;
    }
    assert_eq!(done, 8);
}

#[tokio::test]
async fn a_push_that_is_recorded_as_the_service_stops_is_recorded_whole_or_not_at_all() {
    let (_folder, ledger) = new_ledger().await;
    let (pod, elm) = (pod("192.0.2.1"), room("elm"));
    let mut finished = 0;
    for second in 0..200 {
        let now = agenda(&[&format!("Meeting {second}")]);
        let changes = Changes::between(&Agenda::default(), &now);
        let confirm = ledger.confirm(&pod, &elm, &now, &changes, "changed", at(second), 1);
        // Ever later moments of the transaction; the last ones are after it.
        let patience = Duration::from_micros(20 * second.unsigned_abs());
        if let Ok(done) = tokio::time::timeout(patience, confirm).await {
            done.unwrap();
            finished += 1;
        }
        ledger.beat(at(second)).await.unwrap();
        let standing = ledger.pod(&pod).await.unwrap();
        let history = ledger.history(&elm, 1).await.unwrap();
        assert_eq!(standing.confirmed_at, history.first().map(|entry| entry.at));
        let expected = standing
            .confirmed_at
            .map(|at| agenda(&[&format!("Meeting {}", at.seconds())]));
        assert_eq!(standing.confirmed, expected);
    }
    assert!(finished < 200, "the first had no time at all");
}

#[tokio::test]
async fn everything_can_be_done_from_a_task_of_its_own() {
    fn task<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        tokio::spawn(work)
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    let ledger = task(async move { Ledger::open(&path).await.unwrap() })
        .await
        .unwrap();
    let reading = task({
        let path = ledger.path().to_owned();
        async move { Ledger::open_existing(&path).await.unwrap().unwrap() }
    });
    reading.await.unwrap();
    task(async move {
        let (feed, elm) = (feed("a"), room("elm"));
        let keep = Keep {
            changed: &[item("", "BEGIN:VCALENDAR")],
            removed: &["gone".to_owned()],
            whole: false,
            state: &FeedState(None),
            at: at(1),
        };
        ledger.keep(&feed, &keep).await.unwrap();
        ledger
            .pull_succeeded(&feed, &elm, at(1), true)
            .await
            .unwrap();
        assert_eq!(ledger.held(&feed).await.unwrap().items.len(), 1);
        ledger
            .prune_unknown(std::slice::from_ref(&elm), &[feed], &[pod("192.0.2.1")])
            .await
            .unwrap();
        ledger.prune(at(2)).await.unwrap();
        assert_eq!(ledger.history(&elm, 9).await.unwrap().len(), 1);
    })
    .await
    .unwrap();
}

/// Runs itself as a second process, kills it in the middle of its writing, and looks
/// whether each push that it had said was recorded is there, whole.
#[tokio::test]
async fn a_killed_process_leaves_a_ledger_that_is_whole() {
    const PATH: &str = "PODCAL_TEST_KILLED_LEDGER";
    const FROM: &str = "PODCAL_TEST_KILLED_FROM";
    let pod = pod("192.0.2.1");
    if let Some(path) = std::env::var_os(PATH) {
        let ledger = Ledger::open(Path::new(&path)).await.unwrap();
        let from: i64 = std::env::var(FROM).unwrap().parse().unwrap();
        for second in from.. {
            let now = agenda(&[&format!("Meeting {second}")]);
            let changes = Changes::between(&Agenda::default(), &now);
            ledger
                .confirm(&pod, &room("elm"), &now, &changes, "changed", at(second), 1)
                .await
                .unwrap();
            println!("\nrecorded {second}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    let beside = Ledger::open(&path).await.unwrap();
    for kills in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "ledger::old::tests::a_killed_process_leaves_a_ledger_that_is_whole",
            ])
            .env(PATH, &path)
            .env(FROM, (kills * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut recorded = None;
        for line in io::BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some(second) = line.strip_prefix("recorded ") else {
                continue;
            };
            recorded = Some(second.parse::<i64>().unwrap());
            beside.beat(at(kills)).await.unwrap();
            if recorded == Some(kills * 1_000_000 + 20) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let recorded = recorded.unwrap();
        for ledger in [&beside, &Ledger::open(&path).await.unwrap()] {
            let standing = ledger.pod(&pod).await.unwrap();
            let confirmed_at = standing.confirmed_at.unwrap();
            assert!(confirmed_at >= at(recorded));
            let expected = agenda(&[&format!("Meeting {}", confirmed_at.seconds())]);
            assert_eq!(
                standing.confirmed,
                Some(expected),
                "agenda and time are of one push"
            );
            let last = ledger.history(&room("elm"), 1).await.unwrap();
            assert_eq!(last[0].at, confirmed_at, "as is the history");
        }
    }
    let sound = sqlx::query("PRAGMA integrity_check")
        .fetch_one(&beside.writer)
        .await
        .unwrap();
    assert_eq!(sound.get::<String, _>(0), "ok");
}
