//! Pods that do not show what they are sent: no push loop, no false "in step", and it is said.

use std::time::Duration;

use podcal::sim::{Fault, Sim};

use crate::support::{Service, World, calendar, hour, meeting, titles};

/// What a pod is sent in an hour, at most.
const HANDFUL: usize = 5;

fn four() -> Vec<String> {
    ["Standup", "Review of the week", "Planning", "Retrospective"]
        .iter()
        .zip((1..).step_by(2))
        .map(|(title, hours)| meeting(title, hours))
        .collect()
}

fn looks(pod: &Sim) -> usize {
    pod.count("GET", "/v2/calendar")
}

/// Waits until a room's display was looked at some more times.
async fn looked_at(world: &World, times: usize) {
    let before = looks(world.pod("oak"));
    world
        .until("more looks", "oak", |pod| looks(pod) >= before + times)
        .await;
}

async fn served(fault: Fault) -> (World, Service) {
    let world = World::of_one_room(&four()).await;
    world.pod("oak").fault(fault);
    let service = world.serve();
    (world, service)
}

/// The state of the room's display by `status --json`, and what it says.
async fn state(world: &World) -> (String, String) {
    let json = world.podcal(&["status", "--json"]).await.json();
    let display = &json["rooms"][0]["displays"][0];
    let text = |key: &str| display[key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("detail"))
}

#[tokio::test]
async fn a_title_that_turned_private_is_pushed_until_the_pod_shows_it() {
    let world = World::of_one_room(&[meeting("Merger", 1)]).await;
    let service = world.serve();
    world
        .until("the title", "oak", |pod| titles(pod) == ["Merger"])
        .await;
    world.pod("oak").fault(Fault::keep_old().once());
    let private = meeting("Merger", 1).replace("SUMMARY", "CLASS:PRIVATE\r\nSUMMARY");
    world.set_feed("oak", &calendar(&[private]));
    world
        .until("the private title", "oak", |pod| {
            titles(pod) == ["Private meeting"]
        })
        .await;
    assert_eq!(world.pushes("oak"), 3);
    service.stop().await;
}

#[tokio::test]
async fn a_pod_that_keeps_a_part_is_never_in_step() {
    let (world, service) = served(Fault::cap(3)).await;
    service.says("display.shows_part").await;
    looked_at(&world, 3).await;
    assert!(world.pushes("oak") <= HANDFUL);
    let ran = world.sync().await.exits(1);
    assert_eq!(ran.display("oak"), "shows_part", "{ran}");
    world
        .podcal(&["status"])
        .await
        .exits(1)
        .prints(&["shows 3 of 4 meetings", "meetings.max"]);
    world
        .podcal(&["sync"])
        .await
        .exits(1)
        .prints(&["shows 3 of 4 meetings", "meetings.max"]);
    // Why the last one is not there: the pod's doing, not the calendar's.
    let last = jiff::Timestamp::from_second(hour(7) + 60)
        .unwrap()
        .to_string();
    world
        .podcal(&["explain", "oak", "--at", &last])
        .await
        .prints(&[
            "the display should show `Retrospective`",
            "shows 3 of 4 meetings",
            "as things are, it shows the room as free then",
        ]);
    let log = service.stop().await;
    assert!(!log.contains("is in step"), "{log}");
    assert_eq!(log.matches("display.shows_part").count(), 1, "{log}");
    // A change is pushed, and once more is enough.
    let pushes = world.pushes("oak");
    world.set_feed(
        "oak",
        &calendar(&[&four()[1..], &[meeting("More", 9)]].concat()),
    );
    world.sync().await.exits(1);
    assert_eq!(world.pushes("oak"), pushes + 1);
    assert_eq!(world.shows("oak").len(), 3);
}

#[tokio::test]
async fn a_pod_that_reads_back_empty_cannot_be_verified() {
    check_cannot_be_verified(Fault::reads_empty(), "always reads back empty").await;
}

#[tokio::test]
async fn a_pod_with_texts_of_its_own_cannot_be_verified() {
    check_cannot_be_verified(Fault::suffix(" *"), "with other texts").await;
}

async fn check_cannot_be_verified(fault: Fault, says: &str) {
    let (world, service) = served(fault).await;
    service.says("display.cannot_be_verified").await;
    looked_at(&world, 3).await;
    assert!(world.pushes("oak") <= HANDFUL);
    let ran = world.sync().await.exits(1);
    assert_eq!(ran.display("oak"), "cannot_be_verified", "{ran}");
    let (state, detail) = state(&world).await;
    assert_eq!(state, "cannot_be_verified");
    assert!(detail.contains(says), "{detail}");
    world
        .podcal(&["status"])
        .await
        .exits(1)
        .prints(&["cannot be verified", says]);
    world
        .podcal(&["sync"])
        .await
        .exits(1)
        .prints(&["cannot be verified", says]);
    assert!(world.pushes("oak") <= HANDFUL);
    let log = service.stop().await;
    assert!(!log.contains("is in step"), "{log}");
    assert_eq!(
        log.matches("display.cannot_be_verified").count(),
        1,
        "{log}"
    );
    // A new process knows it.
    let pushes = world.pushes("oak");
    world.sync().await.exits(1);
    assert_eq!(world.pushes("oak"), pushes);
}

/// The display shows what it was sent, in its own way: one push, and in step.
async fn check_in_step(fault: Fault, says: &str) {
    let (world, service) = served(fault).await;
    service.says("first pass done").await;
    looked_at(&world, 3).await;
    assert_eq!(world.pushes("oak"), 1, "{}", service.log());
    world.sync().await.exits(0);
    let (state, detail) = state(&world).await;
    assert_eq!(state, "in_step", "{detail}");
    assert!(detail.contains(says), "{detail}");
    let log = service.stop().await;
    assert_eq!(
        log.matches("display.altered").count(),
        usize::from(!says.is_empty()),
        "{log}"
    );
    let ran = world.sync().await.exits(0);
    assert_eq!(ran.display("oak"), "in_step", "{ran}");
    assert_eq!(world.pushes("oak"), 1);
}

#[tokio::test]
async fn new_ids_are_in_step() {
    check_in_step(Fault::new_ids(), "").await;
}

#[tokio::test]
async fn a_set_that_is_shown_late_is_in_step() {
    check_in_step(Fault::late(Duration::from_secs(2)), "").await;
}

#[tokio::test]
async fn capitals_are_in_step_and_said() {
    check_in_step(Fault::upper_case(), "writes titles in upper case").await;
}

#[tokio::test]
async fn cut_titles_are_in_step_and_said() {
    check_in_step(Fault::truncate(10), "cuts titles after 10 characters").await;
}
