//! The texts of `podcal pod`: what it reads, what it writes, whom it trusts, and how it fails.

use podcal::sim::{CalendarMode, Fault, Options};
use serde_json::json;

use super::record::{Texts, at};
use super::{building, in_step, meetings};

#[tokio::test]
async fn what_is_read() {
    let mut texts = Texts::of("pod-reads", in_step().await);
    texts.run("sign in", "pod oak token").await;
    texts.run("device", "pod oak info").await;
    texts.run("identity", "pod oak metadata").await;
    texts
        .run("a wrong screen key", "pod oak screen-key 0000")
        .await;
    texts.run("meetings", "pod oak calendar list").await;
    let id = texts.world.pod("oak").meetings()[0]["id"].clone();
    texts
        .run(
            "one meeting",
            &format!("pod oak calendar get {}", id.as_str().unwrap()),
        )
        .await;
    texts
        .run("no such meeting", "pod oak calendar get nothing")
        .await;
    texts
        .run(
            "a part of the configuration",
            "pod oak config get display.calendar.o365",
        )
        .await;
    texts
        .run("no such part", "pod oak config get display.nothing")
        .await;
    texts.run("cameras", "pod oak camera status").await;
    let guid = texts.world.pod("oak").camera_guid().unwrap();
    texts
        .run("a camera", &format!("pod oak camera version {guid}"))
        .await;
    texts
        .run("no such camera", "pod oak camera version none")
        .await;
    texts
        .run(
            "an image into a file",
            "pod oak splash get 1 16x9 --output a.png",
        )
        .await;
    texts
        .run("no such image", "pod oak splash get 99 16x9 --output a.png")
        .await;
    texts.run("not an aspect", "pod oak splash get 1 4x3").await;
    // The pods were sent what they refuse, on purpose.
    texts.world.pod("oak").forget_requests();
    texts.end();
}

#[tokio::test]
async fn what_is_written() {
    let mut texts = Texts::of("pod-writes", in_step().await);
    let (start, end) = (at(1, "13:00"), at(1, "13:30"));
    let review = json!({
        "id": "a", "title": "Review", "organizer": "Ada", "start_time": start, "end_time": end,
    });
    let set = format!("pod oak calendar set '[{review}]'");
    texts
        .run("what would be sent", &format!("{set} --dry-run"))
        .await;
    texts.run("meetings", &set).await;
    texts.run("no meetings", "pod oak calendar clear").await;
    let add =
        format!("pod oak calendar add --title Review --organizer Ada --start {start} --end {end}");
    texts
        .run("one more, in the mode that takes whole sets only", &add)
        .await;
    texts
        .run("the same, as JSON", &format!("{add} --json"))
        .await;
    texts
        .run(
            "a meeting without times",
            "pod oak calendar add --title Review --insist",
        )
        .await;
    texts
        .run("not a time", "pod oak calendar update a --start noon")
        .await;
    texts
        .run("nothing to change", "pod oak calendar update a")
        .await;
    texts.run("delete", "pod oak calendar delete a").await;
    texts.run("not JSON", "pod oak calendar set [{]").await;
    texts
        .run("not meetings", "pod oak calendar set '{\"a\": 1}'")
        .await;
    texts
        .run(
            "a meeting that lacks a field",
            "pod oak calendar set '[{\"id\": \"a\"}]'",
        )
        .await;
    texts
        .run("no such file", "pod oak calendar set missing.ics")
        .await;
    texts
        .run("a setting", "pod oak config set display.calendar.show=true")
        .await;
    texts
        .run(
            "a setting of the wrong type",
            "pod oak config set display.calendar.show=7",
        )
        .await;
    texts.run("not a setting", "pod oak config set []").await;
    texts.run("HDMI", "pod oak hdmi on").await;
    let guid = texts.world.pod("oak").camera_guid().unwrap();
    texts
        .run("firmware", &format!("pod oak camera update {guid}"))
        .await;
    texts
        .run("not an image", "pod oak splash set 1 16x9 podcal.toml")
        .await;
    texts.world.pod("oak").set_mode(CalendarMode::Exchange);
    texts.run("meetings in another mode", &set).await;
    texts
        .run("no meetings in another mode", "pod oak calendar clear")
        .await;
    texts
        .run("one more, in another mode", &format!("{add} --insist"))
        .await;
    // The pods were sent what they refuse, on purpose.
    texts.world.pod("oak").forget_requests();
    texts.end();
}

