//! One question to a calendar server and its answer: signing in, redirects by
//! hand, limits on time and size. Everything that HTTP needs and no more: what a
//! status or a body means is left to `http` and `caldav`.

use std::error::Error as _;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;

use super::auth::{Session, Tried};
use super::body::{self, BodyFault};
use super::error::{Cause, LoginUsed, Measure, PullError, PullErrorKind, RedirectProblem, Status};
use super::network::{Network, locked};
use crate::model::feed_url::FeedUrl;
use crate::model::time::UnixTime;

/// More than any honest chain of redirects; browsers allow twenty.
const MAX_REDIRECTS: usize = 5;

/// An answer without a calendar is looked at for a DAV error, no further.
const ERROR_BODY: usize = 64 * 1024;

#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// For one question with all its redirects, to the last byte.
    pub timeout: Duration,
    /// In bytes, as sent and as inflated.
    pub size: u64,
}

#[derive(Clone)]
pub(super) struct Question {
    pub method: Method,
    pub url: FeedUrl,
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where the answer came from in the end.
    pub url: FeedUrl,
    /// Whole for a success, the start of it otherwise.
    pub body: Bytes,
    pub sent: u64,
    pub gzip: bool,
    /// How podcal had signed in.
    pub login: LoginUsed,
}

/// How the server of one feed is asked.
pub(super) struct Settings {
    pub network: Network,
    pub session: Session,
    pub limits: Limits,
    pub user_agent: HeaderValue,
}

/// One pull: asks questions on behalf of one feed, and notes what is to be
/// reported whatever comes of them.
pub(super) struct Exchange<'a> {
    settings: &'a Settings,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    server_date: Option<UnixTime>,
    secret_sent: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            noted: Mutex::default(),
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.settings.session
    }

    pub(super) fn limits(&self) -> Limits {
        self.settings.limits
    }

    /// The `Date` of the last answer.
    pub(super) fn server_date(&self) -> Option<UnixTime> {
        locked(&self.noted).server_date
    }

    /// The error, with what was noted on the way to it.
    pub(super) fn noted(&self, error: PullError) -> PullError {
        let noted = locked(&self.noted);
        error.seen(noted.server_date, noted.secret_sent)
    }

    fn note(&self, question: &Question, answered: &Result<Answer, PullError>) {
        let mut noted = locked(&self.noted);
        let connected = match answered {
            Ok(answer) => {
                noted.server_date = server_date(&answer.headers).or(noted.server_date);
                true
            }
            Err(error) => !matches!(
                &error.kind,
                PullErrorKind::NoClient(_)
                    | PullErrorKind::Unreachable(
                        Cause::NameUnknown
                            | Cause::ConnectionRefused
                            | Cause::NoRoute
                            | Cause::Tls(_)
                            | Cause::HostIsDown
                    )
            ),
        };
        noted.secret_sent |= connected && question.headers.contains_key(AUTHORIZATION);
    }

    /// Asks until there is an answer that is neither a redirect nor a refusal
    /// that another way to sign in could change.
    pub(super) async fn ask(&self, question: &Question) -> Result<Answer, PullError> {
        let mut question = question.clone();
        let headers = &mut question.headers;
        headers.insert(USER_AGENT, self.settings.user_agent.clone());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let limits = self.settings.limits;
        let mut budget = limits.timeout;
        let mut redirects = 0;
        let mut tried = Tried::default();
        loop {
            self.sign(&mut question, &mut tried).await?;
            let answered = once(&self.settings.network, &question, limits, &mut budget).await;
            self.note(&question, &answered);
            let mut answer = answered?;
            let status = answer.status.as_u16();
            if matches!(status, 401 | 403 | 404)
                && self
                    .session()
                    .try_again(status, &answer.headers, &mut tried)
            {
                continue;
            }
            match redirect(&question, &answer)? {
                Some(_) if redirects == MAX_REDIRECTS => {
                    return Err(
                        PullErrorKind::Redirect(RedirectProblem::TooMany).at(question.url.host())
                    );
                }
                Some(target) => {
                    redirects += 1;
                    question.url = target;
                    tried = Tried::default();
                }
                None => {
                    answer.login = self.session().used(&tried);
                    return Ok(answer);
                }
            }
        }
    }

    async fn sign(&self, question: &mut Question, tried: &mut Tried) -> Result<(), PullError> {
        let authorization = self
            .session()
            .authorization(
                &question.method,
                &question.url,
                tried,
                &self.settings.network,
            )
            .await
            .inspect_err(|error| {
                locked(&self.noted).secret_sent |= error.secret_was_sent();
            })?;
        match authorization {
            Some(value) => question.headers.insert(AUTHORIZATION, value),
            None => question.headers.remove(AUTHORIZATION),
        };
        Ok(())
    }
}

