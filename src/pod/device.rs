//! The pod as a device: the requests about its identity, network, screen key, HDMI,
//! splash images and cameras.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Confirmation};
use super::error::{Body, PodErrorKind};
use super::operation::Operation;
use super::request::{Image, Request};
use super::tree;

/// `GET /info`: mostly the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    pub ethernet: Option<Interface>,
    pub wifi: Option<Wifi>,
    /// By name, in the pod's order.
    pub vlans: Vec<(String, Interface)>,
    pub usb_audio_devices: Vec<String>,
    /// Channels for an access point of the pod.
    pub channels_2_4_ghz: Vec<i64>,
    pub channels_5_ghz: Vec<i64>,
    /// The answer whole, with whatever else this firmware reports.
    pub all: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    pub ip_address: Option<String>,
    /// `static` or `dhcp`.
    pub ip_type: Option<String>,
    pub gateway: Option<String>,
    pub dns1: Option<String>,
    pub dns2: Option<String>,
    pub hostname: Option<String>,
    pub mac_address: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wifi {
    pub interface: Interface,
    pub signal_quality: Option<String>,
    /// In `signal_units`, usually dBm.
    pub signal_strength: Option<i64>,
    pub signal_units: Option<String>,
}

/// Versions of an attached Logitech camera (`GET /control/cameras/{guid}`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Camera {
    pub video_version: Option<String>,
    pub audio_version: Option<String>,
    pub eeprom_version: Option<String>,
    pub bluetooth_version: Option<String>,
    pub tablehub_version: Option<String>,
    /// The firmware that the pod could install.
    pub video_firmware: Option<String>,
    pub audio_firmware: Option<String>,
    pub eeprom_firmware: Option<String>,
    pub bluetooth_firmware: Option<String>,
    pub tablehub_firmware: Option<String>,
    pub update_available: Option<bool>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The shape of a splash image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// `16x9`, one screen.
    Single,
    /// `32x9`, two screens side by side.
    Double,
}

impl Aspect {
    /// Reads `16x9` or `32x9`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "16x9" => Some(Self::Single),
            "32x9" => Some(Self::Double),
            _ => None,
        }
    }

    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Single => "16x9",
            Self::Double => "32x9",
        }
    }
}

/// The id of the device: it stays the same until the pod is replaced. `None` for firmware
/// that does not report it. The cheapest request that needs a token.
#[must_use]
pub fn id() -> Request<Option<String>> {
    Request::with_refusals(Operation::ReadMetadata, &[], |answer| match answer {
        // Old firmware may answer with a page.
        Err(refused) if refused.is_not_found() || refused.status() == Some(404) => Ok(None),
        Err(refused) => Err(refused),
        Ok(answer) => answer.text("device_id").map(Some),
    })
}

/// `GET /metadata`, whole.
#[must_use]
pub fn metadata() -> Request<Value> {
    Request::new(Operation::ReadMetadata, &[], Answer::object)
}

/// The pod's network; Solstice 6.2 or later.
#[must_use]
pub fn info() -> Request<Info> {
    Request::new(Operation::ReadInfo, &[], |answer| {
        answer.object().map(info_in)
    })
}

/// Whether this is the key on the pod's screen now.
#[must_use]
pub fn screen_key(key: &str) -> Request<bool> {
    let decode = |answer: Result<&Answer, PodErrorKind>| match answer {
        Ok(_) => Ok(true),
        // 404 without a body: "Screen key is not valid".
        Err(refused) if refused.is_not_found() => Ok(false),
        Err(refused) => Err(refused),
    };
    Request::with_refusals(Operation::CheckScreenKey, &[], decode)
        .json(json!({ "screen_key": key }))
}

/// Turns the HDMI input off, or on again; a restart of the pod turns it on.
#[must_use]
pub fn hdmi_input(force_off: bool) -> Request<Confirmation> {
    Request::write(Operation::SwitchHdmi, &[]).json(json!({ "force_off": force_off }))
}

/// Fetches a splash image.
#[must_use]
pub fn read_splash(position: u32, aspect: Aspect) -> Request<Bytes> {
    let position = position.to_string();
    Request::new(
        Operation::ReadSplash,
        &[&position, aspect.key()],
        Answer::image,
    )
}

/// Sends a splash image.
#[must_use]
pub fn write_splash(position: u32, aspect: Aspect, image: Image) -> Request<Confirmation> {
    let position = position.to_string();
    Request::write(Operation::WriteSplash, &[&position, aspect.key()]).image(image)
}

