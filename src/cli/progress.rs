//! How far long work has come, on a terminal: one line on stderr that is gone when it is done.
//!
//! `indicatif` leaves the cursor behind its line, where the next line of the log would go on.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Work of a known length.
pub struct Progress {
    what: &'static str,
    all: usize,
    done: AtomicUsize,
    shown: Option<Shown>,
}

impl Progress {
    /// `what` is counted, such as "rooms checked". Shown where stderr is a terminal.
    #[must_use]
    pub fn new(what: &'static str, all: usize) -> Self {
        let shown = (all > 1).then(|| Shown::new(&line(what, 0, all))).flatten();
        Self {
            what,
            all,
            done: AtomicUsize::new(0),
            shown,
        }
    }

    /// One more is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.shown.is_some() {
            draw(&line(self.what, done, self.all));
        }
    }
}

/// A line on a terminal, until this is dropped.
pub struct Shown(usize);

impl Shown {
    /// Says what is being done, such as "reading a.ics (59 MB)"; `None` where stderr is no
    /// terminal.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        io::stderr().is_terminal().then(|| {
            draw(text);
            Self(text.chars().count())
        })
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        draw(&" ".repeat(self.0));
    }
}

/// The cursor goes back to the beginning, so that a line of the log takes the place of this one.
fn draw(text: &str) {
    // Who cannot be shown it does not need it.
    let _ = write!(io::stderr(), "\r{text}\r").and_then(|()| io::stderr().flush());
}

/// As wide at the beginning as at the end.
fn line(what: &str, done: usize, all: usize) -> String {
    let width = all.to_string().len();
    format!("{done:>width$} of {all} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_keeps_its_width() {
        assert_eq!(line("rooms checked", 7, 500), "  7 of 500 rooms checked");
        assert_eq!(line("rooms checked", 500, 500), "500 of 500 rooms checked");
    }
}
