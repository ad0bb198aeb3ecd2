//! What is on the disk before a secret is sent: pins, accepted devices and sign-ins. Written
//! at once and awaited; remembered as well, should the file be gone.

use super::Recorder;
use crate::ledger::{HistoryLine, LedgerError, Pin, Result};
use crate::model::name::{PodUrl, RoomName};
use crate::model::sign_in::{AccountKey, SignIn};

impl Recorder {
    /// The certificate that is trusted of a pod.
    #[must_use]
    pub fn pin(&self, pod: &PodUrl) -> Option<Pin> {
        self.desk().pins.get(&pod.key()).copied()
    }

    /// Trusts a certificate, or none. Awaited before a password is sent.
    ///
    /// # Errors
    /// When it could not be written: then it holds for this process, and is written as soon
    /// as the ledger can be.
    pub async fn set_pin(&self, pod: &PodUrl, pin: Option<[u8; 32]>) -> Result<()> {
        let at = (self.0.wall)();
        let key = pod.key();
        let room = self.desk().memories().pods.get(&key).and_then(|memory| {
            let room = memory.room.as_deref()?;
            RoomName::new(room)
        });
        let write = self.0.ledger.set_pin(pod, room.as_ref(), pin, at);
        let written = self.in_time(write).await;
        let kept = pin.map(|sha256| Pin { sha256, at });
        let mut desk = self.desk();
        desk.set_pin(&key, kept, written.is_ok());
        if written.is_err() {
            desk.lines
                .add(HistoryLine::certificate(room.as_ref(), pod, at, pin));
        }
        drop(desk);
        self.doubt(written)
    }

    /// The device that a person accepted at this address.
    #[must_use]
    pub fn accepted_device(&self, pod: &PodUrl) -> Option<String> {
        self.desk().accepted_devices.get(&pod.key()).cloned()
    }

    /// Accepts the device that answers at this address.
    ///
    /// # Errors
    /// When it could not be written; it holds for this process anyway.
    pub async fn accept_device(&self, pod: &PodUrl, device_id: &str) -> Result<()> {
        let write = self.0.ledger.accept_device(pod, device_id, (self.0.wall)());
        let written = self.in_time(write).await;
        let device_id = device_id.to_owned();
        self.desk().accepted_devices.insert(pod.key(), device_id);
        self.doubt(written)
    }

    /// As `Ledger::sign_in`.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn sign_in(&self, account: &AccountKey) -> Result<Option<SignIn>> {
        let found = self.in_time(self.0.ledger.sign_in(account)).await;
        let found = self.doubt(found)?;
        self.note_sign_in(account, found.as_ref());
        Ok(found)
    }

    /// As `Ledger::reserve_sign_in`.
    ///
    /// # Errors
    /// When the ledger cannot be written; then the secret may not be sent.
    pub async fn reserve_sign_in(
        &self,
        account: &AccountKey,
        expected: Option<&SignIn>,
        new: &SignIn,
    ) -> Result<bool> {
        let write = self.0.ledger.reserve_sign_in(account, expected, new);
        let is_ours = self.in_time(write).await;
        let is_ours = self.doubt(is_ours)?;
        if is_ours {
            self.note_sign_in(account, Some(new));
        }
        Ok(is_ours)
    }

    /// As `Ledger::set_sign_in`.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_sign_in(&self, account: &AccountKey, sign_in: &SignIn) -> Result<()> {
        self.note_sign_in(account, Some(sign_in));
        let written = self
            .in_time(self.0.ledger.set_sign_in(account, sign_in))
            .await;
        self.doubt(written)
    }

    /// As `Ledger::clear_sign_in`.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn clear_sign_in(&self, account: &AccountKey) -> Result<()> {
        self.note_sign_in(account, None);
        let written = self.in_time(self.0.ledger.clear_sign_in(account)).await;
        self.doubt(written)
    }

    /// So that it can be written to a new file, should this one be gone.
    fn note_sign_in(&self, account: &AccountKey, sign_in: Option<&SignIn>) {
        let sign_ins = &mut self.desk().sign_ins;
        match sign_in {
            Some(sign_in) => sign_ins.insert(account.as_str().to_owned(), sign_in.clone()),
            None => sign_ins.remove(account.as_str()),
        };
    }

    /// An error of somebody's own write is a reason to look at the file at once.
    fn doubt<T>(&self, done: Result<T>) -> Result<T> {
        if let Err(error) = &done
            && (error.is_damage() || matches!(error, LedgerError::Replaced { .. }))
        {
            self.0.doubted.notify_one();
        }
        if done.is_err() {
            self.0.changed.notify_one();
        }
        done
    }
}
