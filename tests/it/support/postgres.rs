//! A PostgreSQL cluster of a test's own, in a temporary folder and as an unprivileged user. It
//! ends with the test, however that ends. Also for the tests of the ledger in `src`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

pub const PASSWORD: &str = "pg secret: 7";

pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    port: u16,
    /// Closed when this process ends; whoever reads it stops the server then.
    guard: Option<ChildStdin>,
    guardian: Child,
}

impl Cluster {
    /// `None`, and said so, where PostgreSQL is not installed; that fails where
    /// `PODCAL_REQUIRE_POSTGRES` is set.
    pub fn start() -> Option<Self> {
        let Some(bin) = bin() else {
            assert!(
                std::env::var_os("PODCAL_REQUIRE_POSTGRES").is_none(),
                "PostgreSQL is not installed (Debian: postgresql)"
            );
            eprintln!("left out: PostgreSQL is not installed (Debian: postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap().keep();
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        fs::write(folder.join("password"), PASSWORD).unwrap();
        let script = format!(
            "cat >/dev/null; {0}/pg_ctl -D {1}/data -m immediate stop >/dev/null 2>&1; rm -rf {1}",
            bin.display(),
            folder.display()
        );
        if is_root() {
            let owned = Command::new("chown")
                .args(["-R", "postgres"])
                .arg(&folder)
                .status();
            assert!(owned.unwrap().success());
        }
        let mut guardian = as_postgres("sh")
            .args(["-c", &script])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut cluster = Self {
            guard: guardian.stdin.take(),
            guardian,
            folder,
            bin,
            port,
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
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off",
            self.port,
            self.folder.display()
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
        let output =
            fs::File::create(std::env::temp_dir().join(format!("podcal-pg-{}", self.port)));
        let ran = as_postgres(self.bin.join(program))
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.unwrap())
            .stderr(Stdio::null())
            .status();
        let _ = fs::remove_file(std::env::temp_dir().join(format!("podcal-pg-{}", self.port)));
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

    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.take());
        let _ = self.guardian.wait();
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

fn bin() -> Option<PathBuf> {
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    found
        .into_iter()
        .rev()
        .find(|bin| bin.join("initdb").is_file())
}
