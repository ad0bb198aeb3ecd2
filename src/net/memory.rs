//! One budget in bytes for all that comes from outside and is held at once: downloaded,
//! waiting, and being read.
//!
//! Who waits holds nothing: what turns out to be larger than thought is given up, and begun
//! anew when there is room for it. So no two wait for each other, and what waits does not
//! pile up. Small bodies have a part of their own: large ones that come slowly do not hold
//! them up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Reading takes this many times the size of what is read: the body, what is made of it,
/// and the form that is kept.
const FACTOR: u64 = 3;
/// Memory is counted in pages, so that all of a large machine fits a semaphore.
const PAGE: u64 = 4096;
/// Of the whole, what is for small bodies alone.
const SMALL_PART: u64 = 8;
/// Most calendars are smaller.
const SMALL: u64 = 1024 * 1024;
/// What a body is taken for that was never read.
pub const UNKNOWN_SIZE: u64 = 256 * 1024;

/// Clones share the budget.
#[derive(Clone)]
pub struct MemoryBudget {
    lanes: Arc<Mutex<Lanes>>,
}

struct Lanes {
    small: Lane,
    large: Lane,
}

struct Lane {
    pages: u32,
    /// More than `pages` after these became fewer.
    used: u64,
    /// As many permits as pages are free.
    free: Arc<Semaphore>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Small,
    Large,
}

/// Room for bodies of a size, given back when it is dropped.
pub struct Room {
    pages: u32,
    which: Which,
    lanes: Arc<Mutex<Lanes>>,
}

impl MemoryBudget {
    /// `limits.memory`, in bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let (small, large) = parts(bytes);
        Self {
            lanes: Arc::new(Mutex::new(Lanes {
                small: Lane::new(small),
                large: Lane::new(large),
            })),
        }
    }

    /// `limits.memory` is another one. What is under way goes on; who waits waits by the
    /// new limit.
    pub fn resize(&self, bytes: u64) {
        let (small, large) = parts(bytes);
        let mut lanes = locked(&self.lanes);
        lanes.small.resize(small);
        lanes.large.resize(large);
    }

    /// The largest body that can be read at all.
    #[must_use]
    pub fn largest(&self) -> u64 {
        u64::from(locked(&self.lanes).large.pages) * PAGE / FACTOR
    }

    /// Waits until there is room for bodies of this size together; `None`: unknown. There is
    /// never more than for the largest.
    pub async fn room(&self, size: Option<u64>) -> Room {
        let size = size.unwrap_or(UNKNOWN_SIZE);
        loop {
            let (free, which, pages) = {
                let mut lanes = locked(&self.lanes);
                let (which, pages) = lanes.place(size);
                (Arc::clone(&lanes.of(which).free), which, pages)
            };
            // Closed where the budget became another one meanwhile.
            if let Ok(permit) = free.clone().acquire_many_owned(pages).await
                && let Some(room) = self.taken(permit, &free, which, pages)
            {
                return room;
            }
        }
    }

    /// The same, where there is some at once.
    #[must_use]
    pub fn room_now(&self, size: Option<u64>) -> Option<Room> {
        let (free, which, pages) = {
            let mut lanes = locked(&self.lanes);
            let (which, pages) = lanes.place(size.unwrap_or(UNKNOWN_SIZE));
            (Arc::clone(&lanes.of(which).free), which, pages)
        };
        let permit = free.clone().try_acquire_many_owned(pages).ok()?;
        self.taken(permit, &free, which, pages)
    }

    /// More room, where there is some at once; `false`: what is held has to be given up
    /// before more is waited for.
    pub fn grow(&self, room: &mut Room, size: u64) -> bool {
        if size <= room.size() {
            return true;
        }
        let (free, which, pages) = {
            let mut lanes = locked(&self.lanes);
            let (which, pages) = lanes.place(size);
            (Arc::clone(&lanes.of(which).free), which, pages)
        };
        if u64::from(pages) * PAGE / FACTOR < size {
            return false;
        }
        // In the part where it is, only what is missing.
        let had = if which == room.which { room.pages } else { 0 };
        let more = pages.saturating_sub(had);
        match free.clone().try_acquire_many_owned(more) {
            Ok(permit) => match self.taken(permit, &free, which, more) {
                Some(mut taken) => {
                    if had > 0 {
                        taken.pages += std::mem::take(&mut room.pages);
                    }
                    *room = taken;
                    true
                }
                None => false,
            },
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => false,
        }
    }

    /// `None` where the budget became another one meanwhile.
    fn taken(
        &self,
        permit: OwnedSemaphorePermit,
        free: &Arc<Semaphore>,
        which: Which,
        pages: u32,
    ) -> Option<Room> {
        let mut lanes = locked(&self.lanes);
        let lane = lanes.of(which);
        if !Arc::ptr_eq(free, &lane.free) {
            return None;
        }
        permit.forget();
        lane.used += u64::from(pages);
        drop(lanes);
        Some(Room {
            pages,
            which,
            lanes: Arc::clone(&self.lanes),
        })
    }
}

impl Lanes {
    fn of(&mut self, which: Which) -> &mut Lane {
        match which {
            Which::Small => &mut self.small,
            Which::Large => &mut self.large,
        }
    }

