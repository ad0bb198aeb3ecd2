//! Changes, against a small CalDAV server with the habits of the real ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::config::{Feed, Login, Source};
use crate::fault::Fault as _;
use crate::feed::testhost::{Reply, TestHost, TestRequest};
use crate::feed::tests::{NOW, feed, keep};
use crate::feed::{FeedClient, Network};
use crate::model::time::UnixTime;

/// How a server treats the token that it is shown.
#[derive(Clone, Copy, PartialEq)]
enum Tokens {
    Kept,
    /// Forgets all of them, and says so with this status.
    Refused(&'static str),
    /// Forgets all of them, and answers with everything there is.
    Everything,
    /// Answers with nothing and the same token, for ever.
    Nothing,
    /// Answers as if it had been a query: no token at all.
    Query,
    /// Hands out two at a time.
    Paged,
    /// Counts seconds, as its CTag does (SOGo).
    Clock,
    None,
}

#[derive(Clone, Copy, PartialEq)]
enum Multiget {
    Works,
    /// Hands out so many and is silent about the others.
    Capped(usize),
    Status(&'static str),
    Broken,
}

#[derive(Clone, Copy, PartialEq)]
enum Marks {
    CTag,
    Clock,
    Restless,
    None,
}

/// A calendar and the habits of its server.
struct Fake {
    tokens: Tokens,
    multiget: Multiget,
    marks: Marks,
    etags: bool,
    /// PROPFIND with `Depth: 1` works.
    lists: bool,
    items: BTreeMap<String, (u32, String)>,
    /// Listed, but answered with this status when fetched.
    bad: BTreeMap<String, &'static str>,
    /// What happened, in order: a name, and whether it went.
    log: Vec<(String, bool)>,
    /// When each of it happened, by the server's clock.
    times: Vec<i64>,
    clock: i64,
    /// Written into hrefs in place of the path of the folder.
    spelt: &'static str,
    asked_for_marks: u32,
    is_gone: bool,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            tokens: Tokens::Kept,
            multiget: Multiget::Works,
            marks: Marks::CTag,
            etags: true,
            lists: true,
            items: BTreeMap::new(),
            bad: BTreeMap::new(),
            log: Vec::new(),
            times: Vec::new(),
            clock: NOW.seconds(),
            spelt: FOLDER,
            asked_for_marks: 0,
            is_gone: false,
        }
    }
}

const FOLDER: &str = "/dav/room/";

impl Fake {
    fn put(&mut self, name: &str, title: &str) {
        let version = self.items.get(name).map_or(1, |(version, _)| version + 1);
        let body = format!("BEGIN:VCALENDAR\nSUMMARY:{title}\nEND:VCALENDAR\n");
        self.items.insert(name.to_owned(), (version, body));
        self.log.push((name.to_owned(), false));
        self.times.push(self.clock);
    }

    fn delete(&mut self, name: &str) {
        self.items.remove(name);
        self.log.push((name.to_owned(), true));
        self.times.push(self.clock);
    }

    fn token(&self) -> String {
        if self.tokens == Tokens::Clock {
            return self.times.last().unwrap_or(&0).to_string();
        }
        format!("token&{}", self.log.len())
    }

    fn answer(&mut self, asked: &TestRequest) -> Reply {
        match asked.method.as_str() {
            _ if self.is_gone => Reply::status("404 Not Found"),
            "PROPFIND" if asked.header("depth") == Some("1") && !self.lists => {
                Reply::status("501 Not Implemented")
            }
            "PROPFIND" if asked.header("depth") == Some("1") => {
                let itself = format!(
                    "<response><href>{FOLDER}</href><propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response>"
                );
                let members = self.members(self.items.keys());
                multistatus(&format!("{itself}{members}"))
            }
            "PROPFIND" => self.what_it_is(),
            "REPORT" if asked.body.contains("sync-collection") => self.changes(asked),
            "REPORT" if asked.body.contains("calendar-multiget") => self.bodies(asked),
            "REPORT" => {
                assert_eq!(asked.header("depth"), Some("1"));
                multistatus(&self.members(self.items.keys()))
            }
            "GET" => {
                let name = asked.path.strip_prefix(FOLDER).unwrap();
                match (self.bad.get(name), self.items.get(name)) {
                    (Some(status), _) => Reply::with(status, &[], ""),
                    (None, Some((_, body))) => Reply::ok(body),
                    (None, None) => Reply::status("404 Not Found"),
                }
            }
            _ => Reply::status("405 Method Not Allowed"),
        }
    }

