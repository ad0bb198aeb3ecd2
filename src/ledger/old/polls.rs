//! What polls found of a pod between two pushes: whether it answers and accepts
//! the password, how it is, and its configuration.

use super::history::{self, Event, Line};
use super::pods::{known, meet};
use super::{At as _, Ledger, Result};
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;

impl Ledger {
    /// Lets the pod rest: its password was refused so many times in a row.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn rest(
        &self,
        pod: &PodUrl,
        until: UnixTime,
        rejections: u32,
        password_tag: u16,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO pod (pod, rest_until, rejections, password_tag) VALUES (?, ?, ?, ?) \
             ON CONFLICT (pod) DO UPDATE SET rest_until = excluded.rest_until, \
             rejections = excluded.rejections, password_tag = excluded.password_tag",
        )
        .bind(pod.key())
        .bind(until.seconds())
        .bind(rejections)
        .bind(password_tag)
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// The pod accepted a password, or the configuration has a new one.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn clear_rest(&self, pod: &PodUrl) -> Result<()> {
        sqlx::query(
            "UPDATE pod SET rest_until = NULL, rejections = 0, password_tag = NULL \
             WHERE pod = ? AND (rest_until IS NOT NULL OR rejections > 0)",
        )
        .bind(pod.key())
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// Notes the outcome of a health check. Where the state is another than before,
    /// says which it was; `None` where it is the same, and at the first check.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_health(
        &self,
        pod: &PodUrl,
        state: &str,
        detail: Option<&str>,
        at: UnixTime,
    ) -> Result<Option<String>> {
        let key = pod.key();
        let mut transaction = self.begin().await?;
        let before: Option<String> = known(
            &mut transaction,
            "SELECT health FROM pod WHERE pod = ?",
            &key,
        )
        .await
        .at(&self.path)?;
        sqlx::query(
            "INSERT INTO pod (pod, health, health_since, health_detail, checked_at) \
             VALUES (?1, ?2, ?3, ?4, ?3) \
             ON CONFLICT (pod) DO UPDATE SET \
             health_since = iif(health IS excluded.health, health_since, excluded.health_since), \
             health = excluded.health, health_detail = excluded.health_detail, \
             checked_at = excluded.checked_at",
        )
        .bind(&key)
        .bind(state)
        .bind(at.seconds())
        .bind(detail)
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        let same = before.as_deref() == Some(state);
        if !same {
            let event = Event::Health {
                pod: pod.to_string(),
                before: before.clone(),
                state: state.to_owned(),
                detail: detail.map(str::to_owned),
            };
            history::write(&mut transaction, &Line::of_pod(&key, at, &event))
                .await
                .at(&self.path)?;
        }
        transaction.commit().await.at(&self.path)?;
        Ok(before.filter(|_| !same))
    }

    /// Notes that the pod answered.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn seen(&self, pod: &PodUrl, at: UnixTime) -> Result<()> {
        sqlx::query(
            "INSERT INTO pod (pod, seen_at) VALUES (?, ?) \
             ON CONFLICT (pod) DO UPDATE SET seen_at = excluded.seen_at",
        )
        .bind(pod.key())
        .bind(at.seconds())
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// The pod's configuration as it was read last, and when.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn config_snapshot(&self, pod: &PodUrl) -> Result<Option<(UnixTime, String)>> {
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT read_at, json FROM pod_config WHERE pod = ?")
                .bind(pod.key())
                .fetch_optional(&self.readers)
                .await
                .at(&self.path)?;
        Ok(row.map(|(at, json)| (UnixTime::from_seconds(at), json)))
    }

    /// Keeps the pod's configuration. The caller takes its secrets out before.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn keep_config(
        &self,
        pod: &PodUrl,
        json_without_secrets: &str,
        at: UnixTime,
    ) -> Result<()> {
        let key = pod.key();
        let mut transaction = self.begin().await?;
        meet(&mut transaction, &key).await.at(&self.path)?;
        sqlx::query(
            "INSERT INTO pod_config (pod, read_at, json) VALUES (?, ?, ?) \
             ON CONFLICT (pod) DO UPDATE SET read_at = excluded.read_at, json = excluded.json",
        )
        .bind(&key)
        .bind(at.seconds())
        .bind(json_without_secrets)
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        transaction.commit().await.at(&self.path)
    }

    /// Notes in the history that the pod's configuration is not as wanted:
    /// `detail` names the paths, `repaired` says whether they were set right.
    /// The same again only counts.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn drifted(
        &self,
        pod: &PodUrl,
        detail: &str,
        repaired: bool,
        at: UnixTime,
    ) -> Result<()> {
        let key = pod.key();
        let event = Event::Drift {
            pod: pod.to_string(),
            detail: detail.to_owned(),
            repaired,
        };
        let mut transaction = self.begin().await?;
        let since = history::last_since(&mut transaction, &key, history::DRIFT)
            .await
            .at(&self.path)?;
        let line = Line::of_pod(&key, at, &event);
        history::write_or_count(&mut transaction, &line, since.unwrap_or(at))
            .await
            .at(&self.path)?;
        transaction.commit().await.at(&self.path)
    }
}

#[cfg(test)]
mod tests;
