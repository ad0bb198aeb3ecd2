//! The recorder: holds the newest value of everything that is remembered, and writes what
//! changed in one transaction at most once a second and at stop.
//!
//! Handing it a value never waits and never fails. Status, page and metrics read the same
//! values from here, without the disk. What alone changes with every look (when a pod was last
//! seen, one more of the same failure) is written with the next change of the same feed or pod,
//! and once an hour for all of them together.
//!
//! | what happens to the file | what the recorder does |
//! | --- | --- |
//! | a write fails: full disk, I/O error, read-only, locked | says so once, tries again on a new connection with growing waits, writes everything current when it works, says that too |
//! | it is deleted or replaced, with or without the lock file | opens what is there now, or begins a new one, and writes everything current |
//! | it turns out to be damaged | sets it aside and begins a new one |
//! | the disk does not answer at all | waits and says so; whoever waits for a pin or a sign-in is told after ten seconds |

mod desk;
mod shared;
mod trust;
mod underway;

use std::collections::BTreeSet;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use self::desk::{Desk, Extent};
use self::underway::Underway;
use crate::ledger::{Batch, HistoryLine, Ledger, LedgerError, Loaded, Result, ServiceTimes};
use crate::model::failure::Failure;
use crate::model::ledger_event::LedgerEvent;
use crate::model::memory::{FeedMemory, Memories, PodMemory, RoomMemory};
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::time::UnixTime;
use crate::model::version::{FeedVersion, VersionId};

/// How long the last write may take at stop, and whoever waits for the disk waits.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Pace {
    /// Changes within this are one transaction. Also the first wait after a write that
    /// failed; each further one is twice as long.
    pause: Duration,
    longest_retry: Duration,
    /// How often it is looked whether the file is still there.
    look: Duration,
    /// When everything was last seen is written this often.
    times: Duration,
    /// And every how many of these, validators that changed alone.
    validators: u32,
    prune: Duration,
}

const PACE: Pace = Pace {
    pause: Duration::from_secs(1),
    longest_retry: Duration::from_secs(15),
    look: Duration::from_secs(3),
    times: Duration::from_secs(3600),
    validators: 6,
    prune: Duration::from_secs(24 * 3600),
};

/// Whoever is handed the events of the ledger, such as the log.
pub type Listener = Box<dyn Fn(LedgerEvent) + Send + Sync>;
/// The wall clock.
pub type Wall = Box<dyn Fn() -> UnixTime + Send + Sync>;

/// Clones share everything.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    ledger: Ledger,
    pace: Pace,
    wall: Wall,
    listener: Listener,
    desk: Mutex<Desk>,
    state: Mutex<State>,
    /// Held by whoever writes.
    writing: tokio::sync::Mutex<()>,
    /// There is something to write.
    changed: Notify,
    /// The file may not be what it was.
    doubted: Notify,
}

struct State {
    failing: Option<Failing>,
    keep_history: Duration,
}

/// Writes that fail, since one that did not.
struct Failing {
    since: Instant,
    retry_at: Instant,
    failures: u32,
    failure: Failure,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.0.ledger).finish()
    }
}

impl Recorder {
    /// Goes on from what was loaded of the ledger. Nothing is written before [`Recorder::run`].
    #[must_use]
    pub fn new(
        ledger: Ledger,
        loaded: Loaded,
        keep_history: Duration,
        wall: Wall,
        listener: Listener,
    ) -> Self {
        Self::with_pace(PACE, ledger, loaded, keep_history, wall, listener)
    }

    fn with_pace(
        pace: Pace,
        ledger: Ledger,
        loaded: Loaded,
        keep_history: Duration,
        wall: Wall,
        listener: Listener,
    ) -> Self {
        Self(Arc::new(Shared {
            ledger,
            pace,
            wall,
            listener,
            desk: Mutex::new(Desk::new(loaded)),
            state: Mutex::new(State {
                failing: None,
                keep_history,
            }),
            writing: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            doubted: Notify::new(),
        }))
    }

