//! The `Authorization` of a request, for pods and calendar hosts alike.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a request presents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Authorization<'a> {
    Missing,
    /// `name:password`, decoded.
    Basic(Vec<u8>),
    Bearer(&'a str),
    /// The fields of a Digest, as they were sent.
    Digest(&'a str),
    /// Another scheme, more than one header, or one that cannot be read.
    Other,
}

impl<'a> Authorization<'a> {
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Missing,
            (Some(value), None) => value.to_str().unwrap_or_default(),
            (Some(_), Some(_)) => return Self::Other,
        };
        match value.split_once(' ') {
            Some(("Basic", encoded)) => STANDARD.decode(encoded).map_or(Self::Other, Self::Basic),
            Some(("Bearer", token)) => Self::Bearer(token),
            Some(("Digest", fields)) => Self::Digest(fields),
            _ => Self::Other,
        }
    }
}
