//! One pod: all of its state behind one lock, and what can happen to the device as a whole.
//!
//! What each operation does with it is in the files named after the groups of the API, which are
//! above this one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;

use super::certificate::{Certificate, server_config};
use super::fault::Faults;
use super::images::Images;
use super::meeting::Meeting;
use super::options::{CalendarMode, Options, Quirks};
use super::pod_fault::PodFault;
use super::request::RequestRecord;
use super::secret::{SecretHash, derive, hex};
use super::traffic::Traffic;
use crate::model::time::UnixTime;

pub(super) struct Pod {
    pub options: Options,
    pub address: SocketAddr,
    pub traffic: Arc<Traffic>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

/// Everything about a pod that can change.
pub(super) struct State {
    /// From which identity, certificate, salts and token keys are derived.
    pub key: [u8; 32],
    /// The number of the pod that this device was at first.
    pub origin: u32,
    /// `display.name` as delivered.
    pub name: String,
    pub device_id: String,
    /// How often the device was replaced.
    pub generation: u32,
    pub certificates: u32,
    pub presented: PresentedCertificate,
    /// Part of the key of tokens: those of another epoch are not valid.
    pub token_epoch: u32,
    pub wrong_passwords: u32,
    pub password: SecretHash,
    pub mode: CalendarMode,
    pub quirks: Quirks,
    pub clock_offset: i64,
    pub licensed: bool,
    pub meetings: Vec<Meeting>,
    /// Sets that were answered with success and are not on the display yet, oldest first.
    pub pending: VecDeque<PendingSet>,
    /// How many sets got ids of the pod's own.
    pub own_ids: u32,
    /// What was ever set in the configuration; the rest is `config_tree`. Small, so that thousands
    /// of pods are cheap.
    pub settings: Value,
    pub rollback: Option<Rollback>,
    pub images: Images,
    pub camera: Camera,
    pub hdmi_off: bool,
    pub screen_key: String,
    pub log: Log,
}

/// What belongs to a pod's address and not to the device there.
#[derive(Default)]
pub(super) struct Log {
    pub faults: Faults<PodFault>,
    pub seen: VecDeque<RequestRecord>,
    pub violations: VecDeque<String>,
    remember: usize,
}

/// A set of meetings that the display shows later.
pub(super) struct PendingSet {
    pub meetings: Vec<Meeting>,
    pub due: Due,
}

pub(super) enum Due {
    At(Instant),
    /// After this many more reads of the calendar.
    Reads(u32),
}

/// Network settings that return unless the cloud is reached in time.
pub(super) struct Rollback {
    pub at: UnixTime,
    pub connection: Value,
}

/// The firmware of the attached camera.
#[derive(Clone, Copy, Default)]
pub(super) struct Camera {
    /// When the last update began.
    pub updated_at: Option<UnixTime>,
}

/// The certificate that new connections are shown.
pub(super) struct PresentedCertificate {
    certificate: Arc<Certificate>,
    tls: OnceLock<Arc<rustls::ServerConfig>>,
}

impl Log {
    /// Puts a violation of the reference on the list.
    pub fn violation(&mut self, violation: String) {
        push_bounded(&mut self.violations, violation, self.remember);
    }

    pub fn seen(&mut self, seen: RequestRecord) {
        push_bounded(&mut self.seen, seen, self.remember);
    }
}

fn push_bounded<T>(list: &mut VecDeque<T>, item: T, bound: usize) {
    while list.len() >= bound.max(1) {
        list.pop_front();
    }
    list.push_back(item);
}

impl Pod {
    pub fn new(options: Options, address: SocketAddr) -> io::Result<Self> {
        let name = if options.name.is_empty() {
            format!("Pod {}", options.number)
        } else {
            options.name.clone()
        };
        let key = key(&options, options.number);
        let presented = PresentedCertificate::new(&key, &name, address, 0)?;
        let mut state = State::new(&options, key, name, 0, presented);
        if !options.device_id.is_empty() {
            state.device_id.clone_from(&options.device_id);
        }
        Ok(Self {
            address,
            traffic: Arc::new(Traffic::new(options.remember)),
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            options,
        })
    }

    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.tell();
        changed
    }

