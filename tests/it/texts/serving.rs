//! The texts of what brings displays in step: check, sync, and the service.

use podcal::sim::Fault;

use super::record::{Texts, meeting};
use super::{BAD, building, in_step, meetings, moved_meetings, troubled};
use crate::support::calendar;

#[tokio::test]
async fn check() {
    let mut texts = Texts::of("check", in_step().await);
    texts.world.set("pod.min_interval", "\"10s\"");
    texts.run("a good configuration", "check").await;
    texts
        .run("one room, and everything answers", "check --connect")
        .await;
    texts.world.set("pod.min_interval", "\"1s\"");
    texts.world.set("schedule.health", "\"1s\"");
    texts.run("good, but not wise", "check").await;
    texts
        .run("there is no such file", "--config nowhere.toml check")
        .await;
    texts.run("a folder", "--config . check").await;
    for (what, config) in [
        ("several mistakes", BAD),
        (
            "not TOML",
            "time_zone: Europe/Berlin\nrooms:\n  oak:\n    feed: x\n",
        ),
        (
            "a bracket is missing",
            "[rooms.oak\nfeed = \"file:a.ics\"\npod = = \"192.0.2.1\"\n",
        ),
        (
            "a name that needs quotes",
            "[rooms.Big Room]\nfeed = \"file:a.ics\"\n",
        ),
        ("an empty file", ""),
    ] {
        texts.world.write_config(config);
        texts.run(what, "check").await;
    }
    texts.run("an empty file, as JSON", "check --json").await;
    texts.run("an option alone", "check --try-password").await;

    texts.world = troubled().await;
    texts.world.set("pod.min_interval", "\"10s\"");
    texts
        .run("a room for everything that can go wrong", "check --connect")
        .await;
    texts
        .run(
            "again: a rejected password is not tried twice",
            "check --connect",
        )
        .await;
    texts.end();
}

#[tokio::test]
async fn sync() {
    let world = building().await.room("oak", &meetings()).await;
    let mut texts = Texts::of("sync", world.room("elm", &[]).await);
    texts.world.set("guard.vanished", "2");
    texts.world.set("guard.hold", "\"1h\"");
    texts
        .run("what the first sync would do", "sync --dry-run")
        .await;
    texts.run("the first sync", "sync").await;
    texts.run("everything is in step", "sync").await;
    texts.run("one room", "sync --room oak").await;
    texts.world.set_feed("oak", &calendar(&moved_meetings()));
    texts.run("what would change", "sync --dry-run").await;
    texts.run("a calendar changed", "sync").await;
    texts.run("pushed again", "sync --room oak --force").await;
    texts.world.set_feed("oak", &calendar(&[]));
    texts.run("a calendar is empty at once", "sync").await;
    texts
        .run("the empty calendar is accepted", "sync --force")
        .await;
    texts.run("no such room", "sync --room okk").await;
    texts
        .run(
            "no such room, as JSON",
            "sync --room nothing-like-it --json",
        )
        .await;
    texts.world.write_config(BAD);
    texts.run("a bad configuration", "sync").await;

    texts.world = troubled().await;
    texts.world.pod("good").fault(Fault::upper_case());
    let changed = [meetings(), vec![meeting("New", 2, "11:00", "13:00")]].concat();
    for room in [
        "good",
        "refused",
        "wrong-password",
        "exchange",
        "clock",
        "unlicensed",
        "another",
        "html",
    ] {
        texts.world.set_feed(room, &calendar(&changed));
    }
    texts
        .run(
            "what would change where things went wrong",
            "sync --dry-run",
        )
        .await;
    texts
        .run("a room for everything that can go wrong", "sync")
        .await;
    texts.run("the same again", "sync").await;
    texts.end();
}

#[tokio::test]
async fn service() {
    let mut texts = Texts::of("service", building().await.room("oak", &meetings()).await);
    texts.world.set("pod.min_interval", "\"10s\"");
    texts.run("reload: no service runs", "reload").await;
    texts
        .run("reload: no service runs, as JSON", "reload --json")
        .await;
    let service = texts.world.serve();
    service.says("service.summary").await;
    texts.run("reload: nothing changed", "reload").await;
    texts.world.set("window.days", "3");
    texts.run("reload", "reload").await;
    texts.run("run: a second service", "run").await;
    texts.run("sync by the service", "sync").await;
    let good = texts.world.config_text();
    texts.world.write_config(BAD);
    texts.run("reload: a bad configuration", "reload").await;
    texts
        .run("status: a bad configuration", "status --healthy")
        .await;
    texts.run("run: a bad configuration", "run").await;
    texts
        .run(
            "run: a bad configuration, logged as JSON",
            "--log-format json run",
        )
        .await;
    texts.world.write_config(&good);
    service.stop().await;
    texts.world.set("ledger.path", "\"nowhere/podcal.db\"");
    texts
        .run("run: the folder of the ledger is missing", "run")
        .await;
    texts
        .run("sync: the folder of the ledger is missing", "sync")
        .await;
    texts.world.set("ledger.path", "\"password\"");
    texts.run("run: the ledger is no ledger", "run").await;
    texts.run("status: the ledger is no ledger", "status").await;
    texts.world.set("ledger.path", "\"podcal.db\"");
    let taken = format!("{:?}", texts.world.feeds.address().to_string());
    texts.world.set("web.listen", &taken);
    texts.run("run: the port of the page is taken", "run").await;
    texts.end();
}