    fn what_it_is(&mut self) -> Reply {
        self.asked_for_marks += 1;
        let mut properties =
            "<resourcetype><collection/><C:calendar/></resourcetype><displayname>Aurora</displayname>".to_owned();
        match self.marks {
            Marks::Clock => {
                let time = self.times.last().unwrap_or(&0);
                write!(properties, "<S:getctag>{time}</S:getctag>").unwrap();
            }
            Marks::CTag => write!(properties, "<S:getctag>{}</S:getctag>", self.log.len()).unwrap(),
            Marks::Restless => {
                write!(
                    properties,
                    "<S:getctag>r{}</S:getctag>",
                    self.asked_for_marks
                )
                .unwrap();
            }
            Marks::None => {}
        }
        if self.tokens != Tokens::None {
            let token = if self.tokens == Tokens::Nothing {
                "future".to_owned()
            } else {
                self.token().replace('&', "&amp;")
            };
            write!(properties, "<sync-token>{token}</sync-token>").unwrap();
        }
        multistatus(&format!(
            "<response><href>{FOLDER}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
        ))
    }

    fn members<'a>(&self, names: impl Iterator<Item = &'a String>) -> String {
        let mut xml = String::new();
        for name in names {
            let etag = match self.items.get(name) {
                Some((version, _)) if self.etags => format!("<getetag>\"{version}\"</getetag>"),
                _ => String::new(),
            };
            write!(
                xml,
                "<response><href>{}{name}</href><propstat><prop>{etag}</prop><status>HTTP/1.1 200 OK</status></propstat></response>",
                self.spelt
            )
            .unwrap();
        }
        xml
    }

    fn changes(&self, asked: &TestRequest) -> Reply {
        assert_eq!(asked.header("depth"), Some("0"));
        let shown: usize = asked
            .body
            .split_once("token&amp;")
            .and_then(|(_, rest)| rest.split('<').next()?.parse().ok())
            .unwrap_or(0);
        let all = self.members(self.items.keys());
        let token = |at: usize| format!("<sync-token>token&amp;{at}</sync-token>");
        let (xml, next) = match self.tokens {
            Tokens::Kept => (self.log_from(shown, usize::MAX), token(self.log.len())),
            Tokens::Paged => {
                let to = (shown + 2).min(self.log.len());
                let mut xml = self.log_from(shown, 2);
                if to < self.log.len() {
                    write!(xml, "<response><href>{FOLDER}</href><status>HTTP/1.1 507 Insufficient Storage</status></response>").unwrap();
                }
                (xml, token(to))
            }
            Tokens::Clock => {
                let since = asked.body.split_once("<d:sync-token>").unwrap().1;
                let since: i64 = since.split('<').next().unwrap().parse().unwrap();
                let from = self.times.partition_point(|time| *time <= since);
                let token = format!("<sync-token>{}</sync-token>", self.token());
                (self.log_from(from, usize::MAX), token)
            }
            Tokens::Refused(status) => {
                let error = "<error xmlns=\"DAV:\"><valid-sync-token/></error>";
                return Reply::with(status, &["Content-Type: text/xml"], error);
            }
            Tokens::Everything => (all, token(self.log.len())),
            Tokens::Nothing => (String::new(), "<sync-token>future</sync-token>".to_owned()),
            Tokens::Query => (all, String::new()),
            Tokens::None => return Reply::status("403 Forbidden"),
        };
        multistatus(&format!("{xml}{next}"))
    }

    fn log_from(&self, from: usize, count: usize) -> String {
        let mut xml = String::new();
        for (name, gone) in self.log.iter().skip(from).take(count) {
            if *gone || !self.items.contains_key(name) {
                write!(xml, "<response><href>{FOLDER}{name}</href><status>HTTP/1.1 404 Not Found</status></response>").unwrap();
            } else {
                xml.push_str(&self.members([name].into_iter()));
            }
        }
        xml
    }

    fn bodies(&self, asked: &TestRequest) -> Reply {
        let most = match self.multiget {
            Multiget::Works => usize::MAX,
            Multiget::Capped(most) => most,
            Multiget::Status(status) => return Reply::status(status),
            Multiget::Broken => {
                return Reply::multistatus("<multistatus xmlns=\"DAV:\"><response>&oops");
            }
        };
        let mut xml = String::new();
        let names = asked.body.split("<d:href>").skip(1);
        let names = names.map(|rest| {
            rest.split('<')
                .next()
                .unwrap()
                .strip_prefix(self.spelt)
                .unwrap()
        });
        // In another order than asked, as servers do.
        for name in names.collect::<Vec<_>>().into_iter().rev().take(most) {
            if let (Some((_, body)), None) = (self.items.get(name), self.bad.get(name)) {
                write!(
                    xml,
                    "<response><href>{}{name}</href><propstat><prop><C:calendar-data>{body}</C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat></response>",
                    self.spelt
                )
                .unwrap();
            }
        }
        multistatus(&xml)
    }
}

