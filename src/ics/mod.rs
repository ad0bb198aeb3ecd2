//! Calendar bytes to series; pure. The only folder that knows iCalendar syntax.
//!
//! [`read`] takes what feeds really send: whatever can be understood is, and what
//! cannot becomes a verdict that names the line, while everything else lives on. Only
//! a body in which no calendar begins is an error, because an empty calendar and a
//! login page must never look alike.
//!
//! The way of the bytes: `line` finds logical lines and `property` takes them apart,
//! `walk` follows the components, `draft` gathers each VEVENT, `event` ties it to its
//! zones (`zone`), `gather` makes series of the events of one UID, `copies` tells the newest of
//! each. No step recurses, and none takes more than linear time. `skim` tells early what has
//! to do with a window of time; the rest is passed over. `keep` is beside it: the form in
//! which a body is held in the ledger.

mod component;
mod copies;
mod date;
mod draft;
mod event;
mod gather;
mod keep;
mod line;
mod property;
mod rrule;
pub mod series;
mod skim;
mod stamp;
#[cfg(test)]
mod tests;
mod walk;
mod zone;

use std::borrow::Cow;
use std::fmt;

use crate::fault::Fault;
use crate::model::item::FeedItem;
use crate::model::time::Window;
use crate::model::verdict::Verdict;
use series::Series;
use skim::Reach;

pub use keep::{keep, keep_within};

/// Verdicts of one item. Somebody who reads that many has understood.
const MAX_VERDICTS: usize = 1_000;

/// What reading made of one item or, merged, of a whole feed.
#[derive(Clone, Default, PartialEq)]
pub struct Reading {
    /// One a UID, in the order of the feed.
    pub series: Vec<Series>,
    /// On events that could not be read, on older copies, and on decisions about zones.
    pub verdicts: Vec<Verdict>,
    /// The body ends inside a component: it may add and change meetings, and nothing
    /// may be concluded from what it lacks.
    pub cut_off: bool,
    /// X-WR-CALNAME or NAME of the first calendar that has one.
    pub name: Option<String>,
    /// Names of time zones that are used and that nothing tells, cleaned and each once:
    /// meetings in them may be shown hours off. Each has a [`Rule::ZoneUnknown`] too.
    ///
    /// [`Rule::ZoneUnknown`]: crate::model::verdict::Rule::ZoneUnknown
    pub unknown_zones: Vec<String>,
}

/// Numbers only; what a calendar is called does not reach a log by accident.
impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("series", &self.series.len())
            .field("verdicts", &self.verdicts.len())
            .field("cut_off", &self.cut_off)
            .finish_non_exhaustive()
    }
}

/// Reads one calendar object.
///
/// Events without a UID get one made of their content; two such events are two
/// events. Of several copies of one event the one with the highest SEQUENCE counts,
/// see [`merge`].
///
/// # Errors
/// When no calendar begins in the body. A calendar that is cut off is none: see
/// [`Reading::cut_off`].
pub fn read(item: &FeedItem) -> Result<Reading, NotACalendar> {
    read_with(item, walk::Options::default())
}

/// The same for a window of time: without events that nothing of which can be within it,
/// which are passed over in a tenth of the time, and what could be said of them.
///
/// Expanding the reading gives the same meetings in the window as [`read`]. Verdicts are
/// on what was read only; to explain a calendar read all of it.
///
/// # Errors
/// As [`read`].
pub fn read_for(item: &FeedItem, window: Window) -> Result<Reading, NotACalendar> {
    let options = walk::Options {
        reach: Some(Reach::of(window)),
        ..walk::Options::default()
    };
    read_with(item, options)
}

fn read_with(item: &FeedItem, options: walk::Options) -> Result<Reading, NotACalendar> {
    let body = line::as_bytes(&item.body);
    let file = walk::walk(&body, options)?;
    Ok(gather::reading(file, &item.href))
}

/// The same, where no more than so many bytes may be taken for it beside the body.
///
/// # Errors
/// When it takes more. What [`read`] says of the body is inside.
pub fn read_within(
    item: &FeedItem,
    memory: u64,
) -> Result<Result<Reading, NotACalendar>, TooLarge> {
    let options = walk::Options {
        memory: Some(memory),
        ..walk::Options::default()
    };
    read_at_most(item, options)
}

/// The same for a window of time, as [`read_for`].
///
/// # Errors
/// As [`read_within`].
pub fn read_for_within(
    item: &FeedItem,
    window: Window,
    memory: u64,
) -> Result<Result<Reading, NotACalendar>, TooLarge> {
    let options = walk::Options {
        reach: Some(Reach::of(window)),
        memory: Some(memory),
        ..walk::Options::default()
    };
    read_at_most(item, options)
}

fn read_at_most(
    item: &FeedItem,
    options: walk::Options,
) -> Result<Result<Reading, NotACalendar>, TooLarge> {
    let body = line::as_bytes(&item.body);
    match walk::walk(&body, options) {
        Ok(file) if file.is_too_large => Err(TooLarge),
        file => Ok(file.map(|file| gather::reading(file, &item.href))),
    }
}

/// What is made of a body would take more memory than was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The items of a feed as one, each UID once.
///
/// Of copies of one component the one with the highest SEQUENCE counts, then the one
/// modified (else stamped) last, then the one that comes last (RFC 5546 section
/// 2.1.5). Masters that differ in nothing of this but in their start are not copies:
/// they are events of a program that gives all of them one UID, and all are kept.
#[must_use]
pub fn merge(readings: Vec<Reading>) -> Reading {
    gather::merge(readings)
}

/// There is no calendar in a body. Holds nothing of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACalendar {
    #[error("the calendar is empty: not one line of text came")]
    Empty,
    #[error("line 1: expected `BEGIN:VCALENDAR`, found a web page (HTML or XML)")]
    Html,
    #[error("line {line}: expected `BEGIN:VCALENDAR`, found something else")]
    NoCalendar {
        /// The first line with any text.
        line: u32,
    },
}

impl Fault for NotACalendar {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Empty => "open the address in a browser; it should download a calendar file",
            Self::Html => {
                "the address answers with a page to sign in or an error page; take the calendar's \
                 secret or public ICS address"
            }
            Self::NoCalendar { .. } => {
                "take the calendar's ICS address; the file must begin with `BEGIN:VCALENDAR`"
            }
        }
        .into()
    }

    /// Servers send such bodies while they are being repaired, too.
    fn is_passing(&self) -> bool {
        true
    }
}
