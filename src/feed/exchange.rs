//! One pull's conversation with a calendar server: signing in, redirects by hand,
//! cookies. Everything that HTTP needs and no more: what a status or a body means
//! is left to `http` and `caldav`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::Method;
use hyper::header::{
    ACCEPT_ENCODING, AGE, AUTHORIZATION, COOKIE, DATE, HeaderMap, HeaderValue, LOCATION,
    RETRY_AFTER, USER_AGENT,
};

use super::auth::{Attempts, Session};
use super::cookies::Cookies;
use super::error::{PullError, PullErrorKind, RedirectProblem, Status};
use super::load::{Load, Weight};
use super::network::{Network, locked};
use super::place::{Reach, is_written_private};
use super::transport::{Limits, Request, Response, Wire};
use crate::config::TlsTrust;
use crate::model::feed_url::FeedUrl;
use crate::model::time::UnixTime;
use crate::net::retry_after;

/// More than any honest chain of redirects; browsers allow twenty.
const MAX_REDIRECTS: usize = 5;

/// A full comparison at least once in this time: validators, tokens and CTags are
/// promises that not every server keeps.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How the server of one feed is asked.
pub(super) struct Settings {
    pub network: Network,
    pub session: Session,
    pub limits: Limits,
    pub user_agent: HeaderValue,
    pub tls: TlsTrust,
    /// As configured.
    pub url: FeedUrl,
    pub memory: Mutex<Memory>,
}

/// What one feed knows of its CalDAV calendar from one pull to the next, and does not keep
/// beyond the process.
#[derive(Default)]
pub(super) struct Memory {
    /// The calendar that discovery found.
    pub calendar: Option<FeedUrl>,
    /// The last pull found none where one was: what is there next may be another one.
    pub was_gone: bool,
}

/// One pull: sends requests on behalf of one feed, and notes what is to be
/// reported whatever comes of them.
pub(super) struct Exchange<'a> {
    settings: &'a Settings,
    pub now: UnixTime,
    wire: Wire,
    cookies: Mutex<Cookies>,
    server_date: Mutex<Option<UnixTime>>,
    token_request_sent: AtomicBool,
    /// The configured host has a private address itself, so it may name others.
    is_inside: AtomicBool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(settings: &'a Settings, now: UnixTime) -> Self {
        Self {
            settings,
            now,
            wire: Wire::new(&settings.network, &settings.tls, &settings.url),
            cookies: Mutex::default(),
            server_date: Mutex::default(),
            token_request_sent: AtomicBool::new(false),
            is_inside: AtomicBool::new(is_written_private(&settings.url)),
        }
    }

    /// As a part of a pull that holds other things as well.
    pub(super) fn with_load(mut self, load: &Arc<Load>) -> Self {
        self.wire.set_load(load);
        self
    }

    /// Nothing yet, of what the pull holds in memory.
    pub(super) fn weight(&self) -> Weight {
        self.wire.weight()
    }

    pub(super) fn session(&self) -> &Session {
        &self.settings.session
    }

    pub(super) fn network(&self) -> &Network {
        self.wire.network()
    }

    pub(super) fn limits(&self) -> Limits {
        self.settings.limits
    }

    /// The `Date` of the last answer.
    pub(super) fn server_date(&self) -> Option<UnixTime> {
        *locked(&self.server_date)
    }

    /// The time by the server's clock, where it told.
    pub(super) fn server_now(&self) -> UnixTime {
        self.server_date().unwrap_or(self.now)
    }

    /// The error, with what was noted on the way to it.
    pub(super) fn noted(&self, error: PullError) -> PullError {
        let sent = self.wire.secret_was_sent() || self.token_request_sent.load(Ordering::Relaxed);
        error.seen(self.server_date(), sent)
    }

    /// Also when the clock was set back: then the time in between is unknown.
    pub(super) fn is_a_day_ago(&self, then: i64) -> bool {
        let then = UnixTime::from_seconds(then);
        self.now.since(then) >= DAY || self.now < then
    }

    pub(super) fn memory(&self) -> MutexGuard<'a, Memory> {
        locked(&self.settings.memory)
    }

    pub(super) fn is_inside(&self) -> bool {
        self.is_inside.load(Ordering::Relaxed)
    }

    /// An earlier pull found the configured host inside.
    pub(super) fn set_inside(&self) {
        self.is_inside.store(true, Ordering::Relaxed);
    }

    /// Sends the request until there is an answer that is neither a redirect nor a
    /// rejection that another way to sign in could change.
    pub(super) async fn ask(&self, request: &Request) -> Result<Response, PullError> {
        let mut request = request.clone();
        let headers = &mut request.headers;
        headers.insert(USER_AGENT, self.settings.user_agent.clone());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let limits = self.settings.limits;
        let mut budget = limits.timeout;
        let mut reach = self.reach(&request.url, self.is_inside());
        let mut redirects = 0;
        let mut attempts = Attempts::default();
        loop {
            self.sign(&mut request, &mut attempts).await?;
            let mut response = self.wire.send(&request, limits, reach, &mut budget).await?;
            self.note(&response);
            let status = response.status.as_u16();
            if matches!(status, 401 | 403 | 404)
                && self
                    .session()
                    .try_again(status, &response.headers, &mut attempts, self.network())
                    .await
            {
                continue;
            }
            match redirect(&request, &response)? {
                Some(_) if redirects == MAX_REDIRECTS => {
                    let kind = PullErrorKind::Redirect(RedirectProblem::TooMany);
                    return Err(kind.at(request.url.host()));
                }
                Some(target) => {
                    redirects += 1;
                    reach = self.reach(&target, response.is_private);
                    request.url = target;
                    attempts = Attempts::default();
                }
                None => {
                    response.login = self.session().used(&attempts);
                    return Ok(response);
                }
            }
        }
    }

    /// Private addresses are for the configured host and for those that a server
    /// inside names.
    fn reach(&self, url: &FeedUrl, named_inside: bool) -> Reach {
        let home = &self.settings.url;
        let is_home = url.reveal().host() == home.reveal().host();
        if is_home || named_inside {
            Reach::Anywhere
        } else {
            Reach::PublicOnly
        }
    }

    fn note(&self, response: &Response) {
        if let Some(date) = server_date(&response.headers) {
            *locked(&self.server_date) = Some(date);
        }
        if response.is_private && response.url.host() == self.settings.url.host() {
            self.set_inside();
        }
        locked(&self.cookies).take(&response.url, &response.headers);
    }

    async fn sign(&self, request: &mut Request, attempts: &mut Attempts) -> Result<(), PullError> {
        let authorization = self
            .session()
            .authorization(
                &request.method,
                &request.url,
                attempts,
                self.network(),
                self.now,
            )
            .await
            .inspect_err(|error| {
                self.token_request_sent
                    .fetch_or(error.secret_was_sent(), Ordering::Relaxed);
            })?;
        request.has_secret = authorization.is_some();
        let cookies = locked(&self.cookies).header(&request.url);
        for (name, value) in [(AUTHORIZATION, authorization), (COOKIE, cookies)] {
            match value {
                Some(value) => request.headers.insert(name, value),
                None => request.headers.remove(name),
            };
        }
        Ok(())
    }
}

