//! The kinds of errors of a pod, each with its key, its hint, and whether
//! waiting helps.

use std::borrow::Cow;
use std::time::Duration;

use super::parts::{ApiError, Body};
use crate::model::failure::Failure;
use crate::model::fingerprint::Fingerprint;
use crate::model::name::PodUrl;
use crate::net::authorities::AuthoritiesError;
use crate::net::transport::Cause;
use crate::pod::mode::CalendarMode;
use crate::pod::operation::Operation;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodErrorKind {
    /// There was no connection, or no TLS, or no trusted certificate; nothing was sent.
    NotConnected(Cause),
    TimedOut {
        after: Duration,
        /// Whether the request may have reached the pod.
        sent: bool,
    },
    /// The connection ended after the request: before the answer or in the middle of it.
    NoAnswer(Cause),
    CertificateChanged {
        expected: Fingerprint,
        found: Fingerprint,
    },
    /// The pod's certificate was never accepted; the password was not sent.
    CertificateUnknown {
        found: Fingerprint,
    },
    /// The authorities to check the pod with could not be read.
    NoAuthorities(AuthoritiesError),
    /// The pod rejected user name and password; now, where it was `asked`, or before.
    WrongPassword {
        asked: bool,
    },
    /// The pod did not let anybody sign in, for another reason than the password.
    SignInRefused {
        status: u16,
        error: ApiError,
    },
    /// A token that the pod had just given.
    TokenRefused,
    /// Nothing was sent: sign-in is paused, or a pause of it could not be written down.
    SignInPaused(Box<Failure>),
    Refused {
        status: u16,
        error: ApiError,
        /// As the pod put it, shortened and cleaned; often empty.
        description: String,
    },
    /// An answer that the reference does not know.
    Unexpected {
        status: u16,
        body: Body,
    },
    /// It answered a write with success and confirmed nothing.
    NotConfirmed,
    TooLarge {
        limit: u64,
    },
    TooManyMeetings {
        limit: usize,
    },
    /// JSON of more values than any pod has.
    TooManyValues {
        limit: usize,
    },
    /// Redirects are not followed: they would carry the token elsewhere.
    Redirected {
        status: u16,
    },
    /// The client was opened for reading only; nothing was sent.
    ReadOnly,
    /// The pod's calendar mode forbids it; nothing was sent.
    OtherMode(CalendarMode),
    /// The caller asked for something that cannot be sent; nothing was.
    BadRequest {
        what: String,
    },
}

