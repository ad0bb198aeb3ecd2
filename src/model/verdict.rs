//! Verdicts: why an event, or one instance of it, is shown or not.
//!
//! The pure stages return them instead of logging; `explain` prints them and the
//! log counts them.

use std::fmt;
use std::sync::Arc;

use super::meeting::Meeting;
use super::occurrence::Details;
use super::time::UnixTime;

/// What became of an event, or of one of its instances, and the rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub subject: Subject,
    /// The instance that this is about; `None` for the event or feed as a whole.
    pub start: Option<UnixTime>,
    pub end: Option<UnixTime>,
    pub rule: Rule,
}

/// What a verdict is about.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// An event that could be read.
    Event(Arc<Details>),
    /// A meeting that is on the display although no calendar has it any more; its texts are
    /// those of the display.
    Kept(Box<Meeting>),
    /// A place in the feed: something that could not be read, or the feed itself.
    Line { href: String, line: u32 },
}

/// The line only; what an event says does not reach a log by accident.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self {
            Self::Event(details) => details.source.line,
            Self::Kept(_) => 0,
            Self::Line { line, .. } => *line,
        };
        write!(f, "Subject(line {line})")
    }
}

/// The rule that decided. Its `Display` is a sentence for people without meeting text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// On the display.
    Shown,
    /// On the display under the private title.
    ShownPrivate,
    /// On the display although no calendar has it any more: held, or kept until it ends.
    Kept,

    // Left out by what the event says.
    /// STATUS:CANCELLED, or METHOD:CANCEL.
    Cancelled,
    /// TRANSP:TRANSPARENT, or a Microsoft busy status of FREE or WORKINGELSEWHERE.
    Free,
    /// The room, or the organizer's own invitation, was declined.
    Declined,

    // Left out by the configuration.
    /// `meetings.tentative = false`.
    Tentative,
    /// `meetings.all_day = false`.
    AllDay,
    /// The feed's `only` names this key and the event does not match it.
    NotForThisRoom {
        key: &'static str,
    },
    /// Further away than the `meetings.max` nearest ones.
    BeyondMax {
        max: usize,
    },
    /// The same meeting came from another feed, or twice.
    Duplicate,

    // Left out by time.
    Ended,
    OutsideWindow,
    /// EXDATE or EXRULE (section 3.8.5.1).
    Excluded,
    /// A RECURRENCE-ID component stands for this instance.
    Replaced,
    /// Neither DTEND nor DURATION, or both ends equal.
    NoLength,
    /// DTEND before DTSTART.
    EndsBeforeStart,
    /// A newer copy of the same event stands elsewhere in the feed.
    Superseded {
        by: Newer,
    },

    // Could not be read, in whole or in part.
    /// `what` names the property and says what was wrong, without its text.
    Unreadable {
        what: String,
    },
    /// A cap was reached: the cap's name and value.
    Capped {
        cap: &'static str,
        at: u64,
    },
    /// Understood, but not supported, such as `RSCALE=HEBREW`.
    Unsupported {
        what: String,
    },
    /// The item ended inside a component; what came before counts.
    CutOff,

    // Decisions worth explaining that left nothing out.
    /// The TZID as written, and the zone that it was read as.
    ZoneRead {
        tzid: String,
        zone: String,
    },
    /// Nothing defines the TZID; another zone was taken for it, and the meeting may be
    /// hours off.
    ZoneUnknown {
        tzid: String,
        zone: String,
    },
    /// A name that the database knows, whose VTIMEZONE says otherwise.
    ZoneDiffers {
        tzid: String,
        zone: String,
    },
    /// Damage where it is plain what was meant, and what was done about it.
    Repaired {
        what: String,
    },
    /// Something else that a person may want to know, without meeting text.
    Note {
        what: String,
    },
}

/// What tells the newer of two copies of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newer {
    Sequence,
    Modified,
    Stamped,
    /// Nothing but that it comes later in the feed.
    Place,
}

impl Newer {
    fn reason(self) -> &'static str {
        match self {
            Self::Sequence => "an older copy; the one with the higher SEQUENCE counts",
            Self::Modified => "an older copy; the one with the later LAST-MODIFIED counts",
            Self::Stamped => "an older copy; the one with the later DTSTAMP counts",
            Self::Place => "the same event again; of equal copies the last one counts",
        }
    }
}