fn multistatus(inner: &str) -> Reply {
    Reply::multistatus(&format!(
        "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:S=\"http://calendarserver.org/ns/\">{inner}</multistatus>"
    ))
}

struct World {
    fake: Arc<Mutex<Fake>>,
    host: TestHost,
    client: FeedClient,
    held: Held,
    /// Of the last pull.
    missing: Vec<String>,
    now: UnixTime,
}

impl World {
    /// A calendar with the events 0 to 9, pulled once.
    async fn start(fake: Fake) -> Self {
        let mut world = Self::untouched(fake).await;
        for at in 0..10 {
            world
                .fake
                .lock()
                .unwrap()
                .put(&format!("{at}.ics"), &format!("Event {at}"));
        }
        assert_eq!(world.pull().await, (10, 0));
        world
    }

    async fn untouched(fake: Fake) -> Self {
        let fake = Arc::new(Mutex::new(fake));
        let answering = Arc::clone(&fake);
        let host = TestHost::start(move |asked| answering.lock().unwrap().answer(asked)).await;
        let client = FeedClient::new(&caldav(&host.url(FOLDER)), &Network::new()).unwrap();
        Self {
            fake,
            host,
            client,
            held: Held::default(),
            missing: Vec::new(),
            now: NOW,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Fake)) {
        change(&mut self.fake.lock().unwrap());
    }

    /// Pulls and keeps: how many came, how many went. The calendar is then held
    /// as it is at the server.
    async fn pull(&mut self) -> (usize, usize) {
        let counts = self.try_pull().await.unwrap();
        let mut held: Vec<(String, String)> = Vec::new();
        for item in &self.held.items {
            held.push((
                item.href.clone(),
                String::from_utf8(item.body.to_vec()).unwrap(),
            ));
        }
        held.sort();
        let fake = self.fake.lock().unwrap();
        let there: Vec<(String, String)> = fake
            .items
            .iter()
            .filter(|(name, _)| !fake.bad.contains_key(*name))
            .map(|(name, (_, body))| (name.clone(), body.clone()))
            .collect();
        assert_eq!(held, there);
        counts
    }

    async fn try_pull(&mut self) -> Result<(usize, usize), PullError> {
        let pulled = self.client.pull(&self.held, self.now).await?;
        let counts = match &pulled {
            Pulled::Unchanged { .. } => (0, 0),
            Pulled::Changed { items, removed, .. } => (items.len(), removed.len()),
        };
        self.missing = missing(&pulled).to_vec();
        self.held = keep(std::mem::take(&mut self.held), pulled);
        Ok(counts)
    }

    /// What was asked since the last time, in a word each.
    fn requests(&self) -> Vec<&'static str> {
        self.host
            .requests()
            .iter()
            .map(|asked| match asked.method.as_str() {
                "PROPFIND" if asked.header("depth") == Some("0") => "marks",
                "PROPFIND" => "list",
                "GET" => "get",
                _ if asked.body.contains("sync-collection") => "changes",
                _ if asked.body.contains("calendar-multiget") => "bodies",
                _ => "query",
            })
            .collect()
    }
}

fn caldav(address: &str) -> Feed {
    feed(Source::CalDav {
        url: FeedUrl::parse(address).unwrap().0,
        login: Login::None,
        calendar: None,
    })
}

fn missing(pulled: &Pulled) -> &[String] {
    match pulled {
        Pulled::Unchanged { missing, .. } | Pulled::Changed { missing, .. } => missing,
    }
}

#[tokio::test]
async fn an_unchanged_calendar_costs_one_small_request() {
    for tokens in [Tokens::Kept, Tokens::None] {
        let mut world = World::start(Fake {
            tokens,
            ..Fake::default()
        })
        .await;
        world.requests();
        assert_eq!(world.pull().await, (0, 0));
        assert_eq!(world.requests(), ["marks"]);
    }
}

/// Rules 3 and 4: whatever a server does with a token, one pull later podcal
/// holds what the server holds.
#[tokio::test]
async fn changes_arrive_with_one_pull_whatever_the_token_does() {
    for tokens in [
        Tokens::Kept,
        Tokens::Paged,
        Tokens::Refused("403 Forbidden"),
        Tokens::Refused("412 Precondition Failed"),
        Tokens::Refused("400 Bad Request"),
        Tokens::Refused("409 Conflict"),
        Tokens::Refused("410 Gone"),
        Tokens::Refused("507 Insufficient Storage"),
        Tokens::Refused("501 Not Implemented"),
        Tokens::Everything,
        Tokens::Nothing,
        Tokens::Query,
        Tokens::None,
    ] {
        for marks in [Marks::CTag, Marks::Restless, Marks::None] {
            if tokens == Tokens::Nothing && marks == Marks::None {
                // Nothing tells, before the daily comparison.
                continue;
            }
            let mut world = World::start(Fake {
                tokens,
                marks,
                ..Fake::default()
            })
            .await;
            world.change(|fake| fake.put("3.ics", "Changed"));
            assert_eq!(world.pull().await, (1, 0));
            world.change(|fake| {
                fake.delete("4.ics");
                fake.delete("5.ics");
                fake.put("new.ics", "New");
                fake.put("brief.ics", "Brief");
                fake.delete("brief.ics");
            });
            assert_eq!(world.pull().await, (1, 2));
            world.change(|fake| fake.delete("0.ics"));
            assert_eq!(world.pull().await, (0, 1));
            assert_eq!(world.pull().await, (0, 0));
        }
    }
}

