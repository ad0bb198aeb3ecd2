//! A calendar host for tests that answers byte for byte what a test says, well
//! or badly, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::net::tests::Presents;

/// What the host was asked.
#[derive(Clone, Debug)]
pub(crate) struct TestRequest {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl TestRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What the host does with the connection after a question.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Close,
    Hang,
    Drip,
    Repeat,
}

impl Reply {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            then: Then::Close,
        }
    }

    pub(crate) fn with(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
        for header in headers {
            bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
        }
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        Self::raw(bytes)
    }

    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::with("200 OK", &[], body)
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::with(status, &[], "")
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::with("302 Found", &[&format!("Location: {to}")], "moved")
    }

    pub(crate) fn multistatus(body: &str) -> Self {
        Self::with("207 Multi-Status", &["Content-Type: text/xml"], body)
    }

    /// The bytes so far, and then nothing, with the connection open.
    pub(crate) fn then_hang(mut self) -> Self {
        self.then = Then::Hang;
        self
    }

    /// The bytes again and again, as fast as they are taken.
    pub(crate) fn then_repeat(mut self) -> Self {
        self.then = Then::Repeat;
        self
    }

    /// The bytes so far, and then one more every few milliseconds, for ever.
    pub(crate) fn then_drip(mut self) -> Self {
        self.then = Then::Drip;
        self
    }
}

pub(crate) struct TestHost {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<TestRequest>>>,
    task: JoinHandle<()>,
}

impl TestHost {
    pub(crate) async fn start(
        answer: impl Fn(&TestRequest) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&asked);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&remembered));
                tokio::spawn(async move { serve(stream, &*answer, &asked).await });
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    /// The same over TLS, with a certificate for 127.0.0.1 that vouches for itself;
    /// the certificate in PEM and its fingerprint.
    pub(crate) async fn start_tls(
        answer: impl Fn(&TestRequest) -> Reply + Send + Sync + 'static,
    ) -> (Self, String, [u8; 32]) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let host = Self::start_tls_as(certificate.der(), key.serialize_der(), answer).await;
        let fingerprint = crate::model::digest::sha256(certificate.der());
        (host, certificate.pem(), fingerprint)
    }

    /// The same with this certificate, which may be one that TLS libraries refuse to read.
    pub(crate) async fn start_tls_as(
        certificate: &[u8],
        key: Vec<u8>,
        answer: impl Fn(&TestRequest) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let key = rustls::pki_types::PrivateKeyDer::try_from(key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Presents::new(certificate, &key)));
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&asked);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&remembered));
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &*answer, &asked).await;
                    }
                });
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Everything asked since the last time, in order.
    pub(crate) fn requests(&self) -> Vec<TestRequest> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &(dyn Fn(&TestRequest) -> Reply + Send + Sync),
    asked: &Mutex<Vec<TestRequest>>,
) {
    let Some(question) = read(&mut stream).await else {
        return;
    };
    asked.lock().unwrap().push(question.clone());
    let reply = answer(&question);
    if stream.write_all(&reply.bytes).await.is_err() {
        return;
    }
    match reply.then {
        Then::Close => {
            let _ = stream.shutdown().await;
        }
        Then::Hang => std::future::pending().await,
        Then::Repeat => while stream.write_all(&reply.bytes).await.is_ok() {},
        Then::Drip => {
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<TestRequest> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head_end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
            let mut lines = head.split("\r\n");
            let mut words = lines.next()?.split(' ');
            let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let length = headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.parse().unwrap());
            if bytes.len() >= head_end + 4 + length {
                let body = bytes[head_end + 4..].to_vec();
                return Some(TestRequest {
                    method,
                    path,
                    headers,
                    body: String::from_utf8(body).unwrap(),
                });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