    /// As [`Pod::change`], without telling those who wait for changes.
    pub fn change_quietly<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.lock())
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn tell(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time on the pod's own clock.
    pub fn now(&self, state: &State) -> UnixTime {
        let right = self.options.clock.now().seconds();
        UnixTime::from_seconds(right.saturating_add(state.clock_offset))
    }

    pub fn certificate(&self) -> Arc<Certificate> {
        self.read(|state| Arc::clone(&state.presented.certificate))
    }

    /// The TLS settings with the certificate that is presented now.
    pub fn tls(&self) -> io::Result<Arc<rustls::ServerConfig>> {
        self.read(|state| {
            let presented = &state.presented;
            if let Some(config) = presented.tls.get() {
                return Ok(Arc::clone(config));
            }
            let certificate = Arc::clone(&presented.certificate);
            let config = server_config(certificate)?;
            Ok(Arc::clone(presented.tls.get_or_init(|| config)))
        })
    }

    /// Presents another certificate from the next connection on.
    pub fn new_certificate(&self) -> io::Result<()> {
        let number = self.read(|state| state.certificates.wrapping_add(1));
        self.present(number)
    }

    /// Presents the certificate with this number from the next connection on.
    pub fn present(&self, number: u32) -> io::Result<()> {
        self.change(|state| {
            state.presented =
                PresentedCertificate::new(&state.key, &state.name, self.address, number)?;
            state.certificates = number;
            Ok(())
        })
    }

    /// Makes this the device that pod `origin` was at first, with its key and this name.
    pub fn become_device(&self, state: &mut State, origin: u32, name: &str) {
        state.origin = origin;
        state.key = key(&self.options, origin);
        name.clone_into(&mut state.name);
    }

    pub fn reboot(&self) {
        self.change(|state| {
            state.meetings.clear();
            state.pending.clear();
            state.token_epoch = state.token_epoch.wrapping_add(1);
            state.wrong_passwords = 0;
            state.hdmi_off = false;
        });
    }

    /// Another device with this one's certificate, password, mode, quirks and clock, and nothing
    /// else.
    pub fn replace(&self) {
        self.change(|state| {
            let presented = PresentedCertificate {
                certificate: Arc::clone(&state.presented.certificate),
                tls: OnceLock::new(),
            };
            let generation = state.generation.wrapping_add(1);
            let name = std::mem::take(&mut state.name);
            let mut fresh = State::new(&self.options, state.key, name, generation, presented);
            fresh.origin = state.origin;
            fresh.certificates = state.certificates;
            fresh.password = std::mem::take(&mut state.password);
            fresh.mode = state.mode;
            fresh.quirks = state.quirks;
            fresh.clock_offset = state.clock_offset;
            fresh.log = std::mem::take(&mut state.log);
            *state = fresh;
        });
    }

    /// Puts each of two devices at the other's address. Faults and requests stay with the
    /// addresses.
    pub fn swap(&self, other: &Self) {
        if std::ptr::eq(self, other) {
            return;
        }
        // Always the lower address first, so that two swaps at once cannot wait for each other.
        let (first, second) = if std::ptr::from_ref(self) < std::ptr::from_ref(other) {
            (self, other)
        } else {
            (other, self)
        };
        {
            let (mut first, mut second) = (first.lock(), second.lock());
            std::mem::swap(&mut *first, &mut *second);
            std::mem::swap(&mut first.log, &mut second.log);
        }
        self.tell();
        other.tell();
    }

    pub fn set_password(&self, password: &str) {
        self.change(|state| {
            let password = SecretHash::new(&state.key, "admin_password", password);
            state.take_password(password);
        });
    }
}

fn key(options: &Options, number: u32) -> [u8; 32] {
    let seed = options.seed.to_string();
    derive(&[0; 32], &["pod", &seed, &number.to_string()])
}

impl State {
    fn new(
        options: &Options,
        key: [u8; 32],
        name: String,
        generation: u32,
        presented: PresentedCertificate,
    ) -> Self {
        let identity = hex(&derive(&key, &["device", &generation.to_string()]));
        let number =
            u32::from_str_radix(identity.get(12..18).unwrap_or_default(), 16).unwrap_or_default();
        Self {
            device_id: identity.chars().take(12).collect(),
            origin: options.number,
            name,
            generation,
            certificates: 0,
            presented,
            token_epoch: 0,
            wrong_passwords: 0,
            password: SecretHash::new(&key, "admin_password", options.password.reveal()),
            key,
            mode: options.mode,
            quirks: options.quirks,
            clock_offset: options.clock_offset,
            licensed: options.licensed,
            meetings: Vec::new(),
            pending: VecDeque::new(),
            own_ids: 0,
            settings: Value::Object(Map::new()),
            rollback: None,
            images: Images::default(),
            camera: Camera::default(),
            hdmi_off: false,
            screen_key: format!("{:04}", number % 10_000),
            log: Log {
                remember: options.remember,
                ..Log::default()
            },
        }
    }

    /// Sets the admin password; tokens that were given out become invalid.
    pub fn take_password(&mut self, password: SecretHash) {
        self.password = password;
        self.wrong_passwords = 0;
        self.token_epoch = self.token_epoch.wrapping_add(1);
    }

    pub fn host_name(&self) -> String {
        format!("solstice-{}", self.device_id.to_lowercase())
    }

    /// The GUID of the attached camera.
    pub fn camera_guid(&self) -> String {
        let digits = hex(&derive(&self.key, &["camera"]));
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

    /// Shows the sets that are due by now.
    pub fn show_pending(&mut self) {
        while let Some(pending) = self.pending.front() {
            let is_due = match pending.due {
                Due::At(at) => at <= Instant::now(),
                Due::Reads(reads) => reads == 0,
            };
            if !is_due {
                return;
            }
            if let Some(pending) = self.pending.pop_front() {
                self.meetings = pending.meetings;
            }
        }
    }
}

impl PresentedCertificate {
    pub fn fingerprint(&self) -> [u8; 32] {
        self.certificate.fingerprint()
    }

    fn new(key: &[u8; 32], name: &str, address: SocketAddr, number: u32) -> io::Result<Self> {
        let secret = derive(key, &["certificate", &number.to_string()]);
        Ok(Self {
            certificate: Arc::new(Certificate::derive(secret, name, address.ip())?),
            tls: OnceLock::new(),
        })
    }
}
