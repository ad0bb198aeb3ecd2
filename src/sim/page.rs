//! The page at `/` of each pod.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;

use super::pod::Pod;

pub(super) fn serve(_: &Arc<Pod>, _: &Request) -> Option<Response<Body>> {
    None
}
