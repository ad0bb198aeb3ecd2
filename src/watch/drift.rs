//! The config poll of a pod: its configuration read, its secrets taken out,
//! compared with the last one and with `enforce`. Drift is reported path by path
//! and repaired by the smallest patch where `enforce` asks for it.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{error, info, warn};

use crate::config::{Pod, Room};
use crate::contact::{self, Contact};
use crate::edges::Edges;
use crate::fault::Fault as _;
use crate::ledger::old::LedgerError;
use crate::model::time::UnixTime;
use crate::pod::config::{CalendarMode, PodConfig};
use crate::pod::{PodClient, PodError};
use crate::telemetry::events;
use crate::watch::health::State;

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
fn child<'a>(node: &'a Value, key: &str) -> Option<&'a Value> {
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

/// Polls the configuration of one pod; keeps, logs and repairs what drifted.
///
/// # Errors
/// Only the ledger's.
pub async fn poll_config(
    edges: &Edges,
    room: &Room,
    pod: &Pod,
    now: UnixTime,
) -> Result<(), LedgerError> {
    let _turn = edges.pods.turn(pod).await;
    let standing = edges.ledger.pod(&pod.url).await?;
    let Contact::Open(client) = contact::open(edges, pod, &standing, now) else {
        return Ok(());
    };
    let read = read(&client).await;
    contact::note(edges, pod, &standing, &client, &read, now).await?;
    let (config, mode) = match read {
        Ok(read) => read,
        Err(error) => {
            // What keeps a pod from answering is the health poll's to say.
            if State::of(&error) == State::Failing {
                say_failed(room, pod, "read", &error);
            }
            return Ok(());
        }
    };
    say_mode(room, pod, &mode, standing.mode.as_deref());
    edges
        .ledger
        .set_mode(&pod.url, &mode.to_string(), now)
        .await?;
    let mut clean = config.without_secrets();
    let wanted = pod.enforce.as_ref();
    let patch = wanted.and_then(|wanted| repair(wanted, config.reveal()));
    let enforced = patch.clone().map(Value::Object).unwrap_or_default();
    if let Some((_, last)) = edges.ledger.config_snapshot(&pod.url).await?
        && let Ok(last) = serde_json::from_str(&last)
    {
        let mut drifts = between(&last, &clean);
        // Of these `enforce` speaks.
        drifts.retain(|drift| {
            leaves(&enforced)
                .iter()
                .all(|(path, _)| *path != drift.path)
        });
        for drift in drifts {
            say_drift(room, pod, &drift);
            edges
                .ledger
                .drifted(&pod.url, &drift.to_string(), false, now)
                .await?;
        }
    }
    if let Some(patch) = patch
        && let Some(settings) = enforce(room, pod, &client, &config, patch).await
    {
        // What was repaired is not to be found drifting at the next poll.
        apply(&enforced, &mut clean);
        edges.ledger.drifted(&pod.url, &settings, true, now).await?;
    }
    edges
        .ledger
        .keep_config(&pod.url, &clean.to_string(), now)
        .await
}

/// Writes each leaf of a patch into a configuration.
fn apply(patch: &Value, config: &mut Value) {
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

async fn read(client: &PodClient) -> Result<(PodConfig, CalendarMode), PodError> {
    let config = client.config().await?;
    let mode = client.calendar_mode().await?;
    Ok((config, mode))
}

/// Repairs what drifted; which settings, when that worked.
async fn enforce(
    room: &Room,
    pod: &Pod,
    client: &PodClient,
    config: &PodConfig,
    patch: Map<String, Value>,
) -> Option<String> {
    let patch = Value::Object(patch);
    let paths: Vec<String> = leaves(&patch)
        .into_iter()
        .map(|(path, value)| format!("{path} = {}", printed(Some(value))))
        .collect();
    let (name, url, settings) = (&room.name, &pod.url, paths.join(", "));
    // Compared with what was read, each path says from what to what.
    for (path, value) in leaves(&patch) {
        let before = path.split('.').try_fold(config.reveal(), child).cloned();
        let drift = Drift {
            path,
            before,
            now: Some(value.clone()),
        };
        let (path, is, wanted) = (
            &drift.path,
            printed(drift.before.as_ref()),
            printed(drift.now.as_ref()),
        );
        warn!(
            event = events::CONFIG_DRIFT, room = %name, pod = %url, path,
            "room `{name}`: {url}: {path} is {is}, `enforce` wants {wanted}"
        );
    }
    match client.patch_config(patch.clone(), None).await {
        Ok(done) => {
            info!(
                event = events::CONFIG_REPAIRED, room = %name, pod = %url, settings,
                reboot_required = done.reboot_required, restart_required = done.restart_required,
                "room `{name}`: {url}: repaired {settings}"
            );
            Some(settings)
        }
        Err(error) => {
            say_failed(room, pod, "repaired", &error);
            None
        }
    }
}

fn leaves(value: &Value) -> Vec<(String, &Value)> {
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

fn say_mode(room: &Room, pod: &Pod, mode: &CalendarMode, before: Option<&str>) {
    let (name, url) = (&room.name, &pod.url);
    if before == Some(mode.to_string().as_str()) {
        return;
    }
    if mode.is_known_other() {
        let other = mode.to_string();
        error!(
            event = events::PUSH_REFUSED, room = %name, pod = %url, mode = other,
            "room `{name}`: {url} is in the calendar mode {other} and is not written to; \
             set it to \"3rd party only\" in its calendar settings"
        );
    } else if before.is_some() {
        info!(
            event = events::CONFIG_DRIFT, room = %name, pod = %url, mode = %mode,
            "room `{name}`: {url} is in the calendar mode {mode}"
        );
    }
}

fn say_drift(room: &Room, pod: &Pod, drift: &Drift) {
    let (name, url, path) = (&room.name, &pod.url, &drift.path);
    let (before, now) = (printed(drift.before.as_ref()), printed(drift.now.as_ref()));
    warn!(
        event = events::CONFIG_DRIFT, room = %name, pod = %url, path, before, now,
        "room `{name}`: {url}: {drift}"
    );
}

fn say_failed(room: &Room, pod: &Pod, what: &str, error: &PodError) {
    let (name, url) = (&room.name, &pod.url);
    let (says, hint) = (crate::fault::chain(error), error.hint());
    warn!(
        event = events::CONFIG_FAILED, room = %name, pod = %url, error.r#type = error.kind(),
        "room `{name}`: the configuration of {url} could not be {what}: {says}; {hint}"
    );
}

/// A value for a log line: short and on one line.
fn printed(value: Option<&Value>) -> String {
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