    /// The newest value of everything. Costs nothing.
    #[must_use]
    pub fn memories(&self) -> Arc<Memories> {
        self.desk().memories()
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Why nothing can be written at present.
    #[must_use]
    pub fn failing(&self) -> Option<Failure> {
        let state = self.state();
        state
            .failing
            .as_ref()
            .map(|failing| failing.failure.clone())
    }

    /// What is remembered of a feed; `latest` where it is a version that the recorder was
    /// not given yet. Both are written together.
    pub fn feed(&self, feed: &FeedId, memory: FeedMemory, latest: Option<Arc<FeedVersion>>) {
        let is_change = self.desk().feed(feed.as_str(), memory, latest);
        self.wake(is_change);
    }

    pub fn room(&self, room: &RoomName, memory: RoomMemory) {
        let is_change = self.desk().room(room.as_str(), memory);
        self.wake(is_change);
    }

    pub fn pod(&self, pod: &PodUrl, memory: PodMemory) {
        let is_change = self.desk().pod(&pod.key(), memory);
        self.wake(is_change);
    }

    /// A pod's settings as JSON, without its secrets.
    pub fn pod_config(&self, pod: &PodUrl, json_without_secrets: String) {
        let at = (self.0.wall)();
        let is_change = self
            .desk()
            .pod_settings(&pod.key(), at, json_without_secrets);
        self.wake(is_change);
    }

    /// A pod's settings as they were handed over last, written or not.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn known_pod_config(&self, pod: &PodUrl) -> Result<Option<String>> {
        if let Some(json) = self.desk().unwritten_settings(&pod.key()) {
            return Ok(Some(json));
        }
        let known = self.in_time(self.0.ledger.pod_settings(pod)).await?;
        Ok(known.map(|(_, json)| json))
    }

    /// One of a streak counts; see [`HistoryLine::in_streak`].
    pub fn history(&self, line: HistoryLine) {
        let is_change = self.desk().lines.add(line);
        self.wake(is_change);
    }

    /// Forgets feeds, rooms and pods that the configuration no longer names, so the lists
    /// must be whole. Pins, sign-ins and history stay.
    pub fn keep_only(&self, feeds: &[FeedId], rooms: &[RoomName], pods: &[PodUrl]) {
        let feeds: BTreeSet<_> = feeds.iter().map(|feed| feed.as_str().to_owned()).collect();
        let rooms: BTreeSet<_> = rooms.iter().map(|room| room.as_str().to_owned()).collect();
        let pods: BTreeSet<_> = pods.iter().map(PodUrl::key).collect();
        let is_change = self.desk().keep_only(&feeds, &rooms, &pods);
        self.wake(is_change);
    }

    /// For how long lines of the history are kept; looked at once a day.
    pub fn set_keep_history(&self, keep: Duration) {
        self.state().keep_history = keep;
    }

    pub fn service_started(&self, version: &str) {
        let times = ServiceTimes {
            started_at: Some((self.0.wall)()),
            stopped_at: None,
            version: Some(version.to_owned()),
        };
        self.desk().set_service(times);
        self.wake(true);
    }

    /// Writes what changed without waiting for the next round, for whoever reads the
    /// ledger right after.
    pub async fn write_now(&self) {
        let recorder = self.clone();
        // Who waits may give up; the write comes to its end.
        let write = tokio::spawn(async move { recorder.write(Extent::Changes).await });
        let _ = timeout(PATIENCE, write).await;
    }

    /// How the service is doing, as it was written down last.
    #[must_use]
    pub fn service(&self) -> ServiceTimes {
        self.desk().service().clone()
    }

    /// Before the stop of the recorder itself.
    pub fn service_stopped(&self) {
        let mut desk = self.desk();
        let times = ServiceTimes {
            stopped_at: Some((self.0.wall)()),
            ..desk.service().clone()
        };
        desk.set_service(times);
    }

    /// A version that a memory names: from memory where somebody still holds it, so that
    /// what many rooms share is there once, else from the disk.
    ///
    /// `None` where it cannot be had whole; then it counts as never read.
    pub async fn version(&self, feed: &FeedId, id: VersionId) -> Option<Arc<FeedVersion>> {
        if let Some(version) = self.desk().known_version(feed.as_str(), id) {
            return Some(version);
        }
        let read = self.in_time(self.0.ledger.version(feed, id)).await;
        if read.as_ref().is_err_and(LedgerError::is_damage) {
            self.0.doubted.notify_one();
        }
        match read {
            Ok(Some(version)) => {
                let version = Arc::new(version);
                self.desk().note_version(feed.as_str(), &version);
                Some(version)
            }
            Ok(None) => {
                self.desk().distrust(feed.as_str(), id);
                None
            }
            Err(_) => None,
        }
    }

