//! Memory and processors for reading calendars, shared by all feeds of a process.
//!
//! A pull begins only when there is room for what it will probably bring; so what was
//! downloaded does not pile up while the processors are busy. Read versions, which are
//! small and packed, do not count.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many calendars are read at once: as many as small machines have processors.
const MAX_CONCURRENT_READS: usize = 4;
/// Reading takes this many times the size of what is read: the body, what is made of it,
/// and the form that is kept.
const FACTOR: u64 = 3;
/// Memory is counted in pages, so that all of a large machine fits a semaphore.
const PAGE: u64 = 4096;
/// What a calendar is taken for that was never read.
const UNKNOWN_SIZE: u64 = 256 * 1024;

/// Clones share the budget.
#[derive(Clone)]
pub struct ReadBudget {
    pages: u32,
    memory: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

/// Room for one calendar, given back when it is dropped.
pub struct Room {
    pages: u32,
    permit: Option<OwnedSemaphorePermit>,
}

impl ReadBudget {
    /// `limits.memory`, in bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let most = u64::try_from(Semaphore::MAX_PERMITS).unwrap_or(u64::MAX);
        let pages = (bytes / PAGE).clamp(1, most.min(u64::from(u32::MAX)));
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        Self {
            pages,
            memory: Arc::new(Semaphore::new(pages as usize)),
            readers: Arc::new(Semaphore::new(MAX_CONCURRENT_READS)),
        }
    }

    /// The largest body that can be read at all.
    #[must_use]
    pub fn largest(&self) -> u64 {
        u64::from(self.pages) * PAGE / FACTOR
    }

    /// Waits until there is room for a body of about this size; `None`: unknown.
    pub async fn room(&self, size: Option<u64>) -> Room {
        self.wait(self.pages_for(size.unwrap_or(UNKNOWN_SIZE)))
            .await
    }

    /// Waits until there is room for a body of exactly this size, which has come.
    ///
    /// Where more is needed than was thought, what was had is given back first: two that
    /// both hold a part and wait for the rest would wait for ever.
    pub async fn grow(&self, room: &mut Room, size: u64) {
        let pages = self.pages_for(size);
        if pages > room.pages {
            room.permit = None;
            *room = self.wait(pages).await;
        }
    }

    /// Runs work that takes a processor for a while, beside the tasks that wait.
    ///
    /// # Errors
    /// When the work panicked, or the process ends.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        // A semaphore that is never closed always gives a permit. It goes with the work,
        // which goes on when nobody waits for it any more.
        let permit = Arc::clone(&self.readers).acquire_owned().await.ok();
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
    }

    fn pages_for(&self, size: u64) -> u32 {
        let pages = size.saturating_mul(FACTOR).div_ceil(PAGE).max(1);
        u32::try_from(pages).unwrap_or(u32::MAX).min(self.pages)
    }

    async fn wait(&self, pages: u32) -> Room {
        let permit = Arc::clone(&self.memory)
            .acquire_many_owned(pages)
            .await
            .ok();
        Room { pages, permit }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pull_waits_until_there_is_room_for_it() {
        let budget = ReadBudget::new(3_000_000);
        let large = budget.room(Some(900_000)).await;
        let waits = |size| {
            let budget = budget.clone();
            async move {
                let room = budget.room(Some(size));
                tokio::time::timeout(Duration::from_secs(1), room)
                    .await
                    .is_err()
            }
        };
        assert!(!waits(50_000).await);
        assert!(waits(200_000).await);
        drop(large);
        assert!(!waits(200_000).await);
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_turn_out_larger_than_thought_do_not_wait_for_each_other() {
        let budget = ReadBudget::new(3_000_000);
        let mut one = budget.room(Some(400_000)).await;
        let mut other = budget.room(Some(400_000)).await;
        let both = async {
            tokio::join!(
                async {
                    budget.grow(&mut one, 700_000).await;
                    drop(one);
                },
                async {
                    budget.grow(&mut other, 700_000).await;
                    drop(other);
                }
            )
        };
        let done = tokio::time::timeout(Duration::from_secs(60), both).await;
        assert!(done.is_ok());
        // Nothing was lost on the way.
        assert_eq!(budget.memory.available_permits(), budget.pages as usize);
    }

    #[tokio::test]
    async fn what_is_larger_than_everything_is_still_let_in_alone() {
        let budget = ReadBudget::new(300_000);
        assert!(budget.largest() < 110_000);
        let room = budget.room(Some(u64::MAX)).await;
        assert_eq!(room.pages, budget.pages);
    }

    #[tokio::test]
    async fn a_panic_of_the_reading_is_an_error_and_gives_its_place_back() {
        let budget = ReadBudget::new(300_000);
        for _ in 0..MAX_CONCURRENT_READS * 2 {
            let done = budget.read(|| panic!("a fault in the reading")).await;
            assert!(done.is_err_and(|error| error.is_panic()));
        }
        assert_eq!(budget.read(|| 7).await.unwrap(), 7);
    }
}
