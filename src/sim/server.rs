//! The listening side that pods and the feed host share: accept, TLS, HTTP, and cutting a
//! connection on purpose.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, header};
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio_rustls::TlsAcceptor;

/// How long a client may take for its TLS handshake or its request line and headers.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a request in flight may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// What stands behind a listener.
pub(super) trait Site: Send + Sync + 'static {
    fn welcome(&self) -> Welcome {
        Welcome::Serve
    }

    /// `None` serves plain HTTP.
    fn tls(&self) -> io::Result<Option<Arc<rustls::ServerConfig>>> {
        Ok(None)
    }

    /// The handlers; they find a [`Cut`] among the extensions of a request.
    fn router(self: Arc<Self>) -> Router;
}

/// How a new connection is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Welcome {
    Serve,
    /// It is closed before TLS.
    Close,
    /// It is left open, and nothing is ever sent.
    Ignore,
}

/// Closes the connection that a request came on, without a word.
#[derive(Clone)]
pub(super) struct Cut(Arc<Notify>);

impl Cut {
    /// Closes the connection; never returns.
    pub async fn now(&self) -> Response<Body> {
        self.0.notify_one();
        std::future::pending().await
    }

    /// The response with the first half of its body, after which the connection is closed.
    pub async fn half(&self, response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        let whole = axum::body::to_bytes(body, usize::MAX).await;
        let whole = whole.unwrap_or_default();
        let half = whole.slice(..whole.len() / 2);
        head.headers
            .insert(header::CONTENT_LENGTH, whole.len().max(1).into());
        Response::from_parts(head, self.after(half))
    }

    /// A body of which `sent` arrives before the connection is closed.
    pub fn after(&self, sent: Bytes) -> Body {
        let cut = self.clone();
        let first = futures_util::stream::once(std::future::ready(Ok::<Bytes, io::Error>(sent)));
        let last = futures_util::stream::once(async move {
            // While the body has nothing to give, what it gave is written out.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            cut.now().await;
            Ok(Bytes::new())
        });
        Body::from_stream(futures_util::StreamExt::chain(first, last))
    }
}

/// A running listener. Stops, without grace, when it is dropped.
pub(super) struct Server {
    stop: watch::Sender<Stop>,
    running: mpsc::Receiver<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    Gracefully,
}

impl Server {
    pub fn start(listener: TcpListener, site: Arc<dyn Site>) -> Self {
        let (stop, stopping) = watch::channel(Stop::No);
        let (alive, running) = mpsc::channel(1);
        tokio::spawn(accept(listener, site, stopping, alive));
        Self { stop, running }
    }

    pub async fn stop(mut self) {
        self.stop.send_replace(Stop::Gracefully);
        // The channel closes when the accept loop and every connection have let go of it.
        if tokio::time::timeout(GRACE, self.running.recv())
            .await
            .is_err()
        {
            drop(self.stop);
            self.running.recv().await;
        }
    }
}

async fn accept(
    listener: TcpListener,
    site: Arc<dyn Site>,
    mut stopping: watch::Receiver<Stop>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stopping.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (stopping, alive) = (stopping.clone(), alive.clone());
                match site.welcome() {
                    Welcome::Serve => {
                        tokio::spawn(connection(stream, Arc::clone(&site), stopping, alive));
                    }
                    Welcome::Close => {}
                    Welcome::Ignore => {
                        tokio::spawn(ignore(stream, stopping, alive));
                    }
                }
            }
            // Out of file handles, most likely: others must close before more can come.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Reads what comes, so that the other side sees no error, and sends nothing.
async fn ignore(
    mut stream: TcpStream,
    mut stopping: watch::Receiver<Stop>,
    alive: mpsc::Sender<()>,
) {
    let mut nowhere = tokio::io::sink();
    tokio::select! {
        _ = stopping.changed() => {}
        _ = tokio::io::copy(&mut stream, &mut nowhere) => {}
    }
    drop(alive);
}

async fn connection(
    stream: TcpStream,
    site: Arc<dyn Site>,
    mut stopping: watch::Receiver<Stop>,
    alive: mpsc::Sender<()>,
) {
    let _ = stream.set_nodelay(true);
    let Ok(tls) = site.tls() else { return };
    match tls {
        None => exchange(stream, site, stopping).await,
        Some(config) => {
            let handshake =
                tokio::time::timeout(PATIENCE, TlsAcceptor::from(config).accept(stream));
            let stream = tokio::select! {
                _ = stopping.changed() => return,
                stream = handshake => stream,
            };
            if let Ok(Ok(stream)) = stream {
                exchange(stream, site, stopping).await;
            }
        }
    }
    drop(alive);
}

async fn exchange<S>(stream: S, site: Arc<dyn Site>, mut stopping: watch::Receiver<Stop>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let cut = Cut(Arc::new(Notify::new()));
    let router = Router::new()
        .fallback_service(site.router())
        .layer(Extension(cut.clone()));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let mut told = false;
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            () = cut.0.notified() => return,
            changed = stopping.changed() => match changed {
                Ok(()) if !told => {
                    told = true;
                    serving.as_mut().graceful_shutdown();
                }
                Ok(()) => {}
                // The server was dropped: no grace.
                Err(_) => return,
            },
        }
    }
}
