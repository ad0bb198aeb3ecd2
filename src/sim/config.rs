//! Configuration: read whole or by path, and changed by merging a subset.
//!
//! A patch is checked in full before anything is changed. Secrets come in as `{"secret": ...}` and
//! go out as salt and hash; image hashes and the clock are what they are and cannot be written.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::config_tree::{self, FREE_MAPS, Facts, is_indexed, is_secret};
use super::fields;
use super::options::CalendarMode;
use super::request::Call;
use super::secret::SecretHash;
use super::state::{Pod, Rollback, State};
use crate::model::time::UnixTime;

/// What was ever set may not be larger than this, as unknown keys are kept.
const MOST_SETTINGS: usize = 1024 * 1024;

/// The configuration as the pod gives it.
pub(super) fn shown(pod: &Pod, state: &State) -> Value {
    let mut tree = tree(pod, state);
    if state.quirks.arrays {
        in_the_examples_form(&mut tree, state);
    }
    tree
}

/// The tree as delivered, under what was set, under what follows from the rest of the state.
pub(super) fn tree(pod: &Pod, state: &State) -> Value {
    let mut tree = delivered(pod, state);
    lay_over(&mut tree, &state.settings);
    let now = pod.now(state).to_string();
    for (path, value) in [
        (
            "/display/calendar/type",
            json!(state.mode.spelt(&pod.options.type_spelling)),
        ),
        ("/display/clock/current_time", json!(now)),
        ("/security/admin_password", state.password.to_json()),
    ] {
        if let Some(place) = tree.pointer_mut(path) {
            *place = value;
        }
    }
    if let Some(images) = tree.pointer_mut("/display/splash/images") {
        state.images.write_hashes(images);
    }
    tree
}

fn delivered(pod: &Pod, state: &State) -> Value {
    config_tree::delivered(&Facts {
        name: &state.name,
        host_name: &state.host_name(),
        time_zone: &pod.options.time_zone,
        calendar_type: state.mode.spelt(&pod.options.type_spelling),
        ip_address: &pod.address.ip().to_string(),
    })
}

