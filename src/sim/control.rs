//! The control address: faults on demand, and what the pods have seen. Plain HTTP, for the host itself only.
//!
//! | path | GET | POST |
//! | --- | --- | --- |
//! | `/` | the pods, as a page or, with `Accept: application/json`, as JSON | |
//! | `/pods/N/` | the display of pod N, as its own page shows it | |
//! | `/pods/N/requests`, `violations` | what it was sent | `DELETE`: forget both |
//! | `/pods/N/meetings` | what it holds | `{"meetings": [...]}`: somebody else's set |
//! | `/pods/N/config` | its configuration | `{"path": "display.name", "value": "Oak"}` |
//! | `/pods/N/faults` | | `{"fault": "slow", "seconds": 5, "times": 1, "method": "PUT"}`; `DELETE`: clear |
//! | `/pods/N/reboot`, `replace`, `certificate` | | do it; `replace` takes `{"keep_certificate": true}` |
//! | `/pods/N/clock`, `mode`, `password`, `licence` | | `{"offset_seconds": 90}`, `{"mode": "exchange"}`, `{"password": "..."}`, `{"licensed": false}` |
//! | `/pods/N/quirks` | | `{"arrays": true, ...}`; those not named are off |
//!
//! `N` counts from 1; `all` in its place is every pod, for POST and DELETE.

use std::fmt::Write;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::action::{self, Action};
use super::answer::Answer;
use super::page;
use super::pod::Seen;
use super::secret::hex;
use super::server::{App, Cut};
use super::{Quirks, Sim};

const BODY_LIMIT: usize = 4 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Control {
    pods: Arc<Vec<Sim>>,
}

/// What was wrong with the request: status and sentence.
type Refused = (StatusCode, String);

fn bad(says: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, says.into())
}

fn unknown() -> Refused {
    (
        StatusCode::NOT_FOUND,
        "there is nothing at this path".to_owned(),
    )
}

impl Control {
    pub fn new(pods: Arc<Vec<Sim>>) -> Self {
        Self { pods }
    }

    async fn serve(self: Arc<Self>, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        if parts.method == Method::GET {
            return self.show(&segments, &parts.headers);
        }
        let body =
            match tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, BODY_LIMIT)).await {
                Ok(Ok(body)) => body,
                _ => return refused(&bad("the body is too large or was broken off")),
            };
        let body = match serde_json::from_slice(&body) {
            _ if body.is_empty() => Map::new(),
            Ok(Value::Object(object)) => object,
            _ => return refused(&bad("the body must be a JSON object")),
        };
        match self.do_to_pods(&parts.method, &segments, &body) {
            Ok(count) => Answer::json(&json!({ "pods": count })).into_response(),
            Err(error) => refused(&error),
        }
    }

    fn show(&self, segments: &[&str], headers: &HeaderMap) -> Response<Body> {
        let answer = match segments {
            [""] if wants_json(headers) => Ok(self.overview()),
            [""] => return self.index(),
            ["pods", number] => self.pod(number).map(summary),
            ["pods", number, what] => match (self.pod(number), *what) {
                (Ok(pod), "") => return page::page(&pod.pod),
                (Ok(pod), "events") => return page::events(Arc::clone(&pod.pod)),
                (Ok(pod), "requests") => Ok(pod.requests().iter().map(request).collect()),
                (Ok(pod), "violations") => Ok(json!(pod.violations())),
                (Ok(pod), "meetings") => Ok(json!({ "meetings": pod.meetings() })),
                (Ok(pod), "config") => Ok(pod.config()),
                (Ok(_), _) => Err(unknown()),
                (Err(error), _) => Err(error),
            },
            _ => Err(unknown()),
        };
        match answer {
            Ok(value) => Answer::json(&value).into_response(),
            Err(error) => refused(&error),
        }
    }

    /// Does one thing to one pod or to all; how many it was done to.
    fn do_to_pods(
        &self,
        method: &Method,
        segments: &[&str],
        body: &Map<String, Value>,
    ) -> Result<usize, Refused> {
        let ["pods", number, what] = segments else {
            return Err(unknown());
        };
        let pods: Vec<&Sim> = if *number == "all" {
            self.pods.iter().collect()
        } else {
            vec![self.pod(number)?]
        };
        for pod in &pods {
            match method.as_str() {
                "POST" => post(pod, what, body)?,
                "DELETE" => match *what {
                    "faults" => pod.clear_faults(),
                    "requests" | "violations" => pod.forget_requests(),
                    _ => return Err(unknown()),
                },
                _ => {
                    return Err((
                        StatusCode::METHOD_NOT_ALLOWED,
                        "GET, POST or DELETE".to_owned(),
                    ));
                }
            }
        }
        Ok(pods.len())
    }

    fn pod(&self, number: &str) -> Result<&Sim, Refused> {
        let index = number
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1));
        let missing = || {
            (
                StatusCode::NOT_FOUND,
                format!("there are pods 1 to {}", self.pods.len()),
            )
        };
        index
            .and_then(|index| self.pods.get(index))
            .ok_or_else(missing)
    }

    fn overview(&self) -> Value {
        json!({ "pods": self.pods.iter().map(summary).collect::<Value>() })
    }

    fn index(&self) -> Response<Body> {
        let mut html = String::from(INDEX);
        for pod in self.pods.iter() {
            let (number, url) = (pod.pod.options.number, pod.url());
            let (meetings, violations) = pod
                .pod
                .read(|state| (state.meetings.len(), state.violations.len()));
            let _ = write!(
                html,
                "<tr><td><a href='/pods/{number}/'>{number}</a><td>{url}<td>{meetings}\
                 <td><a href='/pods/{number}/requests'>requests</a>\
                 <td><a href='/pods/{number}/violations'>{violations} violations</a>"
            );
        }
        Answer::bytes(StatusCode::OK, "text/html; charset=utf-8", html.into()).into_response()
    }
}

