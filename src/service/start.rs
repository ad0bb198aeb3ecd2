//! Tasks for a configuration: started where there are none, told what changed where there
//! are, ended where they are no longer configured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::deadline::Deadline;
use super::feed_task::{self, FeedCommand, FeedConfig, FeedInputs, FeedOutputs, FeedShared};
use super::identity_task;
use super::joints::{Joints, brake_settings};
use super::pod_task::{self, PodCommand, PodConfig, PodInputs, PodOutputs, PodShared};
use super::reload::{self, Difference, FeedPlan};
use super::room_task::{self, RoomCommand, RoomInputs, RoomOutputs};
use super::{Ground, RoomSources, Running, RunningRoom, Service};
use crate::config::{Config, OnRemove, Pod, Room};
use crate::control::due;
use crate::control::feed::{FeedController, FeedSettings};
use crate::control::pod::{PodController, PodEvent, PodSettings, Removal};
use crate::control::published::FeedView;
use crate::control::room::{RoomController, RoomSettings};
use crate::model::memory::RoomMemory;
use crate::model::name::{FeedId, RoomName};
use crate::model::version::VersionId;
use crate::telemetry::{self, words};

/// Commands that wait for a task; each is taken between two steps.
///
/// A pod that hangs takes none for minutes: whoever reloads meanwhile, however often, does
/// not wait for it.
const MAILBOX: usize = 4096;

impl Service {
    /// Starts every task of a configuration.
    pub async fn start(config: Config, ground: Ground) -> Self {
        let all = config.clone();
        Self::start_some(config, &all, ground).await
    }

    /// Starts every task of these rooms of a configuration. Whose device is whose is known of
    /// all rooms.
    pub async fn start_some(config: Config, all: &Config, ground: Ground) -> Self {
        Self::start_served(Arc::new(config), None, all, ground).await
    }

    /// Starts none of its tasks yet: which rooms are served here is told by
    /// [`Service::serve_only`].
    pub async fn start_replica(config: Config, ground: Ground) -> Self {
        let all = config.clone();
        let served = Some(BTreeSet::new());
        Self::start_served(Arc::new(config), served, &all, ground).await
    }

    async fn start_served(
        config: Arc<Config>,
        served: Option<BTreeSet<RoomName>>,
        all: &Config,
        ground: Ground,
    ) -> Self {
        let joints = Joints::start(&config, all, &ground);
        let mut service = Self {
            ground,
            config,
            served,
            roll: Arc::default(),
            feeds: BTreeMap::new(),
            rooms: BTreeMap::new(),
            pods: BTreeMap::new(),
            leaving: BTreeMap::new(),
            leaving_feeds: BTreeMap::new(),
            restarts: BTreeMap::new(),
            joints,
        };
        let part = service.part_of(&service.config);
        service.arrange(&part, &Difference::default()).await;
        service
    }

    /// A new configuration takes effect: what did not change goes on undisturbed.
    pub async fn reload(&mut self, config: Config, difference: &Difference) {
        let config = Arc::new(config);
        self.joints
            .brake_settings
            .send_replace(brake_settings(&config, &self.ground));
        self.joints.budget.resize(config.memory);
        let part = self.part_of(&config);
        self.arrange(&part, difference).await;
        self.config = config;
    }

    fn first_view<V: Clone>(&self, published: &watch::Receiver<V>) -> Option<V> {
        self.ground.mode.is_once.then(|| published.borrow().clone())
    }

    /// Makes the tasks those of this configuration.
    pub(super) async fn arrange(&mut self, config: &Arc<Config>, difference: &Difference) {
        let feeds = reload::feeds(config);
        for (id, plan) in &feeds {
            let is_known = self.feeds.contains_key(id);
            if !is_known || !difference.is_nothing() {
                self.arrange_feed(config, id, plan).await;
            }
        }
        self.remove_feeds(&feeds);
        for room in &config.rooms {
            self.arrange_room(config, room, &feeds).await;
        }
        let pods: Vec<_> = reload::pods(config).collect();
        // Those that leave go first, so that a display that moves to another room is not
        // written to by two.
        self.remove_pods(difference).await;
        for (place, room, pod) in pods {
            let is_changed = difference.everything
                || difference.changed.contains(&room.name)
                || difference.added.contains(&room.name)
                || !difference.removed.is_empty();
            self.arrange_pod(config, room, pod, place, is_changed).await;
        }
        let of_config = |name: &RoomName| config.rooms.iter().any(|room| room.name == *name);
        let gone: Vec<RoomName> = self
            .rooms
            .keys()
            .filter(|name| !of_config(name))
            .cloned()
            .collect();
        for name in gone {
            // Nothing of it is written down after it was forgotten.
            if let Some(running) = self.rooms.remove(&name) {
                running.room.end().await;
            }
            // The brake forgets it.
            let _ = self.joints.losses.send(room_task::RoomLosses {
                room: name,
                feeds: Vec::new(),
            });
        }
        // What others serve is not forgotten here.
        if !self.ground.mode.is_once && self.served.is_none() {
            self.forget_unconfigured(config, feeds.keys().cloned().collect());
        }
    }

