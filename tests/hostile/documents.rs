//! Calendars as files of a server.

use std::time::Duration;

use bytes::Bytes;

use crate::attack::Attack;
use crate::host::{Answer, Host, gzip, repeated, whole};

const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Hostile//EN\r\n";
const END: &str = "END:VCALENDAR\r\n";

fn begin() -> impl Iterator<Item = Bytes> + Send {
    std::iter::once(Bytes::from_static(HEAD.as_bytes()))
}

fn end() -> impl Iterator<Item = Bytes> + Send {
    std::iter::once(Bytes::from_static(END.as_bytes()))
}

fn calendar(body: impl Iterator<Item = Bytes> + Send) -> impl Iterator<Item = Bytes> + Send {
    begin().chain(body).chain(end())
}

fn event(more: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:hostile\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\n{more}END:VEVENT\r\n"
    )
}

/// One that comes every day, so that it is kept.
fn daily(uid: usize, more: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20200101T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\n\
         SUMMARY:Daily\r\n{more}END:VEVENT\r\n"
    )
}

fn lines(body: String) -> impl Iterator<Item = Bytes> + Send {
    std::iter::once(Bytes::from(body))
}

/// The beginning of a text, up to a whole line.
fn at_most(mut text: String, size: usize) -> String {
    let end = text[..text.len().min(size)]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    text.truncate(end);
    text
}

fn times(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| {
        format!(
            "{}{:02}{:02}T{:02}{:02}{:02}Z",
            2020 + n % 16,
            n / 16 % 12 + 1,
            n / 192 % 28 + 1,
            n / 5376 % 24,
            n / 129_024 % 60,
            n % 60,
        )
    })
}

/// The calendar as the only feed of one room.
async fn check(name: &str, body: impl Iterator<Item = Bytes> + Send, processor: u64) {
    let body = whole(calendar(body));
    let name = format!("{name} ({:.1} MB)", body.len() as f64 / 1e6);
    let host = Host::start(move |_| Answer::ok(body.clone())).await;
    let attack = Attack::new(256).await.feed("bad", &host, "/bad.ics");
    let cost = attack.on_feeds(&host).await;
    cost.at_most(&name, Duration::from_secs(processor));
}

#[tokio::test]
async fn a_building_in_one_file_for_two_hundred_rooms() {
    let events: String = (0..24_000)
        .map(|n| {
            let more = format!(
                "LOCATION:Room {}\r\nDESCRIPTION:{}\r\n",
                n % 200,
                "x".repeat(210)
            );
            daily(n, &more)
        })
        .collect();
    let body = whole(calendar(lines(events)));
    let name = format!("200 rooms on {:.1} MB", body.len() as f64 / 1e6);
    let host = Host::start(move |_| Answer::ok(body.clone())).await;
    let mut attack = Attack::new(256).await;
    let url = host.url("/building.ics");
    for room in 0..200 {
        let feed = format!("{{ ics = \"{url}\", only = {{ location = \"Room {room}\" }} }}");
        attack = attack.room(&format!("r{room}"), &[("feed", &feed)]);
    }
    let cost = attack.on_feeds(&host).await;
    cost.at_most(&name, Duration::from_secs(60));
}

/// A room's calendar of ten years, with the texts that invitations have; some of it is ahead.
fn ten_years(events: usize, first: usize) -> Bytes {
    let text = "Agenda, notes and dial-in of the meeting.\\n".repeat(26);
    let each = (0..events).map(|n| {
        // Two an hour.
        let (day, hour) = (n / 16, 8 + n / 2 % 8);
        let (year, day) = (first + day / 336, day % 336);
        let start = format!("{year}{:02}{:02}T{hour:02}{:02}00", day / 28 + 1, day % 28 + 1, n % 2 * 30);
        let more = match n % 10 {
            0 => "RRULE:FREQ=WEEKLY;COUNT=8\r\n",
            _ => "",
        };
        let line = format!("DESCRIPTION:{text}");
        let mut folded = String::new();
        for (at, piece) in line.as_bytes().chunks(74).enumerate() {
            folded += if at == 0 { "" } else { "\r\n " };
            folded += std::str::from_utf8(piece).unwrap();
        }
        format!(
            "BEGIN:VEVENT\r\nUID:{n}@example.org\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT30M\r\n{more}SUMMARY:Meeting {n}\r\n{folded}\r\nEND:VEVENT\r\n"
        )
    });
    whole(calendar(lines(each.collect())))
}