impl PodErrorKind {
    /// A stable key for logs (`error.type`) and `--json`.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::NotConnected(cause) if cause.is_certificate() => "certificate_untrusted",
            Self::NotConnected(cause) if cause.is_tls() => "tls",
            Self::NotConnected(_) => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::NoAnswer(Cause::CutOff) => "cut_off",
            Self::NoAnswer(_) => "lost_answer",
            Self::CertificateChanged { .. } => "certificate_changed",
            Self::CertificateUnknown { .. } => "certificate_unknown",
            Self::NoAuthorities(_) => "no_authorities",
            Self::WrongPassword { .. } => "wrong_password",
            Self::SignInRefused { .. } => "sign_in_refused",
            Self::TokenRefused => "token_refused",
            Self::SignInPaused(_) => "sign_in_paused",
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
            Self::NotConfirmed => "not_confirmed",
            Self::TooLarge { .. } | Self::TooManyMeetings { .. } | Self::TooManyValues { .. } => {
                "too_large"
            }
            Self::Redirected { .. } => "redirected",
            Self::ReadOnly => "read_only",
            Self::OtherMode(_) => "other_mode",
            Self::BadRequest { .. } => "bad_request",
        }
    }

    /// The status of the answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::SignInRefused { status, .. }
            | Self::Refused { status, .. }
            | Self::Unexpected { status, .. }
            | Self::Redirected { status } => Some(*status),
            _ => None,
        }
    }

    /// Whether it is certain that no request has left this machine.
    #[must_use]
    pub fn nothing_was_sent(&self) -> bool {
        match self {
            Self::NotConnected(_)
            | Self::CertificateChanged { .. }
            | Self::CertificateUnknown { .. }
            | Self::NoAuthorities(_)
            | Self::SignInPaused(_)
            | Self::ReadOnly
            | Self::OtherMode(_)
            | Self::BadRequest { .. } => true,
            Self::TimedOut { sent, .. } => !sent,
            Self::WrongPassword { asked } => !asked,
            _ => false,
        }
    }

    /// Whether the pod answered that it does not have what was asked for, as
    /// older firmware does.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Refused { error, .. } => *error == ApiError::NotFound,
            Self::Unexpected { status, body } => *status == 404 && *body != Body::Html,
            _ => false,
        }
    }

    /// Whether the pod works but does not know or give what was asked for.
    pub(in crate::pod) fn is_about_the_operation(&self) -> bool {
        match self {
            Self::Refused { error, .. } => {
                matches!(error, ApiError::NotFound | ApiError::InvalidRequest)
            }
            Self::Unexpected { status, body } => {
                matches!(status, 400 | 404 | 405 | 501) && *body != Body::EmptyObject
            }
            _ => false,
        }
    }

    /// Whether the pod answered, and with something else than its first configuration.
    pub(in crate::pod) fn is_no_legacy(&self) -> bool {
        match self {
            Self::Refused { error, .. } => {
                !matches!(error, ApiError::NotLicensed | ApiError::InvalidToken)
            }
            Self::Unexpected { status, body } => {
                !matches!(status, 401 | 429 | 503) && *body != Body::EmptyObject
            }
            _ => false,
        }
    }

    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::NotConnected(cause) => cause.is_passing(),
            Self::TimedOut { .. } | Self::NoAnswer(_) | Self::TokenRefused | Self::NotConfirmed => {
                true
            }
            Self::SignInRefused { status, .. } => matches!(status, 429 | 503),
            Self::Refused { status, error, .. } => match error {
                ApiError::Internal | ApiError::ResourceConflict | ApiError::InvalidToken => true,
                ApiError::Other(_) => *status >= 500 || matches!(status, 408 | 429),
                ApiError::InvalidRequest
                | ApiError::NotFound
                | ApiError::PathFailed
                | ApiError::NotLicensed => false,
            },
            Self::Unexpected { status, body } => {
                *status >= 500
                    || matches!(status, 408 | 429)
                    || (*status < 300 && !matches!(body, Body::Html))
            }
            Self::CertificateChanged { .. }
            | Self::CertificateUnknown { .. }
            | Self::NoAuthorities(_)
            | Self::WrongPassword { .. }
            | Self::SignInPaused(_)
            | Self::TooLarge { .. }
            | Self::TooManyMeetings { .. }
            | Self::TooManyValues { .. }
            | Self::Redirected { .. }
            | Self::ReadOnly
            | Self::OtherMode(_)
            | Self::BadRequest { .. } => false,
        }
    }

    /// Whether the pod may have done a write although it did not say so.
    pub(super) fn ended_unanswered(&self, operation: Operation) -> bool {
        operation.is_write()
            && match self {
                Self::TimedOut { sent, .. } => *sent,
                Self::NoAnswer(_)
                | Self::NotConfirmed
                | Self::TooLarge { .. }
                | Self::TooManyValues { .. } => true,
                // A gateway's 502 or a page instead of a confirmation does not tell whether the
                // write was done.
                Self::Unexpected { status, .. } => *status < 300 || *status >= 500,
                _ => false,
            }
    }

    /// What an administrator can do about it.
    pub(super) fn hint(&self, operation: Operation, pod: &PodUrl) -> Cow<'static, str> {
        let not_found = operation.entry().not_found;
        match self {
            Self::NotConnected(cause) => not_connected(cause, pod),
            Self::TimedOut { sent: false, .. } => {
                "the pod may be off or asleep, or a firewall may drop the connection".into()
            }
            Self::TimedOut { .. } | Self::NoAnswer(_) if self.ended_unanswered(operation) => {
                "the pod may have done it anyway; look before repeating it".into()
            }
            Self::TimedOut { .. } | Self::NoAnswer(_) => {
                "the pod may be busy or restarting; try again".into()
            }
            Self::CertificateChanged { found, .. } => format!(
                "nothing was sent. If the pod was reset, updated or replaced, accept the new certificate with `podcal pod ROOM trust` (or correct `tls.sha256` where the configuration has it); if not, somebody may be intercepting the connection. Found: sha256 {found}"
            )
            .into(),
            Self::CertificateUnknown { found } => format!(
                "compare the fingerprint with that on the pod; if it is the same, add `--fingerprint {found}`. `--ca` checks the certificate by the system's authorities instead, and `--insecure` accepts any"
            )
            .into(),
            Self::NoAuthorities(error) => {
                format!("{}, or use `tls = {{ verify = \"pin\" }}`", error.hint()).into()
            }
            Self::WrongPassword { .. } => {
                "correct the pod's `password` (and `username`, usually `admin`); to avoid a lock-out, podcal does not try it again for a while".into()
            }
            Self::SignInRefused { status: 429, .. } => {
                "the pod has had too many attempts; wait, and look for other programs that sign in with a wrong password".into()
            }
            Self::SignInRefused { .. } => {
                "check the pod's `username` (usually `admin`) and whether its API is enabled".into()
            }
            Self::SignInPaused(failure) => failure.hint.clone().into(),
            Self::TokenRefused => explained(&ApiError::InvalidToken, not_found).into(),
            Self::Refused { status: 429, .. } | Self::Unexpected { status: 429, .. } => {
                "the pod is asked too often; raise `min_interval`, and look for other programs that ask it".into()
            }
            Self::Refused { error, .. } => explained(error, not_found).into(),
            Self::Unexpected { status: 404, .. } => not_found.into(),
            Self::Unexpected { status: 500.., .. } => {
                explained(&ApiError::Internal, not_found).into()
            }
            Self::Unexpected { body: Body::EmptyObject | Body::Lacks(_), .. } => {
                "some pods answer like this when they do not accept the token, and a new one did not help; check the pod's password and firmware".into()
            }
            Self::Unexpected { body: Body::Html, .. } => {
                "something other than a pod's API answers at this address: a login portal, a proxy or another device".into()
            }
            Self::Unexpected { .. } => {
                "check that this is the address of a pod, and its firmware".into()
            }
            Self::NotConfirmed => {
                "look at what it shows; if it keeps happening, check the pod's password and firmware".into()
            }
            Self::TooLarge { .. }
            | Self::TooManyMeetings { .. }
            | Self::TooManyValues { .. } => {
                "check that this is the address of a pod".into()
            }
            Self::Redirected { .. } => {
                "write the address to which the pod redirects into the configuration, if it is the right one".into()
            }
            Self::ReadOnly => "leave out `--dry-run` to do it".into(),
            Self::OtherMode(CalendarMode::ThirdParty) => format!(
                "in this mode a pod can only be sent all meetings at once: use `calendar set`; to {operation} anyway, add `--insist`"
            )
            .into(),
            Self::OtherMode(_) => {
                "a write could change a real mailbox. Set the pod's calendar to \"3rd party only\", or add `--insist` to do it anyway".into()
            }
            Self::BadRequest { .. } => "correct it and try again".into(),
        }
    }
}