    fn forget_unconfigured(&self, config: &Config, feeds: Vec<FeedId>) {
        let rooms: Vec<_> = config.rooms.iter().map(|room| room.name.clone()).collect();
        let pods: Vec<_> = reload::pods(config)
            .map(|(_, _, pod)| pod.url.clone())
            .collect();
        // Until a feed that took another's place was read, what the old one gave is kept by
        // the room's own memory.
        self.ground.recorder.keep_only(&feeds, &rooms, &pods);
    }

    async fn arrange_feed(&mut self, config: &Config, id: &FeedId, plan: &FeedPlan) {
        let settings = FeedSettings {
            sync: config.schedule.sync.clone(),
            zone: config.time_zone.clone(),
            spread: if self.ground.mode.is_once {
                std::time::Duration::ZERO
            } else {
                config.schedule.jitter
            },
            is_on_demand: self.ground.mode.is_once,
            filters: plan.filters.keys().cloned().collect(),
        };
        let rooms = config.rooms.iter();
        let feed_config = FeedConfig {
            feed: plan.feed.clone(),
            settings: settings.clone(),
            filters: plan.filters.values().cloned().collect(),
            rooms: rooms
                .filter(|room| room.feeds.iter().any(|feed| feed.id == *id))
                .map(|room| room.name.clone())
                .collect(),
        };
        if let Some(running) = self.feeds.get(id) {
            // It compares, and what did not change disturbs nothing.
            let command = FeedCommand::Configure(Box::new(feed_config));
            let _ = running.commands.send(command).await;
            return;
        }
        if let Some(leaving) = self.leaving_feeds.remove(id) {
            leaving.end().await;
        }
        let now = self.ground.clock.now();
        let mut controller = FeedController::new(id.clone(), settings, now);
        let recorder = &self.ground.recorder;
        if let Some(memory) = recorder.memories().feed(id) {
            let latest = match memory.latest {
                Some(version) => recorder.version(id, version).await,
                None => None,
            };
            controller.restore(memory, latest, now);
        }
        let (commands, mailbox) = mpsc::channel(MAILBOX);
        let (view, published) = watch::channel(controller.view(now));
        let first = self.first_view(&published);
        let late_after = Deadline::never();
        let shared = FeedShared {
            clock: self.ground.clock,
            network: self.ground.network.clone(),
            gate: self.ground.gate.clone(),
            budget: self.joints.budget.clone(),
            recorder: recorder.clone(),
            dates: self.joints.dates.clone(),
        };
        let inputs = FeedInputs {
            clock_state: self.joints.clock_state.clone(),
            commands: mailbox,
        };
        let outputs = FeedOutputs {
            view,
            late_after: late_after.clone(),
        };
        let task = feed_task::run(controller, feed_config, shared, inputs, outputs);
        self.feeds.insert(
            id.clone(),
            Running {
                commands,
                view: published,
                first,
                late_after,
                sources: (),
                task: tokio::spawn(task),
            },
        );
    }

    /// Feeds that left the configuration end after the pull that is under way.
    fn remove_feeds(&mut self, feeds: &BTreeMap<FeedId, FeedPlan>) {
        let gone = self.feeds.extract_if(.., |id, _| !feeds.contains_key(id));
        for (id, mut running) in gone {
            running.let_go();
            self.leaving_feeds.insert(id, running);
        }
    }

    async fn arrange_room(
        &mut self,
        config: &Config,
        room: &Room,
        feeds: &BTreeMap<FeedId, FeedPlan>,
    ) {
        let receivers: Vec<watch::Receiver<FeedView>> = room
            .feeds
            .iter()
            .filter_map(|feed| Some(self.feeds.get(&feed.id)?.view.clone()))
            .collect();
        let settings = RoomSettings {
            room: Arc::new(room.clone()),
            shared_by: room
                .feeds
                .iter()
                .filter_map(|feed| Some((feed.id.clone(), feeds.get(&feed.id)?.rooms)))
                .collect(),
            jitter: if self.ground.mode.is_once {
                std::time::Duration::ZERO
            } else {
                due::jitter(room.name.as_str(), config.schedule.jitter)
            },
        };
        let sources = RoomSources {
            settings: settings.clone(),
            feeds: receivers.clone(),
        };
        if let Some(running) = self.rooms.get_mut(&room.name) {
            if !running.room.sources.is_same(&sources) {
                let command = RoomCommand::Configure {
                    settings,
                    feeds: receivers,
                };
                let _ = running.room.commands.send(command).await;
                running.room.sources = sources;
            }
            return;
        }
        let controller = self.room_controller(room, settings).await;
        let now = self.ground.clock.now();
        let (commands, mailbox) = mpsc::channel(MAILBOX);
        let (view, published) = watch::channel(controller.view(now));
        let first = self.first_view(&published);
        let (wanted, wanted_published) = watch::channel(controller.wanted().clone());
        let late_after = Deadline::never();
        let inputs = RoomInputs {
            feeds: receivers,
            brake: self.joints.brake.clone(),
            clock_state: self.joints.clock_state.clone(),
            commands: mailbox,
            budget: self.ground.network.memory().clone(),
        };
        let outputs = RoomOutputs {
            wanted,
            view,
            late_after: late_after.clone(),
            losses: self.joints.losses.clone(),
            recorder: self.ground.recorder.clone(),
        };
        let task = room_task::run(controller, self.ground.clock, inputs, outputs);
        self.rooms.insert(
            room.name.clone(),
            RunningRoom {
                room: Running {
                    commands,
                    view: published,
                    first,
                    late_after,
                    sources,
                    task: tokio::spawn(task),
                },
                wanted: wanted_published,
            },
        );
    }

