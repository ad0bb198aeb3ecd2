//! `podcal pod ROOM|URL <operation>`: every OpenControl v2 operation by hand.
//!
//! `args` and `address` are the arguments and their help. `input` turns them into a
//! finished request before a pod is asked, `run` sends it to each pod, `show` words
//! what came. `command` knows which pods a room has, `trust` keeps what was accepted, and
//! `every_room` does the one thing that is done for a whole building.

mod address;
mod args;
mod command;
mod every_room;
mod input;
mod run;
mod show;
mod trust;

pub use args::PodArgs;
pub use command::command;

#[cfg(test)]
mod tests;
