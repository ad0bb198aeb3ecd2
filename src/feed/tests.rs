//! ICS documents and files: every way in which a feed can fail, against a host
//! that fails in just that way.

mod hostile;
mod hosts;
mod oauth;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use std::sync::Arc;

use super::error::*;
use super::testhost::{Reply, TestHost, TestRequest};
use super::*;
use crate::config::{Login, Only, TlsTrust};
use crate::fault::Fault as _;
use crate::model::item::FeedItem;
use crate::model::name::FeedId;
use crate::model::secret::Secret;

pub(super) const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n";
pub(super) const NOW: UnixTime = UnixTime::from_seconds(1_795_000_000);

pub(super) fn feed(source: Source) -> Feed {
    Feed {
        id: FeedId::new("test", &[]),
        source,
        only: Only::default(),
        user_agent: None,
        tls: TlsTrust::Ca,
        timeout: Duration::from_secs(10),
        max_size: 100_000,
    }
}

pub(super) fn ics(address: &str) -> Feed {
    let (url, login) = FeedUrl::parse(address).unwrap();
    let login = login.map_or(Login::None, |(username, password)| Login::Password {
        username,
        password,
    });
    feed(Source::Ics { url, login })
}

pub(super) async fn pull(feed: &Feed) -> Result<Pulled, PullError> {
    pull_holding(feed, &Held::default()).await
}

async fn pull_holding(feed: &Feed, held: &Held) -> Result<Pulled, PullError> {
    let client = FeedClient::new(feed, &Network::new()).unwrap();
    client.pull(held, NOW).await
}

/// What the ledger would hold after a pull.
pub(super) fn keep(held: Held, pulled: Pulled) -> Held {
    match pulled {
        Pulled::Unchanged { state, .. } => Held { state, ..held },
        Pulled::Changed {
            items,
            removed,
            state,
            ..
        } => {
            let mut kept: Vec<FeedItem> = held
                .items
                .into_iter()
                .filter(|old| {
                    !removed.contains(&old.href) && items.iter().all(|new| new.href != old.href)
                })
                .collect();
            kept.extend(items);
            Held { items: kept, state }
        }
    }
}