#[tokio::test]
async fn which_pod_and_how_it_fails() {
    let mut texts = Texts::of("pod", in_step().await);
    let bare = format!(
        "pod {} --password-file password metadata",
        texts.world.pod("oak").url()
    );
    texts
        .run("an address whose certificate is known", &bare)
        .await;
    texts
        .run("an address without a password", "pod 192.0.2.7 info")
        .await;
    texts
        .run(
            "an address that is read as another one",
            "pod 10.1 --no-password info",
        )
        .await;
    texts
        .run("neither a room nor an address", "pod okk info")
        .await;
    texts.run("no operation", "pod oak").await;
    texts
        .run(
            "options of an address for a room",
            "pod oak --no-password info",
        )
        .await;
    texts
        .run("a pod of another room", "pod oak --pod 192.0.2.9 info")
        .await;
    texts
        .run("every room, but not `trust`", "pod --every-room info")
        .await;
    texts.run("trust: nothing changed", "pod oak trust").await;
    texts
        .run(
            "trust, every room: nothing changed",
            "pod --every-room trust",
        )
        .await;
    texts.world.pod("oak").new_certificate().unwrap();
    texts
        .run("an address with another certificate", &bare)
        .await;
    texts
        .run("a room with another certificate", "pod oak info")
        .await;
    texts
        .run(
            "trust, every room: nobody can be asked",
            "pod --every-room trust",
        )
        .await;
    texts
        .run(
            "trust, every room: only shown",
            "pod --every-room trust --dry-run",
        )
        .await;
    texts
        .run("trust, every room", "pod --every-room trust --yes")
        .await;
    texts.world.pod("oak").new_certificate().unwrap();
    texts.run("trust", "pod oak trust").await;
    for (what, fault) in [
        ("no answer", Fault::refuse()),
        ("an error page", Fault::html()),
        ("status 500", Fault::status(500)),
        ("an empty answer", Fault::empty_object()),
        ("a cut off answer", Fault::cut_off()),
    ] {
        texts.world.pod("oak").fault(fault);
        texts.run(what, "pod oak calendar list").await;
        texts.world.pod("oak").clear_faults();
    }
    texts.world.pod("oak").fault(Fault::refuse());
    texts
        .run("no answer, as JSON", "pod oak calendar list --json")
        .await;
    texts
        .run("trust, every room: no answer", "pod --every-room trust")
        .await;
    texts.world.pod("oak").clear_faults();
    texts.world.pod("oak").set_licensed(false);
    texts.run("no licence", "pod oak calendar list").await;
    texts.world.pod("oak").set_licensed(true);
    texts.world.pod("oak").set_password("another");
    texts.run("a wrong password", "pod oak calendar list").await;
    texts
        .run(
            "a rejected password is not tried twice",
            "pod oak calendar list",
        )
        .await;
    let other = format!("{bare} --fingerprint {}", "ab".repeat(32));
    texts
        .run("an address, and not the fingerprint that was given", &other)
        .await;

    let world = building().await.room("elm", &meetings()).await;
    texts.world = world.pod_with("elm", Options::default()).await;
    texts.world.sync().await.exits(0);
    texts.run("two pods", "pod elm calendar list").await;
    texts
        .run("a write to two pods", "pod elm calendar clear")
        .await;
    texts
        .run("a write to all pods", "pod elm calendar clear --all")
        .await;
    texts.world.pods("elm")[1].fault(Fault::refuse());
    texts
        .run("one of two does not answer", "pod elm token")
        .await;
    texts.end();
}
