//! Signing in: the password grant, and how long a token is used.
//!
//! Pods lock people out, so a password that was rejected is not sent again before
//! whoever has the client allows it; for how long sign-in is paused is for the gate for
//! secrets alone to say. The clocks of pods lie, so a token's `exp` only counts against
//! the pod's own clock at the moment of issue.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::time::Instant;
use url::form_urlencoded;

use super::answer::Answer;
use super::error::{ApiError, PodErrorKind};
use super::tree;
use crate::config::Pod;
use crate::model::secret::Secret;
use crate::model::time::UnixTime;
use crate::net::clean;

/// Samples reuse a token for 50 minutes; the reference does not say.
const LONGEST_LIFE: Duration = Duration::from_secs(45 * 60);

/// What one client knows of its sign-in.
#[derive(Default)]
pub(super) struct Session {
    token: Option<Token>,
    /// Why the pod did not let us sign in, until that may be tried again.
    refused: Option<PodErrorKind>,
}

/// What is known of a token besides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// `jwt` in the reference.
    pub token_type: String,
    /// How long it is going to be used.
    pub used_for: Duration,
    /// How long it is valid by its own claim and the pod's clock, where both are known.
    pub valid_for: Option<Duration>,
}

struct Token {
    text: Secret,
    issued_at: Instant,
    facts: TokenFacts,
}

impl Session {
    /// The token, while it is worth using.
    pub(super) fn token(&self, now: Instant) -> Option<Secret> {
        let token = self.token.as_ref()?;
        let age = now.saturating_duration_since(token.issued_at);
        (age < token.facts.used_for).then(|| token.text.clone())
    }

    pub(super) fn facts(&self) -> Option<TokenFacts> {
        self.token.as_ref().map(|token| token.facts.clone())
    }

    /// The pod did not accept the token, or is suspected not to.
    pub(super) fn forget(&mut self) {
        self.token = None;
    }

    /// Why the pod is not asked for a token, where it refused one before.
    pub(super) fn refusal(&self) -> Option<PodErrorKind> {
        self.refused.clone()
    }

    /// The pod may be asked for a token once more, although it refused one.
    pub(super) fn permit_sign_in(&mut self) {
        self.refused = None;
    }

    /// Takes the pod's answer to a sign-in.
    pub(super) fn signed_in(
        &mut self,
        pod: &Pod,
        answer: &Answer,
        now: Instant,
    ) -> Result<Secret, PodErrorKind> {
        let value = answer.value();
        if answer.is_success() {
            let text = value.as_ref().and_then(|value| value.get("access_token"));
            if let Some(text) = text.and_then(Value::as_str).filter(|text| is_sound(text)) {
                let facts = facts(value.as_ref(), text, answer.date);
                let text = Secret::new(text);
                self.refused = None;
                self.token = Some(Token {
                    text: text.clone(),
                    issued_at: now,
                    facts,
                });
                return Ok(text);
            }
        }
        let hide = [pod.password.reveal()];
        let reported = answer.reported(&hide).map(|(error, _)| error);
        // An older web service answers `{"passwordRequired": true}`.
        let wants_password = value
            .as_ref()
            .and_then(|value| tree::at(value, &["passwordRequired"]))
            .and_then(tree::flag)
            == Some(true);
        match (answer.status, reported) {
            _ if wants_password => Err(self.wrong_password()),
            (_, Some(ApiError::NotLicensed)) => Err(answer.failure(&hide)),
            (401 | 403, _) => Err(self.wrong_password()),
            // OAuth 2 (RFC 6749 section 5.2) calls a wrong password `invalid_grant`, with 400.
            (400, Some(ApiError::Other(name))) if is_about_the_password(&name) => {
                Err(self.wrong_password())
            }
            (status @ (400 | 429), Some(error)) => {
                let kind = PodErrorKind::SignInRefused { status, error };
                self.token = None;
                self.refused = Some(kind.clone());
                Err(kind)
            }
            (200..300, None) => Err(answer.lacks("access_token")),
            _ => Err(answer.failure(&hide)),
        }
    }

    fn wrong_password(&mut self) -> PodErrorKind {
        self.token = None;
        self.refused = Some(PodErrorKind::WrongPassword { asked: false });
        PodErrorKind::WrongPassword { asked: true }
    }
}

/// The form of the password grant, in the reference's order of fields.
pub(super) fn form(pod: &Pod) -> Secret {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "password")
        .append_pair("username", &pod.username)
        .append_pair("password", pod.password.reveal())
        .finish();
    Secret::new(form)
}

