//! What one pull holds of the process's memory: bodies as they come, what is made of them,
//! and the events that are kept until the pull ends.

use std::sync::{Arc, Mutex};

use super::error::{Measure, PullErrorKind};
use super::network::locked;
use crate::net::memory::{MemoryBudget, Room, UNKNOWN_SIZE};

/// In bytes.
const ALONE: u64 = 256_000_000;

/// One attempt of a pull.
pub(super) struct Load {
    budget: MemoryBudget,
    /// About what it will probably bring.
    expected: Option<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    room: Option<Room>,
    used: u64,
    /// What was needed where there was no room for it.
    needs: u64,
}

/// Bytes that are held for now.
pub(super) struct Weight {
    load: Arc<Load>,
    bytes: u64,
}

impl Load {
    /// Of a question that is no part of a pull, such as for an access token: a budget of its own.
    pub(super) fn alone() -> Self {
        Self::new(&MemoryBudget::new(ALONE), None, None)
    }

    pub(super) fn new(budget: &MemoryBudget, expected: Option<u64>, room: Option<Room>) -> Self {
        Self {
            budget: budget.clone(),
            expected,
            state: Mutex::new(State {
                room,
                ..State::default()
            }),
        }
    }

    /// Takes room, once; `announced` is what a server says that it will send. It is not
    /// waited for here: who waits would hold a place at the host that others with room need.
    ///
    /// # Errors
    /// When there is none now: the pull is to begin anew when there is.
    pub(super) fn begin(&self, announced: Option<u64>) -> Result<(), PullErrorKind> {
        let mut state = locked(&self.state);
        if state.room.is_some() {
            return Ok(());
        }
        let size = announced.max(self.expected);
        state.room = self.budget.room_now(size);
        if state.room.is_some() {
            return Ok(());
        }
        let largest = self.budget.largest();
        state.needs = size.unwrap_or(UNKNOWN_SIZE).clamp(1, largest.max(1));
        Err(PullErrorKind::TooLarge {
            measure: Measure::Memory,
            limit: largest,
        })
    }

    /// Nothing yet.
    pub(super) fn weight(self: &Arc<Self>) -> Weight {
        Weight {
            load: Arc::clone(self),
            bytes: 0,
        }
    }

    /// With how much room the pull has to begin anew, if it ended for want of it.
    pub(super) fn needs(&self) -> Option<u64> {
        let needs = locked(&self.state).needs;
        (0 < needs && needs <= self.budget.largest()).then_some(needs)
    }

    /// For what was pulled, until it has been read.
    pub(super) fn take_room(&self) -> Option<Room> {
        locked(&self.state).room.take()
    }
}

impl Weight {
    /// So many bytes more.
    ///
    /// # Errors
    /// When there is no room: what the pull has is to be given up.
    pub(super) fn add(&mut self, bytes: u64) -> Result<(), PullErrorKind> {
        let mut state = locked(&self.load.state);
        let used = state.used.saturating_add(bytes);
        if let Some(room) = &mut state.room
            && used > room.size()
        {
            let largest = self.load.budget.largest();
            // In steps that become larger, and never more than there can be.
            let wanted = used.saturating_mul(2).min(largest).max(used);
            if !self.load.budget.grow(room, wanted) && !self.load.budget.grow(room, used) {
                state.needs = wanted;
                return Err(PullErrorKind::TooLarge {
                    measure: Measure::Memory,
                    limit: largest,
                });
            }
        }
        state.used = used;
        drop(state);
        self.bytes += bytes;
        Ok(())
    }

    /// So many bytes more, or fewer where that would be more than there can ever be; how many.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn add_at_least(
        &mut self,
        least: usize,
        wanted: usize,
    ) -> Result<usize, PullErrorKind> {
        let used = locked(&self.load.state).used;
        let left = self.load.budget.largest().saturating_sub(used);
        let more = wanted
            .min(usize::try_from(left).unwrap_or(wanted))
            .max(least);
        self.add(more as u64)?;
        Ok(more)
    }

    /// These stay until the pull ends.
    pub(super) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        let mut state = locked(&self.load.state);
        state.used = state.used.saturating_sub(self.bytes);
    }
}
