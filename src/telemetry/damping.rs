//! Many lines alike within a minute become one with a number. Pure.
//!
//! The first few are written at once, so that somebody who watches sees them; what
//! follows waits until the minute is over. Damping of one feed or one pod that goes on
//! failing is its controller's; this is for a building that fails together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::line::{Level, Line};
use crate::control::now::Monotonic;
use crate::model::time::UnixTime;

/// Of lines alike, so many are written at once.
const AT_ONCE: usize = 5;
/// With more than so many within a minute, the others are one line.
const FEW: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// Lines that are about one of many things of a building and say the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    name: &'static str,
    level: Level,
    /// The kind of failure or the state, where the line has one.
    kind: String,
}

#[derive(Debug)]
struct Burst {
    from: Monotonic,
    since: UnixTime,
    count: usize,
    first: String,
    waiting: Vec<(UnixTime, Line)>,
}

/// The lines of the last minute.
#[derive(Debug, Default)]
pub struct Damping {
    bursts: BTreeMap<Alike, Burst>,
}

impl Damping {
    /// The lines to be written now, each with its time.
    pub fn learn(&mut self, line: Line, wall: UnixTime, now: Monotonic) -> Vec<(UnixTime, Line)> {
        let mut lines = self.tick(now);
        let Some(alike) = alike(&line) else {
            lines.push((wall, line));
            return lines;
        };
        let burst = self.bursts.entry(alike).or_insert_with(|| Burst {
            from: now,
            since: wall,
            count: 0,
            first: line.text.clone(),
            waiting: Vec::new(),
        });
        burst.count += 1;
        if burst.count <= AT_ONCE {
            lines.push((wall, line));
        } else if burst.count <= FEW {
            burst.waiting.push((wall, line));
        } else {
            burst.waiting.clear();
        }
        lines
    }

    /// What waited for the end of its minute.
    pub fn tick(&mut self, now: Monotonic) -> Vec<(UnixTime, Line)> {
        let mut lines = Vec::new();
        self.bursts.retain(|alike, burst| {
            if now.since(burst.from) < MINUTE {
                return true;
            }
            lines.append(&mut burst.waiting);
            lines.extend(burst.summary(alike));
            false
        });
        lines
    }

    /// Everything that waits, at the end of the process.
    pub fn flush(&mut self) -> Vec<(UnixTime, Line)> {
        self.tick(Monotonic::NEVER)
    }
}

impl Burst {
    fn summary(&self, alike: &Alike) -> Option<(UnixTime, Line)> {
        if self.count <= FEW {
            return None;
        }
        let (count, since) = (self.count, self.since);
        let text = format!(
            "{count} lines like this one since {since}, {AT_ONCE} of them above; the first: {}",
            self.first
        );
        let line = Line::new(alike.name, alike.level, text)
            .with("count", count)
            .with("since", since.to_string())
            .with("error.type", alike.kind.clone());
        Some((since, line))
    }
}

/// Trouble and recoveries of one of many rooms and pods; `None` for everything else.
fn alike(line: &Line) -> Option<Alike> {
    let field = |name: &str| {
        let mut fields = line.fields.iter();
        let (_, value) = fields.find(|(key, _)| *key == name)?;
        Some(value.as_str().unwrap_or_default().to_owned())
    };
    let mut about = ["room", "feed", "account"].into_iter().map(field);
    let is_one_of_many = about.any(|about| about.is_some());
    let is_trouble = line.level <= Level::Warn;
    let is_recovery = match line.name {
        "pod.health" | "feed.recovered" | "sign_in.resumed" => true,
        // Put right, or done at last; other pushes are news of their own.
        "push.done" => field("reason").is_some_and(|reason| reason == "lost") || has_failed(line),
        _ => false,
    };
    if !is_one_of_many || !(is_trouble || (is_recovery && line.level == Level::Info)) {
        return None;
    }
    Some(Alike {
        name: line.name,
        level: line.level,
        kind: field("error.type")
            .or_else(|| field("state"))
            .unwrap_or_default(),
    })
}

/// Whether something was done that had failed before.
fn has_failed(line: &Line) -> bool {
    let mut fields = line.fields.iter();
    fields.any(|(key, value)| *key == "failures" && value.as_u64() > Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }

    fn failing(room: usize) -> Line {
        Line::new(
            "pod.health",
            Level::Warn,
            format!("room `{room}`: 192.0.2.{room} is unreachable"),
        )
        .with("room", room.to_string())
        .with("state", "unreachable")
    }

    fn written(damping: &mut Damping, lines: usize, seconds: u64) -> usize {
        let wall = UnixTime::from_seconds(0);
        let write = |room| damping.learn(failing(room), wall, at(seconds)).len();
        (0..lines).map(write).sum()
    }

    #[test]
    fn three_hundred_pods_that_fail_together_are_a_handful_of_lines() {
        let mut damping = Damping::default();
        assert_eq!(written(&mut damping, 300, 0), AT_ONCE);
        assert!(damping.tick(at(59)).is_empty());
        let lines = damping.tick(at(60));
        let [(_, summary)] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert!(
            summary.text.starts_with("300 lines like this"),
            "{summary:?}"
        );
        assert_eq!(summary.level, Level::Warn);
        assert!(damping.tick(at(200)).is_empty());
    }

    #[test]
    fn so_are_their_recoveries_and_accounts() {
        let wall = UnixTime::from_seconds(0);
        let pushed = |room: usize| {
            Line::new("push.done", Level::Info, "pushed")
                .with("room", room.to_string())
                .with(
                    "reason",
                    if room.is_multiple_of(2) {
                        "lost"
                    } else {
                        "changed"
                    },
                )
                .with("failures", room % 2)
        };
        let paused = |room: usize| {
            Line::new("sign_in.paused", Level::Error, "rejected").with("account", room.to_string())
        };
        let mut damping = Damping::default();
        let mut written = 0;
        for room in 0..300 {
            written += damping.learn(pushed(room), wall, at(0)).len();
            written += damping.learn(paused(room), wall, at(0)).len();
        }
        assert_eq!(written, 2 * AT_ONCE);
        assert_eq!(damping.tick(at(60)).len(), 2);
    }

    #[test]
    fn ten_lines_are_all_written() {
        let mut damping = Damping::default();
        assert_eq!(written(&mut damping, 10, 0), AT_ONCE);
        assert_eq!(damping.tick(at(60)).len(), 5);
        assert_eq!(written(&mut damping, 7, 70), AT_ONCE);
        assert_eq!(damping.flush().len(), 2);
    }

    #[test]
    fn other_lines_pass() {
        let mut damping = Damping::default();
        for _ in 0..100 {
            let line = Line::new("push.done", Level::Info, "pushed").with("room", "oak");
            let lines = damping.learn(line, UnixTime::from_seconds(0), at(0));
            assert_eq!(lines.len(), 1);
        }
    }
}
