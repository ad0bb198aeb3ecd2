//! What real hosts do beside sending a calendar: redirects, cookies, odd headers,
//! certificates, proxies, floods.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::config::TlsTrust;
use crate::feed::place::Reach;
use crate::model::fingerprint::Fingerprint;
use crate::net::tests::version_1;

#[tokio::test]
async fn a_redirect_to_webcal_is_followed() {
    let host = TestHost::start(|asked| match asked.path.as_str() {
        "/old.ics" => {
            let host = asked.header("host").unwrap();
            Reply::redirect(&format!("webcal://{host}/new.ics"))
        }
        _ => Reply::ok(ICS),
    })
    .await;
    let pulled = pull(&ics(&host.url("/old.ics"))).await.unwrap();
    assert_eq!(body(&pulled), ICS.as_bytes());
}

#[tokio::test]
async fn a_redirect_from_outside_never_leads_inside() {
    let inside = TestHost::start(|_| Reply::ok(ICS)).await;
    let target = inside.url("/admin.ics");
    let count = Arc::new(AtomicUsize::new(0));
    // As a proxy this stands for hosts outside.
    let outside = TestHost::start(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Reply::redirect(&target)
    })
    .await;
    let network = Network::through(&outside.url(""));
    let feed = ics("http://calendar.example.com/room.ics");
    let client = FeedClient::new(&feed, &network).unwrap();
    let error = client.pull(&Held::default(), NOW).await.unwrap_err();
    assert!(
        matches!(
            error.kind,
            PullErrorKind::Redirect(RedirectProblem::ToPrivate { .. })
        ),
        "{error}"
    );
    assert!(!error.is_passing());
    assert!(inside.requests().is_empty());
    let asked = outside.requests();
    assert_eq!(asked[0].path, "http://calendar.example.com/room.ics");
    assert_eq!(asked[0].header("host"), Some("calendar.example.com"));
    // What is configured there is asked.
    let client = FeedClient::new(&ics(&inside.url("/")), &network).unwrap();
    assert!(client.pull(&Held::default(), NOW).await.is_ok());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_no_way_round() {
    let network = Network::new();
    for address in [
        "http://localhost:9/",
        "http://127.0.0.1:9/",
        "http://[::1]:9/",
    ] {
        let url = FeedUrl::parse(address).unwrap().0;
        let opened = network
            .connect(&url, Reach::PublicOnly, &TlsTrust::Ca)
            .await;
        let kind = opened.err().unwrap().kind;
        assert!(
            matches!(
                kind,
                PullErrorKind::Redirect(RedirectProblem::ToPrivate { .. })
            ),
            "{address}"
        );
    }
}

#[tokio::test]
async fn cookies_last_for_one_pull() {
    let host = TestHost::start(|asked| match asked.header("cookie") {
        Some("session=1; seen=yes") => Reply::ok(ICS),
        Some(other) => panic!("{other}"),
        None => {
            let headers = [
                "Set-Cookie: session=1; Path=/; HttpOnly",
                "Set-Cookie: seen=yes",
                "Location: /room.ics",
            ];
            Reply::with("302 Found", &headers, "")
        }
    })
    .await;
    let client = FeedClient::new(&ics(&host.url("/room.ics")), &Network::new()).unwrap();
    for _ in 0..2 {
        client.pull(&Held::default(), NOW).await.unwrap();
        let asked = host.requests();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0].header("cookie"), None);
    }
}