pub(super) fn body(pulled: &Pulled) -> &[u8] {
    match pulled {
        Pulled::Changed { items, .. } => &items[0].body,
        Pulled::Unchanged { .. } => panic!("nothing changed"),
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A host with one answer for everything, and the error that comes of it. The
/// error and its hint tell nothing but the host.
async fn failure(reply: Reply) -> PullError {
    let host = TestHost::start(move |_| reply.clone()).await;
    let mut feed = ics(&host.url("/private-elbow/room.ics?token=t0k3n"));
    feed.timeout = Duration::from_millis(300);
    let error = pull(&feed).await.unwrap_err();
    let said = format!("{error} {error:?} {}", error.hint());
    assert!(
        !said.contains("elbow") && !said.contains("t0k3n") && !said.contains("Secret text"),
        "{said}"
    );
    assert!(said.contains(&host.host()), "{said}");
    assert!(!error.to_string().contains('\n') && !error.to_string().ends_with('.'));
    error
}

#[tokio::test]
async fn a_feed_that_did_not_change_is_not_sent_again() {
    let host = TestHost::start(|asked| {
        let known = asked.header("if-none-match") == Some("\"a1\"")
            && asked.header("if-modified-since") == Some("Mon, 02 Mar 2026 09:00:00 GMT");
        if known {
            Reply::status("304 Not Modified")
        } else {
            let headers = [
                "ETag: \"a1\"",
                "Last-Modified: Mon, 02 Mar 2026 09:00:00 GMT",
            ];
            Reply::with("200 OK", &headers, ICS)
        }
    })
    .await;
    let feed = ics(&host.url("/room.ics"));
    let first = pull(&feed).await.unwrap();
    assert_eq!(body(&first), ICS.as_bytes());
    let held = keep(Held::default(), first);
    assert_eq!(held.items[0].etag.as_deref(), Some("\"a1\""));
    let second = pull_holding(&feed, &held).await.unwrap();
    assert!(matches!(second, Pulled::Unchanged { .. }));
    let asked = host.requests();
    let agent = asked[0].header("user-agent").unwrap();
    assert!(agent.starts_with("podcal/") && agent.ends_with("(+room calendar sync)"));
    assert_eq!(asked[0].header("accept-encoding"), Some("gzip"));
    assert!(asked[0].header("if-none-match").is_none());
}

#[tokio::test]
async fn a_validator_without_its_body_is_not_sent() {
    let host = TestHost::start(|_| Reply::with("200 OK", &["ETag: \"a1\""], ICS)).await;
    let feed = ics(&host.url("/room.ics"));
    let mut held = keep(Held::default(), pull(&feed).await.unwrap());
    held.items.clear();
    let pulled = pull_holding(&feed, &held).await.unwrap();
    assert_eq!(body(&pulled), ICS.as_bytes());
    assert!(host.requests()[1].header("if-none-match").is_none());
}

#[tokio::test]
async fn the_same_bytes_are_no_change_whatever_the_headers_say() {
    let count = AtomicUsize::new(0);
    let host = TestHost::start(move |_| {
        let tag = format!("ETag: W/\"{}\"", count.fetch_add(1, Ordering::Relaxed));
        Reply::with("200 OK", &[&tag], ICS)
    })
    .await;
    let feed = ics(&host.url("/room.ics"));
    let held = keep(Held::default(), pull(&feed).await.unwrap());
    let second = pull_holding(&feed, &held).await.unwrap();
    assert!(matches!(second, Pulled::Unchanged { .. }));
    // The newer tag is the one to ask with.
    let held = keep(held, second);
    pull_holding(&feed, &held).await.unwrap();
    assert_eq!(host.requests()[2].header("if-none-match"), Some("W/\"1\""));
}

#[tokio::test]
async fn apache_is_asked_without_the_gzip_mark_that_it_added() {
    let host = TestHost::start(|asked| {
        if asked.header("if-none-match") == Some("\"5f-6a\"") {
            return Reply::status("304 Not Modified");
        }
        let headers = ["ETag: \"5f-6a-gzip\"", "Content-Encoding: gzip"];
        Reply::with("200 OK", &headers, gzip(ICS.as_bytes()))
    })
    .await;
    let feed = ics(&host.url("/room.ics"));
    let first = pull(&feed).await.unwrap();
    assert_eq!(body(&first), ICS.as_bytes());
    let held = keep(Held::default(), first);
    let second = pull_holding(&feed, &held).await.unwrap();
    assert!(matches!(second, Pulled::Unchanged { .. }));
}

#[tokio::test]
async fn compression_is_undone_whatever_the_header_says() {
    for (headers, body_sent) in [
        (&["Content-Encoding: x-gzip"][..], gzip(ICS.as_bytes())),
        (&[], gzip(ICS.as_bytes())),
        (&["Content-Encoding: gzip"], ICS.as_bytes().to_vec()),
        (&["Content-Encoding: identity"], ICS.as_bytes().to_vec()),
    ] {
        let reply = Reply::with("200 OK", headers, body_sent);
        let host = TestHost::start(move |_| reply.clone()).await;
        let pulled = pull(&ics(&host.url("/room.ics"))).await.unwrap();
        assert_eq!(body(&pulled), ICS.as_bytes(), "{headers:?}");
    }
}

#[tokio::test]
async fn an_http_1_0_answer_without_length_is_read() {
    let host = TestHost::start(|_| Reply::raw(format!("HTTP/1.0 200 OK\r\n\r\n{ICS}"))).await;
    let pulled = pull(&ics(&host.url("/room.ics"))).await.unwrap();
    assert_eq!(body(&pulled), ICS.as_bytes());
}

#[tokio::test]
async fn each_status_has_its_own_error() {
    let kinds = [
        ("401 Unauthorized", "auth", false),
        ("403 Forbidden", "auth", false),
        ("404 Not Found", "gone", false),
        ("410 Gone", "gone", false),
        ("418 I'm a teapot", "status", false),
        ("304 Not Modified", "status", true),
        ("429 Too Many Requests", "too_often", true),
        ("500 Internal Server Error", "server_error", true),
        ("503 Service Unavailable", "server_error", true),
    ];
    for (status, kind, passing) in kinds {
        let error = failure(Reply::with(status, &[], "Secret text")).await;
        assert_eq!(
            (error.kind(), error.is_passing()),
            (kind, passing),
            "{status}"
        );
        assert!(
            error
                .to_string()
                .contains(status.split(' ').next().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_server_says_how_long_to_wait() {
    let cases = [
        ("120", Some(120)),
        // NOW is 2026-11-18T11:06:40Z.
        ("Wed, 18 Nov 2026 11:11:40 GMT", Some(300)),
        ("Wed, 18 Nov 2026 10:00:00 GMT", Some(0)),
        ("99999999", Some(86_400)),
        ("soon", None),
        ("-5", None),
    ];
    for (value, seconds) in cases {
        let header = format!("Retry-After: {value}");
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            let error = failure(Reply::with(status, &[&header], "")).await;
            assert_eq!(
                error.retry_after(),
                seconds.map(Duration::from_secs),
                "{value}"
            );
        }
    }
    assert_eq!(
        failure(Reply::status("429 Too Many Requests"))
            .await
            .retry_after(),
        None
    );
}

#[tokio::test]
async fn a_login_page_is_not_a_calendar() {
    let page = "\u{feff}\r\n <!DOCTYPE html><html><title>Secret text</title>";
    for (content_type, text, looks_like) in [
        ("text/html", page, "an HTML page"),
        ("text/calendar", page, "an HTML page"),
        (
            "text/html; charset=utf-8",
            "Please sign in, Secret text",
            "an HTML page",
        ),
        (
            "application/xml",
            "<?xml version=\"1.0\"?><d:error/>",
            "an XML document",
        ),
        (
            "application/json",
            "{\"error\":\"Secret text\"}",
            "a JSON document",
        ),
    ] {
        let header = format!("Content-Type: {content_type}");
        let error = failure(Reply::with("200 OK", &[&header], text)).await;
        let PullErrorKind::NotACalendar { looks_like: found } = error.kind else {
            panic!("{error}");
        };
        assert_eq!(found, looks_like, "{content_type}");
    }
}

#[tokio::test]
async fn a_refusal_in_a_good_answer_is_a_refusal() {
    let text =
        "<d:error><s:exception>Sabre\\DAV\\Exception\\NotAuthenticated</s:exception></d:error>";
    let error = failure(Reply::ok(text)).await;
    assert_eq!(error.kind(), "auth");
}

#[tokio::test]
async fn a_calendar_after_a_warning_is_left_to_the_reader() {
    let text = format!("<br /><b>Warning</b>: Secret text\r\n{ICS}");
    let host =
        TestHost::start(move |_| Reply::with("200 OK", &["Content-Type: text/html"], &text)).await;
    assert!(pull(&ics(&host.url("/room.ics"))).await.is_ok());
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_no_body() {
    let half = &ICS.as_bytes()[..20];
    let mut with_length =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ICS.len()).into_bytes();
    with_length.extend_from_slice(half);
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n".to_vec();
    chunked.extend_from_slice(half);
    chunked.extend_from_slice(b"\r\n");
    let zipped = gzip(ICS.as_bytes());
    let half_gzip = Reply::with(
        "200 OK",
        &["Content-Encoding: gzip"],
        &zipped[..zipped.len() - 12],
    );
    for reply in [Reply::raw(with_length), Reply::raw(chunked), half_gzip] {
        let error = failure(reply).await;
        assert_eq!(error.kind(), "cut_off", "{error}");
        assert!(error.is_passing());
    }
}

#[tokio::test]
async fn damaged_or_unknown_compression_is_said_so() {
    let mut damaged = gzip(ICS.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    damaged[middle + 1] ^= 0xff;
    let error = failure(Reply::with("200 OK", &[], damaged)).await;
    assert!(
        matches!(error.kind, PullErrorKind::DamagedCompression),
        "{error}"
    );
    let error = failure(Reply::with("200 OK", &["Content-Encoding: br"], "xxxx")).await;
    assert!(error.to_string().contains("`br`"), "{error}");
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_given_up() {
    let large = vec![b'x'; 100_001];
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nBEGIN".to_vec();
    let endless = Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then_drip();
    for (reply, measure) in [
        (Reply::ok(&large), Measure::Sent),
        (Reply::raw(announced), Measure::Sent),
        (
            Reply::with("200 OK", &["Content-Encoding: gzip"], gzip(&large)),
            Measure::Inflated,
        ),
        (Reply::ok(gzip(&vec![0; 5_000_000])), Measure::Inflated),
    ] {
        let error = failure(reply).await;
        let PullErrorKind::TooLarge {
            measure: found,
            limit: 100_000,
        } = error.kind
        else {
            panic!("{error}");
        };
        assert_eq!(found, measure);
    }
    assert_eq!(failure(endless).await.kind(), "timeout");
}

#[tokio::test]
async fn a_slow_server_is_left_in_time() {
    let hangs = Reply::raw("").then_hang();
    let stops = Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nBEGIN").then_hang();
    let drips = Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n").then_drip();
    for reply in [hangs, stops, drips] {
        let error = failure(reply).await;
        assert_eq!(error.kind(), "timeout", "{error}");
        assert!(error.is_passing());
    }
}

#[tokio::test]
async fn what_is_not_http_is_said_so() {
    assert_eq!(
        failure(Reply::raw("SSH-2.0-OpenSSH_9.2\r\n"))
            .await
            .to_string()
            .split(": ")
            .last(),
        Some("what answers does not speak HTTP")
    );
    let error = failure(Reply::raw("")).await;
    assert!(
        error
            .to_string()
            .ends_with("it closed the connection without an answer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = pull(&ics(&format!("http://127.0.0.1:{port}/a.ics")))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot reach the feed at 127.0.0.1:{port}: it refused the connection")
    );
    let error = pull(&ics("http://nowhere.invalid/a.ics"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.kind,
            PullErrorKind::Unreachable(Cause::NameNotFound | Cause::NoNameServer)
        ),
        "{error}"
    );
    // A server that speaks plain HTTP on the port of an https address.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let error = pull(&ics(&format!("https://{address}/a.ics")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "tls", "{error}");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn redirects_are_followed_five_times() {
    fn hop(asked: &TestRequest) -> Reply {
        let (_, left) = asked.path.rsplit_once('/').unwrap();
        match left.parse::<u32>().unwrap() {
            0 => Reply::ok(ICS),
            left => Reply::redirect(&format!("{}", left - 1)),
        }
    }
    let host = TestHost::start(hop).await;
    assert!(pull(&ics(&host.url("/a/5"))).await.is_ok());
    let error = pull(&ics(&host.url("/a/6"))).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("redirected more than five times"),
        "{error}"
    );
    assert_eq!(host.requests().len(), 12);
}

#[tokio::test]
async fn bad_redirects_are_named() {
    for (reply, said) in [
        (
            Reply::status("302 Found"),
            "redirected without a usable target address",
        ),
        (
            Reply::redirect("ftp://h.example.com/x"),
            "redirected without a usable target address",
        ),
        (
            Reply::redirect("/owa/auth/errorfe.aspx?httpCode=500&msg=4711"),
            "redirected podcal to its error page",
        ),
    ] {
        let error = failure(reply).await;
        assert!(error.to_string().ends_with(said), "{error}");
    }
}

#[tokio::test]
async fn a_login_is_not_carried_to_another_host() {
    let other = TestHost::start(|asked| match asked.header("authorization") {
        None => Reply::with("401 Unauthorized", &["WWW-Authenticate: Basic"], ""),
        Some(_) => Reply::ok(ICS),
    })
    .await;
    let elsewhere = other.url("/stolen.ics");
    let host = TestHost::start(move |_| Reply::redirect(&elsewhere)).await;
    let address = host
        .url("/room.ics")
        .replace("http://", "http://room:hunter2@");
    let error = pull(&ics(&address)).await.unwrap_err();
    assert!(error.to_string().contains("a redirect led here"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert!(host.requests()[0].header("authorization").is_some());
    let asked = other.requests();
    assert!(
        !asked.is_empty()
            && asked
                .iter()
                .all(|asked| asked.header("authorization").is_none())
    );
}

#[tokio::test]
async fn a_password_is_sent_and_a_wrong_one_not_repeated() {
    let host = TestHost::start(|asked| match asked.header("authorization") {
        // room:p%w
        Some("Basic cm9vbTpwJXc=") => Reply::ok(ICS),
        _ => Reply::with(
            "401 Unauthorized",
            &["WWW-Authenticate: basic realm=\"x\""],
            "",
        ),
    })
    .await;
    let right = host.url("/").replace("http://", "http://room:p%25w@");
    assert!(pull(&ics(&right)).await.is_ok());
    assert_eq!(
        host.requests().len(),
        1,
        "on this machine nobody listens in"
    );
    let wrong = host.url("/").replace("http://", "http://room:other@");
    let error = pull(&ics(&wrong)).await.unwrap_err();
    assert!(error.rejection() == Some(Rejection::Unauthorized));
    assert!(
        error
            .to_string()
            .contains("does not accept the login (Basic)"),
        "{error}"
    );
    assert_eq!(host.requests().len(), 1);
}

#[tokio::test]
async fn digest_is_spoken_and_basic_tried_once_where_it_is_refused() {
    let digest = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5";
    let host = TestHost::start(move |asked| {
        let sent = asked.header("authorization").unwrap_or_default();
        if sent.starts_with("Digest username=\"room\"") && sent.contains("uri=\"/a?b=c\"") {
            Reply::ok(ICS)
        } else {
            Reply::with("401 Unauthorized", &[digest], "")
        }
    })
    .await;
    let feed = ics(&host.url("/a?b=c").replace("http://", "http://room:p@"));
    let client = FeedClient::new(&feed, &Network::new()).unwrap();
    client.pull(&Held::default(), NOW).await.unwrap();
    assert_eq!(host.requests().len(), 2);
    client.pull(&Held::default(), NOW).await.unwrap();
    let asked = host.requests();
    assert_eq!(asked.len(), 1, "the way to sign in is remembered");
    assert!(
        asked[0]
            .header("authorization")
            .unwrap()
            .contains("nc=00000002")
    );

    // What takes Basic and refuses it refuses the password, which is sent once.
    let both = [digest, "WWW-Authenticate: Basic realm=\"r\""];
    let host = TestHost::start(move |_| Reply::with("401 Unauthorized", &both, "")).await;
    let feed = ics(&host.url("/a").replace("http://", "http://room:p@"));
    assert!(pull(&feed).await.unwrap_err().rejection().is_some());
    let schemes: Vec<String> = host
        .requests()
        .iter()
        .map(|asked| {
            asked
                .header("authorization")
                .unwrap_or("none")
                .split(' ')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(schemes, ["Basic"]);
}

#[tokio::test]
async fn many_rooms_of_a_dead_host_do_not_queue_for_it() {
    let host = TestHost::start(|_| Reply::raw("").then_hang()).await;
    let network = Network::new();
    let feeds: Vec<Feed> = (0..30)
        .map(|at| {
            let mut feed = ics(&host.url(&format!("/{at}.ics")));
            feed.timeout = Duration::from_millis(200);
            feed
        })
        .collect();
    let clients: Vec<FeedClient> = feeds
        .iter()
        .map(|feed| FeedClient::new(feed, &network).unwrap())
        .collect();
    let held = Held::default();
    let all = futures_util::future::join_all(clients.iter().map(|client| client.pull(&held, NOW)));
    let kinds: Vec<&str> = all
        .await
        .iter()
        .map(|result| result.as_ref().unwrap_err().kind())
        .collect();
    let asked = host.requests().len();
    assert!((4..=8).contains(&asked), "{asked} requests, {kinds:?}");
    assert!(kinds.contains(&"unreachable"));
}

#[tokio::test]
async fn outlook_is_asked_as_it_wants_to_be() {
    let agent = |address: &str, own: Option<&str>| {
        let mut feed = ics(address);
        feed.user_agent = own.map(str::to_owned);
        let Source::Ics { url, .. } = &feed.source else {
            panic!("not ics")
        };
        user_agent(&feed, url).map(|value| value.to_str().unwrap().to_owned())
    };
    let outlook = agent("https://outlook.office365.com/owa/calendar/x.ics", None).unwrap();
    assert!(
        outlook.starts_with("Mozilla/5.0")
            && outlook.contains("Chrome/")
            && outlook.contains("podcal/")
    );
    assert!(
        agent("https://c.example.com/x.ics", None)
            .unwrap()
            .starts_with("podcal/")
    );
    assert_eq!(
        agent("https://outlook.office.com/x", Some("Own/1")).unwrap(),
        "Own/1"
    );
    let error = agent("https://c.example.com/x", Some("a\nb")).unwrap_err();
    assert_eq!(error.kind(), "setup");
}

fn file(path: &std::path::Path) -> Feed {
    feed(Source::File {
        path: path.to_owned(),
    })
}

#[tokio::test]
async fn a_file_is_read_when_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("room.ics");
    std::fs::write(&path, ICS).unwrap();
    let first = pull(&file(&path)).await.unwrap();
    assert_eq!(body(&first), ICS.as_bytes());
    let held = keep(Held::default(), first);
    // Touched, but the same.
    std::fs::write(&path, ICS).unwrap();
    let second = pull_holding(&file(&path), &held).await.unwrap();
    assert!(matches!(second, Pulled::Unchanged { .. }));
    // Another text of the same length within the same second.
    let other = ICS.replace("2.0", "2.1");
    std::fs::write(&path, &other).unwrap();
    let third = pull_holding(&file(&path), &keep(held, second))
        .await
        .unwrap();
    assert_eq!(body(&third), other.as_bytes());
}

#[tokio::test]
async fn an_old_file_is_not_even_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("room.ics");
    std::fs::write(&path, ICS).unwrap();
    let set_old = || {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000))
            .unwrap();
    };
    set_old();
    let held = keep(Held::default(), pull(&file(&path)).await.unwrap());
    // Only somebody who sets the clock of a file back can fool us.
    std::fs::write(&path, ICS.replace("2.0", "2.1")).unwrap();
    set_old();
    let again = pull_holding(&file(&path), &held).await.unwrap();
    assert!(matches!(again, Pulled::Unchanged { .. }));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |name: &str, said: &str| {
        let path = folder.path().join(name);
        let error = pull(&file(&path)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read the file `{}`: {said}", path.display())
        );
    };
    check("none.ics", "it does not exist").await;
    check("", "it is not a regular file").await;
    std::fs::write(folder.path().join("large.ics"), vec![b'x'; 100_001]).unwrap();
    check("large.ics", "it has more than 100000 bytes").await;
    std::fs::write(folder.path().join("bomb.ics"), gzip(&vec![0; 1_000_000])).unwrap();
    check("bomb.ics", "it has more than 100000 bytes").await;
}

/// The service pulls each room in a task of its own.
#[tokio::test]
async fn a_pull_can_move_between_threads() {
    let host = TestHost::start(|_| Reply::ok(ICS)).await;
    let feed = ics(&host.url("/room.ics"));
    let task = tokio::spawn(async move { pull(&feed).await });
    assert!(task.await.unwrap().is_ok());
}

#[tokio::test]
async fn an_administrator_is_told_what_an_address_offers() {
    let host = TestHost::start(|asked| {
        if asked.path == "/old.ics" {
            return Reply::redirect("/room.ics");
        }
        let known = asked.header("if-none-match") == Some("\"a1\"");
        let headers = ["ETag: \"a1\"", "Content-Type: text/calendar"];
        if known {
            Reply::status("304 Not Modified")
        } else {
            Reply::with("200 OK", &headers, gzip(ICS.as_bytes()))
        }
    })
    .await;
    let feed = ics(&host.url("/old.ics"));
    let inspect::Inspection::Document(report) =
        inspect::inspect(&feed, &Network::new(), NOW).await.unwrap()
    else {
        panic!("not a document");
    };
    assert!(report.compressed && report.etag && !report.last_modified && report.not_modified);
    assert_eq!(report.size_bytes, ICS.len());
    assert_eq!(report.redirected_to, None, "the same host");
    assert_eq!(report.login, "none");
    assert_eq!(report.oddities, ["the calendar is sent in clear (http)"]);

    let plain = TestHost::start(|_| Reply::ok(ICS)).await;
    let report = inspect::inspect(&ics(&plain.url("/")), &Network::new(), NOW)
        .await
        .unwrap();
    let inspect::Inspection::Document(report) = report else {
        panic!("not a document");
    };
    assert!(report.oddities[0].starts_with("it never says that nothing changed"));
}

#[tokio::test]
async fn an_answer_says_what_time_it_is_there() {
    let date = "Date: Wed, 18 Nov 2026 11:11:40 GMT";
    let at = Some(NOW.plus(Duration::from_secs(300)));
    let host = TestHost::start(move |_| Reply::with("200 OK", &[date], ICS)).await;
    let pulled = pull(&ics(&host.url("/"))).await.unwrap();
    assert_eq!(pulled.server_date(), at);
    let error = failure(Reply::with("503 Service Unavailable", &[date], "")).await;
    assert_eq!(error.server_date(), at);
    assert_eq!(
        failure(Reply::status("404 Not Found")).await.server_date(),
        None
    );
}

#[tokio::test]
async fn an_error_says_what_became_of_the_secret() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let error = pull(&ics(&format!("http://room:p@{closed}/")))
        .await
        .unwrap_err();
    assert!(
        !error.secret_was_sent() && error.rejection().is_none(),
        "{error}"
    );
    for (status, rejection) in [
        ("401 Unauthorized", Some(Rejection::Unauthorized)),
        ("403 Forbidden", Some(Rejection::Forbidden)),
        ("404 Not Found", None),
        ("500 Internal Server Error", None),
    ] {
        let host = TestHost::start(move |_| Reply::status(status)).await;
        let with_login = host.url("/").replace("http://", "http://room:p@");
        let error = pull(&ics(&with_login)).await.unwrap_err();
        assert_eq!(error.rejection(), rejection, "{status}");
        assert!(error.secret_was_sent(), "{status}");
        let error = pull(&ics(&host.url("/"))).await.unwrap_err();
        assert_eq!(error.rejection(), None, "{status} without a login");
        assert!(!error.secret_was_sent(), "{status} without a login");
    }
    let mut feed = ics(&format!("http://room:p@{closed}/"));
    let host = TestHost::start(|_| Reply::raw("").then_hang()).await;
    feed.timeout = Duration::from_millis(100);
    feed.source = ics(&host.url("/").replace("http://", "http://room:p@")).source;
    let error = pull(&feed).await.unwrap_err();
    assert!(error.secret_was_sent(), "nobody knows how far it came");
}

/// Late failures of a host that has answered since must not fail whoever waits for a place.
#[tokio::test]
async fn a_host_that_has_answered_is_not_down_for_what_began_before() {
    for answers in [true, false] {
        let network = Network::new();
        let url = FeedUrl::parse("http://dav.example.com/").unwrap().0;
        let places = async || network.place(&url).await.unwrap();
        let places = [
            places().await,
            places().await,
            places().await,
            places().await,
        ];
        let mut waits = std::pin::pin!(network.place(&url));
        assert!(futures_util::FutureExt::now_or_never(&mut waits).is_none());
        if answers {
            places[0].answered();
        }
        for place in places {
            place.failed();
        }
        assert_eq!(waits.await.is_ok(), answers);
    }
}

/// How many of twelve requests were under way at once.
async fn at_once(network: &Network, url: &FeedUrl) -> usize {
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = async || {
        let _place = network.place(url).await.unwrap();
        most.fetch_max(
            running.fetch_add(1, Ordering::Relaxed) + 1,
            Ordering::Relaxed,
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
        running.fetch_sub(1, Ordering::Relaxed);
    };
    futures_util::future::join_all((0..12).map(|_| one())).await;
    most.into_inner()
}

#[tokio::test]
async fn a_host_that_is_asked_too_often_is_asked_one_at_a_time() {
    for trouble in [
        Reply::status("429 Too Many Requests"),
        Reply::status("503 Service Unavailable"),
        Reply::raw("").then_hang(),
    ] {
        let is_busy = Arc::new(AtomicUsize::new(1));
        let busy = Arc::clone(&is_busy);
        let host = TestHost::start(move |_| match busy.load(Ordering::Relaxed) {
            1 => trouble.clone(),
            _ => Reply::ok(ICS),
        })
        .await;
        let network = Network::new();
        let mut feed = ics(&host.url("/"));
        feed.timeout = Duration::from_millis(100);
        let client = FeedClient::new(&feed, &network).unwrap();
        let url = FeedUrl::parse(&host.url("/")).unwrap().0;
        assert_eq!(at_once(&network, &url).await, 4);
        client.pull(&Held::default(), NOW).await.unwrap_err();
        assert_eq!(at_once(&network, &url).await, 1);
        is_busy.store(0, Ordering::Relaxed);
        client.pull(&Held::default(), NOW).await.unwrap();
        assert_eq!(at_once(&network, &url).await, 4);
    }
}
