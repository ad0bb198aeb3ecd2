//! The replicas that share a ledger on a server: their leases, and which of them serves
//! which room.
//!
//! A replica whose lease has ended is removed by whichever notices first, and its rooms with it;
//! so a renewal that finds no row says that others may serve its rooms now. What a replica
//! writes is written only while its row is there, and the row cannot go meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::lock::Holder;
use super::query::{Db, sql};
use super::server::BEGIN;
use super::{Answer, Ledger, LedgerError, Result, memories, version};
use crate::model::name::RoomName;
use crate::model::replica::{KnownRooms, Replica, ReplicaId, Roll, Turn};

/// How long a lease is: short enough that the rooms of a replica that was killed are served by
/// others within 30 s.
pub(super) const LEASE: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs());
const LEASE_SECONDS: i64 = 25;

/// What was changed in the last seconds is read again: it may have been committed late.
const OVERLAP_MILLISECONDS: i64 = 70_000;

/// What is known of the others between two turns, so that little has to be read.
#[derive(Clone, Debug, Default)]
pub struct RollCache {
    moves: Option<i64>,
    owners: BTreeMap<RoomName, ReplicaId>,
    /// By digest.
    rooms: BTreeMap<String, BTreeMap<RoomName, String>>,
    /// Whether something is asked of a replica; see [`Ledger::take_requests`].
    pub has_requests: bool,
}

/// What the memories of others were at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadUpTo(i64);

type Row = (String, String, i64, String, String, i64, bool);

impl Ledger {
    /// How long the lease of a replica is.
    pub const LEASE: Duration = LEASE;

    /// By what the others know this process; `None` of a ledger in a file.
    #[must_use]
    pub fn replica(&self) -> Option<ReplicaId> {
        let server = self.0.server.as_ref()?;
        Some(ReplicaId(server.holder.clone()))
    }

    /// Begins a lease, without rooms.
    ///
    /// # Errors
    /// When the server cannot be written.
    pub async fn register(&self, version: &str, known: &KnownRooms) -> Result<()> {
        self.on_lease(BEGIN, async |db| {
            let rooms = super::json::text(&known.rooms)?;
            let this = Holder::this();
            sql(
                "INSERT INTO replica (id, alone, host, pid, version, digest, rooms, started_at, ends_at) \
                 SELECT $1, false, $2, $3, $4, $5, $6, at, at + $7 \
                 FROM (SELECT extract(epoch FROM clock_timestamp())::double precision AS at) AS now \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(self.holder())
            .bind(&this.host)
            .bind(i64::from(this.pid))
            .bind(version)
            .bind(&known.digest)
            .bind(&rooms)
            .bind(LEASE_SECONDS)
            .execute(db)
            .await?;
            moved(db).await
        })
        .await
    }

    /// Says which rooms the configuration has now.
    ///
    /// # Errors
    /// When the server cannot be written.
    pub async fn describe(&self, known: &KnownRooms) -> Result<()> {
        self.on_lease(BEGIN, async |db| {
            sql("UPDATE replica SET digest = $2, rooms = $3 WHERE id = $1")
                .bind(self.holder())
                .bind(&known.digest)
                .bind(super::json::text(&known.rooms)?)
                .execute(db)
                .await
                .map(drop)
        })
        .await
    }

    /// Renews the lease of all rooms in one statement, ends those of others that were not renewed,
    /// gives rooms up and takes others. `None`: this replica's lease was ended by another one.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn turn(&self, turn: &Turn, cache: &mut RollCache) -> Result<Option<Roll>> {
        let before = cache.clone();
        let done = self
            .on_lease(BEGIN, async |db| {
                if !renew(db, self.holder()).await? {
                    return Ok(None);
                }
                let mut changes = end_others(db).await?;
                if !turn.give.is_empty() {
                    changes += sql("DELETE FROM room_owner WHERE replica = $1 \
                         AND room IN (SELECT jsonb_array_elements_text($2::jsonb))")
                    .bind(self.holder())
                    .bind(names(&turn.give)?)
                    .execute(db)
                    .await?;
                }
                if !turn.take.is_empty() {
                    changes += sql("INSERT INTO room_owner (room, replica) \
                         SELECT room, $1 FROM jsonb_array_elements_text($2::jsonb) AS room \
                         WHERE NOT EXISTS (SELECT 1 FROM replica WHERE alone) ORDER BY room \
                         ON CONFLICT (room) DO NOTHING")
                    .bind(self.holder())
                    .bind(names(&turn.take)?)
                    .execute(db)
                    .await?;
                }
                if changes > 0 {
                    moved(db).await?;
                }
                read(db, cache).await.map(Some)
            })
            .await;
        if !matches!(done, Ok(Some(_))) {
            // What was read may have been taken back.
            *cache = before;
        }
        done
    }

