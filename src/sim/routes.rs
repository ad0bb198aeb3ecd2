//! Which operation a request asks for, and what every operation has in common: token, licence,
//! `Accept`, memory.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any};
use axum::{Extension, Router};

use super::answer::{Answer, ErrorName, Outcome, Refusal};
use super::request::{Call, TOKEN};
use super::state::{Pod, State};
use super::{calendar, config, device, legacy, splash, token};

/// One operation of the reference.
struct Operation {
    method: &'static str,
    run: fn(&Arc<Pod>, &mut State, &Call) -> Outcome,
    entry: Entry,
    media: &'static str,
    /// The query parameter that it has.
    parameter: Option<&'static str>,
}

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// Everybody, and nothing else is checked.
    Open,
    /// Who has a token, and who sends no `Authorization` at all.
    TokenOrNone,
    Token,
}

impl Operation {
    fn on(method: &'static str, run: fn(&Arc<Pod>, &mut State, &Call) -> Outcome) -> Self {
        Self {
            method,
            run,
            entry: Entry::Token,
            media: "application/json",
            parameter: None,
        }
    }
}

/// The operations, by path. They find the pod and the call among the extensions of the request.
pub(super) fn operations() -> Router {
    use Operation as Op;
    let token = Op {
        entry: Entry::Open,
        ..Op::on("POST", token::grant)
    };
    let update_config = Op {
        parameter: Some("rollback_timeout_seconds"),
        ..Op::on("PATCH", config::update)
    };
    let get_image = Op {
        media: "image/*",
        ..Op::on("GET", splash::get)
    };
    let screen_key = Op {
        entry: Entry::TokenOrNone,
        ..Op::on("POST", device::screen_key)
    };
    let get_config = || path([Op::on("GET", config::get)]);
    Router::new()
        .route(TOKEN, path([token]))
        .route(
            "/v2/calendar",
            path([
                Op::on("GET", calendar::list),
                Op::on("POST", calendar::add),
                Op::on("PUT", calendar::set),
                Op::on("DELETE", calendar::clear),
            ]),
        )
        .route(
            "/v2/calendar/{id}",
            path([
                Op::on("GET", calendar::get),
                Op::on("DELETE", calendar::delete),
                Op::on("PATCH", calendar::update),
            ]),
        )
        .route(
            "/v2/config",
            path([Op::on("GET", config::get), update_config]),
        )
        .route("/v2/config/{*path}", get_config())
        .route(
            "/v2/config/hdmi_input",
            path([Op::on("POST", device::hdmi_input)]),
        )
        .route(
            "/v2/config/display/splash/images/{position}/{aspect}",
            path([get_image, Op::on("PATCH", splash::set)]),
        )
        .route("/v2/api/config", path([Op::on("GET", legacy::get)]))
        .route(
            "/v2/control/cameras/status",
            path([Op::on("GET", device::camera_status)]),
        )
        .route(
            "/v2/control/cameras/{guid}",
            path([
                Op::on("GET", device::camera_version),
                Op::on("PATCH", device::camera_update),
            ]),
        )
        .route("/v2/info", path([Op::on("GET", device::info)]))
        .route("/v2/info/screen_key", path([screen_key]))
        .route("/v2/metadata", path([Op::on("GET", device::metadata)]))
        .fallback(
            async |Extension(pod): Extension<Arc<Pod>>, Extension(call): Extension<Arc<Call>>| {
                remembered(&pod, &call, |state| refuse(state, &call, &nothing_here()))
            },
        )
}

fn path<const N: usize>(operations: [Operation; N]) -> MethodRouter {
    let operations = Arc::new(operations);
    any(
        move |Extension(pod): Extension<Arc<Pod>>, Extension(call): Extension<Arc<Call>>| {
            std::future::ready(remembered(&pod, &call, |state| {
                answer(&pod, state, &call, operations.as_slice())
            }))
        },
    )
}

/// Answers a call and puts it on the list of requests under one lock, so that nobody sees one
/// without the other.
pub(super) fn remembered(
    pod: &Pod,
    call: &Call,
    answer: impl FnOnce(&mut State) -> Answer,
) -> Response<Body> {
    let answer = pod.change(|state| {
        config::roll_back_if_due(pod, state);
        let authorized = token::is_authorized(pod, state, call);
        let answer = answer(state);
        let status = Some(answer.status.as_u16());
        let seen = call.to_seen(pod.now(state), status, authorized);
        state.log.seen(seen);
        answer
    });
    answer.into_response()
}

fn answer(pod: &Arc<Pod>, state: &mut State, call: &Call, operations: &[Operation]) -> Answer {
    let method = call.method.as_str();
    let Some(operation) = operations.iter().find(|known| known.method == method) else {
        let allowed: Vec<&str> = operations.iter().map(|known| known.method).collect();
        let allowed = allowed.join(", ");
        let refusal = Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            ErrorName::InvalidRequest,
            format!("this path takes {allowed}"),
            true,
        );
        return refuse(state, call, &refusal).with(header::ALLOW, &allowed);
    };
    match check(pod, state, call, operation).and_then(|()| (operation.run)(pod, state, call)) {
        Ok(answer) => answer,
        Err(refusal)
            if refusal.error == ErrorName::InvalidToken
                && state.quirks.empty_object_for_bad_token =>
        {
            Answer::json(&serde_json::json!({}))
        }
        Err(refusal) => refuse(state, call, &refusal),
    }
}

fn check(pod: &Pod, state: &mut State, call: &Call, operation: &Operation) -> Result<(), Refusal> {
    match operation.entry {
        Entry::Open => return Ok(()),
        Entry::TokenOrNone if !call.headers.contains_key(header::AUTHORIZATION) => {}
        Entry::TokenOrNone | Entry::Token => token::check(pod, state, call)?,
    }
    // So that `//` at the end of a path is not taken for a key without a name.
    if call.segments.iter().any(String::is_empty) {
        return Err(nothing_here());
    }
    if !state.licensed {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorName::NotLicensed,
            "this pod has no licence for OpenControl",
            false,
        ));
    }
    match call.accepts(operation.media) {
        Some(false) if pod.options.strict => {
            let media = operation.media;
            return Err(Refusal::invalid(format!(
                "`Accept` does not allow `{media}`"
            )));
        }
        None => {
            let what = call.violation("the request has no `Accept`");
            state.log.violation(what);
        }
        _ => {}
    }
    for (name, _) in call.parameters() {
        if operation.parameter != Some(name.as_str()) {
            let what = format!("`{name}` is not a query parameter of the reference");
            state.log.violation(call.violation(&what));
        }
    }
    Ok(())
}

fn nothing_here() -> Refusal {
    Refusal::missing("there is nothing at this path")
}

fn refuse(state: &mut State, call: &Call, refusal: &Refusal) -> Answer {
    if refusal.violation {
        state.log.violation(call.violation(&refusal.description));
    }
    refusal.to_answer()
}
