//! The gate for secrets: the shell of `control::secret_gate` over the ledger, shared by
//! all feeds and pods of a process.
//!
//! Before a secret that has not worked yet is sent, its pause is in the ledger. A request
//! that is given up half-way counts as not answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::Clock;
use crate::config::{Login, Pod, Source};
use crate::control::now::Monotonic;
use crate::control::secret_gate::{
    Asked, GateEvent, Grant, Looked, Pause, Request, Rows, SecretGate, Turn, Verdict, Write,
};
use crate::feed::FeedClient;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;
use crate::model::sign_in::{AccountKey, Credential};
use crate::model::time::UnixTime;

pub use self::store::SignIns;

mod store;
#[cfg(test)]
mod tests;

/// Other processes may be faster at most so many times in a row.
const TRIES: usize = 8;

/// How often the ledger is read while another process is proving a secret.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What a feed signs in with; `None` where it has no login.
#[must_use]
pub fn credential_of_feed(client: &FeedClient, source: &Source) -> Option<Credential> {
    let (Source::Ics { url, login } | Source::CalDav { url, login, .. }) = source else {
        return None;
    };
    let (host, secret) = match login {
        Login::None => return None,
        Login::Password { password, .. } => (url.host(), password),
        Login::Token(token) => (url.host(), token),
        Login::OAuth2(oauth2) => (oauth2.token_url.host(), &oauth2.refresh_token),
    };
    let account = client.account()?;
    let account = AccountKey::new(&host, &["feed", account.as_str()]);
    Some(Credential::new(account, secret))
}

/// What a pod is signed in to with. With another password than the configuration's, such
/// as one that somebody types, it is another credential of the same account.
#[must_use]
pub fn credential_of_pod(url: &PodUrl, username: &str, password: &Secret) -> Credential {
    let account = AccountKey::new(url.host(), &["pod", &url.key(), username]);
    Credential::new(account, password)
}

/// The same with the password of the configuration.
#[must_use]
pub fn credential_of(pod: &Pod) -> Credential {
    credential_of_pod(&pod.url, &pod.username, &pod.password)
}

/// One gate for all that a process signs in to. Clones are the same gate.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    ledger: SignIns,
    clock: Clock,
}

#[derive(Default)]
struct State {
    gate: SecretGate,
    /// Who waits for a turn.
    waiting: BTreeMap<Credential, Arc<Notify>>,
    /// Whether the ledger failed last time.
    is_broken: bool,
    /// What happened and was not handed out yet.
    events: Vec<GateEvent>,
    /// Of requests that were given up, and not written yet.
    given_up: Vec<Write>,
}

/// Whether a secret may be sent.
pub enum Permit {
    Go(Pass),
    Paused(SignInPause),
    /// Another request is proving this secret; see [`Gate::permit_in_turn`].
    NotNow,
    /// Its pause cannot be written, so it is not tried. Why not.
    NotWritable(String),
}

/// Sign-in is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInPause {
    pub until: Monotonic,
    /// The same for people.
    pub until_wall: UnixTime,
    pub rejections: u32,
    /// Only this feed or pod, not the account.
    pub is_alone: bool,
}

/// The right to send a secret once. Dropped without a report, the secret counts as sent
/// and not answered.
#[must_use]
pub struct Pass {
    gate: Gate,
    grant: Option<Grant>,
}

