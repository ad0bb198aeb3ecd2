use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that reads a little and then sends these bytes and closes.
async fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 16 * 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

fn client() -> reqwest::ClientBuilder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .dns_resolver(super::super::lookup::Lookup::shared())
        .http1_only()
        .timeout(Duration::from_secs(10))
        .no_proxy()
}

async fn failed(client: reqwest::ClientBuilder, url: String) -> (Cause, bool) {
    let answered = client.build().unwrap().get(url).send().await;
    let error = match answered {
        Ok(answer) => answer.bytes().await.unwrap_err(),
        Err(error) => error,
    };
    (Cause::of(&error), was_sent(&error))
}

#[tokio::test]
async fn connections_that_fail_are_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let check = async |url: String, cause: Cause, sent: bool| {
        assert_eq!(failed(client(), url.clone()).await, (cause, sent), "{url}");
    };
    let local = |scheme: &str, port: u16| format!("{scheme}://127.0.0.1:{port}/private-1234");
    check(local("http", closed), Cause::Refused, false).await;
    check(local("https", closed), Cause::Refused, false).await;
    let plain = server(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    check(local("https", plain), Cause::NotTls, false).await;
    let silent = server(b"").await;
    check(local("https", silent), Cause::Reset, false).await;
    check(local("http", silent), Cause::NoAnswer, true).await;
    let other = server(b"220 smtp.example.com ESMTP\r\n").await;
    check(local("http", other), Cause::NotHttp, true).await;
    let half = server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nBEGIN").await;
    check(local("http", half), Cause::CutOff, true).await;
    let old = server(b"\x15\x03\x01\x00\x02\x02\x46").await;
    check(local("https", old), Cause::OldTls, false).await;
    let choosy = server(b"\x15\x03\x03\x00\x02\x02\x28").await;
    check(
        local("https", choosy),
        Cause::NothingInCommon { detail: None },
        false,
    )
    .await;
}

#[tokio::test]
async fn a_name_without_an_address_is_no_connection() {
    let (cause, sent) = failed(client(), "http://no-such-host.invalid/".to_owned()).await;
    assert!(
        matches!(cause, Cause::NameNotFound | Cause::NoNameServer),
        "{cause:?}"
    );
    assert!(!sent);
}

#[tokio::test]
async fn a_host_that_is_silent_is_told_from_one_that_cannot_be_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hangs = async |scheme: &str, client: reqwest::ClientBuilder| {
        failed(client, format!("{scheme}://127.0.0.1:{port}/")).await
    };
    let short = Duration::from_millis(200);
    let slow = hangs("http", client().timeout(short)).await;
    assert_eq!(slow, (Cause::TimedOut, true));
    // The handshake belongs to the connection.
    let slow = hangs("https", client().connect_timeout(short)).await;
    assert_eq!(slow, (Cause::ConnectTimedOut, false));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let check = async |answer: &'static [u8], cause: Cause| {
        let port = server(answer).await;
        let proxy = reqwest::Proxy::all(format!("http://127.0.0.1:{port}")).unwrap();
        let through = client().proxy(proxy);
        let found = failed(through, "https://calendar.example.com/".to_owned()).await;
        assert_eq!(found, (cause, false));
    };
    check(
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        Cause::ProxyAuth407,
    )
    .await;
    check(b"HTTP/1.1 403 Forbidden\r\n\r\n", Cause::Proxy).await;
}

#[test]
fn certificates_are_refused_by_name() {
    let cause = |error: CertificateError| Cause::of_tls(&error.into());
    assert_eq!(cause(CertificateError::Expired), Cause::Expired);
    assert_eq!(cause(CertificateError::UnknownIssuer), Cause::UnknownIssuer);
    assert_eq!(cause(CertificateError::BadSignature), Cause::KeyNotProven);
    let own = |fault: CertificateFault| Cause::of_tls(&fault.into());
    assert_eq!(own(CertificateFault::SelfSigned), Cause::SelfSigned);
    let detail = "its key has 512 bits".to_owned();
    let weak = CertificateFault::Unsupported(detail.clone());
    assert_eq!(own(weak), Cause::BadCertificate { detail });
    let wrapped = io::Error::new(
        io::ErrorKind::InvalidData,
        rustls::Error::from(CertificateError::Expired),
    );
    assert_eq!(Cause::of_connecting(&wrapped), Cause::Expired);
    let files = io::Error::from_raw_os_error(24);
    assert_eq!(Cause::of_connecting(&files), Cause::TooManyFiles);
}

#[test]
fn what_passes_is_not_what_somebody_must_change() {
    for cause in [Cause::Refused, Cause::TimedOut, Cause::NoNameServer] {
        assert!(cause.is_passing() && !cause.is_tls());
    }
    for cause in [Cause::Expired, Cause::OldTls, Cause::NotTls] {
        assert!(!cause.is_passing() && cause.is_tls(), "{cause}");
    }
    assert!(!Cause::ProxyAuth407.is_passing());
}