    /// Gives the lease back: all of its rooms are free at once.
    ///
    /// # Errors
    /// When the server cannot be written; then the lease ends by itself.
    pub async fn leave(&self) -> Result<()> {
        let left = self.on_lease(BEGIN, async |db| {
            let left = sql("DELETE FROM replica WHERE id = $1")
                .bind(self.holder())
                .execute(db)
                .await?;
            if left > 0 {
                moved(db).await?;
            }
            Ok(())
        });
        left.await
    }

    /// Renews the lease of a command that works alone.
    ///
    /// # Errors
    /// When the server cannot be reached, or the lease was ended.
    pub async fn renew_alone(&self) -> Result<()> {
        let renewed = self.on_lease(BEGIN, async |db| renew(db, self.holder()).await);
        match (renewed.await?, &self.0.server) {
            (false, Some(server)) => Err(server.lease_ended()),
            _ => Ok(()),
        }
    }

    /// Who runs, and who serves what. For commands.
    ///
    /// # Errors
    /// When the server cannot be read.
    pub async fn roll(&self) -> Result<Roll> {
        if !self.is_on_server() {
            return Ok(Roll::default());
        }
        self.read(async |db| read(db, &mut RollCache::default()).await)
            .await
    }

    /// The memories that were written since, by whomever, and all versions, pins and devices
    /// where `is_whole`.
    ///
    /// # Errors
    /// When the server cannot be read.
    pub async fn news(
        &self,
        since: ReadUpTo,
        is_whole: bool,
    ) -> Result<(memories::Loaded, ReadUpTo)> {
        self.read(async |db| {
            let now: Option<(i64,)> =
                sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
                    .fetch_optional(db)
                    .await?;
            let mut loaded = memories::changed(db, since.0 - OVERLAP_MILLISECONDS).await?;
            if is_whole {
                loaded.versions = version::all(db).await?;
                memories::load_trust(db, &mut loaded).await?;
                memories::load_seen(db, &mut loaded).await?;
            }
            Ok((loaded, ReadUpTo(now.map_or(since.0, |(now,)| now))))
        })
        .await
    }

    fn holder(&self) -> &str {
        self.0.server.as_ref().map_or("", |server| &server.holder)
    }

    /// Of the lease's own connection, so that a large write does not delay it.
    pub(super) async fn on_lease<T>(
        &self,
        begin: &'static str,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        match &self.0.server {
            Some(server) => server.on_lease(begin, work).await,
            None => Err(LedgerError::Closed {
                path: self.path().to_owned(),
            }),
        }
    }
}

/// Whether the row is there; it stays until the transaction ends.
pub(super) async fn has_lease(db: &mut Db<'_>, holder: &str) -> Answer<bool> {
    let found: Option<(i64,)> = sql("SELECT 1::bigint FROM replica WHERE id = $1 FOR KEY SHARE")
        .bind(holder)
        .fetch_optional(db)
        .await?;
    Ok(found.is_some())
}

