//! Which operation a request asks for, and what every operation has in common: licence, token, `Accept`.

use axum::http::{Method, StatusCode, header};

use super::answer::{Answer, ErrorName, Outcome, Refusal};
use super::pod::{Pod, State};
use super::strict::Asked;
use super::{calendar, config, device, legacy, splash, token};

pub(super) const TOKEN: &str = "/v2/token";

const JSON_LIMIT: usize = 1024 * 1024;
const IMAGE_LIMIT: usize = 16 * 1024 * 1024;

/// The operations of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Token,
    ListCalendar,
    AddMeeting,
    SetCalendar,
    ClearCalendar,
    GetMeeting,
    DeleteMeeting,
    UpdateMeeting,
    GetConfig,
    UpdateConfig,
    LegacyConfig,
    HdmiInput,
    GetImage,
    SetImage,
    CameraStatus,
    CameraVersion,
    CameraUpdate,
    Info,
    ScreenKey,
    Metadata,
}

enum Route {
    Operation(Operation),
    Unknown,
    /// The methods that the path does have.
    WrongMethod(&'static str),
}

/// How large the body of such a request may be.
pub(super) fn body_limit(method: &Method, path: &str) -> usize {
    if *method == Method::PATCH && path.starts_with("/v2/config/display/splash/images/") {
        IMAGE_LIMIT
    } else {
        JSON_LIMIT
    }
}

/// Does what is asked and remembers what the reference does not allow.
pub(super) fn answer(pod: &Pod, state: &mut State, asked: &Asked) -> Answer {
    let operation = match route(asked) {
        Route::Operation(operation) => operation,
        Route::Unknown => {
            return refuse(
                state,
                asked,
                &Refusal::missing("there is nothing at this path"),
            );
        }
        Route::WrongMethod(allowed) => {
            let description = format!("this path takes {allowed}");
            let refusal = Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorName::InvalidRequest,
                description,
                true,
            );
            return refuse(state, asked, &refusal).with(header::ALLOW, allowed);
        }
    };
    if operation == Operation::Token {
        return match token::grant(pod, state, asked) {
            Ok(answer) => answer,
            Err(token::Refused {
                status,
                error,
                violation,
            }) => {
                if let Some(violation) = violation {
                    remember(state, asked, &violation);
                }
                Answer::token_error(status, error)
            }
        };
    }
    match perform(pod, state, asked, operation) {
        Ok(answer) => answer,
        Err(refusal)
            if refusal.error == ErrorName::InvalidToken
                && state.quirks.empty_object_for_bad_token =>
        {
            Answer::json(&serde_json::json!({}))
        }
        Err(refusal) => refuse(state, asked, &refusal),
    }
}

fn perform(pod: &Pod, state: &mut State, asked: &Asked, operation: Operation) -> Outcome {
    let may_lack_token =
        operation == Operation::ScreenKey && !asked.headers.contains_key(header::AUTHORIZATION);
    if !may_lack_token {
        token::check(pod, state, asked)?;
    }
    if !state.licensed {
        let description = "this pod has no licence for OpenControl";
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorName::NotLicensed,
            description,
            false,
        ));
    }
    let strict = pod.options.strict;
    let media = if operation == Operation::GetImage {
        "image/*"
    } else {
        "application/json"
    };
    match asked.accepts(media) {
        Some(false) if strict => {
            return Err(Refusal::invalid(format!(
                "`Accept` does not allow `{media}`"
            )));
        }
        None => remember(state, asked, "the request has no `Accept`"),
        _ => {}
    }
    for (name, _) in asked.parameters() {
        if !(operation == Operation::UpdateConfig && name == "rollback_timeout_seconds") {
            remember(
                state,
                asked,
                &format!("`{name}` is not a query parameter of the reference"),
            );
        }
    }
    let segment = |index: usize| {
        asked
            .segments
            .get(index)
            .map(String::as_str)
            .unwrap_or_default()
    };
    match operation {
        Operation::Token => Err(Refusal::missing("there is nothing at this path")),
        Operation::ListCalendar => Ok(calendar::list(state)),
        Operation::AddMeeting => calendar::add(pod, state, asked),
        Operation::SetCalendar => calendar::set(pod, state, asked),
        Operation::ClearCalendar => Ok(calendar::clear(state, asked)),
        Operation::GetMeeting => calendar::get(state, segment(2)),
        Operation::DeleteMeeting => calendar::delete(state, segment(2)),
        Operation::UpdateMeeting => calendar::update(pod, state, asked, segment(2)),
        Operation::GetConfig => {
            config::get(pod, state, asked.segments.get(2..).unwrap_or_default())
        }
        Operation::UpdateConfig => config::update(pod, state, asked),
        Operation::LegacyConfig => legacy::get(pod, state),
        Operation::HdmiInput => device::hdmi_input(pod, state, asked),
        Operation::GetImage => splash::get(pod, state, segment(5), segment(6)),
        Operation::SetImage => splash::set(pod, state, asked, segment(5), segment(6)),
        Operation::CameraStatus => device::camera_status(pod, state),
        Operation::CameraVersion => device::camera_version(pod, state, segment(3)),
        Operation::CameraUpdate => device::camera_update(pod, state, asked, segment(3)),
        Operation::Info => device::info(pod, state),
        Operation::ScreenKey => device::screen_key(pod, state, asked),
        Operation::Metadata => Ok(device::metadata(state)),
    }
}

