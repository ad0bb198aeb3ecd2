//! The pods: the defaults of `[pod]`, and each room's pods over them.

use std::time::Duration;

use serde_json::{Map, Number, Value as Json};
use toml::de::DeValue;

use crate::model::fingerprint::Fingerprint;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;

use super::file::{self, Table, Value, duration, quoted};
use super::keys;
use super::notes::Place;
use super::secret::{Empty, Sources, secret};
use super::{Pod, TlsTrust};

/// All that a pod is told beside its address.
#[derive(Clone)]
pub struct Settings {
    username: String,
    password: Password,
    min_interval: Duration,
    tls: TlsTrust,
    third_party_type: Option<String>,
    enforce: Option<Map<String, Json>>,
}

#[derive(Clone)]
enum Password {
    Known(Secret),
    /// The file gives none, neither here nor in `[pod]`.
    Missing,
    /// The file gives one that cannot be had; already noted.
    Wrong,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            username: "admin".to_owned(),
            password: Password::Missing,
            min_interval: VENDORS_ADVICE,
            tls: TlsTrust::Pin,
            third_party_type: None,
            enforce: None,
        }
    }
}

/// The vendor asks that a pod be polled no more often.
const VENDORS_ADVICE: Duration = Duration::from_secs(10);

/// A pod of a room; its password may still be missing.
pub struct RoomPod {
    pub url: PodUrl,
    pub place: Place,
    settings: Settings,
}

impl RoomPod {
    #[must_use]
    pub fn lacks_password(&self) -> bool {
        matches!(self.settings.password, Password::Missing)
    }

    /// `None` while there is no password for it.
    #[must_use]
    pub fn finished(self, timeout: Duration) -> Option<Pod> {
        let Password::Known(password) = self.settings.password else {
            return None;
        };
        Some(Pod {
            url: self.url,
            username: self.settings.username,
            password,
            tls: self.settings.tls,
            min_interval: self.settings.min_interval,
            timeout,
            third_party_type: self.settings.third_party_type,
            enforce: self.settings.enforce,
        })
    }
}

/// Reads one pod, an address or a table, over the defaults.
pub fn pod(value: &Value<'_>, defaults: &Settings, sources: &Sources<'_>) -> Option<RoomPod> {
    const EXPECTED: &str = "an address such as \"192.0.2.11\", or { url = \"...\" }";
    let (address, settings) = if value.raw().is_str() {
        (value.clone(), defaults.clone())
    } else {
        let table = value.table_or(&keys::ROOM_POD, EXPECTED)?;
        let settings = settings(&table, defaults, sources);
        let Some(address) = table.get("url") else {
            table.missing("url", "write `url = \"https://192.0.2.11:5443\"`");
            return None;
        };
        (address, settings)
    };
    let url = PodUrl::parse(address.string()?)
        .map_err(|says| address.wrong(says))
        .ok()?;
    Some(RoomPod {
        url,
        place: address.place(),
        settings,
    })
}

/// Reads the keys of a pod over `base`; what is wrong is noted and left as it was.
pub fn settings(table: &Table<'_>, base: &Settings, sources: &Sources<'_>) -> Settings {
    let mut settings = base.clone();
    if let Some(name) = table.get("username").and_then(|value| value.line_of_text()) {
        settings.username = name.to_owned();
    }
    if let Some(value) = table.get("password") {
        settings.password =
            secret(&value, sources, Empty::Allowed).map_or(Password::Wrong, Password::Known);
    }
    if let Some(value) = table.get("min_interval")
        && let Some(span) = duration(&value)
    {
        if span < VENDORS_ADVICE {
            value.warn("is shorter than 10s, the vendor's advice");
        }
        settings.min_interval = span;
    }
    if let Some(trust) = table.get("tls").and_then(|value| tls(&value, sources)) {
        settings.tls = trust;
    }
    if let Some(spelling) = table
        .get("third_party_type")
        .and_then(|value| value.line_of_text())
    {
        settings.third_party_type = Some(spelling.to_owned());
    }
    if let Some(value) = table.get("enforce")
        && let Some(wanted) = enforce(&value)
    {
        refuse_other_mode(&value, &wanted, settings.third_party_type.as_deref());
        // An empty table switches the default off for one pod.
        settings.enforce = (!wanted.is_empty()).then_some(wanted);
    }
    settings
}

