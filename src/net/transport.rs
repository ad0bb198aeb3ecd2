//! Why a request brought no whole answer, told apart in one place for feeds and pods.
//!
//! By the types of the errors where they have types: the system's, rustls's,
//! hyper's and our own. The words of an error are looked at only for a proxy that
//! refuses (hyper-util keeps that type to itself) and a failed look-up by another
//! resolver than ours; see `by_words`. reqwest's own text never gets out: it holds
//! the address.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use super::clean;
use super::lookup::LookupError;

/// Why there was no connection, no answer or only half of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    NameNotFound,
    /// No name server answered.
    NoNameServer,
    /// Nothing listens on the port.
    Refused,
    NoRoute,
    ConnectTimedOut,
    /// The connection was closed while it was being made.
    Reset,
    /// This process, or this machine, has no file descriptor left.
    TooManyFiles,
    /// Other requests to this host have just failed, so it was not asked.
    HostDown,

    /// 407: the proxy of the environment wants a login.
    ProxyAuth407,
    /// The proxy of the environment made no connection.
    Proxy,

    /// What answers does not speak TLS.
    NotTls,
    /// Only versions or ciphers that are no longer safe.
    OldTls,
    /// Neither a cipher nor a kind of key that is safe: CBC alone, RSA without a key
    /// exchange, P-521 in TLS 1.2. What it offers instead, where that was probed.
    NothingInCommon {
        detail: Option<String>,
    },
    /// The handshake failed for another reason than the certificate.
    TlsHandshake {
        detail: String,
    },

    SelfSigned,
    UnknownIssuer,
    Expired,
    NotYetValid,
    WrongName,
    Revoked,
    /// The handshake was signed with another key than the certificate's.
    KeyNotProven,
    /// The certificate, or its key, is of a kind that cannot be checked.
    BadCertificate {
        detail: String,
    },

    TimedOut,
    /// The connection ended after the request and before the answer.
    NoAnswer,
    /// The connection ended in the middle of the answer.
    CutOff,
    /// What answers does not speak HTTP.
    NotHttp,
    Other {
        detail: String,
    },
}

/// What a certificate verifier of podcal's own finds, wrapped in
/// [`CertificateError::Other`] so that it can be told apart here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// The certificate vouches for itself and no authority does.
    #[error("self-signed")]
    SelfSigned,
    /// An RSA key below 2048 bits and the padding that goes with TLS 1.3; with that
    /// of TLS 1.2 it can be checked.
    #[error("its RSA key is too short for TLS 1.3")]
    ShortRsaWithPss,
    /// A kind of certificate or key that cannot be checked, in words.
    #[error("{0}")]
    Unsupported(String),
}

impl CertificateFault {
    /// The fault in an error of a verifier of podcal's own.
    #[must_use]
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                other.0.downcast_ref()
            }
            _ => None,
        }
    }
}

/// As a verifier returns it.
impl From<CertificateFault> for rustls::Error {
    fn from(fault: CertificateFault) -> Self {
        let other = rustls::OtherError(std::sync::Arc::new(fault));
        CertificateError::Other(other).into()
    }
}

/// Whether a request, with what secrets it carried, may have left this machine:
/// not where there was no connection, or no peer that had proven who it is.
#[must_use]
pub fn was_sent(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_builder()
}

impl Cause {
    /// The cause of an error of the HTTP client.
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Self {
        let connecting = error.is_connect();
        if let Some(cause) = tls_in(error) {
            return cause;
        }
        if error.is_timeout() {
            return if connecting {
                Self::ConnectTimedOut
            } else {
                Self::TimedOut
            };
        }
        if error.is_builder() {
            let detail = "the request could not be built".to_owned();
            return Self::Other { detail };
        }
        if error.is_body() || error.is_decode() {
            return Self::CutOff;
        }
        match Self::in_chain(error) {
            // After the request the same errors mean that the answer was lost.
            Some(Self::Reset) if !connecting => Self::NoAnswer,
            Some(cause) => cause,
            None if connecting => Self::unknown(),
            None => Self::NoAnswer,
        }
    }

    /// The cause of an error while a connection is made by hand.
    #[must_use]
    pub fn of_connecting(error: &io::Error) -> Self {
        tls_in(error)
            .or_else(|| Self::in_chain(error))
            .unwrap_or_else(Self::unknown)
    }

