//! The tasks of a configuration as a whole, over a real ledger; the pods are switched off.

mod unchanged;

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::config::load::{Draft, check_draft};
use crate::model::time::UnixTime;
use crate::service::open_ledger::OpenLedger;

fn wall() -> UnixTime {
    UnixTime::from_seconds(jiff::Timestamp::now().as_second())
}

const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n";

struct Building {
    service: Service,
    ledger: OpenLedger,
    folder: TempDir,
}

/// Rooms that all read the same file.
fn config(folder: &TempDir, settings: &str, rooms: &[&str]) -> Config {
    let path: PathBuf = folder.path().join("podcal.toml");
    std::fs::write(folder.path().join("all.ics"), CALENDAR).unwrap();
    let mut text = format!("time_zone = \"UTC\"\npod.password = \"solstice\"\n{settings}\n");
    for (number, room) in (1..).zip(rooms) {
        text += &format!(
            "[rooms.{room}]\nfeed = \"file:all.ics\"\npods = [\"https://127.0.0.1:{number}\"]\n"
        );
    }
    check_draft(&text, &path, Draft::default()).unwrap().config
}

impl Building {
    async fn start(rooms: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder, "", rooms);
        let clock = Clock::start(wall);
        let ledger = OpenLedger::open(&config, clock, false).await.unwrap();
        let ground = ledger.ground(clock, &ledger.network(), false, false);
        Self {
            service: Service::start(config, ground).await,
            ledger,
            folder,
        }
    }

    async fn reload(&mut self, settings: &str, rooms: &[&str]) {
        let config = config(&self.folder, settings, rooms);
        let difference = Difference::between(self.service.config(), &config);
        self.service.reload(config, &difference).await;
    }

    async fn until_revived(&mut self) {
        let revived = async {
            while !self.service.revive().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let revived = tokio::time::timeout(Duration::from_secs(60), revived).await;
        revived.expect("it is started again");
    }

    async fn end(mut self) {
        self.service.end().await;
        self.ledger.close().await;
    }

    fn room(&self, name: &str) -> &RunningRoom {
        &self.service.rooms[&RoomName::new(name).unwrap()]
    }

    fn pod(&self, number: u16) -> &RunningPod {
        let url = PodUrl::parse(&format!("https://127.0.0.1:{number}")).unwrap();
        &self.service.pods[&url]
    }
}

#[tokio::test]
async fn a_room_is_told_how_many_others_read_its_feed() {
    let mut building = Building::start(&["oak"]).await;
    let shared_by = |building: &Building| {
        let sources = &building.room("oak").room.sources;
        sources.settings.shared_by.values().copied().next().unwrap()
    };
    assert_eq!(shared_by(&building), 1);
    building.reload("", &["oak", "elm", "ash"]).await;
    assert_eq!(shared_by(&building), 3);
    building.reload("", &["oak"]).await;
    assert_eq!(shared_by(&building), 1);
    building.end().await;
}

#[tokio::test]
async fn a_new_memory_limit_takes_effect_by_a_reload() {
    let mut building = Building::start(&["oak"]).await;
    let before = building.service.joints.budget.largest();
    building.reload("limits.memory = \"64MB\"", &["oak"]).await;
    let after = building.service.joints.budget.largest();
    assert!(after < before && after < 64_000_000, "{before} {after}");
    building.end().await;
}

#[tokio::test]
async fn a_task_that_failed_is_started_again_alone_and_later_each_time() {
    let mut building = Building::start(&["oak", "elm"]).await;
    let elm = building.room("elm").room.view.clone();
    let other = building.pod(2).view.clone();
    for round in 1..=2 {
        building.pod(1).task.abort();
        let dead = building.pod(1).view.clone();
        let begun = Instant::now();
        while !building.pod(1).has_ended() {
            tokio::task::yield_now().await;
        }
        building.until_revived().await;
        assert!(begun.elapsed() >= Duration::from_secs(round), "{round}");
        assert!(!building.pod(1).view.same_channel(&dead));
        assert!(!building.pod(1).has_ended());
    }
    // Its pod reads from the room that was started again.
    building.room("oak").room.task.abort();
    building.until_revived().await;
    let (oak, pod) = (building.room("oak"), building.pod(1));
    assert!(pod.sources.same_channel(&oak.wanted));
    // And all its rooms read from the feed.
    for feed in building.service.feeds.values() {
        feed.task.abort();
    }
    building.until_revived().await;
    let feed = building.service.feeds.values().next().unwrap();
    for name in ["oak", "elm"] {
        let sources = &building.room(name).room.sources;
        assert!(sources.feeds[0].same_channel(&feed.view), "{name}");
    }
    assert!(building.room("elm").room.view.same_channel(&elm));
    assert!(building.pod(2).view.same_channel(&other));
    building.end().await;
}

#[tokio::test]
async fn a_task_that_waits_for_its_restart_does_not_make_the_service_look_dead() {
    let mut building = Building::start(&["oak"]).await;
    building.pod(1).task.abort();
    while !building.pod(1).has_ended() {
        tokio::task::yield_now().await;
    }
    let late = |building: &Building| building.service.late(Duration::from_secs(3600));
    assert_eq!(late(&building).len(), 1);
    assert!(!building.service.revive().await);
    assert_eq!(late(&building), [""; 0]);
    building.end().await;
}
