//! The tokens of OAuth 2.0: one access token for one credential, however many
//! feeds and processes use it, and the refresh token that a server put in place
//! of the configured one.
//!
//! A rotated refresh token is the one secret that podcal itself has to keep: the
//! one in the configuration is no longer valid. It is kept in a file that only
//! the owner may read.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::error::PullError;
use crate::config::OAuth2;
use crate::model::digest::{Parts, hex};
use crate::model::secret::Secret;
use crate::model::time::UnixTime;

/// A token request of another process is waited for this long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(25);

/// Far more than a building has.
const MAX_KEPT: usize = 200;
const MAX_FILE: u64 = 4 * 1024 * 1024;

pub(super) struct Tokens {
    file: Option<PathBuf>,
    credentials: Mutex<HashMap<String, Arc<Credential>>>,
}

/// What is known of one credential.
pub(super) struct Credential {
    /// A digest of what the configuration gives.
    id: String,
    pub state: Arc<tokio::sync::Mutex<CredentialState>>,
}

#[derive(Default)]
pub(super) struct CredentialState {
    pub access: Option<(Secret, Instant)>,
    /// In place of the configured one.
    pub refresh: Option<Secret>,
    /// Refused by a calendar server before its time.
    pub revoked: Option<Secret>,
    pub failure: Option<Failure>,
    /// Why the file does not have the newest refresh token, which then ends with the process.
    pub not_saved: Option<String>,
}

/// A token request that failed.
#[derive(Clone)]
pub(super) struct Failure {
    pub at: Instant,
    /// Not asked again before then.
    pub until: Instant,
    pub error: PullError,
}

/// What the file has of one credential.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub refresh_token: Option<String>,
    pub access_token: Option<String>,
    /// Of the access token.
    pub expires_at: i64,
    pub saved_at: i64,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    credentials: BTreeMap<String, Kept>,
}

impl Tokens {
    pub(super) fn in_memory() -> Self {
        Self {
            file: None,
            credentials: Mutex::default(),
        }
    }

    pub(super) fn in_file(path: PathBuf) -> Self {
        Self {
            file: Some(path),
            ..Self::in_memory()
        }
    }

    pub(super) fn credential(&self, oauth2: &OAuth2) -> Arc<Credential> {
        let id = hex(&Parts::of([
            oauth2.token_url.reveal().as_str(),
            &oauth2.client_id,
            oauth2.client_secret.reveal(),
            oauth2.refresh_token.reveal(),
        ]));
        let mut known = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let credential = known.entry(id.clone()).or_insert_with(|| {
            Arc::new(Credential {
                id,
                state: Arc::default(),
            })
        });
        Arc::clone(credential)
    }

    /// Keeps other processes from asking for tokens; `None` where there is no file,
    /// or where it cannot be locked.
    pub(super) async fn lock(&self) -> Option<File> {
        let path = beside(self.file.as_deref()?, ".lock");
        let file = options().create(true).truncate(false).open(path).ok()?;
        let until = Instant::now() + LOCK_TIMEOUT;
        loop {
            match Turn::of(file.try_lock()) {
                Turn::Ours => return Some(file),
                Turn::Never => return None,
                Turn::Later if Instant::now() > until => return None,
                Turn::Later => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// What the file has of this credential, written perhaps by another process.
    pub(super) async fn load(&self, credential: &Credential) -> Option<Kept> {
        let path = self.file.clone()?;
        let id = credential.id.clone();
        let read = move || read(&path).ok()?.credentials.remove(&id);
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// Why it could not be written, if so.
    pub(super) async fn save(&self, credential: &Credential, kept: Kept) -> Option<String> {
        let path = self.file.clone()?;
        let name = path.display().to_string();
        let id = credential.id.clone();
        let write = move || {
            // One that is there and cannot be read may hold the tokens of others.
            let mut document = match read(&path) {
                Ok(document) => document,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Document::default(),
                Err(error) => return Err(error),
            };
            document.credentials.insert(id, kept);
            while document.credentials.len() > MAX_KEPT {
                let oldest = document
                    .credentials
                    .iter()
                    .min_by_key(|(_, kept)| kept.saved_at);
                let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                    break;
                };
                document.credentials.remove(&oldest);
            }
            write(&path, &document)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("`{name}` cannot be written ({})", error.kind())),
            Err(_) => Some(format!("writing `{name}` was not finished")),
        }
    }
}

/// What an attempt to lock the file came to.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Ours,
    Later,
    /// Files cannot be locked here, as on some network drives; waiting does not help.
    Never,
}

impl Turn {
    fn of(attempt: Result<(), TryLockError>) -> Self {
        match attempt {
            Ok(()) => Self::Ours,
            Err(TryLockError::WouldBlock) => Self::Later,
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                Self::Later
            }
            Err(TryLockError::Error(_)) => Self::Never,
        }
    }
}

