//! The kinds of error: what is said of each, what to do about it, and whether
//! waiting may help.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::detail::{
    FileProblem, LoginUsed, Measure, Names, RedirectProblem, Rejection, Status, XmlProblem,
};
use crate::net::authorities::AuthoritiesError;
use crate::net::transport::Cause;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullErrorKind {
    /// 401 or 403, or a DAV error that says so in a body with another status.
    LoginRejected {
        status: Status,
        login: LoginUsed,
    },
    /// The token endpoint of OAuth 2.0, which is the host here, gave no access token.
    NoAccessToken(TokenProblem),
    /// 404 or 410.
    NotFound(Status),
    /// 429.
    TooManyRequests {
        retry_after: Option<Duration>,
    },
    /// Any 5xx.
    ServerError {
        status: Status,
        retry_after: Option<Duration>,
    },
    /// Any other status that brings no calendar.
    UnexpectedStatus(Status),
    /// 304 to a request that had no condition.
    NotModifiedUnasked,
    TooLarge {
        measure: Measure,
        limit: u64,
    },
    TimedOut(Duration),
    Unreachable(Cause),
    CutOff {
        received: u64,
    },
    Redirect(RedirectProblem),
    /// Outlook sends clients that it does not know to an error page.
    ClientRefused,
    UnknownEncoding(String),
    DamagedCompression,
    /// What came in place of a calendar, such as "an HTML page".
    NotACalendar {
        looks_like: &'static str,
    },
    /// A value of the configuration cannot stand in a request.
    BadSetting(&'static str),
    /// The authorities to check the server with could not be read.
    NoAuthorities(AuthoritiesError),

    File {
        path: PathBuf,
        problem: FileProblem,
    },

    /// What it answered.
    NotDav(String),
    NoCalendar,
    SeveralCalendars(Names),
    NoSuchCalendar {
        wanted: String,
        names: Names,
    },
    BadXml(XmlProblem),
    /// More of something than any calendar has.
    TooMany {
        what: &'static str,
        limit: usize,
    },
    /// The addresses in its answers lack the beginning that a proxy adds to them.
    ProxyPath,
    /// Nothing of what was listed could be had.
    Incomplete {
        missing: usize,
    },
}

/// Why the token endpoint of OAuth 2.0 gave no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// The `error` of RFC 6749 section 5.2, checked to be a plain word, and the
    /// pause that was asked for.
    Denied {
        word: String,
        retry_after: Option<Duration>,
    },
    Status {
        status: Status,
        retry_after: Option<Duration>,
    },
    /// 200, but without `access_token`.
    Unreadable,
    /// The request itself failed.
    NotReached(Box<PullErrorKind>),
}

impl TokenProblem {
    fn write(&self, host: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { word, .. } => {
                let means = match word.as_str() {
                    "invalid_grant" => ", the refresh token is not valid or was revoked",
                    "invalid_client" => ", the client id or client secret is wrong",
                    "unauthorized_client" => ", this client may not use refresh tokens",
                    "slow_down" => ", it is asked too often",
                    _ => "",
                };
                write!(f, "it answered `{word}`{means}")
            }
            Self::Status { status, .. } => write!(f, "it answered {status}"),
            Self::Unreadable => f.write_str("its answer contains none"),
            Self::NotReached(kind) => kind.write(host, f),
        }
    }
}

