//! The ledger of podcal 0.1: `tests/data/ledger/0.1.db`, written by its own code. Room `elm`
//! is in a hold and its pod pinned; of `oak`, one pod rejected its password (`wrong`, user
//! `admin`) and one lost its meetings.

use super::*;
use crate::model::secret::Secret;

/// What it calls now.
const NOW: i64 = 1_790_000_000;

fn copy() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger/0.1.db");
    fs::copy(sample, &path).unwrap();
    (folder, path)
}

fn feed_id(room: &str) -> FeedId {
    feed(&format!("https://calendar.example.com/{room}.ics"))
}

fn titles(memory: &RoomMemory) -> Vec<&str> {
    memory
        .agenda
        .iter()
        .map(|one: &RememberedMeeting| &*one.meeting.title)
        .collect()
}

fn assert_memories(loaded: &Loaded) {
    let memories = &loaded.memories;
    assert_eq!(loaded.unreadable, 0);
    let elm = memories.room(&room("elm")).unwrap();
    assert!(elm.is_known);
    assert_eq!(titles(elm), ["Planning", "Review", "Lunch"]);
    assert!(elm.agenda.iter().all(|one| one.feeds.is_empty()));
    // Its hold was about a calendar that is not taken along.
    assert!(elm.feeds.is_empty());
    let oak = memories.room(&room("oak")).unwrap();
    assert_eq!(titles(oak), ["Budget", "Review"]);
    assert!(oak.feeds.is_empty());

    let one = memories.pod(&pod("192.0.2.1")).unwrap();
    assert_eq!(one.room.as_deref(), Some("elm"));
    assert_eq!(one.device_id.as_deref(), Some("device-1"));
    assert_eq!(one.mode.as_deref(), Some("third party"));
    assert_eq!(one.sent.as_ref().unwrap().len(), 3);
    assert_eq!(one.sent_at, Some(at(NOW - 600)));
    // In the words of 0.1, which `PodState::of_key` knows.
    assert_eq!(one.state.as_deref(), Some("well"));
    assert_eq!(one.seen_at, Some(at(NOW - 10)));
    let two = memories.pod(&pod("192.0.2.2")).unwrap();
    assert_eq!(two.state.as_deref(), Some("password_rejected"));
    assert_eq!(two.failing.as_ref().unwrap().failures, 1);
    assert_eq!(two.sent, None);

    let elm = memories.feed(&feed_id("elm")).unwrap();
    assert_eq!(elm.host, "calendar.example.com");
    assert_eq!(elm.read_at, Some(at(NOW)));
    // Without its body a validator would earn a 304 with nothing to show.
    assert_eq!((&elm.latest, &elm.client_state), (&None, &None));
    let oak = memories.feed(&feed_id("oak")).unwrap();
    let failing = oak.failing.as_ref().unwrap();
    assert_eq!((failing.since, failing.failures), (at(NOW - 300), 3));
    assert_eq!(failing.failure.kind, "refused");

    assert_eq!(loaded.pins.len(), 2);
    let pin = loaded.pins[&pod("192.0.2.1").key()];
    assert_eq!((pin.sha256, pin.at), ([0x11; 32], at(NOW - 4000)));
    assert_eq!(loaded.service.version.as_deref(), Some("0.1.0"));
}

async fn assert_details(ledger: &Ledger) {
    let history = ledger.history(&room("elm"), &[], 99).await.unwrap();
    let whats: Vec<_> = history.iter().map(|entry| entry.event.what()).collect();
    assert!(
        whats.contains(&"pushed") && whats.contains(&"pulled"),
        "{whats:?}"
    );
    let oak = ledger.history(&room("oak"), &[], 99).await.unwrap();
    let counts = oak.iter().map(|entry| (entry.event.what(), entry.count));
    assert!(counts.clone().any(|one| one == ("pull_failed", 3)));
    let settings = ledger.pod_settings(&pod("192.0.2.1")).await.unwrap();
    assert_eq!(settings.unwrap().0, at(NOW - 100));
}