#[tokio::test]
async fn an_increment_fetches_what_changed_and_no_list() {
    let mut world = World::start(Fake::default()).await;
    world.change(|fake| fake.put("3.ics", "Changed"));
    world.requests();
    world.pull().await;
    assert_eq!(world.requests(), ["marks", "changes", "bodies"]);
}

#[tokio::test]
async fn a_report_that_never_works_is_not_tried_for_ever() {
    let tokens = Tokens::Refused("501 Not Implemented");
    let mut world = World::start(Fake {
        tokens,
        ..Fake::default()
    })
    .await;
    for at in 0..4 {
        world.change(|fake| fake.put("3.ics", &format!("Changed {at}")));
        world.requests();
        world.pull().await;
    }
    assert_eq!(world.requests(), ["marks", "list", "bodies"]);
}

#[tokio::test]
async fn a_ctag_that_always_moves_is_soon_seen_through() {
    let mut world = World::start(Fake {
        marks: Marks::Restless,
        ..Fake::default()
    })
    .await;
    for _ in 0..4 {
        assert_eq!(world.pull().await, (0, 0));
    }
    world.requests();
    assert_eq!(world.pull().await, (0, 0));
    assert_eq!(world.requests(), ["marks", "changes"]);
}

#[tokio::test]
async fn once_a_day_everything_is_compared() {
    let mut world = World::start(Fake {
        tokens: Tokens::Nothing,
        ..Fake::default()
    })
    .await;
    // Deleted behind the back of ctag and token, as after a restored backup.
    world.change(|fake| {
        fake.items.remove("7.ics");
    });
    let forgotten = world.try_pull().await.unwrap();
    assert_eq!(forgotten, (0, 0), "nothing tells of it");
    world.now = world.now.plus(Duration::from_secs(24 * 3600));
    assert_eq!(world.pull().await, (0, 1));
    // A clock that was set back makes a comparison due as well.
    world.change(|fake| {
        fake.items.remove("8.ics");
    });
    world.now = NOW;
    assert_eq!(world.pull().await, (0, 1));
}

/// Rule 5: what a multiget leaves out is asked for one by one.
#[tokio::test]
async fn events_come_however_multiget_fails() {
    for multiget in [
        Multiget::Capped(3),
        Multiget::Capped(0),
        Multiget::Status("404 Not Found"),
        Multiget::Status("403 Forbidden"),
        Multiget::Status("500 Internal Server Error"),
        Multiget::Status("501 Not Implemented"),
        Multiget::Broken,
    ] {
        let mut world = World::start(Fake {
            multiget,
            ..Fake::default()
        })
        .await;
        world.change(|fake| fake.put("3.ics", "Changed"));
        assert_eq!(world.pull().await, (1, 0));
    }
}

#[tokio::test]
async fn a_chunk_is_fifty_events() {
    let mut world = World::untouched(Fake::default()).await;
    for at in 0..120 {
        world.change(|fake| fake.put(&format!("{at}.ics"), "Event"));
    }
    assert_eq!(world.pull().await, (120, 0));
    let asked = world.requests();
    assert_eq!(
        asked.iter().filter(|word| **word == "bodies").count(),
        3,
        "{asked:?}"
    );
}

/// Rule 5 again: Google lists events that are not there.
#[tokio::test]
async fn an_event_that_is_listed_but_not_there_is_left_out() {
    let mut world = World::start(Fake::default()).await;
    world.change(|fake| {
        fake.put("ghost.ics", "Ghost");
        fake.bad.insert("ghost.ics".to_owned(), "404 Not Found");
    });
    assert_eq!(world.pull().await, (0, 0));
    world.change(|fake| fake.put("3.ics", "Changed"));
    assert_eq!(world.pull().await, (1, 0));
}

