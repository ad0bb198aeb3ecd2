//! The client of one pod: signing in, sending, judging answers.

use std::fmt;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::{Answer, Confirmation, Judgement};
use super::clock::{self, Reading};
use super::config::{LegacyConfig, PodConfig};
use super::connection::Connection;
use super::error::{PodError, PodErrorKind};
use super::mode::CalendarMode;
use super::operation::Operation;
use super::request::{Body, Image, Request};
use super::token::{self, Session, TokenFacts};
use super::verifier::Verifier;
use super::{calendar, device, settings};
use crate::config::Pod;
use crate::model::fingerprint::Fingerprint;
use crate::model::meeting::Meeting;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;
use crate::model::time::UnixTime;
use crate::net::transport::{self, Cause};

/// Images are large and pods are slow: the time limit of their requests, as a
/// multiple of that of other requests.
const IMAGE_TIMEOUT: u32 = 10;

/// Whether a client may change anything on its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every write is refused before anything is sent; a dry run relies on it.
    ReadOnly,
    ReadWrite,
}

/// A client of one pod; clones share its token and its place in the queue.
#[derive(Clone)]
pub struct PodClient(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) pod: Pod,
    pub(super) access: Access,
    pub(super) connection: Connection,
    pub(super) verifier: Arc<Verifier>,
    /// Held for a whole operation: one request in flight, one sign-in at a time.
    pub(super) session: Mutex<Session>,
    pub(super) clock: Lock<Option<Reading>>,
}

