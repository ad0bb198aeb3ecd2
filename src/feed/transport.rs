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
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use url::Position;

use super::body::{self, Body, BodyProblem};
use super::connect::Connection;
use super::error::{LoginUsed, Measure, PullError, PullErrorKind};
use super::load::{Load, Weight};
use super::network::Network;
use super::place::Reach;
use super::received::Received;
use super::request_body::RequestBody;
use crate::config::TlsTrust;
use crate::model::feed_url::FeedUrl;
use crate::net::transport::Cause;

/// An answer without a calendar is looked at for a DAV error, no further.
const ERROR_BODY: usize = 64 * 1024;

/// Honest servers send one `100 Continue` or a few early hints.
const MAX_INTERIM_ANSWERS: usize = 16;

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
    /// What the body takes, for as long as this lives.
    pub weight: Weight,
    pub compressed: bool,
    /// How podcal had signed in.
    pub login: LoginUsed,
    /// Whether the server has a private address; `false` where a proxy stands between.
    pub is_private: bool,
}

/// The requests of one pull.
pub(super) struct Wire {
    network: Network,
    /// How the host of `home` is trusted; others are trusted by the system's
    /// authorities, and by those of a file.
    trust: TlsTrust,
    home: String,
    load: Arc<Load>,
    secret_sent: AtomicBool,
}

impl Wire {
    pub(super) fn new(network: &Network, trust: &TlsTrust, home: &FeedUrl) -> Self {
        Self {
            network: network.clone(),
            trust: trust.clone(),
            home: home.host(),
            load: Arc::new(Load::alone()),
            secret_sent: AtomicBool::new(false),
        }
    }

    /// As a part of a pull that holds other things as well.
    pub(super) fn set_load(&mut self, load: &Arc<Load>) {
        self.load = Arc::clone(load);
    }

    /// Nothing yet, of what the pull holds in memory.
    pub(super) fn weight(&self) -> Weight {
        self.load.weight()
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
        let deadline = Instant::now() + *budget;
        let result = self.exchange(request, limits, reach, deadline).await;
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
        deadline: Instant,
    ) -> Result<Response, PullError> {
        let host = request.url.host();
        let asked = timeout_at(deadline, self.ask(request, reach)).await;
        let timed_out = |_| PullErrorKind::TimedOut(limits.timeout).at(host.as_str());
        let (connection, answer) = asked.map_err(timed_out)??;
        let (head, incoming) = answer.into_parts();
        let mut response = Response {
            status: head.status,
            headers: head.headers,
            url: request.url.clone(),
            body: Bytes::new(),
            sent: 0,
            weight: self.weight(),
            compressed: false,
            login: LoginUsed::None,
            is_private: connection.peer.is_some_and(super::place::is_private),
        };
        let at = |kind: PullErrorKind| kind.at(host.as_str());
        if head.status.is_success() {
            let announced = announced(&incoming, limits).map_err(at)?;
            self.load.begin(announced).map_err(at)?;
            let weight = &mut response.weight;
            let sent = read(incoming, limits, deadline, weight).await.map_err(at)?;
            response.sent = sent.len() as u64;
            let body = self.decoded(sent, &response.headers, limits.size, weight);
            let body = body.await.map_err(at)?;
            (response.body, response.compressed) = (body.bytes, body.compressed);
            let trust = self.trust(&request.url);
            self.network.keep(&request.url, trust, connection);
        } else if !head.status.is_redirection() {
            let start = read_start(incoming, deadline).await.map_err(at)?;
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

    async fn decoded(
        &self,
        sent: Vec<u8>,
        headers: &HeaderMap,
        limit: u64,
        weight: &mut Weight,
    ) -> Result<Body, PullErrorKind> {
        let sent = Bytes::from(sent);
        let received = sent.len() as u64;
        let error = |problem| body_error(problem, received, limit);
        // A few kilobytes of gzip can become megabytes.
        if !headers.contains_key(CONTENT_ENCODING) && !body::is_gzip(&sent) {
            return body::decoded(sent, headers, limit).map_err(error);
        }
        let measure = {
            let (sent, headers) = (sent.clone(), headers.clone());
            move || body::decoded_size(&sent, &headers, limit)
        };
        let size = self.network.aside(measure).await.map_err(error)?;
        weight.add(size)?;
        let headers = headers.clone();
        let decode = move || body::decoded_of(sent, &headers, size);
        self.network.aside(decode).await.map_err(error)
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

/// The length that the server says, where it does.
fn announced(incoming: &Incoming, limits: Limits) -> Result<Option<u64>, PullErrorKind> {
    let announced = incoming.size_hint().exact();
    if announced.is_some_and(|size| size > limits.size) {
        return Err(too_large(limits));
    }
    Ok(announced)
}

fn too_large(limits: Limits) -> PullErrorKind {
    PullErrorKind::TooLarge {
        measure: Measure::Sent,
        limit: limits.size,
    }
}

/// Reads a body of at most `limits.size` bytes as sent.
async fn read(
    mut incoming: Incoming,
    limits: Limits,
    deadline: Instant,
    weight: &mut Weight,
) -> Result<Vec<u8>, PullErrorKind> {
    let mut sent = match incoming.size_hint().exact() {
        Some(length) => Received::of_length(length, weight)?,
        None => Received::default(),
    };
    loop {
        let frame = timeout_at(deadline, next_frame(&mut incoming)).await;
        let Some(frame) = frame.map_err(|_| PullErrorKind::TimedOut(limits.timeout))? else {
            return Ok(sent.whole());
        };
        // A length that was promised and not kept, a chunk without its end, a
        // connection that was reset.
        let received = sent.len() as u64;
        let frame = frame.map_err(|_| PullErrorKind::CutOff { received })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if received.saturating_add(data.len() as u64) > limits.size {
            return Err(too_large(limits));
        }
        sent.push(&data, weight)?;
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

/// The text of a body in UTF-8, of at most this many bytes.
pub(super) async fn text(
    network: &Network,
    body: Bytes,
    content_type: Option<String>,
    limit: u64,
    weight: &mut Weight,
) -> Result<Bytes, PullErrorKind> {
    let size = body.len();
    let measure = {
        let (body, content_type) = (body.clone(), content_type.clone());
        move || body::text_size(&body, content_type.as_deref(), limit)
    };
    let grown = network.work_on(size, measure).await;
    let grown = grown.map_err(|problem| body_error(problem, size as u64, limit))?;
    if grown == 0 {
        return Ok(body);
    }
    weight.add(grown)?;
    let convert = move || body::in_utf8(body, content_type.as_deref());
    Ok(network.work_on(size, convert).await)
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
