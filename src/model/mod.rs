//! The words of the domain: plain data that every other part speaks.
//!
//! Nothing here reads a clock, a disk or a network.

pub mod agenda;
pub mod cron;
pub mod digest;
pub mod entities;
pub mod failure;
pub mod feed_url;
pub mod fingerprint;
pub mod item;
pub mod ledger_event;
pub mod ledger_place;
pub mod meeting;
pub mod memory;
pub mod name;
pub mod occurrence;
pub mod packed;
pub mod pattern;
pub mod replica;
pub mod secret;
pub mod sign_in;
pub mod time;
pub mod verdict;
pub mod version;
pub mod written_host;
pub mod zone;
pub mod zone_names;
