//! Some thousand room-days in every run of the tests, and the faults that are put in by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;

/// Lives through worlds on all processors until this many room-days are over.
fn live_through(room_days: u64, plan_of: impl Fn(u64) -> Plan + Sync) -> u64 {
    let seed = AtomicU64::new(0);
    let lived = AtomicU64::new(0);
    let worker = || {
        while lived.load(Ordering::Relaxed) < room_days * 1000 {
            let seed = seed.fetch_add(1, Ordering::Relaxed);
            let plan = plan_of(seed);
            let outcome = live(&plan, false);
            lived.fetch_add(outcome.milli_room_days, Ordering::Relaxed);
            if let Some(broken) = outcome.broken {
                let shortest = shrink(&plan, &broken);
                panic!("seed {seed}: {}\n{}", broken.promise, told(&shortest));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            if let Err(broken) = worker.join() {
                std::panic::resume_unwind(broken);
            }
        }
    });
    lived.into_inner() / 1000
}

/// The world of a seed, as the tests have it.
fn world(seed: u64) -> Plan {
    Plan::of(seed, 1 + (seed % 6) as usize, 3)
}

/// One to three rooms for a day, and the day after it.
fn small_world(seed: u64) -> Plan {
    Plan::of(seed, 1 + (seed % 3) as usize, 1)
}

fn told(plan: &Plan) -> String {
    let lines = live(plan, true).lines;
    let lines: Vec<String> = lines
        .iter()
        .map(|(at, line)| format!("{}  {line}", moment(*at)))
        .collect();
    lines.join("\n")
}

#[test]
fn room_days_of_faults_keep_every_promise() {
    let began = Instant::now();
    // Without optimisation a day takes ten times as long.
    let room_days = if cfg!(debug_assertions) { 500 } else { 2_000 };
    let lived = live_through(room_days, world);
    println!(
        "{lived} room-days in {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

#[test]
fn a_world_without_faults_stays_in_step_and_writes_little() {
    let plan = Plan::quiet(5, 3, 2);
    let outcome = live(&plan, false);
    assert_eq!(outcome.broken, None);
    // A push for each change, and hardly more writes than those.
    let changes = plan.actions.len() as u64 + 3 * 4 * plan.density;
    assert!(outcome.puts < 4 * changes, "{} pushes", outcome.puts);
    assert!(
        outcome.writes < 8 * changes + 50,
        "{} writes",
        outcome.writes
    );
}

#[test]
fn one_seed_is_one_history() {
    let plan = Plan::of(11, 4, 2);
    assert_eq!(told(&plan), told(&plan));
    assert!(!plan.actions.is_empty());
    assert_ne!(told(&plan), told(&Plan::of(12, 4, 2)));
}

/// A seed of a small world in which each fault was found once. Where a change of the worlds
/// moves it, others are tried.
const FOUND: &[(Mutation, u64)] = &[
    (Mutation::HoldEndsByFailedPull, 124),
    (Mutation::HoldIsForgottenByRestart, 44),
    (Mutation::HoldCountsThroughFailures, 124),
    (Mutation::HoldGoesByTheWall, 24),
    (Mutation::HoldNeverEnds, 4),
    (Mutation::LossIsBelieved, 4),
    (Mutation::FewerIsNotBelieved, 11),
    (Mutation::EndedStays, 5),
    (Mutation::UnreadTakesAway, 3),
    (Mutation::FiltersAreNotServed, 3),
    (Mutation::DoubtIsIgnored, 4),
    (Mutation::RetryAfterIsIgnored, 114),
    (Mutation::RetryAfterHasNoEnd, 22),
    (Mutation::RejectedIsTriedAgain, 1),
    (Mutation::RejectionsCountTwice, 30),
    (Mutation::TimesAreEnough, 1),
    (Mutation::PushComesWithoutMode, 0),
    (Mutation::ModeIsRemembered, 0),
    (Mutation::OtherModeIsWritten, 109),
    (Mutation::EmptiedIsACorrection, 8),
    (Mutation::CorrectionsHaveNoLimit, 6),
    (Mutation::FailedPushFollowsAtOnce, 84),
    (Mutation::PushWhatIsShown, 22),
    (Mutation::SilenceIsBroken, 30),
    (Mutation::OtherRoomsDeviceIsWritten, 5),
    (Mutation::KeptIsNotRestricted, 15),
    (Mutation::FewerIsInStep, 87),
    (Mutation::ForeignIsKept, 6),
];

/// Whether a world breaks a promise with the fault in it, and none without.
fn is_found_in(mutation: Mutation, seed: u64) -> bool {
    let plan = small_world(seed);
    put_in(Some(mutation));
    let with = live(&plan, false).broken;
    put_in(None);
    with.is_some() && live(&plan, false).broken.is_none()
}

fn is_found(mutation: Mutation, known: u64) -> bool {
    let mut seeds = std::iter::once(known).chain(0..100);
    seeds.any(|seed| is_found_in(mutation, seed))
}

#[test]
fn faults_that_are_put_in_by_hand_are_found() {
    let next = AtomicU64::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    let worker = || {
        while let Some((mutation, known)) = FOUND.get(next.fetch_add(1, Ordering::Relaxed) as usize)
        {
            if !is_found(*mutation, *known) {
                missed.lock().unwrap().push(*mutation);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    assert_eq!(missed.into_inner().unwrap(), []);
}

#[test]
fn every_fault_is_listed() {
    for mutation in Mutation::ALL {
        assert!(FOUND.iter().any(|(of, _)| *of == mutation), "{mutation:?}");
    }
}

#[test]
fn a_failing_history_is_told_by_what_it_takes() {
    put_in(Some(Mutation::LossIsBelieved));
    let failing = (0..400).find_map(|seed| {
        let plan = Plan::of(seed, 3, 2);
        Some((live(&plan, false).broken?, plan))
    });
    let (broken, plan) = failing.unwrap();
    let shortest = shrink(&plan, &broken);
    let story = told(&shortest);
    put_in(None);
    assert!(shortest.actions.len() <= 2, "{story}");
    assert!(story.contains(broken.promise), "{story}");
}
