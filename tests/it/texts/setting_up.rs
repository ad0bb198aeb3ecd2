//! The texts of what needs no building: init, the simulator, the demo, and what is typed wrongly.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::record::Texts;
use crate::support::World;

#[tokio::test]
async fn init() {
    let mut texts = Texts::of("init", World::start().await);
    let oak = "--room oak --feed file:oak.ics --pod 192.0.2.1 --time-zone Europe/Berlin";
    let init = |file: &str, more: &str| format!("--config {file} init {oak} {more}");
    texts
        .run(
            "from options",
            &init("first.toml", "--password-file password"),
        )
        .await;
    texts
        .run("the file exists", &init("first.toml", "--no-password"))
        .await;
    texts
        .run(
            "the file exists, as JSON",
            &init("first.toml", "--no-password --json"),
        )
        .await;
    texts
        .run(
            "the password is in a variable",
            &init("b.toml", "--password-env POD_PASSWORD"),
        )
        .await;
    texts
        .run(
            "the folder is missing",
            &init("nowhere/a.toml", "--no-password"),
        )
        .await;
    fs::create_dir(texts.world.path("empty")).unwrap();
    texts
        .run("nobody can be asked", "--config empty/a.toml init")
        .await;
    texts
        .run(
            "a pod is missing",
            "--config a.toml init --room oak --feed file:a.ics",
        )
        .await;
    for (what, name, table) in [
        (
            "from a table",
            "good",
            "room,feed,pod,floor\noak,https://calendar.example.com/oak.ics,192.0.2.1,3\n\
             elm,file:elm.ics,192.0.2.2,4\n",
        ),
        (
            "from a table with mistakes",
            "wrong",
            "room,feed,pod\noak,calendar.example.com/oak.ics,192.0.2.1\nelm,file:elm.ics,192.0.2.1\n",
        ),
        ("from a table without pods", "none", "room,feed\noak\n"),
        ("from a table that is empty", "empty", ""),
    ] {
        fs::write(texts.world.path(&format!("{name}.csv")), table).unwrap();
        let line =
            format!("--config {name}.toml init --csv {name}.csv --no-password --time-zone UTC");
        texts.run(what, &line).await;
    }
    texts
        .run(
            "from a table that is missing",
            "--config c.toml init --csv missing.csv --no-password",
        )
        .await;
    texts.end();
}

#[tokio::test]
async fn simulate() {
    let mut texts = Texts::of("simulate", World::start().await);
    let line = "simulate --listen 127.0.0.1:0 --control 127.0.0.1:0 --pods 2 --password solstice";
    texts.begin("two pods", line, "Ctrl-C").await;
    let taken = texts.world.feeds.address().to_string();
    texts
        .run("the port is taken", &format!("simulate --listen {taken}"))
        .await;
    texts
        .run("not an address", "simulate --listen localhost")
        .await;
    for (what, options) in [
        ("a misspelt fault", "--fault sloow=10s"),
        ("half a fault", "--fault slow"),
        ("a misspelt fault of a feed", "--feed-fault dela=1s"),
        ("not a time zone", "--time-zone Berlin"),
        ("not a mode", "--mode outlook"),
        (
            "no such folder",
            "--feeds missing --feeds-listen 127.0.0.1:0",
        ),
        ("the password file is missing", "--password-file missing"),
        ("a control address for everybody", "--control 0.0.0.0:1"),
    ] {
        texts
            .run(what, &format!("simulate --listen 127.0.0.1:0 {options}"))
            .await;
    }
    texts.end();
}

#[tokio::test]
async fn others() {
    let mut texts = Texts::of("others", World::start().await);
    texts.run("no command", "").await;
    texts.run("no such command", "synk").await;
    texts
        .run("no such option, as JSON", "sync --dry --json")
        .await;
    texts
        .run("no such level of log lines", "--log-level loud check")
        .await;
    texts.run("man", "man pages").await;
    texts.run("man: not a folder", "man password").await;
    texts
        .run("completions: no such shell", "completions cmd")
        .await;
    texts.run("config: no operation", "config").await;
    texts
        .run("config: no such operation", "config exmaple")
        .await;
    let ledger = texts.world.path("old.db");
    fs::write(&ledger, "").unwrap();
    fs::set_permissions(&ledger, fs::Permissions::from_mode(0o600)).unwrap();
    for (what, options) in [
        ("no operation", ""),
        (
            "no such file",
            "copy --from missing.db --to postgres://podcal@127.0.0.1:1/podcal",
        ),
        ("not an address", "copy --from old.db --to 127.0.0.1"),
        (
            "a password in the address",
            "copy --from old.db --to postgres://podcal:solstice@127.0.0.1/podcal",
        ),
        (
            "the password file is missing",
            "copy --from old.db --to postgres://podcal@127.0.0.1:1/podcal --password-file missing",
        ),
        (
            "nothing answers at the address",
            "copy --from old.db --to postgres://podcal@127.0.0.1:1/podcal",
        ),
    ] {
        let line = format!("ledger {options}");
        texts.run(&format!("ledger: {what}"), line.trim_end()).await;
    }
    texts.end();
}

/// Its pictures depend on the time of day in three cities, so what is around them is compared.
#[tokio::test]
async fn demo() {
    let mut texts = Texts::of("demo", World::start().await);
    let mut ran = texts.world.podcal(&["demo"]).await;
    let mut text = String::new();
    let mut is_drawn = false;
    for line in ran.stdout.lines() {
        is_drawn &= !line.starts_with("And why") && !line.starts_with("Your own");
        if !is_drawn {
            text += &format!("{}\n", with_its_times_rounded(line));
        }
        if line.starts_with("This is what") || line.starts_with("And why") {
            text += "\n(left out)\n\n";
            is_drawn = true;
        }
    }
    ran.stdout = text;
    texts.add("all of it", "demo", &ran);
    texts.end();
}

/// Of a line such as "   1.2 s  every display was signed in to".
fn with_its_times_rounded(line: &str) -> String {
    let line = match line.split_once(" s  ") {
        Some((time, says)) if time.trim().parse::<f32>().is_ok() => format!("   0.1 s  {says}"),
        _ => line.to_owned(),
    };
    match line.rsplit_once(" after ") {
        Some((says, _)) => format!("{says} after 0.1 s"),
        None => line,
    }
}
