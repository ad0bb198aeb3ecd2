//! The texts of the commands that read: status, agenda, explain, history, expand.

use std::fs;

use podcal::sim::feedhost::FeedFault;
use podcal::sim::{CalendarMode, Fault};

use super::record::{Texts, at, meeting, zone};
use super::{building, in_step, meetings, moved_meetings, troubled};
use crate::support::{World, broken, calendar};

fn rfc3339(days: i64, time: &str) -> String {
    let time = jiff::Timestamp::from_second(at(days, time)).unwrap();
    time.to_string()
}

#[tokio::test]
async fn status() {
    let mut texts = Texts::of("status", building().await.room("oak", &meetings()).await);
    texts.world.set("guard.vanished", "2");
    texts.world.set("guard.hold", "\"1h\"");
    texts.run("before the first sync", "status").await;
    texts
        .run("before the first sync, as JSON", "status --json")
        .await;
    texts.run("no service runs", "status --healthy").await;
    texts.world.sync().await.exits(0);
    texts.run("in step", "status").await;
    texts.run("nothing is wrong", "status --problems").await;
    texts.run("one room", "status oak").await;
    texts.world.set_feed("oak", &calendar(&[]));
    texts.world.sync().await.exits(1);
    texts.run("held", "status").await;
    texts.run("no such room", "status elm").await;
    let service = texts.world.serve();
    service.says("service.started").await;
    texts.run("the service works", "status --healthy").await;
    service.stop().await;
    texts.run("the service was stopped", "status").await;

    texts.world = troubled().await;
    texts.world.sync().await.exits(1);
    texts
        .run("a room for everything that can go wrong", "status")
        .await;
    texts.run("only those", "status --problems").await;
    texts.run("a room that is stale", "status not-found").await;
    texts.end();
}

#[tokio::test]
async fn agenda() {
    let mut texts = Texts::of("agenda", in_step().await);
    texts.run("meetings", "agenda oak").await;
    texts.run("one day", "agenda oak --days 1").await;
    texts.run("no such room", "agenda ok").await;
    texts.run("no room", "agenda").await;
    texts.run("not a number", "agenda oak --days many").await;
    texts.world.feeds.fault(FeedFault::status(500));
    texts.run("the feed cannot be read", "agenda oak").await;
    texts.world.feeds.clear_faults();
    texts.world.set_feed("oak", &calendar(&[]));
    texts.world.sync().await.exits(1);
    texts.run("meetings are held", "agenda oak").await;
    texts.world.podcal(&["sync", "--force"]).await.exits(0);
    texts.run("no meeting", "agenda oak").await;
    texts.world = building().await.room("oak", &[]).await;
    texts.world.feeds.fault(FeedFault::status(500));
    texts.run("the feed was never read", "agenda oak").await;
    texts
        .run("the feed was never read, as JSON", "agenda oak --json")
        .await;
    texts.end();
}

#[tokio::test]
async fn explain() {
    let special = [
        meeting("Off", 1, "13:00", "13:30").replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY"),
        meeting("Confidential", 1, "15:00", "16:30")
            .replace("SUMMARY", "CLASS:CONFIDENTIAL\r\nSUMMARY"),
        meeting("At my desk", 1, "15:00", "16:30")
            .replace("SUMMARY", "TRANSP:TRANSPARENT\r\nSUMMARY"),
        meeting("Far away", 30, "15:00", "16:30"),
        meeting("Over", -2, "15:00", "16:30"),
        broken(),
    ];
    let events = [meetings(), special.to_vec()].concat();
    let mut texts = Texts::of("explain", building().await.room("oak", &events).await);
    texts.world.set("guard.hold", "\"5h\"");
    texts.world.sync().await.exits(0);
    let then = |days, time| format!("explain oak --at {}", rfc3339(days, time));
    texts.run("a room", "explain oak").await;
    texts
        .run("a room, with the titles", "explain oak --unmask")
        .await;
    texts.run("a time with a meeting", &then(0, "13:30")).await;
    texts
        .run("a time without a meeting", &then(0, "11:30"))
        .await;
    texts
        .run("a time of a cancelled meeting", &then(1, "13:00"))
        .await;
    texts
        .run("a time before the first sync", &then(-2, "15:00"))
        .await;
    texts.run("not a time", "explain oak --at tomorrow").await;
    texts.run("no such room", "explain ok").await;
    texts.run("no such file", "explain missing.ics").await;
    let file = texts.world.path("a.ics");
    fs::write(&file, texts.world.feeds.body("oak.ics").unwrap()).unwrap();
    texts
        .run("a file", &format!("explain a.ics --time-zone {}", zone()))
        .await;
    fs::write(&file, "<!doctype html>").unwrap();
    texts
        .run("a file that is no calendar", "explain a.ics")
        .await;
    texts.world.feeds.fault(FeedFault::login_page());
    texts
        .run("the feed cannot be read", &then(0, "13:00"))
        .await;
    texts.world.feeds.clear_faults();
    texts.world.set_feed("oak", &calendar(&[]));
    texts.world.sync().await.exits(1);
    texts.run("meetings are held", &then(0, "13:00")).await;
    texts.run("a time after the hold", &then(0, "15:00")).await;
    texts.end();
}