/// Sends one request and reads its answer, within what is left of the time.
pub(super) async fn once(
    network: &Network,
    question: &Question,
    limits: Limits,
    budget: &mut Duration,
) -> Result<Answer, PullError> {
    // Waiting for a place is not the server's slowness.
    let place = network.place(&question.url).await?;
    let began = Instant::now();
    let answered = tokio::time::timeout(*budget, send(network, question, limits.size)).await;
    *budget = budget.saturating_sub(began.elapsed());
    match answered {
        Ok(result) => {
            match &result {
                Err(error) if matches!(error.kind, PullErrorKind::Unreachable(_)) => place.failed(),
                Ok(answer) if matches!(answer.status.as_u16(), 429 | 503) => place.overloaded(),
                _ => place.answered(),
            }
            result
        }
        Err(_) => {
            place.timed_out();
            Err(PullErrorKind::TimedOut(limits.timeout).at(question.url.host()))
        }
    }
}

async fn send(network: &Network, question: &Question, limit: u64) -> Result<Answer, PullError> {
    let host = question.url.host();
    let mut request = network
        .client(&question.url)?
        .request(question.method.clone(), question.url.reveal().clone())
        .headers(question.headers.clone());
    if !question.body.is_empty() {
        request = request.body(question.body.clone());
    }
    let mut response = request
        .send()
        .await
        .map_err(|error| PullErrorKind::Unreachable(cause(&error)).at(host.clone()))?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut answer = Answer {
        status,
        url: question.url.clone(),
        body: Bytes::new(),
        sent: 0,
        gzip: false,
        login: LoginUsed::None,
        headers: headers.clone(),
    };
    *response.headers_mut() = headers;
    if status.is_success() {
        let body = body::read(response, limit)
            .await
            .map_err(|fault| body_error(host, fault, limit))?;
        (answer.body, answer.sent, answer.gzip) = (body.bytes, body.sent, body.gzip);
    } else if !status.is_redirection() {
        answer.body = body::read_start(response, ERROR_BODY).await;
    }
    Ok(answer)
}

fn body_error(host: String, fault: BodyFault, limit: u64) -> PullError {
    match fault {
        BodyFault::TooLargeAsSent => PullErrorKind::TooLarge {
            measure: Measure::Sent,
            limit,
        }
        .at(host),
        BodyFault::TooLargeInflated => PullErrorKind::TooLarge {
            measure: Measure::Inflated,
            limit,
        }
        .at(host),
        BodyFault::CutOff { received } => PullErrorKind::CutOff { received }.at(host),
        BodyFault::BadEncoding(encoding) => PullErrorKind::UnknownEncoding(encoding).at(host),
        BodyFault::BadGzip => PullErrorKind::DamagedCompression.at(host),
    }
}

/// Where a redirect leads, if the answer is one that may be followed with the
/// same method and body (a 303 to anything but a GET may not).
fn redirect(question: &Question, answer: &Answer) -> Result<Option<FeedUrl>, PullError> {
    let followed = match answer.status.as_u16() {
        301 | 302 | 307 | 308 => true,
        303 => question.method == Method::GET,
        _ => false,
    };
    if !followed {
        return Ok(None);
    }
    let fault = |fault| PullErrorKind::Redirect(fault).at(question.url.host());
    let target = answer
        .headers
        .get(LOCATION)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
        .and_then(|text| question.url.reveal().join(text.trim()).ok())
        .and_then(FeedUrl::from_url)
        .ok_or_else(|| fault(RedirectProblem::Nowhere))?;
    if question.url.is_encrypted() && !target.is_encrypted() {
        return Err(fault(RedirectProblem::ToPlainHttp { to: target.host() }));
    }
    // `/owa/auth/errorfe.aspx` is where Outlook sends clients that it does not know.
    if target
        .reveal()
        .path()
        .to_ascii_lowercase()
        .contains("/errorfe.aspx")
    {
        return Err(PullErrorKind::ClientRefused.at(question.url.host()));
    }
    Ok(Some(target))
}

