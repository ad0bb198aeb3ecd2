//! The words of every event: its name, level, fields and sentence, each in one place.

pub mod clock;
pub mod feed;
pub mod gate;
pub mod ledger;
pub mod pod;
pub mod replica;
pub mod room;
pub mod service;