#[tokio::test]
async fn one_event_that_cannot_be_read_costs_nobody_else_and_is_tried_again() {
    let mut world = World::start(Fake::default()).await;
    world.change(|fake| {
        fake.put("3.ics", "Changed");
        fake.put("new.ics", "New");
        fake.bad
            .insert("3.ics".to_owned(), "500 Internal Server Error");
    });
    assert_eq!(world.try_pull().await.unwrap(), (1, 0));
    assert_eq!(world.held.items.len(), 11, "what is held of it stays");
    assert_eq!(world.missing, ["3.ics"]);
    // Said as long as it lasts, whether or not something else changes.
    assert_eq!(world.try_pull().await.unwrap(), (0, 0));
    assert_eq!(world.missing, ["3.ics"]);
    world.change(|fake| fake.bad.clear());
    assert_eq!(world.pull().await, (1, 0), "without any new change");
    assert_eq!(world.pull().await, (0, 0));
}

#[tokio::test]
async fn a_calendar_of_which_nothing_can_be_read_is_an_error() {
    let mut world = World::untouched(Fake::default()).await;
    for at in 0..8 {
        let name = format!("{at}.ics");
        world.change(|fake| {
            fake.put(&name, "Event");
            fake.bad.insert(name.clone(), "500 Internal Server Error");
        });
    }
    let error = world.try_pull().await.unwrap_err();
    assert_eq!(error.kind(), "incomplete");
    assert!(error.is_passing());
}

/// Rule 7: without entity tags the bodies are compared.
#[tokio::test]
async fn events_without_tags_are_compared_by_their_text() {
    for marks in [Marks::CTag, Marks::None] {
        let mut world = World::start(Fake {
            etags: false,
            marks,
            tokens: Tokens::None,
            ..Fake::default()
        })
        .await;
        assert_eq!(world.pull().await, (0, 0));
        world.change(|fake| {
            fake.put("3.ics", "Changed");
            fake.delete("4.ics");
        });
        assert_eq!(world.pull().await, (1, 1));
    }
}

/// Rule 8: after the list, a query.
#[tokio::test]
async fn a_server_without_a_list_is_queried() {
    let mut world = World::start(Fake {
        lists: false,
        tokens: Tokens::None,
        ..Fake::default()
    })
    .await;
    world.change(|fake| fake.delete("4.ics"));
    world.requests();
    assert_eq!(world.pull().await, (0, 1));
    assert_eq!(world.requests(), ["marks", "list", "query"]);
}

#[tokio::test]
async fn nothing_is_lost_when_an_answer_fails_on_the_way() {
    let count = Arc::new(Mutex::new(Fake::default()));
    for at in 0..10 {
        count.lock().unwrap().put(&format!("{at}.ics"), "Event");
    }
    // The first pull works; then each kind of request fails in turn, with the
    // calendar changed, and must leave what is held as it is.
    for failing in ["PROPFIND", "sync-collection", "calendar-multiget"] {
        for status in [
            "401 Unauthorized",
            "429 Too Many Requests",
            "503 Service Unavailable",
        ] {
            let fake = Arc::clone(&count);
            let broken = Arc::new(Mutex::new(false));
            let breaks = Arc::clone(&broken);
            let host = TestHost::start(move |asked| {
                let hit = asked.method == failing || asked.body.contains(failing);
                if hit && *breaks.lock().unwrap() {
                    return Reply::status(status);
                }
                fake.lock().unwrap().answer(asked)
            })
            .await;
            let client = FeedClient::new(&caldav(&host.url(FOLDER)), &Network::new()).unwrap();
            let held = keep(
                Held::default(),
                client.pull(&Held::default(), NOW).await.unwrap(),
            );
            assert_eq!(held.items.len(), 10);
            *broken.lock().unwrap() = true;
            count.lock().unwrap().put("3.ics", "Changed");
            let error = client.pull(&held, NOW).await.unwrap_err();
            assert!(error.to_string().contains(status), "{failing}: {error}");
        }
    }
}

/// Rule 9: a login page is no empty calendar, nor is half an answer.
#[tokio::test]
async fn what_is_not_dav_is_said_so() {
    let page = "<!DOCTYPE html><html><body>Secret text</body></html>";
    let half = "<multistatus xmlns=\"DAV:\"><response><href>/dav";
    for (reply, kind) in [
        (
            Reply::with("200 OK", &["Content-Type: text/html"], page),
            "not_dav",
        ),
        (Reply::status("405 Method Not Allowed"), "not_dav"),
        (Reply::status("501 Not Implemented"), "not_dav"),
        (Reply::multistatus(page), "bad_xml"),
        (Reply::multistatus(half), "bad_xml"),
        (Reply::status("404 Not Found"), "gone"),
        (Reply::status("500 Internal Server Error"), "server_error"),
        (Reply::status("401 Unauthorized"), "auth"),
        (
            Reply::raw("HTTP/1.1 207 Multi-Status\r\nContent-Length: 900\r\n\r\n<multi"),
            "cut_off",
        ),
    ] {
        let host = TestHost::start(move |_| reply.clone()).await;
        let client = FeedClient::new(&caldav(&host.url(FOLDER)), &Network::new()).unwrap();
        let error = client.pull(&Held::default(), NOW).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!format!("{error} {error:?}").contains("Secret"));
    }
}

