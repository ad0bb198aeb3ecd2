//! A pod that is not ours: the OpenControl v2 API over HTTPS, with state that behaves as a pod's.
//!
//! Written from the API reference and not from podcal's client, with which it shares no types; were
//! they shared, a misspelt field would be wrong on both sides and pass. Strict about what it is
//! sent: what the reference does not allow is refused and remembered. Used by `podcal simulate`,
//! `podcal demo` and the tests; [`feedhost`] is the calendar server beside it.
//!
//! Where the reference is silent, these are the simulator's choices:
//!
//! | case | answer |
//! | --- | --- |
//! | add, change or delete one meeting in "3rd Party Only" mode | 400 `invalid_request` |
//! | set or clear the calendar in another mode | done, and remembered as a violation: it may alter a real mailbox |
//! | a meeting with an unknown field, a repeated id, or `end_time <= start_time` | 400 `invalid_request` |
//! | unknown configuration keys | kept, given back, and remembered as a violation |
//! | a wrong type of a known configuration key | 400 `invalid_request`, nothing is changed |
//! | a secret's salt and hash sent back | accepted when it is what the pod holds, otherwise 400 |
//! | an unknown path or configuration key | 404 `not_found` |
//! | a known path with another method | 405 `invalid_request` with `Allow` |
//! | a body over 1 MiB (an image: 16 MiB) | 413 `invalid_request` |
//! | a pod without a licence | 403 `not_licensed` |
//! | `POST /info/screen_key` without a token | answered, as in the reference's Python sample |
//! | an empty admin password | any password is accepted |

pub(crate) mod action;
pub(crate) mod building;
pub mod feedhost;
pub(crate) mod options;

// The ground: values, faults, and the listening side that pods, calendar host and control address
// share.
mod answer;
mod authorization;
mod certificate;
mod fault;
mod fields;
mod images;
mod meeting;
mod pod_fault;
mod request;
mod secret;
mod server;
mod spec;
mod traffic;
mod wall;

// One pod, and the operations on it.
mod state;

mod calendar;
mod config;
mod config_tree;
mod device;
mod legacy;
mod page;
mod splash;
mod token;

// The pod on the wire and in hand.
mod handle;
mod routes;
mod serve;

// What is beside many pods.
mod control;
mod folder;
mod persist;

pub use handle::{Fault, Sim};
pub use options::{CalendarMode, Clock, Options, Quirks};
pub use request::RequestRecord;
pub use traffic::Traffic;

#[cfg(test)]
mod tests;