#[tokio::test]
async fn an_honest_calendar_of_ten_years_is_read() {
    for (first, what) in [(2018, "mostly over"), (2027, "all ahead")] {
        let body = ten_years(50_000, first);
        let size = body.len() as f64 / 1e6;
        assert!(size > 60.0, "{size}");
        for how in ["with a length", "without a length"] {
            let body = body.clone();
            let host = Host::start(move |_| match how {
                "with a length" => Answer::ok(body.clone()),
                _ => {
                    let pieces = body.chunks(64 * 1024).map(Bytes::copy_from_slice);
                    Answer::stream("200 OK", "", pieces.collect::<Vec<_>>().into_iter())
                }
            })
            .await;
            let attack = Attack::new(256)
                .await
                .with("http.max_feed_size", "\"100MB\"");
            let cost = attack
                .feed("large", &host, "/ten-years.ics")
                .on_feeds(&host)
                .await;
            let name = format!("ten years in {size:.1} MB, {what}, {how}");
            cost.at_most(&name, Duration::from_secs(60));
            cost.nothing_was_refused();
        }
    }
}

#[tokio::test]
async fn more_large_calendars_at_once_than_memory() {
    // As many times the limit as fifty calendars of 47 MB are of 256 MB.
    let event = event(&format!("DESCRIPTION:{}\r\n", "x".repeat(9_000)));
    for how in ["with a length", "without a length", "packed"] {
        let body = whole(calendar(repeated(&event, 1_000)));
        let packed = gzip(std::iter::once(body.clone()));
        let host = Host::start(move |_| match how {
            "with a length" => Answer::ok(body.clone()),
            "without a length" => Answer::stream(
                "200 OK",
                "",
                body.clone()
                    .chunks(64 * 1024)
                    .map(Bytes::copy_from_slice)
                    .collect::<Vec<_>>()
                    .into_iter(),
            ),
            _ => Answer::gzipped("200 OK", "", &packed),
        })
        .await;
        let mut attack = Attack::new(32).await;
        for room in 0..48 {
            attack = attack.feed(&format!("r{room}"), &host, &format!("/{room}.ics"));
        }
        let cost = attack.on_feeds(&host).await;
        let name = format!("48 calendars of 9 MB in 32 MB, {how}");
        cost.at_most(&name, Duration::from_secs(60));
        cost.nothing_was_refused();
    }
}

#[tokio::test]
async fn a_character_set_that_grows() {
    // Three bytes of UTF-8 for each.
    let body = whole(
        begin()
            .chain(lines(event("SUMMARY:x\r\n")))
            .chain(std::iter::once(Bytes::from(
                [b"DESCRIPTION:".as_slice(), &vec![0xa1; 45_000_000], b"\r\n"].concat(),
            )))
            .chain(end()),
    );
    let host = Host::start(move |_| {
        Answer::with(
            "200 OK",
            "Content-Type: text/calendar; charset=windows-874\r\n",
            body.clone(),
        )
    })
    .await;
    let mut attack = Attack::new(256).await;
    for room in 0..6 {
        attack = attack.feed(&format!("r{room}"), &host, &format!("/{room}.ics"));
    }
    let cost = attack.on_feeds(&host).await;
    cost.at_most(
        "6 calendars of 45 MB in windows-874",
        Duration::from_secs(60),
    );
}

#[tokio::test]
async fn texts_of_tens_of_megabytes() {
    let line = |unit: &str, times: usize| {
        lines("BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260105T090000Z\r\nDESCRIPTION:".to_owned())
            .chain(repeated(unit, times))
            .chain(lines("\r\nEND:VEVENT\r\n".to_owned()))
    };
    check("one line", line("x", 49_000_000), 20).await;
    check("one line of escapes", line("\\n", 24_000_000), 20).await;
    check("lines of one letter", line("x\r\n ", 12_000_000), 20).await;
    check(
        "lines of one letter, unfolded",
        line("x\r\n", 16_000_000),
        60,
    )
    .await;
    let base64 = format!("{}\r\n ", "QUFB".repeat(18));
    let attachment = lines(
        "BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260105T090000Z\r\nATTACH;ENCODING=BASE64:".to_owned(),
    )
    .chain(repeated(&base64, 40_000_000 / base64.len()))
    .chain(lines("\r\nEND:VEVENT\r\n".to_owned()));
    check("an attachment", attachment, 20).await;
}

#[tokio::test]
async fn parts_without_number() {
    check(
        "a million empty events",
        repeated("BEGIN:VEVENT\r\nEND:VEVENT\r\n", 1_000_000),
        60,
    )
    .await;
    check(
        "a million small parts",
        repeated("BEGIN:X\r\nEND:X\r\n", 1_000_000),
        60,
    )
    .await;
    check(
        "a million calendars",
        repeated("END:VCALENDAR\r\nBEGIN:VCALENDAR\r\n", 1_000_000),
        60,
    )
    .await;
    check("depth", repeated("BEGIN:X\r\n", 2_000_000), 60).await;
    let attendee = "ATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED;CN=\"A B\":mailto:a@example.com\r\n";
    check(
        "a hundred thousand attendees",
        lines(event(&attendee.repeat(100_000))),
        60,
    )
    .await;
    check(
        "categories",
        lines(event(&format!("CATEGORIES:{}\r\n", "a,".repeat(5_000_000)))),
        60,
    )
    .await;
    check(
        "parameters",
        lines(event(&format!("SUMMARY{}:x\r\n", ";X=1".repeat(5_000_000)))),
        60,
    )
    .await;
}

