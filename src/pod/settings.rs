//! The requests about a pod's configuration.

use serde_json::Value;

use super::answer::{Answer, Confirmation};
use super::config::{LegacyConfig, PodConfig};
use super::operation::Operation;
use super::request::Request;

/// The whole configuration.
#[must_use]
pub fn read() -> Request<PodConfig> {
    let decode = |answer: &Answer| answer.object().map(PodConfig::new);
    Request::new(Operation::ReadConfig, &[], decode)
}

/// The part of the configuration at a path of keys. It may be any JSON, also a
/// single value, and holds secrets: pass it through
/// [`super::tree::without_secrets_at`] before it is shown.
#[must_use]
pub fn read_part(path: &[&str]) -> Request<Value> {
    let keys: Vec<String> = path.iter().map(ToString::to_string).collect();
    Request::new(Operation::ReadConfig, path, move |answer| {
        Ok(unwrapped(answer.json()?, &keys))
    })
}

/// The configuration in the words of the first API; it reports the calendar mode,
/// the licence and the clock.
#[must_use]
pub fn read_legacy() -> Request<LegacyConfig> {
    let decode = |answer: &Answer| answer.object().map(LegacyConfig::new);
    Request::new(Operation::ReadLegacyConfig, &[], decode)
}

/// Changes a part of the configuration; other keys stay as they are.
///
/// `rollback` is after how many seconds the pod takes back changes to its network
/// if it cannot reach Solstice Cloud then.
#[must_use]
pub fn patch(subset: Value, rollback: Option<u32>) -> Request<Confirmation> {
    let request = Request::write(Operation::PatchConfig, &[]).json(subset);
    match rollback {
        Some(seconds) => request.query("rollback_timeout_seconds", seconds),
        None => request,
    }
}

/// A pod may answer a path with the value alone or under its own keys, and the
/// reference does not say which.
fn unwrapped(value: Value, path: &[String]) -> Value {
    let only_child = |value: &Value, key: &str| match value {
        Value::Object(map) if map.len() == 1 => map.get(key).cloned(),
        _ => None,
    };
    let whole = path
        .iter()
        .try_fold(value.clone(), |value, key| only_child(&value, key));
    let last = || path.last().and_then(|key| only_child(&value, key));
    whole.or_else(last).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_read_bare_or_under_its_own_keys() {
        let path = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        let bare = json!({"enabled": true, "show": false});
        for answer in [
            bare.clone(),
            json!({"calendar": bare}),
            json!({"display": {"calendar": bare}}),
        ] {
            assert_eq!(unwrapped(answer, &path(&["display", "calendar"])), bare);
        }
        assert_eq!(unwrapped(json!(true), &path(&["a"])), json!(true));
    }
}
