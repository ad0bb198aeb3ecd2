//! Starts and feeds the real servers.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use podcal::model::digest::hex;
use reqwest::Method;

pub const USER: &str = "user";
pub const PASSWORD: &str = "pass word";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Radicale,
    Xandikos,
}

pub struct Server {
    kind: Kind,
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
    http: reqwest::Client,
}

impl Server {
    /// `None` when the servers are not to be had here, which is then said.
    pub fn start(kind: Kind) -> Option<Self> {
        let programs = installed()?;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("users"), format!("{USER}:{PASSWORD}\n")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut server = Self {
            kind,
            programs,
            folder,
            port,
            process: None,
            http,
        };
        server.go();
        Some(server)
    }

    /// Starts the process, again after `stop`, on the same port and data.
    pub fn go(&mut self) {
        let data = self.folder.path().join("data");
        let mut command = match self.kind {
            Kind::Radicale => {
                let mut command = Command::new(self.programs.join("radicale"));
                command
                    .args(["--config", "", "--auth-type", "htpasswd"])
                    .args(["--auth-htpasswd-encryption", "plain", "--auth-delay", "0"])
                    .arg("--auth-htpasswd-filename")
                    .arg(self.folder.path().join("users"))
                    .arg("--storage-filesystem-folder")
                    .arg(&data)
                    .args(["--server-hosts", &format!("127.0.0.1:{}", self.port)]);
                command
            }
            Kind::Xandikos => {
                let mut command = Command::new(self.programs.join("xandikos"));
                command
                    .args(["serve", "--no-detect-systemd", "--autocreate"])
                    .args(["--current-user-principal", "/user/", "-l", "127.0.0.1"])
                    .args(["-p", &self.port.to_string(), "-d"])
                    .arg(&data)
                    .arg("--state-dir")
                    .arg(self.folder.path().join("state"));
                command
            }
        };
        let log = File::create(self.folder.path().join("log")).unwrap();
        let child = command
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        let patience = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < patience,
                "{:?} does not start: {log}",
                self.kind
            );
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{:?} ended: {log}", self.kind);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn principal(&self) -> String {
        self.url("/user/")
    }

    pub fn home(&self) -> String {
        match self.kind {
            Kind::Radicale => self.url("/user/"),
            Kind::Xandikos => self.url("/user/calendars/"),
        }
    }

    /// Makes a calendar; its address.
    pub async fn make_calendar(&self, name: &str, title: &str) -> String {
        let address = format!("{}{name}/", self.home());
        let body = format!(
            "<c:mkcalendar xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><d:set><d:prop>\
             <d:displayname>{title}</d:displayname></d:prop></d:set></c:mkcalendar>"
        );
        self.send("MKCALENDAR", &address, "application/xml", body)
            .await;
        address
    }

    pub async fn put(&self, calendar: &str, name: &str, event: &str) {
        let address = format!("{calendar}{name}");
        self.send(
            "PUT",
            &address,
            "text/calendar; charset=utf-8",
            event.to_owned(),
        )
        .await;
    }

    pub async fn delete(&self, calendar: &str, name: &str) {
        let address = format!("{calendar}{name}");
        self.send("DELETE", &address, "text/plain", String::new())
            .await;
    }

    async fn send(&self, method: &str, address: &str, content_type: &str, body: String) {
        let answer = self
            .http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), address)
            .basic_auth(USER, Some(PASSWORD))
            .header("content-type", content_type)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        assert!(
            status.is_success(),
            "{:?} {method} {address}: {status} {}",
            self.kind,
            answer.text().await.unwrap_or_default()
        );
    }

    /// Puts many events into a calendar that was made before, not by HTTP.
    pub fn fill(&mut self, calendar: &str, events: &[(String, String)]) {
        self.stop();
        let data = self.folder.path().join("data");
        let folder = match self.kind {
            Kind::Radicale => data.join("collection-root/user").join(calendar),
            Kind::Xandikos => data.join("user/calendars").join(calendar),
        };
        assert!(folder.is_dir(), "{}", folder.display());
        for (name, event) in events {
            fs::write(folder.join(name), event).unwrap();
        }
        if self.kind == Kind::Xandikos {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/caldav/commit_files.py");
            let mut python = Command::new(self.programs.join("python"))
                .arg(script)
                .arg(&folder)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
            let mut stdin = python.stdin.take().unwrap();
            stdin.write_all(names.join(" ").as_bytes()).unwrap();
            drop(stdin);
            assert!(python.wait().unwrap().success());
        }
        self.go();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The folder with the servers' programs, set up once and then kept with the build.
fn installed() -> Option<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let result = install();
        if let Err(reason) = &result {
            // Past the capture of the test harness: somebody must see this.
            let _ = writeln!(
                std::io::stderr(),
                "\nLEFT OUT: the tests against real CalDAV servers ({reason}).\n"
            );
        }
        result
    });
    match installed {
        Ok(programs) => Some(programs.clone()),
        Err(reason) => {
            let required =
                std::env::var_os("PODCAL_REQUIRE_CALDAV").is_some_and(|value| value != "0");
            assert!(!required, "PODCAL_REQUIRE_CALDAV is set, but {reason}");
            None
        }
    }
}

fn install() -> Result<PathBuf, String> {
    const WANTED: &str = include_str!("requirements.txt");
    let digest = ring::digest::digest(&ring::digest::SHA256, WANTED.as_bytes());
    let version = hex(&digest.as_ref()[..6]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("caldav-servers");
    let venv = folder.join(&version);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    // Each test may be a process of its own; one sets up, the others wait.
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let ready = venv.join("ready");
    if !ready.exists() {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv))?;
        let requirements =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/caldav/requirements.txt");
        run(Command::new(venv.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(requirements))?;
        fs::write(ready, "").map_err(|error| error.to_string())?;
    }
    Ok(venv.join("bin"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!(
        "`{program}` failed: {}",
        last.unwrap_or("no reason given")
    ))
}
