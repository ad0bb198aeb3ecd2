//! `POST /token`, and the check of the bearer token that every other operation bears.
//!
//! Tokens are JWTs as in the reference's sample: HS256, with nothing but `exp`, which the pod's own
//! clock sets. They are stateless, so many are valid at once.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::answer::{Answer, ErrorName, Outcome, Refusal};
use super::authorization::Authorization;
use super::request::Call;
use super::secret::derive;
use super::state::{Pod, State};

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// Why no token is given; the body is a `TokenError`.
struct TokenRefusal {
    status: StatusCode,
    error: &'static str,
    /// What about the request the reference does not allow.
    violation: Option<String>,
}

/// What a request for a token presents.
struct Credentials {
    username: String,
    password: String,
}

impl TokenRefusal {
    fn malformed(violation: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: "invalid_request",
            violation: Some(violation.into()),
        }
    }
}

/// Gives a token for `grant_type=password&username=admin&password=...`, form-encoded in the body.
pub(super) fn grant(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    let credentials = match credentials(pod, call) {
        Ok(credentials) => credentials,
        Err(refusal) => {
            if let Some(violation) = refusal.violation {
                state.log.violation(call.violation(&violation));
            }
            return Ok(Answer::token_error(refusal.status, refusal.error));
        }
    };
    let is_locked = pod
        .options
        .lock_after
        .is_some_and(|limit| state.wrong_passwords >= limit);
    if is_locked || !are_right(pod, state, &credentials) {
        state.wrong_passwords = state.wrong_passwords.saturating_add(1);
        let answer = Answer::token_error(StatusCode::UNAUTHORIZED, "invalid_grant");
        return Ok(answer);
    }
    state.wrong_passwords = 0;
    let life = i64::try_from(pod.options.token_life.as_secs()).unwrap_or(i64::MAX);
    let token = sign(state, pod.now(state).seconds().saturating_add(life));
    let token = json!({ "access_token": token, "token_type": "jwt" });
    Ok(Answer::json(&token))
}

/// Counts a sign-in, whatever becomes of its answer.
pub(super) fn count(pod: &Pod, state: &State, call: &Call) {
    if call.is_for_token()
        && call.method == Method::POST
        && let Ok(credentials) = credentials(pod, call)
    {
        pod.traffic.sign_in(are_right(pod, state, &credentials));
    }
}

fn are_right(pod: &Pod, state: &State, credentials: &Credentials) -> bool {
    credentials.username == pod.options.username
        && (state.password.is_unset() || state.password.is(&credentials.password))
}

fn credentials(pod: &Pod, call: &Call) -> Result<Credentials, TokenRefusal> {
    if call.over.is_some() {
        return Err(TokenRefusal {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..TokenRefusal::malformed("the body is too large")
        });
    }
    if pod.options.strict {
        // The parameter table says "query"; every sample sends a body. A query ends up in logs, so
        // it is refused.
        if call.query.is_some() {
            return Err(TokenRefusal::malformed(
                "credentials belong in the body, not in the query",
            ));
        }
        if call.content_type().as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(TokenRefusal::malformed(
                "the content type must be `application/x-www-form-urlencoded`",
            ));
        }
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&call.body)
        .into_owned()
        .collect();
    let field = |name: &str| {
        let mut values = form.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value.clone()),
            (None, _) => Err(TokenRefusal::malformed(format!("`{name}` is missing"))),
            (Some(_), Some(_)) => Err(TokenRefusal::malformed(format!("`{name}` is there twice"))),
        }
    };
    let grant_type = field("grant_type")?;
    let (username, password) = (field("username")?, field("password")?);
    if grant_type != "password" {
        let violation = Some("`grant_type` must be `password`".to_owned());
        return Err(TokenRefusal {
            status: StatusCode::BAD_REQUEST,
            error: "unsupported_grant_type",
            violation,
        });
    }
    Ok(Credentials { username, password })
}

/// Whether the request bears a valid token.
pub(super) fn is_authorized(pod: &Pod, state: &State, call: &Call) -> bool {
    match Authorization::of(&call.headers) {
        Authorization::Bearer(token) => is_valid(pod, state, token),
        _ => false,
    }
}

/// Refuses a request without a valid token.
pub(super) fn check(pod: &Pod, state: &State, call: &Call) -> Result<(), Refusal> {
    let unauthorized = |description: &str, violation| {
        Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            ErrorName::InvalidToken,
            description,
            violation,
        ))
    };
    let is_in_query = || {
        let is_token = |name: &str| name == "access_token" || name == "token";
        call.parameters().iter().any(|(name, _)| is_token(name))
    };
    match Authorization::of(&call.headers) {
        Authorization::Bearer(token) if is_valid(pod, state, token) => Ok(()),
        Authorization::Bearer(_) => unauthorized("the token is invalid or has expired", false),
        Authorization::Missing if is_in_query() => unauthorized(
            "the token belongs in `Authorization`, not in the query",
            true,
        ),
        Authorization::Missing => unauthorized("there is no token", false),
        _ => unauthorized("`Authorization` must be `Bearer` and a token", true),
    }
}

fn key(state: &State) -> hmac::Key {
    let epoch = format!("{}.{}", state.generation, state.token_epoch);
    hmac::Key::new(hmac::HMAC_SHA256, &derive(&state.key, &["token", &epoch]))
}

fn sign(state: &State, exp: i64) -> String {
    let payload = json!({ "exp": exp }).to_string();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = hmac::sign(&key(state), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn is_valid(pod: &Pod, state: &State, token: &str) -> bool {
    let read = || {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&key(state), signed.as_bytes(), &signature).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        serde_json::from_slice::<Value>(&payload)
            .ok()?
            .get("exp")?
            .as_i64()
    };
    read().is_some_and(|exp| pod.now(state).seconds() < exp)
}
