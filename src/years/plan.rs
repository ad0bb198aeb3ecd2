//! A history before it is lived through: what the world is like, and what happens when. All of
//! it comes from the seed; a shorter history is the same with fewer actions.

mod action;
mod choose;

pub use self::action::{Action, ConfigEdit, Edit, HostFault, LedgerFault, PodFault, Timed};
use self::choose::{config_edit, edit, host_fault, pod_fault};
use super::rng::Rng;

pub const SECOND: u64 = 1000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

/// A room as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPlan {
    pub is_present: bool,
    /// Which feeds, and the place that the filter lets through.
    pub feeds: Vec<(usize, Option<u8>)>,
    pub addresses: Vec<usize>,
    pub hides_titles: bool,
    pub vanished: u32,
    pub hold_minutes: u64,
    pub max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPlan {
    pub rooms: Vec<RoomPlan>,
    pub brake_rooms: usize,
    pub clears_on_remove: bool,
    pub sync: &'static str,
    pub health: &'static str,
    /// The secrets that the configuration names, by counting changes.
    pub feed_secrets: Vec<u32>,
    pub pod_secrets: Vec<u32>,
}

/// A world and its history.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub days: u64,
    pub config: ConfigPlan,
    /// The host of each feed, and whether it asks for a password.
    pub feeds: Vec<(usize, bool)>,
    /// Whether it is a collection, of which single members may fail.
    pub collections: Vec<bool>,
    pub hosts: usize,
    pub zone: &'static str,
    /// Whether meetings are in the calendars from the start; how many a day.
    pub density: u64,
    /// By how much the wall clock is wrong at the start, and until when.
    pub clock: (i64, u64),
    pub actions: Vec<Timed>,
}

/// How often something happens in a world, and how long it lasts.
struct Pace {
    /// A day, in thousandths.
    rate: u64,
    longest: u64,
}

impl Plan {
    /// The history of a seed.
    #[must_use]
    pub fn of(seed: u64, rooms: usize, days: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rooms = rooms.max(1);
        let hosts = rng.between(1, 3).min(rooms as u64) as usize;
        let mut feeds = Vec::new();
        let mut config = Vec::new();
        let mut addresses = 0;
        for room in 0..rooms {
            let mut of_room = vec![(feeds.len(), None)];
            feeds.push((room % hosts, rng.once_in(2)));
            // The building's calendar, which several rooms read.
            if room > 0 && rng.once_in(4) {
                of_room.push((0, Some((room % 3) as u8)));
            } else if rng.once_in(4) {
                of_room.push((feeds.len(), None));
                feeds.push((rng.index(hosts), rng.once_in(2)));
            }
            let pods = if rng.once_in(4) { 2 } else { 1 };
            config.push(RoomPlan {
                is_present: true,
                feeds: of_room,
                addresses: (addresses..addresses + pods).collect(),
                hides_titles: rng.once_in(5),
                vanished: rng.pick(&[3, 3, 3, 1, 5]),
                hold_minutes: rng.pick(&[15, 15, 15, 5, 60]),
                max: rng.pick(&[100, 100, 100, 5]),
            });
            addresses += pods;
        }
        // Feeds and pods that only a change of the configuration brings in.
        for _ in 0..2 {
            feeds.push((rng.index(hosts), rng.once_in(2)));
        }
        let collections = feeds.iter().map(|_| rng.once_in(2)).collect();
        let mut plan = Self {
            seed,
            days,
            config: ConfigPlan {
                rooms: config,
                brake_rooms: rng.pick(&[5, 5, 5, 0]),
                clears_on_remove: rng.once_in(2),
                sync: "0 */5 * * * *",
                health: "*/30 * * * * *",
                feed_secrets: vec![0; feeds.len()],
                pod_secrets: vec![0; addresses],
            },
            feeds,
            collections,
            hosts,
            zone: rng.pick(&["UTC", "Europe/Berlin", "America/Denver"]),
            density: rng.pick(&[1, 2, 4, 4, 8]),
            clock: (0, 0),
            actions: Vec::new(),
        };
        if rng.once_in(10) {
            let years = 365 * 86_400;
            let wrong = rng.pick(&[-30 * years, -10_800, 7_200, 7 * 86_400]);
            plan.clock = (wrong, rng.between(1, 120) * MINUTE);
        }
        plan.add_actions(&mut rng, addresses);
        plan
    }

    /// The same world without faults: only people and their calendars.
    #[must_use]
    pub fn quiet(seed: u64, rooms: usize, days: u64) -> Self {
        let mut plan = Self::of(seed, rooms, days);
        plan.clock = (0, 0);
        let is_usual = |timed: &Timed| matches!(timed.what, Action::Edit { .. });
        plan.actions.retain(is_usual);
        plan
    }

