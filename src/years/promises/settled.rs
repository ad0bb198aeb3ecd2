//! What has to be right where all is well for long enough.

use super::*;
use crate::years::calendar::is_let_through;

/// A calendar whose host is well is read within one sync.
pub(super) fn is_fresh(feed: usize, process: &Process, env: &mut Env) {
    let now = env.now;
    let model = &env.feeds[feed];
    let facts = &env.oracle.feeds[feed];
    let mut wait = facts
        .bad_until
        .max(facts.changed_at)
        .max(env.oracle.reloaded_at);
    wait = wait
        .max(facts.asked_until)
        .max(facts.may_wait_until)
        .max(env.oracle.clock_set_at.unwrap_or(0))
        .max(env.oracle.clock_changed_at)
        .max(facts.throttled_at.map_or(0, |at| at + 60 * MINUTE));
    if model.has_login {
        // Another feed of the account may have been rejected too.
        let of_host = env.feeds.iter().filter(|other| other.host == model.host);
        let paused = of_host
            .filter(|_| env.oracle.knows_rejections())
            .map(|other| format!("{}#{}", other.id.host(), other.id.as_str()))
            .map(|user| env.oracle.paused_until(&user))
            .max();
        wait = wait.max(paused.unwrap_or(0) + MINUTE);
        let is_right =
            env.oracle.host_secrets[model.host] == env.oracle.configured.feed_secrets[model.host];
        if !is_right || env.disk.is_full {
            return;
        }
        wait = wait.max(env.oracle.ledger_lost_at.unwrap_or(0));
    }
    if env.feed_fault(feed).is_some() || wait + ONE_SYNC > now {
        return;
    }
    let Some(latest) = process.feeds[feed]
        .as_ref()
        .and_then(|shell| shell.controller.latest())
    else {
        env.broken("a calendar whose host is well is read", || {
            format!("feed {feed} never was")
        });
        return;
    };
    let Some(reading) = env.readings.get(&(feed, latest.id)).cloned() else {
        return;
    };
    let from = reading.reduction.from.seconds();
    let rooms = process.plan.rooms.iter().filter(|room| room.is_present);
    let mut places: Vec<Option<u8>> = rooms
        .flat_map(|room| &room.feeds)
        .filter(|one| one.0 == feed)
        .map(|one| one.1)
        .collect();
    places.sort_unstable();
    places.dedup();
    let lets_through = |entry: &Entry| {
        let mut filters = places.iter().map(|place| env.oracle.filter(*place));
        filters.any(|filter| is_let_through(&filter.only, entry))
    };
    let is_same = {
        let document = env.feeds[feed].document.entries.values();
        let mut there: Vec<_> = document
            .filter(|entry| entry.end > from && lets_through(entry))
            .collect();
        there.sort();
        there.len() == reading.entries.len()
            && there
                .iter()
                .zip(&reading.entries)
                .all(|(one, other)| **one == *other)
    };
    // What an earlier filter let through may still be there.
    let filters = &reading.reduction.filters;
    let is_by_these = places
        .iter()
        .all(|place| filters.contains(&env.oracle.filter(*place).digest));
    if !is_by_these {
        env.broken("every filter is served", || format!("feed {feed}"));
    }
    if !is_same && places.len() == filters.len() {
        env.broken(
            "a calendar whose host is well is read within one sync",
            || {
                format!(
                    "feed {feed} is out of date since {}",
                    crate::years::env::moment(wait)
                )
            },
        );
    }
}