/// The update status of the attached cameras, such as `idle`; 404 where none is.
#[must_use]
pub fn camera_status() -> Request<String> {
    Request::new(Operation::ReadCameraStatus, &[], |answer| {
        answer.text("updateStatus")
    })
}

/// The versions of an attached camera.
#[must_use]
pub fn camera_version(guid: &str) -> Request<Camera> {
    Request::new(Operation::ReadCameraVersion, &[guid], |answer| {
        serde_json::from_value(answer.object()?).map_err(|_| answer.unexpected(Body::Json))
    })
}

/// Starts the update of a camera's firmware.
#[must_use]
pub fn update_camera(guid: &str, force: bool) -> Request<Confirmation> {
    Request::write(Operation::UpdateCamera, &[guid]).json(json!({ "forceUpdate": force }))
}

fn info_in(all: Value) -> Info {
    let text = |value: Option<&Value>, path: &[&str]| {
        value
            .and_then(|value| tree::at(value, path))
            .and_then(tree::text)
            .filter(|text| !text.is_empty())
    };
    let interface = |value: &Value| {
        let value = Some(value);
        Interface {
            ip_address: text(value, &["ip_address"]),
            ip_type: text(value, &["ip_type"]),
            gateway: text(value, &["gateway"]),
            dns1: text(value, &["dns1"]),
            dns2: text(value, &["dns2"]),
            hostname: text(value, &["hostname"]),
            mac_address: text(value, &["mac_address"]),
        }
    };
    let wifi = tree::at(&all, &["connection", "wifi"]);
    let signal = wifi.and_then(|wifi| tree::at(wifi, &["wifi_signal"]));
    let vlans = match tree::at(&all, &["connection", "vlans"]) {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(name, vlan)| (name.clone(), interface(vlan)))
            .collect(),
        Some(list @ Value::Array(_)) => tree::entries(list)
            .into_iter()
            .enumerate()
            .map(|(index, vlan)| {
                let name = text(Some(vlan), &["label"]).unwrap_or_else(|| index.to_string());
                (name, interface(vlan))
            })
            .collect(),
        _ => Vec::new(),
    };
    // The schema prints names with values inside an array, the example names alone.
    let usb_audio_devices = match tree::at(&all, &["usb_audio_devices"]) {
        Some(Value::Array(items)) => items
            .iter()
            .flat_map(|item| match item {
                Value::Object(map) => map.keys().cloned().collect(),
                other => tree::text(other).into_iter().collect::<Vec<_>>(),
            })
            .collect(),
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let channels = |key: &str| {
        tree::at(&all, &["wap_channels", key])
            .map(tree::entries)
            .unwrap_or_default()
            .into_iter()
            .filter_map(tree::integer)
            .collect()
    };
    Info {
        ethernet: tree::at(&all, &["connection", "ethernet"]).map(interface),
        wifi: wifi.map(|wifi| Wifi {
            interface: interface(wifi),
            signal_quality: text(signal, &["signal_quality"]),
            signal_strength: signal
                .and_then(|signal| tree::at(signal, &["signal_strength"]))
                .and_then(tree::integer),
            signal_units: text(signal, &["signal_units"]),
        }),
        vlans,
        usb_audio_devices,
        channels_2_4_ghz: channels("channels_2_4G"),
        channels_5_ghz: channels("channels_5G"),
        all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_network_is_read_in_the_forms_of_example_and_schema() {
        let info = info_in(json!({
            "connection": {
                "ethernet": {"ip_address": "192.0.2.11", "dns2": "", "mac_address": "02:00:00:00:00:01"},
                "wifi": {"ip_address": null, "wifi_signal": {"signal_strength": "-51", "signal_units": "dBm"}},
                "vlans": {"Guest": {"ip_type": "dhcp"}},
            },
            "usb_audio_devices": ["one", {"two": "x"}],
            "wap_channels": {"channels_2_4G": [1, 6], "channels_5G": {"0": 36}},
            "new": true,
        }));
        let ethernet = info.ethernet.unwrap();
        assert_eq!(ethernet.ip_address.as_deref(), Some("192.0.2.11"));
        assert_eq!(ethernet.dns2, None);
        assert_eq!(info.wifi.unwrap().signal_strength, Some(-51));
        assert_eq!(info.vlans[0].0, "Guest");
        assert_eq!(info.usb_audio_devices, ["one", "two"]);
        assert_eq!(info.channels_2_4_ghz, [1, 6]);
        assert_eq!(info.channels_5_ghz, [36]);
        assert_eq!(info.all["new"], json!(true));
        assert_eq!(info_in(json!({"connection": []})).vlans, []);
    }
}
