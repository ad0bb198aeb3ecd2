//! The words of events: one file for each part that has something to say.

pub mod ledger;
