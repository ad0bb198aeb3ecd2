//! `/`: a tile for each room, worst first.

use maud::{Markup, html};

use super::board::Board;
use super::frame::{Frame, text};
use super::tile::{Tile, item};
use crate::service::snapshot::Snapshot;
use crate::service::status::RoomState;
use crate::telemetry::words::service::count;

/// What of the board is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Each of these words, in lower case.
    text: String,
    /// The key of a state, or `problems`.
    state: String,
    is_wall: bool,
}

const PROBLEMS: &str = "problems";

impl Filter {
    pub fn of_query(query: &str) -> Self {
        let mut filter = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "q" => filter.text = text(&value),
                "state" => filter.state = text(&value),
                "view" => filter.is_wall |= value == "wall",
                _ => {}
            }
        }
        filter
    }

    /// The same, for a screen on a wall.
    pub fn of_wall(query: &str) -> Self {
        Self {
            is_wall: true,
            ..Self::of_query(query)
        }
    }

    fn shows(&self, tile: &Tile) -> bool {
        let is_state = match self.state.as_str() {
            "" => true,
            PROBLEMS => tile.state != RoomState::InStep,
            key => tile.state.key() == key,
        };
        let wanted = self.text.to_lowercase();
        is_state
            && wanted
                .split_whitespace()
                .all(|word| tile.text.contains(word))
    }
}

pub fn page(board: &Board, snapshot: &Snapshot, filter: &Filter) -> Markup {
    let zone = snapshot.config.time_zone.name();
    let content = html! {
        header {
            h1 { "Room displays" }
            p #summary role="status" aria-live="polite" { (summary(board)) }
            @if !snapshot.is_ledger_writable {
                p.warning { "The ledger cannot be written. Displays are served; see the log." }
            }
            @if !filter.is_wall { (form(board, filter)) }
            p #lost.warning hidden { "The connection to podcal is lost; what you see may be old." }
            p.note { "Times are in " (zone) " unless a tile names another zone." }
        }
        main #main {
            ul #tiles role="list" data-q=(filter.text) data-state=(filter.state) {
                @for tile in &board.tiles { (item(tile, filter.shows(tile))) }
            }
            p #none hidden[board.tiles.iter().any(|tile| filter.shows(tile))] {
                "No room matches the filter."
            }
        }
    };
    let events = format!("/events?since={}.{}", board.epoch, board.revision);
    let frame = Frame {
        title: "Room displays · podcal",
        is_wall: filter.is_wall,
        events: &events,
    };
    frame.around(&content)
}

fn form(board: &Board, filter: &Filter) -> Markup {
    let option = |key: &str, words: String| {
        html! { option value=(key) selected[filter.state == key] { (words) } }
    };
    html! {
        form #filter role="search" method="get" action="/" {
            label for="q" { "Room, title or pod" }
            input #q type="search" name="q" value=(filter.text) autocomplete="off";
            label for="state" { "State" }
            select #state name="state" {
                (option("", "all".to_owned()))
                (option(PROBLEMS, "anything wrong".to_owned()))
                @for state in RoomState::ALL {
                    (option(state.key(), format!("{} ({})", state.words(), number(board, state))))
                }
            }
            button type="submit" { "Show" }
            a href="/wall" { "Wall view" }
        }
    }
}

fn number(board: &Board, state: RoomState) -> usize {
    board.counts.get(&state).copied().unwrap_or(0)
}

/// Such as "498 of 500 rooms in step, 1 stale".
pub fn summary(board: &Board) -> String {
    let in_step = number(board, RoomState::InStep);
    let mut says = format!(
        "{in_step} of {} in step",
        count(board.tiles.len(), "room", "rooms")
    );
    for (state, number) in &board.counts {
        if *state != RoomState::InStep {
            says = format!("{says}, {number} {}", state.words());
        }
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::RoomName;
    use crate::web::frame::room_address;

    fn tile_of(state: RoomState, title: &str) -> Tile {
        Tile {
            room: RoomName::new("oak").unwrap(),
            state,
            title: title.to_lowercase(),
            text: format!("{}\noak\n192.0.2.7", title.to_lowercase()),
            html: String::new(),
            revision: 1,
        }
    }

    #[test]
    fn the_filter_finds_every_word_in_any_order_and_a_state() {
        let tile = tile_of(RoomState::Stale, "Große Eiche (3rd floor)");
        let shows = |query: &str| Filter::of_query(query).shows(&tile);
        for query in [
            "",
            "q=eiche",
            "q=FLOOR+gro%C3%9Fe",
            "q=192.0.2.7&state=problems",
            "state=stale",
        ] {
            assert!(shows(query), "{query}");
        }
        for query in [
            "q=elm",
            "q=eiche+elm",
            "state=in_step",
            "state=held&q=eiche",
        ] {
            assert!(!shows(query), "{query}");
        }
    }

    #[test]
    fn names_are_escaped_where_they_stand() {
        let mut tile = tile_of(RoomState::InStep, "\"><script>");
        tile.room = RoomName::new("a\"b<c").unwrap();
        let html = item(&tile, true).into_string();
        assert!(html.contains("data-room=\"a&quot;b&lt;c\""), "{html}");
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(room_address("a/b ?#<"), "/rooms/a%2Fb%20%3F%23%3C");
    }
}
