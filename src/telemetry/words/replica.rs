//! The words of replicas that share the rooms.

use super::service::count;
use crate::control::lease::LeaseEvent;
use crate::telemetry::line::{Level, Line};

/// More names than this are not read.
const NAMES: usize = 5;

#[must_use]
pub fn line(event: &LeaseEvent) -> Line {
    match event {
        LeaseEvent::Shared {
            taken,
            given,
            served,
            replicas,
        } => Line::new(
            "replica.rooms",
            Level::Info,
            format!(
                "this replica serves {} now, of {} ({taken} taken over, {given} given up)",
                count(*served, "room", "rooms"),
                count(*replicas, "replica", "replicas")
            ),
        )
        .with("rooms", *served)
        .with("taken", *taken)
        .with("given", *given)
        .with("replicas", *replicas),
        LeaseEvent::CutOff { rooms } => Line::new(
            "replica.cut_off",
            Level::Error,
            format!(
                "the database did not answer until the lease of this replica ended; its {} are left to the \
                 other replicas, and no display is touched from here until the database answers",
                count(*rooms, "room", "rooms")
            ),
        )
        .with("rooms", *rooms),
        LeaseEvent::Lost { rooms } => Line::new(
            "replica.lost",
            Level::Warn,
            format!(
                "the lease of this replica was not renewed in time, and another replica ended it; its {} are \
                 shared out again",
                count(*rooms, "room", "rooms")
            ),
        )
        .with("rooms", *rooms),
        LeaseEvent::Back => Line::new(
            "replica.back",
            Level::Info,
            "this replica has a lease again",
        ),
        LeaseEvent::Joined { name, replicas } => Line::new(
            "replica.joined",
            Level::Info,
            format!("the replica {name} shares the rooms; there are {replicas} now"),
        )
        .with("replica", name.as_str())
        .with("replicas", *replicas),
        LeaseEvent::Left { name, replicas } => Line::new(
            "replica.left",
            Level::Info,
            format!("the replica {name} is gone; there are {replicas} now"),
        )
        .with("replica", name.as_str())
        .with("replicas", *replicas),
        LeaseEvent::Differs { name, rooms } => {
            let names: Vec<String> = rooms
                .iter()
                .take(NAMES)
                .map(|room| format!("`{room}`"))
                .collect();
            let more = match rooms.len().saturating_sub(NAMES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Line::new(
                "replica.differs",
                Level::Error,
                format!(
                    "the configuration of the replica {name} has other rooms, calendars or pods ({}{more}); what not \
                     every replica has alike is served by none: give all the same configuration, then run \
                     `podcal reload`",
                    names.join(", ")
                ),
            )
            .with("replica", name.as_str())
            .with("rooms", rooms.len())
        }
        LeaseEvent::Agree => Line::new(
            "replica.agree",
            Level::Info,
            "all replicas have the same rooms again",
        ),
    }
}
