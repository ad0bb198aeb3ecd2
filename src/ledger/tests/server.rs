//! The same tests on both engines: an SQLite file and a real PostgreSQL server.

use std::sync::OnceLock;

use super::*;
use crate::model::ledger_place::LedgerServer;
use crate::model::secret::Secret;

#[path = "../../../tests/it/support/postgres.rs"]
#[allow(dead_code, reason = "some of it is for the whole-program tests")]
mod postgres;

use postgres::{Cluster, PASSWORD, Pooler};

/// One server for all tests of this process, and a pooler before it.
fn servers() -> Option<&'static (Cluster, Option<Pooler>)> {
    static SERVERS: OnceLock<Option<(Cluster, Option<Pooler>)>> = OnceLock::new();
    let start = || {
        let mut cluster = Cluster::start()?;
        let pooler = cluster.pooler();
        Some((cluster, pooler))
    };
    SERVERS.get_or_init(start).as_ref()
}

fn cluster() -> Option<&'static Cluster> {
    servers().map(|(cluster, _)| cluster)
}

fn place(folder: &TempDir, url: &str, password: &str) -> LedgerPlace {
    LedgerPlace {
        path: folder.path().join("podcal"),
        server: Some(Arc::new(LedgerServer {
            url: url.to_owned(),
            password: Some(Secret::new(password)),
        })),
    }
}

/// A new ledger on each engine that there is, also behind a pooler, and where it is.
async fn places(name: &str) -> Vec<(TempDir, LedgerPlace)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("podcal.db").into();
    let mut places = vec![(folder, file)];
    if let Some((cluster, pooler)) = servers() {
        let folder = tempfile::tempdir().unwrap();
        let at = place(&folder, &cluster.database(name), PASSWORD);
        places.push((folder, at));
        if let Some(pooler) = pooler {
            let folder = tempfile::tempdir().unwrap();
            let name = format!("{name}_pooled");
            cluster.database(&name);
            let at = place(&folder, &pooler.url(&name), PASSWORD);
            places.push((folder, at));
        }
    }
    places
}

async fn open(place: &LedgerPlace) -> Ledger {
    let (ledger, events) = Ledger::claim_and_open(place, at(1)).await.unwrap();
    assert_eq!(events, []);
    ledger
}

#[tokio::test]
async fn both_engines_remember_what_was_written_and_read_it_beside() {
    for (_folder, place) in places("remember").await {
        let ledger = open(&place).await;
        assert_eq!(batch_in(&ledger).await, None);
        for second in [7, 8] {
            ledger.store(&batch(second)).await.unwrap();
            assert_eq!(batch_in(&ledger).await, Some(second));
        }
        let beside = Ledger::open_place_to_read(&place).await.unwrap();
        assert_eq!(batch_in(&beside).await, Some(8));
        let error = beside.store(&batch(9)).await.unwrap_err();
        assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error}");
        ledger.close().await;
        let again = open(&place).await;
        assert_eq!(batch_in(&again).await, Some(8));
        let everything = Batch {
            is_everything: true,
            ..Batch::default()
        };
        again.store(&everything).await.unwrap();
        assert!(again.load().await.unwrap().memories.pods.is_empty());
    }
}

#[tokio::test]
async fn on_both_engines_a_transaction_that_fails_leaves_nothing() {
    for (_folder, place) in places("whole").await {
        let ledger = open(&place).await;
        let failed = ledger
            .write(async |db| {
                memories::store(db, &batch(7)).await?;
                query::sql("INSERT INTO no_such_table (a) VALUES (1)")
                    .execute(db)
                    .await
            })
            .await;
        assert_eq!(failed.unwrap_err().kind(), "refused");
        assert_eq!(batch_in(&ledger).await, None);
        ledger.store(&batch(8)).await.unwrap();
        assert_eq!(batch_in(&ledger).await, Some(8));
    }
}

#[tokio::test]
async fn on_both_engines_one_of_many_reserves_a_sign_in() {
    for (_folder, place) in places("sign_ins").await {
        let ledger = open(&place).await;
        let (expected, key) = (sign_in(1), account("room"));
        ledger.set_sign_in(&key, &expected).await.unwrap();
        let mut tries = Vec::new();
        for rejections in 2..10 {
            let beside = Ledger::open_place_to_read(&place).await.unwrap();
            let (key, expected) = (key.clone(), expected.clone());
            tries.push(tokio::spawn(async move {
                let new = sign_in(rejections);
                beside.reserve_sign_in(&key, Some(&expected), &new).await
            }));
        }
        let mut reserved = 0;
        for one in tries {
            reserved += usize::from(one.await.unwrap().unwrap());
        }
        assert_eq!(reserved, 1, "{place:?}");
        ledger.clear_sign_in(&key).await.unwrap();
        assert_eq!(ledger.sign_in(&key).await.unwrap(), None);
    }
}

