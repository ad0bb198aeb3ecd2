//! The promises, as checks. Each names the promise that was broken; see `docs/simulation.md`.

mod kept;
mod push;
mod settled;

use std::sync::Arc;

pub use self::push::is_put;
use self::push::put_begins;
use self::settled::{display, is_fresh};
use super::calendar::{Entry, FOREIGN, PRIVATE, Reading};
use super::device::{Alters, alter};
use super::env::Env;
use super::plan::{MINUTE, PodFault, SECOND};
use super::process::Process;
use crate::config::Room;
use crate::control::pod::{PodState, PodStep, ReportedMode};
use crate::control::room::RoomView;
use crate::model::agenda::Agenda;
use crate::model::meeting::Meeting;
use crate::model::time::UnixTime;

/// One poll with its jitter, a request that hangs, the minute after a failed push, and a little.
const ONE_POLL: u64 = 150 * SECOND;
/// One sync with its jitter and a little.
const ONE_SYNC: u64 = 6 * MINUTE;

/// What a room wants its displays to show is what good readings say, no more and no less.
pub fn wanted(
    room: usize,
    settings: &Room,
    feeds: &[usize],
    view: &RoomView,
    is_clock_believed: bool,
    env: &mut Env,
) {
    let wall = env.wall();
    let now = env.now;
    let is_new = env.oracle.wanted[room].0.as_ref() != Some(&view.wanted);
    if is_new {
        let before = env.oracle.wanted[room].0.replace(view.wanted.clone());
        env.oracle.wanted[room].1 = now;
        if let Some(before) = before {
            kept::stays(room, feeds, &before, view, is_clock_believed, env);
        }
    }
    let Some(agenda) = view.wanted.agenda.clone() else {
        return;
    };
    privacy(room, settings, &agenda, env);
    // A loss that other rooms may share waits for them.
    let began = env.oracle.clock_changed_at.max(env.oracle.started_at);
    if !is_clock_believed
        || (began + 5 * SECOND > now && now > 5 * SECOND)
        || env.oracle.is_arranging
        || env.oracle.since_midnight(wall) < 20
    {
        return;
    }
    let window = env.oracle.window(wall);
    let mut readings: Vec<(usize, Arc<Reading>)> = Vec::new();
    let mut is_all_read = true;
    for (place, feed) in feeds.iter().enumerate() {
        let of_room = &settings.feeds[place].only;
        let Some(latest) = env
            .oracle
            .beliefs
            .feeds
            .get(feed)
            .map(|one| one.latest.clone())
        else {
            is_all_read = false;
            continue;
        };
        if !latest.reduction.serves(&of_room.digest(), wall) {
            is_all_read = false;
            continue;
        }
        is_all_read &= latest.missing.is_empty();
        let id = &env.feeds[*feed].id;
        let held = view.held.iter().find(|held| held.feed == *id);
        let belief = env
            .oracle
            .beliefs
            .rooms
            .get(&(room, *feed))
            .cloned()
            .unwrap_or_default();
        let count = |reading: &Reading| reading.to_come(of_room, window).count();
        let reading = match (held, &belief.nonempty) {
            (Some(hold), Some(before)) if belief.emptied_at.is_some() => {
                let is_over = belief
                    .held
                    .as_ref()
                    .is_some_and(|held| held.is_over && !held.is_loose);
                if is_over && !hold.is_brake {
                    env.broken("a hold ends when it was seen long enough", || {
                        format!("room {room} still holds feed {feed}")
                    });
                }
                before.clone()
            }
            (Some(_), _) => {
                if count(&latest) > 0 {
                    env.broken("only what vanished is held", || {
                        format!("room {room} holds feed {feed}, which has meetings to come")
                    });
                }
                return;
            }
            (None, Some(before)) if count(&latest) == 0 && count(before) > 0 => {
                let hold = settings.guard.hold.as_millis() as u64;
                if let Some(held) = &belief.held {
                    let too_early = match held.empty_since {
                        Some(since) => now + 2 * SECOND < since + hold,
                        None => true,
                    };
                    if too_early && !held.is_loose && !held.may_end {
                        env.broken("what vanishes whole is held", || {
                            format!("room {room} does not hold feed {feed}")
                        });
                    }
                }
                // A shared document waits for the other rooms; a brake may come and go.
                return;
            }
            (None, _) => latest,
        };
        readings.push((place, reading));
    }
    let mut expected: Vec<&Entry> = Vec::new();
    for (place, reading) in &readings {
        expected.extend(reading.to_come(&settings.feeds[*place].only, window));
    }
    for entry in &expected {
        env.ids.of(entry.uid);
    }
    expected.sort_by(|one, other| {
        let times = |entry: &Entry| (entry.start, entry.end);
        let ids = (env.ids.known(one.uid), env.ids.known(other.uid));
        times(one)
            .cmp(&times(other))
            .then_with(|| ids.0.cmp(&ids.1))
    });
    let is_full = expected.len() > settings.meetings.max;
    expected.truncate(settings.meetings.max);
    let left = agenda.meetings().iter().filter(|one| one.end_time > wall);
    let shown: Vec<&Meeting> = left.collect();
    let mut pairs = shown.iter().zip(&expected);
    if shown.len() == expected.len() && pairs.all(|(one, entry)| shows(one, entry, settings)) {
        return;
    }
    let shown: Vec<Face> = shown.into_iter().map(face_of).collect();
    let expected: Vec<Face> = expected.iter().map(|entry| face(entry, settings)).collect();
    let is_short = is_full && shown.len() < agenda.len();
    let lacks: Vec<&Face> = expected.iter().filter(|one| !shown.contains(one)).collect();
    let has_more = shown.iter().any(|one| !expected.contains(one));
    let has_room = agenda.len() < settings.meetings.max;
    if !lacks.is_empty() && !is_short && (is_all_read || has_room) {
        env.broken("a display lacks nothing that good readings give", || {
            format!("room {room} lacks {lacks:?} of {expected:?}; it wants {shown:?}")
        });
    }
    if is_all_read && has_more && view.kept == 0 && view.wanted.keep_shown.is_none() {
        env.broken("what a good reading takes away leaves", || {
            format!("room {room} wants {shown:?}, and readings give {expected:?}")
        });
    }
}

