//! Keeps two services apart that were started on one ledger.
//!
//! The lock is the operating system's, on a file of its own beside the ledger, so
//! it cannot outlive a killed process. The file stays; what it holds is for people.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

use super::{LedgerError, Result, beside, cannot_open, owner_only};

/// The claim of a running service on its ledger; dropping it ends the claim.
#[derive(Debug)]
pub struct ServiceLock {
    _file: File,
}

impl ServiceLock {
    pub(super) fn claim(ledger: &Path) -> Result<Self> {
        let path = beside(ledger, ".lock");
        let mut file = owner_only()
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => LedgerError::FolderMissing {
                    folder: path.parent().unwrap_or(&path).to_owned(),
                },
                io::ErrorKind::ReadOnlyFilesystem => LedgerError::ReadOnly {
                    path: ledger.to_owned(),
                },
                _ => cannot_open(path.clone(), error),
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::ServiceRunning {
                    path: ledger.to_owned(),
                    // Half-written or empty just after the other one's start: then it goes unnamed.
                    pid: fs::read_to_string(&path)
                        .ok()
                        .and_then(|text| text.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(error)) => return Err(cannot_open(path, error)),
        }
        // The number is a courtesy; the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::old::Ledger;

    #[tokio::test]
    async fn a_second_service_on_one_ledger_is_refused_and_told_who_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("podcal.db");
        let first = Ledger::claim_service(&path).await.unwrap();
        let error = Ledger::claim_service(&path).await.unwrap_err();
        let LedgerError::ServiceRunning { pid, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(*pid, Some(std::process::id()));
        assert!(
            error
                .to_string()
                .ends_with(&format!("(process {})", std::process::id()))
        );
        drop(first);
        drop(Ledger::claim_service(&path).await.unwrap());
        Ledger::claim_service(&path).await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_in_a_folder_that_is_missing_names_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = Ledger::claim_service(&folder.path().join("gone/podcal.db"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, LedgerError::FolderMissing { .. }),
            "{error}"
        );
    }
}
