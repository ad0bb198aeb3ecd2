//! The configuration of a pod against the last one and against `enforce`: what drifted,
//! and the smallest patch that repairs it.

use std::fmt;

use serde_json::{Map, Value};

/// What moves by itself and is no drift.
const MOVING: [&str; 1] = ["display.clock.current_time"];
/// Values longer than this are not printed; a path says enough.
const MAX_PRINTED: usize = 60;

/// One setting that is not what it was, or not what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Keys joined by dots, such as `display.calendar.show`.
    pub path: String,
    /// `None` where it was not there.
    pub before: Option<Value>,
    pub now: Option<Value>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, now) = (printed(self.before.as_ref()), printed(self.now.as_ref()));
        write!(f, "{} changed from {before} to {now}", self.path)
    }
}

/// A configuration without what moves by itself, so that nothing new is nothing to keep.
#[must_use]
pub fn at_rest(mut config: Value) -> Value {
    for path in MOVING {
        let mut keys = path.split('.').peekable();
        let mut node = Some(&mut config);
        while let (Some(key), Some(Value::Object(map))) = (keys.next(), node.take()) {
            if keys.peek().is_none() {
                map.remove(key);
            } else {
                node = map.get_mut(key);
            }
        }
    }
    config
}

/// Tells whether a configuration is still the same, without keeping it.
#[must_use]
pub fn digest(config: &Value) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, config.to_string().as_bytes());
    digest.as_ref().try_into().unwrap_or_default()
}

/// Every leaf in which two configurations differ.
#[must_use]
pub fn between(before: &Value, now: &Value) -> Vec<Drift> {
    let mut drifts = Vec::new();
    compare(String::new(), Some(before), Some(now), &mut drifts);
    drifts.retain(|drift| !MOVING.contains(&drift.path.as_str()));
    drifts
}

fn compare(path: String, before: Option<&Value>, now: Option<&Value>, drifts: &mut Vec<Drift>) {
    match (before, now) {
        (Some(before), Some(now)) if before == now => {}
        (Some(Value::Object(before)), Some(Value::Object(now))) => {
            for (key, value) in before {
                compare(joined(&path, key), Some(value), now.get(key), drifts);
            }
            for (key, value) in now.iter().filter(|(key, _)| !before.contains_key(*key)) {
                compare(joined(&path, key), None, Some(value), drifts);
            }
        }
        (before, now) => drifts.push(Drift {
            path,
            before: before.cloned(),
            now: now.cloned(),
        }),
    }
}

/// The part of `wanted` that `read` does not have: the smallest patch that repairs
/// it, or `None` where there is nothing to repair.
#[must_use]
pub fn repair(wanted: &Map<String, Value>, read: &Value) -> Option<Map<String, Value>> {
    let mut patch = Map::new();
    for (key, wanted) in wanted {
        match (wanted, child(read, key)) {
            (Value::Object(wanted), Some(read)) if is_node(read) => {
                if let Some(part) = repair(wanted, read) {
                    patch.insert(key.clone(), Value::Object(part));
                }
            }
            (wanted, Some(read)) if wanted == read => {}
            (wanted, _) => {
                patch.insert(key.clone(), wanted.clone());
            }
        }
    }
    (!patch.is_empty()).then_some(patch)
}

/// A pod may answer with an array where the schema has an object with index keys.
#[must_use]
pub fn child<'a>(node: &'a Value, key: &str) -> Option<&'a Value> {
    match node {
        Value::Object(map) => map.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

fn is_node(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Writes each leaf of a patch into a configuration.
pub fn apply(patch: &Value, config: &mut Value) {
    match (patch, config) {
        (Value::Object(patch), Value::Object(config)) => {
            for (key, part) in patch {
                apply(part, config.entry(key.clone()).or_insert(Value::Null));
            }
        }
        (Value::Object(patch), Value::Array(items)) => {
            for (key, part) in patch {
                if let Some(item) = key
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index))
                {
                    apply(part, item);
                }
            }
        }
        (patch, config) => *config = patch.clone(),
    }
}

