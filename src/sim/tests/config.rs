//! The configuration, read and changed.

use super::*;

fn at<'a>(config: &'a Value, path: &str) -> &'a Value {
    config
        .pointer(&format!("/{}", path.replace('.', "/")))
        .unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let world = pod().await;
    let before = world.sim.config();
    let patch = json!({ "sharing": { "airplay": { "enabled": false } } });
    let (status, answer) = world
        .send("PATCH", "/v2/config?rollback_timeout_seconds=30", patch)
        .await;
    assert_eq!(
        (status, answer),
        (
            200,
            json!({ "device_id": world.sim.device_id(), "message": "success!" })
        )
    );
    let (_, mut after) = world.get("/v2/config").await;
    assert_eq!(at(&after, "sharing.airplay.enabled"), &json!(false));
    assert_eq!(
        world.get("/v2/config/sharing/airplay").await.1,
        *at(&after, "sharing.airplay")
    );
    assert_eq!(
        world.get("/v2/config/sharing/airplay/enabled").await,
        (200, json!(false))
    );
    after["sharing"]["airplay"]["enabled"] = json!(true);
    after["display"]["clock"]["current_time"] = at(&before, "display.clock.current_time").clone();
    assert_eq!(after, before);
    assert_eq!(world.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_patch_with_a_fault_changes_nothing() {
    let world = pod().await;
    let before = at(&world.sim.config(), "sharing").clone();
    for patch in [
        json!({ "sharing": { "alignment": "left", "airplay": { "enabled": "potato" } } }),
        json!({ "sharing": { "alignment": "left", "airplay": null } }),
        json!({ "sharing": { "alignment": "left" }, "connection": { "http_proxy": { "port": 1.5 } } }),
        json!({ "sharing": { "alignment": "left" }, "display": { "calendar": { "type": "zimbra" } } }),
        json!({ "sharing": { "alignment": "left" }, "display": { "splash": { "images": { "9": {} } } } }),
        json!({ "sharing": { "alignment": "left" }, "security": { "admin_password": "x" } }),
        json!({ "sharing": { "alignment": "left" },
            "security": { "admin_password": { "secret_salt": "a", "secret_hash": "b" } } }),
        json!({ "sharing": { "alignment": "left" }, "connection": { "ethernet": { "vlans": [{}, {}, {}, {}] } } }),
        json!({ "sharing": { "alignment": "left" }, "conference": { "url_parsing": { "x": 1 } } }),
    ] {
        world.sim.forget_requests();
        let (status, answer) = world.send("PATCH", "/v2/config", patch.clone()).await;
        assert_eq!(
            (status, error(&answer)),
            (400, "invalid_request"),
            "{patch}"
        );
        assert_eq!(world.sim.violations().len(), 1, "{patch}");
        assert_eq!(at(&world.sim.config(), "sharing"), &before, "{patch}");
    }
    for query in [
        "rollback_timeout_seconds=soon",
        "rollback_timeout_seconds=-1",
    ] {
        assert_eq!(
            world
                .send("PATCH", &format!("/v2/config?{query}"), json!({}))
                .await
                .0,
            400
        );
    }
    // The reference's own sample holds this.
    let request = world
        .ask("PATCH", "/v2/config")
        .header("content-type", "application/json");
    assert_eq!(
        answered(request.body(r#"{"sharing":{"airplay":{"enabled": potato}}}"#))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn unknown_keys_are_kept_and_remembered() {
    let world = pod().await;
    let patch = json!({ "future": { "list": [1, { "a": null }] }, "display": { "glow": "red" } });
    assert_eq!(
        world.send("PATCH", "/v2/config", patch.clone()).await.0,
        200
    );
    let config = world.sim.config();
    assert_eq!(config["future"], patch["future"]);
    assert_eq!(at(&config, "display.glow"), "red");
    assert_eq!(world.sim.violations().len(), 2);
    let (status, answer) = world.get("/v2/config/future/nothing").await;
    assert_eq!((status, error(&answer)), (404, "not_found"));
}

#[tokio::test]
async fn what_was_read_can_be_written_back_whole() {
    for arrays in [false, true] {
        let world = pod().await;
        world.sim.set_quirks(Quirks {
            arrays,
            ..Quirks::default()
        });
        let (_, mut config) = world.get("/v2/config").await;
        assert_eq!(at(&config, "display.splash.images").is_array(), arrays);
        assert_eq!(at(&config, "connection.ethernet.vlans").is_array(), arrays);
        config["display"]["clock"]["current_time"] = json!("string");
        let (status, answer) = world.send("PATCH", "/v2/config", config.clone()).await;
        assert_eq!(status, 200, "{answer}");
        config["display"]["clock"]["current_time"] =
            at(&world.sim.config(), "display.clock.current_time").clone();
        assert_eq!(world.sim.config(), config);
        assert_eq!(world.sim.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_secret_goes_in_as_text_and_comes_out_as_salt_and_hash() {
    let world = pod().await;
    let patch = json!({
        "security": { "admin_password": { "secret": "Changed-1" } },
        "kepler": { "secret_key": { "secret": "cloud key" } },
    });
    assert_eq!(world.send("PATCH", "/v2/config", patch).await.0, 200);
    let config = world.get("/v2/config").await.1;
    for path in ["security.admin_password", "kepler.secret_key"] {
        let secret = at(&config, path);
        assert!(!secret["secret_salt"].as_str().unwrap().is_empty());
        assert_eq!(secret["secret_hash"].as_str().unwrap().len(), 64);
    }
    let text = config.to_string();
    assert!(!text.contains("Changed-1") && !text.contains("cloud key"));
    assert_eq!(world.sign_in("solstice").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.sign_in("Changed-1").await.0, StatusCode::OK);
    world
        .sim
        .set_config(
            "security.enforce_admin_password_validation_rules",
            json!(true),
        )
        .unwrap();
    let weak = json!({ "security": { "admin_password": { "secret": "weak" } } });
    assert_eq!(world.send("PATCH", "/v2/config", weak).await.0, 400);
}

#[tokio::test]
async fn the_calendar_type_is_the_mode_in_both_forms() {
    let world = start(Options {
        type_spelling: "api_only".to_owned(),
        ..Options::default()
    })
    .await;
    let mode = async || {
        let config = world.sim.config();
        let legacy = world.get("/v2/api/config").await.1;
        (
            at(&config, "display.calendar.type").clone(),
            legacy["m_calendarCuration"]["calendarType"].clone(),
        )
    };
    assert_eq!(mode().await, (json!("api_only"), json!(3)));
    let patch = |kind: &str| json!({ "display": { "calendar": { "type": kind } } });
    world.send("PATCH", "/v2/config", patch("exchange")).await;
    assert_eq!(mode().await, (json!("exchange"), json!(0)));
    world.sim.set_mode(CalendarMode::O365);
    assert_eq!(mode().await, (json!("o365"), json!(2)));
    world.send("PATCH", "/v2/config", patch("api_only")).await;
    assert_eq!(mode().await, (json!("api_only"), json!(3)));
}

#[tokio::test]
async fn network_changes_ask_for_a_reboot_and_roll_back_without_the_cloud() {
    let world = start(Options {
        cloud_reachable: false,
        clock: Clock::from_fn(|| UnixTime::from_seconds(1_000_000)),
        ..Options::default()
    })
    .await;
    let patch = json!({ "connection": { "host_name": "lost" }, "locale": { "language": "de-DE" } });
    let (status, answer) = world
        .send("PATCH", "/v2/config?rollback_timeout_seconds=30", patch)
        .await;
    assert_eq!(
        (
            status,
            &answer["reboot_required"],
            &answer["restart_required"]
        ),
        (200, &json!(true), &json!(true))
    );
    let language = async || world.get("/v2/config/connection/host_name").await.1;
    assert_eq!(language().await, "lost");
    world.sim.set_clock_offset(30);
    assert_ne!(language().await, "lost");
    assert_eq!(world.get("/v2/config/locale/language").await.1, "de-DE");
}

#[tokio::test]
async fn the_legacy_configuration_tells_clock_and_licence() {
    let world = start(Options {
        clock: Clock::from_fn(|| UnixTime::from_seconds(1_000_000)),
        clock_offset: 90,
        ..Options::default()
    })
    .await;
    let (status, legacy) = world.get("/v2/api/config").await;
    assert_eq!(
        (status, &legacy["m_systemCuration"]["dateTime"]),
        (200, &json!(1_000_090_000))
    );
    assert_eq!(legacy["m_licenseCuration"]["licenseStatus"], 2);
    assert_eq!(
        at(&world.sim.config(), "display.clock.current_time"),
        "1970-01-12T13:48:10Z"
    );
    world.sim.set_quirks(Quirks {
        no_legacy: true,
        wrapped: true,
        ..Quirks::default()
    });
    assert_eq!(world.get("/v2/api/config").await.0, 404);
    assert_eq!(
        world.get("/v2/config/locale").await.1,
        json!({ "locale": { "language": "en-US" } })
    );
}
