//! What came of signing in, by account. The one thing that every process writes, also one
//! that only reads otherwise: two of them must not try the same wrong password.

use super::query::{Db, sql};
use super::{Answer, Ledger, Result, Schema, json};
use crate::model::digest::Parts;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;
use crate::model::sign_in::{AccountKey, SignIn};
use crate::model::time::UnixTime;

/// The secret of a pod, to find the account of a pause that podcal 0.1 kept by pod.
#[derive(Debug)]
pub struct PodSecret<'a> {
    pub pod: &'a PodUrl,
    pub username: &'a str,
    pub password: &'a Secret,
    pub account: &'a AccountKey,
}

impl PodSecret<'_> {
    /// How podcal 0.1 told passwords apart.
    fn old_tag(&self) -> i64 {
        let parts = [&self.pod.key(), self.username, self.password.reveal()];
        let [first, second, ..] = Parts::of(parts);
        u16::from_be_bytes([first, second]).into()
    }
}

impl Ledger {
    /// What came of the last sign-in to an account; `None` where nothing is known.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn sign_in(&self, account: &AccountKey) -> Result<Option<SignIn>> {
        if self.opened().schema == Schema::Old {
            return Ok(None);
        }
        let found = self
            .read(async |connection| get(connection, account.as_str()).await)
            .await?;
        Ok(found.and_then(|json| read(&json)))
    }

    /// Writes `new` if the ledger still says `expected`: of several processes that ask at
    /// once, one is told `true`, and only that one may send the secret.
    ///
    /// # Errors
    /// When the ledger cannot be written; then the secret may not be sent either.
    pub async fn reserve_sign_in(
        &self,
        account: &AccountKey,
        expected: Option<&SignIn>,
        new: &SignIn,
    ) -> Result<bool> {
        self.make_writable().await?;
        let json = json::text(new).map_err(|error| super::LedgerError::of(self.name(), error))?;
        self.write_beside(async |connection| {
            let found = get(connection, account.as_str()).await?;
            // A row that cannot be read counts as absent.
            if found.as_deref().and_then(read).as_ref() != expected {
                return Ok(false);
            }
            let done = match &found {
                // The text in the condition: on every engine only one can be first.
                Some(found) => {
                    sql("UPDATE sign_in SET memory = $1 WHERE account = $2 AND memory = $3")
                        .bind(&json)
                        .bind(account.as_str())
                        .bind(found)
                }
                None => sql("INSERT INTO sign_in (memory, account) VALUES ($1, $2) \
                     ON CONFLICT (account) DO NOTHING")
                .bind(&json)
                .bind(account.as_str()),
            };
            Ok(done.execute(connection).await? == 1)
        })
        .await
    }

    /// Writes what came of a sign-in, whatever was known before.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_sign_in(&self, account: &AccountKey, sign_in: &SignIn) -> Result<()> {
        self.make_writable().await?;
        self.write_beside(async |connection| put(connection, account.as_str(), sign_in).await)
            .await
    }

    /// Forgets what is known of an account: the next secret is tried as if it were the first.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn clear_sign_in(&self, account: &AccountKey) -> Result<()> {
        self.make_writable().await?;
        self.write_beside(async |connection| {
            sql("DELETE FROM sign_in WHERE account = $1")
                .bind(account.as_str())
                .execute(connection)
                .await
                .map(drop)
        })
        .await
    }

    /// Gives the pauses of podcal 0.1 to the accounts that they were about, where the
    /// password is still the one that was rejected. Once, after opening.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn adopt_old_pauses(&self, secrets: &[PodSecret<'_>]) -> Result<usize> {
        if self.opened().schema == Schema::Old {
            if !self.has_pauses_of_0_1().await? {
                return Ok(0);
            }
            self.make_writable().await?;
        }
        let pauses: Vec<(String, UnixTime, i64, i64)> = self
            .read(async |connection| {
                sql("SELECT pod, until, rejections, password_tag FROM old_pause")
                    .fetch_all(connection)
                    .await
            })
            .await?;
        let mut adopted = Vec::new();
        // Of other pods another command may know the password.
        let mut done = Vec::new();
        for (pod, until, rejections, tag) in pauses {
            if secrets.iter().any(|secret| secret.pod.key() == pod) {
                done.push(pod.clone());
            }
            let is_about =
                |secret: &&PodSecret<'_>| secret.pod.key() == pod && secret.old_tag() == tag;
            adopted.extend(secrets.iter().find(is_about).map(|secret| {
                let sign_in = SignIn {
                    secret_tag: secret.account.secret_tag(secret.password),
                    rejections: u32::try_from(rejections).unwrap_or(u32::MAX),
                    until,
                    proven_at: None,
                    is_pending: false,
                };
                (secret.account.as_str(), sign_in)
            }));
        }
        if done.is_empty() {
            return Ok(0);
        }
        self.write_beside(async |connection| {
            for (account, sign_in) in &adopted {
                put_if_absent(&mut *connection, account, sign_in).await?;
            }
            for pod in &done {
                sql("DELETE FROM old_pause WHERE pod = $1")
                    .bind(pod)
                    .execute(connection)
                    .await?;
            }
            Ok(())
        })
        .await?;
        Ok(adopted.len())
    }

    async fn has_pauses_of_0_1(&self) -> Result<bool> {
        self.read(async |connection| {
            let paused: Vec<(i64,)> = sql(
                "SELECT count(*) FROM pod WHERE rest_until IS NOT NULL AND password_tag IS NOT NULL",
            )
            .fetch_all(connection)
            .await?;
            Ok(paused.iter().any(|(count,)| *count > 0))
        })
        .await
    }
}

fn read(json: &str) -> Option<SignIn> {
    serde_json::from_str(json).ok()
}

async fn get(connection: &mut Db<'_>, account: &str) -> Answer<Option<String>> {
    let found: Option<(String,)> = sql("SELECT memory FROM sign_in WHERE account = $1")
        .bind(account)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|(memory,)| memory))
}

async fn put(connection: &mut Db<'_>, account: &str, sign_in: &SignIn) -> Answer<()> {
    sql("INSERT INTO sign_in (account, memory) VALUES ($1, $2) \
         ON CONFLICT (account) DO UPDATE SET memory = excluded.memory")
    .bind(account)
    .bind(json::text(sign_in)?)
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn put_if_absent(
    connection: &mut Db<'_>,
    account: &str,
    sign_in: &SignIn,
) -> Answer<()> {
    sql("INSERT INTO sign_in (account, memory) VALUES ($1, $2) ON CONFLICT (account) DO NOTHING")
        .bind(account)
        .bind(json::text(sign_in)?)
        .execute(connection)
        .await
        .map(drop)
}

pub(super) async fn all(connection: &mut Db<'_>) -> Answer<Vec<(String, SignIn)>> {
    let rows: Vec<(String, String)> = sql("SELECT account, memory FROM sign_in ORDER BY account")
        .fetch_all(connection)
        .await?;
    let known = rows
        .into_iter()
        .filter_map(|(account, json)| Some((account, read(&json)?)));
    Ok(known.collect())
}
