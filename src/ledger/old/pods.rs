//! What is known of each pod: whom to trust and what it confirmed; `polls` has the
//! other half, what the polls between two pushes found.
//!
//! A display's agenda is kept as the pod confirmed it, never as it was intended.
//! Writing any of this creates the pod's row; reading a pod that was never met
//! gives an empty standing.

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Sqlite, Transaction};

use super::history::{self, Event, Line};
use super::{At as _, Ledger, LedgerError, Result};
use crate::model::agenda::{Agenda, Changes, OnDisplay};
use crate::model::name::{PodUrl, RoomName, hex};
use crate::model::time::UnixTime;

/// All that the ledger knows of a pod but its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PodStanding {
    /// SHA-256 of the certificate that is trusted.
    pub pin: Option<[u8; 32]>,
    pub pinned_at: Option<UnixTime>,
    pub device_id: Option<String>,
    /// The calendar mode, as it was found.
    pub mode: Option<String>,
    pub mode_checked_at: Option<UnixTime>,
    /// What the pod confirmed last; no longer on the display where `lost` is set.
    /// See [`PodStanding::on_display`].
    pub confirmed: Option<Agenda>,
    pub confirmed_at: Option<UnixTime>,
    pub lost: bool,
    pub lost_reason: Option<String>,
    /// What the pod makes of the confirmed agenda, where it alters it.
    pub echo: Option<Agenda>,
    /// Pushes in a row that did not make the display show what was pushed.
    pub repushes: u32,
    /// Until then nobody signs in.
    pub rest_until: Option<UnixTime>,
    /// Refusals of the password, in a row.
    pub rejections: u32,
    /// Of the password that was refused.
    pub password_tag: Option<u16>,
    pub health: Option<String>,
    pub health_since: Option<UnixTime>,
    pub health_detail: Option<String>,
    /// The last time that the pod answered.
    pub seen_at: Option<UnixTime>,
    /// The last time that its health was judged.
    pub checked_at: Option<UnixTime>,
    /// The first push that failed since one that did not.
    pub failing_since: Option<UnixTime>,
    /// Pushes that failed, in a row.
    pub failures: u32,
    /// Of the last push; `None` once one succeeds.
    pub last_error: Option<String>,
}

impl PodStanding {
    /// What the display shows, as far as is known.
    #[must_use]
    pub fn on_display(&self) -> OnDisplay {
        match (&self.confirmed, self.lost) {
            (_, true) => OnDisplay::Lost,
            (Some(agenda), false) => OnDisplay::Shows(agenda.clone()),
            (None, false) => OnDisplay::Never,
        }
    }
}

#[derive(FromRow)]
struct Row {
    sha256: Option<Vec<u8>>,
    pinned_at: Option<i64>,
    device_id: Option<String>,
    mode: Option<String>,
    mode_checked_at: Option<i64>,
    confirmed: Option<String>,
    confirmed_at: Option<i64>,
    lost: Option<bool>,
    lost_reason: Option<String>,
    echo: Option<String>,
    repushes: Option<u32>,
    rest_until: Option<i64>,
    rejections: Option<u32>,
    password_tag: Option<u16>,
    health: Option<String>,
    health_since: Option<i64>,
    health_detail: Option<String>,
    seen_at: Option<i64>,
    checked_at: Option<i64>,
    failing_since: Option<i64>,
    failures: Option<u32>,
    last_error: Option<String>,
}