/// What people see of a meeting.
type Face = (UnixTime, UnixTime, Arc<str>, Arc<str>);

fn face_of(meeting: &Meeting) -> Face {
    (
        meeting.start_time,
        meeting.end_time,
        meeting.title.clone(),
        meeting.organizer.clone(),
    )
}

fn face(entry: &Entry, room: &Room) -> Face {
    let rules = &room.meetings;
    let title = match (rules.hide_titles, entry.is_private) {
        (true, _) => rules.hidden_title.as_str().into(),
        (false, true) => rules.private_title.as_str().into(),
        (false, false) => entry.title().into(),
    };
    let organizer = if entry.is_private { "" } else { "Ada" };
    (
        UnixTime::from_seconds(entry.start),
        UnixTime::from_seconds(entry.end),
        title,
        organizer.into(),
    )
}

/// Whether a meeting looks as an entry should.
fn shows(meeting: &Meeting, entry: &Entry, room: &Room) -> bool {
    let rules = &room.meetings;
    let organizer = if entry.is_private { "" } else { "Ada" };
    meeting.start_time.seconds() == entry.start
        && meeting.end_time.seconds() == entry.end
        && *meeting.organizer == *organizer
        && match (rules.hide_titles, entry.is_private) {
            (true, _) => *meeting.title == *rules.hidden_title,
            (false, true) => *meeting.title == *rules.private_title,
            (false, false) => entry.is_title(&meeting.title),
        }
}

/// No private text, and no title that the room hides, in what is to be shown.
fn privacy(room: usize, settings: &Room, agenda: &Agenda, env: &mut Env) {
    for meeting in agenda.meetings() {
        let says = |word: &str| meeting.title.contains(word) || meeting.organizer.contains(word);
        let hides = settings.meetings.hide_titles;
        if says(PRIVATE) || (hides && *meeting.title != *settings.meetings.hidden_title) {
            let title = meeting.title.clone();
            env.broken("no private text is shown", || {
                format!("room {room} shows {title:?}")
            });
        }
        if says(FOREIGN) {
            env.broken("nothing of somebody else is shown", || {
                format!("room {room}")
            });
        }
    }
}

