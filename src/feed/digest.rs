//! Digest access authentication (RFC 7616, and RFC 2069 for servers without
//! `qop`): MD5, SHA-256 and their session variants, `qop=auth`.

use std::fmt::Write as _;

use hyper::Method;
use md5::Digest as _;
use ring::rand::SecureRandom as _;

use super::challenge::Challenge;
use crate::model::digest::hex;
use crate::model::feed_url::FeedUrl;
use crate::model::secret::Secret;

/// A challenge that podcal can answer, and how often it has.
pub(super) struct Digest {
    hash: Hash,
    session: bool,
    /// As the server spelt it; `None` where it named none.
    algorithm: Option<String>,
    qop: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    client_nonce: String,
    count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
}

impl Digest {
    /// The strongest of the challenges that podcal can answer.
    pub(super) fn best_of(challenges: &[Challenge]) -> Option<Self> {
        challenges
            .iter()
            .filter_map(Self::of)
            .max_by_key(|digest| digest.hash)
    }

    fn of(challenge: &Challenge) -> Option<Self> {
        if !challenge.is("digest") {
            return None;
        }
        let algorithm = challenge.get("algorithm").map(str::to_owned);
        let spelt = algorithm.as_deref().unwrap_or("MD5").to_ascii_lowercase();
        let (hash, session) = match spelt.as_str() {
            "md5" => (Hash::Md5, false),
            "md5-sess" => (Hash::Md5, true),
            "sha-256" => (Hash::Sha256, false),
            "sha-256-sess" => (Hash::Sha256, true),
            _ => return None,
        };
        let qop = match challenge.get("qop") {
            None => false,
            Some(offered) if offered.split(',').any(|word| word.trim() == "auth") => true,
            // auth-int alone would need a digest of the answer's body as well.
            Some(_) => return None,
        };
        let mut random = [0; 12];
        ring::rand::SystemRandom::new().fill(&mut random).ok()?;
        Some(Self {
            hash,
            session,
            algorithm,
            qop,
            realm: challenge.get("realm").unwrap_or_default().to_owned(),
            nonce: challenge.get("nonce")?.to_owned(),
            opaque: challenge.get("opaque").map(str::to_owned),
            client_nonce: hex(&random),
            count: 0,
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.hash {
            Hash::Md5 => "Digest (MD5)",
            Hash::Sha256 => "Digest (SHA-256)",
        }
    }

    /// The value of `Authorization` for one request.
    pub(super) fn answer(
        &mut self,
        method: &Method,
        url: &FeedUrl,
        username: &str,
        password: &Secret,
    ) -> String {
        self.count = self.count.wrapping_add(1);
        let count = format!("{:08x}", self.count);
        let uri = match url.reveal().query() {
            Some(query) => format!("{}?{query}", url.reveal().path()),
            None => url.reveal().path().to_owned(),
        };
        let h = |text: &str| self.hash.hex_of(text);
        let mut a1 = h(&format!("{username}:{}:{}", self.realm, password.reveal()));
        if self.session {
            a1 = h(&format!("{a1}:{}:{}", self.nonce, self.client_nonce));
        }
        let a2 = h(&format!("{method}:{uri}"));
        let (nonce, client_nonce) = (&self.nonce, &self.client_nonce);
        let response = if self.qop {
            h(&format!("{a1}:{nonce}:{count}:{client_nonce}:auth:{a2}"))
        } else {
            h(&format!("{a1}:{nonce}:{a2}"))
        };
        let mut text = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            quoted(username),
            quoted(&self.realm),
            quoted(nonce),
        );
        if let Some(algorithm) = &self.algorithm {
            let _ = write!(text, ", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(text, ", opaque=\"{}\"", quoted(opaque));
        }
        if self.qop {
            let _ = write!(text, ", qop=auth, nc={count}, cnonce=\"{client_nonce}\"");
        } else if self.session {
            let _ = write!(text, ", cnonce=\"{client_nonce}\"");
        }
        text
    }
}

impl Hash {
    fn hex_of(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&md5::Md5::digest(text.as_bytes())),
            Self::Sha256 => {
                hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
            }
        }
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::challenge;

    /// RFC 7616 section 3.9.1, with its own client nonce.
    fn check(algorithm: &str, response: &str) {
        let header = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let mut digest = Digest::best_of(&challenge::read(&header)).unwrap();
        digest.client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned();
        let (url, _) = FeedUrl::parse("http://www.example.org/dir/index.html").unwrap();
        let password = Secret::new("Circle of Life");
        let text = digest.answer(&Method::GET, &url, "Mufasa", &password);
        assert!(text.contains(&format!("response=\"{response}\"")), "{text}");
        assert!(text.contains("nc=00000001") && text.contains("qop=auth,"));
        assert!(!text.contains("Circle"));
        let again = digest.answer(&Method::GET, &url, "Mufasa", &password);
        assert!(again.contains("nc=00000002"));
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        check("MD5", "8ca523f5e9506fed4657c9700eebdbec");
        check(
            "SHA-256",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        );
    }

    #[test]
    fn the_stronger_of_two_is_chosen_and_the_unknown_passed_over() {
        let offered = challenge::read(
            r#"Digest nonce="a", algorithm=MD5, Digest nonce="b", algorithm=SHA-256, Digest nonce="c", algorithm=SHA-512-256"#,
        );
        let digest = Digest::best_of(&offered).unwrap();
        assert_eq!(digest.name(), "Digest (SHA-256)");
        let only_integrity = challenge::read(r#"Digest nonce="a", qop="auth-int""#);
        assert!(Digest::best_of(&only_integrity).is_none());
        assert!(Digest::best_of(&challenge::read("Basic realm=\"x\"")).is_none());
    }

    /// RFC 2617 section 3.2.2.2: the session variant mixes both nonces in.
    #[test]
    fn a_session_digest_differs_with_the_client_nonce() {
        let offered = challenge::read(r#"Digest nonce="n", algorithm=md5-sess, qop=auth"#);
        let mut one = Digest::best_of(&offered).unwrap();
        let (url, _) = FeedUrl::parse("http://h.example.org/?a=b").unwrap();
        one.client_nonce = "c".to_owned();
        let text = one.answer(&Method::GET, &url, "u", &Secret::new("p"));
        // Computed by hand: H(H(H(u::p):n:c):n:00000001:c:auth:H(GET:/?a=b)).
        let h = |text: &str| Hash::Md5.hex_of(text);
        let a1 = h(&format!("{}:n:c", h("u::p")));
        let expected = h(&format!("{a1}:n:00000001:c:auth:{}", h("GET:/?a=b")));
        assert!(text.contains(&expected));
        assert!(
            text.contains("algorithm=md5-sess"),
            "as the server spelt it"
        );
    }
}
