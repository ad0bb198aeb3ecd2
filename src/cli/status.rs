//! `podcal status`: how things stand, from the ledger alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::output::{Ended, Output};
use super::{Failure, Global, load, room};
use crate::app::clock;
use crate::config::{self, Room};
use crate::ledger::old::{FeedStanding, Ledger, PodStanding, RoomStanding};
use crate::model::agenda::Agenda;
use crate::model::cron::Cron;
use crate::model::meeting::Meeting;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
use crate::schedule::due;

/// A cycle may take so long beyond its time before the service counts as stuck:
/// jitter, slow feeds and slow pods, each with its own limits.
const GRACE: Duration = Duration::from_secs(180);

/// Show how things stand: last pull, last push, what is on each display, pod health.
///
/// Reads the ledger alone; no feed and no pod is asked. With --healthy it prints one
/// line and exits with 1 when the service's last cycle is too old, as a container's
/// health check wants it.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this room, with all that is known of it.
    room: Option<String>,
    /// Say only whether the service is at work.
    #[arg(long)]
    healthy: bool,
}

/// What is known of one room.
struct Known<'a> {
    room: &'a Room,
    standing: RoomStanding,
    feeds: Vec<(String, FeedStanding)>,
    pods: Vec<(String, PodStanding)>,
}

pub async fn run(global: &Global, args: StatusArgs, output: Output) -> Result<Ended, Failure> {
    let now = clock();
    if args.healthy {
        return healthy(&Service::of(global)?, now, output).await;
    }
    let config = load(global)?;
    let rooms = match &args.room {
        Some(name) => vec![room::find(&config, name)?],
        None => config.rooms.iter().collect(),
    };
    let ledger = open(&config.ledger).await?;
    let mut known = Vec::new();
    for room in rooms {
        known.push(know(&ledger, room).await?);
    }
    let service = ledger.service().await?;
    if output.json {
        let rooms: Vec<Value> = known.iter().map(|room| as_json(room, now)).collect();
        output.json(&json!({ "now": now, "service": service, "rooms": rooms }));
        return Ok(Ended::Well);
    }
    match service.last_cycle_at {
        Some(at) if service.stopped_at.is_none() => {
            output.line(&format!("Last cycle {}.\n", ago(at, now)))
        }
        Some(at) => output.line(&format!(
            "The service is stopped; its last cycle was {}.\n",
            ago(at, now)
        )),
        None => {}
    }
    let rows: Vec<_> = known.iter().flat_map(|room| rows(room, now)).collect();
    output.table(
        &[
            "room",
            "pod",
            "state",
            "on the display",
            "pulled",
            "pushed",
            "trouble",
        ],
        rows,
    );
    if args.room.is_some() {
        known
            .iter()
            .for_each(|room| show_displays(output, room, now));
    }
    Ok(Ended::Well)
}

/// As much of the configuration as the health check needs.
struct Service {
    ledger: PathBuf,
    sync: Cron,
    zone: Zone,
    jitter: Duration,
}

impl Service {
    /// From the configuration, or from what can be made out of a bad one: the service
    /// at work has refused it and goes on with the old one, and must not be restarted
    /// for that.
    fn of(global: &Global) -> Result<Self, Failure> {
        match load(global) {
            Ok(config) => Ok(Self {
                ledger: config.ledger,
                sync: config.schedule.sync,
                zone: config.time_zone,
                jitter: config.schedule.jitter,
            }),
            Err(failure) => config::load::glance(&global.config)
                .map(|glance| Self {
                    ledger: glance.ledger,
                    sync: glance.sync,
                    zone: glance.zone,
                    jitter: Duration::ZERO,
                })
                .ok_or(failure),
        }
    }
}

async fn open(path: &Path) -> Result<Ledger, Failure> {
    let ledger = Ledger::open_existing(path).await?;
    ledger.ok_or_else(|| {
        Failure::at_work(
            format!("there is no ledger at {} yet", path.display()),
            "run `podcal sync` once, or start the service with `podcal run`",
        )
    })
}

