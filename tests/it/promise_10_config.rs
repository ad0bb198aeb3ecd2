//! Promise 10: a pod's configuration is never changed unless `enforce` asks for it, and then only
//! by the smallest patch.

use serde_json::{Value, json};

use crate::support::{World, meeting, within};

/// A room whose pod's configuration is read every second.
async fn world() -> World {
    World::in_step(&[meeting("Standup", 1)])
        .await
        .with("schedule.config", "\"* * * * * *\"")
}

async fn reads(world: &World, more: usize) {
    let before = world.pod("oak").count("GET", "/v2/config");
    world
        .until("the configuration to be read", "oak", |pod| {
            pod.count("GET", "/v2/config") >= before + more
        })
        .await;
}

fn patches(world: &World) -> Vec<Value> {
    let requests = world.pod("oak").requests();
    let patches = requests.iter().filter(|seen| seen.method == "PATCH");
    patches.map(podcal::sim::RequestRecord::json).collect()
}

#[tokio::test]
async fn what_drifts_is_said_path_by_path_and_left_alone() {
    let world = world().await;
    let service = world.serve();
    reads(&world, 1).await;
    let pod = world.pod("oak");
    pod.set_config("display.calendar.show", json!(false))
        .unwrap();
    pod.set_config("display.name", json!("Renamed")).unwrap();
    service.says("display.name").await;
    service
        .says("display.calendar.show changed from true to false")
        .await;
    reads(&world, 2).await;
    let log = service.stop().await;
    assert_eq!(log.matches("pod.config_drift").count(), 2, "{log}");
    assert_eq!(patches(&world), [] as [Value; 0]);
    world
        .podcal(&["history", "oak"])
        .await
        .exits(0)
        .prints(&["drifted", "display.calendar.show"]);
}

#[tokio::test]
async fn a_configuration_that_does_not_change_is_silent() {
    let world = world().await;
    let service = world.serve();
    reads(&world, 3).await;
    let log = service.stop().await;
    assert!(!log.contains("drift"), "{log}");
}

#[tokio::test]
async fn enforced_settings_are_repaired_by_the_smallest_patch() {
    let mut world = world().await;
    world.set(
        "pod.enforce",
        "{ display.calendar = { enabled = true, show = true } }",
    );
    let service = world.serve();
    reads(&world, 2).await;
    assert_eq!(patches(&world), [] as [Value; 0], "nothing to repair yet");
    let pod = world.pod("oak");
    pod.set_config("display.name", json!("Renamed")).unwrap();
    pod.set_config("display.calendar.show", json!(false))
        .unwrap();
    service.says("pod.config_repaired").await;
    reads(&world, 2).await;
    service.stop().await;
    assert_eq!(
        patches(&world),
        [json!({ "display": { "calendar": { "show": true } } })]
    );
    assert_eq!(pod.config()["display"]["calendar"]["show"], true);
    assert_eq!(pod.config()["display"]["name"], "Renamed");
}

/// The calendar mode is the administrator's to choose.
#[tokio::test]
async fn sync_and_check_change_no_setting() {
    let world = World::of_one_room(&[meeting("Standup", 1)])
        .await
        .with("pod.enforce", "{ display.calendar.show = true }");
    let before = world.pod("oak").config();
    world
        .pod("oak")
        .set_config("display.calendar.show", json!(false))
        .unwrap();
    world.sync().await.exits(0);
    world.podcal(&["check", "--connect"]).await;
    assert_eq!(patches(&world), [] as [Value; 0]);
    let after = world.pod("oak").config();
    assert_eq!(before["display"]["name"], after["display"]["name"]);
}

/// Only the pods of the rooms that ask for it.
#[tokio::test]
async fn enforce_of_one_pod_is_not_for_the_others() {
    let mut world = World::start()
        .await
        .room("oak", &[meeting("Standup", 1)])
        .await
        .room("elm", &[meeting("Standup", 1)])
        .await
        .with("schedule.config", "\"* * * * * *\"");
    let url = world.pod("elm").url();
    world.set_room(
        "elm",
        "pods",
        &format!("[{{ url = {url:?}, enforce = {{ display.calendar.show = true }} }}]"),
    );
    let show = |room: &str| world.pod(room).config()["display"]["calendar"]["show"].clone();
    for room in ["oak", "elm"] {
        let pod = world.pod(room);
        pod.set_config("display.calendar.show", json!(false))
            .unwrap();
    }
    let service = world.serve();
    let repaired = world
        .pod("elm")
        .wait_for(|pod| pod.config()["display"]["calendar"]["show"] == true);
    within("the repair", repaired).await;
    reads(&world, 2).await;
    service.stop().await;
    assert_eq!((show("oak"), show("elm")), (json!(false), json!(true)));
}
