//! The clock of the process.

use crate::model::time::UnixTime;

/// The time: the only place where podcal asks for it.
#[must_use]
pub fn clock() -> UnixTime {
    UnixTime::from_seconds(jiff::Timestamp::now().as_second())
}
