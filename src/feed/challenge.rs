//! Reads `WWW-Authenticate` (RFC 9110 section 11.6.1): several schemes may stand
//! in one header, in any letter case, with values quoted or not.

/// One scheme that a server offers, with its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case.
    scheme: String,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme == scheme
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn is_stale(&self) -> bool {
        self.get("stale")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// All challenges of one header line; what cannot be read is passed over.
pub(super) fn read(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    for part in parts(header) {
        let part = part.trim();
        // `Digest realm="x"` opens a challenge, `qop="auth"` goes on with one,
        // `Negotiate` and `NTLM abc==` are challenges without parameters.
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (part, None),
        };
        let (scheme, name) = match name.split_once(char::is_whitespace) {
            Some((scheme, name)) => (Some(scheme), name.trim()),
            None if value.is_none() && !name.is_empty() => (Some(name), ""),
            None => (None, name),
        };
        if let Some(scheme) = scheme {
            challenges.push(Challenge {
                scheme: scheme.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
        }
        if let (Some(challenge), Some(value), false) =
            (challenges.last_mut(), value, name.is_empty())
        {
            challenge
                .parameters
                .push((name.to_ascii_lowercase(), unquoted(value)));
        }
    }
    challenges
}

/// The text between commas that do not stand in quotes.
fn parts(header: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in header.chars().take(8192) {
        if c == ',' && !quoted {
            parts.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && quoted && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value
        .strip_prefix('"')
        .map(|rest| rest.strip_suffix('"').unwrap_or(rest))
    else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(c);
            escaped = false;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes(header: &str) -> Vec<String> {
        read(header).into_iter().map(|found| found.scheme).collect()
    }

    #[test]
    fn several_schemes_in_one_header_are_told_apart() {
        let found = read(
            r#"Digest realm="a, b", nonce="x\"y", qop="auth,auth-int", algorithm=MD5, stale=TRUE, basic realm="z", Negotiate"#,
        );
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].get("realm"), Some("a, b"));
        assert_eq!(found[0].get("nonce"), Some("x\"y"));
        assert_eq!(found[0].get("qop"), Some("auth,auth-int"));
        assert!(found[0].is_stale());
        assert!(found[1].is("basic"));
        assert_eq!(found[1].get("realm"), Some("z"));
        assert!(found[2].is("negotiate"));
    }

    #[test]
    fn odd_headers_are_survived() {
        assert_eq!(schemes("basic"), ["basic"]);
        assert_eq!(
            schemes(r#"X-MobileMe-AuthToken realm="Newcastle", Basic realm="Newcastle""#),
            ["x-mobileme-authtoken", "basic"]
        );
        assert_eq!(schemes("NTLM TlRMTVNTUAAB=="), ["ntlm"]);
        assert_eq!(schemes(r#"Digest realm="never closed"#), ["digest"]);
        assert!(schemes("").is_empty());
        assert!(schemes(", ,,").is_empty());
    }
}
