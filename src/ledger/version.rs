//! Versions of feeds: their members, and the bodies that versions of one feed share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::packed::Packed;
use super::query::{Db, sql};
use super::{Answer, Ledger, LedgerError, Result, json, packed};
use crate::model::digest::{self, hex};
use crate::model::name::FeedId;
use crate::model::version::{FeedVersion, KeptItem, PackedBody, Reduction, Trouble, VersionId};

type Sha256 = [u8; 32];

/// A version without its bodies, as it is stored.
#[derive(Serialize, Deserialize)]
struct Contents {
    members: Vec<Member>,
    reduction: Reduction,
    missing: Vec<String>,
    trouble: Trouble,
}

#[derive(Serialize, Deserialize)]
struct Member {
    href: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
    /// In hexadecimal digits.
    sha256: String,
}

impl Member {
    fn digest(&self) -> Option<Sha256> {
        let mut digest = [0; 32];
        if self.sha256.len() != 64 || !self.sha256.is_ascii() {
            return None;
        }
        for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(self.sha256.get(at..at + 2)?, 16).ok()?;
        }
        Some(digest)
    }
}

impl Contents {
    fn of(version: &FeedVersion) -> Self {
        let member = |item: &KeptItem| Member {
            href: item.href.clone(),
            etag: item.etag.clone(),
            last_modified: item.last_modified.clone(),
            sha256: hex(&item.digest),
        };
        Self {
            members: version.items.iter().map(member).collect(),
            reduction: version.reduction.clone(),
            missing: version.missing.clone(),
            trouble: version.trouble.clone(),
        }
    }

    fn unpack(bytes: Vec<u8>, inflated_bytes: Option<i64>) -> Option<Self> {
        serde_json::from_slice(&packed::unpack(bytes, inflated_bytes)?).ok()
    }

    /// `None` where a body is missing.
    fn version(self, id: VersionId, bodies: &BTreeMap<Sha256, PackedBody>) -> Option<FeedVersion> {
        let item = |member: Member| {
            let digest = member.digest()?;
            Some(KeptItem {
                href: member.href,
                etag: member.etag,
                last_modified: member.last_modified,
                digest,
                body: bodies.get(&digest)?.clone(),
            })
        };
        Some(FeedVersion {
            id,
            items: self.members.into_iter().map(item).collect::<Option<_>>()?,
            reduction: self.reduction,
            missing: self.missing,
            trouble: self.trouble,
        })
    }
}

type PackedContents = (Vec<u8>, Option<i64>);
type BodyRow = (Vec<u8>, Vec<u8>, Option<i64>);

impl Ledger {
    /// A version of a feed, whole: `None` where it is not stored, or any of it is damaged.
    /// Then it counts as never read, and the next pull asks for everything.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn version(&self, feed: &FeedId, id: VersionId) -> Result<Option<FeedVersion>> {
        let found: Option<(PackedContents, Vec<BodyRow>)> = self
            .read(async |connection| {
                let contents: Option<PackedContents> =
                    sql("SELECT contents, inflated_bytes FROM feed_version \
                     WHERE feed = $1 AND version = $2")
                    .bind(feed.as_str())
                    .bind(id.0.cast_signed())
                    .fetch_optional(connection)
                    .await?;
                let Some(contents) = contents else {
                    return Ok(None);
                };
                let bodies =
                    sql("SELECT sha256, body, inflated_bytes FROM feed_body WHERE feed = $1")
                        .bind(feed.as_str())
                        .fetch_all(connection)
                        .await?;
                Ok(Some((contents, bodies)))
            })
            .await?;
        let Some((contents, bodies)) = found else {
            return Ok(None);
        };
        // Unpacking fifty megabytes takes a while, and pods are waiting for answers meanwhile.
        tokio::task::spawn_blocking(move || {
            let bodies = bodies.into_iter().filter_map(whole_body).collect();
            Contents::unpack(contents.0, contents.1)?.version(id, &bodies)
        })
        .await
        .map_err(|_| LedgerError::Closed {
            path: self.name().to_owned(),
        })
    }
}

/// Only a body that is what its digest says.
fn whole_body((sha256, bytes, inflated_bytes): BodyRow) -> Option<(Sha256, PackedBody)> {
    let sha256 = Sha256::try_from(sha256).ok()?;
    let body = packed::body(bytes, inflated_bytes)?;
    (digest::sha256(&body.unpack()?) == sha256).then_some((sha256, body))
}