#[tokio::test]
async fn history() {
    let mut texts = Texts::of("history", building().await.room("oak", &meetings()).await);
    texts.run("before the first sync", "history oak").await;
    let sync = async |world: &World, code| {
        world.sync().await.exits(code);
    };
    sync(&texts.world, 0).await;
    let more = vec![meeting("Planning", 1, "13:00", "13:30")];
    let events = [moved_meetings(), more].concat();
    texts.world.set_feed("oak", &calendar(&events));
    sync(&texts.world, 0).await;
    texts.world.feeds.fault(FeedFault::status(500));
    sync(&texts.world, 1).await;
    sync(&texts.world, 1).await;
    texts.world.feeds.clear_faults();
    texts.world.set_feed("oak", &calendar(&[]));
    sync(&texts.world, 1).await;
    texts.world.podcal(&["sync", "--force"]).await.exits(0);
    // One thing at a time: feed and pod are asked at the same time, and the order is told.
    texts.world.pod("oak").fault(Fault::refuse());
    sync(&texts.world, 1).await;
    texts.world.pod("oak").clear_faults();
    sync(&texts.world, 0).await;
    texts.world.set_feed("oak", &calendar(&meetings()));
    texts.world.pod("oak").set_mode(CalendarMode::Exchange);
    sync(&texts.world, 1).await;
    texts
        .world
        .pod("oak")
        .set_mode(CalendarMode::ThirdPartyOnly);
    texts.world.pod("oak").reboot();
    sync(&texts.world, 0).await;
    texts.run("what happened", "history oak").await;
    texts.run("no such room", "history ok").await;
    texts
        .run("not a number of lines", "history oak --limit 0")
        .await;
    texts.end();
}

#[tokio::test]
async fn expand() {
    let mut texts = Texts::of("expand", World::start().await);
    let events = [meetings(), vec![broken()]].concat();
    let file = texts.world.path("a.ics");
    fs::write(&file, calendar(&events)).unwrap();
    let (from, to, zone) = (rfc3339(0, "00:00"), rfc3339(2, "00:00"), zone());
    let long_ago = "--from 2020-01-01 --to 2020-01-02";
    texts
        .run(
            "a file",
            &format!("expand a.ics --from {from} --to {to} --time-zone {zone}"),
        )
        .await;
    texts
        .run("nothing in the window", &format!("expand a.ics {long_ago}"))
        .await;
    texts
        .run(
            "the window is empty",
            "expand a.ics --from 2020-01-02 --to 2020-01-01",
        )
        .await;
    texts
        .run("no such file", &format!("expand missing.ics {long_ago}"))
        .await;
    texts.run("a folder", &format!("expand . {long_ago}")).await;
    texts
        .run(
            "not a time",
            "expand a.ics --from yesterday --to 2020-01-01",
        )
        .await;
    texts
        .run(
            "not a zone",
            &format!("expand a.ics {long_ago} --time-zone Berlin"),
        )
        .await;
    texts.run("options are missing", "expand a.ics").await;
    let cut_off = calendar(&meetings()).replace("END:VCALENDAR\r\n", "");
    fs::write(&file, cut_off).unwrap();
    texts
        .run("cut off", &format!("expand a.ics {long_ago}"))
        .await;
    fs::write(&file, "<!doctype html>").unwrap();
    texts
        .run("not a calendar", &format!("expand a.ics {long_ago}"))
        .await;
    texts
        .run(
            "not a calendar, as JSON",
            &format!("expand a.ics {long_ago} --json"),
        )
        .await;
    texts.end();
}
