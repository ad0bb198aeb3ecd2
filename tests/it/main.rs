//! Whole-program tests: the real `podcal` against simulated pods and calendar servers with faults.
//!
//! One file for each promise of the interface, then the commands and the service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what failed"
)]

mod support;

mod promise_01_keeps_meetings;
mod promise_02_whole_set;
mod promise_03_in_step;
mod promise_04_killed;
mod promise_05_no_delay;
mod promise_06_secrets;
mod promise_07_other_mode;
mod promise_08_wrong_password;
mod promise_09_certificate;
mod promise_10_config;

mod command_check;
mod command_init;
mod command_pod;
mod command_sync;
mod commands_read;
mod service;
mod web_pages;
