//! The running service: tasks around the controllers, and what they share.

pub mod recorder;
