//! A connection to a calendar server: names looked up, the proxies of the
//! environment, TLS. Nothing is asked of the server here, and its login is not sent;
//! a proxy is asked for the way to it, with the login of the proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use url::Host;

use super::place::{Reach, is_loopback, is_private, is_written_private};
use super::request_body::RequestBody;
use crate::model::feed_url::FeedUrl;
use crate::net::authorities::AuthoritiesError;
use crate::net::lookup::{Lookup, LookupError};
use crate::net::transport::Cause;

/// A host that cannot even be connected to within this long is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A name server that is silent for this long is down; the look-up itself may go on.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(8);

/// When one address does not answer, the next is tried beside it.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// More addresses than this are not tried.
const MAX_ADDRESSES: usize = 8;

/// How connections are made.
pub(super) struct Connector {
    lookup: Lookup,
    /// HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
    proxies: Matcher,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    Unreachable(Cause),
    NoAuthorities(AuthoritiesError),
    /// Its address is a private one, and it may only be a public one.
    Private,
}

impl From<Cause> for ConnectError {
    fn from(cause: Cause) -> Self {
        Self::Unreachable(cause)
    }
}

/// An open connection, ready for a request.
pub(super) struct Connection {
    pub sender: SendRequest<RequestBody>,
    /// The server's own address; `None` where a proxy stands between.
    pub peer: Option<IpAddr>,
    /// For plain http through a proxy: requests name the whole address, and this
    /// signs in at the proxy.
    pub through_proxy: Option<Option<HeaderValue>>,
    _task: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Connector {
    pub(super) fn new() -> Self {
        Self {
            lookup: Lookup::shared(),
            proxies: Matcher::from_env(),
        }
    }

    #[cfg(test)]
    pub(super) fn through(proxy: &str) -> Self {
        Self {
            proxies: Matcher::builder().all(proxy).build(),
            ..Self::new()
        }
    }

    /// `tls` is for the server, `proxy_tls` for a proxy that is reached by https.
    pub(super) async fn open(
        &self,
        url: &FeedUrl,
        reach: Reach,
        tls: impl Fn() -> Result<Arc<ClientConfig>, ConnectError>,
        proxy_tls: impl Fn() -> Result<Arc<ClientConfig>, ConnectError>,
    ) -> Result<Connection, ConnectError> {
        if reach == Reach::PublicOnly && is_written_private(url) {
            return Err(ConnectError::Private);
        }
        let proxy = match url.reveal().as_str().parse() {
            // No proxy can reach this very machine.
            Ok(uri) if !is_loopback(url) => self.proxies.intercept(&uri),
            _ => None,
        };
        let opening = async {
            match &proxy {
                None => self.direct(url, reach, tls).await,
                Some(proxy) => self.proxied(url, proxy, tls, proxy_tls).await,
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, opening)
            .await
            .unwrap_or(Err(Cause::ConnectTimedOut.into()))
    }

    async fn direct(
        &self,
        url: &FeedUrl,
        reach: Reach,
        tls: impl Fn() -> Result<Arc<ClientConfig>, ConnectError>,
    ) -> Result<Connection, ConnectError> {
        let mut addresses = self.addresses(url).await?;
        if reach == Reach::PublicOnly {
            addresses.retain(|address| !is_private(address.ip()));
            if addresses.is_empty() {
                return Err(ConnectError::Private);
            }
        }
        let stream = connect(addresses).await?;
        let peer = stream.peer_addr().ok().map(|address| address.ip());
        let io: Box<dyn Io> = if url.is_encrypted() {
            Box::new(handshake(tls()?, host_of(url), stream).await?)
        } else {
            Box::new(stream)
        };
        finished(io, peer, None).await
    }

    async fn proxied(
        &self,
        url: &FeedUrl,
        proxy: &Intercept,
        tls: impl Fn() -> Result<Arc<ClientConfig>, ConnectError>,
        proxy_tls: impl Fn() -> Result<Arc<ClientConfig>, ConnectError>,
    ) -> Result<Connection, ConnectError> {
        let uri = proxy.uri();
        let encrypted = match uri.scheme_str() {
            None | Some("http") => false,
            Some("https") => true,
            Some(_) => return Err(Cause::Proxy.into()),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let addresses = self.lookup.addresses(host, port).await;
        let addresses = addresses.map_err(|_| Cause::Proxy)?;
        let stream = connect(addresses).await.map_err(|_| Cause::Proxy)?;
        let mut io: Box<dyn Io> = if encrypted {
            Box::new(handshake(proxy_tls()?, host.to_owned(), stream).await?)
        } else {
            Box::new(stream)
        };
        if !url.is_encrypted() {
            let login = proxy.basic_auth().cloned();
            return finished(io, None, Some(login)).await;
        }
        tunnel(&mut io, url, proxy.basic_auth()).await?;
        let io = Box::new(handshake(tls()?, host_of(url), io).await?);
        finished(io, None, None).await
    }

    async fn addresses(&self, url: &FeedUrl) -> Result<Vec<SocketAddr>, Cause> {
        let port = url.reveal().port_or_known_default().unwrap_or_default();
        let found = match url.reveal().host() {
            Some(Host::Ipv4(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Ipv6(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Domain(name)) => {
                tokio::time::timeout(LOOKUP_TIMEOUT, self.lookup.addresses(name, port))
                    .await
                    .unwrap_or(Err(LookupError::NoAnswer))
            }
            None => return Err(Cause::NameNotFound),
        };
        found.map_err(|error| Cause::of_connecting(&std::io::Error::other(error)))
    }
}

fn host_of(url: &FeedUrl) -> String {
    let host = url.reveal().host_str().unwrap_or_default();
    host.trim_matches(['[', ']']).to_owned()
}

/// The first of the addresses that answers; each is given a head start.
async fn connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, Cause> {
    let mut attempts: FuturesUnordered<_> = addresses
        .into_iter()
        .take(MAX_ADDRESSES)
        .zip(0..)
        .map(async |(address, place)| {
            tokio::time::sleep(NEXT_ADDRESS_AFTER * place).await;
            TcpStream::connect(address).await
        })
        .collect();
    let mut cause = Cause::NameNotFound;
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => cause = Cause::of_connecting(&error),
        }
    }
    Err(cause)
}

async fn handshake<S: Io>(
    config: Arc<ClientConfig>,
    host: String,
    stream: S,
) -> Result<tokio_rustls::client::TlsStream<S>, Cause> {
    let name = ServerName::try_from(host).map_err(|_| Cause::NameNotFound)?;
    tokio_rustls::TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| Cause::of_connecting(&error))
}

/// Asks a proxy for a way to the server (RFC 9110 section 9.3.6).
async fn tunnel(
    io: &mut Box<dyn Io>,
    url: &FeedUrl,
    login: Option<&HeaderValue>,
) -> Result<(), Cause> {
    /// Longer answers are no answers.
    const MAX_HEAD: usize = 16 * 1024;
    let host = url.reveal().host_str().unwrap_or_default();
    let port = url.reveal().port_or_known_default().unwrap_or_default();
    let mut request =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(login) = login {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(login.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    io.write_all(&request).await.map_err(|_| Cause::Proxy)?;
    // Byte by byte, so that nothing of what follows the head is taken.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = io.read_u8().await.map_err(|_| Cause::Proxy)?;
        head.push(byte);
        if head.len() > MAX_HEAD {
            return Err(Cause::Proxy);
        }
    }
    let head = String::from_utf8_lossy(&head);
    match head.split_whitespace().nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        Some("407") => Err(Cause::ProxyAuth407),
        _ => Err(Cause::Proxy),
    }
}

async fn finished(
    io: Box<dyn Io>,
    peer: Option<IpAddr>,
    through_proxy: Option<Option<HeaderValue>>,
) -> Result<Connection, ConnectError> {
    let (sender, connection) = http1::Builder::new()
        .ignore_invalid_headers_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .handshake::<_, RequestBody>(TokioIo::new(io))
        .await
        .map_err(|_| Cause::Reset)?;
    let task = tokio::spawn(async move {
        // What goes wrong is told to whoever waits for the answer.
        let _ = connection.await;
    });
    Ok(Connection {
        sender,
        peer,
        through_proxy,
        _task: AbortOnDrop(task),
    })
}
