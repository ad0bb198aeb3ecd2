//! Lines of the history that wait to be written, and failures that repeat themselves.

use std::collections::BTreeMap;

use crate::ledger::HistoryLine;
use crate::model::time::UnixTime;

/// Lines that wait for a disk that fails. More are dropped, the oldest first, and counted.
const MAX_WAITING_LINES: usize = 10_000;

#[derive(Default)]
pub(in crate::service::recorder) struct Lines {
    waiting: Vec<(HistoryLine, u32)>,
    streaks: BTreeMap<StreakKey, Streak>,
    lost: u64,
}

/// Which streak a line may be one of: room, feed, pod and kind of event.
type StreakKey = (Option<String>, Option<String>, Option<String>, &'static str);

struct Streak {
    /// The first of it.
    line: HistoryLine,
    last_at: UnixTime,
    /// How often it happened by the lines that were handed out to be written.
    counted: u32,
    uncounted: u32,
}

impl Streak {
    fn take_uncounted(&mut self) -> (HistoryLine, u32) {
        self.counted = self.counted.saturating_add(self.uncounted);
        let line = HistoryLine {
            at: self.last_at,
            ..self.line.clone()
        };
        (line, std::mem::take(&mut self.uncounted))
    }
}

impl Lines {
    /// Says whether there is something to write now.
    pub(in crate::service::recorder) fn add(&mut self, line: HistoryLine) -> bool {
        let key = (
            line.room.clone(),
            line.feed.clone(),
            line.pod.clone(),
            line.event.what(),
        );
        if let Some(streak) = self.streaks.get_mut(&key)
            && line.repeats(&streak.line)
        {
            streak.uncounted += 1;
            streak.last_at = line.at;
            // At the second, fourth, eighth time; else once an hour.
            if streak.uncounted < streak.counted {
                return false;
            }
            let last = streak.take_uncounted();
            self.push(last);
            return true;
        }
        let started = line.streak_since.map(|_| Streak {
            line: line.clone(),
            last_at: line.at,
            counted: 1,
            uncounted: 0,
        });
        let ended = match started {
            Some(streak) => self.streaks.insert(key, streak),
            None => self.streaks.remove(&key),
        };
        if let Some(mut streak) = ended.filter(|streak| streak.uncounted > 0) {
            self.push(streak.take_uncounted());
        }
        self.push((line, 1));
        true
    }

    fn push(&mut self, line: (HistoryLine, u32)) {
        if self.waiting.len() >= MAX_WAITING_LINES {
            self.waiting.remove(0);
            self.lost += 1;
        }
        self.waiting.push(line);
    }

    /// How many lines were dropped since this was asked last.
    pub(in crate::service::recorder) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Also the failures that are not due to be counted yet.
    pub(super) fn count_all(&mut self) {
        for streak in self.streaks.values_mut().filter(|one| one.uncounted > 0) {
            self.waiting.push(streak.take_uncounted());
        }
    }

    /// At most so many, the oldest first.
    pub(super) fn take(&mut self, most: usize) -> Vec<(HistoryLine, u32)> {
        let rest = self.waiting.split_off(most.min(self.waiting.len()));
        std::mem::replace(&mut self.waiting, rest)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// They could not be written; what came meanwhile is newer.
    pub(super) fn put_back(&mut self, lines: Vec<(HistoryLine, u32)>) {
        let newer = std::mem::replace(&mut self.waiting, lines);
        for line in newer {
            self.push(line);
        }
    }
}
