//! The calendars of a room: pulled where that works, the held copy where it does
//! not. A failed pull is not an empty room, and a feed that was never read makes
//! the room wait: half a calendar would show it free when it is not.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::Pull;
use crate::config::{Feed, Only, Room, Source};
use crate::edges::Edges;
use crate::fault::Fault as _;
use crate::ics::series::Series;
use crate::ics::{self, Reading};
use crate::ledger::old::{FeedStanding, Keep, LedgerError, PullTrouble};
use crate::model::item::{FeedItem, FeedState, Held, Pulled};
use crate::model::name::FeedId;
use crate::model::time::UnixTime;
use crate::model::verdict::{Rule, Subject, Verdict};

/// How many calendars are read and expanded at once, whatever the number of rooms:
/// as many as small machines have processors, so that memory stays bounded too.
const THINKERS: usize = 4;
static THINKING: Semaphore = Semaphore::const_new(THINKERS);

/// The calendars of a room, one for each feed in the order of the configuration.
#[derive(Debug)]
pub struct Gathered {
    pub feeds: Vec<Copy>,
}

/// What there is of one feed.
#[derive(Debug)]
pub struct Copy {
    pub id: FeedId,
    pub pulled: PullResult,
    /// `None` when the feed was never read.
    reading: Option<Reading>,
    /// Before this pull.
    pub standing: FeedStanding,
}

/// What became of a pull, with what the ledger is to hold.
#[derive(Debug)]
pub enum PullResult {
    /// It was not due.
    NotTried,
    Unchanged {
        state: FeedState,
    },
    Changed {
        keep: Kept,
        items: usize,
    },
    Failed(Trouble),
}

/// The items as the ledger holds them.
#[derive(Debug)]
pub struct Kept {
    changed: Vec<FeedItem>,
    removed: Vec<String>,
    state: FeedState,
}

/// Why a feed could not be read, in the words of the part that saw it.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub says: String,
    pub hint: String,
    pub kind: String,
    pub is_passing: bool,
    pub retry_after: Option<Duration>,
}

/// What a cycle did about one feed.
#[derive(Clone, Debug)]
pub struct FeedOutcome {
    pub id: FeedId,
    pub result: FeedResult,
    /// After this pull.
    pub standing: FeedStanding,
    /// It failed before as well, in another way.
    pub is_new_kind: bool,
}

#[derive(Clone, Debug)]
pub enum FeedResult {
    NotTried,
    Unchanged,
    Changed {
        items: usize,
    },
    Failed(Trouble),
    /// It failed so many times before this.
    Recovered {
        failures: u32,
        since: UnixTime,
    },
}

impl Gathered {
    /// Whether every feed has been read at least once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.feeds.iter().all(|copy| copy.reading.is_some())
    }

    /// Whether every feed is as its server has it now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.feeds
            .iter()
            .all(|copy| !matches!(copy.pulled, PullResult::Failed(_)))
    }

    /// Whether every feed was pulled in this cycle, and that went well.
    #[must_use]
    pub fn is_seen_now(&self) -> bool {
        self.feeds.iter().all(|copy| {
            matches!(
                copy.pulled,
                PullResult::Unchanged { .. } | PullResult::Changed { .. }
            )
        })
    }

    pub(super) fn take_series(&mut self) -> Vec<Vec<Series>> {
        let readings = self.feeds.iter_mut().map(|copy| copy.reading.as_mut());
        readings
            .map(|reading| {
                reading
                    .map(|reading| std::mem::take(&mut reading.series))
                    .unwrap_or_default()
            })
            .collect()
    }

    pub(super) fn take_verdicts(&mut self) -> Vec<Verdict> {
        let readings = self
            .feeds
            .iter_mut()
            .filter_map(|copy| copy.reading.as_mut());
        readings
            .flat_map(|reading| std::mem::take(&mut reading.verdicts))
            .collect()
    }
}

/// Pulls and reads every feed of a room, each for itself. Changes nothing.
///
/// # Errors
/// Only the ledger's.
pub async fn gather(
    edges: &Edges,
    room: &Room,
    now: UnixTime,
    pull: Pull,
) -> Result<Gathered, LedgerError> {
    let copies = join_all(room.feeds.iter().map(|feed| copy(edges, feed, now, pull))).await;
    Ok(Gathered {
        feeds: copies.into_iter().collect::<Result<_, _>>()?,
    })
}

