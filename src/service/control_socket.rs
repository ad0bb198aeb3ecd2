//! The control socket beside the ledger: how commands ask the service that holds it.
//!
//! One request and one answer a connection, each a line of JSON. Only the owner of the
//! ledger can connect (0600). The path of a socket is limited to about a hundred
//! bytes, so a longer one is reached through the folder's descriptor.
//!
//! Whoever edits the ledger's path, or breaks the configuration, would no longer find the
//! service by its ledger. So on Linux it listens also at a name without a file that follows from
//! where its configuration is, and there both sides see to it that the other is of the same user.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// What a command asks of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Whether its tasks are alive and on time.
    Health,
    /// One pass over these rooms (all where none is named).
    Sync(SyncRequest),
    /// Accept the certificate and device that answer at this pod's address now.
    Trust { pod: String },
    /// Read the configuration again.
    Reload,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    pub rooms: Vec<String>,
    pub force: bool,
    pub try_password: bool,
}

/// What the service answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done(Value),
    /// What was asked for cannot be done, and what to do about it.
    Refused {
        says: String,
        hint: String,
    },
}

/// A question is small; an answer may list every meeting of a building.
const LONGEST_REQUEST: u64 = 1 << 20;
const LONGEST_ANSWER: u64 = 1 << 30;
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The socket that belongs to a ledger.
#[must_use]
pub fn path_beside(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".control");
    name.into()
}

/// The ledgers in a folder that have a socket, of a running service or one that was killed.
#[must_use]
pub fn ledgers_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "control"))
        .map(|path| path.with_extension(""))
        .collect()
}

/// The socket of the service that holds the lock of a ledger; the file goes with it.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    /// `None`: it is the one without a file.
    path: Option<PathBuf>,
}

impl ControlSocket {
    /// Listens. Whoever holds the lock of the ledger may take the place of a socket that
    /// a killed process left.
    ///
    /// # Errors
    /// When the folder does not allow it; the service works without.
    pub fn listen(ledger: &Path) -> io::Result<Self> {
        let path = path_beside(ledger);
        match std::fs::symlink_metadata(&path) {
            Ok(_) => std::fs::remove_file(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = through_folder(&path, |path| UnixListener::bind(path))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: Some(path),
        })
    }

    /// The same where the configuration says; `None` where the system has no such names, or
    /// another service has this one.
    #[must_use]
    pub fn listen_for(config: &Path) -> Option<Self> {
        let listener = nameless::listen(config)?;
        listener.set_nonblocking(true).ok()?;
        Some(Self {
            listener: UnixListener::from_std(listener).ok()?,
            path: None,
        })
    }

    /// The next request, and where its answer goes.
    ///
    /// # Errors
    /// When the system cannot accept a connection; the next call may.
    pub async fn accept(&self) -> io::Result<Connection> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if self.path.is_some() || is_of_this_user(&stream) {
                return Ok(Connection { stream });
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_of_this_user(stream: &UnixStream) -> bool {
    let user = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == user)
}

/// Sockets whose name is no file.
mod nameless {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;

    use ring::digest;

    /// Where the service of a configuration listens. The folder itself counts, since containers
    /// that share a network may all have their configuration at one path.
    fn name(config: &Path) -> Option<Vec<u8>> {
        let config = std::path::absolute(config).ok()?;
        let folder = std::fs::metadata(config.parent()?).ok()?;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(config.as_os_str().as_encoded_bytes());
        let user = rustix::process::geteuid().as_raw();
        for number in [folder.dev(), folder.ino(), u64::from(user)] {
            context.update(&number.to_be_bytes());
        }
        let mut name = b"podcal/".to_vec();
        name.extend_from_slice(context.finish().as_ref());
        Some(name)
    }

