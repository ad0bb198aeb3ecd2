//! A mark in everything that is secret or that says what a meeting is about, searched for in
//! all that podcal writes: the log at its finest, every command, the metrics, the page, the
//! ledger. The texts of meetings carry escapes as well, which no terminal may get to see.

use std::collections::BTreeSet;

use base64::Engine as _;
use podcal::sim::Fault;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::host::{Answer, Asked, Host};
use crate::support::{Ran, Service, World, calendar_with, hour, meeting_at, within};

/// These may be nowhere.
const SECRETS: [&str; 25] = [
    "mark-pod-password",
    "mark-second-pod-password",
    "mark-feed-user",
    "mark-feed-password",
    "mark-feed-path",
    "mark-feed-query",
    "mark-dav-password",
    "mark-dav-path",
    "mark-bearer-token",
    "mark-client-secret",
    "mark-refresh-token",
    "mark-access-token",
    "mark-redirect-path",
    "mark-redirect-query",
    "mark-cookie",
    "mark-proxy-user",
    "mark-proxy-password",
    "mark-proxied-path",
    "mark-web-password",
    "mark-realm",
    "mark-error-page",
    "mark-login-page",
    "mark-denied-password",
    "mark-digest-password",
    "mark-oauth-error",
];

/// Of a meeting of CLASS:PRIVATE; these may be nowhere either.
const PRIVATE: [&str; 7] = [
    "mark-private-title",
    "mark-private-text",
    "mark-private-place",
    "mark-private-organizer",
    "mark-private-address",
    "mark-private-link",
    "mark-private-category",
];

/// Of a meeting that is for everybody: where meetings are shown, and in the ledger.
const PUBLIC: [&str; 10] = [
    "mark-title",
    "mark-text",
    "mark-place",
    "mark-organizer",
    "mark-address",
    "mark-link",
    "mark-category",
    "mark-attendee",
    "mark-guest",
    "mark-calendar-name",
];

/// Of these nothing is kept, since nobody needs it.
const UNUSED: [&str; 5] = [
    "mark-guest",
    "mark-attendee",
    "mark-comment",
    "mark-alarm",
    "mark-alternative",
];

/// What would turn a line around, forge one, or paint the terminal.
const HARM: &str = "\u{1b}[31m\u{202e}\u{200b}\u{2028}\\nFORGED \u{85}\u{7f}";

fn basic(user: &str, password: &str) -> String {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {login}")
}

/// How secrets look in a header.
fn encoded() -> Vec<String> {
    [
        ("mark-feed-user", "mark-feed-password"),
        ("room", "mark-dav-password"),
        ("mark-proxy-user", "mark-proxy-password"),
        ("viewer", "mark-web-password"),
    ]
    .map(|(user, password)| basic(user, password)[6..].to_owned())
    .into()
}

fn events() -> String {
    let event = |kind: &str, more: &str, at: i64| {
        let event = meeting_at("x", hour(at), hour(at) + 1800);
        let texts = format!(
            "SUMMARY:mark-{kind}title{HARM}\r\n{more}DESCRIPTION:mark-{kind}text{HARM}\r\nLOCATION:mark-{kind}place{HARM}\r\n\
             ORGANIZER;CN=\"mark-{kind}organizer{HARM}\":mailto:mark-{kind}address@example.com\r\n\
             CATEGORIES:mark-{kind}category\r\nURL:https://meet.example.com/mark-{kind}link\r\n\
             ATTENDEE;CN=mark-attendee:mailto:mark-guest@example.com\r\nCOMMENT:mark-comment\r\n\
             X-ALT-DESC;FMTTYPE=text/html:mark-alternative\r\n\
             BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:mark-alarm\r\nEND:VALARM\r\n"
        );
        event
            .replace("SUMMARY:x\r\n", &texts)
            .replace("UID:x@", &format!("UID:{kind}{at}@"))
    };
    let broken = event("", "", 5).replace("DTSTART:", "DTSTART;TZID=Nowhere:");
    calendar_with(
        &format!("X-WR-CALNAME:mark-calendar-name{HARM}\r\n"),
        &[
            event("", "", 2),
            event("private-", "CLASS:PRIVATE\r\n", 3),
            broken,
        ],
    )
}

