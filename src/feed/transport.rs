//! One request and its answer, on the wire: within a time, a size and a number
//! of interim answers. What a status or a body means is left to others.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, timeout_at};
use url::Position;

use super::body::{self, Body, BodyProblem};
use super::connect::Connection;
use super::error::{LoginUsed, Measure, PullError, PullErrorKind};
use super::network::Network;
use super::place::Reach;
use super::request_body::RequestBody;
use crate::config::TlsTrust;
use crate::model::feed_url::FeedUrl;
use crate::net::transport::Cause;

/// An answer without a calendar is looked at for a DAV error, no further.
const ERROR_BODY: usize = 64 * 1024;

/// Honest servers send one `100 Continue` or a few early hints.
const MAX_INTERIM_ANSWERS: usize = 16;

/// A download that grows beyond this waits for memory.
const SMALL: u64 = 1024 * 1024;

#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// For one request with all its redirects, to the last byte.
    pub timeout: Duration,
    /// In bytes, as sent and as inflated.
    pub size: u64,
}

#[derive(Clone)]
pub(super) struct Request {
    pub method: Method,
    pub url: FeedUrl,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Whether a password, token or client secret is in it.
    pub has_secret: bool,
}

pub(super) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where the answer came from in the end.
    pub url: FeedUrl,
    /// Whole for a success, the start of it otherwise.
    pub body: Bytes,
    pub sent: u64,
    pub compressed: bool,
    /// How podcal had signed in.
    pub login: LoginUsed,
    /// Whether the server has a private address; `false` where a proxy stands between.
    pub is_private: bool,
}

/// Waited for once a pull, when a host has answered and before its body is read.
pub(super) type BeforeBody = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The requests of one pull, and what it takes of the memory for downloads.
pub(super) struct Wire {
    network: Network,
    /// How the host of `home` is trusted; others are trusted by the system's
    /// authorities, and by those of a file.
    trust: TlsTrust,
    home: String,
    memory: tokio::sync::Mutex<Option<OwnedSemaphorePermit>>,
    before_body: tokio::sync::Mutex<Option<BeforeBody>>,
    secret_sent: AtomicBool,
}

impl Wire {
    pub(super) fn new(network: &Network, trust: &TlsTrust, home: &FeedUrl) -> Self {
        Self {
            network: network.clone(),
            trust: trust.clone(),
            home: home.host(),
            memory: tokio::sync::Mutex::default(),
            before_body: tokio::sync::Mutex::default(),
            secret_sent: AtomicBool::new(false),
        }
    }

