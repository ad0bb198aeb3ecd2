//! What people and monitoring see of the service: the page, `/metrics`, `/healthz`, `/readyz`
//! and `/api/v1/status`.
//!
//! It only reads. The service publishes a [`Snapshot`] now and then, and everything here is
//! made from the newest one, so that nobody who looks holds the service up:
//!
//! | path | what |
//! | --- | --- |
//! | `/` | every room as a tile, worst first |
//! | `/wall` | the same for a screen on a wall: dark, the sum, only what is wrong large |
//! | `/rooms/NAME` | one room with its displays, agenda, feeds and history; `?at=` explains a moment |
//! | `/events` | the tiles that change, as server-sent events |
//! | `/api/v1/status` | the document of `podcal status --json` |
//! | `/metrics` | Prometheus' text format |
//! | `/healthz`, `/readyz` | without login and without names |

mod answer;
mod board;
mod board_page;
mod error;
mod events;
mod explain;
mod followers;
mod frame;
mod gzip;
mod login;
mod metrics;
mod room_page;
mod router;
mod server;
mod site;
mod tile;
mod timeline;
mod times;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::error::WebError;
use self::login::Login;
use self::server::Listening;
use self::site::Site;
use crate::config;
use crate::service::clock::Clock;
use crate::service::snapshot::Snapshot;
use crate::telemetry::{self, words};

/// An address that is ours and not served yet.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(listen: SocketAddr) -> Result<Self, WebError> {
        let bound = async {
            let listener = TcpListener::bind(listen).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound
            .await
            .map_err(|source| WebError::Listen { listen, source })
    }

    /// With the port that was had, where any would do.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The page, while it is served. It ends with this.
pub struct WebServer {
    listen: SocketAddr,
    site: Arc<Site>,
    listening: Listening,
}

impl WebServer {
    /// Serves on an address, from what is published.
    #[must_use]
    pub fn serve(
        bound: Bound,
        web: &config::Web,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        clock: Clock,
    ) -> Self {
        let site = Arc::new(Site::new(snapshots, clock, Login::of(web)));
        telemetry::emit(words::service::web_listening(
            bound.address,
            web.login.is_some(),
        ));
        Self {
            listen: web.listen,
            listening: Listening::start(bound.listener, router::router(site.clone())),
            site,
        }
    }

    /// The address as it is configured.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Others may read from now on. Whoever is connected has to come again.
    pub fn set_login(&self, web: &config::Web) {
        self.site.set_login(Login::of(web));
        self.listening.disconnect();
    }

    /// Gives the address back.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}
