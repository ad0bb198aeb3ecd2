//! What the service would have one room show, asked once and with every reason: for
//! `agenda`, `explain` and `check`. The room's own controller decides, so holds, feeds that
//! were never read and stale ones count as they do in the service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use super::feed_task::{self, Fetched};
use super::reading::{self, Download, ReduceBy};
use super::recorder::Recorder;
use super::{Ground, stage};
use crate::compose::{self, FeedMeetings};
use crate::config::{Feed, Only, Room, Source};
use crate::control::now::Now;
use crate::control::published::{FeedFailing, FeedView};
use crate::control::retry::Past;
use crate::control::room::{Composition, RoomController, RoomSettings, RoomStep, RoomView};
use crate::expand;
use crate::ics::{self, Reading};
use crate::model::failure::Failure;
use crate::model::item::FeedItem;
use crate::model::memory::RoomMemory;
use crate::model::name::FeedId;
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::Verdict;
use crate::model::version::{FeedVersion, VersionId};

/// Bodies larger than this are not read by a command.
const LARGEST: u64 = 1 << 30;

/// One room, studied.
pub struct Study {
    pub view: RoomView,
    pub feeds: Vec<FeedStudy>,
    /// One for each event near the window, by the calendars as they are now.
    pub verdicts: Vec<Verdict>,
}

/// One feed of the room.
pub struct FeedStudy {
    pub id: FeedId,
    /// Why it could not be pulled now; what was held before counts.
    pub failure: Option<Failure>,
    /// When what counts was read; `None`: never.
    pub read_at: Option<UnixTime>,
    /// Entries that could not be read as they were meant.
    pub troubles: usize,
    pub unknown_zones: Vec<String>,
    /// Members that are listed and could not be had.
    pub missing: usize,
    /// It was not pulled for this: what counts is what the service read last.
    pub is_remembered: bool,
}

impl Study {
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.feeds.iter().all(|feed| feed.failure.is_none())
    }
}

/// A feed as it was pulled or, where that failed, as it is remembered.
struct Pulled {
    view: FeedView,
    reading: Reading,
    study: FeedStudy,
}

/// Pulls every feed of a room afresh and lets its controller decide, as of a time.
/// Verdicts begin so long before it. `insists`: although sign-in is paused.
pub async fn study(
    ground: &Ground,
    room: &Room,
    at: UnixTime,
    back: Duration,
    insists: bool,
) -> Study {
    let now = Now {
        wall: at,
        ..ground.clock.now()
    };
    let mut pulled = Vec::new();
    for feed in &room.feeds {
        pulled.push(pull(ground, feed, now, insists).await);
    }
    conclude(&ground.recorder, room, pulled, now, back).await
}

/// The same from what the service read last, without a request to anybody.
pub async fn study_remembered(
    recorder: &Recorder,
    room: &Room,
    feeds: Vec<FeedView>,
    now: Now,
    back: Duration,
) -> Study {
    let read = tokio::task::spawn_blocking(move || {
        let feeds = feeds.into_iter();
        feeds.map(Pulled::remembered).collect::<Vec<_>>()
    });
    let pulled = finished(read.await).await;
    conclude(recorder, room, pulled, now, back).await
}

async fn conclude(
    recorder: &Recorder,
    room: &Room,
    pulled: Vec<Pulled>,
    now: Now,
    back: Duration,
) -> Study {
    let room = Arc::new(room.clone());
    let memory = recorder.memories();
    let memory = memory.room(&room.name);
    let memory = memory.map_or_else(RoomMemory::default, |memory| (**memory).clone());
    let versions = remembered_versions(recorder, &room, &memory).await;
    let work =
        tokio::task::spawn_blocking(move || decide(&room, memory, &versions, pulled, now, back));
    finished(work.await).await
}

