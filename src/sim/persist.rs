//! The file in which pods survive a restart of the simulator: everything but faults, counts and the
//! list of requests.
//!
//! A state file is read leniently: what is missing or wrong is as on a new pod.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::handle::Sim;
use super::images::Images;
use super::meeting::{Meeting, read_meetings};
use super::options::CalendarMode;
use super::secret::SecretHash;
use super::state::{Pod, State};
use crate::model::time::UnixTime;

/// The file in which the pods' state is kept.
pub(super) struct StateFile {
    path: PathBuf,
    pods: Map<String, Value>,
    /// How many changes there had been, pod by pod, when it was last written.
    saved: Option<Vec<u64>>,
}

impl StateFile {
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "{}".to_owned(),
            text => text?,
        };
        let Value::Object(mut whole) = serde_json::from_str(&text)? else {
            return Err(io::Error::other("it is not a state file"));
        };
        let pods = match whole.remove("pods") {
            Some(Value::Object(pods)) => pods,
            _ => Map::new(),
        };
        Ok(Self {
            path,
            pods,
            saved: None,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes over what was saved of this pod.
    pub fn restore(&self, sim: &Sim) -> io::Result<()> {
        let saved = self.pods.get(&sim.number().to_string());
        let Some(saved) = saved.and_then(Value::as_object) else {
            return Ok(());
        };
        let certificate = sim.pod.change(|state| {
            restore(&sim.pod, state, saved);
            state.certificates
        });
        sim.pod.present(certificate)
    }

    /// Writes it, whole, where anything has changed. Pods that do not run now keep what was saved
    /// of them.
    pub fn save(&mut self, pods: &[Sim]) -> io::Result<()> {
        let counts: Vec<u64> = pods.iter().map(|sim| *sim.pod.changes().borrow()).collect();
        if self.saved.as_ref() == Some(&counts) {
            return Ok(());
        }
        for sim in pods {
            let saved = sim.pod.read(save);
            self.pods.insert(sim.number().to_string(), saved);
        }
        let text = json!({ "pods": self.pods }).to_string();
        write_whole(&self.path, text.as_bytes())?;
        self.saved = Some(counts);
        Ok(())
    }
}

/// Beside the file first, so that a killed process leaves the old state or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

/// The state as JSON. It holds meetings and hashes of passwords, so only the owner may read its
/// file.
fn save(state: &State) -> Value {
    json!({
        "device_id": state.device_id,
        "screen_key": state.screen_key,
        "origin": state.origin,
        "name": state.name,
        "generation": state.generation,
        "certificates": state.certificates,
        "token_epoch": state.token_epoch,
        "password": state.password.to_json(),
        "mode": state.mode.name(),
        "clock_offset": state.clock_offset,
        "licensed": state.licensed,
        "meetings": state.meetings.iter().map(Meeting::to_json).collect::<Value>(),
        "settings": state.settings,
        "images": state.images.to_json(),
        "camera_updated_at": state.camera.updated_at.map(UnixTime::seconds),
        "hdmi_off": state.hdmi_off,
    })
}

/// Takes over what was saved.
fn restore(pod: &Pod, state: &mut State, saved: &Map<String, Value>) {
    let number = |key: &str| {
        saved
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|number| u32::try_from(number).ok())
    };
    let text = |key: &str| saved.get(key).and_then(Value::as_str);
    let is = |key: &str| saved.get(key).and_then(Value::as_bool);
    if let Some(device_id) = text("device_id") {
        device_id.clone_into(&mut state.device_id);
    }
    if let Some(screen_key) = text("screen_key") {
        screen_key.clone_into(&mut state.screen_key);
    }
    // A device that was swapped with another pod's keeps its keys and name.
    if let Some(origin) = number("origin").filter(|origin| *origin != pod.options.number) {
        let name = text("name").unwrap_or_default();
        pod.become_device(state, origin, name);
    }
    state.generation = number("generation").unwrap_or_default();
    state.certificates = number("certificates").unwrap_or_default();
    state.token_epoch = number("token_epoch").unwrap_or_default();
    if let Some(password) = saved.get("password").and_then(SecretHash::from_json) {
        state.password = password;
    }
    state.mode = text("mode")
        .and_then(CalendarMode::parse)
        .unwrap_or(state.mode);
    state.clock_offset = saved
        .get("clock_offset")
        .and_then(Value::as_i64)
        .unwrap_or(state.clock_offset);
    state.licensed = is("licensed").unwrap_or(state.licensed);
    if let Some(meetings) = saved.get("meetings").and_then(Value::as_array) {
        state.meetings = read_meetings(meetings, false).unwrap_or_default();
    }
    if let Some(settings @ Value::Object(_)) = saved.get("settings") {
        state.settings = settings.clone();
    }
    if let Some(images) = saved.get("images") {
        state.images = Images::from_json(images);
    }
    state.camera.updated_at = saved
        .get("camera_updated_at")
        .and_then(Value::as_i64)
        .map(UnixTime::from_seconds);
    state.hdmi_off = is("hdmi_off").unwrap_or_default();
}
