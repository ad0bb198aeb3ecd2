//! Access tokens of OAuth 2.0 from a refresh token (RFC 6749 section 6), as
//! Google's CalDAV asks for them. Kept in memory until shortly before they end.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use tokio::time::Instant;

use super::error::{PullError, PullErrorKind, Status, TokenProblem};
use super::exchange::{self, Limits, Question};
use super::network::{Network, locked};
use crate::config::OAuth2;
use crate::model::secret::Secret;

/// A token endpoint answers a few hundred bytes.
const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(20),
    size: 64 * 1024,
};

/// Renewed this long before it ends, so that it does not end under way.
const MARGIN: Duration = Duration::from_secs(60);

/// For servers that do not say how long a token lives (`expires_in` is optional).
const USUAL_LIFE: Duration = Duration::from_secs(1800);

#[derive(Default)]
pub(super) struct Access {
    token: Mutex<Option<(Secret, Instant)>>,
    /// A server may hand out a new refresh token with each access token.
    refresh: Mutex<Option<Secret>>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
    error: Option<String>,
}

impl Access {
    /// The access token in force, or a new one.
    pub(super) async fn token(
        &self,
        oauth2: &OAuth2,
        network: &Network,
    ) -> Result<Secret, PullError> {
        let kept = locked(&self.token).clone();
        if let Some((token, until)) = kept
            && Instant::now() < until
        {
            return Ok(token);
        }
        let granted = self.ask(oauth2, network).await?;
        let fault = |reason| PullErrorKind::NoAccessToken(reason).at(oauth2.token_url.host());
        let token = granted.access_token.map(Secret::new);
        let token = token.ok_or_else(|| fault(TokenProblem::Unreadable))?;
        let life = granted
            .expires_in
            .and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
            .map_or(USUAL_LIFE, Duration::from_secs)
            .min(Duration::from_secs(86_400));
        let until = Instant::now() + life.saturating_sub(MARGIN);
        *locked(&self.token) = Some((token.clone(), until));
        if let Some(refresh) = granted.refresh_token {
            *locked(&self.refresh) = Some(Secret::new(refresh));
        }
        Ok(token)
    }

    /// The server refused the token before its time.
    pub(super) fn forget(&self) {
        *locked(&self.token) = None;
    }

    async fn ask(&self, oauth2: &OAuth2, network: &Network) -> Result<Granted, PullError> {
        let refresh = locked(&self.refresh)
            .clone()
            .unwrap_or_else(|| oauth2.refresh_token.clone());
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
        let question = Question {
            method: Method::POST,
            url: oauth2.token_url.clone(),
            headers,
            body: form.into(),
        };
        let fault = |reason| PullErrorKind::NoAccessToken(reason).at(oauth2.token_url.host());
        let mut budget = LIMITS.timeout;
        let answer = exchange::once(network, &question, LIMITS, &mut budget)
            .await
            .map_err(|error| fault(TokenProblem::NotReached(Box::new(error))))?;
        let granted: Option<Granted> = serde_json::from_slice(&answer.body).ok();
        if answer.status.is_success() {
            return granted.ok_or_else(|| fault(TokenProblem::Unreadable));
        }
        // RFC 6749 section 5.2: 400 or 401 with a word such as `invalid_grant`.
        let word = granted.and_then(|granted| granted.error).filter(|word| {
            word.len() <= 40 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
        Err(fault(match word {
            Some(word) if answer.status.is_client_error() => TokenProblem::Denied {
                word,
                retry_after: None,
            },
            _ => TokenProblem::Status {
                status: Status(answer.status.as_u16()),
                retry_after: None,
            },
        })
        .seen(None, true))
    }
}
