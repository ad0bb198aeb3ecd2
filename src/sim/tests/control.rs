//! The control address: orders that end by themselves, counts, the calendar host, and who may ask.

use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::building::{order, setup};
use super::*;
use crate::sim::action::{self, Action, Command, ScheduledCommand};
use crate::sim::building::{Building, Setup};
use crate::sim::feedhost;
use crate::sim::spec::Spec;

async fn building(pods: u32) -> Building {
    Building::open(setup(pods)).await.unwrap()
}

async fn with_feeds(folder: &Path) -> Building {
    std::fs::write(
        folder.join("oak.ics"),
        "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
    )
    .unwrap();
    let feeds = Some((folder.to_owned(), "127.0.0.1:0".parse().unwrap()));
    Building::open(Setup { feeds, ..setup(1) }).await.unwrap()
}

/// Orders that must be carried out.
async fn done(building: &Building, path: &str, body: Value) {
    let (status, answer) = order(building, "POST", path, body.clone()).await;
    assert_eq!(status, 200, "{path} {body}: {answer}");
}

#[tokio::test]
async fn every_fault_of_a_pod_can_be_ordered() {
    let building = building(1).await;
    for fault in [
        json!({ "fault": "slow", "seconds": 0.5 }),
        json!({ "fault": "status", "status": 429, "retry_after": 30 }),
        json!({ "fault": "html" }),
        json!({ "fault": "empty-object" }),
        json!({ "fault": "cut-off", "times": 2 }),
        json!({ "fault": "lost-answer", "after": 1 }),
        json!({ "fault": "hang", "path": "/v2/config*" }),
        json!({ "fault": "refuse", "for": 2 }),
        json!({ "fault": "no-handshake", "for": "2s" }),
        json!({ "fault": "reads-empty" }),
        json!({ "fault": "new-ids" }),
        json!({ "fault": "cap", "meetings": 4 }),
        json!({ "fault": "late", "seconds": 5 }),
        json!({ "fault": "late", "reads": 2 }),
        json!({ "fault": "truncate", "characters": 20 }),
        json!({ "fault": "trim" }),
        json!({ "fault": "upper-case" }),
        json!({ "fault": "suffix", "text": " *" }),
        json!({ "fault": "keep-old", "times": 1 }),
    ] {
        done(&building, "/pods/1/faults", fault).await;
    }
    for (fault, says) in [
        (json!({ "fault": "cap" }), "`cap` needs `meetings`"),
        (
            json!({ "fault": "cap", "meetings": -1 }),
            "`meetings` is out of range",
        ),
        (
            json!({ "fault": "late", "seconds": 1, "reads": 1 }),
            "`late` needs `seconds` or `reads`",
        ),
        (
            json!({ "fault": "hang", "seconds": 3 }),
            "`hang` takes no `seconds`",
        ),
        (
            json!({ "fault": "status", "status": 99 }),
            "`status` must be from 200 to 599",
        ),
        (json!({ "status": 503 }), "`fault` is missing"),
        (
            json!({ "fault": "hang", "for": "soon" }),
            "`for` must be a number of seconds",
        ),
    ] {
        let (status, answer) = order(&building, "POST", "/pods/1/faults", fault.clone()).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.contains(says), "{fault}: {error}");
    }
}

