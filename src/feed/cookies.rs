//! Cookies for one pull: some hosts set one and redirect until it comes back.
//! None outlives the pull (RFC 6265, as far as that needs it).

use hyper::header::{HeaderMap, HeaderValue, SET_COOKIE};

use crate::model::feed_url::FeedUrl;

/// Browsers keep about fifty a host.
const MAX_COOKIES: usize = 50;
const MAX_LENGTH: usize = 4096;

#[derive(Default)]
pub(super) struct Cookies(Vec<Cookie>);

struct Cookie {
    /// The host that set it, or the domain that it is for, which has a dot in it.
    domain: String,
    with_subdomains: bool,
    secure: bool,
    name: String,
    value: String,
}

impl Cookies {
    /// Takes over what an answer from `url` sets.
    pub(super) fn take(&mut self, url: &FeedUrl, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE).iter().take(MAX_COOKIES) {
            let Ok(text) = header.to_str() else { continue };
            let host = url.reveal().host_str().unwrap_or_default();
            if text.len() > MAX_LENGTH {
                continue;
            }
            let Some((cookie, expired)) = read(text, host) else {
                continue;
            };
            self.0
                .retain(|known| (&known.domain, &known.name) != (&cookie.domain, &cookie.name));
            if !expired && self.0.len() < MAX_COOKIES {
                self.0.push(cookie);
            }
        }
    }

    /// The header for a request to `url`.
    pub(super) fn header(&self, url: &FeedUrl) -> Option<HeaderValue> {
        let host = url.reveal().host_str().unwrap_or_default();
        let pairs: Vec<String> = self
            .0
            .iter()
            .filter(|cookie| cookie.is_for(host) && (url.is_encrypted() || !cookie.secure))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if pairs.is_empty() {
            return None;
        }
        let mut value = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Cookie {
    fn is_for(&self, host: &str) -> bool {
        host == self.domain
            || self.with_subdomains
                && host
                    .strip_suffix(&self.domain)
                    .is_some_and(|rest| rest.ends_with('.'))
    }
}

/// One cookie, and whether it is to be forgotten.
fn read(text: &str, host: &str) -> Option<(Cookie, bool)> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let mut cookie = Cookie {
        domain: host.to_owned(),
        with_subdomains: false,
        secure: false,
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    };
    let mut expired = false;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "max-age" => expired = value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                let probe = Cookie {
                    domain,
                    with_subdomains: true,
                    ..cookie
                };
                // A whole top-level domain does not belong to one host.
                if !probe.is_for(host) || (probe.domain != host && !probe.domain.contains('.')) {
                    return None;
                }
                cookie = probe;
            }
            _ => {}
        }
    }
    (!cookie.name.is_empty()).then_some((cookie, expired))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> FeedUrl {
        FeedUrl::parse(text).unwrap().0
    }

    fn sent(from: &str, set: &[&str], to: &str) -> Option<String> {
        let mut cookies = Cookies::default();
        let mut headers = HeaderMap::new();
        for one in set {
            headers.append(SET_COOKIE, one.parse().unwrap());
        }
        cookies.take(&url(from), &headers);
        let header = cookies.header(&url(to))?;
        Some(header.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_goes_back_to_where_it_came_from() {
        let home = "https://c.example.com/a";
        let set = ["one=1; Path=/; HttpOnly", "two=2; Secure", "one=3"];
        assert_eq!(sent(home, &set, home).as_deref(), Some("two=2; one=3"));
        assert_eq!(
            sent(home, &set, "http://c.example.com/").as_deref(),
            Some("one=3")
        );
        assert_eq!(sent(home, &set, "https://d.example.com/"), None);
        assert_eq!(sent(home, &["a=1", "a=; Max-Age=0"], home), None);
    }

    #[test]
    fn a_domain_must_be_the_hosts_own() {
        let home = "https://c.example.com/";
        let wide = ["a=1; Domain=.example.com"];
        assert_eq!(
            sent(home, &wide, "https://d.example.com/").as_deref(),
            Some("a=1")
        );
        assert_eq!(sent(home, &wide, "https://badexample.com/"), None);
        for domain in ["other.example.com", "com", "example.net"] {
            let set = [format!("a=1; Domain={domain}")];
            assert_eq!(sent(home, &[&set[0]], home), None, "{domain}");
        }
    }
}
