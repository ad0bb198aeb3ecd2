//! How much work and memory a feed may cost, and the account that is kept of it.
//!
//! A step is one candidate looked at: a period, sixteen days of a period, or one
//! instance; about ten nanoseconds each.

use crate::model::verdict::Rule;

/// Steps for one series. Daily with a filter, counted from the year 1, takes
/// 740,000; nothing that a person keeps in a calendar takes a tenth of it.
const STEPS_PER_SERIES: u64 = 1_000_000;
/// Steps for all series of a feed together: some tenths of a second.
const STEPS_PER_FEED: u64 = 20_000_000;
/// Instances of one series: every second of a day and some more.
const INSTANCES_PER_SERIES: u64 = 100_000;
/// Instances of all rules of a feed together, in memory at once: about 200 MB, all told. Single
/// events and overrides do not count, there are no more of them than lines.
const INSTANCES_PER_FEED: u64 = 150_000;
/// What a series gets at once. One that takes more waits until all others are
/// done, so that hostile series cannot use up what the ordinary ones need.
const SHARE: Allowance = Allowance {
    steps: 4_000,
    instances: 200,
};
/// Excluded and replaced instances of one series that get a verdict each; they
/// explain, so the nearest few are enough.
pub(super) const VERDICTS_PER_SERIES: usize = 500;

/// What may still be spent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    steps: u64,
    instances: u64,
}

/// Nothing is left; what was found so far stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Steps,
    Instances,
}

impl Allowance {
    pub(super) fn of_steps(steps: u64) -> Self {
        Self {
            steps,
            instances: u64::MAX,
        }
    }

    /// To look for the next instance and no further.
    pub(super) fn for_one_instance() -> Self {
        Self {
            steps: 200,
            instances: 2,
        }
    }

    pub(super) fn steps(&mut self, steps: u64) -> Result<(), Spent> {
        if self.steps < steps {
            self.steps = 0;
            return Err(Spent::Steps);
        }
        self.steps -= steps;
        Ok(())
    }

    pub(super) fn instance(&mut self) -> Result<(), Spent> {
        self.instances = self.instances.checked_sub(1).ok_or(Spent::Instances)?;
        Ok(())
    }

    pub(super) fn instances(&self) -> u64 {
        self.instances
    }

    pub(super) fn take_instances(&mut self, instances: usize) {
        let instances = u64::try_from(instances).unwrap_or(u64::MAX);
        self.instances = self.instances.saturating_sub(instances);
    }

    /// What was taken of it to get to `rest`.
    fn minus(self, rest: Self) -> Self {
        Self {
            steps: self.steps.saturating_sub(rest.steps),
            instances: self.instances.saturating_sub(rest.instances),
        }
    }

    fn min(self, other: Self) -> Self {
        Self {
            steps: self.steps.min(other.steps),
            instances: self.instances.min(other.instances),
        }
    }
}

/// The account of a feed.
#[derive(Debug)]
pub(super) struct Account {
    /// For the series that take more than their share.
    left: Allowance,
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            left: Allowance {
                steps: STEPS_PER_FEED,
                instances: INSTANCES_PER_FEED,
            },
        }
    }

    /// What every series gets at once.
    pub(super) fn share(&self) -> Allowance {
        Allowance {
            instances: SHARE.instances.min(self.left.instances),
            ..SHARE
        }
    }

    /// Takes what a series used of its share. Its steps are not counted, so that
    /// hostile series at the top of a feed leave the share of the others whole.
    pub(super) fn charge_share(&mut self, given: Allowance, rest: Allowance) {
        self.left.instances -= given.minus(rest).instances.min(self.left.instances);
    }

    /// What a series gets that needs more than its share.
    pub(super) fn rest(&self) -> Allowance {
        self.left.min(Allowance {
            steps: STEPS_PER_SERIES,
            instances: INSTANCES_PER_SERIES,
        })
    }

    pub(super) fn charge(&mut self, given: Allowance, rest: Allowance) {
        let taken = given.minus(rest);
        self.left = self.left.minus(taken);
    }

    /// The verdict on a series that was `given` this and for which it was not enough.
    pub(super) fn verdict(spent: Spent, given: Allowance) -> Rule {
        let (cap, at) = match spent {
            Spent::Steps if given.steps < STEPS_PER_SERIES => ("steps of a feed", STEPS_PER_FEED),
            Spent::Steps => ("steps of a series", STEPS_PER_SERIES),
            Spent::Instances if given.instances < INSTANCES_PER_SERIES => {
                ("instances of a feed", INSTANCES_PER_FEED)
            }
            Spent::Instances => ("instances of a series", INSTANCES_PER_SERIES),
        };
        Rule::Capped { cap, at }
    }
}