#[tokio::test]
async fn what_has_a_duration_ends_by_itself() {
    let building = building(2).await;
    let [one, two] = building.pods() else {
        panic!("there are two pods")
    };
    let mode = |sim: &Sim| sim.config()["display"]["calendar"]["type"].clone();
    let (device_id, print) = (one.device_id(), one.fingerprint());
    for (what, body) in [
        ("mode", json!({ "mode": "exchange", "for": 0.1 })),
        ("clock", json!({ "offset_seconds": 3600, "for": "100ms" })),
        ("device", json!({ "same_as": 2, "for": 0.1 })),
        ("certificate", json!({ "for": 0.1 })),
        ("password", json!({ "password": "other", "for": 0.1 })),
        ("licence", json!({ "licensed": false, "for": 0.1 })),
    ] {
        done(&building, &format!("/pods/1/{what}"), body).await;
    }
    assert_eq!(mode(one), "exchange");
    assert_eq!(one.device_id(), two.device_id());
    assert_ne!(one.fingerprint(), print);
    one.wait_for(|sim| mode(sim) == "3rd_party_only").await;
    one.wait_for(|sim| sim.device_id() == device_id && sim.fingerprint() == print)
        .await;
    let sign_in = async |password: &str| {
        let form = [
            ("grant_type", "password"),
            ("username", "admin"),
            ("password", password),
        ];
        let request = client().post(one.url() + "/v2/token").form(&form);
        answered(request).await.0
    };
    let is_back = async || sign_in("solstice").await == 200 && sign_in("other").await == 401;
    while !is_back().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (status, _) = order(&building, "POST", "/pods/1/reboot", json!({ "for": 1 })).await;
    assert_eq!(status, 400, "a reboot cannot be undone");

    done(&building, "/pods/1/swap", json!({ "with": 2, "for": 0.1 })).await;
    assert_eq!(two.device_id(), device_id);
    two.wait_for(|sim| sim.device_id() != device_id).await;
    assert_eq!(one.device_id(), device_id);
    done(&building, "/pods/2/device", json!({ "device_id": "" })).await;
    assert_eq!(two.device_id(), "");
    let (status, _) = order(&building, "POST", "/pods/1/swap", json!({ "with": 9 })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn counts_can_be_read_and_started_anew() {
    let building = building(1).await;
    let url = building.pods()[0].url();
    client().get(url + "/v2/metadata").send().await.unwrap();
    let (_, counts) = order(&building, "GET", "/pods/1/counts", Value::Null).await;
    assert_eq!(counts["requests"]["GET /v2/metadata"]["count"], 1);
    assert_eq!(counts["max_in_flight"], 1);
    assert_eq!(
        order(&building, "DELETE", "/pods/all/counts", json!({}))
            .await
            .0,
        200
    );
    let (_, counts) = order(&building, "GET", "/pods/1/counts", Value::Null).await;
    assert_eq!(counts["requests"], json!({}));
}

#[tokio::test]
async fn the_calendar_host_takes_orders_too() {
    let folder = tempfile::tempdir().unwrap();
    let building = with_feeds(folder.path()).await;
    let url = building.feeds().unwrap().url("oak.ics");
    let get = async || client().get(&url).send().await.unwrap().status().as_u16();
    for fault in [
        json!({ "fault": "delay", "seconds": 0.01 }),
        json!({ "fault": "html", "times": 1, "path": "/elm.ics" }),
        json!({ "fault": "empty", "path": "/elm.ics" }),
        json!({ "fault": "empty-calendar", "path": "/elm.ics" }),
        json!({ "fault": "not-modified", "path": "/elm.ics" }),
        json!({ "fault": "redirect", "location": "/elm.ics", "path": "/elm.ics" }),
        json!({ "fault": "hang", "path": "/elm.ics" }),
        json!({ "fault": "refuse", "path": "/elm.ics" }),
        json!({ "fault": "cut-off", "path": "/elm.ics" }),
        json!({ "fault": "cut-chunked", "path": "/elm.ics" }),
        json!({ "fault": "slow", "seconds": 1, "path": "/elm.ics" }),
        json!({ "fault": "drip", "bytes": 1, "every": "10ms", "path": "/elm.ics" }),
        json!({ "fault": "oversized", "bytes": 1000, "path": "/elm.ics" }),
        json!({ "fault": "gzip-bomb", "bytes": 1000, "path": "/elm.ics" }),
        json!({ "fault": "content-type", "media": "text/plain", "path": "/elm.ics" }),
        json!({ "fault": "weak-etag" }),
        json!({ "fault": "gzip-etag" }),
        json!({ "fault": "same-etag" }),
        json!({ "fault": "new-etag" }),
        json!({ "fault": "never-304" }),
        json!({ "fault": "no-gzip" }),
        json!({ "fault": "date", "offset_seconds": -60 }),
        json!({ "fault": "status", "status": 503, "retry_after": 5, "times": 1 }),
    ] {
        done(&building, "/feeds/faults", fault).await;
    }
    assert_eq!([get().await, get().await], [503, 200]);
    let sign_in = json!({ "username": "room", "password": "secret" });
    done(&building, "/feeds/password", sign_in).await;
    assert_eq!(get().await, 401);
    let wrong = client().get(&url).basic_auth("room", Some("wrong"));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let (_, counts) = order(&building, "GET", "/feeds/counts", Value::Null).await;
    assert_eq!(counts["sign_ins"]["wrong"]["count"], 1);
    assert_eq!(counts["requests"]["GET /oak.ics"]["count"], 4);
    for what in ["password", "faults", "requests", "counts"] {
        let path = format!("/feeds/{what}");
        assert_eq!(order(&building, "DELETE", &path, json!({})).await.0, 200);
    }
    assert_eq!(get().await, 200);
    let (_, requests) = order(&building, "GET", "/feeds/requests", Value::Null).await;
    assert_eq!(requests.as_array().unwrap().len(), 1);
    let (_, feeds) = order(&building, "GET", "/feeds", Value::Null).await;
    assert_eq!(feeds["files"], json!(["oak.ics"]));
    let without = Building::open(setup(1)).await.unwrap();
    assert_eq!(order(&without, "GET", "/feeds", Value::Null).await.0, 404);
}

#[tokio::test]
async fn faults_from_the_start_are_for_the_pod_that_they_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("oak.ics"), "x").unwrap();
    let feeds = Some((folder.path().to_owned(), "127.0.0.1:0".parse().unwrap()));
    let building = Building::open(Setup {
        schedule: vec![
            ScheduledCommand::parse("503,pod=2").unwrap(),
            ScheduledCommand::parse("device,same_as=1,pod=2").unwrap(),
        ],
        feeds,
        feed_faults: vec![feedhost::parse_fault("404,path=/oak.ics,times=1").unwrap()],
        feed_sign_in: Some(feedhost::SignIn::basic("room", "secret")),
        ..setup(2)
    })
    .await
    .unwrap();
    let [one, two] = building.pods() else {
        panic!("there are two pods")
    };
    let get = async |url: String| client().get(url).send().await.unwrap().status().as_u16();
    assert_eq!(get(one.url() + "/v2/metadata").await, 401);
    assert_eq!(get(two.url() + "/v2/metadata").await, 503);
    assert_eq!(one.device_id(), two.device_id());
    let host = building.feeds().unwrap();
    assert_eq!(get(host.url("oak.ics")).await, 404);
    assert_eq!(get(host.url("oak.ics")).await, 401);
}

