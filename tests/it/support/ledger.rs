//! The ledger seen from outside, with SQLite and nothing of podcal's.

use std::io::Read as _;
use std::path::Path;

use flate2::read::ZlibDecoder;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

async fn open(path: &Path) -> Option<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path);
    match path.exists() {
        true => Some(options.connect().await.unwrap()),
        false => None,
    }
}

/// Every row of every table, as `table: values`.
pub async fn rows(path: &Path) -> Vec<String> {
    let Some(mut ledger) = open(path).await else {
        return Vec::new();
    };
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .fetch_all(&mut ledger)
            .await
            .unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info(?)")
                .bind(&table)
                .fetch_all(&mut ledger)
                .await
                .unwrap();
        let values = columns.join(" || ', ' || ");
        let query = format!("SELECT {values} FROM \"{table}\" ORDER BY 1");
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_all(&mut ledger)
            .await
            .unwrap();
        rows.extend(found.into_iter().map(|row| format!("{table}: {row}")));
    }
    ledger.close().await.unwrap();
    rows
}

/// Asks SQLite whether the file is sound and no row refers to one that is not there.
pub async fn check(path: &Path) {
    let mut ledger = open(path).await.unwrap();
    let says: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut ledger)
        .await
        .unwrap();
    assert_eq!(says, ["ok"]);
    let dangling = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut ledger)
        .await
        .unwrap();
    assert!(dangling.is_empty());
    ledger.close().await.unwrap();
}

/// What the ledger keeps packed, unpacked.
pub async fn inflated(path: &Path) -> Vec<u8> {
    let Some(mut ledger) = open(path).await else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    for query in [
        "SELECT body FROM feed_body WHERE inflated_bytes IS NOT NULL",
        "SELECT contents FROM feed_version WHERE inflated_bytes IS NOT NULL",
        "SELECT event FROM history WHERE inflated_bytes IS NOT NULL",
    ] {
        let packed: Vec<Vec<u8>> = sqlx::query_scalar(query)
            .fetch_all(&mut ledger)
            .await
            .unwrap();
        for packed in packed {
            ZlibDecoder::new(&packed[..])
                .read_to_end(&mut bytes)
                .unwrap();
        }
    }
    ledger.close().await.unwrap();
    bytes
}
