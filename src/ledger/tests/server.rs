//! The same tests on both engines: an SQLite file and a real PostgreSQL server.

use std::sync::OnceLock;

use super::*;
use crate::model::ledger_place::LedgerServer;
use crate::model::replica::{KnownRooms, Turn};
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

fn known(names: &[&str]) -> KnownRooms {
    KnownRooms {
        digest: names.join(","),
        rooms: names
            .iter()
            .map(|name| (room(name), String::new()))
            .collect(),
    }
}

async fn registered(place: &LedgerPlace, names: &[&str]) -> (Ledger, RollCache) {
    let (ledger, _) = Ledger::open_to_write(place, at(1)).await.unwrap();
    ledger.register("1.0.0", &known(names)).await.unwrap();
    (ledger, RollCache::default())
}

fn taking(names: &[&str]) -> Turn {
    Turn {
        take: names.iter().map(|name| room(name)).collect(),
        ..Turn::default()
    }
}

#[tokio::test]
async fn a_room_belongs_to_one_replica_until_its_lease_ends_or_it_gives_it_up() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder, &cluster.database("leases"), PASSWORD);
    let rooms = ["elm", "oak", "ash"];
    let (one, mut one_cache) = registered(&place, &rooms).await;
    let (two, mut two_cache) = registered(&place, &rooms).await;
    let (me, other) = (one.replica().unwrap(), two.replica().unwrap());
    let roll = one.turn(&taking(&["elm", "oak"]), &mut one_cache).await;
    let roll = roll.unwrap().unwrap();
    assert_eq!(roll.replicas.len(), 2);
    assert_eq!(roll.replicas[0].known, known(&rooms));
    let roll = two.turn(&taking(&rooms), &mut two_cache).await;
    let owners = roll.unwrap().unwrap().owners;
    let expected = [("ash", &other), ("elm", &me), ("oak", &me)];
    let expected = expected.map(|(name, owner)| (room(name), owner.clone()));
    assert_eq!(owners, expected.into());
    let giving = Turn {
        give: [room("elm"), room("ash")].into(),
        ..Turn::default()
    };
    let roll = one.turn(&giving, &mut one_cache).await.unwrap().unwrap();
    assert!(!roll.owners.contains_key(&room("elm")));
    assert_eq!(
        roll.owners[&room("ash")],
        other,
        "it is not this one's to give"
    );

    // What has no lease writes nothing, and is told so by its next turn.
    one.store(&batch(7)).await.unwrap();
    let end = format!("UPDATE replica SET ends_at = 0 WHERE id = '{}'", me.0);
    cluster.sql("leases", &end);
    let roll = two.turn(&Turn::default(), &mut two_cache).await;
    let ended = roll.unwrap().unwrap();
    // The server may have been started less than a lease ago; then it waits for both.
    let is_young = ended.replicas.len() == 2;
    if is_young {
        cluster.sql(
            "leases",
            &format!("DELETE FROM replica WHERE id = '{}'", me.0),
        );
    }
    let error = one.store(&batch(8)).await.unwrap_err();
    assert_eq!(error.kind(), "lease_ended");
    assert_eq!(
        one.turn(&Turn::default(), &mut one_cache).await.unwrap(),
        None
    );
    assert_eq!(batch_in(&two).await, Some(7));
    one.register("1.0.0", &known(&rooms)).await.unwrap();
    let roll = one
        .turn(&Turn::default(), &mut one_cache)
        .await
        .unwrap()
        .unwrap();
    assert!(!roll.owners.values().any(|owner| *owner == me));
    one.store(&batch(9)).await.unwrap();

    // What one writes the other finds.
    let (news, read) = two.news(ReadUpTo::default(), true).await.unwrap();
    assert_eq!(news.memories, two.load().await.unwrap().memories);
    let line = batch(10);
    one.store(&line).await.unwrap();
    let (news, _) = two.news(read, false).await.unwrap();
    let memory = news.memories.pod(&pod("192.0.2.1")).unwrap();
    assert_eq!(memory.sent_at, Some(at(10)));

    // A command that works alone waits for none that lives.
    let renewing = one.clone();
    let renewing = tokio::spawn(async move {
        let mut cache = RollCache::default();
        loop {
            let _ = renewing.turn(&Turn::default(), &mut cache).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    two.close().await;
    let error = Ledger::claim_and_open(&place, at(1)).await.unwrap_err();
    assert_eq!(error.kind(), "service_running");
    renewing.abort();
    let _ = renewing.await;
    one.close().await;
    let alone = open(&place).await;
    let (late, mut cache) = registered(&place, &rooms).await;
    let roll = late
        .turn(&taking(&rooms), &mut cache)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((roll.replicas.len(), roll.owners.len()), (1, 0));
    alone.close().await;
    let roll = late
        .turn(&taking(&rooms), &mut cache)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(roll.owners.len(), 3);
}

#[tokio::test]
async fn when_all_were_seen_is_kept_of_what_others_serve() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder, &cluster.database("seen"), PASSWORD);
    let (one, _) = registered(&place, &["elm"]).await;
    let (two, _) = registered(&place, &["elm"]).await;
    let seen = |feed: &str, second| Batch {
        seen: vec![(
            FeedMemory::KIND,
            [(feed.to_owned(), vec![Some(second), None, None])].into(),
        )],
        ..Batch::default()
    };
    one.store(&seen("a", 10)).await.unwrap();
    two.store(&seen("b", 20)).await.unwrap();
    // It heard of this one long ago.
    two.store(&seen("a", 5)).await.unwrap();
    let (news, _) = one.news(ReadUpTo::default(), true).await.unwrap();
    let times = [("a", 10), ("b", 20)]
        .map(|(feed, second)| (feed.to_owned(), vec![Some(second), None, None]));
    assert_eq!(news.seen[0], (FeedMemory::KIND, times.into()));
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
        "INSERT INTO podcal_schema SELECT 99, description, checksum FROM podcal_schema LIMIT 1",
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
