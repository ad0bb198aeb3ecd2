//! The ground that the edges `feed` and `pod` share: what went wrong with a
//! connection told apart in one place, names looked up, text from outside cleaned.
//!
//! Nothing here knows what a feed or a pod is. Digests and fingerprints, which the
//! configuration needs too, are in `model`.

pub mod authorities;
pub mod certificate;
pub mod clean;
pub mod lookup;
pub mod memory;
pub mod probe;
pub mod retry_after;
pub mod transport;

#[cfg(test)]
pub(crate) mod tests;
