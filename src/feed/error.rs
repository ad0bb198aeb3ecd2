//! What can go wrong with a feed: what was seen, at which host, and what to do.
//!
//! Errors are plain text and numbers, so that several rooms that share one
//! address can be given the same answer. No address beyond its host, no login
//! and no text of an answer ever gets in here.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::Fault;

/// Why a pull brought nothing. What the ledger holds stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// 401, 403 or 407, or a DAV error that says so in a body with another status.
    #[error("the feed at {host} answered {status}: {login}")]
    Refused {
        host: String,
        status: Status,
        login: LoginUsed,
    },
    /// The token endpoint of OAuth 2.0 did not give an access token.
    #[error("the OAuth 2.0 token address at {host} gave no access token: {reason}")]
    NoAccessToken { host: String, reason: TokenFault },
    /// 404 or 410.
    #[error("the feed at {host} answered {status}")]
    Gone { host: String, status: Status },
    /// 429.
    #[error("the feed at {host} answered {status}: it is asked too often")]
    TooOften {
        host: String,
        status: Status,
        retry_after: Option<Duration>,
    },
    /// Any 5xx.
    #[error("the feed at {host} answered {status}")]
    ServerError {
        host: String,
        status: Status,
        retry_after: Option<Duration>,
    },
    /// Any other status that brings no calendar.
    #[error("the feed at {host} answered {status}")]
    UnexpectedStatus { host: String, status: Status },
    #[error("the feed at {host} {measure} more than {limit} bytes")]
    TooLarge {
        host: String,
        measure: Measure,
        limit: u64,
    },
    #[error("the feed at {host} did not finish its answer within {timeout:?}")]
    TooSlow { host: String, timeout: Duration },
    #[error("cannot reach the feed at {host}: {cause}")]
    Unreachable { host: String, cause: Cause },
    #[error("the feed at {host} cut its answer off after {received} bytes")]
    CutOff { host: String, received: u64 },
    #[error("the feed at {host} {fault}")]
    Redirect { host: String, fault: RedirectFault },
    /// Outlook sends clients that it does not know to an error page.
    #[error("the feed at {host} redirected podcal to its error page")]
    ClientRefused { host: String },
    #[error("the feed at {host} used the content encoding `{encoding}`, which was not asked for")]
    BadEncoding { host: String, encoding: String },
    #[error("the feed at {host} sent gzip data that is damaged")]
    BadGzip { host: String },
    #[error("the feed at {host} answered {looks_like} in place of a calendar")]
    NotACalendar {
        host: String,
        /// Such as "an HTML page".
        looks_like: &'static str,
    },
    /// A value of the configuration cannot stand in a request.
    #[error("the {setting} of the feed at {host} holds characters that a request cannot carry")]
    BadSetting { host: String, setting: &'static str },
    /// The part of podcal that speaks HTTP could not be made.
    #[error("cannot prepare requests to {host}: {reason}")]
    NoClient { host: String, reason: String },

    #[error("cannot read the file `{}`: {reason}", path.display())]
    File { path: PathBuf, reason: FileFault },

    #[error("{host} is no CalDAV server: it answered {answer}")]
    NotDav { host: String, answer: String },
    #[error("no calendar was found at {host}")]
    NoCalendar { host: String },
    #[error("{} calendars were found at {host}: {}", names.len(), Names(names))]
    SeveralCalendars { host: String, names: Vec<String> },
    #[error(
        "no calendar at {host} has the name `{wanted}`; there is {}",
        Names(names)
    )]
    NoSuchCalendar {
        host: String,
        wanted: String,
        names: Vec<String>,
    },
    #[error("the CalDAV answer of {host} is not readable: {reason}")]
    BadXml { host: String, reason: XmlFault },
    #[error("the calendar at {host} holds more than {limit} resources")]
    TooManyItems { host: String, limit: usize },
    #[error("the calendar at {host} listed {missing} events that it then did not hand out")]
    Incomplete { host: String, missing: usize },
}

