//! Taking what an SQLite ledger holds along to a PostgreSQL server.
//!
//! Rows keep their keys and those that are there already stay, so that a copy that was
//! interrupted can be repeated.

use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::query::{Value, sql};
use super::{Access, Answer, Ledger, LedgerError, Result};

/// Rows that are written in one transaction, and their bytes.
const ROWS: usize = 500;
const BYTES: usize = 8 * 1024 * 1024;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Bytes,
}

struct Table {
    name: &'static str,
    select: &'static str,
    insert: &'static str,
    columns: &'static [Kind],
}

macro_rules! table {
    ($name:literal, $columns:literal, $values:literal, $kinds:expr) => {
        Table {
            name: $name,
            select: concat!("SELECT ", $columns, " FROM ", $name),
            insert: concat!(
                "INSERT INTO ",
                $name,
                " (",
                $columns,
                ") VALUES (",
                $values,
                ") ON CONFLICT DO NOTHING"
            ),
            columns: $kinds,
        }
    };
}

use Kind::{Bytes, Integer, Text};

/// What others name is there before them.
const TABLES: &[Table] = &[
    table!(
        "pin",
        "pod, sha256, pinned_at",
        "$1, $2, $3",
        &[Text, Bytes, Integer]
    ),
    table!("sign_in", "account, memory", "$1, $2", &[Text, Text]),
    table!(
        "old_pause",
        "pod, until, rejections, password_tag",
        "$1, $2, $3, $4",
        &[Text, Integer, Integer, Integer]
    ),
    table!(
        "accepted_device",
        "pod, device_id, accepted_at",
        "$1, $2, $3",
        &[Text, Text, Integer]
    ),
    table!(
        "feed_body",
        "feed, sha256, body, inflated_bytes",
        "$1, $2, $3, $4",
        &[Text, Bytes, Bytes, Integer]
    ),
    table!(
        "feed_version",
        "feed, version, contents, inflated_bytes",
        "$1, $2, $3, $4",
        &[Text, Integer, Bytes, Integer]
    ),
    table!("feed_memory", "feed, memory", "$1, $2", &[Text, Text]),
    table!("room_memory", "room, memory", "$1, $2", &[Text, Text]),
    table!("pod_memory", "pod, memory", "$1, $2", &[Text, Text]),
    table!(
        "pod_settings",
        "pod, read_at, json",
        "$1, $2, $3",
        &[Text, Integer, Text]
    ),
    table!(
        "last_seen",
        "kind, times, inflated_bytes",
        "$1, $2, $3",
        &[Text, Bytes, Integer]
    ),
    table!(
        "history",
        "id, room, feed, pod, what, trouble, since_at, at, count, event, inflated_bytes",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11",
        &[
            Integer, Text, Text, Text, Text, Integer, Integer, Integer, Integer, Bytes, Integer
        ]
    ),
];

/// How many rows of a table there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    pub table: &'static str,
    pub rows: u64,
}

impl Ledger {
    /// Whether a service ever ran on this ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn was_served(&self) -> Result<bool> {
        Ok(self.load().await?.service.started_at.is_some())
    }

    /// Copies everything of a ledger in a file to this one.
    ///
    /// # Errors
    /// When one cannot be read or the other cannot be written; it can be repeated then.
    pub async fn take_from(&self, file: &Self) -> Result<Vec<CopiedTable>> {
        let mut copied = Vec::new();
        for table in TABLES {
            let rows = self.take_table(file, table).await?;
            copied.push(CopiedTable {
                table: table.name,
                rows,
            });
        }
        self.write(async |db| {
            // Lines that are written from now on come after those that were copied.
            let found: Option<(i64,)> =
                sql("SELECT setval(pg_get_serial_sequence('history', 'id'), \
                 (SELECT coalesce(max(id), 0) + 1 FROM history), false)")
                .fetch_optional(db)
                .await?;
            Ok(found.is_some())
        })
        .await?;
        Ok(copied)
    }

    async fn take_table(&self, file: &Self, table: &Table) -> Result<u64> {
        let of = |error| LedgerError::of(file.path(), error);
        let mut connection = file.connect(Access::Read).await?;
        let mut rows = sqlx::query(table.select).fetch(&mut connection);
        let (mut pending, mut bytes, mut copied) = (Vec::new(), 0, 0);
        loop {
            let next = rows.try_next().await.map_err(of)?;
            let is_last = next.is_none();
            if let Some(row) = next {
                let values = values(&row, table.columns).map_err(of)?;
                bytes += values.iter().map(Value::size).sum::<usize>();
                pending.push(values);
                copied += 1;
            }
            if is_last || pending.len() >= ROWS || bytes >= BYTES {
                self.renew_alone().await?;
                let batch = std::mem::take(&mut pending);
                bytes = 0;
                self.write(async |db| {
                    for values in batch {
                        let insert = values
                            .into_iter()
                            .fold(sql(table.insert), |statement, value| statement.bind(value));
                        insert.execute(db).await?;
                    }
                    Ok(())
                })
                .await?;
            }
            if is_last {
                return Ok(copied);
            }
        }
    }
}

fn values(row: &SqliteRow, kinds: &[Kind]) -> Answer<Vec<Value>> {
    let kinds = kinds.iter().enumerate();
    kinds
        .map(|(at, kind)| {
            Ok(match kind {
                Text => Value::Text(row.try_get(at)?),
                Integer => Value::Integer(row.try_get(at)?),
                Bytes => Value::Bytes(row.try_get(at)?),
            })
        })
        .collect()
}
