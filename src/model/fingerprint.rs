//! The SHA-256 fingerprint of a certificate: how it is made, read and printed.

use std::fmt;

use super::digest::{hex, sha256};

/// SHA-256 of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(sha256(certificate))
    }

    /// Reads 64 hexadecimal digits in either case, with or without colons or
    /// spaces between them, and with or without `sha256:` in front.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = match text.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case("sha256:") => text.get(7..)?,
            _ => text,
        };
        let mut digits = digits
            .chars()
            .filter(|c| !matches!(c, ':' | ' '))
            .map(|c| c.to_digit(16));
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            let (high, low) = (digits.next()??, digits.next()??);
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        digits.next().is_none().then_some(Self(bytes))
    }

    /// The first sixteen digits, enough for people to compare.
    #[must_use]
    pub fn short(&self) -> String {
        hex(self.0.get(..8).unwrap_or_default())
    }
}

/// All 64 digits in lower case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_print_them() {
        let digits = "0f9cAB".to_owned() + &"00".repeat(29);
        let pairs: Vec<_> = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap())
            .collect();
        let plain = Fingerprint::parse(&digits).unwrap();
        for text in [
            pairs.join(":"),
            pairs.join(" "),
            format!("SHA256:{digits}"),
            format!(" {digits}\n"),
        ] {
            assert_eq!(Fingerprint::parse(&text), Some(plain), "{text}");
        }
        assert_eq!(plain.to_string(), digits.to_lowercase());
        assert_eq!(plain.short(), "0f9cab0000000000");
        for text in [
            "",
            "0f9c",
            "sha256:",
            "é".repeat(64).as_str(),
            digits.trim_start_matches('0'),
        ] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
        assert_eq!(Fingerprint::parse(&format!("{digits}0")), None);
    }
}
