//! Two engines that we did not write as witnesses: thousands of random rules must
//! come out as they do in the crates `rrule` (where it is known to be right; the
//! module documentation of `expand` says why it is not used) and `ical-rs`.

use ical::recur::expand::IcalRecurExpand;
use ical::recur::{IcalRecurDateTime, IcalRecurRule};
use rrule::{RRule, RRuleSet, Tz, Unvalidated};

use super::tests::first;
use super::*;
use crate::expand::written::rule;

/// A small generator, so that the rules are the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.roll(chances) == 0
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.roll(u64::try_from(high - low + 1).unwrap())).unwrap()
    }

    /// One to `most` numbers of that range, without 0.
    fn list(&mut self, most: u64, low: i64, high: i64) -> String {
        let mut numbers: Vec<i64> = (0..=self.roll(most))
            .map(|_| self.between(low, high))
            .filter(|number| *number != 0 || low == 0)
            .collect();
        if numbers.is_empty() {
            numbers.push(1);
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    }
}

const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

#[derive(Clone, Copy, PartialEq)]
enum Witness {
    Rrule,
    IcalRs,
}

/// A rule that the witness is known to read as RFC 5545 has it.
fn random_rule(dice: &mut Dice, witness: Witness) -> String {
    let freqs = [
        "YEARLY", "YEARLY", "MONTHLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY",
    ];
    let freq = freqs[usize::try_from(dice.roll(8)).unwrap()];
    let is_long = matches!(freq, "YEARLY" | "MONTHLY");
    let mut text = format!("FREQ={freq}");
    if dice.one_in(2) {
        let most = if freq == "YEARLY" { 4 } else { 13 };
        text += &format!(";INTERVAL={}", dice.between(1, most));
    }
    if dice.one_in(3) {
        text += &format!(";COUNT={}", dice.between(1, 60));
    }
    // `rrule` gives up on minutes that are hours apart.
    if freq == "MINUTELY" && witness == Witness::Rrule {
        return text;
    }
    // `rrule` does not know that week -52 can be one that began the year before; to
    // `ical-rs` such a week counts for the other year, which INTERVAL would show.
    let may_week = witness == Witness::Rrule || !text.contains("INTERVAL");
    let has_week = freq == "YEARLY" && may_week && dice.one_in(4);
    if has_week {
        text += &format!(";BYWEEKNO={}", dice.list(3, -51, 53));
    }
    if dice.one_in(3) {
        text += &format!(";BYMONTH={}", dice.list(4, 1, 12));
    }
    if matches!(freq, "YEARLY" | "HOURLY") && dice.one_in(6) {
        text += &format!(";BYYEARDAY={}", dice.list(6, -366, 366));
    }
    if freq != "WEEKLY" && dice.one_in(3) {
        text += &format!(";BYMONTHDAY={}", dice.list(5, -31, 31));
    }
    // Both read BYWEEKNO without BYDAY as all seven days, where the RFC has what is
    // left out follow from DTSTART. `rrule` unites no ordinals with plain weekdays.
    if has_week || dice.one_in(2) {
        let ordinals = is_long && !has_week && dice.one_in(2);
        let days: Vec<String> = (0..=dice.roll(3))
            .map(|_| {
                let weekday = WEEKDAYS[usize::try_from(dice.roll(7)).unwrap()];
                let mixed = witness == Witness::IcalRs && dice.one_in(3);
                match dice.between(-5, 5) {
                    ordinal if ordinals && !mixed => {
                        format!("{}{weekday}", if ordinal == 0 { 1 } else { ordinal })
                    }
                    _ => weekday.to_owned(),
                }
            })
            .collect();
        text += &format!(";BYDAY={}", days.join(","));
    }
    if dice.one_in(5) {
        text += &format!(";BYHOUR={}", dice.list(3, 0, 23));
    }
    if dice.one_in(5) {
        text += &format!(";BYMINUTE={}", dice.list(3, 0, 59));
    }
    if dice.one_in(3) {
        text += &format!(";WKST={}", WEEKDAYS[usize::try_from(dice.roll(7)).unwrap()]);
    }
    let has_set = text.contains(";BYM") || text.contains(";BYD") || text.contains(";BYH");
    let may_set = witness == Witness::Rrule || !has_week;
    if has_set && may_set && dice.one_in(4) {
        text += &format!(";BYSETPOS={}", dice.list(2, -4, 4));
    }
    text
}

