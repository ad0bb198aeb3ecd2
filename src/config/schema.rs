//! A JSON schema of the configuration, for editors: made from the list of keys and the
//! table below, which says of each key what it may be, what holds without it, and why.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::keys::{self, Section};
use super::units;

/// The schema as a JSON document (draft 7, which editors of TOML understand).
#[must_use]
pub fn document() -> Json {
    let mut document = table(&keys::ROOT);
    let mut definitions = Map::new();
    for (section, name) in DEFINITIONS {
        definitions.insert((*name).to_owned(), table(section));
    }
    let simple = [
        ("duration", duration()),
        ("size", size()),
        ("cron", cron()),
        ("secret", secret()),
    ];
    for (name, schema) in simple {
        definitions.insert(name.to_owned(), schema);
    }
    if let Some(document) = document.as_object_mut() {
        document.insert(
            "$schema".to_owned(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        document.insert("title".to_owned(), json!("podcal.toml"));
        document.insert("definitions".to_owned(), Json::Object(definitions));
    }
    document
}

/// What the value of a key may be.
pub enum Shape {
    /// One line of text that is not empty.
    Text,
    Texts,
    Truth,
    /// A whole number from and to.
    Whole(i64, i64),
    /// From and to, in milliseconds.
    Duration(u64, u64),
    /// A duration, or "never".
    DurationOrNever(u64, u64),
    /// From and to, in bytes.
    Size(u64, u64),
    Cron,
    Words(&'static [&'static str]),
    Secret,
    Table(&'static Section),
    /// `[rooms.NAME]` tables.
    Rooms,
    /// One text, or a table.
    TextOr(&'static Section),
    /// A list of those.
    ListOf(&'static Section),
    /// Settings of a pod, whatever they are.
    Settings,
}

/// What there is to say about a key.
pub struct Entry {
    /// The place of its table.
    pub section: &'static Section,
    pub key: &'static str,
    pub shape: Shape,
    /// What holds without it, in TOML; empty where nothing does.
    pub default: &'static str,
    pub about: &'static str,
}

impl Entry {
    /// The bounds of its value as people write them, such as "1d to 3660d"; `None` where it
    /// has none.
    #[must_use]
    pub fn bounds(&self) -> Option<String> {
        let span = |millis: &u64| units::spelt(Duration::from_millis(*millis));
        match &self.shape {
            Shape::Whole(from, to) => Some(format!("{from} to {to}")),
            Shape::Duration(from, to) | Shape::DurationOrNever(from, to) => {
                Some(format!("{} to {}", span(from), span(to)))
            }
            Shape::Size(from, to) => {
                let (from, to) = (units::spelt_size(*from), units::spelt_size(*to));
                Some(format!("{from} to {to}"))
            }
            _ => None,
        }
    }

    fn about_and_bounds(&self) -> String {
        match self.bounds() {
            Some(bounds) => format!("{}; {bounds}.", self.about.trim_end_matches('.')),
            None => self.about.to_owned(),
        }
    }
}

/// The entry of a key.
#[must_use]
pub fn entry(section: &Section, key: &str) -> Option<&'static Entry> {
    ENTRIES
        .iter()
        .find(|entry| entry.section.place == section.place && entry.key == key)
        // A pod of a room has the keys of `[pod]`, and a room's guard those of `[guard]`.
        .or_else(|| match section.place {
            place if place == keys::ROOM_POD.place => entry(&keys::POD, key),
            place if place == keys::ROOM_GUARD.place => entry(&keys::GUARD, key),
            _ => None,
        })
}

const DEFINITIONS: &[(&Section, &str)] = &[
    (&keys::LEDGER, "ledger"),
    (&keys::SCHEDULE, "schedule"),
    (&keys::WINDOW, "window"),
    (&keys::MEETINGS, "meetings"),
    (&keys::GUARD, "guard"),
    (&keys::ROOM_GUARD, "room_guard"),
    (&keys::LIMITS, "limits"),
    (&keys::HTTP, "http"),
    (&keys::WEB, "web"),
    (&keys::POD, "pod_defaults"),
    (&keys::ROOM, "room"),
    (&keys::ROOM_POD, "pod"),
    (&keys::FEED, "feed"),
    (&keys::ONLY, "only"),
    (&keys::OAUTH2, "oauth2"),
    (&keys::TLS, "tls"),
    (&keys::SECRET, "secret_source"),
];

fn reference(section: &Section) -> Json {
    let name = DEFINITIONS
        .iter()
        .find(|(known, _)| known.place == section.place)
        .map_or("", |(_, name)| name);
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn table(section: &'static Section) -> Json {
    let properties: Map<String, Json> = section
        .keys
        .iter()
        .map(|key| ((*key).to_owned(), property(section, key)))
        .collect();
    let mut table = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    let exactly_one = |keys: &[&str]| -> Json {
        let each: Vec<Json> = keys
            .iter()
            .map(|key| json!({ "required": [key] }))
            .collect();
        json!({ "oneOf": each })
    };
    let (key, rule) = match section.place {
        place if place == keys::ROOT.place => (
            "anyOf",
            json!([{ "required": ["rooms"] }, { "required": ["include"] }]),
        ),
        place if place == keys::ROOM.place => (
            "allOf",
            json!([
                exactly_one(&["feed", "feeds"]),
                exactly_one(&["pod", "pods"])
            ]),
        ),
        place if place == keys::FEED.place => ("allOf", json!([exactly_one(&["ics", "caldav"])])),
        place if place == keys::TLS.place => (
            "allOf",
            json!([exactly_one(&["verify", "sha256", "ca_file"])]),
        ),
        place if place == keys::SECRET.place => ("allOf", json!([exactly_one(&["file", "env"])])),
        place if place == keys::ROOM_POD.place => ("required", json!(["url"])),
        place if place == keys::OAUTH2.place => ("required", json!(section.keys)),
        _ => return table,
    };
    if let Some(table) = table.as_object_mut() {
        table.insert(key.to_owned(), rule);
    }
    table
}

fn property(section: &Section, key: &str) -> Json {
    let Some(entry) = entry(section, key) else {
        return json!({});
    };
    let shape = shape(&entry.shape);
    let mut property = match shape.get("$ref") {
        // Draft 7 passes over what is beside a `$ref`.
        Some(_) => json!({ "allOf": [shape] }),
        None => shape,
    };
    if let Some(property) = property.as_object_mut() {
        property.insert("description".to_owned(), json!(entry.about_and_bounds()));
        if let Some(default) = default(entry) {
            property.insert("default".to_owned(), default);
        }
    }
    property
}

/// The default as JSON, from TOML.
fn default(entry: &Entry) -> Option<Json> {
    if entry.default.is_empty() {
        return None;
    }
    let table: toml::Table = toml::from_str(&format!("default = {}", entry.default)).ok()?;
    serde_json::to_value(table.get("default")?).ok()
}

fn shape(shape: &Shape) -> Json {
    match shape {
        Shape::Text => text(),
        Shape::Texts => json!({ "type": "array", "items": text() }),
        Shape::Truth => json!({ "type": "boolean" }),
        Shape::Whole(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Shape::Duration(..) => json!({ "$ref": "#/definitions/duration" }),
        Shape::DurationOrNever(..) => {
            json!({ "anyOf": [{ "const": "never" }, { "$ref": "#/definitions/duration" }] })
        }
        Shape::Size(..) => json!({ "$ref": "#/definitions/size" }),
        Shape::Cron => json!({ "$ref": "#/definitions/cron" }),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Secret => json!({ "$ref": "#/definitions/secret" }),
        Shape::Table(section) => reference(section),
        Shape::Rooms => {
            json!({ "type": "object", "additionalProperties": reference(&keys::ROOM) })
        }
        Shape::TextOr(section) => text_or(section),
        Shape::ListOf(section) => {
            json!({ "type": "array", "minItems": 1, "items": text_or(section) })
        }
        Shape::Settings => json!({ "type": "object" }),
    }
}

fn text() -> Json {
    json!({ "type": "string", "minLength": 1 })
}

fn text_or(section: &Section) -> Json {
    json!({ "anyOf": [text(), reference(section)] })
}

fn duration() -> Json {
    json!({
        "type": "string",
        "pattern": "^\\s*(0|([0-9]+\\s*(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)\\s*)+)$",
        "examples": ["500ms", "15s", "10m", "1h30m", "1d"],
    })
}

fn size() -> Json {
    json!({
        "type": "string",
        "pattern": "^\\s*[0-9]+\\s*([bB]|[kKmMgG]([iI]?[bB])?)\\s*$",
        "examples": ["500kB", "50MB", "1GiB"],
    })
}

fn cron() -> Json {
    json!({
        "type": "string",
        "description": "second minute hour day month weekday, or an interval",
        "pattern": "^\\s*(@[A-Za-z]+( .*)?|[0-9]+\\s*[a-z]+|(\\S+\\s+){5}\\S+)\\s*$",
        "examples": ["0 */5 * * * *", "0 0 7 * * mon-fri", "30s", "5m", "@hourly"],
    })
}

fn secret() -> Json {
    json!({
        "description": "From a file or an environment variable; a literal text works, with a warning.",
        "anyOf": [reference(&keys::SECRET), { "type": "string" }],
    })
}

mod entries;
use entries::ENTRIES;

#[cfg(test)]
mod tests;
