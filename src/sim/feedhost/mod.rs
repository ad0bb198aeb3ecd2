//! A calendar server beside the simulated pods: serves ICS files over HTTP or HTTPS with validators, gzip, sign-in and
//! redirects, and goes wrong on demand in the ways in which real ones do.
//!
//! Files are set by the test or the command; reading them from disk is left to the caller.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::{Extension, Router};
use bytes::Bytes;
use ring::digest;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::answer::http_date;
use super::certificate::{Certificate, server_config};
use super::fault::Faults;
use super::options::Clock;
use super::secret::{derive, hex};
use super::server::{Cut, Server, Site};
use super::traffic::Traffic;
use crate::model::time::UnixTime;

/// How many requests are kept, and how many times of each count.
const MAX_REQUESTS: usize = 100_000;
const REMEMBERED: usize = 1000;

mod auth;
mod body;
mod fault;

pub use auth::SignIn;
pub use fault::{FeedFault, WORDS, parse_fault};

use fault::{HostFault, normal};

/// Serves the feeds over HTTPS, with a self-signed certificate that follows from the seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedTls {
    pub seed: u64,
}

/// A running calendar server. Stops when it is dropped.
pub struct FeedHost {
    host: Arc<Host>,
    address: SocketAddr,
    server: Server,
}

/// A request that the server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSeen {
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// `None` when the connection was closed or left hanging.
    pub status: Option<u16>,
    /// The scheme of `Authorization`, such as `Basic`; its value is not kept.
    pub authorization: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<String>,
    pub accept_encoding: Option<String>,
    pub user_agent: Option<String>,
}

impl FeedHost {
    /// Serves on `listener` until [`FeedHost::stop`] or drop. Needs a tokio runtime with IO and time.
    ///
    /// # Errors
    /// When the listener has no address or the certificate cannot be made.
    pub fn start(listener: TcpListener, tls: Option<FeedTls>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let tls = tls
            .map(|tls| Tls::new(tls.seed, address.ip()))
            .transpose()?;
        let host = Arc::new(Host {
            tls,
            state: Mutex::default(),
            traffic: Arc::new(Traffic::new(REMEMBERED)),
            changes: watch::Sender::new(0),
        });
        let server = Server::start(listener, Arc::clone(&host) as Arc<dyn Site>);
        Ok(Self {
            host,
            address,
            server,
        })
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `path`, such as `http://127.0.0.1:41234/oak.ics`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.host.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!(
            "{scheme}://{}/{}",
            self.address,
            path.trim_start_matches('/')
        )
    }

