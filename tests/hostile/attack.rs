//! An attack on the service, beside a room that is honest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::host::Host;
use crate::support::{World, calendar, meeting};

/// What the process may take beside `limits.memory`: itself, what it holds, its connections.
const BESIDE: u64 = 150;

/// A good room is served within this, however busy the machine is with other tests.
const ON_TIME: Duration = Duration::from_secs(45);

/// What has no end is far beyond.
const PATIENCE: Duration = Duration::from_secs(240);

/// A building with a good room, and rooms that are not.
pub struct Attack {
    world: World,
    /// `limits.memory`, in megabytes.
    memory: u64,
    rooms: BTreeMap<String, BTreeMap<String, String>>,
}

/// What the service took.
#[derive(Debug)]
pub struct Cost {
    /// In megabytes.
    pub peak: u64,
    pub processor: Duration,
    /// The bound of `peak`.
    allowed: u64,
    /// How long the good room waited for a change at most.
    pub served: Duration,
    /// What the service says of the bad rooms' feeds and pods.
    pub said: BTreeSet<String>,
}

impl Attack {
    pub async fn new(memory: u64) -> Self {
        let mut world = World::start()
            .await
            .room("good", &[meeting("Before", 1)])
            .await;
        for (key, value) in [
            ("limits.memory", format!("\"{memory}MB\"")),
            ("schedule.sync", "\"*/5 * * * * *\"".to_owned()),
            ("schedule.health", "\"*/10 * * * * *\"".to_owned()),
            ("schedule.config", "\"*/10 * * * * *\"".to_owned()),
        ] {
            world.set(key, &value);
        }
        Self {
            world,
            memory,
            rooms: BTreeMap::new(),
        }
    }

    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.world.set(key, value);
        self
    }

    /// A room with these keys, as TOML; its pod is dead unless they name one.
    pub fn room(mut self, name: &str, keys: &[(&str, &str)]) -> Self {
        let number = self.rooms.len();
        let dead = format!("\"https://127.7.{}.{}:9\"", number / 200, 1 + number % 200);
        let mut all = BTreeMap::from([("pod".to_owned(), dead)]);
        let keys = keys.iter();
        all.extend(keys.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self.rooms.insert(name.to_owned(), all);
        self
    }

    /// A room with a feed of this host.
    pub fn feed(self, name: &str, host: &Host, path: &str) -> Self {
        let feed = format!("{:?}", host.url(path));
        self.room(name, &[("feed", &feed)])
    }

    /// Runs the service until something has come of each bad room's feeds, while the good
    /// room's calendar changes again and again.
    pub async fn on_feeds(self, host: &Host) -> Cost {
        self.run(host, |room| {
            let feeds = room["feeds"].as_array().unwrap();
            feeds
                .iter()
                .all(|feed| !feed["pulled_at"].is_null() || !feed["error"].is_null())
        })
        .await
    }

    /// The same, of each bad room's pods.
    pub async fn on_pods(self, host: &Host) -> Cost {
        self.run(host, |room| {
            let displays = room["displays"].as_array().unwrap();
            displays
                .iter()
                .all(|pod| !pod["checked_at"].is_null() || !pod["detail"].is_null())
        })
        .await
    }

    async fn run(self, host: &Host, is_done: impl Fn(&Value) -> bool) -> Cost {
        let Self {
            world,
            memory,
            rooms,
        } = self;
        let mut text = world.config_text();
        for (name, keys) in &rooms {
            text += &format!("\n[rooms.{name}]\n");
            for (key, value) in keys {
                text += &format!("{key} = {value}\n");
            }
        }
        world.write_config(&text);
        let service = world.serve();
        let watch = Watch::start(service.pid(), memory + BESIDE);
        world.until("the good room", "good", |_| true).await;
        host.was_asked(1).await;
        let began = Instant::now();
        let mut served = Duration::ZERO;
        let mut changes = 0;
        let said = loop {
            changes += 1;
            let title = format!("Change {changes}");
            world.set_feed("good", &calendar(&[meeting(&title, 2)]));
            let changed = Instant::now();
            world
                .until(
                    &format!("{title}\n{}", tail(&service.log())),
                    "good",
                    |pod| crate::support::titles(pod) == [title.as_str()],
                )
                .await;
            served = served.max(changed.elapsed());
            let status = world.podcal(&["status", "--json"]).await.json();
            let mut rooms = status["rooms"].as_array().unwrap().iter();
            if rooms.all(|room| room["room"] == "good" || is_done(room)) {
                break said(&status);
            }
            assert!(
                began.elapsed() < PATIENCE,
                "the attack does not end:\n{}",
                tail(&service.log())
            );
        };
        let cost = watch.stop(served, said).await;
        let log = service.stop().await;
        assert!(!log.contains("room.failed"), "{}", tail(&log));
        assert!(!log.contains("service.task_failed"), "{}", tail(&log));
        assert!(served < ON_TIME, "the good room waited {served:?}");
        cost
    }
}

