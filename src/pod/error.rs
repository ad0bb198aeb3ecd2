//! What can go wrong with a pod, told apart by what an administrator would do.
//!
//! Whatever a pod answers, no more of it gets in here than the reference's error
//! name and a short, cleaned description; no password, token or meeting text.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use super::config::CalendarMode;
use super::operation::Operation;
use super::tls::Fingerprint;
use crate::fault::Fault;
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

/// Why there was no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Nothing listens on the port.
    Refused,
    UnknownHost,
    NoRoute,
    /// The connection was closed while it was being made.
    Reset,
    /// Something that the system names otherwise.
    Io(io::ErrorKind),
    Unknown,
}

impl Unreachable {
    pub(super) fn from_io(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
                Self::NoRoute
            }
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof => Self::Reset,
            // The resolver's errors have no kind of their own.
            _ if is_lookup(error) => Self::UnknownHost,
            kind => Self::Io(kind),
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("it refused the connection"),
            Self::UnknownHost => f.write_str("its name is not known"),
            Self::NoRoute => f.write_str("there is no route to it"),
            Self::Reset => f.write_str("it closed the connection while it was being made"),
            Self::Io(kind) => kind.fmt(f),
            Self::Unknown => f.write_str("the connection failed"),
        }
    }
}

/// What is wrong with a certificate that authorities should vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    Expired,
    NotYetValid,
    OtherName,
    UnknownIssuer,
    Revoked,
    Unreadable,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet",
            Self::OtherName => "it is for another name or address",
            Self::UnknownIssuer => "no known authority has signed it",
            Self::Revoked => "it was revoked",
            Self::Unreadable => "it is malformed or of an unsupported kind",
        })
    }
}

/// The names of the reference's errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    InvalidRequest,
    NotFound,
    ResourceConflict,
    PathFailed,
    Internal,
    NotLicensed,
    InvalidToken,
    /// Another word of the pod, shortened and cleaned.
    Other(String),
}

impl ApiError {
    pub(super) fn named(name: &str) -> Self {
        match name.trim() {
            "invalid_request" => Self::InvalidRequest,
            "not_found" => Self::NotFound,
            "resource_conflict" => Self::ResourceConflict,
            // The reference's `path_failed` may be a misprint of the second.
            "path_failed" | "patch_failed" => Self::PathFailed,
            "internal" => Self::Internal,
            "not_licensed" => Self::NotLicensed,
            "invalid_token" => Self::InvalidToken,
            other => Self::Other(cleaned(other, 60)),
        }
    }

    /// As the reference spells it.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::ResourceConflict => "resource_conflict",
            Self::PathFailed => "path_failed",
            Self::Internal => "internal",
            Self::NotLicensed => "not_licensed",
            Self::InvalidToken => "invalid_token",
            Self::Other(name) => name,
        }
    }

    /// What it means and what to do, for an administrator.
    fn explained(&self, operation: Operation) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "the pod did not accept the form or a value of the request; the description says which, and its firmware may expect another"
            }
            Self::NotFound => not_found(operation),
            Self::ResourceConflict => {
                "something else is changing the same settings; look whether Solstice Cloud, the Dashboard or the pod's own panel manages them, then repeat"
            }
            Self::PathFailed => {
                "the pod could not apply a part of the configuration that was sent; send a smaller part, with the keys as `podcal pod ROOM config get` shows them"
            }
            Self::Internal => {
                "the pod failed at it; it may be starting or updating. Where it stays so, restart the pod"
            }
            Self::NotLicensed => {
                "the pod's licence does not include OpenControl (Enterprise Edition has it); look at the licence in the Solstice Dashboard or Cloud"
            }
            Self::InvalidToken => {
                "the pod does not accept its own token; look at its clock, then restart it"
            }
            Self::Other(_) => "the reference does not know this error; look at the pod itself",
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// What an answer holds that is not what the reference says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Empty,
    /// `{}`; some pods answer so where the token is not accepted.
    EmptyObject,
    /// A web page: a login portal, a proxy, or another device.
    Html,
    /// JSON without what was asked for: the key that is missing.
    Lacks(&'static str),
    /// JSON, but not an error of the reference.
    Json,
    /// Neither JSON nor a web page.
    Other,
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing in it"),
            Self::EmptyObject => f.write_str("an empty object"),
            Self::Html => f.write_str("a web page"),
            Self::Lacks(key) => write!(f, "JSON without `{key}`"),
            Self::Json => f.write_str("JSON of an unknown form"),
            Self::Other => f.write_str("something that is not JSON"),
        }
    }
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
                why: distrust(error),
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

