//! The running service: one task for each feed, room and pod, and what joins them.

pub mod clock;
pub mod control_socket;
pub mod stage;
