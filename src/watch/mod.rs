//! One pod, one poll: is it there, is it the same, does it show what it confirmed,
//! and is it set up as wanted? A poll writes to a pod only what `enforce` asks for;
//! what a display lost is marked in the ledger, and the next cycle of its room pushes.

pub mod drift;
pub mod health;

pub use drift::poll_config;
pub use health::{Found, poll_health};
