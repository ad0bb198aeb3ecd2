//! The running service: one task for each feed, room and pod, and what joins them.

pub mod clock;
pub mod control_socket;
pub mod feed_task;
pub mod gate;
pub mod read_budget;
pub mod reading;
pub mod recorder;
pub mod room_task;
pub mod stage;
