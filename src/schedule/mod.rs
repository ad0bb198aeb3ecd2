//! The service: a task for each room and one for each pod, until it is told to stop.
//!
//! Tasks share nothing but the edges, so a slow or dead room or pod delays nobody;
//! a panic costs one cycle of one room. The tasks of a room and of its pods speak
//! through the ledger, and a pod's task wakes its room when a display needs a push.

pub mod due;
pub mod signals;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, warn};

use crate::config::{Config, Pod, Room, Schedule};
use crate::edges::Edges;
use crate::fault::Fault as _;
use crate::ledger::old::LedgerError;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
use crate::plan::Wish;
use crate::sync::{self, Look, Manner, Pull};
use crate::telemetry::events;
use crate::watch::{self as poll, Found};

/// The time, given from outside.
pub type Clock = fn() -> UnixTime;

/// What is in flight at a stop may take so long to end.
const GRACE: Duration = Duration::from_secs(5);
/// Nothing sleeps longer at a time, so that a clock that is set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
const TIDY_EVERY: Duration = Duration::from_secs(24 * 3600);

/// All that the tasks of one service share.
struct Service {
    config: Arc<Config>,
    edges: Arc<Edges>,
    clock: Clock,
    stop: watch::Receiver<bool>,
}

/// Serves every room and pod of the configuration until `stop` turns true, then
/// lets what is in flight end, for a few seconds at the most.
pub async fn run(
    config: Arc<Config>,
    edges: Arc<Edges>,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    let service = Arc::new(Service {
        config,
        edges,
        clock,
        stop: stop.clone(),
    });
    let mut tasks = JoinSet::new();
    for room in service.config.rooms.clone() {
        let room = Arc::new(room);
        let wake = Arc::new(Notify::new());
        for pod in room.pods.clone() {
            tasks.spawn(service.clone().watch_pod(room.clone(), pod, wake.clone()));
        }
        tasks.spawn(service.clone().serve_room(room, wake));
    }
    tasks.spawn(service.clone().tidy());
    let _ = stop.wait_for(|stop| *stop).await;
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        debug!("cut short what was still in flight");
    }
}

impl Service {
    fn schedule(&self) -> &Schedule {
        &self.config.schedule
    }

    fn zone(&self) -> &Zone {
        &self.config.time_zone
    }

    async fn serve_room(self: Arc<Self>, room: Arc<Room>, wake: Arc<Notify>) {
        let jitter = due::jitter(room.name.as_str(), self.schedule().jitter);
        let mut failures = 0_u32;
        let mut next = (self.clock)().plus(jitter);
        loop {
            let pull = tokio::select! {
                biased;
                () = self.stopped() => return,
                () = wake.notified() => Pull::Held,
                () = self.reached(next, jitter) => Pull::WhenAllowed,
            };
            let worth_retrying = self.clone().cycle(room.clone(), pull).await;
            failures = if worth_retrying {
                failures.saturating_add(1)
            } else {
                0
            };
            let now = (self.clock)();
            let scheduled =
                due::next_sync(now, &self.schedule().sync, self.zone(), jitter, failures);
            // A push on demand does not put off the pull that is due.
            next = if pull == Pull::Held {
                next.min(scheduled)
            } else {
                scheduled
            };
        }
    }

    /// One cycle of a room; whether it is worth trying again soon.
    async fn cycle(self: Arc<Self>, room: Arc<Room>, pull: Pull) -> bool {
        let now = (self.clock)();
        let manner = Manner {
            wish: Wish::default(),
            pull,
            look: Look::BeforePush,
        };
        let (edges, of) = (self.edges.clone(), room.clone());
        let task = tokio::spawn(async move {
            let outcome = sync::sync_room(&edges, &of, now, manner).await?;
            sync::log(&outcome);
            edges.ledger.beat(now).await?;
            Ok::<_, LedgerError>(outcome.is_worth_retrying())
        });
        let name = &room.name;
        match task.await {
            Ok(Ok(worth_retrying)) => worth_retrying,
            Ok(Err(fault)) => {
                let (says, hint) = (crate::fault::chain(&fault), fault.hint());
                error!(event = events::ROOM_FAILED, room = %name, "room `{name}`: {says}; {hint}");
                true
            }
            Err(panic) if panic.is_panic() => {
                error!(
                    event = events::ROOM_FAILED, room = %name,
                    "room `{name}`: a cycle failed inside podcal, which is a fault of podcal; the next one tries again"
                );
                false
            }
            Err(_) => false,
        }
    }

