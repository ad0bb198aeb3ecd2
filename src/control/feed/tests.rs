//! Stories of one feed on a model host: when it is asked, and what is said of it.

use std::collections::BTreeSet;

use super::*;
use crate::control::retry::Past;
use crate::model::cron::Cron;
use crate::model::version::{Reduction, Trouble, VersionId};
use crate::model::zone::Zone;

/// What the host does with a pull.
#[derive(Clone, Debug)]
enum Host {
    Unchanged,
    New(Arc<FeedVersion>),
    Fails(Failure),
    Rejects,
}

struct Story {
    feed: FeedController,
    host: Host,
    /// Until when sign-in is paused after a rejection.
    paused_for: Duration,
    now: Now,
    /// When it was asked, in seconds since the start, and whether without validators.
    pulls: Vec<(u64, bool)>,
    checks: usize,
    events: Vec<FeedEvent>,
}

const START: &str = "2027-03-02T10:00:00Z";

fn settings(sync: &str) -> FeedSettings {
    FeedSettings {
        sync: Cron::parse(sync).unwrap(),
        zone: Zone::utc(),
        spread: Duration::ZERO,
        is_on_demand: false,
        filters: BTreeSet::from(["everything".to_owned()]),
    }
}

fn version(id: u64) -> FeedVersion {
    FeedVersion {
        id: VersionId(id),
        items: Vec::new(),
        reduction: Reduction {
            from: UnixTime::parse(START).unwrap(),
            filters: BTreeSet::from(["everything".to_owned()]),
        },
        missing: Vec::new(),
        trouble: Trouble::default(),
    }
}

fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        kind: "test".to_owned(),
        says: "the host failed".to_owned(),
        hint: "wait".to_owned(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: false,
    }
}

fn throttled(retry_after: Option<u64>) -> Host {
    Host::Fails(Failure {
        retry_after: retry_after.map(Duration::from_secs),
        ..failure(FailureClass::Throttled)
    })
}

impl Story {
    fn new() -> Self {
        Self::every("0 */5 * * * *")
    }

    fn every(sync: &str) -> Self {
        let now = Now {
            wall: UnixTime::parse(START).unwrap(),
            monotonic: Monotonic::default(),
        };
        let id = FeedId::new("dav.example.com", &["a"]);
        Self {
            feed: FeedController::new(id, settings(sync), now),
            host: Host::New(Arc::new(version(1))),
            paused_for: Duration::from_secs(300),
            now,
            pulls: Vec::new(),
            checks: 0,
            events: Vec::new(),
        }
    }

    fn seconds(&self) -> u64 {
        self.now.monotonic.since(Monotonic::default()).as_secs()
    }

    fn advance(&mut self, to: Monotonic) {
        let span = to.since(self.now.monotonic);
        self.now.monotonic = to;
        self.now.wall = self.now.wall.plus(span);
    }

    fn is_late(&self, now: Monotonic) -> bool {
        now > self.feed.late_after()
    }

    /// Lives for so many seconds.
    fn live(&mut self, seconds: u64) -> &mut Self {
        let end = self.now.monotonic.plus(Duration::from_secs(seconds));
        loop {
            assert!(!self.is_late(self.now.monotonic));
            match self.feed.next(self.now) {
                FeedStep::Wait(until) if until > end => {
                    self.advance(end);
                    return self;
                }
                FeedStep::Wait(until) => self.advance(until),
                FeedStep::Pull { afresh, .. } => {
                    self.pulls.push((self.seconds(), afresh));
                    let outcome = self.answer();
                    self.learn(outcome);
                }
                FeedStep::CheckSignIn => {
                    self.checks += 1;
                    let paused_until = self.feed.sign_in.map(|pause| pause.until);
                    self.learn(FeedOutcome::SignInChecked { paused_until });
                }
            }
        }
    }

    fn answer(&self) -> FeedOutcome {
        match &self.host {
            Host::Unchanged => FeedOutcome::Read {
                version: None,
                client_state: Some("state".to_owned()),
            },
            Host::New(version) => FeedOutcome::Read {
                version: Some(version.clone()),
                client_state: Some("state".to_owned()),
            },
            Host::Fails(failure) => FeedOutcome::Failed {
                failure: failure.clone(),
                paused_until: None,
            },
            Host::Rejects => FeedOutcome::Failed {
                failure: failure(FailureClass::SecretRejected),
                paused_until: Some(self.now.monotonic.plus(self.paused_for)),
            },
        }
    }

    fn learn(&mut self, outcome: FeedOutcome) {
        let events = self.feed.learn(outcome, self.now);
        self.events.extend(events);
    }