#[tokio::test]
async fn a_304_without_a_condition_is_a_failure() {
    let stuck = Arc::new(AtomicBool::new(false));
    let is_stuck = Arc::clone(&stuck);
    // Without validators there is nothing to ask a condition with.
    let host = TestHost::start(move |_| match is_stuck.load(Ordering::Relaxed) {
        true => Reply::status("304 Not Modified"),
        false => Reply::ok(ICS),
    })
    .await;
    let feed = ics(&host.url("/room.ics"));
    let held = keep(Held::default(), pull(&feed).await.unwrap());
    stuck.store(true, Ordering::Relaxed);
    let error = pull_holding(&feed, &held).await.unwrap_err();
    assert_eq!(error.kind, PullErrorKind::NotModifiedUnasked);
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_host_that_always_says_304_is_asked_for_the_whole_once_a_day() {
    let host = TestHost::start(|asked| match asked.header("if-none-match") {
        Some(_) => Reply::status("304 Not Modified"),
        None => Reply::with("200 OK", &["ETag: \"a\""], ICS),
    })
    .await;
    let client = FeedClient::new(&ics(&host.url("/room.ics")), &Network::new()).unwrap();
    let mut held = Held::default();
    for hours in [0, 12, 23, 24, 36] {
        let now = NOW.plus(Duration::from_secs(hours * 3600));
        held = keep(held.clone(), client.pull(&held, now).await.unwrap());
    }
    let conditional: Vec<bool> = host
        .requests()
        .iter()
        .map(|asked| asked.header("if-none-match").is_some())
        .collect();
    assert_eq!(conditional, [false, true, true, false, true]);
}

#[tokio::test]
async fn a_412_is_asked_again_without_conditions() {
    let host = TestHost::start(|asked| match asked.header("if-none-match") {
        Some(_) => Reply::status("412 Precondition Failed"),
        None => Reply::with("200 OK", &["ETag: \"a\""], ICS),
    })
    .await;
    let feed = ics(&host.url("/room.ics"));
    let held = keep(Held::default(), pull(&feed).await.unwrap());
    let pulled = pull_holding(&feed, &held).await.unwrap();
    assert!(matches!(pulled, Pulled::Unchanged { .. }));
}

#[tokio::test]
async fn no_content_is_an_empty_calendar() {
    let host = TestHost::start(|_| Reply::raw("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let pulled = pull(&ics(&host.url("/room.ics"))).await.unwrap();
    let text = String::from_utf8_lossy(body(&pulled));
    assert!(text.starts_with("BEGIN:VCALENDAR") && text.ends_with("END:VCALENDAR\r\n"));
    assert!(!text.contains("VEVENT"));
}

#[tokio::test]
async fn encodings_are_read_or_ignored_where_the_body_is_plain() {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(ICS.as_bytes()).unwrap();
    for (encoding, sent) in [
        ("deflate", zlib.finish().unwrap()),
        ("br", ICS.as_bytes().to_vec()),
        ("zstd, gzip", ICS.as_bytes().to_vec()),
        ("whatever", gzip(ICS.as_bytes())),
    ] {
        let header = format!("Content-Encoding: {encoding}");
        let reply = Reply::with("200 OK", &[&header], sent);
        let host = TestHost::start(move |_| reply.clone()).await;
        let pulled = pull(&ics(&host.url("/"))).await.unwrap();
        assert_eq!(body(&pulled), ICS.as_bytes(), "{encoding}");
    }
}

#[tokio::test]
async fn the_charset_of_the_header_is_believed() {
    let sent = b"BEGIN:VCALENDAR\r\nSUMMARY:P\xf8\xedprava\r\nEND:VCALENDAR\r\n";
    let header = "Content-Type: text/calendar; charset=windows-1250";
    let host = TestHost::start(move |_| Reply::with("200 OK", &[header], sent)).await;
    let pulled = pull(&ics(&host.url("/"))).await.unwrap();
    let text = String::from_utf8(body(&pulled).to_vec()).unwrap();
    assert!(text.contains("SUMMARY:Příprava"), "{text}");
}

#[tokio::test]
async fn interim_answers_without_end_are_refused_at_once() {
    for flood in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    ] {
        let host = TestHost::start(move |_| Reply::raw(flood).then_repeat()).await;
        let began = Instant::now();
        let error = pull(&ics(&host.url("/"))).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(3), "{error}");
        assert!(error.to_string().contains("(1xx)"), "{error}");
    }
    let polite = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{ICS}");
    let host = TestHost::start(move |_| Reply::raw(polite.clone())).await;
    assert!(pull(&ics(&host.url("/"))).await.is_ok());
}

#[tokio::test]
async fn a_server_may_prove_itself_in_other_ways() {
    let (host, pem, fingerprint) = TestHost::start_tls(|_| Reply::ok(ICS)).await;
    let address = host.url("/room.ics").replace("http://", "https://");
    let with = async |tls: TlsTrust| {
        let mut feed = ics(&address);
        feed.tls = tls;
        pull(&feed).await
    };
    // Where this machine has no authorities at all, that is what is said.
    let error = with(TlsTrust::Ca).await.unwrap_err();
    match &error.kind {
        PullErrorKind::NoAuthorities(_) => {}
        kind => {
            assert_eq!(*kind, PullErrorKind::Unreachable(Cause::SelfSigned));
            assert!(error.hint().contains("sha256"), "{}", error.hint());
        }
    }
    assert!(!error.secret_was_sent() && !error.is_passing());
    let stranger = {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().pem()
    };
    let error = with(TlsTrust::CaFile(stranger.as_bytes().into()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, PullErrorKind::Unreachable(Cause::SelfSigned));
    assert_eq!(error.kind(), "tls");
    let error = with(TlsTrust::Sha256([1; 32])).await.unwrap_err();
    assert!(error.to_string().contains("tls.sha256"), "{error}");
    for tls in [
        TlsTrust::CaFile(pem.as_bytes().into()),
        TlsTrust::Sha256(fingerprint),
        TlsTrust::Off,
    ] {
        with(tls.clone())
            .await
            .unwrap_or_else(|error| panic!("{tls:?}: {error}"));
    }
}

#[tokio::test]
async fn a_certificate_of_an_old_kind_is_known_by_its_fingerprint_and_only_with_its_key() {
    let (key, certificate) = version_1();
    let stranger = rcgen::KeyPair::generate().unwrap().serialize_der();
    let from = async |key: Vec<u8>| {
        let host = TestHost::start_tls_as(&certificate, key, |_| Reply::ok(ICS)).await;
        let mut feed = ics(&host.url("/room.ics").replace("http://", "https://"));
        feed.tls = TlsTrust::Sha256(Fingerprint::of(&certificate).0);
        pull(&feed).await.map(|_| ()).map_err(|error| error.kind)
    };
    assert_eq!(from(key).await, Ok(()));
    let thief = PullErrorKind::Unreachable(Cause::KeyNotProven);
    assert_eq!(from(stranger).await, Err(thief));
}

#[tokio::test]
async fn what_a_proxy_says_is_told_apart() {
    let refusing = async |reply: Reply, address: &str| {
        let proxy = TestHost::start(move |_| reply.clone()).await;
        let network = Network::through(&proxy.url(""));
        let client = FeedClient::new(&ics(address), &network).unwrap();
        let error = client.pull(&Held::default(), NOW).await.unwrap_err();
        assert!(!error.secret_was_sent() || address.starts_with("http:"));
        (error.kind, proxy.requests())
    };
    let login = Reply::status("407 Proxy Authentication Required");
    for address in ["https://room:p@dav.example.com/", "http://dav.example.com/"] {
        let (kind, _) = refusing(login.clone(), address).await;
        assert_eq!(
            kind,
            PullErrorKind::Unreachable(Cause::ProxyAuth407),
            "{address}"
        );
    }
    let (kind, asked) = refusing(
        Reply::status("403 Forbidden"),
        "https://room:p@dav.example.com/",
    )
    .await;
    assert_eq!(kind, PullErrorKind::Unreachable(Cause::Proxy));
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("CONNECT", "dav.example.com:443")
    );
    assert!(asked[0].header("authorization").is_none());
}

#[tokio::test]
async fn a_proxy_is_signed_in_at() {
    let proxy = TestHost::start(|asked| match asked.header("proxy-authorization") {
        // proxy:secret
        Some("Basic cHJveHk6c2VjcmV0") => Reply::ok(ICS),
        _ => Reply::status("407 Proxy Authentication Required"),
    })
    .await;
    let network = Network::through(&proxy.url("").replace("http://", "http://proxy:secret@"));
    let client = FeedClient::new(&ics("http://dav.example.com/a.ics"), &network).unwrap();
    client.pull(&Held::default(), NOW).await.unwrap();
}

/// A server that gives so many of the same answer on each connection, and then ends
/// it without a word; how many connections there were.
async fn keeping(answers: usize, answer: String) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                for _ in 0..answers {
                    if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                        return;
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                let _ = stream.read(&mut buffer).await;
            });
        }
    });
    (address, connections)
}

