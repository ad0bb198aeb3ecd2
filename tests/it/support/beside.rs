//! What is around the program: its process, its mounts, its other users of one ledger.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use podcal::sim::feedhost::SignIn;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tokio::process::Command;

use super::{Ran, Service, World, calendar, within};

/// Once a year: nothing happens by itself but the first time.
pub const NEVER: &str = "\"0 0 0 1 1 *\"";

impl World {
    /// podcal as a process that a test starts itself.
    pub fn process(&self, arguments: &[&str]) -> Command {
        self.command(arguments)
    }

    /// Rooms whose pods refuse every connection, and whose calendars are at this host.
    pub fn with_rooms_without_pods(mut self, rooms: usize, host: Option<&str>) -> Self {
        for number in 0..rooms {
            let name = format!("room-{number}");
            let feed = match host {
                Some(host) => format!("http://{name}.{host}/{name}.ics"),
                None => self.feeds.url(&format!("{name}.ics")),
            };
            if host.is_none() {
                self.set_feed(&name, &calendar(&[]));
            }
            let pod = format!("127.1.{}.{}:9", number / 200, 1 + number % 200);
            let keys = [
                ("feed".to_owned(), format!("{feed:?}")),
                ("pods".to_owned(), format!("[{pod:?}]")),
            ];
            self.rooms.insert(name, BTreeMap::from(keys));
        }
        self.write();
        self
    }

    /// The calendar of a room asks for a password, and podcal has this one, from a file.
    pub fn with_login(mut self, room: &str, file: &str) -> Self {
        let feed = self.feeds.url(&format!("{room}.ics"));
        let feed =
            format!("{{ ics = {feed:?}, username = \"rooms\", password = {{ file = {file:?} }} }}");
        self.set_room(room, "feed", &feed);
        self
    }

    pub fn require_password(&self, password: &str) {
        self.feeds.require(SignIn::basic("rooms", password));
    }

    /// How often the calendar of a room was asked for.
    pub fn pulls(&self, room: &str) -> usize {
        let path = format!("/{room}.ics");
        let requests = self.feeds.requests();
        requests.iter().filter(|seen| seen.path == path).count()
    }

    /// Waits for so many more pulls of a room's calendar.
    pub async fn until_pulled(&self, room: &str, times: usize) {
        let path = format!("/{room}.ics");
        let pulls = |feeds: &podcal::sim::feedhost::FeedHost| {
            let requests = feeds.requests();
            requests.iter().filter(|seen| seen.path == path).count()
        };
        let before = pulls(&self.feeds);
        let pulled = self.feeds.wait_for(|feeds| pulls(feeds) >= before + times);
        within("pulls", pulled).await;
    }

    /// Sign-ins at the first pod of a room: right ones and wrong ones.
    pub fn sign_ins(&self, room: &str) -> (u64, u64) {
        self.pod(room).traffic().sign_ins()
    }

    /// Requests of every kind at the first pod of a room.
    pub fn asked(&self, room: &str) -> usize {
        self.pod(room).requests().len()
    }

    /// `podcal run` in a place of its own, where these shell commands were run first;
    /// `None` where the machine does not allow it.
    pub async fn serve_after(&self, commands: &str) -> Option<Service> {
        let allowed = Command::new("unshare")
            .args(["-m", "sh", "-c", commands])
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !allowed.await.is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = Command::new("unshare");
        let podcal = env!("CARGO_BIN_EXE_podcal");
        command
            .args([
                "-m",
                "sh",
                "-c",
                &format!("{commands} && exec {podcal} run"),
            ])
            .current_dir(self.path(""))
            .kill_on_drop(true);
        Some(Service::start(command))
    }

    /// A second user of the ledger.
    pub async fn open_ledger(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path("podcal.db"));
        options.connect().await.unwrap()
    }

    pub async fn in_ledger(&self, statement: &str) {
        execute(&mut self.open_ledger().await, statement).await;
    }
}

pub async fn execute(ledger: &mut SqliteConnection, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    sqlx::query(statement).execute(ledger).await.unwrap();
}

impl Service {
    /// The same file as the process sees it, in its own mounts.
    pub fn seen(&self, path: &Path) -> std::path::PathBuf {
        let path = path.strip_prefix("/").unwrap();
        format!("/proc/{}/root", self.pid())
            .as_str()
            .parse::<std::path::PathBuf>()
            .unwrap()
            .join(path)
    }

    /// Runs a shell command in the mounts of the process.
    pub async fn beside(&self, command: &str) {
        let pid = self.pid().to_string();
        let done = Command::new("nsenter")
            .args(["-t", &pid, "-m", "sh", "-c", command])
            .status();
        assert!(done.await.unwrap().success(), "{command}");
    }
}

impl Ran {
    pub fn code(&self) -> Option<i32> {
        self.code
    }
}