    /// When it was asked since the last call.
    fn pulls(&mut self) -> Vec<u64> {
        let pulls = std::mem::take(&mut self.pulls);
        pulls.into_iter().map(|(at, _)| at).collect()
    }

    fn said(&mut self) -> Vec<FeedEvent> {
        let is_said = |event: &FeedEvent| {
            !matches!(
                event,
                FeedEvent::Pulled { is_new: false, .. }
                    | FeedEvent::Failing { is_quiet: true, .. }
                    | FeedEvent::Recovered { is_quiet: true, .. }
            )
        };
        let events = std::mem::take(&mut self.events);
        events.into_iter().filter(is_said).collect()
    }
}

#[test]
fn it_is_pulled_at_the_start_and_then_by_the_schedule() {
    let mut story = Story::new();
    story.live(1);
    story.host = Host::Unchanged;
    story.live(1_000);
    assert_eq!(story.pulls(), [0, 300, 600, 900]);
    let view = story.feed.view(story.now);
    assert_eq!((view.successes, view.attempts), (4, 4));
    assert_eq!(view.latest.unwrap().id, VersionId(1));
    assert_eq!(view.changed_at, UnixTime::parse(START));
    assert_eq!(view.read_at, UnixTime::parse("2027-03-02T10:15:00Z"));
    assert_eq!(
        story.said(),
        [FeedEvent::Pulled {
            is_new: true,
            items: 0
        }]
    );
}

/// Else a pass by hand asks its hosts twice.
#[test]
fn a_pass_by_hand_pulls_when_it_asks_and_not_by_the_schedule_too() {
    let mut story = Story::new();
    let id = FeedId::new("dav.example.com", &["on demand"]);
    let settings = FeedSettings {
        is_on_demand: true,
        ..settings("0 */5 * * * *")
    };
    story.feed = FeedController::new(id, settings, story.now);
    assert_eq!(story.feed.next(story.now), FeedStep::Wait(Monotonic::NEVER));
    story.feed.pull_now(PullNow {
        afresh: false,
        insists: false,
    });
    assert!(matches!(story.feed.next(story.now), FeedStep::Pull { .. }));
}

#[test]
fn a_long_jitter_does_not_put_off_the_first_pull() {
    for n in 0..50 {
        let id = FeedId::new("dav.example.com", &[&n.to_string()]);
        let settings = FeedSettings {
            spread: Duration::from_secs(3600),
            ..settings("0 0 * * * *")
        };
        let now = Story::new().now;
        let mut feed = FeedController::new(id, settings, now);
        match feed.next(now) {
            FeedStep::Wait(until) => assert!(until.since(now.monotonic) <= due::FIRST_SPREAD),
            step => assert!(matches!(step, FeedStep::Pull { .. })),
        }
    }
}

#[test]
fn three_quick_tries_and_then_the_schedule() {
    let mut story = Story::every("0 0 * * * *");
    story.host = Host::Fails(failure(FailureClass::TimedOut));
    story.live(7_300);
    assert_eq!(story.pulls(), [0, 15, 45, 105, 3_600, 7_200]);
    let latest = story.feed.view(story.now);
    assert!(latest.latest.is_none() && latest.successes == 0);
    assert_eq!(latest.failing.unwrap().failures, 6);
    // What will not pass by itself is not tried quickly.
    let mut story = Story::new();
    story.host = Host::Fails(Failure {
        is_passing: false,
        ..failure(FailureClass::Other)
    });
    story.live(400);
    assert_eq!(story.pulls(), [0, 300]);
}

#[test]
fn a_failure_never_changes_what_was_read() {
    let mut story = Story::new();
    story.live(1);
    let before = story.feed.view(story.now);
    story.host = Host::Fails(failure(FailureClass::Unreachable));
    story.live(100_000);
    let after = story.feed.view(story.now);
    assert_eq!(after.latest, before.latest);
    assert_eq!(
        (after.read_at, after.changed_at),
        (before.read_at, before.changed_at)
    );
    assert_eq!(after.successes, before.successes);
    let failing = after.failing.unwrap();
    assert_eq!(
        failing.since,
        UnixTime::parse("2027-03-02T10:05:00Z").unwrap()
    );
    assert_eq!(
        failing.began,
        Past::at(Monotonic::from_start(Duration::from_secs(300)))
    );
}

#[test]
fn a_host_that_names_a_time_is_left_alone_until_then_up_to_a_day() {
    let mut story = Story::new();
    story.host = throttled(Some(1_000));
    story.live(1);
    assert_eq!(
        story.feed.view(story.now).failing.unwrap().not_before,
        UnixTime::parse("2027-03-02T10:16:40Z")
    );
    story.host = throttled(Some(30 * 86_400));
    story.live(90_000);
    assert_eq!(story.pulls(), [0, 1_000, 1_000 + 86_400]);
}

