//! What became of one cycle of a room, and what is worth saying about it.
//!
//! A failure is said when it begins and at every tenfold count, a recovery once
//! with the count; an unchanged room is silent but for `debug`.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::RoomPlan;
use super::display::{DisplayOutcome, DisplayResult};
use super::gather::{FeedOutcome, FeedResult};
use crate::config::Room;
use crate::edges::Edges;
use crate::fault::Fault as _;
use crate::ledger::old::LedgerError;
use crate::model::name::RoomName;
use crate::model::time::UnixTime;
use crate::pod::PodError;
use crate::pod::config::CalendarMode;
use crate::telemetry::events;

/// What became of one cycle of a room.
#[derive(Debug)]
pub struct RoomOutcome {
    pub room: RoomName,
    /// Meetings that the displays should show.
    pub meetings: usize,
    pub feeds: Vec<FeedOutcome>,
    /// Empty while the room waits for a feed that was never read.
    pub displays: Vec<DisplayOutcome>,
    /// Events, or parts of the feed, that could not be read as they were meant.
    pub troubles: usize,
    waits: bool,
    /// Since when a hold was in force before this cycle.
    held_before: Option<UnixTime>,
}

impl RoomOutcome {
    pub(super) fn new(
        room: &Room,
        feeds: Vec<FeedOutcome>,
        displays: Vec<DisplayOutcome>,
        plan: &RoomPlan,
    ) -> Self {
        Self {
            room: room.name.clone(),
            meetings: plan.composed.agenda.len(),
            feeds,
            displays,
            troubles: plan
                .verdicts
                .iter()
                .filter(|verdict| verdict.rule.is_trouble())
                .count(),
            waits: !plan.gathered.is_complete(),
            held_before: plan.vanishing.since,
        }
    }

    /// Whether every feed was read and every display shows what it should.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        let feeds = self.feeds.iter().all(|feed| match feed.result {
            FeedResult::Failed(_) => false,
            FeedResult::NotTried => feed.standing.failing_since.is_none(),
            FeedResult::Unchanged | FeedResult::Changed { .. } | FeedResult::Recovered { .. } => {
                true
            }
        });
        let displays = self.displays.iter().all(|display| match display.result {
            DisplayResult::InStep
            | DisplayResult::Pushed { .. }
            | DisplayResult::WouldPush { .. } => true,
            DisplayResult::Held { .. }
            | DisplayResult::Refused { .. }
            | DisplayResult::Resting { .. }
            | DisplayResult::Failed(_) => false,
        });
        feeds && displays && !self.waits
    }

    /// Whether something failed that may go well a moment later.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        let feeds = self.feeds.iter().any(|feed| match &feed.result {
            FeedResult::Failed(trouble) => trouble.is_passing && trouble.retry_after.is_none(),
            _ => false,
        });
        let displays = self.displays.iter().any(
            |display| matches!(&display.result, DisplayResult::Failed(error) if error.is_passing()),
        );
        feeds || displays
    }

    /// Since when a hold is in force, if one is.
    fn held_since(&self) -> Option<UnixTime> {
        self.displays
            .iter()
            .find_map(|display| match display.result {
                DisplayResult::Held { since, .. } => Some(since),
                _ => None,
            })
    }

    /// The first thing that is wrong, for the ledger.
    fn trouble(&self) -> Option<String> {
        let feed = self.feeds.iter().find_map(|feed| match &feed.result {
            FeedResult::Failed(trouble) => Some(trouble.says.clone()),
            _ => None,
        });
        let display = || {
            self.displays
                .iter()
                .find_map(|display| match &display.result {
                    DisplayResult::Failed(error) => Some(crate::fault::chain(error)),
                    DisplayResult::Refused { mode } => {
                        Some(format!("{} is in the calendar mode {mode}", display.pod))
                    }
                    DisplayResult::Resting { until } => Some(format!(
                        "{} rests until {until}: its password was rejected",
                        display.pod
                    )),
                    DisplayResult::Held { until, missing, .. } => Some(format!(
                        "{missing} meetings vanished at once; held until {until}"
                    )),
                    _ => None,
                })
        };
        feed.or_else(display)
    }
}

