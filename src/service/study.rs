//! What the service would have one room show, asked once and with every reason: for
//! `agenda`, `explain` and `check`. The room's own controller decides, so holds, feeds that
//! were never read and stale ones count as they do in the service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use super::feed_task::{self, Fetched};
use super::reading::{self, Download, ReduceBy, Unread};
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
use crate::model::agenda::Agenda;
use crate::model::failure::Failure;
use crate::model::item::FeedItem;
use crate::model::meeting::Meeting;
use crate::model::memory::RoomMemory;
use crate::model::name::FeedId;
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::{Rule, Subject, Verdict};
use crate::model::version::{FeedVersion, VersionId};

/// Bodies larger than this are not read by a command.
const LARGEST: u64 = 1 << 30;

/// One room, studied.
pub struct Study {
    pub view: RoomView,
    pub feeds: Vec<FeedStudy>,
    /// One for each event near the window, by the calendars as they are now, and for each
    /// meeting that is kept without them.
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
    /// Members that are listed and could not be fetched.
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

/// The time that verdicts are about, and how long before it they begin.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    pub at: UnixTime,
    pub back: Duration,
}

impl AsOf {
    /// What is to come from that time on.
    #[must_use]
    pub fn from(at: UnixTime) -> Self {
        Self {
            at,
            back: Duration::ZERO,
        }
    }
}

/// Pulls every feed of a room afresh and lets its controller decide. `insists`: although
/// sign-in is paused.
pub async fn study(ground: &Ground, room: &Room, as_of: AsOf, insists: bool) -> Study {
    let now = ground.clock.now();
    let mut pulled = Vec::new();
    for feed in &room.feeds {
        pulled.push(pull(ground, feed, now, insists).await);
    }
    conclude(&ground.recorder, room, pulled, now, as_of).await
}

/// The same from what the service read last, without a request to anybody.
pub async fn study_remembered(
    recorder: &Recorder,
    room: &Room,
    feeds: Vec<FeedView>,
    now: Now,
    as_of: AsOf,
) -> Study {
    let read = tokio::task::spawn_blocking(move || {
        let feeds = feeds.into_iter();
        feeds.map(Pulled::remembered).collect::<Vec<_>>()
    });
    let pulled = finished(read.await).await;
    conclude(recorder, room, pulled, now, as_of).await
}

async fn conclude(
    recorder: &Recorder,
    room: &Room,
    pulled: Vec<Pulled>,
    now: Now,
    as_of: AsOf,
) -> Study {
    let room = Arc::new(room.clone());
    let memory = recorder.memories();
    let memory = memory.room(&room.name);
    let memory = memory.map_or_else(RoomMemory::default, |memory| (**memory).clone());
    let versions = remembered_versions(recorder, &room, &memory).await;
    let work =
        tokio::task::spawn_blocking(move || decide(&room, memory, &versions, pulled, now, as_of));
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
        memory: u64::MAX,
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
        match reading::version(&download, &by) {
            Ok(version) => Ok((version, reading)),
            Err(Unread::Failed(failure)) => Err(failure),
            Err(Unread::NeedsMemory) => Err(reading::needs_too_much(&by)),
        }
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
    as_of: AsOf,
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
        meetings.push(explained(one.reading, feed, room, as_of));
        feeds.push(one.study);
    }
    let candidates: Vec<_> = meetings
        .iter()
        .map(|meetings: &FeedMeetings| meetings.candidates.as_slice())
        .collect();
    let merged = compose::merge(&candidates, &room.meetings);
    let mut verdicts = compose::verdicts(meetings, &merged, &room.meetings);
    if let Some(agenda) = &view.wanted.agenda {
        let kept = kept(agenda, &verdicts);
        verdicts.extend(kept.into_iter().filter(|one| stays(&view, one, as_of)));
    }
    Study {
        view,
        feeds,
        verdicts,
    }
}

/// What the display is to show and no calendar has any more: held, or kept until it ends.
fn kept(agenda: &Agenda, verdicts: &[Verdict]) -> Vec<Verdict> {
    // By time, for a verdict knows no id: first those whose title a calendar has as well.
    let mut accounted: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for verdict in verdicts
        .iter()
        .filter(|verdict| is_in_calendar(&verdict.rule))
    {
        if let (Some(start), Some(end), Subject::Event(details)) =
            (verdict.start, verdict.end, &verdict.subject)
        {
            let titles = accounted.entry((start, end)).or_default();
            titles.push(details.summary.as_deref().unwrap_or_default());
        }
    }
    let mut meetings: Vec<&Meeting> = agenda.meetings().iter().collect();
    let is_titled_so = |meeting: &Meeting| {
        let titles = accounted.get(&(meeting.start_time, meeting.end_time));
        titles.is_some_and(|titles| titles.contains(&&*meeting.title))
    };
    meetings.sort_by_key(|meeting| (meeting.start_time, meeting.end_time, !is_titled_so(meeting)));
    let mut kept = Vec::new();
    for meeting in meetings {
        let times = (meeting.start_time, meeting.end_time);
        if accounted
            .get_mut(&times)
            .is_some_and(|titles| titles.pop().is_some())
        {
            continue;
        }
        kept.push(Verdict {
            subject: Subject::Kept(Box::new(meeting.clone())),
            start: Some(meeting.start_time),
            end: Some(meeting.end_time),
            rule: Rule::Kept,
        });
    }
    kept
}

/// Whether it is a meeting by its calendar, now or at another time.
fn is_in_calendar(rule: &Rule) -> bool {
    rule.is_shown()
        || matches!(
            rule,
            Rule::Ended | Rule::OutsideWindow | Rule::BeyondMax { .. } | Rule::Duplicate
        )
}

/// Whether it is still on the display at that time: what is held leaves when the hold ends.
fn stays(view: &RoomView, kept: &Verdict, as_of: AsOf) -> bool {
    if kept.end.is_none_or(|end| end <= as_of.at) {
        return false;
    }
    let until = view.held.iter().map(|held| held.until).max();
    until
        .filter(|_| view.kept == 0)
        .is_none_or(|until| as_of.at < until && kept.start.is_some_and(|start| start < until))
}

/// The meetings of a calendar with a verdict on each of its events.
fn explained(reading: Reading, feed: &Feed, room: &Room, as_of: AsOf) -> FeedMeetings {
    let window = room.window(as_of.at);
    let studied = Window::new(window.from().minus(as_of.back), window.to()).unwrap_or(window);
    let expansion = expand::expand(&reading.series, studied, &room.zone);
    let mut meetings = compose::of_feed(&expansion.occurrences, &feed.only, &room.meetings, window);
    meetings.left_out.extend(reading.verdicts);
    meetings.left_out.extend(expansion.verdicts);
    meetings
}