#[test]
fn a_host_that_is_asked_too_often_is_asked_less_and_less() {
    let mut story = Story::every("0 * * * * *");
    story.host = throttled(None);
    story.live(4 * 3600 + 60);
    let apart = |pulls: Vec<u64>| -> Vec<u64> {
        pulls
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) / 60)
            .collect()
    };
    assert_eq!(apart(story.pulls()), [1, 2, 4, 8, 16, 32, 60, 60]);
    // One answer of another kind begins anew.
    story.host = Host::Unchanged;
    story.live(3600);
    story.pulls();
    story.host = throttled(None);
    story.live(420);
    assert_eq!(apart(story.pulls()), [1, 2]);
}

#[test]
fn how_often_in_a_row_a_host_was_asked_too_often_is_known_after_a_restart() {
    let mut story = Story::every("0 * * * * *");
    story.host = Host::Fails(failure(FailureClass::TimedOut));
    story.live(200);
    story.host = throttled(None);
    story.live(200);
    let throttled = |feed: &FeedController| feed.memory(story.now).throttled;
    assert_eq!(throttled(&story.feed), 2);
    let restarted = |memory: &FeedMemory| {
        let id = story.feed.id.clone();
        let mut feed = FeedController::new(id, settings("0 * * * * *"), story.now);
        feed.restore(memory, None, story.now);
        feed
    };
    assert_eq!(throttled(&restarted(&story.feed.memory(story.now))), 2);
    // Also after another failure, of which there were as many.
    let memory = FeedMemory {
        throttled: 0,
        ..story.feed.memory(story.now)
    };
    assert_eq!(throttled(&restarted(&memory)), 0);
}

#[test]
fn since_when_it_succeeds_is_told_to_whoever_misses_a_failure() {
    let mut story = Story::every("0 * * * * *");
    let since = |story: &Story| story.feed.view(story.now).succeeding_since;
    assert_eq!(since(&story), None);
    story.live(150);
    let start = Monotonic::default();
    assert_eq!(since(&story), Some(start));
    story.host = Host::Fails(failure(FailureClass::Unreachable));
    story.live(60);
    assert_eq!(since(&story), None);
    story.host = Host::Unchanged;
    story.live(300);
    let again = since(&story).unwrap().since(start).as_secs();
    assert!((151..=270).contains(&again), "{again}");
    // A new process knows of no failure, and what was failing began to succeed in it.
    let restarted = |story: &Story| {
        let mut other = Story::every("0 * * * * *");
        let memory = story.feed.memory(story.now);
        let latest = story.feed.latest().cloned();
        other.feed.restore(&memory, latest, other.now);
        other
    };
    assert_eq!(since(&restarted(&story)), Some(start));
    story.host = Host::Fails(failure(FailureClass::Unreachable));
    story.live(60);
    assert_eq!(since(&restarted(&story)), None);
}

#[test]
fn a_paused_sign_in_waits_and_compares_the_secret_meanwhile() {
    let mut story = Story::every("0 * * * * *");
    story.host = Host::Rejects;
    story.live(299);
    assert_eq!(story.pulls(), [0]);
    assert_eq!(story.checks, 9);
    story.live(2);
    assert_eq!(story.pulls(), [300]);
    // Another secret is tried at once.
    story.live(10);
    story.host = Host::Unchanged;
    story.learn(FeedOutcome::SignInChecked { paused_until: None });
    story.live(1);
    assert_eq!(story.pulls(), [311]);
    assert!(story.feed.view(story.now).failing.is_none());
    // So is one of a new configuration.
    story.host = Host::Rejects;
    story.live(60);
    story.pulls();
    story.feed.source_changed(story.now);
    story.live(1);
    assert_eq!(story.pulls().len(), 1);
}

#[test]
fn a_pause_that_others_caused_is_no_failure_of_this_feed() {
    let mut story = Story::new();
    story.live(1);
    let until = story.now.monotonic.plus(Duration::from_secs(300));
    let paused = FeedOutcome::SignInPaused {
        failure: failure(FailureClass::SignInPaused),
        until,
    };
    story.said();
    story.learn(paused.clone());
    assert_eq!(story.said(), []);
    let failing = story.feed.view(story.now).failing.unwrap();
    assert_eq!(failing.failures, 0);
    assert_eq!(failing.not_before, UnixTime::parse("2027-03-02T10:05:01Z"));
    assert_eq!(story.feed.view(story.now).attempts, 2);
    // Where it failed before, that stays the reason.
    story.host = Host::Fails(failure(FailureClass::Other));
    story.live(302);
    story.learn(paused);
    let failing = story.feed.view(story.now).failing.unwrap();
    assert_eq!(failing.failure.class, FailureClass::Other);
}

