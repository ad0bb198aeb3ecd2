//! Basic login (RFC 7617): one user, compared in constant time.

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::config;

/// Who may read. Holds a digest alone.
pub struct Login {
    key: hmac::Key,
    tag: hmac::Tag,
}

/// What a request says of who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Granted,
    /// It says nothing yet, as at the first visit of a browser.
    Missing,
    Wrong,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

impl Login {
    /// `None`: everybody may read.
    #[must_use]
    pub fn of(web: &config::Web) -> Option<Self> {
        let login = web.login.as_ref()?;
        let expected = format!("{}:{}", login.username, login.password.reveal());
        // The key is no secret: it makes what is compared as long whatever is sent.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"podcal web login");
        let tag = hmac::sign(&key, expected.as_bytes());
        Some(Self { key, tag })
    }

    #[must_use]
    pub fn admits(&self, headers: &HeaderMap) -> Admission {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Admission::Missing;
        };
        let sent = value.to_str().ok().and_then(|value| {
            let (scheme, credentials) = value.split_once(' ')?;
            let is_basic = scheme.eq_ignore_ascii_case("basic");
            STANDARD
                .decode(credentials.trim())
                .ok()
                .filter(|_| is_basic)
        });
        let is_right =
            sent.is_some_and(|sent| hmac::verify(&self.key, &sent, self.tag.as_ref()).is_ok());
        match is_right {
            true => Admission::Granted,
            false => Admission::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WebLogin;
    use crate::model::secret::Secret;

    #[test]
    fn one_user_with_one_password_may_read() {
        let login = Login::of(&config::Web {
            listen: ([127, 0, 0, 1], 0).into(),
            login: Some(WebLogin {
                username: "desk".to_owned(),
                password: Secret::new("open: sesame ü"),
            }),
        })
        .unwrap();
        let says = |value: Option<String>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            login.admits(&headers)
        };
        let basic = |text: &str| Some(format!("bAsIc {}", STANDARD.encode(text)));
        assert_eq!(says(basic("desk:open: sesame ü")), Admission::Granted);
        assert_eq!(says(None), Admission::Missing);
        for wrong in ["desk:open: sesame", "desk:", "", "other:open: sesame ü"] {
            assert_eq!(says(basic(wrong)), Admission::Wrong, "{wrong}");
        }
        assert_eq!(says(Some("Bearer abc".to_owned())), Admission::Wrong);
        assert_eq!(says(Some("Basic %%%".to_owned())), Admission::Wrong);
    }
}