    /// The cause of an error of TLS.
    #[must_use]
    pub fn of_tls(error: &rustls::Error) -> Self {
        use rustls::Error;
        let handshake = |detail: &str| Self::TlsHandshake {
            detail: detail.to_owned(),
        };
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::InvalidMessage(_) => Self::NotTls,
            Error::NoCertificatesPresented => handshake("it showed no certificate"),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::NoCipherSuitesInCommon
                | PeerIncompatible::ExtendedMasterSecretExtensionRequired
                | PeerIncompatible::NoKxGroupsInCommon,
            )
            | Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::OldTls,
            Error::PeerIncompatible(_) => Self::NothingInCommon { detail: None },
            Error::AlertReceived(
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
            ) => Self::NothingInCommon { detail: None },
            Error::AlertReceived(
                AlertDescription::CertificateRequired | AlertDescription::AccessDenied,
            ) => handshake("it wants a certificate of the client"),
            Error::AlertReceived(AlertDescription::UnrecognisedName) => {
                handshake("it does not know the name that it was asked for")
            }
            Error::AlertReceived(alert) => handshake(&format!("it sent the alert {alert:?}")),
            error => handshake(&clean::line(&error.to_string(), 120)),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        use CertificateError as Error;
        let bad = |detail: &str| Self::BadCertificate {
            detail: detail.to_owned(),
        };
        match error {
            Error::Expired | Error::ExpiredContext { .. } => Self::Expired,
            Error::NotValidYet | Error::NotValidYetContext { .. } => Self::NotYetValid,
            Error::NotValidForName | Error::NotValidForNameContext { .. } => Self::WrongName,
            Error::UnknownIssuer => Self::UnknownIssuer,
            Error::Revoked => Self::Revoked,
            Error::BadSignature => Self::KeyNotProven,
            Error::BadEncoding => bad("it is malformed, or of an old version of X.509"),
            Error::UnsupportedSignatureAlgorithmContext { .. }
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                bad("it is signed by an algorithm that is outdated or not supported")
            }
            Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => {
                bad("it is not made for servers")
            }
            Error::Other(other) => match other.0.downcast_ref::<CertificateFault>() {
                Some(CertificateFault::SelfSigned) => Self::SelfSigned,
                Some(fault) => bad(&fault.to_string()),
                // webpki's, whose type is not ours to name: the certificate says of
                // itself that it is an authority, as self-signed ones do.
                None if other.to_string().contains("CaUsedAsEndEntity") => Self::SelfSigned,
                None => bad(&clean::line(&other.to_string(), 80)),
            },
            other => bad(&clean::line(&format!("{other:?}"), 80)),
        }
    }

    fn in_chain(error: &(dyn StdError + 'static)) -> Option<Self> {
        find(error, |error| {
            if let Some(lookup) = error.downcast_ref::<LookupError>() {
                return Some(Self::of_lookup(*lookup));
            }
            if let Some(http) = error.downcast_ref::<hyper::Error>() {
                return Self::of_http(http);
            }
            error.downcast_ref::<io::Error>().and_then(Self::of_io)
        })
        // Only where nothing in the chain has a type that says it.
        .or_else(|| find(error, by_words))
    }

    /// The cause of a look-up that failed.
    #[must_use]
    pub fn of_lookup(error: LookupError) -> Self {
        match error {
            LookupError::NotFound => Self::NameNotFound,
            LookupError::NoAnswer => Self::NoNameServer,
        }
    }

    fn of_http(error: &hyper::Error) -> Option<Self> {
        if error.is_parse() {
            Some(Self::NotHttp)
        } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            Some(Self::NoAnswer)
        } else {
            None
        }
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        use io::ErrorKind as Kind;
        if is_lookup(error) {
            return Some(Self::of_lookup(LookupError::of(error)));
        }
        Some(match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::AddrNotAvailable => Self::NoRoute,
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected
            | Kind::UnexpectedEof => Self::Reset,
            Kind::TimedOut => Self::ConnectTimedOut,
            _ if is_out_of_files(error) => Self::TooManyFiles,
            // An outer error that says less than what it wraps.
            Kind::Other | Kind::InvalidData => return None,
            kind => Self::Other {
                detail: kind.to_string(),
            },
        })
    }

    fn unknown() -> Self {
        Self::Other {
            detail: "the connection failed".to_owned(),
        }
    }

    /// Whether the certificate was the reason.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        matches!(
            self,
            Self::SelfSigned
                | Self::UnknownIssuer
                | Self::Expired
                | Self::NotYetValid
                | Self::WrongName
                | Self::Revoked
                | Self::KeyNotProven
                | Self::BadCertificate { .. }
        )
    }

    /// Whether TLS was the reason, the certificate included.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_certificate()
            || matches!(
                self,
                Self::NotTls
                    | Self::OldTls
                    | Self::NothingInCommon { .. }
                    | Self::TlsHandshake { .. }
            )
    }

    /// Whether the same request may succeed later with nothing changed here.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        !self.is_tls() && !matches!(self, Self::NotHttp | Self::ProxyAuth407)
    }

    /// What an administrator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NameNotFound => "check the spelling of the host",
            Self::NoNameServer => "check the name servers of this machine (`/etc/resolv.conf`)",
            Self::Refused => "check the port, the firewall and whether the server is running",
            Self::NoRoute => "check the network of this machine and its route to the host",
            Self::ConnectTimedOut => {
                "check that the host is switched on and that no firewall drops the connection"
            }
            Self::TimedOut => "the host is slow or overloaded; podcal tries again",
            Self::Reset | Self::NoAnswer | Self::CutOff | Self::Other { .. } => {
                "podcal tries again; if it keeps failing, check the network between here and the host"
            }
            Self::TooManyFiles => "raise the limit of open files (`ulimit -n`, `LimitNOFILE`)",
            Self::HostDown => "podcal tries again; check whether the host is running",
            Self::ProxyAuth407 => {
                "put the proxy's user name and password into HTTPS_PROXY, or name the host in NO_PROXY"
            }
            Self::Proxy => "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
            Self::NotTls => "check the port, and whether the address should begin with http",
            Self::OldTls => {
                "update the server: podcal needs TLS 1.2 or 1.3 with AES-GCM or ChaCha20"
            }
            Self::NothingInCommon { .. } => {
                "update the server, or its certificate: podcal needs ECDHE with AES-GCM or ChaCha20, and a key of RSA, P-256, P-384 or Ed25519"
            }
            Self::TlsHandshake { .. } => "check the port, and the TLS settings of the server",
            Self::SelfSigned | Self::UnknownIssuer => {
                "the certificate must be signed by an authority that this machine knows (package `ca-certificates`)"
            }
            Self::Expired => "renew the server's certificate; check the clock of this machine",
            Self::NotYetValid => "check the clock of this machine",
            Self::WrongName => "use the name in the certificate as the address",
            Self::Revoked | Self::BadCertificate { .. } => {
                "install another certificate on the server"
            }
            Self::KeyNotProven => {
                "another host may be showing the server's certificate; check what answers at this address"
            }
            Self::NotHttp => "check the port, and whether the address should begin with https",
        }
    }
}