impl PullErrorKind {
    pub(super) fn write(&self, host: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginRejected { status, login } => {
                write!(f, "the feed at {host} answered {status}: {login}")
            }
            Self::NoAccessToken(problem) => {
                write!(
                    f,
                    "no access token from the OAuth 2.0 token endpoint at {host}: "
                )?;
                problem.write(host, f)
            }
            Self::NotFound(status) | Self::UnexpectedStatus(status) => {
                write!(f, "the feed at {host} answered {status}")
            }
            Self::TooManyRequests { .. } => write!(
                f,
                "the feed at {host} answered {}: it is asked too often",
                Status(429)
            ),
            Self::ServerError { status, .. } => write!(f, "the feed at {host} answered {status}"),
            Self::NotModifiedUnasked => write!(
                f,
                "the feed at {host} answered {}, although the request had no condition",
                Status(304)
            ),
            Self::TooLarge { measure, limit } => {
                write!(f, "the feed at {host} {measure} more than {limit} bytes")
            }
            Self::TimedOut(timeout) => write!(
                f,
                "the feed at {host} did not finish its answer within {timeout:?}"
            ),
            Self::Unreachable(cause) => write!(f, "cannot reach the feed at {host}: {cause}"),
            Self::CutOff { received } => write!(
                f,
                "the answer of the feed at {host} ended early, after {received} bytes"
            ),
            Self::Redirect(problem) => write!(f, "the feed at {host} {problem}"),
            Self::ClientRefused => {
                write!(f, "the feed at {host} redirected podcal to its error page")
            }
            Self::UnknownEncoding(encoding) => write!(
                f,
                "the feed at {host} used the unknown content encoding `{encoding}`"
            ),
            Self::DamagedCompression => {
                write!(f, "the feed at {host} sent compressed data that is damaged")
            }
            Self::NotACalendar { looks_like } => {
                write!(
                    f,
                    "the feed at {host} sent {looks_like} instead of a calendar"
                )
            }
            Self::BadSetting(setting) => write!(
                f,
                "`{setting}` of the feed at {host} contains characters that a request cannot carry"
            ),
            Self::NoAuthorities(error) => write!(
                f,
                "there are no certificate authorities to check {host} with: {error}"
            ),
            Self::File { path, problem } => {
                write!(f, "cannot read the file `{}`: {problem}", path.display())
            }
            Self::NotDav(answer) => {
                write!(f, "{host} is not a CalDAV server: it answered {answer}")
            }
            Self::NoCalendar => write!(f, "no calendar was found at {host}"),
            Self::SeveralCalendars(names) => {
                write!(f, "{} calendars were found at {host}: {names}", names.count)
            }
            Self::NoSuchCalendar { wanted, names } => write!(
                f,
                "no calendar at {host} has the name `{wanted}`; found: {names}"
            ),
            Self::BadXml(problem) => {
                write!(f, "cannot read the CalDAV answer of {host}: {problem}")
            }
            Self::TooMany { what, limit } => {
                write!(f, "the calendar at {host} has more than {limit} {what}")
            }
            Self::ProxyPath => write!(
                f,
                "the CalDAV answers of {host} name addresses without the beginning of the configured path"
            ),
            Self::Incomplete { missing } => {
                let events = if *missing == 1 { "event" } else { "events" };
                write!(
                    f,
                    "the calendar at {host} lists {missing} {events}, but none could be read"
                )
            }
        }
    }

    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::LoginRejected { .. } | Self::NoAccessToken(_) => "auth",
            Self::NotFound(_) => "gone",
            Self::TooManyRequests { .. } => "too_often",
            Self::ServerError { .. } => "server_error",
            Self::UnexpectedStatus(_) | Self::NotModifiedUnasked => "status",
            Self::TooLarge { .. } | Self::TooMany { .. } => "too_large",
            Self::TimedOut(_) => "timeout",
            Self::Unreachable(cause) if cause.is_tls() => "tls",
            Self::Unreachable(_) => "unreachable",
            Self::CutOff { .. } => "cut_off",
            Self::Redirect(_) => "redirect",
            Self::ClientRefused => "client_refused",
            Self::UnknownEncoding(_) | Self::DamagedCompression => "encoding",
            Self::NotACalendar { .. } => "not_a_calendar",
            Self::BadSetting(_) | Self::NoAuthorities(_) => "setup",
            Self::File { .. } => "file",
            Self::NotDav(_) => "not_dav",
            Self::NoCalendar | Self::SeveralCalendars(_) | Self::NoSuchCalendar { .. } => {
                "no_calendar"
            }
            Self::BadXml(_) => "bad_xml",
            Self::ProxyPath => "proxy_path",
            Self::Incomplete { .. } => "incomplete",
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after } | Self::ServerError { retry_after, .. } => {
                *retry_after
            }
            Self::NoAccessToken(
                TokenProblem::Denied { retry_after, .. } | TokenProblem::Status { retry_after, .. },
            ) => *retry_after,
            Self::NoAccessToken(TokenProblem::NotReached(error)) => error.retry_after(),
            _ => None,
        }
    }

    pub(super) fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::LoginRejected {
                status,
                login: LoginUsed::Sent(_),
            } => match status.0 {
                403 => Some(Rejection::Forbidden),
                407 => None,
                _ => Some(Rejection::Unauthorized),
            },
            Self::NoAccessToken(TokenProblem::Denied { word, .. }) => {
                let rejected = ["invalid_grant", "invalid_client", "unauthorized_client"];
                rejected
                    .contains(&word.as_str())
                    .then_some(Rejection::Unauthorized)
            }
            _ => None,
        }
    }

    pub(super) fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::LoginRejected { login, .. } => match login {
                LoginUsed::None => "the private address may have been reset, or it needs a `username` and `password`; correct the feed, then run `podcal check --connect`",
                LoginUsed::Sent(_) => "correct `username` and `password` (many services require an app password), then run `podcal check --connect`",
                LoginUsed::KeptBack => "write the address that the redirect leads to into the configuration",
                LoginUsed::NoCommonScheme => "podcal supports Basic, Digest, Bearer tokens and OAuth 2.0; ask for an app password or a public address",
            },
            Self::NoAccessToken(problem) => match problem {
                TokenProblem::Denied { word, .. } => match word.as_str() {
                    "invalid_client" => "correct `oauth2.client_id` and `oauth2.client_secret`, then run `podcal check --connect`",
                    "slow_down" | "temporarily_unavailable" | "server_error" => "podcal tries again by itself",
                    _ => "grant access again and put the new refresh token into `oauth2`, then run `podcal check --connect`",
                },
                TokenProblem::NotReached(error) => return error.hint(),
                TokenProblem::Status { .. } | TokenProblem::Unreadable => "check `oauth2.token_url`",
            },
            Self::NotFound(_) => "the address is wrong or no longer valid; copy it from the calendar again",
            Self::TooManyRequests { .. } => "lengthen `schedule.sync`; podcal waits as long as the server asks",
            Self::ServerError { .. } => "the server has a problem; if it lasts for days, open the address in a browser",
            Self::UnexpectedStatus(_) => "open the address in a browser; it should download a calendar",
            Self::NotModifiedUnasked => "a cache in front of the calendar is broken; podcal tries again by itself",
            Self::TooLarge { measure: Measure::Memory, .. } => "raise `limits.memory` to at least four times the size of the calendar, or let the calendar's owner remove old events",
            Self::TooLarge { .. } => "publish a shorter period, or raise `http.max_feed_size`",
            Self::TooMany { .. } => "give the room a calendar of its own, or remove old events from this one",
            Self::TimedOut(_) => "if the server is always this slow, raise `http.timeout`",
            Self::Unreachable(Cause::SelfSigned) => "set `tls = { sha256 = \"...\" }` of this feed to its fingerprint, or `tls = { ca_file = \"...\" }` to a file with its certificate",
            Self::Unreachable(Cause::UnknownIssuer) => "set `tls = { ca_file = \"...\" }` of this feed to the certificate of that authority, or install it on this machine (package `ca-certificates`)",
            Self::Unreachable(cause) => cause.hint(),
            Self::CutOff { .. } => "podcal tries again by itself; if it keeps happening, the server or a proxy in front of it is broken",
            Self::Redirect(problem) => match problem {
                RedirectProblem::ToPlainHttp { .. } => "podcal does not leave an encrypted connection; if http is intended, write the http address into the configuration",
                RedirectProblem::ToPrivate { .. } => "if that is intended, write the address that it leads to into the configuration",
                RedirectProblem::TooMany | RedirectProblem::Nowhere => "the address may need a login in a browser; use the one for calendar programs",
            },
            Self::ClientRefused => "this service refuses programs that it does not know; set `user_agent` of this feed to that of a browser",
            Self::UnknownEncoding(_) | Self::DamagedCompression => "the server or a proxy in front of it is broken; turn compression off there",
            Self::NotACalendar { .. } => "the address may need a login, or have expired; open it in a private browser window: it should download a calendar",
            Self::BadSetting(_) => "remove line breaks and control characters from it",
            Self::NoAuthorities(error) => error.hint(),
            Self::File { problem, .. } => match problem {
                FileProblem::Missing | FileProblem::NotAFile => "name a file that exists; relative paths start at the configuration file",
                FileProblem::NotAllowed => "let the user that podcal runs as read it",
                FileProblem::TooLarge { .. } => "raise `http.max_feed_size`",
                FileProblem::Changing => "write it under another name and rename it, so that it is never read half-written",
                FileProblem::Other(_) => "check the disk",
            },
            Self::NotDav(_) => "give the address that the server's own pages show for CalDAV clients; one that downloads a calendar belongs to the key `ics`",
            Self::NoCalendar => "give the calendar's own address, and check that this user may read it",
            Self::SeveralCalendars(_) => "choose one: add `calendar = \"its name\"` to this feed, or give its own address; `podcal check --connect` lists them",
            Self::NoSuchCalendar { .. } => "correct the key `calendar` of this feed; `podcal check --connect` lists the names",
            Self::BadXml(_) => "a proxy or a login page may stand between; `podcal check --connect` says what answers",
            Self::ProxyPath => "tell the CalDAV server behind the proxy the path under which it is reached (Radicale: `X-Script-Name`, others: base URL)",
            Self::Incomplete { .. } => "podcal tries again by itself; if it keeps happening, the calendar is damaged on the server",
        }
        .into()
    }

    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::TooManyRequests { .. }
            | Self::ServerError { .. }
            | Self::NotModifiedUnasked
            | Self::TimedOut(_)
            | Self::CutOff { .. }
            | Self::DamagedCompression
            | Self::Incomplete { .. }
            // A login page or half a document may be a captive network, gone in an hour.
            | Self::NotACalendar { .. }
            | Self::BadXml(_) => true,
            Self::Unreachable(cause) => cause.is_passing(),
            Self::NoAccessToken(problem) => match problem {
                TokenProblem::Denied { word, .. } => matches!(
                    word.as_str(),
                    "slow_down" | "temporarily_unavailable" | "server_error"
                ),
                TokenProblem::Unreadable => false,
                TokenProblem::Status { status, .. } => status.0 >= 500 || status.0 == 429,
                TokenProblem::NotReached(error) => error.is_passing(),
            },
            Self::File { problem, .. } => {
                matches!(problem, FileProblem::Missing | FileProblem::Changing)
            }
            // The server's own time-out, or a connection it did not like.
            Self::UnexpectedStatus(status) => matches!(status.0, 408 | 412 | 421 | 423 | 425),
            Self::LoginRejected { .. }
            | Self::NotFound(_)
            | Self::TooLarge { .. }
            | Self::Redirect(_)
            | Self::ClientRefused
            | Self::UnknownEncoding(_)
            | Self::BadSetting(_)
            | Self::NoAuthorities(_)
            | Self::NotDav(_)
            | Self::NoCalendar
            | Self::SeveralCalendars(_)
            | Self::NoSuchCalendar { .. }
            | Self::TooMany { .. }
            | Self::ProxyPath => false,
        }
    }
}
