//! The JSON tree of a pod's configuration: read leniently, its secrets known.
//!
//! The reference shows some places in two forms (array or index-keyed object,
//! string or object) and firmware adds keys, so the tree is kept whole and asked
//! by path. serde_json bounds its depth (128), so recursion here is bounded.

use serde_json::{Map, Value};

use crate::model::time::UnixTime;

/// What stands for a secret in a tree that may be shown, stored and logged.
pub const BLANK: &str = "***";

/// The value at a path of keys; `null` counts as absent. A number is an index
/// into an array or a key of an object, whichever is there.
#[must_use]
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(value, |value, key| match value {
            Value::Object(map) => map.get(*key),
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
        .filter(|value| !value.is_null())
}

/// The entries of an array, or of an object with numbers for keys, in order.
#[must_use]
pub fn entries(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => {
            let mut numbered: Vec<(u64, &Value)> = map
                .iter()
                .filter_map(|(key, value)| Some((key.parse().ok()?, value)))
                .collect();
            numbered.sort_by_key(|(number, _)| *number);
            numbered.into_iter().map(|(_, value)| value).collect()
        }
        _ => Vec::new(),
    }
}

/// A text, or a number spelt as one.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A truth value, also as 0 and 1 or in words.
#[must_use]
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A whole number, also as a text or as a float without fraction.
#[must_use]
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            // Beyond 2^53 a float does not count exactly.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the range is checked on the same line"
            )]
            (float.abs() < 9_007_199_254_740_992.0).then_some(float.trunc() as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// An instant: seconds or milliseconds, as a number or a text, or RFC 3339.
#[must_use]
pub fn time(value: &Value) -> Option<UnixTime> {
    // Seconds reach this in the year 5138, milliseconds in 1973.
    const SURELY_MILLISECONDS: i64 = 100_000_000_000;
    match integer(value) {
        Some(number) if number.saturating_abs() > SURELY_MILLISECONDS => {
            Some(UnixTime::from_seconds(number.div_euclid(1000)))
        }
        Some(number) => Some(UnixTime::from_seconds(number)),
        None => value.as_str().and_then(UnixTime::parse),
    }
}

/// The same tree with a blank for each secret in it.
///
/// Keys stay and an empty secret stays empty, so one sees what is set.
#[must_use]
pub fn without_secrets(value: &Value) -> Value {
    without_secrets_at(&[], value)
}

/// The same for the part of a configuration at a path: what is secret depends on
/// the keys above it.
#[must_use]
pub fn without_secrets_at(path: &[&str], value: &Value) -> Value {
    let place = path
        .iter()
        .fold(Place::default(), |place, key| place.under(key));
    map_secrets(value, place, &mut |secret| match secret {
        Value::String(text) if text.is_empty() => Some(secret.clone()),
        Value::Null => Some(Value::Null),
        _ => Some(Value::String(BLANK.to_owned())),
    })
    .unwrap_or_default()
}

/// The same tree without what a pod gives but does not take: salts and hashes,
/// and blanks. Secrets to be set, `{"secret": ...}`, stay.
///
/// So a configuration that was read can be changed and sent back.
#[must_use]
pub fn sendable(value: &Value) -> Value {
    fn go(value: &Value) -> Option<Value> {
        match value {
            Value::String(text) if text == BLANK => None,
            Value::Object(map) => {
                let kept: Map<String, Value> = map
                    .iter()
                    .filter(|(key, _)| !matches!(key.as_str(), "secret_hash" | "secret_salt"))
                    .filter_map(|(key, value)| Some((key.clone(), go(value)?)))
                    .collect();
                (!kept.is_empty() || map.is_empty()).then_some(Value::Object(kept))
            }
            // An array is sent whole or not at all: its places count.
            Value::Array(items) => items
                .iter()
                .map(go)
                .collect::<Option<_>>()
                .map(Value::Array),
            other => Some(other.clone()),
        }
    }
    go(value).unwrap_or_else(|| Value::Object(Map::new()))
}

/// Where in the tree we are, as far as it matters for what is secret.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Inside something named after a certificate, a key or credentials, where
    /// `data` is the thing itself.
    holds_data: bool,
    /// Inside the splash images, whose hashes tell one picture from another.
    is_picture: bool,
    secret: bool,
}

impl Place {
    fn under(self, key: &str) -> Self {
        let key = key.to_ascii_lowercase();
        let is = |parts: &[&str]| parts.iter().any(|part| key.contains(part));
        let holds_data = self.holds_data || is(&["cert", "credential", "key"]);
        let is_picture = self.is_picture || is(&["splash", "image"]);
        let secret = is(&[
            "secret",
            "password",
            "passphrase",
            "private",
            "token",
            "session",
        ]) || key.ends_with("salt")
            || key.ends_with("psk")
            || (key.ends_with("hash") && !is_picture)
            || (holds_data && key == "data");
        Self {
            holds_data,
            is_picture,
            secret,
        }
    }
}

