//! Long loops on the async threads, cut into slices of less than a millisecond.

/// Steps between two chances for others; each takes a few microseconds at most.
const SLICE: usize = 200;

#[derive(Default)]
pub(super) struct Pace(usize);

impl Pace {
    pub(super) async fn step(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(SLICE) {
            tokio::task::yield_now().await;
        }
    }
}
