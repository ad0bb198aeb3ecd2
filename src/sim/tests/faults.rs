//! Pods that do what they should not: each fault as an integrator meets it.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::*;

impl World {
    async fn put(&self, meetings: &Value) -> u16 {
        let set = json!({ "meetings": meetings });
        self.send("PUT", "/v2/calendar", set).await.0
    }

    async fn list(&self) -> Value {
        let (status, answer) = self.get("/v2/calendar").await;
        assert_eq!(status, 200);
        answer["meetings"].clone()
    }

    fn titles(&self) -> Vec<String> {
        let title = |meeting: &Value| meeting["title"].as_str().unwrap().to_owned();
        self.sim.meetings().iter().map(title).collect()
    }
}

#[tokio::test]
async fn reads_can_be_empty_whatever_was_set() {
    let world = pod().await;
    world.sim.fault(Fault::reads_empty());
    assert_eq!(world.put(&json!([meeting("1", 100)])).await, 200);
    assert_eq!(world.list().await, json!([]));
    assert_eq!(world.get("/v2/calendar/1").await.0, 500);
    assert_eq!(world.sim.meetings().len(), 1);
    world.sim.clear_faults();
    assert_eq!(world.list().await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_set_can_get_ids_of_the_pods_own() {
    let world = pod().await;
    world.sim.fault(Fault::new_ids());
    let set = json!([meeting("1", 100), meeting("2", 200)]);
    let ids = async || {
        assert_eq!(world.put(&set).await, 200);
        let list = world.list().await;
        [list[0]["id"].clone(), list[1]["id"].clone()]
    };
    let (first, second) = (ids().await, ids().await);
    let all: std::collections::HashSet<String> =
        first.iter().chain(&second).map(Value::to_string).collect();
    assert_eq!(all.len(), 4);
    assert!(!all.contains("\"1\""));
}

#[tokio::test]
async fn a_cap_keeps_the_nearest_meetings() {
    let world = start(Options {
        clock: Clock::from_fn(|| UnixTime::from_seconds(1000)),
        ..Options::default()
    })
    .await;
    world.sim.fault(Fault::cap(2));
    let set = [
        meeting("later", 3000),
        meeting("ended", 10),
        meeting("next", 2000),
        meeting("now", 990),
    ];
    assert_eq!(world.put(&json!(set)).await, 200);
    assert_eq!(
        world.sim.meetings(),
        [meeting("next", 2000), meeting("now", 990)]
    );
}

#[tokio::test]
async fn a_set_can_be_shown_late() {
    let world = pod().await;
    world.sim.put_foreign(&[meeting("old", 1)]).unwrap();
    world.sim.fault(Fault::late_reads(2).once());
    assert_eq!(world.put(&json!([meeting("new", 2)])).await, 200);
    assert_eq!(world.sim.meetings(), [meeting("old", 1)]);
    assert_eq!(world.list().await[0]["id"], "old");
    assert_eq!(world.list().await[0]["id"], "new");

    world
        .sim
        .fault(Fault::late(Duration::from_millis(30)).once());
    assert_eq!(world.put(&json!([meeting("newer", 3)])).await, 200);
    assert_eq!(world.sim.meetings(), [meeting("new", 2)]);
    let shown = |sim: &Sim| sim.meetings() == [meeting("newer", 3)];
    world.sim.wait_for(shown).await;
}

#[tokio::test]
async fn titles_can_be_rewritten() {
    let world = pod().await;
    let mut long = meeting("1", 100);
    long["title"] = json!("  Überlange Sitzung  ");
    for (fault, title) in [
        (Fault::trim(), "Überlange Sitzung"),
        (Fault::truncate(6), "  Über"),
        (Fault::upper_case(), "  ÜBERLANGE SITZUNG  "),
        (Fault::suffix("(x)"), "  Überlange Sitzung  (x)"),
    ] {
        world.sim.clear_faults();
        world.sim.fault(fault);
        assert_eq!(world.put(&json!([long])).await, 200);
        assert_eq!(world.titles(), [title]);
    }
    world.sim.clear_faults();
    for fault in [Fault::trim(), Fault::truncate(4), Fault::suffix("…")] {
        world.sim.fault(fault);
    }
    assert_eq!(world.put(&json!([long])).await, 200);
    assert_eq!(world.titles(), ["Über…"]);
}

#[tokio::test]
async fn a_set_can_be_answered_and_not_taken() {
    let world = pod().await;
    world.sim.put_foreign(&[meeting("old", 1)]).unwrap();
    world.sim.fault(Fault::keep_old().once());
    // A set that is refused does not use it up.
    assert_eq!(world.put(&json!([{}])).await, 400);
    assert_eq!(world.put(&json!([meeting("new", 2)])).await, 200);
    assert_eq!(world.sim.meetings(), [meeting("old", 1)]);
    assert_eq!(world.put(&json!([meeting("new", 2)])).await, 200);
    assert_eq!(world.sim.meetings(), [meeting("new", 2)]);
}

#[tokio::test]
async fn a_busy_pod_says_when_to_come_back_or_does_not() {
    let world = pod().await;
    world.sim.fault(Fault::retry_after(429, 7).once());
    let path = world.sim.url() + "/v2/metadata";
    let busy = world.client.get(&path).send().await.unwrap();
    assert_eq!(busy.status(), 429);
    assert_eq!(busy.headers()["retry-after"], "7");
    world.sim.fault(Fault::status(429).once());
    let busy = world.client.get(&path).send().await.unwrap();
    assert!(!busy.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_pod_can_leave_connections_without_a_word() {
    let world = pod().await;
    world.sim.fault(Fault::no_handshake().once());
    let mut silent = TcpStream::connect(world.sim.address()).await.unwrap();
    let mut byte = [0];
    tokio::select! {
        read = silent.read(&mut byte) => panic!("a silent pod said something: {read:?}"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    let others = client().get(world.sim.url() + "/v2/metadata");
    assert_eq!(answered(others).await.0, 401);
}

#[tokio::test]
async fn a_slow_pod_can_fail_as_well() {
    let world = pod().await;
    world.sim.fault(Fault::slow(Duration::from_millis(40)));
    world
        .sim
        .fault(Fault::status(503).on("GET", "/v2/metadata"));
    let began = std::time::Instant::now();
    assert_eq!(world.get("/v2/metadata").await.0, 503);
    assert!(began.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn the_clock_is_off_in_the_header_too() {
    let world = start(Options {
        clock: Clock::from_fn(|| UnixTime::from_seconds(1_000_000)),
        clock_offset: 90,
        ..Options::default()
    })
    .await;
    let response = world.ask("GET", "/v2/metadata").send().await.unwrap();
    assert_eq!(response.headers()["date"], "Mon, 12 Jan 1970 13:48:10 GMT");
}

#[tokio::test]
async fn two_devices_can_change_places() {
    let (one, two) = (pod().await, {
        let number = 2;
        let options = Options::default();
        start(Options { number, ..options }).await
    });
    one.sim.put_foreign(&[meeting("one", 1)]).unwrap();
    one.sim.set_config("display.name", json!("Oak")).unwrap();
    let before = [&one, &two].map(|world| (world.sim.device_id(), world.sim.fingerprint()));
    one.sim.fault(Fault::status(503).on("GET", "/v2/info"));
    one.sim.swap_with(&two.sim);
    let after = [&two, &one].map(|world| (world.sim.device_id(), world.sim.fingerprint()));
    assert_eq!(after, before);
    assert_eq!(two.sim.meetings(), [meeting("one", 1)]);
    assert!(one.sim.meetings().is_empty());
    assert_eq!(two.sim.config()["display"]["name"], "Oak");
    // Neither device knows the other's tokens; faults stay where they were.
    assert_eq!(one.get("/v2/metadata").await.0, 401);
    assert_eq!(two.get("/v2/metadata").await.0, 401);
    assert_eq!(one.get("/v2/info").await.0, 503);
    let moved = client().get(two.sim.url() + "/v2/metadata");
    assert_eq!(answered(moved.bearer_auth(&one.token)).await.0, 200);
    one.sim.swap_with(&two.sim);
    one.sim.swap_with(&one.sim);
    assert_eq!((one.sim.device_id(), one.sim.fingerprint()), before[0]);
}

#[tokio::test]
async fn sign_ins_and_requests_are_counted() {
    let world = pod().await;
    world.sim.traffic().reset();
    world.sign_in("solstice").await;
    world.sign_in("wrong").await;
    // The attempt counts, whatever becomes of its answer.
    world.sim.fault(Fault::status(503).once());
    world.sign_in("wrong").await;
    assert_eq!(world.sim.traffic().sign_ins(), (1, 2));
    assert_eq!(world.sim.traffic().requests("POST", "/v2/token"), 3);

    world.sim.traffic().reset();
    world.sim.fault(Fault::slow(Duration::from_millis(100)));
    tokio::join!(
        world.get("/v2/metadata"),
        world.get("/v2/info"),
        world.get("/v2/calendar")
    );
    assert_eq!(world.sim.traffic().max_in_flight(), 3);
    let json = world.sim.traffic().to_json();
    assert_eq!(json["in_flight"], 0);
    assert_eq!(json["methods"], json!({ "GET": 3 }));
    let times = &json["requests"]["GET /v2/info"]["times"];
    assert!(times[0].as_f64().unwrap() > 1e9);
}