fn not_connected(cause: &Cause, pod: &PodUrl) -> Cow<'static, str> {
    match cause {
        Cause::Refused => format!(
            "nothing listens on port {}: the pod may be restarting, its web configuration may be turned off (`allow_web_browser_configuration`), or `allow_admin` may be off for this network",
            pod.port()
        )
        .into(),
        Cause::NameNotFound => "correct the pod's address".into(),
        Cause::NoNameServer => "check the name servers of this machine, or use the pod's IP address".into(),
        Cause::TooManyFiles => cause.hint().into(),
        Cause::WrongName => {
            "use the name in the certificate as the pod's address, or `tls = { verify = \"pin\" }`".into()
        }
        Cause::KeyNotProven => {
            "nothing was sent. Another device may be showing the pod's certificate; check what answers at this address".into()
        }
        Cause::BadCertificate { .. } => {
            "install another certificate on the pod (RSA of 2048 bits, or P-256); `tls = { verify = \"pin\" }` accepts older kinds than authorities do, and as a last resort `verify = \"off\"` any".into()
        }
        Cause::NothingInCommon { .. } => {
            "update the pod's firmware, or install another certificate on it: podcal needs TLS 1.2 or 1.3, ECDHE with AES-GCM or ChaCha20, and a key of RSA, P-256, P-384 or Ed25519".into()
        }
        Cause::OldTls => {
            "update the pod's firmware: podcal needs TLS 1.2 or 1.3 with AES-GCM or ChaCha20 ciphers".into()
        }
        cause if cause.is_certificate() => {
            "install a good certificate on the pod, or use `tls = { verify = \"pin\" }` or `tls = { ca_file = \"...\" }`".into()
        }
        cause if cause.is_tls() => {
            "check that address and port are those of a pod's OpenControl API (5443)".into()
        }
        _ => "check that the pod has power and network, and that this machine can reach its network".into(),
    }
}

/// What an error of the reference means and what to do; `not_found` is what a
/// `not_found` means for the operation.
fn explained(error: &ApiError, not_found: &'static str) -> &'static str {
    match error {
        ApiError::InvalidRequest => {
            "the pod did not accept the form or a value of the request; its description says which; its firmware may expect another form"
        }
        ApiError::NotFound => not_found,
        ApiError::ResourceConflict => {
            "something else is changing the same settings; check whether Solstice Cloud, the Dashboard or the pod's own panel manages them, then repeat"
        }
        ApiError::PathFailed => {
            "the pod could not apply a part of the configuration that was sent; send a smaller part, with the keys as `podcal pod ROOM config get` shows them"
        }
        ApiError::Internal => {
            "the pod had an internal error; it may be starting or updating. If it keeps failing, restart the pod"
        }
        ApiError::NotLicensed => {
            "the pod's licence does not include OpenControl (Enterprise Edition has it); check the licence in the Solstice Dashboard or Cloud"
        }
        ApiError::InvalidToken => {
            "the pod does not accept its own token; check its clock, then restart it"
        }
        ApiError::Other(_) => "this error is not in the API reference; check the pod itself",
    }
}

pub(super) fn seconds(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