/// Which versions are stored.
pub(super) async fn all(connection: &mut Db<'_>) -> Answer<BTreeMap<String, BTreeSet<VersionId>>> {
    let rows: Vec<(String, i64)> = sql("SELECT feed, version FROM feed_version")
        .fetch_all(connection)
        .await?;
    let mut found: BTreeMap<String, BTreeSet<VersionId>> = BTreeMap::new();
    for (feed, version) in rows {
        let id = VersionId(version.cast_unsigned());
        found.entry(feed).or_default().insert(id);
    }
    Ok(found)
}

/// Adds versions and removes others; bodies that no version of the feed names go too.
pub(super) async fn store(
    connection: &mut Db<'_>,
    added: &[(String, Arc<FeedVersion>)],
    removed: &[(String, VersionId)],
) -> Answer<()> {
    for (feed, id) in removed {
        sql("DELETE FROM feed_version WHERE feed = $1 AND version = $2")
            .bind(feed)
            .bind(id.0.cast_signed())
            .execute(connection)
            .await?;
    }
    let mut feeds = BTreeSet::new();
    feeds.extend(removed.iter().map(|(feed, _)| feed.as_str()));
    feeds.extend(added.iter().map(|(feed, _)| feed.as_str()));
    for feed in feeds {
        let mut stored = bodies(connection, feed).await?;
        for (_, version) in added.iter().filter(|(of, _)| of == feed) {
            let is_again = |(of, id): &(String, VersionId)| of == feed && *id == version.id;
            if removed.iter().any(is_again) {
                // It could not be read: none of its bodies is trusted.
                stored.retain(|sha256| version.items.iter().all(|item| item.digest != *sha256));
            }
            add(connection, feed, version, &mut stored).await?;
        }
        let named = named(connection, feed).await?;
        for sha256 in stored.difference(&named) {
            sql("DELETE FROM feed_body WHERE feed = $1 AND sha256 = $2")
                .bind(feed)
                .bind(sha256.to_vec())
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

async fn add(
    connection: &mut Db<'_>,
    feed: &str,
    version: &FeedVersion,
    stored: &mut BTreeSet<Sha256>,
) -> Answer<()> {
    for item in &version.items {
        if !stored.insert(item.digest) {
            continue;
        }
        let body = Packed::from(&item.body);
        sql(
            "INSERT INTO feed_body (feed, sha256, body, inflated_bytes) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (feed, sha256) DO UPDATE SET body = excluded.body, \
             inflated_bytes = excluded.inflated_bytes",
        )
        .bind(feed)
        .bind(item.digest.to_vec())
        .bind(body.bytes)
        .bind(body.inflated_bytes)
        .execute(connection)
        .await?;
    }
    let contents = packed::pack(&json::bytes(&Contents::of(version))?);
    sql(
        "INSERT INTO feed_version (feed, version, contents, inflated_bytes) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (feed, version) DO UPDATE SET \
         contents = excluded.contents, inflated_bytes = excluded.inflated_bytes",
    )
    .bind(feed)
    .bind(version.id.0.cast_signed())
    .bind(contents.bytes)
    .bind(contents.inflated_bytes)
    .execute(connection)
    .await?;
    Ok(())
}

/// The bodies that are stored of a feed.
async fn bodies(connection: &mut Db<'_>, feed: &str) -> Answer<BTreeSet<Sha256>> {
    let rows: Vec<(Vec<u8>,)> = sql("SELECT sha256 FROM feed_body WHERE feed = $1")
        .bind(feed)
        .fetch_all(connection)
        .await?;
    let digest = |(row,): (Vec<u8>,)| Sha256::try_from(row).ok();
    Ok(rows.into_iter().filter_map(digest).collect())
}

/// The bodies that the versions of a feed name.
async fn named(connection: &mut Db<'_>, feed: &str) -> Answer<BTreeSet<Sha256>> {
    let rows: Vec<PackedContents> =
        sql("SELECT contents, inflated_bytes FROM feed_version WHERE feed = $1")
            .bind(feed)
            .fetch_all(connection)
            .await?;
    let contents = rows
        .into_iter()
        .filter_map(|(bytes, size)| Contents::unpack(bytes, size));
    Ok(contents
        .flat_map(|contents| contents.members)
        .filter_map(|member| member.digest())
        .collect())
}
