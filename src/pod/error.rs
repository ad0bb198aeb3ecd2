//! What can go wrong with a pod, told apart by what an administrator would do.
//!
//! Whatever a pod answers, no more of it gets in here than the reference's error
//! name and a short, cleaned description; no password, token or meeting text.

mod hint;
mod kinds;

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

pub(crate) use kinds::cleaned;
pub use kinds::{ApiError, Body, Distrust, Unreachable};

use kinds::is_lookup;

use super::config::CalendarMode;
use super::operation::Operation;
use super::tls::Fingerprint;
use crate::model::name::PodUrl;

#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// Nothing was sent.
    #[error("the pod at {pod} cannot be reached: {problem}")]
    Unreachable { pod: PodUrl, problem: Unreachable },
    #[error("the pod at {pod} did not {operation} within {}", seconds(*.after))]
    TimedOut {
        pod: PodUrl,
        operation: Operation,
        after: Duration,
        /// Whether the request may have reached the pod.
        sent: bool,
    },
    /// The connection ended after the request and before the answer.
    #[error(
        "the pod at {pod} was asked to {operation} and closed the connection without an answer"
    )]
    LostAnswer { pod: PodUrl, operation: Operation },
    /// The connection ended in the middle of the answer.
    #[error("the pod at {pod} was asked to {operation} and its answer {status} broke off")]
    CutOff {
        pod: PodUrl,
        operation: Operation,
        status: u16,
    },
    #[error("the pod at {pod} shows another certificate: expected {}…, found {}…", .expected.short(), .found.short())]
    CertificateChanged {
        pod: PodUrl,
        expected: Fingerprint,
        found: Fingerprint,
    },
    #[error("the certificate of the pod at {pod} is not trusted: {why}")]
    Untrusted { pod: PodUrl, why: Distrust },
    /// The handshake failed for a reason other than the certificate.
    #[error("no TLS connection to the pod at {pod}: {why}")]
    Tls { pod: PodUrl, why: String },
    /// The authorities to check the pod with could not be read.
    #[error("there are no certificate authorities to check the pod at {pod} with: {why}")]
    NoAuthorities { pod: PodUrl, why: String },
    /// The pod rejected user name and password. The client does not ask it again
    /// before `rest` is over; `asked` says whether it did so now.
    #[error("the pod at {pod} rejected the password{}", if *.asked { "" } else { " before and is not asked again yet" })]
    WrongPassword {
        pod: PodUrl,
        rest: Duration,
        asked: bool,
    },
    /// The pod did not let anybody sign in, for another reason than the password.
    #[error("the pod at {pod} refused to sign in: {status} {error}")]
    SignInRefused {
        pod: PodUrl,
        status: u16,
        error: ApiError,
    },
    /// A token that the pod had just given.
    #[error(
        "the pod at {pod} was asked to {operation} and refused the token that it had just issued"
    )]
    TokenRefused { pod: PodUrl, operation: Operation },
    #[error("the pod at {pod} was asked to {operation} and answered {status} {error}{}", described(.description))]
    Refused {
        pod: PodUrl,
        operation: Operation,
        status: u16,
        error: ApiError,
        /// As the pod put it, shortened and cleaned; often empty.
        description: String,
    },
    /// An answer that the reference does not know.
    #[error("the pod at {pod} was asked to {operation} and answered {status} with {body}")]
    Unexpected {
        pod: PodUrl,
        operation: Operation,
        status: u16,
        body: Body,
    },
    #[error("the pod at {pod} was asked to {operation} and answered with more than {limit} bytes")]
    TooLarge {
        pod: PodUrl,
        operation: Operation,
        limit: u64,
    },
    /// Redirects are not followed: they would carry the token elsewhere.
    #[error("the pod at {pod} was asked to {operation} and answered with a redirect ({status})")]
    Redirected {
        pod: PodUrl,
        operation: Operation,
        status: u16,
    },
    /// The client was opened for reading only; nothing was sent.
    #[error("this is a dry run: the pod at {pod} was not asked to {operation}")]
    ReadOnly { pod: PodUrl, operation: Operation },
    /// The pod's calendar mode forbids it; nothing was sent.
    #[error("the pod at {pod} was not asked to {operation}: its calendar is in the mode {mode}")]
    OtherMode {
        pod: PodUrl,
        operation: Operation,
        mode: CalendarMode,
    },
    /// The caller asked for something that cannot be sent; nothing was.
    #[error("the pod at {pod} was not asked to {operation}: {what}")]
    BadRequest {
        pod: PodUrl,
        operation: Operation,
        what: String,
    },
    /// An image could not be read or written here.
    #[error("could not {operation} of the pod at {pod}")]
    Local {
        pod: PodUrl,
        operation: Operation,
        source: io::Error,
    },
}

