//! What hosts answer beside a calendar and 200: each answer is read, or refused with words that say
//! what, where and what to do; none of them becomes an empty calendar.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use flate2::Compression;
use serde_json::Value;

use crate::support::{World, calendar, meeting};

/// What has to come of an answer.
enum Expected {
    Read,
    /// The kind of the failure and a word of what is said.
    Refused(&'static str, &'static str),
}

use Expected::{Read, Refused};

/// The answer to the nth request (from 0) with its head.
type Answer = Box<dyn Fn(usize, &str) -> Vec<u8> + Send>;

struct Case {
    name: String,
    answer: Answer,
    expected: Expected,
}

fn ics() -> Vec<u8> {
    calendar(&[meeting("Stand-up", 5)]).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn always(bytes: Vec<u8>) -> Answer {
    Box::new(move |_, _| bytes.clone())
}

/// The first answer to a request for the feed, and a calendar at `/there`.
fn leading(first: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Answer {
    Box::new(move |_, head| {
        if head
            .split(' ')
            .nth(1)
            .is_some_and(|path| path.starts_with("/there"))
        {
            http("200 OK", "", &ics())
        } else {
            let host = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("host")
                    .then(|| value.trim().to_owned())
            });
            first(&host.unwrap_or_default())
        }
    })
}