    /// When the last action is over and the world is left alone.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.days * DAY
    }

    fn add_actions(&mut self, rng: &mut Rng, addresses: usize) {
        let is_calm = rng.once_in(10);
        let families = 12;
        for family in 0..families {
            let rate = match is_calm {
                true => 0,
                false => rng.pick(&[0, 0, 300, 1000, 4000]),
            };
            // People and their calendars are always there.
            let rate = if family == 0 {
                rng.pick(&[1000, 6000])
            } else {
                rate
            };
            let pace = Pace {
                rate,
                longest: rng.pick(&[2 * MINUTE, 20 * MINUTE, 2 * HOUR, 8 * HOUR]),
            };
            let mut own = rng.part(family);
            self.add_family(family, &pace, &mut own, addresses);
        }
        self.actions.sort_by_key(|timed| timed.at);
    }

    fn add_family(&mut self, family: u64, pace: &Pace, rng: &mut Rng, addresses: usize) {
        // What concerns one room or pod happens to each of them.
        let many = match family {
            0..=3 => self.config.rooms.len() as u64,
            _ => 1,
        };
        let all = pace.rate * many * self.days / 1000;
        let last = self.end().saturating_sub(HOUR);
        for _ in 0..all {
            let at = rng.below(last.max(1));
            let ms = rng.between(10 * SECOND, pace.longest);
            if family == 10 {
                self.add_pair(at, ms, rng, addresses);
            } else if family == 11 {
                self.add_mishap(at, rng, addresses);
            } else if let Some(what) = self.action(family, ms, rng, addresses) {
                self.actions.push(Timed { at, what });
            }
        }
    }

    /// A calendar that is empty or fails, and soon after it something of another kind.
    fn add_pair(&mut self, at: u64, ms: u64, rng: &mut Rng, addresses: usize) {
        let feed = rng.index(self.feeds.len());
        let fault = match rng.once_in(3) {
            true => host_fault(rng),
            false => HostFault::Empty,
        };
        let what = Action::Feed {
            feed,
            fault,
            ms: 2 * HOUR,
        };
        self.actions.push(Timed { at, what });
        let soon = at + rng.between(2 * MINUTE, 14 * MINUTE);
        let family = rng.pick(&[1, 4, 5, 5, 5, 6, 7]);
        let short = ms.min(5 * MINUTE);
        if let Some(what) = self.action(family, short, rng, addresses) {
            self.actions.push(Timed { at: soon, what });
        }
    }

    /// What takes several things in one order.
    fn add_mishap(&mut self, at: u64, rng: &mut Rng, addresses: usize) {
        let address = rng.index(addresses);
        let of_address = |room: &RoomPlan| room.addresses.contains(&address);
        let room = self.config.rooms.iter().position(of_address).unwrap_or(0);
        let feed = self.config.rooms[room].feeds[0].0;
        let all = match rng.once_in(2) {
            // Titles are hidden while the clock is doubted.
            true => vec![
                (
                    0,
                    Action::Clock {
                        seconds: 9 * 86_400,
                        ms: HOUR,
                    },
                ),
                (12, Action::Config(ConfigEdit::HideTitles(room))),
            ],
            // The ledger is lost while a calendar cannot be read and the display is not ours.
            false => vec![
                (
                    0,
                    Action::Host {
                        host: self.feeds[feed].0,
                        fault: HostFault::Refuses,
                        ms: HOUR,
                    },
                ),
                (7, Action::Kill { ms: 2 * MINUTE }),
                (
                    8,
                    Action::Ledger {
                        fault: LedgerFault::Lost,
                        ms: MINUTE,
                    },
                ),
                (
                    8,
                    Action::Foreign {
                        address,
                        meetings: 2,
                        times: 1,
                    },
                ),
            ],
        };
        for (minutes, what) in all {
            let at = at + minutes * MINUTE;
            self.actions.push(Timed { at, what });
        }
    }

    fn action(&self, family: u64, ms: u64, rng: &mut Rng, addresses: usize) -> Option<Action> {
        let feed = rng.index(self.feeds.len());
        let address = rng.index(addresses);
        let room = rng.index(self.config.rooms.len());
        Some(match family {
            0 => Action::Edit {
                feed,
                edit: edit(rng),
            },
            1 => match rng.once_in(3) {
                true => Action::Host {
                    host: rng.index(self.hosts),
                    fault: host_fault(rng),
                    ms,
                },
                false => Action::Feed {
                    feed,
                    fault: host_fault(rng),
                    ms,
                },
            },
            2 => Action::Pod {
                address,
                fault: pod_fault(rng),
                ms,
            },
            3 => match rng.below(5) {
                0 => Action::Reboot {
                    address,
                    ms: ms.min(2 * MINUTE),
                    times: rng.pick(&[1, 1, 8]),
                },
                1 => Action::Replace { address },
                2 => Action::Exchange {
                    one: address,
                    other: rng.index(addresses),
                    ms,
                },
                3 => Action::Trust { address },
                _ => match (rng.below(4), rng.pick(&[1, 1, 25])) {
                    (3, 1) => Action::Curtail { address, left: 2 },
                    (meetings, times) => Action::Foreign {
                        address,
                        meetings,
                        times,
                    },
                },
            },
            4 => {
                let seconds = rng.pick(&[-7_200, -40, 45, 3_600, 7_200, -86_400 * 9, 86_400 * 9]);
                Action::Clock { seconds, ms }
            }
            5 => match rng.below(4) {
                0 => Action::Stop { ms: ms.min(HOUR) },
                1 => Action::Kill {
                    ms: rng.between(500, 5 * SECOND),
                },
                2 => Action::Kill { ms: ms.min(HOUR) },
                _ => Action::KillAtPut {
                    ms: rng.between(500, 20 * SECOND),
                },
            },
            6 => {
                let fault = match rng.below(4) {
                    0 => LedgerFault::Lost,
                    1 => LedgerFault::Full,
                    2 => LedgerFault::Damaged(rng.once_in(2)),
                    _ => LedgerFault::Yesterday,
                };
                Action::Ledger { fault, ms }
            }
            7 => Action::Config(config_edit(rng, self, addresses)),
            8 => match rng.below(3) {
                0 => Action::Check,
                _ => Action::Sync {
                    room,
                    force: rng.once_in(3),
                },
            },
            9 => match rng.once_in(2) {
                true => Action::RotateFeed { feed, ms },
                false => Action::RotatePod { address, ms },
            },
            _ => return None,
        })
    }
}
