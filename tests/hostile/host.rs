//! A server that answers whatever a test says, as a stream: bodies of gigabytes are not held.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls;

/// Small pieces of a body are sent together in pieces of about this size.
const PIECE: usize = 64 * 1024;

/// What the host was asked.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub head: String,
}

/// What goes over the wire, from the status line on.
pub struct Answer {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    /// Between two pieces.
    pause: Duration,
    /// The connection stays open after the last piece.
    hangs: bool,
}

impl Answer {
    pub fn raw(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self {
            pieces: Box::new(pieces),
            pause: Duration::ZERO,
            hangs: false,
        }
    }

    /// A body whose length is said.
    pub fn with(status: &str, headers: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        Self::raw([head.into(), body].into_iter())
    }

    /// A body that ends with the connection.
    pub fn stream(
        status: &str,
        headers: &str,
        body: impl Iterator<Item = Bytes> + Send + 'static,
    ) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
        Self::raw(std::iter::once(Bytes::from(head)).chain(body))
    }

    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::with("200 OK", "Content-Type: text/calendar\r\n", body)
    }

    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::with("200 OK", "Content-Type: application/json\r\n", body)
    }

    pub fn status(status: &str) -> Self {
        Self::with(status, "", "")
    }

    /// What came out of [`gzip`].
    pub fn gzipped(status: &str, headers: &str, packed: &Bytes) -> Self {
        let headers = format!("{headers}Content-Encoding: gzip\r\n");
        Self::with(status, &headers, packed.clone())
    }

    pub fn slow(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub fn then_hangs(mut self) -> Self {
        self.hangs = true;
        self
    }
}

/// The same text so many times, in pieces of a sensible size.
pub fn repeated(unit: &str, times: usize) -> impl Iterator<Item = Bytes> + Send + use<> {
    let at_once = (PIECE / unit.len()).clamp(1, times.max(1));
    let piece = Bytes::from(unit.repeat(at_once));
    let rest = Bytes::from(unit.repeat(times % at_once));
    std::iter::repeat_n(piece, times / at_once).chain(std::iter::once(rest))
}

/// The same text without end.
pub fn endless(unit: &str) -> impl Iterator<Item = Bytes> + Send + use<> {
    let piece = Bytes::from(unit.repeat((PIECE / unit.len()).max(1)));
    std::iter::repeat(piece)
}

pub fn gzip(pieces: impl Iterator<Item = Bytes>) -> Bytes {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        packed.write_all(&piece).unwrap();
    }
    packed.finish().unwrap().into()
}

pub fn whole(pieces: impl Iterator<Item = Bytes>) -> Bytes {
    pieces
        .fold(Vec::new(), |mut all, piece| {
            all.extend_from_slice(&piece);
            all
        })
        .into()
}

type Behaviour = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A host on a port of its own; it goes on until the test ends.
pub struct Host {
    address: SocketAddr,
    is_encrypted: bool,
    asked: watch::Receiver<usize>,
}

impl Host {
    pub async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(answer)).await
    }

    /// With a certificate that vouches for itself, as pods have.
    pub async fn start_tls(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        Self::serve(Some(acceptor), Arc::new(answer)).await
    }

    async fn serve(tls: Option<tokio_rustls::TlsAcceptor>, answer: Arc<Behaviour>) -> Self {
        // Pods have an address each: all of those that lead to this machine.
        let any = if tls.is_some() {
            "0.0.0.0:0"
        } else {
            "127.0.0.1:0"
        };
        let listener = TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, asked) = watch::channel(0);
        let is_encrypted = tls.is_some();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count, tls) = (Arc::clone(&answer), count.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, &*answer, &count).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, &*answer, &count).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            is_encrypted,
            asked,
        }
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Waits until it was asked so often.
    pub async fn was_asked(&self, times: usize) {
        let mut asked = self.asked.clone();
        let enough = asked.wait_for(|asked| *asked >= times);
        crate::support::within("the attack to begin", enough)
            .await
            .unwrap();
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Behaviour,
    count: &watch::Sender<usize>,
) {
    let Some(asked) = read(&mut stream).await else {
        return;
    };
    count.send_modify(|count| *count += 1);
    let answer = answer(&asked);
    for piece in answer.pieces {
        if stream.write_all(&piece).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if !answer.pause.is_zero() {
            tokio::time::sleep(answer.pause).await;
        }
    }
    if answer.hangs {
        // Until the other side has enough of it.
        let _ = stream.read(&mut [0; 1]).await;
        return;
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let mut words = head.split(' ');
                let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
                return Some(Asked { method, path, head });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
