//! What every command prints in its usual situations, and how it fails: one file of texts for each
//! command, in `tests/data/texts/commands`, so that they are reviewed in one place.
//!
//! After a change, write them anew with `PODCAL_WRITE_TEXTS=1 cargo test --test it texts` and read
//! the difference.

mod pods;
mod reading;
mod record;
mod serving;
mod setting_up;

use podcal::sim::feedhost::FeedFault;
use podcal::sim::{CalendarMode, Fault};

use self::record::{meeting, zone};
use crate::support::{World, broken, calendar};

/// A building whose rooms are in the zone of the texts, asked as often as podcal advises.
async fn building() -> World {
    let mut world = World::start().await;
    world.set("time_zone", &format!("{:?}", zone()));
    world.set("schedule.sync", "\"5m\"");
    world.set("schedule.health", "\"30s\"");
    world
}

/// What is on in a room today and tomorrow.
fn meetings() -> Vec<String> {
    vec![
        meeting("Standup", 0, "08:30", "11:00"),
        meeting("Design review", 0, "13:00", "15:00"),
        meeting("Board", 1, "11:00", "11:30"),
    ]
}

/// The same after somebody worked on it.
fn moved_meetings() -> Vec<String> {
    vec![
        meeting("Standup", 0, "08:30", "11:00"),
        meeting("Design review with Ada", 0, "13:00", "13:30"),
        meeting("Retrospective", 1, "11:00", "11:30"),
    ]
}

/// One room, `oak`, in step.
async fn in_step() -> World {
    let world = building().await.room("oak", &meetings()).await;
    world.sync().await.exits(0);
    world
}

/// A room for each thing that can go wrong, named after it and in step until now.
async fn troubled() -> World {
    let mut world = building().await;
    for room in [
        "good",
        "error-page",
        "not-found",
        "unauthorized",
        "empty",
        "odd",
        "cut-off",
        "refused",
        "wrong-password",
        "exchange",
        "clock",
        "unlicensed",
        "another",
        "html",
    ] {
        world = world.room(room, &meetings()).await;
    }
    world.sync().await.exits(0);

    let feeds = &world.feeds;
    feeds.fault(FeedFault::login_page().on("error-page.ics"));
    feeds.fault(FeedFault::status(404).on("not-found.ics"));
    feeds.fault(FeedFault::status(401).on("unauthorized.ics"));
    feeds.fault(FeedFault::cut_off().on("cut-off.ics"));
    world.set_feed("empty", &calendar(&[]));
    world.set_feed("odd", &calendar(&[meetings(), vec![broken()]].concat()));
    world.pod("refused").fault(Fault::refuse());
    world.pod("wrong-password").set_password("another");
    world.pod("exchange").set_mode(CalendarMode::Exchange);
    world.pod("clock").set_clock_offset(-600);
    world.pod("unlicensed").set_licensed(false);
    world.pod("another").new_certificate().unwrap();
    world.pod("html").fault(Fault::html());
    world
}

/// A configuration with a mistake of each common kind.
const BAD: &str = "time_zone = \"Berlin\"\n\
                   [schedule]\n\
                   sync = \"*/5 * * * *\"\n\
                   helth = \"0 * * * * *\"\n\
                   [pod]\n\
                   password = { file = \"missing\" }\n\
                   [rooms.oak]\n\
                   feed = \"calendar.example.com/oak.ics\"\n\
                   pod = \"192.0.2.11\"\n\
                   [rooms.elm]\n\
                   feed = 7\n\
                   pod = \"192.0.2.11\"\n";
