//! Many pods in one process, as `podcal simulate` runs them.

use std::net::SocketAddr;

use super::*;
use crate::sim::action::ScheduledCommand;
use crate::sim::building::{Building, Setup, SetupError, Spread};

pub(super) fn setup(pods: u32) -> Setup {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Setup {
        listen: any,
        pods,
        spread: Spread::Ports,
        options: Options::default(),
        feeds: None,
        state: None,
        control: Some(any),
        schedule: Vec::new(),
        feed_faults: Vec::new(),
        feed_sign_in: None,
    }
}

pub(super) async fn order(
    building: &Building,
    method: &str,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let url = format!("http://{}{path}", building.control().unwrap());
    let method: Method = method.parse().unwrap();
    answered(
        client()
            .request(method, url)
            .header("accept", "application/json")
            .json(&body),
    )
    .await
}

#[tokio::test]
async fn pods_are_told_apart_and_take_orders_over_the_control_address() {
    let building = Building::open(setup(3)).await.unwrap();
    let (_, overview) = order(&building, "GET", "/", Value::Null).await;
    let pods = overview["pods"].as_array().unwrap();
    let urls: std::collections::HashSet<_> = pods
        .iter()
        .map(|pod| pod["url"].as_str().unwrap())
        .collect();
    let prints: std::collections::HashSet<_> = pods
        .iter()
        .map(|pod| pod["sha256"].as_str().unwrap())
        .collect();
    assert_eq!((urls.len(), prints.len()), (3, 3));

    let second = &building.pods()[1];
    let orders = [
        ("meetings", json!({ "meetings": [meeting("1", 1)] })),
        ("mode", json!({ "mode": "exchange" })),
        ("clock", json!({ "offset_seconds": -90 })),
        ("quirks", json!({ "arrays": true })),
        ("config", json!({ "path": "display.name", "value": "Elm" })),
        ("password", json!({ "password": "new" })),
        ("certificate", json!({})),
    ];
    let print = second.fingerprint();
    for (what, body) in orders {
        let answer = order(&building, "POST", &format!("/pods/2/{what}"), body).await;
        assert_eq!(answer, (200, json!({ "pods": 1 })), "{what}");
    }
    assert_ne!(second.fingerprint(), print);
    assert_eq!(second.meetings().len(), 1);
    let config = second.config();
    assert_eq!(
        (
            &config["display"]["name"],
            &config["display"]["calendar"]["type"]
        ),
        (&json!("Elm"), &json!("exchange"))
    );
    order(&building, "POST", "/pods/2/reboot", json!({})).await;
    assert!(second.meetings().is_empty());

    let fault = json!({ "fault": "status", "status": 503, "times": 1, "method": "GET", "path": "/v2/metadata" });
    assert_eq!(
        order(&building, "POST", "/pods/all/faults", fault).await.1,
        json!({ "pods": 3 })
    );
    for pod in building.pods() {
        let url = pod.url() + "/v2/metadata";
        assert_eq!(answered(client().get(&url)).await.0, 503);
        assert_eq!(answered(client().get(&url)).await.0, 401);
    }
    let (_, requests) = order(&building, "GET", "/pods/1/requests", Value::Null).await;
    assert_eq!(requests[0]["status"], 503);
    for (method, path, body, status) in [
        ("POST", "/pods/9/reboot", json!({}), 404),
        ("POST", "/pods/1/explode", json!({}), 404),
        ("POST", "/pods/1/faults", json!({ "fault": "explode" }), 400),
        ("POST", "/pods/1/mode", json!({ "mode": 3 }), 400),
        ("POST", "/pods/1/faults", json!([]), 400),
        ("PUT", "/pods/1/faults", json!({}), 405),
        ("GET", "/pods/1/nothing", json!({}), 404),
    ] {
        assert_eq!(
            order(&building, method, path, body).await.0,
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn state_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let with_state = || Setup {
        state: Some(folder.path().join("state.json")),
        ..setup(2)
    };
    let building = Building::open(with_state()).await.unwrap();
    let pod = &building.pods()[1];
    pod.replace().unwrap();
    pod.put_foreign(&[meeting("1", 1)]).unwrap();
    pod.set_config("display.name", json!("Elm")).unwrap();
    pod.set_password("changed");
    let (device, print, key) = (pod.device_id(), pod.fingerprint(), pod.screen_key());
    building.run_until(async {}).await.unwrap();

    let building = Building::open(with_state()).await.unwrap();
    let pod = &building.pods()[1];
    assert_eq!(
        (pod.device_id(), pod.fingerprint(), pod.screen_key()),
        (device, print, key)
    );
    assert_eq!(pod.meetings(), [meeting("1", 1)]);
    assert_eq!(pod.config()["display"]["name"], "Elm");
    let sign_in = [
        ("grant_type", "password"),
        ("username", "admin"),
        ("password", "changed"),
    ];
    assert_eq!(
        answered(client().post(pod.url() + "/v2/token").form(&sign_in))
            .await
            .0,
        200
    );
    let saved = std::fs::read_to_string(folder.path().join("state.json")).unwrap();
    assert!(!saved.contains("changed") && !saved.contains("solstice\""));
}

#[tokio::test]
async fn a_folder_of_calendars_is_served_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("oak.ics"), "one").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "private").unwrap();
    let feeds = Some((folder.path().to_owned(), "127.0.0.1:0".parse().unwrap()));
    let building = Building::open(Setup { feeds, ..setup(1) }).await.unwrap();
    let host = building.feeds().unwrap();
    let get = async |path: &str| {
        let response = client().get(host.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("oak.ics").await, (200, "one".to_owned()));
    assert_eq!(get("notes.txt").await.0, 404);
    std::fs::write(folder.path().join("oak.ics"), "two, and longer").unwrap();
    std::fs::write(folder.path().join("elm.ics"), "elm").unwrap();
    host.wait_for(|host| host.body("elm.ics").is_some()).await;
    host.wait_for(|host| {
        host.body("oak.ics")
            .is_some_and(|body| body.starts_with(b"two"))
    })
    .await;
    std::fs::remove_file(folder.path().join("oak.ics")).unwrap();
    host.wait_for(|host| host.body("oak.ics").is_none()).await;
    assert_eq!(get("elm.ics").await, (200, "elm".to_owned()));
}

