//! What a push may be, and when.

use super::*;

pub(super) fn put_begins(address: usize, room: usize, agenda: &Arc<Agenda>, env: &mut Env) {
    let now = env.now;
    let wall = env.wall();
    env.oracle.puts += 1;
    let (wanted, _) = env.oracle.wanted[room].clone();
    let forced_at = env.oracle.forced_at[room];
    let last_put = env.oracle.pods[address]
        .puts
        .last()
        .map_or(0, |(at, _)| *at);
    let is_forced = forced_at > env.oracle.started_at && last_put < forced_at + 26 * SECOND;
    let of_room = &env.oracle.configured.rooms[room];
    let is_room = of_room.is_present && of_room.addresses.contains(&address);
    let device_changed = env.oracle.pods[address].changed_at + 3 * SECOND > now;
    if let Some(wanted) = wanted
        && let Some(ours) = &wanted.agenda
        && (is_room || !agenda.is_empty())
    {
        let has = |one: &Meeting| agenda.meetings().iter().any(|other| other.looks_like(one));
        let lacking = ours
            .meetings()
            .iter()
            .find(|one| one.end_time > wall && !has(one));
        // What only the display knows may be nearer.
        let is_full =
            wanted.keep_shown.is_some() && agenda.len() >= env.oracle.configured.rooms[room].max;
        if let Some(lacking) = lacking.map(face_of).filter(|_| !is_full) {
            env.broken("no push lacks a meeting to come", || {
                format!("address {address} is sent a set without {lacking:?}")
            });
        }
        let is_ours = |one: &&Meeting| ours.meetings().iter().any(|other| other.looks_like(one));
        let others: Vec<&Meeting> = agenda
            .meetings()
            .iter()
            .filter(|one| !is_ours(one))
            .collect();
        if wanted.clock_is_believed {
            let hides = env.oracle.configured.rooms[room].hides_titles;
            for one in others {
                let says = |word: &str| one.title.contains(word);
                if says(FOREIGN) || says(PRIVATE) || wanted.keep_shown.is_none() {
                    let title = one.title.clone();
                    env.broken("nothing of somebody else is sent", || {
                        format!("address {address} is sent {title:?}")
                    });
                } else if hides && &*one.title != "Reserved" {
                    let title = one.title.clone();
                    env.broken("no private text is shown", || {
                        format!("address {address} is sent {title:?}")
                    });
                }
            }
        }
    }
    let device = env.device_at_mut(address);
    let shows_it = device.shown.looks_like(agenda) && device.pending.is_none();
    // Whether it is empty may be in doubt where a removed pod is cleared.
    let facts = &env.oracle.pods[address];
    let is_in_doubt =
        !is_room && agenda.is_empty() && facts.bad_until.max(facts.slow_until) + ONE_POLL > now;
    if shows_it && !is_forced && !device_changed && !is_in_doubt {
        env.broken("nothing is pushed that the display already shows", || {
            format!("address {address}")
        });
    }
    failed_before(address, room, env);
    other_rooms_device(address, room, env);
}

/// A push that failed waits a minute.
fn failed_before(address: usize, room: usize, env: &mut Env) {
    let now = env.now;
    let started_at = env.oracle.started_at;
    let trusted_at = env.oracle.pods[address].trusted_at;
    let failed_at = env.oracle.pods[address].failed_at.take();
    // Whoever asks for a sync does not wait.
    let synced_at = env.oracle.synced_at[room];
    let is_asked = synced_at > started_at && now < synced_at + 90 * SECOND;
    let too_early = failed_at.is_some_and(|at| {
        at > started_at.max(trusted_at) && now + SECOND < at + MINUTE && !is_asked
    });
    if too_early {
        env.broken("a failed push waits a minute", || {
            format!("address {address}")
        });
    }
}

/// How often a display is put right that does not keep what it is sent.
fn budget(address: usize, agenda: &Arc<Agenda>, env: &mut Env) {
    let now = env.now;
    let wall = env.wall();
    let shows_nothing = env.device_at(address).shown.still_to_come(wall).is_empty();
    let facts = &mut env.oracle.pods[address];
    let is_again = facts
        .last_put
        .as_ref()
        .is_some_and(|last| last.looks_like(agenda));
    facts.puts.retain(|(at, _)| at + 60 * MINUTE > now);
    facts.puts.push((now, is_again && !shows_nothing));
    facts.last_put = Some(agenda.clone());
    let corrections = facts
        .puts
        .iter()
        .filter(|(_, is_correction)| *is_correction)
        .count();
    if corrections > 12 {
        env.broken(
            "a display that somebody else writes to is put right ever less often",
            || format!("address {address}: {corrections} corrections within an hour"),
        );
    }
}

/// No room's meetings get onto another room's display.
fn other_rooms_device(address: usize, room: usize, env: &mut Env) {
    let facts = &env.oracle.pods[address];
    let Some(exchanged_at) = facts.exchanged_at else {
        return;
    };
    let own_address = env.addresses[address];
    let is_of_other = env
        .oracle
        .configured
        .rooms
        .iter()
        .enumerate()
        .any(|(other, plan)| {
            other != room && plan.is_present && plan.addresses.contains(&own_address)
        });
    let is_known = env.device_at(address).device_id(env.now).is_some();
    let is_sure = is_of_other
        && is_known
        && !facts.is_mixed_up
        && !env.oracle.pods[own_address].is_mixed_up
        && facts.trusted_at < exchanged_at
        && exchanged_at + 5 * SECOND < env.now
        && env.oracle.reloaded_at + 10 * MINUTE < exchanged_at
        && env
            .oracle
            .ledger_lost_at
            .is_none_or(|at| at + 10 * MINUTE < exchanged_at);
    if is_sure {
        env.broken("a device of another room is not written to", || {
            format!("address {address} of room {room}")
        });
    }
}

/// A set arrives at a pod.
pub fn is_put(address: usize, agenda: &Arc<Agenda>, env: &mut Env) {
    let now = env.now;
    budget(address, agenda, env);
    let device = env.device_at(address);
    let since = device.other_mode_since;
    if matches!(device.fault.at(now), Some(PodFault::OtherMode))
        && since.is_some_and(|since| since + 2 * SECOND < now)
    {
        env.broken("a pod in another mode is not written to", || {
            format!("address {address}")
        });
    }
}
