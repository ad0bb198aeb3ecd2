//! What an operation brought, as text for people and as JSON.
//!
//! Text of a pod is cleaned before it reaches a terminal, and secrets of its
//! configuration are blanked before they reach anything.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::cli::output::table;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::name::PodUrl;
use crate::model::zone::Zone;
use crate::net::clean;
use crate::pod::{
    Camera, Confirmation, Fingerprint, Info, Interface, Operation, PodErrorKind, Request,
    TokenFacts, tree,
};

/// What came of an operation on one pod.
#[derive(Debug, Default)]
pub struct Shown {
    pub text: String,
    pub json: Value,
    /// What a person should know beside it.
    pub notes: Vec<String>,
    /// The answer to a question is no: the screen key is another one, or there is
    /// no such meeting.
    pub denied: bool,
    /// An image, and the file that it goes to in place of standard output.
    pub image: Option<(Bytes, Option<PathBuf>)>,
}

impl Shown {
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self {
            text: text.into(),
            json,
            ..Self::default()
        }
    }

    pub fn image(bytes: Bytes, file: Option<PathBuf>) -> Self {
        let mut shown = Self::default();
        if let Some(path) = &file {
            let (path, length) = (path.display().to_string(), bytes.len());
            shown = Self::new(
                format!("{path}: {length} bytes"),
                json!({"file": path, "image_bytes": length}),
            );
        }
        shown.image = Some((bytes, file));
        shown
    }

    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn denied(self, denied: bool) -> Self {
        Self { denied, ..self }
    }
}

pub fn token(facts: &TokenFacts, username: &str) -> Shown {
    let seconds = facts.valid_for.map(|span| span.as_secs());
    let claim = match seconds {
        Some(seconds) => format!("the token is valid for {seconds} s"),
        None => "the token does not say how long it is valid".to_owned(),
    };
    let used_for = facts.used_for.as_secs();
    Shown::new(
        format!("signed in as {username}; {claim}, podcal would use it for {used_for} s"),
        json!({
            "signed_in": true,
            "token_type": facts.token_type,
            "valid_for_seconds": seconds,
            "used_for_seconds": used_for,
        }),
    )
}

pub fn meetings(meetings: &[Meeting], zone: &Zone) -> Shown {
    let json = json!({ "meetings": meetings });
    if meetings.is_empty() {
        return Shown::new("no meetings", json);
    }
    let time = |at| zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    let rows = meetings.iter().map(|meeting| {
        vec![
            time(meeting.start_time),
            time(meeting.end_time),
            clean::line(&meeting.title, 60),
            clean::line(&meeting.organizer, 40),
            clean::line(meeting.id.as_str(), 40),
        ]
    });
    let headings = ["start", "end", "title", "organizer", "id"];
    Shown::new(table(&headings, rows), json)
}

pub fn meeting(meeting: Option<&Meeting>, zone: &Zone) -> Shown {
    let Some(meeting) = meeting else {
        return Shown::new("there is no meeting with this id", Value::Null).denied(true);
    };
    let time = |at| zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    let mut rows = vec![
        ("id", clean::line(meeting.id.as_str(), 200)),
        ("title", clean::line(&meeting.title, 200)),
        ("organizer", clean::line(&meeting.organizer, 200)),
        ("start", time(meeting.start_time)),
        ("end", time(meeting.end_time)),
    ];
    if let Some(description) = &meeting.description {
        rows.push(("description", clean::line(description, 1000)));
    }
    Shown::new(pairs(&rows), json!(meeting))
}

pub fn added(id: &MeetingId) -> Shown {
    let text = format!("added {}", clean::line(id.as_str(), 200));
    Shown::new(text, json!({ "id": id }))
}

pub fn metadata(metadata: Value) -> Shown {
    let id = tree::at(&metadata, &["device_id"]).and_then(tree::text);
    let id = clean::line(&id.unwrap_or_default(), 200);
    Shown::new(format!("device_id   {id}"), metadata)
}

pub fn screen_key(valid: bool) -> Shown {
    let text = if valid {
        "this is the key on the screen"
    } else {
        "this is not the key on the screen"
    };
    Shown::new(text, json!({ "valid": valid })).denied(!valid)
}

pub fn camera_status(status: String) -> Shown {
    Shown::new(clean::line(&status, 100), json!({ "updateStatus": status }))
}

/// The confirmation of a write.
pub fn confirmation(operation: Operation, done: &Confirmation) -> Shown {
    let mut json = Map::new();
    json.insert("confirmed".to_owned(), json!(done.confirmed));
    json.insert("message".to_owned(), json!(done.message));
    json.insert("reboot_required".to_owned(), json!(done.reboot_required));
    json.insert("restart_required".to_owned(), json!(done.restart_required));
    if let Some(id) = &done.device_id {
        json.insert("device_id".to_owned(), json!(id));
    }
    let message = done.message.as_deref().unwrap_or("accepted");
    let mut shown = Shown::new(format!("{operation}: {message}"), Value::Object(json));
    // The reference gives these two no body at all.
    let silent = matches!(operation, Operation::WriteSplash | Operation::UpdateCamera);
    if !done.confirmed && !silent {
        shown = shown.noting("the pod accepted it without saying so; look at what it holds now");
    }
    if done.reboot_required {
        shown = shown.noting("the pod must be rebooted for it to take effect");
    }
    if done.restart_required {
        shown = shown.noting("the pod's software must be restarted for it to take effect");
    }
    shown
}

