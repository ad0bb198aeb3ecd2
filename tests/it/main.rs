//! Whole-program tests: the real `podcal` against simulated pods and calendar servers with faults.
//!
//! One file for each promise of the interface, then the commands and the service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
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

mod displays_addresses;
mod displays_brake;
mod displays_clock;
mod displays_hold;
mod displays_mode;
mod displays_pods;
mod displays_unread;

mod command_check;
mod command_demo;
mod command_init;
mod command_man;
mod command_pod;
mod command_pod_every_room;
mod command_progress;
mod command_sync;
mod commands_read;
mod service;
mod service_systemd;

mod beside_commands;
mod beside_health;
mod fair_reload;
mod fair_slow;
mod feed_answers;
mod json_documents;
mod json_errors;
mod ledger_faults;
mod ledger_old;
mod lockout_feeds;
mod lockout_pods;
mod log_damping;
mod log_events;
mod log_stderr;
mod replicas;
mod texts;
mod web_browser;
mod web_pages;
