//! Memory and processors for reading calendars, shared by all feeds of a process.
//!
//! A pull begins only when there is room for what it will probably bring; so what was
//! downloaded does not pile up while the processors are busy. Read versions, which are
//! small and packed, do not count.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

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
    memory: Arc<Mutex<Memory>>,
    readers: Arc<Semaphore>,
}

struct Memory {
    pages: u32,
    /// More than `pages` after these became fewer.
    used: u64,
    /// As many permits as pages are free.
    free: Arc<Semaphore>,
}

/// Room for one calendar, given back when it is dropped.
pub struct Room {
    pages: u32,
    memory: Arc<Mutex<Memory>>,
}

impl ReadBudget {
    /// `limits.memory`, in bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let pages = pages_of(bytes);
        Self {
            memory: Arc::new(Mutex::new(Memory {
                pages,
                used: 0,
                free: Arc::new(Semaphore::new(pages as usize)),
            })),
            readers: Arc::new(Semaphore::new(MAX_CONCURRENT_READS)),
        }
    }

    /// `limits.memory` is another one. What is being read goes on; who waits waits by the
    /// new limit.
    pub fn resize(&self, bytes: u64) {
        let mut memory = locked(&self.memory);
        let pages = pages_of(bytes);
        if memory.pages == pages {
            return;
        }
        memory.pages = pages;
        let free = u64::from(pages).saturating_sub(memory.used);
        let free = Semaphore::new(usize::try_from(free).unwrap_or(usize::MAX));
        // Who waits for more than there will ever be would hold up all others.
        std::mem::replace(&mut memory.free, Arc::new(free)).close();
    }

    /// The largest body that can be read at all.
    #[must_use]
    pub fn largest(&self) -> u64 {
        u64::from(locked(&self.memory).pages) * PAGE / FACTOR
    }

    /// Waits until there is room for a body of about this size; `None`: unknown.
    pub async fn room(&self, size: Option<u64>) -> Room {
        self.wait(size.unwrap_or(UNKNOWN_SIZE)).await
    }

    /// Waits until there is room for a body of exactly this size, which has come.
    ///
    /// Where more is needed than was thought, what was had is given back first: two that
    /// both hold a part and wait for the rest would wait for ever.
    pub async fn grow(&self, room: &mut Room, size: u64) {
        if locked(&self.memory).pages_for(size) > room.pages {
            room.give_back();
            *room = self.wait(size).await;
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

    async fn wait(&self, size: u64) -> Room {
        loop {
            let (free, pages) = {
                let memory = locked(&self.memory);
                (Arc::clone(&memory.free), memory.pages_for(size))
            };
            // Closed where the budget became another one meanwhile.
            let permit = free.acquire_many(pages).await;
            let mut memory = locked(&self.memory);
            if let Ok(permit) = permit
                && Arc::ptr_eq(&free, &memory.free)
            {
                permit.forget();
                memory.used += u64::from(pages);
                drop(memory);
                let memory = Arc::clone(&self.memory);
                return Room { pages, memory };
            }
        }
    }
}

impl Memory {
    fn pages_for(&self, size: u64) -> u32 {
        let pages = size.saturating_mul(FACTOR).div_ceil(PAGE).max(1);
        u32::try_from(pages).unwrap_or(u32::MAX).min(self.pages)
    }
}

impl Room {
    fn give_back(&mut self) {
        let pages = u64::from(std::mem::take(&mut self.pages));
        let mut memory = locked(&self.memory);
        let too_many = memory.used.saturating_sub(u64::from(memory.pages));
        memory.used = memory.used.saturating_sub(pages);
        let free = pages.saturating_sub(too_many);
        memory
            .free
            .add_permits(usize::try_from(free).unwrap_or(usize::MAX));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn pages_of(bytes: u64) -> u32 {
    let most = u64::try_from(Semaphore::MAX_PERMITS).unwrap_or(u64::MAX);
    let pages = (bytes / PAGE).clamp(1, most.min(u64::from(u32::MAX)));
    u32::try_from(pages).unwrap_or(u32::MAX)
}

/// Numbers stay good when a holder of their lock panicked.
fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
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
        let memory = locked(&budget.memory);
        assert_eq!(memory.free.available_permits(), memory.pages as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limit_holds_for_who_waits_and_counts_what_is_under_way() {
        let budget = ReadBudget::new(3_000_000);
        let large = budget.room(Some(900_000)).await;
        let mut waiting = std::pin::pin!(budget.room(Some(800_000)));
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        budget.resize(300_000);
        assert!(budget.largest() <= 100_000);
        // The large one still takes more than all of it.
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        drop(large);
        let waited = tokio::time::timeout(soon, &mut waiting).await.unwrap();
        let alone = tokio::time::timeout(soon, budget.room(Some(1))).await;
        assert!(alone.is_err(), "the waiting one takes all that there is");
        drop(waited);
        budget.resize(6_000_000);
        let two = [
            budget.room(Some(900_000)).await,
            budget.room(Some(900_000)).await,
        ];
        drop(two);
        let memory = locked(&budget.memory);
        assert_eq!(memory.free.available_permits(), memory.pages as usize);
    }

    #[tokio::test]
    async fn what_is_larger_than_everything_is_still_let_in_alone() {
        let budget = ReadBudget::new(300_000);
        assert!(budget.largest() < 110_000);
        let room = budget.room(Some(u64::MAX)).await;
        assert_eq!(room.pages, locked(&budget.memory).pages);
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