/// No pod waits for longer than it was told to.
pub fn pod_waits(address: usize, when: u64, env: &mut Env) {
    let now = env.now;
    let facts = &env.oracle.pods[address];
    let mut most = now + 80 * SECOND;
    most = most.max(facts.asked_until.max(facts.may_wait_until) + 2 * SECOND);
    if facts.throttled_at.is_some_and(|at| now < at + 16 * MINUTE) {
        most = most.max(now + 15 * MINUTE);
    }
    let last = env.oracle.ledger_lost_at.max(env.oracle.clock_set_at);
    if last.is_some_and(|at| now < at + 25 * 60 * MINUTE) {
        most = most.max(now + 24 * 60 * MINUTE);
    }
    if when > most + SECOND {
        env.broken("nothing waits longer than its maximum", || {
            format!(
                "the pod at address {address} waits {} s",
                (when - now) / 1000
            )
        });
    }
}

pub fn mode_was_told(address: usize, mode: &ReportedMode, env: &mut Env) {
    env.oracle.pods[address].may_write = !mode.is_other();
}

/// A request to a pod begins.
pub fn pod_is_asked(address: usize, room: usize, step: &PodStep, env: &mut Env) {
    let now = env.now;
    let may_write = std::mem::replace(&mut env.oracle.pods[address].may_write, false);
    env.oracle.pods[address].contact_at = now;
    not_in_a_loop(address, env);
    let fault = env.device_at(address).fault.at(now);
    if let Some(PodFault::Throttles(None)) = fault {
        env.oracle.pods[address].throttled_at = Some(now);
    }
    let facts = &mut env.oracle.pods[address];
    let early = facts.asked_until.saturating_sub(now);
    if early > SECOND
        && facts.asked_in == env.oracle.started_at
        && facts.trusted_at < facts.asked_at
    {
        env.broken("a pod that asks to be left alone is left alone", || {
            format!("address {address} is asked {} s too early", early / 1000)
        });
        return;
    }
    if let PodStep::Put(agenda) = step {
        if !may_write {
            env.broken(
                "a pod is written to only right after it said its mode",
                || format!("address {address}"),
            );
        }
        let agenda = agenda.clone();
        put_begins(address, room, &agenda, env);
    }
}

/// A pod is asked for what there is to ask, and not again and again.
fn not_in_a_loop(address: usize, env: &mut Env) {
    const MOST: u64 = 60;
    let now = env.now;
    let requests = &mut env.oracle.pods[address].requests;
    if requests.0 + MINUTE <= now {
        *requests = (now, 0);
    }
    requests.1 += 1;
    if requests.1 > MOST {
        env.broken("a pod is not asked again and again", || {
            format!("address {address} is asked more than {MOST} times within a minute")
        });
    }
}

/// What has to be so at any time, looked at now and then.
pub fn look(process: &Process, env: &mut Env) {
    let now = env.now;
    if now < env.oracle.started_at + ONE_SYNC {
        return;
    }
    for room in 0..process.rooms.len() {
        if let Some(shell) = &process.rooms[room] {
            let clocks = env.clocks();
            let view = shell.controller.view(clocks);
            let settings = shell.controller.settings().room.clone();
            let feeds = shell.feeds.clone();
            wanted(
                room,
                &settings,
                &feeds,
                &view,
                process.clock.is_believed,
                env,
            );
            ended(room, &view, env);
        }
    }
    for feed in 0..process.feeds.len() {
        if process.feeds[feed].is_some() {
            is_fresh(feed, process, env);
        }
    }
    for address in 0..process.pods.len() {
        if let Some(shell) = &process.pods[address]
            && !shell.is_leaving
        {
            display(address, shell.room, process, env);
        }
    }
}

/// A meeting that has ended leaves.
fn ended(room: usize, view: &RoomView, env: &mut Env) {
    let now = env.now;
    let settled = env.oracle.clock_set_at.is_none_or(|at| at + ONE_POLL < now)
        && env.oracle.clock_changed_at + ONE_POLL < now;
    let wall = env.wall();
    let Some(agenda) = view.wanted.agenda.as_ref().filter(|_| settled) else {
        return;
    };
    let late = agenda
        .meetings()
        .iter()
        .find(|one| wall.since(one.end_time).as_secs() > 40);
    if env.oracle.is_clock_believed
        && let Some(late) = late.map(face_of)
    {
        env.broken("a meeting that has ended leaves", || {
            format!("room {room}: {late:?}")
        });
    }
}
