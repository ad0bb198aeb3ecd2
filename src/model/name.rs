//! Names that were checked once and can be compared, printed and stored:
//! rooms, feeds and pods. None of them holds a secret.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use url::Url;

use super::digest::{Parts, hex};
use super::written_host::{self, host_in};

/// The key of a room in the configuration, such as `aurora` in `[rooms.aurora]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RoomName(String);

impl RoomName {
    /// `None` when the name is empty, longer than 100 characters, or holds a
    /// control character, which would break a log line or a table.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let sound = !name.trim().is_empty()
            && name.chars().count() <= 100
            && !name.chars().any(char::is_control);
        sound.then(|| Self(name.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a feed is known by in the ledger and in logs: a digest of its address
/// and of all else that decides what it answers, and its host for people.
///
/// The address itself is often a password and never gets here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId {
    digest: Arc<str>,
    host: Arc<str>,
}

impl FeedId {
    /// `parts` is everything that tells this feed from another: kind, address,
    /// user name, filter. The host (or `file`) is shown to people.
    #[must_use]
    pub fn new(host: &str, parts: &[&str]) -> Self {
        let digest = hex(Parts::of(parts).get(..10).unwrap_or_default());
        Self {
            digest: digest.into(),
            host: host.into(),
        }
    }

    /// Twenty hexadecimal digits; the key in the ledger.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.digest
    }

    /// The same, for whoever keeps it.
    #[must_use]
    pub fn key(&self) -> Arc<str> {
        self.digest.clone()
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// The host and the start of the digest, enough to tell two feeds of one host apart.
impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}#{}",
            self.host,
            self.digest.get(..6).unwrap_or_default()
        )
    }
}

/// The address of a pod: `https`, a host and a port, without path or user.
///
/// `192.0.2.11` is short for `https://192.0.2.11:5443`, the port of OpenControl v2.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodUrl(Arc<Url>);

/// The port that OpenControl v2 listens on in every sample of the reference.
pub const POD_PORT: u16 = 5443;

impl PodUrl {
    /// Reads an address as it stands in the configuration.
    ///
    /// # Errors
    /// What would have been right, for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "write a host such as \"192.0.2.11\", or \"https://192.0.2.11:5443\"";
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("is empty; {EXPECTED}"));
        }
        let spelt_out = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{}", bracketed(text))
        };
        let host = host_in(&spelt_out);
        written_host::refuse_zeros(host)?;
        let mut url = Url::parse(&spelt_out)
            .map_err(|error| format!("is not an address ({error}); {EXPECTED}"))?;
        if url.scheme() != "https" {
            return Err(format!(
                "begins with `{}:`, but pods answer over https only; {EXPECTED}",
                url.scheme()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "holds a user name or password; put them into the keys `username` and `password`"
                    .to_owned(),
            );
        }
        if !matches!(url.path(), "" | "/" | "/v2" | "/v2/")
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(format!("has a path; {EXPECTED}"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("has no host; {EXPECTED}"));
        }
        written_host::refuse_other_spelling(&url, host)?;
        // `Url` drops an explicit `:443`, which here means something else than no port.
        if url.port().is_none()
            && !spelt_out
                .trim_end_matches('/')
                .trim_end_matches("/v2")
                .ends_with(":443")
        {
            let _ = url.set_port(Some(POD_PORT));
        }
        url.set_path("/");
        Ok(Self(Arc::new(url)))
    }

    /// The address of an operation, such as `v2/calendar`.
    #[must_use]
    pub fn join(&self, segments: &[&str]) -> Url {
        let mut url = Url::clone(&self.0);
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url
    }

    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(POD_PORT)
    }

    /// `https://192.0.2.11:5443`, always with the port; the key in the ledger.
    #[must_use]
    pub fn key(&self) -> String {
        format!("https://{}:{}", self.host(), self.port())
    }
}

