//! Claiming and opening a ledger, to write or to read; opening it anew; closing it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::Mutex as AsyncMutex;

use super::file::{self, FileId};
use super::lock::ServiceLock;
use super::server::{self, Server};
use super::{Access, Inner, Journal, Ledger, Opened, Result, Schema, begin, resolve};
use crate::model::ledger_event::LedgerEvent;
use crate::model::ledger_place::LedgerPlace;
use crate::model::time::UnixTime;

impl Ledger {
    /// Claims the ledger at this path for this process, so that two services do not push
    /// against each other. The same file spelt otherwise is the same ledger.
    ///
    /// # Errors
    /// [`ServiceRunning`](super::LedgerError::ServiceRunning) where another process holds it;
    /// where the folder is
    /// missing or the lock file cannot be opened.
    pub async fn claim(path: &Path) -> Result<ServiceLock> {
        let path = path.to_owned();
        file::beside_tasks(async move { ServiceLock::claim(resolve(&path)?) }).await
    }

    /// Opens a claimed ledger, creates it where there is none (readable by its owner only), and
    /// brings its schema up to date. A damaged file is set aside; the events say what was lost.
    ///
    /// # Errors
    /// A folder that is missing is not created: in a container it would be a volume
    /// that somebody forgot, and the ledger would be lost with the container.
    /// A newer schema and the database of another program are refused.
    pub async fn open(lock: ServiceLock, at: UnixTime) -> Result<(Self, Vec<LedgerEvent>)> {
        file::beside_tasks(Self::open_here(lock, at)).await
    }

    async fn open_here(lock: ServiceLock, at: UnixTime) -> Result<(Self, Vec<LedgerEvent>)> {
        let path = lock.ledger().to_owned();
        let mut events = Vec::new();
        let begun = begin::begin(&path, at, &mut events).await?;
        lock.narrow(&mut events);
        let opened = Opened {
            lock: Some(lock),
            file: FileId::of(&path),
            log: FileId::of(&file::beside(&path, "-wal")),
            journal: begun.journal,
            schema: Schema::Current,
        };
        if begun.journal == Journal::Rollback {
            events.push(LedgerEvent::NoWriteAheadLog { path: path.clone() });
        }
        Ok((Self::new(path, Access::Write, opened), events))
    }

    /// Claims and opens the ledger at this place for a process that works on it alone: as
    /// [`Ledger::claim`] and [`Ledger::open`].
    ///
    /// # Errors
    /// As those; a server that cannot be reached, is too old, or refuses the user.
    pub async fn claim_and_open(
        place: &LedgerPlace,
        at: UnixTime,
    ) -> Result<(Self, Vec<LedgerEvent>)> {
        let opened = Self::open_to_write(place, at).await?;
        if let Some(server) = &opened.0.0.server {
            server.claim_alone().await?;
        }
        Ok(opened)
    }

    /// The same for a service: a ledger on a server is shared, once this process has
    /// registered.
    ///
    /// # Errors
    /// As [`Ledger::claim_and_open`].
    pub async fn open_to_write(
        place: &LedgerPlace,
        at: UnixTime,
    ) -> Result<(Self, Vec<LedgerEvent>)> {
        let Some(server) = &place.server else {
            return Self::open(Self::claim(&place.path).await?, at).await;
        };
        let server = Server::new(server)?;
        let path = resolve(&place.path)?;
        server.make_tables().await?;
        let ledger = Self::with_server(
            path,
            Some(server),
            Access::Write,
            on_server(Schema::Current),
        );
        Ok((ledger, Vec::new()))
    }

    /// Opens the ledger at this place for a command: as [`Ledger::open_to_read`].
    ///
    /// # Errors
    /// When a ledger that exists cannot be opened.
    pub async fn open_place_to_read(place: &LedgerPlace) -> Result<Self> {
        let Some(server) = &place.server else {
            return Self::open_to_read(&place.path).await;
        };
        let server = Server::new(server)?;
        let path = resolve(&place.path)?;
        let schema = match server.look().await? {
            0 => Schema::None,
            _ => Schema::Current,
        };
        Ok(Self::with_server(
            path,
            Some(server),
            Access::Read,
            on_server(schema),
        ))
    }

    /// Opens the ledger for a command beside the service: nothing but sign-ins is ever written.
    ///
    /// Where there is no file it is as if there were an empty one; it is created when a
    /// sign-in has to be written. The ledger of an older podcal is read as it is.
    ///
    /// # Errors
    /// When a ledger that exists cannot be opened.
    pub async fn open_to_read(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        file::beside_tasks(Self::open_to_read_here(path)).await
    }

