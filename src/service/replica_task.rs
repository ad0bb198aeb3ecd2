//! The shell of `control::lease`: asks the database, tells the service which rooms to serve,
//! and takes along what the last owner of a room knew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::Service;
use super::clock::Clock;
use super::recorder::Recorder;
use super::restart::Keeper;
use super::room_task::RoomLosses;
use crate::config::Config;
use crate::control::brake::RememberedLoss;
use crate::control::lease::{LeaseController, LeaseEvent, TurnFailure};
use crate::ledger::{Ledger, LedgerError, ReadUpTo, RollCache, RoomRequest};
use crate::model::digest::{Parts, hex};
use crate::model::name::{FeedId, RoomName};
use crate::model::replica::{KnownRooms, ReplicaId, Roll};
use crate::model::version::FeedVersion;
use crate::telemetry::{self, words};

/// What the other replicas found is read this often, for the page and the metrics.
const NEWS_EVERY: Duration = Duration::from_secs(5);

/// Which rooms are served here, and what is held in memory for those that are new.
#[derive(Clone, Default)]
pub struct Share {
    /// Each has another one.
    pub number: u64,
    pub rooms: BTreeSet<RoomName>,
    /// So that starting a room's tasks does not ask the database.
    held_versions: Arc<Vec<Arc<FeedVersion>>>,
}

enum Command {
    Configure(Arc<Config>),
    Serves(u64, BTreeSet<RoomName>),
}

