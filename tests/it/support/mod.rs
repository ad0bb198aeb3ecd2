//! A small world for whole-program tests: simulated pods, calendar servers, a folder with a
//! configuration, and the real `podcal` as a child process.
//!
//! Every server is on port 0 and every folder is temporary, so that all tests run side by side.
//! Nothing sleeps to wait: what is waited for is a request, a change of a pod, or a log line.

pub mod beside;
mod calendar;
mod ledger;
#[allow(
    dead_code,
    reason = "some of it is for the tests of the ledger in `src`"
)]
pub mod postgres;
mod service;
pub mod stall;

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use podcal::sim::feedhost::{FeedHost, FeedTls};
use podcal::sim::{Options, Sim};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

pub use calendar::{broken, calendar, calendar_with, hour, meeting, meeting_at, now};
pub use service::Service;

/// Nothing that is waited for takes so long, however busy the machine.
const LIMIT: Duration = Duration::from_secs(60);

pub const PASSWORD: &str = "solstice";

/// Waits, but not for ever.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, wait).await {
        Ok(done) => done,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Pods, calendars and a configuration.
pub struct World {
    folder: TempDir,
    /// Calendars over plain HTTP; `NAME.ics` is the one of the room `NAME`.
    pub feeds: FeedHost,
    /// Calendars over HTTPS, where a test asked for it.
    secure: Option<FeedHost>,
    pods: BTreeMap<String, Vec<Sim>>,
    /// The configuration as dotted keys with TOML values, and the tables of the rooms.
    settings: BTreeMap<String, String>,
    rooms: BTreeMap<String, BTreeMap<String, String>>,
    environment: BTreeMap<String, String>,
}

impl World {
    /// An empty building: a calendar server and no rooms.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("password"), PASSWORD).unwrap();
        let settings = [
            ("time_zone", "\"UTC\""),
            ("pod.password", "{ file = \"password\" }"),
            ("pod.min_interval", "\"0s\""),
            ("schedule.sync", "\"* * * * * *\""),
            ("schedule.health", "\"* * * * * *\""),
            ("schedule.jitter", "\"0s\""),
        ];
        Self {
            folder,
            feeds: FeedHost::start(port().await, None).unwrap(),
            secure: None,
            pods: BTreeMap::new(),
            settings: settings
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            rooms: BTreeMap::new(),
            environment: BTreeMap::new(),
        }
    }

    /// A building of one room, `oak`, whose calendar holds these events.
    pub async fn of_one_room(events: &[String]) -> Self {
        Self::start().await.room("oak", events).await
    }

    /// The same, and the first sync has been done.
    pub async fn in_step(events: &[String]) -> Self {
        let world = Self::of_one_room(events).await;
        world.sync().await.exits(0);
        world
    }

    /// One more room with one pod and a calendar of these events.
    pub async fn room(mut self, name: &str, events: &[String]) -> Self {
        let feed = self.feeds.url(&format!("{name}.ics"));
        self.set_feed(name, &calendar(events));
        self.rooms.entry(name.to_owned()).or_default();
        self.set_room(name, "feed", &format!("{feed:?}"));
        self.pod_with(name, Options::default()).await
    }

    /// One more pod for a room.
    pub async fn pod_with(mut self, room: &str, options: Options) -> Self {
        let number = 1 + self.pods.values().map(Vec::len).sum::<usize>();
        let number = u32::try_from(number).unwrap();
        let pod = Sim::start(port().await, Options { number, ..options }).unwrap();
        let pods = self.pods.entry(room.to_owned()).or_default();
        pods.push(pod);
        let urls: Vec<String> = pods.iter().map(|pod| format!("{:?}", pod.url())).collect();
        self.set_room(room, "pods", &format!("[{}]", urls.join(", ")));
        self
    }

    /// Of the calendars and of every pod, in the order of the rooms.
    pub fn ports(&self) -> Vec<u16> {
        let feeds = [self.feeds.address()];
        let pods = self.pods.values().flatten().map(Sim::address);
        feeds
            .into_iter()
            .chain(pods)
            .map(|one| one.port())
            .collect()
    }

    /// One more calendar server, over HTTPS and trusted by podcal.
    pub async fn secure_feeds(mut self) -> Self {
        let host = FeedHost::start(port().await, Some(FeedTls { seed: 1 })).unwrap();
        fs::write(self.path("roots.pem"), host.certificate_pem()).unwrap();
        self.secure = Some(host);
        self
    }

    pub fn secure(&self) -> &FeedHost {
        self.secure.as_ref().unwrap()
    }

    /// A key of the configuration, such as `guard.hold`, with its TOML value.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.set(key, value);
        self
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
        self.write();
    }

    /// A key of a room with its TOML value.
    pub fn set_room(&mut self, room: &str, key: &str, value: &str) {
        let keys = self.rooms.get_mut(room).unwrap();
        let other = match key {
            "feed" => "feeds",
            "feeds" => "feed",
            other => other,
        };
        keys.remove(other);
        keys.insert(key.to_owned(), value.to_owned());
        self.write();
    }

    pub fn forget_room(&mut self, room: &str) {
        self.rooms.remove(room);
        self.write();
    }

    fn write(&self) {
        let mut text = String::new();
        for (key, value) in &self.settings {
            text += &format!("{key} = {value}\n");
        }
        for (name, keys) in &self.rooms {
            text += &format!("\n[rooms.{name}]\n");
            for (key, value) in keys {
                text += &format!("{key} = {value}\n");
            }
        }
        self.write_config(&text);
    }

    /// A variable of the environment in which podcal runs.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// A configuration as it stands here, instead of the one of this world.
    pub fn write_config(&self, text: &str) {
        fs::write(self.path("podcal.toml"), text).unwrap();
    }

    pub fn config_text(&self) -> String {
        fs::read_to_string(self.path("podcal.toml")).unwrap()
    }

    /// What podcal believes the pods' password to be.
    pub fn set_password(&self, password: &str) {
        fs::write(self.path("password"), password).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The first pod of a room.
    pub fn pod(&self, room: &str) -> &Sim {
        &self.pods(room)[0]
    }

    pub fn pods(&self, room: &str) -> &[Sim] {
        &self.pods[room]
    }

    pub fn set_feed(&self, room: &str, calendar: &str) {
        self.feeds.set(&format!("{room}.ics"), calendar.to_owned());
    }

    /// The titles on the first display of a room, in order of time.
    pub fn shows(&self, room: &str) -> Vec<String> {
        titles(self.pod(room))
    }

    /// How often a room's first pod was sent a set of meetings.
    pub fn pushes(&self, room: &str) -> usize {
        self.pod(room).count("PUT", "/v2/calendar")
    }

    /// Waits until a pod is as it should be.
    pub async fn until(&self, what: &str, room: &str, holds: impl FnMut(&Sim) -> bool) {
        within(what, self.pod(room).wait_for(holds)).await;
    }

    /// One `podcal sync`, its outcome as JSON.
    pub async fn sync(&self) -> Ran {
        self.podcal(&["sync", "--json"]).await
    }

    /// Runs podcal to its end.
    pub async fn podcal(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let what = format!("`podcal {}` to end", arguments.join(" "));
        let done = within(&what, child.wait_with_output()).await.unwrap();
        Ran {
            what: arguments.join(" "),
            code: done.status.code(),
            stdout: String::from_utf8(done.stdout).unwrap(),
            stderr: String::from_utf8(done.stderr).unwrap(),
        }
    }

    /// Starts a command that goes on until it is stopped: its process, and what it prints
    /// until that is enough.
    pub async fn begin(
        &self,
        arguments: &[&str],
        is_enough: impl Fn(&str) -> bool,
    ) -> (Child, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut text = String::new();
        let what = format!("`podcal {}` to print enough", arguments.join(" "));
        let reading = async {
            while !is_enough(&text) {
                text += &lines.next_line().await.unwrap().unwrap();
                text.push('\n');
            }
        };
        within(&what, reading).await;
        (child, text)
    }

    /// The same, with the one JSON document that it prints.
    pub async fn begin_json(&self, arguments: &[&str]) -> (Child, Value) {
        let parse = |text: &str| serde_json::from_str::<Value>(text);
        let (child, text) = self.begin(arguments, |text| parse(text).is_ok()).await;
        (child, parse(&text).unwrap())
    }

    /// Starts `podcal run`.
    pub fn serve(&self) -> Service {
        self.serve_with(&[])
    }

    pub fn serve_with(&self, options: &[&str]) -> Service {
        Service::start(self.command(&[&["run"], options].concat()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podcal"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.environment)
            .kill_on_drop(true);
        if self.secure.is_some() {
            command.env("SSL_CERT_FILE", self.path("roots.pem"));
        }
        command
    }

    /// Every row of every table of the ledger; empty where there is none.
    pub async fn ledger(&self) -> Vec<String> {
        ledger::rows(&self.path("podcal.db")).await
    }

    /// Asserts that SQLite finds no fault with the ledger.
    pub async fn ledger_is_sound(&self) {
        ledger::check(&self.path("podcal.db")).await;
    }

    /// All that podcal has written to the disk, unpacked where it was packed.
    pub async fn written(&self) -> Vec<u8> {
        let mut bytes = ledger::inflated(&self.path("podcal.db")).await;
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let is_ours = |name: &str| name.starts_with("podcal.db");
            if path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_ours)
            {
                bytes.extend(fs::read(path).unwrap());
            }
        }
        bytes
    }
}

