//! How a service takes over a configuration: by difference, as `service::start` does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::configure::{brake_settings, config_of};
use super::env::Env;
use super::names::{pod_url, room_name};
use super::plan::{ConfigPlan, Plan};
use super::process::Process;
use crate::config::{Config, OnRemove, Pod, Room};
use crate::control::brake::FeedOfRoom;
use crate::control::due;
use crate::control::feed::FeedSettings;
use crate::control::pod::PodSettings;
use crate::control::room::RoomSettings;
use crate::model::name::FeedId;
use crate::service::reload::{self, Difference, FeedPlan};

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