impl Cost {
    /// What is honest has to be read, however large it is.
    #[track_caller]
    pub fn nothing_was_refused(&self) {
        let said: Vec<&String> = self.said_of_feeds().collect();
        assert!(said.is_empty(), "{said:#?}");
    }

    /// All but what is said of the dead pods.
    fn said_of_feeds(&self) -> impl Iterator<Item = &String> {
        self.said.iter().filter(|said| !said.contains("127.7."))
    }

    /// Prints the line of an attack, and asserts that it took no longer on a processor.
    #[track_caller]
    pub fn at_most(&self, name: &str, processor: Duration) {
        eprintln!(
            "{}{name:<60} {:>5} MB {:>7.1} s, good room after {:.1} s",
            if self.peak > self.allowed {
                "BREAKS "
            } else {
                ""
            },
            self.peak,
            self.processor.as_secs_f64(),
            self.served.as_secs_f64()
        );
        for said in self.said_of_feeds().take(2) {
            eprintln!("    {}", said.chars().take(300).collect::<String>());
        }
        assert!(
            self.peak <= self.allowed,
            "{name}: {} MB at the most, where {} MB are allowed",
            self.peak,
            self.allowed
        );
        assert!(
            self.processor <= processor,
            "{name}: {:?} on a processor, more than {processor:?}",
            self.processor
        );
    }
}

/// The end of a log, for people.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(20)..];
    let cut = |line: &&str| line.chars().take(400).collect::<String>();
    last.iter().map(cut).collect::<Vec<_>>().join("\n")
}

/// Looks at the process many times a second, and kills it before it takes the machine.
struct Watch {
    pid: u32,
    end: watch::Sender<bool>,
    thread: std::thread::JoinHandle<u64>,
    allowed: u64,
}

impl Watch {
    fn start(pid: u32, allowed: u64) -> Self {
        let (end, ended) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let mut peak = 0;
            while !*ended.borrow() {
                peak = peak.max(memory(pid));
                if peak > allowed + 1500 {
                    // What asks for gigabytes is shown to fail all the same.
                    let _ = std::process::Command::new("kill")
                        .args(["-KILL", &pid.to_string()])
                        .status();
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            peak.max(memory(pid))
        });
        Self {
            pid,
            end,
            thread,
            allowed,
        }
    }

    async fn stop(self, served: Duration, said: BTreeSet<String>) -> Cost {
        let processor = processor(self.pid);
        let _ = self.end.send(true);
        let peak = tokio::task::spawn_blocking(move || self.thread.join().unwrap())
            .await
            .unwrap();
        Cost {
            peak,
            processor,
            served,
            said,
            allowed: self.allowed,
        }
    }
}

/// What the status says that is wrong, of all rooms but the good one.
fn said(status: &Value) -> BTreeSet<String> {
    let rooms = status["rooms"].as_array().unwrap().iter();
    let bad = rooms.filter(|room| room["room"] != "good");
    let parts = bad.flat_map(|room| {
        let parts = [&room["feeds"], &room["displays"]];
        parts
            .map(|parts| parts.as_array().unwrap().clone())
            .concat()
    });
    parts
        .filter_map(|part| {
            let said = part["error"].as_str().or(part["detail"].as_str());
            said.map(str::to_owned)
        })
        .collect()
}

/// The most that was resident since the process began, in megabytes.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1000
}

/// What the process took of the processors so far, by Linux's hundredths of a second.
fn processor(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
