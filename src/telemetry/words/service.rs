//! The words of the service itself.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::telemetry::line::{Level, Line};

/// "1 room", "3 rooms".
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

#[must_use]
pub fn started(version: &str, rooms: usize, pods: usize, zones: &str, sync: &str) -> Line {
    Line::new(
        "service.started",
        Level::Info,
        format!(
            "podcal {version} serves {} on {}",
            count(rooms, "room", "rooms"),
            count(pods, "pod", "pods")
        ),
    )
    .with("version", version)
    .with("rooms", rooms)
    .with("pods", pods)
    .with("tzdb", zones)
    .with("sync", sync)
}

#[must_use]
pub fn stopped(signal: &str) -> Line {
    Line::new(
        "service.stopped",
        Level::Info,
        format!("stopped by {signal}"),
    )
    .with("signal", signal)
}

/// Whatever ends the service is an event too, so that an alert on ERROR sees it.
#[must_use]
pub fn failed(says: &str) -> Line {
    Line::new("service.failed", Level::Error, says)
}

/// How many rooms were in step after the first pass, and then now and then.
#[must_use]
pub fn summary(is_first: bool, rooms: usize, in_step: usize, problems: &[(String, usize)]) -> Line {
    let problems: Vec<String> = problems
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let others = if problems.is_empty() {
        String::new()
    } else {
        format!("; {}", problems.join(", "))
    };
    let first = if is_first { "first pass done: " } else { "" };
    Line::new(
        "service.summary",
        Level::Info,
        format!(
            "{first}{in_step} of {} in step{others}",
            count(rooms, "room", "rooms")
        ),
    )
    .with("rooms", rooms)
    .with("in_step", in_step)
}

#[must_use]
pub fn config_warning(path: &Path, says: &str) -> Line {
    Line::new(
        "config.warning",
        Level::Warn,
        format!("{}: {says}", path.display()),
    )
}

#[must_use]
pub fn config_refused(says: &str) -> Line {
    Line::new(
        "config.refused",
        Level::Error,
        format!("the configuration was not reloaded, the old one stays in force: {says}"),
    )
}

#[must_use]
pub fn config_unchanged() -> Line {
    Line::new(
        "config.reloaded",
        Level::Info,
        "the configuration was read again: unchanged",
    )
    .with("changed", false)
}

#[must_use]
pub fn config_reloaded(rooms: usize, says: &str) -> Line {
    Line::new(
        "config.reloaded",
        Level::Info,
        format!("the new configuration is in force: {says}"),
    )
    .with("changed", true)
    .with("rooms", rooms)
}

/// The page and the metrics can be read from now on.
#[must_use]
pub fn web_listening(address: SocketAddr, has_login: bool) -> Line {
    Line::new(
        "web.listening",
        Level::Info,
        format!("the page and the metrics are at http://{address}/"),
    )
    .with("address", address.to_string())
    .with("login", has_login)
}

/// A fault of podcal itself.
#[must_use]
pub fn failed_inside(what: &str) -> Line {
    Line::new(
        "room.failed",
        Level::Error,
        format!(
            "{what}: a step failed inside podcal and is tried again; this is a bug in podcal, please report it"
        ),
    )
}

/// A task that all rooms need ended by a fault of podcal; started again after `pause`.
#[must_use]
pub fn task_failed(what: &str, pause: Duration) -> Line {
    Line::new(
        "service.task_failed",
        Level::Error,
        format!(
            "{what} failed inside podcal; this is a fault of podcal, please report it; it is started again in {} s",
            pause.as_secs()
        ),
    )
}

/// The folder of the ledger does not allow a control socket.
#[must_use]
pub fn no_control_socket(ledger: &Path, error: &std::io::Error) -> Line {
    Line::new(
        "service.no_control_socket",
        Level::Warn,
        format!(
            "no control socket beside the ledger {}: {error}; `podcal status --healthy`, `podcal sync` \
             and `podcal reload` cannot ask this service; see whether the folder is on a local disk",
            ledger.display()
        ),
    )
}