/// Begins the lease of a command that works alone; `false` where somebody else runs.
pub(super) async fn claim_alone(db: &mut Db<'_>, holder: &str) -> Answer<bool> {
    db.run("LOCK TABLE replica IN SHARE ROW EXCLUSIVE MODE")
        .await?;
    if end_others(db).await? > 0 {
        moved(db).await?;
    }
    let this = Holder::this();
    let done = sql(
        "INSERT INTO replica (id, alone, host, pid, version, digest, rooms, started_at, ends_at) \
         SELECT $1, true, $2, $3, '', '', '[]', at, at + $4 \
         FROM (SELECT extract(epoch FROM clock_timestamp())::double precision AS at) AS now \
         WHERE NOT EXISTS (SELECT 1 FROM replica)",
    )
    .bind(holder)
    .bind(&this.host)
    .bind(i64::from(this.pid))
    .bind(LEASE_SECONDS)
    .execute(db)
    .await?;
    Ok(done == 1)
}

/// One statement for all rooms of a replica.
async fn renew(db: &mut Db<'_>, holder: &str) -> Answer<bool> {
    let done = sql(
        "UPDATE replica SET ends_at = extract(epoch FROM clock_timestamp())::double precision + $2 \
         WHERE id = $1",
    )
    .bind(holder)
    .bind(LEASE_SECONDS)
    .execute(db)
    .await?;
    Ok(done == 1)
}

/// Ends leases that were not renewed, also not since the server itself was started: while it
/// was down nobody could renew one.
async fn end_others(db: &mut Db<'_>) -> Answer<u64> {
    sql("DELETE FROM replica WHERE id IN (\
         SELECT id FROM replica \
         WHERE ends_at < extract(epoch FROM clock_timestamp()) \
         AND clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => $1) \
         FOR UPDATE SKIP LOCKED)")
    .bind(LEASE_SECONDS)
    .execute(db)
    .await
}

async fn moved(db: &mut Db<'_>) -> Answer<()> {
    sql("UPDATE roll SET moves = moves + 1 WHERE id = 1")
        .execute(db)
        .await
        .map(drop)
}

async fn read(db: &mut Db<'_>, cache: &mut RollCache) -> Answer<Roll> {
    let rows: Vec<Row> = sql("SELECT replica.id, host, pid, version, digest, moves, \
         EXISTS (SELECT 1 FROM request WHERE answer IS NULL) FROM replica, roll \
         WHERE NOT alone ORDER BY replica.id")
    .fetch_all(db)
    .await?;
    let moves = rows.first().map(|row| row.5);
    cache.has_requests = rows.first().is_some_and(|row| row.6);
    if moves.is_none() || cache.moves != moves {
        let owners: Vec<(String, String)> = sql("SELECT room, replica FROM room_owner")
            .fetch_all(db)
            .await?;
        let owners = owners.into_iter();
        cache.owners = owners
            .filter_map(|(room, replica)| Some((RoomName::new(&room)?, ReplicaId(replica))))
            .collect();
        cache.moves = moves;
    }
    let mut replicas = Vec::new();
    for (id, host, pid, version, digest, ..) in rows {
        let rooms = match cache.rooms.get(&digest) {
            Some(rooms) => rooms.clone(),
            None => {
                let rooms = rooms_of(db, &id).await?;
                cache.rooms.insert(digest.clone(), rooms.clone());
                rooms
            }
        };
        replicas.push(Replica {
            id: ReplicaId(id),
            name: format!("{host} (process {pid})"),
            version,
            known: KnownRooms { digest, rooms },
        });
    }
    let used = |digest: &String| replicas.iter().any(|one| one.known.digest == *digest);
    cache.rooms.retain(|digest, _| used(digest));
    Ok(Roll {
        replicas,
        owners: cache.owners.clone(),
    })
}

async fn rooms_of(db: &mut Db<'_>, replica: &str) -> Answer<BTreeMap<RoomName, String>> {
    let found: Option<(String,)> = sql("SELECT rooms FROM replica WHERE id = $1")
        .bind(replica)
        .fetch_optional(db)
        .await?;
    let rooms: BTreeMap<String, String> = found
        .and_then(|(json,)| serde_json::from_str(&json).ok())
        .unwrap_or_default();
    let rooms = rooms.into_iter();
    Ok(rooms
        .filter_map(|(name, digest)| Some((RoomName::new(&name)?, digest)))
        .collect())
}

fn names(rooms: &BTreeSet<RoomName>) -> Answer<String> {
    super::json::text(rooms)
}
