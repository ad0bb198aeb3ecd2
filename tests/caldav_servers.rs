//! CalDAV against real servers, on free ports of 127.0.0.1: Radicale and Xandikos from PyPI, in a
//! virtual environment of their own under the build folder; sabre/dav, SOGo, DAViCal and Cyrus from
//! Debian.
//!
//! Where a server is not to be had, its tests say that they were left out and pass; with
//! `PODCAL_REQUIRE_CALDAV` set, they fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is a test, its parts outside of test functions as well"
)]

#[path = "caldav/servers.rs"]
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use podcal::config::{Feed, Login, Only, Source, TlsTrust};
use podcal::fault::Fault as _;
use podcal::feed::error::{PullError, PullErrorKind};
use podcal::feed::inspect::{Changes, Inspection, inspect};
use podcal::feed::{FeedClient, Network};
use podcal::model::feed_url::FeedUrl;
use podcal::model::item::{FeedItem, FeedState, Held, Pulled};
use podcal::model::name::FeedId;
use podcal::model::secret::Secret;
use podcal::model::time::UnixTime;

use servers::{Kind, PASSWORD, Server, USER};

const NOW: UnixTime = UnixTime::from_seconds(1_795_000_000);

fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//podcal//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20261201T090000Z\r\nDTEND:20261201T100000Z\r\n\
         SUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn feed(address: &str, password: &str, calendar: Option<&str>) -> Feed {
    Feed {
        id: FeedId::new("127.0.0.1", &[address]),
        source: Source::CalDav {
            url: FeedUrl::parse(address).unwrap().0,
            login: Login::Password {
                username: USER.to_owned(),
                password: Secret::new(password),
            },
            calendar: calendar.map(str::to_owned),
        },
        only: Only::default(),
        user_agent: None,
        tls: TlsTrust::Ca,
        timeout: Duration::from_secs(60),
        max_size: 50_000_000,
    }
}

/// A room that is read by CalDAV, with what the ledger would hold of it.
struct Room {
    client: FeedClient,
    held: Held,
}

impl Room {
    fn new(address: &str) -> Self {
        Self::with(address, PASSWORD, None)
    }

    fn with(address: &str, password: &str, calendar: Option<&str>) -> Self {
        let feed = feed(address, password, calendar);
        Self {
            client: FeedClient::new(&feed, &Network::new()).unwrap(),
            held: Held::default(),
        }
    }

    /// Pulls and keeps; what was new, and what went, as numbers.
    async fn pull(&mut self) -> Result<(usize, usize), PullError> {
        let pulled = self.client.pull(&self.held, NOW).await?;
        Ok(match pulled {
            Pulled::Unchanged { state, .. } => {
                self.held.state = state;
                (0, 0)
            }
            Pulled::Changed {
                items,
                removed,
                state,
                ..
            } => {
                // DAViCal counts in seconds what changed since a token, and repeats itself.
                let is_new = |item: &&FeedItem| {
                    let mut held = self.held.items.iter();
                    !held.any(|held| held.href == item.href && held.body == item.body)
                };
                let counts = (items.iter().filter(is_new).count(), removed.len());
                let new: BTreeSet<&str> = items.iter().map(|item| item.href.as_str()).collect();
                self.held.items.retain(|item| {
                    !removed.contains(&item.href) && !new.contains(item.href.as_str())
                });
                self.held.items.extend(items);
                self.held.state = state;
                counts
            }
        })
    }

    /// UID and title of everything held.
    fn events(&self) -> BTreeMap<String, String> {
        let line = |item: &FeedItem, name: &str| {
            String::from_utf8_lossy(&item.body)
                .lines()
                .find_map(|line| line.strip_prefix(name).map(str::to_owned))
                .unwrap()
        };
        self.held
            .items
            .iter()
            .map(|item| (line(item, "UID:"), line(item, "SUMMARY:")))
            .collect()
    }

