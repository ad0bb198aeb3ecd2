//! What stays on a display although no reading says so now.

use super::*;
use crate::control::published::Wanted;
use crate::model::meeting::MeetingId;

/// A room wants something else than before: what may not be taken away is still there.
pub(super) fn stays(
    room: usize,
    feeds: &[usize],
    before: &Wanted,
    view: &RoomView,
    is_clock_believed: bool,
    env: &mut Env,
) {
    let (Some(old), Some(new)) = (&before.agenda, &view.wanted.agenda) else {
        return;
    };
    let wall = env.wall();
    let is_there = |id: &MeetingId| new.meetings().iter().any(|one| one.id == *id);
    let gone: Vec<&Meeting> = old
        .meetings()
        .iter()
        .filter(|one| !is_there(&one.id))
        .collect();
    if !is_clock_believed {
        if let Some(one) = gone.first().map(|one| face_of(one)) {
            env.broken("nothing is taken away by a clock that is doubted", || {
                format!("room {room} no longer wants {one:?}")
            });
        }
        return;
    }
    let is_full = new.len() >= env.oracle.configured.rooms[room].max;
    if view.unread.is_empty() || is_full {
        return;
    }
    let is_unread = |feed: &usize| view.unread.contains(&env.feeds[*feed].id);
    let unread: Vec<usize> = feeds.iter().copied().filter(is_unread).collect();
    let lost = gone.into_iter().find(|one| {
        let uid = env.ids.entry(&one.id);
        let comes_from = |feed: &usize, uid: u32| {
            let entries = &env.feeds[*feed].document.entries;
            entries.contains_key(&uid)
        };
        one.end_time > wall
            && uid.is_some_and(|uid| unread.iter().any(|feed| comes_from(feed, uid)))
    });
    if let Some(one) = lost.map(face_of) {
        env.broken("what came from a feed that was never read stays", || {
            format!("room {room} no longer wants {one:?}")
        });
    }
}
