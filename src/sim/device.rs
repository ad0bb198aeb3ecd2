//! What is about the device and not its calendar: info, metadata, screen key, HDMI input, the attached camera.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::config;
use super::pod::{Pod, State};
use super::secret::{derive, hex};
use super::strict::{self, Asked, Field, Kind};
use crate::model::time::UnixTime;

/// How long a camera's update takes on the pod's clock, in seconds.
const UPDATE_TAKES: i64 = 10;

/// The firmware of the attached camera.
#[derive(Clone, Copy, Default)]
pub(super) struct Camera {
    /// When the last update began.
    pub updated_at: Option<UnixTime>,
}

pub(super) fn metadata(state: &State) -> Answer {
    Answer::json(&json!({ "device_id": state.device_id }))
}

pub(super) fn info(pod: &Pod, state: &State) -> Outcome {
    if state.quirks.no_info {
        return Err(Refusal::missing("there is nothing at this path"));
    }
    let mac = |interface: &str| {
        let bytes = derive(&pod.key, &["mac", interface, &state.generation.to_string()]);
        // 02 marks a locally administered address.
        let rest: Vec<String> = bytes
            .iter()
            .take(5)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("02:{}", rest.join(":"))
    };
    let host_name = config::host_name(state);
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

pub(super) fn screen_key(pod: &Pod, state: &State, asked: &Asked) -> Outcome {
    let object = asked.json(pod.options.strict)?;
    strict::check(&object, "", &SCREEN_KEY, pod.options.strict)?;
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

pub(super) fn hdmi_input(pod: &Pod, state: &mut State, asked: &Asked) -> Outcome {
    let object = asked.json(pod.options.strict)?;
    strict::check(&object, "", &HDMI, pod.options.strict)?;
    state.hdmi_off = object.get("force_off") == Some(&Value::Bool(true));
    Ok(Answer::json(&json!({ "message": "success!" })))
}

/// The GUID of the attached camera.
pub(super) fn camera_guid(pod: &Pod) -> String {
    let digits = hex(&derive(&pod.key, &["camera"]));
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
}

fn find_camera(pod: &Pod, guid: &str) -> Result<(), Refusal> {
    if pod.options.camera && guid.eq_ignore_ascii_case(&camera_guid(pod)) {
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

pub(super) fn camera_status(pod: &Pod, state: &State) -> Outcome {
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

pub(super) fn camera_version(pod: &Pod, state: &State, guid: &str) -> Outcome {
    find_camera(pod, guid)?;
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

pub(super) fn camera_update(pod: &Pod, state: &mut State, asked: &Asked, guid: &str) -> Outcome {
    find_camera(pod, guid)?;
    let object = asked.json(pod.options.strict)?;
    strict::check(&object, "", &UPDATE, pod.options.strict)?;
    let forced = object.get("forceUpdate") == Some(&Value::Bool(true));
    if forced || state.camera.updated_at.is_none() {
        state.camera.updated_at = Some(pod.now(state));
    }
    Ok(Answer::empty(StatusCode::OK))
}
