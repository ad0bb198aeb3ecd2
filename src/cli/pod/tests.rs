//! The command as a person types it, against a simulated pod that is strict.

use std::io::Cursor;
use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::address::AddressOptions;
use super::args::PodArgs;
use super::input::job;
use super::run::{Outcome, Streams, Target, run};
use crate::cli::Failure;
use crate::config::TlsTrust;
use crate::fault::Fault as _;
use crate::model::fingerprint::Fingerprint;
use crate::model::meeting::Meeting;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;
use crate::model::zone::Zone;
use crate::sim::{self, Sim};

const PASSWORD: &str = "Solstice&1 ü";

#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    pod: PodArgs,
    /// Of the whole program.
    #[arg(long, global = true)]
    json: bool,
}

async fn sim(options: sim::Options) -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let password = PASSWORD.into();
    Sim::start(
        listener,
        sim::Options {
            password,
            ..options
        },
    )
    .unwrap()
}

/// What a person sees of a command.
struct Saw {
    out: String,
    talk: String,
    ran: Result<Outcome, Failure>,
}

impl Saw {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}", self.everything()))
    }

    fn ok(self) -> Self {
        let good = matches!(&self.ran, Ok(ran) if ran.errors.is_empty());
        assert!(good, "{}", self.everything());
        self
    }

    fn error(&self) -> &crate::pod::PodError {
        match &self.ran {
            Ok(ran) if ran.errors.len() == 1 => &ran.errors[0],
            _ => panic!("{}", self.everything()),
        }
    }

    /// All that could hold a secret.
    fn everything(&self) -> String {
        format!("{}\n{}\n{:?}", self.out, self.talk, self.ran)
    }
}

fn target(sim: &Sim) -> Target {
    let url = PodUrl::parse(&sim.url()).unwrap();
    let mut pod = AddressOptions::default().pod(url, false).unwrap();
    pod.password = Secret::new(PASSWORD);
    Target {
        pod,
        pin: None,
        keeps_pin: true,
        gate: None,
    }
}

async fn typed(targets: &[Target], line: &[&str], stdin: &[u8]) -> Saw {
    let cli = Cli::try_parse_from(["pod", "aurora"].iter().chain(line))
        .unwrap_or_else(|error| panic!("{error}"));
    let mut args = cli.pod;
    args.options.json = cli.json;
    let (mut out, mut talk) = (Vec::new(), Vec::new());
    let mut stdin = Cursor::new(stdin.to_vec());
    let from_ics = |bytes: &[u8]| -> Result<Vec<Meeting>, String> {
        assert!(bytes.starts_with(b"BEGIN:VCALENDAR"));
        Ok(vec![meeting("ics")])
    };
    let zone = Zone::named("Europe/Berlin").unwrap();
    let ran = match job(&args.action, &zone, &mut stdin, &from_ics).await {
        Err(error) => Err(error),
        Ok(job) => {
            let mut streams = Streams {
                out: &mut out,
                talk: &mut talk,
                progress: true,
            };
            run(&job, &args.options, targets, &mut streams).await
        }
    };
    Saw {
        out: String::from_utf8_lossy(&out).into_owned(),
        talk: String::from_utf8_lossy(&talk).into_owned(),
        ran,
    }
}

fn meeting(id: &str) -> Meeting {
    serde_json::from_value(json!({
        "id": id, "title": "Review", "organizer": "Ada",
        "start_time": 1_772_442_000, "end_time": 1_772_445_600
    }))
    .unwrap()
}

#[test]
fn the_arguments_are_sound_and_every_one_is_explained() {
    let mut command = Cli::command();
    command.clone().debug_assert();
    fn check(command: &mut clap::Command, path: &str) {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let plain = [
                "help",
                "id",
                "key",
                "guid",
                "path",
                "state",
                "title",
                "organizer",
            ];
            assert!(
                argument.get_help().is_some() || plain.contains(&name),
                "{path}: {name} has no help"
            );
        }
        let _ = command.render_long_help();
        for child in command.get_subcommands_mut() {
            assert!(child.get_about().is_some(), "{path} {}", child.get_name());
            let path = format!("{path} {}", child.get_name());
            check(child, &path);
        }
    }
    check(&mut command, "pod");
}