/// A status code with its usual words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = reqwest::StatusCode::from_u16(self.0)
            .ok()
            .and_then(|status| status.canonical_reason());
        match words {
            Some(words) => write!(f, "{} {words}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// How podcal had signed in when it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginUsed {
    /// The configuration has none.
    None,
    /// The password or token was sent, by this scheme.
    Sent(&'static str),
    /// There is one, but a redirect led to a host that it is not for.
    KeptBack,
    /// There is one, but the server asks for a scheme that podcal does not speak.
    NoCommonScheme,
}

impl fmt::Display for LoginUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("podcal sent no login"),
            Self::Sent(scheme) => write!(f, "it does not accept the login ({scheme})"),
            Self::KeptBack => f.write_str("a redirect led here, and the login is for another host"),
            Self::NoCommonScheme => {
                f.write_str("it asks for a way to sign in that podcal does not know")
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Refused for good: the `error` of RFC 6749 section 5.2, checked to be a plain word.
    Denied(String),
    Status(Status),
    /// 200, but without `access_token`.
    Unreadable,
    /// The request itself failed.
    NotReached(Box<PullError>),
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(word) => write!(f, "`{word}`"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Unreadable => f.write_str("its answer holds none"),
            Self::NotReached(error) => write!(f, "{error}"),
        }
    }
}

/// Which of the two sizes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// As it came over the wire.
    Sent,
    /// After gzip was undone.
    Inflated,
    /// A whole CalDAV calendar, all its events together.
    Held,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Inflated => "sent gzip data that inflates to",
            Self::Held => "has events of together",
        })
    }
}

/// Why no answer came at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    NameUnknown,
    ConnectionRefused,
    ConnectionLost,
    NoRoute,
    /// What is wrong with the certificate or the handshake, in words.
    Tls(String),
    /// The proxy of the environment refused.
    Proxy,
    /// Other requests to this host failed one after the other while this one waited.
    HostIsDown,
    /// The answer is not HTTP.
    NotHttp,
    /// The kind of error that the operating system gave.
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameUnknown => f.write_str("its name cannot be resolved"),
            Self::ConnectionRefused => f.write_str("the connection was refused"),
            Self::ConnectionLost => f.write_str("the connection was lost"),
            Self::NoRoute => f.write_str("there is no route to it"),
            Self::Tls(words) => write!(f, "no safe connection ({words})"),
            Self::Proxy => f.write_str("the proxy did not let podcal through"),
            Self::HostIsDown => f.write_str("other requests to it have just failed"),
            Self::NotHttp => f.write_str("its answer is not HTTP"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectFault {
    TooMany,
    /// From https to http; the host it would have led to.
    ToPlainHttp {
        to: String,
    },
    /// No `Location`, or none that is an http(s) address.
    Nowhere,
    /// A login would have had to go to a host that it is not for.
    ToAnotherHost {
        to: String,
    },
}

impl fmt::Display for RedirectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => f.write_str("redirected more than five times"),
            Self::ToPlainHttp { to } => write!(f, "redirected from https to http, at {to}"),
            Self::Nowhere => f.write_str("redirected without saying where to"),
            Self::ToAnotherHost { to } => {
                write!(f, "redirected to another host, {to}, with a login")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    Missing,
    NotAllowed,
    NotAFile,
    TooLarge { limit: u64 },
    Changing,
    Other(std::io::ErrorKind),
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is none"),
            Self::NotAllowed => f.write_str("permission denied"),
            Self::NotAFile => f.write_str("it is not a regular file"),
            Self::TooLarge { limit } => write!(f, "it has more than {limit} bytes"),
            Self::Changing => f.write_str("it was being written at this moment"),
            Self::Other(kind) => write!(f, "{kind}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlFault {
    NotWellFormed,
    /// A DOCTYPE or an entity of its own: never in CalDAV, always in attacks.
    Entities,
    TooDeep,
    NotUtf8,
    /// Well-formed, but not the document that was asked for.
    Unexpected,
}

impl fmt::Display for XmlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotWellFormed => "not well-formed XML",
            Self::Entities => "XML with a document type or entities of its own",
            Self::TooDeep => "XML nested too deeply",
            Self::NotUtf8 => "XML in a character set other than UTF-8",
            Self::Unexpected => "not the document that was asked for",
        })
    }
}

