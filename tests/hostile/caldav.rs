//! Calendar servers.

use std::time::Duration;

use bytes::Bytes;

use crate::attack::Attack;
use crate::host::{Answer, Asked, Host, gzip, repeated, whole};

const OPEN: &str = "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:S=\"http://calendarserver.org/ns/\">";
const CALENDAR: &str = "<resourcetype><collection/><C:calendar/></resourcetype>";

fn response(href: &str, properties: &str) -> String {
    format!(
        "<response><href>{href}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    )
}

/// Packed, as a hostile server would send it.
fn multistatus(inner: impl Iterator<Item = Bytes>) -> Bytes {
    let one = |text: &'static str| std::iter::once(Bytes::from_static(text.as_bytes()));
    gzip(one(OPEN).chain(inner).chain(one("</multistatus>")))
}

fn of(inner: String) -> Bytes {
    multistatus(std::iter::once(Bytes::from(inner)))
}

fn answer(packed: &Bytes) -> Answer {
    Answer::gzipped("207 Multi-Status", "Content-Type: text/xml\r\n", packed)
}

fn is_listing(asked: &Asked) -> bool {
    asked.head.to_ascii_lowercase().contains("depth: 1")
}

/// A calendar that answers its list and its events with these.
async fn calendar(list: Bytes, bodies: Bytes) -> Host {
    let itself = of(response(
        "/c/",
        &format!("{CALENDAR}<displayname>Room</displayname><S:getctag>1</S:getctag>"),
    ));
    Host::start(move |asked| match asked.method.as_str() {
        "PROPFIND" if !is_listing(asked) => answer(&itself),
        "PROPFIND" => answer(&list),
        "REPORT" => answer(&bodies),
        _ => Answer::status("404 Not Found"),
    })
    .await
}

/// The host's calendar in so many rooms.
async fn check(name: &str, host: Host, rooms: usize, processor: u64) {
    let mut attack = Attack::new(256).await;
    for room in 0..rooms {
        let feed = format!(
            "{{ caldav = {:?}, calendar = \"Room\" }}",
            host.url(&format!("/c/?{room}"))
        );
        attack = attack.room(&format!("r{room}"), &[("feed", &feed)]);
    }
    let cost = attack.on_feeds(&host).await;
    cost.at_most(name, Duration::from_secs(processor));
}

#[tokio::test]
async fn lists_without_number() {
    let hrefs: String = (0..100_000)
        .map(|n| format!("<href>/c/{n}</href>"))
        .collect();
    let name = "x".repeat(60_000);
    let many = format!(
        "<response>{hrefs}<propstat><prop><displayname>{name}</displayname><getetag>1</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    );
    let nothing = of(String::new());
    check(
        "100,000 href in one response",
        calendar(of(many.clone()), nothing.clone()).await,
        1,
        60,
    )
    .await;
    let itself = of(many);
    let host = Host::start(move |_| answer(&itself)).await;
    check("the same, to every question", host, 4, 90).await;
    let responses: String = (0..119_000)
        .map(|n| response(&format!("/c/{n}.ics"), "<getetag>1</getetag>"))
        .collect();
    check(
        "119,000 events",
        calendar(of(responses), nothing.clone()).await,
        1,
        60,
    )
    .await;
    let long: String = (0..5_900)
        .map(|n| {
            response(
                &format!("/c/{n}{}.ics", "x".repeat(8_000)),
                "<getetag>1</getetag>",
            )
        })
        .collect();
    check(
        "5,900 long addresses",
        calendar(of(long), nothing.clone()).await,
        4,
        60,
    )
    .await;
    let tags: String = (0..700)
        .map(|n| {
            response(
                &format!("/c/{n}.ics"),
                &format!("<getetag>{}</getetag>", "x".repeat(64_000)),
            )
        })
        .collect();
    check("700 long tags", calendar(of(tags), nothing).await, 4, 60).await;
}

#[tokio::test]
async fn events_for_everything() {
    let hrefs: String = (0..20_000)
        .map(|n| format!("<href>/c/{n}.ics</href>"))
        .collect();
    let body = format!("BEGIN:VCALENDAR{}END:VCALENDAR", "x".repeat(200_000));
    let bodies = format!(
        "<response>{hrefs}<propstat><prop><C:calendar-data>{body}</C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    );
    let list: String = (0..200)
        .map(|n| response(&format!("/c/{n}.ics"), "<getetag>1</getetag>"))
        .collect();
    check(
        "20,000 href for one event",
        calendar(of(list.clone()), of(bodies)).await,
        4,
        60,
    )
    .await;
    // Fifty times nearly all that is allowed, of which each is one chunk of a multiget.
    let inner = repeated("X-NOTHING:0000000000000000000000000000\r\n", 22_000);
    let inner = String::from_utf8(whole(inner).to_vec()).unwrap();
    let large: String = (0..50)
        .map(|n| response(&format!("/c/{n}.ics"), &format!("<getetag>1</getetag><C:calendar-data>BEGIN:VCALENDAR\r\n{inner}END:VCALENDAR\r\n</C:calendar-data>")))
        .collect();
    check(
        "events of 45 MB in gzip",
        calendar(of(list), of(large)).await,
        6,
        90,
    )
    .await;
}

#[tokio::test]
async fn homes_without_number() {
    let calendars: String = (0..99_000)
        .map(|n| {
            response(
                &format!("/home/{n}/"),
                &format!("{CALENDAR}<displayname>Room {n}</displayname>"),
            )
        })
        .collect();
    let itself = response("/c/", "<resourcetype><collection/></resourcetype>");
    let (first, all) = (of(itself.clone()), of(itself + &calendars));
    let host =
        Host::start(move |asked| answer(if is_listing(asked) { &all } else { &first })).await;
    check("99,000 calendars", host, 1, 60).await;
    let homes: String = (0..64).map(|n| format!("<href>/home{n}/</href>")).collect();
    let itself = of(response(
        "/c/",
        &format!(
            "<resourcetype><collection/></resourcetype><C:calendar-home-set>{homes}</C:calendar-home-set>"
        ),
    ));
    let list: String = (0..20_000)
        .map(|n| {
            response(
                &format!("/home/{n}/"),
                &format!("{CALENDAR}<displayname>Other {n}</displayname>"),
            )
        })
        .collect();
    let (list, empty) = (of(list), of(String::new()));
    let host = Host::start(move |asked| {
        let named = asked.path.starts_with("/home");
        answer(match (named, is_listing(asked)) {
            (true, true) => &list,
            (false, true) => &empty,
            _ => &itself,
        })
    })
    .await;
    check("64 homes of 20,000 calendars", host, 1, 90).await;
}

#[tokio::test]
async fn a_campus_on_one_server() {
    let rooms = 300;
    let calendars: String = (0..2_000)
        .map(|n| {
            response(
                &format!("/home/{n}/"),
                &format!("{CALENDAR}<displayname>Room {n}</displayname>"),
            )
        })
        .collect();
    let itself = response("/home/", "<resourcetype><collection/></resourcetype>");
    let (first, all) = (of(itself.clone()), of(itself + &calendars));
    let one = of(response(
        "/home/7/",
        &format!("{CALENDAR}<S:getctag>1</S:getctag>"),
    ));
    let empty = of(String::new());
    let host = Host::start(move |asked| {
        answer(match (asked.path.as_str(), is_listing(asked)) {
            ("/home/", false) => &first,
            ("/home/", true) => &all,
            (_, false) => &one,
            _ => &empty,
        })
    })
    .await;
    let mut attack = Attack::new(256).await;
    for room in 0..rooms {
        let feed = format!(
            "{{ caldav = {:?}, calendar = \"Room {room}\" }}",
            host.url("/home/")
        );
        attack = attack.room(&format!("r{room}"), &[("feed", &feed)]);
    }
    let cost = attack.on_feeds(&host).await;
    cost.at_most("300 rooms on a server of 2,000", Duration::from_secs(120));
}

#[tokio::test]
async fn xml_that_is_made_to_hurt() {
    for (name, body) in [
        ("depth", multistatus(repeated("<a>", 16_000_000))),
        (
            "entities",
            gzip(std::iter::once(Bytes::from(format!(
                "<!DOCTYPE a [<!ENTITY a \"{}\">]><multistatus xmlns=\"DAV:\">&a;</multistatus>",
                "x".repeat(60_000)
            )))),
        ),
        (
            "a name without end",
            multistatus(std::iter::once(Bytes::from_static(b"<")).chain(repeated("x", 49_000_000))),
        ),
        (
            "attributes",
            multistatus(
                std::iter::once(Bytes::from_static(b"<C:comp "))
                    .chain(repeated("a='' ", 9_000_000))
                    .chain(std::iter::once(Bytes::from_static(b"/>"))),
            ),
        ),
        (
            "namespaces",
            of((0..1_000_000)
                .map(|n| format!("<a xmlns:a{n}='b' xmlns:c='d'><a{n}:b/></a>"))
                .collect()),
        ),
        (
            "unknown prefixes",
            multistatus(repeated("<aaaaaaaaaaaaaaa:b/>", 2_000_000)),
        ),
        (
            "references",
            multistatus(
                std::iter::once(Bytes::from_static(
                    b"<response><propstat><prop><C:calendar-data>",
                ))
                .chain(repeated("&#65;", 9_000_000))
                .chain(std::iter::once(Bytes::from_static(
                    b"</C:calendar-data></prop></propstat></response>",
                ))),
            ),
        ),
        ("empty elements", multistatus(repeated("<a/>", 12_000_000))),
        (
            "components",
            multistatus(
                std::iter::once(Bytes::from_static(
                    b"<response><propstat><prop><C:supported-calendar-component-set>",
                ))
                .chain(repeated("<C:comp name='VEVENT'/>", 2_000_000))
                .chain(std::iter::once(Bytes::from_static(
                    b"</C:supported-calendar-component-set></prop></propstat></response>",
                ))),
            ),
        ),
    ] {
        let host = Host::start(move |_| answer(&body)).await;
        check(&format!("XML: {name}"), host, 4, 120).await;
    }
}