fn post(pod: &Sim, what: &str, body: &Map<String, Value>) -> Result<(), Refused> {
    let text = |key: &str| {
        body.get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| bad(format!("`{key}` must be a string")))
    };
    let action = match what {
        "faults" => Action::fault_from_json(body).map_err(bad)?,
        "reboot" => Action::Reboot,
        "replace" => Action::Replace {
            keep_certificate: body.get("keep_certificate") == Some(&Value::Bool(true)),
        },
        "certificate" => Action::Certificate,
        "clock" => {
            let seconds = body.get("offset_seconds").and_then(Value::as_i64);
            Action::Clock(seconds.ok_or_else(|| bad("`offset_seconds` must be an integer"))?)
        }
        "mode" => Action::Mode(action::mode(text("mode")?).map_err(bad)?),
        "password" => {
            pod.set_password(text("password")?);
            return Ok(());
        }
        "licence" => {
            let licensed = body.get("licensed").and_then(Value::as_bool);
            pod.set_licensed(licensed.ok_or_else(|| bad("`licensed` must be a boolean"))?);
            return Ok(());
        }
        "quirks" => {
            pod.set_quirks(quirks(body)?);
            return Ok(());
        }
        "meetings" => {
            let meetings = body.get("meetings").and_then(Value::as_array);
            return pod
                .put_foreign(meetings.ok_or_else(|| bad("`meetings` must be an array"))?)
                .map_err(bad);
        }
        "config" => {
            return pod
                .set_config(
                    text("path")?,
                    body.get("value").cloned().unwrap_or_default(),
                )
                .map_err(bad);
        }
        _ => return Err(unknown()),
    };
    action
        .perform(pod)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn quirks(body: &Map<String, Value>) -> Result<Quirks, Refused> {
    let mut quirks = Quirks::default();
    for (name, value) in body {
        let quirk = match name.as_str() {
            "colon_in_meetings" => &mut quirks.colon_in_meetings,
            "times_as_strings" => &mut quirks.times_as_strings,
            "empty_object_for_bad_token" => &mut quirks.empty_object_for_bad_token,
            "arrays" => &mut quirks.arrays,
            "wrapped" => &mut quirks.wrapped,
            "no_info" => &mut quirks.no_info,
            "no_legacy" => &mut quirks.no_legacy,
            _ => return Err(bad(format!("there is no quirk `{name}`"))),
        };
        *quirk = value
            .as_bool()
            .ok_or_else(|| bad(format!("`{name}` must be a boolean")))?;
    }
    Ok(quirks)
}

fn summary(pod: &Sim) -> Value {
    pod.pod.read(|state| {
        json!({
            "number": pod.pod.options.number,
            "url": pod.url(),
            "device_id": state.device_id,
            "sha256": hex(&pod.fingerprint()),
            "screen_key": state.screen_key,
            "camera_guid": pod.camera_guid(),
            "mode": state.mode.name(),
            "meetings": state.meetings.len(),
            "requests": state.seen.len(),
            "violations": state.violations.len(),
        })
    })
}

fn request(seen: &Seen) -> Value {
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

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    !accept.contains("text/html")
}

fn refused((status, says): &Refused) -> Response<Body> {
    Answer::json_with(*status, &json!({ "error": says })).into_response()
}

const INDEX: &str = "<!doctype html><meta charset=utf-8><title>Simulated pods</title><style>\
    body{font:16px/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
    td,th{text-align:left;padding:.2rem 1.2rem .2rem 0}</style>\
    <h1>Simulated pods</h1><table><tr><th>Display<th>Address<th>Meetings<th><th>";

impl App for Control {
    fn welcomes(&self) -> bool {
        true
    }

    fn tls(&self) -> io::Result<Option<Arc<rustls::ServerConfig>>> {
        Ok(None)
    }

    fn http2(&self) -> bool {
        false
    }

    fn answer(
        self: Arc<Self>,
        request: Request,
        _: Cut,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(self.serve(request))
    }
}