impl Row {
    fn standing(self) -> std::result::Result<PodStanding, &'static str> {
        let time = |seconds: Option<i64>| seconds.map(UnixTime::from_seconds);
        // A pin that cannot be read must not pass for no pin: anybody would be trusted.
        let pin = self
            .sha256
            .map(|bytes| <[u8; 32]>::try_from(bytes).map_err(|_| "a certificate pin"))
            .transpose()?;
        // An agenda that cannot be read is repaired by a push, so it counts as lost.
        let confirmed = self.confirmed.as_deref().map(agenda);
        let (confirmed, unreadable) = match confirmed {
            Some(None) => (None, true),
            Some(read) => (read, false),
            None => (None, false),
        };
        Ok(PodStanding {
            pin,
            pinned_at: time(self.pinned_at),
            device_id: self.device_id,
            mode: self.mode,
            mode_checked_at: time(self.mode_checked_at),
            confirmed,
            confirmed_at: time(self.confirmed_at),
            lost: unreadable || self.lost.unwrap_or_default(),
            lost_reason: match unreadable {
                true => Some("the ledger's copy cannot be read".to_owned()),
                false => self.lost_reason,
            },
            echo: self.echo.as_deref().and_then(agenda),
            repushes: self.repushes.unwrap_or_default(),
            rest_until: time(self.rest_until),
            rejections: self.rejections.unwrap_or_default(),
            password_tag: self.password_tag,
            health: self.health,
            health_since: time(self.health_since),
            health_detail: self.health_detail,
            seen_at: time(self.seen_at),
            checked_at: time(self.checked_at),
            failing_since: time(self.failing_since),
            failures: self.failures.unwrap_or_default(),
            last_error: self.last_error,
        })
    }
}

fn agenda(json: &str) -> Option<Agenda> {
    serde_json::from_str(json).ok()
}

fn agenda_json(agenda: &Agenda) -> std::result::Result<String, sqlx::Error> {
    serde_json::to_string(agenda).map_err(|error| sqlx::Error::Encode(error.into()))
}

