//! Whom to trust: the certificate of each pod, and a device that a person accepted.
//!
//! Trust outlives the configuration: a pod that is taken out and put back is still the same pod.

use sqlx::FromRow;

use super::history::{self, HistoryLine};
use super::query::{Db, sql};
use super::{Answer, Ledger, LedgerError, Result};
use crate::model::name::{PodUrl, RoomName};
use crate::model::time::UnixTime;

/// A certificate that is insisted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    pub sha256: [u8; 32],
    pub at: UnixTime,
}

#[derive(FromRow)]
struct Row {
    pod: String,
    sha256: Vec<u8>,
    pinned_at: UnixTime,
}

impl Ledger {
    /// The certificate that is trusted of a pod.
    ///
    /// # Errors
    /// When the ledger cannot be read: that must not pass for no pin.
    pub async fn pin(&self, pod: &PodUrl) -> Result<Option<Pin>> {
        let key = pod.key();
        let row: Option<Row> = self
            .read(async |connection| {
                sql("SELECT pod, sha256, pinned_at FROM pin WHERE pod = $1")
                    .bind(&key)
                    .fetch_optional(connection)
                    .await
            })
            .await?;
        let pin = row.map(|row| row.pin().ok_or(self.unreadable("a certificate pin")));
        pin.transpose()
    }

    /// Trusts a certificate, or none. Awaited before a password is sent.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_pin(
        &self,
        pod: &PodUrl,
        room: Option<&RoomName>,
        pin: Option<[u8; 32]>,
        at: UnixTime,
    ) -> Result<()> {
        let key = pod.key();
        let line = HistoryLine::certificate(room, pod, at, pin);
        let pin = pin.map(|sha256| Pin { sha256, at });
        self.write(async |connection| {
            if set(connection, &key, pin).await? > 0 {
                history::write(connection, &line, 1).await?;
            }
            Ok(())
        })
        .await
    }

    pub(super) fn unreadable(&self, what: &'static str) -> LedgerError {
        LedgerError::Unreadable {
            path: self.name().to_owned(),
            what,
        }
    }
}

impl Row {
    fn pin(self) -> Option<Pin> {
        Some(Pin {
            sha256: self.sha256.try_into().ok()?,
            at: self.pinned_at,
        })
    }
}

/// Says whether that is news.
pub(super) async fn set(connection: &mut Db<'_>, pod: &str, pin: Option<Pin>) -> Answer<u64> {
    let Some(pin) = pin else {
        let done = sql("DELETE FROM pin WHERE pod = $1")
            .bind(pod)
            .execute(connection)
            .await?;
        return Ok(done);
    };
    put(connection, pod, pin).await
}

/// Leaves the time where the certificate is the same. Says whether it is another.
pub(super) async fn put(connection: &mut Db<'_>, pod: &str, pin: Pin) -> Answer<u64> {
    let done = sql(
        "INSERT INTO pin (pod, sha256, pinned_at) VALUES ($1, $2, $3) \
         ON CONFLICT (pod) DO UPDATE SET sha256 = excluded.sha256, \
         pinned_at = excluded.pinned_at WHERE pin.sha256 <> excluded.sha256",
    )
    .bind(pod)
    .bind(pin.sha256.to_vec())
    .bind(pin.at)
    .execute(connection)
    .await?;
    Ok(done)
}

/// All pins that can be read; a row that cannot is an error of the whole.
pub(super) async fn all(connection: &mut Db<'_>) -> Answer<Vec<(String, Pin)>> {
    let rows: Vec<Row> = sql("SELECT pod, sha256, pinned_at FROM pin ORDER BY pod")
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            let pod = row.pod.clone();
            let pin = row.pin();
            // The schema lets no other length in.
            pin.map(|pin| (pod, pin))
                .ok_or_else(|| sqlx::Error::Decode("a certificate pin of another length".into()))
        })
        .collect()
}
