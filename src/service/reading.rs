//! From what a pull brought to a version of the feed: checked, reduced and packed.
//! Takes a processor for a while, so it belongs on the blocking threads.
//!
//! A document replaces the one that is held only if it is a whole calendar. Of a
//! collection each member stands for itself: one that cannot be read, or could not be
//! had, keeps its last version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ring::digest;

use crate::config::Only;
use crate::fault::Fault as _;
use crate::ics::{self, NotACalendar, Reading};
use crate::model::digest::{Parts, sha256};
use crate::model::failure::{Failure, FailureClass};
use crate::model::item::FeedItem;
use crate::model::time::UnixTime;
use crate::model::verdict::Rule;
use crate::model::version::{FeedVersion, KeptItem, PackedBody, Reduction, Trouble, VersionId};

#[cfg(test)]
mod tests;

/// Somebody who reads so many names of zones has understood.
const MAX_ZONES: usize = 20;
const MAX_ZONE_NAME: usize = 64;

/// What a pull brought, with what it is read by.
#[derive(Clone)]
pub struct Download {
    /// One ICS document, or a collection.
    pub is_document: bool,
    /// New or different.
    pub items: Vec<FeedItem>,
    /// Members that are gone.
    pub removed: Vec<String>,
    /// Members that are listed and could not be fetched now.
    pub missing: Vec<String>,
    /// What was held when it was asked for.
    pub held: Option<Arc<FeedVersion>>,
    /// `items` is everything there is; what is held serves only for `missing`.
    pub is_afresh: bool,
}

/// By what a version is reduced.
#[derive(Clone)]
pub struct ReduceBy {
    /// Whatever ended before is left out.
    pub from: UnixTime,
    /// Of all rooms that read the feed.
    pub filters: Arc<[Only]>,
    /// In bytes: what may be taken for it, with the body.
    pub memory: u64,
    /// In bytes: a larger body cannot be read.
    pub largest: u64,
    /// For people.
    pub host: String,
}

impl ReduceBy {
    fn reduction(&self) -> Reduction {
        Reduction {
            from: self.from,
            filters: self.filters.iter().map(Only::digest).collect(),
        }
    }

    fn keep(&self, item: &FeedItem) -> Result<FeedItem, Unread> {
        let filters: Vec<&Only> = self.filters.iter().collect();
        // The body, and the form that is kept.
        let memory = self.memory.saturating_sub(2 * item.body.len() as u64);
        ics::keep_within(item, self.from, &filters, memory).map_err(|_| Unread::NeedsMemory)
    }

    fn read(&self, item: &FeedItem) -> Result<Result<Reading, NotACalendar>, Unread> {
        let memory = self.memory.saturating_sub(2 * item.body.len() as u64);
        ics::read_within(item, memory).map_err(|_| Unread::NeedsMemory)
    }
}

/// Why there is no version.
pub enum Unread {
    /// It is no calendar, or not a whole one: what is held stays in force.
    Failed(Failure),
    /// It is to be read again with more memory.
    NeedsMemory,
}

/// Reads a download.
///
/// # Errors
/// See [`Unread`].
pub fn version(download: &Download, by: &ReduceBy) -> Result<FeedVersion, Unread> {
    let members = if download.is_document {
        document(download, by)?
    } else {
        collection(download, by)?
    };
    Ok(members.version(by.reduction()))
}

/// What is held, when the list of missing members is another one; `None`: it is the same.
#[must_use]
pub fn with_missing(held: &FeedVersion, missing: &[String]) -> Option<FeedVersion> {
    let mut members = Members::of(held, |_| true);
    members.note_missing(missing);
    let missing: Vec<String> = members.missing.iter().cloned().collect();
    (missing != held.missing).then(|| members.version(held.reduction.clone()))
}

/// The members of a version that is being made.
#[derive(Default)]
struct Members {
    items: BTreeMap<String, KeptItem>,
    missing: BTreeSet<String>,
}

