//! `POST /token`, and the check of the bearer token that every other operation bears.
//!
//! Tokens are JWTs as in the reference's sample: HS256, with nothing but `exp`, which the pod's own clock sets. They
//! are stateless, so many are good at once.

use axum::http::{StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::answer::{Answer, ErrorName, Refusal};
use super::pod::{Pod, State};
use super::secret::derive;
use super::strict::Asked;

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// Why no token is given; the body is a `TokenError`.
pub(super) struct Refused {
    pub status: StatusCode,
    pub error: &'static str,
    /// What about the request the reference does not allow.
    pub violation: Option<String>,
}

impl Refused {
    fn malformed(violation: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: "invalid_request",
            violation: Some(violation.into()),
        }
    }

    fn credentials() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_grant",
            violation: None,
        }
    }
}

/// Gives a token for `grant_type=password&username=admin&password=...`, form-encoded in the body.
pub(super) fn grant(pod: &Pod, state: &mut State, asked: &Asked) -> Result<Answer, Refused> {
    if asked.over.is_some() {
        return Err(Refused {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Refused::malformed("the body is too large")
        });
    }
    if pod.options.strict {
        // The parameter table says "query"; every sample sends a body. A query lands in logs, so it is not taken.
        if asked.query.is_some() {
            return Err(Refused::malformed(
                "credentials belong in the body, not in the query",
            ));
        }
        if asked.content_type().as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(Refused::malformed(
                "the content type must be `application/x-www-form-urlencoded`",
            ));
        }
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&asked.body)
        .into_owned()
        .collect();
    let field = |name: &str| -> Result<&str, Refused> {
        let mut values = form
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(Refused::malformed(format!("`{name}` is missing"))),
            (Some(_), Some(_)) => Err(Refused::malformed(format!("`{name}` is there twice"))),
        }
    };
    let grant_type = field("grant_type")?;
    let (username, password) = (field("username")?, field("password")?);
    if grant_type != "password" {
        let violation = Some("`grant_type` must be `password`".to_owned());
        return Err(Refused {
            status: StatusCode::BAD_REQUEST,
            error: "unsupported_grant_type",
            violation,
        });
    }
    let locked = pod
        .options
        .lock_after
        .is_some_and(|limit| state.wrong_passwords >= limit);
    let right = state.password.is_unset() || state.password.is(password);
    if locked || username != pod.options.username || !right {
        state.wrong_passwords = state.wrong_passwords.saturating_add(1);
        return Err(Refused::credentials());
    }
    state.wrong_passwords = 0;
    let life = i64::try_from(pod.options.token_life.as_secs()).unwrap_or(i64::MAX);
    let token = sign(pod, state, pod.now(state).seconds().saturating_add(life));
    Ok(Answer::json(
        &json!({ "access_token": token, "token_type": "jwt" }),
    ))
}

/// Whether the request bears a token that is good now.
pub(super) fn is_authorized(pod: &Pod, state: &State, asked: &Asked) -> bool {
    bearer(asked).is_some_and(|token| is_good(pod, state, token))
}

/// Refuses a request without a good token.
pub(super) fn check(pod: &Pod, state: &State, asked: &Asked) -> Result<(), Refusal> {
    let unauthorized = |description: &str, violation| {
        Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            ErrorName::InvalidToken,
            description,
            violation,
        ))
    };
    match bearer(asked) {
        Some(token) if is_good(pod, state, token) => Ok(()),
        Some(_) => unauthorized("the token is not good, or no longer", false),
        None if asked.headers.contains_key(header::AUTHORIZATION) => {
            unauthorized("`Authorization` must be `Bearer` and a token", true)
        }
        None if asked
            .parameters()
            .iter()
            .any(|(name, _)| name == "access_token" || name == "token") =>
        {
            unauthorized(
                "the token belongs in `Authorization`, not in the query",
                true,
            )
        }
        None => unauthorized("there is no token", false),
    }
}

fn bearer(asked: &Asked) -> Option<&str> {
    let mut values = asked.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?.strip_prefix("Bearer ")?;
    values.next().is_none().then_some(value)
}

fn key(pod: &Pod, state: &State) -> hmac::Key {
    let epoch = format!("{}.{}", state.generation, state.token_epoch);
    hmac::Key::new(hmac::HMAC_SHA256, &derive(&pod.key, &["token", &epoch]))
}

fn sign(pod: &Pod, state: &State, exp: i64) -> String {
    let payload = json!({ "exp": exp }).to_string();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = hmac::sign(&key(pod, state), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn is_good(pod: &Pod, state: &State, token: &str) -> bool {
    let read = || {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&key(pod, state), signed.as_bytes(), &signature).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        serde_json::from_slice::<Value>(&payload)
            .ok()?
            .get("exp")?
            .as_i64()
    };
    read().is_some_and(|exp| pod.now(state).seconds() < exp)
}