impl PodClient {
    /// A client for a pod. `pin` is the certificate that was seen before, and
    /// counts only where the pod is trusted on first use.
    ///
    /// # Errors
    /// [`PodErrorKind::NoAuthorities`], or TLS that cannot be set up.
    pub fn new(pod: &Pod, pin: Option<Fingerprint>, access: Access) -> Result<Self, PodError> {
        let fail = |kind| PodError::new(&pod.url, Operation::SignIn, kind);
        let verifier = Arc::new(
            Verifier::of(&pod.tls, pin)
                .map_err(|error| fail(PodErrorKind::NoAuthorities(error)))?,
        );
        let connection = Connection::new(&verifier, pod.timeout)
            .map_err(|cause| fail(PodErrorKind::NotConnected(cause)))?;
        Ok(Self(Arc::new(Inner {
            pod: pod.clone(),
            access,
            connection,
            verifier,
            session: Mutex::default(),
            clock: Lock::default(),
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

    /// The certificate that the pod has proven to own, once it was asked: what
    /// the service keeps as the pin.
    #[must_use]
    pub fn seen(&self) -> Option<Fingerprint> {
        self.0.verifier.proven()
    }

    /// By how many seconds the pod's clock is ahead of `now` (behind, where
    /// negative), by the newest answer that showed it: its `Date`, or the clock in
    /// a configuration that was read.
    #[must_use]
    pub fn clock_offset(&self, now: UnixTime) -> Option<i64> {
        let reading = *self.clock();
        reading.map(|reading| reading.offset(now, Instant::now()))
    }

    /// Lets the next request send the password although it was rejected before: its
    /// pause is over, or somebody corrected it on the pod.
    pub async fn permit_sign_in(&self) {
        self.0.session.lock().await.permit_sign_in();
    }

    /// Closes the connection: nothing is asked for a while.
    pub fn close(&self) {
        self.0.connection.close();
    }

    /// Signs in now, whether or not there is a token, and says what is known of
    /// the new one.
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn sign_in(&self) -> Result<TokenFacts, PodError> {
        self.fresh_token().await.map(|(_, facts)| facts)
    }

    /// Signs in now and hands the token out, for use with another program.
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn fresh_token(&self) -> Result<(Secret, TokenFacts), PodError> {
        let mut session = self.0.session.lock().await;
        session.forget();
        let token = self.token(&mut session).await?;
        let facts = session.facts();
        let facts = facts.ok_or_else(|| self.error(Operation::SignIn, PodErrorKind::TokenRefused));
        Ok((token, facts?))
    }

    /// What the display holds; see [`calendar::list`].
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn meetings(&self) -> Result<Vec<Meeting>, PodError> {
        self.ask(&calendar::list()).await
    }

    /// Replaces all meetings of the display.
    ///
    /// # Errors
    /// See [`PodErrorKind`], and there [`PodError::ended_unanswered`].
    pub async fn set_meetings(&self, meetings: &[Meeting]) -> Result<Confirmation, PodError> {
        self.ask(&calendar::set(meetings)).await
    }

    /// The id of the device; `None` for firmware that does not report it.
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn device_id(&self) -> Result<Option<String>, PodError> {
        self.ask(&device::id()).await
    }

    /// The whole configuration.
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn config(&self) -> Result<PodConfig, PodError> {
        let config = self.ask(&settings::read()).await?;
        self.clock_showed(clock::in_config(&config));
        Ok(config)
    }

    /// The configuration in the words of the first API.
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn legacy_config(&self) -> Result<LegacyConfig, PodError> {
        let config = self.ask(&settings::read_legacy()).await?;
        self.clock_showed(clock::in_legacy_config(&config));
        Ok(config)
    }

    /// Changes a part of the configuration; see [`settings::patch`].
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn patch_config(
        &self,
        subset: Value,
        rollback: Option<u32>,
    ) -> Result<Confirmation, PodError> {
        self.ask(&settings::patch(subset, rollback)).await
    }

    /// The calendar mode; asks for the second configuration only where the
    /// first does not report it.
    ///
    /// # Errors
    /// The pod could not be asked. That it does not know one of the two
    /// configurations is not an error.
    pub async fn calendar_mode(&self) -> Result<CalendarMode, PodError> {
        let legacy = match self.legacy_config().await {
            // A pod without the first API may say so in any way; then the second one is read.
            Err(error) if error.kind.is_no_legacy() => None,
            other => other?.calendar_type(),
        };
        if legacy.is_some() {
            return Ok(CalendarMode::of(legacy, None, None));
        }
        let word = match self.config().await {
            Err(error) if error.kind.is_about_the_operation() => None,
            other => other?.calendar_type(),
        };
        let ours = self.pod().third_party_type.as_deref();
        Ok(CalendarMode::of(None, word.as_deref(), ours))
    }

    /// Sends a request, signed in, and decodes the answer.
    ///
    /// The token is renewed and the request repeated once, where the pod says 401
    /// or answers as some do that do not accept a token: with an empty object.
    ///
    /// # Errors
    /// See [`PodErrorKind`].
    pub async fn ask<T>(&self, request: &Request<T>) -> Result<T, PodError> {
        let operation = request.operation;
        if operation.is_write() && self.0.access == Access::ReadOnly {
            return Err(self.error(operation, PodErrorKind::ReadOnly));
        }
        let url = request.url(self.url());
        let url = url.map_err(|kind| self.error(operation, kind))?;
        let repeatable = operation.entry().repeatable;
        let mut session = self.0.session.lock().await;
        if request.image_length().is_some() {
            // Much would be sent in vain with a token that has just run out.
            session.forget();
        }
        let mut renewed = false;
        loop {
            let token = self.token(&mut session).await?;
            let prepare = |http: &reqwest::Client| {
                let builder = http.request(request.method(), url.clone());
                prepared(builder, request, &token)
            };
            let answer = self.exchange(operation, prepare).await?;
            let fail = |kind| {
                self.error(operation, kind)
                    .with_retry_after(answer.retry_after)
            };
            let judgement = answer.judge(operation, request.is_for_a_part());
            match judgement {
                Judgement::Good => return request.decode(Ok(&answer)).map_err(fail),
                Judgement::Bad => {
                    // A pod may quote in its error what it was sent.
                    let mut hide = request.texts();
                    hide.extend([token.reveal(), self.pod().password.reveal()]);
                    return request.decode(Err(answer.failure(&hide))).map_err(fail);
                }
                Judgement::Unauthorized | Judgement::Suspect => session.forget(),
            }
            if !renewed && (judgement == Judgement::Unauthorized || repeatable) {
                renewed = true;
                continue;
            }
            return match judgement {
                Judgement::Unauthorized => Err(fail(PodErrorKind::TokenRefused)),
                // The decoder says what is missing.
                _ => request.decode(Ok(&answer)).map_err(fail),
            };
        }
    }

    /// The token in use, or one that is asked for now.
    async fn token(&self, session: &mut Session) -> Result<Secret, PodError> {
        let now = Instant::now();
        if let Some(token) = session.token(now) {
            return Ok(token);
        }
        let fail = |kind| self.error(Operation::SignIn, kind);
        if let Some(refusal) = session.refusal() {
            return Err(fail(refusal));
        }
        let form = token::form(self.pod());
        let prepare = |http: &reqwest::Client| {
            http.post(self.url().join(&["v2", "token"]))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ACCEPT, "application/json")
                .body(form.reveal().to_owned())
        };
        let answer = self.exchange(Operation::SignIn, prepare).await?;
        session
            .signed_in(self.pod(), &answer, Instant::now())
            .map_err(|kind| fail(kind).with_retry_after(answer.retry_after))
    }

    /// One request and its whole answer, within its time limit.
    async fn exchange(
        &self,
        operation: Operation,
        prepare: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<Answer, PodError> {
        let limit = match operation.entry().image {
            true => self.pod().timeout * IMAGE_TIMEOUT,
            false => self.pod().timeout,
        };
        let both = async {
            let response = self.send(operation, prepare).await?;
            Answer::read(operation, response, wall_clock()).await
        };
        let result = match tokio::time::timeout(limit, both).await {
            Ok(result) => result,
            Err(_) => Err(PodErrorKind::TimedOut {
                after: limit,
                sent: true,
            }),
        };
        let answer = result.map_err(|kind| self.error(operation, kind))?;
        self.clock_showed(answer.date);
        Ok(answer)
    }

    /// One request up to the head of its answer.
    async fn send(
        &self,
        operation: Operation,
        prepare: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, PodErrorKind> {
        let Inner {
            connection,
            verifier,
            ..
        } = &*self.0;
        // A certificate that was refused for an earlier request does not count.
        let _ = verifier.take_refused();
        loop {
            let attempt = connection.attempt(operation);
            let attempt = attempt.map_err(PodErrorKind::NotConnected)?;
            let error = match prepare(&attempt.client).send().await {
                Ok(response) => {
                    connection.answered(&response);
                    return Ok(response);
                }
                Err(error) => error,
            };
            if let Some((expected, found)) = verifier.take_refused() {
                return Err(PodErrorKind::CertificateChanged { expected, found });
            }
            // Once more without a kept connection, or as a short key can be checked.
            if connection.is_worth_repeating(&attempt, &error) {
                continue;
            }
            let limit = self.pod().timeout;
            return Err(match (transport::was_sent(&error), Cause::of(&error)) {
                (sent, Cause::TimedOut | Cause::ConnectTimedOut) => {
                    PodErrorKind::TimedOut { after: limit, sent }
                }
                (false, cause) => {
                    let cause = connection.explained(self.pod(), cause).await;
                    PodErrorKind::NotConnected(cause)
                }
                (true, cause) => PodErrorKind::NoAnswer(cause),
            });
        }
    }

    fn error(&self, operation: Operation, kind: PodErrorKind) -> PodError {
        PodError::new(self.url(), operation, kind)
    }

    fn clock_showed(&self, shown: Option<UnixTime>) {
        if let Some(shown) = shown {
            *self.clock() = Some(Reading::new(shown, Instant::now()));
        }
    }

    fn clock(&self) -> MutexGuard<'_, Option<Reading>> {
        self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PodClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PodClient({}, {:?})", self.url(), self.0.access)
    }
}

fn prepared<T>(
    builder: reqwest::RequestBuilder,
    request: &Request<T>,
    token: &Secret,
) -> reqwest::RequestBuilder {
    let accept = match request.operation {
        Operation::ReadSplash => "image/*",
        _ => "application/json",
    };
    let builder = builder
        .header(header::ACCEPT, accept)
        .header(header::AUTHORIZATION, bearer(token));
    match request.body() {
        Body::Nothing => builder,
        // reqwest's `json` sets the content type.
        Body::Json(body) => builder.json(body),
        // With its length: not every small server reads a chunked body.
        Body::Image(image) => builder
            .header(
                header::CONTENT_TYPE,
                image.content_type().unwrap_or_default(),
            )
            .header(header::CONTENT_LENGTH, image.bytes.len())
            .body(stream(image)),
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

/// An image in pieces, so that its progress can be told.
fn stream(image: &Image) -> reqwest::Body {
    const PIECE: usize = 32 * 1024;
    let Image { bytes, progress } = image.clone();
    let mut sent = 0;
    let pieces = std::iter::from_fn(move || {
        let end = (sent + PIECE).min(bytes.len());
        let piece: Bytes = bytes.slice(sent..end);
        sent = end;
        if let Some(progress) = &progress {
            progress(sent as u64);
        }
        (!piece.is_empty()).then_some(Ok::<_, std::convert::Infallible>(piece))
    });
    reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
}

/// For a `Retry-After` with a date from a pod that shows no clock of its own.
fn wall_clock() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::from_seconds(0).plus(since_1970.unwrap_or(Duration::ZERO))
}