impl Fault for PodError {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Unreachable { pod, problem } => match problem {
                Unreachable::Refused => format!(
                    "nothing listens on port {}: the pod may be restarting, its web configuration may be turned off (`allow_web_browser_configuration`), or `allow_admin` may be off for this network",
                    pod.port()
                ).into(),
                Unreachable::UnknownHost => "correct the pod's address, or the name server of this machine".into(),
                _ => "look whether the pod has power and network, and whether this machine may reach its network".into(),
            },
            Self::TimedOut { sent: false, .. } => {
                "the pod may be off or asleep, or a firewall may drop the connection".into()
            }
            Self::TimedOut { .. } | Self::LostAnswer { .. } | Self::CutOff { .. } => {
                if self.ended_unanswered() {
                    "the pod may have done it all the same; look before repeating it".into()
                } else {
                    "the pod may be busy or restarting; try again".into()
                }
            }
            Self::CertificateChanged { found, .. } => format!(
                "nothing was sent. If the pod was reset, updated or replaced, accept the new certificate with `podcal pod ROOM trust`; if not, somebody may be in between. Found: sha256 {found}"
            ).into(),
            Self::Untrusted { why, .. } => match why {
                Distrust::OtherName => "use the name that stands in the certificate as the pod's address, or `tls = { verify = \"pin\" }`".into(),
                _ => "install a good certificate on the pod, or use `tls = { verify = \"pin\" }` or `tls = { ca_file = \"...\" }`".into(),
            },
            Self::Tls { .. } => "look whether address and port are those of a pod's OpenControl API (5443)".into(),
            Self::NoAuthorities { .. } => {
                "install the system's CA certificates (package `ca-certificates`), name a good `ca_file`, or use `tls = { verify = \"pin\" }`".into()
            }
            Self::WrongPassword { rest, .. } => format!(
                "correct the pod's `password` (and `username`, usually `admin`); to avoid a lock-out it is not tried again for {}",
                seconds(*rest)
            ).into(),
            Self::SignInRefused { status: 429, .. } => "the pod has had too many attempts; wait, and look for other programs that sign in with a wrong password".into(),
            Self::SignInRefused { .. } => {
                "look at the pod's `username` (usually `admin`) and whether its API is enabled".into()
            }
            Self::TokenRefused { .. } => ApiError::InvalidToken.explained(Operation::SignIn).into(),
            Self::Refused { operation, error, .. } => error.explained(*operation).into(),
            Self::Unexpected { operation, status, body, .. } => match (status, body) {
                (404, _) => not_found(*operation).into(),
                (500.., _) => ApiError::Internal.explained(*operation).into(),
                (_, Body::EmptyObject | Body::Lacks(_)) => {
                    "some pods answer so when they do not accept the token, and a new one did not help; look at the pod's password and firmware".into()
                }
                (_, Body::Html) => {
                    "something else than a pod's API answers at this address: a login portal, a proxy or another device".into()
                }
                _ => "look whether this is the address of a pod, and at its firmware".into(),
            },
            Self::TooLarge { .. } => "look whether this is the address of a pod".into(),
            Self::Redirected { .. } => {
                "write the address to which the pod redirects into the configuration, if it is the right one".into()
            }
            Self::ReadOnly { .. } => "leave out `--dry-run` to do it".into(),
            Self::OtherMode { operation, mode, .. } => if *mode == CalendarMode::ThirdParty {
                format!("in this mode a pod can only be sent all meetings at once: use `calendar set`; to {operation} all the same, add `--insist`").into()
            } else {
                "a write could change a real mailbox. Set the pod's calendar to \"3rd party only\", or insist with `--insist`".into()
            },
            Self::BadRequest { .. } => "correct it and try again".into(),
            Self::Local { .. } => "look whether the file exists and may be read or written".into(),
        }
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::LostAnswer { .. }
            | Self::CutOff { .. }
            | Self::TokenRefused { .. } => true,
            Self::SignInRefused { status, .. } => *status == 429,
            Self::Refused { status, error, .. } => match error {
                ApiError::Internal | ApiError::ResourceConflict | ApiError::InvalidToken => true,
                ApiError::Other(_) => *status >= 500 || matches!(status, 408 | 429),
                ApiError::InvalidRequest
                | ApiError::NotFound
                | ApiError::PathFailed
                | ApiError::NotLicensed => false,
            },
            Self::Unexpected { status, body, .. } => {
                *status >= 500
                    || matches!(status, 408 | 429)
                    || (*status < 300 && !matches!(body, Body::Html))
            }
            Self::CertificateChanged { .. }
            | Self::Untrusted { .. }
            | Self::Tls { .. }
            | Self::NoAuthorities { .. }
            | Self::WrongPassword { .. }
            | Self::TooLarge { .. }
            | Self::Redirected { .. }
            | Self::ReadOnly { .. }
            | Self::OtherMode { .. }
            | Self::BadRequest { .. }
            | Self::Local { .. } => false,
        }
    }
}

/// What a 404 means depends on what was asked for.
fn not_found(operation: Operation) -> &'static str {
    match operation {
        Operation::SignIn => {
            "the pod does not know OpenControl v2; its firmware is too old (4.5 or later has it), or this is no pod"
        }
        Operation::ReadInfo => {
            "the pod's firmware is older than Solstice 6.2, which has this first"
        }
        Operation::ReadCameraStatus | Operation::ReadCameraVersion | Operation::UpdateCamera => {
            "no such Logitech camera is attached to the pod"
        }
        Operation::GetMeeting | Operation::UpdateMeeting | Operation::DeleteMeeting => {
            "the pod has no meeting with this id; `calendar list` shows which there are"
        }
        Operation::ReadSplash | Operation::WriteSplash => {
            "the pod has no splash image at this position and aspect"
        }
        _ => "the pod's firmware does not have this; it may be too old",
    }
}

fn distrust(error: &CertificateError) -> Distrust {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Distrust::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Distrust::OtherName
        }
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
        CertificateError::Revoked => Distrust::Revoked,
        // A self-signed certificate may say of itself that it is an authority.
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            Distrust::UnknownIssuer
        }
        _ => Distrust::Unreadable,
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

fn is_lookup(error: &(dyn StdError + 'static)) -> bool {
    let text = error.to_string();
    text.contains("dns error") || text.contains("failed to lookup address")
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

/// One line of printable text of at most so many characters.
pub(crate) fn cleaned(text: &str, limit: usize) -> String {
    let line: String = text
        .chars()
        .take(limit.saturating_mul(8))
        .map(|c| {
            if c.is_control() || is_invisible(c) {
                ' '
            } else {
                c
            }
        })
        .collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    let joined = words.join(" ");
    if joined.chars().count() <= limit {
        return joined;
    }
    let mut short: String = joined.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Marks that turn the direction of a line around or hide in it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