async fn copy(edges: &Edges, feed: &Feed, now: UnixTime, pull: Pull) -> Result<Copy, LedgerError> {
    let standing = edges.ledger.feed_standing(&feed.id).await?;
    let held = edges.ledger.held(&feed.id).await?;
    let is_due = match pull {
        Pull::Now | Pull::Afresh => true,
        Pull::WhenAllowed => standing.not_before.is_none_or(|at| at <= now),
        Pull::Held => false,
    };
    let nothing = Held::default();
    let known = if pull == Pull::Afresh {
        &nothing
    } else {
        &held
    };
    let answer = if is_due {
        Some(pull_feed(edges, feed, known, now).await)
    } else {
        None
    };
    let only = feed.only.clone();
    let is_document = !matches!(feed.source, Source::CalDav { .. });
    let was_read = standing.pulled_at.is_some();
    let (pulled, reading) = aside(move || match answer {
        None => (PullResult::NotTried, read_held(&held.items)),
        Some(Err(trouble)) => (PullResult::Failed(trouble), read_held(&held.items)),
        Some(Ok(Pulled::Unchanged { state, .. })) => {
            (PullResult::Unchanged { state }, read_held(&held.items))
        }
        Some(Ok(Pulled::Changed {
            items,
            removed,
            state,
            ..
        })) if is_document => read_document(items, removed, state, &held, &only, now),
        Some(Ok(Pulled::Changed {
            items,
            removed,
            state,
            ..
        })) => {
            let held = if pull == Pull::Afresh {
                Held::default()
            } else {
                held
            };
            read_collection(&items, removed, state, held, &only, now)
        }
    })
    .await;
    let is_known = was_read || !matches!(pulled, PullResult::Failed(_) | PullResult::NotTried);
    Ok(Copy {
        id: feed.id.clone(),
        pulled,
        reading: is_known.then_some(reading),
        standing,
    })
}

async fn pull_feed(
    edges: &Edges,
    feed: &Feed,
    held: &Held,
    now: UnixTime,
) -> Result<Pulled, Trouble> {
    let pulled = match edges.feeds.client(feed) {
        Ok(client) => client.pull(held, now).await,
        Err(error) => Err(error),
    };
    pulled.map_err(|error| Trouble {
        says: crate::fault::chain(&error),
        hint: error.hint().into_owned(),
        kind: error.kind().to_owned(),
        is_passing: error.is_passing(),
        retry_after: error.retry_after(),
    })
}

/// A document replaces the one that is held only if it is a whole calendar.
fn read_document(
    items: Vec<FeedItem>,
    removed: Vec<String>,
    state: FeedState,
    held: &Held,
    only: &Only,
    now: UnixTime,
) -> (PullResult, Reading) {
    let mut readings = Vec::new();
    for item in &items {
        match ics::read(item) {
            Ok(reading) if is_unreadable(&reading) => {
                return (
                    PullResult::Failed(unreadable(&reading)),
                    read_held(&held.items),
                );
            }
            Ok(reading) if reading.cut_off => {
                return (PullResult::Failed(cut_off()), read_held(&held.items));
            }
            Ok(reading) => readings.push(reading),
            Err(error) => {
                return (
                    PullResult::Failed(not_a_calendar(&error)),
                    read_held(&held.items),
                );
            }
        }
    }
    let changed: Vec<FeedItem> = items
        .iter()
        .map(|item| ics::keep(item, now, &[only]))
        .collect();
    let keep = Kept {
        changed,
        removed,
        state,
    };
    (
        PullResult::Changed {
            keep,
            items: items.len(),
        },
        ics::merge(readings),
    )
}

/// Of a collection each resource stands for itself: one that cannot be read keeps
/// the copy that is held.
fn read_collection(
    items: &[FeedItem],
    removed: Vec<String>,
    state: FeedState,
    held: Held,
    only: &Only,
    now: UnixTime,
) -> (PullResult, Reading) {
    let mut changed = Vec::new();
    let mut readings = Vec::new();
    let mut broken = Vec::new();
    let mut replaced: HashSet<&str> = removed.iter().map(String::as_str).collect();
    for item in items {
        match ics::read(item) {
            Ok(reading) => {
                replaced.insert(&item.href);
                changed.push(ics::keep(item, now, &[only]));
                readings.push(reading);
            }
            Err(error) => broken.push(Verdict {
                subject: Subject::Line {
                    href: item.href.clone(),
                    line: 0,
                },
                start: None,
                end: None,
                rule: Rule::Unreadable {
                    what: error.to_string(),
                },
            }),
        }
    }
    let others: Vec<&FeedItem> = held
        .items
        .iter()
        .filter(|item| !replaced.contains(item.href.as_str()))
        .collect();
    readings.extend(others.into_iter().filter_map(|item| ics::read(item).ok()));
    let mut reading = ics::merge(readings);
    reading.verdicts.extend(broken);
    let keep = Kept {
        changed,
        removed,
        state,
    };
    (
        PullResult::Changed {
            keep,
            items: items.len(),
        },
        reading,
    )
}

fn read_held(items: &[FeedItem]) -> Reading {
    ics::merge(
        items
            .iter()
            .filter_map(|item| ics::read(item).ok())
            .collect(),
    )
}

