//! The words of the domain: plain data that every other part speaks.
//!
//! Nothing here reads a clock, a disk or a network.

pub mod agenda;
pub mod cron;
pub mod entities;
pub mod feed_url;
pub mod item;
pub mod meeting;
pub mod name;
pub mod occurrence;
pub mod pattern;
pub mod secret;
pub mod time;
pub mod verdict;
pub mod zone;
