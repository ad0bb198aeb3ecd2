//! From the plan of a configuration to the real one, and how a service takes it over: by
//! difference, as `service::start` does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::env::{Env, FeedModel, host_name};
use super::plan::{ConfigPlan, Plan, RoomPlan};
use super::process::Process;
use crate::config::{
    Config, Feed, Guard, Login, MeetingRules, OnRemove, Only, Pod, Room, Schedule, Source, TlsTrust,
};
use crate::control::brake::{BrakeSettings, FeedOfRoom};
use crate::control::due;
use crate::control::feed::FeedSettings;
use crate::control::now::Now;
use crate::control::pod::PodSettings;
use crate::control::room::RoomSettings;
use crate::model::cron::Cron;
use crate::model::feed_url::FeedUrl;
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::secret::Secret;
use crate::model::zone::Zone;
use crate::service::reload::{self, Difference, FeedPlan};

pub const JITTER: Duration = Duration::from_secs(15);

#[must_use]
#[expect(clippy::expect_used, reason = "letters and digits make a name")]
pub fn room_name(room: usize) -> RoomName {
    RoomName::new(&format!("room{room}")).expect("a name")
}

#[must_use]
#[expect(clippy::expect_used, reason = "a documentation address")]
pub fn pod_url(address: usize) -> PodUrl {
    PodUrl::parse(&format!("192.0.2.{address}")).expect("an address")
}

#[must_use]
pub fn feed_secret(host: usize, version: u32) -> Secret {
    Secret::new(format!("hunter-feed-{host}-{version}"))
}

#[must_use]
pub fn pod_secret(address: usize, version: u32) -> Secret {
    Secret::new(format!("hunter-pod-{address}-{version}"))
}

#[must_use]
pub fn only(place: Option<u8>) -> Only {
    Only {
        location: place.map(|place| super::calendar::place_text(place).to_owned()),
        ..Only::default()
    }
}

/// The configuration as it would be read from a file.
#[must_use]
#[expect(clippy::expect_used, reason = "made of constants")]
pub fn config_of(plan: &Plan, config: &ConfigPlan, feeds: &[FeedModel]) -> Config {
    let zone = Zone::named(plan.zone).unwrap_or_else(Zone::utc);
    let cron = |text: &str| Cron::parse(text).expect("a cron line");
    let rooms = config.rooms.iter().enumerate();
    let guard = Guard {
        vanished: 3,
        hold: Duration::from_secs(900),
    };
    Config {
        path: PathBuf::from("podcal.toml"),
        time_zone: zone.clone(),
        ledger_server: None,
        ledger: PathBuf::from("podcal.db"),
        keep_history: Duration::from_secs(90 * 86_400),
        schedule: Schedule {
            sync: cron(config.sync),
            health: cron(config.health),
            config: cron("0 0 * * * *"),
            jitter: JITTER,
        },
        guard,
        brake_rooms: config.brake_rooms,
        memory: 256_000_000,
        on_remove: match config.clears_on_remove {
            true => OnRemove::Clear,
            false => OnRemove::Keep,
        },
        web: None,
        rooms: rooms
            .filter(|(_, room)| room.is_present)
            .map(|(number, room)| self::room(number, room, config, feeds, &zone))
            .collect(),
    }
}

fn room(
    number: usize,
    room: &RoomPlan,
    config: &ConfigPlan,
    feeds: &[FeedModel],
    zone: &Zone,
) -> Room {
    Room {
        name: room_name(number),
        title: room_name(number).as_str().to_owned(),
        zone: zone.clone(),
        days: 7,
        meetings: MeetingRules {
            max: room.max,
            hide_titles: room.hides_titles,
            ..MeetingRules::default()
        },
        guard: Guard {
            vanished: room.vanished,
            hold: Duration::from_secs(room.hold_minutes * 60),
        },
        feeds: room
            .feeds
            .iter()
            .map(|(feed, place)| self::feed(&feeds[*feed], *place, config))
            .collect(),
        pods: room
            .addresses
            .iter()
            .map(|address| pod(*address, config.pod_secrets[*address]))
            .collect(),
    }
}

