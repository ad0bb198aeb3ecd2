//! podcal keeps the room displays of a building in step with the rooms' calendars.
//!
//! This page is the guide to the code, in reading order. The words are explained in
//! `docs/glossary.md`; what podcal promises is in `docs/promises.md`.
//!
//! # The idea
//!
//! podcal is a short pipe: **pull → read → expand → compose → decide → push → record**.
//! Every stage hands a finished value to the next and never asks an earlier one again.
//!
//! ```text
//!  calendar
//!    │  feed::FeedClient::pull       -> Pulled       unchanged, or the items that changed
//!    ▼
//!  FeedItem { href, etag, body }
//!    │  ics::read                    -> Reading      series and verdicts
//!    ▼
//!  Series { uid, master, overrides }
//!    │  expand::expand               -> Expansion    occurrences and verdicts
//!    ▼
//!  Occurrence { details, start, end }
//!    │  compose::of_feed, merge      -> Merged       the agenda and verdicts
//!    ▼
//!  control::published::Wanted        what the displays of a room should show
//!    │  control::pod::PodController  -> a step: look, push, wait    -- a dry run pushes nothing --
//!    ▼
//!  pod::PodClient::set_meetings, then service::recorder
//! ```
//!
//! 1. Everything between the bytes and the request is **pure**: `model`, `ics`, `expand`,
//!    `compose`, `control`. No network, no disk, no clock; `now` is an argument. They return
//!    verdicts and events instead of logging; `podcal explain` prints the verdicts.
//! 2. What touches the world is at the **edge**: `feed`, `pod`, `ledger`, `config::load`. The
//!    edges do not know each other; what two of them share is in `net`.
//! 3. `control` decides **what to do next, and what an outcome means**, for each feed, room
//!    and pod. `service` runs a task for each of them: it performs the steps, passes the
//!    outcomes back, and hands the events to `telemetry`.
//! 4. `sync --dry-run`, `agenda`, `explain`, `check` and `status` are the same pipe, stopped
//!    earlier or looked at, so they cannot disagree with what is pushed.
//! 5. A push is the full set, so repeating one is harmless: the ledger is a memory, not a
//!    queue, and a killed process is repaired by the next cycle.
//! 6. **Wrong is worse than late.** A login page is not an empty calendar; a failed pull
//!    keeps the last good version, and the display goes on moving with the clock.
//!
//! # The rooms, in reading order
//!
//! | module | what it holds | may use |
//! | --- | --- | --- |
//! | [`model`], [`fault`] | the words of the domain, plain data; what an error owes its reader | each other |
//! | [`config`] | TOML to checked plain data; `config::load` alone reads the disk | `model`, `fault` |
//! | [`net`] | transport and TLS errors told apart once, look-ups, text from outside cleaned | `model` |
//! | [`ics`] | bytes to series | `model`, `fault`, `config` types |
//! | [`expand`] | series to occurrences in a window | `model`, `ics` |
//! | [`compose`] | occurrences to the agenda of a room | `model`, `config` types, `expand` |
//! | [`control`] | what to do next, when, and what an outcome means: `feed`, `room`, `pod`, `guard`, `brake`, `secret_gate` | `model`, `config` types, `compose` |
//! | [`feed`], [`pod`] | the edges that speak HTTP: calendars, and OpenControl v2 | `model`, `fault`, `config` types, `net` |
//! | [`ledger`] | the edge that remembers: one SQLite file | `model`, `fault` |
//! | [`telemetry`] | log events and their words | `model`, `fault`, `control`'s events, `net` |
//! | [`service`] | the shells: tasks, recorder, reload, one pass for `sync` | all of the above |
//! | [`web`] | the page, `/metrics`, `/healthz`: an edge that only reads | `model`, `fault`, `config` types, `control`'s published values, `net`, `ledger`, `telemetry`, what `service` publishes |
//! | `server` | the loop of `podcal run`: joins `service`, control socket and page, none of which knows it | `config`, `fault`, `ledger`, `model`, `service`, `telemetry`, `web` |
//! | [`app`], [`report`] | the clock of the process; an error as text for people | `model`; `fault` |
//! | [`cli`] | one file for each command; no SQL, HTTP or iCalendar of its own | everything |
//! | [`sim`] | pods that are not ours, written from the API's reference: it shares no type with [`pod`], so that a misspelt field cannot be wrong on both sides and pass | `model::time` |
//! | `years` | years of a building in minutes: the controllers without their shells, for tests | `model`, `config` types, `compose`, `control` |
//!
//! `tests/layout.rs` checks this table by reading the sources.
//!
//! Deliberately absent: traits for ledger, pod, feeds or clock (there is one of each, or a
//! closed enum; tests use a real file, a real HTTPS server and a passed `now`), retry loops
//! inside clients (but for one renewal of a pod's token), logging in the pure stages, and a
//! `utils`.

// What tests, benches or fuzz targets use is `pub`; the rest is known to the crate alone, so
// that the compiler finds what nobody uses.
pub mod config;
pub mod fault;
pub mod model;

pub mod compose;
pub(crate) mod control;
pub mod expand;
pub mod ics;

pub(crate) mod net;

pub mod feed;
pub(crate) mod ledger;
pub mod pod;

pub(crate) mod app;
pub(crate) mod server;
pub(crate) mod service;
pub mod telemetry;
pub(crate) mod web;

pub mod cli;
pub(crate) mod report;

pub mod sim;

#[cfg(any(test, feature = "years"))]
pub mod years;
