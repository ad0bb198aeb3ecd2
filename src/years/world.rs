//! A world lives through its history: time, actions, and one service after another.

mod edits;
mod ledger;

use super::calendar::Entry;
use super::env::{Broken, Env, Happening};
use super::plan::{
    Action, ConfigEdit, DAY, Edit, HOUR, LedgerFault, MINUTE, Plan, PodFault, RoomPlan, SECOND,
};
use super::process::Process;

/// After the last action the world is left alone for so long, and has to be right then.
const AFTERWARDS: u64 = 26 * HOUR;
/// How often the promises are looked at that hold at any time.
const LOOK: u64 = 30 * MINUTE;

/// What became of a history.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub broken: Option<Broken>,
    /// What happened, where it was to be told.
    pub lines: Vec<(u64, String)>,
    /// Days that all rooms together lived through, in thousandths.
    pub milli_room_days: u64,
    pub puts: u64,
    pub writes: u64,
    pub log_lines: u64,
}

impl Outcome {
    /// Sums up, but for what was told.
    pub fn add(&mut self, other: &Self) {
        self.milli_room_days += other.milli_room_days;
        self.puts += other.puts;
        self.writes += other.writes;
        self.log_lines += other.log_lines;
    }
}

/// Lives through a history, to its end or to the first promise that is broken.
#[must_use]
pub fn live(plan: &Plan, tells: bool) -> Outcome {
    let mut world = World::new(plan, tells);
    world.live();
    let env = world.env;
    Outcome {
        broken: env.story.broken,
        lines: env.story.lines,
        milli_room_days: env.now * plan.config.rooms.len() as u64 * 1000 / DAY,
        puts: env.oracle.puts,
        writes: env.oracle.writes,
        log_lines: env.oracle.lines,
    }
}

