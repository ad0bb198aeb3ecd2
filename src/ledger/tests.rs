use std::fs;
use std::io::{self, BufRead as _};
use std::process::{Command, Stdio};
use std::task::Poll;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tempfile::TempDir;

use super::*;
use crate::fault::Fault as _;
use crate::ledger::connection::options;
use crate::model::agenda::Agenda;
use crate::model::ledger_event::LedgerEvent;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::memory::{FeedMemory, PodMemory, RememberedMeeting, RoomMemory};
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::sign_in::{AccountKey, SignIn};
use crate::model::time::UnixTime;

mod damage;
mod old;
mod server;
mod versions;

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

fn account(user: &str) -> AccountKey {
    AccountKey::new("calendar.example.com", &["password", user])
}

fn sign_in(rejections: u32) -> SignIn {
    SignIn {
        secret_tag: 7,
        rejections,
        until: at(1000),
        proven_at: None,
        is_pending: false,
    }
}

pub(super) fn agenda(titles: &[&str]) -> Agenda {
    let meetings = titles.iter().zip(1..).map(|(title, hour)| Meeting {
        id: MeetingId::new(title, ""),
        title: (*title).into(),
        organizer: "Ada".into(),
        description: None,
        start_time: at(hour * 3600),
        end_time: at(hour * 3600 + 1800),
    });
    Agenda::new(meetings.collect())
}

pub(super) async fn opened(path: &Path) -> (Ledger, Vec<LedgerEvent>) {
    Ledger::open(Ledger::claim(path).await.unwrap(), at(1_772_442_000))
        .await
        .unwrap()
}

/// A ledger on a new file; the folder goes with the first value.
pub(super) async fn new_ledger() -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, events) = opened(&folder.path().join("podcal.db")).await;
    assert_eq!(events, []);
    (folder, ledger)
}

/// A batch with something in it.
fn batch(second: i64) -> Batch {
    let memory = PodMemory {
        sent: Some(agenda(&[&format!("Meeting {second}")])),
        sent_at: Some(at(second)),
        ..PodMemory::default()
    };
    let remembered = RoomMemory {
        composed_at: Some(at(second)),
        is_known: true,
        ..RoomMemory::default()
    };
    let line = HistoryLine::of_pod(
        Some(&room("elm")),
        &pod("192.0.2.1"),
        at(second),
        Event::Lost {
            pod: "192.0.2.1".to_owned(),
            reason: "restarted".to_owned(),
        },
    );
    Batch {
        pods: vec![(pod("192.0.2.1").key(), Some(Arc::new(memory)))],
        rooms: vec![("elm".to_owned(), Some(Arc::new(remembered)))],
        history: vec![(line, 1)],
        ..Batch::default()
    }
}

/// Which batch the ledger has, and that it has the whole of it.
async fn batch_in(ledger: &Ledger) -> Option<i64> {
    let loaded = ledger.load().await.unwrap();
    let history = ledger.history(&room("elm"), &[], 1).await.unwrap();
    let memory = loaded.memories.pod(&pod("192.0.2.1"));
    let Some(memory) = memory else {
        assert_eq!(history, []);
        return None;
    };
    let second = memory.sent_at.unwrap();
    let expected = agenda(&[&format!("Meeting {}", second.seconds())]);
    assert_eq!(memory.sent, Some(expected));
    let remembered = loaded.memories.room(&room("elm")).unwrap();
    assert_eq!(remembered.composed_at, Some(second));
    assert_eq!(history[0].at, second);
    Some(second.seconds())
}

