//! Sign-in to the feeds: Basic (RFC 7617), Digest (RFC 7616) with MD5 or SHA-256, or a bearer token
//! (RFC 6750).

use std::fmt;

use axum::extract::Request;
use md5::{Digest, Md5};
use ring::digest;

use crate::sim::authorization::Authorization;
use crate::sim::secret::hex;
use crate::sim::spec::Spec;

const REALM: &str = "calendars";
/// Always the same: a replay does no harm here.
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
    Bearer,
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

    #[must_use]
    pub fn bearer(token: &str) -> Self {
        Self::of(Scheme::Bearer, "", token)
    }

    /// Reads `scheme` (`basic` unless told), `username` and `password`.
    pub(in crate::sim) fn read(spec: &mut Spec) -> Result<Self, String> {
        let scheme = match spec.text("scheme")?.as_deref() {
            None | Some("basic") => Scheme::Basic,
            Some("bearer") => Scheme::Bearer,
            Some("digest-md5") => Scheme::DigestMd5,
            Some("digest-sha256") => Scheme::DigestSha256,
            Some(_) => {
                return Err(
                    "`scheme` must be `basic`, `bearer`, `digest-md5` or `digest-sha256`"
                        .to_owned(),
                );
            }
        };
        let username = spec.text("username")?.unwrap_or_default();
        let password = spec.needed("password", Spec::text)?;
        Ok(Self::of(scheme, &username, &password))
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
            Scheme::Bearer => format!("Bearer realm=\"{REALM}\""),
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
        match (self.scheme, Authorization::of(request.headers())) {
            (Scheme::Basic, Authorization::Basic(given)) => {
                given == format!("{}:{}", self.username, self.password).as_bytes()
            }
            (Scheme::Bearer, Authorization::Bearer(token)) => token == self.password,
            (Scheme::DigestMd5 | Scheme::DigestSha256, Authorization::Digest(fields)) => {
                let uri = request.uri().path_and_query();
                let uri = uri.map_or("", |uri| uri.as_str());
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
