//! Lives through years of faults with the controllers of podcal. Where a promise is broken it
//! tells the shortest history that it can find.
//!
//! ```text
//! cargo run --release --example years -- --seed 1 --rooms 6 --days 10 --worlds 100
//! ```

#![allow(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;
use std::time::Instant;

use mimalloc::MiMalloc;
use podcal::years::{Mutation, Outcome, Plan, live, moment, put_in, shrink};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

struct Options {
    seed: u64,
    rooms: usize,
    days: u64,
    worlds: u64,
    is_quiet: bool,
    tells: bool,
    shrinks: bool,
    goes_on: bool,
    /// A fault that is put into the controllers by hand.
    put_in: Option<Mutation>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        seed: 1,
        rooms: 6,
        days: 10,
        worlds: 1,
        is_quiet: false,
        tells: false,
        shrinks: true,
        goes_on: false,
        put_in: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64, String> {
            let text = arguments.next().unwrap_or_default();
            text.parse()
                .map_err(|_| format!("{argument} wants a number"))
        };
        match argument.as_str() {
            "--seed" => options.seed = number()?,
            "--rooms" => options.rooms = usize::try_from(number()?).unwrap_or(1),
            "--days" => options.days = number()?,
            "--worlds" => options.worlds = number()?,
            "--put-in" => {
                let name = arguments.next().unwrap_or_default();
                let named = |one: &Mutation| format!("{one:?}") == name;
                let found = Mutation::ALL.into_iter().find(named);
                options.put_in =
                    Some(found.ok_or_else(|| {
                        format!("no fault {name:?}; there are {:?}", Mutation::ALL)
                    })?);
            }
            "--quiet" => options.is_quiet = true,
            "--tell" => options.tells = true,
            "--whole" => options.shrinks = false,
            "--go-on" => options.goes_on = true,
            _ => {
                return Err(
                    "usage: years [--seed N] [--rooms R] [--days D] [--worlds W] [--quiet] [--tell] [--whole] [--go-on] [--put-in FAULT]"
                        .to_owned(),
                );
            }
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(says) => {
            println!("{says}");
            return ExitCode::from(2);
        }
    };
    put_in(options.put_in);
    let began = Instant::now();
    let mut total = Outcome::default();
    let mut broken = 0;
    for seed in options.seed..options.seed + options.worlds {
        let plan = match options.is_quiet {
            true => Plan::quiet(seed, options.rooms, options.days),
            false => Plan::of(seed, options.rooms, options.days),
        };
        let outcome = live(&plan, options.tells);
        if options.tells {
            tell(&outcome);
        }
        total.add(&outcome);
        let Some(promise) = &outcome.broken else {
            continue;
        };
        broken += 1;
        println!("seed {seed}: {} ({})", promise.promise, promise.words);
        if !options.goes_on {
            let shortest = match options.shrinks {
                true => shrink(&plan, promise),
                false => plan,
            };
            println!(
                "\nThe shortest history found ({} actions):\n",
                shortest.actions.len()
            );
            tell(&live(&shortest, true));
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let room_days = total.milli_room_days as f64 / 1000.0;
    println!(
        "{room_days:.0} room-days in {seconds:.1} s: {:.0} a second; {} pushes, {} ledger writes, {} log lines; {broken} broken",
        room_days / seconds,
        total.puts,
        total.writes,
        total.log_lines,
    );
    ExitCode::from(u8::from(broken > 0))
}

fn tell(outcome: &Outcome) {
    for (at, line) in &outcome.lines {
        println!("{}  {line}", moment(*at));
    }
}