#[tokio::test]
async fn faults_come_on_a_schedule() {
    let schedule = vec![ScheduledCommand::parse("mode=o365@1ms").unwrap()];
    let building = Building::open(Setup {
        schedule,
        ..setup(1)
    })
    .await
    .unwrap();
    let pod = &building.pods()[0];
    pod.wait_for(|pod| pod.config()["display"]["calendar"]["type"] == "o365")
        .await;
}

#[tokio::test]
async fn a_setup_that_cannot_work_is_refused() {
    let refused = async |setup: Setup| Building::open(setup).await.err().unwrap();
    let control = Some("192.0.2.1:80".parse().unwrap());
    assert!(matches!(
        refused(Setup {
            control,
            ..setup(1)
        })
        .await,
        SetupError::OpenControl { .. }
    ));
    let listen = "127.0.0.1:65535".parse().unwrap();
    assert!(matches!(
        refused(Setup { listen, ..setup(2) }).await,
        SetupError::NoRoom { .. }
    ));
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let error = refused(Setup { listen, ..setup(1) }).await;
    assert!(error.hint().contains("--listen"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let feeds = Some((folder.path().join("none"), "127.0.0.1:0".parse().unwrap()));
    assert!(matches!(
        refused(Setup { feeds, ..setup(1) }).await,
        SetupError::Feeds { .. }
    ));
    let state = folder.path().join("state.json");
    std::fs::write(&state, "[]").unwrap();
    assert!(matches!(
        refused(Setup {
            state: Some(state),
            ..setup(1)
        })
        .await,
        SetupError::State { .. }
    ));
    for command in ["503,pod=2", "503,pod=2@1h", "swap=7", "device,same_as=0"] {
        let schedule = vec![ScheduledCommand::parse(command).unwrap()];
        let error = refused(Setup {
            schedule,
            ..setup(1)
        });
        let error = error.await.to_string();
        assert!(
            error.contains("pods are numbered from 1 to 1"),
            "{command}: {error}"
        );
    }
    let spread = Setup {
        spread: Spread::Addresses,
        ..setup(2)
    };
    let building = Building::open(spread).await.unwrap();
    assert_eq!(building.pods()[1].address().ip().to_string(), "127.0.0.2");
}