#[expect(clippy::expect_used, reason = "a documentation address")]
fn feed(model: &FeedModel, place: Option<u8>, config: &ConfigPlan) -> Feed {
    let host = host_name(model.host);
    let address = format!("https://{host}/{}.ics", model.id.as_str());
    let (url, _) = FeedUrl::parse(&address).expect("an address");
    Feed {
        id: model.id.clone(),
        source: Source::Ics {
            url,
            login: match model.has_login {
                true => Login::Password {
                    username: "user".to_owned(),
                    password: feed_secret(model.host, config.feed_secrets[model.host]),
                },
                false => Login::None,
            },
        },
        only: only(place),
        user_agent: None,
        tls: TlsTrust::Ca,
        timeout: Duration::from_secs(20),
        max_size: 50_000_000,
    }
}

fn pod(address: usize, secret: u32) -> Pod {
    Pod {
        url: pod_url(address),
        username: "admin".to_owned(),
        password: pod_secret(address, secret),
        tls: TlsTrust::Pin,
        min_interval: Duration::from_secs(10),
        timeout: Duration::from_secs(20),
        third_party_type: None,
        enforce: None,
    }
}

/// As `service::start` makes them.
#[must_use]
pub fn brake_settings(config: &Config, now: Now) -> BrakeSettings {
    let schedule = &config.schedule;
    let period = due::period(now, &schedule.sync, &config.time_zone);
    BrakeSettings {
        rooms: config.brake_rooms,
        vanished: usize::try_from(config.guard.vanished).unwrap_or(usize::MAX),
        within: config
            .guard
            .hold
            .max(period.saturating_add(schedule.jitter)),
    }
}

impl Process {
    /// A new configuration takes effect: what did not change goes on undisturbed.
    pub fn reload(&mut self, plan: &Plan, config: &ConfigPlan, env: &mut Env) {
        let real = Arc::new(config_of(plan, config, &env.feeds));
        let difference = Difference::between(&self.config, &real);
        if difference.is_nothing() {
            return;
        }
        env.say(|| format!("reloaded: {}", difference.says()));
        env.oracle.line(env.now);
        self.brake.configure(brake_settings(&real, env.clocks()));
        self.judge_brake_soon(env.now, env);
        let clears = self.config.on_remove == OnRemove::Clear;
        self.config = real;
        let before = std::mem::replace(&mut self.plan, config.clone());
        env.oracle.reloaded(&before, config, env.now);
        self.arrange_with(plan, &difference, clears, env);
    }

    pub fn arrange(&mut self, plan: &Plan, difference: &Difference, env: &mut Env) {
        self.arrange_with(plan, difference, false, env);
    }

    fn arrange_with(&mut self, plan: &Plan, difference: &Difference, clears: bool, env: &mut Env) {
        let config = self.config.clone();
        let feeds = reload::feeds(&config);
        let number_of = |id: &FeedId, env: &Env| env.feeds.iter().position(|feed| feed.id == *id);
        let mut kept = BTreeSet::new();
        for (id, of_feed) in &feeds {
            if let Some(feed) = number_of(id, env) {
                kept.insert(feed);
                self.arrange_feed(feed, of_feed, &config, env);
            }
        }
        for feed in 0..self.feeds.len() {
            if !kept.contains(&feed) {
                self.end_feed(feed, env);
            }
        }
        for number in 0..self.plan.rooms.len() {
            let name = room_name(number);
            match config.rooms.iter().find(|room| room.name == name) {
                Some(room) => {
                    let is_changed = difference.everything || difference.changed.contains(&name);
                    self.arrange_room(number, room, &feeds, is_changed, &config, env);
                }
                None => continue,
            }
        }
        for url in &difference.removed_pods {
            let address = (0..self.pods.len()).find(|address| pod_url(*address) == *url);
            if let Some(address) = address {
                self.remove_pod(address, clears, env);
            }
        }
        for (place, room, pod) in reload::pods(&config) {
            let is_changed = difference.everything
                || difference.changed.contains(&room.name)
                || difference.added.contains(&room.name)
                || !difference.removed.is_empty();
            self.arrange_pod(place, room, pod, is_changed, &config, env);
        }
        for number in 0..self.plan.rooms.len() {
            if !self.plan.rooms[number].is_present && self.rooms[number].take().is_some() {
                self.tell_brake(number, Vec::<FeedOfRoom>::new(), env);
            }
        }
        self.keep_only(&feeds, &config);
        self.record_soon(env);
        for feed in 0..self.feeds.len() {
            self.drive_feed(feed, env);
        }
        let _ = plan;
    }

