//! A pod as an integrator meets it, through a plain HTTPS client.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::model::time::UnixTime;

mod building;
mod config;
mod control;
mod device;
mod faults;
mod page;
mod random;

struct World {
    sim: Sim,
    client: Client,
    token: String,
}

pub(super) fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .unwrap()
}

async fn start(options: Options) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = Sim::start(listener, options).unwrap();
    let mut world = World {
        sim,
        client: client(),
        token: String::new(),
    };
    world.token = world.sign_in("solstice").await.1["access_token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    world.sim.forget_requests();
    world
}

async fn pod() -> World {
    start(Options::default()).await
}

impl World {
    async fn sign_in(&self, password: &str) -> (StatusCode, Value) {
        let form = [
            ("grant_type", "password"),
            ("username", "admin"),
            ("password", password),
        ];
        let request = self.client.post(self.sim.url() + "/v2/token").form(&form);
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.client.request(method, self.sim.url() + path);
        request
            .bearer_auth(&self.token)
            .header("accept", "application/json")
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answered(self.ask("GET", path)).await
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        answered(self.ask(method, path).json(&body)).await
    }
}

async fn answered(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

fn meeting(id: &str, start: i64) -> Value {
    json!({ "id": id, "title": "Review", "organizer": "Ada", "start_time": start, "end_time": start + 60 })
}

fn error(answer: &Value) -> &str {
    answer["errors"][0]["error"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_is_set_is_on_the_display() {
    let world = pod().await;
    let meetings = json!([meeting("001", 100), { "id": "002", "title": "", "organizer": "", "description": "d",
        "start_time": 200, "end_time": 300 }]);
    let (status, answer) = world
        .send("PUT", "/v2/calendar", json!({ "meetings": meetings }))
        .await;
    assert_eq!(
        (status, answer),
        (
            200,
            json!({ "message": "success!", "reboot_required": false, "restart_required": false })
        )
    );
    assert_eq!(Value::from(world.sim.meetings()), meetings);
    assert_eq!(
        world.get("/v2/calendar").await,
        (200, json!({ "meetings": meetings }))
    );
    assert_eq!(
        world.get("/v2/calendar/002").await,
        (200, meetings[1].clone())
    );
    assert_eq!(answered(world.ask("DELETE", "/v2/calendar")).await.0, 200);
    assert!(world.sim.meetings().is_empty());
    let (status, answer) = world.get("/v2/calendar/002").await;
    assert_eq!(
        (status, answer),
        (
            500,
            json!({ "errors": [{ "error": "internal", "description": "Failed to find meeting" }] })
        )
    );
    assert_eq!(world.sim.violations(), Vec::<String>::new());
    assert_eq!(world.sim.count("GET", "/v2/calendar"), 1);
    assert!(world.sim.requests().iter().all(|seen| seen.authorized));
}

#[tokio::test]
async fn a_set_that_the_reference_does_not_allow_changes_nothing_and_is_remembered() {
    let world = pod().await;
    world.sim.put_foreign(&[meeting("kept", 5)]).unwrap();
    let without = |key: &str| {
        let mut meeting = meeting("1", 100);
        meeting.as_object_mut().unwrap().remove(key);
        json!({ "meetings": [meeting] })
    };
    let with = |key: &str, value: Value| {
        let mut meeting = meeting("1", 100);
        meeting[key] = value;
        json!({ "meetings": [meeting] })
    };
    let cases = [
        (json!([]), "an array instead of an object"),
        (json!({}), "`meetings` is missing"),
        (
            json!({ "meetings": {} }),
            "`meetings` must be an array, not an object",
        ),
        (
            json!({ "meetings": [], "more": 1 }),
            "`more` is not a field",
        ),
        (
            json!({ "meetings": ["x"] }),
            "`meetings[0]` must be an object",
        ),
        (without("id"), "`meetings[0].id` is missing"),
        (without("title"), "`meetings[0].title` is missing"),
        (without("organizer"), "`meetings[0].organizer` is missing"),
        (without("start_time"), "`meetings[0].start_time` is missing"),
        (without("end_time"), "`meetings[0].end_time` is missing"),
        (
            with("id", json!(1)),
            "`meetings[0].id` must be a string, not an integer",
        ),
        (
            with("title", json!(null)),
            "`meetings[0].title` must be a string, not null",
        ),
        (
            with("start_time", json!("100")),
            "`meetings[0].start_time` must be an integer, not a string",
        ),
        (with("start_time", json!(1.5)), "not a 64-bit integer"),
        (
            with("description", json!(null)),
            "`meetings[0].description` must be a string",
        ),
        (
            with("location", json!("x")),
            "`meetings[0].location` is not a field",
        ),
        (
            with("end_time", json!(100)),
            "`meetings[0].end_time` is not after",
        ),
        (
            json!({ "meetings": [meeting("1", 1), meeting("1", 9)] }),
            "the id of another meeting",
        ),
    ];
    for (body, violation) in cases {
        world.sim.forget_requests();
        let (status, answer) = world.send("PUT", "/v2/calendar", body.clone()).await;
        assert_eq!((status, error(&answer)), (400, "invalid_request"), "{body}");
        let violations = world.sim.violations();
        assert_eq!(violations.len(), 1, "{body}: {violations:?}");
        assert!(violations[0].contains(violation), "{body}: {violations:?}");
    }
    world.sim.forget_requests();
    let request = world
        .ask("PUT", "/v2/calendar")
        .header("content-type", "text/plain");
    assert_eq!(answered(request.body(r#"{"meetings":[]}"#)).await.0, 400);
    let request = world
        .ask("PUT", "/v2/calendar")
        .header("content-type", "application/json");
    assert_eq!(answered(request.body(r#"{"meetings":["#)).await.0, 400);
    assert_eq!(world.sim.violations().len(), 2);
    assert_eq!(world.sim.meetings().len(), 1);
}

#[tokio::test]
async fn single_meetings_can_be_changed_in_exchange_mode_only() {
    let world = pod().await;
    world.sim.put_foreign(&[meeting("001", 100)]).unwrap();
    for (method, path) in [
        ("POST", "/v2/calendar"),
        ("PATCH", "/v2/calendar/001"),
        ("DELETE", "/v2/calendar/001"),
    ] {
        let (status, answer) = world.send(method, path, json!({ "title": "x" })).await;
        assert_eq!((status, error(&answer)), (400, "invalid_request"));
        assert!(answer.to_string().contains("3rd Party Only"));
    }
    world.sim.set_mode(CalendarMode::Exchange);
    let (status, answer) = world
        .send("POST", "/v2/calendar", json!({ "title": "New" }))
        .await;
    assert_eq!(status, 200);
    let id = answer["id"].as_str().unwrap().to_owned();
    assert_eq!(
        world
            .send(
                "PATCH",
                &format!("/v2/calendar/{id}"),
                json!({ "title": "Newer" })
            )
            .await
            .0,
        200
    );
    assert_eq!(
        world.get(&format!("/v2/calendar/{id}")).await.1["title"],
        "Newer"
    );
    assert_eq!(
        answered(world.ask("DELETE", "/v2/calendar/001")).await.0,
        200
    );
    // A body is optional here: the reference's sample has none.
    assert_eq!(answered(world.ask("POST", "/v2/calendar")).await.0, 200);
    assert_eq!(world.sim.meetings().len(), 2);
    world.sim.forget_requests();
    world
        .send("PUT", "/v2/calendar", json!({ "meetings": [] }))
        .await;
    assert!(world.sim.violations()[0].contains("may alter a real mailbox"));
}

#[tokio::test]
async fn a_token_takes_the_password_in_a_form_and_nothing_else() {
    let world = start(Options {
        password: "p&a+s%s=ä".into(),
        ..Options::default()
    })
    .await;
    let (status, answer) = world.sign_in("p&a+s%s=ä").await;
    assert_eq!(
        (status.as_u16(), answer["token_type"].as_str()),
        (200, Some("jwt"))
    );
    assert_eq!(
        answer["access_token"].as_str().unwrap().split('.').count(),
        3
    );
    assert_eq!(
        world.sign_in("wrong").await,
        (
            StatusCode::UNAUTHORIZED,
            json!({ "error": "invalid_grant" })
        )
    );
    let url = world.sim.url() + "/v2/token";
    let form = "application/x-www-form-urlencoded";
    for (query, content_type, body) in [
        ("", "application/json", r#"{"grant_type":"password"}"#),
        ("", form, "grant_type=password&username=admin"),
        ("", form, "grant_type=code&username=admin&password=p"),
        (
            "",
            form,
            "grant_type=password&username=admin&password=p&password=q",
        ),
        ("?grant_type=password&username=admin&password=p", form, ""),
        (
            "",
            "text/plain",
            "grant_type=password&username=admin&password=p",
        ),
    ] {
        let request = world
            .client
            .post(format!("{url}{query}"))
            .header("content-type", content_type);
        let (status, answer) = answered(request.body(body)).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    assert!(world.sim.requests().iter().all(|seen| {
        seen.body
            .as_deref()
            .is_none_or(|body| !body.contains("%C3%A4") && !body.contains("password=p"))
    }));
}

#[tokio::test]
async fn a_token_is_good_until_it_expires_on_the_pods_own_clock() {
    let world = start(Options {
        clock: Clock::from_fn(|| UnixTime::from_seconds(1_000_000)),
        token_life: Duration::from_secs(60),
        ..Options::default()
    })
    .await;
    assert_eq!(world.get("/v2/metadata").await.0, 200);
    world.sim.set_clock_offset(59);
    assert_eq!(world.get("/v2/metadata").await.0, 200);
    world.sim.set_clock_offset(60);
    let (status, answer) = world.get("/v2/metadata").await;
    assert_eq!((status, error(&answer)), (401, "invalid_token"));
    world.sim.set_clock_offset(0);
    world.sim.expire_tokens();
    assert_eq!(world.get("/v2/metadata").await.0, 401);
    assert_eq!(world.sim.violations(), Vec::<String>::new());
    let nothing = world
        .client
        .get(world.sim.url() + "/v2/metadata?access_token=x");
    assert_eq!(answered(nothing).await.0, 401);
    assert!(world.sim.violations()[0].contains("not in the query"));
}

#[tokio::test]
async fn wrong_passwords_lock_a_pod_that_is_set_up_so() {
    let world = start(Options {
        lock_after: Some(2),
        ..Options::default()
    })
    .await;
    world.sign_in("a").await;
    world.sign_in("b").await;
    assert_eq!(world.sign_in("solstice").await.0, StatusCode::UNAUTHORIZED);
    world.sim.reboot();
    assert_eq!(world.sign_in("solstice").await.0, StatusCode::OK);
    world.sim.set_password("other");
    assert_eq!(world.sign_in("solstice").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_fault_looks_as_it_is_called() {
    let world = pod().await;
    let put = async || {
        let body = json!({ "meetings": [meeting("1", 1), meeting("2", 2)] });
        world.ask("PUT", "/v2/calendar").json(&body).send().await
    };
    world.sim.fault(Fault::status(503).once());
    let response = put().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(error(&response.json().await.unwrap()), "internal");
    assert!(world.sim.meetings().is_empty());

    world.sim.fault(Fault::html().once());
    assert_eq!(
        put().await.unwrap().headers()["content-type"],
        "text/html; charset=utf-8"
    );
    world.sim.fault(Fault::empty_object().once());
    assert_eq!(put().await.unwrap().text().await.unwrap(), "{}");
    assert!(world.sim.meetings().is_empty());

    world
        .sim
        .fault(Fault::lost_answer().once().on("PUT", "/v2/calendar"));
    assert!(put().await.is_err());
    assert_eq!(world.sim.meetings().len(), 2);
    assert_eq!(world.sim.requests().last().unwrap().status, None);

    world.sim.fault(Fault::cut_off().once());
    let response = put().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 60);
    assert!(response.bytes().await.is_err());

    world.sim.fault(Fault::hang().once());
    tokio::select! {
        _ = put() => panic!("a pod that hangs has answered"),
        () = world.sim.wait_for(|sim| sim.requests().last().unwrap().status.is_none()) => {}
    }
    world
        .sim
        .fault(Fault::slow(Duration::from_millis(50)).once());
    let began = std::time::Instant::now();
    assert_eq!(put().await.unwrap().status(), 200);
    assert!(began.elapsed() >= Duration::from_millis(50));

    world.sim.fault(Fault::refuse());
    assert!(
        client()
            .get(world.sim.url() + "/v2/metadata")
            .send()
            .await
            .is_err()
    );
    world.sim.clear_faults();
    assert_eq!(put().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reboot_loses_meetings_and_tokens_and_a_replaced_pod_is_another() {
    let world = pod().await;
    let (device, print) = (world.sim.device_id(), world.sim.fingerprint());
    world.sim.put_foreign(&[meeting("1", 1)]).unwrap();
    world.sim.set_config("display.name", json!("Oak")).unwrap();
    world.sim.reboot();
    assert_eq!(world.get("/v2/metadata").await.0, 401);
    assert!(world.sim.meetings().is_empty());
    assert_eq!(world.sim.device_id(), device);
    assert_eq!(world.sim.config()["display"]["name"], "Oak");
    world.sim.replace_keeping_certificate();
    assert_eq!(world.sim.fingerprint(), print);
    world.sim.replace().unwrap();
    assert_ne!(world.sim.fingerprint(), print);
    assert_ne!(world.sim.device_id(), device);
    assert_eq!(world.sim.config()["display"]["name"], "Pod 1");
    assert_eq!(world.sign_in("solstice").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_restarted_simulator_shows_the_same_certificate_on_the_same_port() {
    let world = pod().await;
    let (address, print, device) = (
        world.sim.address(),
        world.sim.fingerprint(),
        world.sim.device_id(),
    );
    world.sim.stop().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let again = Sim::start(listener, Options::default()).unwrap();
    assert_eq!((again.fingerprint(), again.device_id()), (print, device));
    let root = reqwest::Certificate::from_pem(again.certificate_pem().as_bytes()).unwrap();
    let trusting = Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .build()
        .unwrap();
    assert_eq!(
        trusting
            .get(again.url() + "/v2/metadata")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let other = Options {
        number: 2,
        ..Options::default()
    };
    let other = Sim::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), other).unwrap();
    assert_ne!(other.fingerprint(), print);
}
