//! What is asked of whichever replica serves a room, and its answer: rows, since a command knows
//! none of the computers that the replicas are on.

use super::query::{Db, sql};
use super::server::BEGIN;
use super::{Answer, Ledger, Result};
use crate::model::name::RoomName;

/// Nobody waits for an answer so long.
const FORGET_AFTER_SECONDS: i64 = 3600;

/// Something that this replica is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRequest {
    pub id: i64,
    pub room: String,
    /// JSON.
    pub request: String,
}

impl Ledger {
    /// Asks something of the owner of each room; gives back by what the answers are found.
    ///
    /// # Errors
    /// When the server cannot be written.
    pub async fn ask(&self, requests: &[(RoomName, String)]) -> Result<Vec<i64>> {
        self.write_beside(async |db| {
            let mut ids = Vec::new();
            for (room, request) in requests {
                let id: Option<(i64,)> =
                    sql("INSERT INTO request (room, request) VALUES ($1, $2) RETURNING id")
                        .bind(room.as_str())
                        .bind(request)
                        .fetch_optional(db)
                        .await?;
                ids.extend(id.map(|(id,)| id));
            }
            Ok(ids)
        })
        .await
    }

    /// The answers that there are to these.
    ///
    /// # Errors
    /// When the server cannot be read.
    pub async fn answers(&self, ids: &[i64]) -> Result<Vec<(i64, String)>> {
        self.read(async |db| {
            sql("SELECT id, answer FROM request WHERE answer IS NOT NULL \
                 AND id IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)")
            .bind(super::json::text(&ids)?)
            .fetch_all(db)
            .await
        })
        .await
    }

    /// Nobody waits for these any more.
    ///
    /// # Errors
    /// When the server cannot be written.
    pub async fn forget_requests(&self, ids: &[i64]) -> Result<()> {
        self.write_beside(async |db| {
            sql("DELETE FROM request \
                 WHERE id IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)")
            .bind(super::json::text(&ids)?)
            .execute(db)
            .await
            .map(drop)
        })
        .await
    }

    /// What this replica is to do; nobody else does it while it lives.
    ///
    /// # Errors
    /// When the server cannot be written.
    pub async fn take_requests(&self) -> Result<Vec<RoomRequest>> {
        let Some(me) = self.replica() else {
            return Ok(Vec::new());
        };
        self.on_lease(BEGIN, async |db| take(db, &me.0).await).await
    }

    /// # Errors
    /// When the server cannot be written.
    pub async fn answer(&self, id: i64, answer: &str) -> Result<()> {
        self.write_beside(async |db| {
            sql("UPDATE request SET answer = $2 WHERE id = $1")
                .bind(id)
                .bind(answer)
                .execute(db)
                .await
                .map(drop)
        })
        .await
    }
}

async fn take(db: &mut Db<'_>, me: &str) -> Answer<Vec<RoomRequest>> {
    sql("DELETE FROM request WHERE asked_at < extract(epoch FROM clock_timestamp()) - $1")
        .bind(FORGET_AFTER_SECONDS)
        .execute(db)
        .await?;
    // Also what one took that has gone since.
    let rows: Vec<(i64, String, String)> =
        sql("UPDATE request SET replica = $1 WHERE answer IS NULL \
         AND room IN (SELECT room FROM room_owner WHERE room_owner.replica = $1) \
         AND (request.replica IS NULL OR request.replica NOT IN (SELECT replica.id FROM replica)) \
         RETURNING request.id, request.room, request.request")
        .bind(me)
        .fetch_all(db)
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(id, room, request)| RoomRequest { id, room, request })
        .collect())
}