fn lay_over(tree: &mut Value, over: &Value) {
    match (tree, over) {
        (Value::Object(tree), Value::Object(over)) => {
            for (key, value) in over {
                match tree.get_mut(key) {
                    Some(place) => lay_over(place, value),
                    None => {
                        tree.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (tree, over) => *tree = over.clone(),
    }
}

/// Arrays for images and VLANs, and empty strings for EAP fields that are not set.
fn in_the_examples_form(tree: &mut Value, state: &State) {
    if let Some(images) = tree.pointer_mut("/display/splash/images") {
        *images = state.images.as_array(images);
    }
    if let Some(vlans) = tree.pointer_mut("/connection/ethernet/vlans")
        && let Value::Object(object) = vlans
    {
        *vlans = object.values().cloned().collect();
    }
    if let Some(Value::Object(eap)) =
        tree.pointer_mut("/connection/ethernet/enterprise_configuration")
    {
        for key in ["ca_certificate", "tls_user_certificate", "password"] {
            if let Some(value) = eap.get_mut(key)
                && is_blank(value)
            {
                *value = json!("");
            }
        }
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.values().all(is_blank),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// `GET /config` and `GET /config/{key}...`
pub(super) fn get(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    let path = call.segments.get(2..).unwrap_or_default();
    let whole = shown(pod, state);
    let mut found = &whole;
    for key in path {
        let inner = match found {
            Value::Object(object) => object.get(key),
            Value::Array(array) => key.parse().ok().and_then(|index: usize| array.get(index)),
            _ => None,
        };
        found = inner.ok_or_else(|| {
            Refusal::missing(format!(
                "there is no `{}` in the configuration",
                path.join(".")
            ))
        })?;
    }
    match path.last() {
        Some(key) if state.quirks.wrapped => Ok(Answer::json(&json!({ key.as_str(): found }))),
        _ => Ok(Answer::json(found)),
    }
}

/// `PATCH /config`
pub(super) fn update(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    let timeout = rollback_timeout(call)?;
    let patch = Value::Object(call.json(pod.options.strict)?);
    let before = state.settings.get("connection").cloned();
    let applied = apply(pod, state, &patch)?;
    for key in &applied.unknown {
        let what = format!("`{key}` is not a configuration key of the reference; it is kept");
        state.log.violation(call.violation(&what));
    }
    if let Some(seconds) = timeout
        && applied.reboot_required
        && !pod.options.cloud_reachable
    {
        let at = pod.now(state).seconds().saturating_add(seconds);
        state.rollback = Some(Rollback {
            at: UnixTime::from_seconds(at),
            connection: before.unwrap_or(json!({})),
        });
    }
    let mut answer = Map::new();
    answer.insert("device_id".to_owned(), json!(state.device_id));
    answer.insert("message".to_owned(), json!("success!"));
    // The reference's example leaves these out when there is nothing to do.
    if applied.reboot_required {
        answer.insert("reboot_required".to_owned(), json!(true));
    }
    if applied.restart_required {
        answer.insert("restart_required".to_owned(), json!(true));
    }
    Ok(Answer::json(&Value::Object(answer)))
}

fn rollback_timeout(call: &Call) -> Result<Option<i64>, Refusal> {
    let parameters = call.parameters();
    let mut given = parameters
        .iter()
        .filter(|(name, _)| name == "rollback_timeout_seconds");
    let Some((_, text)) = given.next() else {
        return Ok(None);
    };
    match (text.parse::<i64>(), given.next()) {
        (Ok(seconds), None) if seconds >= 0 => Ok(Some(seconds)),
        _ => Err(Refusal::invalid(
            "`rollback_timeout_seconds` must be one whole number of seconds",
        )),
    }
}

pub(super) fn roll_back_if_due(pod: &Pod, state: &mut State) {
    if state
        .rollback
        .as_ref()
        .is_some_and(|rollback| rollback.at <= pod.now(state))
        && let Some(rollback) = state.rollback.take()
        && let Some(settings) = state.settings.as_object_mut()
    {
        settings.insert("connection".to_owned(), rollback.connection);
    }
}

/// What a patch came to.
pub(super) struct PatchOutcome {
    unknown: Vec<String>,
    reboot_required: bool,
    restart_required: bool,
}

/// Checks the whole patch, then lays it over the settings.
pub(super) fn apply(pod: &Pod, state: &mut State, patch: &Value) -> Result<PatchOutcome, Refusal> {
    let delivered = delivered(pod, state);
    let current = tree(pod, state);
    let mut merge = Merge {
        pod,
        key: state.key,
        current: &current,
        rules: current.pointer("/security/enforce_admin_password_validation_rules")
            == Some(&json!(true)),
        unknown: Vec::new(),
        password: None,
        mode: None,
        time: None,
    };
    let over = merge.node(&delivered, patch, "")?;
    let Merge {
        unknown,
        password,
        mode,
        time,
        ..
    } = merge;
    let mut settings = state.settings.clone();
    lay_over(&mut settings, &over);
    if settings.to_string().len() > MOST_SETTINGS {
        return Err(Refusal::invalid("the configuration has become too large"));
    }
    state.settings = settings;
    if let Some(password) = password {
        state.password = password;
    }
    if let Some(mode) = mode {
        state.mode = mode;
    }
    if let Some(time) = time {
        state.clock_offset = time
            .seconds()
            .saturating_sub(pod.options.clock.now().seconds());
    }
    let now = tree(pod, state);
    let differs = |path: &str| current.pointer(path) != now.pointer(path);
    Ok(PatchOutcome {
        unknown,
        reboot_required: [
            "/connection",
            "/display/output_mode",
            "/display/input_hdcp_mode",
        ]
        .iter()
        .any(|path| differs(path)),
        restart_required: [
            "/locale",
            "/security/encryption_enabled",
            "/security/display_certificate",
            "/display/input_mode",
        ]
        .iter()
        .any(|path| differs(path)),
    })
}

/// The walk through a patch beside the tree as delivered, whose types it must have.
struct Merge<'a> {
    pod: &'a Pod,
    key: [u8; 32],
    current: &'a Value,
    /// Whether the rules for admin passwords are enforced.
    rules: bool,
    unknown: Vec<String>,
    password: Option<SecretHash>,
    mode: Option<CalendarMode>,
    time: Option<UnixTime>,
}

impl Merge<'_> {
    /// What `patch` lays over `known`. Depth is bounded: serde_json refuses more than 128 levels.
    fn node(&mut self, known: &Value, patch: &Value, path: &str) -> Result<Value, Refusal> {
        if path == "display.splash.images" {
            return images(patch);
        }
        if is_secret(known) {
            return self.secret(patch, path);
        }
        match (known, patch) {
            (Value::Object(known), Value::Object(patch)) => self.object(known, patch, path),
            (Value::Object(known), Value::Array(items)) if is_indexed(known) => {
                let by_index = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| (index.to_string(), item.clone()))
                    .collect();
                self.object(known, &by_index, path)
            }
            // The example's form of an EAP field that is not set.
            (Value::Object(_), Value::String(text))
                if text.is_empty() && path.contains("enterprise_configuration.") =>
            {
                Ok(known.clone())
            }
            (Value::String(_), Value::String(text)) => self.text(text, path),
            (Value::Bool(_), Value::Bool(_)) => Ok(patch.clone()),
            (Value::Number(_), Value::Number(number)) if number.as_i64().is_some() => {
                Ok(patch.clone())
            }
            _ => Err(Refusal::invalid(format!(
                "`{path}` must be {}, not {}",
                fields::name(known),
                fields::name(patch)
            ))),
        }
    }

    fn object(
        &mut self,
        known: &Map<String, Value>,
        patch: &Map<String, Value>,
        path: &str,
    ) -> Result<Value, Refusal> {
        let mut over = Map::new();
        for (key, value) in patch {
            let inner = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let value = match known.get(key) {
                Some(known) => self.node(known, value, &inner)?,
                None if path == "conference.url_parsing" && !value.is_string() => {
                    return Err(Refusal::invalid(format!(
                        "`{inner}` must be a string, not {}",
                        fields::name(value)
                    )));
                }
                None if FREE_MAPS.iter().any(|free| inner.starts_with(free)) => value.clone(),
                None if is_indexed(known) => {
                    return Err(Refusal::invalid(format!(
                        "there is no `{inner}` in the configuration"
                    )));
                }
                None => {
                    self.unknown.push(inner);
                    value.clone()
                }
            };
            over.insert(key.clone(), value);
        }
        Ok(Value::Object(over))
    }

    fn text(&mut self, text: &str, path: &str) -> Result<Value, Refusal> {
        match path {
            "display.calendar.type" => {
                let mode = CalendarMode::from_spelling(text, &self.pod.options.type_spelling)
                    .ok_or_else(|| {
                        Refusal::invalid(
                            "`display.calendar.type` is not a calendar type of this pod",
                        )
                    })?;
                self.mode = Some(mode);
            }
            "display.clock.current_time" => self.time = UnixTime::parse(text),
            _ => {}
        }
        Ok(json!(text))
    }

    fn secret(&mut self, patch: &Value, path: &str) -> Result<Value, Refusal> {
        let current = self
            .current
            .pointer(&format!("/{}", path.replace('.', "/")));
        if current.is_some_and(|current| current == patch) {
            return Ok(patch.clone());
        }
        let secret = match patch {
            Value::String(text)
                if text.is_empty() && path.contains("enterprise_configuration.") =>
            {
                ""
            }
            Value::Object(object) if object.len() == 1 => object
                .get("secret")
                .and_then(Value::as_str)
                .ok_or_else(|| {
                    Refusal::invalid(format!("`{path}` must be {{\"secret\": \"...\"}}"))
                })?,
            _ => {
                return Err(Refusal::invalid(format!(
                    "`{path}` must be {{\"secret\": \"...\"}}"
                )));
            }
        };
        let is_password = path == "security.admin_password";
        if is_password && self.rules && !is_strong(secret) {
            return Err(Refusal::invalid(
                "`security.admin_password` needs 8 characters: upper and lower case, and a digit or another sign",
            ));
        }
        let hashed = SecretHash::new(&self.key, path, secret);
        let shown = hashed.to_json();
        if is_password {
            self.password = Some(hashed);
        }
        Ok(shown)
    }
}

/// Only `enabled` can be written; hashes, sizes and formats follow from the images. Both of the
/// reference's forms.
fn images(patch: &Value) -> Result<Value, Refusal> {
    let wrong = |what: &str| Refusal::invalid(format!("`display.splash.images` {what}"));
    let entries: Vec<(u64, &Value)> = match patch {
        Value::Object(object) => object
            .iter()
            .map(|(key, entry)| Some((key.parse().ok()?, entry)))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("has keys from 0 to 5"))?,
        Value::Array(items) => items
            .iter()
            .map(|entry| Some((entry.get("position")?.as_u64()?.checked_sub(1)?, entry)))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("as an array has a `position` from 1 to 6 in each entry"))?,
        other => {
            return Err(wrong(&format!(
                "must be an object, not {}",
                fields::name(other)
            )));
        }
    };
    let mut over = Map::new();
    for (index, entry) in entries {
        if index > 5 {
            return Err(wrong("has six places"));
        }
        let Value::Object(entry) = entry else {
            return Err(wrong("holds objects"));
        };
        match entry.get("enabled") {
            Some(enabled @ Value::Bool(_)) => {
                over.insert(index.to_string(), json!({ "enabled": enabled }));
            }
            None => {}
            Some(other) => {
                return Err(wrong(&format!(
                    "has an `enabled` that is {}",
                    fields::name(other)
                )));
            }
        }
    }
    Ok(Value::Object(over))
}

/// The vendor's rule: eight characters, upper and lower case, and a digit or a special character.
fn is_strong(password: &str) -> bool {
    password.chars().count() >= 8
        && password.chars().any(char::is_uppercase)
        && password.chars().any(char::is_lowercase)
        && password.chars().any(|c| !c.is_alphabetic())
}
