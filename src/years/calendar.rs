//! Calendars as simple models: a document is a list of entries, and a version of it is known
//! by its number alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compose::{self, Candidate};
use crate::config::{Only, Room};
use crate::control::room::{ComposeJob, Composition};
use crate::model::meeting::MeetingId;
use crate::model::occurrence::{Class, Details, Occurrence, Person};
use crate::model::time::{UnixTime, Window};
use crate::model::version::{FeedVersion, Reduction, Trouble, VersionId};

/// What a private entry says. It must never leave the reading.
pub const PRIVATE: &str = "SECRET";
/// What somebody else's meeting on a display says.
pub const FOREIGN: &str = "FOREIGN";

/// One event of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The same over all changes of the event; no two of a world are the same.
    pub uid: u32,
    pub start: i64,
    pub end: i64,
    /// Counts changes of its text.
    pub edition: u32,
    pub is_private: bool,
    /// Where it takes place: what a filter looks at.
    pub place: u8,
}

impl Entry {
    #[must_use]
    pub fn uid_text(&self) -> String {
        format!("entry-{}", self.uid)
    }

    #[must_use]
    pub fn title(&self) -> String {
        let what = if self.is_private { PRIVATE } else { "Meeting" };
        format!("{what} {}.{}", self.uid, self.edition)
    }

    /// Whether a text is this entry's title, told without writing the title.
    #[must_use]
    pub fn is_title(&self, text: &str) -> bool {
        let what = if self.is_private { PRIVATE } else { "Meeting" };
        let numbers = text
            .strip_prefix(what)
            .and_then(|rest| rest.strip_prefix(' '));
        numbers
            .and_then(|numbers| numbers.split_once('.'))
            .is_some_and(|(uid, edition)| {
                uid.parse() == Ok(self.uid) && edition.parse() == Ok(self.edition)
            })
    }

    fn occurrence(&self) -> Occurrence {
        Occurrence {
            details: Arc::new(Details {
                uid: self.uid_text(),
                summary: Some(self.title()),
                location: Some(place_text(self.place).to_owned()),
                organizer: Some(Person {
                    name: Some(if self.is_private { "SECRET Ada" } else { "Ada" }.to_owned()),
                    address: None,
                }),
                class: if self.is_private {
                    Class::Private
                } else {
                    Class::Public
                },
                ..Details::default()
            }),
            instance: String::new(),
            start: UnixTime::from_seconds(self.start),
            end: UnixTime::from_seconds(self.end),
            all_day: false,
        }
    }
}

#[must_use]
pub fn place_text(place: u8) -> &'static str {
    match place {
        0 => "Place 0",
        1 => "Place 1",
        _ => "Place 2",
    }
}

/// Which entries a room's filter lets through.
#[must_use]
pub fn is_let_through(only: &Only, entry: &Entry) -> bool {
    only.location
        .as_ref()
        .is_none_or(|place| place == place_text(entry.place))
}

/// A calendar as its host has it.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub entries: BTreeMap<u32, Entry>,
    /// Counts changes: what an honest validator tells.
    pub revision: u64,
}

/// What a version holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub entries: Vec<Entry>,
    pub reduction: Reduction,
    pub missing: Vec<String>,
    pub id: VersionId,
}

impl Reading {
    #[must_use]
    pub fn new(
        entries: impl Iterator<Item = Entry>,
        missing: BTreeSet<String>,
        reduction: Reduction,
    ) -> Self {
        let from = reduction.from.seconds();
        let entries: Vec<Entry> = entries.filter(|entry| entry.end > from).collect();
        let mut hash = Fnv::default();
        for entry in &entries {
            let flags = u64::from(entry.is_private) << 8 | u64::from(entry.place);
            hash.add(u64::from(entry.uid) << 32 | u64::from(entry.edition));
            hash.add(entry.start.unsigned_abs() ^ flags << 48);
            hash.add(entry.end.unsigned_abs());
        }
        for text in missing.iter().chain(&reduction.filters) {
            text.bytes().for_each(|byte| hash.add(u64::from(byte)));
        }
        Self {
            entries,
            reduction,
            missing: missing.into_iter().collect(),
            id: VersionId(hash.0),
        }
    }

    #[must_use]
    pub fn version(&self) -> FeedVersion {
        FeedVersion {
            id: self.id,
            items: Vec::new(),
            reduction: self.reduction.clone(),
            missing: self.missing.clone(),
            trouble: Trouble::default(),
        }
    }

    /// What a room would show of it now.
    pub fn to_come<'a>(
        &'a self,
        only: &'a Only,
        window: Window,
    ) -> impl Iterator<Item = &'a Entry> + 'a {
        self.entries.iter().filter(move |entry| {
            is_let_through(only, entry)
                && window.overlaps(
                    UnixTime::from_seconds(entry.start),
                    UnixTime::from_seconds(entry.end),
                )
        })
    }
}

/// FNV-1a over numbers.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Works out meetings as the room's task does, with the real rules, from a model reading.
#[must_use]
pub fn compose(job: &ComposeJob, reading: &Reading, room: &Room) -> Composition {
    let only = &room.feeds[job.place].only;
    let window = job.basis.window;
    let occurrences: Vec<Occurrence> = reading
        .entries
        .iter()
        .filter(|entry| {
            window.overlaps(
                UnixTime::from_seconds(entry.start),
                UnixTime::from_seconds(entry.end),
            )
        })
        .map(Entry::occurrence)
        .collect();
    let mut candidates: Vec<Candidate> =
        compose::of_feed(&occurrences, only, &room.meetings, window).candidates;
    let most = room.meetings.max.saturating_mul(2).saturating_add(100);
    let is_truncated = candidates.len() > most;
    candidates.truncate(most);
    Composition {
        place: job.place,
        version: job.version.id,
        basis: job.basis,
        candidates: candidates.into(),
        is_truncated,
    }
}

/// The ids of the meetings of all entries, worked out once each.
#[derive(Default)]
pub struct Ids {
    of: Vec<Option<MeetingId>>,
    back: BTreeMap<MeetingId, u32>,
}

impl Ids {
    pub fn of(&mut self, uid: u32) -> &MeetingId {
        let place = uid as usize;
        if self.of.len() <= place {
            self.of.resize(place + 1, None);
        }
        let back = &mut self.back;
        self.of[place].get_or_insert_with(|| {
            let id = MeetingId::new(&format!("entry-{uid}"), "");
            back.insert(id.clone(), uid);
            id
        })
    }

    /// The id of an entry, where it was worked out before.
    #[must_use]
    pub fn known(&self, uid: u32) -> Option<&MeetingId> {
        self.of.get(uid as usize)?.as_ref()
    }

    /// The entry that a meeting of that id came from.
    #[must_use]
    pub fn entry(&self, id: &MeetingId) -> Option<u32> {
        self.back.get(id).copied()
    }
}
