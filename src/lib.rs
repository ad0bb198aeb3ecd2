//! podcal keeps the room displays of a building in step with the rooms' calendars.

pub mod app;
pub mod cli;
pub mod compose;
pub mod config;
pub mod contact;
pub mod edges;
pub mod expand;
pub mod fault;
pub mod feed;
pub mod ics;
pub mod ledger;
pub mod model;
pub mod plan;
pub mod pod;
pub mod report;
pub mod schedule;
pub mod sim;
pub mod sync;
pub mod telemetry;
pub mod watch;
