//! Every event of the log: its name, its levels, and what it means. This list is an
//! interface: somebody's alert depends on it. `docs/logging.md` holds it for people, and a
//! test holds both, and the words of every event, to it.

use super::line::Level;
use super::line::Level::{Debug, Error, Info, Warn};

/// One kind of event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub name: &'static str,
    /// From the most important one.
    pub levels: &'static [Level],
    pub means: &'static str,
}

const fn event(name: &'static str, levels: &'static [Level], means: &'static str) -> Event {
    Event {
        name,
        levels,
        means,
    }
}

/// In order of their names.
#[rustfmt::skip]
pub const EVENTS: &[Event] = &[
    event("brake.pulled", &[Error], "many rooms lost all meetings of one host, or of one shared feed, at once; their displays keep them"),
    event("brake.released", &[Info], "rooms are no longer held together"),
    event("clock.believed", &[Info], "the clock of this machine is right again"),
    event("clock.not_believed", &[Error], "the clock of this machine is wrong; nothing is taken off a display by it"),
    event("clock.stepped", &[Warn], "the clock was set; what is due is worked out again"),
    event("config.refused", &[Error], "a new configuration is bad or cannot take effect; the old one stays in force"),
    event("config.reloaded", &[Info], "the configuration was read again: what changed, or that nothing did"),
    event("config.warning", &[Warn], "something in the configuration is unwise, such as a password in the file"),
    event("display.altered", &[Warn], "a pod rewrites texts that it is sent; its version is accepted"),
    event("display.cannot_be_verified", &[Warn], "a pod never shows what it was sent, as far as podcal can see"),
    event("display.lost", &[Warn, Debug], "a display does not show what it was sent; it is pushed again"),
    event("display.shows_part", &[Warn], "a pod shows only the nearest of the meetings that it was sent"),
    event("display.somebody_else_writes", &[Warn], "another program writes to the display; it is corrected less and less often"),
    event("feed.failing", &[Error, Warn, Debug], "a feed cannot be read; displays keep its last good meetings. Error: it needs a person, such as for a rejected password"),
    event("feed.flapping", &[Warn], "a feed keeps failing and recovering; single failures are no longer logged"),
    event("feed.partial", &[Warn, Info], "part of a feed could not be fetched; Info: all of it can be fetched again"),
    event("feed.pulled", &[Info, Debug], "a feed was read and has changed; Debug: it has not"),
    event("feed.recovered", &[Info, Debug], "a feed can be read again"),
    event("feed.steady", &[Info], "a feed that flapped has been read without a failure for an hour"),
    event("feed.token_not_saved", &[Warn, Info], "a refresh token that a server gave in place of the configured one could not be written beside the ledger, and is lost when podcal ends; Info: it is saved again"),
    event("feed.trouble", &[Warn, Info], "part of a feed could not be read properly, `podcal explain` names each event; Info: all of it can again"),
    event("ledger.empty", &[Warn], "the ledger was there and empty"),
    event("ledger.lost", &[Error], "another process claimed the ledger of this service"),
    event("ledger.no_write_ahead_log", &[Warn], "the ledger is on a file system without shared memory"),
    event("ledger.permissions", &[Warn], "others could or can read or write the ledger"),
    event("ledger.replaced", &[Warn], "the ledger was deleted or replaced under the running service"),
    event("ledger.set_aside", &[Error], "the ledger was damaged and set aside; what could be read of it was taken over"),
    event("ledger.upgraded", &[Info], "a ledger of an older podcal was brought up to date"),
    event("ledger.write_failed", &[Error], "the ledger cannot be written; displays are served, and it is tried again"),
    event("ledger.write_recovered", &[Info], "the ledger can be written again, and everything current was"),
    event("log.lost", &[Warn], "lines of this log could not be written: how many"),
    event("pod.address_clash", &[Error], "two configured addresses lead to one device; the later one is not written to"),
    event("pod.address_clash_ended", &[Info], "an address no longer leads to the device of another room"),
    event("pod.certificate_pinned", &[Error, Info], "a pod's certificate is insisted on from now on; Error: only until podcal ends, since the ledger cannot be written"),
    event("pod.config_drift", &[Warn], "a setting of a pod changed, or is not as `enforce` wants it"),
    event("pod.config_failed", &[Warn, Debug], "a setting of a pod could not be read or repaired"),
    event("pod.config_repaired", &[Info], "a setting of a pod was repaired"),
    event("pod.device_accepted", &[Info], "the device at a pod's address was accepted as this room's"),
    event("pod.device_changed", &[Error], "another room's device answers at a pod's address; it is not written to"),
    event("pod.device_id_shared", &[Warn], "two pods report one device id"),
    event("pod.device_replaced", &[Warn], "another device answers at a pod's address than before"),
    event("pod.flapping", &[Warn], "a pod keeps failing and recovering; single changes are no longer logged"),
    event("pod.health", &[Error, Warn, Info, Debug], "the state of a pod changed; the level is that of the new state"),
    event("pod.mode_unverified", &[Warn], "a pod does not report its calendar mode; it is pushed to anyway"),
    event("pod.no_device_id", &[Warn], "a pod reports an empty device id, so a replaced device would not be noticed"),
    event("pod.removed", &[Warn, Info], "a pod left the configuration: what its display still shows; Warn: it could not be cleared"),
    event("pod.steady", &[Info], "a pod that flapped has been in one state for 15 minutes"),
    event("push.allowed", &[Info], "a pod is in the right calendar mode again; it is written to"),
    event("push.done", &[Info], "a pod was sent a set of meetings"),
    event("push.failed", &[Error, Warn, Debug], "a push failed; it is tried again. Error: it needs a person"),
    event("push.refused", &[Error], "a pod is in another calendar mode; it is not written to"),
    event("replica.agree", &[Info], "all replicas have the same rooms again"),
    event("replica.back", &[Info], "this replica has a lease again after it was cut off"),
    event("replica.cut_off", &[Error], "the database did not answer until the lease of this replica ended; it touches no display until it does"),
    event("replica.differs", &[Error], "another replica's configuration has other rooms; those that not all have are served by none"),
    event("replica.joined", &[Info], "another replica shares the rooms from now on"),
    event("replica.left", &[Info], "another replica was stopped, or its lease ended"),
    event("replica.lost", &[Warn], "another replica ended the lease of this one, as it was not renewed in time"),
    event("replica.rooms", &[Info], "this replica took rooms over or gave some up"),
    event("room.complete", &[Info], "a feed was read for the first time"),
    event("room.failed", &[Error], "a step failed inside podcal; it is tried again"),
    event("room.held", &[Warn], "all upcoming meetings of a feed vanished at once; the display keeps them for now"),
    event("room.released", &[Info], "a hold ended, and why"),
    event("room.stale_cleared", &[Warn], "a feed failed for longer than `max_stale`; its meetings left the display"),
    event("room.waiting", &[Warn], "a feed of a room was never read; the others are shown"),
    event("service.failed", &[Error], "the service could not start or continue, and why"),
    event("service.no_control_socket", &[Warn], "commands cannot ask this service, because there is no place for its socket"),
    event("service.started", &[Info], "the service began: version, rooms, pods, zone data"),
    event("service.stopped", &[Info], "the service was told to stop, and by which signal"),
    event("service.summary", &[Info], "how many rooms are in step: after the first pass, and every hour"),
    event("service.task_failed", &[Error], "a task that all rooms need, such as the writer of the ledger, failed inside podcal; it is started again"),
    event("sign_in.not_writable", &[Error], "pauses of sign-in cannot be written, so secrets that never worked are not tried"),
    event("sign_in.paused", &[Error], "an account's password or token was rejected; it is not tried again for a while"),
    event("sign_in.paused_alone", &[Error], "one feed or pod of an account was rejected; the others continue"),
    event("sign_in.resumed", &[Info], "an account's password or token is accepted again"),
    event("sign_in.writable", &[Info], "pauses of sign-in can be written again"),
    event("web.listening", &[Info], "the page and the metrics can be read, and at which address"),
];