    fn place(&self, size: u64) -> (Which, u32) {
        let pages = size.saturating_mul(FACTOR).div_ceil(PAGE).max(1);
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        if size <= SMALL && pages <= self.small.pages {
            (Which::Small, pages)
        } else {
            (Which::Large, pages.min(self.large.pages))
        }
    }
}

impl Lane {
    fn new(pages: u32) -> Self {
        Self {
            pages,
            used: 0,
            free: Arc::new(Semaphore::new(pages as usize)),
        }
    }

    fn resize(&mut self, pages: u32) {
        if self.pages == pages {
            return;
        }
        self.pages = pages;
        let free = u64::from(pages).saturating_sub(self.used);
        let free = Semaphore::new(usize::try_from(free).unwrap_or(usize::MAX));
        // Who waits for more than there will ever be would hold up all others.
        std::mem::replace(&mut self.free, Arc::new(free)).close();
    }

    fn give_back(&mut self, pages: u32) {
        let pages = u64::from(pages);
        let too_many = self.used.saturating_sub(u64::from(self.pages));
        self.used = self.used.saturating_sub(pages);
        let free = pages.saturating_sub(too_many);
        self.free
            .add_permits(usize::try_from(free).unwrap_or(usize::MAX));
    }
}

impl Room {
    /// For bodies of this size together.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::from(self.pages) * PAGE / FACTOR
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.pages) * PAGE
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        locked(&self.lanes).of(self.which).give_back(self.pages);
    }
}

/// The pages for small bodies, and those for large ones.
fn parts(bytes: u64) -> (u32, u32) {
    let most = u64::try_from(Semaphore::MAX_PERMITS).unwrap_or(u64::MAX);
    let pages = |bytes: u64| {
        let pages = (bytes / PAGE).clamp(1, most.min(u64::from(u32::MAX)));
        u32::try_from(pages).unwrap_or(u32::MAX)
    };
    let small = bytes / SMALL_PART;
    (pages(small), pages(bytes - small))
}

/// Numbers stay good when a holder of their lock panicked.
fn locked(lanes: &Mutex<Lanes>) -> MutexGuard<'_, Lanes> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MEGABYTE: u64 = 1_000_000;

    async fn waits(budget: &MemoryBudget, size: u64) -> bool {
        let room = budget.room(Some(size));
        tokio::time::timeout(Duration::from_secs(1), room)
            .await
            .is_err()
    }

    fn is_all_free(budget: &MemoryBudget) -> bool {
        let lanes = locked(&budget.lanes);
        [&lanes.small, &lanes.large]
            .iter()
            .all(|lane| lane.free.available_permits() == lane.pages as usize)
    }

    #[tokio::test(start_paused = true)]
    async fn large_ones_wait_for_each_other_and_hold_up_no_small_one() {
        let budget = MemoryBudget::new(32 * MEGABYTE);
        let large = budget.room(Some(8 * MEGABYTE)).await;
        assert!(budget.room_now(Some(2 * MEGABYTE)).is_none());
        assert!(budget.room_now(None).is_some());
        assert!(waits(&budget, 2 * MEGABYTE).await);
        assert!(!waits(&budget, MEGABYTE).await);
        drop(large);
        assert!(!waits(&budget, 2 * MEGABYTE).await);
        assert!(is_all_free(&budget));
    }

    #[tokio::test(start_paused = true)]
    async fn one_grows_only_where_there_is_room_at_once() {
        let budget = MemoryBudget::new(32 * MEGABYTE);
        let mut one = budget.room(Some(200_000)).await;
        let mut other = budget.room(Some(200_000)).await;
        assert!(budget.grow(&mut one, 4 * MEGABYTE));
        assert!(budget.grow(&mut one, 5 * MEGABYTE));
        assert!(one.size() >= 5 * MEGABYTE);
        assert!(!budget.grow(&mut other, 6 * MEGABYTE));
        assert!(other.size() >= 200_000 && other.size() < 6 * MEGABYTE);
        drop(one);
        assert!(budget.grow(&mut other, 6 * MEGABYTE));
        assert!(
            !budget.grow(&mut other, 32 * MEGABYTE),
            "more than all of it"
        );
        drop(other);
        assert!(is_all_free(&budget), "nothing was lost on the way");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limit_holds_for_who_waits_and_counts_what_is_under_way() {
        let budget = MemoryBudget::new(32 * MEGABYTE);
        let large = budget.room(Some(9 * MEGABYTE)).await;
        let mut waiting = std::pin::pin!(budget.room(Some(8 * MEGABYTE)));
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        budget.resize(16 * MEGABYTE);
        assert!(budget.largest() < 5 * MEGABYTE);
        // The large one still takes more than all of it.
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        drop(large);
        let waited = tokio::time::timeout(soon, &mut waiting).await.unwrap();
        assert!(
            waits(&budget, 2 * MEGABYTE).await,
            "the waiting one takes all"
        );
        drop(waited);
        budget.resize(64 * MEGABYTE);
        let two = [
            budget.room(Some(9 * MEGABYTE)).await,
            budget.room(Some(9 * MEGABYTE)).await,
        ];
        drop(two);
        assert!(is_all_free(&budget));
    }

    #[tokio::test]
    async fn what_is_larger_than_everything_is_still_let_in_alone() {
        let budget = MemoryBudget::new(300_000);
        assert!(budget.largest() < 110_000);
        let room = budget.room(Some(u64::MAX)).await;
        assert_eq!(room.size(), budget.largest());
    }
}
