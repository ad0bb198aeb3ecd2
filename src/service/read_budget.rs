//! Memory and processors for reading calendars, shared by all feeds of a process.
//!
//! The memory is taken before something is downloaded, and given back when it has been read.
//! Read versions, which are small and packed, do not count.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::net::memory::MemoryBudget;

/// How many calendars are read at once: as many as small machines have processors.
const MAX_CONCURRENT_READS: usize = 4;

/// Of these, how many large ones, so that they hold up no other room.
const MAX_LARGE_READS: usize = 2;
/// In bytes.
const LARGE: u64 = 1024 * 1024;

/// Clones share the budget.
#[derive(Clone)]
pub struct ReadBudget {
    memory: MemoryBudget,
    readers: Arc<Semaphore>,
    large_readers: Arc<Semaphore>,
}

impl ReadBudget {
    /// On the memory that downloads take as well, of which there are so many bytes.
    #[must_use]
    pub fn new(memory: &MemoryBudget, bytes: u64) -> Self {
        memory.resize(bytes);
        Self {
            memory: memory.clone(),
            readers: Arc::new(Semaphore::new(MAX_CONCURRENT_READS)),
            large_readers: Arc::new(Semaphore::new(MAX_LARGE_READS)),
        }
    }

    /// `limits.memory` is another one.
    pub fn resize(&self, bytes: u64) {
        self.memory.resize(bytes);
    }

    /// The largest body that can be read at all.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.memory.largest()
    }

    /// Runs work on this many bytes, which takes a processor for a while, beside the tasks
    /// that wait.
    ///
    /// # Errors
    /// When the work panicked, or the process ends.
    pub async fn read<T: Send + 'static>(
        &self,
        size: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        // A semaphore that is never closed always gives a permit. It goes with the work,
        // which goes on when nobody waits for it any more.
        let large = match size > LARGE {
            true => Arc::clone(&self.large_readers).acquire_owned().await.ok(),
            false => None,
        };
        let permit = Arc::clone(&self.readers).acquire_owned().await.ok();
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop((permit, large));
            done
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_reading_is_an_error_and_gives_its_place_back() {
        let budget = ReadBudget::new(&MemoryBudget::new(300_000), 300_000);
        for _ in 0..MAX_CONCURRENT_READS * 2 {
            let done = budget
                .read(LARGE + 1, || panic!("a fault in the reading"))
                .await;
            assert!(done.is_err_and(|error| error.is_panic()));
        }
        assert_eq!(budget.read(0, || 7).await.unwrap(), 7);
    }
}
