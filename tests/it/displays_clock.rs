//! A clock that is wrong takes nothing off a display for good.
//!
//! Where Debian's package `libfaketime` is installed (or `FAKETIME_LIBRARY` names the library),
//! podcal runs by another clock than its pods and calendars; elsewhere those tests end at once.

use std::fs;
use std::path::{Path, PathBuf};

use podcal::sim::feedhost::FeedFault;
use podcal::sim::{Fault, Sim};

use crate::support::{Service, World, calendar, meeting, meeting_at, now, titles};

const DAY: i64 = 24 * 3600;

fn library() -> Option<PathBuf> {
    let named = std::env::var_os("FAKETIME_LIBRARY").map(PathBuf::from);
    let usual = [
        "x86_64-linux-gnu",
        "aarch64-linux-gnu",
        "arm-linux-gnueabihf",
    ]
    .map(|machine| format!("/usr/lib/{machine}/faketime/libfaketime.so.1").into());
    named.into_iter().chain(usual).find(|path| path.exists())
}

/// A room in which podcal runs by a clock that can be set; `None` where that cannot be had.
async fn world(events: &[String]) -> Option<World> {
    let library = library()?;
    let mut world = World::of_one_room(events).await;
    let clock = world.path("clock");
    set_clock(&clock, "+0");
    for (name, value) in [
        ("LD_PRELOAD", library.to_str()?),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str()?),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ] {
        world.set_environment(name, value);
    }
    Some(world)
}

/// By seconds from the true time, or a time of day.
fn set_clock(file: &Path, clock: &str) {
    // It is read at every look at the clock, so it must never be half written.
    let new = file.with_extension("new");
    fs::write(&new, clock).unwrap();
    fs::rename(new, file).unwrap();
}

async fn until_shown(world: &World, shown: &[&str]) {
    let what = format!("{shown:?}");
    world.until(&what, "oak", |pod| titles(pod) == shown).await;
}

async fn pulled(world: &World, service: &Service) {
    world.until_pulled("oak", 3).await;
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

fn three() -> [String; 3] {
    [
        meeting("Standup", 1),
        meeting("Review", 5),
        meeting("Planning", 30),
    ]
}

/// What every host says is believed more than this machine.
#[tokio::test]
async fn a_clock_that_nobody_shares_takes_no_meeting_away_and_is_believed_again() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let service = world.serve();
    until_shown(&world, &["Standup"]).await;
    // A meeting that ends only after it was shown and the clock is doubted: on a busy machine
    // that takes longer. What is about to end is no reason for a push, so another one changes.
    let mut doubts = 0;
    let (end, standup) = loop {
        doubts += 1;
        // At most half of what is waited for anything.
        let end = now() + (8 << doubts.min(2));
        let soon_over = meeting_at("Soon over", end - 600, end);
        let standup = format!("Standup {doubts}");
        world.set_feed("oak", &calendar(&[soon_over, meeting(&standup, 1)]));
        let both = |pod: &Sim| titles(pod) == ["Soon over", &standup];
        let is_shown = |pod: &Sim| both(pod) || now() >= end;
        world.until("two meetings", "oak", is_shown).await;
        world.feeds.fault(FeedFault::date(3 * DAY));
        service.says_so_often("clock.not_believed", doubts).await;
        if both(world.pod("oak")) && now() < end {
            break (end, standup);
        }
        world.feeds.clear_faults();
        service.says_so_often("clock.believed", doubts).await;
    };
    while now() <= end {
        pulled(&world, &service).await;
    }
    world.pod("oak").reboot();
    until_shown(&world, &["Soon over", &standup]).await;
    world.feeds.clear_faults();
    service.says_so_often("clock.believed", doubts).await;
    until_shown(&world, &[&standup]).await;
    let log = service.stop().await;
    assert_eq!(log.matches("clock.not_believed").count(), doubts, "{log}");
}

#[tokio::test]
async fn a_week_ahead_for_one_sync_takes_nothing_away() {
    let Some(world) = world(&three()).await else {
        return;
    };
    world.sync().await.exits(0);
    let clock = world.path("clock");
    set_clock(&clock, "+7d");
    world.sync().await.says(&["clock.not_believed"]);
    assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
    set_clock(&clock, "+0");
    let ran = world.sync().await.exits(0);
    assert_eq!(
        world.shows("oak"),
        ["Standup", "Review", "Planning"],
        "{ran}"
    );
    world.set_feed("oak", &calendar(&three()[1..]));
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Review", "Planning"]);
}

