//! What cannot be had again, read from a damaged file as far as it goes: pins, accepted
//! devices and sign-in pauses. All else is rebuilt by the next looks, pulls and pushes.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, FromRow};

use super::connection::options;
use super::pin::{self, Pin};
use super::query::Db;
use super::{Answer, sign_in};
use crate::model::sign_in::SignIn;
use crate::model::time::UnixTime;

#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) pins: BTreeMap<String, Pin>,
    devices: BTreeMap<String, String>,
    sign_ins: BTreeMap<String, String>,
    pauses: BTreeMap<String, (UnixTime, i64, i64)>,
    /// The tables that could not be read to their end.
    pub(super) lost: Vec<&'static str>,
}

impl Saved {
    pub(super) fn sign_ins(&self) -> usize {
        self.sign_ins.len() + self.pauses.len()
    }

    /// Writes it to a new ledger.
    pub(super) async fn store(&self, connection: &mut SqliteConnection) -> Answer<()> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for (pod, pin) in &self.pins {
            pin::put(&mut Db::from(&mut *transaction), pod, *pin).await?;
        }
        for (account, json) in &self.sign_ins {
            if let Ok(sign_in) = serde_json::from_str::<SignIn>(json) {
                sign_in::put_if_absent(&mut Db::from(&mut *transaction), account, &sign_in).await?;
            }
        }
        for (pod, device_id) in &self.devices {
            sqlx::query(
                "INSERT INTO accepted_device (pod, device_id, accepted_at) VALUES ($1, $2, 0)",
            )
            .bind(pod)
            .bind(device_id)
            .execute(&mut *transaction)
            .await?;
        }
        for (pod, (until, rejections, tag)) in &self.pauses {
            sqlx::query(
                "INSERT INTO old_pause (pod, until, rejections, password_tag) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(pod)
            .bind(until)
            .bind(rejections)
            .bind(tag)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }
}

/// Reads what can be read; nothing is an error.
pub(super) async fn read(aside: &Path) -> Saved {
    let mut saved = Saved::default();
    // With SQLite's log, which may be sound; else without it.
    for immutable in [false, true] {
        let options = options(aside)
            .pragma("query_only", "ON")
            .immutable(immutable)
            .read_only(immutable);
        let Ok(mut connection) = options.connect().await else {
            continue;
        };
        let attempt = read_from(&mut connection).await;
        let _ = connection.close().await;
        if attempt.lost.len() <= saved.lost.len() || saved.is_nothing() {
            saved.merge(attempt);
        }
        if saved.lost.is_empty() {
            break;
        }
    }
    if saved.is_nothing() && saved.lost.is_empty() {
        saved.lost = vec!["pin", "sign_in"];
    }
    saved
}

impl Saved {
    fn is_nothing(&self) -> bool {
        self.pins.is_empty() && self.devices.is_empty() && self.sign_ins() == 0
    }

    fn merge(&mut self, other: Self) {
        for (pod, pin) in other.pins {
            self.pins.entry(pod).or_insert(pin);
        }
        for (pod, device_id) in other.devices {
            self.devices.entry(pod).or_insert(device_id);
        }
        for (account, json) in other.sign_ins {
            self.sign_ins.entry(account).or_insert(json);
        }
        for (pod, pause) in other.pauses {
            self.pauses.entry(pod).or_insert(pause);
        }
        self.lost = other.lost;
    }
}

async fn read_from(connection: &mut SqliteConnection) -> Saved {
    let mut lost = Vec::new();
    let pins: Vec<(String, Vec<u8>, UnixTime)> = rows(
        connection,
        [
            "SELECT pod, sha256, pinned_at FROM pin ORDER BY pod",
            "SELECT pod, sha256, pinned_at FROM pin ORDER BY pod DESC",
        ],
        ("pin", &mut lost),
    )
    .await;
    let sha256 = |(pod, sha256, at): (String, Vec<u8>, UnixTime)| {
        let sha256 = sha256.try_into().ok()?;
        Some((pod, Pin { sha256, at }))
    };
    let sign_ins = rows(
        connection,
        [
            "SELECT account, memory FROM sign_in ORDER BY account",
            "SELECT account, memory FROM sign_in ORDER BY account DESC",
        ],
        ("sign_in", &mut lost),
    )
    .await;
    let devices = rows(
        connection,
        [
            "SELECT pod, device_id FROM accepted_device ORDER BY pod",
            "SELECT pod, device_id FROM accepted_device ORDER BY pod DESC",
        ],
        ("accepted_device", &mut lost),
    )
    .await;
    let mut pauses: Vec<(String, UnixTime, i64, i64)> = rows(
        connection,
        [
            "SELECT pod, until, rejections, password_tag FROM old_pause ORDER BY pod",
            "SELECT pod, until, rejections, password_tag FROM old_pause ORDER BY pod DESC",
        ],
        ("sign_in", &mut lost),
    )
    .await;
    if lost == ["sign_in", "accepted_device", "sign_in"] {
        // Maybe a file of podcal 0.1, which has none of these tables.
        let old: Vec<(String, UnixTime, i64, i64)> = rows(
            connection,
            [
                "SELECT pod, rest_until, rejections, password_tag FROM pod \
                 WHERE rest_until IS NOT NULL AND password_tag IS NOT NULL ORDER BY pod",
                "SELECT pod, rest_until, rejections, password_tag FROM pod \
                 WHERE rest_until IS NOT NULL AND password_tag IS NOT NULL ORDER BY pod DESC",
            ],
            ("pod", &mut lost),
        )
        .await;
        if !lost.contains(&"pod") {
            lost.clear();
        }
        pauses.extend(old);
    }
    lost.dedup();
    Saved {
        pins: pins.into_iter().filter_map(sha256).collect(),
        sign_ins: sign_ins.into_iter().collect(),
        devices: devices.into_iter().collect(),
        pauses: pauses
            .into_iter()
            .map(|(pod, until, rejections, tag)| (pod, (until, rejections, tag)))
            .collect(),
        lost,
    }
}

/// The rows up to the damaged place, from both ends.
async fn rows<T>(
    connection: &mut SqliteConnection,
    statements: [&'static str; 2],
    (table, lost): (&'static str, &mut Vec<&'static str>),
) -> Vec<T>
where
    T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    let mut found = Vec::new();
    for (statement, is_last) in statements.into_iter().zip([false, true]) {
        let mut rows = sqlx::query_as(statement).fetch(&mut *connection);
        loop {
            match rows.try_next().await {
                Ok(Some(row)) => found.push(row),
                Ok(None) => return found,
                Err(_) => break,
            }
        }
        if is_last {
            lost.push(table);
        }
    }
    found
}
