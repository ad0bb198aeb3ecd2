//! `podcal demo`: what it shows, and its page.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{World, within};

#[tokio::test]
async fn it_ends_by_itself_and_leaves_nothing_behind() {
    let mut world = World::start().await;
    let tmp = world.path("tmp");
    std::fs::create_dir(&tmp).unwrap();
    world.set_environment("TMPDIR", tmp.to_str().unwrap());
    world.podcal(&["demo"]).await.exits(0).prints(&[
        "every display was signed in to",
        "podcal explain ROOM",
        "podcal demo --open",
    ]);
    assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
}

async fn get(url: &str, path: &str) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    within(path, asked).await
}

/// A desktop that notes what it is asked to open.
fn desktop(world: &mut World) {
    let folder = world.path("bin");
    std::fs::create_dir(&folder).unwrap();
    let script = folder.join("xdg-open");
    std::fs::write(&script, "#!/bin/sh\necho \"$1\" > opened\n").unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    world.set_environment("PATH", &format!("{}:/usr/bin:/bin", folder.display()));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn its_page_opens_in_a_browser_and_stays_until_it_is_stopped() {
    let mut world = World::start().await;
    desktop(&mut world);
    let (mut demo, document) = world.begin_json(&["demo", "--open", "--json"]).await;
    let opened = std::fs::read_to_string(world.path("opened")).unwrap();
    let url = opened.trim();
    let status = get(url, "/api/v1/status").await;
    let (_, status) = status.split_once("\r\n\r\n").unwrap();
    let status: Value = serde_json::from_str(status).unwrap();
    let rooms = document["rooms"].as_array().unwrap().len();
    assert_eq!(status["rooms"].as_array().unwrap().len(), rooms);
    assert!(get(url, "/").await.contains("200 OK"));
    let pid = rustix::process::Pid::from_raw(i32::try_from(demo.id().unwrap()).unwrap());
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::INT).unwrap();
    let ended = within("the demo to end", demo.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn without_a_browser_it_says_where_the_page_is() {
    let mut world = World::start().await;
    let empty = world.path(".");
    world.set_environment("PATH", empty.to_str().unwrap());
    let says = "The page of these rooms is at http://127.0.0.1:";
    let is_enough = |text: &str| text.contains(says) && text.ends_with("Ctrl-C.\n");
    world.begin(&["demo", "--open"], is_enough).await;
}

/// As in the image, which has no folder for temporary files.
#[tokio::test]
async fn it_needs_no_folder_for_temporary_files() {
    let mut world = World::start().await;
    let missing = world.path("missing");
    world.set_environment("TMPDIR", missing.to_str().unwrap());
    let entries = || std::fs::read_dir(world.path(".")).unwrap().count();
    let before = entries();
    world.podcal(&["demo"]).await.exits(0);
    assert_eq!(entries(), before);
}