/// Whether a calendar has events and not one of them could be read: that is no
/// empty room but a feed gone wrong.
fn is_unreadable(reading: &Reading) -> bool {
    reading.series.is_empty() && !reading.cut_off && troubles(reading) > 0
}

fn troubles(reading: &Reading) -> usize {
    reading
        .verdicts
        .iter()
        .filter(|verdict| verdict.rule.is_trouble())
        .count()
}

fn unreadable(reading: &Reading) -> Trouble {
    Trouble {
        says: format!(
            "not one event of the calendar could be read; {} are in trouble",
            troubles(reading)
        ),
        hint: "run `podcal explain` on the room, which names each".to_owned(),
        kind: "unreadable".to_owned(),
        is_passing: true,
        retry_after: None,
    }
}

fn cut_off() -> Trouble {
    Trouble {
        says: "the calendar is cut off: its end is missing (no END:VCALENDAR)".to_owned(),
        hint: "the next pull tries again; if it stays, ask whoever publishes the feed".to_owned(),
        kind: "cut_off".to_owned(),
        is_passing: true,
        retry_after: None,
    }
}

fn not_a_calendar(error: &ics::NotACalendar) -> Trouble {
    Trouble {
        says: error.to_string(),
        hint: error.hint().into_owned(),
        kind: "not_a_calendar".to_owned(),
        is_passing: error.is_passing(),
        retry_after: None,
    }
}

/// Writes down what the pulls brought. In a dry run the outcome is all there is.
pub async fn record(
    edges: &Edges,
    room: &Room,
    gathered: &Gathered,
    now: UnixTime,
) -> Result<Vec<FeedOutcome>, LedgerError> {
    let mut outcomes = Vec::new();
    for copy in &gathered.feeds {
        let standing = if edges.is_dry() {
            copy.standing.clone()
        } else {
            record_one(edges, room, copy, now).await?
        };
        let result = match &copy.pulled {
            PullResult::NotTried => FeedResult::NotTried,
            PullResult::Failed(trouble) => FeedResult::Failed(trouble.clone()),
            PullResult::Unchanged { .. } | PullResult::Changed { .. } => {
                match copy.standing.failing_since {
                    Some(since) => FeedResult::Recovered {
                        failures: copy.standing.failures,
                        since,
                    },
                    None => match &copy.pulled {
                        PullResult::Changed { items, .. } => FeedResult::Changed { items: *items },
                        _ => FeedResult::Unchanged,
                    },
                }
            }
        };
        outcomes.push(FeedOutcome {
            id: copy.id.clone(),
            result,
            standing,
            is_new_kind: is_new_kind(copy),
        });
    }
    Ok(outcomes)
}

/// Whether it failed before this pull too, in another way.
fn is_new_kind(copy: &Copy) -> bool {
    match (&copy.pulled, copy.standing.failing_since) {
        (PullResult::Failed(trouble), Some(_)) => {
            copy.standing.last_kind.as_deref() != Some(&trouble.kind)
        }
        _ => false,
    }
}

async fn record_one(
    edges: &Edges,
    room: &Room,
    copy: &Copy,
    now: UnixTime,
) -> Result<FeedStanding, LedgerError> {
    let ledger = &edges.ledger;
    match &copy.pulled {
        PullResult::NotTried => return Ok(copy.standing.clone()),
        PullResult::Unchanged { state } => {
            let keep = Keep {
                changed: &[],
                removed: &[],
                whole: false,
                state,
                at: now,
            };
            ledger.keep(&copy.id, &keep).await?;
            ledger
                .pull_succeeded(&copy.id, &room.name, now, false)
                .await?;
        }
        PullResult::Changed { keep, .. } => {
            let Kept {
                changed,
                removed,
                state,
            } = keep;
            ledger
                .keep(
                    &copy.id,
                    &Keep {
                        changed,
                        removed,
                        whole: false,
                        state,
                        at: now,
                    },
                )
                .await?;
            ledger
                .pull_succeeded(&copy.id, &room.name, now, true)
                .await?;
        }
        PullResult::Failed(trouble) => {
            let not_before = trouble.retry_after.map(|span| now.plus(span));
            let Trouble {
                says,
                kind,
                is_passing,
                ..
            } = trouble;
            let trouble = PullTrouble {
                error: says,
                kind,
                passing: *is_passing,
                not_before,
            };
            return ledger
                .pull_failed(&copy.id, &room.name, now, &trouble)
                .await;
        }
    }
    ledger.feed_standing(&copy.id).await
}

/// Runs work that takes a processor for a while, beside the tasks that wait.
///
/// # Panics
/// Passes on a panic of the work; the scheduler turns it into one failed cycle.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let _place = THINKING.acquire().await;
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and drops this task next.
            Err(_) => std::future::pending().await,
        },
    }
}
