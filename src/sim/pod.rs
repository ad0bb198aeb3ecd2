//! One pod: its state, and the way of a request through faults, routing and memory.
//!
//! What each operation does is in the files named after the groups of the API; a request is answered under one lock,
//! so a pod does one thing at a time.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::watch;

use super::answer::{Answer, ErrorName, Refusal};
use super::calendar::Meeting;
use super::certificate::{Certificate, server_config};
use super::device::Camera;
use super::faults::{Faults, Kind};
use super::options::{CalendarMode, Options, Quirks};
use super::secret::{Hashed, derive, hex};
use super::server::{App, Cut};
use super::splash::Images;
use super::strict::Asked;
use super::{config, page, route};
use crate::model::time::UnixTime;

/// A body that is too large is read and thrown away up to here, so that the sender hears the refusal.
const PATIENT_BODY: usize = 64 * 1024 * 1024;
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// A request that the pod received.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    pub at: UnixTime,
    pub method: String,
    /// The path without its query.
    pub path: String,
    pub query: Option<String>,
    /// `None` when the connection was closed, or left hanging, instead of an answer.
    pub status: Option<u16>,
    /// `None` when there was none or it is not UTF-8. A password is left out of a request for a token.
    pub body: Option<String>,
    /// Whether it bore a token that is good.
    pub authorized: bool,
}

impl Seen {
    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        self.body
            .as_deref()
            .and_then(|body| serde_json::from_str(body).ok())
            .unwrap_or_default()
    }
}

/// Leaves out the body, which may hold meetings and secrets.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at, self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, " -> {status}"),
            None => f.write_str(" -> no answer"),
        }
    }
}

pub(super) struct Pod {
    pub options: Options,
    pub address: SocketAddr,
    /// From which identity, certificate, salts and token keys are derived.
    pub key: [u8; 32],
    state: Mutex<State>,
    certificate: RwLock<Presented>,
    changes: watch::Sender<u64>,
}

struct Presented {
    certificate: Arc<Certificate>,
    tls: OnceLock<Arc<rustls::ServerConfig>>,
}

/// Everything about a pod that can change.
pub(super) struct State {
    pub device_id: String,
    /// How often the device was replaced.
    pub generation: u32,
    pub certificates: u32,
    /// Part of the key of tokens: those of another epoch are not good.
    pub token_epoch: u32,
    pub wrong_passwords: u32,
    pub password: Hashed,
    pub mode: CalendarMode,
    pub quirks: Quirks,
    pub clock_offset: i64,
    pub licensed: bool,
    pub meetings: Vec<Meeting>,
    /// What was ever set in the configuration; the rest is `config_tree`. Small, so that thousands of pods are cheap.
    pub settings: Value,
    pub rollback: Option<config::Rollback>,
    pub images: Images,
    pub camera: Camera,
    pub hdmi_off: bool,
    pub screen_key: String,
    pub faults: Faults,
    pub seen: VecDeque<Seen>,
    pub violations: VecDeque<String>,
    remember: usize,
}

impl State {
    pub fn note(&mut self, violation: String) {
        while self.violations.len() >= self.remember.max(1) {
            self.violations.pop_front();
        }
        self.violations.push_back(violation);
    }

    fn see(&mut self, seen: Seen) {
        while self.seen.len() >= self.remember.max(1) {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }
}

impl Pod {
    pub fn new(options: Options, address: SocketAddr) -> io::Result<Self> {
        let key = derive(
            &[0; 32],
            &[
                "pod",
                &options.seed.to_string(),
                &options.number.to_string(),
            ],
        );
        let state = State::new(&options, &key, 0);
        let certificate = Presented::new(&options, &key, address, 0)?;
        Ok(Self {
            options,
            address,
            key,
            state: Mutex::new(state),
            certificate: RwLock::new(certificate),
            changes: watch::Sender::new(0),
        })
    }

    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        changed
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time on the pod's own clock.
    pub fn now(&self, state: &State) -> UnixTime {
        UnixTime::from_seconds(
            self.options
                .clock
                .now()
                .seconds()
                .saturating_add(state.clock_offset),
        )
    }