/// Writes down how the cycle went.
pub(super) async fn record(
    edges: &Edges,
    room: &Room,
    outcome: &RoomOutcome,
    now: UnixTime,
) -> Result<(), LedgerError> {
    if edges.is_dry() {
        return Ok(());
    }
    // While a room waits nothing was decided, so a hold stays as it is.
    if !outcome.waits && outcome.held_since() != outcome.held_before {
        edges
            .ledger
            .set_vanished(&room.name, outcome.held_since())
            .await?;
    }
    let trouble = outcome.trouble();
    edges
        .ledger
        .room_synced(&room.name, now, outcome.is_in_step(), trouble.as_deref())
        .await
}

/// Says what is worth saying about a cycle.
pub fn log(outcome: &RoomOutcome) {
    let room = &outcome.room;
    for feed in &outcome.feeds {
        log_feed(room, feed);
    }
    if outcome.waits {
        debug!(event = events::ROOM_WAITING, %room, "room `{room}`: waits for a feed that was never read");
    }
    for display in &outcome.displays {
        log_display(outcome, display);
    }
    if outcome.held_before.is_some() && outcome.held_since().is_none() && !outcome.waits {
        info!(event = events::ROOM_RELEASED, %room, "room `{room}`: no longer held");
    }
    let changed = outcome
        .feeds
        .iter()
        .any(|feed| matches!(feed.result, FeedResult::Changed { .. }));
    if changed && outcome.troubles > 0 {
        let troubles = outcome.troubles;
        warn!(
            event = events::FEED_TROUBLE, %room, troubles,
            "room `{room}`: {troubles} entries could not be read as they were meant; \
             `podcal explain {room}` names each"
        );
    }
}

fn log_feed(room: &RoomName, outcome: &FeedOutcome) {
    let feed = &outcome.id;
    let standing = &outcome.standing;
    match &outcome.result {
        FeedResult::NotTried => {}
        FeedResult::Unchanged => {
            debug!(event = events::FEED_PULLED, %room, %feed, changed = false, "room `{room}`: feed unchanged");
        }
        FeedResult::Changed { items } => {
            info!(event = events::FEED_PULLED, %room, %feed, changed = true, items, "room `{room}`: feed {feed} changed");
        }
        FeedResult::Recovered { failures, since } => {
            info!(
                event = events::FEED_RECOVERED, %room, %feed, failures, %since,
                "room `{room}`: feed {feed} is well again after {failures} failures since {since}"
            );
        }
        FeedResult::Failed(trouble) => {
            let failures = standing.failures.max(1);
            let (says, hint, kind) = (&trouble.says, &trouble.hint, &trouble.kind);
            let keeps = match (standing.pulled_at, standing.failing_since) {
                (Some(_), Some(since)) => {
                    format!("the display keeps its last good meetings, stale since {since}")
                }
                (Some(at), None) => {
                    format!("the display keeps its last good meetings, stale since {at}")
                }
                (None, _) => "it was never read, so the room waits".to_owned(),
            };
            let since = standing.failing_since.map(|at| at.to_string());
            if worth_saying(failures) || outcome.is_new_kind {
                warn!(
                    event = events::FEED_FAILING, %room, %feed, error.r#type = %kind, failures, since,
                    "room `{room}`: {says}; {keeps}; {hint}"
                );
            } else {
                debug!(
                    event = events::FEED_FAILING, %room, %feed, error.r#type = %kind, failures, since,
                    "room `{room}`: {says}"
                );
            }
        }
    }
}