/// Whether a request has come to the end of its body.
fn is_whole(asked: &[u8]) -> bool {
    let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&asked[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    asked.len() >= end + 4 + length
}

/// Answers until the test ends, one connection after another.
fn serve(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut asked = Vec::new();
            let mut byte = [0];
            // The first byte of TLS is one that a plain host does not know.
            while asked != [0x16] && !is_whole(&asked) && stream.read(&mut byte).unwrap_or(0) == 1 {
                asked.push(byte[0]);
            }
            let head = asked;
            let _ = stream.write_all(&answer(count, &String::from_utf8_lossy(&head)));
        }
    });
    address
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: &str, answer: Answer, expected: Expected| {
        let name = name.to_owned();
        cases.push(Case {
            name,
            answer,
            expected,
        });
    };
    // Statuses.
    case(
        "s203",
        always(http("203 Non-Authoritative Information", "", &ics())),
        Read,
    );
    for (status, kind, says) in [
        ("206 Partial Content", "status", "206"),
        ("300 Multiple Choices", "status", "300"),
        ("305 Use Proxy", "status", "305"),
        ("400 Bad Request", "status", "400"),
        ("402 Payment Required", "status", "402"),
        ("405 Method Not Allowed", "status", "405"),
        ("406 Not Acceptable", "status", "406"),
        ("408 Request Timeout", "status", "408"),
        ("409 Conflict", "status", "409"),
        ("410 Gone", "gone", "410"),
        ("412 Precondition Failed", "status", "412"),
        ("418 I'm a teapot", "status", "418"),
        ("421 Misdirected Request", "status", "421"),
        ("425 Too Early", "status", "425"),
        ("451 Unavailable For Legal Reasons", "status", "451"),
        ("500 Internal Server Error", "server_error", "500"),
        ("511 Network Authentication Required", "server_error", "511"),
        ("520 Unknown", "server_error", "520"),
        ("599 Odd", "server_error", "599"),
        ("999 Odd", "server_error", "999"),
        ("401 Unauthorized", "auth", "401"),
        ("403 Forbidden", "auth", "403"),
        ("404 Not Found", "gone", "404"),
    ] {
        let name = format!("s{}", &status[..3]);
        // A calendar in the body of a refusal is none.
        case(&name, always(http(status, "", &ics())), Refused(kind, says));
    }
    case(
        "s205",
        always(b"HTTP/1.1 205 Reset Content\r\n\r\n".to_vec()),
        Refused("status", "205"),
    );
    for (name, header) in [
        ("past", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n"),
        ("negative", "Retry-After: -5\r\n"),
        ("huge", "Retry-After: 99999999999999999999\r\n"),
        ("word", "Retry-After: soon\r\n"),
        ("zero", "Retry-After: 0\r\n"),
        ("fraction", "Retry-After: 1.5\r\n"),
    ] {
        let too_often = http("429 Too Many Requests", header, b"");
        case(
            &format!("often-{name}"),
            always(too_often),
            Refused("too_often", "429"),
        );
        let busy = http("503 Service Unavailable", header, b"");
        case(
            &format!("busy-{name}"),
            always(busy),
            Refused("server_error", "503"),
        );
    }
    // Redirects.
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let name = format!("r{}", &status[..3]);
        let redirect = move |_: &str| http(status, "Location: /there.ics\r\n", b"moved");
        case(&name, leading(redirect), Read);
    }
    for (name, location) in [
        ("relative", "there.ics"),
        ("query", "/there?a=1&b=2"),
        ("fragment", "/there.ics#top"),
        ("blanks", "/there is.ics"),
        ("letters", "/there-\u{fc}.ics"),
        ("backslash", "\\there.ics"),
        ("around", "  /there.ics  "),
        ("same-scheme", "//HOST/there.ics"),
        ("webcal", "webcal://HOST/there.ics"),
        ("user", "http://user:pass@HOST/there.ics"),
    ] {
        let redirect = move |host: &str| {
            let location = location.replace("HOST", host);
            http("302 Found", &format!("Location: {location}\r\n"), b"")
        };
        case(&format!("to-{name}"), leading(redirect), Read);
    }
    let https = |host: &str| {
        http(
            "301 Moved",
            &format!("Location: https://{host}/there\r\n"),
            b"",
        )
    };
    case("to-https", leading(https), Refused("tls", "TLS"));
    let ftp = |_: &str| http("302 Found", "Location: ftp://127.0.0.1/there\r\n", b"");
    case("to-ftp", leading(ftp), Refused("redirect", "redirect"));
    let mail = |_: &str| http("302 Found", "Location: mailto:room@example.com\r\n", b"");
    case("to-mail", leading(mail), Refused("redirect", "redirect"));
    case(
        "to-nowhere",
        leading(|_| http("302 Found", "", b"")),
        Refused("redirect", "redirect"),
    );
    let around = http(
        "302 Found",
        "Set-Cookie: a=1\r\nLocation: /again.ics\r\n",
        b"",
    );
    case(
        "cookie-loop",
        always(around),
        Refused("redirect", "redirect"),
    );
    let login = |_: &str| http("302 Found", "Location: /login?next=/room.ics\r\n", b"");
    let login_page: Answer = Box::new(move |_, head| {
        if head.starts_with("GET /login") {
            http(
                "200 OK",
                "Content-Type: text/html\r\n",
                b"<!DOCTYPE html><title>Sign in</title>",
            )
        } else {
            login("")
        }
    });
    case(
        "login-redirect",
        login_page,
        Refused("not_a_calendar", "HTML"),
    );
    // Bodies that are no calendar.
    let portal =
        b"<html><head><meta http-equiv='refresh' content='0;url=http://portal/'></head></html>";
    for (name, kind) in [
        ("html", "text/html"),
        ("calendar", "text/calendar"),
        ("plain", "text/plain"),
    ] {
        let header = format!("Content-Type: {kind}\r\n");
        let answer = always(http("200 OK", &header, portal));
        case(
            &format!("portal-{name}"),
            answer,
            Refused("not_a_calendar", "HTML"),
        );
    }
    let google = br#"{"error":{"code":403,"message":"Rate Limit Exceeded","errors":[{"reason":"rateLimitExceeded"}]}}"#;
    for (name, body, says) in [
        ("empty", &b""[..], "empty"),
        ("blanks", b" \r\n\r\n ", "empty"),
        ("json", google, "JSON"),
        ("xml", b"<?xml version=\"1.0\"?><error>no</error>", "XML"),
        ("text", b"Not authorized", "BEGIN:VCALENDAR"),
        (
            "vcard",
            b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Room\r\nEND:VCARD\r\n",
            "BEGIN:VCALENDAR",
        ),
        (
            "zip",
            b"PK\x03\x04\x14\x00\x08\x00\x08\x00",
            "BEGIN:VCALENDAR",
        ),
        ("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "BEGIN:VCALENDAR"),
        ("nul", &[0; 64], "empty"),
        // A web page that shows a calendar is none.
        (
            "page-behind-a-comment",
            b"<!-- cached --><html>\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
            "web page",
        ),
    ] {
        case(
            &format!("body-{name}"),
            always(http("200 OK", "", body)),
            Refused("not_a_calendar", says),
        );
    }
    // Calendars that are dressed in another way.
    let with = |before: &[u8], after: &[u8]| [before, &ics(), after].concat();
    let utf16 = |is_big: bool| -> Vec<u8> {
        let text = format!("\u{feff}{}", String::from_utf8(ics()).unwrap());
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if is_big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let windows = String::from_utf8(ics())
        .unwrap()
        .replace("Stand-up", "Besprechung");
    let windows = windows
        .replace("SUMMARY:", "SUMMARY:\u{dc}")
        .chars()
        .map(|c| c as u8)
        .collect();
    for (name, header, body) in [
        ("type-plain", "Content-Type: text/plain\r\n", ics()),
        (
            "type-octets",
            "Content-Type: application/octet-stream\r\n",
            ics(),
        ),
        (
            "type-html",
            "Content-Type: text/html; charset=utf-8\r\n",
            ics(),
        ),
        ("type-nonsense", "Content-Type: ;;;=\r\n", ics()),
        (
            "charset-nonsense",
            "Content-Type: text/calendar; charset=klingon\r\n",
            ics(),
        ),
        ("bom", "", with(b"\xef\xbb\xbf", b"")),
        ("two-boms", "", with(b"\xef\xbb\xbf\xef\xbb\xbf", b"")),
        ("blank-lines", "", with(b"\r\n\r\n  \r\n", b"\r\n\r\n")),
        (
            "comment-line",
            "",
            with(b"Notice: deprecated in /var/www on line 3\r\n", b""),
        ),
        ("after", "", with(b"", b"<!-- 0.1 s -->")),
        ("nul-after", "", with(b"", b"\0\0")),
        ("two", "", with(&calendar(&[]).into_bytes(), b"")),
        (
            "utf16le",
            "Content-Type: text/calendar; charset=utf-16\r\n",
            utf16(false),
        ),
        ("utf16be", "", utf16(true)),
        (
            "windows",
            "Content-Type: text/calendar; charset=windows-1252\r\n",
            windows,
        ),
        ("lower", "", ics().to_ascii_lowercase()),
        (
            "lf",
            "",
            String::from_utf8(ics())
                .unwrap()
                .replace("\r\n", "\n")
                .into_bytes(),
        ),
        (
            "cr",
            "",
            String::from_utf8(ics())
                .unwrap()
                .replace("\r\n", "\r")
                .into_bytes(),
        ),
        ("gzip", "Content-Encoding: gzip\r\n", gzip(&ics())),
        ("gzip-unsaid", "", gzip(&ics())),
        (
            "gzip-twice",
            "Content-Encoding: gzip\r\n",
            gzip(&gzip(&ics())),
        ),
        (
            "gzip-twice-said",
            "Content-Encoding: gzip, gzip\r\n",
            gzip(&gzip(&ics())),
        ),
        ("gzip-plain", "Content-Encoding: gzip\r\n", ics()),
        ("br-plain", "Content-Encoding: br\r\n", ics()),
        ("etag-odd", "ETag: \u{1}not quoted\r\n", ics()),
        ("etag-weak", "ETag: W/\"1\"\r\n", ics()),
        (
            "etag-empty",
            "ETag: \"\"\r\nLast-Modified: yesterday\r\n",
            ics(),
        ),
        (
            "future",
            "Last-Modified: Fri, 31 Dec 2100 23:59:59 GMT\r\n",
            ics(),
        ),
        (
            "cookies",
            "Set-Cookie: a\r\nSet-Cookie: =\r\nSet-Cookie: b=\u{fc}\r\n",
            ics(),
        ),
        ("folded", "X-Long: one\r\n two\r\n", ics()),
        ("no-colon", "Nonsense\r\n", ics()),
    ] {
        case(name, always(http("200 OK", header, &body)), Read);
    }
    for (name, body) in [
        ("br", "\u{b}\u{2}\u{80}brotli"),
        ("zstd", "\u{28}\u{b5}/zstd"),
    ] {
        let header = format!("Content-Encoding: {name}\r\n");
        let answer = always(http("200 OK", &header, body.as_bytes()));
        case(&format!("only-{name}"), answer, Refused("encoding", name));
    }
    // Bodies that end too early, or do not say where.
    let cut = &ics()[..ics().len() / 2];
    case(
        "cut-text",
        always(http("200 OK", "", cut)),
        Refused("cut_off", "cut off"),
    );
    let packed = gzip(&ics());
    let half = http(
        "200 OK",
        "Content-Encoding: gzip\r\n",
        &packed[..packed.len() / 2],
    );
    case("cut-gzip", always(half), Refused("cut_off", "early"));
    let raw = |head: &str, body: &[u8]| [head.as_bytes(), body].concat();
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        ics().len() + 100
    );
    case(
        "length-long",
        always(raw(&long, &ics())),
        Refused("cut_off", "early"),
    );
    let short = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        ics().len() - 30
    );
    case(
        "length-short",
        always(raw(&short, &ics())),
        Refused("cut_off", "cut off"),
    );
    let chunk = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        ics().len()
    );
    case(
        "chunk-cut",
        always(raw(&chunk, &ics())),
        Refused("cut_off", "early"),
    );
    let whole = [
        raw(&chunk, &ics()),
        b"\r\n0\r\nX-Trailer: 1\r\n\r\n".to_vec(),
    ]
    .concat();
    case("chunk-whole", always(whole), Read);
    case(
        "http10",
        always(raw("HTTP/1.0 200 OK\r\n\r\n", &ics())),
        Read,
    );
    case(
        "http11-endless",
        always(raw("HTTP/1.1 200 OK\r\n\r\n", &ics())),
        Read,
    );
    case(
        "lower-headers",
        always(raw(
            "HTTP/1.1 200 ok\r\ncontent-type:text/calendar\r\n\r\n",
            &ics(),
        )),
        Read,
    );
    case(
        "bare-lf",
        always(raw("HTTP/1.1 200 OK\nServer: old\n\n", &ics())),
        Read,
    );
    case(
        "no-reason",
        always(raw("HTTP/1.1 200\r\n\r\n", &ics())),
        Read,
    );
    case("no-http", always(ics()), Refused("unreachable", "HTTP"));
    case(
        "nothing",
        always(Vec::new()),
        Refused("unreachable", "answer"),
    );
    // A second request that fares better than the first.
    let second: Answer = Box::new(|count, _| match count {
        0 => http("401 Unauthorized", "", b""),
        _ => http("200 OK", "", &ics()),
    });
    case("then-better", second, Refused("auth", "401"));
    cases
}