#[tokio::test]
async fn a_calendar_that_is_gone_is_not_replaced_by_another() {
    let fake = Mutex::new(Fake::default());
    fake.lock().unwrap().put("a.ics", "Event");
    let is_gone = Arc::new(Mutex::new(false));
    let goes = Arc::clone(&is_gone);
    let host = TestHost::start(move |asked| {
        if asked.path == FOLDER && *goes.lock().unwrap() {
            Reply::status("404 Not Found")
        } else {
            // Discovery would find a calendar here.
            fake.lock().unwrap().answer(asked)
        }
    })
    .await;
    let client = FeedClient::new(&caldav(&host.url(FOLDER)), &Network::new()).unwrap();
    let held = keep(
        Held::default(),
        client.pull(&Held::default(), NOW).await.unwrap(),
    );
    *is_gone.lock().unwrap() = true;
    for held in [held, Held::default()] {
        let error = client.pull(&held, NOW).await.unwrap_err();
        assert_eq!(error.kind(), "gone");
    }
}

/// sabre/dav counts its CTag from one for each calendar, SOGo the tags of its events.
#[tokio::test]
async fn a_calendar_made_anew_with_the_same_marks_is_read_whole() {
    let mut world = World::start(Fake::default()).await;
    world.change(|fake| fake.is_gone = true);
    assert_eq!(world.try_pull().await.unwrap_err().kind(), "gone");
    world.change(|fake| {
        fake.is_gone = false;
        let items = std::mem::take(&mut fake.items);
        fake.log.clear();
        for name in items.keys() {
            fake.put(name, "Another");
        }
    });
    assert_eq!(world.pull().await, (10, 0));
    assert_eq!(world.pull().await, (0, 0));
}

/// A host that leads from its root to the calendar.
async fn with_discovery(fake: &Arc<Mutex<Fake>>) -> TestHost {
    let answering = Arc::clone(fake);
    let place = |href: &str, properties: &str| {
        multistatus(&format!(
            "<response><href>{href}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
        ))
    };
    TestHost::start(move |asked| match asked.path.as_str() {
        "/" => place(
            "/",
            "<C:calendar-home-set><href>/dav/</href></C:calendar-home-set>",
        ),
        "/dav/" => place(
            FOLDER,
            "<resourcetype><C:calendar/></resourcetype><displayname>Aurora</displayname>",
        ),
        _ => answering.lock().unwrap().answer(asked),
    })
    .await
}

/// What is printed while looking for a fault names no address.
#[test]
fn nothing_prints_an_address_by_accident() {
    let xml = "<multistatus xmlns=\"DAV:\"><response><href>/s3cret/a.ics</href><propstat><prop><displayname>s3cret</displayname></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let answer = dav_xml::read(xml.as_bytes()).unwrap();
    let response = answer.responses[0].clone();
    let url = FeedUrl::parse("https://dav.example.com/s3cret/").unwrap().0;
    let member = member::Folder::of(&url).member(response.href.clone());
    let calendar = discover::Calendar {
        url,
        name: "s3cret".to_owned(),
    };
    let printed = format!(
        "{answer:?} {response:?} {:?} {member:?} {calendar:?}",
        response.properties
    );
    assert!(member.is_some() && !printed.contains("s3cret"), "{printed}");
}