    /// Before the first body is read, this is waited for.
    pub(super) fn wait_before_body(&mut self, before_body: BeforeBody) {
        self.before_body = tokio::sync::Mutex::new(Some(before_body));
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// Whether a request with a login in it may have left this machine.
    pub(super) fn secret_was_sent(&self) -> bool {
        self.secret_sent.load(Ordering::Relaxed)
    }

    /// Sends one request and reads its answer, within what is left of the time.
    pub(super) async fn send(
        &self,
        request: &Request,
        limits: Limits,
        reach: Reach,
        budget: &mut Duration,
    ) -> Result<Response, PullError> {
        // Waiting for a place is not the server's slowness.
        let place = self.network.place(&request.url).await?;
        let mut deadline = Instant::now() + *budget;
        let result = self.exchange(request, limits, reach, &mut deadline).await;
        *budget = deadline.saturating_duration_since(Instant::now());
        match &result {
            Ok(response) if matches!(response.status.as_u16(), 429 | 503) => place.overloaded(),
            Ok(_) => place.answered(),
            Err(error) => match &error.kind {
                PullErrorKind::TimedOut(_) => place.timed_out(),
                PullErrorKind::Unreachable(_) => place.failed(),
                _ => place.answered(),
            },
        }
        result
    }

    async fn exchange(
        &self,
        request: &Request,
        limits: Limits,
        reach: Reach,
        deadline: &mut Instant,
    ) -> Result<Response, PullError> {
        let host = request.url.host();
        let asked = timeout_at(*deadline, self.ask(request, reach)).await;
        let timed_out = |_| PullErrorKind::TimedOut(limits.timeout).at(host.as_str());
        let (connection, answer) = asked.map_err(timed_out)??;
        let (head, incoming) = answer.into_parts();
        let mut response = Response {
            status: head.status,
            headers: head.headers,
            url: request.url.clone(),
            body: Bytes::new(),
            sent: 0,
            compressed: false,
            login: LoginUsed::None,
            is_private: connection.peer.is_some_and(super::place::is_private),
        };
        let at = |kind: PullErrorKind| kind.at(host.as_str());
        if head.status.is_success() {
            let began = Instant::now();
            let mut before_body = self.before_body.lock().await;
            if let Some(wait) = before_body.as_mut() {
                wait.await;
                *before_body = None;
            }
            drop(before_body);
            // Waiting for our own memory is not the server's slowness.
            *deadline += began.elapsed();
            let sent = self.read(incoming, limits, deadline).await.map_err(at)?;
            response.sent = sent.len() as u64;
            let body = self.decoded(sent, &response.headers, limits.size).await;
            let body =
                body.map_err(|problem| at(body_error(problem, response.sent, limits.size)))?;
            (response.body, response.compressed) = (body.bytes, body.compressed);
            let trust = self.trust(&request.url);
            self.network.keep(&request.url, trust, connection);
        } else if !head.status.is_redirection() {
            let start = read_start(incoming, *deadline).await.map_err(at)?;
            response.body = body::decoded_start(start, ERROR_BODY as u64);
        }
        Ok(response)
    }

    /// The head of the answer. All that podcal asks only reads, so that what fails
    /// on a connection that was kept is asked again on a new one.
    async fn ask(
        &self,
        request: &Request,
        reach: Reach,
    ) -> Result<(Connection, hyper::Response<Incoming>), PullError> {
        let trust = self.trust(&request.url);
        // A refresh token is good for one request; it is not sent twice.
        if request.method != Method::POST
            && let Some(connection) = self.network.idle(&request.url, reach, trust)
            && let Ok(answered) = self.ask_over(connection, request).await
        {
            return Ok(answered);
        }
        let connection = self.network.connect(&request.url, reach, trust).await?;
        self.ask_over(connection, request).await
    }

    async fn ask_over(
        &self,
        mut connection: Connection,
        request: &Request,
    ) -> Result<(Connection, hyper::Response<Incoming>), PullError> {
        let at = |kind: PullErrorKind| kind.at(request.url.host());
        let unreachable = |cause| at(PullErrorKind::Unreachable(cause));
        let mut message = message(request, &connection).map_err(at)?;
        let flooded = Arc::new(Notify::new());
        let (count, signal) = (AtomicUsize::new(0), Arc::clone(&flooded));
        hyper::ext::on_informational(&mut message, move |_| {
            if count.fetch_add(1, Ordering::Relaxed) == MAX_INTERIM_ANSWERS {
                signal.notify_one();
            }
        });
        if request.has_secret {
            self.secret_sent.store(true, Ordering::Relaxed);
        }
        let answered = tokio::select! {
            answered = connection.sender.send_request(message) => answered,
            () = flooded.notified() => {
                let detail = "it sends interim answers (1xx) without end".to_owned();
                return Err(unreachable(Cause::Other { detail }));
            }
        };
        match answered {
            Ok(answer) if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(unreachable(Cause::ProxyAuth407))
            }
            Ok(answer) => Ok((connection, answer)),
            Err(error) => Err(unreachable(lost(error))),
        }
    }

    /// Reads a body of at most `limits.size` bytes as sent.
    async fn read(
        &self,
        mut incoming: Incoming,
        limits: Limits,
        deadline: &mut Instant,
    ) -> Result<Vec<u8>, PullErrorKind> {
        let too_large = || PullErrorKind::TooLarge {
            measure: Measure::Sent,
            limit: limits.size,
        };
        let announced = incoming.size_hint().exact();
        if announced.is_some_and(|size| size > limits.size) {
            return Err(too_large());
        }
        let mut sent: Vec<u8> = Vec::new();
        loop {
            let frame = timeout_at(*deadline, next_frame(&mut incoming)).await;
            let Some(frame) = frame.map_err(|_| PullErrorKind::TimedOut(limits.timeout))? else {
                return Ok(sent);
            };
            // A length that was promised and not kept, a chunk without its end, a
            // connection that was reset.
            let received = sent.len() as u64;
            let frame = frame.map_err(|_| PullErrorKind::CutOff { received })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let size = received.saturating_add(data.len() as u64);
            if size > limits.size {
                return Err(too_large());
            }
            if size > SMALL {
                let began = Instant::now();
                self.reserve(limits.size).await;
                *deadline += began.elapsed();
            }
            sent.extend_from_slice(&data);
        }
    }

