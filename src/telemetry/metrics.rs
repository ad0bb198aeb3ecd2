//! What is counted from the start of the process. Names and labels are a contract; see
//! `docs/metrics.md`.
//!
//! How things stand is not counted here: the page reads it when it is asked.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, Result};

/// Seconds; a feed of fifty megabytes takes a while, a pod that reboots longer.
const BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Seconds; a machine with enough processors begins what is due within a hundredth.
const LATE_BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// What is begun when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueWork {
    /// Of a feed.
    Pull,
    /// A look at a pod, or a push.
    Contact,
}

impl DueWork {
    const ALL: [Self; 2] = [Self::Pull, Self::Contact];

    fn key(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Contact => "contact",
        }
    }
}

/// How a pull ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullCount {
    Changed,
    Unchanged,
    Failed,
    /// Nothing was sent: sign-in is paused.
    Paused,
}

impl PullCount {
    const ALL: [Self; 4] = [Self::Changed, Self::Unchanged, Self::Failed, Self::Paused];

    fn key(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Paused => "paused",
        }
    }
}

const PUSHED: [&str; 2] = ["done", "failed"];

struct Counters {
    pulls: IntCounterVec,
    pull_duration: Histogram,
    pushes: IntCounterVec,
    push_duration: Histogram,
    lateness: HistogramVec,
}

/// `None` only where a name here is not one that Prometheus allows.
static COUNTERS: LazyLock<Option<Counters>> = LazyLock::new(|| Counters::new().ok());

impl Counters {
    fn new() -> Result<Self> {
        let durations = |name: &str, help: &str| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()))
        };
        let counters = Self {
            pulls: IntCounterVec::new(
                Opts::new(
                    "podcal_pulls_total",
                    "Pulls of feeds, by how they ended: changed, unchanged, failed, or paused \
                     because a password was rejected.",
                ),
                &["result"],
            )?,
            pull_duration: durations(
                "podcal_pull_duration_seconds",
                "How long pulls of feeds took, failed ones included.",
            )?,
            pushes: IntCounterVec::new(
                Opts::new(
                    "podcal_pushes_total",
                    "Sets of meetings sent to pods, by how that ended: done or failed.",
                ),
                &["result"],
            )?,
            push_duration: durations(
                "podcal_push_duration_seconds",
                "How long sending a set of meetings to a pod took, failed ones included.",
            )?,
            lateness: HistogramVec::new(
                HistogramOpts::new(
                    "podcal_lateness_seconds",
                    "How much later than it was due a pull of a feed or a contact with a pod began.",
                )
                .buckets(LATE_BUCKETS.to_vec()),
                &["what"],
            )?,
        };
        // All from the start: a series that appears with its first failure hides that one
        // from `rate()`.
        for result in PullCount::ALL {
            counters
                .pulls
                .get_metric_with_label_values(&[result.key()])?;
        }
        for what in DueWork::ALL {
            counters
                .lateness
                .get_metric_with_label_values(&[what.key()])?;
        }
        for result in PUSHED {
            counters.pushes.get_metric_with_label_values(&[result])?;
        }
        Ok(counters)
    }
}

/// Counts a pull that ended.
pub fn pull_ended(result: PullCount, duration: Duration) {
    let Some(counters) = &*COUNTERS else { return };
    add(&counters.pulls, result.key());
    if result != PullCount::Paused {
        counters.pull_duration.observe(duration.as_secs_f64());
    }
}

/// Counts a push that ended.
pub fn push_ended(is_done: bool, duration: Duration) {
    let Some(counters) = &*COUNTERS else { return };
    add(&counters.pushes, if is_done { "done" } else { "failed" });
    counters.push_duration.observe(duration.as_secs_f64());
}

/// Counts what was begun so much later than it was due.
pub fn begun(what: DueWork, late: Duration) {
    let Some(counters) = &*COUNTERS else { return };
    let of_kind = counters
        .lateness
        .get_metric_with_label_values(&[what.key()]);
    if let Ok(lateness) = of_kind {
        lateness.observe(late.as_secs_f64());
    }
}

fn add(counters: &IntCounterVec, result: &str) {
    if let Ok(counter) = counters.get_metric_with_label_values(&[result]) {
        counter.inc();
    }
}

/// Adds everything that is counted to what is gathered.
///
/// # Errors
/// When something of that name is there already.
pub fn register(into: &Registry) -> Result<()> {
    let Some(counters) = &*COUNTERS else {
        return Ok(());
    };
    into.register(Box::new(counters.pulls.clone()))?;
    into.register(Box::new(counters.pull_duration.clone()))?;
    into.register(Box::new(counters.pushes.clone()))?;
    into.register(Box::new(counters.push_duration.clone()))?;
    into.register(Box::new(counters.lateness.clone()))
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn what_ends_is_counted_and_every_result_is_there_from_the_start() {
        let gathered = || {
            let registry = Registry::new();
            register(&registry).unwrap();
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap()
        };
        let before = gathered();
        for series in [
            "podcal_pulls_total{result=\"paused\"}",
            "podcal_pulls_total{result=\"unchanged\"}",
            "podcal_pushes_total{result=\"failed\"}",
            "podcal_lateness_seconds_count{what=\"pull\"}",
            "podcal_lateness_seconds_bucket{what=\"contact\",le=\"1\"}",
        ] {
            assert!(before.contains(series), "{before}");
        }
        let count = |text: &str| -> u64 {
            let line = text
                .lines()
                .find(|line| line.starts_with("podcal_pushes_total{result=\"failed\"}"));
            line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
        };
        push_ended(false, Duration::from_millis(70));
        // Other tests of this process may push as well.
        assert!(count(&gathered()) > count(&before));
    }
}
