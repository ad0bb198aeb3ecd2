//! Holds `docs/json.schema.json` and `docs/json.md`, which say what `--json` prints, to each
//! other and to the code. `tests/it/json_documents.rs` applies the schema to what is printed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::control::pod::PodState;
use crate::service::status::RoomState;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
const TABLE: &str = "## Keys\n\n| key | meaning |\n| --- | --- |\n";

fn schema() -> Value {
    serde_json::from_str(include_str!("../../docs/json.schema.json")).unwrap()
}

/// The definitions of one kind, by their names.
fn definitions(schema: &Value, kind: &str) -> BTreeMap<String, Value> {
    let all = schema["$defs"].as_object().unwrap().iter();
    let of_kind = all.filter_map(|(name, one)| Some((name.strip_prefix(kind)?, one)));
    of_kind
        .map(|(name, one)| (name.to_owned(), one.clone()))
        .collect()
}

fn keys(schema: &Value) -> BTreeMap<String, Value> {
    definitions(schema, "key_")
}

/// Calls `visit` with each property that any object in the schema has.
fn properties(schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    if let Some(own) = schema.get("properties").and_then(Value::as_object) {
        own.iter().for_each(|(name, own)| visit(name, own));
    }
    match schema {
        Value::Object(map) => map.values().for_each(|below| properties(below, visit)),
        Value::Array(all) => all.iter().for_each(|below| properties(below, visit)),
        _ => {}
    }
}

#[test]
fn each_key_is_defined_once_and_used() {
    let schema = schema();
    let mut used = BTreeSet::new();
    let documents = definitions(&schema, "document_").into_values();
    for part in documents.chain(definitions(&schema, "object_").into_values()) {
        properties(&part, &mut |name, property| {
            let definition = format!("#/$defs/key_{name}");
            assert_eq!(property["$ref"], definition, "{name}: {property}");
            used.insert(name.to_owned());
        });
    }
    let defined: BTreeSet<String> = keys(&schema).keys().cloned().collect();
    assert_eq!(used, defined);
}

#[test]
fn states_are_those_of_the_code() {
    let states = |schema: &Value| -> BTreeSet<String> {
        let states = schema["enum"].as_array().unwrap();
        let text = |state: &Value| state.as_str().unwrap().to_owned();
        states.iter().map(text).collect()
    };
    let keys = keys(&schema());
    let rooms = BTreeSet::from(RoomState::ALL.map(|state| state.key().to_owned()));
    let pods = BTreeSet::from(PodState::ALL.map(|state| state.key().to_owned()));
    assert_eq!(states(&keys["state"]), &rooms | &pods);
    assert_eq!(states(&keys["summary"]["propertyNames"]), rooms);
    assert!(states(&keys["result"]).is_superset(&pods));
}

/// With `PODCAL_WRITE_DOCS` set, the table is written instead.
#[test]
fn the_guide_lists_the_same_keys() {
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    let (head, listed) = guide.split_once(TABLE).unwrap();
    let rows = keys(&schema()).into_iter().map(|(name, key)| {
        let means = key["description"].as_str().unwrap().to_owned();
        format!("| `{name}` | {} |\n", means.trim_end_matches('.'))
    });
    let rows: String = rows.collect();
    if std::env::var_os("PODCAL_WRITE_DOCS").is_some() {
        std::fs::write(GUIDE, format!("{head}{TABLE}{rows}")).unwrap();
        return;
    }
    assert!(
        listed == rows,
        "run this test with PODCAL_WRITE_DOCS=1, and look at what became different"
    );
}

#[test]
fn the_guide_names_each_document() {
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    let schema = schema();
    for document in definitions(&schema, "document_").keys() {
        assert!(guide.contains(&format!("`{document}`")), "{document}");
    }
}