/// A display whose pod is well is right within one poll.
pub(super) fn display(address: usize, room: usize, process: &Process, env: &mut Env) {
    let now = env.now;
    let wall = env.wall();
    let (wanted, wanted_at) = env.oracle.wanted[room].clone();
    let Some(wanted) = wanted else {
        return;
    };
    let Some(agenda) = wanted.agenda.clone() else {
        return;
    };
    let Some(view) = process.pods[address]
        .as_ref()
        .map(|shell| shell.controller.view())
    else {
        return;
    };
    let key = &env.oracle.pod_keys[address];
    let paused = env.oracle.paused_until(key) + MINUTE;
    let rejected_at = env.oracle.rejected_at(key, now);
    let facts = &env.oracle.pods[address];
    let untold = facts.throttled_at.map_or(0, |at| at + 15 * MINUTE);
    let settled = facts
        .bad_until
        .max(facts.slow_until)
        .max(facts.asked_until)
        .max(facts.may_wait_until)
        .max(untold)
        .max(paused)
        .max(facts.changed_at)
        .max(wanted_at)
        .max(env.oracle.reloaded_at)
        .max(env.oracle.clock_changed_at)
        .max(env.oracle.clock_set_at.unwrap_or(0))
        .max(env.oracle.ledger_lost_at.unwrap_or(0));
    let is_exchanged = facts.exchanged_at.is_some() || facts.is_mixed_up;
    let contact_at = facts.contact_at;
    let is_right_secret =
        env.device_at(address).secret == env.oracle.configured.pod_secrets[address];
    let device = env.device_at_mut(address);
    device.settle(now);
    let fault = device.fault.at(now);
    let shown = device.shown.clone();
    let altered = device.altered;
    let ours = match altered {
        Some(Alters::CutsTitles(length)) => alter(&agenda, Alters::CutsTitles(length)),
        _ => agenda.clone(),
    };
    let faces = |agenda: &Agenda| {
        let mut faces: Vec<Face> = agenda
            .meetings()
            .iter()
            .filter(|one| one.end_time.since(wall).as_secs() > 200)
            .map(face_of)
            .collect();
        faces.sort();
        faces
    };
    let is_very_one = Arc::ptr_eq(&shown, &ours);
    let (there, expected) = match is_very_one {
        true => (Vec::new(), Vec::new()),
        false => (faces(&shown), faces(&ours)),
    };
    let is_right = match altered {
        Some(Alters::Keeps(_)) => there.iter().all(|one| expected.contains(one)),
        _ if !wanted.clock_is_believed || wanted.keep_shown.is_some() => {
            // What only the display knows may be nearer, and take the places of later ones.
            let is_full =
                wanted.keep_shown.is_some() && shown.len() >= env.oracle.configured.rooms[room].max;
            let times = |one: &Face| (one.0, one.1);
            let last = there.last().map(times);
            let is_later = |one: &Face| is_full && last.is_none_or(|last| times(one) >= last);
            expected
                .iter()
                .all(|one| there.contains(one) || is_later(one))
        }
        _ => there == expected,
    };
    if rejected_at.is_some_and(|at| contact_at <= at + SECOND)
        && view.state != PodState::SignInPaused
    {
        env.broken("what keeps a display from being put right is said", || {
            format!(
                "address {address} is said to be {}, and sign-in is paused",
                view.state.words()
            )
        });
    }
    // Never reported as well, whatever the pod does.
    let is_quiet = settled_for_report(wanted_at, address, env) + 90 * SECOND < now;
    if view.state == PodState::InStep
        && !is_right
        && is_quiet
        && altered.is_none()
        && fault != Some(PodFault::Hangs)
    {
        env.broken("what is not so is never reported as well", || {
            format!("address {address} of room {room} is said to be in step, and shows {there:?} for {expected:?}")
        });
    }
    let is_well = fault.is_none()
        && !is_exchanged
        && is_right_secret
        && env.device_at(address).boots_until < now;
    if env.disk.is_full || !is_well || settled + ONE_POLL > now {
        return;
    }
    if contact_at + 2 * MINUTE < now {
        env.broken("every pod is looked at", || {
            format!(
                "address {address} was not since {}",
                crate::years::env::moment(contact_at)
            )
        });
    }
    if !is_right {
        env.broken(
            "a display whose pod is well is right within one poll",
            || {
                format!(
                    "address {address} of room {room} ({}) shows {there:?} for {expected:?}",
                    view.state.words()
                )
            },
        );
    }
    let late = shown
        .meetings()
        .iter()
        .find(|one| wall.since(one.end_time).as_secs() > 240)
        .map(face_of);
    if let Some(late) = late
        && env.oracle.is_clock_believed
        && altered.is_none()
    {
        env.broken("a meeting that has ended leaves the display", || {
            format!("address {address}: {late:?}")
        });
    }
}

fn settled_for_report(wanted_at: u64, address: usize, env: &Env) -> u64 {
    let facts = &env.oracle.pods[address];
    facts
        .changed_at
        .max(wanted_at)
        .max(facts.puts.last().map_or(0, |(at, _)| *at))
        .max(facts.asked_until)
        .max(env.oracle.clock_changed_at)
        .max(env.oracle.clock_set_at.unwrap_or(0))
        .max(env.oracle.started_at)
}