async fn healthy(of: &Service, now: UnixTime, output: Output) -> Result<Ended, Failure> {
    let service = open(&of.ledger).await?.service().await?;
    // A service that has only just begun has not had the time for a cycle.
    let last = service.last_cycle_at.max(service.started_at);
    let grace = GRACE.saturating_add(of.jitter);
    let at_work = last.is_some_and(|last| due::is_at_work(last, now, &of.sync, &of.zone, grace));
    let says = match last {
        Some(last) if at_work => format!("healthy: last cycle {}", ago(last, now)),
        Some(last) => format!("not healthy: the last cycle was {}", ago(last, now)),
        None => "not healthy: there was no cycle yet".to_owned(),
    };
    if output.json {
        output.json(&json!({ "healthy": at_work, "last_cycle_at": service.last_cycle_at }));
    } else {
        output.line(&says);
    }
    Ok(if at_work {
        Ended::Well
    } else {
        Ended::WithTrouble
    })
}

async fn know<'a>(ledger: &Ledger, room: &'a Room) -> Result<Known<'a>, Failure> {
    let standing = ledger.room_standing(&room.name).await?;
    let mut feeds = Vec::new();
    for feed in &room.feeds {
        feeds.push((feed.id.to_string(), ledger.feed_standing(&feed.id).await?));
    }
    let mut pods = Vec::new();
    for pod in &room.pods {
        pods.push((pod.url.to_string(), ledger.pod(&pod.url).await?));
    }
    Ok(Known {
        room,
        standing,
        feeds,
        pods,
    })
}

impl Known<'_> {
    /// The last pull of the feed that was read longest ago; `None` when one was never read.
    fn pulled_at(&self) -> Option<UnixTime> {
        let all: Option<Vec<UnixTime>> =
            self.feeds.iter().map(|(_, feed)| feed.pulled_at).collect();
        all?.into_iter().min()
    }

    fn stale_since(&self) -> Option<UnixTime> {
        self.feeds
            .iter()
            .filter_map(|(_, feed)| feed.failing_since)
            .min()
    }

    fn trouble(&self, pod: &PodStanding) -> String {
        let feed = self
            .feeds
            .iter()
            .find_map(|(_, feed)| feed.failing_since.and(feed.last_error.clone()));
        let resting = pod
            .rest_until
            .map(|until| format!("rests until {until}: its password was rejected"));
        let health = pod
            .health
            .as_deref()
            .filter(|state| *state != "well")
            .and(pod.health_detail.clone());
        let parts: Vec<String> = [feed, resting.or(health), pod.last_error.clone()]
            .into_iter()
            .flatten()
            .collect();
        match parts.is_empty() {
            true if !self.standing.in_step => self.standing.last_error.clone().unwrap_or_default(),
            _ => {
                let mut seen = Vec::new();
                parts.into_iter().for_each(|part| {
                    if !seen.contains(&part) {
                        seen.push(part);
                    }
                });
                seen.join("; ")
            }
        }
    }
}

fn rows(known: &Known<'_>, now: UnixTime) -> Vec<Vec<String>> {
    let pulled = match (known.pulled_at(), known.stale_since()) {
        (Some(at), Some(since)) => {
            let since = known.room.zone.local(since).strftime("%a %H:%M");
            format!("{} (stale since {since})", ago(at, now))
        }
        (Some(at), None) => ago(at, now),
        (None, _) => "never".to_owned(),
    };
    let row = |(url, pod): &(String, PodStanding)| {
        vec![
            known.room.name.to_string(),
            url.clone(),
            state(pod).to_owned(),
            on_display(known.room, pod, now),
            pulled.clone(),
            pod.confirmed_at
                .map_or_else(|| "never".to_owned(), |at| ago(at, now)),
            known.trouble(pod),
        ]
    };
    known.pods.iter().map(row).collect()
}

fn state(pod: &PodStanding) -> &str {
    pod.health
        .as_deref()
        .unwrap_or(if pod.confirmed_at.is_some() {
            "pushed"
        } else {
            "unknown"
        })
}

fn on_display(room: &Room, pod: &PodStanding, now: UnixTime) -> String {
    let Some(agenda) = &pod.confirmed else {
        return "nothing of ours".to_owned();
    };
    if pod.lost {
        return format!("lost ({})", pod.lost_reason.as_deref().unwrap_or("unknown"));
    }
    let time = |at| room.zone.local(at).strftime("%a %H:%M").to_string();
    match (current(agenda, now), next(agenda, now)) {
        (Some(one), _) => format!("now {} until {}", one.title, time(one.end_time)),
        (None, Some(one)) => format!("free; {} {}", time(one.start_time), one.title),
        (None, None) => "free".to_owned(),
    }
}

