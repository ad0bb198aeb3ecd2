//! podcal keeps the room displays of a building in step with the rooms' calendars.
//!
//! # The idea
//!
//! podcal is a short pipe: **pull → read → expand → compose → decide → push → record**.
//! Every stage hands a finished value to the next and never asks an earlier one again.
//!
//! ```text
//!  calendar
//!    │  feed::FeedClient::pull    -> Pulled      unchanged, or the items that changed
//!    ▼
//!  FeedItem { href, etag, body }
//!    │  ics::read                 -> Reading     series and verdicts
//!    ▼
//!  Series { uid, master, overrides }
//!    │  expand::expand            -> Expansion   occurrences and verdicts
//!    ▼
//!  Occurrence { details, start, end }
//!    │  compose::agenda           -> Composed    the agenda and verdicts
//!    ▼
//!  Agenda
//!    │  plan::decide              -> Decision    push, skip, hold or refuse, one a pod
//!    ▼                                           -- a dry run stops here --
//!  pod::PodClient::set_meetings, then ledger::Ledger::confirm
//! ```
//!
//! 1. Everything between the bytes and the request is **pure**: `model`, `ics`, `expand`,
//!    `compose`, `plan`. No network, no disk, no clock; `now` is an argument. They return
//!    verdicts instead of logging, and `podcal explain` prints those.
//! 2. What touches the world is at the **edge**: `feed`, `pod`, `ledger`, `config::load`. The
//!    edges do not know each other; `edges` is the bag that they are handed on in.
//! 3. The **flow** calls the stages in order in one place, [`sync`] for a room's cycle and
//!    [`watch`] for a pod's poll, with [`contact`] for what has to be remembered whenever a
//!    pod is talked to. `sync --dry-run`, `agenda`, `explain` and `check` are the same pipe,
//!    stopped earlier, so they cannot disagree with what is pushed.
//! 4. [`schedule`] runs the flow, a task for each room and each pod; [`app`] puts it all
//!    together and is the only reader of the clock; [`cli`] is a thin skin.
//! 5. **Read first, write last.** A push is the full set, so repeating one is harmless: the
//!    ledger is a memory, not a queue, and a killed process is repaired by the next cycle.
//! 6. **Wrong is worse than late.** A login page is not an empty calendar; a failed pull
//!    keeps the last good copy, and the display goes on moving with the clock.
//!
//! `sim` is a pod that is not ours: written from the API's reference, sharing no type with
//! `pod`, so that a misspelt field cannot be wrong on both sides and pass.
//!
//! # Who may use whom
//!
//! `tests/layout.rs` checks this by reading the sources.
//!
//! | module | may use |
//! | --- | --- |
//! | `model`, `fault` | each other |
//! | `config` | `model`, `fault` |
//! | `ics`, `expand`, `compose`, `plan` | `model`, `config` types, the output of an earlier stage |
//! | `net` | `model` |
//! | `feed`, `pod`, `ledger` | `model`, `fault`, `config` types, `net` |
//! | `contact`, `sync`, `watch`, `schedule` | `edges`, the pure stages, `telemetry::events` |
//! | `cli` | everything |
//! | `sim` | `model::time` |
//!
//! Deliberately absent: traits for ledger, pod, feeds or clock (there is one of each, or a
//! closed enum; tests use a real file, a real HTTPS server and a passed `now`), retry loops
//! inside clients (but for one renewal of a pod's token), and a `utils`.

// By layer: the words, the pure stages, the edges, the flow, the skin.
pub mod config;
pub mod fault;
pub mod model;

pub mod compose;
pub mod control;
pub mod expand;
pub mod ics;

pub mod net;

pub mod feed;
pub mod ledger;
pub mod pod;

pub mod app;
pub mod service;

pub mod cli;
pub mod report;
pub mod telemetry;
pub mod web;

pub mod sim;