struct World<'a> {
    plan: &'a Plan,
    env: Env,
    process: Option<Process>,
    lives: u32,
    /// Actions of the plan that began.
    begun: usize,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, tells: bool) -> Self {
        let mut env = Env::new(plan, tells);
        if plan.clock.0 != 0 {
            env.at(plan.clock.1, Happening::ClockBack);
        }
        env.at(0, Happening::Start);
        env.at(LOOK + 150 * SECOND, Happening::Look);
        Self {
            plan,
            env,
            process: None,
            lives: 0,
            begun: 0,
        }
    }

    fn live(&mut self) {
        let end = self.plan.end() + self.afterwards();
        while let Some(what) = self.next() {
            if self.env.now > end {
                break;
            }
            self.happens(what);
            if self.env.story.broken.is_some() {
                break;
            }
        }
        if self.env.story.broken.is_none() {
            self.judge_the_whole();
        }
    }

    /// What happens next: an action, or what follows from earlier ones.
    fn next(&mut self) -> Option<Happening> {
        let action = self.plan.actions.get(self.begun).map(|timed| timed.at);
        match (action, self.env.next_at()) {
            (Some(at), next) if next.is_none_or(|next| at <= next) => {
                self.env.now = at;
                self.begun += 1;
                Some(Happening::Action(self.begun - 1))
            }
            _ => self.env.next(),
        }
    }

    /// A quiet world needs no longer than a poll and a sync.
    fn afterwards(&self) -> u64 {
        let is_usual = |timed: &super::plan::Timed| matches!(timed.what, Action::Edit { .. });
        match self.plan.actions.iter().all(is_usual) {
            true => 0,
            false => AFTERWARDS,
        }
    }

    /// Log lines and writes stay within what happened.
    fn judge_the_whole(&mut self) {
        let rooms = self.plan.config.rooms.len() as u64;
        let room_days = rooms * (self.env.now / DAY + 1);
        let actions = self.plan.actions.len() as u64;
        let (lines, writes) = (self.env.oracle.lines, self.env.oracle.writes);
        let meetings = room_days * self.plan.density * 2;
        let most_lines = 40 * rooms + 8 * meetings + 80 * actions;
        let most_writes = 100 * rooms + 20 * meetings + 300 * actions;
        if lines > most_lines {
            self.env.broken("log lines stay within what happens", || {
                format!("{lines} lines for {actions} actions in {room_days} room-days")
            });
        }
        if writes > most_writes {
            self.env
                .broken("ledger writes stay within what happens", || {
                    format!("{writes} writes for {actions} actions in {room_days} room-days")
                });
        }
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Action(number) => {
                let planned = self.plan.actions.get(number).map(|timed| timed.what);
                let action = match planned {
                    Some(action) => action,
                    None => self.env.repeats[number - self.plan.actions.len()],
                };
                self.env.say(|| format!("> {action:?}"));
                self.act(action);
            }
            Happening::Start => self.start(),
            Happening::ClockBack => self.set_clock(0),
            Happening::ExchangeBack(one, other) => self.exchange(one, other, true),
            Happening::SecretFollows { is_pod, which } => self.secret_follows(is_pod, which),
            Happening::Look => {
                if let Some(process) = &self.process {
                    super::promises::look(process, &mut self.env);
                }
                self.env.after(LOOK, Happening::Look);
                if self.env.now / DAY > self.env.backups.len() as u64 {
                    let backup = self.env.disk.clone();
                    self.env.backups.push(backup);
                }
            }
            Happening::Record { life } if self.is_alive(life) => self.of_process(what),
            Happening::FeedWakes { life, .. }
            | Happening::FeedAnswers { life, .. }
            | Happening::FeedAsksGate { life, .. }
            | Happening::RoomWakes { life, .. }
            | Happening::PodWakes { life, .. }
            | Happening::PodAnswers { life, .. }
            | Happening::Brake { life, .. }
            | Happening::Devices { life }
            | Happening::ClockLook { life }
            | Happening::SyncGoesOn { life, .. }
                if self.is_alive(life) =>
            {
                self.of_process(what);
            }
            _ => {}
        }
    }

    fn is_alive(&self, life: u32) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.life == life)
    }

    fn of_process(&mut self, what: Happening) {
        let puts = self.env.oracle.puts;
        if let Some(process) = &mut self.process {
            process.happens(self.plan, what, &mut self.env);
        }
        if matches!(what, Happening::PodAnswers { .. })
            && puts > 0
            && let Some(after) = self.env.kill_at_put
            && self.env.put_was_done
        {
            self.env.kill_at_put = None;
            self.end_process(false, after);
        }
        self.env.put_was_done = false;
    }

    fn start(&mut self) {
        if self.process.is_none() {
            self.lives += 1;
            let config = self.env.oracle.configured.clone();
            let process = Process::start(self.lives, self.plan, &config, &mut self.env);
            self.process = Some(process);
        }
    }

    fn end_process(&mut self, is_stop: bool, after: u64) {
        let Some(process) = self.process.take() else {
            return;
        };
        let words = if is_stop { "stops" } else { "is killed" };
        self.env.say(|| format!("the service {words}"));
        if is_stop {
            process.stop(&mut self.env);
        }
        self.env.oracle.is_running = false;
        self.env.after(after, Happening::Start);
    }

    fn set_clock(&mut self, ahead: i64) {
        self.env.clock_ahead = ahead;
        self.env.oracle.clock_set_at = Some(self.env.now);
        if let Some(process) = &mut self.process {
            process.clock_was_set(&mut self.env);
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.env.now;
        match action {
            Action::Host { host, fault, ms } => {
                self.env.hosts[host].begin(fault, now + ms);
                for feed in 0..self.env.feeds.len() {
                    if self.env.feeds[feed].host == host {
                        self.feed_is_bad(feed, now + ms);
                    }
                }
            }
            Action::Feed { feed, fault, ms } => {
                self.env.feeds[feed].fault.begin(fault, now + ms);
                self.feed_is_bad(feed, now + ms);
            }
            Action::Edit { feed, edit } => self.edit(feed, edit),
            Action::Pod { address, fault, ms } => self.pod_fault(address, fault, ms),
            Action::Reboot { address, ms, times } => {
                self.env.device_at_mut(address).reboot(now + ms);
                self.pod_changes(address, ms, 0);
                self.again(times, ms + 4 * MINUTE, |times| Action::Reboot {
                    address,
                    ms,
                    times,
                });
            }
            Action::Replace { address } => {
                self.mix_up();
                let number = self.env.rng.below(1 << 30) as u32;
                self.env.device_at_mut(address).replace(number);
                self.pod_changes(address, 0, 0);
            }
            Action::Exchange { one, other, ms } => {
                // One at a time: in a greater mix-up only a person knows what is meant.
                let is_mixed = self
                    .env
                    .addresses
                    .iter()
                    .enumerate()
                    .any(|(at, is)| at != *is);
                if is_mixed {
                    return;
                }
                self.exchange(one, other, false);
                self.env.after(ms, Happening::ExchangeBack(one, other));
            }
            Action::Foreign {
                address,
                meetings,
                times,
            } => {
                let seconds = self.env.true_seconds();
                self.env.device_at_mut(address).foreign(meetings, seconds);
                self.pod_changes(address, 0, 16 * MINUTE);
                self.again(times, 2 * MINUTE, |times| Action::Foreign {
                    address,
                    meetings,
                    times,
                });
            }
            Action::Curtail { address, left } => {
                self.env.device_at_mut(address).curtail(left);
                self.pod_changes(address, 0, 16 * MINUTE);
            }
            Action::Clock { seconds, ms } => {
                self.set_clock(seconds);
                self.env.after(ms, Happening::ClockBack);
            }
            Action::Kill { ms } => self.end_process(false, ms),
            Action::KillAtPut { ms } => self.env.kill_at_put = Some(ms),
            Action::Stop { ms } => self.end_process(true, ms),
            Action::Ledger { fault, ms } => self.ledger(fault, ms),
            Action::Config(edit) => self.configure(edit),
            Action::Sync { room, force } => {
                if let Some(process) = &mut self.process {
                    if force {
                        self.env.oracle.forced_at[room] = now;
                    }
                    self.env.oracle.synced_at[room] = now;
                    process.sync(room, force, &mut self.env);
                }
            }
            Action::Trust { address } => {
                if self.process.is_none() && !self.trust_without_service(address) {
                    return;
                }
                self.mix_up();
                let facts = &mut self.env.oracle.pods[address];
                // What is there now belongs there.
                facts.trusted_at = now;
                facts.exchanged_at = None;
                facts.is_mixed_up &= self.env.addresses[address] != address;
                facts.changed_at = now;
                if let Some(process) = &mut self.process {
                    process.trust(address, &mut self.env);
                }
            }
            Action::Check => self.check(),
            Action::RotateFeed { feed, ms } => {
                let host = self.env.feeds[feed].host;
                self.env.oracle.host_secrets[host] += 1;
                self.env.after(
                    ms,
                    Happening::SecretFollows {
                        is_pod: false,
                        which: host,
                    },
                );
            }
            Action::RotatePod { address, ms } => {
                self.env.device_at_mut(address).secret += 1;
                self.pod_changes(address, ms, 0);
                self.env.after(
                    ms,
                    Happening::SecretFollows {
                        is_pod: true,
                        which: address,
                    },
                );
            }
        }
    }

    /// The command looks at the device and writes it down itself; whether it could.
    fn trust_without_service(&mut self, address: usize) -> bool {
        let now = self.env.now;
        let is_full = self.env.disk.is_full;
        let device = self.env.device_at_mut(address);
        let answers = device.failure(now).is_none() && !is_full;
        let Some(id) = device.device_id(now).filter(|_| answers) else {
            return false;
        };
        let key = self.env.oracle.pod_keys[address].clone();
        self.env.disk.accepted_devices.insert(key, id);
        true
    }

    /// With exchanged devices nobody can tell any more which was meant.
    fn mix_up(&mut self) {
        let exchanged = |(at, device): (usize, &usize)| (at != *device).then_some(at);
        let all: Vec<usize> = self
            .env
            .addresses
            .iter()
            .enumerate()
            .filter_map(exchanged)
            .collect();
        for address in all {
            self.env.oracle.pods[address].is_mixed_up = true;
        }
    }

    /// The same again after a while.
    fn again(&mut self, times: u64, after: u64, what: impl FnOnce(u64) -> Action) {
        if times > 1 {
            self.env.repeats.push(what(times - 1));
            let number = self.plan.actions.len() + self.env.repeats.len() - 1;
            self.env.after(after, Happening::Action(number));
        }
    }

    fn feed_is_bad(&mut self, feed: usize, until: u64) {
        let facts = &mut self.env.oracle.feeds[feed];
        facts.bad_until = facts.bad_until.max(until);
    }

    /// The display of an address is not right until then, and may need longer than a poll.
    fn pod_changes(&mut self, address: usize, bad_for: u64, slow_for: u64) {
        let now = self.env.now;
        let facts = &mut self.env.oracle.pods[address];
        facts.changed_at = now;
        facts.bad_until = facts.bad_until.max(now + bad_for);
        facts.slow_until = facts.slow_until.max(now + bad_for + slow_for);
    }

    fn pod_fault(&mut self, address: usize, fault: PodFault, ms: u64) {
        let now = self.env.now;
        let slow_for = match fault {
            PodFault::Ignores | PodFault::ReadsEmpty | PodFault::Late(_) => 62 * MINUTE,
            PodFault::LosesAnswers | PodFault::CutsTitles(_) | PodFault::Keeps(_) => 62 * MINUTE,
            PodFault::RefusesPuts => MINUTE,
            _ => 0,
        };
        let device = self.env.device_at_mut(address);
        device.fault.begin(fault, now + ms);
        device.other_mode_since = (fault == PodFault::OtherMode).then_some(now);
        self.pod_changes(address, ms, slow_for);
    }

    fn exchange(&mut self, one: usize, other: usize, is_back: bool) {
        if one == other {
            return;
        }
        let now = self.env.now;
        let is_lost = self.env.oracle.ledger_lost_at.is_some();
        let pods = &mut self.env.oracle.pods;
        for address in [one, other] {
            // With the ledger it was lost which device belongs there, and it was not seen since.
            pods[address].is_mixed_up |= is_lost && pods[address].bad_until + 10 * MINUTE > now;
        }
        let is_mixed_up = pods[one].is_mixed_up || pods[other].is_mixed_up;
        (pods[one].is_mixed_up, pods[other].is_mixed_up) = (is_mixed_up, is_mixed_up);
        self.env.addresses.swap(one, other);
        if is_back {
            self.env
                .say(|| format!("> the devices at {one} and {other} change back"));
        }
        for address in [one, other] {
            self.pod_changes(address, 0, 16 * MINUTE);
            let is_own = self.env.addresses[address] == address;
            let facts = &mut self.env.oracle.pods[address];
            facts.is_mixed_up |= facts.trusted_at > facts.exchanged_at.unwrap_or(u64::MAX);
            facts.exchanged_at = (!is_own).then_some(now);
        }
    }
}
