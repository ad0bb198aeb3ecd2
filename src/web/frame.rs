//! What every page has around it, and the words that several share.

use maud::{DOCTYPE, Markup, html};

use crate::net::clean;
use crate::service::status::RoomState;

/// Of texts from outside; a title longer than this says no more.
const LONGEST_TEXT: usize = 200;

/// A page of its own.
pub struct Frame<'a> {
    pub title: &'a str,
    /// For a screen on a wall: dark, and without anything to click or type.
    pub is_wall: bool,
    /// Where it follows changes from; empty: it does not.
    pub events: &'a str,
}

impl Frame<'_> {
    pub fn around(&self, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" class=[self.is_wall.then_some("wall")] {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content=(if self.is_wall { "dark" } else { "light dark" });
                    title { (self.title) }
                    link rel="stylesheet" href=(versioned("/page.css"));
                    link rel="icon" type="image/svg+xml" href=(versioned("/icon.svg"));
                    script defer src=(versioned("/page.js")) {}
                }
                body data-events=(self.events) {
                    @if !self.is_wall { a.skip href="#main" { "Skip to the content" } }
                    (content)
                }
            }
        }
    }
}

/// A new podcal is not shown with the style of the old one.
fn versioned(path: &str) -> String {
    format!("{path}?v={}", env!("CARGO_PKG_VERSION"))
}

/// Text from outside as one line.
pub fn text(text: &str) -> String {
    clean::line(text, LONGEST_TEXT)
}

/// A sign besides the colour, which not everybody sees.
pub fn mark(state: RoomState) -> &'static str {
    match state {
        RoomState::OutOfStep => "✕",
        RoomState::Held => "❙❙",
        RoomState::Incomplete => "◔",
        RoomState::Stale => "!",
        RoomState::Unknown => "?",
        RoomState::InStep => "✓",
    }
}

/// The address of a room's page.
pub fn room_address(name: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("/rooms/{name}")
}