fn log_display(outcome: &RoomOutcome, display: &DisplayOutcome) {
    let (room, pod) = (&outcome.room, &display.pod);
    if let Some(fingerprint) = &display.pinned {
        info!(
            event = events::CERTIFICATE_PINNED, %room, %pod, fingerprint = %fingerprint,
            "room `{room}`: trusts the certificate of {pod} from now on"
        );
    }
    if display.new_mode == Some(CalendarMode::Unverified) {
        warn!(
            event = events::MODE_UNVERIFIED, %room, %pod,
            "room `{room}`: {pod} does not tell its calendar mode; make sure that it is \"3rd party only\", \
             or set `third_party_type`"
        );
    }
    match &display.result {
        DisplayResult::InStep | DisplayResult::WouldPush { .. } => {
            debug!(event = events::ROOM_IN_STEP, %room, %pod, "room `{room}`: {pod} is in step");
        }
        DisplayResult::Pushed {
            meetings,
            changes,
            reason,
            duration,
            needs,
            altered,
        } => {
            let (added, removed, changed) = (
                changes.added.len(),
                changes.removed.len(),
                changes.changed.len(),
            );
            let (reason, duration_ms) = (reason.key(), millis(*duration));
            info!(
                event = events::PUSH_DONE, %room, %pod, meetings, added, removed, changed, reason, duration_ms,
                "room `{room}`: pushed {meetings} meetings to {pod}"
            );
            if *altered {
                warn!(
                    event = events::DISPLAY_ALTERED, %room, %pod,
                    "room `{room}`: {pod} shows the meetings in other words than it was sent; left at that"
                );
            }
            if needs.reboot || needs.restart {
                let needs = if needs.reboot { "reboot" } else { "restart" };
                warn!(event = events::PUSH_DONE, %room, %pod, needs, "room `{room}`: {pod} asks for a {needs}");
            }
        }
        DisplayResult::Held {
            since,
            until,
            missing,
            ..
        } => {
            let first = outcome.held_before.is_none();
            let says = format!(
                "room `{room}`: {missing} meetings to come vanished from the calendar at once; \
                 {pod} keeps them until {until} unless they come back (`podcal sync --room {room} --force` believes it now)"
            );
            if first {
                warn!(event = events::ROOM_HELD, %room, %pod, held = missing, %since, %until, "{says}");
            } else {
                debug!(event = events::ROOM_HELD, %room, %pod, held = missing, %since, %until, "{says}");
            }
        }
        DisplayResult::Refused { mode } => {
            let says = format!(
                "room `{room}`: {pod} is in the calendar mode {mode} and is not written to; \
                 set it to \"3rd party only\" in its calendar settings"
            );
            if display.new_mode.is_some() {
                error!(event = events::PUSH_REFUSED, %room, %pod, mode, "{says}");
            } else {
                debug!(event = events::PUSH_REFUSED, %room, %pod, mode, "{says}");
            }
        }
        DisplayResult::Resting { until } => {
            debug!(event = events::PUSH_FAILED, %room, %pod, %until, "room `{room}`: {pod} rests after a rejected password");
        }
        DisplayResult::Failed(error) => {
            let (kind, says, hint) = (error.kind(), crate::fault::chain(error), error.hint());
            let failures = display.failures.saturating_add(1);
            let wants_a_person = matches!(
                error,
                PodError::WrongPassword { .. } | PodError::CertificateChanged { .. }
            );
            if worth_saying(failures) && wants_a_person {
                error!(
                    event = events::PUSH_FAILED, %room, %pod, error.r#type = kind, failures,
                    "room `{room}`: {says}; {hint}"
                );
            } else if worth_saying(failures) {
                warn!(
                    event = events::PUSH_FAILED, %room, %pod, error.r#type = kind, failures,
                    "room `{room}`: {says}; {hint}"
                );
            } else {
                debug!(event = events::PUSH_FAILED, %room, %pod, error.r#type = kind, failures, "room `{room}`: {says}");
            }
        }
    }
}

/// The first failure, and then each tenfold count.
fn worth_saying(failures: u32) -> bool {
    matches!(failures, 1 | 10 | 100 | 1_000 | 10_000 | 100_000)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
