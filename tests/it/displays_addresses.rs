//! One device at two addresses, devices that exchange their addresses, and two services on one
//! display: no room's meetings get onto another room's display, and it is said.

use podcal::sim::Sim;

use crate::support::{Ran, World, calendar, meeting, titles, within};

/// Rooms `oak` and `elm`, each with a pod and a meeting of its name.
async fn two_rooms() -> World {
    World::start()
        .await
        .room("oak", &[meeting("Oak", 1)])
        .await
        .room("elm", &[meeting("Elm", 1)])
        .await
}

fn puts(pod: &Sim) -> usize {
    pod.count("PUT", "/v2/calendar")
}

async fn looked_at(pod: &Sim, times: usize) {
    let looks = |pod: &Sim| pod.count("GET", "/v2/calendar");
    let before = looks(pod);
    within(
        "more looks",
        pod.wait_for(|pod| looks(pod) >= before + times),
    )
    .await;
}

#[tokio::test]
async fn two_names_of_one_pod_are_said_and_only_the_first_room_is_shown() {
    let mut world = two_rooms().await;
    let url = world.pod("oak").url();
    let other = url.replace("127.0.0.1", "localhost");
    assert_ne!(url, other);
    world.set_room("elm", "pods", &format!("[{other:?}]"));
    // In the order of the file.
    let (first, second) = ("elm", "oak");
    let ran = world.podcal(&["check", "--connect"]).await.exits(1);
    let address = |url: &str| url.replace("https://", "");
    let one = format!("{} of room `{second}`", address(&url));
    let two = format!("{} of room `{first}`", address(&other));
    ran.prints(&["the same device as", &one, &two]);

    let service = world.serve();
    service.says("pod.address_clash").await;
    let shown = world.pod("oak");
    within(
        "the first room",
        shown.wait_for(|pod| titles(pod) == ["Elm"]),
    )
    .await;
    let log = service.log();
    let line = log.lines().find(|line| line.contains("pod.address_clash"));
    let line = line.unwrap();
    assert!(line.contains("ERROR"), "{line}");
    assert!(line.contains("`oak`") && line.contains("`elm`"), "{line}");
    let pushes = puts(shown);
    looked_at(shown, 6).await;
    assert_eq!(puts(shown), pushes, "{}", service.log());
    assert!(pushes < 8, "{}", service.log());
    assert_eq!(titles(shown), ["Elm"]);
    world
        .podcal(&["status"])
        .await
        .exits(1)
        .prints(&["address clash", "of room `elm`", "oak"]);
    world.sync().await.exits(1);
    world
        .podcal(&["check", "--connect"])
        .await
        .exits(1)
        .prints(&["the same device as", &one, &two]);
    assert_eq!(titles(world.pod("oak")), ["Elm"]);

    // Corrected, both rooms are shown.
    let url = world.pod("elm").url();
    world.set_room("elm", "pods", &format!("[{url:?}]"));
    service.signal("HUP").await;
    for (room, title) in [("oak", "Oak"), ("elm", "Elm")] {
        world
            .until("its own meetings", room, |pod| titles(pod) == [title])
            .await;
    }
    service.stop().await;
}

#[tokio::test]
async fn two_services_on_one_display_do_not_fight() {
    let one = World::of_one_room(&[meeting("Oak", 1)]).await;
    let mut two = World::of_one_room(&[meeting("Elm", 1)]).await;
    two.set_room("oak", "pods", &format!("[{:?}]", one.pod("oak").url()));
    let services = [one.serve(), two.serve()];
    // The other one is disturbed no more while this one waits.
    let first = services[0].says("display.somebody_else_writes");
    let second = services[1].says("display.somebody_else_writes");
    tokio::select! { () = first => {}, () = second => {} }
    let pod = one.pod("oak");
    let pushes = puts(pod);
    looked_at(pod, 10).await;
    assert!(puts(pod) <= pushes + 1);
    assert!(pushes <= 10, "{pushes}");
    let says = "somebody else writes to this display";
    let statuses = [one.sync().await, two.sync().await];
    let says_so = |ran: &&Ran| ran.display("oak") == "somebody_else_writes";
    assert_eq!(
        statuses.iter().filter(says_so).count(),
        1,
        "{}{}",
        statuses[0],
        statuses[1]
    );
    let statuses = [one.podcal(&["status"]).await, two.podcal(&["status"]).await];
    assert!(statuses.iter().any(|ran| ran.stdout.contains(says)));
    let mut said = 0;
    for service in services {
        let log = service.stop().await;
        said += log.matches("display.somebody_else_writes").count();
    }
    assert_eq!(said, 1);
}

/// Whoever answers at an address proves it by a certificate; here nothing is pinned.
async fn swapped() -> World {
    let world = two_rooms().await.with("pod.tls", "{ verify = \"off\" }");
    world.sync().await.exits(0);
    world
}

fn nothing_of_the_other_room(world: &World) {
    // The devices are at each other's addresses.
    assert_eq!(titles(world.pod("oak")), ["Elm"]);
    assert_eq!(titles(world.pod("elm")), ["Oak"]);
}