/// A part of a configuration, its secrets already blanked.
pub fn tree(value: Value) -> Shown {
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    Shown::new(clean::json(&text), value)
}

/// The part of a configuration at a path.
pub fn part(path: &[String], part: &Value) -> Shown {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    tree(tree::without_secrets_at(&path, part))
}

pub fn info(info: &Info) -> Shown {
    let mut rows = Vec::new();
    let mut row = |name: &str, interface: &Interface| {
        let cell = |text: &Option<String>| clean::line(text.as_deref().unwrap_or("-"), 60);
        rows.push(vec![
            clean::line(name, 40),
            cell(&interface.ip_address),
            cell(&interface.ip_type),
            cell(&interface.gateway),
            cell(&interface.mac_address),
            cell(&interface.hostname),
        ]);
    };
    if let Some(ethernet) = &info.ethernet {
        row("ethernet", ethernet);
    }
    if let Some(wifi) = &info.wifi {
        row("wifi", &wifi.interface);
    }
    for (name, vlan) in &info.vlans {
        row(&format!("vlan {name}"), vlan);
    }
    let headings = ["interface", "address", "by", "gateway", "MAC", "host name"];
    let mut text = table(&headings, rows);
    if let Some(strength) = info.wifi.as_ref().and_then(|wifi| wifi.signal_strength) {
        let wifi = info.wifi.as_ref();
        let part = |text: Option<&String>| clean::line(text.map_or("", String::as_str), 20);
        let units = part(wifi.and_then(|wifi| wifi.signal_units.as_ref()));
        let quality = part(wifi.and_then(|wifi| wifi.signal_quality.as_ref()));
        text.push_str(format!("\nWi-Fi signal: {strength} {units} {quality}").trim_end());
    }
    for device in &info.usb_audio_devices {
        text.push_str(&format!("\nUSB audio: {}", clean::line(device, 100)));
    }
    Shown::new(text, info.all.clone())
}

pub fn camera(camera: &Camera) -> Shown {
    let json = serde_json::to_value(camera).unwrap_or_default();
    let parts = [
        ("video", &camera.video_version, &camera.video_firmware),
        ("audio", &camera.audio_version, &camera.audio_firmware),
        ("eeprom", &camera.eeprom_version, &camera.eeprom_firmware),
        (
            "bluetooth",
            &camera.bluetooth_version,
            &camera.bluetooth_firmware,
        ),
        (
            "tablehub",
            &camera.tablehub_version,
            &camera.tablehub_firmware,
        ),
    ];
    let rows = parts.into_iter().map(|(part, version, firmware)| {
        let cell = |text: &Option<String>| clean::line(text.as_deref().unwrap_or("-"), 40);
        vec![part.to_owned(), cell(version), cell(firmware)]
    });
    let table = table(&["part", "version", "available"], rows);
    let update = match camera.update_available {
        Some(true) => "an update is available",
        Some(false) => "no update is available",
        None => "the pod does not report whether an update is available",
    };
    Shown::new(format!("{table}\n{update}"), json)
}

pub fn trusted(before: Option<Fingerprint>, now: Fingerprint, kept: bool) -> Shown {
    let changed = before.is_some_and(|before| before != now);
    let text = match before {
        Some(before) if changed => format!("was     sha256 {before}\nis now  sha256 {now}"),
        Some(_) => format!("sha256 {now}, as before"),
        None => format!("sha256 {now}"),
    };
    let shown = Shown::new(
        text,
        json!({
            "sha256": now.to_string(),
            "sha256_before": before.map(|before| before.to_string()),
            "certificate_changed": changed,
        }),
    );
    if kept {
        shown
    } else {
        shown.noting("a pod without a room is not remembered; name this with `--fingerprint`")
    }
}

/// What a write would send. Secrets in it are blanked.
pub fn would_send(request: &Request<Shown>, pod: &PodUrl) -> Result<Shown, PodErrorKind> {
    let (method, url) = (request.method(), request.url(pod)?);
    let (body, image) = (request.shown_body(), request.image_length());
    let mut text = format!("would send {method} {url}");
    if let Some(body) = &body {
        let body = serde_json::to_string_pretty(body).unwrap_or_default();
        text.push_str(&format!(
            "\nContent-Type: application/json\n\n{}",
            clean::json(&body)
        ));
    }
    if let Some(length) = image {
        text.push_str(&format!("\nwith an image of {length} bytes"));
    }
    Ok(Shown::new(
        text,
        json!({
            "dry_run": true,
            "method": method.as_str(),
            "url": url.as_str(),
            "body": body,
            "image_bytes": image,
        }),
    ))
}

fn pairs(rows: &[(&str, String)]) -> String {
    let lines: Vec<_> = rows
        .iter()
        .map(|(name, value)| format!("{name:<12}{value}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}
