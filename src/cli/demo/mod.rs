//! `podcal demo`: simulated pods, sample feeds and the real service, for a few
//! seconds, with nothing to set up and no network but loopback.

mod feeds;
mod page;
mod picture;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::feeds::{Around, SAMPLES, Sample};
use self::page::Page;
use self::picture::Display;
use super::Failure;
use super::output::{Ended, Output, table};
use crate::app::clock;
use crate::compose::{self, filter};
use crate::config;
use crate::config::Config;
use crate::feed::Network;
use crate::model::meeting::Meeting;
use crate::model::time::UnixTime;
use crate::model::verdict::{Rule, Subject, Verdict};
use crate::model::zone::Zone;
use crate::service::Service;
use crate::service::clock::Clock;
use crate::service::open_ledger::OpenLedger;
use crate::service::signals::Signals;
use crate::service::study::{AsOf, study};
use crate::sim::feedhost::FeedHost;
use crate::sim::{Options, Sim};

const PASSWORD: &str = "demo-password";
/// Longer than any of the demo's waits can take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// See podcal at work, with nothing to set up: simulated displays and sample calendars.
///
/// Starts three simulated pods and three calendars on this machine, runs the real
/// service against them for a few seconds, changes a calendar, restarts a pod, and
/// draws what each display shows and why. A page shows the same in a browser.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Open the page in a browser, and stay until Ctrl-C.
    #[arg(long)]
    open: bool,
    /// Stay until Ctrl-C: the page and the displays go on working.
    #[arg(long)]
    stay: bool,
}

pub async fn run(args: DemoArgs, output: Output) -> Result<Ended, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::signals(&error))?;
    let folder = Folder::new().map_err(cannot)?;
    let stage = Stage::set(&folder.0).await?;
    let stays = args.open || args.stay;
    let played = async {
        if args.open && !stage.page.open().await {
            super::note(&format!(
                "no browser could be opened; open {} in one",
                stage.page.url()
            ));
        }
        stage.play(output).await
    };
    let ended = tokio::select! {
        ended = stage.beside_its_page(played) => ended,
        signal = signals.stop() => Err(Failure::at_work(
            format!("stopped by {signal} before it was done"),
            "run it again",
        )),
    };
    if stays && ended.is_ok() {
        if !output.json {
            output.line(&format!(
                "\nThe page of these rooms is at {} until you press Ctrl-C.",
                stage.page.url()
            ));
        }
        stage.beside_its_page(signals.stop()).await;
    }
    stage.close().await;
    ended
}

