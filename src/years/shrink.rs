//! The shortest history that still breaks the same promise.

use super::env::Broken;
use super::plan::{DAY, Plan};
use super::world::live;

/// Tries at most.
const MOST: usize = 600;

/// Makes a history shorter for as long as it breaks the same promise.
#[must_use]
pub fn shrink(plan: &Plan, broken: &Broken) -> Plan {
    let mut best = plan.clone();
    let mut tries = 0;
    let mut breaks = |plan: &Plan| {
        tries += 1;
        tries <= MOST
            && live(plan, false)
                .broken
                .is_some_and(|one| one.promise == broken.promise)
    };
    // Nothing after the break matters.
    let before = best.actions.len();
    best.actions.retain(|action| action.at <= broken.at);
    if best.actions.len() < before && !breaks(&best) {
        best = plan.clone();
    }
    let mut chunk = best.actions.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        while from < best.actions.len() {
            let mut shorter = best.clone();
            let to = (from + chunk).min(shorter.actions.len());
            shorter.actions.drain(from..to);
            if breaks(&shorter) {
                best = shorter;
            } else {
                from += chunk;
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    if best.clock.0 != 0 {
        let mut right = best.clone();
        right.clock = (0, 0);
        if breaks(&right) {
            best = right;
        }
    }
    // Rooms that it does not need.
    for room in (0..best.config.rooms.len()).rev() {
        let mut fewer = best.clone();
        fewer.config.rooms[room].is_present = false;
        let is_left = fewer.config.rooms.iter().any(|room| room.is_present);
        if is_left && best.config.rooms[room].is_present && breaks(&fewer) {
            best = fewer;
        }
    }
    while best.days > 1 {
        let mut shorter = best.clone();
        shorter.days -= 1;
        let is_within = shorter
            .actions
            .iter()
            .all(|action| action.at < shorter.days * DAY);
        if !is_within || !breaks(&shorter) {
            break;
        }
        best = shorter;
    }
    best
}
