//! What is kept of the device behind a pod's address: that a person accepted another one,
//! and the settings as they were read last.

use super::query::sql;
use super::{Ledger, Result, Schema};
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;

/// In place of a device's id: a person accepted whichever answers at the address next.
pub const WHICHEVER_ANSWERS: &str = "*";

impl Ledger {
    /// Accepts the device that answers at this address.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn accept_device(&self, pod: &PodUrl, device_id: &str, at: UnixTime) -> Result<()> {
        let key = pod.key();
        self.write(async |connection| {
            sql(
                "INSERT INTO accepted_device (pod, device_id, accepted_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (pod) DO UPDATE SET device_id = excluded.device_id, \
                 accepted_at = excluded.accepted_at",
            )
            .bind(&key)
            .bind(device_id)
            .bind(at)
            .execute(connection)
            .await
            .map(drop)
        })
        .await
    }

    /// The pod's settings as they were read last, as JSON, and when.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn pod_settings(&self, pod: &PodUrl) -> Result<Option<(UnixTime, String)>> {
        let statement = match self.opened().schema {
            Schema::Old => "SELECT read_at, json FROM pod_config WHERE pod = $1",
            _ => "SELECT read_at, json FROM pod_settings WHERE pod = $1",
        };
        let key = pod.key();
        self.read(async |connection| sql(statement).bind(&key).fetch_optional(connection).await)
            .await
    }
}