/// A calendar server of every kind.
fn answer(asked: &Asked) -> Answer {
    let says = |header: &str, value: &str| {
        let wanted = format!("{header}: {value}").to_ascii_lowercase();
        asked
            .head
            .lines()
            .any(|line| line.to_ascii_lowercase() == wanted)
    };
    let denied = |challenge: &str| {
        Answer::with(
            "401 Unauthorized",
            &format!("WWW-Authenticate: {challenge}\r\nContent-Type: text/html\r\n"),
            "<html>mark-error-page",
        )
    };
    let itself = |path: &str, properties: &str| {
        Answer::with(
            "207 Multi-Status",
            "Content-Type: text/xml\r\n",
            format!(
                "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><response><href>{path}</href>\
                 <propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
            ),
        )
    };
    let path = asked.path.split('?').next().unwrap();
    match (asked.method.as_str(), path) {
        ("GET", "/mark-feed-path/oak.ics") => {
            match says(
                "authorization",
                &basic("mark-feed-user", "mark-feed-password"),
            ) {
                true => Answer::with(
                    "302 Found",
                    "Location: /mark-redirect-path/oak.ics?mark-redirect-query\r\nSet-Cookie: session=mark-cookie\r\n",
                    "",
                ),
                false => denied("Basic realm=\"mark-realm\""),
            }
        }
        ("GET", "/fir.ics") if !says("authorization", "Bearer mark-bearer-token") => {
            denied("Bearer realm=\"mark-realm\"")
        }
        ("GET", "/ash.ics") if !says("authorization", "Bearer mark-access-token") => {
            denied("Bearer realm=\"mark-realm\"")
        }
        ("POST", "/token") => Answer::json(
            json!({
                "access_token": "mark-access-token",
                "refresh_token": "mark-rotated-token",
                "token_type": "Bearer",
                "expires_in": 3600,
            })
            .to_string(),
        ),
        ("POST", "/no-token") => Answer::with(
            "400 Bad Request",
            "Content-Type: application/json\r\n",
            json!({
                "error": "invalid_grant",
                "error_description": format!("mark-refresh-token is not good {HARM}"),
            })
            .to_string(),
        ),
        ("GET", "/denied.ics") => denied("Basic realm=\"mark-realm\""),
        ("GET", "/digest.ics") => {
            denied("Digest realm=\"mark-realm\", qop=\"auth\", algorithm=SHA-256, nonce=\"1\"")
        }
        ("GET", "/page.ics") => Answer::with(
            "200 OK",
            "Content-Type: text/html\r\n",
            "<html><title>mark-login-page</title>",
        ),
        ("PROPFIND" | "REPORT", _)
            if !says("authorization", &basic("room", "mark-dav-password")) =>
        {
            denied("Basic realm=\"mark-realm\"")
        }
        ("PROPFIND", _) if asked.head.to_ascii_lowercase().contains("depth: 1") => itself(
            "/mark-dav-path/1.ics",
            "<getetag>\"1\"</getetag><getcontenttype>text/calendar</getcontenttype>",
        ),
        ("PROPFIND", _) => itself(
            "/mark-dav-path/",
            "<resourcetype><collection/><C:calendar/></resourcetype><displayname>Room</displayname>",
        ),
        ("REPORT", _) => itself(
            "/mark-dav-path/1.ics",
            &format!(
                "<getetag>\"1\"</getetag><C:calendar-data>{}</C:calendar-data>",
                // XML has no such characters.
                events()
                    .replace(['\u{1b}', '\u{7f}'], "")
                    .replace('&', "&amp;")
            ),
        ),
        ("GET", _) => Answer::ok(events()),
        _ => Answer::status("404 Not Found"),
    }
}

struct Building {
    world: World,
    _host: Host,
}