#[tokio::test]
async fn a_set_of_meetings_is_put_listed_and_cleared() {
    let sim = sim(sim::Options::default()).await;
    let targets = [target(&sim)];
    let set = json!({"meetings": [meeting("a")]}).to_string();
    for (argument, stdin) in [(set.as_str(), ""), ("-", set.as_str())] {
        let saw = typed(&targets, &["calendar", "set", argument], stdin.as_bytes()).await;
        assert_eq!(saw.ok().out, "set the meetings: success!\n");
        assert_eq!(sim.meetings().len(), 1);
    }
    let list = typed(&targets, &["calendar", "list"], b"").await.ok();
    assert_eq!(
        list.out,
        "START                 END                   TITLE   ORGANIZER  ID\n\
         Mon 2026-03-02 10:00  Mon 2026-03-02 11:00  Review  Ada        a\n"
    );
    let list = typed(&targets, &["calendar", "list", "--json"], b"").await;
    assert_eq!(list.ok().json(), json!({"meetings": [meeting("a")]}));
    let get = typed(&targets, &["--json", "calendar", "get", "a"], b"").await;
    assert_eq!(get.ok().json(), json!(meeting("a")));
    let none = typed(&targets, &["calendar", "get", "b"], b"").await.ok();
    assert!(none.ran.unwrap().denied);
    let ics = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n";
    typed(&targets, &["calendar", "set", "-"], ics).await.ok();
    assert_eq!(sim.meetings()[0]["id"], "ics");
    let clear = typed(&targets, &["calendar", "clear", "--json"], b"").await;
    assert_eq!(clear.ok().json()["confirmed"], json!(true));
    assert!(sim.meetings().is_empty());
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn single_changes_say_that_the_mode_does_not_support_them() {
    let sim = sim(sim::Options::default()).await;
    let targets = [target(&sim)];
    let lines: [&[&str]; 3] = [
        &["calendar", "add", "--title", "Review"],
        &["calendar", "update", "a", "--title", "Review"],
        &["calendar", "delete", "a"],
    ];
    for line in lines {
        let saw = typed(&targets, line, b"").await;
        assert_eq!(saw.error().key(), "other_mode");
        assert!(saw.error().hint().contains("--insist"));
        assert!(saw.error().hint().contains("calendar set"));
    }
    let writes =
        |request: &sim::RequestRecord| request.method != "GET" && request.path != "/v2/token";
    assert!(!sim.requests().iter().any(writes));
    let insisted = [lines[2], &["--insist"]].concat();
    let saw = typed(&targets, &insisted, b"").await;
    assert_eq!(saw.error().key(), "invalid_request");
    assert_eq!(sim.count("DELETE", "/v2/calendar/a"), 1);
}

#[tokio::test]
async fn a_pod_with_a_mailbox_is_written_to_only_on_insistence() {
    let sim = sim(sim::Options {
        mode: sim::CalendarMode::Exchange,
        ..sim::Options::default()
    })
    .await;
    let targets = [target(&sim)];
    let clear = typed(&targets, &["calendar", "clear"], b"").await;
    assert_eq!(clear.error().key(), "other_mode");
    assert!(clear.error().to_string().contains("Microsoft Exchange"));
    assert_eq!(sim.count("DELETE", "/v2/calendar"), 0);
    let add = [
        "calendar",
        "add",
        "--title",
        "Review",
        "--organizer",
        "Ada",
        "--start",
        "2026-03-02T09:00:00Z",
        "--end",
        "1772445600",
        "--insist",
        "--json",
    ];
    let added = typed(&targets, &add, b"").await.ok().json();
    let id = added["id"].as_str().unwrap().to_owned();
    let update = [
        "calendar",
        "update",
        &id,
        r#"{"title":"Later"}"#,
        "--insist",
    ];
    typed(&targets, &update, b"").await.ok();
    assert_eq!(sim.meetings()[0]["title"], "Later");
    typed(&targets, &["calendar", "delete", &id, "--insist"], b"")
        .await
        .ok();
    assert!(sim.meetings().is_empty());
}

#[tokio::test]
async fn a_dry_run_shows_the_request_and_asks_nobody() {
    let sim = sim(sim::Options::default()).await;
    let targets = [target(&sim)];
    let set = json!([meeting("a")]).to_string();
    let jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0];
    let lines: [(&[&str], &str, Value); 6] = [
        (
            &["calendar", "set", &set],
            "PUT",
            json!({"meetings": [meeting("a")]}),
        ),
        (&["calendar", "clear"], "DELETE", Value::Null),
        (&["calendar", "delete", "a"], "DELETE", Value::Null),
        (&["hdmi", "off"], "POST", json!({"force_off": true})),
        (
            &[
                "config",
                "set",
                r#"{"security":{"admin_password":{"secret":"hunter2"}}}"#,
            ],
            "PATCH",
            json!({"security": {"admin_password": {"secret": "***"}}}),
        ),
        (&["splash", "set", "1", "16x9", "-"], "PATCH", Value::Null),
    ];
    for (line, method, body) in lines {
        let line = [line, &["--dry-run", "--json"]].concat();
        let saw = typed(&targets, &line, &jpeg).await.ok();
        assert!(!saw.everything().contains("hunter2"));
        let shown = saw.json();
        assert_eq!(shown["method"], method);
        assert_eq!(shown["body"], body);
    }
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn settings_are_changed_by_path_and_shown_without_secrets() {
    let sim = sim(sim::Options::default()).await;
    let targets = [target(&sim)];
    let set = [
        "config",
        "set",
        "display.name=Aurora",
        "display/calendar/show_titles=false",
        "--rollback",
        "30",
    ];
    assert!(
        typed(&targets, &set, b"")
            .await
            .ok()
            .out
            .contains("success!")
    );
    let patch = sim.requests().pop().unwrap();
    assert_eq!(patch.query.as_deref(), Some("rollback_timeout_seconds=30"));
    assert_eq!(
        patch.json(),
        json!({"display": {"name": "Aurora", "calendar": {"show_titles": false}}})
    );
    let name = typed(&targets, &["config", "get", "display.name"], b"").await;
    assert_eq!(name.ok().json(), json!("Aurora"));

    let whole = typed(&targets, &["config", "get"], b"").await.ok();
    assert_eq!(whole.json()["display"]["name"], "Aurora");
    let part = ["config", "get", "security/admin_password", "--json"];
    let part = typed(&targets, &part, b"").await.ok();
    let tree = sim.config();
    let mut secrets = Vec::new();
    let mut walk = vec![&tree];
    while let Some(value) = walk.pop() {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value.as_str() {
                Some(text) if key.starts_with("secret_") && !text.is_empty() => {
                    secrets.push(text.to_owned());
                }
                _ => walk.push(value),
            }
        }
    }
    assert!(!secrets.is_empty());
    for secret in secrets {
        assert!(!whole.out.contains(&secret) && !part.out.contains(&secret));
    }
    // What was shown can be sent back.
    typed(&targets, &["config", "set", "-"], whole.out.as_bytes())
        .await
        .ok();
    assert_eq!(sim.config(), tree);
    let legacy = typed(&targets, &["config", "legacy"], b"").await.ok();
    assert_eq!(legacy.json()["m_calendarCuration"]["calendarType"], 3);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_device_is_asked_by_hand() {
    let sim = sim(sim::Options::default()).await;
    let targets = [target(&sim)];
    let token = typed(&targets, &["token"], b"").await.ok();
    assert!(token.out.starts_with("signed in as admin"), "{}", token.out);
    let secret = typed(&targets, &["token", "--reveal"], b"").await.ok();
    assert!(!token.out.contains(secret.out.trim()) && secret.out.trim().len() > 20);
    let metadata = typed(&targets, &["metadata", "--json"], b"").await.ok();
    assert_eq!(metadata.json()["device_id"], sim.device_id());
    let info = typed(&targets, &["info"], b"").await.ok();
    assert!(info.out.contains("ethernet"), "{}", info.out);
    let key = sim.screen_key();
    let good = typed(&targets, &["screen-key", &key], b"").await.ok();
    assert!(!good.ran.unwrap().denied);
    let bad = typed(&targets, &["screen-key", "nope", "--json"], b"")
        .await
        .ok();
    assert_eq!(bad.json(), json!({"valid": false}));
    assert!(bad.ran.unwrap().denied);
    typed(&targets, &["hdmi", "off"], b"").await.ok();
    typed(&targets, &["hdmi", "on"], b"").await.ok();
    let status = typed(&targets, &["camera", "status"], b"").await.ok();
    assert_eq!(status.out, "idle\n");
    let guid = "0e8ba2b6-6b0c-4c5c-8f0e-1f6f4a3f2c11";
    for line in [
        &["camera", "version", guid][..],
        &["camera", "update", guid, "--force"],
    ] {
        let saw = typed(&targets, line, b"").await;
        assert_eq!(saw.error().key(), "not_found");
        assert!(saw.error().hint().contains("camera"));
    }
}

#[tokio::test]
async fn an_image_comes_back_as_it_was_sent() {
    let sim = sim(sim::Options::default()).await;
    let targets = [target(&sim)];
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // The smallest whole PNG: one pixel.
    let png: &[u8] = &[
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0,
        0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0a, 0x49, 0x44,
        0x41, 0x54, 0x78, 0x9c, 0x63, 0, 1, 0, 0, 5, 0, 1, 0x0d, 0x0a, 0x2d, 0xb4, 0, 0, 0, 0,
        0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
    ];
    std::fs::write(path("in.png"), png).unwrap();
    let set = ["splash", "set", "1", "16x9", &path("in.png")];
    let saw = typed(&targets, &set, b"").await.ok();
    assert!(saw.out.starts_with("set a splash image"), "{}", saw.out);
    let get = [
        "splash",
        "get",
        "1",
        "16x9",
        "-o",
        &path("out.png"),
        "--json",
    ];
    let saw = typed(&targets, &get, b"").await.ok();
    assert_eq!(saw.json()["image_bytes"], png.len());
    assert_eq!(std::fs::read(path("out.png")).unwrap(), png);
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2);
    typed(&targets, &["splash", "set", "2", "32x9", "-"], png)
        .await
        .ok();
    let text = typed(
        &targets,
        &["splash", "set", "2", "32x9", "-"],
        b"no image at all",
    )
    .await;
    assert_eq!(text.error().key(), "bad_request");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_new_certificate_is_refused_until_it_is_trusted() {
    let sim = sim(sim::Options::default()).await;
    let mut pod = target(&sim);
    let first = typed(&[pod.clone()], &["metadata"], b"").await.ok();
    let pins = first.ran.unwrap().pins;
    assert_eq!(
        pins,
        [(pod.pod.url.clone(), Fingerprint(sim.fingerprint()))]
    );
    pod.pin = Some(pins[0].1);
    sim.new_certificate().unwrap();
    sim.forget_requests();
    let refused = typed(&[pod.clone()], &["calendar", "clear"], b"").await;
    assert_eq!(refused.error().key(), "certificate_changed");
    let wrong = typed(
        &[pod.clone()],
        &["trust", "--fingerprint", &"0".repeat(64)],
        b"",
    )
    .await;
    assert_eq!(wrong.error().key(), "certificate_changed");
    assert!(sim.requests().is_empty());
    let trust = typed(&[pod.clone()], &["trust", "--json"], b"").await.ok();
    assert_eq!(trust.json()["certificate_changed"], json!(true));
    let pins = trust.ran.unwrap().pins;
    assert_eq!(pins[0].1, Fingerprint(sim.fingerprint()));
    assert!(sim.requests().is_empty());
    pod.pin = Some(pins[0].1);
    typed(&[pod], &["calendar", "clear"], b"").await.ok();
}

#[tokio::test]
async fn of_several_pods_one_is_chosen_or_all() {
    let (one, two) = (
        sim(sim::Options::default()).await,
        sim(sim::Options::default()).await,
    );
    let targets = [target(&one), target(&two)];
    let saw = typed(&targets, &["calendar", "clear"], b"").await;
    let usage = saw.ran.unwrap_err();
    assert!(usage.text.contains("has 2 pods"), "{usage:?}");
    assert!(usage.text.contains("--all"));
    assert!(one.requests().is_empty() && two.requests().is_empty());
    typed(&targets, &["calendar", "clear", "--all"], b"")
        .await
        .ok();
    assert_eq!(
        (
            one.count("DELETE", "/v2/calendar"),
            two.count("DELETE", "/v2/calendar")
        ),
        (1, 1)
    );
    two.set_password("another");
    let saw = typed(&targets, &["calendar", "list", "--json"], b"").await;
    assert_eq!(saw.error().key(), "wrong_password");
    let document = saw.json();
    assert_eq!(document[0]["answer"], json!({"meetings": []}));
    assert_eq!(document[1]["error_type"], "wrong_password");
    assert!(!saw.everything().contains("Solstice&1"));
}

#[tokio::test]
async fn input_that_is_wrong_is_explained_before_a_pod_is_asked() {
    let sim = sim(sim::Options::default()).await;
    let targets = [target(&sim)];
    let check = async |line: &[&str], says: &str| {
        let saw = typed(&targets, line, b"").await;
        let error = saw.ran.map(drop).unwrap_err();
        assert!(error.text.contains(says), "{line:?}: {error:?}");
        assert!(error.text.contains("hint: "), "{error:?}");
        assert_eq!(error.code, crate::report::USAGE);
    };
    let set = |meeting: Value| json!([meeting]).to_string();
    let mut lacking = json!(meeting("a"));
    lacking.as_object_mut().unwrap().remove("organizer");
    check(
        &["calendar", "set", &set(lacking)],
        "meeting 1: missing field `organizer`",
    )
    .await;
    let mut odd = json!(meeting("a"));
    odd["location"] = json!("Aurora");
    check(&["calendar", "set", &set(odd)], "unknown field `location`").await;
    let mut text = json!(meeting("a"));
    text["start_time"] = json!("1772442000");
    check(&["calendar", "set", &set(text)], "invalid type").await;
    let mut inverted = json!(meeting("a"));
    inverted["end_time"] = json!(1);
    check(&["calendar", "set", &set(inverted)], "does not end after").await;
    let twice = json!([meeting("a"), meeting("a")]).to_string();
    check(
        &["calendar", "set", &twice],
        "meeting 2: has the id of another",
    )
    .await;
    check(&["calendar", "set", "[{"], "not JSON: line 1, column 2").await;
    check(
        &["calendar", "set", "no-such-file.ics"],
        "no-such-file.ics cannot be read",
    )
    .await;
    check(
        &["calendar", "add", "--start", "soon"],
        "`start_time` is not a time",
    )
    .await;
    check(
        &["calendar", "add", r#"{"description":"x"}"#],
        "unknown field `description`",
    )
    .await;
    check(&["calendar", "update", "a"], "no change was given").await;
    check(&["config", "set", "{}"], "no change was given").await;
    check(&["splash", "set", "1", "16x9", "."], "is not a file").await;
    check(&["splash", "get", "1", "16x9", "--json"], "is not JSON").await;
    let saw = typed(&targets, &["calendar", "delete", ".."], b"").await;
    assert_eq!(saw.error().key(), "bad_request");
    assert!(sim.requests().is_empty());
}

#[test]
fn a_bare_address_needs_a_password_and_says_how_to_give_it() {
    let url = || PodUrl::parse("192.0.2.11").unwrap();
    let options = |line: &[&str]| {
        Cli::try_parse_from(["pod", "192.0.2.11", "info"].iter().chain(line))
            .map(|cli| cli.pod.options.address)
    };
    let none = options(&[]).unwrap().pod(url(), true).unwrap_err();
    assert!(none.text.contains("--password-file"));
    options(&[]).unwrap().pod(url(), false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password").display().to_string();
    std::fs::write(&file, "pw with spaces \r\n").unwrap();
    let pod = options(&["--password-file", &file, "--insecure", "--timeout", "3"]).unwrap();
    let pod = pod.pod(url(), true).unwrap();
    assert_eq!(pod.password.reveal(), "pw with spaces");
    std::fs::write(&file, "hunter2\nsecond line\n").unwrap();
    let wrong = options(&["--password-file", &file]).unwrap();
    let wrong = wrong.pod(url(), true).unwrap_err();
    assert!(wrong.text.contains("more than one line") && !wrong.text.contains("hunter2"));
    assert_eq!(pod.tls, TlsTrust::Off);
    assert_eq!(pod.timeout, Duration::from_secs(3));
    let digits = "AB:".repeat(31) + "AB";
    let pod = options(&["--no-password", "--fingerprint", &digits]).unwrap();
    let pod = pod.pod(url(), true).unwrap();
    assert_eq!(pod.tls, TlsTrust::Sha256([0xab; 32]));
    assert!(options(&["--no-password", "--password-env", "X"]).is_err());
    assert!(options(&["--insecure", "--ca"]).is_err());
    let missing = options(&["--password-file", "no-such-file"]).unwrap();
    assert!(missing.pod(url(), true).is_err());
}

#[tokio::test]
async fn a_password_goes_to_no_bare_address_that_nobody_has_accepted() {
    let sim = sim(sim::Options::default()).await;
    let bare = Target {
        keeps_pin: false,
        ..target(&sim)
    };
    let own = Fingerprint(sim.fingerprint()).to_string();
    let refused = typed(std::slice::from_ref(&bare), &["metadata"], b"").await;
    assert_eq!(refused.error().key(), "certificate_unknown");
    assert!(refused.error().to_string().contains(&own));
    assert!(refused.error().hint().contains("--fingerprint"));
    assert!(sim.requests().is_empty());
    // What the ledger or the command line knows is asked at once.
    let known = Target {
        pin: Some(Fingerprint(sim.fingerprint())),
        ..bare.clone()
    };
    typed(&[known], &["metadata"], b"").await.ok();
    let given = ["metadata", "--fingerprint", &own];
    typed(std::slice::from_ref(&bare), &given, b"").await.ok();
    // An impostor at an address that is known gets nothing.
    sim.forget_requests();
    let other = Target {
        pin: Some(Fingerprint([7; 32])),
        ..bare.clone()
    };
    let changed = typed(&[other], &["metadata"], b"").await;
    assert_eq!(changed.error().key(), "certificate_changed");
    assert!(sim.requests().is_empty());
    let mut insecure = bare;
    insecure.pod.tls = TlsTrust::Off;
    typed(&[insecure], &["metadata"], b"").await.ok();
}

/// Each operation of the table has its command, as the docs say.
#[test]
fn every_operation_has_a_command() {
    let whole = Cli::command();
    for operation in crate::pod::Operation::ALL {
        let mut words = operation.entry().command.split(' ');
        let found = words.try_fold(&whole, |command, word| command.find_subcommand(word));
        assert!(found.is_some(), "{operation}");
    }
}
