//! Signing in: which `Authorization` a request gets, and what to try when the
//! server rejects it (RFC 7617 Basic, RFC 7616 Digest, RFC 6750 Bearer).
//!
//! A login is for the host that it was configured for, and for hosts which that
//! one named over https when a calendar was discovered. It is sent to no other host.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::challenge::{self, Challenge};
use super::digest::Digest;
use super::error::{LoginUsed, PullError, PullErrorKind};
use super::network::{Network, locked};
use super::oauth;
use super::place::is_loopback;
use crate::config::Login;
use crate::model::feed_url::FeedUrl;
use crate::model::secret::Secret;
use crate::model::time::UnixTime;

/// One server with its homes; a hostile answer may name many more hosts.
const MAX_TRUSTED: usize = 16;

/// The login of one feed and what is known about how its server wants it.
pub(super) struct Session {
    login: Login,
    /// Host and port that may see the login.
    trusted: Mutex<Vec<FeedUrl>>,
    scheme: Mutex<Scheme>,
}

/// How this server wants a user name and password, as far as is known.
enum Scheme {
    Unknown,
    Basic,
    Digest(Box<Digest>),
}

/// What was tried for one request, so that nothing is tried twice.
#[derive(Default)]
pub(super) struct Attempts {
    basic: bool,
    digests: u8,
    renewed: bool,
    kept_back: bool,
    /// The access token that was sent.
    token: Option<Secret>,
    last: Option<&'static str>,
}

impl Session {
    pub(super) fn new(login: Login, url: &FeedUrl) -> Self {
        Self {
            login,
            trusted: Mutex::new(vec![url.clone()]),
            scheme: Mutex::new(Scheme::Unknown),
        }
    }

    /// The server named this address as part of the calendar: it may see the
    /// login if both are encrypted.
    pub(super) fn trust(&self, named_by: &FeedUrl, url: &FeedUrl) {
        if named_by.is_encrypted()
            && url.is_encrypted()
            && self.is_for(named_by)
            && !self.is_for(url)
        {
            let mut trusted = locked(&self.trusted);
            if trusted.len() < MAX_TRUSTED {
                trusted.push(url.clone());
            }
        }
    }

    /// Whether the login may be sent to this address.
    pub(super) fn is_for(&self, url: &FeedUrl) -> bool {
        locked(&self.trusted)
            .iter()
            .any(|known| same_host(known, url))
    }

