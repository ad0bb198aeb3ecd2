//! Whatever becomes of stderr, the service serves and stops when it is told to.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::process::Stdio;

use podcal::sim::feedhost::FeedFault;
use tokio::process::{Child, Command};

use crate::support::{World, calendar, meeting, titles, within};

async fn world() -> World {
    World::of_one_room(&[meeting("Standup", 1)]).await
}

async fn serves(world: &World, title: &str) {
    world.set_feed("oak", &calendar(&[meeting(title, 1)]));
    world
        .until(title, "oak", |pod| titles(pod) == [title])
        .await;
}

async fn stops(mut child: Child) {
    let pid = child.id().unwrap().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.await.unwrap().success());
    let ended = within("the end", child.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
}

/// A pipe by name, with room for few lines.
fn pipe(world: &World) -> std::path::PathBuf {
    let path = world.path("stderr");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    path
}

#[tokio::test]
async fn a_closed_stderr_does_not_matter() {
    let world = world().await;
    let podcal = env!("CARGO_BIN_EXE_podcal");
    let child = Command::new("sh")
        .args(["-c", &format!("exec {podcal} --log-level trace run 2>&-")])
        .current_dir(world.path(""))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    serves(&world, "Closed").await;
    serves(&world, "Still closed").await;
    stops(child).await;
}

#[tokio::test]
async fn a_full_disk_behind_stderr_does_not_matter() {
    let world = world().await;
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = world.process(&["--log-level", "trace", "run"]);
    let child = command.stderr(full).spawn().unwrap();
    serves(&world, "Full").await;
    serves(&world, "Still full").await;
    stops(child).await;
}

/// More lines than a pipe takes, and nobody reads.
#[tokio::test]
async fn a_reader_that_stops_reading_does_not_matter() {
    let mut world = world().await;
    for number in 0..6 {
        world = world.room(&format!("room-{number}"), &[]).await;
    }
    let path = pipe(&world);
    // Both ends, so that opening does not wait.
    let both = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let stderr = OpenOptions::new().write(true).open(&path).unwrap();
    let mut command = world.process(&["--log-level", "trace", "--log-format", "json", "run"]);
    let child = command.stderr(stderr).spawn().unwrap();
    serves(&world, "Begun").await;
    // The pipe is full: one more byte would wait.
    fill(&both);
    for title in ["Nobody reads", "Still nobody"] {
        serves(&world, title).await;
    }
    world.podcal(&["status", "--healthy"]).await.exits(0);
    stops(child).await;
}

fn fill(pipe: &File) {
    use std::io::Write as _;
    let flags = rustix::fs::fcntl_getfl(pipe).unwrap();
    rustix::fs::fcntl_setfl(pipe, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut pipe = pipe;
    while pipe.write(b"filler\n").is_ok() {}
}

/// Its reader goes away and another comes: the lines between are counted.
#[tokio::test]
async fn lost_lines_are_counted() {
    let world = world().await;
    let path = pipe(&world);
    let both = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let stderr = OpenOptions::new().write(true).open(&path).unwrap();
    let mut command = world.process(&["--log-level", "debug", "run"]);
    let child = command.stderr(stderr).spawn().unwrap();
    serves(&world, "Begun").await;
    drop(both);
    serves(&world, "Nobody is there").await;
    world.until_pulled("oak", 3).await;
    let reader = tokio::task::spawn_blocking(move || {
        let mut reader = File::open(&path).unwrap();
        let mut log = String::new();
        let mut part = [0; 4096];
        while !log.contains("log.lost") {
            let read = reader.read(&mut part).unwrap();
            assert!(read > 0, "{log}");
            log += &String::from_utf8_lossy(&part[..read]);
        }
        log
    });
    let log = within("the count of lost lines", reader).await.unwrap();
    assert!(
        log.contains("lines of this log could not be written"),
        "{log}"
    );
    stops(child).await;
}

/// `sync` prints its table and exits by the displays.
#[tokio::test]
async fn sync_prints_its_table_whatever_becomes_of_stderr() {
    let world = world().await;
    let podcal = env!("CARGO_BIN_EXE_podcal");
    let path = pipe(&world);
    let both = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    fill(&both);
    for (stderr, is_well) in [
        ("2>&-", true),
        ("2>/dev/full", true),
        ("2>stderr", true),
        ("2>&-", false),
        ("2>/dev/full", false),
        ("2>stderr", false),
    ] {
        if !is_well {
            world.feeds.fault(FeedFault::status(500));
        }
        let line = format!("exec {podcal} --log-level trace sync {stderr}");
        let child = Command::new("sh")
            .args(["-c", &line])
            .current_dir(world.path(""))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let done = within("sync", child.wait_with_output()).await.unwrap();
        let table = String::from_utf8(done.stdout).unwrap();
        assert!(table.contains("ROOM") && table.contains("oak"), "{table}");
        assert_eq!(done.status.code(), Some(i32::from(!is_well)), "{stderr}");
        world.feeds.clear_faults();
    }
}

/// Its error cannot be said either, and it ends anyway.
#[tokio::test]
async fn a_command_that_fails_ends_also_when_nobody_reads_why() {
    let world = world().await;
    world.feeds.fault(FeedFault::hang());
    let path = pipe(&world);
    let both = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let stderr = OpenOptions::new().write(true).open(&path).unwrap();
    fill(&both);
    let mut command = world.process(&["sync"]);
    let mut child = command
        .stderr(stderr)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    world.until_pulled("oak", 1).await;
    let pid = child.id().unwrap().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.await.unwrap().success());
    let ended = within("the command to end", child.wait()).await;
    assert_eq!(ended.unwrap().code(), Some(1));
}
