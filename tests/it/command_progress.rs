//! Long commands say on a terminal how far they are, and nowhere else.

use std::process::Stdio;

use tokio::process::Command;

use crate::support::{World, meeting, within};

/// What a terminal is shown while a command runs in it, by script(1); `None` where that is missing.
async fn in_a_terminal(world: &World, arguments: &str) -> Option<String> {
    let podcal = env!("CARGO_BIN_EXE_podcal");
    let child = Command::new("script")
        .args(["-qec", &format!("{podcal} {arguments}"), "/dev/null"])
        .current_dir(world.path(""))
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let Ok(child) = child else {
        eprintln!("left out: script(1) is not installed");
        return None;
    };
    let done = within(arguments, child.wait_with_output()).await.unwrap();
    Some(String::from_utf8(done.stdout).unwrap())
}

async fn world() -> World {
    let world = World::start().await;
    let world = world.room("oak", &[meeting("Standup", 1)]).await;
    world.room("elm", &[meeting("Plan", 1)]).await
}

#[tokio::test]
async fn a_terminal_is_shown_how_far_it_is_until_it_is_done() {
    let world = world().await;
    for (arguments, steps) in [
        ("sync", ["0 of 2 rooms done", "2 of 2 rooms done"]),
        (
            "check --connect",
            ["0 of 2 rooms checked", "2 of 2 rooms checked"],
        ),
        (
            "pod --every-room trust",
            ["0 of 2 pods checked", "2 of 2 pods checked"],
        ),
    ] {
        let Some(shown) = in_a_terminal(&world, arguments).await else {
            return;
        };
        for step in steps {
            assert!(shown.contains(&format!("\r{step}\r")), "{step}\n{shown:?}");
            // Blank before the result, so that nothing of it stays.
            let (_, rest) = shown.rsplit_once(step).unwrap();
            let blank = format!("\r{}\r", " ".repeat(step.len()));
            assert!(rest.contains(&blank), "{step}\n{shown:?}");
        }
    }
    for arguments in [
        &["sync"][..],
        &["check", "--connect"],
        &["pod", "--every-room", "trust"],
    ] {
        let ran = world.podcal(arguments).await.exits(0);
        for text in [&ran.stdout, &ran.stderr] {
            for said in ["rooms done", "rooms checked", "pods checked", "\r"] {
                assert!(!text.contains(said), "{said:?}\n{ran}");
            }
        }
    }
}

#[tokio::test]
async fn a_large_file_is_said_to_be_read() {
    let world = World::start().await;
    let mut events = vec![meeting("Standup", 1)];
    let description = format!("SUMMARY:Long\r\nDESCRIPTION:{}", "x".repeat(1_100_000));
    events.extend((0..5).map(|hours| meeting("Long", hours).replace("SUMMARY:Long", &description)));
    std::fs::write(world.path("a.ics"), crate::support::calendar(&events)).unwrap();
    let arguments = "expand a.ics --from 2000-01-01 --to 2000-01-02";
    let Some(shown) = in_a_terminal(&world, arguments).await else {
        return;
    };
    assert!(shown.contains("\rreading a.ics (5 MB)\r"), "{shown:?}");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let ran = world.podcal(&arguments).await.exits(0);
    assert!(!ran.stderr.contains("reading a.ics"), "{ran}");
}