    /// The certificate in PEM; empty over plain HTTP.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.host
            .tls
            .as_ref()
            .map(|tls| tls.certificate.pem().to_owned())
            .unwrap_or_default()
    }

    /// Puts a file at `path`; its `ETag` follows from the content, and `Last-Modified` moves on with each call.
    pub fn set(&self, path: &str, body: impl Into<Bytes>) {
        let body = body.into();
        self.host.change(|state| {
            state.sets += 1;
            let file = File {
                etag: etag(&body),
                modified: modified(state.sets),
                body,
            };
            state.files.insert(normal(path), file);
        });
    }

    pub fn remove(&self, path: &str) {
        self.host.change(|state| state.files.remove(&normal(path)));
    }

    /// What is served at `path` now.
    #[must_use]
    pub fn body(&self, path: &str) -> Option<Bytes> {
        self.host
            .lock()
            .files
            .get(&normal(path))
            .map(|file| file.body.clone())
    }

    /// Asks for this name and password from now on, at every path.
    pub fn require(&self, sign_in: SignIn) {
        self.host.change(|state| state.sign_in = Some(sign_in));
    }

    /// Asks for no name and password from now on.
    pub fn require_nothing(&self) {
        self.host.change(|state| state.sign_in = None);
    }

    /// Adds a fault. Of faults that exclude each other the first that fits a request is shown.
    pub fn fault(&self, fault: FeedFault) {
        self.host.change(|state| state.faults.add(fault));
    }

    pub fn clear_faults(&self) {
        self.host.change(|state| state.faults.clear());
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<FeedSeen> {
        self.host.lock().seen.clone()
    }

    pub fn forget_requests(&self) {
        self.host.change(|state| state.seen.clear());
    }

    /// Counts of requests and sign-ins.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.host.traffic
    }

    /// The paths of the files that are served.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.host.lock().files.keys().cloned().collect()
    }

    /// Resolves as soon as `holds` is true, which is asked again after each request and each change.
    pub async fn wait_for(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changes = self.host.changes.subscribe();
        while !holds(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

struct Host {
    tls: Option<Tls>,
    traffic: Arc<Traffic>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

struct Tls {
    certificate: Arc<Certificate>,
    config: Arc<rustls::ServerConfig>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    sets: i64,
    sign_in: Option<SignIn>,
    faults: Faults<HostFault>,
    /// How many answers had an entity tag of their own.
    etags: u64,
    seen: Vec<FeedSeen>,
}

#[derive(Clone)]
struct File {
    body: Bytes,
    etag: String,
    modified: String,
}

impl Tls {
    fn new(seed: u64, address: IpAddr) -> io::Result<Self> {
        let key = derive(&[0; 32], &["feed host", &seed.to_string()]);
        let address = if address.is_unspecified() {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            address
        };
        let certificate = Arc::new(Certificate::derive(key, "calendar server", address)?);
        let config = server_config(Arc::clone(&certificate), false)?;
        Ok(Self {
            certificate,
            config,
        })
    }
}

impl Host {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        changed
    }

    async fn serve(self: Arc<Self>, request: Request, cut: Cut) -> Response<Body> {
        let method = request.method().as_str();
        let path = normal(request.uri().path());
        let _in_flight = self.traffic.begin(method, request.uri().path());
        let (faults, sign_in) = {
            let mut state = self.lock();
            let faults = state
                .faults
                .take(method, &path, |fault| Some(fault.group()));
            (Shown(faults), state.sign_in.clone())
        };
        let presented = request.headers().contains_key(header::AUTHORIZATION);
        let challenge = sign_in.filter(|sign_in| {
            let admits = sign_in.admits(&request);
            if presented {
                self.traffic.sign_in(admits);
            }
            !admits
        });
        if let Some(by) = faults.find(|fault| match fault {
            HostFault::Delay(by) => Some(*by),
            _ => None,
        }) {
            tokio::time::sleep(by).await;
        }
        let response = if faults.has(&HostFault::Hang) || faults.has(&HostFault::Refuse) {
            None
        } else {
            let response = respond(&mut self.lock(), &request, &faults, challenge.as_ref());
            Some(faults.deliver(response, request.method(), &cut).await)
        };
        let status = response.as_ref().map(|response| response.status().as_u16());
        self.change(|state| {
            if state.seen.len() >= MAX_REQUESTS {
                state.seen.drain(..MAX_REQUESTS / 10);
            }
            state.seen.push(seen(&request, status));
        });
        match response {
            Some(response) => response,
            None if faults.has(&HostFault::Refuse) => cut.now().await,
            None => std::future::pending().await,
        }
    }
}

impl Site for Host {
    fn tls(&self) -> io::Result<Option<Arc<rustls::ServerConfig>>> {
        Ok(self.tls.as_ref().map(|tls| Arc::clone(&tls.config)))
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .fallback(|Extension(cut): Extension<Cut>, request: Request| self.serve(request, cut))
    }
}

/// The faults that one request is shown.
struct Shown(Vec<HostFault>);

impl Shown {
    fn has(&self, fault: &HostFault) -> bool {
        self.0.contains(fault)
    }

    fn find<'a, T>(&'a self, pick: impl Fn(&'a HostFault) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(pick)
    }

    /// The response as it is to arrive: its `Date`, and its body late, cut off or in small pieces.
    async fn deliver(
        &self,
        mut response: Response<Body>,
        method: &Method,
        cut: &Cut,
    ) -> Response<Body> {
        if let Some(offset) = self.find(|fault| match fault {
            HostFault::Date(offset) => Some(*offset),
            _ => None,
        }) {
            let now = Clock::system().now().seconds().saturating_add(offset);
            let date = http_date(UnixTime::from_seconds(now));
            insert(response.headers_mut(), header::DATE, &date);
        }
        let is_file = response.headers().contains_key(header::ETAG);
        if !is_file || response.status() != StatusCode::OK || *method == Method::HEAD {
            return response;
        }
        for fault in &self.0 {
            response = match fault {
                HostFault::CutOff => cut.half(response).await,
                HostFault::CutChunked => {
                    let mut half = cut.half(response).await;
                    half.headers_mut().remove(header::CONTENT_LENGTH);
                    half
                }
                HostFault::Drip(size, every) => body::drip(response, *size, *every).await,
                HostFault::Slow(by) => body::late(response, *by).await,
                _ => response,
            };
        }
        response
    }
}

fn respond(
    state: &mut State,
    request: &Request,
    faults: &Shown,
    challenge: Option<&SignIn>,
) -> Response<Body> {
    let early = faults.find(|fault| match fault {
        HostFault::LoginPage => Some(text(StatusCode::OK, "text/html; charset=utf-8", LOGIN_PAGE)),
        HostFault::Empty => Some(text(StatusCode::OK, "text/calendar; charset=utf-8", "")),
        HostFault::NotModified => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            Some(response)
        }
        HostFault::Status(status, retry_after) => Some(failed(*status, *retry_after)),
        HostFault::Redirect(status, to) => Some(redirect(*status, to)),
        HostFault::Oversized(size) => Some(body::oversized(*size)),
        HostFault::GzipBomb(size) => Some(body::gzip_bomb(*size)),
        _ => None,
    });
    if let Some(response) = early {
        return response;
    }
    if let Some(sign_in) = challenge {
        let mut response = text(StatusCode::UNAUTHORIZED, "text/plain", "sign in\n");
        insert(
            response.headers_mut(),
            header::WWW_AUTHENTICATE,
            &sign_in.challenge(),
        );
        return response;
    }
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "GET or HEAD\n",
        );
    }
    let Some(mut file) = state.files.get(&normal(request.uri().path())).cloned() else {
        return text(StatusCode::NOT_FOUND, "text/plain", "not found\n");
    };
    if faults.has(&HostFault::EmptyCalendar) {
        file.body = Bytes::from_static(EMPTY_CALENDAR);
        file.etag = etag(&file.body);
    }
    if faults.has(&HostFault::SameEtag) {
        "same".clone_into(&mut file.etag);
    }
    if faults.has(&HostFault::NewEtag) {
        state.etags += 1;
        file.etag = format!("answer-{}", state.etags);
    }
    serve_file(file, request, faults)
}