impl Rule {
    /// Whether the meeting is on the display because of this rule.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        matches!(self, Self::Shown | Self::ShownPrivate | Self::Kept)
    }

    /// Whether something in the feed could not be read properly.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. }
                | Self::Capped { .. }
                | Self::Unsupported { .. }
                | Self::CutOff
                | Self::EndsBeforeStart
                | Self::ZoneUnknown { .. }
        )
    }

    /// A stable key for `--json` and logs.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::ShownPrivate => "shown_private",
            Self::Kept => "kept",
            Self::Cancelled => "cancelled",
            Self::Free => "free",
            Self::Declined => "declined",
            Self::Tentative => "tentative",
            Self::AllDay => "all_day",
            Self::NotForThisRoom { .. } => "not_for_this_room",
            Self::BeyondMax { .. } => "beyond_max",
            Self::Duplicate => "duplicate",
            Self::Ended => "ended",
            Self::OutsideWindow => "outside_window",
            Self::Excluded => "excluded",
            Self::Replaced => "replaced",
            Self::NoLength => "no_length",
            Self::EndsBeforeStart => "ends_before_start",
            Self::Superseded { .. } => "superseded",
            Self::Unreadable { .. } => "unreadable",
            Self::Capped { .. } => "capped",
            Self::Unsupported { .. } => "unsupported",
            Self::CutOff => "cut_off",
            Self::ZoneRead { .. } => "zone_read",
            Self::ZoneUnknown { .. } => "zone_unknown",
            Self::ZoneDiffers { .. } => "zone_differs",
            Self::Repaired { .. } => "repaired",
            Self::Note { .. } => "note",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown => f.write_str("shown"),
            Self::ShownPrivate => f.write_str("shown under the private title (CLASS)"),
            Self::Kept => f.write_str("kept for now, although its feed does not have it"),
            Self::Cancelled => f.write_str("cancelled (STATUS or METHOD)"),
            Self::Free => f.write_str("marked as free time (TRANSP or busy status)"),
            Self::Declined => f.write_str("the room declined it (PARTSTAT)"),
            Self::Tentative => f.write_str("tentative, and `meetings.tentative` is false"),
            Self::AllDay => f.write_str("all day, and `meetings.all_day` is false"),
            Self::NotForThisRoom { key } => {
                write!(f, "not for this room: `only.{key}` does not match")
            }
            Self::BeyondMax { max } => write!(f, "beyond the nearest {max} (`meetings.max`)"),
            Self::Duplicate => f.write_str("the same meeting is in the calendar twice"),
            Self::Ended => f.write_str("over"),
            Self::OutsideWindow => f.write_str("outside the window (`window.days`)"),
            Self::Excluded => f.write_str("removed from its series (EXDATE or EXRULE)"),
            Self::Replaced => f.write_str("replaced by a changed instance (RECURRENCE-ID)"),
            Self::NoLength => f.write_str("has no length; a display is never sent such a meeting"),
            Self::EndsBeforeStart => f.write_str("ends before it starts"),
            Self::Superseded { by } => f.write_str(by.reason()),
            Self::Unreadable { what } => write!(f, "unreadable: {what}"),
            Self::Capped { cap, at } => write!(f, "capped: more than {at} {cap}"),
            Self::Unsupported { what } => write!(f, "not supported: {what}"),
            Self::CutOff => f.write_str("cut off: the calendar ends in the middle of this"),
            Self::ZoneRead { tzid, zone } => write!(f, "`{tzid}` read as {zone}"),
            Self::ZoneUnknown { tzid, zone } => {
                write!(f, "nothing defines the zone `{tzid}`; read as {zone}")
            }
            Self::ZoneDiffers { tzid, zone } => {
                write!(
                    f,
                    "the calendar's own rules for `{tzid}` differ from {zone}, which was taken"
                )
            }
            Self::Repaired { what } => write!(f, "damaged, and repaired: {what}"),
            Self::Note { what } => f.write_str(what),
        }
    }
}