async fn open_error(path: &Path) -> LedgerError {
    let error = match Ledger::claim(path).await {
        Ok(lock) => Ledger::open(lock, at(1)).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(!error.hint().is_empty());
    error
}

async fn raw(path: &Path) -> SqliteConnection {
    options(path).connect().await.unwrap()
}

#[tokio::test]
async fn a_new_ledger_is_its_owners_alone_and_has_a_write_ahead_log() {
    let (folder, ledger) = new_ledger().await;
    ledger.store(&batch(1)).await.unwrap();
    assert_eq!(ledger.journal(), Journal::WriteAhead);
    #[cfg(unix)]
    for name in [
        "podcal.db",
        "podcal.db-wal",
        "podcal.db-shm",
        "podcal.db.lock",
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
    }
    ledger.close().await;
    let mut left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["podcal.db", "podcal.db.lock"]);
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_others_can_read_are_narrowed_and_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, ledger) = new_ledger().await;
    ledger.store(&batch(1)).await.unwrap();
    ledger.close().await;
    for name in ["podcal.db", "podcal.db.lock"] {
        let wide = fs::Permissions::from_mode(0o644);
        fs::set_permissions(folder.path().join(name), wide).unwrap();
    }
    let (_ledger, events) = opened(&folder.path().join("podcal.db")).await;
    let said = events.iter().filter_map(|event| match event {
        LedgerEvent::Narrowed { path } => path.file_name()?.to_str(),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), ["podcal.db", "podcal.db.lock"]);
    for name in ["podcal.db", "podcal.db.lock"] {
        let found = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn every_connection_has_the_settings_that_the_ledger_rests_on() {
    let (_folder, ledger) = new_ledger().await;
    for (access, query_only) in [(Access::Write, 0), (Access::Read, 1)] {
        let mut connection = ledger.connect(access).await.unwrap();
        for (pragma, expected) in [
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA synchronous", 1),
            ("PRAGMA busy_timeout", 5_000),
            ("PRAGMA query_only", query_only),
        ] {
            let value: i64 = sqlx::query_scalar(pragma)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_kill() {
    let (folder, ledger) = new_ledger().await;
    ledger.store(&batch(7)).await.unwrap();
    // Not closed, as after a kill; only the claim is given back, which the system does.
    ledger.opened().lock = None;
    let (again, events) = opened(&folder.path().join("podcal.db")).await;
    assert_eq!(events, []);
    assert_eq!(batch_in(&again).await, Some(7));
    drop(ledger);
}

#[tokio::test]
async fn a_command_that_reads_sees_what_the_service_writes_and_writes_nothing() {
    let (_folder, ledger) = new_ledger().await;
    ledger.store(&batch(7)).await.unwrap();
    let reading = Ledger::open_to_read(ledger.path()).await.unwrap();
    assert_eq!(batch_in(&reading).await, Some(7));
    for error in [
        reading.store(&batch(8)).await.unwrap_err(),
        reading
            .set_pin(&pod("192.0.2.1"), None, None, at(8))
            .await
            .unwrap_err(),
        reading
            .accept_device(&pod("192.0.2.1"), "device", at(8))
            .await
            .unwrap_err(),
        reading
            .prune_history(at(8), Duration::ZERO)
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error}");
    }
    ledger.store(&batch(9)).await.unwrap();
    assert_eq!(batch_in(&reading).await, Some(9));
}

#[tokio::test]
async fn a_command_that_reads_creates_no_ledger_before_a_sign_in_has_to_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    let reading = Ledger::open_to_read(&path).await.unwrap();
    assert_eq!(reading.load().await.unwrap(), Loaded::default());
    assert_eq!(reading.pin(&pod("192.0.2.1")).await.unwrap(), None);
    assert_eq!(reading.sign_in(&account("a")).await.unwrap(), None);
    assert_eq!(reading.history(&room("elm"), &[], 9).await.unwrap(), []);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    let is_ours = reading
        .reserve_sign_in(&account("a"), None, &sign_in(1))
        .await
        .unwrap();
    assert!(is_ours && path.is_file());
    let other = Ledger::open_to_read(&path).await.unwrap();
    let known = other.sign_in(&account("a")).await.unwrap();
    assert_eq!(known, Some(sign_in(1)));
    assert_eq!(reading.sign_in(&account("a")).await.unwrap(), known);
    let error = Ledger::open_to_read(&folder.path().join("gone/podcal.db"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, LedgerError::FolderMissing { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_second_service_on_one_ledger_is_refused_however_the_path_is_spelt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let link = folder.path().join("link.db");
    #[cfg(unix)]
    std::os::unix::fs::symlink("podcal.db", &link).unwrap();
    // The first time before there is a file: the link leads nowhere yet.
    for first in [link.clone(), path.clone()] {
        let lock = Ledger::claim(&first).await.unwrap();
        for spelt in [&path, &inner.join("../podcal.db"), &link] {
            let error = Ledger::claim(spelt).await.unwrap_err();
            let LedgerError::ServiceRunning { holder, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(holder.as_ref().unwrap().pid, std::process::id());
        }
        let (ledger, _) = Ledger::open(lock, at(1)).await.unwrap();
        assert_eq!(ledger.path(), fs::canonicalize(&path).unwrap());
        ledger.close().await;
        drop(Ledger::claim(&path).await.unwrap());
    }
    assert!(!folder.path().join("link.db.lock").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn the_lock_is_never_opened_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    fs::write(&precious, "do not cut").unwrap();
    let lock = folder.path().join("podcal.db.lock");
    std::os::unix::fs::symlink(&precious, &lock).unwrap();
    let error = open_error(&folder.path().join("podcal.db")).await;
    assert!(matches!(error, LedgerError::LockIsALink { .. }), "{error}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "do not cut");
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
        let (ledger, _) = opened(&folder.path().join(name)).await;
        ledger.store(&batch(1)).await.unwrap();
        assert!(folder.path().join(name).is_file(), "{name}");
    }
    let here = fs::canonicalize(std::env::current_dir().unwrap()).unwrap();
    assert_eq!(
        resolve(Path::new(":memory:")).unwrap(),
        here.join(":memory:")
    );
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_error(&folder.path().join("gone/podcal.db")).await;
    let gone = folder.path().join("gone");
    assert_eq!(
        error.to_string(),
        format!("the folder {} of the ledger does not exist", gone.display())
    );
    assert!(!gone.exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pipe_is_neither_ledger_nor_lock_and_nobody_waits_for_its_reader() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    for name in ["podcal.db", "podcal.db.lock"] {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join(name);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let error = open_error(&folder.path().join("podcal.db")).await;
        assert!(
            matches!(&error, LedgerError::NotAFile { path } if *path == pipe),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_folder_is_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    for error in [
        open_error(&inner).await,
        Ledger::open_to_read(&inner).await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::NotAFile { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[tokio::test]
async fn of_several_processes_one_may_try_a_secret() {
    let (_folder, ledger) = new_ledger().await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..8 {
        // As processes of their own would: a connection each.
        let other = Ledger::open_to_read(ledger.path()).await.unwrap();
        asking.spawn(async move {
            other
                .reserve_sign_in(&account("a"), None, &sign_in(n))
                .await
                .unwrap()
        });
    }
    let won = asking.join_all().await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let known = ledger.sign_in(&account("a")).await.unwrap().unwrap();
    let reserve = |expected: SignIn| {
        let ledger = ledger.clone();
        async move {
            ledger
                .reserve_sign_in(&account("a"), Some(&expected), &sign_in(9))
                .await
                .unwrap()
        }
    };
    assert!(!reserve(sign_in(77)).await, "somebody else was faster");
    assert!(reserve(known.clone()).await);
    assert!(!reserve(known).await);
    ledger.clear_sign_in(&account("a")).await.unwrap();
    assert_eq!(ledger.sign_in(&account("a")).await.unwrap(), None);
    ledger
        .set_sign_in(&account("a"), &sign_in(3))
        .await
        .unwrap();
    let loaded = ledger.load().await.unwrap();
    assert_eq!(loaded.sign_ins[account("a").as_str()], sign_in(3));
}

#[tokio::test]
async fn a_pin_is_kept_with_the_time_at_which_it_was_first_seen() {
    let (_folder, ledger) = new_ledger().await;
    let (one, elm) = (pod("192.0.2.1"), room("elm"));
    let set = |pin, second| ledger.set_pin(&one, Some(&elm), pin, at(second));
    set(Some([1; 32]), 1).await.unwrap();
    set(Some([1; 32]), 2).await.unwrap();
    let pin = |sha256, second| {
        Some(Pin {
            sha256,
            at: at(second),
        })
    };
    assert_eq!(ledger.pin(&one).await.unwrap(), pin([1; 32], 1));
    set(Some([2; 32]), 3).await.unwrap();
    assert_eq!(ledger.pin(&one).await.unwrap(), pin([2; 32], 3));
    assert_eq!(ledger.pin(&pod("192.0.2.2")).await.unwrap(), None);
    set(None, 4).await.unwrap();
    set(None, 5).await.unwrap();
    assert_eq!(ledger.pin(&one).await.unwrap(), None);
    let history = ledger.history(&elm, &[], 9).await.unwrap();
    let times: Vec<_> = history.iter().map(|entry| entry.at.seconds()).collect();
    assert_eq!(times, [4, 3, 1], "only what changed");
}

#[tokio::test]
async fn an_accepted_device_and_the_settings_of_a_pod_are_kept() {
    let (_folder, ledger) = new_ledger().await;
    let one = pod("192.0.2.1");
    assert!(ledger.load().await.unwrap().accepted_devices.is_empty());
    for device in ["device-1", "device-2"] {
        ledger.accept_device(&one, device, at(1)).await.unwrap();
        let known = ledger.load().await.unwrap().accepted_devices;
        assert_eq!(known.get(&one.key()).map(String::as_str), Some(device));
    }
    assert_eq!(ledger.pod_settings(&one).await.unwrap(), None);
    let settings = Batch {
        pod_settings: vec![(one.key(), at(5), "{}".to_owned())],
        ..Batch::default()
    };
    ledger.store(&settings).await.unwrap();
    let known = ledger.pod_settings(&one).await.unwrap();
    assert_eq!(known, Some((at(5), "{}".to_owned())));
}

#[tokio::test]
async fn when_all_were_last_seen_is_one_row_and_the_later_time_counts() {
    let (_folder, ledger) = new_ledger().await;
    let memory = |seen| PodMemory {
        seen_at: Some(at(seen)),
        ..PodMemory::default()
    };
    let pods = ["192.0.2.1", "192.0.2.2"].map(pod);
    let mut written = Batch {
        pods: pods
            .iter()
            .map(|pod| (pod.key(), Some(Arc::new(memory(100)))))
            .collect(),
        ..Batch::default()
    };
    written.seen = vec![(
        PodMemory::KIND,
        [
            (pods[0].key(), memory(200).times()),
            (pods[1].key(), memory(50).times()),
        ]
        .into(),
    )];
    ledger.store(&written).await.unwrap();
    let loaded = ledger.load().await.unwrap();
    let seen = pods.map(|pod| loaded.memories.pod(&pod).unwrap().seen_at);
    assert_eq!(seen, [Some(at(200)), Some(at(100))]);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_counts_as_never_written() {
    let (_folder, ledger) = new_ledger().await;
    ledger.store(&batch(1)).await.unwrap();
    ledger
        .write(async |connection| {
            query::sql("UPDATE room_memory SET memory = 'no JSON'")
                .execute(connection)
                .await
        })
        .await
        .unwrap();
    let loaded = ledger.load().await.unwrap();
    assert_eq!(loaded.unreadable, 1);
    assert!(loaded.memories.rooms.is_empty());
    assert_eq!(loaded.memories.pods.len(), 1);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_the_next_write_has_a_new_connection() {
    let (_folder, ledger) = new_ledger().await;
    ledger.store(&batch(1)).await.unwrap();
    let mut large = batch(2);
    let text = (0..300_000).map(|n| format!("{n:x}")).collect::<String>();
    large.pod_settings = vec![("pod".to_owned(), at(2), text)];
    // The connection that is open now is the one that is full.
    ledger.fail_writes(Some("PRAGMA max_page_count = 1")).await;
    let error = ledger.store(&large).await.unwrap_err();
    assert!(matches!(error, LedgerError::DiskFull { .. }), "{error:?}");
    assert_eq!(batch_in(&ledger).await, Some(1));
    ledger.fail_writes(None).await;
    ledger.store(&large).await.unwrap();
    assert_eq!(batch_in(&ledger).await, Some(2));
}

#[tokio::test]
async fn a_ledger_that_another_process_locks_too_long_is_passing_trouble() {
    let (_folder, ledger) = new_ledger().await;
    let mut other = raw(ledger.path()).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    // The patience of seconds would make this test take as long.
    ledger.fail_writes(Some("PRAGMA busy_timeout = 20")).await;
    let error = ledger.store(&batch(1)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Locked { .. }), "{error:?}");
    assert!(error.is_passing());
    // Readers do not wait for writers.
    assert_eq!(batch_in(&ledger).await, None);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    ledger.store(&batch(1)).await.unwrap();
    assert_eq!(batch_in(&ledger).await, Some(1));
}

#[tokio::test]
async fn a_file_system_without_shared_memory_gets_the_older_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    file::create_if_missing(&path).unwrap();
    // This way of locking has no shared memory, like a network share.
    let options = options(&path).vfs("unix-dotfile");
    let (begun, _) = begin::prepare(options.clone(), &path, begin::Depth::Whole)
        .await
        .unwrap();
    assert_eq!(begun.journal, Journal::Rollback);
    // And a file that was made elsewhere and has a write-ahead log says what is wrong.
    let elsewhere = folder.path().join("moved.db");
    opened(&elsewhere).await.0.close().await;
    // That way of locking has a folder of this name.
    fs::remove_file(folder.path().join("moved.db.lock")).unwrap();
    let options = connection::options(&elsewhere).vfs("unix-dotfile");
    let Err(error) = begin::prepare(options, &elsewhere, begin::Depth::Whole).await else {
        panic!("it was opened");
    };
    assert!(
        matches!(
            error,
            LedgerError::CannotOpen { .. } | LedgerError::NoSharedMemory { .. }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_deleted_file_is_noticed_and_a_new_one_begun() {
    let (folder, ledger) = new_ledger().await;
    ledger.store(&batch(1)).await.unwrap();
    assert!(ledger.is_in_place());
    for name in [
        "podcal.db",
        "podcal.db-wal",
        "podcal.db-shm",
        "podcal.db.lock",
    ] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(!ledger.is_in_place());
    let error = ledger.store(&batch(2)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Replaced { .. }), "{error}");
    let events = ledger.reopen(at(3)).await.unwrap();
    assert!(
        matches!(
            events[..],
            [LedgerEvent::Replaced {
                was_deleted: true,
                ..
            }]
        ),
        "{events:?}"
    );
    assert!(ledger.is_in_place());
    ledger.store(&batch(3)).await.unwrap();
    assert_eq!(batch_in(&ledger).await, Some(3));
    // The new lock file is held.
    let error = Ledger::claim(ledger.path()).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::ServiceRunning { .. }),
        "{error}"
    );
}

/// The log of the file that is gone would be played into the one that is there now.
#[tokio::test]
async fn a_file_that_was_put_in_place_of_the_ledger_gets_none_of_the_old_log() {
    let (folder, ledger) = new_ledger().await;
    let backup = folder.path().join("backup.db");
    let (other, _) = opened(&backup).await;
    other.store(&batch(5)).await.unwrap();
    other.close().await;
    for second in 1..=4 {
        ledger.store(&batch(second)).await.unwrap();
    }
    fs::rename(&backup, ledger.path()).unwrap();
    assert!(!ledger.is_in_place());
    let events = ledger.reopen(at(6)).await.unwrap();
    assert!(
        matches!(
            events[..],
            [LedgerEvent::Replaced {
                was_deleted: false,
                ..
            }]
        ),
        "{events:?}"
    );
    assert_eq!(batch_in(&ledger).await, Some(5));
    ledger.store(&batch(6)).await.unwrap();
    assert_eq!(batch_in(&ledger).await, Some(6));
    assert_sound(ledger.path()).await;
}

#[tokio::test]
async fn a_ledger_that_another_process_claimed_meanwhile_is_not_taken_back() {
    let (folder, ledger) = new_ledger().await;
    fs::remove_file(folder.path().join("podcal.db.lock")).unwrap();
    let theirs = Ledger::claim(ledger.path()).await.unwrap();
    let error = ledger.reopen(at(1)).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::ServiceRunning { .. }),
        "{error}"
    );
    let error = ledger.store(&batch(1)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Replaced { .. }), "{error}");
    drop(theirs);
    ledger.reopen(at(2)).await.unwrap();
    ledger.store(&batch(2)).await.unwrap();
}

#[test]
fn every_migration_is_in_the_binary_and_says_why() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut on_disk: Vec<(i64, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        // Of the other engine.
        .filter(|file| file.file_type().unwrap().is_file())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            let version = name.split('_').next().unwrap().parse().unwrap();
            (version, fs::read_to_string(file.path()).unwrap())
        })
        .collect();
    on_disk.sort();
    let embedded: Vec<_> = schema::MIGRATIONS
        .iter()
        .map(|migration| (migration.version, migration.sql.as_str().to_owned()))
        .collect();
    assert_eq!(on_disk, embedded);
    for ((version, sql), expected) in embedded.iter().zip(1..) {
        assert_eq!(*version, expected, "no number is left out");
        assert!(sql.starts_with("-- Why: "), "{version}");
    }
}

#[tokio::test]
async fn an_error_names_the_file_and_nothing_that_is_in_it() {
    let (_folder, ledger) = new_ledger().await;
    let error = ledger
        .write(async |connection| {
            query::sql("INSERT INTO pin (pod, sha256, pinned_at) VALUES ('hunter2', x'00', 1)")
                .execute(connection)
                .await
        })
        .await
        .unwrap_err();
    let shown = format!("{error} {error:?} {ledger:?} {:?}", error.failure());
    assert!(matches!(error, LedgerError::Refused { .. }), "{error:?}");
    assert!(
        shown.contains("podcal.db") && !shown.contains("hunter2"),
        "{shown}"
    );
}

/// Where a future is dropped: when it begins to wait for the last of so many times, or
/// when what it waited for is there.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Waiting(usize),
    Woken(usize),
}

/// `None` when it was cut off. No clock is asked: how far a write gets in some time differs
/// from machine to machine.
async fn cut_off<T>(work: impl Future<Output = T>, cut: Cut) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut waits = 0;
    std::future::poll_fn(|context| {
        if matches!(cut, Cut::Woken(most) if waits == most) {
            return Poll::Ready(None);
        }
        let Poll::Ready(done) = work.as_mut().poll(context) else {
            waits += 1;
            return match cut {
                Cut::Waiting(most) if waits > most => Poll::Ready(None),
                _ => Poll::Pending,
            };
        };
        Poll::Ready(Some(done))
    })
    .await
}

#[tokio::test]
async fn a_write_that_is_cut_off_is_there_whole_or_not_at_all() {
    /// More than a transaction of one batch with its connection has.
    const WAITS: usize = 40;
    let (_folder, ledger) = new_ledger().await;
    let mut second = 0;
    for has_connection in [false, true] {
        let cuts = (0..WAITS).flat_map(|waits| [Cut::Woken(waits), Cut::Waiting(waits)]);
        let mut cut_offs = 0;
        for cut in cuts {
            second += 1;
            if !has_connection {
                ledger.0.writer.lock().await.take();
            }
            if let Some(done) = cut_off(ledger.store(&batch(second)), cut).await {
                done.unwrap();
                assert_eq!(batch_in(&ledger).await, Some(second), "{cut:?}");
            } else {
                cut_offs += 1;
                // A commit that was on its way has come to its end before the next begins.
                ledger.write(async |_| Ok(())).await.unwrap();
                batch_in(&ledger).await;
            }
        }
        assert!(cut_offs > 0, "the first is dropped before it begins");
        assert!(
            cut_offs < 2 * WAITS,
            "the last may wait as often as it must"
        );
        second += 1;
        ledger.store(&batch(second)).await.unwrap();
        assert_eq!(batch_in(&ledger).await, Some(second));
    }
}

#[tokio::test]
async fn everything_can_be_done_from_a_task_of_its_own() {
    let (_folder, ledger) = new_ledger().await;
    tokio::spawn(async move {
        let (one, elm) = (pod("192.0.2.1"), room("elm"));
        ledger.store(&batch(1)).await.unwrap();
        ledger.load().await.unwrap();
        ledger
            .set_pin(&one, Some(&elm), Some([1; 32]), at(1))
            .await
            .unwrap();
        ledger.pin(&one).await.unwrap();
        ledger
            .reserve_sign_in(&account("a"), None, &sign_in(1))
            .await
            .unwrap();
        ledger.adopt_old_pauses(&[]).await.unwrap();
        ledger.accept_device(&one, "device", at(1)).await.unwrap();
        ledger
            .version(&feed("a"), crate::model::version::VersionId(1))
            .await
            .unwrap();
        ledger
            .prune_history(at(1), Duration::from_secs(1))
            .await
            .unwrap();
        ledger.history(&elm, &[feed("a")], 9).await.unwrap();
        ledger.reopen(at(2)).await.unwrap();
        ledger.close().await;
    })
    .await
    .unwrap();
}

async fn assert_sound(path: &Path) {
    let mut connection = raw(path).await;
    let says = sqlx::query("PRAGMA integrity_check")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(says.get::<String, _>(0), "ok");
}

/// Runs itself as a second process, kills it in the middle of its writing, and looks
/// whether each batch that it had said was written is there, whole.
#[tokio::test]
async fn a_killed_process_leaves_a_ledger_that_is_whole() {
    const PATH: &str = "PODCAL_TEST_KILLED_LEDGER";
    const FROM: &str = "PODCAL_TEST_KILLED_FROM";
    if let Some(path) = std::env::var_os(PATH) {
        let (ledger, _) = opened(Path::new(&path)).await;
        let from: i64 = std::env::var(FROM).unwrap().parse().unwrap();
        for second in from.. {
            ledger.store(&batch(second)).await.unwrap();
            println!("\nwritten {second}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    for kills in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "ledger::tests::a_killed_process_leaves_a_ledger_that_is_whole",
            ])
            .env(PATH, &path)
            .env(FROM, (kills * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut written = None;
        for line in io::BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some(second) = line.strip_prefix("written ") else {
                continue;
            };
            written = Some(second.parse::<i64>().unwrap());
            if written == Some(kills * 1_000_000 + 20) {
                // A command beside it, which claims nothing.
                let beside = Ledger::open_to_read(&path).await.unwrap();
                assert!(batch_in_any(&beside).await >= kills * 1_000_000 + 20);
                let error = Ledger::claim(&path).await.unwrap_err();
                assert!(
                    matches!(&error, LedgerError::ServiceRunning { holder: Some(holder), .. } if holder.pid == child.id()),
                    "{error}"
                );
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let (ledger, events) = opened(&path).await;
        assert_eq!(events, []);
        assert!(batch_in(&ledger).await >= written);
        ledger.close().await;
    }
    assert_sound(&path).await;
}

/// While another process writes, two reads are of two moments.
async fn batch_in_any(ledger: &Ledger) -> i64 {
    let loaded = ledger.load().await.unwrap();
    let memory = loaded.memories.pod(&pod("192.0.2.1")).unwrap();
    let second = memory.sent_at.unwrap().seconds();
    let expected = agenda(&[&format!("Meeting {second}")]);
    assert_eq!(memory.sent, Some(expected));
    second
}

/// A file system that does not answer holds up whoever waits for it, and nobody else.
#[tokio::test]
async fn work_on_the_file_system_stops_no_other_task() {
    let (answer, answered) = std::sync::mpsc::channel();
    let work = file::beside_tasks(async move { answered.recv().unwrap() });
    // On one thread: were the work done there, this would never be sent.
    let other = async { answer.send(7).unwrap() };
    let (done, ()) = tokio::join!(work, other);
    assert_eq!(done, 7);
    let work = file::beside_tasks(async { panic!("a fault in the work") });
    assert!(tokio::spawn(work).await.unwrap_err().is_panic());
}
