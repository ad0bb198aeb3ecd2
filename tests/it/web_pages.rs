//! The page, the metrics and the health check of `podcal run`, asked over HTTP.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use podcal::sim::feedhost::FeedFault;

use crate::support::{Service, World, calendar, hour, meeting, meeting_at, titles, within};

/// What a browser would run if it were not escaped.
const TITLE: &str = "<script>alert(1)</script> & Co";

async fn world() -> World {
    let mut world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with("web.listen", "\"127.0.0.1:0\"");
    world.set_room("oak", "title", &format!("{TITLE:?}"));
    world
}

/// The address that the log tells.
async fn address(service: &Service) -> String {
    service.says("web.listening").await;
    let log = service.log();
    let (_, rest) = log.rsplit_once("are at http://").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

struct Page {
    status: u16,
    head: String,
    body: String,
}

impl Page {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }
}

async fn ask(address: &str, request: &str, headers: &str) -> Page {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let answer = within(request, asked).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Page {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

async fn get(address: &str, path: &str) -> Page {
    ask(address, &format!("GET {path}"), "").await
}

/// Asks again and again until the answer is as it should be.
async fn until(what: &str, address: &str, path: &str, holds: impl Fn(&Page) -> bool) -> Page {
    let asked = async {
        loop {
            let page = get(address, path).await;
            if holds(&page) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(what, asked).await
}

async fn in_step(address: &str) {
    until("the room to be in step", address, "/", |page| {
        page.body.contains("data-state=\"in_step\"")
    })
    .await;
}

#[tokio::test]
async fn health_and_readiness_are_told_without_login_and_without_names() {
    let world = world()
        .await
        .with("web.username", "\"desk\"")
        .with("web.password", "\"open sesame\"");
    let service = world.serve();
    let address = address(&service).await;
    let ready = until("the first pass", &address, "/readyz", |page| {
        page.status == 200
    })
    .await;
    let healthy = get(&address, "/healthz").await;
    assert_eq!(
        (healthy.status, healthy.body.as_str()),
        (200, "healthy\n"),
        "{}",
        healthy.head
    );
    assert!(!ready.body.contains("oak"));
    for path in [
        "/",
        "/rooms/oak",
        "/metrics",
        "/api/v1/status",
        "/events",
        "/page.js",
        "/x",
    ] {
        let page = get(&address, path).await;
        assert_eq!(page.status, 401, "{path}");
        assert!(
            page.header("www-authenticate")
                .unwrap()
                .starts_with("Basic ")
        );
        assert!(!page.body.contains("oak"), "{path}");
    }
    let login = |text: &str| {
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        format!("Authorization: Basic {text}\r\n")
    };
    let right = ask(&address, "GET /", &login("desk:open sesame")).await;
    assert_eq!(right.status, 200);
    for wrong in ["desk:open", "root:open sesame", ":"] {
        let page = ask(&address, "GET /", &login(wrong)).await;
        assert_eq!(page.status, 401, "{wrong}");
    }
    assert!(!service.stop().await.contains("sesame"));
}

#[tokio::test]
async fn before_the_first_pass_the_service_is_healthy_and_not_ready() {
    let world = world().await.with("http.timeout", "\"60s\"");
    world.feeds.fault(FeedFault::hang().on("oak.ics"));
    let service = world.serve();
    let address = address(&service).await;
    let asked = world.feeds.wait_for(|feeds| !feeds.requests().is_empty());
    within("the first pull", asked).await;
    let ready = get(&address, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.starts_with("not ready: the first pass"),
        "{}",
        ready.body
    );
    assert_eq!(get(&address, "/healthz").await.status, 200);
    world.feeds.clear_faults();
    service.stop().await;
    // A service that cannot read its configuration answers nobody: it says why, and ends.
    let service = world.serve();
    until(
        "the first pass",
        &self::address(&service).await,
        "/readyz",
        |page| page.status == 200,
    )
    .await;
    service.stop().await;
    world.write_config("[rooms.oak]\n");
    let refused = world.podcal(&["run"]).await.exits(2);
    assert!(!refused.stderr.contains("web.listening"), "{refused}");
}

#[tokio::test]
async fn a_time_that_is_over_has_what_the_display_was_sent_then() {
    let stamp = |hours: i64| {
        let then = jiff::Timestamp::from_second(hour(hours)).unwrap();
        then.strftime("%Y-%m-%dT%H:%M").to_string()
    };
    let world = world().await;
    let private = meeting_at("Salary of Ada", hour(-80), hour(100))
        .replace("SUMMARY", "CLASS:PRIVATE\r\nSUMMARY");
    world.set_feed("oak", &calendar(&[private]));
    world.sync().await.exits(0);
    world.set_feed("oak", &calendar(&[meeting_at("Retro", hour(-1), hour(1))]));
    world.sync().await.exits(0);
    // As if the first push was three days ago, and the second two.
    for (place, days) in [("min", 3), ("max", 2)] {
        let seconds = days * 86_400;
        world
            .in_ledger(&format!(
                "UPDATE history SET at = at - {seconds}, since_at = since_at - {seconds} \
                 WHERE id = (SELECT {place}(id) FROM history WHERE what = 'pushed')"
            ))
            .await;
    }
    let (before, between) = (stamp(-75), stamp(-60));
    let explained = world.podcal(&["explain", "oak", "--at", &between]).await;
    let explained = explained.exits(0).prints(&[
        "the display showed `Private meeting`, as it was sent at",
        "By the calendars and the configuration as they are now:",
    ]);
    assert!(!explained.stdout.contains("Salary"), "{explained}");
    let document = world
        .podcal(&["explain", "oak", "--at", &between, "--json"])
        .await
        .json();
    let display = &document["displays"][0];
    assert_eq!(
        display["meetings"][0]["title"], "Private meeting",
        "{document}"
    );
    assert!(display["pushed_at"].is_i64(), "{document}");

    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    let answer = async |at: &str| {
        let page = get(&address, &format!("/rooms/oak?at={at}")).await.body;
        let (_, answer) = page.split_once("class=\"answer\"").expect("an answer");
        answer
            .split("id=\"live-history\"")
            .next()
            .unwrap()
            .to_owned()
    };
    let then = answer(&between).await;
    for words in [
        "the display showed `Private meeting`, as it was sent at",
        "podcal does not keep the calendars of earlier days",
    ] {
        assert!(then.contains(words), "{words}: {then}");
    }
    let unknown = answer(&before).await;
    assert!(
        unknown.contains("is not known: the history of the room holds no push"),
        "{unknown}"
    );
    service.stop().await;
}

#[tokio::test]
async fn tiles_and_their_changes_are_compressed_for_those_that_read_it() {
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    let head = ask(&address, "HEAD /", "Accept-Encoding: br, gzip\r\n").await;
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    assert_eq!(get(&address, "/").await.header("content-encoding"), None);
    service.stop().await;
}

#[tokio::test]
async fn the_page_shows_every_room_and_runs_nothing_of_it() {
    let mut world = world().await;
    world.set_feed("oak", &calendar(&[meeting("Q&A 3 < 4 \"x\"", 1)]));
    world.set_room("oak", "feed", &format!("{:?}", world.feeds.url("oak.ics")));
    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    for path in ["/", "/wall", "/rooms/oak"] {
        let page = get(&address, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(
            page.body
                .contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co"),
            "{}",
            page.body
        );
        assert!(
            page.body.contains("Q&amp;A 3 &lt; 4 &quot;x&quot;"),
            "{}",
            page.body
        );
        assert!(
            !page.body.contains("<script>") && !page.body.contains("3 < 4"),
            "{}",
            page.body
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    // The history is written once a second.
    let room = until("the push in the history", &address, "/rooms/oak", |page| {
        page.body.contains("pushed")
    });
    let room = room.await.body;
    for words in [
        "Times are in UTC",
        "1 meeting, as it should",
        "3rd party only",
        "pinned, SHA-256",
        "no drift in the latest history",
    ] {
        assert!(room.contains(words), "`{words}` is not on the page\n{room}");
    }
    let hidden = get(&address, "/?q=elm").await.body;
    assert!(hidden.contains("hidden>"), "{hidden}");
    for path in ["/page.css", "/page.js"] {
        assert_eq!(get(&address, path).await.status, 200);
    }
    assert_eq!(get(&address, "/rooms/elm").await.status, 404);
    assert_eq!(get(&address, "/nothing").await.status, 404);
    service.stop().await;
}

#[tokio::test]
async fn nothing_can_be_written_and_what_is_too_large_is_refused() {
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    for path in ["/", "/rooms/oak", "/metrics", "/healthz"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let page = ask(
                &address,
                &format!("{method} {path}"),
                "Content-Length: 0\r\n",
            )
            .await;
            assert_eq!(page.status, 405, "{method} {path}");
        }
        let head = ask(&address, &format!("HEAD {path}"), "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
    }
    let large = format!("X-Large: {}\r\n", "x".repeat(100_000));
    let refused = ask(&address, "GET /", &large).await;
    assert_eq!(refused.status, 431);
    service.stop().await;
}

#[tokio::test]
async fn the_status_is_that_of_the_command() {
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    let page = get(&address, "/api/v1/status").await;
    assert_eq!(page.header("content-type"), Some("application/json"));
    let mut served: Value = serde_json::from_str(&page.body).unwrap();
    service.stop().await;
    let mut command = world.podcal(&["status", "--json"]).await.json();
    assert_eq!(served["summary"]["in_step"], 1);
    assert_eq!(
        served["rooms"][0]["displays"][0]["next"]["title"],
        "Standup"
    );
    for document in [&mut served, &mut command] {
        // What goes on between the two.
        let keys =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let display = &document["rooms"][0]["displays"][0];
        let all = [keys(document), keys(&document["rooms"][0]), keys(display)].concat();
        *document = serde_json::json!({ "keys": all, "meetings": display["meetings"] });
    }
    assert_eq!(served, command);
}

#[tokio::test]
async fn metrics_are_in_prometheus_format_and_hold_no_secret() {
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    let page = get(&address, "/metrics").await;
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let mut names = std::collections::BTreeSet::new();
    for line in page.body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            assert!(
                comment.starts_with("HELP podcal_") || comment.starts_with("TYPE podcal_"),
                "{line}"
            );
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        value
            .parse::<f64>()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        names.insert(series.split('{').next().unwrap().to_owned());
    }
    for name in [
        "podcal_build_info",
        "podcal_rooms",
        "podcal_pods",
        "podcal_feed_last_success_timestamp_seconds",
        "podcal_pod_last_success_timestamp_seconds",
        "podcal_room_in_step",
        "podcal_pushes_total",
        "podcal_pulls_total",
        "podcal_pull_duration_seconds_count",
        "podcal_push_duration_seconds_sum",
        "podcal_ledger_writable",
    ] {
        assert!(names.contains(name), "{name} is missing\n{}", page.body);
    }
    for line in [
        "podcal_rooms{state=\"in_step\"} 1",
        "podcal_rooms{state=\"stale\"} 0",
        "podcal_room_in_step{room=\"oak\"} 1",
        "podcal_pushes_total{result=\"done\"} 1",
        "podcal_pulls_total{result=\"changed\"} 1",
        "podcal_ledger_writable 1",
    ] {
        assert!(
            page.body.lines().any(|one| one == line),
            "{line}\n{}",
            page.body
        );
    }
    for secret in ["Standup", "oak.ics", "solstice", "script"] {
        assert!(!page.body.contains(secret), "{secret}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_change_is_sent_to_whoever_watches() {
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    let page = get(&address, "/").await.body;
    let (_, rest) = page.split_once("data-events=\"").unwrap();
    let path = rest.split('"').next().unwrap();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    world.set_feed("oak", &calendar(&[meeting("Retro & more", 1)]));
    let told = async {
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push_str(&line);
            said.push('\n');
            if let Some(data) = line.strip_prefix("data: ")
                && data.contains("Retro")
            {
                return (said.clone(), serde_json::from_str::<Value>(data).unwrap());
            }
        }
        panic!("the events ended:\n{said}");
    };
    let (said, data) = within("the new meeting", told).await;
    assert!(said.contains("content-type: text/event-stream"), "{said}");
    assert!(said.contains("event: tiles"), "{said}");
    assert_eq!(data["tiles"][0]["room"], "oak");
    let html = data["tiles"][0]["html"].as_str().unwrap();
    assert!(html.contains("Retro &amp; more"), "{html}");
    // A page of rooms that are no longer these begins anew.
    let stale = format!("/events?since={}", "1-1.1");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET {stale} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let reload = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line == "event: reload" {
                return;
            }
        }
        panic!("no event");
    };
    within("the page to be told to reload", reload).await;
    service.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error_at_start_and_refuses_a_reload() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = (taken.local_addr().unwrap(), taken);
    let mut world = world().await;
    world.set("web.listen", &format!("\"{}\"", taken.0));
    let hint = format!("another program uses port {}", taken.0.port());
    world
        .podcal(&["run"])
        .await
        .exits(1)
        .says(&["cannot listen on", "hint: ", &hint]);
    world.set("web.listen", "\"127.0.0.1:0\"");
    let service = world.serve();
    let first = address(&service).await;
    world.set("web.listen", &format!("\"{}\"", taken.0));
    service.signal("HUP").await;
    service.says("the old one stays in force").await;
    service.says(&hint).await;
    assert_eq!(get(&first, "/healthz").await.status, 200);
    drop(taken.1);
    service.signal("HUP").await;
    service.says("settings of `[web]` changed").await;
    let second = taken.0.to_string();
    assert_eq!(get(&second, "/healthz").await.status, 200);
    assert!(TcpStream::connect(&first).await.is_err());
    // From one address to every one, on the port that is our own; and with a login.
    world.set("web.listen", &format!("\"0.0.0.0:{}\"", taken.0.port()));
    world.set("web.username", "\"desk\"");
    world.set("web.password", "\"open sesame\"");
    service.signal("HUP").await;
    service
        .says_so_often("settings of `[web]` changed", 2)
        .await;
    assert_eq!(get(&second, "/").await.status, 401);
    assert_eq!(get(&second, "/healthz").await.status, 200);
    // The work went on.
    world
        .until("the first push", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    service.stop().await;
    assert!(TcpStream::connect(&second).await.is_err());
}

#[tokio::test]
async fn what_is_explained_stays_as_private_as_the_display() {
    let private = meeting("Salary of Ada", 2).replace("SUMMARY", "CLASS:PRIVATE\r\nSUMMARY");
    let mut world = world().await;
    world.set_feed("oak", &calendar(&[meeting("Standup", 1), private]));
    world.set_room("oak", "time_zone", "\"Asia/Tokyo\"");
    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    // Of the second meeting, by the clock of the room.
    let zone = jiff::tz::TimeZone::get("Asia/Tokyo").unwrap();
    let then = jiff::Timestamp::from_second(hour(2) + 600).unwrap();
    let then = then.to_zoned(zone).strftime("%Y-%m-%dT%H:%M").to_string();
    let path = format!("/rooms/oak?at={then}");
    let page = get(&address, &path).await.body;
    assert!(
        page.contains("the display shows `Private meeting`"),
        "{page}"
    );
    assert!(
        page.contains("Standup") && !page.contains("Salary"),
        "{page}"
    );
    let wrong = get(&address, "/rooms/oak?at=noon").await;
    assert!(wrong.body.contains("role=\"alert\""), "{}", wrong.body);

    // Where titles are hidden, the answer hides them all.
    world.set_room(
        "oak",
        "meetings",
        "{ hide_titles = true, hidden_title = \"Taken\" }",
    );
    service.signal("HUP").await;
    let hidden = until("titles to be hidden", &address, &path, |page| {
        page.body.contains("the display shows `Taken`")
    });
    let answer = hidden.await.body;
    let (_, answer) = answer.split_once("class=\"answer\"").unwrap();
    let (answer, _) = answer.split_once("id=\"live-history\"").unwrap();
    assert!(!answer.contains("Standup"), "{answer}");
    service.stop().await;
}

#[tokio::test]
async fn promtool_finds_no_fault_with_the_metrics() {
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    in_step(&address).await;
    let metrics = get(&address, "/metrics").await.body;
    let mut command = tokio::process::Command::new("promtool");
    let command = command.args(["check", "metrics"]).stdin(Stdio::piped());
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        let is_required = std::env::var_os("PODCAL_REQUIRE_PROMTOOL").is_some();
        assert!(!is_required, "promtool is not installed");
        eprintln!("left out: promtool is not installed");
        return;
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(metrics.as_bytes()).await.unwrap();
    drop(input);
    let checked = within("promtool", child.wait_with_output()).await.unwrap();
    let says = [checked.stdout, checked.stderr].concat();
    let says = String::from_utf8(says).unwrap();
    assert!(checked.status.success() && says.is_empty(), "{says}");
    service.stop().await;
}
