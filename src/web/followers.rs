//! How many have the page open and are sent its changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The others get the page without its changes, so that /metrics and /healthz are answered.
const MAX_FOLLOWERS: usize = 128;
/// How many follow the page.
#[derive(Clone, Default)]
pub struct Followers(Arc<AtomicUsize>);

/// One of them.
pub struct Follower(Followers);

impl Followers {
    /// `None` where there are enough.
    pub fn enter(&self) -> Option<Follower> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let follower = Follower(self.clone());
        (before < MAX_FOLLOWERS).then_some(follower)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_are_bounded_and_make_room_when_they_leave() {
        let followers = Followers::default();
        let mut inside: Vec<_> = (0..MAX_FOLLOWERS)
            .map(|_| followers.enter().unwrap())
            .collect();
        assert!(followers.enter().is_none());
        assert!(followers.enter().is_none());
        inside.pop();
        assert!(followers.enter().is_some());
    }
}
