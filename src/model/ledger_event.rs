//! What the ledger and its recorder have to say to a person: typed, worded in `telemetry`.

use std::path::PathBuf;
use std::time::Duration;

use super::failure::Failure;

/// Something that happened to the ledger. Holds nothing that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerEvent {
    /// The file was damaged; it was set aside and a new one begun.
    SetAside {
        path: PathBuf,
        aside: PathBuf,
        /// What was wrong with it.
        damage: String,
        /// What could be read and was taken over.
        pins: usize,
        sign_ins: usize,
        /// The tables of which something is missing, such as `pin`; their names are stable.
        lost: Vec<&'static str>,
    },
    /// The file was there and empty: whatever it held before is lost.
    WasEmpty { path: PathBuf },
    /// A ledger of podcal 0.1 was brought up to date.
    Upgraded {
        path: PathBuf,
        rooms: usize,
        pods: usize,
    },
    /// Others could read or write the file; its permissions were narrowed to the owner's.
    Narrowed { path: PathBuf },
    /// Others can read or write the file, and this could not be changed.
    WidePermissions { path: PathBuf, error: String },
    /// The file system has no shared memory, so the older and slower journal is used.
    NoWriteAheadLog { path: PathBuf },
    /// A write failed; the service goes on from memory and tries again.
    WriteFailed { path: PathBuf, failure: Failure },
    /// Writes work again and everything current was written.
    WriteRecovered {
        path: PathBuf,
        failed_for: Duration,
        failures: u32,
        /// Lines of the history for which there was no memory.
        lost_history: u64,
    },
    /// The file was deleted or replaced while the service used it; everything current was
    /// written to the one that is there now.
    Replaced { path: PathBuf, was_deleted: bool },
    /// The lock file was deleted and another process claimed the ledger meanwhile: this
    /// one no longer writes to it.
    LostToAnother { path: PathBuf, failure: Failure },
}