/// An address may be a secret, and the ledger holds none.
#[tokio::test]
async fn the_address_of_a_calendar_is_not_kept() {
    let fake = Arc::new(Mutex::new(Fake::default()));
    fake.lock().unwrap().put("a.ics", "Event");
    let host = with_discovery(&fake).await;
    let client = || FeedClient::new(&caldav(&host.url("/")), &Network::new()).unwrap();
    let first = client();
    let held = keep(
        Held::default(),
        first.pull(&Held::default(), NOW).await.unwrap(),
    );
    let state = held.state.0.clone().unwrap();
    assert!(
        !state.contains("dav") && !state.contains("127.0.0.1"),
        "{state}"
    );
    let lists = |host: &TestHost| {
        let asked = host.requests();
        let lists = asked.iter().filter(|asked| {
            asked.path == FOLDER && asked.method == "PROPFIND" && asked.header("depth") == Some("1")
        });
        (asked.len(), lists.count())
    };
    lists(&host);
    let same = first.pull(&held, NOW).await.unwrap();
    assert!(matches!(same, Pulled::Unchanged { .. }));
    assert_eq!(lists(&host), (1, 0), "the process remembers it");
    // After a restart it is looked for, and what was known of it counts.
    let pulled = client().pull(&held, NOW).await.unwrap();
    assert!(matches!(pulled, Pulled::Unchanged { .. }));
    let (count, listed) = lists(&host);
    assert!(count > 1 && listed == 0);
    // A ledger of an older podcal holds the address, until the next pull.
    let mut older: serde_json::Value = serde_json::from_str(&state).unwrap();
    older.as_object_mut().unwrap().remove("calendar").unwrap();
    older["url"] = host.url(FOLDER).into();
    let mut held = held;
    held.state = FeedState(Some(older.to_string()));
    let pulled = client().pull(&held, NOW).await.unwrap();
    assert_eq!(lists(&host), (1, 0), "known from the older state");
    let Pulled::Unchanged { state, .. } = pulled else {
        panic!("nothing changed");
    };
    let state = state.0.unwrap();
    assert!(!state.contains("dav"), "{state}");
    // At another address, what bears the same tag is something else.
    let mut moved: serde_json::Value = serde_json::from_str(&state).unwrap();
    moved["calendar"] = "of another address".into();
    held.state = FeedState(Some(moved.to_string()));
    let pulled = client().pull(&held, NOW).await.unwrap();
    assert!(matches!(pulled, Pulled::Changed { .. }));
}

#[tokio::test]
async fn every_request_has_what_servers_insist_on() {
    let mut world = World::start(Fake {
        multiget: Multiget::Capped(2),
        ..Fake::default()
    })
    .await;
    world.change(|fake| fake.put("3.ics", "Changed"));
    world.pull().await;
    for asked in world.host.requests() {
        assert_eq!(asked.header("accept-encoding"), Some("gzip"));
        assert!(asked.header("expect").is_none());
        if asked.method != "GET" {
            assert!(asked.header("depth").is_some());
            assert_eq!(
                asked.header("content-type"),
                Some("application/xml; charset=utf-8")
            );
        }
    }
}

#[tokio::test]
async fn redirects_keep_the_method_and_the_body() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let fake = Mutex::new(Fake::default());
        fake.lock().unwrap().put("a.ics", "Event");
        let host = TestHost::start(move |asked| match asked.path.strip_prefix("/old") {
            Some(rest) => Reply::with(status, &[&format!("Location: /dav{rest}")], ""),
            None => fake.lock().unwrap().answer(asked),
        })
        .await;
        let client = FeedClient::new(&caldav(&host.url("/old/room/")), &Network::new()).unwrap();
        let held = keep(
            Held::default(),
            client.pull(&Held::default(), NOW).await.unwrap(),
        );
        assert_eq!(held.items.len(), 1);
        let asked = host.requests();
        assert_eq!(asked[1].method, "PROPFIND");
        assert_eq!(asked[0].body, asked[1].body);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_once_more() {
    let fake = Mutex::new(Fake::default());
    fake.lock().unwrap().put("a.ics", "Event");
    let seen = Mutex::new(0);
    let host = TestHost::start(move |asked| {
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        if *seen % 2 == 1 {
            Reply::raw("")
        } else {
            fake.lock().unwrap().answer(asked)
        }
    })
    .await;
    let client = FeedClient::new(&caldav(&host.url(FOLDER)), &Network::new()).unwrap();
    assert!(client.pull(&Held::default(), NOW).await.is_ok());
}

#[tokio::test]
async fn a_calendar_too_large_is_refused() {
    let mut world = World::untouched(Fake::default()).await;
    for at in 0..3 {
        world.change(|fake| fake.put(&format!("{at}.ics"), &"x".repeat(40_000)));
    }
    // One at a time is within the limit of 100,000 bytes, all together are not.
    world.change(|fake| fake.multiget = Multiget::Broken);
    assert_eq!(world.try_pull().await.unwrap_err().kind(), "too_large");
}

