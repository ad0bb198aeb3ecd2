use std::fmt::Write as _;
use std::path::Path;

use super::written::series;
use super::*;
use crate::model::time::UnixTime;

fn at(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

/// Every calendar of the shared conformance suite that needs no more than `written`.
#[test]
fn the_conformance_suite_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let Ok(files) = std::fs::read_dir(folder) else {
        return;
    };
    let mut failures = String::new();
    for path in files.map(|file| file.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "json")
            || name.starts_with("text-")
            || name.starts_with("filter-")
            || name.contains("windows-name")
            || name.contains("outlook")
        {
            continue;
        }
        let case: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = std::fs::read_to_string(path.with_extension("ics")).unwrap();
        let field = |key: &str| case[key].as_str().unwrap().to_owned();
        let window = Window::new(at(&field("from")), at(&field("to"))).unwrap();
        let zone = Zone::named(&field("time_zone")).unwrap();
        let expansion = expand(&series(&text), window, &zone);
        let mut found: Vec<_> = expansion
            .occurrences
            .iter()
            .map(|one| {
                let title = one.details.summary.clone().unwrap_or_default();
                (one.start.to_string(), one.end.to_string(), title)
            })
            .collect();
        found.sort();
        let mut expected: Vec<_> = case["expected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let text = |index: usize| one[index].as_str().unwrap().to_owned();
                (text(0), text(1), text(2))
            })
            .collect();
        expected.sort();
        if found != expected {
            writeln!(failures, "{name}:\n  {found:?}\n  {expected:?}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
