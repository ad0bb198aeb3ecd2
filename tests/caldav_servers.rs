//! CalDAV against real servers: Radicale and Xandikos, from PyPI, in a virtual
//! environment of their own under the build folder, on free ports of 127.0.0.1.
//!
//! Without Python, or without a way to PyPI, these tests say that they were left
//! out and pass; with `PODCAL_REQUIRE_CALDAV` set, they fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is a test, its parts outside of test functions as well"
)]

#[path = "caldav/servers.rs"]
mod servers;

use std::collections::{BTreeMap, BTreeSet};
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
                let counts = (items.len(), removed.len());
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
    assert!(state["sync_token"].is_string(), "sync-collection is in use");
    state["sync_token"] = "http://example.com/unknown-token".into();
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

#[tokio::test]
async fn radicale_changes_arrive_with_one_pull() {
    on(Kind::Radicale, follow_changes).await;
}

#[tokio::test]
async fn xandikos_changes_arrive_with_one_pull() {
    on(Kind::Xandikos, follow_changes).await;
}

/// From the calendar, its home, the principal and the bare server.
async fn discover(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "a.ics", &event("a", "One")).await;
    let addresses = [
        calendar.clone(),
        calendar.trim_end_matches('/').to_owned(),
        server.home(),
        server.principal(),
        server.url("/"),
        server.url(""),
    ];
    for address in &addresses {
        let mut room = Room::new(address);
        assert_eq!(room.pull().await.unwrap(), (1, 0), "{address}");
        assert_eq!(room.pull().await.unwrap(), (0, 0), "{address}");
    }
    let other = server.make_calendar("other", "Borealis").await;
    server.put(&other, "b.ics", &event("b", "Two")).await;
    let error = Room::new(&server.url("/")).pull().await.unwrap_err();
    let PullErrorKind::SeveralCalendars(names) = &error.kind else {
        panic!("{error}");
    };
    let names: BTreeSet<&str> = names.first.iter().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["Aurora", "Borealis"]));
    assert!(error.hint().contains("calendar ="), "{}", error.hint());
    let mut chosen = Room::with(&server.url("/"), PASSWORD, Some("borealis"));
    chosen.pull().await.unwrap();
    chosen.check(&[("b", "Two")]);
    let error = Room::with(&server.url("/"), PASSWORD, Some("Castor"))
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

#[tokio::test]
async fn radicale_is_discovered_from_anywhere() {
    on(Kind::Radicale, discover).await;
}

#[tokio::test]
async fn xandikos_is_discovered_from_anywhere() {
    on(Kind::Xandikos, discover).await;
}

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

#[tokio::test]
async fn radicale_awkward_names_are_followed() {
    on(Kind::Radicale, awkward_names).await;
}

#[tokio::test]
async fn xandikos_awkward_names_are_followed() {
    on(Kind::Xandikos, awkward_names).await;
}

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

#[tokio::test]
async fn radicale_may_stop_and_come_back() {
    on(Kind::Radicale, stop_and_start).await;
}

#[tokio::test]
async fn xandikos_may_stop_and_come_back() {
    on(Kind::Xandikos, stop_and_start).await;
}

/// The service pulls each room in a task of its own.
fn assert_send(_: impl Send) {}

async fn many_events(server: &mut Server) {
    let calendar = server.make_calendar("room", "Aurora").await;
    let events: Vec<(String, String)> = (0..2000)
        .map(|at| {
            (
                format!("{at}.ics"),
                event(&at.to_string(), &format!("Event {at}")),
            )
        })
        .collect();
    server.fill("room", &events);
    let mut room = Room::new(&calendar);
    assert_send(room.client.pull(&room.held, NOW));
    assert_eq!(room.pull().await.unwrap(), (2000, 0));
    assert_eq!(room.events().len(), 2000);
    assert_eq!(room.pull().await.unwrap(), (0, 0));
    server
        .put(&calendar, "77.ics", &event("77", "Changed"))
        .await;
    assert_eq!(room.pull().await.unwrap(), (1, 0));
}

#[tokio::test]
async fn radicale_hands_out_two_thousand_events() {
    on(Kind::Radicale, many_events).await;
}

#[tokio::test]
async fn xandikos_hands_out_two_thousand_events() {
    on(Kind::Xandikos, many_events).await;
}

/// Xandikos checks passwords only over TLS with a certificate of its own.
#[tokio::test]
async fn radicale_refuses_a_wrong_password() {
    on(Kind::Radicale, async |server: &mut Server| {
        let calendar = server.make_calendar("room", "Aurora").await;
        for address in [calendar.clone(), server.url("/")] {
            let error = Room::with(&address, "wrong", None)
                .pull()
                .await
                .unwrap_err();
            assert!(
                error.rejection().is_some() && !error.is_passing(),
                "{error}"
            );
            assert!(!format!("{error} {error:?}").contains("wrong"));
        }
    })
    .await;
}

async fn look_around(server: &mut Server, product: &str) {
    let calendar = server.make_calendar("room", "Aurora").await;
    server.put(&calendar, "a.ics", &event("a", "One")).await;
    let other = server.make_calendar("other", "Borealis").await;
    let feed = feed(&server.url("/"), PASSWORD, Some("Aurora"));
    let Inspection::CalDav(report) = inspect(&feed, &Network::new(), NOW).await.unwrap() else {
        panic!("not CalDAV");
    };
    assert_eq!(report.server.as_deref(), Some(product));
    assert_eq!(report.login, "Basic");
    let found = report.calendar.unwrap();
    assert_eq!((found.name, found.address), ("Aurora".to_owned(), calendar));
    assert_eq!(report.others.len(), 1);
    assert_eq!(report.others[0].address, other);
    assert_eq!(report.events, 1);
    assert_eq!(report.changes, Changes::SyncCollection);
    assert_eq!(report.trouble, None);
}

#[tokio::test]
async fn radicale_is_described() {
    on(Kind::Radicale, async |server: &mut Server| {
        look_around(server, "Radicale").await;
    })
    .await;
}

#[tokio::test]
async fn xandikos_is_described() {
    on(Kind::Xandikos, async |server: &mut Server| {
        look_around(server, "Xandikos").await;
    })
    .await;
}
