//! The words of rooms, and of the brake over all of them.

use crate::control::brake::BrakeEvent;
use crate::control::room::{Released, RoomEvent};
use crate::model::name::RoomName;
use crate::telemetry::line::{Level, Line, time};

#[must_use]
pub fn line(room: &RoomName, event: &RoomEvent) -> Line {
    match event {
        RoomEvent::Held {
            feed,
            missing,
            since,
            until,
        } => Line::new(
            "room.held",
            Level::Warn,
            format!(
                "room `{room}`: all {missing} upcoming meetings vanished from feed {feed} at once; \
                 the display keeps them until {until} unless they come back; run \
                 `podcal sync --room {room} --force` to accept the empty calendar now"
            ),
        )
        .with("held", *missing)
        .with("since", time(*since))
        .with("until", time(*until))
        .with("feed", feed.to_string()),
        RoomEvent::Released { feed, why } => {
            let (key, says) = match why {
                Released::CameBack => ("came_back", "the meetings came back"),
                Released::SeenLongEnough => (
                    "seen_long_enough",
                    "the feed still has no meetings, so the display follows it now",
                ),
                Released::NothingLeft => ("nothing_left", "the meetings that were kept have ended"),
                Released::Forced => ("forced", "accepted by `podcal sync --force`"),
                Released::Reconfigured => ("reconfigured", "the room's filter changed"),
            };
            Line::new(
                "room.released",
                Level::Info,
                format!("room `{room}`: meetings of feed {feed} are no longer held: {says}"),
            )
            .with("reason", key)
            .with("feed", feed.to_string())
        }
        RoomEvent::FeedUnread { feed, kept } => {
            let keeps = match kept {
                0 => String::new(),
                1 => "; 1 meeting that it does not account for stays until it ends".to_owned(),
                kept => format!("; {kept} meetings that it does not account for stay until they end"),
            };
            Line::new(
                "room.waiting",
                Level::Warn,
                format!(
                    "room `{room}`: feed {feed} was never read; the display shows the other feeds{keeps}; \
                     run `podcal check --connect` to see why"
                ),
            )
            .with("kept", *kept)
            .with("feed", feed.to_string())
        }
        RoomEvent::FeedRead { feed } => Line::new(
            "room.complete",
            Level::Info,
            format!("room `{room}`: feed {feed} was read for the first time"),
        )
        .with("feed", feed.to_string()),
        RoomEvent::StaleCleared { feed, since } => Line::new(
            "room.stale_cleared",
            Level::Warn,
            format!(
                "room `{room}`: feed {feed} has failed since {since}, longer than `max_stale`; \
                 its meetings left the display"
            ),
        )
        .with("since", time(*since))
        .with("feed", feed.to_string()),
    }
    .with("room", room.as_str())
}

#[must_use]
pub fn brake(event: &BrakeEvent) -> Line {
    match event {
        BrakeEvent::Pulled { host, rooms, of } => Line::new(
            "brake.pulled",
            Level::Error,
            format!(
                "{rooms} of {of} rooms with meetings from {host} lost all of them at once; their \
                 displays keep them; look at the calendar server, or run `podcal sync --force` to \
                 accept the empty calendars now"
            ),
        )
        .with("host", host.as_str())
        .with("rooms", *rooms)
        .with("of", *of),
        BrakeEvent::PulledForFeed { feed, rooms } => Line::new(
            "brake.pulled",
            Level::Error,
            format!(
                "feed {feed} lost all meetings of {rooms} rooms at once; their displays keep them; \
                 look at the calendar, or run `podcal sync --force` to accept the empty calendar now"
            ),
        )
        .with("feed", feed.to_string())
        .with("rooms", *rooms),
        BrakeEvent::Released { host } => Line::new(
            "brake.released",
            Level::Info,
            format!("rooms with feeds from {host} are no longer held together"),
        )
        .with("host", host.as_str()),
    }
}
