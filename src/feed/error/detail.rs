//! The particulars of an error, each with its words.

use std::fmt;

/// A status code with its usual words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = hyper::StatusCode::from_u16(self.0)
            .ok()
            .and_then(|status| status.canonical_reason());
        match words {
            Some(words) => write!(f, "{} {words}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// How podcal had signed in when it was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginUsed {
    /// The configuration has none.
    None,
    /// The password or token was sent, by this scheme.
    Sent(&'static str),
    /// There is one, but a redirect led to a host that it is not for.
    KeptBack,
    /// There is one, but the server asks for a scheme that podcal does not support.
    NoCommonScheme,
}

impl fmt::Display for LoginUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("this feed has no login"),
            Self::Sent(scheme) => write!(f, "it does not accept the login ({scheme})"),
            Self::KeptBack => f.write_str("a redirect led here, and the login is for another host"),
            Self::NoCommonScheme => {
                f.write_str("it requires a sign-in method that podcal does not support")
            }
        }
    }
}

/// How a server rejected the login of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The account's secret was rejected: 401, or OAuth 2.0 `invalid_grant` and
    /// `invalid_client`. It is wrong for every feed of the account.
    Unauthorized,
    /// 403: the secret may be good, but not for this feed.
    Forbidden,
}

/// Which of the sizes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// As it came over the wire.
    Sent,
    /// After compression was undone.
    Inflated,
    /// A whole CalDAV calendar, all its events together.
    Held,
    /// What `limits.memory` allows to be read.
    Memory,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Inflated => "sent compressed data that expands to",
            Self::Held => "has events that together take",
            Self::Memory => "needs memory beyond `limits.memory`: its answers have",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectProblem {
    TooMany,
    /// From https to http; the host it would have led to.
    ToPlainHttp {
        to: String,
    },
    /// From outside to a private address.
    ToPrivate {
        to: String,
    },
    /// No `Location`, or none that is an http(s) address.
    Nowhere,
}

impl fmt::Display for RedirectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => f.write_str("redirected more than five times"),
            Self::ToPlainHttp { to } => write!(f, "redirected from https to http, at {to}"),
            Self::ToPrivate { to } => {
                write!(f, "led to {to}, which has a private address, from outside")
            }
            Self::Nowhere => f.write_str("redirected without a usable target address"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileProblem {
    Missing,
    NotAllowed,
    NotAFile,
    TooLarge { limit: u64 },
    Changing,
    Other(std::io::ErrorKind),
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it does not exist"),
            Self::NotAllowed => f.write_str("permission denied"),
            Self::NotAFile => f.write_str("it is not a regular file"),
            Self::TooLarge { limit } => write!(f, "it has more than {limit} bytes"),
            Self::Changing => f.write_str("it was being written at this moment"),
            Self::Other(kind) => write!(f, "{kind}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlProblem {
    NotWellFormed,
    /// A DOCTYPE or an entity of its own: never in CalDAV, always in attacks.
    Entities,
    TooDeep,
    NotUtf8,
    /// More of something than any server sends.
    TooMuch {
        what: &'static str,
        limit: usize,
    },
    /// Well-formed, but not the document that was asked for.
    Unexpected,
}

impl fmt::Display for XmlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotWellFormed => "not well-formed XML",
            Self::Entities => "XML with a document type or entities of its own",
            Self::TooDeep => "XML nested too deeply",
            Self::NotUtf8 => "XML that is not valid UTF-8",
            Self::TooMuch { what, limit } => return write!(f, "more than {limit} {what}"),
            Self::Unexpected => "not the document that was asked for",
        })
    }
}

/// Display names of calendars: the first ones, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// As many as fit into a message.
    pub first: Vec<String>,
    pub count: usize,
}

impl Names {
    /// As many as fit into a message.
    const KEPT: usize = 12;

    pub(in crate::feed) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut first = Vec::new();
        let mut count = 0;
        for name in names {
            if count < Self::KEPT {
                first.push(name.to_owned());
            }
            count += 1;
        }
        Self { first, count }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.first.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
