//! What podcal's client sends, as it is on the wire, held against the description of the
//! API in `docs/opencontrol-v2.openapi.yaml`; and so is what the simulated pod answers.
//!
//! The description, the client and the simulator were written apart from the vendor's
//! reference; a field that one of them misspells is found here. `tests/openapi/run` asks
//! the simulator what the client never would.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what failed"
)]

#[path = "openapi/description.rs"]
mod description;
#[path = "openapi/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use podcal::config::{Pod, TlsTrust};
use podcal::model::meeting::{Meeting, MeetingId};
use podcal::model::name::PodUrl;
use podcal::model::secret::Secret;
use podcal::model::time::UnixTime;
use podcal::pod::{
    Access, Aspect, Image, MeetingChanges, NewMeeting, PodClient, calendar, device, settings,
};
use podcal::sim::{CalendarMode, Options, Quirks, Sim};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use description::{Description, paths_in};
use wire::{Answered, Asked, Wire};

/// The operations of the reference in its order, by their numbers in it. The tenth, a part
/// of the configuration at any depth, takes two paths to describe.
const REFERENCE: [(u8, &str, &str); 22] = [
    (1, "POST", "/token"),
    (2, "GET", "/calendar"),
    (3, "POST", "/calendar"),
    (4, "PUT", "/calendar"),
    (5, "DELETE", "/calendar"),
    (6, "GET", "/calendar/{id}"),
    (7, "DELETE", "/calendar/{id}"),
    (8, "PATCH", "/calendar/{id}"),
    (9, "GET", "/config"),
    (10, "GET", "/config/{group}"),
    (10, "GET", "/config/{group}/{key}"),
    (11, "GET", "/api/config"),
    (12, "PATCH", "/config"),
    (13, "POST", "/config/hdmi_input"),
    (
        14,
        "GET",
        "/config/display/splash/images/{position}/{aspect}",
    ),
    (
        15,
        "PATCH",
        "/config/display/splash/images/{position}/{aspect}",
    ),
    (16, "GET", "/control/cameras/status"),
    (17, "GET", "/control/cameras/{guid}"),
    (18, "PATCH", "/control/cameras/{guid}"),
    (19, "GET", "/info"),
    (20, "POST", "/info/screen_key"),
    (21, "GET", "/metadata"),
];

/// Maps of the configuration whose keys are free.
const FREE: [&str; 3] = [
    "conference.url_parsing",
    "debug.fd_monitoring.process_names",
    "room_services.room_integration.http",
];

const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

#[test]
fn the_description_has_the_21_operations_of_the_reference_and_no_others() {
    let numbers: BTreeSet<u8> = REFERENCE.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=21).collect());
    assert_eq!(Description::load().names(), reference());
}

