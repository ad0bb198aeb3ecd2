//! Room displays: the client of the pods' OpenControl v2 API.
//!
//! One [`PodClient`] a pod. It has one request in flight, each within the pod's
//! time limit; it signs in when it must and renews its token once; it follows no
//! redirect and retries nothing else. When to ask, and what to do about a
//! failure, is the flow's business. Written from the vendor's reference; where
//! that is silent or contradicts itself, answers are read leniently.

mod answer;
mod calendar;
pub mod config;
pub mod device;
pub mod error;
pub mod operation;
mod public_key;
pub mod request;
pub mod tls;
mod token;
pub mod tree;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use device::{Camera, Info, Interface, Wifi};
pub use error::PodError;
pub use operation::Operation;
pub use request::{Aspect, MeetingChanges, NewMeeting, Request};
pub use tls::{Fingerprint, certificate};
pub use token::TokenFacts;

use crate::config::Pod;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;
use answer::{Answer, JSON_LIMIT};
use error::Body;
use token::Session;

/// Whether a client may change anything on its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every write is refused before anything is sent; a dry run relies on it.
    ReadOnly,
    ReadWrite,
}

/// How a pod confirmed a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whether it said so; without that, look at what the pod holds now.
    pub confirmed: bool,
    /// `success!` in the reference.
    pub message: Option<String>,
    pub reboot_required: bool,
    pub restart_required: bool,
    /// Only after a change of the configuration.
    pub device_id: Option<String>,
}

/// A client of one pod; clones share its token and its place in the queue.
#[derive(Clone)]
pub struct PodClient(Arc<Inner>);

struct Inner {
    pod: Pod,
    access: Access,
    http: reqwest::Client,
    verifier: Arc<tls::Verifier>,
    /// Held for a whole operation: one request in flight, one sign-in at a time.
    session: Mutex<Session>,
}

impl PodClient {
    /// A client for a pod. `pin` is the certificate that was seen before, and
    /// counts only where the pod is trusted on first use.
    ///
    /// # Errors
    /// [`PodError::NoAuthorities`], or TLS that cannot be set up.
    pub fn new(pod: &Pod, pin: Option<Fingerprint>, access: Access) -> Result<Self, PodError> {
        let verifier = Arc::new(tls::Verifier::for_pod(pod, pin)?);
        let config =
            tls::client_config(&verifier).map_err(|error| PodError::tls(&pod.url, &error))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .user_agent(concat!("podcal/", env!("CARGO_PKG_VERSION")))
            // Pods are on the AV network, behind no proxy.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            // Each request has a connection of its own. A kept one would outlive a
            // restart or another certificate of the pod unseen, and the pod has few.
            .pool_max_idle_per_host(0)
            .connect_timeout(connect_limit(pod.timeout))
            .build()
            .map_err(|error| PodError::Tls {
                pod: pod.url.clone(),
                why: error::cleaned(&error.to_string(), 120),
            })?;
        Ok(Self(Arc::new(Inner {
            pod: pod.clone(),
            access,
            http,
            verifier,
            session: Mutex::default(),
        })))
    }

    #[must_use]
    pub fn pod(&self) -> &Pod {
        &self.0.pod
    }

    #[must_use]
    pub fn url(&self) -> &PodUrl {
        &self.0.pod.url
    }

    #[must_use]
    pub fn access(&self) -> Access {
        self.0.access
    }

    /// The certificate that the pod has proven to own, once it was asked: what
    /// the flow keeps as the pin.
    #[must_use]
    pub fn seen(&self) -> Option<Fingerprint> {
        self.0.verifier.proven()
    }

