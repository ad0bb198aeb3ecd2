//! One pass over some rooms: every feed pulled once, every display looked at and put right
//! once. For `podcal sync`, beside the service by its own tasks, else by tasks of its own.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot, watch};

use super::Service;
use super::feed_task::FeedCommand;
use super::pod_task::PodCommand;
use super::report::{RoomReport, SyncReport};
use super::room_task::RoomCommand;
use crate::control::feed::PullNow;
use crate::control::pod::PodView;
use crate::control::published::{FeedView, Wanted};
use crate::control::room::RoomView;
use crate::model::name::{FeedId, RoomName};

/// What one pass is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassOptions {
    /// Accept what is held, and push also what is in step.
    pub force: bool,
    /// Sign in although sign-in is paused.
    pub try_password: bool,
}

/// Nothing that a pass waits for takes longer, whatever hosts and pods do: each has its
/// own time-outs, which are shorter.
const LONGEST_PASS: Duration = Duration::from_secs(15 * 60);

/// A pass, ready to begin: it holds on to the tasks it needs, not to the service.
pub struct Pass {
    rooms: Vec<RoomPass>,
    options: PassOptions,
}

struct RoomPass {
    name: RoomName,
    commands: mpsc::Sender<RoomCommand>,
    view: watch::Receiver<RoomView>,
    wanted: watch::Receiver<Wanted>,
    feeds: Vec<FeedPass>,
    pods: Vec<PodPass>,
}

struct FeedPass {
    id: FeedId,
    commands: mpsc::Sender<FeedCommand>,
    view: watch::Receiver<FeedView>,
    before: FeedView,
}

struct PodPass {
    commands: mpsc::Sender<PodCommand>,
    view: watch::Receiver<PodView>,
    before: PodView,
}

impl Pass {
    /// A pass over these rooms; over all where none is named.
    #[must_use]
    pub fn of(service: &Service, rooms: &[RoomName], options: PassOptions) -> Self {
        let wanted = |name: &RoomName| rooms.is_empty() || rooms.contains(name);
        let rooms = service
            .config
            .rooms
            .iter()
            .filter(|room| wanted(&room.name));
        Self {
            rooms: rooms
                .filter_map(|room| RoomPass::of(service, room))
                .collect(),
            options,
        }
    }

    /// Does it, each room for itself. What one room lost may tell that another one's loss is
    /// not to be believed, so at the end each is followed up to where it stands then.
    pub async fn run(self) -> SyncReport {
        self.run_counted(|| {}).await
    }

    /// The same, and calls this each time that a room is done.
    pub async fn run_counted(mut self, room_done: impl Fn()) -> SyncReport {
        let options = self.options;
        let rooms = self.rooms.iter_mut();
        join_all(rooms.map(|room| room.run(options).inspect(|()| room_done()))).await;
        let rooms = self.rooms.into_iter().map(RoomPass::finish);
        SyncReport {
            rooms: join_all(rooms).await,
        }
    }
}

impl RoomPass {
    fn of(service: &Service, room: &crate::config::Room) -> Option<Self> {
        let running = service.rooms.get(&room.name)?;
        let feeds = room.feeds.iter().filter_map(|feed| {
            let running = service.feeds.get(&feed.id)?;
            Some(FeedPass {
                id: feed.id.clone(),
                commands: running.commands.clone(),
                before: running.before(),
                view: running.view.clone(),
            })
        });
        let pods = room.pods.iter().filter_map(|pod| {
            let running = service.pods.get(&pod.url)?;
            Some(PodPass {
                commands: running.commands.clone(),
                before: running.before(),
                view: running.view.clone(),
            })
        });
        Some(Self {
            name: room.name.clone(),
            commands: running.room.commands.clone(),
            view: running.room.view.clone(),
            wanted: running.wanted.clone(),
            feeds: feeds.collect(),
            pods: pods.collect(),
        })
    }

    async fn run(&mut self, options: PassOptions) {
        // Whatever does not end in time is reported as it stands.
        let _ = tokio::time::timeout(LONGEST_PASS, self.work(options)).await;
    }

    async fn finish(mut self) -> RoomReport {
        let follow = async {
            self.settle().await;
            let pods = self.pods.iter_mut();
            join_all(pods.map(|pod| pod.follow(&self.wanted))).await;
        };
        let _ = tokio::time::timeout(LONGEST_PASS, follow).await;
        let feeds: Vec<_> = self
            .feeds
            .iter()
            .map(|feed| (feed.before.clone(), feed.view.borrow().clone()))
            .collect();
        let pods: Vec<_> = self
            .pods
            .iter()
            .map(|pod| (pod.before.clone(), pod.view.borrow().clone()))
            .collect();
        let view = self.view.borrow().clone();
        RoomReport::of(self.name.as_str(), &view, &feeds, &pods)
    }

    async fn work(&mut self, options: PassOptions) {
        let try_password = options.try_password;
        join_all(self.feeds.iter_mut().map(|feed| feed.pull(try_password))).await;
        self.settle().await;
        if options.force {
            let (done, forced) = oneshot::channel();
            if self
                .commands
                .send(RoomCommand::Force { done })
                .await
                .is_ok()
            {
                let _ = forced.await;
            }
            self.settle().await;
        }
        let pods = self.pods.iter_mut();
        join_all(pods.map(|pod| pod.put_right(&self.wanted, try_password))).await;
    }

    /// Until the room has taken in what its feeds said.
    async fn settle(&mut self) {
        let attempts: Vec<(FeedId, u64)> = self
            .feeds
            .iter()
            .map(|feed| (feed.id.clone(), feed.view.borrow().attempts))
            .collect();
        let _ = self
            .view
            .wait_for(|view| {
                view.is_settled
                    && attempts.iter().all(|(feed, attempts)| {
                        view.attempts.get(feed).is_none_or(|seen| seen >= attempts)
                    })
            })
            .await;
    }
}

impl FeedPass {
    async fn pull(&mut self, try_password: bool) {
        let before = self.before.attempts;
        let command = FeedCommand::PullNow(PullNow {
            afresh: false,
            insists: try_password,
        });
        if self.commands.send(command).await.is_ok() {
            let _ = self.view.wait_for(|view| view.attempts > before).await;
        }
    }
}

impl PodPass {
    /// Until the display was looked at and put right by what the room wants: the newest, since
    /// that may change meanwhile.
    async fn put_right(&mut self, wanted: &watch::Receiver<Wanted>, try_password: bool) {
        let command = PodCommand::LookNow { try_password };
        if self.commands.send(command).await.is_ok() {
            self.follow(wanted).await;
        }
    }

    async fn follow(&mut self, wanted: &watch::Receiver<Wanted>) {
        let before = self.before.counts;
        let is_done = |view: &PodView| {
            view.is_settled
                && view.counts.requests > before.requests
                && view.counts.attempts > before.attempts
                && view.wanted.as_ref() == Some(&*wanted.borrow())
        };
        let _ = self.view.wait_for(is_done).await;
    }
}