    pub fn name(&self) -> String {
        name(&self.options)
    }

    pub fn certificate(&self) -> Arc<Certificate> {
        let presented = self
            .certificate
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&presented.certificate)
    }

    pub fn new_certificate(&self) -> io::Result<()> {
        let number = self.change(|state| {
            state.certificates = state.certificates.wrapping_add(1);
            state.certificates
        });
        self.present(number)
    }

    /// Presents the certificate with this number from the next connection on.
    pub fn present(&self, number: u32) -> io::Result<()> {
        let presented = Presented::new(&self.options, &self.key, self.address, number)?;
        *self
            .certificate
            .write()
            .unwrap_or_else(PoisonError::into_inner) = presented;
        Ok(())
    }

    pub fn reboot(&self) {
        self.change(|state| {
            state.meetings.clear();
            state.token_epoch = state.token_epoch.wrapping_add(1);
            state.wrong_passwords = 0;
            state.hdmi_off = false;
        });
    }

    pub fn replace(&self) {
        self.change(|state| {
            let mut fresh = State::new(&self.options, &self.key, state.generation.wrapping_add(1));
            fresh.certificates = state.certificates;
            fresh.password = std::mem::take(&mut state.password);
            fresh.mode = state.mode;
            fresh.quirks = state.quirks;
            fresh.clock_offset = state.clock_offset;
            fresh.faults = std::mem::take(&mut state.faults);
            fresh.seen = std::mem::take(&mut state.seen);
            fresh.violations = std::mem::take(&mut state.violations);
            *state = fresh;
        });
    }

    pub fn set_password(&self, password: &str) {
        let password = Hashed::new(&self.key, "admin_password", password);
        self.change(|state| {
            state.password = password;
            state.wrong_passwords = 0;
            state.token_epoch = state.token_epoch.wrapping_add(1);
        });
    }

    pub fn config(&self) -> Value {
        let state = self.lock();
        config::shown(self, &state)
    }

    pub fn set_config(&self, patch: &Value) -> Result<(), String> {
        self.change(|state| {
            config::apply(self, state, patch)
                .map(|_| ())
                .map_err(|refusal| refusal.description)
        })
    }

    async fn serve(self: Arc<Self>, request: Request, cut: Cut) -> Response<Body> {
        if let Some(response) = page::serve(&self, &request) {
            return response;
        }
        let (parts, body) = request.into_parts();
        let method = parts.method.as_str().to_owned();
        let path = parts.uri.path().to_owned();
        let fault = self.lock().faults.take(&method, &path);
        if fault == Some(Kind::Refuse) {
            return cut.now().await;
        }
        let limit = route::body_limit(&parts.method, &path);
        let body = match tokio::time::timeout(BODY_PATIENCE, read_body(body, limit)).await {
            Ok(Some(body)) => body,
            // The sender has gone, or takes for ever.
            Ok(None) | Err(_) => return cut.now().await,
        };
        if let Some(Kind::Slow(by)) = fault {
            tokio::time::sleep(by).await;
        }
        let asked = Asked::new(parts, body, limit);
        let answer = self.change(|state| {
            config::roll_back_if_due(self.as_ref(), state);
            let authorized = super::token::is_authorized(&self, state, &asked);
            let answer = match fault {
                Some(Kind::Hang) => None,
                Some(Kind::Status(status)) => Some(asked_for(status, &path)),
                Some(Kind::Html) => Some(Answer::bytes(
                    StatusCode::OK,
                    "text/html; charset=utf-8",
                    LOGIN_PAGE.into(),
                )),
                Some(Kind::EmptyObject) => Some(Answer::json(&serde_json::json!({}))),
                None | Some(Kind::Slow(_) | Kind::CutOff | Kind::LostAnswer | Kind::Refuse) => {
                    Some(route::answer(&self, state, &asked))
                }
            };
            let answered = fault != Some(Kind::LostAnswer);
            let status = answer
                .as_ref()
                .filter(|_| answered)
                .map(|answer| answer.status.as_u16());
            let at = self.now(state);
            state.see(asked.to_seen(at, status, authorized));
            answer
        });
        match (fault, answer) {
            (Some(Kind::LostAnswer), _) => cut.now().await,
            (_, None) => std::future::pending().await,
            (Some(Kind::CutOff), Some(answer)) => cut_off(answer, &cut),
            (_, Some(answer)) => answer.into_response(),
        }
    }
}

