//! From the plan of a configuration to the real one.

use std::path::PathBuf;
use std::time::Duration;

use super::env::FeedModel;
use super::names::{feed_secret, host_name, only, pod_secret, pod_url, room_name};
use super::plan::{ConfigPlan, Plan, RoomPlan};
use crate::config::{
    Config, Feed, Guard, Login, MeetingRules, OnRemove, Pod, Room, Schedule, Source, TlsTrust,
};
use crate::control::brake::BrakeSettings;
use crate::control::due;
use crate::control::now::Now;
use crate::model::cron::Cron;
use crate::model::feed_url::FeedUrl;
use crate::model::zone::Zone;

pub const JITTER: Duration = Duration::from_secs(15);

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