/// Whether it can stand in a header.
fn is_sound(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= 16 * 1024
        && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_about_the_password(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    ["grant", "credential", "password", "denied", "unauthor"]
        .iter()
        .any(|word| error.contains(word))
        && error != "unsupported_grant_type"
}

fn facts(answer: Option<&Value>, token: &str, date: Option<UnixTime>) -> TokenFacts {
    let token_type = answer
        .and_then(|answer| tree::at(answer, &["token_type"]))
        .and_then(tree::text)
        .map(|text| clean::line(&text, 20));
    let valid_for = valid_for(token, date);
    let used_for = valid_for.map_or(LONGEST_LIFE, |life| {
        // A little early, so that it does not end on its way.
        let early = (life / 10).min(Duration::from_secs(60));
        (life - early).min(LONGEST_LIFE)
    });
    TokenFacts {
        token_type: token_type.unwrap_or_default(),
        used_for,
        valid_for,
    }
}

/// `exp` less the moment of issue by the pod's clock: `iat`, or the answer's `Date`.
///
/// `None` where one of them is missing or the difference makes no sense; the
/// local clock does not count.
fn valid_for(token: &str, date: Option<UnixTime>) -> Option<Duration> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let expires = tree::integer(claims.get("exp")?)?;
    let issued = match claims.get("iat").and_then(tree::integer) {
        Some(issued) => issued,
        None => date?.seconds(),
    };
    let seconds = u64::try_from(expires.checked_sub(issued)?).ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn jwt(claims: &str) -> String {
        format!("eyJ0eXAiOiJKV1QifQ.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_life_of_a_token_is_judged_by_the_clock_of_its_pod() {
        let date = UnixTime::parse("2020-06-24T15:03:58Z"); // 1593011038
        for (claims, date, seconds) in [
            (r#"{"exp":1593014638}"#, date, Some(3600)),
            (r#"{"exp":1593014638}"#, None, None),
            (r#"{"exp":1593014638,"iat":1593014628}"#, date, Some(10)),
            (r#"{"exp":1593011038}"#, date, None),
            (r#"{"exp":1}"#, date, None),
            (r#"{"exp":"soon"}"#, date, None),
            (r#"{"exp":9223372036854775807,"iat":-5}"#, date, None),
            ("no json", date, None),
        ] {
            assert_eq!(
                valid_for(&jwt(claims), date),
                seconds.map(Duration::from_secs),
                "{claims}"
            );
        }
        assert_eq!(valid_for("opaque", date), None);
        let used = |claims: &str| facts(None, &jwt(claims), date).used_for.as_secs();
        assert_eq!(used(r#"{"exp":1593014638}"#), 45 * 60);
        assert_eq!(used(r#"{"exp":1593011048}"#), 9);
        assert_eq!(used("{}"), 45 * 60);
    }

    #[test]
    fn the_answers_to_a_sign_in_are_told_apart() {
        let pod = super::super::tests::pod("192.0.2.11", "pw-to-hide");
        let check = |status: u16, body: &str, key: &str, refuses: bool| {
            let answer = Answer {
                status,
                content_type: "application/json".into(),
                date: None,
                retry_after: None,
                body: Bytes::copy_from_slice(body.as_bytes()),
                place: None,
            };
            let mut session = Session::default();
            let now = Instant::now();
            let error = session.signed_in(&pod, &answer, now).unwrap_err();
            assert_eq!(error.key(), key, "{status} {body}: {error:?}");
            let refusal = session.refusal();
            assert_eq!(refusal.is_some(), refuses, "{status} {body}");
            assert!(refusal.is_none_or(|refusal| refusal.key() == key));
            session.permit_sign_in();
            assert!(session.refusal().is_none());
            assert!(!format!("{error:?}").contains("pw-to-hide"));
        };
        check(401, r#"{"error":"unauthorized"}"#, "wrong_password", true);
        check(401, "", "wrong_password", true);
        check(403, "<html>", "wrong_password", true);
        check(400, r#"{"error":"invalid_grant"}"#, "wrong_password", true);
        check(
            400,
            r#"{"error":"bad pw-to-hide"}"#,
            "sign_in_refused",
            true,
        );
        check(
            400,
            r#"{"error":"invalid_request"}"#,
            "sign_in_refused",
            true,
        );
        check(429, r#"{"error":"slow down"}"#, "sign_in_refused", true);
        check(200, r#"{"passwordRequired":true}"#, "wrong_password", true);
        check(200, "{}", "unexpected_answer", false);
        check(200, r#"{"access_token":""}"#, "unexpected_answer", false);
        check(
            200,
            "{\"access_token\":\"a\\nb\"}",
            "unexpected_answer",
            false,
        );
        check(200, "<html>", "unexpected_answer", false);
        check(404, "", "unexpected_answer", false);
        check(
            500,
            r#"{"errors":[{"error":"internal"}]}"#,
            "internal",
            false,
        );
        check(
            403,
            r#"{"errors":[{"error":"not_licensed"}]}"#,
            "not_licensed",
            false,
        );
    }

    #[test]
    fn the_form_is_spelt_as_in_the_reference_and_encoded() {
        let pod = super::super::tests::pod("192.0.2.11", "a&b=c+d é%");
        assert_eq!(
            form(&pod).reveal(),
            "grant_type=password&username=admin&password=a%26b%3Dc%2Bd+%C3%A9%25"
        );
    }
}