/// Rebuilds the tree; `replace` decides about each secret leaf.
fn map_secrets(
    value: &Value,
    place: Place,
    replace: &mut dyn FnMut(&Value) -> Option<Value>,
) -> Option<Value> {
    Some(match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter_map(|(key, value)| {
                    Some((key.clone(), map_secrets(value, place.under(key), replace)?))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .filter_map(|item| map_secrets(item, place, replace))
                .collect(),
        ),
        // `enforce_admin_password_validation_rules` is not a password.
        Value::Bool(_) => value.clone(),
        leaf if place.secret => return replace(leaf),
        Value::String(text) => Value::String(without_login(text)),
        leaf => leaf.clone(),
    })
}

/// An address without the user name and password that may stand in it.
fn without_login(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match (rest.get(..end), rest.get(end..)) {
        (Some(authority), Some(path)) => match authority.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://{BLANK}@{host}{path}"),
            None => text.to_owned(),
        },
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_secret_of_the_reference_is_blanked_and_nothing_else() {
        let tree = json!({
            "display": {
                "name": "Aurora",
                "calendar": {
                    "exchange": {
                        "authorization_type": "basic",
                        "user_password_unique": {"secret_salt": "S1", "secret_hash": "H1"},
                    },
                    "o365": {"client_id": "id", "client_secret": {"secret_salt": "S2", "secret_hash": "H2"}},
                    "google": {"credentials": {"name": "google.json", "data": {"secret_hash": "H3", "secret_salt": "S3"}}},
                },
                "splash": {"images": {"0": {"16x9": {"hash": "5i3hihsdfhi134"}}}, "screen_key": {"enabled": true}},
                "digital_signage": {"url": "https://ada:pw9@signs.example.com/a"},
            },
            "security": {
                "admin_password": {"secret": "P4"},
                "enforce_admin_password_validation_rules": true,
                "ca_certificate_bundle": {"name": "bundle.pem", "data": "-----BEGIN D5"},
                "display_certificate": {"cert": {"name": "c.pem", "data": {"secret_hash": "H6", "secret_salt": "S6"}}},
            },
            "connection": {"ethernet": {"enterprise_configuration": {"password": "", "ca_certificate": {"data": "D7", "name": "ca.pem"}}}},
            "kepler": {"secret_key": {"secret_hash": "H8", "secret_salt": "S8"}},
            "new_in_8": {"list": [{"secret_hash": "H9"}], "kept": 3, "nothing": null},
        });
        let shown = without_secrets(&tree);
        let text = shown.to_string();
        for secret in [
            "S1", "H1", "S2", "H2", "H3", "S3", "P4", "D5", "H6", "S6", "D7", "H8", "S8", "H9",
            "pw9",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for kept in [
            "Aurora",
            "basic",
            "google.json",
            "5i3hihsdfhi134",
            "bundle.pem",
            "ca.pem",
            "kept",
            "client_id",
            "\"enforce_admin_password_validation_rules\":true",
            "\"nothing\":null",
        ] {
            assert!(text.contains(kept), "{kept} not in {text}");
        }
        assert_eq!(
            at(
                &shown,
                &[
                    "connection",
                    "ethernet",
                    "enterprise_configuration",
                    "password"
                ]
            ),
            Some(&json!(""))
        );
    }

    #[test]
    fn what_was_read_can_be_sent_back_without_its_salts() {
        let read = json!({
            "security": {"admin_password": {"secret_hash": "H", "secret_salt": "S"}, "x": "***"},
            "kepler": {"enabled": true, "secret_key": {"secret": "new"}},
            "unknown": {"kept": [1, 2], "empty": {}},
        });
        assert_eq!(
            sendable(&read),
            json!({
                "kepler": {"enabled": true, "secret_key": {"secret": "new"}},
                "unknown": {"kept": [1, 2], "empty": {}},
            })
        );
    }

    #[test]
    fn arrays_and_index_keyed_objects_are_read_alike() {
        let array = json!({"vlans": [{"tag": 1}, {"tag": 2}]});
        let object = json!({"vlans": {"10": {"tag": 3}, "0": {"tag": 1}, "1": {"tag": 2}}});
        assert_eq!(at(&array, &["vlans", "1", "tag"]), Some(&json!(2)));
        assert_eq!(at(&object, &["vlans", "1", "tag"]), Some(&json!(2)));
        let tags = |tree: &Value| -> Vec<i64> {
            entries(&tree["vlans"])
                .into_iter()
                .filter_map(|vlan| integer(&vlan["tag"]))
                .collect()
        };
        assert_eq!(tags(&array), [1, 2]);
        assert_eq!(tags(&object), [1, 2, 3]);
        assert!(entries(&json!("")).is_empty());
        assert_eq!(at(&json!({"a": null}), &["a"]), None);
    }

    #[test]
    fn values_are_read_in_the_forms_that_pods_use() {
        for (value, expected) in [
            (json!(5), Some(5)),
            (json!("1721952000"), Some(1_721_952_000)),
            (json!(5.0), Some(5)),
            (json!(1e300), None),
            (json!("five"), None),
            (json!(null), None),
        ] {
            assert_eq!(integer(&value), expected, "{value}");
        }
        for (value, expected) in [
            (json!(true), Some(true)),
            (json!("False"), Some(false)),
            (json!(1), Some(true)),
            (json!(2), None),
            (json!("maybe"), None),
        ] {
            assert_eq!(flag(&value), expected, "{value}");
        }
    }
}