    /// Writes what changes until `stop` resolves, and then once more.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut rounds = pin!(self.rounds(stopped));
        tokio::select! {
            () = stop => {}
            () = &mut rounds => {}
        }
        stopping.send_replace(true);
        let last = async {
            // A write that is on its way comes to its end.
            rounds.await;
            if !self.write(Extent::All).await {
                self.write(Extent::All).await;
            }
        };
        // A disk that does not answer must not keep the process.
        let _ = timeout(PATIENCE, last).await;
    }

    async fn rounds(&self, mut stopped: watch::Receiver<bool>) {
        let (pace, start) = (self.0.pace, Instant::now());
        let (mut times_due, mut prune_due, mut hours) = (start + pace.times, start, 0);
        let mut look_due = start + pace.look;
        loop {
            let retry_due = self
                .state()
                .failing
                .as_ref()
                .map(|failing| failing.retry_at);
            let is_doubted = tokio::select! {
                _ = stopped.wait_for(|is_stopped| *is_stopped) => return,
                () = self.0.changed.notified(), if retry_due.is_none() => false,
                () = sleep_until(retry_due.unwrap_or(look_due)), if retry_due.is_some() => false,
                () = sleep_until(look_due) => false,
                () = self.0.doubted.notified() => true,
            };
            let now = Instant::now();
            look_due = now + pace.look;
            let is_usable = match is_doubted || !self.is_in_place().await {
                true => self.open_again().await,
                false => retry_due.is_none_or(|due| now >= due),
            };
            let extent = match now >= times_due {
                true if hours % pace.validators == pace.validators - 1 => Extent::All,
                true => Extent::ChangesAndTimes,
                false => Extent::Changes,
            };
            if is_usable && self.write(extent).await {
                if now >= times_due {
                    (times_due, hours) = (now + pace.times, hours + 1);
                }
                if now >= prune_due {
                    prune_due = now + pace.prune;
                    let keep = self.state().keep_history;
                    let _ = self.0.ledger.prune_history((self.0.wall)(), keep).await;
                }
            }
            let pause = timeout(pace.pause, stopped.wait_for(|is_stopped| *is_stopped));
            if pause.await.is_ok() {
                return;
            }
        }
    }

    /// Writes what there is to write; says whether all is written now.
    async fn write(&self, extent: Extent) -> bool {
        // What is newer must not be overwritten by what is older.
        let _turn = self.0.writing.lock().await;
        loop {
            let outgoing = self.desk().outgoing(extent);
            if outgoing.batch.is_empty() {
                return self.failing().is_none();
            }
            let is_part = outgoing.is_part;
            let underway = Underway::new(self, outgoing);
            match underway.store().await {
                Ok(()) => {
                    underway.wrote();
                    self.recovered();
                    if !is_part {
                        return true;
                    }
                }
                Err(error) => {
                    drop(underway);
                    self.failed(&error);
                    if error.is_damage() {
                        self.open_again().await;
                    }
                    return false;
                }
            }
        }
    }

    /// Whether the file is still the one that was opened; asked beside the tasks, since a disk
    /// may not answer.
    async fn is_in_place(&self) -> bool {
        let ledger = self.0.ledger.clone();
        let look = tokio::task::spawn_blocking(move || ledger.is_in_place());
        look.await.unwrap_or(false)
    }

    /// Waits for as long as the disk takes; a disk that takes long is said.
    async fn store(&self, batch: &Batch) -> Result<()> {
        let mut store = pin!(self.0.ledger.store(batch));
        match timeout(PATIENCE, &mut store).await {
            Ok(written) => written,
            Err(_) => {
                self.failed(&self.no_answer());
                store.await
            }
        }
    }

    /// Opens what is at the ledger's place now. Says whether it can be used.
    async fn open_again(&self) -> bool {
        match self.0.ledger.reopen((self.0.wall)()).await {
            Ok(events) => {
                for event in events {
                    (self.0.listener)(event);
                }
                if !self.0.ledger.is_on_server() {
                    self.desk().file_is_new();
                }
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn failed(&self, error: &LedgerError) {
        let failure = error.failure();
        let mut state = self.state();
        let now = Instant::now();
        if let Some(failing) = &mut state.failing {
            failing.failures = failing.failures.saturating_add(1);
            failing.failure = failure;
            let doublings = failing.failures.saturating_sub(1).min(8);
            let wait = self.0.pace.pause.saturating_mul(1 << doublings);
            failing.retry_at = now + wait.min(self.0.pace.longest_retry);
            return;
        }
        state.failing = Some(Failing {
            since: now,
            retry_at: now + self.0.pace.pause,
            failures: 1,
            failure: failure.clone(),
        });
        drop(state);
        let path = self.0.ledger.name().to_owned();
        (self.0.listener)(match error {
            LedgerError::ServiceRunning { .. } => LedgerEvent::LostToAnother { path, failure },
            _ => LedgerEvent::WriteFailed { path, failure },
        });
    }

    fn recovered(&self) {
        let Some(failing) = self.state().failing.take() else {
            return;
        };
        let lost_history = self.desk().lines.take_lost();
        (self.0.listener)(LedgerEvent::WriteRecovered {
            path: self.0.ledger.name().to_owned(),
            failed_for: failing.since.elapsed(),
            failures: failing.failures,
            lost_history,
        });
    }

    /// A disk that does not answer must not hold up whoever asks.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match timeout(PATIENCE, work).await {
            Ok(done) => done,
            Err(_) => Err(self.no_answer()),
        }
    }

    fn no_answer(&self) -> LedgerError {
        LedgerError::NoAnswer {
            path: self.0.ledger.name().to_owned(),
        }
    }

    fn wake(&self, is_change: bool) {
        if is_change {
            self.0.changed.notify_one();
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
