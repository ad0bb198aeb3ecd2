//! The address of a calendar. Private feed addresses are passwords, so nothing
//! but the host is ever printed.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::secret::Secret;
use super::written_host::{self, host_in};

/// An `http` or `https` address without user name or password.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedUrl(Url);

impl FeedUrl {
    /// Reads an address as it stands in the configuration; `webcal:` and `webcals:`
    /// become `https:`. A user name and password in it are taken out and given back.
    ///
    /// # Errors
    /// What would have been right, without the address itself.
    pub fn parse(text: &str) -> Result<(Self, Option<(String, Secret)>), String> {
        const EXPECTED: &str = "write an address such as \"https://calendar.example.com/room.ics\"";
        let text = text.trim();
        let spelt_out = match text.split_once("://") {
            Some((scheme, rest))
                if ["webcal", "webcals"].contains(&scheme.to_ascii_lowercase().as_str()) =>
            {
                format!("https://{rest}")
            }
            _ => text.to_owned(),
        };
        let host = host_in(&spelt_out);
        written_host::refuse_zeros(host)?;
        let mut url = Url::parse(&spelt_out)
            .map_err(|error| format!("is not an address ({error}); {EXPECTED}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "is neither https, http, webcal nor a file; {EXPECTED}"
            ));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("has no host; {EXPECTED}"));
        }
        written_host::refuse_other_spelling(&url, host)?;
        let login = login_of(&url);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Ok((Self(url), login))
    }

    /// An address that a server gave, such as the target of a redirect; `None`
    /// unless it is http(s) with a host. A login in it is dropped.
    #[must_use]
    pub fn from_url(mut url: Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return None;
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Some(Self(url))
    }

    /// The address that this one's server named, relative or whole. `webcal:` keeps
    /// the encryption of this address, since it does not say which is meant.
    #[must_use]
    pub fn join(&self, text: &str) -> Option<Self> {
        let named = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("webcal") => {
                format!("{}://{rest}", self.0.scheme())
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("webcals") => {
                format!("https://{rest}")
            }
            _ => text.to_owned(),
        };
        self.0.join(&named).ok().and_then(Self::from_url)
    }

    /// The whole address: for requests and for the digest of a `FeedId`, never for print.
    #[must_use]
    pub fn reveal(&self) -> &Url {
        &self.0
    }

    /// The host, with the port where it is not the usual one.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

fn login_of(url: &Url) -> Option<(String, Secret)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((
        decoded(url.username()),
        Secret::new(decoded(url.password().unwrap_or_default())),
    ))
}

impl fmt::Display for FeedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())
    }
}

impl fmt::Debug for FeedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeedUrl({})", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webcal_means_https() {
        for text in [
            "webcal://c.example.com/a.ics",
            "WEBCALS://c.example.com/a.ics",
            "https://c.example.com/a.ics",
        ] {
            assert_eq!(
                FeedUrl::parse(text).unwrap().0.reveal().as_str(),
                "https://c.example.com/a.ics"
            );
        }
        assert!(
            !FeedUrl::parse("http://c.example.com/")
                .unwrap()
                .0
                .is_encrypted()
        );
    }

    #[test]
    fn a_host_is_taken_as_it_is_written_or_refused() {
        for (text, meant) in [
            ("http://0x7f.1/room.ics", "127.0.0.1"),
            ("http://010.1.2.3/room.ics", "10.1.2.3"),
            ("https://u:p@2130706433:8443/room.ics", "127.0.0.1"),
            ("webcal://10.1/room.ics", "10.0.0.1"),
            ("https://１２７.0.0.1/", "127.0.0.1"),
            ("https://%3127.0.0.1/", "127.0.0.1"),
            ("https://127.0.0.1./", "127.0.0.1"),
            ("https:///192.0.2.011/", "192.0.2.9"),
            ("https://192.0.2.1\\@1.2/", "192.0.2.1"),
            ("https://calendar%2eexample.com/", "calendar.example.com"),
        ] {
            let error = match FeedUrl::parse(text) {
                // It is the same host for everybody.
                Ok((url, _)) => format!("\"{}\"", url.host()),
                Err(error) => error,
            };
            assert!(error.contains(&format!("\"{meant}\"")), "{text}: {error}");
            assert!(!error.contains("room.ics"), "{error}");
        }
        for text in [
            "https://192.0.2.1/",
            "http://[::1]:80/",
            "https://Calendar.Example.com/a",
        ] {
            assert!(FeedUrl::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_server_names_an_address_in_any_form() {
        let from = |text: &str| FeedUrl::parse(text).unwrap().0;
        for (base, named, address) in [
            (
                "https://c.example.com/a/b",
                "c.ics",
                Some("https://c.example.com/a/c.ics"),
            ),
            (
                "https://c.example.com/a",
                "webcal://d.example.com/",
                Some("https://d.example.com/"),
            ),
            (
                "http://c.example.com/a",
                "WebCal://c.example.com:81/b",
                Some("http://c.example.com:81/b"),
            ),
            (
                "http://c.example.com/a",
                "webcals://c.example.com/b",
                Some("https://c.example.com/b"),
            ),
            (
                "https://c.example.com/a",
                "https://u:p@d.example.com/#x",
                Some("https://d.example.com/"),
            ),
            ("https://c.example.com/a", "ftp://d.example.com/", None),
            ("https://c.example.com/a", "https://", None),
        ] {
            let found = from(base).join(named);
            let found = found.as_ref().map(|url| url.reveal().as_str());
            assert_eq!(found, address, "{named}");
        }
    }

    #[test]
    fn a_login_is_taken_out_of_the_address() {
        let (url, login) =
            FeedUrl::parse("https://room%40x:p%2Fw@c.example.com:8443/a.ics").unwrap();
        let (username, password) = login.unwrap();
        assert_eq!((username.as_str(), password.reveal()), ("room@x", "p/w"));
        assert_eq!(url.reveal().as_str(), "https://c.example.com:8443/a.ics");
    }

    #[test]
    fn nothing_but_the_host_is_printed() {
        let (url, _) =
            FeedUrl::parse("https://u:pw@c.example.com/private-4711/a.ics?token=x").unwrap();
        let printed = format!("{url} {url:?}");
        assert!(
            !printed.contains("4711") && !printed.contains("token") && !printed.contains("pw"),
            "{printed}"
        );
        let error = FeedUrl::parse("ftp://u:pw@c.example.com/private-4711").unwrap_err();
        assert!(!error.contains("4711") && !error.contains("pw"), "{error}");
    }
}