#[tokio::test]
async fn events_without_number() {
    let small: String = (0..400_000).map(|n| daily(n, "")).collect();
    check("400,000 that come every day", lines(small), 120).await;
    let overrides: String = (0..200_000)
        .zip(times(200_000))
        .map(|(n, time)| {
            format!("BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:{time}\r\nDTSTART:{time}\r\nDURATION:PT1H\r\nSUMMARY:{n}\r\nEND:VEVENT\r\n")
        })
        .collect();
    check(
        "200,000 overrides of one series",
        lines(daily(1, "") + &overrides),
        90,
    )
    .await;
    let future = overrides.replace("RECURRENCE-ID:", "RECURRENCE-ID;RANGE=THISANDFUTURE:");
    check(
        "200,000 overrides of all that follow",
        lines(daily(1, "") + &future),
        90,
    )
    .await;
}

#[tokio::test]
async fn dates_without_number() {
    let times: Vec<String> = times(1_000_000).collect();
    check(
        "a million RDATE in one line",
        lines(daily(1, &format!("RDATE:{}\r\n", times.join(",")))),
        60,
    )
    .await;
    check(
        "a million EXDATE in one line",
        lines(daily(1, &format!("EXDATE:{}\r\n", times.join(",")))),
        60,
    )
    .await;
    let each: String = times
        .iter()
        .map(|time| format!("EXDATE:{time}\r\n"))
        .collect();
    check("a million EXDATE", lines(daily(1, &each)), 60).await;
    let spread: String = times
        .chunks(100)
        .enumerate()
        .map(|(n, times)| daily(n, &format!("RDATE:{}\r\n", times.join(","))))
        .collect();
    check("a million RDATE in 10,000 events", lines(spread), 90).await;
}

#[tokio::test]
async fn rules_without_number() {
    let rules: String = (0..240_000).map(|n| format!("RRULE:FREQ=YEARLY;INTERVAL={};BYMONTH=1,2,3,4,5,6,7,8;BYMONTHDAY=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19;BYHOUR=1,2,3,4\r\n", n % 900 + 1)).collect();
    check("240,000 rules in one event", lines(daily(1, &rules)), 60).await;
    let spread: String = rules
        .lines()
        .enumerate()
        .map(|(n, rule)| daily(n, &format!("{rule}\r\n")))
        .collect();
    check(
        "240,000 rules in as many events",
        lines(at_most(spread, 48_000_000)),
        120,
    )
    .await;
    let dense: String = (0..1_000)
        .map(|n| format!("BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART:20200101T000000Z\r\nRRULE:FREQ=SECONDLY;COUNT=1000000000\r\nEND:VEVENT\r\n"))
        .collect();
    check("1,000 that come every second", lines(dense), 60).await;
}

#[tokio::test]
async fn zones_without_number() {
    let zone = |name: usize, observances: usize, rules: usize| {
        let rules = "RRULE:FREQ=YEARLY;BYMONTH=3\r\n".repeat(rules);
        let observance = format!(
            "BEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n{rules}END:STANDARD\r\n"
        );
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:Z{name}\r\n{}END:VTIMEZONE\r\n",
            observance.repeat(observances)
        )
    };
    let used = |zones: usize| -> String {
        (0..zones)
            .map(|n| format!("BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART;TZID=Z{n}:20200101T090000\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n"))
            .collect()
    };
    let forty: String = (0..40).map(|name| zone(name, 1_000, 32)).collect();
    check(
        "40 zones of 1,000 times 32 rules",
        lines(forty + &used(40)),
        90,
    )
    .await;
    check(
        "a zone of 400,000 observances",
        lines(zone(0, 400_000, 0) + &used(1)),
        90,
    )
    .await;
    let many: String = (0..200_000).map(|name| zone(name, 1, 1)).collect();
    check(
        "200,000 zones",
        lines(at_most(many, 40_000_000) + "\r\nEND:VTIMEZONE\r\n" + &used(100)),
        90,
    )
    .await;
    let names: String = (0..300_000)
        .map(|n| format!("BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART;TZID=Unknown {n}:20300101T090000\r\nEND:VEVENT\r\n"))
        .collect();
    check("300,000 unknown zones", lines(names), 90).await;
}

#[tokio::test]
async fn a_bomb() {
    let bomb = gzip(calendar(repeated(
        "X-NOTHING:0000000000000000000000000000\r\n",
        20_000_000,
    )));
    let host =
        Host::start(move |_| Answer::gzipped("200 OK", "Content-Type: text/calendar\r\n", &bomb))
            .await;
    let mut attack = Attack::new(256).await;
    for room in 0..10 {
        attack = attack.feed(&format!("r{room}"), &host, &format!("/{room}.ics"));
    }
    let cost = attack.on_feeds(&host).await;
    cost.at_most("10 times 800 MB in 3 MB of gzip", Duration::from_secs(60));
}
