//! Tables for people and JSON for programs: the only file that prints to stdout.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::net::clean;

/// Whether data could not be written, on a full disk for example.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether everything that a command printed got where it was to go.
#[must_use]
pub fn is_complete() -> bool {
    !LOST.load(Ordering::Relaxed)
}

/// Where a command's data goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// One JSON document.
    pub fn json(&self, value: &impl Serialize) {
        let stdout = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
        let mut stdout = clean::JsonWriter(stdout);
        let written = serde_json::to_writer_pretty(&mut stdout, value).map_err(io::Error::from);
        let written = written.and_then(|()| stdout.write_all(b"\n"));
        note_loss(written.and_then(|()| stdout.flush()));
    }

    /// One line of text, or several; made fit for a terminal.
    pub fn line(&self, text: &str) {
        self.raw(format!("{}\n", clean::lines(text)).as_bytes());
    }

    /// Bytes as they are.
    pub fn raw(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        note_loss(stdout.write_all(bytes).and_then(|()| stdout.flush()));
    }

    /// Rows under headings, without lines around them; on a terminal no wider than that.
    pub fn table(&self, headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let width = terminal_size().map(|(width, _)| width);
        self.line(&table_of_width(headings, rows, width));
    }

    /// The same, cut so that it and `above` lines over it fit the terminal; says `more` then.
    pub fn fitted_table(
        &self,
        headings: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
        above: usize,
        more: &str,
    ) {
        let Some((width, height)) = terminal_size() else {
            return self.table(headings, rows);
        };
        let text = table_of_width(headings, rows, Some(width));
        // One for what is said of the rest, and one for the cursor.
        let room = usize::from(height).saturating_sub(above + 2);
        self.line(&first_lines(&text, room, more));
    }

    /// A line with the answer; in colour where that is shown.
    pub fn verdict(&self, text: &str, is_good: bool) {
        let colour = if is_good { "32" } else { "31" };
        if shows_colours() {
            let text = clean::lines(text);
            self.raw(format!("\u{1b}[1;{colour}m{text}\u{1b}[0m\n").as_bytes());
        } else {
            self.line(text);
        }
    }

    /// An empty screen, on a terminal.
    pub fn clear(&self) {
        if !self.json && io::stdout().is_terminal() {
            self.raw(b"\x1b[H\x1b[2J\x1b[3J");
        }
    }
}

/// <https://no-color.org>
fn shows_colours() -> bool {
    let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_refused && io::stdout().is_terminal()
}

/// Columns and lines of the terminal that stdout is; `None` where it is none.
fn terminal_size() -> Option<(u16, u16)> {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
    }
    #[cfg(not(unix))]
    None
}

/// So many lines of a text; where it has more, `more` stands at its end.
fn first_lines(text: &str, room: usize, more: &str) -> String {
    if text.lines().count() <= room {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().take(room).chain([more]).collect();
    lines.join("\n")
}

/// A reader that has seen enough (`| head`) is not an error.
fn note_loss(written: io::Result<()>) {
    if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Rows under headings as text.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    table_of_width(headings, rows, None)
}

/// What is too long for the width goes on in the next line of its column.
fn table_of_width(
    headings: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    match width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| clean::cell(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// How a command ended, where it did not fail outright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything asked for was done.
    Well,
    /// Done as far as possible; something failed at work.
    WithTrouble,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Well => Self::SUCCESS,
            Ended::WithTrouble => Self::from(crate::report::FAILURE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_said_to_be_missing() {
        let cut = |room| first_lines("a\nb\nc", room, "more");
        assert_eq!([cut(3), cut(2), cut(0)], ["a\nb\nc", "a\nb\nmore", "more"]);
    }

    #[test]
    fn what_stands_in_a_table_cannot_add_a_row() {
        let row = vec![
            "oak\nyew  in step".to_owned(),
            "\u{1b}[2J\u{202e}".to_owned(),
        ];
        let text = table(&["room", "state"], [row]);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.contains("oak yew  in step") && text.contains("\\u{1b}[2J\\u{202e}"),
            "{text}"
        );
    }

    #[test]
    fn a_table_is_no_wider_than_the_terminal() {
        let rows = || {
            let wrong = "the pod at 192.0.2.11 does not answer: no connection within 20 s";
            [vec![
                "oak".to_owned(),
                "unreachable".to_owned(),
                wrong.to_owned(),
            ]]
        };
        let headings = ["room", "state", "what is wrong"];
        let narrow = table_of_width(&headings, rows(), Some(60));
        assert!(narrow.lines().count() > 2, "{narrow}");
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 60),
            "{narrow}"
        );
        let words = |text: &str| text.split_whitespace().count();
        let whole = table(&headings, rows());
        assert_eq!(whole.lines().count(), 2, "{whole}");
        assert_eq!(words(&narrow), words(&whole), "{narrow}");
    }
}
