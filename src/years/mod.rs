//! A simulator: the real controllers live through months of faults in a second, and after
//! every step the promises are checked. See `docs/simulation.md`.
//!
//! ```text
//!  plan      what happens when, from a seed
//!  world     time and actions          ── env: hosts, devices, disk
//!  process   one run of the service    ── feed_shell, room_shell, pod_shell, reload: as in `service`
//!  promises  the checks                ── oracle: what hosts and pods really answered
//!  shrink    the shortest history that breaks the same promise
//! ```
//!
//! Not part of the program: compiled for tests and with the feature `years` only.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::large_enum_variant,
    reason = "a model of the world for tests; whatever is wrong in it has to be seen at once"
)]

mod calendar;
mod configure;
mod device;
mod disk;
mod env;
mod fault;
mod feed_shell;
mod names;
mod oracle;
pub mod plan;
mod pod_shell;
mod process;
mod promises;
mod reload;
mod rng;
mod room_shell;
mod shrink;
mod story;
mod world;

#[cfg(test)]
mod tests;

pub use self::env::{Broken, moment};
pub use self::plan::Plan;
pub use self::shrink::shrink;
pub use self::world::{Outcome, live};
pub use crate::control::mutation::{Mutation, put_in};
