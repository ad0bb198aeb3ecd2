//! What can go wrong with a pod: which pod, what it was asked to do, and one of
//! the kinds of `kind.rs`, which differ in what an administrator would do.
//!
//! Whatever a pod answers, no more of it gets in here than the reference's error
//! name and a short, cleaned description; no password, token or meeting text.

mod kind;
mod parts;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub use kind::PodErrorKind;
pub use parts::{ApiError, Body};

use super::operation::Operation;
use crate::fault::Fault;
use crate::model::failure::{Failure, FailureClass};
use crate::model::name::PodUrl;
use crate::net::transport::Cause;

/// An error of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodError {
    pub pod: PodUrl,
    /// What the pod was asked to do, or should have been.
    pub operation: Operation,
    pub kind: PodErrorKind,
    /// `Retry-After` of the answer, bounded to a day.
    retry_after: Option<Duration>,
}

impl PodError {
    #[must_use]
    pub fn new(pod: &PodUrl, operation: Operation, kind: PodErrorKind) -> Self {
        Self {
            pod: pod.clone(),
            operation,
            kind,
            retry_after: None,
        }
    }

    /// The same, with the time that the pod asks to be left alone.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..self
        }
    }

    /// A stable key for logs (`error.type`) and `--json`.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.kind.key()
    }

    /// The status of the answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.kind.status()
    }

    /// How long the pod asks to be left alone: `Retry-After` of a 429 or 503.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after.filter(|_| self.is_throttled())
    }

    /// Whether the pod is asked too often (429) or busy (503), with or without
    /// `Retry-After`; then the waits should grow.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        matches!(self.status(), Some(429 | 503))
    }

    /// Whether the password, or the token, may have reached the pod or whoever
    /// answers in its place: not where there was no connection, no trusted
    /// certificate, or nothing was sent at all.
    #[must_use]
    pub fn password_was_sent(&self) -> bool {
        !self.kind.nothing_was_sent()
    }

    /// The same in the words of the controllers.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure {
            class: self.class(),
            kind: self.key().to_owned(),
            says: crate::fault::chain(self),
            hint: self.hint().into_owned(),
            is_passing: self.is_passing(),
            retry_after: self.retry_after(),
            secret_was_sent: self.password_was_sent(),
        }
    }

    fn class(&self) -> FailureClass {
        use PodErrorKind as Kind;
        match &self.kind {
            Kind::WrongPassword { asked: true } => FailureClass::SecretRejected,
            Kind::WrongPassword { asked: false } | Kind::SignInPaused(_) => {
                FailureClass::SignInPaused
            }
            Kind::CertificateChanged { .. } | Kind::CertificateUnknown { .. } => {
                FailureClass::CertificateChanged
            }
            Kind::Refused {
                error: ApiError::NotLicensed,
                ..
            } => FailureClass::NotLicensed,
            Kind::TimedOut { .. } => FailureClass::TimedOut,
            Kind::NotConnected(cause) if !cause.is_certificate() => FailureClass::Unreachable,
            Kind::NoAnswer(_) => FailureClass::Unreachable,
            _ => match (self.status(), self.retry_after) {
                // A pod that is only busy is asked again as usual, unless it says when.
                (Some(429), _) | (Some(503), Some(_)) => FailureClass::Throttled,
                (Some(403), _) => FailureClass::Forbidden,
                _ => FailureClass::Other,
            },
        }
    }

    /// Whether the pod may have done a write although it did not say so.
    ///
    /// Then look at the pod before repeating; what it was last known to show is
    /// no longer known.
    #[must_use]
    pub fn ended_unanswered(&self) -> bool {
        self.kind.ended_unanswered(self.operation)
    }
}

/// What and where, in one line.
impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PodErrorKind as Kind;
        let Self { pod, operation, .. } = self;
        let asked = |f: &mut fmt::Formatter<'_>| {
            write!(f, "the pod at {pod} was asked to {operation} and ")
        };
        match &self.kind {
            Kind::NotConnected(cause) if cause.is_certificate() => {
                write!(f, "the pod at {pod} is not trusted: {cause}")
            }
            Kind::NotConnected(cause) if cause.is_tls() => {
                write!(f, "no TLS connection to the pod at {pod}: {cause}")
            }
            Kind::NotConnected(cause) => write!(f, "the pod at {pod} cannot be reached: {cause}"),
            Kind::TimedOut { after, .. } => {
                write!(
                    f,
                    "the pod at {pod} did not {operation} within {}",
                    kind::seconds(*after)
                )
            }
            Kind::NoAnswer(cause) => {
                asked(f)?;
                match cause {
                    Cause::NoAnswer => f.write_str("closed the connection without an answer"),
                    Cause::CutOff => f.write_str("its answer broke off"),
                    cause => write!(f, "gave no answer: {cause}"),
                }
            }
            Kind::CertificateChanged { expected, found } => write!(
                f,
                "the pod at {pod} shows another certificate: expected {}…, found {}…",
                expected.short(),
                found.short()
            ),
            Kind::CertificateUnknown { found } => write!(
                f,
                "the certificate of the pod at {pod} is not known, so the password was not sent; its fingerprint is sha256 {found}"
            ),
            Kind::NoAuthorities(error) => write!(
                f,
                "there are no certificate authorities to check the pod at {pod} with: {error}"
            ),
            Kind::WrongPassword { asked: true } => {
                write!(f, "the pod at {pod} rejected the password")
            }
            Kind::WrongPassword { asked: false } => write!(
                f,
                "the pod at {pod} rejected the password before, and it was not sent again"
            ),
            Kind::SignInRefused { status, error } => {
                write!(f, "the pod at {pod} refused to sign in: {status} {error}")
            }
            Kind::SignInPaused(failure) => f.write_str(&failure.says),
            Kind::TokenRefused => {
                asked(f)?;
                f.write_str("refused the token that it had just issued")
            }
            Kind::Refused {
                status,
                error,
                description,
            } => {
                asked(f)?;
                write!(f, "answered {status} {error}")?;
                match description.as_str() {
                    "" => Ok(()),
                    description => write!(f, ": {description}"),
                }
            }
            Kind::Unexpected { status, body } => {
                asked(f)?;
                write!(f, "answered {status} with {body}")
            }
            Kind::NotConfirmed => {
                asked(f)?;
                f.write_str("answered without a confirmation")
            }
            Kind::TooLarge { limit } => {
                asked(f)?;
                write!(f, "answered with more than {limit} bytes")
            }
            Kind::TooManyMeetings { limit } => {
                asked(f)?;
                write!(f, "answered with more than {limit} meetings")
            }
            Kind::TooManyValues { limit } => {
                asked(f)?;
                write!(f, "answered with JSON of more than {limit} values")
            }
            Kind::Redirected { status } => {
                asked(f)?;
                write!(f, "answered with a redirect ({status})")
            }
            Kind::ReadOnly => write!(
                f,
                "this is a dry run: the pod at {pod} was not asked to {operation}"
            ),
            Kind::OtherMode(mode) => write!(
                f,
                "the pod at {pod} was not asked to {operation}: its calendar is in the mode {mode}"
            ),
            Kind::BadRequest { what } => {
                write!(f, "the pod at {pod} was not asked to {operation}: {what}")
            }
        }
    }
}

impl std::error::Error for PodError {}

impl Fault for PodError {
    fn hint(&self) -> Cow<'static, str> {
        self.kind.hint(self.operation, &self.pod)
    }

    fn is_passing(&self) -> bool {
        self.kind.is_passing()
    }
}