    fn check(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|(uid, summary)| ((*uid).to_owned(), (*summary).to_owned()))
            .collect();
        assert_eq!(self.events(), expected);
        assert_eq!(self.held.items.len(), expected.len(), "no event twice");
    }
}

/// Runs one story on one server, if the servers could be set up.
async fn on(kind: Kind, story: impl AsyncFnOnce(&mut Server)) {
    if let Some(mut server) = Server::start(kind) {
        story(&mut server).await;
    }
}

/// A test for each server.
macro_rules! on_every_server {
    ($name:ident: $story:ident) => {
        mod $name {
            use super::{Kind, on};

            #[tokio::test]
            async fn radicale() {
                on(Kind::Radicale, super::$story).await;
            }

            #[tokio::test]
            async fn xandikos() {
                on(Kind::Xandikos, super::$story).await;
            }

            #[tokio::test]
            async fn sabre() {
                on(Kind::Sabre, super::$story).await;
            }

            #[tokio::test]
            async fn sogo() {
                on(Kind::Sogo, super::$story).await;
            }

            #[tokio::test]
            async fn davical() {
                on(Kind::Davical, super::$story).await;
            }

            #[tokio::test]
            async fn cyrus() {
                on(Kind::Cyrus, super::$story).await;
            }
        }
    };
}

/// The life of a calendar, told in changes.
async fn follow_changes(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    for (name, uid, title) in [
        ("a.ics", "a", "One"),
        ("b.ics", "b", "Two"),
        ("c.ics", "c", "Three"),
    ] {
        server.put(&calendar, name, &event(uid, title)).await;
    }
    let mut room = Room::new(&calendar);
    assert_eq!(room.pull().await.unwrap(), (3, 0));
    room.check(&[("a", "One"), ("b", "Two"), ("c", "Three")]);
    assert_eq!(room.pull().await.unwrap(), (0, 0), "nothing changed");

    server
        .put(&calendar, "b.ics", &event("b", "Two later"))
        .await;
    assert_eq!(room.pull().await.unwrap(), (1, 0), "one changed");
    server.put(&calendar, "d.ics", &event("d", "Four")).await;
    assert_eq!(room.pull().await.unwrap(), (1, 0), "one added");
    server.delete(&calendar, "a.ics").await;
    assert_eq!(room.pull().await.unwrap(), (0, 1), "one deleted");
    // Moved: the same event under another name.
    server.delete(&calendar, "c.ics").await;
    server
        .put(&calendar, "elsewhere.ics", &event("c", "Three"))
        .await;
    assert_eq!(room.pull().await.unwrap(), (1, 1), "one moved");
    room.check(&[("b", "Two later"), ("c", "Three"), ("d", "Four")]);
    // Made and deleted between two pulls: nobody ever saw it.
    server
        .put(&calendar, "brief.ics", &event("x", "Brief"))
        .await;
    server.delete(&calendar, "brief.ics").await;
    assert_eq!(room.pull().await.unwrap(), (0, 0));

    // A token that the server does not know (any more) costs a comparison, no event.
    server.delete(&calendar, "d.ics").await;
    let state = room.held.state.0.take().unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let has_token = state["sync_token"].is_string();
    assert_eq!(has_token, server.kind.has_tokens(), "{state}");
    if has_token {
        state["sync_token"] = "http://example.com/unknown-token".into();
    }
    room.held.state = FeedState(Some(state.to_string()));
    assert_eq!(room.pull().await.unwrap(), (0, 1));
    room.check(&[("b", "Two later"), ("c", "Three")]);
    server.put(&calendar, "e.ics", &event("e", "Five")).await;
    assert_eq!(room.pull().await.unwrap(), (1, 0), "and increments go on");

    // Emptied.
    for name in ["b.ics", "elsewhere.ics", "e.ics"] {
        server.delete(&calendar, name).await;
    }
    assert_eq!(room.pull().await.unwrap(), (0, 3));
    room.check(&[]);
}

on_every_server!(changes_arrive_with_one_pull: follow_changes);