fn route(asked: &Asked) -> Route {
    let segments: Vec<&str> = asked.segments.iter().map(String::as_str).collect();
    let Some((&"v2", path)) = segments.split_first() else {
        return Route::Unknown;
    };
    if path.iter().any(|segment| segment.is_empty()) {
        return Route::Unknown;
    }
    let method = asked.method.as_str();
    let (operation, allowed) = match (path, method) {
        (["token"], "POST") => (Some(Operation::Token), ""),
        (["token"], _) => (None, "POST"),
        (["calendar"], "GET") => (Some(Operation::ListCalendar), ""),
        (["calendar"], "POST") => (Some(Operation::AddMeeting), ""),
        (["calendar"], "PUT") => (Some(Operation::SetCalendar), ""),
        (["calendar"], "DELETE") => (Some(Operation::ClearCalendar), ""),
        (["calendar"], _) => (None, "GET, POST, PUT, DELETE"),
        (["calendar", _], "GET") => (Some(Operation::GetMeeting), ""),
        (["calendar", _], "DELETE") => (Some(Operation::DeleteMeeting), ""),
        (["calendar", _], "PATCH") => (Some(Operation::UpdateMeeting), ""),
        (["calendar", _], _) => (None, "GET, DELETE, PATCH"),
        (["config"], "PATCH") => (Some(Operation::UpdateConfig), ""),
        (["config"], "GET") => (Some(Operation::GetConfig), ""),
        (["config"], _) => (None, "GET, PATCH"),
        (["config", "hdmi_input"], "POST") => (Some(Operation::HdmiInput), ""),
        (["config", "hdmi_input"], _) => (None, "POST"),
        (["config", "display", "splash", "images", _, _], "GET") => (Some(Operation::GetImage), ""),
        (["config", "display", "splash", "images", _, _], "PATCH") => {
            (Some(Operation::SetImage), "")
        }
        (["config", "display", "splash", "images", _, _], _) => (None, "GET, PATCH"),
        (["config", ..], "GET") => (Some(Operation::GetConfig), ""),
        (["config", ..], _) => (None, "GET"),
        (["api", "config"], "GET") => (Some(Operation::LegacyConfig), ""),
        (["api", "config"], _) => (None, "GET"),
        (["control", "cameras", "status"], "GET") => (Some(Operation::CameraStatus), ""),
        (["control", "cameras", "status"], _) => (None, "GET"),
        (["control", "cameras", _], "GET") => (Some(Operation::CameraVersion), ""),
        (["control", "cameras", _], "PATCH") => (Some(Operation::CameraUpdate), ""),
        (["control", "cameras", _], _) => (None, "GET, PATCH"),
        (["info"], "GET") => (Some(Operation::Info), ""),
        (["info"], _) => (None, "GET"),
        (["info", "screen_key"], "POST") => (Some(Operation::ScreenKey), ""),
        (["info", "screen_key"], _) => (None, "POST"),
        (["metadata"], "GET") => (Some(Operation::Metadata), ""),
        (["metadata"], _) => (None, "GET"),
        _ => return Route::Unknown,
    };
    operation.map_or(Route::WrongMethod(allowed), Route::Operation)
}

fn refuse(state: &mut State, asked: &Asked, refusal: &Refusal) -> Answer {
    if refusal.violation {
        remember(state, asked, &refusal.description);
    }
    refusal.to_answer()
}

/// Puts a violation on the list, with the request that it was in.
pub(super) fn remember(state: &mut State, asked: &Asked, violation: &str) {
    state.note(format!("{} {}: {violation}", asked.method, asked.path));
}
