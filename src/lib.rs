//! podcal keeps the room displays of a building in step with the rooms' calendars.

pub mod cli;
pub mod config;
pub mod fault;
pub mod ics;
pub mod model;
pub mod pod;
pub mod sim;
