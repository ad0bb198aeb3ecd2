//! The page of the demo's rooms: as `[web] listen` serves it, on a port of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::cli::Failure;
use crate::config::Web;
use crate::service::Service;
use crate::service::clock::Clock;
use crate::service::snapshot::Snapshot;
use crate::web::{Bound, WebServer};

/// How often the page is told what is new.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);
/// For a desktop to say that it has no browser.
const PATIENCE: Duration = Duration::from_secs(3);

/// The page, while the demo runs.
pub struct Page {
    pub address: SocketAddr,
    snapshots: watch::Sender<Arc<Snapshot>>,
    _server: WebServer,
}

impl Page {
    pub async fn serve(service: &Service, clock: Clock) -> Result<Self, Failure> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = Bound::bind(listen).await?;
        let address = bound.address();
        let (snapshots, published) = watch::channel(Arc::new(snapshot(service)));
        let web = Web {
            listen,
            login: None,
        };
        Ok(Self {
            address,
            snapshots,
            _server: WebServer::serve(bound, &web, published, clock),
        })
    }

    /// Tells it what is new, and does not end.
    pub async fn publish(&self, service: &Service) -> ! {
        loop {
            tokio::time::sleep(PUBLISH_EVERY).await;
            self.snapshots.send_replace(Arc::new(snapshot(service)));
        }
    }

    /// Has the desktop open it; `false` where there is none.
    pub async fn open(&self) -> bool {
        let opener = if cfg!(target_os = "macos") {
            "open"
        } else {
            "xdg-open"
        };
        let mut command = Command::new(opener);
        command
            .arg(self.url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let opened = tokio::task::spawn_blocking(move || command.status());
        // A browser that stays in the foreground was opened all right.
        match tokio::time::timeout(PATIENCE, opened).await {
            Ok(Ok(ended)) => ended.is_ok_and(|status| status.success()),
            Ok(Err(_)) => false,
            Err(_) => true,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

fn snapshot(service: &Service) -> Snapshot {
    let is_first_pass_done = service.is_first_pass_done();
    service.snapshot(Arc::new(service.views()), 0, is_first_pass_done)
}
