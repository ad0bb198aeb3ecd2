//! Promise 7: a pod that is known to be in another calendar mode is never written to.

use podcal::sim::{CalendarMode, Options, Quirks};

use crate::support::{World, calendar, meeting, titles, within};

/// A room whose pod is in this mode.
async fn world(mode: CalendarMode) -> World {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    world.pod("oak").set_mode(mode);
    world
}

/// Requests that could change anything; to sign in is none.
fn writes(world: &World) -> Vec<String> {
    let requests = world.pod("oak").requests();
    let writes = requests
        .iter()
        .filter(|seen| seen.method != "GET" && seen.path != "/v2/token");
    writes
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect()
}

#[tokio::test]
async fn a_pod_in_another_mode_is_never_written_to() {
    for mode in [
        CalendarMode::Exchange,
        CalendarMode::O365,
        CalendarMode::Google,
    ] {
        let world = world(mode).await;
        let ran = world
            .sync()
            .await
            .exits(1)
            .says(&["is not written to", "3rd party only"]);
        assert_eq!(ran.display("oak"), "wrong_mode", "{mode:?}");
        world.podcal(&["sync", "--force"]).await.exits(1);
        world.podcal(&["check", "--connect"]).await;
        assert_eq!(writes(&world), [""; 0], "{mode:?}");
    }
}

#[tokio::test]
async fn the_service_never_writes_to_a_pod_in_another_mode() {
    let mut world = world(CalendarMode::Exchange).await;
    world.set("schedule.config", "\"* * * * * *\"");
    let service = world.serve();
    world
        .until("polls and syncs", "oak", |pod| {
            pod.count("GET", "/v2/api/config") > 3 && pod.count("GET", "/v2/config") > 1
        })
        .await;
    service.says("is not written to").await;
    let log = service.stop().await;
    assert_eq!(writes(&world), [""; 0], "{log}");
    assert_eq!(log.matches("is not written to").count(), 1, "{log}");
}

/// The mode is asked before each write, so a change in the Dashboard is seen in time.
#[tokio::test]
async fn a_pod_that_changes_its_mode_is_not_written_to_any_more() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    world.pod("oak").set_mode(CalendarMode::Exchange);
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    world.sync().await.exits(1);
    world.podcal(&["sync", "--force"]).await.exits(1);
    assert_eq!(world.pushes("oak"), 1);

    world.pod("oak").set_mode(CalendarMode::ThirdPartyOnly);
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["New"]);
}

/// Without the legacy configuration only the new one can tell, by a word that is not published.
#[tokio::test]
async fn the_spelling_of_the_configuration_tells_the_mode_where_nothing_else_does() {
    let quirks = Quirks {
        no_legacy: true,
        ..Quirks::default()
    };
    for (mode, pushes) in [
        (CalendarMode::ThirdPartyOnly, 1),
        (CalendarMode::Exchange, 0),
    ] {
        let world = world(mode)
            .await
            .with("pod.third_party_type", "\"3rd_party_only\"");
        world.pod("oak").set_quirks(quirks);
        world.sync().await.exits(i32::from(pushes == 0));
        assert_eq!(writes(&world).len(), pushes, "{mode:?}");
    }
}

#[tokio::test]
async fn a_mode_that_nothing_tells_is_said_once_and_pushed_to() {
    let world = world(CalendarMode::ThirdPartyOnly).await;
    world.pod("oak").set_quirks(Quirks {
        no_legacy: true,
        ..Quirks::default()
    });
    world
        .sync()
        .await
        .exits(0)
        .says(&["does not report its calendar mode"]);
    world.set_feed("oak", &calendar(&[meeting("New", 1)]));
    let ran = world.sync().await.exits(0);
    assert!(!ran.stderr.contains("calendar mode"), "{ran}");
    assert_eq!(world.shows("oak"), ["New"]);
}

/// Of two displays in one room, each has a mode of its own.
#[tokio::test]
async fn the_other_display_of_the_room_gets_its_meetings() {
    let world = world(CalendarMode::Exchange)
        .await
        .pod_with("oak", Options::default())
        .await;
    world.sync().await.exits(1);
    assert_eq!(writes(&world), [""; 0]);
    let shown = world.pods("oak")[1].wait_for(|pod| titles(pod) == ["Standup"]);
    within("the other display", shown).await;
}