/// An IPv6 address may be written bare; in a URL it stands in brackets.
fn bracketed(host: &str) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    }
}

/// Host and port, without the port where it is the usual one.
impl fmt::Display for PodUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port() {
            POD_PORT => f.write_str(self.host()),
            port => write!(f, "{}:{port}", self.host()),
        }
    }
}

impl fmt::Debug for PodUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PodUrl({})", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_gets_https_and_the_port_of_open_control() {
        for (text, key) in [
            ("192.0.2.11", "https://192.0.2.11:5443"),
            ("pod.example.com", "https://pod.example.com:5443"),
            ("pod.example.com:8443", "https://pod.example.com:8443"),
            ("https://192.0.2.11", "https://192.0.2.11:5443"),
            ("https://192.0.2.11:443", "https://192.0.2.11:443"),
            ("https://192.0.2.11:5443/v2/", "https://192.0.2.11:5443"),
            ("2001:db8::1", "https://[2001:db8::1]:5443"),
            ("[2001:db8::1]:444", "https://[2001:db8::1]:444"),
            ("Pod-1.Example.com", "https://pod-1.example.com:5443"),
            ("localhost", "https://localhost:5443"),
            ("0.0.0.0", "https://0.0.0.0:5443"),
            ("1.example", "https://1.example:5443"),
            ("pöd.example", "https://xn--pd-fka.example:5443"),
        ] {
            assert_eq!(PodUrl::parse(text).unwrap().key(), key, "{text}");
        }
    }

    #[test]
    fn what_is_no_pod_is_explained() {
        for (text, says) in [
            ("", "is empty"),
            ("http://192.0.2.11", "https only"),
            ("https://admin:pw@192.0.2.11", "`username` and `password`"),
            ("https://192.0.2.11/calendar", "has a path"),
            ("not a host", "is not an address"),
            ("010.001.002.011", "did you mean \"10.1.2.11\"?"),
            ("010.001.002.099", "did you mean \"10.1.2.99\"?"),
            ("https://192.0.2.011:5443", "did you mean \"192.0.2.11\"?"),
            ("10.1", "did you mean \"10.0.0.1\"?"),
            ("10.1:5443", "did you mean \"10.0.0.1\"?"),
            ("192.0.523", "did you mean \"192.0.2.11\"?"),
            ("3221225995", "did you mean \"192.0.2.11\"?"),
            ("0xc000020b", "did you mean \"192.0.2.11\"?"),
            ("0xc0.0.2.11", "did you mean \"192.0.2.11\"?"),
            ("192.0.2.11.", "did you mean \"192.0.2.11\"?"),
            ("１９２.0.2.11", "did you mean \"192.0.2.11\"?"),
            ("192。0。2。11", "did you mean \"192.0.2.11\"?"),
            ("%31%39%32.0.2.11", "did you mean \"192.0.2.11\"?"),
            ("pod%2eexample.com", "did you mean \"pod.example.com\"?"),
            ("po\td.example.com", "did you mean \"pod.example.com\"?"),
            ("300.1.1.1", "is not an address"),
            ("1.2.3.4.5", "is not an address"),
        ] {
            let error = PodUrl::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn operations_are_joined_with_their_segments_encoded() {
        let pod = PodUrl::parse("192.0.2.11").unwrap();
        assert_eq!(
            pod.join(&["v2", "calendar", "a/b"]).as_str(),
            "https://192.0.2.11:5443/v2/calendar/a%2Fb"
        );
    }

    #[test]
    fn feeds_are_told_apart_without_their_address() {
        let one = FeedId::new(
            "calendar.example.com",
            &["ics", "https://calendar.example.com/private-1234.ics"],
        );
        let two = FeedId::new(
            "calendar.example.com",
            &["ics", "https://calendar.example.com/private-5678.ics"],
        );
        assert_ne!(one, two);
        assert!(!format!("{one} {one:?}").contains("private"));
    }
}
