//! Tables for people and JSON for programs: the only file that prints to stdout.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

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
        let mut stdout = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
        let written = serde_json::to_writer_pretty(&mut stdout, value).map_err(io::Error::from);
        let written = written.and_then(|()| stdout.write_all(b"\n"));
        note_loss(written.and_then(|()| stdout.flush()));
    }

    /// One line of text.
    pub fn line(&self, text: &str) {
        self.raw(text.as_bytes());
        self.raw(b"\n");
    }

    /// Bytes as they are.
    pub fn raw(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        note_loss(stdout.write_all(bytes).and_then(|()| stdout.flush()));
    }

    /// Rows under headings, without lines around them.
    pub fn table(&self, headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        self.line(&table(headings, rows));
    }
}

/// A reader that has seen enough (`| head`) is not an error.
fn note_loss(written: io::Result<()>) {
    if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Rows under headings as text.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row);
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
