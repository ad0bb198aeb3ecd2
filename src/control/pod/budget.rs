//! How often a display is put right that does not keep what it is sent.

use std::time::Duration;

use crate::control::mutation::{self, Mutation};
use crate::control::now::{Monotonic, Now};
use crate::control::retry::{self, Past};
use crate::model::time::UnixTime;

/// Corrections in a row that follow at once.
const QUICK: u32 = 3;
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// So long without a correction, and all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Pushes an hour to a display that is never seen to show them.
const UNSHOWN_AN_HOUR: usize = 5;
/// A display that cannot be verified is sent its meetings again so often.
const REFRESH: Duration = Duration::from_secs(20 * 60);

/// Corrections of what a display shows without our doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    in_row: u32,
    last: Option<Past>,
}

impl Corrections {
    #[must_use]
    pub fn restored(in_row: u32, at: Option<UnixTime>, now: Now) -> Self {
        Self {
            in_row,
            last: at.map(|at| Past::restored(at, now)),
        }
    }

    /// When the next one may follow.
    #[must_use]
    pub fn next(&self, now: Now) -> Monotonic {
        let Some(last) = self.last.filter(|_| !self.is_forgotten(now)) else {
            return now.monotonic;
        };
        if mutation::is(Mutation::CorrectionsHaveNoLimit) {
            return now.monotonic;
        }
        let beyond = (self.in_row + 1).saturating_sub(QUICK);
        last.plus(retry::doubling_minutes(beyond, LONGEST))
    }

    /// Notes one that was accepted.
    pub fn note(&mut self, now: Now) {
        if self.is_forgotten(now) {
            self.in_row = 0;
        }
        self.in_row = self.in_row.saturating_add(1);
        self.last = Some(Past::now(now));
    }

    /// In a row, within the last hour.
    #[must_use]
    pub fn count(&self, now: Now) -> u32 {
        if self.is_forgotten(now) {
            0
        } else {
            self.in_row
        }
    }

    /// Whether further ones have to wait.
    #[must_use]
    pub fn are_used_up(&self, now: Now) -> bool {
        self.count(now) >= QUICK
    }

    #[must_use]
    pub fn remembered(&self, now: Now) -> (u32, Option<UnixTime>) {
        (self.count(now), self.last.map(|last| last.wall(now)))
    }

    fn is_forgotten(&self, now: Now) -> bool {
        self.last
            .is_none_or(|last| last.elapsed(now.monotonic) >= FORGOTTEN)
    }
}

/// Pushes that the pod accepted and was never seen to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unshown {
    in_row: u32,
    /// The latest ones, oldest first.
    at: Vec<Past>,
}

impl Unshown {
    #[must_use]
    pub fn restored(in_row: u32, at: &[UnixTime], now: Now) -> Self {
        let at = at.iter().map(|at| Past::restored(*at, now)).collect();
        Self { in_row, at }
    }

    /// Whether nothing is expected any more of looking at the display.
    #[must_use]
    pub fn cannot_be_verified(&self) -> bool {
        self.in_row >= QUICK
    }

    #[must_use]
    pub fn in_row(&self) -> u32 {
        self.in_row
    }

    /// When the next push may follow: for a new set as soon as the hour has room for it,
    /// else once in a while.
    #[must_use]
    pub fn next(&self, is_new: bool, now: Now) -> Monotonic {
        let room = match self.at.len().checked_sub(UNSHOWN_AN_HOUR) {
            Some(oldest) => self.at.get(oldest).map(|at| at.plus(FORGOTTEN)),
            None => None,
        };
        let refresh = self.at.last().map(|last| last.plus(REFRESH));
        let earliest = if is_new { room } else { room.max(refresh) };
        earliest.unwrap_or(now.monotonic)
    }

    pub fn note(&mut self, pushed: Past) {
        self.in_row = self.in_row.saturating_add(1);
        self.at.push(pushed);
        if self.at.len() > UNSHOWN_AN_HOUR {
            self.at.remove(0);
        }
    }

    /// The display was seen to show what it was sent.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    #[must_use]
    pub fn remembered(&self, now: Now) -> (u32, Vec<UnixTime>) {
        let wall = |at: &Past| at.wall(now);
        (self.in_row, self.at.iter().map(wall).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Now {
        let start = Duration::from_secs(100_000);
        Now {
            wall: UnixTime::from_seconds(1_000_000).plus(Duration::from_secs(seconds)),
            monotonic: Monotonic::from_start(start + Duration::from_secs(seconds)),
        }
    }

    #[test]
    fn three_corrections_follow_at_once_and_further_ones_ever_later() {
        let mut corrections = Corrections::default();
        let mut second = 0;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let next = corrections.next(after(second));
            let wait = next.since(after(second).monotonic).as_secs();
            waits.push(wait / 60);
            second += wait;
            corrections.note(after(second));
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 15, 15]);
        assert!(corrections.are_used_up(after(second)));
        let hour = after(second + 3600);
        assert_eq!(corrections.next(hour), hour.monotonic);
        corrections.note(hour);
        assert_eq!(corrections.count(hour), 1);
    }

    #[test]
    fn a_restart_neither_ends_a_wait_nor_makes_it_longer() {
        let mut corrections = Corrections::default();
        for second in [0, 1, 2, 62] {
            corrections.note(after(second));
        }
        let (in_row, at) = corrections.remembered(after(70));
        let young = Now {
            wall: after(80).wall,
            monotonic: Monotonic::from_start(Duration::from_secs(5)),
        };
        let again = Corrections::restored(in_row, at, young);
        assert_eq!(
            again.next(young).since(young.monotonic),
            Duration::from_secs(120 - 18)
        );
        let ahead = Corrections::restored(30, Some(after(1_000_000).wall), young);
        assert_eq!(ahead.next(young).since(young.monotonic), LONGEST);
    }

    #[test]
    fn a_display_that_cannot_be_verified_gets_a_handful_of_pushes_an_hour() {
        let mut unshown = Unshown::default();
        let mut pushes = Vec::new();
        for second in 0..7200 {
            let now = after(second);
            let is_quick = !unshown.cannot_be_verified();
            if is_quick || unshown.next(true, now) <= now.monotonic {
                unshown.note(Past::now(now));
                pushes.push(second);
            }
        }
        assert_eq!(pushes.iter().filter(|second| **second < 3600).count(), 5);
        assert_eq!(pushes.len(), 10);
        assert_eq!(unshown.next(true, after(7000)), after(7200).monotonic);
    }
}