    async fn open_to_read_here(path: PathBuf) -> Result<Self> {
        let path = resolve(&path)?;
        let schema = begin::look(&path).await?;
        let opened = Opened {
            lock: None,
            file: None,
            log: None,
            journal: Journal::WriteAhead,
            schema,
        };
        Ok(Self::new(path, Access::Read, opened))
    }

    fn new(path: PathBuf, access: Access, opened: Opened) -> Self {
        Self::with_server(path, None, access, opened)
    }

    fn with_server(path: PathBuf, server: Option<Server>, access: Access, opened: Opened) -> Self {
        Self(Arc::new(Inner {
            name: server::name_of(server.as_ref(), &path),
            path,
            server,
            access,
            writer: AsyncMutex::default(),
            reader: AsyncMutex::default(),
            opened: Mutex::new(opened),
            #[cfg(test)]
            hindrance: Mutex::default(),
        }))
    }

    /// Waits for what is being written, merges the log into the file, closes it and gives
    /// the claim back.
    ///
    /// Not needed for safety: a ledger whose process is killed is whole as well.
    pub async fn close(&self) {
        for seat in [&self.0.reader, &self.0.writer] {
            if let Some(connection) = seat.lock().await.take() {
                let _ = connection.close().await;
            }
        }
        if let Some(server) = &self.0.server {
            if self.0.access == Access::Write {
                let _ = tokio::time::timeout(server::PATIENCE, self.leave()).await;
            }
            server.disconnect().await;
        }
        self.opened().lock = None;
    }

    /// Whether the file at the path is still the one that was opened, and the lock file the
    /// one that is held. Asks the file system only.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        if self.is_on_server() {
            return true;
        }
        let opened = self.opened();
        // A ledger is never without its schema: at no length somebody emptied it.
        let is_emptied = std::fs::metadata(&self.0.path).is_ok_and(|file| file.len() == 0);
        !(is_emptied && opened.file.is_some())
            && FileId::of(&self.0.path) == opened.file
            && opened.lock.as_ref().is_none_or(ServiceLock::is_in_place)
    }

    /// Opens anew what is at the path now, after the file was deleted, replaced or found
    /// damaged: as [`Ledger::open`] does. The caller then writes everything current.
    ///
    /// # Errors
    /// As [`Ledger::open`]; then nothing is written until a later call succeeds.
    pub async fn reopen(&self, at: UnixTime) -> Result<Vec<LedgerEvent>> {
        if self.is_on_server() {
            return Ok(Vec::new());
        }
        let ledger = self.clone();
        file::beside_tasks(async move { ledger.reopen_here(at).await }).await
    }

    async fn reopen_here(&self, at: UnixTime) -> Result<Vec<LedgerEvent>> {
        let path = &self.0.path;
        let (mut writer, mut reader) = (self.0.writer.lock().await, self.0.reader.lock().await);
        let log = file::beside(path, "-wal");
        let was = {
            let mut opened = self.opened();
            // Nobody reconnects while it is not known what is there.
            opened.log = FileId::of(&log).or(opened.log);
            (opened.file.take(), opened.log)
        };
        for seat in [&mut *reader, &mut *writer] {
            if let Some(connection) = seat.take() {
                let _ = connection.close().await;
            }
        }
        let now = FileId::of(path);
        let mut events = Vec::new();
        if now != was.0 {
            // The log of the old file would be played into the new one.
            file::remove_log_of(path, was.1);
            events.push(LedgerEvent::Replaced {
                path: path.clone(),
                was_deleted: now.is_none(),
            });
        }
        self.claim_again()?;
        let begun = begin::begin(path, at, &mut events).await?;
        let mut opened = self.opened();
        opened.file = FileId::of(path);
        opened.log = FileId::of(&log);
        opened.journal = begun.journal;
        Ok(events)
    }

    /// Holds the lock file that is at its place now, where the one that was held is gone.
    fn claim_again(&self) -> Result<()> {
        let mut opened = self.opened();
        if opened.lock.as_ref().is_none_or(|lock| !lock.is_in_place()) {
            opened.lock = Some(ServiceLock::claim(self.0.path.clone())?);
        }
        Ok(())
    }
}

/// Nothing of it is a file.
fn on_server(schema: Schema) -> Opened {
    Opened {
        lock: None,
        file: None,
        log: None,
        journal: Journal::WriteAhead,
        schema,
    }
}
