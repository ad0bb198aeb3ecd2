//! A listener between podcal's client and a simulated pod that keeps what passes: the
//! requests as they are on the wire, with every header, and the answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Response, header};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const LARGEST_BODY: usize = 1024 * 1024;

#[derive(Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Clone)]
pub struct Answered {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// Stops when it is dropped.
pub struct Wire {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<(Asked, Answered)>>>,
    task: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    /// Listens before the pod at `pod`, such as `https://127.0.0.1:41234`.
    pub async fn before(pod: String) -> Self {
        let listener = Tls::bind().await;
        let address = listener.socket.local_addr().unwrap();
        // The first of the tests sets it for all of them.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .danger_accept_invalid_certs(true)
            .no_proxy()
            .build()
            .unwrap();
        let passed: Arc<Mutex<Vec<(Asked, Answered)>>> = Arc::default();
        let memory = Arc::clone(&passed);
        let router = Router::new().fallback(move |request: Request| {
            let (client, pod, memory) = (client.clone(), pod.clone(), Arc::clone(&memory));
            async move {
                let (asked, answered) = pass(&client, &pod, request).await;
                let mut response = Response::builder().status(answered.status);
                if let Some(content_type) = &answered.content_type {
                    response = response.header(header::CONTENT_TYPE, content_type);
                }
                let response = response.body(Body::from(answered.body.clone())).unwrap();
                memory.lock().unwrap().push((asked, answered));
                response
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            passed,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What has passed so far, oldest first.
    pub fn passed(&self) -> Vec<(Asked, Answered)> {
        self.passed.lock().unwrap().clone()
    }
}

async fn pass(client: &reqwest::Client, pod: &str, request: Request) -> (Asked, Answered) {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap().to_vec();
    let text = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers.iter().map(text).collect(),
        body: body.clone(),
    };
    let mut headers = head.headers;
    headers.remove(header::HOST);
    let answer = client
        .request(head.method, format!("{pod}{}", head.uri))
        .headers(headers)
        .body(body)
        .send()
        .await
        .unwrap();
    let content_type = answer.headers().get(header::CONTENT_TYPE);
    let answered = Answered {
        status: answer.status().as_u16(),
        content_type: content_type.map(|value| value.to_str().unwrap().to_owned()),
        body: answer.bytes().await.unwrap().to_vec(),
    };
    (asked, answered)
}

struct Tls {
    socket: TcpListener,
    acceptor: TlsAcceptor,
}

impl Tls {
    async fn bind() -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private.unwrap())
            .unwrap();
        Self {
            socket: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.socket.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.socket.local_addr()
    }
}