fn config(cases: &[(String, SocketAddr)]) -> String {
    let mut text =
        "time_zone = \"UTC\"\n[http]\ntimeout = \"30s\"\n[pod]\npassword = \"p\"\n".to_owned();
    for (at, (name, address)) in cases.iter().enumerate() {
        let pod = format!("127.1.{}.{}:9", at / 200, 1 + at % 200);
        writeln!(
            text,
            "[rooms.{name}]\nfeed = \"http://{address}/room.ics\"\npod = {pod:?}"
        )
        .unwrap();
    }
    text
}

#[tokio::test]
async fn every_answer_is_read_or_refused_in_words() {
    let world = World::start().await;
    let mut hosts = Vec::new();
    let mut expected = Vec::new();
    for case in cases() {
        hosts.push((case.name.clone(), serve(case.answer)));
        expected.push((case.name, case.expected));
    }
    world.write_config(&config(&hosts));
    let ran = world.podcal(&["sync", "--json"]).await;
    let report = ran.json();
    let rooms = report["rooms"].as_array().unwrap();
    let mut wrong = String::new();
    for (name, expected) in &expected {
        let room = rooms.iter().find(|room| room["room"] == *name).unwrap();
        let feed = &room["feeds"][0];
        let text = |key: &str| feed[key].as_str().unwrap_or_default().to_owned();
        let (error, kind, hint) = (text("error"), text("error_type"), text("hint"));
        let is_right = match expected {
            Read => error.is_empty() && room["meeting_count"] == 1,
            Refused(key, says) => {
                kind == *key
                    && text("feed").contains("127.0.0.1")
                    && error.contains(says)
                    && !hint.is_empty()
                    && room["meeting_count"] == Value::Null
            }
        };
        if !is_right {
            let says = match expected {
                Read => "read".to_owned(),
                Refused(key, says) => format!("{key}, {says:?}"),
            };
            writeln!(wrong, "{name}: expected {says}: {room:#}").unwrap();
        }
        assert!(!error.contains("room.ics"), "{name}: {error}");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What was read once stays in force, or is known to be unchanged.
#[tokio::test]
async fn a_second_answer_takes_nothing_away() {
    let world = World::start().await;
    let later = |first: &'static str, second: Vec<u8>| -> Answer {
        Box::new(move |count, _| match count {
            0 => http("200 OK", first, &ics()),
            _ => second.clone(),
        })
    };
    let cases: Vec<(&str, Answer, &str)> = vec![
        (
            "other-tag",
            later(
                "ETag: \"1\"\r\n",
                http("304 Not Modified", "ETag: \"2\"\r\n", b""),
            ),
            "unchanged",
        ),
        (
            "same-body",
            later("ETag: \"1\"\r\n", http("200 OK", "ETag: \"2\"\r\n", &ics())),
            "unchanged",
        ),
        (
            "unasked",
            later("", http("304 Not Modified", "", b"")),
            "failed",
        ),
        ("emptied", later("", http("200 OK", "", b"")), "failed"),
        (
            "page",
            later(
                "",
                http("200 OK", "Content-Type: text/html\r\n", b"<html></html>"),
            ),
            "failed",
        ),
        ("gone", later("", http("410 Gone", "", b"")), "failed"),
        ("cut", later("", http("200 OK", "", &ics()[..60])), "failed"),
    ];
    let mut hosts = Vec::new();
    let mut expected = Vec::new();
    for (name, answer, result) in cases {
        hosts.push((name.to_owned(), serve(answer)));
        expected.push((name, result));
    }
    world.write_config(&config(&hosts));
    world.podcal(&["sync", "--json"]).await;
    let report = world.podcal(&["sync", "--json"]).await.json();
    let rooms = report["rooms"].as_array().unwrap();
    for (name, result) in expected {
        let room = rooms.iter().find(|room| room["room"] == name).unwrap();
        assert_eq!(room["feeds"][0]["result"], result, "{room:#}");
        assert_eq!(room["meeting_count"], 1, "{room:#}");
    }
}

#[tokio::test]
async fn a_zone_that_nothing_defines_is_named_in_the_status() {
    let local = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let local = local
        .checked_add(jiff::Span::new().days(2))
        .unwrap()
        .strftime("%Y%m%dT%H%M%S");
    let start = format!("DTSTART;TZID=Mars/Base:{local}\r\nDURATION:PT1H\r\n");
    let event = format!(
        "BEGIN:VEVENT\r\nUID:mars\r\nDTSTAMP:20260101T000000Z\r\n{start}SUMMARY:Landing\r\nEND:VEVENT\r\n"
    );
    let world = World::of_one_room(&[event]).await;
    world.podcal(&["sync"]).await;
    let ran = world.podcal(&["status", "--json"]).await;
    let status = ran.json().to_string();
    assert!(
        status.contains("nothing defines the time zone `Mars/Base`"),
        "{status}"
    );
}

/// The ledger, byte by byte: a calendar's address may be a secret, and so may be that of what it
/// has elsewhere.
#[tokio::test]
async fn the_ledger_has_no_address_of_a_caldav_calendar() {
    const HOME: &str = "/s3cret-home/";
    const ROOM: &str = "/s3cret-home/s3cret-room/";
    let answer: Answer = Box::new(|_, asked| {
        let place = |href: &str, properties: &str| {
            format!(
                "<response><href>{href}</href><propstat><prop>{properties}</prop>\
                 <status>HTTP/1.1 200 OK</status></propstat></response>"
            )
        };
        let calendar = "<resourcetype><C:calendar/></resourcetype><S:getctag>1</S:getctag>";
        let member = |href: &str, title: &str| {
            let event = crate::support::calendar(&[meeting(title, 5)]);
            place(
                href,
                &format!("<getetag>\"1\"</getetag><C:calendar-data>{event}</C:calendar-data>"),
            )
        };
        let path = asked.split(' ').nth(1).unwrap();
        let is_list = asked.to_ascii_lowercase().contains("depth: 1");
        let home = format!("<C:calendar-home-set><href>{HOME}</href></C:calendar-home-set>");
        let says = match (path, is_list) {
            (HOME, _) => place(ROOM, calendar),
            (ROOM, false) => place(ROOM, calendar),
            (ROOM, true) => [
                member(&format!("{ROOM}a.ics"), "Inside"),
                member("/s3cret-other/b.ics", "Elsewhere"),
            ]
            .concat(),
            _ => place("/", &home),
        };
        let xml = format!(
            "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" \
             xmlns:S=\"http://calendarserver.org/ns/\">{says}</multistatus>"
        );
        http("207 Multi-Status", "", xml.as_bytes())
    });
    let world = World::start().await;
    let config = config(&[("dav".to_owned(), serve(answer))]);
    let config = config.replace("feed = \"http", "feed = { caldav = \"http");
    world.write_config(&config.replace("/room.ics\"", "/\" }"));
    for result in ["changed", "unchanged"] {
        let report = world.podcal(&["sync", "--json"]).await.json();
        let room = &report["rooms"][0];
        assert_eq!(room["feeds"][0]["result"], result, "{room:#}");
        assert_eq!(room["meeting_count"], 2, "{room:#}");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(world.path(".")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(".db") && path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let is_clean = !bytes.windows(6).any(|word| word == b"s3cret");
            assert!(is_clean, "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 0, "there is a ledger");
}