impl Members {
    fn of(held: &FeedVersion, is_kept: impl Fn(&KeptItem) -> bool) -> Self {
        let items = held.items.iter().filter(|item| is_kept(item));
        Self {
            items: items
                .map(|item| (item.href.clone(), item.clone()))
                .collect(),
            missing: BTreeSet::new(),
        }
    }

    fn insert(&mut self, item: &FeedItem) {
        self.missing.remove(&item.href);
        self.items.insert(item.href.clone(), kept_item(item));
    }

    fn note_missing(&mut self, missing: &[String]) {
        let never_had = missing
            .iter()
            .filter(|href| !self.items.contains_key(*href));
        self.missing.extend(never_had.cloned());
    }

    fn version(self, reduction: Reduction) -> FeedVersion {
        let mut hash = Hash::new();
        let mut trouble = TroubleCount::default();
        for (href, item) in &self.items {
            let body = item.body.unpack().unwrap_or_default();
            hash.add(href.as_bytes());
            hash.add_calendar(&body);
            let item = FeedItem {
                href: href.clone(),
                etag: None,
                last_modified: None,
                body,
            };
            match ics::read(&item) {
                Ok(reading) => trouble.add(&reading),
                Err(_) => trouble.entries += 1,
            }
        }
        for href in &self.missing {
            hash.add(b"missing");
            hash.add(href.as_bytes());
        }
        // A version for other filters holds something else, if only the marks of what
        // matched them.
        for filter in &reduction.filters {
            hash.add(b"filter");
            hash.add(filter.as_bytes());
        }
        FeedVersion {
            id: hash.id(),
            items: self.items.into_values().collect(),
            reduction,
            missing: self.missing.into_iter().collect(),
            trouble: trouble.finish(),
        }
    }
}

fn document(download: &Download, by: &ReduceBy) -> Result<Members, Unread> {
    let mut members = Members::default();
    for item in &download.items {
        if is_too_large(item, by) {
            return Err(Unread::Failed(too_large(item, by)));
        }
        let kept = by.keep(item)?;
        // The kept form is read, which is small; the whole only where something is wrong.
        match by.read(&kept)? {
            Ok(reading) if reading.cut_off => return Err(Unread::Failed(cut_off())),
            Ok(reading) if !(reading.series.is_empty() && entries(&reading) > 0) => {}
            _ => match by.read(item)? {
                Err(error) => return Err(Unread::Failed(not_a_calendar(&error))),
                Ok(reading) if reading.cut_off => return Err(Unread::Failed(cut_off())),
                // Events, and not one that could be read: no empty room but a broken feed.
                Ok(reading) if reading.series.is_empty() && entries(&reading) > 0 => {
                    return Err(Unread::Failed(unreadable(&reading)));
                }
                Ok(_) => {}
            },
        }
        members.insert(&kept);
    }
    Ok(members)
}

fn collection(download: &Download, by: &ReduceBy) -> Result<Members, Unread> {
    let mut members = Members::default();
    if let Some(held) = &download.held {
        let missing: BTreeSet<&String> = download.missing.iter().collect();
        let removed: BTreeSet<&String> = download.removed.iter().collect();
        members = Members::of(held, |item| {
            if download.is_afresh {
                missing.contains(&item.href)
            } else {
                !removed.contains(&item.href)
            }
        });
        if download.is_afresh && held.reduction != by.reduction() {
            // What it had by other filters may lack what these ask for.
            let uncertain: Vec<String> = members.items.keys().cloned().collect();
            members.missing.extend(uncertain);
        }
    }
    for item in &download.items {
        if is_too_large(item, by) {
            members.note_missing(std::slice::from_ref(&item.href));
            continue;
        }
        let kept = by.keep(item)?;
        let is_whole = by.read(&kept)?.is_ok_and(|reading| !reading.cut_off);
        // A member that was never had is held as it is, so that it is counted as one that
        // cannot be read.
        if is_whole || !members.items.contains_key(&item.href) {
            members.insert(&kept);
        }
    }
    members.note_missing(&download.missing);
    Ok(members)
}

