//! Versions of feeds: whole, shared, removed, damaged.

use ring::digest;

use super::*;
use crate::model::version::{FeedVersion, KeptItem, PackedBody, Reduction, Trouble, VersionId};

fn item(href: &str, body: &str) -> KeptItem {
    let packed = packed::pack(body.as_bytes());
    KeptItem {
        href: href.to_owned(),
        etag: Some(format!("\"{}\"", body.len())),
        last_modified: None,
        digest: digest::digest(&digest::SHA256, body.as_bytes())
            .as_ref()
            .try_into()
            .unwrap(),
        body: PackedBody {
            bytes: packed.bytes.into(),
            inflated_bytes: packed.inflated_bytes.map(|_| body.len()),
        },
    }
}

fn version(id: u64, items: Vec<KeptItem>) -> Arc<FeedVersion> {
    Arc::new(FeedVersion {
        id: VersionId(id),
        items,
        reduction: Reduction {
            from: at(500),
            filters: ["one".to_owned()].into(),
        },
        missing: vec!["/missing.ics".to_owned()],
        trouble: Trouble {
            entries: 2,
            unknown_zones: vec!["Mars/Base".to_owned()],
        },
    })
}

fn long(name: &str) -> String {
    format!("BEGIN:VEVENT\r\nSUMMARY:{name}\r\n").repeat(100)
}

fn naming(id: u64, versions: &[&Arc<FeedVersion>]) -> Batch {
    let memory = FeedMemory {
        client_state: Some(format!("state {id}")),
        latest: Some(VersionId(id)),
        ..FeedMemory::default()
    };
    let key = feed("a").as_str().to_owned();
    Batch {
        feeds: vec![(key.clone(), Some(Arc::new(memory)))],
        versions: versions
            .iter()
            .map(|version| (key.clone(), (*version).clone()))
            .collect(),
        ..Batch::default()
    }
}

async fn count(ledger: &Ledger, statement: &'static str) -> i64 {
    ledger
        .read(async |db| {
            let found: Option<(i64,)> = query::sql(statement).fetch_optional(db).await?;
            Ok(found.unwrap().0)
        })
        .await
        .unwrap()
}

const BODIES: &str = "SELECT count(*) FROM feed_body";

#[tokio::test]
async fn a_version_comes_back_as_it_was_and_shares_its_bodies() {
    let (_folder, ledger) = new_ledger().await;
    // The number uses all of its bits.
    let first = version(
        u64::MAX,
        vec![item("/1.ics", &long("one")), item("/2.ics", "short")],
    );
    let second = version(
        2,
        vec![
            item("/1.ics", &long("one")),
            item("/3.ics", &long("three")),
            item("/again.ics", &long("three")),
        ],
    );
    ledger.store(&naming(u64::MAX, &[&first])).await.unwrap();
    ledger.store(&naming(2, &[&second])).await.unwrap();
    for expected in [&first, &second] {
        let found = ledger.version(&feed("a"), expected.id).await.unwrap();
        assert!(found.as_ref() == Some(&**expected));
    }
    assert_eq!(count(&ledger, BODIES).await, 3);
    let loaded = ledger.load().await.unwrap();
    let ids = &loaded.versions[feed("a").as_str()];
    assert_eq!(ids, &[first.id, second.id].into());
    let memory = loaded.memories.feed(&feed("a")).unwrap();
    assert_eq!(memory.client_state.as_deref(), Some("state 2"));
    for (feed, id) in [(feed("a"), VersionId(3)), (feed("b"), VersionId(2))] {
        assert!(ledger.version(&feed, id).await.unwrap().is_none());
    }

    let mut removing = naming(2, &[]);
    removing.unnamed = vec![(feed("a").as_str().to_owned(), first.id)];
    ledger.store(&removing).await.unwrap();
    assert!(
        ledger
            .version(&feed("a"), first.id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        ledger
            .version(&feed("a"), second.id)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(count(&ledger, BODIES).await, 2, "only what is still named");
}

#[tokio::test]
async fn a_damaged_body_makes_its_version_unread_and_never_half_a_calendar() {
    for damage in [
        "UPDATE feed_body SET body = substr(body, 1, length(body) / 2) WHERE inflated_bytes > 0",
        "UPDATE feed_body SET inflated_bytes = inflated_bytes + 1 WHERE inflated_bytes > 0",
        // What is stored as it came has no checksum but its digest.
        "UPDATE feed_body SET body = x'41' WHERE inflated_bytes IS NULL",
        "DELETE FROM feed_body WHERE inflated_bytes IS NULL",
        "UPDATE feed_version SET contents = substr(contents, 2)",
    ] {
        let (_folder, ledger) = new_ledger().await;
        let whole = version(
            1,
            vec![item("/1.ics", &long("one")), item("/2.ics", "short")],
        );
        ledger.store(&naming(1, &[&whole])).await.unwrap();
        let spoil = ledger
            .write(async |db| query::sql(damage).execute(db).await)
            .await
            .unwrap();
        assert_eq!(spoil, 1, "{damage}");
        let found = ledger.version(&feed("a"), whole.id).await.unwrap();
        assert!(found.is_none(), "{damage}");
        // Written again, it is whole: the damaged body is not taken for the same.
        let mut again = naming(1, &[&whole]);
        again.unnamed = vec![(feed("a").as_str().to_owned(), whole.id)];
        ledger.store(&again).await.unwrap();
        let found = ledger.version(&feed("a"), whole.id).await.unwrap();
        assert!(found.as_ref() == Some(&*whole), "{damage}");
    }
}

#[tokio::test]
async fn a_feed_that_is_empty_is_not_one_that_was_never_read() {
    let (_folder, ledger) = new_ledger().await;
    let empty = version(1, Vec::new());
    ledger.store(&naming(1, &[&empty])).await.unwrap();
    let found = ledger.version(&feed("a"), empty.id).await.unwrap();
    assert!(found.as_ref() == Some(&*empty));
}

#[tokio::test]
async fn a_version_and_its_validators_are_written_together_or_not_at_all() {
    let (_folder, ledger) = new_ledger().await;
    let first = version(1, vec![item("", &long("one"))]);
    ledger.store(&naming(1, &[&first])).await.unwrap();
    let text = (0..300_000).map(|n| format!("{n:x}")).collect::<String>();
    let second = version(2, vec![item("", &text)]);
    ledger.fail_writes(Some("PRAGMA max_page_count = 1")).await;
    let mut both = naming(2, &[&second]);
    both.unnamed = vec![(feed("a").as_str().to_owned(), first.id)];
    ledger.store(&both).await.unwrap_err();
    let loaded = ledger.load().await.unwrap();
    let memory = loaded.memories.feed(&feed("a")).unwrap();
    assert_eq!(memory.latest, Some(first.id));
    assert_eq!(memory.client_state.as_deref(), Some("state 1"));
    let found = ledger.version(&feed("a"), first.id).await.unwrap();
    assert!(found.as_ref() == Some(&*first));
}