/// The status of a request that is sent as it stands.
async fn raw(address: SocketAddr, request: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn other_sites_cannot_control_the_pods() {
    let building = building(1).await;
    let address = building.control().unwrap();
    let port = address.port();
    let post = |host: &str, more: &str| {
        let body = r#"{"password":"stolen"}"#;
        format!(
            "POST /pods/1/password HTTP/1.1\r\nhost: {host}\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = "content-type: application/json\r\n";
    for (request, status) in [
        // A name that was pointed here (DNS rebinding), for reads as for writes.
        (post("rebound.example", json), 403),
        (post(&format!("rebound.example:{port}"), json), 403),
        (post("localhost.example", json), 403),
        (post("192.0.2.1", json), 403),
        (post("", json), 403),
        (
            "GET / HTTP/1.1\r\nhost: rebound.example\r\n\r\n".to_owned(),
            403,
        ),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 403),
        // What a form or script of another site can send without being asked.
        (post("localhost", ""), 415),
        (post("localhost", "content-type: text/plain\r\n"), 415),
        (
            post(
                "localhost",
                "content-type: application/x-www-form-urlencoded\r\n",
            ),
            415,
        ),
        (
            post(
                "localhost",
                &format!("{json}origin: https://other.example\r\n"),
            ),
            403,
        ),
        (post("localhost", &format!("{json}origin: null\r\n")), 403),
        (
            "DELETE /pods/1/faults HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
            415,
        ),
    ] {
        assert_eq!(raw(address, &request).await, status, "{request}");
    }
    let old = "grant_type=password&username=admin&password=solstice";
    let url = building.pods()[0].url() + "/v2/token";
    let request = client().post(&url);
    let form = "application/x-www-form-urlencoded";
    let request = request.header("content-type", form).body(old);
    assert_eq!(answered(request).await.0, 200, "the password is unchanged");
    for request in [
        post("localhost", json),
        post(
            &format!("LOCALHOST:{port}"),
            "content-type: application/json; charset=utf-8\r\n",
        ),
        post(&format!("127.0.0.1:{port}"), json),
        post("[::1]:80", json),
        post(
            "localhost",
            &format!("{json}origin: http://127.0.0.1:{port}\r\n"),
        ),
        format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n"),
    ] {
        assert_eq!(raw(address, &request).await, 200, "{request}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_folder_of_calendars_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.ics");
    std::fs::write(&secret, "private").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    link(&secret, "out.ics");
    link(Path::new("../secret.ics"), "up.ics");
    link(Path::new("oak.ics"), "same.ics");
    link(Path::new("gone.ics"), "gone.ics");
    link(outside.path(), "folder.ics");
    let building = with_feeds(folder.path()).await;
    let host = building.feeds().unwrap();
    assert_eq!(host.files(), ["oak.ics", "same.ics"]);
    // One that appears, or is turned, later is not followed either.
    link(&secret, "later.ics");
    std::fs::remove_file(folder.path().join("same.ics")).unwrap();
    link(&secret, "same.ics");
    host.wait_for(|host| host.body("same.ics").is_none()).await;
    assert_eq!(host.files(), ["oak.ics"]);
}

#[tokio::test]
async fn devices_that_changed_places_do_so_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let with_state = || {
        let mut setup = setup(2);
        setup.state = Some(folder.path().join("state.json"));
        setup.options.name = "Room".to_owned();
        setup
    };
    let identity = |sim: &Sim| {
        let name = sim.config()["display"]["name"].clone();
        (sim.device_id(), sim.fingerprint(), sim.camera_guid(), name)
    };
    let building = Building::open(with_state()).await.unwrap();
    let before: Vec<_> = building.pods().iter().map(identity).collect();
    building.pods()[0].swap_with(&building.pods()[1]);
    building.run_until(async {}).await.unwrap();
    let building = Building::open(with_state()).await.unwrap();
    let mut after: Vec<_> = building.pods().iter().map(identity).collect();
    after.reverse();
    assert_eq!(after, before);
}

/// The words and the JSON of each fault in the tables of the documentation.
fn documented(section: &str) -> Vec<(String, Value)> {
    let faults: Vec<_> = section
        .lines()
        .filter_map(|line| {
            let (words, rest) = line.strip_prefix("| `")?.split_once('`')?;
            let (_, json) = rest.split_once("`'")?;
            let (json, _) = json.split_once("'`")?;
            Some((words.to_owned(), serde_json::from_str(json).unwrap()))
        })
        .collect();
    assert!(faults.len() > 15, "{faults:?}");
    faults
}

#[test]
fn the_documentation_has_every_fault_in_both_forms() {
    let text = include_str!("../../../docs/simulate.md");
    let (pods, host) = text.split_once("## The calendar host").unwrap();
    let spec = |json: &Value| Spec::from_json(json.as_object().unwrap()).unwrap();
    for (words, json) in documented(pods) {
        let mut spec = spec(&json);
        let fault = Fault::read(&mut spec).unwrap();
        spec.finish().unwrap();
        let command = Command::parse(&words).unwrap();
        assert!(
            matches!(&command.action, Action::Fault(same) if *same == fault),
            "{words}"
        );
    }
    for (words, json) in documented(host) {
        let mut spec = spec(&json);
        let fault = feedhost::FeedFault::read(&mut spec).unwrap();
        spec.finish().unwrap();
        assert_eq!(feedhost::parse_fault(&words), Ok(fault), "{words}");
    }
    for (section, words) in [(pods, action::words()), (host, feedhost::WORDS.to_owned())] {
        for word in words.split(", ").filter(|word| !word.contains(' ')) {
            let word = word.split('=').next().unwrap();
            assert!(
                section.contains(&format!("`{word}")),
                "`{word}` is not in the documentation"
            );
        }
    }
}