    /// The header for the next attempt; `None` to send the request without one.
    pub(super) async fn authorization(
        &self,
        method: &Method,
        url: &FeedUrl,
        attempts: &mut Attempts,
        network: &Network,
        now: UnixTime,
    ) -> Result<Option<HeaderValue>, PullError> {
        if matches!(self.login, Login::None) {
            return Ok(None);
        }
        if !self.is_for(url) {
            attempts.kept_back = true;
            return Ok(None);
        }
        attempts.kept_back = false;
        let text = match &self.login {
            Login::None => return Ok(None),
            Login::Token(token) => {
                attempts.last = Some("Bearer");
                format!("Bearer {}", token.reveal())
            }
            Login::OAuth2(oauth2) => {
                attempts.last = Some("OAuth 2.0");
                let token = oauth::access_token(network, oauth2, now).await?;
                let text = format!("Bearer {}", token.reveal());
                attempts.token = Some(token);
                text
            }
            Login::Password { username, password } => {
                match &mut *locked(&self.scheme) {
                    Scheme::Digest(digest) => {
                        attempts.digests += 1;
                        attempts.last = Some("Digest");
                        digest.answer(method, url, username, password)
                    }
                    // Over an open line a password is sent in clear only when the
                    // server asks for that, since it may know Digest.
                    Scheme::Unknown if !(url.is_encrypted() || is_loopback(url)) => {
                        return Ok(None);
                    }
                    Scheme::Unknown | Scheme::Basic => {
                        attempts.basic = true;
                        attempts.last = Some("Basic");
                        let pair = format!("{username}:{}", password.reveal());
                        format!("Basic {}", BASE64.encode(pair))
                    }
                }
            }
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| PullErrorKind::BadSetting("token").at(url.host()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Whether a request that was rejected is worth repeating, in another way.
    pub(super) async fn try_again(
        &self,
        status: u16,
        headers: &HeaderMap,
        attempts: &mut Attempts,
        network: &Network,
    ) -> bool {
        if attempts.kept_back {
            return false;
        }
        match &self.login {
            Login::None | Login::Token(_) => false,
            // An access token can be revoked before it expires.
            Login::OAuth2(oauth2) if status == 401 && !attempts.renewed => {
                attempts.renewed = true;
                if let Some(token) = &attempts.token {
                    oauth::revoked(network, oauth2, token).await;
                }
                true
            }
            Login::OAuth2(_) => false,
            Login::Password { .. } => self.choose(status, headers, attempts),
        }
    }

    fn choose(&self, status: u16, headers: &HeaderMap, attempts: &mut Attempts) -> bool {
        let challenges: Vec<Challenge> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .flat_map(|value| challenge::read(&String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let mut scheme = locked(&self.scheme);
        if status != 401 {
            // A server may hide from strangers what it would show to the owner
            // of a login that was not sent yet.
            let unsent = attempts.last.is_none() && matches!(status, 403 | 404);
            if unsent {
                *scheme = Scheme::Basic;
            }
            return unsent;
        }
        // A nonce that has run out is no refusal of the password (RFC 7616 section 3.3).
        let stale = challenges.iter().any(Challenge::is_stale);
        let offers_basic = challenges.iter().any(|challenge| challenge.is("basic"));
        // It takes the password as it was sent, so the password is wrong. Once more in
        // another way only brings the account nearer to being locked.
        let is_refused = attempts.basic && offers_basic;
        let digest_left = attempts.digests == 0 || (stale && attempts.digests < 3);
        if !is_refused
            && digest_left
            && let Some(digest) = Digest::best_of(&challenges)
        {
            *scheme = Scheme::Digest(Box::new(digest));
            return true;
        }
        // Some say 401 and name no scheme; some servers offer a Digest that they
        // then refuse. Basic is tried once for both.
        if !attempts.basic && (offers_basic || challenges.is_empty()) {
            *scheme = Scheme::Basic;
            return true;
        }
        // Nothing worked: the next pull finds its way anew.
        *scheme = Scheme::Unknown;
        false
    }

    /// For the error, when nothing is left to try.
    pub(super) fn used(&self, attempts: &Attempts) -> LoginUsed {
        match (&self.login, attempts.last) {
            (Login::None, _) => LoginUsed::None,
            _ if attempts.kept_back => LoginUsed::KeptBack,
            (_, Some(scheme)) => LoginUsed::Sent(scheme),
            (_, None) => LoginUsed::NoCommonScheme,
        }
    }

    /// How the last request signed in, for people.
    pub(super) fn scheme(&self) -> &'static str {
        match &self.login {
            Login::None => "none",
            Login::Token(_) => "Bearer token",
            Login::OAuth2(_) => "OAuth 2.0",
            Login::Password { .. } => match &*locked(&self.scheme) {
                Scheme::Digest(digest) => digest.name(),
                Scheme::Unknown | Scheme::Basic => "Basic",
            },
        }
    }
}

/// The same host and port; a step from http to https on the usual ports is no
/// other host.
fn same_host(known: &FeedUrl, other: &FeedUrl) -> bool {
    let (known, other) = (known.reveal(), other.reveal());
    let port = |url: &url::Url| url.port_or_known_default();
    known.host() == other.host()
        && (known.scheme() == other.scheme() && port(known) == port(other)
            || known.scheme() == "http"
                && other.scheme() == "https"
                && (port(known), port(other)) == (Some(80), Some(443)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::tests::NOW;

    fn url(text: &str) -> FeedUrl {
        FeedUrl::parse(text).unwrap().0
    }

    #[test]
    fn a_login_is_for_its_host_and_for_those_named_over_https() {
        let session = Session::new(
            Login::Token(Secret::new("t0k3n")),
            &url("https://caldav.example.com/"),
        );
        let home = url("https://p12-caldav.example.com/1/");
        assert!(session.is_for(&url("https://caldav.example.com/other")));
        assert!(!session.is_for(&url("http://caldav.example.com/")));
        assert!(!session.is_for(&url("https://caldav.example.com:8443/")));
        assert!(!session.is_for(&home));
        session.trust(&url("https://stranger.example.net/"), &home);
        assert!(!session.is_for(&home), "a stranger cannot vouch");
        session.trust(
            &url("https://caldav.example.com/"),
            &url("http://p12-caldav.example.com/"),
        );
        assert!(!session.is_for(&url("http://p12-caldav.example.com/")));
        session.trust(&url("https://caldav.example.com/"), &home);
        assert!(session.is_for(&home));
    }

    #[test]
    fn going_from_http_to_https_is_no_other_host() {
        let session = Session::new(Login::None, &url("http://caldav.example.com/"));
        assert!(session.is_for(&url("https://caldav.example.com/")));
        assert!(!session.is_for(&url("https://www.example.com/")));
    }

    /// Over an open line the server is asked first whether it knows Digest.
    #[tokio::test]
    async fn a_password_is_not_volunteered_in_clear() {
        let login = Login::Password {
            username: "room".to_owned(),
            password: Secret::new("hunter2"),
        };
        let place = url("http://dav.example.com/");
        let session = Session::new(login, &place);
        let network = Network::new();
        let mut attempts = Attempts::default();
        let header = session.authorization(&Method::GET, &place, &mut attempts, &network, NOW);
        assert_eq!(header.await.unwrap(), None);
        let none = HeaderMap::new();
        assert!(session.try_again(401, &none, &mut attempts, &network).await);
        let header = session.authorization(&Method::GET, &place, &mut attempts, &network, NOW);
        let value = header.await.unwrap().unwrap();
        assert!(value.is_sensitive() && value.to_str().unwrap().starts_with("Basic "));
        assert!(!format!("{value:?}").contains("aHVudGVy"));
        assert!(!session.try_again(401, &none, &mut attempts, &network).await);
    }
}
