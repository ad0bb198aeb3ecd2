//! The pod as a device: identity, network, screen key, HDMI, splash images, camera.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use reqwest::header;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use super::answer::{Answer, JSON_LIMIT};
use super::error::{Body, PodError};
use super::operation::Operation;
use super::request::{Aspect, Request};
use super::tree;
use super::{Done, PodClient};

/// The largest splash image that is sent or fetched.
pub const IMAGE_LIMIT: u64 = 50 * 1024 * 1024;

/// Images are large and pods are slow: their time limit is so many times that
/// of other requests.
const IMAGE_PATIENCE: u32 = 10;

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
    /// The answer whole, with whatever else this firmware tells.
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

impl PodClient {
    /// The id of the device: it stays the same until the pod is replaced. The
    /// cheapest request that needs a token.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn device_id(&self) -> Result<String, PodError> {
        let request = Request::metadata(self.url());
        let answer = self.ask(&request).await?;
        let value = answer.object(self.url(), request.operation)?;
        tree::at(&value, &["device_id"])
            .and_then(tree::text)
            .ok_or_else(|| {
                answer.unexpected(self.url(), request.operation, Body::Lacks("device_id"))
            })
    }

    /// `GET /metadata`, whole.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn metadata(&self) -> Result<Value, PodError> {
        let request = Request::metadata(self.url());
        let answer = self.ask(&request).await?;
        answer.object(self.url(), request.operation)
    }

    /// The pod's network; Solstice 6.2 or later.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn info(&self) -> Result<Info, PodError> {
        let request = Request::info(self.url());
        let answer = self.ask(&request).await?;
        Ok(info_in(answer.object(self.url(), request.operation)?))
    }

    /// Whether this is the key on the pod's screen now.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn screen_key(&self, key: &str) -> Result<bool, PodError> {
        let request = Request::screen_key(self.url(), key);
        match self.ask_hiding(&request, &[key]).await {
            Ok(_) => Ok(true),
            // 404 without a body: "Screen key is not valid".
            Err(error) if error.status() == Some(404) && !is_page(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Turns the HDMI input off, or on again; a restart of the pod turns it on.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn hdmi_input(&self, force_off: bool) -> Result<Done, PodError> {
        self.write(&Request::hdmi_input(self.url(), force_off))
            .await
    }

    /// The update status of the attached cameras, such as `idle`.
    ///
    /// # Errors
    /// See [`PodError`]; 404 where no camera is attached.
    pub async fn camera_status(&self) -> Result<String, PodError> {
        let request = Request::camera_status(self.url());
        let answer = self.ask(&request).await?;
        let value = answer.object(self.url(), request.operation)?;
        tree::at(&value, &["updateStatus"])
            .and_then(tree::text)
            .ok_or_else(|| {
                let body = Body::Lacks("updateStatus");
                answer.unexpected(self.url(), request.operation, body)
            })
    }

    /// The versions of an attached camera.
    ///
    /// # Errors
    /// See [`PodError`]; `not_found` where no camera has this GUID.
    pub async fn camera_version(&self, guid: &str) -> Result<Camera, PodError> {
        let request = Request::camera_version(self.url(), guid)?;
        let answer = self.ask(&request).await?;
        let value = answer.object(self.url(), request.operation)?;
        serde_json::from_value(value)
            .map_err(|_| answer.unexpected(self.url(), request.operation, Body::Json))
    }

    /// Starts the update of a camera's firmware.
    ///
    /// # Errors
    /// See [`PodError`]; `not_found` where no camera has this GUID.
    pub async fn update_camera(&self, guid: &str, force: bool) -> Result<Done, PodError> {
        self.write(&Request::update_camera(self.url(), guid, force)?)
            .await
    }

    /// Fetches a splash image into `into`; returns its length in bytes.
    ///
    /// # Errors
    /// See [`PodError`]. What was written before an error is not taken back.
    pub async fn read_splash(
        &self,
        position: u32,
        aspect: Aspect,
        into: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, PodError> {
        let request = Request::read_splash(self.url(), position, aspect);
        let operation = request.operation;
        let limit = self.pod().timeout * IMAGE_PATIENCE;
        let mut session = self.0.session.lock().await;
        let mut renewed = false;
        loop {
            let token = self.token(&mut session).await?;
            let started = Instant::now();
            let sending = self.send(operation, self.prepared(&request, &token), limit);
            let response = sending.await?;
            let left = limit.saturating_sub(started.elapsed());
            if response.status().as_u16() == 200 && is_image(&response) {
                let copying = self.copy(operation, response, into);
                return match tokio::time::timeout(left, copying).await {
                    Ok(result) => result,
                    Err(_) => Err(self.timed_out(operation, limit)),
                };
            }
            let reading = Answer::read(self.url(), operation, response, JSON_LIMIT);
            let answer = match tokio::time::timeout(left, reading).await {
                Ok(answer) => answer?,
                Err(_) => return Err(self.timed_out(operation, limit)),
            };
            let suspect = answer.status == 401 || answer.kind() == Body::EmptyObject;
            if suspect {
                session.forget();
            }
            if suspect && !renewed {
                renewed = true;
                continue;
            }
            return Err(if answer.status == 401 {
                PodError::TokenRefused {
                    pod: self.url().clone(),
                    operation,
                }
            } else {
                answer.failure(self.url(), operation, &[])
            });
        }
    }

    async fn copy(
        &self,
        operation: Operation,
        mut response: reqwest::Response,
        into: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, PodError> {
        let local = |source| PodError::Local {
            pod: self.url().clone(),
            operation,
            source,
        };
        let status = response.status().as_u16();
        let mut length = 0_u64;
        loop {
            let chunk = response.chunk().await.map_err(|_| PodError::CutOff {
                pod: self.url().clone(),
                operation,
                status,
            })?;
            let Some(chunk) = chunk else { break };
            length += chunk.len() as u64;
            if length > IMAGE_LIMIT {
                return Err(PodError::TooLarge {
                    pod: self.url().clone(),
                    operation,
                    limit: IMAGE_LIMIT,
                });
            }
            into.write_all(&chunk).await.map_err(local)?;
        }
        into.flush().await.map_err(local)?;
        Ok(length)
    }

    /// Sends a splash image of `length` bytes, JPEG or PNG by its first bytes.
    ///
    /// `progress` is told how many bytes went out so far. A stream cannot be sent
    /// twice, so the token is renewed before it and not after.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn write_splash<R, P>(
        &self,
        position: u32,
        aspect: Aspect,
        length: u64,
        mut image: R,
        progress: P,
    ) -> Result<Done, PodError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        P: FnMut(u64) + Send + 'static,
    {
        let request = Request::write_splash(self.url(), position, aspect);
        let operation = request.operation;
        self.allow(operation)?;
        let bad = |what: String| PodError::BadRequest {
            pod: self.url().clone(),
            operation,
            what,
        };
        if length > IMAGE_LIMIT {
            return Err(bad(format!("the image has more than {IMAGE_LIMIT} bytes")));
        }
        let mut head = [0_u8; 8];
        let read = image.read_exact(&mut head).await;
        let content_type = read
            .ok()
            .and_then(|_| content_type(&head))
            .ok_or_else(|| bad("the image is neither JPEG nor PNG".to_owned()))?;

        let limit = self.pod().timeout * IMAGE_PATIENCE;
        let mut session = self.0.session.lock().await;
        session.forget();
        let token = self.token(&mut session).await?;
        let failed = Arc::new(Mutex::new(None));
        let body = stream(
            Bytes::copy_from_slice(&head),
            image,
            length,
            progress,
            Arc::clone(&failed),
        );
        // With its length: not every small server reads a chunked body.
        let prepared = self
            .prepared(&request, &token)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_LENGTH, length)
            .body(body);
        let result = self.exchange(operation, prepared, limit).await;
        if let Some(source) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(PodError::Local {
                pod: self.url().clone(),
                operation,
                source,
            });
        }
        let answer = result?;
        if answer.status == 401 {
            session.forget();
            return Err(PodError::TokenRefused {
                pod: self.url().clone(),
                operation,
            });
        }
        if !answer.is_success() || answer.reported(&[]).is_some() {
            return Err(answer.failure(self.url(), operation, &[token.reveal()]));
        }
        answer.done(self.url(), operation)
    }
}

