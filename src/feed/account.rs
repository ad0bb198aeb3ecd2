//! What an account at a calendar server is known by, so that feeds that sign in
//! with the same secret are told of each other's rejections.

use std::fmt;

use ring::digest;

use crate::config::{Login, Source};
use crate::model::digest::hex;

/// Host and user of a password; host and a digest of the credential for tokens
/// and OAuth 2.0. Never the secret itself, nor a digest of a password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(String);

impl AccountKey {
    /// `None` where there is no login.
    pub(super) fn of(source: &Source) -> Option<Self> {
        let (Source::Ics { url, login } | Source::CalDav { url, login, .. }) = source else {
            return None;
        };
        Some(Self(match login {
            Login::None => return None,
            Login::Password { username, .. } => format!("{username}@{}", url.host()),
            Login::Token(token) => {
                format!("{}#{}", url.host(), digest_of(&[token.reveal()]))
            }
            // The secret is judged by the token endpoint, for all feeds that use it.
            Login::OAuth2(oauth2) => format!(
                "{}#{}",
                oauth2.token_url.host(),
                digest_of(&[
                    oauth2.token_url.reveal().as_str(),
                    &oauth2.client_id,
                    oauth2.client_secret.reveal(),
                    oauth2.refresh_token.reveal(),
                ])
            ),
        }))
    }

    /// Such as `room@dav.example.com`; stable over restarts, for the ledger.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts with their lengths, so that no two lists run together.
pub(super) fn digest_of(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref().get(..10).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::OAuth2;
    use crate::model::feed_url::FeedUrl;
    use crate::model::secret::Secret;

    fn key(address: &str, login: Login) -> Option<AccountKey> {
        AccountKey::of(&Source::Ics {
            url: FeedUrl::parse(address).unwrap().0,
            login,
        })
    }

    #[test]
    fn a_password_is_for_a_user_at_a_host() {
        let login = |password: &str| Login::Password {
            username: "room".to_owned(),
            password: Secret::new(password),
        };
        let one = key("https://dav.example.com/a", login("first")).unwrap();
        assert_eq!(one.as_str(), "room@dav.example.com");
        let other = key("https://dav.example.com/b", login("second"));
        assert_eq!(other, Some(one.clone()), "a new password is no new account");
        assert_ne!(key("https://dav.example.com:8443/a", login("x")), Some(one));
        assert_eq!(key("https://dav.example.com/a", Login::None), None);
    }

    #[test]
    fn a_token_is_told_by_its_digest() {
        let login = |token: &str| Login::Token(Secret::new(token));
        let one = key("https://dav.example.com/a", login("t0k3n")).unwrap();
        assert_eq!(
            key("https://dav.example.com/b", login("t0k3n")),
            Some(one.clone())
        );
        assert_ne!(
            key("https://dav.example.com/a", login("other")),
            Some(one.clone())
        );
        assert!(!format!("{one} {one:?}").contains("t0k3n"));
        assert!(one.as_str().starts_with("dav.example.com#"));
    }

    #[test]
    fn one_oauth_credential_is_one_account_at_any_host() {
        let login = || {
            Login::OAuth2(Arc::new(OAuth2 {
                token_url: FeedUrl::parse("https://login.example.net/token").unwrap().0,
                client_id: "id".to_owned(),
                client_secret: Secret::new("s3cret"),
                refresh_token: Secret::new("r3fresh"),
            }))
        };
        let one = key("https://a.example.com/", login()).unwrap();
        assert_eq!(key("https://b.example.com/", login()), Some(one.clone()));
        assert!(one.as_str().starts_with("login.example.net#"), "{one}");
    }
}