impl Kept {
    /// The access token and how long it is good for from `now`.
    pub(super) fn access(&self, now: UnixTime) -> Option<(Secret, Duration)> {
        /// No server gives longer ones, so a later time is the mistake of a clock.
        const LONGEST: i64 = 86_400;
        let seconds = self.expires_at - now.seconds();
        let life = (1..=LONGEST).contains(&seconds).then_some(seconds)?;
        let token = Secret::new(self.access_token.clone()?);
        Some((token, Duration::from_secs(u64::try_from(life).ok()?)))
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Never through a link, and no reader of a pipe is waited for.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options
}

fn read(path: &Path) -> io::Result<Document> {
    // Never through a link, nor from a pipe or a device.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    narrow(path)?;
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Takes the permissions of others away, if somebody gave them any.
#[cfg(unix)]
fn narrow(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn narrow(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes beside the file and renames, so that a killed process leaves it whole.
fn write(path: &Path, document: &Document) -> io::Result<()> {
    let text = serde_json::to_vec(document)?;
    let new = beside(path, ".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options().create_new(true).open(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::feed_url::FeedUrl;

    fn oauth2(refresh: &str) -> OAuth2 {
        OAuth2 {
            token_url: FeedUrl::parse("https://login.example.com/token").unwrap().0,
            client_id: "id".to_owned(),
            client_secret: Secret::new("s3cret"),
            refresh_token: Secret::new(refresh),
        }
    }

    fn kept(refresh: &str, saved_at: i64) -> Kept {
        Kept {
            refresh_token: Some(refresh.to_owned()),
            access_token: Some("a".to_owned()),
            expires_at: 1000,
            saved_at,
        }
    }

    #[tokio::test]
    async fn a_rotated_token_is_found_by_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let tokens = Tokens::in_file(path.clone());
        let one = tokens.credential(&oauth2("first"));
        assert!(tokens.load(&one).await.is_none());
        assert_eq!(tokens.save(&one, kept("second", 1)).await, None);
        let other = Tokens::in_file(path.clone());
        let found = other
            .load(&other.credential(&oauth2("first")))
            .await
            .unwrap();
        assert_eq!(found.refresh_token.as_deref(), Some("second"));
        let another = other.credential(&oauth2("another"));
        assert!(other.load(&another).await.is_none());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(other.load(&one).await.is_some());
            assert_eq!(mode(&path), 0o600);
        }
    }

    #[tokio::test]
    async fn two_processes_ask_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let (one, other) = (Tokens::in_file(path.clone()), Tokens::in_file(path));
        let held = one.lock().await.unwrap();
        let mut waiting = std::pin::pin!(other.lock());
        let early = tokio::time::timeout(Duration::from_millis(120), &mut waiting).await;
        assert!(early.is_err());
        drop(held);
        assert!(waiting.await.is_some());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_said_and_a_link_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::in_file(folder.path().join("no/such/folder.json"));
        let one = tokens.credential(&oauth2("first"));
        let problem = tokens.save(&one, kept("second", 1)).await.unwrap();
        assert!(problem.contains(".json` cannot be written"), "{problem}");
        let real = folder.path().join("real.json");
        fs::write(&real, "{\"credentials\":{}}").unwrap();
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let tokens = Tokens::in_file(link);
        tokens.save(&one, kept("second", 1)).await;
        assert_eq!(fs::read_to_string(&real).unwrap(), "{\"credentials\":{}}");
        // Nor is the lock taken through one, which would make a file there.
        let elsewhere = folder.path().join("elsewhere");
        let tokens = Tokens::in_file(real);
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("real.json.lock")).unwrap();
        assert!(tokens.lock().await.is_none());
        assert!(!elsewhere.exists());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_kept_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        fs::write(&path, "{\"credentials\":{\"someone's").unwrap();
        let tokens = Tokens::in_file(path.clone());
        let one = tokens.credential(&oauth2("first"));
        let problem = tokens.save(&one, kept("second", 1)).await.unwrap();
        assert!(problem.contains(".json` cannot be written"), "{problem}");
        let left = fs::read_to_string(&path).unwrap();
        assert_eq!(left, "{\"credentials\":{\"someone's");
    }

    #[test]
    fn a_lock_that_cannot_be_had_at_all_is_not_waited_for() {
        let failed = |kind: io::ErrorKind| Turn::of(Err(TryLockError::Error(kind.into())));
        assert_eq!(Turn::of(Ok(())), Turn::Ours);
        assert_eq!(Turn::of(Err(TryLockError::WouldBlock)), Turn::Later);
        assert_eq!(failed(io::ErrorKind::Interrupted), Turn::Later);
        assert_eq!(failed(io::ErrorKind::Unsupported), Turn::Never);
    }

    #[test]
    fn a_token_is_not_believed_beyond_a_day() {
        let kept = kept("r", 1);
        let life = |now: i64| {
            kept.access(UnixTime::from_seconds(now))
                .map(|(_, life)| life.as_secs())
        };
        assert_eq!(life(940), Some(60));
        assert_eq!(life(1000), None);
        assert_eq!(life(-1_000_000), None);
    }
}
