//! Starts and feeds the real servers.
//!
//! Radicale and Xandikos come from PyPI, into a virtual environment under the build folder; the
//! others from Debian, and `serve` beside this file sets each up in a folder of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use podcal::model::digest::hex;
use reqwest::Method;

pub const USER: &str = "user";
pub const PASSWORD: &str = "pass word";

const SERVE: &str = include_str!("serve");

/// All that a server needs of this folder: nobody, as whom some run, may not be let into the
/// sources.
const SCRIPTS: [(&str, &str); 4] = [
    ("serve", SERVE),
    ("sabre.php", include_str!("sabre.php")),
    ("davical.php", include_str!("davical.php")),
    ("commit_files.py", include_str!("commit_files.py")),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Radicale,
    Xandikos,
    Sabre,
    Sogo,
    Davical,
    Cyrus,
}

impl Kind {
    /// As `serve` knows it; `None` for what comes from PyPI.
    fn in_debian(self) -> Option<&'static str> {
        match self {
            Self::Radicale | Self::Xandikos => None,
            Self::Sabre => Some("sabre"),
            Self::Sogo => Some("sogo"),
            Self::Davical => Some("davical"),
            Self::Cyrus => Some("cyrus"),
        }
    }

    /// Whether a token tells what changed.
    pub fn has_tokens(self) -> bool {
        self != Self::Sabre
    }

    /// What `check --connect` calls it.
    pub fn product(self) -> Option<&'static str> {
        match self {
            Self::Radicale => Some("Radicale"),
            Self::Xandikos => Some("Xandikos"),
            // This old one does not tell.
            Self::Sabre => None,
            Self::Sogo => Some("SOGo"),
            Self::Davical => Some("DAViCal"),
            Self::Cyrus => Some("Cyrus IMAP"),
        }
    }

    /// The calendars that each user has from the start.
    pub fn own_calendars(self) -> &'static [&'static str] {
        match self {
            Self::Sogo => &["Personal Calendar"],
            _ => &[],
        }
    }

    /// Enough for many questions, and no more than can be put there soon.
    pub fn many(self) -> usize {
        match self {
            Self::Radicale | Self::Xandikos => 2000,
            Self::Sabre | Self::Sogo | Self::Davical | Self::Cyrus => 300,
        }
    }

    /// How it has podcal sign in.
    pub fn login(self) -> &'static str {
        match self {
            Self::Sabre => "Digest (MD5)",
            _ => "Basic",
        }
    }
}

pub struct Server {
    pub kind: Kind,
    /// Of the virtual environment.
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    database_port: u16,
    process: Option<Child>,
    http: reqwest::Client,
}

