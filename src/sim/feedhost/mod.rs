//! A calendar server beside the simulated pods: serves ICS files over HTTP or HTTPS with validators, gzip, sign-in and
//! redirects, and goes wrong on demand in the ways in which real ones do.
//!
//! Files are set by the test or the command; reading them from disk is left to the caller.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use ring::digest;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::certificate::{Certificate, server_config};
use super::secret::{derive, hex};
use super::server::{App, Cut, Server};

mod auth;
mod body;
mod fault;

pub use auth::SignIn;
pub use fault::FeedFault;

use fault::{Faults, Kind};

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
            changes: watch::Sender::new(0),
        });
        let server = Server::start(listener, Arc::clone(&host) as Arc<dyn App>);
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

    /// Adds a fault; the first that fits a request is served.
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
    faults: Faults,
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
        let path = request.uri().path().to_owned();
        let fault = self.lock().faults.take(&normal(&path));
        let response = match &fault {
            Some(Kind::Hang | Kind::Refuse) => None,
            fault => Some(respond(&self.lock(), &request, fault.as_ref(), &cut)),
        };
        let status = response.as_ref().map(|response| response.status().as_u16());
        self.change(|state| state.seen.push(seen(&request, status)));
        match (response, fault) {
            (Some(response), _) => response,
            (None, Some(Kind::Refuse)) => cut.now().await,
            (None, _) => std::future::pending().await,
        }
    }
}

impl App for Host {
    fn welcomes(&self) -> bool {
        true
    }

    fn tls(&self) -> io::Result<Option<Arc<rustls::ServerConfig>>> {
        Ok(self.tls.as_ref().map(|tls| Arc::clone(&tls.config)))
    }

    fn http2(&self) -> bool {
        false
    }

    fn answer(
        self: Arc<Self>,
        request: Request,
        cut: Cut,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(self.serve(request, cut))
    }
}

fn respond(state: &State, request: &Request, fault: Option<&Kind>, cut: &Cut) -> Response<Body> {
    let early = match fault {
        Some(Kind::LoginPage) => Some(text(StatusCode::OK, "text/html; charset=utf-8", LOGIN_PAGE)),
        Some(Kind::Empty) => Some(text(StatusCode::OK, "text/calendar; charset=utf-8", "")),
        Some(Kind::Status(status, retry_after)) => Some(failed(*status, *retry_after)),
        Some(Kind::Redirect(status, to)) => Some(redirect(*status, to)),
        Some(Kind::Oversized(size)) => Some(body::oversized(*size)),
        Some(Kind::GzipBomb(size)) => Some(body::gzip_bomb(*size)),
        _ => None,
    };
    if let Some(response) = early {
        return response;
    }
    if let Some(sign_in) = &state.sign_in
        && !sign_in.admits(request)
    {
        let mut response = text(StatusCode::UNAUTHORIZED, "text/plain", "sign in\n");
        if let Ok(challenge) = HeaderValue::from_str(&sign_in.challenge()) {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        return response;
    }
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "GET or HEAD\n",
        );
    }
    let Some(file) = state.files.get(&normal(request.uri().path())) else {
        return text(StatusCode::NOT_FOUND, "text/plain", "not found\n");
    };
    serve_file(file, request, fault, cut)
}

fn serve_file(file: &File, request: &Request, fault: Option<&Kind>, cut: &Cut) -> Response<Body> {
    let gzip = asks_for_gzip(request.headers()) && !matches!(fault, Some(Kind::NoGzip));
    let etag = match fault {
        Some(Kind::WeakEtag) => format!("W/\"{}\"", file.etag),
        // As Apache's mod_deflate has it.
        Some(Kind::GzipEtag) if gzip => format!("\"{}-gzip\"", file.etag),
        _ => format!("\"{}\"", file.etag),
    };
    let unchanged = is_unchanged(file, request.headers()) && !matches!(fault, Some(Kind::Never304));
    let body = if unchanged {
        Bytes::new()
    } else {
        file.body.clone()
    };
    let body = if gzip && !unchanged {
        body::compressed(&body)
    } else {
        body
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    insert(headers, header::ETAG, &etag);
    insert(headers, header::LAST_MODIFIED, &file.modified);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let media = match fault {
        Some(Kind::ContentType(media)) => media.as_str(),
        _ => "text/calendar; charset=utf-8",
    };
    insert(headers, header::CONTENT_TYPE, media);
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let half = body.slice(..body.len() / 2);
    if !matches!(fault, Some(Kind::CutChunked)) {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    *response.body_mut() = match fault {
        _ if *request.method() == Method::HEAD => Body::empty(),
        Some(Kind::CutOff | Kind::CutChunked) => cut.after(half),
        Some(Kind::Drip(size, every)) => body::drip(body, *size, *every),
        Some(Kind::Slow(by)) => body::late(body, *by),
        _ => Body::from(body),
    };
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

/// Paths are compared decoded and without the leading slash.
fn normal(path: &str) -> String {
    percent_decode_str(path.trim_start_matches('/'))
        .decode_utf8_lossy()
        .into_owned()
}

fn etag(body: &[u8]) -> String {
    let mut etag = hex(digest::digest(&digest::SHA256, body).as_ref());
    etag.truncate(20);
    etag
}

/// A date that moves on by a minute with each file that is set, as the real clock is too coarse for tests.
fn modified(sets: i64) -> String {
    let at = crate::model::time::UnixTime::from_seconds(
        1_704_067_200_i64.saturating_add(sets.saturating_mul(60)),
    );
    at.timestamp()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

const LOGIN_PAGE: &str =
    "<!doctype html><title>Sign in</title><form><input name=user><input type=password></form>\n";

#[cfg(test)]
mod tests;
