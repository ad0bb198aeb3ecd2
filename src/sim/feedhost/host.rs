//! A calendar host: its files, its state, and the way of a request through sign-in and faults.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Router};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::body;
use super::fault::{HostFault, RequestFaults, normal};
use super::file::{File, insert, serve_file};
use super::sign_in::SignIn;
use crate::model::time::UnixTime;
use crate::sim::answer::{Answer, http_date};
use crate::sim::certificate::{Certificate, server_config};
use crate::sim::fault::Faults;
use crate::sim::options::Clock;
use crate::sim::secret::derive;
use crate::sim::server::{Cut, Site};
use crate::sim::traffic::Traffic;

/// How many requests are kept, and how many times of each count.
const MAX_REQUESTS: usize = 100_000;
const REMEMBERED: usize = 1000;

/// A request that the server received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedRequest {
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

pub(super) struct Host {
    tls: Option<Tls>,
    pub traffic: Arc<Traffic>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

struct Tls {
    certificate: Arc<Certificate>,
    config: Arc<rustls::ServerConfig>,
}

#[derive(Default)]
pub(super) struct State {
    pub files: BTreeMap<String, File>,
    pub sets: i64,
    pub sign_in: Option<SignIn>,
    pub faults: Faults<HostFault>,
    /// How many answers had an entity tag of their own.
    etags: u64,
    pub seen: Vec<FeedRequest>,
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
        let config = server_config(Arc::clone(&certificate))?;
        Ok(Self {
            certificate,
            config,
        })
    }
}

impl Host {
    /// Over HTTPS with a certificate that follows from the seed, or over plain HTTP without one.
    pub fn new(seed: Option<u64>, address: IpAddr) -> io::Result<Self> {
        Ok(Self {
            tls: seed.map(|seed| Tls::new(seed, address)).transpose()?,
            traffic: Arc::new(Traffic::new(REMEMBERED)),
            state: Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }

    pub fn certificate_pem(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        Some(tls.certificate.pem().to_owned())
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        changed
    }

    async fn serve(self: Arc<Self>, request: Request, cut: Cut) -> Response<Body> {
        let method = request.method().as_str();
        let path = normal(request.uri().path());
        let _in_flight = self.traffic.begin(method, request.uri().path());
        let (faults, sign_in) = {
            let mut state = self.state();
            let faults = state
                .faults
                .take(method, &path, |fault| Some(fault.group()));
            (RequestFaults(faults), state.sign_in.clone())
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
            let response = respond(&mut self.state(), &request, &faults, challenge.as_ref());
            Some(deliver(&faults, response, request.method(), &cut).await)
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

/// The response as it is to arrive: its `Date`, and its body late, cut off or in small pieces.
async fn deliver(
    faults: &RequestFaults,
    mut response: Response<Body>,
    method: &Method,
    cut: &Cut,
) -> Response<Body> {
    if let Some(offset) = faults.find(|fault| match fault {
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
    for fault in &faults.0 {
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

fn respond(
    state: &mut State,
    request: &Request,
    faults: &RequestFaults,
    challenge: Option<&SignIn>,
) -> Response<Body> {
    let early = faults.find(|fault| match fault {
        HostFault::LoginPage => Some(Answer::login_page().into_response()),
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
        file = file.with_body(Bytes::from_static(EMPTY_CALENDAR));
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

fn seen(request: &Request, status: Option<u16>) -> FeedRequest {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .map(str::to_owned)
    };
    let scheme = |value: String| value.split(' ').next().unwrap_or_default().to_owned();
    FeedRequest {
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

const EMPTY_CALENDAR: &[u8] =
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//simulated//EN\r\nEND:VCALENDAR\r\n";
