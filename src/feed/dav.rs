//! One question to a CalDAV server: headers that every server understands, and
//! answers sorted by whether they are DAV at all.

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::dav_xml::{self, Multistatus};
use super::error::{Cause, PullError, PullErrorKind, Status, XmlProblem};
use super::exchange::{Exchange, status_error};
use super::load::Weight;
use super::transport::{self, Request, Response};
use crate::model::feed_url::FeedUrl;

/// Of what is made of a response, in bytes of a body.
const PER_RESPONSE: usize = 200;

pub(super) struct Dav<'a> {
    pub exchange: &'a Exchange<'a>,
}

/// What came back.
pub(super) enum Reply {
    /// 207, and readable.
    Multi(Page),
    /// 207, but not readable: often for one event's sake.
    Unreadable {
        url: FeedUrl,
        fault: XmlProblem,
    },
    Other(Response),
}

/// A multistatus and where it came from.
pub(super) struct Page {
    pub multistatus: Multistatus,
    /// hrefs are to be read from here; redirects may have led elsewhere.
    pub url: FeedUrl,
    pub headers: HeaderMap,
    /// What it takes, for as long as this lives.
    pub weight: Weight,
}

/// `Depth`: always sent, since servers differ in what they take its absence for.
#[derive(Clone, Copy)]
pub(super) enum Depth {
    Zero,
    One,
}

impl Dav<'_> {
    pub(super) async fn propfind(
        &self,
        url: &FeedUrl,
        depth: Depth,
        body: String,
    ) -> Result<Reply, PullError> {
        self.ask(b"PROPFIND", url, depth, body).await
    }

    pub(super) async fn report(
        &self,
        url: &FeedUrl,
        depth: Depth,
        body: String,
    ) -> Result<Reply, PullError> {
        self.ask(b"REPORT", url, depth, body).await
    }

    /// One resource as it is.
    pub(super) async fn get(&self, url: &FeedUrl) -> Result<Response, PullError> {
        let question = Request {
            method: Method::GET,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            has_secret: false,
        };
        self.send(&question).await
    }

    async fn ask(
        &self,
        method: &'static [u8],
        url: &FeedUrl,
        depth: Depth,
        body: String,
    ) -> Result<Reply, PullError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/xml; charset=utf-8"),
        );
        headers.insert(
            HeaderName::from_static("depth"),
            HeaderValue::from_static(match depth {
                Depth::Zero => "0",
                Depth::One => "1",
            }),
        );
        let question = Request {
            // Both names are tokens, so this never falls back.
            method: Method::from_bytes(method).unwrap_or_default(),
            url: url.clone(),
            headers,
            body: body.into(),
            has_secret: false,
        };
        let answer = self.send(&question).await?;
        if answer.status.as_u16() != 207 {
            return Ok(Reply::Other(answer));
        }
        // Large answers take a while; the body is dropped before its list is used.
        let (body, content_type) = (answer.body, answer.headers.get(CONTENT_TYPE));
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        let (network, limit) = (self.exchange.network(), self.exchange.limits().size);
        let mut weight = answer.weight;
        let text = transport::text(network, body, content_type, limit, &mut weight).await;
        let body = text.map_err(|kind| kind.at(answer.url.host()))?;
        let size = body.len();
        let read = move || dav_xml::read(&body);
        Ok(match network.work_on(size, read).await {
            Ok(multistatus) => {
                // A response takes more than its few bytes of XML.
                let made = multistatus.responses.len() * PER_RESPONSE;
                let made = weight.add(made as u64);
                made.map_err(|kind| kind.at(answer.url.host()))?;
                Reply::Multi(Page {
                    multistatus,
                    url: answer.url,
                    headers: answer.headers,
                    weight,
                })
            }
            Err(fault) => Reply::Unreadable {
                url: answer.url,
                fault,
            },
        })
    }

    /// All that podcal asks only reads, so a question whose connection broke
    /// before an answer came may be asked once more: busy servers close
    /// connections that they have just kept alive.
    async fn send(&self, question: &Request) -> Result<Response, PullError> {
        match self.exchange.ask(question).await {
            Err(error) if error.kind == PullErrorKind::Unreachable(Cause::NoAnswer) => {
                self.exchange.ask(question).await
            }
            other => other,
        }
    }

    /// The page, or what is wrong with an answer that had to be one.
    pub(super) fn page(&self, reply: Reply) -> Result<Page, PullError> {
        match reply {
            Reply::Multi(page) => Ok(page),
            Reply::Unreadable { url, fault } => Err(PullErrorKind::BadXml(fault).at(url.host())),
            Reply::Other(answer) => Err(self.error(&answer)),
        }
    }

    /// The error for an answer other than 207.
    pub(super) fn error(&self, answer: &Response) -> PullError {
        match answer.status.as_u16() {
            // A page with 200 is what a login page or a web site answers.
            code @ (200..=299 | 300..=399 | 400 | 405 | 415 | 501) => {
                PullErrorKind::NotDav(if is_html(answer) {
                    "an HTML page".to_owned()
                } else {
                    Status(code).to_string()
                })
                .at(answer.url.host())
            }
            _ => status_error(answer, self.exchange.now),
        }
    }

    /// The error for answers that another request would not improve: signing in
    /// failed, or the server asks for a pause.
    pub(super) fn fatal(&self, answer: &Response) -> Result<(), PullError> {
        match answer.status.as_u16() {
            401 | 407 | 429 | 503 => Err(self.error(answer)),
            _ => Ok(()),
        }
    }
}

fn is_html(answer: &Response) -> bool {
    let start = answer.body.get(..512).unwrap_or(&answer.body);
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    start.contains("<html") || start.contains("<!doctype html")
}