/// Display names for people, in backticks; a long list is cut.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 12;
        for (at, name) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl PullError {
    /// A short, stable word for logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } | Self::NoAccessToken { .. } => "auth",
            Self::Gone { .. } => "gone",
            Self::TooOften { .. } => "too_often",
            Self::ServerError { .. } => "server_error",
            Self::UnexpectedStatus { .. } => "status",
            Self::TooLarge { .. } | Self::TooManyItems { .. } => "too_large",
            Self::TooSlow { .. } => "timeout",
            Self::Unreachable {
                cause: Cause::Tls(_),
                ..
            } => "tls",
            Self::Unreachable { .. } => "unreachable",
            Self::CutOff { .. } => "cut_off",
            Self::Redirect { .. } => "redirect",
            Self::ClientRefused { .. } => "client_refused",
            Self::BadEncoding { .. } | Self::BadGzip { .. } => "encoding",
            Self::NotACalendar { .. } => "not_a_calendar",
            Self::BadSetting { .. } | Self::NoClient { .. } => "setup",
            Self::File { .. } => "file",
            Self::NotDav { .. } => "not_dav",
            Self::NoCalendar { .. }
            | Self::SeveralCalendars { .. }
            | Self::NoSuchCalendar { .. } => "no_calendar",
            Self::BadXml { .. } => "bad_xml",
            Self::Incomplete { .. } => "incomplete",
        }
    }

    /// How long the server asked to be left alone (`Retry-After` of a 429 or 503),
    /// at most a day.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooOften { retry_after, .. } | Self::ServerError { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// Whether the login was at fault; asking again soon could lock the account.
    #[must_use]
    pub fn is_login(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::NoAccessToken { reason, .. } => matches!(reason, TokenFault::Denied(_)),
            _ => false,
        }
    }
}