/// The error that a status stands for, where it brings nothing.
pub(super) fn status_error(answer: &Answer, now: impl Fn() -> i64) -> PullError {
    let host = answer.url.host();
    let status = Status(answer.status.as_u16());
    let retry_after = || retry_after(&answer.headers, now());
    match status.0 {
        401 | 403 | 407 => PullErrorKind::LoginRejected {
            status,
            login: answer.login,
        }
        .at(host),
        404 | 410 => PullErrorKind::NotFound(status).at(host),
        304 => PullErrorKind::NotModifiedUnasked.at(host),
        429 => PullErrorKind::TooManyRequests {
            retry_after: retry_after(),
        }
        .at(host),
        500.. => PullErrorKind::ServerError {
            status,
            retry_after: retry_after(),
        }
        .at(host),
        _ => PullErrorKind::UnexpectedStatus(status).at(host),
    }
}

/// `Retry-After` in both its forms, seconds and a date; at most a day, so that
/// nobody can silence a room for longer.
pub(super) fn retry_after(headers: &HeaderMap, now: i64) -> Option<Duration> {
    const DAY: u64 = 86_400;
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?;
            u64::try_from(at.timestamp().as_second() - now).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds.min(DAY)))
}

/// The `Date` of an answer.
fn server_date(headers: &HeaderMap) -> Option<UnixTime> {
    let text = headers.get(DATE)?.to_str().ok()?.trim();
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(UnixTime::from_seconds(date.timestamp().as_second()))
}

/// The reason in words, from the chain of errors: reqwest's own text would tell
/// the address.
fn cause(error: &reqwest::Error) -> Cause {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Cause::Tls(tls_words(tls));
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && let Some(cause) = io_cause(io)
        {
            return cause;
        }
        let words = error.to_string();
        if words.contains("dns error") || words.contains("failed to lookup") {
            return Cause::NameUnknown;
        }
        if words.contains("tunnel") || words.contains("proxy") {
            return Cause::Proxy;
        }
        if words.contains("invalid HTTP") || words.contains("message head is too large") {
            return Cause::NotHttp;
        }
        if words.contains("before message completed") {
            return Cause::ConnectionLost;
        }
        source = error.source();
    }
    if error.is_timeout() {
        return Cause::Other("no connection within ten seconds".to_owned());
    }
    Cause::Other("the request failed".to_owned())
}

fn io_cause(error: &std::io::Error) -> Option<Cause> {
    use std::io::ErrorKind;
    // An io error passes over the one it wraps when it is asked for its source.
    if let Some(inner) = error.get_ref() {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some(Cause::Tls(tls_words(tls)));
        }
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return io_cause(io);
        }
    }
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => Cause::ConnectionRefused,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Cause::ConnectionLost,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Cause::NoRoute,
        ErrorKind::TimedOut => Cause::Other("no connection in time".to_owned()),
        ErrorKind::Other | ErrorKind::InvalidData => return None,
        other => Cause::Other(other.to_string()),
    })
}

fn tls_words(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    let words = match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; is the clock right"
            }
            CertificateError::UnknownIssuer => "its certificate is signed by nobody known here",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            CertificateError::Revoked => "its certificate was revoked",
            CertificateError::BadSignature => "its certificate has a bad signature",
            _ => "its certificate is not valid",
        },
        Error::InvalidMessage(_) => "it does not speak TLS",
        Error::AlertReceived(_) => "it ended the TLS handshake",
        Error::PeerIncompatible(_) => "it speaks no TLS version or cipher that podcal does",
        _ => "the TLS handshake failed",
    };
    words.to_owned()
}
