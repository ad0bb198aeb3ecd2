//! Every line of the log is in the catalogue, with its level and fields.

use std::collections::BTreeSet;

use podcal::sim::feedhost::FeedFault;
use podcal::sim::{CalendarMode, Fault};
use podcal::telemetry::events::{self, FIELDS};
use serde_json::{Value, json};

use crate::support::{World, calendar, hour, meeting, titles, within};

/// Panics at a line that is not as the catalogue says; the names of all of them.
fn names(log: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in log.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let name = line["event"].as_str().unwrap_or_else(|| panic!("{line}"));
        let event = events::named(name).unwrap_or_else(|| panic!("not listed: {line}"));
        let level = line["level"].as_str().unwrap();
        let listed = event.levels.iter().any(|listed| listed.key() == level);
        assert!(listed, "not at this level: {line}");
        for key in line.as_object().unwrap().keys() {
            let is_head = ["timestamp", "level", "event", "message"].contains(&key.as_str());
            let is_listed = FIELDS.iter().any(|(field, _)| field == key);
            assert!(is_head || is_listed, "field `{key}`: {line}");
        }
        names.insert(name.to_owned());
    }
    names
}

#[tokio::test]
async fn a_life_with_many_events_logs_nothing_that_is_not_listed() {
    let events: Vec<String> = (1..=3)
        .map(|n| meeting(&format!("Meeting {n}"), n))
        .collect();
    let mut world = World::start()
        .await
        .room("oak", &events)
        .await
        .room("elm", &[meeting("Review", 1)])
        .await
        .with("schedule.config", "\"* * * * * *\"");
    let service = world.serve_with(&["--log-format", "json", "--log-level", "trace"]);
    service.says("first pass done").await;

    world.set_feed("oak", &calendar(&[]));
    service.says("room.held").await;
    world.set_feed(
        "oak",
        &calendar(&[events.concat(), crate::support::broken()]),
    );
    service.says("room.released").await;
    service.says("feed.trouble").await;

    world.feeds.fault(FeedFault::login_page().on("elm.ics"));
    service.says("feed.failing").await;
    world.feeds.clear_faults();
    service.says("feed.recovered").await;

    world.pod("elm").reboot();
    service.says("display.lost").await;
    let foreign = json!({ "id": "x", "title": "Foreign", "organizer": "",
        "start_time": hour(1), "end_time": hour(2) });
    world.pod("elm").put_foreign(&[foreign]).unwrap();
    service.says_so_often("display.lost", 2).await;

    world.pod("elm").set_mode(CalendarMode::Exchange);
    service.says("push.refused").await;
    world.pod("elm").set_mode(CalendarMode::ThirdPartyOnly);
    service.says("push.allowed").await;

    world
        .pod("elm")
        .set_config("display.name", json!("Elm 2"))
        .unwrap();
    service.says("pod.config_drift").await;
    world.pod("elm").fault(Fault::refuse());
    service.says("unreachable").await;
    world.pod("elm").clear_faults();
    let shown = world.pod("elm").wait_for(|pod| titles(pod) == ["Review"]);
    within("elm again", shown).await;

    world.pod("elm").new_certificate().unwrap();
    service.says("shows another certificate").await;
    world.podcal(&["pod", "elm", "trust"]).await.exits(0);
    service.says_so_often("pod.certificate_pinned", 3).await;
    world.pod("elm").set_password("Another-password-1");
    world.pod("elm").expire_tokens();
    service.says("sign_in.paused").await;

    std::fs::remove_file(world.path("podcal.db")).unwrap();
    service.says("ledger.replaced").await;

    let good = world.config_text();
    world.write_config("nonsense");
    service.signal("HUP").await;
    service.says("config.refused").await;
    world.write_config(&good);
    service.signal("HUP").await;
    service.says("unchanged").await;
    world.set_room(
        "oak",
        "feeds",
        &format!(
            "[{:?}, {:?}]",
            world.feeds.url("oak.ics"),
            world.feeds.url("none.ics")
        ),
    );
    service.signal("HUP").await;
    service.says("room.waiting").await;
    world.feeds.set("none.ics", calendar(&[]));
    service.says("room.complete").await;
    world.forget_room("elm");
    service.signal("HUP").await;
    service.says("pod.removed").await;

    let log = service.stop().await;
    let names = names(&log);
    for expected in [
        "service.started",
        "service.summary",
        "service.stopped",
        "config.refused",
        "config.reloaded",
        "config.warning",
        "feed.pulled",
        "feed.failing",
        "feed.recovered",
        "feed.trouble",
        "room.held",
        "room.released",
        "room.waiting",
        "room.complete",
        "push.done",
        "push.refused",
        "push.allowed",
        "display.lost",
        "pod.health",
        "pod.config_drift",
        "pod.certificate_pinned",
        "pod.removed",
        "sign_in.paused",
        "ledger.replaced",
    ] {
        assert!(
            names.contains(expected),
            "{expected} never happened: {names:?}"
        );
    }
}