async fn building() -> Building {
    let host = Host::start(answer).await;
    let address = host.url("").replace("http://", "");
    let mut world = World::start().await;
    for room in [
        "oak", "elm", "ash", "fir", "yew", "denied", "digest", "page", "grant",
    ] {
        world = world.room(room, &[]).await;
    }
    for (name, text) in [
        ("dav", "mark-dav-password\n"),
        ("client", "mark-client-secret"),
        ("refresh", "mark-refresh-token"),
        ("web", "mark-web-password"),
    ] {
        std::fs::write(world.path(name), text).unwrap();
    }
    world.set_password("mark-pod-password");
    for room in [
        "oak", "ash", "fir", "yew", "denied", "digest", "page", "grant",
    ] {
        world.pod(room).set_password("mark-pod-password");
    }
    world.pod("elm").set_password("mark-second-pod-password");
    world.set_environment("SECOND", "mark-second-pod-password");
    world.set_environment("TOKEN", "mark-bearer-token");
    let proxy = format!("http://mark-proxy-user:mark-proxy-password@{address}");
    world.set_environment("HTTP_PROXY", &proxy);
    world.set_environment("http_proxy", &proxy);
    let oauth = |way: &str| {
        format!(
            "{{ ics = \"http://{address}/ash.ics?{way}\", oauth2 = {{ token_url = \"http://{address}/{way}\", client_id = \"podcal\", \
             client_secret = {{ file = \"client\" }}, refresh_token = {{ file = \"refresh\" }} }} }}"
        )
    };
    let login = |path: &str, password: &str| {
        format!(
            "{{ ics = \"http://{address}/{path}\", username = \"room\", password = \"{password}\" }}"
        )
    };
    for (room, feed) in [
        (
            "oak",
            format!(
                "\"http://mark-feed-user:mark-feed-password@{address}/mark-feed-path/oak.ics?mark-feed-query\""
            ),
        ),
        (
            "elm",
            format!(
                "{{ caldav = \"http://{address}/mark-dav-path/\", username = \"room\", password = {{ file = \"dav\" }} }}"
            ),
        ),
        ("ash", oauth("token")),
        ("grant", oauth("no-token")),
        (
            "fir",
            format!("{{ ics = \"http://{address}/fir.ics\", token = {{ env = \"TOKEN\" }} }}"),
        ),
        (
            "yew",
            "\"http://calendar.test/mark-proxied-path/yew.ics\"".to_owned(),
        ),
        ("denied", login("denied.ics", "mark-denied-password")),
        ("digest", login("digest.ics", "mark-digest-password")),
        ("page", format!("\"http://{address}/page.ics\"")),
    ] {
        world.set_room(room, "feed", &feed);
    }
    let second = format!(
        "[{{ url = {:?}, password = {{ env = \"SECOND\" }} }}]",
        world.pod("elm").url()
    );
    world.set_room("elm", "pods", &second);
    for (key, value) in [
        ("web.listen", "\"127.0.0.1:0\""),
        ("web.username", "\"viewer\""),
        ("web.password", "{ file = \"web\" }"),
        ("schedule.config", "\"* * * * * *\""),
    ] {
        world.set(key, value);
    }
    Building { world, _host: host }
}

/// Fails where one of these words, or a character that could mislead, is in a text.
#[track_caller]
fn check(what: &str, text: &str, words: &[&str]) {
    check_words(what, text.as_bytes(), words);
    let harm = text.chars().find(|c| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202e}' | '\u{200b}' | '\u{2028}' | '\u{2029}')
    });
    assert!(harm.is_none(), "{harm:?} in {what}:\n{text}");
    let forged = text.lines().find(|line| line.starts_with("FORGED"));
    assert!(forged.is_none(), "a forged line in {what}:\n{text}");
}

#[track_caller]
fn check_words(what: &str, bytes: &[u8], words: &[&str]) {
    let encoded = encoded();
    let words = words
        .iter()
        .copied()
        .chain(encoded.iter().map(String::as_str));
    let found: BTreeSet<&str> = words
        .filter(|word| {
            let mut windows = bytes.windows(word.len());
            windows.any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
        })
        .collect();
    // Around the first, since all of a ledger tells nobody anything.
    let around = found.first().map(|word| {
        let lower = bytes.to_ascii_lowercase();
        let word = word.to_ascii_lowercase();
        let mut windows = lower.windows(word.len());
        let at = windows
            .position(|window| window == word.as_bytes())
            .unwrap();
        let part = &bytes[at.saturating_sub(300)..bytes.len().min(at + 200)];
        String::from_utf8_lossy(part).into_owned()
    });
    assert!(found.is_empty(), "{found:?} in {what}: {around:?}");
}

fn nowhere() -> Vec<&'static str> {
    [&SECRETS[..], &PRIVATE, &["mark-rotated-token"]].concat()
}

fn not_said() -> Vec<&'static str> {
    [&nowhere()[..], &PUBLIC, &UNUSED].concat()
}

fn said(ran: &Ran) -> String {
    format!("{}\n{}", ran.stdout, ran.stderr)
}

