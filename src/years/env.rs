//! The world around the service: time, hosts, devices, the disk, and what is written down of
//! the history for people.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use super::calendar::{Document, Ids, Reading};
use super::device::Device;
use super::disk::Disk;
use super::fault::Fault;
use super::names::{feed_request, host_name};
use super::oracle::Oracle;
use super::plan::{HostFault, Plan};
use super::rng::Rng;
use crate::control::now::{Monotonic, Now};
use crate::control::secret_gate::Request;
use crate::model::name::FeedId;
use crate::model::time::UnixTime;
use crate::model::version::VersionId;

/// 2027-03-03T06:00:00Z, a Wednesday; the clocks of Europe and America change within the month.
pub const START: i64 = 1_804_053_600;

/// What happens next. Numbers are places in the tables of the world; `life` counts processes,
/// so that what belonged to one that was killed is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    Action(usize),
    ClockBack,
    ExchangeBack(usize, usize),
    Start,
    FeedWakes {
        life: u32,
        feed: usize,
        turn: u32,
    },
    FeedAnswers {
        life: u32,
        feed: usize,
        turn: u32,
    },
    FeedAsksGate {
        life: u32,
        feed: usize,
        turn: u32,
    },
    RoomWakes {
        life: u32,
        room: usize,
        turn: u32,
    },
    PodWakes {
        life: u32,
        address: usize,
        turn: u32,
    },
    PodAnswers {
        life: u32,
        address: usize,
        turn: u32,
    },
    Brake {
        life: u32,
        turn: u32,
    },
    Devices {
        life: u32,
    },
    ClockLook {
        life: u32,
    },
    Record {
        life: u32,
    },
    SyncGoesOn {
        life: u32,
        room: usize,
        stage: u8,
        force: bool,
    },
    SecretFollows {
        is_pod: bool,
        which: usize,
    },
    /// The promises are looked at.
    Look,
}

/// What comes in the queue; the earliest is the greatest, and of two at once the first.
#[derive(Clone, Copy, Debug)]
struct Coming {
    /// When, and which of those at once.
    at: u128,
    what: Happening,
}

impl Coming {
    fn when(&self) -> u64 {
        (self.at >> 64) as u64
    }
}

impl Ord for Coming {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Coming {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Coming {}

/// A calendar in the world.
#[derive(Debug)]
pub struct FeedModel {
    pub id: FeedId,
    pub host: usize,
    pub has_login: bool,
    pub is_collection: bool,
    pub document: Document,
    pub fault: Fault<HostFault>,
}

impl FeedModel {
    /// What is asked of the gate before its secret is sent.
    #[must_use]
    pub fn request(&self, secret: u32) -> Request {
        feed_request(&self.id, self.host, secret)
    }
}

pub struct Env {
    /// Milliseconds since the start of the world.
    pub now: u64,
    /// Since when the process runs.
    pub boot: u64,
    /// Seconds by which the wall clock is ahead of the true time.
    pub clock_ahead: i64,
    pub rng: Rng,
    queue: BinaryHeap<Coming>,
    number: u64,
    pub feeds: Vec<FeedModel>,
    pub hosts: Vec<Fault<HostFault>>,
    pub devices: Vec<Device>,
    /// Which device answers at each address.
    pub addresses: Vec<usize>,
    pub disk: Disk,
    pub backups: Vec<Disk>,
    pub readings: BTreeMap<(usize, VersionId), Arc<Reading>>,
    pub ids: Ids,
    pub next_uid: u32,
    pub oracle: Oracle,
    pub story: Story,
    /// The next push that is done ends the process, which starts again after so long.
    pub kill_at_put: Option<u64>,
    /// Actions that come again.
    pub repeats: Vec<super::plan::Action>,
    /// A push was just done.
    pub put_was_done: bool,
}

impl Env {
    #[must_use]
    pub fn new(plan: &Plan, tells: bool) -> Self {
        let mut rng = Rng::new(plan.seed).part(77);
        let mut next_uid = 0;
        let feeds = plan
            .feeds
            .iter()
            .enumerate()
            .map(|(feed, (host, has_login))| {
                let mut document = Document::default();
                fill(&mut document, plan, &mut rng, &mut next_uid);
                let host_name = host_name(*host);
                FeedModel {
                    id: FeedId::new(&host_name, &["feed", &feed.to_string()]),
                    host: *host,
                    has_login: *has_login,
                    is_collection: plan.collections[feed],
                    document,
                    fault: Fault::default(),
                }
            })
            .collect();
        let addresses = plan.config.pod_secrets.len();
        Self {
            now: 0,
            boot: 0,
            clock_ahead: plan.clock.0,
            rng: Rng::new(plan.seed).part(78),
            queue: BinaryHeap::new(),
            number: 0,
            feeds,
            hosts: vec![Fault::default(); plan.hosts],
            devices: (0..addresses).map(Device::new).collect(),
            addresses: (0..addresses).collect(),
            disk: Disk::default(),
            backups: Vec::new(),
            readings: BTreeMap::new(),
            ids: Ids::default(),
            next_uid,
            oracle: Oracle::new(plan),
            story: Story::new(tells),
            kill_at_put: None,
            repeats: Vec::new(),
            put_was_done: false,
        }
    }

