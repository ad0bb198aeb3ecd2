//! The ledger is a memory: whatever becomes of its file, displays are served, and everything
//! is written when it can be.

use std::fs;
use std::time::Duration;

use sqlx::Connection as _;

use crate::support::beside::execute;
use crate::support::{Service, World, calendar, meeting, titles, within};

async fn world() -> World {
    World::of_one_room(&[meeting("Standup", 1)]).await
}

/// A change gets through to the display.
async fn serves(world: &World, service: &Service, title: &str) {
    world.set_feed("oak", &calendar(&[meeting(title, 1)]));
    let shown = world.pod("oak").wait_for(|pod| titles(pod) == [title]);
    if tokio::time::timeout(Duration::from_secs(50), shown)
        .await
        .is_err()
    {
        let shows = world.shows("oak");
        panic!("not shown: {title}, but {shows:?}\n{}", service.log());
    }
}

/// After a stop the next process knows what the display was sent, and sends nothing.
async fn is_remembered(world: &World, service: Service) -> String {
    let log = service.stop().await;
    world.ledger_is_sound().await;
    let pushes = world.pushes("oak");
    world.sync().await.exits(0);
    assert_eq!(world.pushes("oak"), pushes, "{log}");
    log
}

/// A folder of the ledger on a disk of a megabyte that another program fills.
#[tokio::test]
async fn a_full_disk_is_said_once_and_nothing_is_lost() {
    let world = world().await.with("ledger.path", "\"disk/podcal.db\"");
    fs::create_dir(world.path("disk")).unwrap();
    let mount = "mount -t tmpfs -o size=1m tmpfs disk";
    let Some(service) = world.serve_after(mount).await else {
        return;
    };
    service.says("first pass done").await;
    let fill = "dd if=/dev/zero of=filler bs=4k oflag=append conv=notrunc 2>/dev/null || true";
    let folder = world.path("disk");
    let folder = folder.display();
    service.beside(&format!("cd {folder} && {fill}")).await;
    let mut full = 0;
    // Its log has room for some changes yet.
    while !service.log().contains("ledger.write_failed") {
        full += 1;
        assert!(full < 60, "{}", service.log());
        let events: Vec<String> = (0..40)
            .map(|n| meeting(&format!("Meeting {full}-{n}"), 1))
            .collect();
        world.set_feed("oak", &calendar(&events));
        let wanted = format!("Meeting {full}-0");
        world
            .until("a change", "oak", |pod| titles(pod).contains(&wanted))
            .await;
    }
    // What a smaller write found room in is taken too.
    service.beside(&format!("cd {folder} && {fill}")).await;
    serves(&world, &service, "Full").await;
    world.pod("oak").reboot();
    world
        .until("the repair", "oak", |pod| titles(pod) == ["Full"])
        .await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    service.beside(&format!("rm {folder}/filler")).await;
    service.says("ledger.write_recovered").await;
    serves(&world, &service, "Room again").await;
    let health = world.podcal(&["status", "--healthy", "--json"]).await;
    assert_eq!(health.json()["ledger_writable"], true, "{health}");
    // What was written is whole, and is all of it.
    let copy = service.seen(&world.path("disk/podcal.db"));
    let log = world.path("podcal.db-wal");
    let written = async {
        loop {
            fs::copy(&copy, world.path("podcal.db")).unwrap();
            let _ = fs::copy(service.seen(&world.path("disk/podcal.db-wal")), &log);
            let rows = world.ledger().await;
            if rows.iter().any(|row| row.contains("Room again")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within("the newest meetings in the ledger", written).await;
    let log = service.stop().await;
    let said = |event: &str| log.matches(event).count();
    assert_eq!(
        said("ledger.write_failed"),
        said("ledger.write_recovered"),
        "{log}"
    );
    assert!(said("ledger.write_failed") <= 2, "{log}");
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_is_said_once_and_nothing_is_lost() {
    let world = world().await.with("ledger.path", "\"disk/podcal.db\"");
    fs::create_dir(world.path("disk")).unwrap();
    let mount = "mount -t tmpfs -o size=4m tmpfs disk";
    let Some(service) = world.serve_after(mount).await else {
        return;
    };
    service.says("first pass done").await;
    let folder = world.path("disk");
    let remount = |how: &str| format!("mount -o remount,{how} {}", folder.display());
    // What is open for writing cannot become read-only, so the file system is told to.
    let pid = service.pid();
    let read_only = tokio::process::Command::new("nsenter")
        .args(["-t", &pid.to_string(), "-m", "sh", "-c", &remount("ro")])
        .stderr(std::process::Stdio::null())
        .status();
    if !read_only.await.unwrap().success() {
        // The same for a process that opens it anew.
        service
            .beside(&format!(
                "mount --bind {0} {0} && mount -o remount,bind,ro {0}",
                folder.display()
            ))
            .await;
        serves(&world, &service, "Read only").await;
        service.stop().await;
        return;
    }
    serves(&world, &service, "Read only").await;
    service.says("ledger.write_failed").await;
    serves(&world, &service, "Still read only").await;
    service.beside(&remount("rw")).await;
    service.says("ledger.write_recovered").await;
    let log = service.stop().await;
    assert_eq!(log.matches("ledger.write_failed").count(), 1, "{log}");
}

/// A backup program, say, that holds the file for longer than podcal waits.
#[tokio::test]
async fn a_lock_that_another_program_holds_is_said_once_and_nothing_is_lost() {
    let world = world().await;
    let service = world.serve();
    service.says("first pass done").await;
    let mut other = world.open_ledger().await;
    execute(&mut other, "BEGIN IMMEDIATE").await;
    serves(&world, &service, "Locked").await;
    world.pod("oak").reboot();
    world
        .until("the repair", "oak", |pod| titles(pod) == ["Locked"])
        .await;
    service.says("ledger.write_failed").await;
    world.podcal(&["status", "--healthy"]).await.exits(0);
    serves(&world, &service, "Still locked").await;
    execute(&mut other, "ROLLBACK").await;
    other.close().await.unwrap();
    service.says("ledger.write_recovered").await;
    let log = is_remembered(&world, service).await;
    assert_eq!(log.matches("ledger.write_failed").count(), 1, "{log}");
}

#[tokio::test]
async fn a_ledger_that_is_deleted_is_begun_anew_with_everything_current() {
    let world = world().await;
    let service = world.serve();
    service.says("first pass done").await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(world.path(&format!("podcal.db{suffix}")));
    }
    service.says("ledger.replaced").await;
    serves(&world, &service, "New").await;
    is_remembered(&world, service).await;
    assert_eq!(world.sign_ins("oak").1, 0);
}

/// How the file of a service at work is spoilt, and of one that is about to start.
fn spoil(world: &World, how: &str) {
    let path = world.path("podcal.db");
    let whole = fs::read(&path).unwrap();
    let _ = fs::remove_file(world.path("podcal.db-wal"));
    let _ = fs::remove_file(world.path("podcal.db-shm"));
    let spoilt = match how {
        "truncated" => whole[..whole.len() / 2].to_vec(),
        "random" => (0..whole.len() as u64)
            .map(|n| n.wrapping_mul(6_364_136_223_846_793_005).to_be_bytes()[0] | 0x80)
            .collect(),
        "empty" => Vec::new(),
        other => panic!("{other}"),
    };
    // In place, as a disk would do it.
    fs::write(&path, spoilt).unwrap();
}

#[tokio::test]
async fn a_damaged_ledger_is_set_aside_at_the_start_and_no_display_goes_blank() {
    for (how, says) in [
        ("truncated", "ledger.set_aside"),
        ("random", "ledger.set_aside"),
        ("empty", "ledger.empty"),
    ] {
        let world = world().await;
        world.sync().await.exits(0);
        spoil(&world, how);
        world
            .feeds
            .fault(podcal::sim::feedhost::FeedFault::status(500));
        let service = world.serve();
        service.says(says).await;
        service.says("first pass done").await;
        let polls = world.pod("oak").count("GET", "/v2/calendar");
        world
            .until("polls", "oak", |pod| {
                pod.count("GET", "/v2/calendar") > polls + 2
            })
            .await;
        assert_eq!(world.shows("oak"), ["Standup"], "{how}");
        world.feeds.clear_faults();
        serves(&world, &service, "New").await;
        let aside = fs::read_dir(world.path(""))
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.starts_with("podcal.db.damaged-"))
            .count();
        assert_eq!(aside, usize::from(how != "empty"), "{how}");
        is_remembered(&world, service).await;
    }
}

#[tokio::test]
async fn a_ledger_that_is_damaged_under_the_service_is_set_aside() {
    for how in ["truncated", "random", "empty"] {
        let world = world().await;
        let service = world.serve();
        service.says("first pass done").await;
        spoil(&world, how);
        for title in ["New", "Newer"] {
            serves(&world, &service, title).await;
        }
        let works = async {
            loop {
                let health = world.podcal(&["status", "--healthy", "--json"]).await;
                let log = service.log();
                let is_noticed = ["ledger.set_aside", "ledger.replaced", "ledger.empty"]
                    .iter()
                    .any(|name| log.contains(name));
                if is_noticed && health.json()["ledger_writable"] == true {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(50), works)
            .await
            .is_err()
        {
            panic!("{how}: {}", service.log());
        }
        is_remembered(&world, service).await;
    }
}

/// Not damage: nothing is moved or written.
#[tokio::test]
async fn a_newer_ledger_is_refused() {
    let world = world().await;
    world.sync().await.exits(0);
    world
        .in_ledger(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of a newer podcal', 1, x'00', 0)",
        )
        .await;
    let before = world.ledger().await;
    for command in [
        &["run"][..],
        &["sync"],
        &["status"],
        &["check", "--connect"],
    ] {
        let ran = world.podcal(command).await.exits(1);
        assert!(ran.stderr.contains("newer"), "{ran}");
    }
    assert_eq!(world.ledger().await, before);
    assert_eq!(world.shows("oak"), ["Standup"]);
}

/// What is not known to work is not tried while its pause cannot be written.
#[tokio::test]
async fn without_a_ledger_that_can_be_written_no_new_password_is_tried() {
    let world = world().await.with("ledger.path", "\"disk/podcal.db\"");
    fs::create_dir(world.path("disk")).unwrap();
    world.set_password("Not-the-password-1");
    let prepare = "mount -t tmpfs -o size=4m tmpfs disk && mount -o remount,ro disk";
    let Some(service) = world.serve_after(prepare).await else {
        return;
    };
    service.says("service.failed").await;
    drop(service);
    assert_eq!(world.sign_ins("oak"), (0, 0));
}

/// Nothing changes: nothing is written.
#[tokio::test]
async fn a_building_in_which_nothing_changes_writes_nothing() {
    let mut world = World::start().await;
    for number in 0..10 {
        world = world
            .room(&format!("room-{number}"), &[meeting("Standup", 1)])
            .await;
    }
    let service = world.serve();
    service.says("first pass done: 10 of 10").await;
    let files = || {
        ["podcal.db", "podcal.db-wal"].map(|name| {
            let file = fs::metadata(world.path(name)).unwrap();
            (name, file.len(), file.modified().unwrap())
        })
    };
    // What the first pass left to be written is written some time; then ten pulls of each
    // room, and ten looks at each display, come and go without a write.
    for _ in 0..20 {
        let before = files();
        world.until_pulled("room-0", 10).await;
        if files() == before {
            service.stop().await;
            return;
        }
    }
    panic!("it goes on writing\n{}", service.log());
}
