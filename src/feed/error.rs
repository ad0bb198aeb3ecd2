//! What can go wrong with a feed: at which host, what was seen, and what to do.
//!
//! Errors are plain text and numbers, so that they can be kept, compared and
//! shown anywhere. No address beyond its host, no login and no text of an answer
//! ever gets in here.

mod detail;
mod kind;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub use self::detail::{
    FileProblem, LoginUsed, Measure, Names, RedirectProblem, Rejection, Status, XmlProblem,
};
pub use self::kind::{PullErrorKind, TokenProblem};
use crate::fault::Fault;
use crate::model::failure::{Failure, FailureClass};
use crate::model::time::UnixTime;
pub use crate::net::transport::Cause;

/// Why a pull brought nothing. What is held of the feed stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullError {
    /// The host that was asked last, with its port where that is not the usual one.
    pub host: String,
    pub kind: PullErrorKind,
    server_date: Option<UnixTime>,
    secret_sent: bool,
}

impl PullErrorKind {
    /// The error of this kind at a host.
    #[must_use]
    pub fn at(self, host: impl Into<String>) -> PullError {
        PullError {
            host: host.into(),
            kind: self,
            server_date: None,
            secret_sent: false,
        }
    }
}

impl PullError {
    pub(super) fn seen(mut self, server_date: Option<UnixTime>, secret_sent: bool) -> Self {
        self.server_date = server_date;
        self.secret_sent = secret_sent;
        self
    }

    /// A short, stable word for logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind.key()
    }

    /// How long the server asked for a pause (`Retry-After`), at most a day.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.kind.retry_after()
    }

    /// Whether the login that was sent was rejected; `None` where none was sent.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        self.kind.rejection()
    }

    /// Whether the secret of the feed may have reached a server during this pull.
    /// `false` is certain: no connection was made, or no login was sent over it.
    #[must_use]
    pub fn secret_was_sent(&self) -> bool {
        self.secret_sent
    }

    /// The same in the words of the controllers.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure {
            class: self.class(),
            kind: self.kind().to_owned(),
            says: crate::fault::chain(self),
            hint: self.hint().into_owned(),
            is_passing: self.is_passing(),
            retry_after: self.retry_after(),
            secret_was_sent: self.secret_was_sent(),
        }
    }

    fn class(&self) -> FailureClass {
        match (self.rejection(), &self.kind) {
            (Some(Rejection::Unauthorized), _) => FailureClass::SecretRejected,
            (Some(Rejection::Forbidden), _) => FailureClass::Forbidden,
            (None, PullErrorKind::TimedOut(_)) => FailureClass::TimedOut,
            (
                None,
                PullErrorKind::TooManyRequests { .. }
                | PullErrorKind::ServerError {
                    status: Status(503),
                    ..
                },
            ) => FailureClass::Throttled,
            (None, PullErrorKind::Unreachable(_) | PullErrorKind::CutOff { .. }) => {
                FailureClass::Unreachable
            }
            (None, _) => FailureClass::Other,
        }
    }

    /// The `Date` of the last answer of this pull.
    #[must_use]
    pub fn server_date(&self) -> Option<UnixTime> {
        self.server_date
    }
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.write(&self.host, f)
    }
}

impl std::error::Error for PullError {}

impl Fault for PullError {
    fn hint(&self) -> Cow<'static, str> {
        self.kind.hint()
    }

    fn is_passing(&self) -> bool {
        self.kind.is_passing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controllers_go_by_is_told_apart() {
        let sent = LoginUsed::Sent("Basic");
        let rejected = |status, login| PullErrorKind::LoginRejected {
            status: Status(status),
            login,
        };
        let busy = |status| PullErrorKind::ServerError {
            status: Status(status),
            retry_after: Some(Duration::from_secs(7)),
        };
        for (kind, class) in [
            (rejected(401, sent), FailureClass::SecretRejected),
            (rejected(403, sent), FailureClass::Forbidden),
            (rejected(401, LoginUsed::None), FailureClass::Other),
            (
                PullErrorKind::TimedOut(Duration::from_secs(20)),
                FailureClass::TimedOut,
            ),
            (
                PullErrorKind::Unreachable(Cause::Refused),
                FailureClass::Unreachable,
            ),
            (
                PullErrorKind::TooManyRequests { retry_after: None },
                FailureClass::Throttled,
            ),
            (busy(503), FailureClass::Throttled),
            (busy(500), FailureClass::Other),
            (PullErrorKind::NotFound(Status(404)), FailureClass::Other),
        ] {
            let error = kind.at("dav.example.com");
            let failure = error.failure();
            assert_eq!(failure.class, class, "{error}");
            assert_eq!(failure.is_passing, error.is_passing());
            assert_eq!(failure.retry_after, error.retry_after());
            assert!(failure.says.contains("dav.example.com") && !failure.hint.is_empty());
        }
    }
}