/// SOGo: a change within the second of the last pull moves no mark.
#[tokio::test]
async fn a_change_within_the_tick_of_a_clock_is_seen() {
    let tokens = Tokens::Clock;
    for (tokens, marks) in [
        (tokens, Marks::Clock),
        (Tokens::None, Marks::Clock),
        (tokens, Marks::None),
    ] {
        let mut world = World::start(Fake {
            tokens,
            marks,
            ..Fake::default()
        })
        .await;
        // `pull` checks that what is held then is what is there; more may have come.
        let change_and_pull = async |world: &mut World, title: &str| {
            world.change(|fake| fake.put("3.ics", title));
            assert!(world.pull().await.0 >= 1, "{title}");
        };
        change_and_pull(&mut world, "Same second").await;
        change_and_pull(&mut world, "Once more").await;
        // Two seconds later one change is made before a pull and one after it.
        world.change(|fake| fake.clock += 2);
        world.now = world.now.plus(Duration::from_secs(2));
        change_and_pull(&mut world, "Before").await;
        change_and_pull(&mut world, "After").await;
        // Deleted and made anew under the tag of the old one, a version counter: some
        // seconds later, and then within one second.
        if tokens == Tokens::Clock {
            for (seconds, title) in [(2, "Anew"), (0, "Anew again"), (0, "And again")] {
                world.change(|fake| {
                    fake.clock += seconds;
                    let (version, _) = fake.items["3.ics"];
                    fake.delete("3.ics");
                    fake.put("3.ics", title);
                    fake.items.get_mut("3.ics").unwrap().0 = version;
                });
                assert!(world.pull().await.0 >= 1, "{title}");
            }
        }
        // When the mark is old enough, one small request tells.
        world.now = world.now.plus(Duration::from_secs(600));
        world.pull().await;
        world.requests();
        if marks == Marks::Clock {
            assert_eq!(world.pull().await, (0, 0));
            assert_eq!(world.requests(), ["marks"]);
        }
    }
}

#[tokio::test]
async fn hrefs_of_an_internal_host_are_taken_as_paths() {
    for spelt in [
        "https://dav.example.com/dav/room/",
        "http://backend.internal:5232/dav/room/",
        "http://127.0.0.1:1/dav/room/",
    ] {
        for multiget in [Multiget::Works, Multiget::Status("501 Not Implemented")] {
            let mut world = World::start(Fake {
                spelt,
                multiget,
                ..Fake::default()
            })
            .await;
            world.change(|fake| fake.put("3.ics", "Changed"));
            assert_eq!(world.pull().await, (1, 0), "{spelt}");
        }
    }
}

#[tokio::test]
async fn hrefs_without_the_path_of_a_proxy_are_said_so() {
    for (address, spelt) in [("/prefix/dav/room/", "/dav/room/"), ("/prefix/", "/")] {
        let mut fake = Fake {
            spelt,
            ..Fake::default()
        };
        fake.put("a.ics", "Event");
        let fake = Mutex::new(fake);
        let host = TestHost::start(move |asked| fake.lock().unwrap().answer(asked)).await;
        let client = FeedClient::new(&caldav(&host.url(address)), &Network::new()).unwrap();
        let error = client.pull(&Held::default(), NOW).await.unwrap_err();
        assert_eq!(error.kind, PullErrorKind::ProxyPath, "{error}");
        assert!(!error.to_string().contains("prefix"), "{error}");
    }
}

#[tokio::test]
async fn many_members_that_cannot_be_had_make_a_reading_partial() {
    let mut world = World::start(Fake::default()).await;
    world.change(|fake| {
        for at in 0..100 {
            let name = format!("new-{at}.ics");
            fake.put(&name, "New");
            if at % 2 == 0 {
                fake.bad.insert(name, "500 Internal Server Error");
            }
        }
    });
    assert_eq!(world.pull().await, (50, 0));
    assert_eq!(world.missing.len(), 50);
    // A server that fails at all of them is not asked for each.
    world.change(|fake| {
        let names: Vec<String> = fake.items.keys().cloned().collect();
        for name in names.iter().filter(|name| name.starts_with("new")) {
            fake.put(name, "Changed");
            fake.bad.insert(name.clone(), "502 Bad Gateway");
        }
    });
    world.requests();
    assert_eq!(world.try_pull().await.unwrap(), (0, 0));
    assert_eq!(world.missing.len(), 100);
    let gets = world.requests().into_iter().filter(|asked| *asked == "get");
    assert!(gets.count() < 40);
    world.change(|fake| fake.bad.clear());
    assert_eq!(world.pull().await, (100, 0));
    assert!(world.missing.is_empty());
}

/// One event for which the server hangs must not cost the room all others.
#[tokio::test]
async fn a_member_that_never_comes_is_missing() {
    let fake = Arc::new(Mutex::new(Fake::default()));
    for at in 0..5 {
        fake.lock().unwrap().put(&format!("{at}.ics"), "Event");
    }
    let answering = Arc::clone(&fake);
    let host = TestHost::start(move |asked| {
        if asked.path.ends_with("/3.ics") || asked.body.contains("/3.ics") {
            return Reply::raw("").then_hang();
        }
        answering.lock().unwrap().answer(asked)
    })
    .await;
    let mut feed = caldav(&host.url(FOLDER));
    feed.timeout = Duration::from_millis(200);
    let client = FeedClient::new(&feed, &Network::new()).unwrap();
    let pulled = client.pull(&Held::default(), NOW).await.unwrap();
    assert_eq!(missing(&pulled), ["3.ics"]);
    assert!(matches!(&pulled, Pulled::Changed { items, .. } if items.len() == 4));
}