#[tokio::test]
async fn both_engines_keep_pins_devices_and_a_history_that_counts() {
    for (_folder, place) in places("pins").await {
        let ledger = open(&place).await;
        let (url, elm) = (pod("192.0.2.1"), room("elm"));
        for second in [5, 6] {
            let set = ledger.set_pin(&url, Some(&elm), Some([1; 32]), at(second));
            set.await.unwrap();
        }
        let pin = ledger.pin(&url).await.unwrap().unwrap();
        assert_eq!((pin.sha256, pin.at), ([1; 32], at(5)));
        ledger.accept_device(&url, "device", at(6)).await.unwrap();
        let settings = Batch {
            pod_settings: vec![(url.key(), at(6), "{}".to_owned())],
            ..Batch::default()
        };
        ledger.store(&settings).await.unwrap();
        let read = ledger.pod_settings(&url).await.unwrap();
        assert_eq!(read, Some((at(6), "{}".to_owned())));
        for second in [10, 11, 12] {
            let event = Event::PushFailed {
                pod: "192.0.2.1".to_owned(),
                error: "it did not answer: \"\u{0}\"".to_owned(),
                kind: "timeout".to_owned(),
                passing: true,
            };
            let line = HistoryLine::of_pod(Some(&elm), &url, at(second), event).in_streak(at(10));
            let batch = Batch {
                history: vec![(line, 1)],
                ..Batch::default()
            };
            ledger.store(&batch).await.unwrap();
        }
        let lines = ledger.history(&elm, &[], 10).await.unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(
            (lines[0].since, lines[0].at, lines[0].count),
            (at(10), at(12), 3)
        );
        let pruned = ledger.prune_history(at(20), Duration::from_secs(9)).await;
        assert_eq!(pruned.unwrap(), 1);
        ledger.set_pin(&url, None, None, at(20)).await.unwrap();
        assert_eq!(ledger.pin(&url).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_server_is_served_by_one_at_a_time() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder, &cluster.database("lease"), PASSWORD);
    let first = open(&place).await;
    let renewing = first.clone();
    let renewing = tokio::spawn(async move {
        loop {
            renewing.renew_lease().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let error = Ledger::claim_and_open(&place, at(1)).await.unwrap_err();
    let pid = format!("(process {} on ", std::process::id());
    assert!(error.to_string().contains(&pid), "{error}");
    assert_eq!(error.kind(), "service_running");
    renewing.abort();
    let _ = renewing.await;
    // As after a long time without the server: another one may have it now.
    cluster.sql("lease", "UPDATE service_lease SET ends_at = 0");
    let second = open(&place).await;
    let error = first.store(&batch(7)).await.unwrap_err();
    assert_eq!(error.kind(), "service_running");
    assert_eq!(batch_in(&second).await, None);
    first.close().await;
    second.store(&batch(8)).await.unwrap();
    second.close().await;
    open(&place).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_without_the_password() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let good = cluster.database("wrong");
    cluster.sql(
        "wrong",
        &format!("CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'"),
    );
    let newer = cluster.database("newer");
    open(&place(&folder, &newer, PASSWORD)).await.close().await;
    cluster.sql(
        "newer",
        "INSERT INTO podcal_schema SELECT 99, description, checksum FROM podcal_schema",
    );
    for (url, password, kind) in [
        (good.clone(), "another", "ledger_sign_in"),
        (cluster.url("guest", "wrong"), PASSWORD, "missing_right"),
        (cluster.url("podcal", "nothing"), PASSWORD, "no_database"),
        (newer, PASSWORD, "newer_schema"),
        (
            "postgres://podcal@127.0.0.1:1/podcal".to_owned(),
            PASSWORD,
            "ledger_unreachable",
        ),
        (format!("{good}?sslmode=require"), PASSWORD, "ledger_tls"),
    ] {
        let opened = Ledger::claim_and_open(&place(&folder, &url, password), at(1)).await;
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), kind, "{url}: {error:?}");
        let says = format!(
            "{error} {error:?} {} {}",
            error.hint(),
            error.failure().says
        );
        assert!(!says.contains(password), "{says}");
        assert!(says.contains("postgres://"), "{says}");
    }
}

#[tokio::test]
async fn a_file_is_copied_whole_and_a_copy_can_be_repeated() {
    let places = places("copy").await;
    let [(_, file), (_, server), ..] = places.as_slice() else {
        return;
    };
    let (file, server) = (open(file).await, open(server).await);
    file.store(&batch(7)).await.unwrap();
    let url = pod("192.0.2.9");
    file.set_pin(&url, None, Some([9; 32]), at(7))
        .await
        .unwrap();
    file.set_sign_in(&account("room"), &sign_in(3))
        .await
        .unwrap();
    for _ in 0..2 {
        let copied = server.take_from(&file).await.unwrap();
        let rows = |name| copied.iter().find(|one| one.table == name).unwrap().rows;
        assert_eq!((rows("pin"), rows("sign_in"), rows("history")), (1, 1, 2));
        assert_eq!(server.load().await.unwrap(), file.load().await.unwrap());
        assert_eq!(batch_in(&server).await, Some(7));
    }
    // A new line gets a number of its own.
    server.store(&batch(8)).await.unwrap();
    assert_eq!(server.history(&room("elm"), &[], 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_encrypted_server_has_to_prove_its_name() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let url = cluster.database("encrypted");
    let roots = cluster.encrypt();
    let folder = tempfile::tempdir().unwrap();
    let verified = format!("{url}?sslmode=verify-full&sslrootcert={}", roots.display());
    let ledger = open(&place(&folder, &verified, PASSWORD)).await;
    ledger.store(&batch(7)).await.unwrap();
    ledger.close().await;
    for wrong in [
        format!("{url}?sslmode=verify-full"),
        verified.replace("127.0.0.1", "localhost"),
    ] {
        let opened = Ledger::claim_and_open(&place(&folder, &wrong, PASSWORD), at(1)).await;
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), "ledger_tls", "{wrong}: {error:?}");
    }
}