async fn finished<T>(work: Result<T, JoinError>) -> T {
    match work {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and drops this next.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn remembered_versions(
    recorder: &Recorder,
    room: &Room,
    memory: &RoomMemory,
) -> BTreeMap<(String, VersionId), Arc<FeedVersion>> {
    let mut versions = BTreeMap::new();
    for feed in &room.feeds {
        let part = memory.feeds.get(feed.id.as_str());
        if let Some(version) = part.and_then(|part| part.believed)
            && let Some(found) = recorder.version(&feed.id, version).await
        {
            versions.insert((feed.id.as_str().to_owned(), version), found);
        }
    }
    versions
}

async fn pull(ground: &Ground, feed: &Feed, now: Now, insists: bool) -> Pulled {
    let mut view = FeedView::unknown(feed.id.clone());
    let memories = ground.recorder.memories();
    if let Some(memory) = memories.feed(&feed.id) {
        view.read_at = memory.read_at;
        if let Some(version) = memory.latest {
            view.latest = ground.recorder.version(&feed.id, version).await;
        }
    }
    let fetched =
        feed_task::fetch_afresh(feed, &ground.network, &ground.gate, insists, now.wall).await;
    let read = match fetched {
        Ok(fetched) => read(feed, fetched, now).await,
        Err(failure) => Err(failure),
    };
    let (reading, failure) = match read {
        Ok((version, reading)) => {
            view.latest = Some(Arc::new(version));
            view.read_at = Some(now.wall);
            view.successes = 1;
            view.succeeded_at = Some(now.monotonic);
            (reading, None)
        }
        Err(failure) => {
            let since = memories
                .feed(&feed.id)
                .and_then(|memory| memory.failing.as_ref().map(|failing| failing.since));
            view.failing = Some(FeedFailing {
                since: since.unwrap_or(now.wall),
                began: since.map_or(Past::now(now), |since| Past::restored(since, now)),
                failures: 1,
                failure: failure.clone(),
                not_before: None,
            });
            let latest = view.latest.as_deref();
            (
                latest.map(stage::reading_of).unwrap_or_default(),
                Some(failure),
            )
        }
    };
    view.attempts = 1;
    Pulled::new(view, reading, failure)
}

impl Pulled {
    fn new(view: FeedView, reading: Reading, failure: Option<Failure>) -> Self {
        let latest = view.latest.as_ref();
        let trouble = latest.map(|version| version.trouble.clone());
        let trouble = trouble.unwrap_or_default();
        let study = FeedStudy {
            id: view.id.clone(),
            failure,
            read_at: view.read_at.filter(|_| latest.is_some()),
            troubles: trouble.entries,
            unknown_zones: trouble.unknown_zones,
            missing: latest.map_or(0, |version| version.missing.len()),
            is_remembered: false,
        };
        Self {
            view,
            reading,
            study,
        }
    }

    /// As the service knows it.
    fn remembered(view: FeedView) -> Self {
        let reading = view.latest.as_deref().map(stage::reading_of);
        let failing = view.failing.as_ref();
        let failure = failing.map(|failing| failing.failure.clone());
        let mut remembered = Self::new(view, reading.unwrap_or_default(), failure);
        remembered.study.is_remembered = true;
        remembered
    }
}

/// The version that the service would keep, and all that the calendar says besides.
async fn read(feed: &Feed, fetched: Fetched, now: Now) -> Result<(FeedVersion, Reading), Failure> {
    let by = ReduceBy {
        from: now.wall,
        filters: [Only::default(), feed.only.clone()].into(),
        largest: LARGEST,
        host: feed.id.host().to_owned(),
    };
    let is_document = !matches!(feed.source, Source::CalDav { .. });
    let work = tokio::task::spawn_blocking(move || {
        let readings = fetched
            .items
            .iter()
            .filter_map(|item: &FeedItem| ics::read(item).ok());
        let reading = ics::merge(readings.collect());
        let download = Download {
            is_document,
            items: fetched.items,
            removed: Vec::new(),
            missing: fetched.missing,
            held: None,
            is_afresh: true,
        };
        reading::version(&download, &by).map(|version| (version, reading))
    });
    match work.await {
        Ok(read) => read,
        Err(_) => Err(feed_task::failed_inside(feed)),
    }
}

fn decide(
    room: &Arc<Room>,
    memory: RoomMemory,
    versions: &BTreeMap<(String, VersionId), Arc<FeedVersion>>,
    pulled: Vec<Pulled>,
    now: Now,
    back: Duration,
) -> Study {
    let settings = RoomSettings {
        room: room.clone(),
        shared_by: BTreeMap::new(),
        jitter: Duration::ZERO,
    };
    let mut controller = RoomController::new(settings, memory, versions, now);
    for one in &pulled {
        controller.learn_feed(one.view.clone(), now);
    }
    while let RoomStep::Compose(jobs) = controller.next(now) {
        let compositions = jobs
            .iter()
            .map(|job| {
                let meetings = stage::meetings_of(&job.version, job.place, room, job.basis.window);
                Composition {
                    place: job.place,
                    version: job.version.id,
                    basis: job.basis,
                    candidates: meetings.candidates.into(),
                    is_truncated: false,
                }
            })
            .collect();
        controller.learn_composed(compositions, now);
    }
    let view = controller.view(now);
    let mut feeds = Vec::new();
    let mut meetings = Vec::new();
    for (one, feed) in pulled.into_iter().zip(&room.feeds) {
        meetings.push(explained(one.reading, feed, room, now.wall, back));
        feeds.push(one.study);
    }
    let candidates: Vec<_> = meetings
        .iter()
        .map(|meetings: &FeedMeetings| meetings.candidates.as_slice())
        .collect();
    let merged = compose::merge(&candidates, &room.meetings);
    let verdicts = compose::verdicts(meetings, &merged, &room.meetings);
    Study {
        view,
        feeds,
        verdicts,
    }
}

/// The meetings of a calendar with a verdict on each of its events.
fn explained(
    reading: Reading,
    feed: &Feed,
    room: &Room,
    now: UnixTime,
    back: Duration,
) -> FeedMeetings {
    let window = room.window(now);
    let studied = Window::new(window.from().minus(back), window.to()).unwrap_or(window);
    let expansion = expand::expand(&reading.series, studied, &room.zone);
    let mut meetings = compose::of_feed(&expansion.occurrences, &feed.only, &room.meetings, window);
    meetings.left_out.extend(reading.verdicts);
    meetings.left_out.extend(expansion.verdicts);
    meetings
}