    /// The recorder forgets what is not configured.
    fn keep_only(&mut self, feeds: &BTreeMap<FeedId, FeedPlan>, config: &Config) {
        let current = &mut self.recorder.current;
        let before = (current.feeds.len(), current.rooms.len(), current.pods.len());
        current
            .feeds
            .retain(|id, _| feeds.keys().any(|feed| feed.as_str() == id));
        current
            .rooms
            .retain(|name, _| config.rooms.iter().any(|room| room.name.as_str() == name));
        let pods: BTreeSet<String> = reload::pods(config)
            .map(|(_, _, pod)| pod.url.key())
            .collect();
        current.pods.retain(|key, _| pods.contains(key));
        let after = (current.feeds.len(), current.rooms.len(), current.pods.len());
        self.recorder.is_dirty |= before != after;
    }

    fn arrange_feed(&mut self, feed: usize, of_feed: &FeedPlan, config: &Config, env: &mut Env) {
        let settings = FeedSettings {
            sync: config.schedule.sync.clone(),
            zone: config.time_zone.clone(),
            spread: config.schedule.jitter,
            is_on_demand: false,
            filters: of_feed.filters.keys().cloned().collect(),
        };
        let filters = of_feed.filters.values().cloned().collect();
        let secret = self.plan.feed_secrets[env.feeds[feed].host];
        if self.feeds[feed].is_some() {
            self.configure_feed(feed, settings, filters, secret, env);
        } else {
            self.start_feed(feed, settings, filters, secret, env);
        }
    }

    fn arrange_room(
        &mut self,
        number: usize,
        room: &Room,
        feeds: &BTreeMap<FeedId, FeedPlan>,
        is_changed: bool,
        config: &Config,
        env: &mut Env,
    ) {
        let of_room: Vec<usize> = self.plan.rooms[number]
            .feeds
            .iter()
            .map(|(feed, _)| *feed)
            .collect();
        let settings = RoomSettings {
            room: Arc::new(room.clone()),
            shared_by: room
                .feeds
                .iter()
                .filter_map(|feed| Some((feed.id.clone(), feeds.get(&feed.id)?.rooms)))
                .collect(),
            jitter: due::jitter(room.name.as_str(), config.schedule.jitter),
        };
        if self.rooms[number].is_none() {
            self.start_room(number, settings, of_room, env);
        } else if is_changed {
            self.configure_room(number, settings, of_room, env);
        }
    }

    fn arrange_pod(
        &mut self,
        place: usize,
        room: &Room,
        pod: &Pod,
        is_changed: bool,
        config: &Config,
        env: &mut Env,
    ) {
        let Some(address) = (0..self.pods.len()).find(|address| pod_url(*address) == pod.url)
        else {
            return;
        };
        let number = (0..self.rooms.len()).find(|number| room_name(*number) == room.name);
        let Some(number) = number else {
            return;
        };
        let settings = PodSettings::of(config, room, pod, place);
        let secret = self.plan.pod_secrets[address];
        if self.pods[address]
            .as_ref()
            .is_some_and(|shell| shell.is_leaving)
        {
            self.end_pod(address, env);
        }
        if self.pods[address].is_none() {
            self.start_pod(address, number, pod, settings, secret, env);
        } else if is_changed {
            self.configure_pod(address, number, settings, secret, env);
        }
    }
}

/// Only for a clock at the end of time.
#[must_use]
#[expect(clippy::expect_used, reason = "a day has a length")]
pub fn window_of_a_day(now: crate::model::time::UnixTime) -> crate::model::time::Window {
    let to = now.plus(Duration::from_secs(86_400));
    crate::model::time::Window::new(now, to).expect("a day")
}
