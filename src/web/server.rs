//! Connections: how many, how long, and how large a request may be.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::service::restart::Keeper;

/// Further ones wait until one of these ends.
const MAX_CONNECTIONS: usize = 256;
/// From its first byte to the end of its header; also between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Of the header of a request; bodies are not read at all.
const MAX_HEADER: usize = 32 * 1024;
/// Whoever follows the page for longer connects again.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// Out of file descriptors, most likely: others must close before more can come.
const AFTER_AN_ERROR: Duration = Duration::from_millis(200);

/// A listener with its connections. They end when it is dropped.
pub struct Listening {
    task: JoinHandle<()>,
    disconnect: Arc<Notify>,
}

impl Listening {
    pub fn start(listener: TcpListener, router: Router) -> Self {
        let disconnect = Arc::new(Notify::new());
        Self {
            task: tokio::spawn(serve(listener, router, disconnect.clone())),
            disconnect,
        }
    }

    /// Ends the connections that there are.
    pub fn disconnect(&self) {
        self.disconnect.notify_one();
    }

    /// Ends them all, and waits until the address is free.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, router: Router, disconnect: Arc<Notify>) {
    let mut keeper = Keeper::new("the page");
    while keeper.failed(accept(&listener, &router, &disconnect)).await {}
}

async fn accept(listener: &TcpListener, router: &Router, disconnect: &Notify) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = disconnect.notified() => connections.abort_all(),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone()));
                }
                Err(_) => tokio::time::sleep(AFTER_AN_ERROR).await,
            },
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A client that is gone or sends nonsense concerns nobody but itself.
    let _: Result<Result<(), _>, _> = tokio::time::timeout(MAX_AGE, serving).await;
}
