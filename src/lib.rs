//! podcal keeps the room displays of a building in step with the rooms' calendars.

pub mod config;
pub mod expand;
pub mod fault;
pub mod feed;
pub mod ics;
pub mod ledger;
pub mod model;
pub mod report;
pub mod pod;
pub mod sim;
