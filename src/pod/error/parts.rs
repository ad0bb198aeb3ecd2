//! The parts of a pod's errors: the reference's error names, and what a body is.

use std::fmt;

use crate::net::clean;

/// The names of the reference's errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    InvalidRequest,
    NotFound,
    ResourceConflict,
    PathFailed,
    Internal,
    NotLicensed,
    InvalidToken,
    /// Another word of the pod, shortened and cleaned.
    Other(String),
}

impl ApiError {
    pub(in crate::pod) fn named(name: &str) -> Self {
        match name.trim() {
            "invalid_request" => Self::InvalidRequest,
            "not_found" => Self::NotFound,
            "resource_conflict" => Self::ResourceConflict,
            // The reference's `path_failed` may be a misprint of the second.
            "path_failed" | "patch_failed" => Self::PathFailed,
            "internal" => Self::Internal,
            "not_licensed" => Self::NotLicensed,
            "invalid_token" => Self::InvalidToken,
            other => Self::Other(clean::line(other, 60)),
        }
    }

    /// As the reference spells it.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::ResourceConflict => "resource_conflict",
            Self::PathFailed => "path_failed",
            Self::Internal => "internal",
            Self::NotLicensed => "not_licensed",
            Self::InvalidToken => "invalid_token",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// What an answer holds that is not what the reference says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Empty,
    /// `{}`; some pods answer so where the token is not accepted.
    EmptyObject,
    /// A web page: a login portal, a proxy, or another device.
    Html,
    /// JSON without what was asked for: the key that is missing.
    Lacks(&'static str),
    /// JSON, but not an error of the reference.
    Json,
    /// Neither JSON nor a web page.
    Other,
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing in it"),
            Self::EmptyObject => f.write_str("an empty object"),
            Self::Html => f.write_str("a web page"),
            Self::Lacks(key) => write!(f, "JSON without `{key}`"),
            Self::Json => f.write_str("JSON of an unknown form"),
            Self::Other => f.write_str("something that is not JSON"),
        }
    }
}