/// The end of a sentence such as "cannot reach calendar.example.com: …".
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameNotFound => "its name was not found",
            Self::NoNameServer => "the name servers did not answer",
            Self::Refused => "it refused the connection",
            Self::NoRoute => "there is no route to it",
            Self::ConnectTimedOut => "no connection was made in time",
            Self::Reset => "it closed the connection before it was established",
            Self::TooManyFiles => "too many files are open",
            Self::HostDown => "other requests to it have just failed",
            Self::ProxyAuth407 => "the proxy requires a login (407)",
            Self::Proxy => "the proxy did not make the connection",
            Self::NotTls => "what answers does not speak TLS",
            Self::NothingInCommon {
                detail: Some(detail),
            } => {
                return write!(f, "the TLS handshake failed: {detail}");
            }
            Self::NothingInCommon { detail: None } => {
                "the TLS handshake failed: it has no safe cipher or kind of key in common with podcal"
            }
            Self::OldTls => "it offers only outdated TLS versions or ciphers",
            Self::TlsHandshake { detail } => {
                return write!(f, "the TLS handshake failed: {detail}");
            }
            Self::SelfSigned => "its certificate is self-signed",
            Self::UnknownIssuer => "its certificate is signed by an unknown authority",
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::WrongName => "its certificate is for another name or address",
            Self::Revoked => "its certificate was revoked",
            Self::KeyNotProven => "it has not proven to hold the key of its certificate",
            Self::BadCertificate { detail } => {
                return write!(f, "its certificate cannot be used: {detail}");
            }
            Self::TimedOut => "it did not answer in time",
            Self::NoAnswer => "it closed the connection without an answer",
            Self::CutOff => "its answer broke off",
            Self::NotHttp => "what answers does not speak HTTP",
            Self::Other { detail } => detail,
        })
    }
}

/// What only the text of an error says.
fn by_words(error: &(dyn StdError + 'static)) -> Option<Cause> {
    let words = error.to_string();
    // hyper-util's `TunnelError`, and what reqwest puts around it.
    if words.contains("proxy authorization required") {
        Some(Cause::ProxyAuth407)
    } else if words.contains("tunnel") || words.contains("proxy") || words.contains("socks") {
        Some(Cause::Proxy)
    } else if words.contains("dns error") {
        Some(Cause::NameNotFound)
    } else {
        None
    }
}

/// The standard library's error of a look-up has neither a kind nor a code.
fn is_lookup(error: &io::Error) -> bool {
    error.to_string().contains("failed to lookup address")
}

/// `EMFILE` and `ENFILE`, which have no kind of their own.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

fn tls_in(error: &(dyn StdError + 'static)) -> Option<Cause> {
    find(error, |error| {
        error.downcast_ref::<rustls::Error>().map(Cause::of_tls)
    })
}

/// The innermost of an error and its causes for which `wanted` gives something.
///
/// The innermost, because outer errors say less; `io::Error` hides the error that
/// it wraps from `source`, so it is opened here.
fn find<T>(
    error: &(dyn StdError + 'static),
    wanted: impl Fn(&(dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut found = None;
    let mut next = Some(error);
    // Errors are not deep; one that is its own cause ends here.
    for _ in 0..32 {
        let Some(error) = next else { break };
        found = wanted(error).or(found);
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn StdError + 'static));
        next = inner.or_else(|| error.source());
    }
    found
}

#[cfg(test)]
mod tests;