fn kept_item(item: &FeedItem) -> KeptItem {
    KeptItem {
        href: item.href.clone(),
        etag: item.etag.clone(),
        last_modified: item.last_modified.clone(),
        digest: sha256(&item.body),
        body: PackedBody::pack(&item.body),
    }
}

/// What tells versions apart.
struct Hash(Parts);

impl Hash {
    fn new() -> Self {
        Self(Parts::new())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.add(bytes);
    }

    /// Without DTSTAMP, which many calendars renew at every download: a version that
    /// differs in nothing else is not a new one.
    fn add_calendar(&mut self, body: &[u8]) {
        let mut inner = digest::Context::new(&digest::SHA256);
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            let name = line.get(..7).unwrap_or_default();
            if !name.eq_ignore_ascii_case(b"DTSTAMP") {
                inner.update(line);
            }
        }
        self.add(inner.finish().as_ref());
    }

    fn id(self) -> VersionId {
        let digest = self.0.finish();
        let first = digest.iter().take(8);
        VersionId(first.fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

#[derive(Default)]
struct TroubleCount {
    entries: usize,
    zones: BTreeSet<String>,
}

impl TroubleCount {
    fn add(&mut self, reading: &Reading) {
        self.entries += entries(reading);
        for verdict in &reading.verdicts {
            if let Rule::ZoneUnknown { tzid, .. } = &verdict.rule
                && self.zones.len() < MAX_ZONES
            {
                let name = tzid.chars().filter(|c| !c.is_control());
                self.zones.insert(name.take(MAX_ZONE_NAME).collect());
            }
        }
    }

    fn finish(self) -> Trouble {
        Trouble {
            entries: self.entries,
            unknown_zones: self.zones.into_iter().collect(),
        }
    }
}

/// Entries that could not be read as they were meant.
fn entries(reading: &Reading) -> usize {
    let verdicts = reading.verdicts.iter();
    verdicts.filter(|verdict| verdict.rule.is_trouble()).count()
}

fn is_too_large(item: &FeedItem, by: &ReduceBy) -> bool {
    item.body.len() as u64 > by.largest
}

/// What is made of the calendar takes all the memory that there is.
#[must_use]
pub fn needs_too_much(by: &ReduceBy) -> Failure {
    let says = format!(
        "the calendar of {} has so many events that to read it takes more memory than `limits.memory` allows",
        by.host
    );
    Failure {
        is_passing: false,
        ..failure("too_large", says, MORE_MEMORY)
    }
}

const MORE_MEMORY: &str = "raise `limits.memory` to at least four times the size of the calendar, or let the calendar's owner remove \
                           old events";

fn failure(kind: &str, says: String, hint: &str) -> Failure {
    Failure {
        class: FailureClass::Other,
        kind: kind.to_owned(),
        says,
        hint: hint.to_owned(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: true,
    }
}

fn too_large(item: &FeedItem, by: &ReduceBy) -> Failure {
    let says = format!(
        "the calendar of {} has {} bytes; to read more than {} takes more memory than `limits.memory` allows",
        by.host,
        item.body.len(),
        by.largest
    );
    Failure {
        is_passing: false,
        ..failure("too_large", says, MORE_MEMORY)
    }
}

fn unreadable(reading: &Reading) -> Failure {
    let says = format!(
        "not one event of the calendar could be read; unreadable entries: {}",
        entries(reading)
    );
    let hint = "run `podcal explain` on the room, which names each";
    failure("unreadable", says, hint)
}

fn cut_off() -> Failure {
    let says = "the calendar is cut off: its end is missing (no END:VCALENDAR)".to_owned();
    let hint = "the next pull tries again; if it keeps happening, ask whoever publishes the feed";
    failure("cut_off", says, hint)
}

fn not_a_calendar(error: &NotACalendar) -> Failure {
    Failure {
        is_passing: error.is_passing(),
        ..failure("not_a_calendar", error.to_string(), &error.hint())
    }
}
