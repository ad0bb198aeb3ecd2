//! A pod that is switched to another calendar mode while the service runs.

use podcal::sim::CalendarMode;

use crate::support::{World, calendar, meeting, titles};

#[tokio::test]
async fn another_mode_is_said_everywhere_until_it_is_back() {
    let mut world = World::of_one_room(&[meeting("Standup", 1)]).await;
    world.set("schedule.config", "\"* * * * * *\"");
    let service = world.serve();
    world
        .until("the meeting", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    world.pod("oak").set_mode(CalendarMode::Exchange);
    service.says("push.refused").await;
    for _ in 0..2 {
        let ran = world.sync().await.exits(1);
        assert_eq!(ran.display("oak"), "wrong_mode", "{ran}");
        assert_eq!(ran.room("oak")["in_step"], false, "{ran}");
    }
    world
        .podcal(&["sync"])
        .await
        .exits(1)
        .prints(&["wrong mode", "Exchange"]);
    world
        .podcal(&["status"])
        .await
        .exits(1)
        .prints(&["wrong mode", "Exchange"]);
    let json = world.podcal(&["status", "--json"]).await.json();
    let display = &json["rooms"][0]["displays"][0];
    assert_eq!(display["state"], "wrong_mode", "{json}");
    world
        .podcal(&["check", "--connect"])
        .await
        .exits(1)
        .prints(&["Exchange", "3rd party only"]);
    assert_eq!(world.pushes("oak"), 1);

    world.pod("oak").set_mode(CalendarMode::ThirdPartyOnly);
    service.says("push.allowed").await;
    world.sync().await.exits(0);
    world.podcal(&["status"]).await.exits(0);
    let log = service.stop().await;
    assert_eq!(log.matches("push.refused").count(), 1, "{log}");
    assert_eq!(log.matches("push.allowed").count(), 1, "{log}");
}

/// Settings are hardly ever read; the mode is asked before a write, and then instead of looking.
#[tokio::test]
async fn a_change_is_not_written_in_another_mode_and_follows_when_it_is_back() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let service = world.serve();
    world
        .until("the meeting", "oak", |pod| titles(pod) == ["Standup"])
        .await;
    world.pod("oak").set_mode(CalendarMode::O365);
    world.set_feed("oak", &calendar(&[meeting("New", 2)]));
    service.says("push.refused").await;
    world.pod("oak").forget_requests();
    world
        .until("polls of the mode", "oak", |pod| pod.requests().len() > 3)
        .await;
    assert_eq!(world.pod("oak").count("GET", "/v2/calendar"), 0);
    assert_eq!(world.pushes("oak"), 0);
    world.pod("oak").set_mode(CalendarMode::ThirdPartyOnly);
    world
        .until("the new meeting", "oak", |pod| titles(pod) == ["New"])
        .await;
    service.stop().await;
}

#[tokio::test]
async fn a_restart_does_not_forget_the_other_mode() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    world.pod("oak").set_mode(CalendarMode::Google);
    world.set_feed("oak", &calendar(&[meeting("New", 2)]));
    world.sync().await.exits(1);
    let ran = world.sync().await.exits(1);
    assert_eq!(ran.display("oak"), "wrong_mode", "{ran}");
    assert!(!ran.stderr.contains("push.refused"), "{ran}");
    world.pod("oak").set_mode(CalendarMode::ThirdPartyOnly);
    world.sync().await.exits(0).says(&["it is written to"]);
    assert_eq!(world.shows("oak"), ["New"]);
}
