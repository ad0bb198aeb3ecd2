//! One instance of an event, with absolute times: what `expand` hands to `compose`.

use std::fmt;
use std::sync::Arc;

use super::time::UnixTime;

/// One instance of an event. `start <= end`; one without length is possible and
/// is never shown on a display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What the event says, shared by the instances of a series.
    pub details: Arc<Details>,
    /// What tells this instance from the others of its series: the start that its
    /// rule gave it, in UTC as `20260105T080000Z` (or `20260105` for an all-day
    /// series), whatever an override made of it. Empty for a single event.
    pub instance: String,
    pub start: UnixTime,
    /// Exclusive.
    pub end: UnixTime,
    pub all_day: bool,
}

/// What a VEVENT says besides its times. Texts are decoded and unescaped, not yet cleaned.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// UID (RFC 5545 section 3.8.4.7), or a stand-in made from the content where there is none.
    pub uid: String,
    /// Which item and line the VEVENT came from, for people.
    pub source: SourceLine,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub location: Option<String>,
    pub categories: Vec<String>,
    pub organizer: Option<Person>,
    /// ATTENDEEs whose PARTSTAT is DECLINED, rooms among them: addresses in lower
    /// case without `mailto:`.
    pub declined: Vec<String>,
    /// Every room that was invited (CUTYPE ROOM or RESOURCE), or the organizer, declined.
    pub room_declined: bool,
    pub class: Class,
    pub status: Status,
    /// TRANSP:TRANSPARENT (section 3.8.2.7).
    pub transparent: bool,
    /// X-MICROSOFT-CDO-BUSYSTATUS, else X-MICROSOFT-CDO-INTENDEDSTATUS.
    pub busy_status: Option<BusyStatus>,
    /// Addresses from CONFERENCE, X-GOOGLE-CONFERENCE and
    /// X-MICROSOFT-SKYPETEAMSMEETINGURL, in this order of trust.
    pub conference: Vec<String>,
    /// URL (section 3.8.4.6).
    pub url: Option<String>,
    /// LAST-MODIFIED (section 3.8.7.3).
    pub modified: Option<UnixTime>,
    /// DTSTAMP (section 3.8.7.2). Many feeds renew it at every download.
    pub stamped: Option<UnixTime>,
    /// The event is private and its text was taken out before it was kept: the digests
    /// of the filters (`only`) that it matched at that time.
    pub only_matched: Option<Vec<String>>,
}

/// Where in a feed something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLine {
    /// The href of the item; empty for an ICS document.
    pub href: String,
    /// The line of its BEGIN:VEVENT, counted from 1 in the bytes as they were
    /// sent; 0 where it is not known.
    pub line: u32,
}

/// ORGANIZER (RFC 5545 section 3.8.4.3).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Person {
    pub name: Option<String>,
    /// Without `mailto:`, as written otherwise.
    pub address: Option<String>,
}

/// CLASS (RFC 5545 section 3.8.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    #[default]
    Public,
    /// PRIVATE, CONFIDENTIAL, and any word that the RFC does not know.
    Private,
}

/// STATUS (RFC 5545 section 3.8.1.11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Confirmed,
    Tentative,
    Cancelled,
}

/// X-MICROSOFT-CDO-BUSYSTATUS (MS-OXCICAL section 2.1.3.1.1.20.31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyStatus {
    Free,
    Tentative,
    Busy,
    OutOfOffice,
    WorkingElsewhere,
}

/// Where it stands, and nothing that was written there.
impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Details")
            .field("line", &self.source.line)
            .field("class", &self.class)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(***)")
    }
}