/// Where a redirect leads, if the answer is one that may be followed with the
/// same method and body (a 303 to anything but a GET may not).
fn redirect(request: &Request, response: &Response) -> Result<Option<FeedUrl>, PullError> {
    let followed = match response.status.as_u16() {
        301 | 302 | 307 | 308 => true,
        303 => request.method == Method::GET,
        _ => false,
    };
    if !followed {
        return Ok(None);
    }
    let problem = |problem| PullErrorKind::Redirect(problem).at(request.url.host());
    let target = response
        .headers
        .get(LOCATION)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
        .and_then(|text| request.url.join(text.trim()))
        .ok_or_else(|| problem(RedirectProblem::Nowhere))?;
    if request.url.is_encrypted() && !target.is_encrypted() {
        return Err(problem(RedirectProblem::ToPlainHttp { to: target.host() }));
    }
    // `/owa/auth/errorfe.aspx` is where Outlook sends clients that it does not know.
    let path = target.reveal().path().to_ascii_lowercase();
    if path.contains("/errorfe.aspx") {
        return Err(PullErrorKind::ClientRefused.at(request.url.host()));
    }
    Ok(Some(target))
}

/// The error that a status stands for, where it brings nothing.
pub(super) fn status_error(response: &Response, now: UnixTime) -> PullError {
    let status = Status(response.status.as_u16());
    // A wrong clock here must not lengthen a wait until a date.
    let now = server_date(&response.headers).unwrap_or(now);
    let retry_after = response
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| retry_after::parse(value.to_str().ok()?, now));
    let kind = match status.0 {
        401 | 403 => PullErrorKind::LoginRejected {
            status,
            login: response.login,
        },
        404 | 410 => PullErrorKind::NotFound(status),
        304 => PullErrorKind::NotModifiedUnasked,
        429 => PullErrorKind::TooManyRequests { retry_after },
        500.. => PullErrorKind::ServerError {
            status,
            retry_after,
        },
        _ => PullErrorKind::UnexpectedStatus(status),
    };
    kind.at(response.url.host())
}

/// The `Date` of an answer. A cache hands out what a server said hours or days ago, with
/// the date of then, and says how old it is (RFC 9111 section 5.1).
pub(super) fn server_date(headers: &HeaderMap) -> Option<UnixTime> {
    let text = |name| headers.get(name)?.to_str().ok();
    let date = retry_after::http_date(text(DATE)?)?;
    let age = text(AGE).and_then(|age| age.trim().parse().ok());
    Some(date.plus(Duration::from_secs(age.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_a_cached_answer_is_made_younger_by_its_age() {
        let date = |age: &'static str| {
            let mut headers = HeaderMap::new();
            let date = HeaderValue::from_static("Tue, 02 Mar 2027 10:00:00 GMT");
            headers.insert(DATE, date);
            headers.insert(AGE, HeaderValue::from_static(age));
            server_date(&headers).unwrap().to_string()
        };
        assert_eq!(date("172800"), "2027-03-04T10:00:00Z");
        assert_eq!(date("old"), "2027-03-02T10:00:00Z");
        assert_eq!(server_date(&HeaderMap::new()), None);
    }
}
