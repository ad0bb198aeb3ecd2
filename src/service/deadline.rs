//! By when a task has to have moved on, for `status --healthy`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::control::now::Monotonic;

/// A moment that one task sets and others read. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<AtomicU64>);

/// [`Monotonic::NEVER`], in milliseconds.
const NEVER: u64 = u64::MAX;

impl Deadline {
    /// Not set yet.
    #[must_use]
    pub fn never() -> Self {
        Self(Arc::new(AtomicU64::new(NEVER)))
    }

    pub fn set(&self, at: Monotonic) {
        let since_start = at.since(Monotonic::default());
        let milliseconds = u64::try_from(since_start.as_millis()).unwrap_or(NEVER);
        self.0.store(milliseconds, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> Monotonic {
        match self.0.load(Ordering::Relaxed) {
            NEVER => Monotonic::NEVER,
            milliseconds => Monotonic::from_start(Duration::from_millis(milliseconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_to_the_millisecond() {
        let deadline = Deadline::never();
        let read = deadline.clone();
        assert_eq!(read.get(), Monotonic::NEVER);
        for at in [
            Monotonic::default(),
            Monotonic::from_start(Duration::from_millis(90_061_001)),
            Monotonic::NEVER,
        ] {
            deadline.set(at);
            assert_eq!(read.get(), at);
        }
    }
}