#[test]
fn failures_are_said_at_the_first_tenth_and_hundredth_time_whatever_their_kind() {
    let mut story = Story::every("0 * * * * *");
    for n in 0..120 {
        story.host = Host::Fails(Failure {
            kind: format!("kind {}", n % 2),
            is_passing: false,
            ..failure(FailureClass::Other)
        });
        story.live(60);
    }
    let said = |event: &FeedEvent| match event {
        FeedEvent::Failing { failures, .. } => *failures,
        event => panic!("{event:?}"),
    };
    assert_eq!(
        story.said().iter().map(said).collect::<Vec<_>>(),
        [1, 10, 100]
    );
    story.host = Host::Unchanged;
    story.live(60);
    let [
        FeedEvent::Recovered {
            failures, since, ..
        },
    ] = story.said()[..]
    else {
        panic!()
    };
    assert!(failures >= 120);
    assert_eq!(since, UnixTime::parse(START).unwrap());
}

#[test]
fn a_feed_that_fails_and_recovers_by_turns_is_said_to_flap_once() {
    let mut story = Story::every("0 * * * * *");
    let broken = Host::Fails(Failure {
        is_passing: false,
        ..failure(FailureClass::Other)
    });
    for n in 0..60 {
        story.host = match n % 2 {
            0 => broken.clone(),
            _ => Host::Unchanged,
        };
        story.live(60);
    }
    let said = story.said();
    assert_eq!(said.len(), 7, "{said:?}");
    assert!(matches!(said[6], FeedEvent::Flapping { times: 4, .. }));
    story.host = Host::Unchanged;
    story.live(3_700);
    let said = story.said();
    assert!(
        matches!(said[..], [FeedEvent::Steady { times: 30 | 31 }]),
        "{said:?}"
    );
    story.host = broken;
    story.live(60);
    assert_eq!(story.said().len(), 1);
}

#[test]
fn other_filters_need_an_unconditional_pull_at_once() {
    let mut story = Story::new();
    story.live(10);
    story.host = Host::Unchanged;
    let mut changed = settings("0 */5 * * * *");
    story.feed.configure(changed.clone(), story.now);
    story.live(1);
    assert_eq!(
        story.pulls,
        [(0, false)],
        "unchanged settings disturb nothing"
    );
    changed.filters.insert("for oak".to_owned());
    story.feed.configure(changed.clone(), story.now);
    let mut wider = version(2);
    wider.reduction.filters.insert("for oak".to_owned());
    story.host = Host::New(Arc::new(wider));
    story.live(1);
    assert_eq!(story.pulls, [(0, false), (11, true)]);
    story.live(300);
    assert_eq!(story.pulls[2..], [(300, false)]);
    // A filter less asks for nothing.
    changed.filters.remove("for oak");
    story.feed.configure(changed, story.now);
    story.live(1);
    assert_eq!(story.pulls.len(), 3);
}

#[test]
fn a_version_reduced_by_a_clock_that_was_ahead_is_replaced() {
    let mut story = Story::new();
    story.live(1);
    // The clock was a week ahead at that pull, and is set back now.
    story.now.wall = story.now.wall.minus(Duration::from_secs(7 * 86_400));
    story.feed.clock_stepped(story.now);
    let mut right = version(1);
    right.reduction.from = story.now.wall;
    story.host = Host::New(Arc::new(right));
    story.live(30);
    assert_eq!(story.pulls[1..], [(1, true)]);
    // The same content, but usable now.
    let latest = story.feed.view(story.now).latest.unwrap();
    assert!(latest.reduction.from <= story.now.wall);
}

#[test]
fn by_a_clock_that_is_not_believed_nothing_is_recorded_or_thrown_away() {
    let mut story = Story::new();
    story.live(1);
    let before = story.feed.view(story.now);
    story.feed.clock_believed(false, story.now);
    story.now.wall = UnixTime::from_seconds(10);
    story.feed.clock_stepped(story.now);
    story.host = Host::Unchanged;
    story.live(700);
    assert!(story.pulls.len() > 2 && story.pulls.iter().all(|(_, afresh)| !afresh));
    let after = story.feed.view(story.now);
    assert_eq!(
        (after.read_at, after.latest),
        (before.read_at, before.latest)
    );
    assert!(after.successes > before.successes);
}

