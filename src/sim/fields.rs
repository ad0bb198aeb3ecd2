//! Checks JSON against the fields that the reference has: types, missing and unknown fields.

use serde_json::{Map, Value};

use super::answer::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
}

impl Kind {
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.as_i64().is_some(),
            Self::Boolean => value.is_boolean(),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
        }
    }
}

/// A field of a request's body.
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

/// Checks an object against its fields. Unknown ones are refused only when strict.
pub(super) fn check(
    object: &Map<String, Value>,
    place: &str,
    fields: &[Field],
    strict: bool,
) -> Result<(), Refusal> {
    for field in fields {
        match object.get(field.name) {
            None if field.required => {
                return Err(Refusal::invalid(format!(
                    "`{place}{}` is missing",
                    field.name
                )));
            }
            Some(value) if !field.kind.fits(value) => {
                let (name, wanted, found) = (field.name, field.kind.name(), name(value));
                return Err(Refusal::invalid(format!(
                    "`{place}{name}` must be {wanted}, not {found}"
                )));
            }
            _ => {}
        }
    }
    if strict
        && let Some(unknown) = object
            .keys()
            .find(|key| fields.iter().all(|field| field.name != key.as_str()))
    {
        return Err(Refusal::invalid(format!(
            "`{place}{unknown}` is not a field of the reference"
        )));
    }
    Ok(())
}

/// What a JSON value is called in an error.
pub(super) fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.as_i64().is_some() => "an integer",
        Value::Number(_) => "a number that is not a 64-bit integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