/// A folder of the demo's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    /// Where temporary files go; else where podcal was started, as the image has no such place.
    fn new() -> std::io::Result<Self> {
        let name = format!("podcal-demo-{}-{}", std::process::id(), clock().seconds());
        let path = std::env::temp_dir().join(&name);
        if std::fs::create_dir(&path).is_ok() {
            return Ok(Self(path));
        }
        let path = std::env::current_dir()?.join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The pods, the calendars, and the service between them.
struct Stage {
    pods: Vec<Sim>,
    calendars: FeedHost,
    config: Config,
    clock: Clock,
    network: Network,
    ledger: OpenLedger,
    service: Service,
    page: Page,
    began: Instant,
}

impl Stage {
    async fn set(folder: &Path) -> Result<Self, Failure> {
        let began = Instant::now();
        let calendars = FeedHost::start(listener().await?, None).map_err(cannot)?;
        let mut pods = Vec::new();
        for (number, sample) in (1_u32..).zip(&SAMPLES) {
            calendars.set(&path(sample), (sample.calendar)(&around(sample)?));
            let options = Options {
                number,
                name: sample.title.to_owned(),
                password: PASSWORD.into(),
                time_zone: sample.zone.to_owned(),
                ..Options::default()
            };
            pods.push(Sim::start(listener().await?, options).map_err(cannot)?);
        }
        let file = folder.join("podcal.toml");
        std::fs::write(folder.join("password"), PASSWORD).map_err(cannot)?;
        std::fs::write(&file, configuration(&pods, &calendars)).map_err(cannot)?;
        let config = config::load::load(&file)?.config;
        let clock = Clock::start(clock);
        let ledger = OpenLedger::open(&config, clock, false).await?;
        let network = ledger.network();
        let ground = ledger.ground(clock, &network, false, false);
        let service = Service::start(config.clone(), ground).await;
        let page = Page::serve(&service, clock).await?;
        Ok(Self {
            pods,
            calendars,
            config,
            clock,
            network,
            ledger,
            service,
            page,
            began,
        })
    }

    async fn close(mut self) {
        self.service.finish(Duration::from_secs(1)).await;
        self.service.end().await;
        self.ledger.close().await;
    }

    /// Does something while the page is told what is new.
    async fn beside_its_page<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.page.publish(&self.service) => never,
        }
    }

    async fn play(&self, output: Output) -> Result<Ended, Failure> {
        let say = |text: &str| {
            if !output.json {
                output.line(text);
            }
        };
        say("podcal reads the calendars of meeting rooms and keeps the rooms' displays in step.\n");
        say("Three simulated displays and three calendars are running on this machine now,");
        say("and the real service between them:\n");
        for pod in &self.pods {
            self.until(pod, |pod| !pod.meetings().is_empty()).await?;
        }
        let pushes: usize = self
            .pods
            .iter()
            .map(|pod| pod.count("PUT", "/v2/calendar"))
            .sum();
        say(&self.at(&format!(
            "every display was signed in to, read, and sent its meetings ({pushes} pushes)"
        )));
        self.change_a_calendar(&say).await?;
        self.restart_a_pod(&say).await?;
        let now = clock();
        let rooms = self.rooms(now).await?;
        if output.json {
            output.json(&json!({ "at": now, "rooms": rooms.iter().map(Shown::as_json).collect::<Vec<_>>() }));
            return Ok(Ended::Well);
        }
        say("\nThis is what hangs beside the doors now, as the displays themselves report it:\n");
        let displays: Vec<_> = rooms
            .iter()
            .map(|room| picture::draw(&room.display(), now))
            .collect();
        picture::side_by_side(&displays, columns())
            .iter()
            .for_each(|line| say(line));
        say("\nAnd why (`podcal explain ROOM` says this of any room):\n");
        let rows = rooms.iter().flat_map(Shown::reasons);
        say(&table(
            &["room", "when", "in the calendar", "on the display"],
            rows,
        ));
        say(NEXT);
        Ok(Ended::Well)
    }

    /// Somebody books the room a moment ago, and the display follows.
    async fn change_a_calendar(&self, say: &impl Fn(&str)) -> Result<(), Failure> {
        let (Some(sample), Some(pod)) = (SAMPLES.first(), self.pods.first()) else {
            return Ok(());
        };
        let calendar = (sample.calendar)(&around(sample)?)
            .replace("Team retrospective", "Team retrospective + cake");
        let begun = Instant::now();
        self.calendars.set(&path(sample), calendar);
        self.until(pod, |pod| {
            pod.meetings()
                .iter()
                .any(|one| one["title"] == "Team retrospective + cake")
        })
        .await?;
        let took = begun.elapsed().as_secs_f32();
        say(&self.at(&format!(
            "a title changed in the calendar of {}; on the display after {took:.1} s",
            sample.title
        )));
        Ok(())
    }

    /// A pod loses its meetings, the health poll notices, and they come back.
    async fn restart_a_pod(&self, say: &impl Fn(&str)) -> Result<(), Failure> {
        let (Some(sample), Some(pod)) = (SAMPLES.get(1), self.pods.get(1)) else {
            return Ok(());
        };
        let begun = Instant::now();
        pod.reboot();
        self.until(pod, |pod| !pod.meetings().is_empty()).await?;
        let took = begun.elapsed().as_secs_f32();
        say(&self.at(&format!(
            "the pod of {} restarted and forgot everything; noticed and sent again after {took:.1} s",
            sample.title
        )));
        Ok(())
    }

    /// Waits for something to be true of a pod; a service that does not get there is a failure.
    async fn until(&self, pod: &Sim, holds: impl FnMut(&Sim) -> bool) -> Result<(), Failure> {
        tokio::time::timeout(PATIENCE, pod.wait_for(holds))
            .await
            .map_err(|_| {
                Failure::at_work(
                    "the demo's displays were not brought in step in time",
                    "run it again with `--log-level debug` to see why",
                )
            })
    }

    /// A line with the time since the demo began.
    fn at(&self, says: &str) -> String {
        format!("  {:4.1} s  {says}", self.began.elapsed().as_secs_f32())
    }

    async fn rooms(&self, now: UnixTime) -> Result<Vec<Shown>, Failure> {
        let mut rooms = Vec::new();
        for ((room, pod), sample) in self.config.rooms.iter().zip(&self.pods).zip(&SAMPLES) {
            let ground = self.ledger.ground(self.clock, &self.network, true, true);
            let study = study(&ground, room, AsOf::from(now), false).await;
            let meetings = pod
                .meetings()
                .into_iter()
                .filter_map(|one| serde_json::from_value(one).ok())
                .collect();
            rooms.push(Shown {
                sample,
                zone: room.zone.clone(),
                meetings,
                verdicts: study.verdicts,
            });
        }
        Ok(rooms)
    }
}