fn current(agenda: &Agenda, now: UnixTime) -> Option<&Meeting> {
    agenda
        .meetings()
        .iter()
        .find(|meeting| meeting.start_time <= now && now < meeting.end_time)
}

fn next(agenda: &Agenda, now: UnixTime) -> Option<&Meeting> {
    agenda
        .meetings()
        .iter()
        .find(|meeting| meeting.start_time > now)
}

fn show_displays(output: Output, known: &Known<'_>, now: UnixTime) {
    for (url, pod) in &known.pods {
        let Some(agenda) = pod.confirmed.as_ref().filter(|agenda| !agenda.is_empty()) else {
            continue;
        };
        output.line(&format!(
            "\nOn {url}, confirmed {}:",
            pod.confirmed_at.map_or_else(String::new, |at| ago(at, now))
        ));
        let time = |at| {
            known
                .room
                .zone
                .local(at)
                .strftime("%a %Y-%m-%d %H:%M")
                .to_string()
        };
        let meetings = agenda.meetings().iter();
        output.table(
            &["start", "end", "title", "organizer"],
            meetings.map(|one| {
                vec![
                    time(one.start_time),
                    time(one.end_time),
                    one.title.clone(),
                    one.organizer.clone(),
                ]
            }),
        );
    }
}

fn as_json(known: &Known<'_>, now: UnixTime) -> Value {
    let feeds: Vec<Value> = known
        .feeds
        .iter()
        .map(|(feed, standing)| {
            json!({
                "feed": feed,
                "pulled_at": standing.pulled_at,
                "changed_at": standing.changed_at,
                "stale_since": standing.failing_since,
                "failures": standing.failures,
                "last_error": standing.failing_since.and(standing.last_error.as_ref()),
                "not_before": standing.not_before,
            })
        })
        .collect();
    let displays: Vec<Value> = known
        .pods
        .iter()
        .map(|(_, pod)| pod)
        .zip(&known.room.pods)
        .map(|(pod, of)| {
            json!({
                "pod": of.url.key(),
                "state": state(pod),
                "state_since": pod.health_since,
                "detail": pod.health_detail,
                "seen_at": pod.seen_at,
                "checked_at": pod.checked_at,
                "device_id": pod.device_id,
                "calendar_mode": pod.mode,
                "pushed_at": pod.confirmed_at,
                "lost": pod.lost,
                "lost_reason": pod.lost_reason,
                "rests_until": pod.rest_until,
                "failing_since": pod.failing_since,
                "last_error": pod.last_error,
                "meetings": pod.confirmed,
                "now": pod.confirmed.as_ref().and_then(|agenda| current(agenda, now)),
                "next": pod.confirmed.as_ref().and_then(|agenda| next(agenda, now)),
            })
        })
        .collect();
    json!({
        "room": known.room.name,
        "title": known.room.title,
        "in_step": known.standing.in_step,
        "synced_at": known.standing.synced_at,
        "stale_since": known.stale_since(),
        "held_since": known.standing.vanished_since,
        "failing_since": known.standing.failing_since,
        "last_error": known.standing.last_error,
        "feeds": feeds,
        "displays": displays,
    })
}

/// A span of time as people say it.
pub fn ago(at: UnixTime, now: UnixTime) -> String {
    let seconds = now.since(at).as_secs();
    match seconds {
        0..=1 => "just now".to_owned(),
        2..=119 => format!("{seconds} s ago"),
        120..=7199 => format!("{} min ago", seconds / 60),
        7200..=172_799 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        let now = UnixTime::from_seconds(1_000_000);
        let says = |seconds: i64| ago(UnixTime::from_seconds(1_000_000_i64 - seconds), now);
        assert_eq!(
            [0, 60, 600, 7_200, 400_000, -50].map(says),
            [
                "just now",
                "60 s ago",
                "10 min ago",
                "2 h ago",
                "4 days ago",
                "just now"
            ]
        );
    }
}
