//! Answers of each kind, with what every one of them carries.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// No outside file, no script and no style but our own files, no frame, no form elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// An answer whose content changes; nobody may keep it.
pub fn answer(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub fn text(status: StatusCode, says: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", says)
}

pub fn html(status: StatusCode, page: impl Into<Body>) -> Response<Body> {
    answer(status, "text/html; charset=utf-8", page)
}

/// A file of the program itself.
pub fn file(media: &'static str, content: &'static str) -> Response<Body> {
    let mut response = answer(StatusCode::OK, media, content);
    // Its address names the version.
    let keep = HeaderValue::from_static("private, max-age=3600");
    response.headers_mut().insert(header::CACHE_CONTROL, keep);
    response
}

pub fn failed_inside() -> Response<Body> {
    text(
        StatusCode::INTERNAL_SERVER_ERROR,
        "podcal could not make this answer; this is a bug in podcal, please report it\n",
    )
}

pub fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
}