/// What is in the fields beside `timestamp`, `level`, `event` and `message`.
#[rustfmt::skip]
pub const FIELDS: &[(&str, &str)] = &[
    ("account", "a digest of an account; the same account has the same one"),
    ("added", "how many meetings a push added"),
    ("address", "where the page is served"),
    ("aside", "where a damaged ledger is now"),
    ("before", "what it was before: a state, a mode, a device, a value"),
    ("changed", "how many meetings a push changed; whether there was something new"),
    ("changes", "how many times a pod changed its state"),
    ("cleared", "whether the display of a pod that left was cleared"),
    ("clock", "what the clock of this machine says"),
    ("corrections", "how many times a display was corrected"),
    ("count", "how many lines this one stands for"),
    ("deleted", "whether the file was deleted"),
    ("device", "the id of a device"),
    ("duration_ms", "how long a push took"),
    ("error", "what went wrong, in words"),
    ("error.type", "what kind of failure it is; a short key that stays the same"),
    ("failed_seconds", "for how long writing failed"),
    ("failures", "how many failures in a row"),
    ("feed", "a feed: its host, and the start of its digest"),
    ("fingerprint", "SHA-256 of a certificate"),
    ("forbidden", "whether the answer was 403"),
    ("given", "how many rooms a replica gave up"),
    ("held", "how many meetings are held"),
    ("host", "a calendar host, or that of a pod"),
    ("how", "what a pod does with texts"),
    ("in_step", "how many rooms are in step"),
    ("is_shown", "whether the display shows what was just pushed"),
    ("items", "how many events a feed has"),
    ("kept", "how many meetings stay that a feed does not account for"),
    ("lines", "how many lines are lost"),
    ("login", "whether the page asks for a password"),
    ("lost", "what could not be read of a damaged ledger"),
    ("lost_history", "how many lines of the history are lost"),
    ("meetings", "how many meetings were sent, or are shown"),
    ("members", "how many events a feed lists"),
    ("missing", "how many of them could not be fetched"),
    ("mode", "the calendar mode of a pod"),
    ("now", "what a setting is now"),
    ("of", "of how many rooms"),
    ("other_pod", "the pod that another room has at another address"),
    ("other_room", "that room"),
    ("path", "a file; for settings of a pod, the path of the setting"),
    ("pins", "how many pinned certificates were taken over"),
    ("pod", "the address of a pod"),
    ("pods", "how many pods"),
    ("read_at", "when a feed was read last"),
    ("reason", "why something was pushed, or released"),
    ("reboot_required", "whether the pod says so"),
    ("rejections", "how many times in a row a secret was rejected"),
    ("removed", "how many meetings a push removed"),
    ("replica", "another replica: its host and process"),
    ("replicas", "how many replicas share the rooms"),
    ("restart_required", "whether the pod says so"),
    ("room", "a room"),
    ("rooms", "how many rooms, or their names"),
    ("seconds", "by how much a clock was set"),
    ("settings", "which settings were repaired"),
    ("shown", "how many meetings a display shows"),
    ("sign_ins", "how many pauses of sign-in were taken over"),
    ("signal", "which signal"),
    ("since", "since when"),
    ("state", "the state of a pod"),
    ("sync", "the schedule of pulls"),
    ("taken", "how many rooms a replica took over"),
    ("times", "how many times"),
    ("tzdb", "the version of the time zone data"),
    ("unknown_zones", "time zones that are defined nowhere"),
    ("unreadable", "how many entries could not be read properly"),
    ("until", "until when"),
    ("used_by", "the feed or pod that met it"),
    ("version", "the version of podcal"),
    ("wanted", "what `enforce` wants"),
];