/// From the calendar, its home, the principal and the bare server.
async fn discover(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "a.ics", &event("a", "One")).await;
    let addresses = [
        calendar.clone(),
        calendar.trim_end_matches('/').to_owned(),
        server.home(),
        server.principal(),
        server.entrance(),
        server.entrance().trim_end_matches('/').to_owned(),
    ];
    // Where the server has calendars of its own, one has to be named.
    let own = server.kind.own_calendars();
    let wanted = (!own.is_empty()).then_some("Aurora");
    for address in &addresses {
        let mut room = Room::with(address, PASSWORD, wanted);
        assert_eq!(room.pull().await.unwrap(), (1, 0), "{address}");
        assert_eq!(room.pull().await.unwrap(), (0, 0), "{address}");
    }
    let other = server.make_calendar("other", "Borealis").await;
    server.put(&other, "b.ics", &event("b", "Two")).await;
    let error = Room::new(&server.entrance()).pull().await.unwrap_err();
    let PullErrorKind::SeveralCalendars(names) = &error.kind else {
        panic!("{error}");
    };
    let names: BTreeSet<&str> = names.first.iter().map(String::as_str).collect();
    let mut expected = BTreeSet::from(["Aurora", "Borealis"]);
    expected.extend(own);
    assert_eq!(names, expected);
    assert!(error.hint().contains("calendar ="), "{}", error.hint());
    let mut chosen = Room::with(&server.entrance(), PASSWORD, Some("borealis"));
    chosen.pull().await.unwrap();
    chosen.check(&[("b", "Two")]);
    let error = Room::with(&server.entrance(), PASSWORD, Some("Castor"))
        .pull()
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind, PullErrorKind::NoSuchCalendar { .. }),
        "{error}"
    );
    // A calendar that is not there is not replaced by one that is.
    let missing = calendar.replace("room", "gone");
    let error = Room::new(&missing).pull().await.unwrap_err();
    assert!(matches!(error.kind, PullErrorKind::NotFound(_)), "{error}");
}

on_every_server!(is_discovered_from_anywhere: discover);

async fn awkward_names(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    let names = [
        "10%20old%2Bmoved%40room~1.ics",
        "%C3%BCber.ics",
        "a%26b%3Cc%3E.ics",
        "100%25.ics",
        "no-ending.ics",
    ];
    for (at, name) in names.iter().enumerate() {
        server
            .put(&calendar, name, &event(&format!("u{at}"), "Title"))
            .await;
    }
    let mut room = Room::new(&calendar);
    assert_eq!(room.pull().await.unwrap(), (names.len(), 0));
    assert_eq!(room.pull().await.unwrap(), (0, 0));
    for name in names {
        server.delete(&calendar, name).await;
        assert_eq!(room.pull().await.unwrap(), (0, 1), "{name}");
    }
}

on_every_server!(awkward_names_are_followed: awkward_names);

async fn stop_and_start(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "a.ics", &event("a", "One")).await;
    let mut room = Room::new(&calendar);
    room.pull().await.unwrap();
    server.stop();
    let error = room.pull().await.unwrap_err();
    assert!(
        matches!(error.kind, PullErrorKind::Unreachable(_)),
        "{error}"
    );
    assert!(error.is_passing());
    room.check(&[("a", "One")]);
    server.go();
    assert_eq!(room.pull().await.unwrap(), (0, 0));
    server.put(&calendar, "b.ics", &event("b", "Two")).await;
    assert_eq!(room.pull().await.unwrap(), (1, 0));
}

on_every_server!(may_stop_and_come_back: stop_and_start);

/// The service pulls each room in a task of its own.
fn assert_send(_: impl Send) {}

