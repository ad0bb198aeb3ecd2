//! One running pod, as the program and the tests hold it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;

use super::config;
use super::meeting::{Meeting, read_meetings};
use super::options::{CalendarMode, Options, Quirks};
use super::pod_fault::PodFault;
use super::request::RequestRecord;
use super::server::{Server, Site};
use super::state::{Pod, State};
use super::traffic::Traffic;

/// A fault of a pod.
pub type Fault = super::fault::Fault<PodFault>;

/// One running pod. Stops when it is dropped.
pub struct Sim {
    pub(super) pod: Arc<Pod>,
    address: SocketAddr,
    server: Server,
}

impl Sim {
    /// Serves one pod on `listener` until [`Sim::stop`] or drop. Needs a tokio runtime with IO and
    /// time.
    ///
    /// # Errors
    /// When the listener has no address or the certificate cannot be made.
    pub fn start(listener: TcpListener, options: Options) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let pod = Arc::new(Pod::new(options, address)?);
        let server = Server::start(listener, Arc::clone(&pod) as Arc<dyn Site>);
        Ok(Self {
            pod,
            address,
            server,
        })
    }

    /// Stops at once accepting, lets what is in flight finish for a second, and frees the port.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// [`Options::number`].
    #[must_use]
    pub fn number(&self) -> u32 {
        self.pod.options.number
    }

    /// The base address without a path, such as `https://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// SHA-256 of the certificate that is presented now, in DER.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.pod.certificate().fingerprint()
    }

    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.pod.certificate().pem().to_owned()
    }

    /// What the display holds now, in the order in which it was set.
    #[must_use]
    pub fn meetings(&self) -> Vec<Value> {
        self.pod
            .read(|state| state.meetings.iter().map(Meeting::to_json).collect())
    }

    /// The configuration as `GET /v2/config` gives it.
    #[must_use]
    pub fn config(&self) -> Value {
        self.pod.read(|state| config::shown(&self.pod, state))
    }

    #[must_use]
    pub fn device_id(&self) -> String {
        self.pod.read(|state| state.device_id.clone())
    }

    #[must_use]
    pub fn screen_key(&self) -> String {
        self.pod.read(|state| state.screen_key.clone())
    }

    /// The GUID of the attached camera, which the API has no operation to ask for.
    #[must_use]
    pub fn camera_guid(&self) -> Option<String> {
        let has_camera = self.pod.options.camera;
        has_camera.then(|| self.pod.read(State::camera_guid))
    }

    /// The latest requests, oldest first; at most [`Options::remember`].
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.pod
            .read(|state| state.log.seen.iter().cloned().collect())
    }

    /// How often `method path` was asked; the path without its query.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.pod.read(|state| {
            state
                .log
                .seen
                .iter()
                .filter(|seen| seen.is(method, path))
                .count()
        })
    }

    pub fn forget_requests(&self) {
        self.pod.change(|state| {
            state.log.seen.clear();
            state.log.violations.clear();
        });
    }

    /// Everything that the reference does not allow and was sent anyway, oldest first.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.pod
            .read(|state| state.log.violations.iter().cloned().collect())
    }

    /// Resolves as soon as `holds` is true, which is asked again after each request and each
    /// change.
    ///
    /// It has no limit of its own; wrap it in `tokio::time::timeout`.
    pub async fn wait_for(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changes = self.pod.changes();
        while !holds(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Counts of requests and sign-ins.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.pod.traffic
    }

    /// Adds a fault. Of faults that exclude each other the first that fits a request is shown.
    pub fn fault(&self, fault: Fault) {
        self.pod.change(|state| state.log.faults.add(fault));
    }

    pub fn clear_faults(&self) {
        self.pod.change(|state| state.log.faults.clear());
    }

    /// Loses the meetings, the tokens and the HDMI switch; keeps configuration and identity.
    pub fn reboot(&self) {
        self.pod.reboot();
    }

    /// Puts another device in this one's place: other identity, certificate and screen key, nothing
    /// configured but the password and the calendar mode, no meetings.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn replace(&self) -> io::Result<()> {
        self.pod.replace();
        self.pod.new_certificate()
    }

    /// As [`Sim::replace`], with the certificate moved to the new device.
    pub fn replace_keeping_certificate(&self) {
        self.pod.replace();
    }

    /// Presents another certificate from the next connection on.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn new_certificate(&self) -> io::Result<()> {
        self.pod.new_certificate()
    }

    /// Sets by how many seconds the pod's clock is ahead, or behind if negative.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.pod.change(|state| state.clock_offset = seconds);
    }

    pub fn set_mode(&self, mode: CalendarMode) {
        self.pod.change(|state| state.mode = mode);
    }

    pub fn set_quirks(&self, quirks: Quirks) {
        self.pod.change(|state| state.quirks = quirks);
    }

    /// Gives the pod another device id, which may be empty or that of another pod.
    pub fn set_device_id(&self, device_id: &str) {
        self.pod
            .change(|state| device_id.clone_into(&mut state.device_id));
    }

    /// Puts each of two devices at the other's address: identity, certificate and all state but
    /// faults and the list of requests.
    pub fn swap_with(&self, other: &Self) {
        self.pod.swap(&other.pod);
    }

    /// Replaces the meetings as somebody else's PUT would, without a request in the list.
    ///
    /// # Errors
    /// Says what is wrong with `meetings`.
    pub fn put_foreign(&self, meetings: &[Value]) -> Result<(), String> {
        let meetings = read_meetings(meetings, true).map_err(|refusal| refusal.description)?;
        self.pod.change(|state| {
            state.pending.clear();
            state.meetings = meetings;
        });
        Ok(())
    }

    /// Sets one configuration value, as the Dashboard would: `set_config("display.calendar.show",
    /// json!(false))`.
    ///
    /// # Errors
    /// Says why the pod refuses it.
    pub fn set_config(&self, path: &str, value: Value) -> Result<(), String> {
        let patch = path.rsplit('.').fold(value, |inner, key| {
            let mut outer = serde_json::Map::new();
            outer.insert(key.to_owned(), inner);
            Value::Object(outer)
        });
        self.pod.change(|state| {
            config::apply(&self.pod, state, &patch)
                .map(|_| ())
                .map_err(|refusal| refusal.description)
        })
    }

    /// Changes the admin password; tokens that were given out become invalid.
    pub fn set_password(&self, password: &str) {
        self.pod.set_password(password);
    }

    /// Makes every token that was given out invalid.
    pub fn expire_tokens(&self) {
        self.pod
            .change(|state| state.token_epoch = state.token_epoch.wrapping_add(1));
    }

    pub fn set_licensed(&self, licensed: bool) {
        self.pod.change(|state| state.licensed = licensed);
    }
}
