//! Answers made to cost more than they weigh: each is refused or read within a
//! second or two on a slow machine, however it is built.

use std::time::Instant;

use super::*;
use crate::feed::inspect::{Inspection, inspect};

const OPEN: &str = "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:S=\"http://calendarserver.org/ns/\">";
const CALENDAR: &str = "<resourcetype><collection/><C:calendar/></resourcetype>";

fn multistatus(inner: &str) -> Reply {
    let text = format!("{OPEN}{inner}</multistatus>");
    let headers = ["Content-Type: text/xml", "Content-Encoding: gzip"];
    Reply::with("207 Multi-Status", &headers, gzip(text.as_bytes()))
}

fn place(href: &str, properties: &str) -> String {
    format!(
        "<response><href>{href}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    )
}

fn caldav(host: &TestHost, path: &str) -> Feed {
    let mut feed = feed(Source::CalDav {
        url: FeedUrl::parse(&host.url(path)).unwrap().0,
        login: Login::None,
        calendar: Some("Room 7".to_owned()),
    });
    feed.max_size = 50_000_000;
    feed.timeout = Duration::from_secs(60);
    feed
}

/// A calendar at `/c/` that answers its list with `list` and a multiget with `bodies`.
async fn calendar(list: Reply, bodies: Reply) -> TestHost {
    TestHost::start(move |asked| match asked.method.as_str() {
        "PROPFIND" if asked.header("depth") == Some("0") => {
            let name = "<displayname>Room 7</displayname><S:getctag>1</S:getctag>";
            multistatus(&place("/c/", &format!("{CALENDAR}{name}")))
        }
        "PROPFIND" => list.clone(),
        "REPORT" => bodies.clone(),
        _ => Reply::status("404 Not Found"),
    })
    .await
}

/// How long the async thread was kept from other work at most, while `work` ran.
async fn longest_stall<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let longest = Arc::new(std::sync::Mutex::new(Duration::ZERO));
    let measured = Arc::clone(&longest);
    let watch = tokio::spawn(async move {
        loop {
            let began = Instant::now();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let took = began.elapsed();
            let mut longest = measured.lock().unwrap();
            *longest = took.max(*longest);
        }
    });
    let result = work.await;
    watch.abort();
    let longest = *longest.lock().unwrap();
    (result, longest)
}

#[tokio::test]
async fn a_hundred_thousand_addresses_in_one_response_cost_little() {
    let hrefs: String = (0..100_000)
        .map(|at| format!("<href>/c/{at}</href>"))
        .collect();
    let name = "x".repeat(60_000);
    let response = format!(
        "<response>{hrefs}<propstat><prop><displayname>{name}</displayname><getetag>1</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    );
    let host = calendar(multistatus(&response), Reply::status("501 Not Implemented")).await;
    let began = Instant::now();
    // All of them are listed and none is there.
    let feed = caldav(&host, "/c/");
    let inspected = inspect(&feed, &Network::new(), NOW).await.unwrap();
    let Inspection::CalDav(report) = inspected else {
        panic!("not CalDAV");
    };
    assert_eq!(report.events, 100_000);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_multiget_that_answers_for_everything_costs_little() {
    let hrefs: String = (0..20_000)
        .map(|at| format!("<href>/c/{at}</href>"))
        .collect();
    let body = format!("BEGIN:VCALENDAR{}END:VCALENDAR", "x".repeat(200_000));
    let bodies = format!(
        "<response>{hrefs}<propstat><prop><C:calendar-data>{body}</C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    );
    let list = place("/c/0", "<getetag>1</getetag>") + &place("/c/1", "<getetag>1</getetag>");
    let host = calendar(multistatus(&list), multistatus(&bodies)).await;
    let client = FeedClient::new(&caldav(&host, "/c/"), &Network::new()).unwrap();
    let pulled = client.pull(&Held::default(), NOW).await.unwrap();
    assert!(matches!(&pulled, Pulled::Changed { items, .. } if items.len() == 1));
}

#[tokio::test]
async fn a_campus_of_calendars_is_searched_in_no_time() {
    let home: String = (0..99_000)
        .map(|at| {
            place(
                &format!("/home/{at}/"),
                &format!("{CALENDAR}<displayname>Room {at}</displayname>"),
            )
        })
        .collect();
    let itself = place("/home/", "<resourcetype><collection/></resourcetype>");
    let all = multistatus(&format!("{itself}{home}"));
    let host = TestHost::start(move |asked| match asked.path.as_str() {
        "/home/" if asked.header("depth") == Some("0") => multistatus(&itself),
        "/home/" => all.clone(),
        _ => multistatus(&place(&asked.path, CALENDAR)),
    })
    .await;
    let client = FeedClient::new(&caldav(&host, "/home/"), &Network::new()).unwrap();
    let began = Instant::now();
    let (pulled, stall) = longest_stall(client.pull(&Held::default(), NOW)).await;
    pulled.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    // Beside the thread's own tests nothing holds it up for long; without
    // optimisation a slice takes some milliseconds.
    assert!(stall < Duration::from_millis(400), "{stall:?}");
}

#[tokio::test]
async fn a_calendar_with_too_many_events_is_refused_by_name() {
    let list: String = (0..100_001)
        .map(|at| place(&format!("/c/{at}"), "<getetag>1</getetag>"))
        .collect();
    let host = calendar(multistatus(&list), Reply::status("501 Not Implemented")).await;
    let client = FeedClient::new(&caldav(&host, "/c/"), &Network::new()).unwrap();
    let error = client.pull(&Held::default(), NOW).await.unwrap_err();
    assert!(
        error.to_string().contains("more than 100000 events"),
        "{error}"
    );
}