    /// Signs in now, whether or not there is a token, and tells of the new one.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn sign_in(&self) -> Result<TokenFacts, PodError> {
        self.fresh_token().await.map(|(_, facts)| facts)
    }

    /// Signs in now and hands the token out, for use with another program.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn fresh_token(&self) -> Result<(Secret, TokenFacts), PodError> {
        let mut session = self.0.session.lock().await;
        session.forget();
        let token = self.token(&mut session).await?;
        let facts = session.facts().ok_or_else(|| PodError::TokenRefused {
            pod: self.url().clone(),
            operation: Operation::SignIn,
        })?;
        Ok((token, facts))
    }

    /// The token in use, or one that is asked for now.
    async fn token(&self, session: &mut Session) -> Result<Secret, PodError> {
        let now = Instant::now();
        if let Some(token) = session.token(now) {
            return Ok(token);
        }
        if let Some(rest) = session.rest(now) {
            return Err(PodError::WrongPassword {
                pod: self.url().clone(),
                rest,
                asked: false,
            });
        }
        let form = token::form(self.pod()).reveal().to_owned();
        let request = self
            .0
            .http
            .post(self.url().join(&["v2", "token"]))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form);
        let limit = self.pod().timeout;
        let answer = self.exchange(Operation::SignIn, request, limit).await?;
        session.signed_in(self.pod(), &answer, Instant::now())
    }

    /// Sends a request, signed in, and returns the answer if it is a good one.
    ///
    /// The token is renewed and the request repeated once, where the pod says 401
    /// or answers as some do that do not accept a token: with an empty object.
    async fn ask(&self, request: &Request) -> Result<Answer, PodError> {
        self.ask_hiding(request, &[]).await
    }

    /// The same; the words in `hide` must not appear in an error.
    async fn ask_hiding(&self, request: &Request, hide: &[&str]) -> Result<Answer, PodError> {
        self.allow(request.operation)?;
        let limit = self.pod().timeout;
        let mut session = self.0.session.lock().await;
        let mut renewed = false;
        loop {
            let token = self.token(&mut session).await?;
            let answer = self
                .exchange(request.operation, self.prepared(request, &token), limit)
                .await?;
            let judged = judge(request, &answer);
            if judged == Judged::Good {
                return Ok(answer);
            }
            if judged == Judged::Bad {
                let mut hide = hide.to_vec();
                hide.extend([token.reveal(), self.pod().password.reveal()]);
                return Err(answer.failure(self.url(), request.operation, &hide));
            }
            session.forget();
            if !renewed && (judged == Judged::Unauthorized || request.repeatable) {
                renewed = true;
                continue;
            }
            return match judged {
                Judged::Unauthorized => Err(PodError::TokenRefused {
                    pod: self.url().clone(),
                    operation: request.operation,
                }),
                // The caller says what is missing.
                _ => Ok(answer),
            };
        }
    }

    fn prepared(&self, request: &Request, token: &Secret) -> reqwest::RequestBuilder {
        let builder = self
            .0
            .http
            .request(request.method.clone(), request.url.clone())
            .header(header::ACCEPT, request.accept)
            .header(header::AUTHORIZATION, bearer(token));
        match &request.body {
            // reqwest's `json` sets the content type; the token's header is marked sensitive.
            Some(body) => builder.json(body),
            None => builder,
        }
    }

    /// One request and its whole answer, within a time limit.
    async fn exchange(
        &self,
        operation: Operation,
        request: reqwest::RequestBuilder,
        limit: Duration,
    ) -> Result<Answer, PodError> {
        let started = Instant::now();
        let response = self.send(operation, request, limit).await?;
        let left = limit.saturating_sub(started.elapsed());
        let reading = Answer::read(self.url(), operation, response, JSON_LIMIT);
        match tokio::time::timeout(left, reading).await {
            Ok(answer) => answer,
            Err(_) => Err(self.timed_out(operation, limit)),
        }
    }

    /// One request up to the head of its answer, within a time limit.
    async fn send(
        &self,
        operation: Operation,
        request: reqwest::RequestBuilder,
        limit: Duration,
    ) -> Result<reqwest::Response, PodError> {
        // A certificate that was refused for an earlier request is no news.
        let _ = self.0.verifier.take_refused();
        let result = match tokio::time::timeout(limit, request.send()).await {
            Ok(result) => result,
            Err(_) => return Err(self.timed_out(operation, limit)),
        };
        result.map_err(|error| match self.0.verifier.take_refused() {
            Some((expected, found)) => PodError::CertificateChanged {
                pod: self.url().clone(),
                expected,
                found,
            },
            None => PodError::transport(self.url(), operation, limit, &error),
        })
    }

    fn timed_out(&self, operation: Operation, after: Duration) -> PodError {
        PodError::TimedOut {
            pod: self.url().clone(),
            operation,
            after,
            sent: true,
        }
    }

    fn allow(&self, operation: Operation) -> Result<(), PodError> {
        if operation.is_write() && self.0.access == Access::ReadOnly {
            return Err(PodError::ReadOnly {
                pod: self.url().clone(),
                operation,
            });
        }
        Ok(())
    }
}

impl fmt::Debug for PodClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PodClient({}, {:?})", self.url(), self.0.access)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Good,
    Bad,
    /// The token is not accepted.
    Unauthorized,
    /// Perhaps the token is not accepted.
    Suspect,
}

fn judge(request: &Request, answer: &Answer) -> Judged {
    let reported = answer.reported(&[]).map(|(error, _)| error);
    if answer.status == 401 || reported == Some(error::ApiError::InvalidToken) {
        return Judged::Unauthorized;
    }
    if !answer.is_success() || reported.is_some() {
        return Judged::Bad;
    }
    let lacks_all = |map: &serde_json::Map<String, serde_json::Value>| {
        let expects = request.expects;
        !expects.is_empty() && !expects.iter().any(|key| map.contains_key(*key))
    };
    match answer.value() {
        Some(serde_json::Value::Object(map)) if map.is_empty() || lacks_all(&map) => {
            // A part of a configuration may well be an empty object.
            let part =
                request.operation == Operation::ReadConfig && request.url.path() != "/v2/config";
            if part { Judged::Good } else { Judged::Suspect }
        }
        _ => match answer.kind() {
            // A page is no success of any operation.
            Body::Html => Judged::Bad,
            _ => Judged::Good,
        },
    }
}

/// `Authorization`, marked so that no log of headers shows it.
fn bearer(token: &Secret) -> header::HeaderValue {
    let text = format!("Bearer {}", token.reveal());
    let mut value = header::HeaderValue::from_str(&text)
        .unwrap_or_else(|_| header::HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

/// Below the limit of the request, so that a connection that is never made is
/// told from an answer that never came.
fn connect_limit(request: Duration) -> Duration {
    (request * 3 / 4).min(Duration::from_secs(10))
}

#[cfg(test)]
mod tests;