    /// Once for the whole pull, so that no two pulls wait for each other.
    async fn reserve(&self, size: u64) {
        let mut memory = self.memory.lock().await;
        if memory.is_none() {
            *memory = self.network.memory(size).await;
        }
    }

    async fn decoded(
        &self,
        sent: Vec<u8>,
        headers: &HeaderMap,
        limit: u64,
    ) -> Result<Body, BodyProblem> {
        let sent = Bytes::from(sent);
        // A few kilobytes of gzip can become megabytes.
        if !headers.contains_key(CONTENT_ENCODING) && !body::is_gzip(&sent) {
            return body::decoded(sent, headers, limit);
        }
        let decode = async |limit: u64| {
            let (sent, headers) = (sent.clone(), headers.clone());
            self.network
                .aside(move || body::decoded(sent, &headers, limit))
                .await
        };
        let first = decode(limit.min(SMALL)).await;
        if limit <= SMALL || !matches!(first, Err(BodyProblem::TooLargeInflated)) {
            return first;
        }
        self.reserve(limit).await;
        decode(limit).await
    }

    /// How the server at this address is trusted.
    fn trust(&self, url: &FeedUrl) -> &TlsTrust {
        if url.host() == self.home || matches!(self.trust, TlsTrust::CaFile(_)) {
            &self.trust
        } else {
            &TlsTrust::Ca
        }
    }
}

/// The request as it is written onto a connection.
fn message(
    request: &Request,
    connection: &Connection,
) -> Result<hyper::Request<RequestBody>, PullErrorKind> {
    let url = request.url.reveal();
    let target = match &connection.through_proxy {
        Some(_) => &url[..Position::AfterQuery],
        None => &url[Position::BeforePath..Position::AfterQuery],
    };
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let mut message = hyper::Request::builder()
        .method(request.method.clone())
        .uri(target)
        .header(HOST, host)
        .body(RequestBody::new(request.body.clone()))
        .map_err(|_| PullErrorKind::BadSetting("address"))?;
    message.headers_mut().extend(request.headers.clone());
    if let Some(Some(login)) = &connection.through_proxy {
        let name = HeaderName::from_static("proxy-authorization");
        let mut login: HeaderValue = login.clone();
        login.set_sensitive(true);
        message.headers_mut().insert(name, login);
    }
    Ok(message)
}

/// After the request the errors of a connection mean that the answer was lost.
fn lost(error: hyper::Error) -> Cause {
    match Cause::of_connecting(&std::io::Error::other(error)) {
        cause @ (Cause::NotHttp | Cause::TooManyFiles) => cause,
        cause if cause.is_tls() => cause,
        _ => Cause::NoAnswer,
    }
}

async fn next_frame(incoming: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *incoming).poll_frame(context)).await
}

/// At most `ERROR_BODY` bytes of a body that is only looked at.
async fn read_start(mut incoming: Incoming, deadline: Instant) -> Result<Vec<u8>, PullErrorKind> {
    let mut start = Vec::new();
    while start.len() < ERROR_BODY
        && let Ok(Some(Ok(frame))) = timeout_at(deadline, next_frame(&mut incoming)).await
    {
        if let Some(data) = frame.data_ref() {
            start.extend_from_slice(data);
        }
    }
    start.truncate(ERROR_BODY);
    Ok(start)
}

fn body_error(problem: BodyProblem, received: u64, limit: u64) -> PullErrorKind {
    match problem {
        BodyProblem::TooLargeInflated => PullErrorKind::TooLarge {
            measure: Measure::Inflated,
            limit,
        },
        BodyProblem::CutOff => PullErrorKind::CutOff { received },
        BodyProblem::UnknownEncoding(encoding) => PullErrorKind::UnknownEncoding(encoding),
        BodyProblem::Damaged => PullErrorKind::DamagedCompression,
    }
}