impl Fault for PullError {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Refused { login, .. } => match login {
                LoginUsed::None => "the private address may have been reset, or it needs a `username` and `password`; correct the feed, then run `podcal check --connect`".into(),
                LoginUsed::Sent(_) => "correct `username` and `password` (many services want an app password), then run `podcal check --connect`".into(),
                LoginUsed::KeptBack => "write the address that the redirect leads to into the configuration".into(),
                LoginUsed::NoCommonScheme => "podcal speaks Basic, Digest, Bearer tokens and OAuth 2.0; ask for an app password or a public address".into(),
            },
            Self::NoAccessToken { reason, .. } => match reason {
                TokenFault::Denied(_) => "grant access again and put the new refresh token into `oauth2`, then run `podcal check --connect`".into(),
                TokenFault::NotReached(error) => error.hint(),
                TokenFault::Status(_) | TokenFault::Unreadable => "check `oauth2.token_url`".into(),
            },
            Self::Gone { .. } => "the address is not (or no longer) right; copy it anew from the calendar".into(),
            Self::TooOften { .. } => "lengthen `schedule.sync`; podcal waits as long as the server asks".into(),
            Self::ServerError { .. } => "the fault is at the server; if it lasts for days, try the address in a browser".into(),
            Self::UnexpectedStatus { .. } => "try the address in a browser; it should download a calendar".into(),
            Self::TooLarge { .. } => "publish a shorter period, or raise `http.max_feed_size`".into(),
            Self::TooManyItems { .. } => "give the room a calendar of its own, or remove old events from this one".into(),
            Self::TooSlow { .. } => "if the server is always so slow, raise `http.timeout`".into(),
            Self::Unreachable { cause, .. } => match cause {
                Cause::NameUnknown => "check the spelling of the host, and the name servers of this machine".into(),
                Cause::Tls(_) => "the certificate must be valid for this host and known to this machine (package `ca-certificates`)".into(),
                Cause::Proxy => "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY".into(),
                Cause::NotHttp => "check the port and whether the address should begin with https".into(),
                Cause::ConnectionRefused | Cause::NoRoute => "check the port, the firewall and whether the server runs".into(),
                Cause::ConnectionLost | Cause::HostIsDown | Cause::Other(_) => "podcal tries again by itself; if it stays so, check the network between here and there".into(),
            },
            Self::CutOff { .. } => "podcal tries again by itself; if it stays so, the server or a proxy before it is broken".into(),
            Self::Redirect { fault, .. } => match fault {
                RedirectFault::ToPlainHttp { .. } => "podcal does not leave an encrypted connection; write the http address into the configuration if that is meant".into(),
                RedirectFault::ToAnotherHost { .. } => "write the address that it leads to into the configuration".into(),
                RedirectFault::TooMany | RedirectFault::Nowhere => "the address may need a login in a browser; use the one for calendar programs".into(),
            },
            Self::ClientRefused { .. } => "this service refuses programs that it does not know; set `user_agent` of this feed to that of a browser".into(),
            Self::BadEncoding { .. } | Self::BadGzip { .. } => "the server or a proxy before it is broken; ask for the calendar without compression there".into(),
            Self::NotACalendar { .. } => "the address may need a login, or have expired; open it in a private browser window: it should download a calendar".into(),
            Self::BadSetting { .. } => "remove line breaks and control characters from it".into(),
            Self::NoClient { .. } => "install the package `ca-certificates`".into(),
            Self::File { reason, .. } => match reason {
                FileFault::Missing | FileFault::NotAFile => "name a file that exists; relative paths start at the configuration file".into(),
                FileFault::NotAllowed => "let the user that podcal runs as read it".into(),
                FileFault::TooLarge { .. } => "raise `http.max_feed_size`".into(),
                FileFault::Changing => "write it under another name and rename it, so that nobody sees half of it".into(),
                FileFault::Other(_) => "check the disk".into(),
            },
            Self::NotDav { .. } => "give the address that the server's own pages show for CalDAV clients; one that downloads a calendar belongs to the key `ics`".into(),
            Self::NoCalendar { .. } => "give the calendar's own address, and check that this user may read it".into(),
            Self::SeveralCalendars { .. } => "choose one: add `calendar = \"its name\"` to this feed, or its own address; `podcal check --connect` lists them".into(),
            Self::NoSuchCalendar { .. } => "correct the key `calendar` of this feed; `podcal check --connect` lists what there is".into(),
            Self::BadXml { .. } => "a proxy or a login page may stand between; `podcal check --connect` says what answers".into(),
            Self::Incomplete { .. } => "podcal tries again by itself; if it stays so, the calendar is damaged at the server".into(),
        }
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::TooOften { .. }
            | Self::ServerError { .. }
            | Self::TooSlow { .. }
            | Self::CutOff { .. }
            | Self::BadGzip { .. }
            | Self::Incomplete { .. }
            // A login page or half a document may be a captive network, gone in an hour.
            | Self::NotACalendar { .. }
            | Self::BadXml { .. } => true,
            Self::Unreachable { cause, .. } => !matches!(cause, Cause::Tls(_) | Cause::NotHttp),
            Self::NoAccessToken { reason, .. } => match reason {
                TokenFault::Denied(_) | TokenFault::Unreadable => false,
                TokenFault::Status(status) => status.0 >= 500 || status.0 == 429,
                TokenFault::NotReached(error) => error.is_passing(),
            },
            Self::File { reason, .. } => matches!(reason, FileFault::Missing | FileFault::Changing),
            // The server's own time-out, or a connection it did not like.
            Self::UnexpectedStatus { status, .. } => matches!(status.0, 408 | 421 | 423 | 425),
            Self::Refused { .. }
            | Self::Gone { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::ClientRefused { .. }
            | Self::BadEncoding { .. }
            | Self::BadSetting { .. }
            | Self::NoClient { .. }
            | Self::NotDav { .. }
            | Self::NoCalendar { .. }
            | Self::SeveralCalendars { .. }
            | Self::NoSuchCalendar { .. }
            | Self::TooManyItems { .. } => false,
        }
    }
}
