//! How far long work has come, on a terminal: one line on stderr that is gone when it is done.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Work of a known length.
pub struct Progress {
    what: &'static str,
    all: usize,
    done: AtomicUsize,
    is_shown: bool,
}

impl Progress {
    /// `what` is counted, such as "rooms checked". Shown where stderr is a terminal.
    #[must_use]
    pub fn new(what: &'static str, all: usize) -> Self {
        let progress = Self {
            what,
            all,
            done: AtomicUsize::new(0),
            is_shown: all > 1 && io::stderr().is_terminal(),
        };
        progress.show(0);
        progress
    }

    /// One more is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.show(done);
    }

    fn show(&self, done: usize) {
        if self.is_shown {
            let text = line(self.what, done, self.all);
            // Who cannot be shown it does not need it.
            let _ = write!(io::stderr(), "\r{text}").and_then(|()| io::stderr().flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let blank = " ".repeat(line(self.what, self.all, self.all).len());
            let _ = write!(io::stderr(), "\r{blank}\r").and_then(|()| io::stderr().flush());
        }
    }
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