/// The path and value of each leaf.
#[must_use]
pub fn leaves(value: &Value) -> Vec<(String, &Value)> {
    fn walk<'a>(path: String, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
        match value {
            Value::Object(map) => map
                .iter()
                .for_each(|(key, value)| walk(joined(&path, key), value, found)),
            value => found.push((path, value)),
        }
    }
    let mut found = Vec::new();
    walk(String::new(), value, &mut found);
    found
}

/// A value for a log line: short and on one line.
#[must_use]
pub fn printed(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(value) => {
            let text = value.to_string();
            if text.len() <= MAX_PRINTED {
                text
            } else {
                "(a long value)".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn drift_is_found_leaf_by_leaf() {
        let before = json!({ "display": { "name": "A", "calendar": { "show": true, "enabled": true } }, "gone": 1 });
        let now = json!({ "display": { "name": "B", "calendar": { "show": true, "enabled": false, "new": "x" } } });
        let paths: Vec<_> = between(&before, &now)
            .into_iter()
            .map(|drift| drift.path)
            .collect();
        assert_eq!(
            paths,
            [
                "display.calendar.enabled",
                "display.calendar.new",
                "display.name",
                "gone"
            ]
        );
        assert!(between(&before, &before).is_empty());
    }

    #[test]
    fn a_clock_that_goes_is_no_drift() {
        let at = |time: &str| json!({ "display": { "clock": { "current_time": time } } });
        assert!(between(&at("10:00"), &at("10:01")).is_empty());
    }

    #[test]
    fn what_moves_is_not_kept() {
        let at =
            |time: &str| json!({ "display": { "clock": { "current_time": time, "show": true } } });
        let kept = at_rest(at("10:00"));
        assert_eq!(kept, json!({ "display": { "clock": { "show": true } } }));
        assert_eq!(digest(&kept), digest(&at_rest(at("10:01"))));
        assert_eq!(at_rest(json!({ "display": 1 })), json!({ "display": 1 }));
    }

    #[track_caller]
    fn check_repair(wanted: Value, read: Value, expected: Option<Value>) {
        let Value::Object(wanted) = wanted else {
            panic!("not a table")
        };
        assert_eq!(repair(&wanted, &read).map(Value::Object), expected);
    }

    #[test]
    fn the_smallest_patch_repairs() {
        let wanted = json!({ "display": { "calendar": { "enabled": true, "show": true } } });
        let read = |enabled: bool| json!({ "display": { "calendar": { "enabled": enabled, "show": true }, "name": "A" } });
        check_repair(wanted.clone(), read(true), None);
        check_repair(
            wanted.clone(),
            read(false),
            Some(json!({ "display": { "calendar": { "enabled": true } } })),
        );
        check_repair(wanted.clone(), json!({}), Some(wanted));
        check_repair(
            json!({ "images": { "0": { "enabled": true } } }),
            json!({ "images": [{ "enabled": false, "position": 1 }] }),
            Some(json!({ "images": { "0": { "enabled": true } } })),
        );
    }

    #[test]
    fn what_was_repaired_does_not_drift_again() {
        let mut config = json!({ "display": { "calendar": { "show": false }, "name": "A" }, "images": [{ "on": false }] });
        apply(
            &json!({ "display": { "calendar": { "show": true } }, "images": { "0": { "on": true } } }),
            &mut config,
        );
        let expected = json!({ "display": { "calendar": { "show": true }, "name": "A" }, "images": [{ "on": true }] });
        assert_eq!(config, expected);
    }

    #[test]
    fn long_values_are_not_printed() {
        assert_eq!(printed(Some(&json!(true))), "true");
        assert_eq!(printed(Some(&json!("x".repeat(100)))), "(a long value)");
        assert_eq!(printed(None), "nothing");
    }
}
