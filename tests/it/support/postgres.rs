//! A PostgreSQL cluster of a test's own, in a temporary folder and as an unprivileged user. It
//! ends with the test, however that ends. Also for the tests of the ledger in `src`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "pg secret: 7";

pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    port: u16,
    options: &'static str,
    /// Their input ends when this process does; they stop the servers then.
    guardians: Vec<Child>,
}

impl Cluster {
    /// `None`, and said so, where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let Some(bin) = bin() else {
            left_out("PostgreSQL is not installed (Debian: postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap().keep();
        fs::write(folder.join("password"), PASSWORD).unwrap();
        give_to_postgres(&folder);
        let script = format!(
            "cat >/dev/null; {0}/pg_ctl -D {1}/data -m immediate stop >/dev/null 2>&1; rm -rf {1}",
            bin.display(),
            folder.display()
        );
        let mut cluster = Self {
            guardians: vec![guardian(&script)],
            folder,
            bin,
            port: free_port(),
            options: "",
        };
        let data = cluster.folder.join("data");
        let data = data.to_str().unwrap();
        let password = cluster.folder.join("password");
        cluster.run(
            "initdb",
            &[
                "-D",
                data,
                "-U",
                "podcal",
                "-A",
                "scram-sha-256",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
                "--pwfile",
                password.to_str().unwrap(),
            ],
        );
        cluster.begin();
        Some(cluster)
    }

    /// Starts the server, where it was stopped.
    pub fn begin(&mut self) {
        let (data, log) = (self.folder.join("data"), self.folder.join("log"));
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off {}",
            self.port,
            self.folder.display(),
            self.options
        );
        let (data, log) = (data.to_str().unwrap(), log.to_str().unwrap());
        self.run(
            "pg_ctl",
            &["-D", data, "-l", log, "-w", "-o", &options, "start"],
        );
    }

    /// Stops the server at once, as a crash would.
    pub fn stop(&mut self) {
        let data = self.folder.join("data");
        self.run(
            "pg_ctl",
            &[
                "-D",
                data.to_str().unwrap(),
                "-m",
                "immediate",
                "-w",
                "stop",
            ],
        );
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let ran = as_postgres(self.bin.join(program))
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(ran.unwrap().success(), "{program} {arguments:?}");
    }

    /// What a statement gives, as `psql` prints it bare.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let ran = Command::new(self.bin.join("psql"))
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-U",
                "podcal",
            ])
            .args([
                "-d",
                database,
                "-qAt",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                statement,
            ])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// A new and empty database; its address without a password.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url("podcal", name)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Encrypts from now on, with a certificate for its address; what a client is to trust.
    pub fn encrypt(&mut self) -> PathBuf {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let roots = self.folder.join("roots.pem");
        for (path, pem) in [
            (roots.clone(), &certificate),
            (self.folder.join("data/server.crt"), &certificate),
            (self.folder.join("data/server.key"), &key),
        ] {
            fs::write(&path, pem).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&path, mode).unwrap();
            give_to_postgres(&path);
        }
        self.stop();
        self.options = "-c ssl=on";
        self.begin();
        roots
    }

    /// A pooler in transaction mode with one session before the server: the address of a
    /// database behind it. `None`, and said so, where PgBouncer is not installed.
    pub fn pooler(&mut self) -> Option<Pooler> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<_> = std::env::split_paths(&path).collect();
        folders.push("/usr/sbin".into());
        let programs = folders.iter().map(|folder| folder.join("pgbouncer"));
        let Some(program) = programs.into_iter().find(|program| program.is_file()) else {
            left_out("PgBouncer is not installed (Debian: pgbouncer)");
            return None;
        };
        let port = free_port();
        let users = self.folder.join("users");
        fs::write(&users, format!("\"podcal\" \"{PASSWORD}\"\n")).unwrap();
        let settings = self.folder.join("pgbouncer.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
                 pool_mode = transaction\ndefault_pool_size = 1\n",
                self.port,
                users.display()
            ),
        )
        .unwrap();
        for path in [&users, &settings] {
            give_to_postgres(path);
        }
        let script = format!(
            "{} -q {} & pid=$!; cat >/dev/null; kill $pid",
            program.display(),
            settings.display()
        );
        self.guardians.push(guardian(&script));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no pooler");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Pooler { port })
    }
}

/// Of a cluster.
#[derive(Clone, Copy)]
pub struct Pooler {
    port: u16,
}

impl Pooler {
    pub fn url(&self, database: &str) -> String {
        format!("postgres://podcal@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The pooler first.
        for mut guardian in self.guardians.drain(..).rev() {
            drop(guardian.stdin.take());
            let _ = guardian.wait();
        }
    }
}

/// Says what is left out; that fails where `PODCAL_REQUIRE_POSTGRES` is set.
fn left_out(why: &str) {
    let is_required = std::env::var_os("PODCAL_REQUIRE_POSTGRES").is_some();
    assert!(!is_required, "{why}");
    eprintln!("left out: {why}");
}

fn guardian(script: &str) -> Child {
    as_postgres("sh")
        .args(["-c", script])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn give_to_postgres(path: &Path) {
    if is_root() {
        let owned = Command::new("chown")
            .args(["-R", "postgres"])
            .arg(path)
            .status();
        assert!(owned.unwrap().success());
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `initdb` refuses to run as root.
fn as_postgres(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

/// A folder with all that is needed: the newest of Debian's, else one of `PATH`.
fn bin() -> Option<PathBuf> {
    let version = |folder: &PathBuf| -> Option<u32> { folder.file_name()?.to_str()?.parse().ok() };
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|folder| folder.path())
        .collect();
    found.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = found.into_iter().map(|folder| folder.join("bin"));
    installed.chain(std::env::split_paths(&path)).find(|bin| {
        let needed = ["initdb", "pg_ctl", "psql"];
        needed.iter().all(|name| bin.join(name).is_file())
    })
}
