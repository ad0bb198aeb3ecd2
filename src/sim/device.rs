//! What is about the device and not its calendar: info, metadata, screen key, HDMI input, the
//! attached camera.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::fields::{self, Field, Kind};
use super::request::Call;
use super::secret::derive;
use super::state::{Pod, State};

/// How long a camera's update takes on the pod's clock, in seconds.
const UPDATE_TAKES: i64 = 10;

pub(super) fn metadata(_: &Arc<Pod>, state: &mut State, _: &Call) -> Outcome {
    let metadata = json!({ "device_id": state.device_id });
    Ok(Answer::json(&metadata))
}

pub(super) fn info(pod: &Arc<Pod>, state: &mut State, _: &Call) -> Outcome {
    if state.quirks.no_info {
        return Err(Refusal::missing("there is nothing at this path"));
    }
    let mac = |interface: &str| {
        let bytes = derive(
            &state.key,
            &["mac", interface, &state.generation.to_string()],
        );
        // 02 marks a locally administered address.
        let rest: Vec<String> = bytes
            .iter()
            .take(5)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("02:{}", rest.join(":"))
    };
    let host_name = state.host_name();
    Ok(Answer::json(&json!({
        "connection": {
            "ethernet": {
                "dns1": "", "dns2": "", "gateway": "", "hostname": host_name, "ip_address": pod.address.ip().to_string(),
                "ip_type": "dhcp", "mac_address": mac("ethernet"),
            },
            "wifi": {
                "dns1": "", "dns2": "", "gateway": "", "hostname": host_name, "ip_address": "", "ip_type": "dhcp",
                "mac_address": mac("wifi"),
                "wifi_signal": { "signal_quality": "good", "signal_strength": -48, "signal_units": "dBm" },
            },
            "vlans": {},
        },
        "usb_audio_devices": if pod.options.camera { json!(["USB-Audio - Meeting Camera"]) } else { json!([]) },
        "wap_channels": { "channels_2_4G": [1, 6, 11], "channels_5G": [36, 40, 44, 48] },
    })))
}

const SCREEN_KEY: [Field; 1] = [Field {
    name: "screen_key",
    kind: Kind::Text,
    required: false,
}];

pub(super) fn screen_key(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    let object = call.json(pod.options.strict)?;
    fields::check(&object, "", &SCREEN_KEY, pod.options.strict)?;
    let given = object
        .get("screen_key")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // Both answers are documented as having no body.
    Ok(Answer::empty(if given == state.screen_key {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }))
}

const HDMI: [Field; 1] = [Field {
    name: "force_off",
    kind: Kind::Boolean,
    required: true,
}];

pub(super) fn hdmi_input(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    let object = call.json(pod.options.strict)?;
    fields::check(&object, "", &HDMI, pod.options.strict)?;
    state.hdmi_off = object.get("force_off") == Some(&Value::Bool(true));
    Ok(Answer::json(&json!({ "message": "success!" })))
}

fn find_camera(pod: &Pod, state: &State, call: &Call) -> Result<(), Refusal> {
    if pod.options.camera && call.segment(3).eq_ignore_ascii_case(&state.camera_guid()) {
        return Ok(());
    }
    Err(Refusal::missing("unknown camera specified!"))
}

pub(super) fn is_updating(pod: &Pod, state: &State) -> bool {
    let now = pod.now(state).seconds();
    state
        .camera
        .updated_at
        .is_some_and(|at| (0..UPDATE_TAKES).contains(&now.saturating_sub(at.seconds())))
}

pub(super) fn camera_status(pod: &Arc<Pod>, state: &mut State, _: &Call) -> Outcome {
    if !pod.options.camera {
        return Err(Refusal::missing("no camera is attached"));
    }
    let status = if is_updating(pod, state) {
        "updating"
    } else {
        "idle"
    };
    Ok(Answer::json(&json!({ "updateStatus": status })))
}

pub(super) fn camera_version(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    find_camera(pod, state, call)?;
    let newest = state.camera.updated_at.is_some() && !is_updating(pod, state);
    let version = if newest { "2.0.0" } else { "1.0.0" };
    Ok(Answer::json(&json!({
        "videoVersion": version, "audioVersion": version, "eepromVersion": version,
        "bluetoothVersion": version, "tablehubVersion": version,
        "videoFirmware": "2.0.0", "audioFirmware": "2.0.0", "eepromFirmware": "2.0.0",
        "bluetoothFirmware": "2.0.0", "tablehubFirmware": "2.0.0",
        "updateAvailable": !newest,
    })))
}

const UPDATE: [Field; 1] = [Field {
    name: "forceUpdate",
    kind: Kind::Boolean,
    required: true,
}];

pub(super) fn camera_update(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    find_camera(pod, state, call)?;
    let object = call.json(pod.options.strict)?;
    fields::check(&object, "", &UPDATE, pod.options.strict)?;
    let forced = object.get("forceUpdate") == Some(&Value::Bool(true));
    if forced || state.camera.updated_at.is_none() {
        state.camera.updated_at = Some(pod.now(state));
    }
    Ok(Answer::empty(StatusCode::OK))
}
