//! The control address: faults on demand, and what pods and calendar host have seen. Plain HTTP,
//! for this machine only.
//!
//! | path | GET | POST |
//! | --- | --- | --- |
//! | `/` | the pods, as a page or, with `Accept: application/json`, as JSON | |
//! | `/pods/N/` | the display of pod N, as its own page shows it | |
//! | `/pods/N/requests`, `violations` | what it was sent | `DELETE`: forget both |
//! | `/pods/N/counts` | counts of requests and sign-ins, with times | `DELETE`: count anew |
//! | `/pods/N/meetings` | what it holds | `{"meetings": [...]}`: somebody else's set |
//! | `/pods/N/config` | its configuration | `{"path": "display.name", "value": "Oak"}` |
//! | `/pods/N/faults` | | `{"fault": "slow", "seconds": 5, "times": 1, "method": "PUT"}`; `DELETE`: clear |
//! | `/pods/N/ACTION` | | `reboot`, `replace`, `certificate`, `clock`, `mode`, `password`, `licence`, `quirks`, `device`, `swap` |
//! | `/feeds` | the files that are served | |
//! | `/feeds/requests`, `counts` | as for a pod | `DELETE`: forget |
//! | `/feeds/faults` | | `{"fault": "delay", "seconds": 2, "path": "/oak.ics"}`; `DELETE`: clear |
//! | `/feeds/password` | | `{"username": "room", "password": "..."}`; `DELETE`: none is needed |
//!
//! `N` counts from 1; `all` in its place is every pod, for POST and DELETE. All of it with
//! examples: `docs/simulate.md`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::action::{Command, numbered};
use super::answer::Answer;
use super::feedhost::{FeedFault, FeedHost, SignIn};
use super::handle::{Fault, Sim};
use super::page;
use super::request::RequestRecord;
use super::secret::hex;
use super::server::Site;
use super::spec::Spec;
use super::wall;

const BODY_LIMIT: usize = 4 * 1024 * 1024;

pub(super) struct Control {
    pods: Arc<Vec<Sim>>,
    feeds: Option<Arc<FeedHost>>,
    /// Where it listens.
    address: IpAddr,
}

/// What was wrong with a request.
#[derive(Debug)]
struct Rejection(StatusCode, String);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response<Body> {
        Answer::json_with(self.0, &json!({ "error": self.1 })).into_response()
    }
}

impl Rejection {
    fn new(status: StatusCode, message: &str) -> Self {
        Self(status, message.to_owned())
    }
}

fn bad(message: impl Into<String>) -> Rejection {
    Rejection(StatusCode::BAD_REQUEST, message.into())
}

fn unknown() -> Rejection {
    Rejection::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

type Reply = Result<Answer, Rejection>;

impl Site for Control {
    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", get(index))
            .route("/pods/{number}", get(pod))
            .route("/pods/{number}/", get(display))
            .route("/pods/{number}/events", get(events))
            .route(
                "/pods/{number}/{what}",
                get(show).post(command).delete(forget),
            )
            .route("/feeds", get(feeds))
            .route(
                "/feeds/{what}",
                get(show_feeds).post(command_feeds).delete(forget_feeds),
            )
            .fallback(async || unknown())
            .method_not_allowed_fallback(async || {
                let message = "this path takes GET, POST or DELETE";
                Rejection::new(StatusCode::METHOD_NOT_ALLOWED, message)
            })
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn_with_state(Arc::clone(&self), guard))
            .with_state(self)
    }
}

impl Control {
    pub fn new(pods: Arc<Vec<Sim>>, feeds: Option<Arc<FeedHost>>, address: IpAddr) -> Self {
        Self {
            pods,
            feeds,
            address,
        }
    }

    fn pod(&self, number: &str) -> Result<&Sim, Rejection> {
        let number = number.parse().unwrap_or_default();
        numbered(&self.pods, number).map_err(|message| Rejection(StatusCode::NOT_FOUND, message))
    }