    async fn room_controller(&self, room: &Room, settings: RoomSettings) -> RoomController {
        let recorder = &self.ground.recorder;
        let memory = match recorder.memories().room(&room.name) {
            Some(memory) => (**memory).clone(),
            None => RoomMemory {
                keeps_shown: self.ground.mode.ledger_is_new,
                ..RoomMemory::default()
            },
        };
        let mut versions = BTreeMap::new();
        for feed in &room.feeds {
            let Some(part) = memory.feeds.get(feed.id.as_str()) else {
                continue;
            };
            let named = [part.believed, part.replaced.as_ref().map(|one| one.version)];
            for version in named.into_iter().flatten() {
                if let Some(found) = recorder.version(&feed.id, version).await {
                    let key: (String, VersionId) = (feed.id.as_str().to_owned(), version);
                    versions.insert(key, found);
                }
            }
        }
        RoomController::new(settings, memory, &versions, self.ground.clock.now())
    }

    async fn arrange_pod(
        &mut self,
        config: &Config,
        room: &Room,
        pod: &Pod,
        place: usize,
        is_changed: bool,
    ) {
        let Some(wanted) = self.rooms.get(&room.name).map(|room| room.wanted.clone()) else {
            return;
        };
        let mode = self.ground.mode;
        let mut settings = PodSettings::of(config, room, pod, place);
        settings.is_dry = mode.is_dry;
        if mode.is_once {
            settings = settings.once(mode.is_dry);
        }
        let pod_config = PodConfig {
            pod: pod.clone(),
            settings: settings.clone(),
        };
        if let Some(running) = self.pods.get_mut(&pod.url) {
            // Of two that clash, the later one is not written to.
            let has_moved = running.view.borrow().identity.place != place;
            if is_changed || has_moved || !running.sources.same_channel(&wanted) {
                running.sources = wanted.clone();
                let command = PodCommand::Configure {
                    config: Box::new(pod_config),
                    wanted,
                };
                let _ = running.commands.send(command).await;
            }
            return;
        }
        if let Some(leaving) = self.leaving.remove(&pod.url) {
            // It is configured again before its display was cleared.
            leaving.end().await;
        }
        let now = self.ground.clock.now();
        let mut controller = PodController::new(settings, now);
        let recorder = &self.ground.recorder;
        if let Some(memory) = recorder.memories().pod(&pod.url) {
            controller.restore(memory, now);
        }
        controller.come_to(&wanted.borrow());
        let (commands, mailbox) = mpsc::channel(MAILBOX);
        let (view, published) = watch::channel(controller.view());
        let first = self.first_view(&published);
        let late_after = Deadline::never();
        let shared = PodShared {
            clock: self.ground.clock,
            gate: self.ground.gate.clone(),
            recorder: recorder.clone(),
            identities: self.joints.identities.clone(),
        };
        let inputs = PodInputs {
            wanted: wanted.clone(),
            devices: self.joints.devices.clone(),
            clock_state: self.joints.clock_state.clone(),
            commands: mailbox,
        };
        let outputs = PodOutputs {
            view,
            late_after: late_after.clone(),
        };
        let task = pod_task::run(controller, pod_config, shared, inputs, outputs);
        self.pods.insert(
            pod.url.clone(),
            Running {
                commands,
                view: published,
                first,
                late_after,
                sources: wanted,
                task: tokio::spawn(task),
            },
        );
    }

    /// Pods that left the configuration; one that moved to another room did not.
    pub(super) async fn remove_pods(&mut self, difference: &Difference) {
        for url in &difference.removed_pods {
            let Some(running) = self.pods.remove(url) else {
                continue;
            };
            let clears = self.config.on_remove == OnRemove::Clear;
            let room = running.view.borrow().identity.room.clone();
            let memories = self.ground.recorder.memories();
            let meetings = memories
                .pod(url)
                .and_then(|memory| memory.sent.as_ref().map(|agenda| agenda.len()));
            let _ = self.joints.identities.send(identity_task::Told {
                pod: url.clone(),
                identity: None,
            });
            if clears {
                // It says itself what came of it.
                let _ = running
                    .commands
                    .send(PodCommand::Remove { clear: true })
                    .await;
                self.leaving.insert(url.clone(), running);
                continue;
            }
            running.end().await;
            let removed = PodEvent::Removed {
                removal: Removal::Kept,
                shown: meetings,
            };
            telemetry::emit(words::pod::line(&room, url, &removed));
        }
    }
}
