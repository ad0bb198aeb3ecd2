//! What is made to hurt, against the real `podcal`: calendars, calendar servers, sign-in
//! servers and pods.
//!
//! Each attack on the service runs beside a room that is honest, which must be served on
//! time. Asserted are the peak of the memory, the time on a processor, and the time to stop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::string_slice,
    reason = "a test says what failed"
)]

mod attack;
mod host;
#[allow(dead_code, unused_imports, reason = "the worlds of the other tests")]
#[path = "../it/support/mod.rs"]
mod support;

mod caldav;
mod documents;
mod expand;
mod marks;
mod pods;
mod transport;
