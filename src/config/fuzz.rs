//! What fuzz targets need to check a configuration without a disk.

pub use super::check::{Loaded, NoVariable, check};
pub use super::fault::{ConfigFaults, Problem};