async fn many_events(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    let count = server.kind.many();
    let events: Vec<(String, String)> = (0..count)
        .map(|at| {
            (
                format!("{at}.ics"),
                event(&at.to_string(), &format!("Event {at}")),
            )
        })
        .collect();
    server.fill("room", &events).await;
    let mut room = Room::new(&calendar);
    assert_send(room.client.pull(&room.held, NOW));
    assert_eq!(room.pull().await.unwrap(), (count, 0));
    assert_eq!(room.events().len(), count);
    assert_eq!(room.pull().await.unwrap(), (0, 0));
    server
        .put(&calendar, "77.ics", &event("77", "Changed"))
        .await;
    assert_eq!(room.pull().await.unwrap(), (1, 0));
}

on_every_server!(hands_out_many_events: many_events);

async fn wrong_password(server: &mut Server) {
    // Xandikos checks passwords only over TLS with a certificate of its own.
    if server.kind == Kind::Xandikos {
        return;
    }
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "a.ics", &event("a", "One")).await;
    let mut known = Room::new(&calendar);
    known.pull().await.unwrap();
    for address in [calendar.clone(), server.home(), server.entrance()] {
        let error = Room::with(&address, "wrong", None)
            .pull()
            .await
            .unwrap_err();
        assert!(
            error.rejection().is_some() && !error.is_passing(),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("wrong"));
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }
    // The password changed meanwhile.
    known.client = FeedClient::new(&feed(&calendar, "wrong", None), &Network::new()).unwrap();
    let error = known.pull().await.unwrap_err();
    assert!(error.rejection().is_some(), "{error}");
    known.check(&[("a", "One")]);
}

on_every_server!(a_wrong_password_is_one_clear_error: wrong_password);

/// Each change comes as soon as the pull before it is done: most within one second.
async fn within_a_second(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "a.ics", &event("a", "Title 0")).await;
    server.put(&calendar, "b.ics", &event("b", "Other")).await;
    let mut room = Room::new(&calendar);
    assert_eq!(room.pull().await.unwrap(), (2, 0));
    for at in 1..=6 {
        let title = format!("Title {at}");
        server.put(&calendar, "a.ics", &event("a", &title)).await;
        assert_eq!(room.pull().await.unwrap(), (1, 0), "{title}");
        room.check(&[("a", &title), ("b", "Other")]);
    }
    for at in 7..=9 {
        let title = format!("Title {at}");
        server.delete(&calendar, "a.ics").await;
        server.put(&calendar, "a.ics", &event("a", &title)).await;
        room.pull().await.unwrap();
        room.check(&[("a", &title), ("b", "Other")]);
        server.delete(&calendar, "a.ics").await;
        assert_eq!(room.pull().await.unwrap(), (0, 1), "{title}");
        server.put(&calendar, "a.ics", &event("a", &title)).await;
        assert_eq!(room.pull().await.unwrap(), (1, 0), "{title}");
    }
}

on_every_server!(changes_within_a_second_are_seen: within_a_second);

