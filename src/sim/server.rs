//! The listening side that pods and the feed host share: accept, TLS, HTTP, and cutting a connection on purpose.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
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
pub(super) trait App: Send + Sync + 'static {
    /// Whether a new connection is welcome. One that is not is closed before TLS.
    fn welcomes(&self) -> bool;
    /// `None` serves plain HTTP.
    fn tls(&self) -> io::Result<Option<Arc<rustls::ServerConfig>>>;
    fn http2(&self) -> bool;
    fn answer(
        self: Arc<Self>,
        request: Request,
        cut: Cut,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
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
    pub fn start(listener: TcpListener, app: Arc<dyn App>) -> Self {
        let (stop, stopping) = watch::channel(Stop::No);
        let (alive, running) = mpsc::channel(1);
        tokio::spawn(accept(listener, app, stopping, alive));
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
    app: Arc<dyn App>,
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
                if app.welcomes() {
                    tokio::spawn(connection(
                        stream,
                        Arc::clone(&app),
                        stopping.clone(),
                        alive.clone(),
                    ));
                }
            }
            // Out of file handles, most likely: others must close before more can come.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(
    stream: TcpStream,
    app: Arc<dyn App>,
    mut stopping: watch::Receiver<Stop>,
    alive: mpsc::Sender<()>,
) {
    let _ = stream.set_nodelay(true);
    let Ok(tls) = app.tls() else { return };
    match tls {
        None => exchange(stream, app, stopping).await,
        Some(config) => {
            let handshake =
                tokio::time::timeout(PATIENCE, TlsAcceptor::from(config).accept(stream));
            let stream = tokio::select! {
                _ = stopping.changed() => return,
                stream = handshake => stream,
            };
            if let Ok(Ok(stream)) = stream {
                exchange(stream, app, stopping).await;
            }
        }
    }
    drop(alive);
}

async fn exchange<S>(stream: S, app: Arc<dyn App>, mut stopping: watch::Receiver<Stop>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let cut = Cut(Arc::new(Notify::new()));
    let http2 = app.http2();
    let handler_cut = cut.clone();
    let router = Router::new().fallback(move |request: Request| {
        let (app, cut) = (Arc::clone(&app), handler_cut.clone());
        async move { app.answer(request, cut).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new());
    let builder = if http2 { builder } else { builder.http1_only() };
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