/// The pods are strict: whatever else a test looks at, nothing may have been sent that the
/// API reference does not allow.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for (room, pods) in &self.pods {
            for pod in pods {
                assert_eq!(pod.violations(), [""; 0], "sent to a pod of {room}");
            }
        }
    }
}

/// The titles on a display, in order of time.
pub fn titles(pod: &Sim) -> Vec<String> {
    let mut meetings = pod.meetings();
    meetings.sort_by_key(|meeting| meeting["start_time"].as_i64());
    let title = |meeting: &Value| meeting["title"].as_str().unwrap().to_owned();
    meetings.iter().map(title).collect()
}

/// A port of this machine that nobody else has.
async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A command that has ended.
pub struct Ran {
    what: String,
    code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Each of these is said on stderr.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not said\n{self}");
        }
        self
    }

    /// Each of these is printed on stdout.
    #[track_caller]
    pub fn prints(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.stdout.contains(word),
                "`{word}` is not printed\n{self}"
            );
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("no JSON: {error}\n{self}"),
        }
    }

    /// Of `sync --json`: one room.
    #[track_caller]
    pub fn room(&self, name: &str) -> Value {
        let json = self.json();
        let rooms = json["rooms"].as_array().unwrap();
        match rooms.iter().find(|room| room["room"] == name) {
            Some(room) => room.clone(),
            None => panic!("no room `{name}`\n{self}"),
        }
    }

    /// Of `sync --json`: what became of the first display of a room.
    #[track_caller]
    pub fn display(&self, room: &str) -> String {
        let result = &self.room(room)["displays"][0]["result"];
        result.as_str().unwrap_or("none").to_owned()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "podcal {what} exited with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}