#[tokio::test]
async fn no_mark_is_in_what_a_command_says() {
    let Building { world, .. } = building().await;
    world
        .pod("oak")
        .set_config("display.name", json!("Hall\u{1b}[2J\u{202e}\nFORGED"))
        .unwrap();
    let trace = ["--log-level", "trace"];
    for (command, shows_meetings) in [
        (&["sync", "--dry-run"][..], true),
        (&["sync"], false),
        (&["check"], false),
        (&["check", "--connect"], false),
        (&["status"], true),
        (&["history"], false),
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = world.podcal(&[command, json, &trace].concat()).await;
            let words = if shows_meetings {
                nowhere()
            } else {
                not_said()
            };
            check(&command.join(" "), &said(&ran), &words);
            check(&command.join(" "), &ran.stderr, &not_said());
        }
    }
    for room in [
        "oak", "elm", "ash", "fir", "yew", "denied", "digest", "page", "grant",
    ] {
        for (command, shows_meetings) in [
            (&["agenda"][..], true),
            (&["explain"], true),
            (&["status"], true),
            (&["history"], true),
            (&["pod", "", "calendar", "list"], true),
            (&["pod", "", "info"], false),
            (&["pod", "", "config", "get"], false),
        ] {
            for json in [&[][..], &["--json"]] {
                let mut command = command.to_vec();
                match command.iter().position(|word| word.is_empty()) {
                    Some(at) => command[at] = room,
                    None => command.push(room),
                }
                let ran = world.podcal(&[&command, json, &trace].concat()).await;
                let words = if shows_meetings {
                    nowhere()
                } else {
                    not_said()
                };
                check(&command.join(" "), &said(&ran), &words);
                check(&command.join(" "), &ran.stderr, &not_said());
                // It is no test if nothing is shown.
                if shows_meetings && matches!(room, "oak" | "elm" | "ash" | "fir" | "yew") {
                    assert!(ran.stdout.contains("mark-title"), "{ran}");
                }
            }
        }
    }
    for room in ["oak", "elm", "ash", "fir", "yew"] {
        assert_eq!(world.shows(room).len(), 3, "{room}");
    }
    check_disk(&world).await;
}

/// All that is on the disk. The tokens of OAuth 2.0 are kept beside the ledger, in a file for
/// its owner alone, since a server takes a refresh token only once.
async fn check_disk(world: &World) {
    let tokens = ["mark-rotated-token", "mark-access-token"];
    let mut words = [&nowhere()[..], &UNUSED].concat();
    for name in ["podcal.db", "podcal.db-wal"] {
        let bytes = std::fs::read(world.path(name)).unwrap_or_default();
        check_words(name, &bytes, &words);
    }
    words.retain(|word| !tokens.contains(word));
    check_words("the ledger", &world.written().await, &words);
}

#[tokio::test]
async fn no_mark_is_in_what_the_service_says_serves_and_keeps() {
    for format in ["text", "json"] {
        let Building { world, .. } = building().await;
        let service = world.serve_with(&["--log-level", "trace", "--log-format", format]);
        for room in ["oak", "elm", "ash", "fir", "yew"] {
            world
                .until(&format!("{room}:\n{}", service.log()), room, |pod| {
                    crate::support::titles(pod).len() == 3
                })
                .await;
        }
        world
            .pod("oak")
            .set_config("display.name", json!("Hall\u{1b}[2J\u{202e}\nFORGED"))
            .unwrap();
        service.says("display.name").await;
        world.pod("oak").fault(Fault::status(500).once());
        world.pod("fir").set_password("mark-another-password");
        world.pod("fir").reboot();
        service.says("feed.failing").await;
        service.says("sign_in.paused").await;
        let address = address(&service).await;
        for (path, shows_meetings) in [
            ("/", true),
            ("/rooms/oak", true),
            ("/rooms/elm", true),
            ("/rooms/denied", true),
            ("/rooms/nowhere%0AFORGED%1b", false),
            ("/api/v1/status", true),
            ("/wall", true),
            ("/metrics", false),
            ("/healthz", false),
            ("/readyz", false),
        ] {
            let page = get(&address, path).await;
            let words = if shows_meetings {
                nowhere()
            } else {
                not_said()
            };
            check(path, &page.replace('\r', ""), &words);
        }
        for (command, shows_meetings) in [
            (&["status"][..], true),
            (&["status", "--json"], true),
            (&["history"], false),
        ] {
            let ran = world.podcal(command).await;
            let words = if shows_meetings {
                nowhere()
            } else {
                not_said()
            };
            check(&command.join(" "), &said(&ran), &words);
        }
        let log = service.stop().await;
        check("the log", &log, &not_said());
        check_disk(&world).await;
    }
}

async fn address(service: &Service) -> String {
    service.says("web.listening").await;
    let log = service.log();
    let (_, rest) = log.rsplit_once("are at http://").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

async fn get(address: &str, path: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let login = basic("viewer", "mark-web-password");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: {login}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    within(path, asked).await
}