/// What a display would show in the week of 30 November 2026.
fn meetings(room: &Room) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for item in &room.held.items {
        let mut podcal = Command::new(env!("CARGO_BIN_EXE_podcal"))
            .args(["expand", "-", "--json", "--time-zone", "UTC"])
            .args(["--from", "2026-11-30T00:00:00Z"])
            .args(["--to", "2026-12-07T00:00:00Z"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = podcal.stdin.take().unwrap();
        stdin.write_all(&item.body).unwrap();
        drop(stdin);
        let output = podcal.wait_with_output().unwrap();
        assert!(output.status.success());
        let output: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for meeting in output["meetings"].as_array().unwrap() {
            let start = UnixTime::from_seconds(meeting["start_time"].as_i64().unwrap());
            let title = meeting["title"].as_str().unwrap();
            found.push((start.to_string(), title.to_owned()));
        }
    }
    found.sort();
    found
}

async fn series(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
                TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n\
                END:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nTZOFFSETFROM:+0100\r\n\
                TZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n\
                END:VTIMEZONE\r\n";
    let one = |id: &str, start: &str, end: &str, title: &str, more: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:standup\r\nDTSTAMP:20261101T000000Z\r\n{id}\
             DTSTART;TZID=Europe/Berlin:{start}\r\nDTEND;TZID=Europe/Berlin:{end}\r\nSUMMARY:{title}\r\n\
             {more}END:VEVENT\r\n"
        )
    };
    let whole = |master: &str, other: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//podcal//test//EN\r\n{zone}{master}{other}\
             END:VCALENDAR\r\n"
        )
    };
    let master = one(
        "",
        "20261005T090000",
        "20261005T093000",
        "Stand-up",
        "RRULE:FREQ=DAILY;COUNT=120\r\nEXDATE;TZID=Europe/Berlin:20261204T090000\r\n",
    );
    let moved = one(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261202T090000\r\n",
        "20261202T150000",
        "20261202T153000",
        "Stand-up later",
        "",
    );
    server
        .put(&calendar, "standup.ics", &whole(&master, &moved))
        .await;
    let mut room = Room::new(&calendar);
    assert_eq!(room.pull().await.unwrap(), (1, 0));
    let at = |day: &str, hour: &str, title: &str| {
        (format!("2026-{day}T{hour}:00:00Z"), title.to_owned())
    };
    let mut expected = vec![
        at("11-30", "08", "Stand-up"),
        at("12-01", "08", "Stand-up"),
        at("12-02", "14", "Stand-up later"),
        at("12-03", "08", "Stand-up"),
        at("12-05", "08", "Stand-up"),
        at("12-06", "08", "Stand-up"),
    ];
    assert_eq!(meetings(&room), expected);
    // The moved one is cancelled, which leaves its day without.
    let cancelled = moved.replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY");
    server
        .put(&calendar, "standup.ics", &whole(&master, &cancelled))
        .await;
    assert_eq!(room.pull().await.unwrap(), (1, 0));
    expected.remove(2);
    assert_eq!(meetings(&room), expected);
}

on_every_server!(a_series_comes_with_its_exceptions: series);

/// A calendar that is deleted is an error, and what was held stays.
async fn gone(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    let other = server.make_calendar("other", "Borealis").await;
    server.put(&calendar, "a.ics", &event("a", "One")).await;
    server.put(&other, "b.ics", &event("b", "Two")).await;
    let mut room = Room::new(&calendar);
    room.pull().await.unwrap();
    server.delete(&calendar, "").await;
    let error = room.pull().await.unwrap_err();
    assert!(matches!(error.kind, PullErrorKind::NotFound(_)), "{error}");
    room.check(&[("a", "One")]);
    // Made anew under the same name, perhaps with the same marks.
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "c.ics", &event("c", "Three")).await;
    assert_eq!(room.pull().await.unwrap(), (1, 1));
    room.check(&[("c", "Three")]);
}

on_every_server!(a_calendar_that_is_gone_is_an_error: gone);

async fn look_around(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "a.ics", &event("a", "One")).await;
    let other = server.make_calendar("other", "Borealis").await;
    let feed = feed(&server.entrance(), PASSWORD, Some("Aurora"));
    let Inspection::CalDav(report) = inspect(&feed, &Network::new(), NOW).await.unwrap() else {
        panic!("not CalDAV");
    };
    assert_eq!(report.server.as_deref(), server.kind.product());
    assert_eq!(report.login, server.kind.login());
    let found = report.calendar.unwrap();
    assert_eq!((found.name, found.address), ("Aurora".to_owned(), calendar));
    let others: Vec<&str> = report
        .others
        .iter()
        .map(|one| one.address.as_str())
        .collect();
    assert!(others.contains(&other.as_str()), "{others:?}");
    assert_eq!(others.len(), 1 + server.kind.own_calendars().len());
    assert_eq!(report.events, 1);
    let expected = match server.kind.has_tokens() {
        true => Changes::SyncCollection,
        false => Changes::CTag,
    };
    assert_eq!(report.changes, expected);
    assert_eq!(report.trouble, None);
}

on_every_server!(is_described: look_around);
