//! Values as JSON, for columns of bytes and of text.

use serde::Serialize;

use super::Answer;

pub(super) fn bytes<T: Serialize>(value: &T) -> Answer<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(super) fn text<T: Serialize>(value: &T) -> Answer<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