    /// What both clocks of the process show.
    #[must_use]
    pub fn clocks(&self) -> Now {
        Now {
            wall: self.wall(),
            monotonic: Monotonic::from_start(Duration::from_millis(self.now - self.boot)),
        }
    }

    #[must_use]
    pub fn wall(&self) -> UnixTime {
        UnixTime::from_seconds(self.true_seconds() + self.clock_ahead)
    }

    #[must_use]
    pub fn true_seconds(&self) -> i64 {
        START + i64::try_from(self.now / 1000).unwrap_or(0)
    }

    /// When a moment of the monotonic clock of the process is.
    #[must_use]
    pub fn when(&self, at: Monotonic) -> Option<u64> {
        let span = at.since(Monotonic::default());
        // Never before the moment itself: a wait that ends a little early finds nothing to do.
        let millis = u64::try_from(span.as_nanos().div_ceil(1_000_000)).ok()?;
        self.boot
            .checked_add(millis)
            .filter(|at| *at < u64::MAX / 2)
    }

    pub fn at(&mut self, when: u64, what: Happening) {
        self.number += 1;
        let when = when.max(self.now);
        let at = u128::from(when) << 64 | u128::from(self.number);
        self.queue.push(Coming { at, what });
    }

    pub fn after(&mut self, millis: u64, what: Happening) {
        self.at(self.now + millis, what);
    }

    /// The next thing that happens; time is then.
    pub fn next(&mut self) -> Option<Happening> {
        let coming = self.queue.pop()?;
        self.now = coming.when();
        Some(coming.what)
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        self.queue.peek().map(Coming::when)
    }

    /// Every secret that was ever configured, with each of its users.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let mut all = Vec::new();
        for feed in self.feeds.iter().filter(|feed| feed.has_login) {
            let newest = self.oracle.host_secrets[feed.host];
            all.extend((0..=newest).map(|secret| feed.request(secret)));
        }
        for (address, device) in self.addresses.iter().enumerate() {
            let newest = self.devices[*device].secret;
            let url = super::names::pod_url(address);
            all.extend((0..=newest).map(|secret| super::names::pod_request(address, &url, secret)));
        }
        all
    }

    #[must_use]
    pub fn feed_fault(&self, feed: usize) -> Option<HostFault> {
        let model = &self.feeds[feed];
        model
            .fault
            .at(self.now)
            .or_else(|| self.hosts[model.host].at(self.now))
    }

    #[must_use]
    pub fn device_at(&self, address: usize) -> &Device {
        &self.devices[self.addresses[address]]
    }

    pub fn device_at_mut(&mut self, address: usize) -> &mut Device {
        &mut self.devices[self.addresses[address]]
    }

    /// A line of the story; worded only where somebody reads it.
    pub fn say(&mut self, words: impl FnOnce() -> String) {
        if self.story.tells {
            let line = words();
            self.story.add(self.now, line);
        }
    }

    /// A promise was not kept.
    pub fn broken(&mut self, promise: &'static str, words: impl FnOnce() -> String) {
        if self.story.broken.is_none() {
            let words = words();
            self.story
                .add(self.now, format!("BROKEN: {promise}: {words}"));
            self.story.broken = Some(Broken {
                promise,
                at: self.now,
                words,
            });
        }
    }
}

/// The meetings that a calendar has from the start, some for each day.
fn fill(document: &mut Document, plan: &Plan, rng: &mut Rng, next_uid: &mut u32) {
    for day in 0..plan.days + 9 {
        for _ in 0..plan.density {
            // Between seven in the morning and the evening, on the quarter.
            let start = START + (day as i64) * 86_400 + (rng.between(4, 44) as i64) * 900;
            let entry = super::calendar::Entry {
                uid: *next_uid,
                start,
                end: start + (rng.between(1, 6) as i64) * 900,
                edition: 0,
                is_private: rng.once_in(6),
                place: (rng.below(3)) as u8,
            };
            *next_uid += 1;
            document.entries.insert(entry.uid, entry);
        }
    }
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub promise: &'static str,
    pub at: u64,
    pub words: String,
}

/// What happened, for people.
#[derive(Debug)]
pub struct Story {
    pub tells: bool,
    pub lines: Vec<(u64, String)>,
    pub broken: Option<Broken>,
}

impl Story {
    fn new(tells: bool) -> Self {
        Self {
            tells,
            lines: Vec::new(),
            broken: None,
        }
    }

    fn add(&mut self, at: u64, line: String) {
        self.lines.push((at, line));
    }
}

/// A moment of the history: the day from 1, and the time of day by a true clock in UTC.
#[must_use]
pub fn moment(at: u64) -> String {
    let seconds = at / 1000 + 6 * 3600;
    let (day, rest) = (seconds / 86_400 + 1, seconds % 86_400);
    format!(
        "day {day} {:02}:{:02}:{:02}.{:03}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60,
        at % 1000
    )
}