#[tokio::test]
async fn pods_that_exchange_addresses_are_not_written_to() {
    let world = swapped().await;
    let service = world.serve();
    for room in ["oak", "elm"] {
        looked_at(world.pod(room), 2).await;
    }
    world.pod("oak").swap_with(world.pod("elm"));
    service.says_so_often("pod.device_changed", 2).await;
    world.set_feed("oak", &calendar(&[meeting("Oak changed", 2)]));
    for room in ["oak", "elm"] {
        looked_at(world.pod(room), 3).await;
    }
    nothing_of_the_other_room(&world);
    world.podcal(&["status"]).await.exits(1).prints(&[
        "another room's device",
        "of room `oak`",
        "of room `elm`",
    ]);
    world.pod("oak").swap_with(world.pod("elm"));
    world
        .until("its own device", "oak", |pod| {
            titles(pod) == ["Oak changed"]
        })
        .await;
    let log = service.stop().await;
    assert_eq!(log.matches("pod.device_changed").count(), 2, "{log}");
    assert_eq!(titles(world.pod("elm")), ["Elm"]);
}

#[tokio::test]
async fn pods_that_exchanged_addresses_meanwhile_are_not_written_to() {
    let world = swapped().await;
    world.pod("oak").swap_with(world.pod("elm"));
    world
        .podcal(&["sync", "--room", "oak"])
        .await
        .exits(1)
        .says(&["of room `elm`"]);
    nothing_of_the_other_room(&world);
    world.sync().await.exits(1);
    nothing_of_the_other_room(&world);
    world
        .podcal(&["check", "--connect"])
        .await
        .exits(1)
        .prints(&["of room `elm` was", "of room `oak` was"]);
    let service = world.serve();
    for room in ["oak", "elm"] {
        looked_at(world.pod(room), 3).await;
    }
    nothing_of_the_other_room(&world);
    world
        .podcal(&["status"])
        .await
        .exits(1)
        .prints(&["another room's device", "podcal pod ROOM trust"]);
    // A person says that they belong there now.
    for room in ["oak", "elm"] {
        world.podcal(&["pod", room, "trust"]).await.exits(0);
    }
    for (room, title) in [("oak", "Oak"), ("elm", "Elm")] {
        world
            .until("its own meetings", room, |pod| titles(pod) == [title])
            .await;
    }
    service.stop().await;
}

#[tokio::test]
async fn a_device_is_accepted_where_no_service_runs_too() {
    for tls in ["{ verify = \"off\" }", "{ verify = \"pin\" }"] {
        let world = two_rooms().await.with("pod.tls", tls);
        world.sync().await.exits(0);
        world.pod("oak").swap_with(world.pod("elm"));
        world.sync().await.exits(1);
        nothing_of_the_other_room(&world);
        for room in ["oak", "elm"] {
            world.podcal(&["pod", room, "trust"]).await.exits(0);
        }
        let ran = world.sync().await.exits(0);
        assert_eq!(titles(world.pod("oak")), ["Oak"], "{ran}");
        assert_eq!(titles(world.pod("elm")), ["Elm"], "{ran}");
        // Once is not for ever.
        world.pod("oak").swap_with(world.pod("elm"));
        world.sync().await.exits(1);
        assert_eq!(titles(world.pod("oak")), ["Elm"]);
    }
}

#[tokio::test]
async fn exchanged_certificates_stop_everything() {
    let world = two_rooms().await;
    world.sync().await.exits(0);
    world.pod("oak").swap_with(world.pod("elm"));
    let ran = world.sync().await.exits(1);
    let display = &ran.room("oak")["displays"][0];
    assert_eq!(display["state"], "certificate_changed", "{ran}");
    nothing_of_the_other_room(&world);
}

#[tokio::test]
async fn pods_that_move_between_rooms_by_a_reload_show_their_new_room() {
    let mut world = two_rooms().await.with("on_remove", "\"clear\"");
    let service = world.serve();
    for (room, title) in [("oak", "Oak"), ("elm", "Elm")] {
        world
            .until("the first meetings", room, |pod| titles(pod) == [title])
            .await;
    }
    let urls = ["oak", "elm"].map(|room| world.pod(room).url());
    world.set_room("oak", "pods", &format!("[{:?}]", urls[1]));
    world.set_room("elm", "pods", &format!("[{:?}]", urls[0]));
    service.signal("HUP").await;
    for (room, title) in [("oak", "Elm"), ("elm", "Oak")] {
        world
            .until("the other room", room, |pod| titles(pod) == [title])
            .await;
    }
    // One room leaves, and the other one takes its pod over.
    world.forget_room("elm");
    world.set_room("oak", "pods", &format!("[{:?}, {:?}]", urls[0], urls[1]));
    service.signal("HUP").await;
    for room in ["oak", "elm"] {
        world
            .until("the room that stays", room, |pod| titles(pod) == ["Oak"])
            .await;
    }
    // A new room in front takes one of them.
    world = world.room("ash", &[meeting("Ash", 1)]).await;
    world.set_room("ash", "pods", &format!("[{:?}]", urls[0]));
    world.set_room("oak", "pods", &format!("[{:?}]", urls[1]));
    service.signal("HUP").await;
    world
        .until("the new room", "oak", |pod| titles(pod) == ["Ash"])
        .await;
    let log = service.stop().await;
    assert!(!log.contains("left the configuration"), "{log}");
}
