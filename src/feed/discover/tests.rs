//! Finding a calendar on servers laid out like the real ones.

use super::*;
use crate::config::{Login, Source};
use crate::feed::error::LoginUsed;
use crate::feed::exchange::Exchange;
use crate::feed::inspect::{Inspection, inspect};
use crate::feed::testhost::{Reply, TestHost, TestRequest};
use crate::feed::tests::{NOW, feed};
use crate::feed::{FeedClient, Network};
use crate::model::item::{Held, Pulled};
use crate::model::secret::Secret;

/// A PROPFIND answer: what is said of each place, `Depth: 0` brings the first.
fn places(asked: &TestRequest, places: &[(&str, &str)]) -> Reply {
    let zero = asked.header("depth") == Some("0");
    let shown = if zero { 1 } else { places.len() };
    let inner: String = places
        .iter()
        .take(shown)
        .map(|(href, properties)| {
            format!(
                "<response><href>{href}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
            )
        })
        .collect();
    Reply::multistatus(&format!(
        "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:N=\"http://nextcloud.com/ns\">{inner}</multistatus>"
    ))
}

const FOLDER: &str = "<resourcetype><collection/></resourcetype>";
const CALENDAR: &str = "<resourcetype><collection/><C:calendar/></resourcetype>";

async fn discovered(
    address: &str,
    wanted: Option<&str>,
    password: Option<&str>,
) -> Result<Calendar, PullError> {
    let (url, _) = FeedUrl::parse(address).unwrap();
    let login = password.map_or(Login::None, |password| Login::Password {
        username: "room".to_owned(),
        password: Secret::new(password),
    });
    let feed = feed(Source::CalDav {
        url: url.clone(),
        login,
        calendar: None,
    });
    let client = FeedClient::new(&feed, &Network::new()).unwrap();
    let exchange = Exchange::new(client.settings.as_ref().unwrap(), NOW);
    find(
        &Dav {
            exchange: &exchange,
        },
        &url,
        wanted,
    )
    .await
}

/// A web site at the root, the well-known address leading elsewhere, and a home
/// with task lists, an inbox and a trash bin beside the calendars.
fn nextcloud(asked: &TestRequest) -> Reply {
    let named =
        |name: &str, more: &str| format!("{CALENDAR}<displayname>{name}</displayname>{more}");
    let events = "<C:supported-calendar-component-set><C:comp name=\"VEVENT\"/></C:supported-calendar-component-set>";
    let tasks = "<C:supported-calendar-component-set><C:comp name=\"VTODO\"/></C:supported-calendar-component-set>";
    let deleted = "<resourcetype><collection/><C:calendar/><N:deleted-calendar/></resourcetype>";
    match asked.path.as_str() {
        "/.well-known/caldav" => Reply::redirect("/remote.php/dav/"),
        "/remote.php/dav/" => places(
            asked,
            &[(
                "/remote.php/dav/",
                &format!(
                    "{FOLDER}<current-user-principal><href>/remote.php/dav/principals/users/room/</href></current-user-principal>"
                ),
            )],
        ),
        "/remote.php/dav/principals/users/room/" => places(
            asked,
            &[(
                "/remote.php/dav/principals/users/room/",
                "<C:calendar-home-set><href>/remote.php/dav/calendars/room/</href></C:calendar-home-set>",
            )],
        ),
        "/remote.php/dav/calendars/room/" => places(
            asked,
            &[
                ("/remote.php/dav/calendars/room/", FOLDER),
                (
                    "/remote.php/dav/calendars/room/inbox/",
                    "<resourcetype><collection/><C:schedule-inbox/></resourcetype>",
                ),
                (
                    "/remote.php/dav/calendars/room/aurora/",
                    &named("Aurora", events),
                ),
                (
                    "/remote.php/dav/calendars/room/todo/",
                    &named("To do", tasks),
                ),
                (
                    "/remote.php/dav/calendars/room/old/",
                    &format!("{deleted}<displayname>Aurora</displayname>"),
                ),
                (
                    "/remote.php/dav/calendars/room/aurora.ics",
                    "<resourcetype/>",
                ),
            ],
        ),
        _ => Reply::with(
            "200 OK",
            &["Content-Type: text/html"],
            "<html>Sign in</html>",
        ),
    }
}

