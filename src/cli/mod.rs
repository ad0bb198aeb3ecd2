//! The commands: one file each, with its arguments, their help and `run`.

pub mod pod;
