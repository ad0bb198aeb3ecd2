//! Why something outside could not be done: what the edges hand to the controllers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A failed pull, poll or push, in the words of the part that saw it. Holds no secret.
///
/// The edges have richer errors; controllers need to know only what to do about one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub class: FailureClass,
    /// A stable key, such as `timed_out`; `error.type` in logs.
    pub kind: String,
    /// What happened and where, with its causes, on one line.
    pub says: String,
    /// What the operator can do.
    pub hint: String,
    /// Whether the same request may succeed later with nothing changed here.
    pub is_passing: bool,
    /// How long the other side asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the secret (password, token) may have reached the other side.
    pub secret_was_sent: bool,
}

/// What kind of failure it is, as far as the next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// No connection, or no usable answer: name look-up, refused, TLS, cut off.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The password or token was rejected (401, `invalid_grant`).
    SecretRejected,
    /// The secret is right, but this is not allowed (403).
    Forbidden,
    /// Another certificate than the one that is trusted; no secret was sent.
    CertificateChanged,
    /// The device has no licence for what was asked.
    NotLicensed,
    /// 429, or 503: asked too often, or the other side is overloaded.
    Throttled,
    /// Nothing was sent: sign-in is paused after a rejected secret.
    SignInPaused,
    /// An answer that makes no sense, or an error of another kind.
    Other,
}