#[tokio::test]
async fn the_one_calendar_for_events_is_found_from_the_bare_server() {
    let host = TestHost::start(nextcloud).await;
    for path in [
        "",
        "/",
        "/remote.php/dav",
        "/remote.php/dav/calendars/room/",
        "/index.php/login",
    ] {
        let calendar = discovered(&host.url(path), None, None).await.unwrap();
        assert_eq!(calendar.name, "Aurora", "{path}");
        assert_eq!(
            calendar.url.reveal().path(),
            "/remote.php/dav/calendars/room/aurora/"
        );
    }
}

#[tokio::test]
async fn a_root_that_knows_nothing_of_dav_is_passed_over() {
    for status in [
        "501 Not Implemented",
        "405 Method Not Allowed",
        "404 Not Found",
        "403 Forbidden",
    ] {
        let host = TestHost::start(move |asked| match asked.path.as_str() {
            "/" => Reply::status(status),
            _ => nextcloud(asked),
        })
        .await;
        let calendar = discovered(&host.url("/"), None, None).await.unwrap();
        assert_eq!(calendar.name, "Aurora", "{status}");
    }
}

#[tokio::test]
async fn a_web_site_without_dav_is_said_to_be_one() {
    let page = Reply::with(
        "200 OK",
        &["Content-Type: text/html"],
        "<html>Sign in</html>",
    );
    let host = TestHost::start(move |_| page.clone()).await;
    let error = discovered(&host.url("/"), None, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is not a CalDAV server: it answered an HTML page",
            host.host()
        )
    );
}

/// Fastmail: 401 without the slash at the end.
#[tokio::test]
async fn the_slash_at_the_end_is_added() {
    let host = TestHost::start(|asked| match asked.path.as_str() {
        "/cal/room/" => places(asked, &[("/cal/room/", CALENDAR)]),
        _ => Reply::status("401 Unauthorized"),
    })
    .await;
    let calendar = discovered(&host.url("/cal/room"), None, Some("x"))
        .await
        .unwrap();
    assert_eq!(calendar.name, "room");
}

/// SOGo knows its calendars without the slash, and answers so.
#[tokio::test]
async fn an_address_that_is_known_only_without_slash_is_used_so() {
    let host = TestHost::start(|asked| match asked.path.as_str() {
        "/cal/room" => places(asked, &[("/cal/room", CALENDAR)]),
        _ => Reply::status("404 Not Found"),
    })
    .await;
    let calendar = discovered(&host.url("/cal/room"), None, None)
        .await
        .unwrap();
    assert_eq!(calendar.url.reveal().path(), "/cal/room");
}

/// DavMail: the home is the main calendar; others lie in it.
#[tokio::test]
async fn a_home_that_is_a_calendar_is_one_unless_another_is_named() {
    let home = format!("{CALENDAR}<displayname>Main</displayname>");
    let other = format!("{CALENDAR}<displayname>Side\u{7}room</displayname>");
    let host = TestHost::start(move |asked| {
        places(
            asked,
            &[("/users/room/", &home), ("/users/room/side/", &other)],
        )
    })
    .await;
    let address = host.url("/users/room/");
    let main = discovered(&address, None, None).await.unwrap();
    assert_eq!(main.name, "Main");
    let side = discovered(&address, Some("side room"), None).await.unwrap();
    assert_eq!(side.url.reveal().path(), "/users/room/side/");
    assert_eq!(side.name, "Side room", "fit for a line of text");
}

/// iCloud names a home on another host: followed, but with the login only where
/// both are reached over https.
#[tokio::test]
async fn a_login_is_not_sent_to_a_host_that_was_named_in_clear() {
    let other = TestHost::start(|asked| match asked.header("authorization") {
        None => Reply::with("401 Unauthorized", &["WWW-Authenticate: Basic"], ""),
        Some(_) => places(asked, &[("/1/calendars/", CALENDAR)]),
    })
    .await;
    let home = other.url("/1/calendars/");
    let host = TestHost::start(move |asked| {
        let home_set = format!("<C:calendar-home-set><href>{home}</href></C:calendar-home-set>");
        places(asked, &[("/", &home_set)])
    })
    .await;
    let error = discovered(&host.url("/"), None, Some("hunter2"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.kind,
            PullErrorKind::LoginRejected {
                login: LoginUsed::KeptBack,
                ..
            }
        ) && error.rejection().is_none(),
        "{error}"
    );
    assert!(error.to_string().contains(&other.host()), "{error}");
    let asked = other.requests();
    assert!(!asked.is_empty());
    assert!(
        asked
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );
}

