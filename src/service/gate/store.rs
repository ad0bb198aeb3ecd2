//! Where pauses of sign-in are kept: the ledger, as far as the gate needs it.

use super::super::recorder::Recorder;
use crate::fault::chain;
#[cfg(test)]
use crate::ledger::Ledger;
use crate::model::sign_in::{AccountKey, SignIn};

/// The rows of the ledger; a stand-in for it in tests. Errors come in words.
#[derive(Clone)]
pub enum SignIns {
    /// Without the service around it.
    #[cfg(test)]
    Ledger(Ledger),
    /// Of the service: the recorder notices a ledger that is gone or does not answer.
    Recorder(Recorder),
    #[cfg(test)]
    StandIn(super::tests::StandIn),
}

impl SignIns {
    pub(super) async fn read(&self, key: &AccountKey) -> Result<Option<SignIn>, String> {
        match self {
            #[cfg(test)]
            Self::Ledger(ledger) => ledger.sign_in(key).await.map_err(|error| chain(&error)),
            Self::Recorder(recorder) => recorder.sign_in(key).await.map_err(|error| chain(&error)),
            #[cfg(test)]
            Self::StandIn(rows) => rows.read(key).await,
        }
    }

    /// `false`: somebody else was faster.
    pub(super) async fn reserve(
        &self,
        key: &AccountKey,
        expected: Option<&SignIn>,
        new: &SignIn,
    ) -> Result<bool, String> {
        match self {
            #[cfg(test)]
            Self::Ledger(ledger) => ledger
                .reserve_sign_in(key, expected, new)
                .await
                .map_err(|error| chain(&error)),
            Self::Recorder(recorder) => recorder
                .reserve_sign_in(key, expected, new)
                .await
                .map_err(|error| chain(&error)),
            #[cfg(test)]
            Self::StandIn(rows) => rows.reserve(key, expected, new).await,
        }
    }

    pub(super) async fn set(&self, key: &AccountKey, row: &SignIn) -> Result<(), String> {
        match self {
            #[cfg(test)]
            Self::Ledger(ledger) => ledger
                .set_sign_in(key, row)
                .await
                .map_err(|error| chain(&error)),
            Self::Recorder(recorder) => recorder
                .set_sign_in(key, row)
                .await
                .map_err(|error| chain(&error)),
            #[cfg(test)]
            Self::StandIn(rows) => rows.set(key, row).await,
        }
    }

    pub(super) async fn clear(&self, key: &AccountKey) -> Result<(), String> {
        match self {
            #[cfg(test)]
            Self::Ledger(ledger) => ledger
                .clear_sign_in(key)
                .await
                .map_err(|error| chain(&error)),
            Self::Recorder(recorder) => recorder
                .clear_sign_in(key)
                .await
                .map_err(|error| chain(&error)),
            #[cfg(test)]
            Self::StandIn(rows) => rows.clear(key).await,
        }
    }
}
