//! The calendar server as a client meets it.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use reqwest::{Client, Response, redirect};

use super::*;
use crate::sim::options::Clock;
use crate::sim::secret::hex;

const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n";

async fn host(tls: Option<FeedTls>) -> (FeedHost, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = FeedHost::start(listener, tls).unwrap();
    host.set("/oak.ics", ICS);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .tls_danger_accept_invalid_certs(true)
        .redirect(redirect::Policy::none());
    (host, client.build().unwrap())
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let (host, client) = host(Some(FeedTls::default())).await;
    let url = host.url("oak.ics");
    assert!(url.starts_with("https://127.0.0.1:"));
    let first = client.get(&url).send().await.unwrap();
    let (etag, modified) = (
        header(&first, "etag").to_owned(),
        header(&first, "last-modified").to_owned(),
    );
    assert_eq!(first.text().await.unwrap(), ICS);
    let conditional = async |name: &str, value: &str| {
        client
            .get(&url)
            .header(name, value)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(conditional("if-none-match", &etag).await, 304);
    assert_eq!(conditional("if-none-match", "\"other\"").await, 200);
    assert_eq!(conditional("if-modified-since", &modified).await, 304);
    host.fault(FeedFault::never_304().once());
    assert_eq!(conditional("if-none-match", &etag).await, 200);
    host.set("oak.ics", ICS.replace("2.0", "2.1"));
    assert_eq!(conditional("if-none-match", &etag).await, 200);
    assert_eq!(conditional("if-modified-since", &modified).await, 200);
    host.remove("oak.ics");
    assert_eq!(conditional("if-none-match", &etag).await, 404);
    assert_eq!(host.requests().len(), 8);
    assert_eq!(host.requests()[1].if_none_match, Some(etag));
}

#[tokio::test]
async fn gzip_is_sent_to_who_asks_for_it() {
    let (host, client) = host(None).await;
    host.fault(FeedFault::gzip_etag().once());
    let asked = client
        .get(host.url("oak.ics"))
        .header("accept-encoding", "br, gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(header(&asked, "content-encoding"), "gzip");
    assert!(header(&asked, "etag").ends_with("-gzip\""));
    let mut inflated = String::new();
    GzDecoder::new(asked.bytes().await.unwrap().as_ref())
        .read_to_string(&mut inflated)
        .unwrap();
    assert_eq!(inflated, ICS);
    host.fault(FeedFault::gzip_bomb(1_000_000));
    let bomb = client
        .get(host.url("oak.ics"))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(bomb.len() < 20_000);
    let mut inflated = Vec::new();
    GzDecoder::new(bomb.as_ref())
        .read_to_end(&mut inflated)
        .unwrap();
    assert!(inflated.len() >= 1_000_000);
}

#[tokio::test]
async fn every_fault_looks_as_it_is_called() {
    let (host, client) = host(None).await;
    let get = async || client.get(host.url("oak.ics")).send().await;
    host.fault(FeedFault::login_page().once());
    assert!(header(&get().await.unwrap(), "content-type").starts_with("text/html"));
    host.fault(FeedFault::retry_after(429, 30).once());
    let busy = get().await.unwrap();
    assert_eq!(
        (busy.status().as_u16(), header(&busy, "retry-after")),
        (429, "30")
    );
    for fault in [FeedFault::cut_off(), FeedFault::cut_chunked()] {
        host.fault(fault.once());
        let cut = get().await.unwrap();
        assert_eq!(cut.status(), 200);
        assert!(cut.bytes().await.is_err());
    }
    host.fault(FeedFault::redirect("/oak.ics").once());
    assert_eq!(header(&get().await.unwrap(), "location"), "/oak.ics");
    host.fault(FeedFault::oversized(100_000).once());
    assert!(get().await.unwrap().bytes().await.unwrap().len() >= 100_000);
    host.fault(FeedFault::drip(7, Duration::from_millis(1)).once());
    assert_eq!(get().await.unwrap().text().await.unwrap(), ICS);
    host.fault(FeedFault::slow(Duration::from_millis(1)).once());
    assert_eq!(get().await.unwrap().text().await.unwrap(), ICS);
    host.fault(FeedFault::weak_etag().once());
    assert!(header(&get().await.unwrap(), "etag").starts_with("W/\""));
    host.fault(FeedFault::refuse().once());
    assert!(get().await.is_err());
    host.fault(FeedFault::hang().once().on("oak.ics"));
    tokio::select! {
        _ = get() => panic!("a host that hangs has answered"),
        () = host.wait_for(|host| host.requests().last().unwrap().status.is_none() && host.requests().len() == 11) => {}
    }
    assert_eq!(get().await.unwrap().text().await.unwrap(), ICS);
}

#[tokio::test]
async fn a_feed_can_ask_for_a_password() {
    let (host, client) = host(None).await;
    let url = host.url("oak.ics");
    host.require(SignIn::basic("room", "pä:ss"));
    let refused = client.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(header(&refused, "www-authenticate").starts_with("Basic"));
    assert_eq!(
        client
            .get(&url)
            .basic_auth("room", Some("pä:ss"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        client
            .get(&url)
            .basic_auth("room", Some("no"))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    assert!(!format!("{:?}", host.requests()).contains("ss"));

    host.require(SignIn::digest_md5("room", "secret"));
    let md5 = |text: &str| {
        use md5::{Digest, Md5};
        hex(Md5::digest(text).as_ref())
    };
    let challenge = client.get(&url).send().await.unwrap();
    let nonce = header(&challenge, "www-authenticate")
        .split("nonce=\"")
        .nth(1)
        .unwrap()
        .trim_end_matches('"')
        .to_owned();
    let (who, what) = (md5("room:calendars:secret"), md5("GET:/oak.ics"));
    let response = md5(&format!("{who}:{nonce}:00000001:abc:auth:{what}"));
    let digest = format!(
        "Digest username=\"room\", realm=\"calendars\", nonce=\"{nonce}\", uri=\"/oak.ics\", qop=auth, nc=00000001, \
         cnonce=\"abc\", response=\"{response}\""
    );
    assert_eq!(
        client
            .get(&url)
            .header("authorization", &digest)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let wrong = digest.replace("cnonce=\"abc\"", "cnonce=\"abd\"");
    assert_eq!(
        client
            .get(&url)
            .header("authorization", wrong)
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
}

#[tokio::test]
async fn validators_can_be_odd() {
    let (host, client) = host(None).await;
    let get = async |etag: &str| {
        let request = client.get(host.url("oak.ics"));
        let response = request.header("if-none-match", etag).send().await.unwrap();
        (
            response.status().as_u16(),
            header(&response, "etag").to_owned(),
        )
    };
    host.fault(FeedFault::new_etag().times(2));
    let (first, second) = (get("").await, get("").await);
    assert_ne!(first, second);
    assert_eq!((first.0, second.0), (200, 200));

    host.fault(FeedFault::same_etag());
    let (status, etag) = get("").await;
    assert_eq!(status, 200);
    host.set("oak.ics", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");
    assert_eq!(get("").await, (200, etag.clone()));
    assert_eq!(get(&etag).await, (304, etag.clone()));
    host.fault(FeedFault::never_304());
    assert_eq!(get(&etag).await, (200, etag));

    host.clear_faults();
    host.fault(FeedFault::not_modified().once());
    let without_condition = client.get(host.url("oak.ics")).send().await.unwrap();
    assert_eq!(without_condition.status(), 304);
}

#[tokio::test]
async fn a_host_can_be_late_empty_or_of_another_time() {
    let (host, client) = host(None).await;
    let get = async || client.get(host.url("oak.ics")).send().await.unwrap();
    host.fault(FeedFault::delay(Duration::from_millis(40)).once());
    host.fault(FeedFault::empty_calendar().once().on("oak.ics"));
    let began = std::time::Instant::now();
    let empty = get().await;
    assert!(began.elapsed() >= Duration::from_millis(40));
    assert_eq!(
        header(&empty, "content-type"),
        "text/calendar; charset=utf-8"
    );
    let text = empty.text().await.unwrap();
    assert!(text.starts_with("BEGIN:VCALENDAR") && !text.contains("VEVENT"));
    host.fault(FeedFault::date(-86_400));
    let yesterday = get().await;
    let date = httpdate(header(&yesterday, "date"));
    let now = Clock::system().now().seconds();
    assert!((86_395..86_405).contains(&(now - date)), "{date} at {now}");
}

fn httpdate(text: &str) -> i64 {
    jiff::fmt::rfc2822::parse(text)
        .unwrap()
        .timestamp()
        .as_second()
}

#[tokio::test]
async fn requests_and_sign_ins_are_counted() {
    let (host, client) = host(None).await;
    host.require(SignIn::bearer("token"));
    let get = async |token: &str| {
        let request = client.get(host.url("oak.ics")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((get("wrong").await, get("token").await), (401, 200));
    assert_eq!(
        client
            .get(host.url("oak.ics"))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    assert_eq!(host.traffic().sign_ins(), (1, 1));
    assert_eq!(host.traffic().requests("GET", "/oak.ics"), 3);
    assert_eq!(host.traffic().max_in_flight(), 1);
    host.require_nothing();
    assert_eq!(get("wrong").await, 200);
}
