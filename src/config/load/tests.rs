//! Whole configurations: what each file under `tests/data/config` must say, what
//! the example promises, and what arbitrary text must not do.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Config, Description, Login, OnRemove, Room, Source, TlsTrust, WhenStale};
use super::super::{keys, schema};
use super::*;
use crate::fault::Fault as _;
use crate::report;

/// What stands in every secret and every private address of the files.
const MARKS: [&str; 3] = ["hunter2", "4711", "aHVudGVyMg"];

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/config")
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    match path.to_str().unwrap() {
        "secrets/pod" => Ok(b"from a file\r\n".to_vec()),
        "secrets/token" => Ok(b"token".to_vec()),
        "secrets/empty" => Ok(b"\n".to_vec()),
        "secrets/two-lines" => Ok(b"hunter2\nhunter2\n".to_vec()),
        "secrets/not-utf-8" => Ok(b"hunter2\xff".to_vec()),
        "secrets/forbidden" => Err(io::ErrorKind::PermissionDenied.into()),
        "secrets/huge" => Err(io::ErrorKind::FileTooLarge.into()),
        "secrets" => Err(io::ErrorKind::IsADirectory.into()),
        "secrets/padded" => Ok(b"\xef\xbb\xbf from a file \t\n".to_vec()),
        "secrets/marked" => Ok(b"\xef\xbb\xbffrom a file\r\n".to_vec()),
        "secrets/utf-16" => Ok(b"\xff\xfeh\0u\0n\0t\0e\0r\x002\0".to_vec()),
        "secrets/pipe" => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is a named pipe (FIFO), not a regular file",
        )),
        // The absolute paths of the example.
        path if path.starts_with("/run/secrets/") => Ok(b"from a file\n".to_vec()),
        "ca.pem" => Ok(b"-----BEGIN CERTIFICATE-----".to_vec()),
        path if path.contains(".d/") => disk::read(&data().join(path), 10_000),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn variable(name: &str) -> Result<String, NoVariable> {
    match name {
        "POD_PASSWORD" | "DAV_PASSWORD" | "REFRESH_TOKEN" | "WEB_PASSWORD" => {
            Ok("from a variable".to_owned())
        }
        "EMPTY" => Ok(String::new()),
        "TWO_LINES" => Ok("hunter2\nhunter2".to_owned()),
        "NOT_UTF_8" => Err(NoVariable::NotText),
        _ => Err(NoVariable::NotSet),
    }
}

