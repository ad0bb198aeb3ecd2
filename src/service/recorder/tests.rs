mod wear;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::ledger::Event;
use crate::model::agenda::Agenda;
use crate::model::sign_in::{AccountKey, SignIn};

const QUICK: Pace = Pace {
    pause: Duration::from_millis(20),
    longest_retry: Duration::from_millis(100),
    look: Duration::from_millis(50),
    times: Duration::from_secs(3600),
    validators: 6,
    prune: Duration::from_secs(3600),
};

/// A recorder at work on a file, and what it said.
struct World {
    folder: TempDir,
    recorder: Recorder,
    said: Arc<Mutex<Vec<LedgerEvent>>>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

static CLOCK: AtomicI64 = AtomicI64::new(1_772_442_000);

fn wall() -> UnixTime {
    UnixTime::from_seconds(CLOCK.fetch_add(1, Ordering::Relaxed))
}

async fn open(path: &Path) -> (Ledger, Loaded) {
    let lock = Ledger::claim(path).await.unwrap();
    let (ledger, _) = Ledger::open(lock, wall()).await.unwrap();
    let loaded = ledger.load().await.unwrap();
    (ledger, loaded)
}

impl World {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), QUICK).await
    }

    async fn start_in(folder: TempDir, pace: Pace) -> Self {
        let (ledger, loaded) = open(&folder.path().join("podcal.db")).await;
        let said: Arc<Mutex<Vec<LedgerEvent>>> = Arc::default();
        let listener = {
            let said = said.clone();
            move |event| said.lock().unwrap().push(event)
        };
        let recorder = Recorder::with_pace(
            pace,
            ledger,
            loaded,
            Duration::from_secs(90 * 86_400),
            Box::new(wall),
            Box::new(listener),
        );
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn({
            let recorder = recorder.clone();
            async move {
                recorder
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await;
            }
        });
        Self {
            folder,
            recorder,
            said,
            stop,
            running,
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn set(&self, n: u32) {
        self.recorder.pod(&pod(), memory(n));
    }

    /// What a command beside the service reads.
    async fn on_disk(&self) -> Option<u32> {
        let beside = Ledger::open_to_read(&self.path("podcal.db")).await.ok()?;
        let loaded = beside.load().await.ok()?;
        Some(number(loaded.memories.pod(&pod())?))
    }

    async fn until_on_disk(&self, n: u32) {
        for _ in 0..500 {
            if self.on_disk().await == Some(n) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{n} never came; {:?}", self.said());
    }

    async fn until_said(&self, count: usize) -> Vec<LedgerEvent> {
        for _ in 0..500 {
            let said = self.said();
            if said.len() >= count {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?}", self.said());
    }

    fn said(&self) -> Vec<LedgerEvent> {
        self.said.lock().unwrap().clone()
    }

    async fn end(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
        self.recorder.ledger().close().await;
        self.folder
    }
}

fn pod() -> PodUrl {
    PodUrl::parse("192.0.2.1").unwrap()
}

fn feed() -> FeedId {
    FeedId::new("calendar.example.com", &["ics", "a"])
}

fn memory(n: u32) -> PodMemory {
    PodMemory {
        detail: Some(n.to_string()),
        sent: Some(Agenda::default()),
        ..PodMemory::default()
    }
}

fn number(memory: &PodMemory) -> u32 {
    memory.detail.as_deref().unwrap().parse().unwrap()
}

fn account() -> AccountKey {
    AccountKey::new("192.0.2.1", &["admin"])
}

fn sign_in() -> SignIn {
    SignIn {
        secret_tag: 1,
        rejections: 1,
        until: UnixTime::from_seconds(5),
        proven_at: None,
        is_pending: false,
    }
}

#[tokio::test]
async fn what_changes_is_on_the_disk_soon_and_in_memory_at_once() {
    let world = World::start().await;
    for n in 1..=50 {
        world.set(n);
        let memories = world.recorder.memories();
        assert_eq!(number(memories.pod(&pod()).unwrap()), n);
    }
    world.until_on_disk(50).await;
    assert_eq!(world.said(), []);
    world.end().await;
}

#[tokio::test]
async fn a_stop_writes_what_is_current() {
    let mut slow = QUICK;
    slow.pause = Duration::from_secs(60);
    let world = World::start_in(tempfile::tempdir().unwrap(), slow).await;
    world.set(1);
    // The first is written at once, the next in a minute.
    world.until_on_disk(1).await;
    world.set(2);
    world.recorder.service_started("0.2.0");
    world.recorder.service_stopped();
    world.recorder.history(HistoryLine::of_pod(
        None,
        &pod(),
        wall(),
        Event::Lost {
            pod: "192.0.2.1".to_owned(),
            reason: "restarted".to_owned(),
        },
    ));
    let folder = world.end().await;
    let (_ledger, loaded) = open(&folder.path().join("podcal.db")).await;
    assert_eq!(number(loaded.memories.pod(&pod()).unwrap()), 2);
    assert_eq!(loaded.service.version.as_deref(), Some("0.2.0"));
    assert!(loaded.service.stopped_at > loaded.service.started_at);
}

#[tokio::test]
async fn a_full_disk_is_said_once_and_everything_is_written_when_it_has_room() {
    let world = World::start().await;
    world.set(1);
    world.until_on_disk(1).await;
    world
        .recorder
        .ledger()
        .fail_writes(Some("PRAGMA max_page_count = 1"))
        .await;
    world
        .recorder
        .pod_config(&pod(), (0..60_000).map(|n| format!("{n:x}")).collect());
    let said = world.until_said(1).await;
    assert!(
        matches!(&said[..], [LedgerEvent::WriteFailed { failure, .. }] if failure.kind == "disk_full"),
        "{said:?}"
    );
    for n in 2..10 {
        world.set(n);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(world.said().len(), 1);
    assert_eq!(world.recorder.failing().unwrap().kind, "disk_full");
    assert_eq!(world.on_disk().await, Some(1), "what was there is there");
    // A pin cannot be written now: it holds, and goes to the disk when that works.
    let _ = world.recorder.set_pin(&pod(), Some([1; 32])).await;
    let is_pinned = world.recorder.pin(&pod()).map(|pin| pin.sha256);
    assert_eq!(is_pinned, Some([1; 32]));
    world.recorder.ledger().fail_writes(None).await;
    world.until_on_disk(9).await;
    let said = world.until_said(2).await;
    let [_, LedgerEvent::WriteRecovered { failures, .. }] = &said[..] else {
        panic!("{said:?}");
    };
    assert!(*failures > 1);
    assert_eq!(world.recorder.failing(), None);
    let pin = world.recorder.ledger().pin(&pod()).await.unwrap();
    assert_eq!(pin.map(|pin| pin.sha256), Some([1; 32]));
    world.end().await;
}

#[tokio::test]
async fn a_read_only_disk_is_said_and_comes_back() {
    let world = World::start().await;
    let ledger = world.recorder.ledger();
    ledger.fail_writes(Some("PRAGMA query_only = ON")).await;
    world.set(1);
    let said = world.until_said(1).await;
    assert!(
        matches!(&said[0], LedgerEvent::WriteFailed { failure, .. } if failure.kind == "read_only"),
        "{said:?}"
    );
    let error = world.recorder.set_pin(&pod(), Some([1; 32])).await;
    assert!(error.is_err());
    ledger.fail_writes(None).await;
    world.until_on_disk(1).await;
    let pin = ledger.pin(&pod()).await.unwrap();
    assert_eq!(pin.map(|pin| pin.sha256), Some([1; 32]), "it went with it");
    world.end().await;
}

#[tokio::test]
async fn a_lock_that_another_process_holds_is_waited_for_and_blocks_nobody() {
    let world = World::start().await;
    world.set(1);
    world.until_on_disk(1).await;
    world
        .recorder
        .ledger()
        .fail_writes(Some("PRAGMA busy_timeout = 30"))
        .await;
    let mut child = lock_in_another_process(&world.path("podcal.db"));
    world.set(2);
    let said = world.until_said(1).await;
    assert!(
        matches!(&said[..], [LedgerEvent::WriteFailed { failure, .. }] if failure.kind == "locked"),
        "{said:?}"
    );
    let before = Instant::now();
    world.set(3);
    assert!(world.recorder.memories().pod(&pod()).is_some());
    assert!(before.elapsed() < Duration::from_millis(20));
    assert!(
        world
            .recorder
            .reserve_sign_in(&account(), None, &sign_in())
            .await
            .is_err(),
        "so the secret is not sent"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    world.until_on_disk(3).await;
    world.until_said(2).await;
    world.end().await;
}

/// A process that holds the writer's lock until it is killed.
fn lock_in_another_process(path: &Path) -> std::process::Child {
    use std::io::BufRead as _;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "service::recorder::tests::holds_the_lock_when_it_is_asked_to",
        ])
        .env(LOCKED, path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let is_locked = output.lines().any(|line| line.unwrap() == "locked");
    assert!(is_locked);
    child
}

const LOCKED: &str = "PODCAL_TEST_LOCKED_LEDGER";

#[tokio::test]
async fn holds_the_lock_when_it_is_asked_to() {
    use sqlx::ConnectOptions as _;
    let Some(path) = std::env::var_os(LOCKED) else {
        return;
    };
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(Path::new(&path));
    let mut connection = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await
        .unwrap();
    println!("\nlocked");
    tokio::time::sleep(Duration::from_secs(600)).await;
}

#[tokio::test]
async fn a_file_that_is_deleted_or_replaced_is_begun_anew_with_everything() {
    let world = World::start().await;
    world.set(1);
    let is_ours = world
        .recorder
        .reserve_sign_in(&account(), None, &sign_in())
        .await;
    assert!(is_ours.unwrap());
    world.recorder.set_pin(&pod(), Some([7; 32])).await.unwrap();
    world
        .recorder
        .accept_device(&pod(), "device-1")
        .await
        .unwrap();
    world.until_on_disk(1).await;
    let noise: Vec<u8> = (0..9000_u32).map(|n| ((n * n) >> 3) as u8).collect();
    let damages: [(&str, &dyn Fn()); 4] = [
        ("deleted", &|| {
            fs::remove_file(world.path("podcal.db")).unwrap();
        }),
        ("all deleted", &|| {
            for name in [
                "podcal.db",
                "podcal.db-wal",
                "podcal.db-shm",
                "podcal.db.lock",
            ] {
                let _ = fs::remove_file(world.path(name));
            }
        }),
        ("replaced by noise", &|| {
            fs::write(world.path("noise"), &noise).unwrap();
            fs::rename(world.path("noise"), world.path("podcal.db")).unwrap();
        }),
        ("replaced by an empty file", &|| {
            fs::write(world.path("noise"), "").unwrap();
            fs::rename(world.path("noise"), world.path("podcal.db")).unwrap();
        }),
    ];
    for (what, damage) in damages {
        world.said.lock().unwrap().clear();
        damage();
        world.until_on_disk(1).await;
        let said = world.until_said(1).await;
        assert!(
            matches!(&said[0], LedgerEvent::Replaced { .. }),
            "{what}: {said:?}"
        );
        let failed = |event: &LedgerEvent| matches!(event, LedgerEvent::WriteFailed { .. });
        assert!(!said.iter().any(failed), "{what}: {said:?}");
        let beside = Ledger::open_to_read(&world.path("podcal.db"))
            .await
            .unwrap();
        let loaded = beside.load().await.unwrap();
        assert_eq!(loaded.pins[&pod().key()].sha256, [7; 32], "{what}");
        assert_eq!(loaded.sign_ins[account().as_str()], sign_in(), "{what}");
        assert_eq!(loaded.accepted_devices[&pod().key()], "device-1", "{what}");
        let error = Ledger::claim(&world.path("podcal.db")).await.unwrap_err();
        assert!(
            matches!(error, LedgerError::ServiceRunning { .. }),
            "{what}"
        );
    }
    world.set(2);
    world.until_on_disk(2).await;
    world.end().await;
}

#[tokio::test]
async fn a_file_that_is_damaged_in_place_is_set_aside_while_the_service_runs() {
    let world = World::start().await;
    world.set(1);
    world.until_on_disk(1).await;
    // Without the log, what is in the file is what counts.
    world.recorder.ledger().merge_log().await;
    let mut bytes = fs::read(world.path("podcal.db")).unwrap();
    bytes[4096..].fill(0xA5);
    fs::write(world.path("podcal.db"), bytes).unwrap();
    world.set(2);
    let said = world.until_said(2).await;
    let aside = said
        .iter()
        .any(|event| matches!(event, LedgerEvent::SetAside { .. }));
    assert!(aside, "{said:?}");
    world.until_on_disk(2).await;
    world.end().await;
}

#[tokio::test]
async fn a_version_is_shared_while_somebody_holds_it_and_read_when_nobody_does() {
    let world = World::start().await;
    let version = Arc::new(FeedVersion {
        id: VersionId(5),
        items: Vec::new(),
        reduction: crate::model::version::Reduction {
            from: UnixTime::from_seconds(0),
            filters: BTreeSet::new(),
        },
        missing: Vec::new(),
        trouble: crate::model::version::Trouble::default(),
    });
    let memory = FeedMemory {
        latest: Some(version.id),
        ..FeedMemory::default()
    };
    world.recorder.feed(&feed(), memory, Some(version.clone()));
    let shared = world.recorder.version(&feed(), version.id).await.unwrap();
    assert!(Arc::ptr_eq(&shared, &version));
    drop(shared);
    let folder = world.end().await;
    let world = World::start_in(folder, QUICK).await;
    let read = world.recorder.version(&feed(), version.id).await.unwrap();
    assert!(read == version);
    let again = world.recorder.version(&feed(), version.id).await.unwrap();
    assert!(Arc::ptr_eq(&read, &again));
    let other = world.recorder.version(&feed(), VersionId(6)).await;
    assert!(other.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_stop_while_the_disk_fails_does_not_hang() {
    let world = World::start().await;
    world
        .recorder
        .ledger()
        .fail_writes(Some("PRAGMA query_only = ON"))
        .await;
    world.set(1);
    world.until_said(1).await;
    let before = Instant::now();
    world.end().await;
    assert!(before.elapsed() < Duration::from_secs(5));
}

/// A recorder on a new ledger that nobody runs.
async fn still() -> (TempDir, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, loaded) = open(&folder.path().join("podcal.db")).await;
    let keep = Duration::from_secs(90 * 86_400);
    let (wall, listener) = (Box::new(wall), Box::new(|_| {}));
    let recorder = Recorder::with_pace(QUICK, ledger, loaded, keep, wall, listener);
    (folder, recorder)
}

fn oak() -> RoomName {
    RoomName::new("oak").unwrap()
}

fn lost(reason: &str) -> HistoryLine {
    let event = Event::Lost {
        pod: "192.0.2.1".to_owned(),
        reason: reason.to_owned(),
    };
    HistoryLine::of_pod(Some(&oak()), &pod(), wall(), event)
}

#[tokio::test]
async fn a_write_that_is_given_up_loses_no_history() {
    let (_folder, recorder) = still().await;
    recorder.history(lost("restarted"));
    {
        let mut write = pin!(recorder.write(Extent::Changes));
        // It waits for the disk now, and is dropped.
        assert!(write.as_mut().now_or_never().is_none());
    }
    recorder.write_now().await;
    let lines = recorder.ledger().history(&oak(), &[], 10).await.unwrap();
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn two_that_write_do_so_one_after_the_other() {
    let (_folder, recorder) = still().await;
    let turn = recorder.0.writing.lock().await;
    recorder.pod(&pod(), memory(1));
    let mut first = pin!(recorder.write_now());
    assert!(first.as_mut().now_or_never().is_none());
    recorder.pod(&pod(), memory(2));
    // Whoever writes next takes the newest, and nobody has taken an older one.
    assert_eq!(
        recorder.desk().outgoing(Extent::Changes).batch.pods.len(),
        1
    );
    drop(turn);
    tokio::join!(first, recorder.write_now());
    let loaded = recorder.ledger().load().await.unwrap();
    assert_eq!(number(loaded.memories.pod(&pod()).unwrap()), 2);
}
