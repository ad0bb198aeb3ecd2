//! Answers, and the two error bodies of the reference: `Errors` and, for tokens, `TokenError`.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::model::time::UnixTime;

/// An answer that is known in full before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(value: &Value) -> Self {
        Self::json_with(StatusCode::OK, value)
    }

    pub fn json_with(status: StatusCode, value: &Value) -> Self {
        Self::bytes(status, "application/json", value.to_string().into())
    }

    pub fn bytes(status: StatusCode, content_type: &'static str, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            status,
            headers,
            body,
        }
    }

    /// 200 with a page that asks for a password, as a portal in between answers.
    pub fn login_page() -> Self {
        let page = "<!doctype html><title>Sign in</title><form><input name=user><input type=password></form>\n";
        Self::bytes(StatusCode::OK, "text/html; charset=utf-8", page.into())
    }

    /// An answer that the reference documents as having no body.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// `{"message": "success!", "reboot_required": false, "restart_required": false}`
    pub fn success() -> Self {
        Self::json(
            &json!({ "message": "success!", "reboot_required": false, "restart_required": false }),
        )
    }

    pub fn errors(status: StatusCode, error: ErrorName, description: &str) -> Self {
        let body = json!({ "errors": [{ "error": error.text(), "description": description }] });
        Self::json_with(status, &body)
    }

    pub fn token_error(status: StatusCode, error: &str) -> Self {
        Self::json_with(status, &json!({ "error": error }))
    }

    pub fn with(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// The enumerated names of the reference's `Errors`. `path_failed` and `resource_conflict` are
/// never explained there and never sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorName {
    InvalidRequest,
    NotFound,
    Internal,
    NotLicensed,
    InvalidToken,
}

impl ErrorName {
    pub fn text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::Internal => "internal",
            Self::NotLicensed => "not_licensed",
            Self::InvalidToken => "invalid_token",
        }
    }

    /// The name that goes with a status which somebody asked to be served.
    pub fn for_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::InvalidToken,
            403 => Self::NotLicensed,
            404 => Self::NotFound,
            400..=499 => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }
}

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub error: ErrorName,
    pub description: String,
    /// Whether the request itself is one that the reference does not allow.
    pub violation: bool,
}

impl Refusal {
    /// 400: the reference does not allow this.
    pub fn invalid(description: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorName::InvalidRequest,
            description,
            true,
        )
    }

    /// 404 for a thing that happens not to exist.
    pub fn missing(description: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorName::NotFound,
            description,
            false,
        )
    }

    pub fn new(
        status: StatusCode,
        error: ErrorName,
        description: impl Into<String>,
        violation: bool,
    ) -> Self {
        Self {
            status,
            error,
            description: description.into(),
            violation,
        }
    }

    pub fn to_answer(&self) -> Answer {
        let answer = Answer::errors(self.status, self.error, &self.description);
        if self.status == StatusCode::UNAUTHORIZED {
            answer.with(header::WWW_AUTHENTICATE, "Bearer")
        } else {
            answer
        }
    }
}

pub(super) type Outcome = Result<Answer, Refusal>;

/// The time as HTTP headers have it.
pub(super) fn http_date(at: UnixTime) -> String {
    at.timestamp()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}