    async fn watch_pod(self: Arc<Self>, room: Arc<Room>, pod: Pod, wake: Arc<Notify>) {
        let jitter = due::jitter(&pod.url.key(), self.schedule().jitter);
        let start = (self.clock)();
        let mut last = None;
        let mut config_was_read = false;
        let mut config_was_last = false;
        loop {
            let now = (self.clock)();
            let (zone, apart) = (self.zone(), pod.min_interval);
            let next = |cron| due::next_poll(now, cron, zone, jitter, last, apart);
            // A new service looks at the display first, and at the configuration next.
            let (health, config) = match last {
                None => (start.plus(jitter), UnixTime::MAX),
                Some(last) if !config_was_read => (next(&self.schedule().health), last.plus(apart)),
                Some(_) => (next(&self.schedule().health), next(&self.schedule().config)),
            };
            tokio::select! {
                biased;
                () = self.stopped() => return,
                () = self.reached(health.min(config), jitter) => {}
            }
            let now = (self.clock)();
            last = Some(now);
            // Where both are due at once they take turns, `min_interval` apart.
            config_was_last = config < health || (config == health && !config_was_last);
            if config_was_last {
                config_was_read = true;
                self.clone()
                    .poll_config(room.clone(), pod.clone(), now)
                    .await;
                continue;
            }
            let found = self
                .clone()
                .poll_health(room.clone(), pod.clone(), now)
                .await;
            if found == Found::NeedsPush {
                wake.notify_one();
            }
        }
    }

    async fn poll_health(self: Arc<Self>, room: Arc<Room>, pod: Pod, now: UnixTime) -> Found {
        let task = tokio::spawn({
            let service = self.clone();
            let (room, pod) = (room.clone(), pod.clone());
            async move { poll::poll_health(&service.edges, &room, &pod, now).await }
        });
        self.polled(&room, &pod, task.await)
            .unwrap_or(Found::NoAnswer)
    }

    async fn poll_config(self: Arc<Self>, room: Arc<Room>, pod: Pod, now: UnixTime) {
        let task = tokio::spawn({
            let service = self.clone();
            let (room, pod) = (room.clone(), pod.clone());
            async move { poll::poll_config(&service.edges, &room, &pod, now).await }
        });
        self.polled(&room, &pod, task.await);
    }

    fn polled<T>(
        &self,
        room: &Room,
        pod: &Pod,
        done: Result<Result<T, LedgerError>, tokio::task::JoinError>,
    ) -> Option<T> {
        let (name, url) = (&room.name, &pod.url);
        match done {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(fault)) => {
                let (says, hint) = (crate::fault::chain(&fault), fault.hint());
                error!(event = events::ROOM_FAILED, room = %name, pod = %url, "room `{name}`: {says}; {hint}");
            }
            Err(_) => {
                error!(
                    event = events::ROOM_FAILED, room = %name, pod = %url,
                    "room `{name}`: a poll of {url} failed inside podcal, which is a fault of podcal"
                );
            }
        }
        None
    }

    /// Once a day, forgets what is too old, and what is no longer configured.
    async fn tidy(self: Arc<Self>) {
        let rooms: Vec<_> = self
            .config
            .rooms
            .iter()
            .map(|room| room.name.clone())
            .collect();
        let feeds: Vec<_> = self
            .config
            .rooms
            .iter()
            .flat_map(|room| room.feeds.iter().map(|feed| feed.id.clone()))
            .collect();
        let pods: Vec<_> = self
            .config
            .rooms
            .iter()
            .flat_map(|room| room.pods.iter().map(|pod| pod.url.clone()))
            .collect();
        loop {
            let now = (self.clock)();
            let ledger = &self.edges.ledger;
            let pruned = async {
                ledger.prune(now).await?;
                ledger.prune_unknown(&rooms, &feeds, &pods).await
            };
            if let Err(fault) = pruned.await {
                let says = crate::fault::chain(&fault);
                warn!(
                    event = events::ROOM_FAILED,
                    "the ledger could not be tidied: {says}"
                );
            }
            tokio::select! {
                () = self.stopped() => return,
                () = self.reached(now.plus(TIDY_EVERY), Duration::ZERO) => {}
            }
        }
    }

    async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // The sender is gone only when the service is.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Waits until the clock has reached `at`, and for what the jitter has below a second.
    async fn reached(&self, at: UnixTime, jitter: Duration) {
        loop {
            let left = at.since((self.clock)());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(jitter.subsec_millis()))).await;
    }
}
