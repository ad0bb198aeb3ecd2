//! The parts of a pod's errors: why there was no connection, what is wrong with
//! a certificate, the reference's error names, and what a body is.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::CertificateError;

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
    pub(in crate::pod) fn from_io(error: &io::Error) -> Self {
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
    /// The handshake was signed with another key.
    KeyNotProven,
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
            Self::KeyNotProven => "what answers has not proven to hold its key",
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
    pub(in crate::pod) fn named(name: &str) -> Self {
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

impl Distrust {
    pub(super) fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Distrust::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Distrust::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Distrust::OtherName
            }
            CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
            CertificateError::Revoked => Distrust::Revoked,
            CertificateError::BadSignature => Distrust::KeyNotProven,
            // A self-signed certificate may say of itself that it is an authority.
            CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
                Distrust::UnknownIssuer
            }
            _ => Distrust::Unreadable,
        }
    }
}

pub(super) fn is_lookup(error: &(dyn StdError + 'static)) -> bool {
    let text = error.to_string();
    text.contains("dns error") || text.contains("failed to lookup address")
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
