use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn as_json(path: &Path) -> Option<Json> {
    let text = fs::read_to_string(path).unwrap();
    let table: toml::Table = text.trim_start_matches('\u{feff}').parse().ok()?;
    Some(serde_json::to_value(table).unwrap())
}

#[test]
fn every_key_has_an_entry_and_no_other_has() {
    for section in keys::ALL {
        for key in section.keys {
            assert!(entry(section, key).is_some(), "{key} of {}", section.place);
        }
    }
    for entry in ENTRIES {
        assert!(
            entry.section.knows(entry.key),
            "{} of {}",
            entry.key,
            entry.section.place
        );
        assert!(entry.default.is_empty() || default(entry).is_some());
        let about = entry.about;
        assert!(about.ends_with(['.', '?']), "{about}");
    }
}

#[test]
fn every_table_is_defined() {
    let document = document();
    let text = document.to_string();
    let mut named = 0;
    for rest in text.split("#/definitions/").skip(1) {
        let name = rest.split('"').next().unwrap();
        assert!(document["definitions"][name].is_object(), "{name:?}");
        named += 1;
    }
    assert!(named > 20, "only {named} are named");
}

#[test]
fn the_schema_accepts_the_example_and_every_good_file() {
    let validator = jsonschema::draft7::new(&document()).unwrap();
    let mut files = vec![root().join("config.example.toml")];
    for entry in fs::read_dir(root().join("tests/data/config")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("good-") && name.ends_with(".toml") {
            files.push(path);
        }
    }
    assert!(files.len() > 10, "{files:?}");
    for path in files {
        let errors: Vec<String> = validator
            .iter_errors(&as_json(&path).unwrap())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

#[test]
fn the_schema_refuses_files_with_wrong_keys_types_and_words() {
    let validator = jsonschema::draft7::new(&document()).unwrap();
    for name in [
        "bad-added-keys",
        "bad-not-tables",
        "bad-quoted",
        "bad-rooms-in-an-array",
        "bad-rooms-without-feed-and-pod",
        "bad-tls",
        "bad-types",
        "bad-units",
        "bad-unknown-keys",
        "bad-empty",
    ] {
        let path = root()
            .join("tests/data/config")
            .join(format!("{name}.toml"));
        assert!(!validator.is_valid(&as_json(&path).unwrap()), "{name}");
    }
}

/// Each key with bounds: in the documentation and in the example, as the program has them.
#[test]
fn bounds_are_written_as_they_are_checked() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let example = fs::read_to_string(root().join("config.example.toml")).unwrap();
    let words = example.replace("\n#", " ").replace('"', "");
    let words: Vec<&str> = words.split_whitespace().collect();
    let example = words.join(" ");
    let mut bounded = 0;
    for entry in ENTRIES {
        let Some(bounds) = entry.bounds() else {
            continue;
        };
        let row = format!("| `{}` |", entry.key);
        let has = |line: &str| line.starts_with(&row) && line.contains(&bounds);
        assert!(
            text.lines().any(has),
            "no row of `{}` has {bounds}",
            entry.key
        );
        // "0 switches it off" stands there in place of bounds that nobody reaches.
        if !matches!(entry.shape, Shape::Whole(0, _)) {
            assert!(example.contains(&bounds), "{}: {bounds}", entry.key);
        }
        bounded += 1;
    }
    assert_eq!(bounded, 12);
}

/// The tables of the documentation, as rows of key, value and default under a heading.
#[test]
fn the_documentation_has_every_key_with_its_default() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    for (section, heading) in HEADINGS {
        let (_, part) = text
            .split_once(&format!("\n## {heading}\n"))
            .unwrap_or_else(|| panic!("no heading {heading:?}"));
        let part = part.split("\n## ").next().unwrap();
        for key in section.keys {
            let row = part
                .lines()
                .find(|line| line.starts_with(&format!("| `{key}` |")))
                .unwrap_or_else(|| panic!("{heading} lacks `{key}`"));
            let default = entry(section, key).unwrap().default;
            if !default.is_empty() && !std::ptr::eq(section.keys, keys::ROOM_GUARD.keys) {
                let cells: Vec<&str> = row.split(" | ").collect();
                let cell = format!("`{default}`");
                assert!(cells.iter().any(|found| *found == cell), "{row}: {default}");
            }
        }
        for line in part.lines() {
            if let Some(key) = line.strip_prefix("| `") {
                let key = key.split('`').next().unwrap();
                assert!(
                    section.knows(key),
                    "{heading} has `{key}`, which is not a key"
                );
            }
        }
    }
}

const HEADINGS: &[(&Section, &str)] = &[
    (&keys::ROOT, "The top of the file"),
    (&keys::LEDGER, "`[ledger]`"),
    (&keys::SCHEDULE, "`[schedule]`"),
    (&keys::WINDOW, "`[window]`"),
    (&keys::MEETINGS, "`[meetings]`"),
    (&keys::GUARD, "`[guard]`"),
    (&keys::LIMITS, "`[limits]`"),
    (&keys::HTTP, "`[http]`"),
    (&keys::WEB, "`[web]`"),
    (&keys::POD, "`[pod]`"),
    (&keys::ROOM, "`[rooms.NAME]`"),
    (&keys::ROOM_GUARD, "`guard` of a room"),
    (&keys::ROOM_POD, "A pod of a room"),
    (&keys::FEED, "A feed"),
    (&keys::ONLY, "`only` of a feed"),
    (&keys::OAUTH2, "`oauth2` of a feed"),
    (&keys::TLS, "`tls`"),
    (&keys::SECRET, "Secrets"),
];