#[test]
fn thousands_of_random_rules_agree_with_the_rrule_crate() {
    let mut dice = Dice(0x5eed_2026_1123);
    let mut compared = 0;
    for _ in 0..1_500 {
        let text = random_rule(&mut dice, Witness::Rrule);
        let start = random_start(&mut dice);
        // A month somewhere in the next years, or all of them for a rare rule.
        let is_rare = !text.contains("HOURLY") && !text.contains("MINUTELY");
        let from = start.plus(dice.between(0, if is_rare { 900 } else { 9 }) * 86_400);
        let to = from.plus(if is_rare { 3_000 } else { 20 } * 86_400);

        let Some(theirs) = by_rrule(&text, start, from, to) else {
            continue;
        };
        let ours: Vec<i64> = {
            let pattern = Pattern::new(&rule(&text), start, false, Wall::MAX);
            let mut walls = Vec::new();
            let mut allowance = Allowance::of_steps(10_000_000);
            pattern
                .between(from, to, &mut allowance, &mut |wall| {
                    walls.push(wall.0);
                    if walls.len() == theirs.len() + 1 {
                        ControlFlow::Break(Spent::Instances)
                    } else {
                        ControlFlow::Continue(())
                    }
                })
                .unwrap_or_else(|spent| assert_eq!(spent, Spent::Instances, "{text}"));
            // Theirs stop at a limit.
            if theirs.len() == LIMIT {
                walls.truncate(LIMIT);
            }
            walls
        };
        assert_eq!(ours, theirs, "{} {text}", start.local());
        compared += 1;
    }
    assert!(compared > 1_300, "{compared}");
}

const LIMIT: usize = 500;

/// `None` where the crate refuses the rule.
fn by_rrule(text: &str, start: Wall, from: Wall, to: Wall) -> Option<Vec<i64>> {
    let at = |wall: Wall| {
        chrono::DateTime::from_timestamp(wall.0, 0)
            .unwrap()
            .with_timezone(&Tz::UTC)
    };
    let rule: RRule<Unvalidated> = text.parse().ok()?;
    let set: RRuleSet = rule.build(at(start)).ok()?;
    // Its own bounds are both inclusive.
    let set = set.after(at(from)).before(at(to.plus(-1)));
    let found = set.all(u16::try_from(LIMIT).unwrap());
    Some(
        found
            .dates
            .iter()
            .map(chrono::DateTime::timestamp)
            .collect(),
    )
}

#[test]
fn thousands_of_random_rules_agree_with_ical_rs() {
    let mut dice = Dice(0x5eed_2027_0107);
    let mut compared = 0;
    for _ in 0..3_000 {
        let text = random_rule(&mut dice, Witness::IcalRs);
        let start = random_start(&mut dice);
        let is_rare = !text.contains("HOURLY") && !text.contains("MINUTELY");
        let to = start.plus(if is_rare { 4_000 } else { 40 } * 86_400);
        let pattern = Pattern::new(&rule(&text), start, false, Wall::MAX);
        let ours = first(&pattern, start, to, 80);
        // Where there are none, the other would look for them without end.
        let Some(last) = ours.last() else {
            continue;
        };
        let theirs: Vec<Wall> = by_ical_rs(&text, start)
            .take(ours.len())
            .take_while(|wall| wall <= last)
            .collect();
        assert_eq!(ours, theirs, "{} {text}", start.local());
        compared += 1;
    }
    assert!(compared > 2_000, "{compared}");
}

fn by_ical_rs(text: &str, start: Wall) -> impl Iterator<Item = Wall> {
    let local = start.local();
    let narrow = |value: i8| u8::try_from(value).unwrap();
    let mut first = IcalRecurDateTime::date(
        i32::from(local.year()),
        narrow(local.month()),
        narrow(local.day()),
    );
    first.hour = narrow(local.hour());
    first.minute = narrow(local.minute());
    IcalRecurExpand::new(IcalRecurRule::parse(text).unwrap(), first).map(|at| {
        let seconds = i64::from(at.hour) * 3_600 + i64::from(at.minute) * 60;
        Day::new(i64::from(at.year), i64::from(at.month), i64::from(at.day))
            .midnight()
            .plus(seconds + i64::from(at.second))
    })
}

fn random_start(dice: &mut Dice) -> Wall {
    let (year, month) = (dice.between(2008, 2026), dice.between(1, 12));
    Day::new(year, month, dice.between(1, 28))
        .midnight()
        .plus(dice.between(0, 23) * 3_600 + dice.between(0, 59) * 60)
}
