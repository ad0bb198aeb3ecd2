//! What all who look share: what is published, who may look, and what is made for all at once.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::Request;
use tokio::sync::{Mutex, watch};

use super::board::{Board, Keeper};
use super::followers::Followers;
use super::login::{Admission, Login};
use crate::service::clock::Clock;
use crate::service::snapshot::Snapshot;

/// What all connections share.
pub struct Site {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) clock: Clock,
    login: RwLock<Option<Login>>,
    keeper: Arc<Mutex<Keeper>>,
    /// Large answers are made one at a time.
    pub(super) large: Mutex<()>,
    pub(super) followers: Followers,
}

impl Site {
    pub fn new(
        snapshots: watch::Receiver<Arc<Snapshot>>,
        clock: Clock,
        login: Option<Login>,
    ) -> Self {
        let keeper = Keeper::new(clock.now().wall);
        Self {
            snapshots,
            clock,
            login: RwLock::new(login),
            keeper: Arc::new(Mutex::new(keeper)),
            large: Mutex::new(()),
            followers: Followers::default(),
        }
    }

    pub fn set_login(&self, login: Option<Login>) {
        *self.login.write().unwrap_or_else(PoisonError::into_inner) = login;
    }

    pub fn admits(&self, request: &Request) -> Admission {
        let login = self.login.read().unwrap_or_else(PoisonError::into_inner);
        match &*login {
            Some(login) => login.admits(request.headers()),
            None => Admission::Granted,
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Hears of every new snapshot.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// The tiles of all rooms; made once for all who look.
    pub async fn board(&self) -> Option<Arc<Board>> {
        let mut keeper = self.keeper.clone().lock_owned().await;
        let snapshot = self.snapshot();
        let work = tokio::task::spawn_blocking(move || keeper.board(&snapshot));
        work.await.ok()
    }

    /// Makes a large answer from what is published, when the one before it is made.
    pub async fn large<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Snapshot) -> T + Send + 'static,
    ) -> Option<T> {
        let _one = self.large.lock().await;
        let snapshot = self.snapshot();
        tokio::task::spawn_blocking(move || make(&snapshot))
            .await
            .ok()
    }
}
