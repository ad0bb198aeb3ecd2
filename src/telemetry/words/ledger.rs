//! What the ledger has to say, in words. Paths and numbers; nothing that was stored.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::service::count;
use crate::model::ledger_event::LedgerEvent;
use crate::telemetry::line::{Level, Line};

#[must_use]
pub fn line(event: &LedgerEvent) -> Line {
    match event {
        LedgerEvent::SetAside {
            path,
            aside,
            damage,
            pins,
            sign_ins,
            lost,
        } => Line {
            name: "ledger.set_aside",
            level: Level::Error,
            text: format!(
                "{damage}; it was set aside as {} and a new one begun with {} and {} of it; the \
                 history is lost{}",
                aside.display(),
                count(*pins, "certificate pin", "certificate pins"),
                count(*sign_ins, "sign-in pause", "sign-in pauses"),
                unreadable(lost),
            ),
            fields: vec![
                at(path),
                ("aside", json!(aside.display().to_string())),
                ("pins", json!(pins)),
                ("sign_ins", json!(sign_ins)),
                ("lost", json!(lost)),
            ],
        },
        LedgerEvent::WasEmpty { path } => Line {
            name: "ledger.empty",
            level: Level::Warn,
            text: format!(
                "the ledger {} was an empty file; whatever it held before is lost, also trusted \
                 certificates: pods are trusted again on first contact",
                path.display()
            ),
            fields: vec![at(path)],
        },
        LedgerEvent::Upgraded { path, rooms, pods } => Line {
            name: "ledger.upgraded",
            level: Level::Info,
            text: format!(
                "the ledger {} of an older podcal was brought up to date: {}, {}",
                path.display(),
                count(*rooms, "room", "rooms"),
                count(*pods, "pod", "pods"),
            ),
            fields: vec![at(path), ("rooms", json!(rooms)), ("pods", json!(pods))],
        },
        LedgerEvent::Narrowed { path } => Line {
            name: "ledger.permissions",
            level: Level::Warn,
            text: format!(
                "{} could be read or written by others; now only its owner can",
                path.display()
            ),
            fields: vec![at(path)],
        },
        LedgerEvent::WidePermissions { path, error } => Line {
            name: "ledger.permissions",
            level: Level::Warn,
            text: format!(
                "{} can be read or written by others, and this cannot be changed: {error}; run \
                 `chmod 600` on it as its owner",
                path.display()
            ),
            fields: vec![at(path), ("error", json!(error))],
        },
        LedgerEvent::NoWriteAheadLog { path } => Line {
            name: "ledger.no_write_ahead_log",
            level: Level::Warn,
            text: format!(
                "the file system of the ledger {} has no shared memory, so a slower journal is \
                 used; put the ledger on a local disk",
                path.display()
            ),
            fields: vec![at(path)],
        },
        LedgerEvent::WriteFailed { path, failure } => Line {
            name: "ledger.write_failed",
            level: Level::Error,
            text: format!(
                "{}; displays are served from memory and writing is tried again until it works: {}",
                failure.says, failure.hint
            ),
            fields: vec![at(path), ("error.type", json!(failure.kind))],
        },
        LedgerEvent::WriteRecovered {
            path,
            failed_for,
            failures,
            lost_history,
        } => Line {
            name: "ledger.write_recovered",
            level: Level::Info,
            text: format!(
                "the ledger {} can be written again after {} and {}; everything current was \
                 written{}",
                path.display(),
                spelt(*failed_for),
                count(*failures as usize, "failed write", "failed writes"),
                match lost_history {
                    0 => String::new(),
                    1 => ", 1 line of the history is lost".to_owned(),
                    lost => format!(", {lost} lines of the history are lost"),
                },
            ),
            fields: vec![
                at(path),
                ("failed_seconds", json!(failed_for.as_secs())),
                ("failures", json!(failures)),
                ("lost_history", json!(lost_history)),
            ],
        },
        LedgerEvent::Replaced { path, was_deleted } => Line {
            name: "ledger.replaced",
            level: Level::Warn,
            text: match was_deleted {
                true => format!(
                    "the ledger {} was deleted while podcal uses it; a new one was begun with \
                     everything current",
                    path.display()
                ),
                false => format!(
                    "the ledger {} was replaced by another file while podcal uses it; everything \
                     current is written to that one",
                    path.display()
                ),
            },
            fields: vec![at(path), ("deleted", json!(was_deleted))],
        },
        LedgerEvent::LostToAnother { path, failure } => Line {
            name: "ledger.lost",
            level: Level::Error,
            text: format!(
                "{}: its lock file was deleted and another process claimed the ledger; this one \
                 no longer writes to it: {}",
                failure.says, failure.hint
            ),
            fields: vec![at(path), ("error.type", json!(failure.kind))],
        },
    }
}

