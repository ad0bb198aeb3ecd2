//! One room, one cycle: from the bytes of its feeds to what its displays show.
//! The first file to read after the crate's own page.

mod display;
mod gather;
mod outcome;

use std::time::Duration;

use futures_util::future::join_all;

pub use display::{DisplayOutcome, DisplayResult, is_echo};
pub use gather::{Copy, FeedOutcome, FeedResult, Gathered, PullResult, Trouble};
pub use outcome::{RoomOutcome, log};

use crate::compose::{self, Composed, FromFeed};
use crate::config::Room;
use crate::edges::Edges;
use crate::expand;
use crate::ledger::old::LedgerError;
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::Verdict;
use crate::plan::{Vanishing, Wish};

/// How a cycle goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub wish: Wish,
    pub pull: Pull,
    pub look: Look,
}

/// Where the calendars come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// From their servers, whatever they asked for.
    Now,
    /// From their servers, whole, as if nothing were held: with all that the held
    /// form leaves out.
    Afresh,
    /// From their servers, unless one asked to be left alone for a while.
    WhenAllowed,
    /// From the ledger: only the displays need attention.
    Held,
}

/// Whether a display is looked at that should be in step by what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Always,
    /// Only before a push.
    BeforePush,
}

/// What a room's displays should show, and why.
#[derive(Debug)]
pub struct RoomPlan {
    pub gathered: Gathered,
    pub composed: Composed,
    /// Of reading and expanding, then of composing.
    pub verdicts: Vec<Verdict>,
    pub vanishing: Vanishing,
}

/// Works out what a room's displays should show. Reads the world, changes nothing.
///
/// # Errors
/// Only the ledger's; what is wrong with a feed is part of the plan.
pub async fn plan_room(
    edges: &Edges,
    room: &Room,
    now: UnixTime,
    pull: Pull,
) -> Result<RoomPlan, LedgerError> {
    study_room(edges, room, now, pull, Duration::ZERO).await
}

/// The same with verdicts on what ended so long before `now`, for those who ask why.
///
/// # Errors
/// Only the ledger's.
pub async fn study_room(
    edges: &Edges,
    room: &Room,
    now: UnixTime,
    pull: Pull,
    back: Duration,
) -> Result<RoomPlan, LedgerError> {
    let mut gathered = gather::gather(edges, room, now, pull).await?;
    let standing = edges.ledger.room_standing(&room.name).await?;
    let vanishing = Vanishing {
        guard: room.guard,
        since: standing.vanished_since,
        seen_now: gathered.is_seen_now(),
    };
    let (composed, mut verdicts) = think(room, room.window(now), back, &mut gathered).await;
    verdicts.extend(composed.verdicts.iter().cloned());
    Ok(RoomPlan {
        gathered,
        composed,
        verdicts,
        vanishing,
    })
}

/// Brings one room's displays up to date.
///
/// Safe to repeat and safe to stop anywhere: a pod always receives the full set,
/// and the ledger learns of a push only after the pod has confirmed it. In a dry
/// run nothing is written, neither here nor there.
///
/// # Errors
/// Only the ledger's.
pub async fn sync_room(
    edges: &Edges,
    room: &Room,
    now: UnixTime,
    manner: Manner,
) -> Result<RoomOutcome, LedgerError> {
    let plan = plan_room(edges, room, now, manner.pull).await?;
    let feeds = gather::record(edges, room, &plan.gathered, now).await?;
    let displays = if plan.gathered.is_complete() {
        let bring = |pod| {
            display::bring_in_step(
                edges,
                room,
                pod,
                &plan.composed.agenda,
                plan.vanishing,
                manner,
                now,
            )
        };
        join_all(room.pods.iter().map(bring))
            .await
            .into_iter()
            .collect::<Result<_, _>>()?
    } else {
        Vec::new()
    };
    let outcome = RoomOutcome::new(room, feeds, displays, &plan);
    outcome::record(edges, room, &outcome, now).await?;
    Ok(outcome)
}

/// Expands and composes, on a thread where thinking is allowed to take a while.
async fn think(
    room: &Room,
    window: Window,
    back: Duration,
    gathered: &mut Gathered,
) -> (Composed, Vec<Verdict>) {
    let studied = Window::new(window.from().minus(back), window.to()).unwrap_or(window);
    let series = gathered.take_series();
    let only: Vec<_> = room.feeds.iter().map(|feed| feed.only.clone()).collect();
    let (zone, rules) = (room.zone.clone(), room.meetings.clone());
    let mut verdicts = gathered.take_verdicts();
    let thought = gather::aside(move || {
        let expansions: Vec<_> = series
            .iter()
            .map(|series| expand::expand(series, studied, &zone))
            .collect();
        let feeds: Vec<_> = expansions
            .iter()
            .zip(&only)
            .map(|(expansion, only)| FromFeed {
                occurrences: &expansion.occurrences,
                only,
            })
            .collect();
        let composed = compose::agenda(&feeds, &rules, window);
        (
            composed,
            expansions
                .into_iter()
                .flat_map(|expansion| expansion.verdicts)
                .collect::<Vec<_>>(),
        )
    });
    let (composed, more) = thought.await;
    verdicts.extend(more);
    (composed, verdicts)
}
