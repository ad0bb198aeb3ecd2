//! The ledger as a file: where it is, who may read it, whether it is still the same one.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{LedgerError, Result};
use crate::model::ledger_event::LedgerEvent;
use crate::model::time::UnixTime;

/// Does work that asks the file system on a thread of its own: a disk may not answer, and the
/// tasks go on meanwhile. The work comes to its end also where nobody waits for it any more.
pub(super) async fn beside_tasks<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(work)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and drops this next.
            Err(_) => std::future::pending().await,
        },
    }
}

/// A file however it is named: its device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// `None` where there is no such file.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let found = fs::metadata(path).ok()?;
        Some(Self(found.dev(), found.ino()))
    }

    /// Elsewhere only a file that is missing is noticed.
    #[cfg(not(unix))]
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|_| Self(0, 0))
    }

    #[cfg(unix)]
    pub(super) fn of_open(file: &fs::File) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let found = file.metadata().ok()?;
        Some(Self(found.dev(), found.ino()))
    }

    #[cfg(not(unix))]
    pub(super) fn of_open(_: &fs::File) -> Option<Self> {
        Some(Self(0, 0))
    }
}

/// The one spelling of a path to a ledger: absolute and without links, so that the same
/// file has the same lock however it is named.
///
/// # Errors
/// When the folder does not exist or may not be entered.
pub fn resolve(path: &Path) -> Result<PathBuf> {
    const MAX_LINKS: usize = 40;
    // SQLite reads more than a path into some names, such as `:memory:`; not into absolute ones.
    let mut path =
        std::path::absolute(path).map_err(|error| cannot_open(path.to_owned(), error))?;
    for _ in 0..MAX_LINKS {
        if let Ok(resolved) = fs::canonicalize(&path) {
            return Ok(resolved);
        }
        let folder = path.parent().unwrap_or(&path).to_owned();
        let folder = match fs::canonicalize(&folder) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LedgerError::FolderMissing { folder });
            }
            Err(error) => return Err(cannot_open(path, error)),
        };
        // A link to a file that is not there yet: the file will be at its end.
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Ok(folder.join(path.file_name().unwrap_or_default())),
        }
    }
    let error = io::Error::other("too many symbolic links");
    Err(cannot_open(path, error))
}

pub(super) fn cannot_open(path: PathBuf, error: io::Error) -> LedgerError {
    LedgerError::CannotOpen {
        path,
        source: error.into(),
    }
}

/// The ledger's path with something after it, as SQLite names its own files.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether something is there that is no file: a folder, a pipe, a device.
pub(super) fn is_no_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file())
}

pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// Whether it holds less than the smallest database: SQLite would take it for a new one.
pub(super) fn is_stub(path: &Path) -> bool {
    (1..512).contains(&size(path))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    New,
    Empty,
    File,
}

/// Creates the file where there is none; SQLite gives its other files the same permissions.
pub(super) fn create_if_missing(path: &Path) -> Result<Found> {
    match owner_only().create_new(true).open(path) {
        Ok(_) => Ok(Found::New),
        Err(error) => match error.kind() {
            io::ErrorKind::AlreadyExists if is_no_file(path) => Err(LedgerError::NotAFile {
                path: path.to_owned(),
            }),
            io::ErrorKind::AlreadyExists if size(path) == 0 => Ok(Found::Empty),
            io::ErrorKind::AlreadyExists => Ok(Found::File),
            io::ErrorKind::NotFound => Err(LedgerError::FolderMissing {
                folder: path.parent().unwrap_or(path).to_owned(),
            }),
            io::ErrorKind::ReadOnlyFilesystem => Err(LedgerError::ReadOnly {
                path: path.to_owned(),
            }),
            io::ErrorKind::StorageFull => Err(LedgerError::DiskFull {
                path: path.to_owned(),
            }),
            _ => Err(cannot_open(path.to_owned(), error)),
        },
    }
}

pub(super) fn owner_only() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the file from everybody but its owner, and says so where it had been otherwise.
#[cfg(unix)]
pub(super) fn narrow(path: &Path, events: &mut Vec<LedgerEvent>) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(found) = fs::metadata(path) else {
        return;
    };
    let mode = found.permissions().mode();
    if !found.is_file() || mode & 0o077 == 0 {
        return;
    }
    let path = path.to_owned();
    events.push(
        match fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o700)) {
            Ok(()) => LedgerEvent::Narrowed { path },
            Err(error) => LedgerEvent::WidePermissions {
                path,
                error: error.to_string(),
            },
        },
    );
}

#[cfg(not(unix))]
pub(super) fn narrow(_: &Path, _: &mut Vec<LedgerEvent>) {}

/// Whether the file can only be somebody's text: a path that names another file by mistake,
/// and no ledger that was damaged.
pub(super) fn is_text(path: &Path) -> bool {
    const MARK: &[u8] = b"SQLite format 3\0";
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(512).read_to_end(&mut start));
    if start.starts_with(MARK) || MARK.starts_with(&start) {
        return false;
    }
    let text = match std::str::from_utf8(&start) {
        Ok(text) => text,
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() => {
            let whole = start.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(whole).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_print = |c: char| !c.is_control() || c.is_whitespace();
    read.is_ok() && !text.is_empty() && text.chars().all(is_print)
}

/// Renames the file and SQLite's log beside it; says the new name.
pub(super) fn set_aside(path: &Path, at: UnixTime) -> Result<PathBuf> {
    let stamp = at.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut aside = beside(path, &format!(".damaged-{stamp}"));
    for n in 2.. {
        if !aside.exists() {
            break;
        }
        aside = beside(path, &format!(".damaged-{stamp}-{n}"));
    }
    fs::rename(path, &aside).map_err(|error| cannot_open(path.to_owned(), error))?;
    let _ = fs::rename(beside(path, "-wal"), beside(&aside, "-wal"));
    let _ = fs::rename(beside(path, "-journal"), beside(&aside, "-journal"));
    // Only an index into the log; SQLite makes it anew.
    let _ = fs::remove_file(beside(path, "-shm"));
    Ok(aside)
}

/// Undoes it, where no new file could be begun.
pub(super) fn put_back(aside: &Path, path: &Path) {
    for suffix in ["", "-wal", "-journal"] {
        let _ = fs::remove_file(beside(path, suffix));
        let _ = fs::rename(beside(aside, suffix), beside(path, suffix));
    }
}

/// Removes the log that belonged to a file that is gone; the log of another file stays.
pub(super) fn remove_log_of(path: &Path, log: Option<FileId>) {
    let log_path = beside(path, "-wal");
    if log.is_some() && FileId::of(&log_path) == log {
        let _ = fs::remove_file(log_path);
        let _ = fs::remove_file(beside(path, "-shm"));
    }
}
