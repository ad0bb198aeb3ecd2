//! Room displays: the client of the pods' OpenControl v2 API.
//!
//! One [`PodClient`] a pod. It has one request in flight, each within the pod's
//! time limit; it signs in when it must and renews its token once; it follows no
//! redirect and retries nothing else. When to ask, and what to do about a
//! failure, is the service's business. Written from the vendor's reference; where
//! that is silent or contradicts itself, answers are read leniently.
//!
//! From the ground up: `operation` is the table of what there is, `request` one
//! request with the decoder of its answer, `calendar`, `settings` and `device` are
//! the requests by subject, `client` sends them. A new operation needs an entry in
//! the table and, in the file of its subject, a request with its decoder.

mod answer;
pub mod calendar;
mod client;
mod clock;
pub(crate) mod config;
mod connection;
pub mod device;
pub(crate) mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
pub(crate) mod mode;
pub(crate) mod operation;
pub(crate) mod request;
mod sessions;
pub mod settings;
mod tls;
mod token;
pub(crate) mod tree;
mod verifier;

pub use answer::{Confirmation, IMAGE_LIMIT};
pub use calendar::{MeetingChanges, NewMeeting};
pub use client::{Access, PodClient};
pub use device::{Aspect, Camera, Info, Interface};
pub use error::{PodError, PodErrorKind};
pub use mode::CalendarMode;
pub use operation::Operation;
pub use request::{Image, Request};
pub use tls::certificate;
pub use token::TokenFacts;

pub use crate::model::fingerprint::Fingerprint;

#[cfg(test)]
mod tests;