impl State {
    fn new(options: &Options, key: &[u8; 32], generation: u32) -> Self {
        let identity = hex(&derive(key, &["device", &generation.to_string()]));
        let short: String = identity.chars().take(12).collect();
        let number =
            u32::from_str_radix(identity.get(12..18).unwrap_or_default(), 16).unwrap_or_default();
        let device_id = if options.device_id.is_empty() || generation > 0 {
            short
        } else {
            options.device_id.clone()
        };
        Self {
            device_id,
            generation,
            certificates: 0,
            token_epoch: 0,
            wrong_passwords: 0,
            password: Hashed::new(key, "admin_password", options.password.reveal()),
            mode: options.mode,
            quirks: options.quirks,
            clock_offset: options.clock_offset,
            licensed: options.licensed,
            meetings: Vec::new(),
            settings: Value::Object(serde_json::Map::new()),
            rollback: None,
            images: Images::default(),
            camera: Camera::default(),
            hdmi_off: false,
            screen_key: format!("{:04}", number % 10_000),
            faults: Faults::default(),
            seen: VecDeque::new(),
            violations: VecDeque::new(),
            remember: options.remember,
        }
    }
}

impl Presented {
    fn new(
        options: &Options,
        key: &[u8; 32],
        address: SocketAddr,
        number: u32,
    ) -> io::Result<Self> {
        let secret = derive(key, &["certificate", &number.to_string()]);
        let certificate = Certificate::derive(secret, &name(options), address.ip())?;
        Ok(Self {
            certificate: Arc::new(certificate),
            tls: OnceLock::new(),
        })
    }
}

fn name(options: &Options) -> String {
    if options.name.is_empty() {
        format!("Pod {}", options.number)
    } else {
        options.name.clone()
    }
}

impl App for Pod {
    fn welcomes(&self) -> bool {
        !self.lock().faults.refuses_connection()
    }

    fn tls(&self) -> io::Result<Option<Arc<rustls::ServerConfig>>> {
        let presented = self
            .certificate
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = presented.tls.get() {
            return Ok(Some(Arc::clone(config)));
        }
        let config = server_config(Arc::clone(&presented.certificate), self.options.http2)?;
        Ok(Some(Arc::clone(presented.tls.get_or_init(|| config))))
    }

    fn http2(&self) -> bool {
        self.options.http2
    }

    fn answer(
        self: Arc<Self>,
        request: Request,
        cut: Cut,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(self.serve(request, cut))
    }
}

/// What was sent, as far as `limit` allows.
pub(super) enum Received {
    All(Bytes),
    TooMuch,
}

/// `None` when the sender broke off.
async fn read_body(body: Body, limit: usize) -> Option<Received> {
    let mut chunks = body.into_data_stream();
    let mut read = BytesMut::new();
    let mut length = 0usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        length = length.saturating_add(chunk.len());
        if length <= limit {
            read.extend_from_slice(&chunk);
        } else if length > PATIENT_BODY {
            break;
        }
    }
    Some(if length > limit {
        Received::TooMuch
    } else {
        Received::All(read.freeze())
    })
}

fn asked_for(status: u16, path: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if path == route::TOKEN {
        return Answer::token_error(status, "simulated");
    }
    Refusal::new(status, ErrorName::for_status(status), "simulated", false).to_answer()
}

fn cut_off(mut answer: Answer, cut: &Cut) -> Response<Body> {
    let whole = std::mem::take(&mut answer.body);
    let half = whole.slice(..whole.len() / 2);
    let mut response = answer.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, whole.len().max(1).into());
    *response.body_mut() = cut.after(half);
    response
}

const LOGIN_PAGE: &str =
    "<!doctype html><title>Sign in</title><form><input name=user><input type=password></form>\n";
