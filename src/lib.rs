//! podcal keeps the room displays of a building in step with the rooms' calendars.

pub mod config;
pub mod expand;
pub mod fault;
pub mod ics;
pub mod model;