/// The kind of event of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Event> {
    EVENTS.iter().find(|event| event.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The words of all events, as source.
    const WORDS: &[&str] = &[
        include_str!("words/clock.rs"),
        include_str!("words/feed.rs"),
        include_str!("words/gate.rs"),
        include_str!("words/ledger.rs"),
        include_str!("words/pod.rs"),
        include_str!("words/replica.rs"),
        include_str!("words/room.rs"),
        include_str!("words/service.rs"),
        include_str!("sink.rs"),
    ];

    /// Each literal that follows one of these in the code, up to its tests.
    fn literals(before: &[&str]) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        for source in WORDS {
            let code = source.split("#[cfg(test)]").next().unwrap();
            for before in before {
                for part in code.split(before).skip(1) {
                    if let Some(part) = part.trim_start().strip_prefix('"') {
                        found.extend(part.split('"').next());
                    }
                }
            }
        }
        found
    }

    #[test]
    fn no_event_has_a_name_that_is_not_listed() {
        let listed: BTreeSet<&str> = EVENTS.iter().map(|event| event.name).collect();
        assert_eq!(literals(&["Line::new(", " of(", "name: "]), listed);
        assert!(EVENTS.is_sorted_by_key(|event| event.name));
    }

    #[test]
    fn no_field_has_a_name_that_is_not_listed() {
        let mut listed: BTreeSet<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        assert!(FIELDS.is_sorted_by_key(|(name, _)| *name));
        // Of the damping: the lines that it counts have it, or not.
        listed.remove("count");
        let used = literals(&["with(", "vec![at(path), (", " ("]);
        let used: BTreeSet<&str> = used
            .into_iter()
            .filter(|name| {
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || "._".contains(c))
            })
            .collect();
        let unlisted: Vec<_> = listed.difference(&used).collect();
        assert!(
            unlisted.is_empty(),
            "listed, and nowhere used: {unlisted:?}"
        );
        let with = literals(&[".with("]);
        let unknown: Vec<_> = with.difference(&listed).collect();
        assert!(unknown.is_empty(), "used, and not listed: {unknown:?}");
    }

    /// No line is made anywhere but in the words and where lines are counted.
    #[test]
    fn nobody_else_makes_lines() {
        let mut folders = vec![std::path::PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src"
        ))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("telemetry") {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    let source = std::fs::read_to_string(&path).unwrap();
                    assert!(!source.contains("Line::new("), "{}", path.display());
                }
            }
        }
    }

    /// `docs/logging.md`.
    fn markdown() -> String {
        let mut text = String::from(HEAD);
        for event in EVENTS {
            let levels: Vec<String> = event
                .levels
                .iter()
                .map(|level| level.key().to_lowercase())
                .collect();
            text += &format!(
                "| `{}` | {} | {} |\n",
                event.name,
                levels.join(", "),
                event.means
            );
        }
        text += "\n## Fields\n\n| field | what is in it |\n| --- | --- |\n";
        for (name, means) in FIELDS {
            text += &format!("| `{name}` | {means} |\n");
        }
        text
    }

    const HEAD: &str = "\
# The log

`podcal run` logs on stderr, one line for each event: as text, or with `--log-format json` as one JSON object with
`timestamp`, `level`, `event`, `message` and the fields below. The names and levels of events are an interface: alerts may
depend on them.

- `error` needs a person; `warn` means that podcal carried on; `info` is a change; `debug` (with `--log-level debug`) is that nothing
  changed, or a repetition that the log leaves out otherwise.
- A feed or pod that keeps failing is logged at the 1st, 10th and 100th failure; one that keeps failing and recovering is logged as one state.
- Of similar lines about rooms, feeds and pods within a minute, five are written at once; from eleven on, the others become one line with
  `count`.
- Writing never delays the service: lines that cannot be written are dropped, and `log.lost` counts them as soon as it can.
- No password, token, address of a feed beyond its host, or text of a meeting is ever in it.

## Events

| event | level | what it means |
| --- | --- | --- |
";

    /// With `PODCAL_WRITE_DOCS` set, the file is written instead.
    #[test]
    fn the_documentation_lists_the_same_events() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/logging.md");
        if std::env::var_os("PODCAL_WRITE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == markdown(),
            "run this test with PODCAL_WRITE_DOCS=1, and look at what became different"
        );
    }
}