    #[cfg(target_os = "linux")]
    fn address(config: &Path) -> Option<std::os::unix::net::SocketAddr> {
        use std::os::linux::net::SocketAddrExt as _;
        std::os::unix::net::SocketAddr::from_abstract_name(name(config)?).ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn address(config: &Path) -> Option<std::os::unix::net::SocketAddr> {
        let _ = name(config);
        None
    }

    pub(super) fn listen(config: &Path) -> Option<UnixListener> {
        UnixListener::bind_addr(&address(config)?).ok()
    }

    pub(super) fn connect(config: &Path) -> Option<UnixStream> {
        UnixStream::connect_addr(&address(config)?).ok()
    }
}

/// A command that asks something.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// # Errors
    /// When what came is no request, or nothing came in time.
    pub async fn request(&mut self) -> io::Result<Request> {
        let (reader, _) = self.stream.split();
        let mut line = String::new();
        let mut reader = BufReader::new(reader.take(LONGEST_REQUEST));
        tokio::time::timeout(READ_TIMEOUT, reader.read_line(&mut line))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        serde_json::from_str(&line)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// # Errors
    /// When the command has gone away.
    pub async fn answer(mut self, answer: &Answer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer).map_err(io::Error::other)?;
        line.push(b'\n');
        self.stream.write_all(&line).await?;
        self.stream.shutdown().await
    }
}

/// Asks the service of a ledger; `None` where no service answers there.
///
/// # Errors
/// When a service listens and does not answer within the time.
pub async fn ask(ledger: &Path, request: &Request, within: Duration) -> io::Result<Option<Answer>> {
    let path = path_beside(ledger);
    if !path.exists() {
        return Ok(None);
    }
    let connect =
        move || through_folder(&path, |path| std::os::unix::net::UnixStream::connect(path));
    exchange(connect, |_| true, request, within).await
}

/// Asks the service of a configuration, whatever became of the file or of its ledger's path;
/// `None` where no service answers there, or it can only be found by its ledger.
///
/// # Errors
/// When a service listens and does not answer within the time.
pub async fn ask_for(
    config: &Path,
    request: &Request,
    within: Duration,
) -> io::Result<Option<Answer>> {
    let config = config.to_owned();
    let connect = move || nameless::connect(&config).ok_or(io::ErrorKind::ConnectionRefused.into());
    exchange(connect, is_of_this_user, request, within).await
}

/// Asks the service of a configuration, else that of its ledger.
///
/// # Errors
/// When a service listens and does not answer within the time.
pub async fn ask_either(
    config: &Path,
    ledger: &Path,
    request: &Request,
    within: Duration,
) -> io::Result<Option<Answer>> {
    match ask_for(config, request, within).await? {
        None => ask(ledger, request, within).await,
        answer => Ok(answer),
    }
}

async fn exchange(
    connect: impl FnOnce() -> io::Result<std::os::unix::net::UnixStream> + Send + 'static,
    is_trusted: impl FnOnce(&UnixStream) -> bool,
    request: &Request,
    within: Duration,
) -> io::Result<Option<Answer>> {
    let asking = async {
        // A service that is stopped and whose queue is full would hold up even this.
        let stream = tokio::task::spawn_blocking(connect)
            .await
            .map_err(io::Error::other)??;
        stream.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(stream)?;
        if !is_trusted(&stream) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        let (reader, _) = stream.split();
        reader.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
        if answer.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        serde_json::from_slice(&answer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };
    match tokio::time::timeout(within, asking).await {
        Ok(Ok(answer)) => Ok(Some(answer)),
        // The socket of a process that was killed.
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

/// Opens a socket by a path that is short enough whatever the folder is called.
fn through_folder<T>(path: &Path, open: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return open(path);
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let folder = std::fs::File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    if cfg!(target_os = "linux") {
        open(&short)
    } else {
        open(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_is_answered_and_only_the_owner_may_ask() {
        let folder = tempfile::tempdir().unwrap();
        // Longer than the path of a socket may be.
        let deep = folder.path().join("x".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let ledger = deep.join("podcal.db");
        assert!(
            ask(&ledger, &Request::Health, READ_TIMEOUT)
                .await
                .unwrap()
                .is_none()
        );

        let socket = ControlSocket::listen(&ledger).unwrap();
        let mode = std::fs::metadata(path_beside(&ledger))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let request = Request::Sync(SyncRequest {
            rooms: vec!["oak".into()],
            force: true,
            try_password: false,
        });
        let asked = request.clone();
        let serve = async {
            let mut connection = socket.accept().await.unwrap();
            assert_eq!(connection.request().await.unwrap(), request);
            connection
                .answer(&Answer::Done(serde_json::json!({ "rooms": [] })))
                .await
                .unwrap();
        };
        let (answer, ()) = tokio::join!(ask(&ledger, &asked, READ_TIMEOUT), serve);
        let expected = Answer::Done(serde_json::json!({ "rooms": [] }));
        assert_eq!(answer.unwrap(), Some(expected));
        drop(socket);
        assert!(!path_beside(&ledger).exists());
    }

    #[tokio::test]
    async fn the_socket_of_a_killed_process_is_no_service() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("podcal.db");
        let socket = ControlSocket::listen(&ledger).unwrap();
        let left_over =
            std::os::unix::net::UnixListener::bind(folder.path().join("other")).unwrap();
        drop(left_over);
        drop(socket);
        std::fs::rename(folder.path().join("other"), path_beside(&ledger)).unwrap();
        assert_eq!(ledgers_in(folder.path()), std::slice::from_ref(&ledger));
        assert!(
            ask(&ledger, &Request::Health, READ_TIMEOUT)
                .await
                .unwrap()
                .is_none()
        );
        let _taken_over = ControlSocket::listen(&ledger).unwrap();
    }

    #[tokio::test]
    async fn a_service_is_found_by_its_configuration_too() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("podcal.toml");
        let asked = ask_for(&config, &Request::Health, READ_TIMEOUT).await;
        assert_eq!(asked.unwrap(), None);
        // Only Linux has addresses that are no files.
        let Some(socket) = ControlSocket::listen_for(&config) else {
            return;
        };
        assert!(ControlSocket::listen_for(&config).is_none(), "taken");
        let serve = async {
            let mut connection = socket.accept().await.unwrap();
            assert_eq!(connection.request().await.unwrap(), Request::Health);
            let answer = Answer::Done(serde_json::json!(1));
            connection.answer(&answer).await.unwrap();
        };
        let (answer, ()) = tokio::join!(ask_for(&config, &Request::Health, READ_TIMEOUT), serve);
        assert_eq!(answer.unwrap(), Some(Answer::Done(serde_json::json!(1))));
        let other = folder.path().join("other.toml");
        let asked = ask_for(&other, &Request::Health, READ_TIMEOUT).await;
        assert_eq!(asked.unwrap(), None);
    }

    #[tokio::test]
    async fn a_service_that_does_not_answer_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("podcal.db");
        let _socket = ControlSocket::listen(&ledger).unwrap();
        let error = ask(&ledger, &Request::Health, Duration::from_millis(50))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