#[tokio::test]
async fn a_ledger_of_0_1_is_upgraded_with_what_it_knew() {
    let (_folder, path) = copy();
    let (ledger, events) = opened(&path).await;
    let upgraded = events
        .iter()
        .find(|event| matches!(event, LedgerEvent::Upgraded { .. }));
    assert!(
        matches!(
            upgraded,
            Some(LedgerEvent::Upgraded {
                rooms: 2,
                pods: 3,
                ..
            })
        ),
        "{events:?}"
    );
    assert_memories(&ledger.load().await.unwrap());
    assert_details(&ledger).await;
    // The certificate was pinned before the room was known.
    let history = ledger.history(&room("elm"), &[], 99).await.unwrap();
    assert!(
        history
            .iter()
            .any(|entry| entry.event.what() == "certificate")
    );
    ledger.close().await;
    // And once only.
    let (again, events) = opened(&path).await;
    assert_eq!(events, []);
    assert_memories(&again.load().await.unwrap());
    let mut connection = raw(&path).await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    for old in ["feed", "item", "room", "pod", "pod_agenda", "pod_config"] {
        assert!(!tables.iter().any(|table| table == old), "{tables:?}");
    }
    assert_sound(&path).await;
}

#[tokio::test]
async fn a_command_reads_a_ledger_of_0_1_without_changing_it() {
    let (_folder, path) = copy();
    let reading = Ledger::open_to_read(&path).await.unwrap();
    assert_memories(&reading.load().await.unwrap());
    assert_details(&reading).await;
    assert_eq!(
        reading
            .pin(&pod("192.0.2.2"))
            .await
            .unwrap()
            .unwrap()
            .sha256,
        [0x22; 32]
    );
    assert!(reading.load().await.unwrap().accepted_devices.is_empty());
    assert_eq!(reading.sign_in(&account("a")).await.unwrap(), None);
    let mut connection = raw(&path).await;
    let applied: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(applied, 1, "a service of 0.1 may still run on it");
}

#[tokio::test]
async fn a_pause_of_0_1_goes_on_for_the_same_password_and_no_other() {
    for (password, adopted) in [("wrong", true), ("corrected", false)] {
        let (_folder, path) = copy();
        let (ledger, _) = opened(&path).await;
        let pods = ["192.0.2.1", "192.0.2.2"].map(pod);
        let accounts = pods
            .clone()
            .map(|pod| AccountKey::new(&pod.key(), &["admin"]));
        let password = Secret::new(password);
        let secrets: Vec<_> = pods
            .iter()
            .zip(&accounts)
            .map(|(pod, account)| PodSecret {
                pod,
                username: "admin",
                password: &password,
                account,
            })
            .collect();
        let count = ledger.adopt_old_pauses(&secrets).await.unwrap();
        assert_eq!(count, usize::from(adopted));
        let known = ledger.sign_in(&accounts[1]).await.unwrap();
        let expected = SignIn {
            secret_tag: accounts[1].secret_tag(&password),
            rejections: 2,
            until: at(NOW + 900),
            proven_at: None,
            is_pending: false,
        };
        assert_eq!(known, adopted.then_some(expected));
        assert_eq!(ledger.sign_in(&accounts[0]).await.unwrap(), None);
        // What was learnt since is not overwritten by a second time.
        ledger.clear_sign_in(&accounts[1]).await.unwrap();
        assert_eq!(ledger.adopt_old_pauses(&secrets).await.unwrap(), 0);
        assert_eq!(ledger.sign_in(&accounts[1]).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_upgrade_that_fails_halfway_leaves_the_ledger_of_0_1() {
    let (_folder, path) = copy();
    let mut connection = raw(&path).await;
    // The new table of this name cannot be created.
    sqlx::query("CREATE TABLE accepted_device (x INTEGER)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = open_error(&path).await;
    assert!(matches!(error, LedgerError::Refused { .. }), "{error:?}");
    let reading = Ledger::open_to_read(&path).await.unwrap();
    assert_memories(&reading.load().await.unwrap());
}

#[tokio::test]
async fn a_damaged_ledger_of_0_1_gives_its_pins_and_pauses() {
    let (_folder, path) = copy();
    let mut bytes = fs::read(&path).unwrap();
    // Every page but the ones with what counts.
    let keep = |page: &[u8]| {
        let has = |needle: &[u8]| page.windows(needle.len()).any(|at| at == needle);
        has(&[0x11; 32]) || has(b"password_rejected") || has(b"CREATE TABLE")
    };
    let mut damaged = 0;
    for page in bytes.chunks_mut(4096).skip(1) {
        if !keep(page) && page[0] != 0 {
            page.fill(0xA5);
            damaged += 1;
        }
    }
    assert!(damaged > 3);
    fs::write(&path, bytes).unwrap();
    let (ledger, events) = opened(&path).await;
    assert!(
        events.iter().any(|event| matches!(
            event,
            LedgerEvent::SetAside { pins: 2, sign_ins: 1, lost, .. } if lost.is_empty()
        )),
        "{events:?}"
    );
    assert_eq!(ledger.load().await.unwrap().pins.len(), 2);
}