/// The folders of the files under `tests/data/config`, beside which their rooms stand.
fn list_folder(path: &Path) -> io::Result<Vec<String>> {
    match path.to_str().unwrap() {
        "" => Ok(vec!["podcal.toml".to_owned()]),
        "rooms.d" | "bad.d" => disk::list(&data().join(path)),
        "secrets" => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn checked(text: &str) -> Result<Loaded, ConfigFaults> {
    check(
        text,
        Path::new("podcal.toml"),
        &read_file,
        &list_folder,
        &variable,
    )
}

#[track_caller]
fn good(text: &str) -> Config {
    match checked(text) {
        Ok(loaded) => loaded.config,
        Err(faults) => panic!("{}", report::print(&faults)),
    }
}

fn good_file(name: &str) -> Config {
    good(&fs::read_to_string(data().join(name)).unwrap())
}

/// What a person is told of a file: its problems, or its warnings.
fn said(text: &str) -> String {
    let said: String = match checked(text) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .map(|warning| format!("{warning}\n"))
            .collect(),
        Err(faults) => report::print(&faults) + "\n",
    };
    // The tests run as any user.
    let user = rustix::process::geteuid().as_raw();
    said.replace(&format!("by user {user}, which"), "by user UID, which")
}

#[test]
fn every_file_says_what_stands_beside_it() {
    let mut seen = 0;
    let mut wrong = String::new();
    for entry in fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            checked(&text).is_ok(),
            name.starts_with("good-"),
            "{name}: {}",
            said(&text)
        );
        let said = said(&text);
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        if said != expected {
            wrong += &format!("--- {name} says\n{said}--- not\n{expected}");
        }
        for mark in MARKS {
            assert!(!said.contains(mark), "{name} tells a secret: {said}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(seen > 20, "only {seen} files were found");
}

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml")).unwrap()
}

/// The example with the settings that stand behind a `#` without a space: with the ledger in a
/// file, and with one on a server.
fn examples_with_everything() -> [String; 2] {
    let example = example();
    let lines = example.lines();
    let is_of_server = |line: &&str| {
        let server = [
            "#url = ",
            "#folder = ",
            "#password = { file = \"/run/secrets/postgres\"",
        ];
        server.iter().any(|key| line.starts_with(key))
    };
    [
        uncomment(lines.clone().filter(|line| !is_of_server(line))),
        uncomment(lines.filter(|line| !line.starts_with("path = "))),
    ]
}

fn uncomment<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines = lines.map(|line| match line.strip_prefix('#') {
        Some(setting)
            if setting.starts_with(|char: char| char == '[' || char.is_ascii_lowercase()) =>
        {
            setting
        }
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_right_and_raises_no_warning() {
    assert_eq!(said(&example()), "");
    for everything in examples_with_everything() {
        assert_eq!(said(&everything), "");
    }
}

#[test]
fn the_example_holds_every_key() {
    let mut found = BTreeSet::new();
    for text in examples_with_everything() {
        let tree: toml::Table = text.parse().unwrap();
        collect(&toml::Value::Table(tree), &keys::ROOT, &mut found);
    }
    for section in keys::ALL {
        for key in section.keys {
            assert!(
                found.contains(&(section.place, (*key).to_owned())),
                "the example lacks `{key}` of {}",
                section.place
            );
        }
    }
}

/// All keys of a table and of the tables in it, each with the place that it stands in.
fn collect(
    value: &toml::Value,
    section: &'static keys::Section,
    found: &mut BTreeSet<(&'static str, String)>,
) {
    for element in value.as_array().into_iter().flatten() {
        collect(element, section, found);
    }
    for (key, value) in value.as_table().into_iter().flatten() {
        found.insert((section.place, key.clone()));
        let section = match key.as_str() {
            "ledger" => &keys::LEDGER,
            "schedule" => &keys::SCHEDULE,
            "window" => &keys::WINDOW,
            "meetings" => &keys::MEETINGS,
            "guard" if section.place == keys::ROOM.place => &keys::ROOM_GUARD,
            "guard" => &keys::GUARD,
            "limits" => &keys::LIMITS,
            "web" => &keys::WEB,
            "http" => &keys::HTTP,
            "pod" if section.place == keys::ROOT.place => &keys::POD,
            "pod" | "pods" => &keys::ROOM_POD,
            "feed" | "feeds" => &keys::FEED,
            "only" => &keys::ONLY,
            "oauth2" => &keys::OAUTH2,
            "tls" => &keys::TLS,
            "password" | "token" | "client_secret" | "refresh_token" => &keys::SECRET,
            "rooms" if section.place == keys::ROOT.place => {
                for (_, room) in value.as_table().unwrap() {
                    collect(room, &keys::ROOM, found);
                }
                continue;
            }
            _ => continue,
        };
        collect(value, section, found);
    }
}

/// What holds for the first room of a configuration, in words that can be compared.
fn what_holds(config: &Config) -> String {
    let room = &config.rooms[0];
    let (feed, pod) = (&room.feeds[0], &room.pods[0]);
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        config.time_zone,
        config.ledger_place(),
        config.on_remove,
        config.memory,
        config.brake_rooms,
        config.web,
        config.keep_history,
        config.schedule,
        room.zone,
        room.days,
        room.meetings,
        room.guard,
        feed.timeout,
        feed.max_size,
        pod.username,
        pod.tls,
        pod.timeout,
        pod.min_interval,
    )
}

#[test]
fn the_example_and_the_interface_name_the_defaults_that_hold() {
    let silent = what_holds(&good_file("good-smallest.toml"));
    assert_eq!(what_holds(&good(&example())), silent);
    assert_eq!(what_holds(&good_file("good-interface.toml")), silent);
}

#[test]
fn the_schema_names_the_defaults_that_hold() {
    let mut text =
        "time_zone = \"America/Denver\"\ninclude = []\non_remove = \"keep\"\n".to_owned();
    for (section, name) in [
        (&keys::LEDGER, "ledger"),
        (&keys::SCHEDULE, "schedule"),
        (&keys::WINDOW, "window"),
        (&keys::MEETINGS, "meetings"),
        (&keys::GUARD, "guard"),
        (&keys::LIMITS, "limits"),
        (&keys::HTTP, "http"),
        (&keys::POD, "pod"),
    ] {
        text += &format!("[{name}]\n");
        for key in section.keys {
            match schema::entry(section, key).unwrap().default {
                "" if *key == "password" && name != "ledger" => {
                    text += "password = { file = \"secrets/pod\" }\n"
                }
                "" => {}
                default => text += &format!("{key} = {default}\n"),
            }
        }
    }
    text += "[rooms.aurora]\nfeed = \"https://calendar.example.com/aurora.ics\"\npod = \"192.0.2.11\"\n";
    let silent = what_holds(&good_file("good-smallest.toml"));
    assert_eq!(what_holds(&good(&text)), silent);
}

#[test]
fn what_is_not_said_is_as_the_interface_says() {
    let config = good_file("good-smallest.toml");
    let room = &config.rooms[0];
    assert_eq!(config.time_zone.name(), "America/Denver");
    assert_eq!(config.ledger, PathBuf::from("podcal.db"));
    assert_eq!(config.keep_history, Duration::from_secs(90 * 86_400));
    let schedule = &config.schedule;
    let lines = [&schedule.sync, &schedule.health, &schedule.config].map(ToString::to_string);
    assert_eq!(lines, ["0 */5 * * * *", "*/30 * * * * *", "0 0 * * * *"]);
    assert_eq!(schedule.jitter, Duration::from_secs(15));
    assert_eq!(
        (room.name.as_str(), room.title.as_str()),
        ("aurora", "aurora")
    );
    assert_eq!(room.days, 7);
    assert_eq!(room.meetings.description, Description::Conference);
    assert_eq!(
        (room.guard.vanished, room.guard.hold),
        (3, Duration::from_secs(900))
    );
    let pod = &room.pods[0];
    assert_eq!(pod.url.key(), "https://192.0.2.11:5443");
    assert_eq!(
        (pod.username.as_str(), pod.password.reveal()),
        ("admin", "from a file")
    );
    assert_eq!(
        (&pod.tls, pod.timeout),
        (&TlsTrust::Pin, Duration::from_secs(20))
    );
    assert_eq!(pod.min_interval, Duration::from_secs(10));
    assert!(pod.enforce.is_none() && pod.third_party_type.is_none());
    assert_eq!(room.feeds[0].max_size, 50_000_000);
    assert_eq!(
        (config.brake_rooms, config.memory, config.on_remove),
        (5, 256_000_000, OnRemove::Keep)
    );
    assert_eq!(config.keep_history, Duration::from_secs(90 * 86_400));
    assert_eq!(config.web, None);
    assert_eq!(
        (
            room.meetings.hidden_title.as_str(),
            room.meetings.untitled.as_str(),
            room.meetings.max_stale,
            room.meetings.when_stale
        ),
        ("Reserved", "Busy", None, WhenStale::Keep)
    );
}

#[test]
fn the_keys_for_a_service_of_years_are_read() {
    let config = good_file("good-for-years.toml");
    assert_eq!(
        (config.brake_rooms, config.memory, config.on_remove),
        (0, 1 << 30, OnRemove::Clear)
    );
    assert_eq!(config.keep_history, Duration::from_secs(30 * 86_400));
    let web = config.web.unwrap();
    assert_eq!(web.listen.to_string(), "[::]:8080");
    let login = web.login.unwrap();
    assert_eq!(
        (login.username.as_str(), login.password.reveal()),
        ("desk", "from a variable")
    );
    let [aurora, borealis] = config.rooms.as_slice() else {
        panic!("two rooms");
    };
    let rules = |room: &Room| {
        let rules = room.meetings.clone();
        (
            rules.hidden_title,
            rules.untitled,
            rules.max_stale,
            rules.when_stale,
        )
    };
    let day = Duration::from_secs(86_400);
    let (belegt, termin) = ("Belegt".to_owned(), "Termin".to_owned());
    assert_eq!(rules(aurora), (belegt, termin, Some(day), WhenStale::Clear));
    let (occupied, meeting) = ("Occupé".to_owned(), "Réunion".to_owned());
    assert_eq!(rules(borealis), (occupied, meeting, None, WhenStale::Keep));
}

#[test]
fn what_people_write_for_a_schedule_or_a_zone_is_understood() {
    let config = good_file("good-wordings.toml");
    let schedule = &config.schedule;
    let lines = [&schedule.sync, &schedule.health, &schedule.config].map(ToString::to_string);
    assert_eq!(lines, ["0 */5 * * * *", "*/30 * * * * *", "0 0 * * * *"]);
    assert_eq!(config.time_zone.name(), "MST");
    assert_eq!(config.web.unwrap().listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.rooms[0].pods[0].password.reveal(), "from a file");
}

#[test]
fn included_rooms_come_in_the_order_of_the_list_and_then_by_file() {
    let config = good_file("good-include.toml");
    let names: Vec<&str> = config.rooms.iter().map(|room| room.name.as_str()).collect();
    assert_eq!(names, ["first", "south", "north", "east", "west"]);
    // Paths in an included file are relative to the main one.
    assert!(
        matches!(&config.rooms[3].feeds[0].source, Source::File { path } if path == Path::new("east.ics"))
    );
    let password = config.rooms[1].pods[0].password.reveal();
    assert_eq!(password, "from a file", "as `[pod]` of the main file says");
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for (path, kind) in [
        (pipe.as_path(), "named pipe"),
        (Path::new("/dev/zero"), "device"),
    ] {
        let printed = report::print(&load(path).unwrap_err());
        assert!(printed.contains(kind), "{printed}");

        let config = folder.path().join("podcal.toml");
        let text = format!(
            "time_zone = \"UTC\"\ninclude = [{path:?}]\n[pod]\npassword = {{ file = {path:?} }}\n"
        );
        fs::write(&config, text).unwrap();
        let faults = load(&config).unwrap_err();
        let of = |key: &str| {
            let mut problems = faults.problems().iter();
            problems.any(|problem| problem.key.starts_with(key) && problem.says.contains(kind))
        };
        assert!(of("include[0]") && of("pod.password.file"), "{faults}");
    }
}

#[test]
fn a_secret_that_is_read_again_is_cleaned_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let path = folder.path().join("podcal.toml");
    fs::write(&secret, "\u{feff} one \r\n").unwrap();
    let text = "time_zone = \"UTC\"\npod.password = { file = \"secret\" }\n\
                [rooms.a]\nfeed = \"file:a.ics\"\npod = \"192.0.2.1\"\n";
    fs::write(&path, text).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    let password = &loaded.config.rooms[0].pods[0].password;
    assert_eq!(password.reveal(), "one");
    assert!(changed(password).is_none());
    fs::write(&secret, "two \n").unwrap();
    assert_eq!(changed(password).unwrap().reveal(), "two");
}

#[test]
fn a_room_can_differ_from_the_others() {
    let config = good_file("good-interface.toml");
    let [aurora, borealis] = config.rooms.as_slice() else {
        panic!("two rooms");
    };
    assert_eq!(borealis.title, "Borealis (3rd floor)");
    assert_eq!(borealis.zone.name(), "Europe/Berlin");
    assert!(borealis.meetings.hide_titles && !aurora.meetings.hide_titles);
    assert_eq!(borealis.meetings.max, aurora.meetings.max);
    let [dav, building] = borealis.feeds.as_slice() else {
        panic!("two feeds");
    };
    let Source::CalDav {
        login: Login::Password { username, password },
        calendar: None,
        ..
    } = &dav.source
    else {
        panic!("{dav:?}");
    };
    assert_eq!(
        (username.as_str(), password.reveal()),
        ("room", "from a variable")
    );
    assert_eq!(building.only.location.as_deref(), Some("Borealis"));
    assert_eq!(building.user_agent.as_deref(), Some("podcal"));
    assert_eq!(building.tls, TlsTrust::Ca);
    let fingerprint = [0x0f, 0x9c].repeat(16).try_into().unwrap();
    let tls: Vec<TlsTrust> = borealis.pods.iter().map(|pod| pod.tls.clone()).collect();
    assert_eq!(tls, [TlsTrust::Pin, TlsTrust::Sha256(fingerprint)]);
    assert_eq!(
        serde_json::to_string(&borealis.pods[1].enforce).unwrap(),
        r#"{"display":{"calendar":{"enabled":true,"show":true}}}"#
    );

    let config = good_file("good-rooms-of-their-own.toml");
    let [hall, elm] = config.rooms.as_slice() else {
        panic!("two rooms");
    };
    assert_eq!(
        (hall.name.as_str(), hall.days, hall.meetings.max),
        ("Grüner Saal", 1, 3)
    );
    assert_eq!(
        (hall.guard.vanished, hall.guard.hold),
        (0, Duration::from_secs(5_400))
    );
    let pod = &hall.pods[0];
    assert_eq!(pod.url.key(), "https://pod.example.com:8443");
    assert_eq!(
        (pod.username.as_str(), pod.password.reveal()),
        ("operator", "")
    );
    assert!(matches!(&pod.tls, TlsTrust::CaFile(pem) if pem.starts_with(b"-----BEGIN")));
    assert_eq!((elm.zone.name(), elm.days), ("UTC", 7));
    assert_eq!(elm.pods[0].enforce, None);
}

#[test]
fn rooms_come_in_the_order_of_the_file() {
    let config = good_file("good-feeds.toml");
    let names: Vec<&str> = config.rooms.iter().map(|room| room.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "webcal",
            "file",
            "discovered",
            "google",
            "filtered",
            "own-authority"
        ]
    );
}

#[test]
fn feeds_of_every_kind_are_read() {
    let config = good_file("good-feeds.toml");
    let feeds = config.rooms.iter().flat_map(|room| &room.feeds);
    let sources: Vec<&Source> = feeds.map(|feed| &feed.source).collect();
    assert!(matches!(sources[0], Source::Ics { url, login: Login::None } if url.is_encrypted()));
    assert!(matches!(sources[1], Source::File { path } if path == Path::new("calendars/room.ics")));
    assert!(
        matches!(sources[2], Source::File { path } if path == Path::new("/srv/calendars/room one.ics"))
    );
    assert!(
        matches!(sources[3], Source::CalDav { login: Login::Token(token), calendar: Some(name), .. }
            if token.reveal() == "token" && name == "Room 1")
    );
    let Source::CalDav {
        login: Login::OAuth2(oauth2),
        ..
    } = sources[4]
    else {
        panic!("{:?}", sources[4]);
    };
    assert_eq!(oauth2.token_url.host(), "oauth2.googleapis.example");
    assert_eq!(oauth2.client_id, "podcal");
    assert_eq!(oauth2.client_secret.reveal(), "token");
    assert_eq!(oauth2.refresh_token.reveal(), "from a variable");
    let tls: Vec<&TlsTrust> = config.rooms[0]
        .feeds
        .iter()
        .chain(&config.rooms[5].feeds)
        .map(|feed| &feed.tls)
        .collect();
    let fingerprint = [0x0f, 0x9c].repeat(16).try_into().unwrap();
    assert_eq!(tls[..2], [&TlsTrust::Ca, &TlsTrust::Sha256(fingerprint)]);
    assert!(matches!(tls[2], TlsTrust::CaFile(_)));
}

/// The identity of the only feed of a room.
#[track_caller]
fn id_of(feed: &str) -> String {
    let config = good(&format!(
        "time_zone = \"UTC\"\npod.password = \"\"\n[rooms.a]\npod = \"192.0.2.1\"\nfeed = {feed}"
    ));
    config.rooms[0].feeds[0].id.as_str().to_owned()
}

#[test]
fn a_feed_is_another_when_it_may_answer_something_else() {
    let different = [
        r#""https://c.example.com/a""#,
        r#""https://c.example.com/b""#,
        r#""file:a""#,
        r#"{ caldav = "https://c.example.com/a" }"#,
        r#"{ caldav = "https://c.example.com/a", calendar = "x" }"#,
        r#"{ ics = "https://c.example.com/a", username = "x", password = "p" }"#,
    ];
    let ids: BTreeSet<String> = different.iter().map(|feed| id_of(feed)).collect();
    assert_eq!(ids.len(), different.len());
    for same in [
        r#""webcal://c.example.com/a""#,
        r#"{ ics = "https://c.example.com/a" }"#,
        r#"{ ics = "https://c.example.com/a", user_agent = "x" }"#,
        r#"{ ics = "https://c.example.com/a", only = { title = "x" } }"#,
        r#"{ ics = "https://c.example.com/a", only = { location = "x" } }"#,
    ] {
        assert_eq!(id_of(same), id_of(different[0]), "{same}");
    }
    let (before, after) = (
        r#"{ ics = "https://c.example.com/a", username = "x", password = "before" }"#,
        r#""https://x:after@c.example.com/a""#,
    );
    assert_eq!(id_of(before), id_of(after), "a new password is no new feed");
}

#[test]
fn a_configuration_does_not_print_its_secrets() {
    for name in [
        "good-with-warnings.toml",
        "good-interface.toml",
        "good-feeds.toml",
    ] {
        let printed = format!("{:?}", good_file(name));
        for mark in MARKS.iter().chain(&["from a file", "from a variable"]) {
            assert!(!printed.contains(mark), "{name}: {printed}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.toml");
    let faults = load(&path).unwrap_err();
    let printed = report::print(&faults);
    assert!(printed.contains(path.to_str().unwrap()), "{printed}");
    for word in [
        "--config",
        "PODCAL_CONFIG",
        "podcal init",
        "podcal config example",
        "podcal demo",
    ] {
        assert!(printed.contains(word), "{printed}");
    }
    assert!(!faults.is_passing());

    let printed = report::print(&load(folder.path()).unwrap_err());
    assert!(printed.contains("is a folder"), "{printed}");
    assert!(printed.contains(path.to_str().unwrap()), "{printed}");
}

#[test]
fn a_file_in_another_encoding_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.toml");
    fs::write(&path, b"time_zone = \"UTC\"\n# Caf\xe9\n").unwrap();
    let faults = load(&path).unwrap_err();
    assert_eq!(
        faults.problems()[0].to_string(),
        "line 2: is not UTF-8; save the file as UTF-8"
    );
}

#[test]
fn files_are_looked_for_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.toml");
    fs::write(folder.path().join("password"), "from beside\n").unwrap();
    // A mark at the start of the file, as some editors write it, is no fault.
    let text = "\u{feff}time_zone = \"UTC\"\r\n[pod]\r\npassword = { file = \"password\" }\r\n\
                [rooms.a]\r\nfeed = \"file:a.ics\"\r\npod = \"192.0.2.1\"\r\n";
    fs::write(&path, text).unwrap();
    let loaded = load(&path).unwrap();
    assert!(loaded.warnings.is_empty());
    let room = &loaded.config.rooms[0];
    assert_eq!(room.pods[0].password.reveal(), "from beside");
    assert!(
        matches!(&room.feeds[0].source, Source::File { path } if *path == folder.path().join("a.ics"))
    );
    assert_eq!(loaded.config.ledger, folder.path().join("podcal.db"));
    assert_eq!(loaded.config.path, path);
}

#[test]
fn a_campus_of_five_thousand_rooms_is_read() {
    let mut text = "time_zone = \"UTC\"\npod.password = \"\"\n".to_owned();
    for room in 0..5_000 {
        text += &format!(
            "[rooms.r{room}]\nfeed = \"https://c.example.com/{room}\"\npod = \"10.0.{}.{}\"\n",
            room / 250,
            room % 250
        );
    }
    assert_eq!(good(&text).rooms.len(), 5_000);
}

/// Pieces of configurations, right and wrong, that arbitrary files are made of.
fn piece() -> impl Strategy<Value = String> {
    let all = keys::ALL.iter().flat_map(|section| section.keys).copied();
    let other = vec![
        "a",
        "rooms.a",
        "rooms.b",
        "\"a b\"",
        "feed.only",
        "pod.tls",
        "",
    ];
    let key = prop_oneof![
        4 => prop::sample::select(all.collect::<Vec<&str>>()),
        1 => prop::sample::select(other),
    ];
    let values = vec![
        "1",
        "-1",
        "9223372036854775808",
        "1.5",
        "nan",
        "true",
        "2026-01-01",
        "12:00:00",
        "[]",
        "{}",
        "\"\"",
        "\"UTC\"",
        "\"0 */5 * * * *\"",
        "\"0 */0 * * * *\"",
        "\"0 0-99999999999 * * * *\"",
        "\"0 5-1 * * * *\"",
        "\"1h\"",
        "\"99999999999d\"",
        "\"50MB\"",
        "\"https://u:p@c.example.com/x\"",
        "\"file:%zz\"",
        "\"192.0.2.1\"",
        "{ file = \"secrets/pod\" }",
        "{ env = \"POD_PASSWORD\" }",
        "{ verify = \"pin\" }",
        "[\"192.0.2.1\", { url = \"192.0.2.2\" }]",
        "[{ ics = \"file:x\" }, 3]",
        "{ caldav = \"https://c.example.com\" }",
        "[[[[]]]]",
        "{ a.b.c = [{}] }",
        "\"\"\"\na\"\"\"",
        "'unclosed",
        "[",
        "{",
        "unquoted",
    ];
    let value = prop_oneof![
        prop::sample::select(values).prop_map(str::to_owned),
        "\\PC{0,12}".prop_map(|text| format!("{text:?}")),
    ];
    let room = "[rooms.a]\nfeed = \"file:a\"\npod = \"192.0.2.1\"\n";
    prop_oneof![
        4 => (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        1 => key.clone().prop_map(|key| format!("[{key}]\n")),
        1 => key.clone().prop_map(|key| format!("[rooms.a.{key}]\n")),
        1 => key.prop_map(|key| format!("[[{key}]]\n")),
        1 => Just(room.to_owned()),
    ]
}

/// Whatever the text, the answer is a configuration that keeps its promises, or
/// problems that can be found.
fn checks(text: &str) {
    match checked(text) {
        Ok(Loaded { config, .. }) => {
            assert!(!config.rooms.is_empty());
            for room in &config.rooms {
                let sound = !room.feeds.is_empty() && !room.pods.is_empty() && room.days > 0;
                assert!(sound, "{text}");
            }
        }
        Err(faults) => {
            let lines = text.split('\n').count();
            assert!(!faults.problems().is_empty());
            for problem in faults.problems() {
                assert!((1..=lines).contains(&problem.line), "{problem} in {text:?}");
                assert!(!problem.to_string().contains('\n'), "{problem:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        checks(&text);
    }

    #[test]
    fn any_pieces_are_answered(pieces in prop::collection::vec(piece(), 0..24)) {
        checks(&pieces.concat());
    }

    #[test]
    fn a_cut_off_file_is_answered(at in 0_usize..8_000) {
        let text = example();
        checks(&text.chars().take(at).collect::<String>());
    }
}

#[test]
fn depth_does_not_overflow_the_stack() {
    for text in [
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        format!("[{}]", vec!["pod.enforce"; 50_000].join(".")),
        format!("pod.enforce.{} = 1", vec!["a"; 70].join(".")),
        format!("pod = {}", "{ enforce = ".repeat(100_000)),
        format!("rooms = {}", "[".repeat(100_000)),
    ] {
        checks(&text);
    }
}