fn serve_file(file: File, request: &Request, faults: &Shown) -> Response<Body> {
    let gzip = asks_for_gzip(request.headers()) && !faults.has(&HostFault::NoGzip);
    let etag = if faults.has(&HostFault::WeakEtag) {
        format!("W/\"{}\"", file.etag)
    } else if gzip && faults.has(&HostFault::GzipEtag) {
        // As Apache's mod_deflate has it.
        format!("\"{}-gzip\"", file.etag)
    } else {
        format!("\"{}\"", file.etag)
    };
    let is_unchanged = is_unchanged(&file, request.headers()) && !faults.has(&HostFault::Never304);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    insert(headers, header::ETAG, &etag);
    insert(headers, header::LAST_MODIFIED, &file.modified);
    insert(headers, header::VARY, "Accept-Encoding");
    if is_unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let media = faults.find(|fault| match fault {
        HostFault::ContentType(media) => Some(media.as_str()),
        _ => None,
    });
    insert(
        headers,
        header::CONTENT_TYPE,
        media.unwrap_or("text/calendar; charset=utf-8"),
    );
    let body = if gzip {
        insert(headers, header::CONTENT_ENCODING, "gzip");
        body::compressed(&file.body)
    } else {
        file.body
    };
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    if *request.method() != Method::HEAD {
        *response.body_mut() = Body::from(body);
    }
    response
}

/// The entity tag is asked before the date (RFC 9110 section 13.2.2).
fn is_unchanged(file: &File, headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    match text(header::IF_NONE_MATCH) {
        Some(tags) => tags.split(',').any(|tag| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
            tag == "*" || tag.strip_suffix("-gzip").unwrap_or(tag) == file.etag
        }),
        None => text(header::IF_MODIFIED_SINCE) == Some(file.modified.as_str()),
    }
}

fn asks_for_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
                && parts.next() != Some("q=0")
        })
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn text(status: StatusCode, media: &str, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    insert(response.headers_mut(), header::CONTENT_TYPE, media);
    response
}

fn failed(status: u16, retry_after: Option<u64>) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text(status, "text/plain", "simulated\n");
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn redirect(status: u16, to: &str) -> Response<Body> {
    let mut response = failed(status, None);
    insert(response.headers_mut(), header::LOCATION, to);
    response
}

fn seen(request: &Request, status: Option<u16>) -> FeedSeen {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .map(str::to_owned)
    };
    let scheme = |value: String| value.split(' ').next().unwrap_or_default().to_owned();
    FeedSeen {
        method: request.method().as_str().to_owned(),
        path: request
            .uri()
            .path_and_query()
            .map(|path| path.as_str().to_owned())
            .unwrap_or_default(),
        status,
        authorization: header(header::AUTHORIZATION).map(scheme),
        if_none_match: header(header::IF_NONE_MATCH),
        if_modified_since: header(header::IF_MODIFIED_SINCE),
        accept_encoding: header(header::ACCEPT_ENCODING),
        user_agent: header(header::USER_AGENT),
    }
}

fn etag(body: &[u8]) -> String {
    let mut etag = hex(digest::digest(&digest::SHA256, body).as_ref());
    etag.truncate(20);
    etag
}

/// A date that moves on by a minute with each file that is set, as the real clock is too coarse for tests.
fn modified(sets: i64) -> String {
    let at = 1_704_067_200_i64.saturating_add(sets.saturating_mul(60));
    http_date(UnixTime::from_seconds(at))
}

const EMPTY_CALENDAR: &[u8] =
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//simulated//EN\r\nEND:VCALENDAR\r\n";

const LOGIN_PAGE: &str =
    "<!doctype html><title>Sign in</title><form><input name=user><input type=password></form>\n";

#[cfg(test)]
mod tests;