/// One room, as its display has it and as its calendar explains it.
struct Shown {
    sample: &'static Sample,
    zone: Zone,
    meetings: Vec<Meeting>,
    verdicts: Vec<Verdict>,
}

impl Shown {
    fn display(&self) -> Display<'_> {
        Display {
            title: self.sample.title,
            zone: &self.zone,
            meetings: &self.meetings,
        }
    }

    /// The decisions that a newcomer would wonder about: all but plain "shown".
    fn reasons(&self) -> Vec<Vec<String>> {
        let wondrous = |verdict: &&Verdict| {
            !matches!(
                verdict.rule,
                Rule::Shown | Rule::OutsideWindow | Rule::Ended
            ) || self.is_moved(verdict)
        };
        let row = |verdict: &Verdict| {
            let when = verdict
                .start
                .map(|at| self.zone.local(at).strftime("%a %H:%M").to_string());
            let says = if self.is_moved(verdict) {
                "shown where it was moved to (RECURRENCE-ID)".to_owned()
            } else {
                verdict.rule.to_string()
            };
            vec![
                self.sample.title.to_owned(),
                when.unwrap_or_default(),
                title(verdict),
                says,
            ]
        };
        self.verdicts.iter().filter(wondrous).map(row).collect()
    }

    fn is_moved(&self, verdict: &Verdict) -> bool {
        verdict.rule == Rule::Shown && title(verdict).ends_with("(moved)")
    }

    fn as_json(&self) -> Value {
        let verdicts: Vec<Value> = self
            .verdicts
            .iter()
            .map(|verdict| {
                json!({
                    "rule": verdict.rule.key(),
                    "says": verdict.rule.to_string(),
                    "shown": verdict.rule.is_shown(),
                    "title": title(verdict),
                    "start_time": verdict.start,
                    "end_time": verdict.end,
                })
            })
            .collect();
        json!({ "room": self.sample.key, "meetings": self.meetings, "verdicts": verdicts })
    }
}

fn title(verdict: &Verdict) -> String {
    match &verdict.subject {
        Subject::Event(details) if filter::is_private(details) => "(private)".to_owned(),
        Subject::Event(details) => details
            .summary
            .as_deref()
            .and_then(compose::text::title)
            .unwrap_or_default(),
        Subject::Kept(meeting) => meeting.title.to_string(),
        Subject::Line { .. } => String::new(),
    }
}

const NEXT: &str = r#"
Your own rooms: write a podcal.toml (config.example.toml names every key), such as

    time_zone = "America/Denver"

    [pod]
    password = { file = "pod_password" }

    [rooms.aurora]
    feed = "https://calendar.example.com/aurora.ics"
    pod  = "192.0.2.11"

    podcal check --connect     is it right, and does everything answer?
    podcal sync --dry-run      what would each display be sent?
    podcal run                 the service; `podcal status` tells how it is doing
    podcal demo --open         this again, with a page in your browser, until Ctrl-C
    podcal simulate            a pod to try things with, where there is no hardware"#;

fn configuration(pods: &[Sim], calendars: &FeedHost) -> String {
    let mut text = String::from(
        "time_zone = \"Etc/UTC\"\n\
         [schedule]\nsync = \"* * * * * *\"\nhealth = \"* * * * * *\"\nconfig = \"0 0 * * * *\"\njitter = \"0s\"\n\
         [pod]\npassword = { file = \"password\" }\nmin_interval = \"0s\"\n",
    );
    for (sample, pod) in SAMPLES.iter().zip(pods) {
        text.push_str(&format!(
            "[rooms.{}]\ntitle = \"{}\"\ntime_zone = \"{}\"\nfeed = \"{}\"\npod = \"{}\"\n",
            sample.key,
            sample.title,
            sample.zone,
            calendars.url(&path(sample)),
            pod.url()
        ));
    }
    text
}

fn path(sample: &Sample) -> String {
    format!("/{}.ics", sample.key)
}

fn around(sample: &Sample) -> Result<Around, Failure> {
    let zone = Zone::named(sample.zone).ok_or_else(|| {
        Failure::at_work(
            format!("there is no zone {}", sample.zone),
            "please report this",
        )
    })?;
    Ok(Around::new(zone, clock()))
}

async fn listener() -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(cannot)
}

fn cannot(error: std::io::Error) -> Failure {
    Failure::at_work(
        format!("the demo cannot start: {error}"),
        "it needs a folder that it may write to, such as /tmp, and ports on 127.0.0.1",
    )
}

/// The width of the terminal as the shell tells it; three displays fit without one.
fn columns() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .unwrap_or(110)
}
