//! A body as it comes, where nobody said how long it will be.

use super::error::PullErrorKind;
use super::load::Weight;

/// Most calendars fit a few of these.
const SMALLEST: usize = 16 * 1024;
const LARGEST: usize = 256 * 1024;

/// In blocks: one that grew as a whole would be copied again and again, and leave holes of
/// all sizes in the memory.
#[derive(Default)]
pub(super) struct Received {
    blocks: Vec<Vec<u8>>,
    len: usize,
}

impl Received {
    /// All of it in one block.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn of_length(length: u64, weight: &mut Weight) -> Result<Self, PullErrorKind> {
        weight.add(length)?;
        let length = usize::try_from(length).unwrap_or(0);
        Ok(Self {
            blocks: vec![Vec::with_capacity(length)],
            len: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Errors
    /// When there is no memory for more.
    pub(super) fn push(
        &mut self,
        mut data: &[u8],
        weight: &mut Weight,
    ) -> Result<(), PullErrorKind> {
        while !data.is_empty() {
            if self.left() == 0 {
                let wanted = self.len.clamp(SMALLEST, LARGEST);
                // What is reserved counts, and not only what has come.
                let size = weight.add_at_least(data.len().min(wanted), wanted)?;
                self.blocks.push(Vec::with_capacity(size));
            }
            let (now, later) = data.split_at(data.len().min(self.left()));
            if let Some(block) = self.blocks.last_mut() {
                block.extend_from_slice(now);
            }
            self.len += now.len();
            data = later;
        }
        Ok(())
    }

    /// In the last block.
    fn left(&self) -> usize {
        let last = self.blocks.last();
        last.map_or(0, |block| block.capacity() - block.len())
    }

    pub(super) fn whole(mut self) -> Vec<u8> {
        if self.blocks.len() < 2 {
            return self.blocks.pop().unwrap_or_default();
        }
        let mut whole = Vec::with_capacity(self.len);
        for block in self.blocks {
            whole.extend_from_slice(&block);
        }
        whole
    }
}