fn at(path: &Path) -> (&'static str, Value) {
    ("path", json!(path.display().to_string()))
}

fn unreadable(lost: &[&str]) -> String {
    let name = |table: &&str| match *table {
        "pin" => "certificate pins",
        "accepted_device" => "accepted devices",
        _ => "sign-in pauses",
    };
    let mut names: Vec<_> = lost.iter().map(name).collect();
    names.dedup();
    match names.is_empty() {
        true => String::new(),
        false => format!("; not all could be read of: {}", names.join(", ")),
    }
}

fn spelt(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::failure::{Failure, FailureClass};

    #[test]
    fn every_event_is_a_sentence_with_the_path() {
        let path = || PathBuf::from("/var/lib/podcal/podcal.db");
        let failure = || Failure {
            class: FailureClass::Other,
            kind: "disk_full".to_owned(),
            says: "there is no room left on the disk of the ledger /var/lib/podcal/podcal.db"
                .to_owned(),
            hint: "make room".to_owned(),
            is_passing: false,
            retry_after: None,
            secret_was_sent: false,
        };
        let recovered = |lost_history| LedgerEvent::WriteRecovered {
            path: path(),
            failed_for: Duration::from_secs(3723),
            failures: 1,
            lost_history,
        };
        let set_aside = |pins, lost| LedgerEvent::SetAside {
            path: path(),
            aside: PathBuf::from("/var/lib/podcal/podcal.db.damaged-20260302T090000Z"),
            damage: "the ledger /var/lib/podcal/podcal.db is damaged".to_owned(),
            pins,
            sign_ins: 0,
            lost,
        };
        for (event, level, says) in [
            (
                set_aside(1, vec![]),
                Level::Error,
                "1 certificate pin and 0",
            ),
            (
                set_aside(0, vec!["pin", "sign_in", "pod"]),
                Level::Error,
                "not all could be read of: certificate pins, sign-in pauses",
            ),
            (
                LedgerEvent::WasEmpty { path: path() },
                Level::Warn,
                "empty file",
            ),
            (
                LedgerEvent::Upgraded {
                    path: path(),
                    rooms: 1,
                    pods: 2,
                },
                Level::Info,
                "1 room, 2 pods",
            ),
            (
                LedgerEvent::Narrowed { path: path() },
                Level::Warn,
                "only its owner",
            ),
            (
                LedgerEvent::WidePermissions {
                    path: path(),
                    error: "operation not permitted".to_owned(),
                },
                Level::Warn,
                "chmod 600",
            ),
            (
                LedgerEvent::NoWriteAheadLog { path: path() },
                Level::Warn,
                "local disk",
            ),
            (
                LedgerEvent::WriteFailed {
                    path: path(),
                    failure: failure(),
                },
                Level::Error,
                "displays are served",
            ),
            (recovered(0), Level::Info, "after 1h2m and 1 failed write"),
            (recovered(1), Level::Info, "1 line of the history is lost"),
            (recovered(7), Level::Info, "7 lines of the history are lost"),
            (
                LedgerEvent::Replaced {
                    path: path(),
                    was_deleted: true,
                },
                Level::Warn,
                "deleted",
            ),
            (
                LedgerEvent::Replaced {
                    path: path(),
                    was_deleted: false,
                },
                Level::Warn,
                "replaced",
            ),
            (
                LedgerEvent::LostToAnother {
                    path: path(),
                    failure: failure(),
                },
                Level::Error,
                "another process",
            ),
        ] {
            let line = line(&event);
            assert_eq!(line.level, level, "{}", line.text);
            assert!(line.text.contains(says), "{}", line.text);
            assert!(line.text.contains("/var/lib/podcal"), "{}", line.text);
            assert!(
                !line.text.contains("  ") && !line.text.ends_with('.'),
                "{}",
                line.text
            );
            let listed = crate::telemetry::events::named(line.name).unwrap();
            assert!(listed.levels.contains(&line.level));
            assert!(line.fields.iter().any(|(name, _)| *name == "path"));
        }
    }
}