/// The replica that this process is, at work.
pub struct ReplicaTask {
    me: ReplicaId,
    share: watch::Receiver<Share>,
    roll: watch::Receiver<Arc<Roll>>,
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl ReplicaTask {
    /// Begins to ask for rooms; `None` of a ledger in a file, which has one process alone.
    #[must_use]
    pub fn start(
        service: &Service,
        recorder: &Recorder,
        clock: Clock,
    ) -> Option<(Self, mpsc::UnboundedReceiver<RoomRequest>)> {
        let me = recorder.ledger().replica()?;
        let config = &service.config;
        let (sender, share) = watch::channel(Share::default());
        let (roll_sender, roll) = watch::channel(Arc::default());
        let (commands, mailbox) = mpsc::unbounded_channel();
        let (requests, asked) = mpsc::unbounded_channel();
        let now = clock.now().monotonic;
        let lease = Ledger::LEASE;
        let work = Work {
            controller: LeaseController::new(me.clone(), lease, known_rooms(config), now),
            config: config.clone(),
            recorder: recorder.clone(),
            clock,
            share: sender,
            roll: roll_sender,
            mailbox,
            requests,
            losses: service.joints.losses.clone(),
            told: BTreeMap::new(),
            cache: RollCache::default(),
            read_up_to: ReadUpTo::default(),
            news_at: Instant::now(),
            served: 0,
            is_described: true,
            may_read_news: false,
        };
        let task = Self {
            me,
            share,
            roll,
            commands,
            task: tokio::spawn(run(work)),
        };
        Some((task, asked))
    }

    /// Waits for something that is asked of this replica.
    pub async fn request(
        requests: Option<&mut mpsc::UnboundedReceiver<RoomRequest>>,
    ) -> RoomRequest {
        let request = match requests {
            Some(requests) => requests.recv().await,
            None => None,
        };
        match request {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// Waits for another share; without end where there is no replica.
    pub async fn changed(replica: Option<&mut Self>) -> Share {
        let Some(replica) = replica else {
            return std::future::pending().await;
        };
        match replica.share.changed().await {
            Ok(()) => replica.share.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Of all rooms but those of this share, every task has ended.
    pub fn serves(&self, share: &Share) {
        let serves = Command::Serves(share.number, share.rooms.clone());
        let _ = self.commands.send(serves);
    }

    /// A new configuration is in force.
    pub fn configure(&self, config: Arc<Config>) {
        let _ = self.commands.send(Command::Configure(config));
    }

    /// Who serves what, as the database said last.
    #[must_use]
    pub fn roll(&self) -> Arc<Roll> {
        self.roll.borrow().clone()
    }

    /// Whether the rooms that belong to this replica are served.
    #[must_use]
    pub fn is_settled(&self, service: &Service) -> bool {
        let roll = self.roll.borrow();
        let mine = roll.owners.iter().filter(|(_, owner)| **owner == self.me);
        let mine: BTreeSet<&RoomName> = mine.map(|(room, _)| room).collect();
        let served = service.served.iter().flatten().collect();
        !roll.owners.is_empty() && mine == served
    }

    /// No room is asked for any more.
    pub async fn end(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for ReplicaTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What others compare: the rooms, each with its calendars and pods.
#[must_use]
pub fn known_rooms(config: &Config) -> KnownRooms {
    let rooms = config.rooms.iter().map(|room| {
        let feeds = room.feeds.iter().map(|feed| feed.id.as_str().to_owned());
        let pods = room.pods.iter().map(|pod| pod.url.key());
        let parts: Vec<String> = feeds.chain(pods).collect();
        (room.name.clone(), digest(parts.iter().map(String::as_str)))
    });
    let rooms: BTreeMap<RoomName, String> = rooms.collect();
    let all = rooms.iter();
    let all = all.flat_map(|(room, digest)| [room.as_str(), digest.as_str()]);
    KnownRooms {
        digest: digest(all),
        rooms,
    }
}

fn digest<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let parts: Vec<&str> = parts.collect();
    hex(Parts::of(&parts).get(..10).unwrap_or_default())
}

async fn run(mut work: Work) {
    let mut keeper = Keeper::new("the share of the rooms");
    while keeper.failed(work.run()).await {}
}

struct Work {
    controller: LeaseController,
    config: Arc<Config>,
    recorder: Recorder,
    clock: Clock,
    share: watch::Sender<Share>,
    roll: watch::Sender<Arc<Roll>>,
    mailbox: mpsc::UnboundedReceiver<Command>,
    requests: mpsc::UnboundedSender<RoomRequest>,
    /// The brake counts over the whole building.
    losses: mpsc::UnboundedSender<RoomLosses>,
    /// Of rooms that others serve.
    told: BTreeMap<RoomName, Vec<RememberedLoss>>,
    cache: RollCache,
    read_up_to: ReadUpTo,
    news_at: Instant,
    /// The number of the share that the service has now.
    served: u64,
    /// Whether the others can read of the configuration that is in force.
    is_described: bool,
    /// The database answered, so that more can be asked of it.
    may_read_news: bool,
}

/// What came of asking.
enum Asked {
    Roll(Roll),
    Lost,
    Failed(TurnFailure),
}

impl Work {
    async fn run(&mut self) {
        loop {
            let now = self.clock.now().monotonic;
            let ended = self.controller.ended(now);
            self.say(&ended);
            self.publish().await;
            self.read_news().await;
            let wake = self.controller.ask_at().min(self.controller.ends_at());
            tokio::select! {
                command = self.mailbox.recv() => match command {
                    Some(command) => {
                        self.take(command).await;
                        continue;
                    }
                    None => return,
                },
                () = self.clock.sleep_until(wake) => {}
            }
            if self.controller.ask_at() <= self.clock.now().monotonic {
                self.ask().await;
            }
        }
    }

    async fn take(&mut self, command: Command) {
        let now = self.clock.now().monotonic;
        match command {
            Command::Configure(config) => {
                self.controller.configure(known_rooms(&config), now);
                self.config = config;
                self.is_described = false;
            }
            Command::Serves(number, rooms) => {
                self.served = number;
                // The brake forgot those that went.
                self.told.clear();
                // The next owner reads what the tasks of the others wrote down.
                let _ = timeout(self.left(), self.recorder.write_for_others()).await;
                self.controller.serves(&rooms, self.clock.now().monotonic);
            }
        }
    }

    /// One turn. The lease may end while the database does not answer.
    async fn ask(&mut self) {
        self.describe().await;
        let sent = self.clock.now().monotonic;
        let (ledger, turn) = (self.recorder.ledger().clone(), self.controller.turn());
        let mut cache = std::mem::take(&mut self.cache);
        let asking = tokio::spawn(async move {
            let roll = ledger.turn(&turn, &mut cache).await;
            (roll, cache)
        });
        let mut asking = std::pin::pin!(asking);
        let answer = loop {
            let ends_at = self.controller.ends_at();
            tokio::select! {
                answer = &mut asking => break answer,
                () = self.clock.sleep_until(ends_at) => {
                    let ended = self.controller.ended(self.clock.now().monotonic);
                    self.say(&ended);
                    self.publish().await;
                }
            }
        };
        let asked = match answer {
            Ok((roll, cache)) => {
                self.cache = cache;
                match roll {
                    Ok(Some(roll)) => Asked::Roll(roll),
                    Ok(None) => Asked::Lost,
                    Err(error) => Asked::Failed(failure(&error)),
                }
            }
            Err(_) => Asked::Failed(TurnFailure::NoAnswer),
        };
        let now = self.clock.now().monotonic;
        match asked {
            Asked::Roll(roll) => {
                let events = self.controller.learn(&roll, sent, now);
                self.say(&events);
                self.roll.send_replace(Arc::new(roll));
                self.may_read_news = true;
                self.take_requests().await;
            }
            Asked::Lost => {
                let events = self.controller.lost(now);
                self.say(&events);
                self.publish().await;
                self.begin_again().await;
            }
            Asked::Failed(why) => self.controller.failed(why, now),
        }
    }

    /// Tells the others of a new configuration.
    async fn describe(&mut self) {
        if self.is_described {
            return;
        }
        let known = known_rooms(&self.config);
        let described = timeout(self.left(), self.recorder.ledger().describe(&known)).await;
        self.is_described = matches!(described, Ok(Ok(())));
    }

    /// A new lease. What was not written yet is about rooms that others may serve now.
    async fn begin_again(&mut self) {
        // Nothing of theirs is written any more.
        while self.served != self.share.borrow().number {
            match self.mailbox.recv().await {
                Some(Command::Serves(number, _)) => self.served = number,
                Some(Command::Configure(config)) => {
                    let now = self.clock.now().monotonic;
                    self.controller.configure(known_rooms(&config), now);
                    self.config = config;
                }
                None => return,
            }
        }
        self.recorder.forget_unwritten();
        self.read_up_to = ReadUpTo::default();
        let known = known_rooms(&self.config);
        let registered = self
            .recorder
            .ledger()
            .register(env!("CARGO_PKG_VERSION"), &known);
        if let Err(error) = registered.await {
            self.controller
                .failed(failure(&error), self.clock.now().monotonic);
        }
    }

    /// Tells the service which rooms to serve. Those that go, go at once; those that come wait
    /// until it is known here what their last owner knew.
    async fn publish(&mut self) {
        let rooms = self.controller.serve(self.clock.now().monotonic);
        let before = self.share.borrow().rooms.clone();
        if rooms == before {
            return;
        }
        if !before.is_subset(&rooms) {
            let kept = &before & &rooms;
            self.share.send_modify(|share| {
                share.number += 1;
                share.rooms = kept;
            });
        }
        let new = &rooms - &before;
        if new.is_empty() {
            return;
        }
        let prepared = timeout(self.left(), self.prepare(&new, &before)).await;
        let Ok(Some((versions, read_up_to))) = prepared else {
            return;
        };
        self.read_up_to = read_up_to;
        // The lease may have ended meanwhile.
        let rooms = &rooms & &self.controller.serve(self.clock.now().monotonic);
        self.share.send_modify(|share| {
            share.number += 1;
            share.rooms = rooms;
            share.held_versions = Arc::new(versions);
        });
    }

    /// Reads what the last owners of these rooms knew.
    async fn prepare(
        &self,
        new: &BTreeSet<RoomName>,
        served: &BTreeSet<RoomName>,
    ) -> Option<(Vec<Arc<FeedVersion>>, ReadUpTo)> {
        let news = self.recorder.ledger().news(self.read_up_to, true).await;
        let (news, read_up_to) = news.ok()?;
        // Also of those that are being given up the newest is known here.
        let own = &(self.controller.owned() - new) | served;
        self.recorder.take_news(news, &self.config, &own);
        Some((self.versions_of(new).await, read_up_to))
    }

    /// How long the lease still is.
    fn left(&self) -> Duration {
        let now = self.clock.now().monotonic;
        self.controller.ends_at().since(now)
    }

    async fn versions_of(&self, rooms: &BTreeSet<RoomName>) -> Vec<Arc<FeedVersion>> {
        let memories = self.recorder.memories();
        let mut found = Vec::new();
        for room in self
            .config
            .rooms
            .iter()
            .filter(|room| rooms.contains(&room.name))
        {
            let memory = memories.room(&room.name);
            for feed in &room.feeds {
                let id: &FeedId = &feed.id;
                let part = memory.and_then(|memory| memory.feeds.get(id.as_str()));
                let believed = part.and_then(|part| part.believed);
                let replaced = part.and_then(|part| part.replaced.as_ref());
                let latest = memories.feed(id).and_then(|memory| memory.latest);
                let named = [believed, replaced.map(|one| one.version), latest];
                for version in named.into_iter().flatten().collect::<BTreeSet<_>>() {
                    found.extend(self.recorder.version(id, version).await);
                }
            }
        }
        found
    }

    async fn take_requests(&self) {
        if !self.cache.has_requests {
            return;
        }
        let taken = timeout(self.left(), self.recorder.ledger().take_requests()).await;
        for request in taken.into_iter().flatten().flatten() {
            let _ = self.requests.send(request);
        }
    }

    /// For whoever looks at the building here.
    async fn read_news(&mut self) {
        let now = Instant::now();
        let served = self.share.borrow().rooms.clone();
        let rooms = self.controller.serve(self.clock.now().monotonic);
        // Of rooms that were taken and are not served yet everything is still to be read.
        if now < self.news_at || !self.may_read_news || rooms != served {
            return;
        }
        self.may_read_news = false;
        self.news_at = now + NEWS_EVERY;
        let own = self.controller.owned() | &served;
        let news = self.recorder.ledger().news(self.read_up_to, false);
        if let Ok(Ok((news, read_up_to))) = timeout(self.left(), news).await {
            self.read_up_to = read_up_to;
            self.recorder.take_news(news, &self.config, &own);
        }
        self.tell_losses(&served);
    }

    /// What rooms lost that others serve.
    fn tell_losses(&mut self, served: &BTreeSet<RoomName>) {
        let (now, memories) = (self.clock.now(), self.recorder.memories());
        self.told.retain(|room, _| !served.contains(room));
        let others = self.config.rooms.iter();
        for room in others.filter(|room| !served.contains(&room.name)) {
            let Some(memory) = memories.room(&room.name) else {
                continue;
            };
            let feeds = room.feeds.iter();
            let losses: Vec<_> = feeds
                .map(|feed| RememberedLoss::of(&feed.id, memory, now.wall))
                .collect();
            if self.told.get(&room.name) != Some(&losses) {
                let _ = self.losses.send(RoomLosses {
                    room: room.name.clone(),
                    feeds: losses.iter().map(|loss| loss.told(now)).collect(),
                });
                self.told.insert(room.name.clone(), losses);
            }
        }
    }

    fn say(&self, events: &[LeaseEvent]) {
        for event in events {
            telemetry::emit(words::replica::line(event));
        }
    }
}

fn failure(error: &LedgerError) -> TurnFailure {
    match error.is_server_down() {
        true => TurnFailure::ServerDown,
        false => TurnFailure::NoAnswer,
    }
}
