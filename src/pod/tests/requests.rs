//! Requests as they are spelt on the wire, and what of them is shown.

use bytes::Bytes;
use serde_json::json;

use crate::model::name::PodUrl;
use crate::model::time::UnixTime;
use crate::pod::request::{Image, Request};
use crate::pod::{calendar, device, settings};

fn pod() -> PodUrl {
    PodUrl::parse("192.0.2.11").unwrap()
}

#[test]
fn no_id_turns_a_single_delete_into_a_clear() {
    for id in ["", ".", "..", "a\nb", &"x".repeat(501)] {
        assert!(calendar::delete(id).url(&pod()).is_err(), "{id}");
        assert!(calendar::get(id).url(&pod()).is_err(), "{id}");
    }
    assert!(device::camera_version("status").url(&pod()).is_err());
    let url = calendar::delete("../calendar?a#b").url(&pod()).unwrap();
    assert_eq!(url.path(), "/v2/calendar/..%2Fcalendar%3Fa%23b");
}

fn line<T>(request: &Request<T>) -> String {
    let url = request.url(&pod()).unwrap();
    let query = url.query().map(|query| format!("?{query}"));
    let body = request.shown_body().map(|body| format!(" {body}"));
    format!(
        "{} {}{}{}",
        request.method(),
        url.path(),
        query.unwrap_or_default(),
        body.unwrap_or_default()
    )
}

#[test]
fn requests_are_spelt_as_in_the_reference() {
    let meeting = calendar::NewMeeting {
        title: Some("Review".into()),
        start_time: Some(UnixTime::from_seconds(60)),
        ..calendar::NewMeeting::default()
    };
    let guid = "0e8ba2b6-6b0c-4c5c-8f0e-1f6f4a3f2c11";
    let jpeg = Image {
        bytes: Bytes::from_static(&[0xff, 0xd8, 0xff]),
        progress: None,
    };
    for (found, expected) in [
        (line(&device::metadata()), "GET /v2/metadata"),
        (line(&device::info()), "GET /v2/info"),
        (
            line(&device::screen_key("1234")),
            r#"POST /v2/info/screen_key {"screen_key":"1234"}"#,
        ),
        (line(&calendar::list()), "GET /v2/calendar"),
        (
            line(&calendar::add(&meeting)),
            r#"POST /v2/calendar {"start_time":60,"title":"Review"}"#,
        ),
        (
            line(&calendar::set(&[])),
            r#"PUT /v2/calendar {"meetings":[]}"#,
        ),
        (line(&calendar::clear()), "DELETE /v2/calendar"),
        (line(&settings::read()), "GET /v2/config"),
        (
            line(&settings::read_part(&["display", "calendar"])),
            "GET /v2/config/display/calendar",
        ),
        (line(&settings::read_legacy()), "GET /v2/api/config"),
        (
            line(&settings::patch(json!({"a": 1}), Some(30))),
            r#"PATCH /v2/config?rollback_timeout_seconds=30 {"a":1}"#,
        ),
        (
            line(&device::hdmi_input(true)),
            r#"POST /v2/config/hdmi_input {"force_off":true}"#,
        ),
        (
            line(&device::read_splash(1, device::Aspect::Double)),
            "GET /v2/config/display/splash/images/1/32x9",
        ),
        (
            line(&device::write_splash(0, device::Aspect::Single, jpeg)),
            "PATCH /v2/config/display/splash/images/0/16x9",
        ),
        (
            line(&device::camera_status()),
            "GET /v2/control/cameras/status",
        ),
        (
            line(&device::camera_version(guid)),
            "GET /v2/control/cameras/0e8ba2b6-6b0c-4c5c-8f0e-1f6f4a3f2c11",
        ),
        (
            line(&device::update_camera(guid, false)),
            r#"PATCH /v2/control/cameras/0e8ba2b6-6b0c-4c5c-8f0e-1f6f4a3f2c11 {"forceUpdate":false}"#,
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_body_for_people_holds_no_secret() {
    let subset = json!({"security": {"admin_password": {"secret": "hunter2"}}});
    let request = settings::patch(subset, None);
    assert!(
        !request
            .shown_body()
            .unwrap()
            .to_string()
            .contains("hunter2")
    );
    assert!(!format!("{request:?}").contains("hunter2"));
    assert_eq!(request.texts(), ["hunter2"]);
}

#[test]
fn images_are_known_by_their_first_bytes() {
    let of = |bytes: &'static [u8]| {
        let bytes = Bytes::from_static(bytes);
        Image {
            bytes,
            progress: None,
        }
        .content_type()
    };
    assert_eq!(of(&[0xff, 0xd8, 0xff, 0xe0]), Some("image/jpeg"));
    assert_eq!(of(b"\x89PNG\r\n\x1a\n"), Some("image/png"));
    assert_eq!(of(b"GIF89a.."), None);
    assert_eq!(of(b"<html><b"), None);
}