    fn pods(&self, number: &str) -> Result<Vec<&Sim>, Rejection> {
        match number {
            "all" => Ok(self.pods.iter().collect()),
            number => Ok(vec![self.pod(number)?]),
        }
    }

    fn feeds(&self) -> Result<&FeedHost, Rejection> {
        let missing = || Rejection::new(StatusCode::NOT_FOUND, "no calendars are served");
        self.feeds.as_deref().ok_or_else(missing)
    }

    fn check(&self, request: &Request) -> Result<(), Rejection> {
        let text = |name| {
            let value = request.headers().get(name)?;
            value.to_str().ok()
        };
        let authority = request.uri().authority().map(|host| host.as_str());
        let host = authority.or_else(|| text(header::HOST)).unwrap_or_default();
        let origin = text(header::ORIGIN);
        let origin = origin.map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
        let media = text(header::CONTENT_TYPE).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let is_read = *request.method() == Method::GET || *request.method() == Method::HEAD;
        let (status, message) = if !self.is_own(host) {
            let message = "the Host header must be `localhost` or the address of this machine";
            (StatusCode::FORBIDDEN, message)
        } else if !origin.is_none_or(|origin| self.is_own(origin)) {
            let message = "requests from pages of other sites are refused";
            (StatusCode::FORBIDDEN, message)
        } else if !is_read && !media.eq_ignore_ascii_case("application/json") {
            let message = "the Content-Type must be `application/json`";
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
        } else {
            return Ok(());
        };
        Err(Rejection::new(status, message))
    }

    /// Whether a `Host` or `Origin` names this machine, so that a foreign name that was pointed
    /// here is refused.
    fn is_own(&self, authority: &str) -> bool {
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback() || ip == self.address)
    }
}

