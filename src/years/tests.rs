//! Some thousand room-days in every run of the tests, and the faults that are put in by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;
use crate::control::mutation::{self, Mutation};

/// Between one and six rooms, for so many days.
fn plan_of(seed: u64, days: u64) -> Plan {
    Plan::of(seed, 1 + (seed % 6) as usize, days)
}

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

fn told(plan: &Plan) -> String {
    let lines = live(plan, true).lines;
    let lines: Vec<String> = lines
        .iter()
        .map(|(at, line)| format!("{}  {line}", moment(*at)))
        .collect();
    lines.join("\n")
}

#[test]
#[ignore = "two histories break a promise: docs/simulation.md, Open"]
fn two_thousand_room_days_of_faults_keep_every_promise() {
    let began = Instant::now();
    let lived = live_through(2_000, |seed| plan_of(seed, 3));
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

/// Seeds at which each fault was found once; others are tried after them.
fn seeds(mutation: Mutation) -> impl Iterator<Item = u64> {
    let known = FOUND.iter().filter(move |(of, _)| *of == mutation);
    known.map(|(_, seed)| *seed).chain(0..400)
}

const FOUND: &[(Mutation, u64)] = &[];

#[test]
#[ignore = "takes longer than a change should wait: .ci/full"]
fn every_fault_that_is_put_in_by_hand_is_found() {
    let next = AtomicU64::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    let worker = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed) as usize;
            let Some(mutation) = Mutation::ALL.get(number).copied() else {
                return;
            };
            mutation::put_in(Some(mutation));
            let found =
                seeds(mutation).find(|seed| live(&plan_of(*seed, 3), false).broken.is_some());
            mutation::put_in(None);
            match found {
                Some(seed) => println!("(Mutation::{mutation:?}, {seed}),"),
                None => missed.lock().unwrap().push(mutation),
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
fn a_failing_history_is_told_by_what_it_takes() {
    mutation::put_in(Some(Mutation::LossIsBelieved));
    let failing = (0..400).find_map(|seed| {
        let plan = Plan::of(seed, 3, 2);
        Some((live(&plan, false).broken?, plan))
    });
    let (broken, plan) = failing.unwrap();
    let shortest = shrink(&plan, &broken);
    let story = told(&shortest);
    mutation::put_in(None);
    assert!(shortest.actions.len() <= 2, "{story}");
    assert!(story.contains(broken.promise), "{story}");
}