#[tokio::test]
async fn every_request_of_the_client_is_as_the_description_has_it() {
    let description = Description::load();
    let passed = all_operations().await;
    let mut met = BTreeSet::new();
    let mut findings = Vec::new();
    for (asked, answered) in &passed {
        let mut found = description.findings(asked);
        if let Ok(operation) = description.operation(asked) {
            found.extend(description.findings_in_answer(&operation, answered));
            if answered.status == 200 {
                met.insert(operation.name);
            }
        }
        let line = format!("{} {}: {}", asked.method, asked.path, answered.status);
        findings.extend(found.iter().map(|finding| format!("{line}: {finding}")));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert_eq!(met, reference(), "operations that were done");
}

#[tokio::test]
async fn a_request_that_is_spoilt_is_found_out() {
    let description = Description::load();
    let mut spoilt: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (asked, _) in all_operations().await {
        let name = description.operation(&asked).ok().unwrap().name;
        for (how, worse) in spoil(&asked) {
            let line = format!("{} {} with {how}", asked.method, asked.path);
            assert!(!description.findings(&worse).is_empty(), "{line} passes");
            spoilt.entry(name.clone()).or_default().insert(how);
        }
    }
    assert_eq!(spoilt.keys().cloned().collect::<BTreeSet<_>>(), reference());
    // Every body was also given a wrong type.
    for (name, ways) in &spoilt {
        let has_body = !matches!(name.0.as_str(), "GET" | "DELETE");
        let body_spoilt = ways.contains("a wrong type") || ways.contains("no password");
        let image_spoilt = ways.contains("a page for an image");
        assert_eq!(has_body, body_spoilt || image_spoilt, "{name:?}: {ways:?}");
    }
}

#[test]
fn salt_and_hash_of_a_secret_are_not_sent_back() {
    let description = Description::load();
    let read = json!({ "kepler": { "secret_key": { "secret_salt": "a", "secret_hash": "b" } } });
    let written = json!({ "kepler": { "secret_key": { "secret": "c" } } });
    let findings = |body: &Value| description.findings(&patch_of_config(body));
    assert_eq!(findings(&written), [""; 0]);
    assert_ne!(findings(&read), [""; 0]);
    assert_eq!(description.findings_in_value("Config", &read), [""; 0]);
    assert_ne!(description.findings_in_value("Config", &written), [""; 0]);
}

#[test]
fn a_setting_that_is_misspelt_is_found_out() {
    let description = Description::load();
    for body in [
        json!({ "dispaly": {} }),
        json!({ "display": { "calendar": { "titles": true } } }),
        json!({ "display": { "splash": { "images": { "6": {} } } } }),
        json!({ "connection": { "ethernet": { "vlans": [{ "tags": 1 }] } } }),
    ] {
        assert_ne!(
            description.findings(&patch_of_config(&body)),
            [""; 0],
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_new_pod_has_exactly_the_settings_of_the_description() {
    let description = Description::load();
    let sim = sim().await;
    let mut settings = BTreeSet::new();
    for arrays in [false, true] {
        sim.set_quirks(Quirks {
            arrays,
            ..Quirks::default()
        });
        let tree = sim.config();
        assert_eq!(description.findings_in_value("Config", &tree), [""; 0]);
        settings.extend(paths_in(&tree, &FREE));
        let mut wrong = tree;
        wrong["display"]["calendar"]["update_interval"] = json!("60");
        assert_ne!(description.findings_in_value("Config", &wrong), [""; 0]);
    }
    // In the reference's example, what is not set is an empty string or null.
    let unset = [
        "connection.ethernet.enterprise_configuration.ca_certificate",
        "connection.ethernet.enterprise_configuration.password",
        "connection.ethernet.enterprise_configuration.tls_user_certificate",
        "display.splash.images.N.image",
    ];
    settings.retain(|path| !unset.contains(&path.as_str()));
    let described = description.settings("Config");
    let only_described: Vec<_> = described.difference(&settings).collect();
    let only_simulated: Vec<_> = settings.difference(&described).collect();
    assert_eq!((only_described, only_simulated), (vec![], vec![]));
    assert!(described.len() > 240, "{} settings", described.len());
}

fn reference() -> BTreeSet<description::Name> {
    let name = |(_, method, path): (u8, &str, &str)| (method.to_owned(), path.to_owned());
    REFERENCE.into_iter().map(name).collect()
}

async fn sim() -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sim::start(listener, Options::default()).unwrap()
}

/// What passes when the client does everything that it can do, on a simulated pod.
async fn all_operations() -> Vec<(Asked, Answered)> {
    let sim = sim().await;
    let wire = Wire::before(sim.url()).await;
    let pod = PodClient::new(&pod_at(&wire.url()), None, Access::ReadWrite).unwrap();

    pod.sign_in().await.unwrap();
    pod.device_id().await.unwrap();
    pod.ask(&device::metadata()).await.unwrap();
    pod.ask(&device::info()).await.unwrap();
    assert!(
        pod.ask(&device::screen_key(&sim.screen_key()))
            .await
            .unwrap()
    );
    assert!(!pod.ask(&device::screen_key("0000 0000")).await.unwrap());

    pod.set_meetings(&[meeting(1, None), meeting(2, Some("With slides"))])
        .await
        .unwrap();
    assert_eq!(pod.meetings().await.unwrap().len(), 2);
    pod.set_meetings(&[]).await.unwrap();
    pod.ask(&calendar::clear()).await.unwrap();
    sim.set_mode(CalendarMode::Exchange);
    let new = NewMeeting {
        title: Some("Review".to_owned()),
        organizer: Some("Ada".to_owned()),
        start_time: Some(UnixTime::from_seconds(1_900_000_000)),
        end_time: Some(UnixTime::from_seconds(1_900_003_600)),
    };
    let id = pod.ask(&calendar::add(&new)).await.unwrap();
    pod.ask(&calendar::add(&NewMeeting::default()))
        .await
        .unwrap();
    let changes = MeetingChanges {
        title: Some("Retrospective".to_owned()),
        organizer: Some("Grace".to_owned()),
        description: Some(String::new()),
        start_time: Some(UnixTime::from_seconds(1_900_000_600)),
        end_time: Some(UnixTime::from_seconds(1_900_004_200)),
    };
    pod.ask(&calendar::update(id.as_str(), &changes))
        .await
        .unwrap();
    assert!(
        pod.ask(&calendar::get(id.as_str()))
            .await
            .unwrap()
            .is_some()
    );
    pod.ask(&calendar::delete(id.as_str())).await.unwrap();
    assert!(
        pod.ask(&calendar::get("a/b c?d#é"))
            .await
            .unwrap()
            .is_none()
    );
    sim.set_mode(CalendarMode::ThirdPartyOnly);

    pod.config().await.unwrap();
    for path in [
        &["sharing"][..],
        &["display", "digital_signage"],
        &["display", "name"],
    ] {
        pod.ask(&settings::read_part(path)).await.unwrap();
    }
    pod.legacy_config().await.unwrap();
    pod.calendar_mode().await.unwrap();
    let subset = json!({
        "conference": { "url_parsing": { "Meet": "meet.example.com" } },
        "display": {
            "name": "Ada Lovelace",
            "calendar": {
                "enabled": true, "show": true, "show_titles": false, "update_interval": 60,
                "exchange": { "user_password_unique": { "secret": "s3cret" } },
            },
            "clock": { "timezone": "Europe/Vienna", "ntp_server": { "enabled": true } },
            "splash": { "images": { "0": { "enabled": true } } },
        },
        "kepler": { "secret_key": { "secret": "s3cret" } },
        "maintenance": { "daily_restart": { "enabled": true, "time": "03:30" } },
    });
    pod.patch_config(subset.clone(), None).await.unwrap();
    pod.patch_config(subset, Some(30)).await.unwrap();

    pod.ask(&device::hdmi_input(true)).await.unwrap();
    pod.ask(&device::hdmi_input(false)).await.unwrap();
    let image = |bytes: &'static [u8]| Image {
        bytes: bytes.into(),
        progress: None,
    };
    let jpeg: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    for request in [
        device::write_splash(5, Aspect::Double, image(PNG)),
        device::write_splash(0, Aspect::Single, image(jpeg)),
    ] {
        pod.ask(&request).await.unwrap();
    }
    let read = pod.ask(&device::read_splash(5, Aspect::Double)).await;
    assert_eq!(read.unwrap(), PNG);

    pod.ask(&device::camera_status()).await.unwrap();
    let camera = sim.camera_guid().unwrap();
    pod.ask(&device::camera_version(&camera)).await.unwrap();
    pod.ask(&device::update_camera(&camera, true))
        .await
        .unwrap();
    let none = "00000000-0000-4000-8000-000000000000";
    assert!(pod.ask(&device::camera_version(none)).await.is_err());

    let wrong = Pod {
        password: Secret::new("wrong"),
        ..pod_at(&wire.url())
    };
    let stranger = PodClient::new(&wrong, None, Access::ReadOnly).unwrap();
    assert!(stranger.device_id().await.is_err());
    sim.expire_tokens();
    pod.device_id().await.unwrap();

    // Of all this, the pod itself found fault with nothing but the wrong password.
    assert_eq!(sim.violations(), [""; 0]);
    wire.passed()
}

fn pod_at(url: &str) -> Pod {
    Pod {
        url: PodUrl::parse(url).unwrap(),
        username: "admin".to_owned(),
        password: Secret::new("solstice"),
        tls: TlsTrust::Off,
        min_interval: Duration::ZERO,
        timeout: Duration::from_secs(20),
        third_party_type: None,
        enforce: None,
    }
}

fn meeting(number: i64, description: Option<&str>) -> Meeting {
    Meeting {
        id: MeetingId::new("review@example.com", &number.to_string()),
        title: "Review".into(),
        organizer: "".into(),
        description: description.map(Into::into),
        start_time: UnixTime::from_seconds(1_900_000_000 + number * 3600),
        end_time: UnixTime::from_seconds(1_900_000_000 + number * 3600 + 1800),
    }
}

fn patch_of_config(body: &Value) -> Asked {
    let headers = [
        ("accept", "application/json"),
        ("authorization", "Bearer a.b.c"),
        ("content-type", "application/json"),
    ];
    Asked {
        method: "PATCH".to_owned(),
        path: "/v2/config".to_owned(),
        query: None,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: body.to_string().into_bytes(),
    }
}

/// The same request in ways that are all wrong, each with a word on how. What is wrong is
/// said here without the description.
fn spoil(asked: &Asked) -> Vec<(&'static str, Asked)> {
    let mut worse: Vec<(&str, Asked)> = Vec::new();
    let mut add = |how, change: &dyn Fn(&mut Asked)| {
        let mut copy = asked.clone();
        change(&mut copy);
        worse.push((how, copy));
    };
    add("a method of no operation", &|it| {
        it.method = "TRACE".to_owned()
    });
    add("a path of no operation", &|it| it.path.push_str("/a/b/c/d"));
    add("another version", &|it| {
        it.path = it.path.replace("/v2/", "/v1/")
    });
    add("a parameter that there is not", &|it| {
        it.query = Some("dry=1".to_owned())
    });
    if asked.query.is_some() {
        add("a parameter of a wrong type", &|it| {
            it.query = it.query.as_ref().map(|query| format!("{query}s"));
        });
    }
    let authorization = |value: &'static str| {
        move |it: &mut Asked| {
            it.headers
                .insert("authorization".to_owned(), value.to_owned());
        }
    };
    match asked.path.as_str() {
        "/v2/token" => add("a token", &authorization("Bearer a.b.c")),
        // With or without: the reference's samples do both.
        "/v2/info/screen_key" => add("a password", &authorization("Basic YWRtaW46")),
        _ => {
            add("no token", &|it| drop(it.headers.remove("authorization")));
            add("a password", &authorization("Basic YWRtaW46"));
        }
    }
    let media = |it: &mut Asked, media: &str| {
        it.headers
            .insert("content-type".to_owned(), media.to_owned());
    };
    match asked.headers.get("content-type").map(String::as_str) {
        None => add("a body", &|it| {
            media(it, "application/json");
            it.body = b"{}".to_vec();
        }),
        Some("application/x-www-form-urlencoded") => {
            add("no password", &|it| {
                it.body = b"grant_type=password&username=admin".to_vec();
            });
            add("another grant", &|it| {
                it.body = b"grant_type=refresh_token&username=admin&password=".to_vec();
            });
            add("a text for a body", &|it| media(it, "text/plain"));
        }
        Some("application/json") => {
            add("a text for a body", &|it| media(it, "text/plain"));
            add("half a body", &|it| it.body.truncate(it.body.len() / 2));
            add("a list for a body", &|it| it.body = b"[[]]".to_vec());
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            let mut leaves = Vec::new();
            leaves_of(&body, String::new(), &mut leaves);
            for leaf in leaves {
                add("a wrong type", &|it| {
                    let mut body = body.clone();
                    let value = body.pointer_mut(&leaf).unwrap();
                    *value = if value.is_string() {
                        json!(7)
                    } else {
                        json!("7")
                    };
                    it.body = body.to_string().into_bytes();
                });
            }
            // Where no field is required, an unknown one is refused all the same.
            add("a field that there is not", &|it| {
                let mut body = body.clone();
                body["location"] = json!("Vienna");
                it.body = body.to_string().into_bytes();
            });
        }
        Some(_) => {
            add("a page for an image", &|it| {
                it.body = b"<!doctype html>".to_vec()
            });
            add("an image of another type", &|it| media(it, "image/gif"));
            add("a place that there is not", &|it| {
                it.path = it.path.replace("images/", "images/9");
            });
        }
    }
    worse
}

/// JSON pointers to everything that is neither a filled list nor a filled object.
fn leaves_of(value: &Value, at: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                leaves_of(inner, format!("{at}/{key}"), leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, inner) in items.iter().enumerate() {
                leaves_of(inner, format!("{at}/{index}"), leaves);
            }
        }
        _ => leaves.push(at),
    }
}