#[tokio::test]
async fn a_service_that_starts_in_1970_serves_when_the_clock_is_right() {
    let Some(world) = world(&three()).await else {
        return;
    };
    let clock = world.path("clock");
    set_clock(&clock, "@1970-01-01 00:00:10");
    let service = world.serve();
    service.says("clock.not_believed").await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    set_clock(&clock, "+0");
    until_shown(&world, &["Standup", "Review", "Planning"]).await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    world.sync().await.exits(0);
    service.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_two_hours_stops_nothing() {
    let Some(world) = world(&three()).await else {
        return;
    };
    let service = world.serve();
    until_shown(&world, &["Standup", "Review", "Planning"]).await;
    set_clock(&world.path("clock"), "-2h");
    service.says("clock.stepped").await;
    world.set_feed("oak", &calendar(&three()[1..]));
    until_shown(&world, &["Review", "Planning"]).await;
    world.pod("oak").reboot();
    until_shown(&world, &["Review", "Planning"]).await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    set_clock(&world.path("clock"), "+0");
    service.says_so_often("clock.stepped", 2).await;
    pulled(&world, &service).await;
    assert_eq!(world.shows("oak"), ["Review", "Planning"]);
    service.stop().await;
}

/// Within a day nobody can tell; what left the display and the kept copy comes back.
#[tokio::test]
async fn a_clock_that_was_set_forward_heals() {
    let Some(world) = world(&three()).await else {
        return;
    };
    let service = world.serve();
    until_shown(&world, &["Standup", "Review", "Planning"]).await;
    set_clock(&world.path("clock"), "+20h");
    service.says("clock.stepped").await;
    until_shown(&world, &["Planning"]).await;
    set_clock(&world.path("clock"), "+0");
    until_shown(&world, &["Standup", "Review", "Planning"]).await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    // A day and more is not believed.
    set_clock(&world.path("clock"), "+2d");
    service.says("clock.not_believed").await;
    pulled(&world, &service).await;
    world.pod("oak").reboot();
    until_shown(&world, &["Standup", "Review", "Planning"]).await;
    set_clock(&world.path("clock"), "+0");
    service.says("clock.believed").await;
    world.sync().await.exits(0);
    assert_eq!(world.shows("oak"), ["Standup", "Review", "Planning"]);
    service.stop().await;
}

/// A host and a pod ask to be left alone for seconds, while the clock is hours ahead.
#[tokio::test]
async fn no_wait_outlives_the_mistake() {
    let Some(world) = world(&three()).await else {
        return;
    };
    let clock = world.path("clock");
    set_clock(&clock, "+20h");
    world.feeds.fault(FeedFault::retry_after(503, 3).once());
    let pod = world.pod("oak");
    pod.fault(Fault::retry_after(429, 3).on("GET", "/v2/calendar").once());
    world.sync().await.exits(1);
    set_clock(&clock, "+0");
    let service = world.serve();
    until_shown(&world, &["Standup", "Review", "Planning"]).await;
    service.stop().await;
}

/// The pause after a wrong password, which was written down by a clock that is hours ahead.
#[tokio::test]
async fn no_pause_of_sign_in_outlives_the_mistake() {
    let Some(world) = world(&three()).await else {
        return;
    };
    world.set_password("Not-the-password-1");
    let clock = world.path("clock");
    set_clock(&clock, "+20h");
    world.sync().await.exits(1);
    assert_eq!(world.sign_ins("oak").1, 1);
    set_clock(&clock, "+0");
    let ran = world.sync().await.exits(1);
    let display = &ran.room("oak")["displays"][0];
    assert_eq!(display["state"], "sign_in_paused", "{ran}");
    let detail = display["detail"].as_str().unwrap();
    let until = detail.rsplit(' ').next().unwrap();
    let until: jiff::Timestamp = until.parse().unwrap();
    // The first pause takes five minutes.
    assert!(until.as_second() <= now() + 300, "{ran}");
    assert_eq!(world.sign_ins("oak").1, 1);
}
