//! A small TLS server that answers with exactly the bytes that a test gives it,
//! and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::net::tests::Presents;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Such as `GET /v2/metadata`.
    pub line: String,
    /// Lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub enum Reply {
    /// Status, content type, body.
    Full(u16, &'static str, Vec<u8>),
    /// These bytes, and then the end.
    Raw(Vec<u8>),
    /// Nothing, for ever.
    Hang,
}

pub fn json(status: u16, body: &str) -> Reply {
    Reply::Full(status, "application/json", body.as_bytes().to_vec())
}

pub struct StandIn {
    pub address: String,
    pub certificate: Vec<u8>,
    asked: Arc<Mutex<Vec<Asked>>>,
    handshakes: Arc<Mutex<Vec<bool>>>,
    task: JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn new_certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

impl StandIn {
    /// Answers what `answer` says; it is told how often this line was asked before.
    pub async fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(&new_certificate(), answer).await
    }

    pub async fn start_with(
        key: &rcgen::CertifiedKey<rcgen::KeyPair>,
        answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let private = key.signing_key.serialize_der();
        Self::start_as(key.cert.der(), private, rustls::DEFAULT_VERSIONS, answer).await
    }

    /// With this key and certificate in DER, and these versions of TLS.
    pub async fn start_as(
        certificate: &[u8],
        private: Vec<u8>,
        versions: &[&'static rustls::SupportedProtocolVersion],
        answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let certificate = certificate.to_vec();
        let private = rustls::pki_types::PrivateKeyDer::try_from(private);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Presents::new(&certificate, &private.unwrap())));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let memory = Arc::clone(&asked);
        let handshakes: Arc<Mutex<Vec<bool>>> = Arc::default();
        let shaken = Arc::clone(&handshakes);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, memory) = (acceptor.clone(), Arc::clone(&memory));
                let (answer, shaken) = (Arc::clone(&answer), Arc::clone(&shaken));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let kind = stream.get_ref().1.handshake_kind();
                    let resumed = kind == Some(rustls::HandshakeKind::Resumed);
                    shaken.lock().unwrap().push(resumed);
                    let Some(asked) = read(&mut stream).await else {
                        return;
                    };
                    let before = {
                        let mut memory = memory.lock().unwrap();
                        let before = memory.iter().filter(|a| a.line == asked.line).count();
                        memory.push(asked.clone());
                        before
                    };
                    let bytes = match answer(&asked, before) {
                        Reply::Full(status, content_type, body) => {
                            let mut bytes = format!(
                                "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
                                body.len()
                            )
                            .into_bytes();
                            bytes.extend(body);
                            bytes
                        }
                        Reply::Raw(bytes) => bytes,
                        Reply::Hang => std::future::pending().await,
                    };
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            address,
            certificate,
            asked,
            handshakes,
            task,
        }
    }

    /// Of each connection, whether it resumed the session of an earlier one.
    pub fn resumed(&self) -> Vec<bool> {
        self.handshakes.lock().unwrap().clone()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let line = head
        .lines()
        .next()?
        .trim_end_matches(" HTTP/1.1")
        .to_owned();
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[head_end..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked { line, head, body })
}
