//! What the flow reaches the world through: the open ledger, the network of feeds
//! and the pods. A bag of three, handed on as one argument; no decisions here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::config::{Feed, Pod};
use crate::feed::error::PullError;
use crate::feed::{FeedClient, Network};
use crate::ledger::old::Ledger;
use crate::pod::{Access, Fingerprint, PodClient, PodError};

/// The edges, opened.
pub struct Edges {
    pub ledger: Ledger,
    pub feeds: Feeds,
    pub pods: Pods,
}

impl Edges {
    /// Whether nothing may be written, neither to a pod nor to the ledger.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.pods.access == Access::ReadOnly
    }
}

/// Feed clients by feed, made when first asked for.
#[derive(Default)]
pub struct Feeds {
    network: Network,
    clients: Mutex<HashMap<String, Arc<FeedClient>>>,
}

impl Feeds {
    /// The client of a feed.
    ///
    /// # Errors
    /// When no client can be made, for want of a TLS library's roots, say.
    pub fn client(&self, feed: &Feed) -> Result<Arc<FeedClient>, PullError> {
        let mut clients = self
            .clients
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = clients.get(feed.id.as_str()) {
            return Ok(client.clone());
        }
        let client = Arc::new(FeedClient::new(feed, &self.network)?);
        clients.insert(feed.id.as_str().to_owned(), client.clone());
        Ok(client)
    }

    /// What all feeds of the process share.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }
}

/// Pod clients by pod; in a dry run they refuse to write.
pub struct Pods {
    access: Access,
    clients: Mutex<HashMap<String, (Option<Fingerprint>, PodClient)>>,
    turns: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

/// The right to deal with a pod alone, until it is dropped.
pub type Turn = OwnedMutexGuard<()>;

impl Pods {
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            access,
            clients: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Waits for one's turn with a pod.
    ///
    /// A poll that looked between a push and its record would take the new meetings
    /// for somebody else's; whoever has the turn sees ledger and display agree.
    pub async fn turn(&self, pod: &Pod) -> Turn {
        let turn = {
            let mut turns = self
                .turns
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            turns.entry(pod.url.key()).or_default().clone()
        };
        turn.lock_owned().await
    }

    /// The client of a pod whose certificate is pinned so.
    ///
    /// A pin that somebody changed meanwhile (`podcal pod ROOM trust`) makes a new
    /// client; one that this client found itself does not.
    ///
    /// # Errors
    /// When the trust that the configuration asks for cannot be set up.
    pub fn client(&self, pod: &Pod, pin: Option<Fingerprint>) -> Result<PodClient, PodError> {
        let mut clients = self
            .clients
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = pod.url.key();
        if let Some((made_with, client)) = clients.get(&key)
            && (*made_with == pin || (pin.is_some() && client.seen() == pin))
        {
            return Ok(client.clone());
        }
        let client = PodClient::new(pod, pin, self.access)?;
        clients.insert(key, (pin, client.clone()));
        Ok(client)
    }
}
