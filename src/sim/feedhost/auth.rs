//! Sign-in to the feeds: Basic (RFC 7617) or Digest (RFC 7616) with MD5 or SHA-256.

use std::fmt;

use axum::extract::Request;
use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use ring::digest;

use crate::sim::secret::hex;

const REALM: &str = "calendars";
/// One nonce for ever is enough here: a replay is nobody's loss.
const NONCE: &str = "7f3a9c51e2b84d06";

/// What a client must present.
#[derive(Clone)]
pub struct SignIn {
    scheme: Scheme,
    username: String,
    password: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Basic,
    DigestMd5,
    DigestSha256,
}

impl SignIn {
    #[must_use]
    pub fn basic(username: &str, password: &str) -> Self {
        Self::of(Scheme::Basic, username, password)
    }

    #[must_use]
    pub fn digest_md5(username: &str, password: &str) -> Self {
        Self::of(Scheme::DigestMd5, username, password)
    }

    #[must_use]
    pub fn digest_sha256(username: &str, password: &str) -> Self {
        Self::of(Scheme::DigestSha256, username, password)
    }

    fn of(scheme: Scheme, username: &str, password: &str) -> Self {
        Self {
            scheme,
            username: username.to_owned(),
            password: password.to_owned(),
        }
    }

    pub(super) fn challenge(&self) -> String {
        match self.scheme {
            Scheme::Basic => format!("Basic realm=\"{REALM}\", charset=\"UTF-8\""),
            Scheme::DigestMd5 => {
                format!("Digest realm=\"{REALM}\", qop=\"auth\", algorithm=MD5, nonce=\"{NONCE}\"")
            }
            Scheme::DigestSha256 => {
                format!(
                    "Digest realm=\"{REALM}\", qop=\"auth\", algorithm=SHA-256, nonce=\"{NONCE}\""
                )
            }
        }
    }

    pub(super) fn admits(&self, request: &Request) -> bool {
        let Some(given) = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
        else {
            return false;
        };
        match (self.scheme, given.split_once(' ')) {
            (Scheme::Basic, Some(("Basic", encoded))) => {
                let wanted = format!("{}:{}", self.username, self.password);
                STANDARD
                    .decode(encoded)
                    .is_ok_and(|decoded| decoded == wanted.as_bytes())
            }
            (Scheme::DigestMd5 | Scheme::DigestSha256, Some(("Digest", fields))) => {
                let uri = request
                    .uri()
                    .path_and_query()
                    .map(|path| path.as_str())
                    .unwrap_or_default();
                self.admits_digest(request.method().as_str(), uri, fields)
            }
            _ => false,
        }
    }

    fn admits_digest(&self, method: &str, uri: &str, fields: &str) -> bool {
        let field = |wanted: &str| {
            let mut pairs = fields
                .split(',')
                .filter_map(|field| field.trim().split_once('='));
            pairs
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.trim_matches('"'))
                .unwrap_or_default()
        };
        let hash = |text: String| match self.scheme {
            Scheme::DigestSha256 => hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
            _ => hex(Md5::digest(text.as_bytes()).as_ref()),
        };
        let who = hash(format!("{}:{REALM}:{}", self.username, self.password));
        let what = hash(format!("{method}:{uri}"));
        let (count, client) = (field("nc"), field("cnonce"));
        let wanted = hash(format!("{who}:{NONCE}:{count}:{client}:auth:{what}"));
        field("username") == self.username
            && field("uri") == uri
            && field("nonce") == NONCE
            && field("response") == wanted
    }
}

/// Names the user, not the password.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({})", self.username)
    }
}
