//! What to do next, and what an outcome means: the controllers of feeds, rooms and pods.
//! Pure: no clock, network, disk, log or randomness, and nothing depends on the order
//! of a hash map. The shells in `service` perform the steps and pass on the events.

pub mod brake;
pub mod clock;
pub mod due;
pub mod feed;
pub mod guard;
pub mod identity;
pub mod lease;
pub mod mutation;
pub mod now;
pub mod pod;
pub mod published;
pub mod retry;
pub mod room;
pub mod secret_gate;