/// Refuses what a page in a browser on this machine could send without its user's knowledge.
async fn guard(
    State(control): State<Arc<Control>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    match control.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

async fn index(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if !accept.unwrap_or_default().contains("text/html") {
        let pods: Value = control.pods.iter().map(summary).collect();
        return Answer::json(&json!({ "pods": pods })).into_response();
    }
    wall::page(&control.pods)
}

async fn pod(State(control): State<Arc<Control>>, Path(number): Path<String>) -> Reply {
    Ok(Answer::json(&summary(control.pod(&number)?)))
}

async fn display(
    State(control): State<Arc<Control>>,
    Path(number): Path<String>,
) -> Result<Response<Body>, Rejection> {
    Ok(page::page(&control.pod(&number)?.pod))
}

async fn events(
    State(control): State<Arc<Control>>,
    Path(number): Path<String>,
) -> Result<Response<Body>, Rejection> {
    Ok(page::events(Arc::clone(&control.pod(&number)?.pod)))
}

async fn show(
    State(control): State<Arc<Control>>,
    Path((number, what)): Path<(String, String)>,
) -> Reply {
    let sim = control.pod(&number)?;
    let shown = match what.as_str() {
        "requests" => sim.requests().iter().map(request).collect(),
        "violations" => json!(sim.violations()),
        "counts" => sim.traffic().to_json(),
        "meetings" => json!({ "meetings": sim.meetings() }),
        "config" => sim.config(),
        _ => return Err(unknown()),
    };
    Ok(Answer::json(&shown))
}

/// What can be posted beside `faults`.
const ACTIONS: [&str; 12] = [
    "reboot",
    "replace",
    "certificate",
    "clock",
    "mode",
    "password",
    "licence",
    "quirks",
    "meetings",
    "config",
    "device",
    "swap",
];

/// Does one thing to one pod or to all; answers how many it was done to.
async fn command(
    State(control): State<Arc<Control>>,
    Path((number, what)): Path<(String, String)>,
    body: Bytes,
) -> Reply {
    let pods = control.pods(&number)?;
    let members = members(&body)?;
    if what == "faults" {
        let fault = fault(&members, Fault::read)?;
        for sim in &pods {
            sim.fault(fault.clone());
        }
    } else if ACTIONS.contains(&what.as_str()) {
        let command = Command::read(Spec::new(&what, members)).map_err(bad)?;
        for sim in &pods {
            command.perform(sim, &control.pods).map_err(bad)?;
        }
    } else {
        return Err(unknown());
    }
    Ok(Answer::json(&json!({ "pods": pods.len() })))
}

async fn forget(
    State(control): State<Arc<Control>>,
    Path((number, what)): Path<(String, String)>,
) -> Reply {
    let pods = control.pods(&number)?;
    for sim in &pods {
        match what.as_str() {
            "faults" => sim.clear_faults(),
            "requests" | "violations" => sim.forget_requests(),
            "counts" => sim.traffic().reset(),
            _ => return Err(unknown()),
        }
    }
    Ok(Answer::json(&json!({ "pods": pods.len() })))
}

async fn feeds(State(control): State<Arc<Control>>) -> Reply {
    let host = control.feeds()?;
    Ok(Answer::json(
        &json!({ "url": host.url(""), "files": host.files(), "requests": host.requests().len() }),
    ))
}

async fn show_feeds(State(control): State<Arc<Control>>, Path(what): Path<String>) -> Reply {
    let host = control.feeds()?;
    let shown = match what.as_str() {
        "requests" => json!(host.requests()),
        "counts" => host.traffic().to_json(),
        _ => return Err(unknown()),
    };
    Ok(Answer::json(&shown))
}

async fn command_feeds(
    State(control): State<Arc<Control>>,
    Path(what): Path<String>,
    body: Bytes,
) -> Reply {
    let host = control.feeds()?;
    let members = members(&body)?;
    match what.as_str() {
        "faults" => host.fault(fault(&members, FeedFault::read)?),
        "password" => {
            let mut spec = Spec::new("password", members);
            let sign_in = SignIn::read(&mut spec).map_err(bad)?;
            spec.finish().map_err(bad)?;
            host.require(sign_in);
        }
        _ => return Err(unknown()),
    }
    Ok(Answer::json(&json!({ "done": true })))
}

async fn forget_feeds(State(control): State<Arc<Control>>, Path(what): Path<String>) -> Reply {
    let host = control.feeds()?;
    match what.as_str() {
        "faults" => host.clear_faults(),
        "requests" => host.forget_requests(),
        "counts" => host.traffic().reset(),
        "password" => host.require_nothing(),
        _ => return Err(unknown()),
    }
    Ok(Answer::json(&json!({ "done": true })))
}

fn members(body: &[u8]) -> Result<Map<String, Value>, Rejection> {
    match serde_json::from_slice(body) {
        _ if body.is_empty() => Ok(Map::new()),
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(bad("the body must be a JSON object")),
    }
}

fn fault<F>(
    members: &Map<String, Value>,
    read: impl FnOnce(&mut Spec) -> Result<F, String>,
) -> Result<F, Rejection> {
    let mut spec = Spec::from_json(members).map_err(bad)?;
    let fault = read(&mut spec).map_err(bad)?;
    spec.finish().map_err(bad)?;
    Ok(fault)
}

fn summary(sim: &Sim) -> Value {
    sim.pod.read(|state| {
        json!({
            "number": sim.number(),
            "url": sim.url(),
            "device_id": state.device_id,
            "sha256": hex(&state.presented.fingerprint()),
            "screen_key": state.screen_key,
            "camera_guid": sim.pod.options.camera.then(|| state.camera_guid()),
            "mode": state.mode.name(),
            "meetings": state.meetings.len(),
            "requests": state.log.seen.len(),
            "violations": state.log.violations.len(),
        })
    })
}

fn request(seen: &RequestRecord) -> Value {
    json!({
        "at": seen.at.seconds(),
        "method": seen.method,
        "path": seen.path,
        "query": seen.query,
        "status": seen.status,
        "authorized": seen.authorized,
        "body": seen.body,
    })
}
