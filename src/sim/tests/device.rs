//! Everything about the device: info, screen key, HDMI, images, camera, licence, and what is not
//! there at all.

use super::*;

const JPEG: &[u8] = &[
    0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xc0, 0, 11, 8, 0x02, 0xd0, 0x05, 0x00, 1, 1, 0x11,
    0, 0xff, 0xd9,
];

#[tokio::test]
async fn the_screen_key_is_checked_with_and_without_a_token() {
    let world = pod().await;
    let check = async |request: RequestBuilder, body: Value| {
        let response = request.json(&body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let path = "/v2/info/screen_key";
    let key = json!({ "screen_key": world.sim.screen_key() });
    let without = || world.client.post(world.sim.url() + path);
    assert_eq!(
        check(world.ask("POST", path), key.clone()).await,
        (200, String::new())
    );
    assert_eq!(check(without(), key.clone()).await, (200, String::new()));
    assert_eq!(
        check(without(), json!({ "screen_key": "" })).await,
        (404, String::new())
    );
    assert_eq!(check(without(), json!({ "screen_key": 1 })).await.0, 400);
    assert_eq!(check(without().bearer_auth("bad"), key).await.0, 401);
}

#[tokio::test]
async fn hdmi_and_info_answer_as_documented() {
    let world = pod().await;
    let answer = world
        .send(
            "POST",
            "/v2/config/hdmi_input",
            json!({ "force_off": true }),
        )
        .await;
    assert_eq!(answer, (200, json!({ "message": "success!" })));
    for body in [
        json!({}),
        json!({ "force_off": "yes" }),
        json!({ "force_off": true, "x": 1 }),
    ] {
        assert_eq!(
            world.send("POST", "/v2/config/hdmi_input", body).await.0,
            400
        );
    }
    let (status, info) = world.get("/v2/info").await;
    assert_eq!(
        (status, &info["connection"]["ethernet"]["ip_address"]),
        (200, &json!("127.0.0.1"))
    );
    assert_eq!(
        info["connection"]["wifi"]["wifi_signal"]["signal_units"],
        "dBm"
    );
    world.sim.set_quirks(Quirks {
        no_info: true,
        ..Quirks::default()
    });
    assert_eq!(world.get("/v2/info").await.0, 404);
    assert_eq!(
        world.get("/v2/metadata").await,
        (200, json!({ "device_id": world.sim.device_id() }))
    );
}

#[tokio::test]
async fn an_uploaded_image_is_given_back_and_changes_its_hash() {
    let world = pod().await;
    let path = "/v2/config/display/splash/images/3/16x9";
    let hash = || world.sim.config()["display"]["splash"]["images"]["3"]["16x9"]["hash"].clone();
    assert_eq!(hash(), "");
    let get = async |accept: &str| {
        let request = world
            .client
            .get(world.sim.url() + path)
            .bearer_auth(&world.token);
        request.header("accept", accept).send().await.unwrap()
    };
    assert_eq!(get("image/*").await.status(), 404);
    assert_eq!(get("application/json").await.status(), 400);
    let upload = async |path: &str, media: &str, body: &'static [u8]| {
        let request = world.ask("PATCH", path).header("content-type", media);
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(upload(path, "image/jpeg", JPEG).await, 200);
    assert_eq!(hash().as_str().unwrap().len(), 16);
    let image = get("image/*").await;
    assert_eq!(image.headers()["content-type"], "image/jpeg");
    assert_eq!(image.bytes().await.unwrap().as_ref(), JPEG);
    for (path, media, body) in [
        (path, "image/png", JPEG),
        (path, "image/jpeg", b"GIF89a".as_slice()),
        (path, "image/jpeg", b""),
        (
            "/v2/config/display/splash/images/6/16x9",
            "image/jpeg",
            JPEG,
        ),
        (
            "/v2/config/display/splash/images/x/16x9",
            "image/jpeg",
            JPEG,
        ),
        ("/v2/config/display/splash/images/3/4x3", "image/jpeg", JPEG),
    ] {
        assert_eq!(upload(path, media, body).await, 400, "{path} {media}");
    }
    world.sim.set_quirks(Quirks {
        arrays: true,
        ..Quirks::default()
    });
    let shown = world.sim.config()["display"]["splash"]["images"][3].clone();
    assert_eq!(
        (
            &shown["position"],
            &shown["image"]["width"],
            &shown["image"]["height"]
        ),
        (&json!(4), &json!(1280), &json!(720))
    );
    assert_eq!(shown["image"]["format"], "jpeg");
}

#[tokio::test]
async fn the_camera_is_updated_in_ten_seconds() {
    let world = start(Options {
        clock: Clock::from_fn(|| UnixTime::from_seconds(1_000_000)),
        ..Options::default()
    })
    .await;
    let path = format!("/v2/control/cameras/{}", world.sim.camera_guid().unwrap());
    let status = async || world.get("/v2/control/cameras/status").await.1["updateStatus"].clone();
    assert_eq!(status().await, "idle");
    assert_eq!(world.get(&path).await.1["updateAvailable"], true);
    assert_eq!(
        world
            .send("PATCH", &path, json!({ "forceUpdate": "yes" }))
            .await
            .0,
        400
    );
    assert_eq!(
        world
            .send("PATCH", &path, json!({ "forceUpdate": true }))
            .await
            .0,
        200
    );
    assert_eq!(status().await, "updating");
    world.sim.set_clock_offset(10);
    assert_eq!(status().await, "idle");
    assert_eq!(world.get(&path).await.1["updateAvailable"], false);
    let unknown = "/v2/control/cameras/00000000-0000-0000-0000-000000000000";
    let (status, answer) = world.get(unknown).await;
    let wanted =
        json!({ "errors": [{ "error": "not_found", "description": "unknown camera specified!" }] });
    assert_eq!((status, answer), (404, wanted));
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_references_words() {
    let world = pod().await;
    for path in [
        "/v2",
        "/v2/",
        "/v3/calendar",
        "/v2/calendar/",
        "/v2/calendar/a/b",
        "/api/config",
        "/v2/info/x",
    ] {
        let (status, answer) = world.get(path).await;
        assert_eq!((status, error(&answer)), (404, "not_found"), "{path}");
    }
    for (method, path) in [
        ("DELETE", "/v2/config"),
        ("PUT", "/v2/config/sharing"),
        ("POST", "/v2/metadata"),
        ("GET", "/v2/token"),
    ] {
        let response = world.ask(method, path).send().await.unwrap();
        assert_eq!(response.status(), 405, "{method} {path}");
        assert!(response.headers().contains_key("allow"));
    }
    let long = "x".repeat(1024 * 1024);
    let (status, answer) = world
        .send("PUT", "/v2/calendar", json!({ "meetings": [], "x": long }))
        .await;
    assert_eq!((status, error(&answer)), (413, "invalid_request"));
    world.sim.set_licensed(false);
    let (status, answer) = world.get("/v2/calendar").await;
    assert_eq!((status, error(&answer)), (403, "not_licensed"));
    world.sim.set_licensed(true);
    let html = world
        .ask("GET", "/v2/metadata")
        .header("accept", "text/html");
    let plain = world
        .client
        .get(world.sim.url() + "/v2/metadata")
        .bearer_auth(&world.token)
        .header("accept", "text/html");
    assert_eq!(answered(html).await.0, 200);
    assert_eq!(answered(plain).await.0, 400);
}

#[tokio::test]
async fn quirks_of_the_calendar_can_be_switched_on() {
    let world = pod().await;
    world.sim.put_foreign(&[meeting("1", 100)]).unwrap();
    world.sim.set_quirks(Quirks {
        colon_in_meetings: true,
        times_as_strings: true,
        empty_object_for_bad_token: true,
        ..Quirks::default()
    });
    let (_, answer) = world.get("/v2/calendar").await;
    assert_eq!(answer["meetings:"][0]["start_time"], "100");
    world.sim.expire_tokens();
    assert_eq!(world.get("/v2/calendar").await, (200, json!({})));
}