#[test]
fn a_clock_that_is_set_back_delays_no_pull_by_more_than_a_period() {
    for step in [-7_200, 86_400, -30 * 86_400] {
        let mut story = Story::new();
        story.live(100);
        story.host = Host::Unchanged;
        story.now.wall = UnixTime::from_seconds(story.now.wall.seconds() + step);
        story.feed.clock_stepped(story.now);
        story.pulls();
        story.live(301);
        assert!(!story.pulls().is_empty(), "{step}");
    }
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut story = Story::new();
    story.live(1);
    story.host = throttled(Some(3_600));
    story.live(300);
    let memory = story.feed.memory(story.now);
    assert_eq!(memory.latest, Some(VersionId(1)));
    assert_eq!(memory.client_state.as_deref(), Some("state"));

    let restarted = |latest: Option<u64>, ahead: u64| {
        let mut other = Story::new();
        other.now = story.now;
        other.now.monotonic = Monotonic::from_start(Duration::from_secs(5));
        other.now.wall = other.now.wall.plus(Duration::from_secs(ahead));
        let id = other.feed.id.clone();
        other.feed = FeedController::new(id, settings("0 */5 * * * *"), other.now);
        let latest = latest.map(|id| Arc::new(version(id)));
        other.feed.restore(&memory, latest, other.now);
        other
    };
    let mut other = restarted(Some(1), 0);
    let view = other.feed.view(other.now);
    assert_eq!(view.latest.unwrap().id, VersionId(1));
    assert_eq!(view.failing.unwrap().failures, 1);
    assert_eq!(view.successes, 0);
    other.live(3_500);
    assert!(other.pulls().is_empty());
    other.live(101);
    assert_eq!(other.pulls().len(), 1);
    // The version is lost: nothing is conditional, and nothing counts as read.
    let other = restarted(None, 0);
    assert_eq!(other.feed.client_state(), None);
    assert_eq!(other.feed.view(other.now).read_at, None);
    let other = restarted(Some(7), 0);
    assert_eq!(other.feed.client_state(), None);
    // The clock was far behind when it was written down: no longer than was asked for.
    let mut other = restarted(Some(1), 0);
    other.feed.restore(
        &FeedMemory {
            not_before: Some(other.now.wall.plus(Duration::from_secs(9 * 86_400))),
            ..memory.clone()
        },
        None,
        other.now,
    );
    other.live(3_601);
    assert_eq!(other.pulls().len(), 1);
}

#[test]
fn a_pull_on_demand_obeys_the_host_unless_somebody_insists() {
    let mut story = Story::new();
    story.live(10);
    let command = |insists| PullNow {
        afresh: true,
        insists,
    };
    story.feed.pull_now(command(false));
    story.live(1);
    assert_eq!(story.pulls, [(0, false), (10, true)]);
    story.host = throttled(Some(3_600));
    story.live(300);
    let attempts = story.feed.view(story.now).attempts;
    story.feed.pull_now(command(false));
    story.live(1);
    assert_eq!(story.pulls.len(), 3);
    assert_eq!(
        story.feed.view(story.now).attempts,
        attempts + 1,
        "whoever waits is told"
    );
    story.feed.pull_now(command(true));
    story.live(1);
    assert_eq!(story.pulls.len(), 4);
}

#[test]
fn a_partial_reading_and_what_cannot_be_read_are_said_when_they_change() {
    let mut story = Story::new();
    let mut partial = version(1);
    partial.missing = vec!["a".to_owned(), "b".to_owned()];
    partial.trouble.entries = 3;
    story.host = Host::New(Arc::new(partial.clone()));
    story.live(700);
    let said = story.said();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.contains(&FeedEvent::Partial {
        missing: 2,
        members: 2
    }));
    assert!(said.contains(&FeedEvent::Trouble {
        trouble: partial.trouble.clone()
    }));
    story.host = Host::New(Arc::new(version(2)));
    story.live(700);
    let said = story.said();
    assert!(said.contains(&FeedEvent::Partial {
        missing: 0,
        members: 0
    }));
    assert!(said.contains(&FeedEvent::Trouble {
        trouble: Trouble::default()
    }));
}

#[test]
fn a_task_that_does_not_move_is_late_and_a_slow_host_is_not() {
    let later = |seconds| Monotonic::from_start(Duration::from_secs(seconds));
    let mut story = Story::new();
    assert!(matches!(story.feed.next(story.now), FeedStep::Pull { .. }));
    assert!(!story.is_late(later(900)));
    assert!(story.is_late(later(3_601)));
    let outcome = story.answer();
    story.learn(outcome);
    assert!(!story.is_late(later(300 + 119)));
    assert!(story.is_late(later(300 + 121)));
}