impl Ledger {
    /// What is known of a pod.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn pod(&self, pod: &PodUrl) -> Result<PodStanding> {
        let row: Row = sqlx::query_as(
            "SELECT sha256, pinned_at, device_id, mode, mode_checked_at, confirmed, confirmed_at, \
             lost, lost_reason, echo, repushes, rest_until, rejections, password_tag, health, \
             health_since, health_detail, seen_at, checked_at, failing_since, failures, last_error \
             FROM (SELECT ? AS pod) LEFT JOIN pod USING (pod) LEFT JOIN pod_agenda USING (pod) \
             LEFT JOIN pin USING (pod)",
        )
        .bind(pod.key())
        .fetch_one(&self.readers)
        .await
        .at(&self.path)?;
        row.standing().map_err(|what| LedgerError::Unreadable {
            path: self.path.to_path_buf(),
            what,
        })
    }

    /// Says whose display a pod is, so that the room's history has all of it.
    ///
    /// [`Ledger::confirm`] and [`Ledger::push_failed`] say it too.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_room(&self, pod: &PodUrl, room: &RoomName) -> Result<()> {
        sqlx::query(
            "INSERT INTO pod (pod, room) VALUES (?, ?) \
             ON CONFLICT (pod) DO UPDATE SET room = excluded.room WHERE room IS NOT excluded.room",
        )
        .bind(pod.key())
        .bind(room.as_str())
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// Trusts a certificate, or none.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_pin(&self, pod: &PodUrl, pin: Option<[u8; 32]>, at: UnixTime) -> Result<()> {
        let key = pod.key();
        let mut transaction = self.begin().await?;
        let changed = match pin {
            Some(pin) => sqlx::query(
                "INSERT INTO pin (pod, sha256, pinned_at) VALUES (?, ?, ?) \
                 ON CONFLICT (pod) DO UPDATE SET sha256 = excluded.sha256, \
                 pinned_at = excluded.pinned_at WHERE sha256 <> excluded.sha256",
            )
            .bind(&key)
            .bind(pin.to_vec())
            .bind(at.seconds()),
            None => sqlx::query("DELETE FROM pin WHERE pod = ?").bind(&key),
        }
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        if changed.rows_affected() > 0 {
            let event = Event::Certificate {
                pod: pod.to_string(),
                sha256: pin.map(|pin| hex(&pin)),
            };
            history::write(&mut transaction, &Line::of_pod(&key, at, &event))
                .await
                .at(&self.path)?;
        }
        transaction.commit().await.at(&self.path)
    }

    /// Notes which device answers at this address.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_device(&self, pod: &PodUrl, device_id: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO pod (pod, device_id) VALUES (?, ?) \
             ON CONFLICT (pod) DO UPDATE SET device_id = excluded.device_id",
        )
        .bind(pod.key())
        .bind(device_id)
        .execute(&self.writer)
        .await
        .at(&self.path)?;
        Ok(())
    }

    /// Notes the calendar mode that the pod was found in.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_mode(&self, pod: &PodUrl, mode: &str, at: UnixTime) -> Result<()> {
        let key = pod.key();
        let mut transaction = self.begin().await?;
        let before: Option<String> =
            known(&mut transaction, "SELECT mode FROM pod WHERE pod = ?", &key)
                .await
                .at(&self.path)?;
        sqlx::query(
            "INSERT INTO pod (pod, mode, mode_checked_at) VALUES (?, ?, ?) \
             ON CONFLICT (pod) DO UPDATE SET mode = excluded.mode, \
             mode_checked_at = excluded.mode_checked_at",
        )
        .bind(&key)
        .bind(mode)
        .bind(at.seconds())
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        if before.as_deref() != Some(mode) {
            let event = Event::Mode {
                pod: pod.to_string(),
                before,
                mode: mode.to_owned(),
            };
            history::write(&mut transaction, &Line::of_pod(&key, at, &event))
                .await
                .at(&self.path)?;
        }
        transaction.commit().await.at(&self.path)
    }

    /// Notes that the pod confirmed this agenda: it is on the display, nothing is
    /// lost, and what an earlier one was echoed as no longer counts.
    ///
    /// The count of repushes stays: a display that confirms and does not show is
    /// what it counts.
    ///
    /// # Errors
    /// When the ledger cannot be written; then the next cycle pushes again, which is harmless.
    #[expect(clippy::too_many_arguments, reason = "one fact, told at once")]
    pub async fn confirm(
        &self,
        pod: &PodUrl,
        room: &RoomName,
        agenda: &Agenda,
        changes: &Changes,
        reason: &str,
        at: UnixTime,
        duration_ms: u64,
    ) -> Result<()> {
        let key = pod.key();
        let json = agenda_json(agenda).at(&self.path)?;
        let mut transaction = self.begin().await?;
        let failures: Option<u32> = sqlx::query_scalar("SELECT failures FROM pod WHERE pod = ?")
            .bind(&key)
            .fetch_optional(&mut *transaction)
            .await
            .at(&self.path)?;
        sqlx::query(
            "INSERT INTO pod (pod, room, seen_at) VALUES (?, ?, ?) \
             ON CONFLICT (pod) DO UPDATE SET room = excluded.room, seen_at = excluded.seen_at, \
             failing_since = NULL, failures = 0, last_error = NULL",
        )
        .bind(&key)
        .bind(room.as_str())
        .bind(at.seconds())
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        sqlx::query(
            "INSERT INTO pod_agenda (pod, confirmed, confirmed_at) VALUES (?, ?, ?) \
             ON CONFLICT (pod) DO UPDATE SET confirmed = excluded.confirmed, \
             confirmed_at = excluded.confirmed_at, lost = 0, lost_reason = NULL, echo = NULL",
        )
        .bind(&key)
        .bind(json)
        .bind(at.seconds())
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        let event = Event::Pushed {
            pod: pod.to_string(),
            reason: reason.to_owned(),
            meetings: agenda.len(),
            changes: changes.clone(),
            duration_ms,
            failures: failures.unwrap_or_default(),
        };
        history::write(&mut transaction, &Line::of_pod(&key, at, &event))
            .await
            .at(&self.path)?;
        transaction.commit().await.at(&self.path)
    }

    /// Notes that the display no longer shows what the pod confirmed, so that the
    /// next cycle pushes. The first reason stays until then.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn forget(&self, pod: &PodUrl, reason: &str, at: UnixTime) -> Result<()> {
        let key = pod.key();
        let mut transaction = self.begin().await?;
        meet(&mut transaction, &key).await.at(&self.path)?;
        let newly = sqlx::query(
            "INSERT INTO pod_agenda (pod, lost, lost_reason) VALUES (?, 1, ?) \
             ON CONFLICT (pod) DO UPDATE SET lost = 1, lost_reason = excluded.lost_reason, \
             echo = NULL WHERE NOT lost",
        )
        .bind(&key)
        .bind(reason)
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        if newly.rows_affected() > 0 {
            let event = Event::Lost {
                pod: pod.to_string(),
                reason: reason.to_owned(),
            };
            history::write(&mut transaction, &Line::of_pod(&key, at, &event))
                .await
                .at(&self.path)?;
        }
        transaction.commit().await.at(&self.path)
    }

    /// Notes what the pod makes of the confirmed agenda, where it alters it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_echo(&self, pod: &PodUrl, echo: Option<&Agenda>) -> Result<()> {
        let key = pod.key();
        let json = echo.map(agenda_json).transpose().at(&self.path)?;
        let mut transaction = self.begin().await?;
        meet(&mut transaction, &key).await.at(&self.path)?;
        sqlx::query(
            "INSERT INTO pod_agenda (pod, echo) VALUES (?, ?) \
             ON CONFLICT (pod) DO UPDATE SET echo = excluded.echo",
        )
        .bind(&key)
        .bind(json)
        .execute(&mut *transaction)
        .await
        .at(&self.path)?;
        transaction.commit().await.at(&self.path)
    }

    /// Counts a push that did not make the display show what was pushed; says how many it were.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn count_repush(&self, pod: &PodUrl) -> Result<u32> {
        sqlx::query_scalar(
            "INSERT INTO pod (pod, repushes) VALUES (?, 1) \
             ON CONFLICT (pod) DO UPDATE SET repushes = repushes + 1 RETURNING repushes",
        )
        .bind(pod.key())
        .fetch_one(&self.writer)
        .await
        .at(&self.path)
    }

    /// The display shows what was pushed.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn reset_repushes(&self, pod: &PodUrl) -> Result<()> {
        sqlx::query("UPDATE pod SET repushes = 0 WHERE pod = ? AND repushes > 0")
            .bind(pod.key())
            .execute(&self.writer)
            .await
            .at(&self.path)?;
        Ok(())
    }

    /// Notes a push that failed; says how many in a row it were. What the pod confirmed stays.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn push_failed(
        &self,
        pod: &PodUrl,
        room: &RoomName,
        at: UnixTime,
        error: &str,
        kind: &str,
        passing: bool,
    ) -> Result<u32> {
        let key = pod.key();
        let mut transaction = self.begin().await?;
        let (failures, since): (u32, i64) = sqlx::query_as(
            "INSERT INTO pod (pod, room, failing_since, failures, last_error) VALUES (?, ?, ?, 1, ?) \
             ON CONFLICT (pod) DO UPDATE SET room = excluded.room, \
             failing_since = coalesce(failing_since, excluded.failing_since), \
             failures = failures + 1, last_error = excluded.last_error \
             RETURNING failures, failing_since",
        )
        .bind(&key)
        .bind(room.as_str())
        .bind(at.seconds())
        .bind(error)
        .fetch_one(&mut *transaction)
        .await
        .at(&self.path)?;
        let event = Event::PushFailed {
            pod: pod.to_string(),
            error: error.to_owned(),
            kind: kind.to_owned(),
            passing,
        };
        let line = Line {
            room: Some(room.as_str()),
            feed: None,
            pod: Some(&key),
            at,
            event: &event,
        };
        history::write_or_count(&mut transaction, &line, UnixTime::from_seconds(since))
            .await
            .at(&self.path)?;
        transaction.commit().await.at(&self.path)?;
        Ok(failures)
    }
}

/// Makes sure that there is a row for other rows to belong to.
pub(super) async fn meet(
    transaction: &mut Transaction<'_, Sqlite>,
    key: &str,
) -> std::result::Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO pod (pod) VALUES (?) ON CONFLICT DO NOTHING")
        .bind(key)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// One text column of a pod that may have no row.
pub(super) async fn known(
    connection: &mut SqliteConnection,
    select: &'static str,
    key: &str,
) -> std::result::Result<Option<String>, sqlx::Error> {
    let value: Option<Option<String>> = sqlx::query_scalar(select)
        .bind(key)
        .fetch_optional(connection)
        .await?;
    Ok(value.flatten())
}

#[cfg(test)]
mod tests;