impl PodError {
    /// A stable key for logs (`error.type`) and `--json`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::LostAnswer { .. } => "lost_answer",
            Self::CutOff { .. } => "cut_off",
            Self::CertificateChanged { .. } => "certificate_changed",
            Self::Untrusted { .. } => "certificate_untrusted",
            Self::Tls { .. } => "tls",
            Self::NoAuthorities { .. } => "no_authorities",
            Self::WrongPassword { .. } => "wrong_password",
            Self::SignInRefused { .. } => "sign_in_refused",
            Self::TokenRefused { .. } => "token_refused",
            Self::Refused { error, .. } => match error {
                ApiError::InvalidRequest => "invalid_request",
                ApiError::NotFound => "not_found",
                ApiError::ResourceConflict => "resource_conflict",
                ApiError::PathFailed => "path_failed",
                ApiError::Internal => "internal",
                ApiError::NotLicensed => "not_licensed",
                ApiError::InvalidToken => "invalid_token",
                ApiError::Other(_) => "refused",
            },
            Self::Unexpected { .. } => "unexpected_answer",
            Self::TooLarge { .. } => "too_large",
            Self::Redirected { .. } => "redirected",
            Self::ReadOnly { .. } => "read_only",
            Self::OtherMode { .. } => "other_mode",
            Self::BadRequest { .. } => "bad_request",
            Self::Local { .. } => "local_file",
        }
    }

    /// The pod that it is about.
    #[must_use]
    pub fn pod(&self) -> &PodUrl {
        match self {
            Self::Unreachable { pod, .. }
            | Self::TimedOut { pod, .. }
            | Self::LostAnswer { pod, .. }
            | Self::CutOff { pod, .. }
            | Self::CertificateChanged { pod, .. }
            | Self::Untrusted { pod, .. }
            | Self::Tls { pod, .. }
            | Self::NoAuthorities { pod, .. }
            | Self::WrongPassword { pod, .. }
            | Self::SignInRefused { pod, .. }
            | Self::TokenRefused { pod, .. }
            | Self::Refused { pod, .. }
            | Self::Unexpected { pod, .. }
            | Self::TooLarge { pod, .. }
            | Self::Redirected { pod, .. }
            | Self::ReadOnly { pod, .. }
            | Self::OtherMode { pod, .. }
            | Self::BadRequest { pod, .. }
            | Self::Local { pod, .. } => pod,
        }
    }

    /// The status of the answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::CutOff { status, .. }
            | Self::SignInRefused { status, .. }
            | Self::Refused { status, .. }
            | Self::Unexpected { status, .. }
            | Self::Redirected { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the pod may have done a write although it did not say so.
    ///
    /// Then look at the pod before repeating; what it was last known to show is
    /// no longer known.
    #[must_use]
    pub fn ended_unanswered(&self) -> bool {
        match self {
            Self::TimedOut {
                operation, sent, ..
            } => *sent && operation.is_write(),
            Self::LostAnswer { operation, .. }
            | Self::CutOff { operation, .. }
            | Self::TooLarge { operation, .. } => operation.is_write(),
            // A gateway's 502 or a page instead of a confirmation says nothing of the write.
            Self::Unexpected {
                operation, status, ..
            } => operation.is_write() && (*status < 300 || *status >= 500),
            _ => false,
        }
    }

    pub(super) fn tls(pod: &PodUrl, error: &rustls::Error) -> Self {
        let pod = pod.clone();
        match error {
            rustls::Error::InvalidCertificate(error) => Self::Untrusted {
                pod,
                why: Distrust::of(error),
            },
            rustls::Error::InvalidMessage(_) => Self::Tls {
                pod,
                why: "what answers there does not speak TLS".to_owned(),
            },
            rustls::Error::PeerIncompatible(_) => Self::Tls {
                pod,
                why: "it offers only outdated versions or ciphers".to_owned(),
            },
            rustls::Error::AlertReceived(alert) => Self::Tls {
                pod,
                why: format!("it ended the handshake with the alert {alert:?}"),
            },
            error => Self::Tls {
                pod,
                why: cleaned(&error.to_string(), 120),
            },
        }
    }

    /// The TLS error in a chain of errors, if one is there.
    pub(super) fn tls_in(pod: &PodUrl, error: &(dyn StdError + 'static)) -> Option<Self> {
        find(error, |error| {
            error
                .downcast_ref::<rustls::Error>()
                .map(|error| Self::tls(pod, error))
        })
    }

    /// What an error of the HTTP client means; `operation` tells whether a
    /// request was more than a connection.
    pub(super) fn transport(
        pod: &PodUrl,
        operation: Operation,
        after: Duration,
        error: &reqwest::Error,
    ) -> Self {
        if let Some(tls) = Self::tls_in(pod, error) {
            return tls;
        }
        let pod = pod.clone();
        if error.is_timeout() {
            return Self::TimedOut {
                pod,
                operation,
                after,
                sent: !error.is_connect(),
            };
        }
        if !error.is_connect() {
            return Self::LostAnswer { pod, operation };
        }
        let lookup = find(error, |error| is_lookup(error).then_some(()));
        let io = find(error, |error| {
            error.downcast_ref::<io::Error>().map(Unreachable::from_io)
        });
        let problem = match (lookup, io) {
            (Some(()), _) => Unreachable::UnknownHost,
            (None, Some(problem)) => problem,
            (None, None) => Unreachable::Unknown,
        };
        Self::Unreachable { pod, problem }
    }
}

/// The first of an error and its causes for which `wanted` gives something.
///
/// `io::Error` hides the error that it wraps from `source`, so it is opened here.
fn find<T>(
    error: &(dyn StdError + 'static),
    wanted: impl Fn(&(dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    let mut steps = 0;
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn StdError + 'static));
        // The cause first: the kind of an outer `io::Error` is often just `Other`.
        if let Some(found) = inner.and_then(&wanted).or_else(|| wanted(error)) {
            return Some(found);
        }
        next = inner.or_else(|| error.source());
        steps += 1;
        if steps > 32 {
            return None;
        }
    }
    None
}

fn described(description: &str) -> String {
    if description.is_empty() {
        String::new()
    } else {
        format!(": {description}")
    }
}

fn seconds(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