fn whole(status: &str, text: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

#[tokio::test]
async fn a_connection_that_was_kept_and_is_gone_is_made_anew() {
    let xml = "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><response><href>/c/</href><propstat><prop><resourcetype><collection/><C:calendar/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let (address, connections) = keeping(2, whole("207 Multi-Status", xml)).await;
    let url = FeedUrl::parse(&format!("http://{address}/c/")).unwrap().0;
    let feed = feed(Source::CalDav {
        url,
        login: Login::None,
        calendar: None,
    });
    assert!(pull(&feed).await.is_ok());
    // First look, marks, list: three requests, the third on a new connection.
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn feeds_of_one_host_share_its_connections() {
    let (address, connections) = keeping(100, whole("200 OK", ICS)).await;
    let network = Network::new();
    for at in 0..5 {
        let feed = ics(&format!("http://{address}/{at}.ics"));
        let client = FeedClient::new(&feed, &network).unwrap();
        client.pull(&Held::default(), NOW).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    // One that is trusted otherwise is no connection of this feed.
    let url = FeedUrl::parse(&format!("http://{address}/")).unwrap().0;
    assert!(
        network
            .idle(&url, Reach::Anywhere, &TlsTrust::Off)
            .is_none()
    );
    assert!(
        network
            .idle(&url, Reach::PublicOnly, &TlsTrust::Ca)
            .is_none()
    );
}

#[tokio::test]
async fn an_inspection_says_what_became_of_the_secret() {
    for (status, sent) in [
        ("500 Internal Server Error", true),
        ("401 Unauthorized", true),
    ] {
        let host = TestHost::start(move |_| Reply::status(status)).await;
        let feed = ics(&host.url("/").replace("http://", "http://room:p@"));
        let error = inspect::inspect(&feed, &Network::new(), NOW)
            .await
            .unwrap_err();
        assert_eq!(error.secret_was_sent(), sent, "{status}");
    }
}