/// JPEG or PNG, by the first bytes.
fn content_type(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(&[0xff, 0xd8, 0xff]) {
        Some("image/jpeg")
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else {
        None
    }
}

/// The bytes of `head` and then of `image`, exactly `length` of them or an error.
fn stream<R, P>(
    head: Bytes,
    image: R,
    length: u64,
    mut progress: P,
    failed: Arc<Mutex<Option<io::Error>>>,
) -> reqwest::Body
where
    R: AsyncRead + Send + Unpin + 'static,
    P: FnMut(u64) + Send + 'static,
{
    const CHUNK: usize = 32 * 1024;
    let rest = image.take(length.saturating_sub(head.len() as u64));
    let start = (Some(head), rest, 0_u64);
    let stream = futures_util::stream::try_unfold(start, move |(head, mut rest, sent)| {
        // What is known of the first part is enough: it is always there.
        let failed = Arc::clone(&failed);
        async move {
            if let Some(head) = head {
                let sent = head.len() as u64;
                return Ok(Some((head, (None, rest, sent))));
            }
            if sent >= length {
                return Ok(None);
            }
            let mut chunk = BytesMut::with_capacity(CHUNK);
            let error = match rest.read_buf(&mut chunk).await {
                Ok(0) => io::Error::from(io::ErrorKind::UnexpectedEof),
                Ok(_) => {
                    let sent = sent + chunk.len() as u64;
                    return Ok(Some((chunk.freeze(), (None, rest, sent))));
                }
                Err(error) => error,
            };
            let kind = error.kind();
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Err(io::Error::from(kind))
        }
    });
    let mut total = 0_u64;
    let counted = futures_util::TryStreamExt::inspect_ok(stream, move |chunk: &Bytes| {
        total += chunk.len() as u64;
        progress(total);
    });
    reqwest::Body::wrap_stream(counted)
}

/// Whether the answer claims to be an image, or claims nothing.
fn is_image(response: &reqwest::Response) -> bool {
    match response.headers().get(header::CONTENT_TYPE) {
        None => true,
        Some(value) => value.to_str().is_ok_and(|value| {
            let value = value.trim().to_ascii_lowercase();
            value.starts_with("image/") || value.starts_with("application/octet-stream")
        }),
    }
}

fn is_page(error: &PodError) -> bool {
    matches!(
        error,
        PodError::Unexpected {
            body: Body::Html,
            ..
        }
    )
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
    fn images_are_known_by_their_first_bytes() {
        let jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0];
        assert_eq!(content_type(&jpeg), Some("image/jpeg"));
        assert_eq!(content_type(b"\x89PNG\r\n\x1a\n"), Some("image/png"));
        assert_eq!(content_type(b"GIF89a.."), None);
        assert_eq!(content_type(b"<html><b"), None);
    }

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
