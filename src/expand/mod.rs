//! Series to occurrences: recurrence, overrides and the step from local time to
//! instants, for one window of time. Pure; never an error, never a panic, bounded.
//!
//! The recurrence engine is our own. The `rrule` crate (0.14.0, no commit for a year
//! and a half) was measured first and is wrong where calendars are real: it unites
//! nothing of `BYDAY=2SA,MO`, reads `FREQ=WEEKLY;BYDAY=1MO` as dates of the month,
//! refuses UNTIL as a date or in another zone than DTSTART and parts that it does not
//! know, drops a DTSTART that is off its rule, loses an hour of hourly rules in autumn,
//! never ends on `FREQ=SECONDLY` since 2020, buffers a whole year of a dense rule, and
//! holds INTERVAL in 16 bits. It serves as an oracle in the tests of `rule`.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `civil` | days and wall times as numbers |
//! | `days`, `times`, `rule` | RFC 5545 section 3.3.10, on the wall |
//! | `local`, `own_zone` | which instant a wall time is |
//! | `length` | DTEND and DURATION |
//! | `set` | the recurrence set of one event, section 3.8.5 |
//! | `overrides` | a series with its overrides |
//! | `chapters` | what overrides for this and all future instances change |
//! | `caps` | what a feed may cost |
//!
//! What an event says, cancelled and free ones too, is left to `compose`.

mod caps;
mod chapters;
mod civil;
mod days;
mod key;
mod length;
mod local;
mod overrides;
mod own_zone;
mod rule;
mod set;
mod times;
#[cfg(test)]
mod written;

use std::sync::Arc;

use crate::ics::series::Series;
use crate::model::occurrence::Occurrence;
use crate::model::time::Window;
use crate::model::verdict::{Rule, Subject, Verdict};
use crate::model::zone::Zone;

use caps::Account;
use local::Clocks;

/// What a feed has in a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expansion {
    /// By start, end, UID and instance; also cancelled and free ones, and those
    /// without length.
    pub occurrences: Vec<Occurrence>,
    /// On events that are not there, and on instances that were left out. An event
    /// with nothing in the window has one, an event that is there has none.
    pub verdicts: Vec<Verdict>,
}

/// Every instance that overlaps the window.
///
/// `zone` is the room's: floating times are local to it, all-day events are its days.
/// Local times that clocks show twice are the first, those that they skip take the
/// offset from before the gap (RFC 5545 section 3.3.5).
///
/// A series that costs too much is cut short, with a verdict that names the cap
/// ([`Rule::Capped`]); the others are not affected.
#[must_use]
pub fn expand(series: &[Series], window: Window, zone: &Zone) -> Expansion {
    let clocks = Clocks::new(zone, window);
    let mut account = Account::new();
    let mut out = Expansion::default();
    let mut greedy = Vec::new();
    for one in series {
        let before = (out.occurrences.len(), out.verdicts.len());
        let given = account.share();
        let mut rest = given;
        match overrides::expand(one, &clocks, &mut rest, &mut out) {
            Ok(()) => account.charge_share(given, rest),
            Err(_) => {
                out.occurrences.truncate(before.0);
                out.verdicts.truncate(before.1);
                greedy.push(one);
            }
        }
    }
    for one in greedy {
        let given = account.rest();
        let mut rest = given;
        if let Err(spent) = overrides::expand(one, &clocks, &mut rest, &mut out) {
            let event = one.master.as_ref().or(one.overrides.first());
            out.verdicts.extend(event.map(|event| Verdict {
                subject: Subject::Event(Arc::clone(&event.details)),
                start: None,
                end: None,
                rule: Account::verdict(spent, given),
            }));
        }
        account.charge(given, rest);
    }
    out.verdicts.extend(clocks.capped().map(|at| Verdict {
        subject: Subject::Line {
            href: String::new(),
            line: 0,
        },
        start: None,
        end: None,
        rule: Rule::Capped {
            cap: "steps of a feed's time zones",
            at,
        },
    }));
    out.occurrences.sort_unstable_by(|one, other| {
        (one.start, one.end, &one.details.uid, &one.instance).cmp(&(
            other.start,
            other.end,
            &other.details.uid,
            &other.instance,
        ))
    });
    out
}

#[cfg(test)]
mod passed;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