impl Gate {
    #[must_use]
    pub fn new(ledger: SignIns, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::default(),
                ledger,
                clock,
            }),
        }
    }

    /// Whether this feed or pod may send its secret now.
    pub async fn permit(&self, credential: &Credential, user: &str) -> Permit {
        self.ask(credential, user, false).await
    }

    /// The same for a person who insists (`--try-password`): although sign-in is paused.
    pub async fn permit_insisting(&self, credential: &Credential, user: &str) -> Permit {
        self.ask(credential, user, true).await
    }

    /// The same, waiting for others that prove the same secret; never `NotNow`.
    pub async fn permit_in_turn(
        &self,
        credential: &Credential,
        user: &str,
        insists: bool,
    ) -> Permit {
        let turns = self.turns(credential);
        loop {
            let mut turn = std::pin::pin!(turns.notified());
            // What ends between the question and the wait is not missed.
            turn.as_mut().enable();
            match self.ask(credential, user, insists).await {
                Permit::NotNow => turn.await,
                permit => return permit,
            }
        }
    }

    /// Whether sign-in is paused now, also because of what another process wrote.
    pub async fn paused(&self, credential: &Credential, user: &str) -> Option<SignInPause> {
        let request = Request {
            credential: credential.clone(),
            user: user.to_owned(),
            insists: false,
        };
        let rows = self.rows(&request).await;
        let now = self.inner.clock.now();
        let pause = match rows {
            Ok(rows) => self.state().gate.peek(&request, rows, now),
            Err(_) => self.state().gate.known_pause(&request, now),
        }?;
        self.correct(&pause).await;
        Some(self.sign_in_pause(&pause))
    }

    /// What happened since the last call, for the log. Each event is handed out once.
    #[must_use]
    pub fn take_events(&self) -> Vec<GateEvent> {
        std::mem::take(&mut self.state().events)
    }

    /// Writes what became of requests that were given up, so that the next process does not wait
    /// for their answers.
    pub async fn settle(&self) {
        let writes = std::mem::take(&mut self.state().given_up);
        self.write(writes).await;
    }

    async fn write(&self, writes: Vec<Write>) {
        for write in writes {
            let written = match &write {
                Write::Set(key, row) => self.inner.ledger.set(key, row).await,
                Write::Clear(key) => self.inner.ledger.clear(key).await,
            };
            // What could not be written holds for this process.
            let _ = self.noted(written);
        }
    }

    async fn ask(&self, credential: &Credential, user: &str, insists: bool) -> Permit {
        let request = Request {
            credential: credential.clone(),
            user: user.to_owned(),
            insists,
        };
        let now = self.inner.clock.now();
        let asked = self.state().gate.ask(&request, now);
        match asked {
            Asked::Go(grant) => Permit::Go(self.pass(grant)),
            Asked::Busy => Permit::NotNow,
            Asked::Look(turn) => {
                let mut held = HeldTurn {
                    gate: self,
                    turn,
                    request: &request,
                    is_over: false,
                };
                self.look(&mut held).await
            }
        }
    }

    async fn look(&self, held: &mut HeldTurn<'_>) -> Permit {
        let mut tries = 0;
        while tries < TRIES {
            let rows = self.rows(held.request).await;
            let now = self.inner.clock.now();
            let looked = match rows {
                Ok(rows) => {
                    let gate = &mut self.state().gate;
                    gate.looked(&held.turn, held.request, rows, now)
                }
                Err(says) => {
                    let gate = &mut self.state().gate;
                    match gate.unreadable(&held.turn, held.request, now) {
                        Some(looked) => looked,
                        None => return Permit::NotWritable(says),
                    }
                }
            };
            match looked {
                Looked::Go(grant) => return held.pass(grant),
                Looked::Paused(pause) => {
                    self.correct(&pause).await;
                    return Permit::Paused(self.sign_in_pause(&pause));
                }
                Looked::Pending => tokio::time::sleep(LOOK_AGAIN).await,
                Looked::Reserve { expected, new } => {
                    let key = held.request.credential.key();
                    let written = self.inner.ledger.reserve(&key, expected.as_ref(), &new);
                    match self.noted(written.await) {
                        Ok(true) => {
                            let grant = self.state().gate.reserved(&held.turn, held.request, new);
                            return held.pass(grant);
                        }
                        // Another process was faster: it says what holds now.
                        Ok(false) => tries += 1,
                        Err(says) => {
                            self.state().gate.may_be_reserved(held.request, new);
                            return Permit::NotWritable(says);
                        }
                    }
                }
            }
        }
        Permit::NotNow
    }

    async fn rows(&self, request: &Request) -> Result<Rows, String> {
        let credential = &request.credential;
        let ledger = &self.inner.ledger;
        Ok(Rows {
            shared: ledger.read(&credential.key()).await?,
            alone: ledger.read(&credential.key_alone(&request.user)).await?,
        })
    }

    /// Writes a row anew whose pause ends at a time that only a wrong clock can have set.
    async fn correct(&self, pause: &Pause) {
        if let Some(wrong) = &pause.correction {
            let written = self
                .inner
                .ledger
                .reserve(&wrong.key, Some(&wrong.expected), &wrong.new)
                .await;
            let _ = self.noted(written);
        }
    }

    /// Says once that the ledger cannot be written, and once that it can again.
    fn noted<T>(&self, written: Result<T, String>) -> Result<T, String> {
        let mut state = self.state();
        match &written {
            Err(says) if !state.is_broken => {
                state.is_broken = true;
                let says = says.clone();
                state.events.push(GateEvent::NotWritable { says });
            }
            Ok(_) if state.is_broken => {
                state.is_broken = false;
                state.events.push(GateEvent::Writable);
            }
            _ => {}
        }
        written
    }

    fn pass(&self, grant: Grant) -> Pass {
        Pass {
            gate: self.clone(),
            grant: Some(grant),
        }
    }

    fn sign_in_pause(&self, pause: &Pause) -> SignInPause {
        SignInPause {
            until: pause.until,
            until_wall: self.inner.clock.now().wall_at(pause.until),
            rejections: pause.rejections,
            is_alone: pause.is_alone,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left plain data behind.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self, credential: &Credential) -> Arc<Notify> {
        let waiting = &mut self.state().waiting;
        waiting.entry(credential.clone()).or_default().clone()
    }

    /// A turn has ended: the next one asks, and passes it on in the same way.
    fn wake_one(&self, credential: &Credential) {
        self.turns(credential).notify_one();
    }
}

impl Pass {
    /// Says what came of the request. The pause is in the ledger when this is done.
    pub async fn report(mut self, verdict: Verdict) {
        let Some(grant) = self.grant.take() else {
            return;
        };
        let gate = self.gate.clone();
        let credential = grant.request().credential.clone();
        let writes = {
            let mut state = gate.state();
            let (writes, events) = state.gate.report(grant, verdict, gate.inner.clock.now());
            state.events.extend(events);
            writes
        };
        gate.write(writes).await;
        if verdict == Verdict::Accepted {
            gate.turns(&credential).notify_waiters();
        }
        gate.wake_one(&credential);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            let now = self.gate.inner.clock.now();
            {
                let mut state = self.gate.state();
                let writes = state.gate.abandoned(&grant, now);
                state.given_up.extend(writes);
            }
            self.gate.wake_one(&grant.request().credential);
        }
    }
}

/// The turn of a request while the ledger is asked; given back when it is dropped.
struct HeldTurn<'a> {
    gate: &'a Gate,
    turn: Turn,
    request: &'a Request,
    is_over: bool,
}

impl HeldTurn<'_> {
    /// The turn goes on with the pass, or has ended in the controller.
    fn pass(&mut self, grant: Grant) -> Permit {
        self.is_over = true;
        self.gate.wake_one(&self.request.credential);
        Permit::Go(self.gate.pass(grant))
    }
}

impl Drop for HeldTurn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.gate.state().gate.withdraw(&self.turn, self.request);
            self.gate.wake_one(&self.request.credential);
        }
    }
}