impl Server {
    /// `None` when the server is not to be had here, which is then said.
    pub fn start(kind: Kind) -> Option<Self> {
        let programs = installed(kind)?;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("users"), format!("{USER}:{PASSWORD}\n")).unwrap();
        for (name, text) in SCRIPTS {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, database_port] = listeners.map(|listener| listener.local_addr().unwrap().port());
        let _ = rustls::crypto::ring::default_provider().install_default();
        // SOGo does not say that it will close a connection.
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let mut server = Self {
            kind,
            programs,
            folder,
            port,
            database_port,
            process: None,
            http,
        };
        server.go();
        Some(server)
    }

    /// Starts the process, again after `stop`, on the same port and data.
    pub fn go(&mut self) {
        let folder = self.folder.path();
        let data = folder.join("data");
        let mut command = match self.kind {
            Kind::Radicale => {
                let mut command = Command::new(self.programs.join("radicale"));
                command
                    .args(["--config", "", "--auth-type", "htpasswd"])
                    .args(["--auth-htpasswd-encryption", "plain", "--auth-delay", "0"])
                    .arg("--auth-htpasswd-filename")
                    .arg(folder.join("users"))
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
                    .arg(folder.join("state"));
                command
            }
            Kind::Sabre | Kind::Sogo | Kind::Davical | Kind::Cyrus => {
                let mut command = Command::new("bash");
                command
                    .arg(folder.join("serve"))
                    .args(self.kind.in_debian())
                    .arg(folder)
                    .arg(self.port.to_string())
                    .arg(self.database_port.to_string());
                command
            }
        };
        let log = File::create(folder.join("log")).unwrap();
        let child = command
            .env("HOME", folder)
            .env("CALDAV_USER", USER)
            .env("CALDAV_PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        let patience = Instant::now() + Duration::from_secs(120);
        while !self.is_up() {
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

    /// Whether it answers: some listen long before.
    fn is_up(&self) -> bool {
        let is_set_up = self.folder.path().join("ready").exists();
        if self.kind.in_debian().is_some() && !is_set_up {
            return false;
        }
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let request = "GET /.well-known/caldav HTTP/1.0\r\n\r\n";
        let mut answer = [0; 10];
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer.starts_with(b"HTTP/1.")
            && answer[9] < b'5'
    }

    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        // The end of its input ends `serve` with all that it started.
        drop(process.stdin.take());
        if self.kind.in_debian().is_none() {
            let _ = process.kill();
        }
        let _ = process.wait();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Where a person begins who knows the host alone.
    pub fn entrance(&self) -> String {
        match self.kind {
            // What stands before it leads there; by itself it answers all else with its login page.
            Kind::Sogo => self.url("/SOGo/dav/"),
            _ => self.url("/"),
        }
    }

    pub fn principal(&self) -> String {
        self.url(match self.kind {
            Kind::Radicale | Kind::Xandikos => "/user/",
            Kind::Sabre => "/principals/user/",
            Kind::Sogo => "/SOGo/dav/user/",
            Kind::Davical => "/caldav.php/user/",
            Kind::Cyrus => "/dav/principals/user/user/",
        })
    }

    pub fn home(&self) -> String {
        self.url(match self.kind {
            Kind::Radicale => "/user/",
            Kind::Xandikos => "/user/calendars/",
            Kind::Sabre => "/calendars/user/",
            Kind::Sogo => "/SOGo/dav/user/Calendar/",
            Kind::Davical => "/caldav.php/user/",
            Kind::Cyrus => "/dav/calendars/user/user/",
        })
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

    /// Puts many events into a calendar that was made before, the quickest way.
    pub async fn fill(&mut self, calendar: &str, events: &[(String, String)]) {
        let data = self.folder.path().join("data");
        let folder = match self.kind {
            Kind::Radicale => data.join("collection-root/user").join(calendar),
            Kind::Xandikos => data.join("user/calendars").join(calendar),
            Kind::Sabre | Kind::Sogo | Kind::Davical | Kind::Cyrus => {
                let calendar = format!("{}{calendar}/", self.home());
                for (name, event) in events {
                    self.put(&calendar, name, event).await;
                }
                return;
            }
        };
        self.stop();
        assert!(folder.is_dir(), "{}", folder.display());
        for (name, event) in events {
            fs::write(folder.join(name), event).unwrap();
        }
        if self.kind == Kind::Xandikos {
            let script = self.folder.path().join("commit_files.py");
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
        self.stop();
    }
}

/// The folder with the programs from PyPI, set up once and then kept with the build; `None` where
/// the server cannot run here.
fn installed(kind: Kind) -> Option<PathBuf> {
    static FOUND: Mutex<BTreeMap<&str, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let name = kind.in_debian().unwrap_or("PyPI");
    let installed = found.entry(name).or_insert_with(|| {
        let result = match kind.in_debian() {
            None => install(),
            Some(name) => is_here(name).map(|()| PathBuf::new()),
        };
        if let Err(reason) = &result {
            // Past the capture of the test harness: somebody must see this.
            let _ = writeln!(
                std::io::stderr(),
                "\nLEFT OUT: the tests against {} ({reason}).\n",
                match kind.in_debian() {
                    None => "Radicale and Xandikos".to_owned(),
                    Some(_) => format!("{kind:?}"),
                }
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

/// Asks `serve` whether all that a server needs is here.
fn is_here(name: &str) -> Result<(), String> {
    let mut bash = Command::new("bash")
        .args(["-s", "--", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`bash` does not start: {error}"))?;
    let mut stdin = bash.stdin.take().unwrap();
    let _ = stdin.write_all(SERVE.as_bytes());
    drop(stdin);
    let output = bash.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{} {}",
            said.trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        )
        .trim()
        .to_owned()),
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