#[tokio::test]
async fn several_calendars_are_listed_for_whoever_has_to_choose() {
    let named = |name: &str| format!("{CALENDAR}<displayname>{name}</displayname>");
    let host = TestHost::start(move |asked| {
        places(
            asked,
            &[
                ("/home/", FOLDER),
                ("/home/a/", &named("Aurora")),
                ("/home/b/", &named("Borealis")),
            ],
        )
    })
    .await;
    let feed = feed(Source::CalDav {
        url: FeedUrl::parse(&host.url("/home/")).unwrap().0,
        login: Login::None,
        calendar: None,
    });
    let Ok(Inspection::CalDav(report)) = inspect(&feed, &Network::new(), NOW).await else {
        panic!("no report");
    };
    let addresses: Vec<&str> = report
        .others
        .iter()
        .map(|place| place.address.as_str())
        .collect();
    assert_eq!(addresses, [host.url("/home/a/"), host.url("/home/b/")]);
    let error = report.trouble.unwrap();
    assert!(
        error.to_string().ends_with(": `Aurora`, `Borealis`"),
        "the error itself names no address: {error}"
    );
}

#[tokio::test]
async fn a_room_that_answered_once_is_not_emptied_by_a_login_page() {
    let signed_out = std::sync::Arc::new(std::sync::Mutex::new(false));
    let out = std::sync::Arc::clone(&signed_out);
    let event = format!("{CALENDAR}<getetag>\"1\"</getetag>");
    let host = TestHost::start(move |asked| {
        if *out.lock().unwrap() {
            return Reply::with(
                "200 OK",
                &["Content-Type: text/html"],
                "<html>Sign in</html>",
            );
        }
        match asked.path.as_str() {
            "/cal/a.ics" => Reply::ok("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
            _ => places(
                asked,
                &[
                    ("/cal/", &event),
                    ("/cal/a.ics", "<getetag>\"1\"</getetag>"),
                ],
            ),
        }
    })
    .await;
    let feed = feed(Source::CalDav {
        url: FeedUrl::parse(&host.url("/cal/")).unwrap().0,
        login: Login::None,
        calendar: None,
    });
    let client = FeedClient::new(&feed, &Network::new()).unwrap();
    let Pulled::Changed { items, state, .. } = client.pull(&Held::default(), NOW).await.unwrap()
    else {
        panic!("nothing came");
    };
    assert_eq!(items.len(), 1);
    *signed_out.lock().unwrap() = true;
    let error = client.pull(&Held { items, state }, NOW).await.unwrap_err();
    assert_eq!(error.kind(), "not_dav");
}

#[test]
fn a_home_may_be_on_another_host_and_a_child_may_not() {
    let feed = feed(Source::CalDav {
        url: FeedUrl::parse("https://dav.example.com/dav/").unwrap().0,
        login: Login::None,
        calendar: None,
    });
    let client = FeedClient::new(&feed, &Network::new()).unwrap();
    let exchange = Exchange::new(client.settings.as_ref().unwrap(), NOW);
    let dav = Dav {
        exchange: &exchange,
    };
    let page = Page {
        multistatus: dav_xml::Multistatus::default(),
        url: FeedUrl::parse("https://dav.example.com/dav/").unwrap().0,
        headers: hyper::header::HeaderMap::new(),
        weight: exchange.weight(),
    };
    let folder = Folder::of(&page.url);
    for (href, as_home, as_child) in [
        (
            "/dav/1/",
            "dav.example.com/dav/1/",
            "dav.example.com/dav/1/",
        ),
        (
            "https://p12.example.com/dav/1/",
            "p12.example.com/dav/1/",
            "dav.example.com/dav/1/",
        ),
        (
            "https://p12.example.com/1/",
            "p12.example.com/1/",
            "p12.example.com/1/",
        ),
        (
            "https://dav.example.com:8443/dav/1/",
            "dav.example.com/dav/1/",
            "dav.example.com/dav/1/",
        ),
        (
            "http://backend:8080/dav/1/",
            "dav.example.com/dav/1/",
            "dav.example.com/dav/1/",
        ),
        (
            "http://backend:8080/1/",
            "dav.example.com/1/",
            "dav.example.com/1/",
        ),
    ] {
        let shown = |url: Option<FeedUrl>| {
            let url = url.unwrap();
            assert!(url.is_encrypted());
            format!("{}{}", url.host(), url.reveal().path())
        };
        assert_eq!(shown(address(&dav, &page, href)), as_home, "{href}");
        assert_eq!(
            shown(child_address(&dav, &page, &folder, href)),
            as_child,
            "{href}"
        );
    }
}
