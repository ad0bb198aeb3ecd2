//! Access tokens of OAuth 2.0 from a refresh token (RFC 6749 section 6), as
//! Google's CalDAV asks for them.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use tokio::time::Instant;

use super::error::{PullError, PullErrorKind, Status, TokenProblem};
use super::network::Network;
use super::place::Reach;
use super::tokens::{Credential, CredentialState, Failure, Kept};
use super::transport::{Limits, Request, Response, Wire};
use crate::config::{OAuth2, TlsTrust};
use crate::model::secret::Secret;
use crate::model::time::UnixTime;
use crate::net::retry_after;

/// A token endpoint answers a few hundred bytes.
const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(20),
    size: 64 * 1024,
};

/// Renewed this long before it ends, so that it does not end under way.
const MARGIN: Duration = Duration::from_secs(60);

/// For servers that do not say how long a token lives (`expires_in` is optional).
const USUAL_LIFE: Duration = Duration::from_secs(1800);

#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
    error: Option<String>,
}

/// The access token in force, or a new one.
pub(super) async fn access_token(
    network: &Network,
    oauth2: &Arc<OAuth2>,
    now: UnixTime,
) -> Result<Secret, PullError> {
    let credential = network.tokens().credential(oauth2);
    let asked_at = Instant::now();
    let mut state = Arc::clone(&credential.state).lock_owned().await;
    if let Some((token, until)) = &state.access
        && Instant::now() < *until
    {
        return Ok(token.clone());
    }
    // What failed for one feed failed for those that waited for it, and there is
    // no other request before the server allows one.
    if let Some(failure) = &state.failure
        && (failure.at > asked_at || Instant::now() < failure.until)
    {
        return Err(failure.error.clone());
    }
    let (network, oauth2) = (network.clone(), Arc::clone(oauth2));
    // In a task of its own: a rotated refresh token must not be lost because
    // whoever asked has given up.
    let renewing = tokio::spawn(async move {
        let renewed = renew(&network, &credential, &oauth2, &mut state, now).await;
        state.failure = renewed.as_ref().err().map(|error| {
            let at = Instant::now();
            Failure {
                at,
                until: at + error.retry_after().unwrap_or_default(),
                error: error.clone(),
            }
        });
        renewed
    });
    match renewing.await {
        Ok(renewed) => renewed,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and drops this task next.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Why a refresh token that the server put in place of the configured one is lost when
/// this process ends, if so.
pub(super) async fn not_saved(network: &Network, oauth2: &OAuth2) -> Option<String> {
    let credential = network.tokens().credential(oauth2);
    let state = credential.state.lock().await;
    state.not_saved.clone()
}

/// The server refused this token before its time.
pub(super) async fn revoked(network: &Network, oauth2: &OAuth2, token: &Secret) {
    let credential = network.tokens().credential(oauth2);
    let mut state = credential.state.lock().await;
    // Another feed may have got a new one meanwhile.
    if state
        .access
        .as_ref()
        .is_some_and(|(known, _)| known == token)
    {
        state.access = None;
        state.revoked = Some(token.clone());
    }
}

async fn renew(
    network: &Network,
    credential: &Credential,
    oauth2: &OAuth2,
    state: &mut CredentialState,
    now: UnixTime,
) -> Result<Secret, PullError> {
    // Held until the new token is in the file.
    let _lock = network.tokens().lock().await;
    let kept = network.tokens().load(credential).await;
    if let Some((token, life)) = kept.as_ref().and_then(|kept| kept.access(now))
        && state.revoked.as_ref() != Some(&token)
    {
        state.access = Some((token.clone(), Instant::now() + life));
        return Ok(token);
    }
    let in_file = kept.and_then(|kept| kept.refresh_token.map(Secret::new));
    let in_memory = state.refresh.clone();
    // The file is newer, since another process may have written it, unless it
    // could not be written here.
    let refresh = match &state.not_saved {
        None => in_file.or(in_memory),
        Some(_) => in_memory.or(in_file),
    };
    let refresh = refresh.unwrap_or_else(|| oauth2.refresh_token.clone());
    let granted = ask(network, oauth2, &refresh, now).await?;
    let token = granted.access_token.map(Secret::new).ok_or_else(|| {
        let kind = PullErrorKind::NoAccessToken(TokenProblem::Unreadable);
        kind.at(oauth2.token_url.host()).seen(None, true)
    })?;
    let life = granted
        .expires_in
        .and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
        .map_or(USUAL_LIFE, Duration::from_secs)
        .min(Duration::from_secs(86_400))
        .saturating_sub(MARGIN);
    state.access = Some((token.clone(), Instant::now() + life));
    state.revoked = None;
    let rotated = granted.refresh_token.map(Secret::new);
    let refresh = rotated.unwrap_or(refresh);
    let is_new = refresh != oauth2.refresh_token;
    state.refresh = is_new.then(|| refresh.clone());
    let kept = Kept {
        refresh_token: is_new.then(|| refresh.reveal().to_owned()),
        access_token: Some(token.reveal().to_owned()),
        expires_at: now.plus(life).seconds(),
        saved_at: now.seconds(),
    };
    let not_saved = network.tokens().save(credential, kept).await;
    // The one in the configuration is good for ever.
    state.not_saved = not_saved.filter(|_| is_new);
    Ok(token)
}

async fn ask(
    network: &Network,
    oauth2: &OAuth2,
    refresh: &Secret,
    now: UnixTime,
) -> Result<Granted, PullError> {
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", refresh.reveal())
        .append_pair("client_id", &oauth2.client_id)
        .append_pair("client_secret", oauth2.client_secret.reveal())
        .finish();
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let request = Request {
        method: Method::POST,
        url: oauth2.token_url.clone(),
        headers,
        body: form.into(),
        has_secret: true,
    };
    let wire = Wire::new(network, &TlsTrust::Ca, &oauth2.token_url);
    let mut budget = LIMITS.timeout;
    let answered = wire
        .send(&request, LIMITS, Reach::Anywhere, &mut budget)
        .await;
    let problem = |problem| {
        PullErrorKind::NoAccessToken(problem)
            .at(oauth2.token_url.host())
            .seen(None, wire.secret_was_sent())
    };
    let answer =
        answered.map_err(|error| problem(TokenProblem::NotReached(Box::new(error.kind))))?;
    let granted: Option<Granted> = serde_json::from_slice(&answer.body).ok();
    if answer.status.is_success() {
        return granted.ok_or_else(|| problem(TokenProblem::Unreadable));
    }
    Err(problem(denied(&answer, granted, now)))
}

/// RFC 6749 section 5.2: 400 or 401 with a word such as `invalid_grant`.
fn denied(answer: &Response, granted: Option<Granted>, now: UnixTime) -> TokenProblem {
    let retry_after = answer
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| retry_after::parse(value.to_str().ok()?, now));
    let word = granted.and_then(|granted| granted.error).filter(|word| {
        word.len() <= 40 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    match word {
        Some(word) if answer.status.is_client_error() => TokenProblem::Denied { word, retry_after },
        _ => TokenProblem::Status {
            status: Status(answer.status.as_u16()),
            retry_after,
        },
    }
}
