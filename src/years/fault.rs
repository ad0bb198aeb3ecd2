//! A fault with its end.

/// What is wrong with a host, a calendar or a pod, and until when.
#[derive(Clone, Debug)]
pub struct Fault<T> {
    what: Option<T>,
    until: u64,
}

impl<T> Default for Fault<T> {
    fn default() -> Self {
        Self {
            what: None,
            until: 0,
        }
    }
}

impl<T: Copy> Fault<T> {
    pub fn begin(&mut self, what: T, until: u64) {
        self.what = Some(what);
        self.until = until;
    }

    pub fn at(&self, now: u64) -> Option<T> {
        self.what.filter(|_| now < self.until)
    }
}
