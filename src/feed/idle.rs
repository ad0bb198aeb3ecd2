//! Connections that were kept for the next request to the same server, of
//! whatever feed, for a few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connect::Connection;
use super::place::{Reach, is_private};

/// Shorter than the keep-alive of common servers, so that a request seldom meets
/// a connection that is just being closed.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// As many as a host is asked at once.
const MAX_PER_SERVER: usize = 4;

/// What connections may be exchanged for each other: scheme, host and port, and
/// how the server was trusted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ServerKey {
    pub origin: String,
    pub trust: [u8; 32],
}

#[derive(Default)]
pub(super) struct IdleConnections(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    next_id: u64,
    by_server: HashMap<ServerKey, Vec<(u64, Connection)>>,
}

impl IdleConnections {
    /// One that is still open; it is the caller's from now on.
    pub(super) fn take(&self, server: &ServerKey, reach: Reach) -> Option<Connection> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = kept.by_server.get_mut(server)?;
        while let Some((_, connection)) = connections.pop() {
            let inside = connection.peer.is_some_and(is_private);
            if connection.sender.is_ready() && (reach == Reach::Anywhere || !inside) {
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn keep(&self, server: ServerKey, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = kept.next_id;
        kept.next_id += 1;
        let connections = kept.by_server.entry(server.clone()).or_default();
        if connections.len() >= MAX_PER_SERVER {
            return;
        }
        connections.push((id, connection));
        let all = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT_FOR).await;
            if let Some(all) = all.upgrade() {
                let mut kept = all.lock().unwrap_or_else(PoisonError::into_inner);
                kept.close(&server, id);
            }
        });
    }
}

impl Kept {
    fn close(&mut self, server: &ServerKey, id: u64) {
        if let Some(connections) = self.by_server.get_mut(server) {
            connections.retain(|(known, _)| *known != id);
            if connections.is_empty() {
                self.by_server.remove(server);
            }
        }
    }
}