pub fn tls(value: &Value<'_>, sources: &Sources<'_>) -> Option<TlsTrust> {
    const EXPECTED: &str =
        "{ verify = \"pin\" | \"ca\" | \"off\" }, { sha256 = \"...\" } or { ca_file = \"...\" }";
    let table = value.table_or(&keys::TLS, EXPECTED)?;
    match (
        table.get("verify"),
        table.get("sha256"),
        table.get("ca_file"),
    ) {
        (Some(verify), None, None) => match verify.string()? {
            "pin" => Some(TlsTrust::Pin),
            "ca" => Some(TlsTrust::Ca),
            "off" => {
                verify.warn(
                    "anyone on the network can pose as the pod and learn its password; use \"pin\"",
                );
                Some(TlsTrust::Off)
            }
            other => {
                verify.wrong(format!(
                    "{} is not known; write \"pin\", \"ca\" or \"off\"",
                    quoted(other)
                ));
                None
            }
        },
        (None, Some(fingerprint), None) => {
            let found = Fingerprint::parse(fingerprint.string()?);
            if found.is_none() {
                fingerprint.wrong(
                    "is not a fingerprint; write the 64 hexadecimal digits of the SHA-256 of the certificate",
                );
            }
            found.map(|found| TlsTrust::Sha256(found.0))
        }
        (None, None, Some(file)) => {
            let (path, bytes) = sources.file(&file)?;
            let marker = b"-----BEGIN CERTIFICATE-----";
            if !bytes.windows(marker.len()).any(|part| part == marker) {
                file.wrong(format!(
                    "the file `{}` contains no certificate in PEM (`-----BEGIN CERTIFICATE-----`)",
                    path.display()
                ));
                return None;
            }
            Some(TlsTrust::CaFile(bytes.into()))
        }
        (None, None, None) => {
            value.wrong(format!("is empty; write {EXPECTED}"));
            None
        }
        _ => {
            value.wrong("contains more than one of `verify`, `sha256` and `ca_file`; keep one");
            None
        }
    }
}

/// Deeper than any setting of a pod lies.
const DEEPEST: usize = 16;

/// The groups of a pod's configuration (reference of OpenControl v2).
const GROUPS: [&str; 9] = [
    "display",
    "connection",
    "security",
    "locale",
    "maintenance",
    "sharing",
    "room_services",
    "kepler",
    "conference",
];

/// Keys under which a pod keeps secrets, wherever they stand.
const SECRETS: [&str; 11] = [
    "secret",
    "secret_salt",
    "secret_hash",
    "secret_key",
    "password",
    "admin_password",
    "user_password_unique",
    "user_password_shared",
    "client_secret",
    "display_certificate",
    "credentials",
];

/// Reads the settings that are to be kept as they are here; secrets and
/// networking are refused, for podcal never writes them.
fn enforce(value: &Value<'_>) -> Option<Map<String, Json>> {
    const EXPECTED: &str = "a table such as { display.calendar = { enabled = true } }";
    for (group, setting) in value.entries(EXPECTED)? {
        if group == "connection" {
            setting.wrong(
                "podcal does not change the network of a pod, because a mistake could cut it off; set it on the pod",
            );
        } else if !GROUPS.contains(&group) {
            let advice = keys::closest(group, GROUPS.into_iter()).map_or_else(
                || format!("known are {}", keys::listed(&GROUPS)),
                |known| format!("did you mean `{known}`?"),
            );
            setting.warn(format!(
                "is not a group of settings that podcal knows; {advice}"
            ));
        }
    }
    object(value, 0)
}

fn object(value: &Value<'_>, depth: usize) -> Option<Map<String, Json>> {
    let mut object = Map::new();
    let mut sound = true;
    for (key, setting) in value.entries("a table")? {
        if SECRETS.contains(&key) {
            setting.wrong("podcal writes no secrets to a pod; set it on the pod");
            sound = false;
            continue;
        }
        match json(&setting, depth) {
            Some(json) => {
                object.insert(key.to_owned(), json);
            }
            None => sound = false,
        }
    }
    sound.then_some(object)
}

fn json(value: &Value<'_>, depth: usize) -> Option<Json> {
    let json = match value.raw() {
        _ if depth > DEEPEST => Err("is nested deeper than any setting of a pod"),
        DeValue::String(text) => Ok(Json::from(text.as_ref())),
        DeValue::Boolean(truth) => Ok(Json::from(*truth)),
        DeValue::Integer(_) => file::integer(value.raw())
            .map(Json::from)
            .ok_or("is too large for an integer"),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Json::from)
            .ok_or("is not a finite number, which JSON needs"),
        DeValue::Datetime(_) => Err("expected a string, found a date; put it in quotes"),
        DeValue::Table(_) => return object(value, depth + 1).map(Json::from),
        DeValue::Array(_) => {
            let elements = value.elements("an array")?;
            let elements: Vec<_> = elements
                .iter()
                .map(|element| json(element, depth + 1))
                .collect();
            return elements
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .map(Json::from);
        }
    };
    json.map_err(|says| value.wrong(says)).ok()
}

/// A pod in another calendar mode is never written to; a file that asks for
/// one contradicts itself.
fn refuse_other_mode(value: &Value<'_>, wanted: &Map<String, Json>, third_party: Option<&str>) {
    let mode = wanted
        .get("display")
        .and_then(|display| display.get("calendar"))
        .and_then(|calendar| calendar.get("type"));
    let Some(mode) = mode else { return };
    if third_party.is_none_or(|spelling| mode.as_str() != Some(spelling)) {
        value.wrong(
            "sets `display.calendar.type`, and podcal cannot know that it means \"3rd party only\"; write the \
             same in `third_party_type`, or leave it out",
        );
    }
}
