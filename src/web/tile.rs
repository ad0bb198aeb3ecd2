//! The tile of a room: how it stands, what is on its display now and next, what is wrong.

use maud::{Markup, html};

use super::frame::{mark, room_address, text};
use super::times::{time, until, until_then};
use crate::config::Room;
use crate::model::name::RoomName;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
use crate::service::status::{DisplayStatus, RoomState, RoomStatus, current, next};
use crate::telemetry::words::service::count;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub room: RoomName,
    pub state: RoomState,
    /// What it is sorted by among those of one state.
    pub title: String,
    /// What it is found by, in lower case.
    pub text: String,
    pub html: String,
    /// The revision that brought it.
    pub revision: u64,
}

/// The tile as it stands in the list; the page's script puts in the same.
pub fn item(tile: &Tile, is_shown: bool) -> Markup {
    html! {
        li.tile
            data-room=(tile.room.as_str())
            data-state=(tile.state.key())
            data-order=(format!("{} {}", tile.state as u8, tile.title))
            data-text=(tile.text)
            hidden[!is_shown]
        { (maud::PreEscaped(&tile.html)) }
    }
}

/// The tile of a room. Holds no more of its meetings than its display shows.
pub fn tile(room: &Room, status: &RoomStatus, usual: &Zone, now: UnixTime) -> Tile {
    let name = room.name.as_str();
    let title = text(&room.title);
    let zone = &room.zone;
    let pods = room.pods.iter().map(|pod| pod.url.to_string());
    let mut found_by: Vec<String> = vec![title.clone(), name.to_owned()];
    found_by.extend(pods);
    // Of several displays the one that is worst off.
    let shown = status
        .displays
        .iter()
        .max_by_key(|display| u8::from(!display.state.is_in_step()));
    let html = html! {
        h2 { a href=(room_address(name)) { (title) } }
        p.state {
            span.mark aria-hidden="true" { (mark(status.state)) }
            " " (status.state.words())
            @if let Some(since) = status.since() { " since " (time(zone, since, now)) }
        }
        @if let Some(display) = shown { (on_display(zone, display, now)) }
        @if let Some(trouble) = trouble(zone, status, now) { p.trouble { (trouble) } }
        @if zone.name() != usual.name() { p.note { (zone.name()) } }
    };
    Tile {
        room: room.name.clone(),
        state: status.state,
        title: title.to_lowercase(),
        text: found_by.join("\n").to_lowercase(),
        html: html.into_string(),
        revision: 0,
    }
}

/// What is on it now and next.
pub fn on_display(zone: &Zone, display: &DisplayStatus, now: UnixTime) -> Markup {
    let Some(agenda) = &display.memory.sent else {
        return html! { p.shows { "Nothing was put on this display yet." } };
    };
    let is_sure = display.state.is_in_step();
    html! {
        dl.shows {
            dt { @if is_sure { "Now" } @else { "Last confirmed, now" } }
            dd {
                @match current(agenda, now) {
                    Some(one) => { b { (text(&one.title)) } " " (until(zone, one, now)) }
                    None => {
                        b { "Free" }
                        @if let Some(one) = next(agenda, now) { " " (until_then(zone, one.start_time, now)) }
                    }
                }
            }
            dt { "Next" }
            dd {
                @match next(agenda, now) {
                    Some(one) => { (time(zone, one.start_time, now)) " " (text(&one.title)) }
                    None => { "nothing in the days that the display shows" }
                }
            }
        }
    }
}

/// What is wrong first of all.
fn trouble(zone: &Zone, status: &RoomStatus, now: UnixTime) -> Option<Markup> {
    if status.state == RoomState::Held
        && let Some(hold) = &status.hold
    {
        let meetings = count(hold.missing, "upcoming meeting", "upcoming meetings");
        return Some(html! {
            (meetings) " vanished at once and are kept until " (time(zone, hold.until, now))
        });
    }
    let troubles = status.troubles();
    let first = troubles.first()?;
    Some(html! { (text(first)) })
}
