//! What podcal reads of a certificate by itself: its key, and who signed it.
//!
//! Devices hold certificates that webpki refuses to read: self-signed ones of X.509
//! version 1, or with short or unusual keys. Where only a pin counts nothing but
//! the key is needed, to check that the peer can sign with it; and where something
//! is refused, the reason can be told.

use std::fmt;

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::transport::CertificateFault;

/// The parts of a certificate in DER (RFC 5280 section 4.1) that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// 1 or 3; 2 is hardly ever met.
    pub version: u8,
    /// The same name stands for whom it is for and who signed it.
    pub is_self_signed: bool,
    pub key: Key<'a>,
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    pub kind: KeyKind,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Rsa { bits: usize },
    P256,
    P384,
    P521,
    Ed25519,
    Other,
}

/// What keys may sign a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// What browsers accept: RSA from 2048 bits.
    Usual,
    /// RSA from 1024 bits too, for a device that is known by its fingerprint:
    /// refused, it could only be used without any check.
    Pinned,
}

/// Checks that a handshake was signed with the key of a certificate.
///
/// By podcal's own reading of the certificate, for webpki does not read all that
/// devices have; what authorities vouch for was read by webpki before.
///
/// # Errors
/// Those of [`Key::verify`], and [`CertificateError::BadEncoding`].
pub fn check_handshake(
    strength: Strength,
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    Certificate::parse(certificate)
        .ok_or(CertificateError::BadEncoding)?
        .key
        .verify(strength, signed.scheme, message, signed.signature())
        .map(|()| HandshakeSignatureValid::assertion())
}

impl<'a> Certificate<'a> {
    /// `None` where the bytes are not a certificate.
    #[must_use]
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        const SEQUENCE: u8 = 0x30;
        const INTEGER: u8 = 0x02;
        const BIT_STRING: u8 = 0x03;
        const VERSION: u8 = 0xa0;
        let (certificate, _) = element(der, SEQUENCE)?;
        let (signed, _) = element(certificate, SEQUENCE)?;
        let mut rest = signed;
        let mut version = 1;
        // Version 1 leaves the version out; else it is one less than it is called.
        if rest.first() == Some(&VERSION) {
            let (number, after) = element(rest, VERSION)?;
            let (number, _) = element(number, INTEGER)?;
            version = number.first()?.checked_add(1)?;
            rest = after;
        }
        // Serial number and algorithm.
        rest = element(rest, INTEGER)?.1;
        rest = element(rest, SEQUENCE)?.1;
        let (issuer, rest) = element(rest, SEQUENCE)?;
        // How long it is valid.
        let rest = element(rest, SEQUENCE)?.1;
        let (subject, rest) = element(rest, SEQUENCE)?;
        let (key, _) = element(rest, SEQUENCE)?;
        let (algorithm, rest) = element(key, SEQUENCE)?;
        let (bits, _) = element(rest, BIT_STRING)?;
        // Before the bits stands how many of the last byte do not count.
        let bytes = bits.strip_prefix(&[0])?;
        Some(Self {
            version,
            is_self_signed: issuer == subject,
            key: Key {
                kind: KeyKind::of(algorithm, bytes),
                bytes,
            },
        })
    }
}

impl KeyKind {
    /// `algorithm` is the identifier and its parameters.
    fn of(algorithm: &[u8], key: &[u8]) -> Self {
        const OID: u8 = 0x06;
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
        const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
        const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
        const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
        let Some((name, parameters)) = element(algorithm, OID) else {
            return Self::Other;
        };
        match name {
            RSA => rsa_bits(key).map_or(Self::Other, |bits| Self::Rsa { bits }),
            ED25519 => Self::Ed25519,
            EC => match element(parameters, OID).map(|(curve, _)| curve) {
                Some(P256) => Self::P256,
                Some(P384) => Self::P384,
                Some(P521) => Self::P521,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// The length of the modulus.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (numbers, _) = element(key, 0x30)?;
    let (modulus, _) = element(numbers, 0x02)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let digits = modulus.get(zeros..)?;
    let first = digits.first()?;
    Some(digits.len() * 8 - first.leading_zeros() as usize)
}

impl Key<'_> {
    /// Checks that a handshake was signed with this key.
    ///
    /// # Errors
    /// [`CertificateFault::Unsupported`] where key or scheme cannot be checked, so
    /// that it is not taken for a signature of somebody else;
    /// [`CertificateError::BadSignature`] where it is one.
    pub fn verify(
        &self,
        strength: Strength,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let algorithm = self.algorithm(strength, scheme).map_err(Error::from)?;
        UnparsedPublicKey::new(algorithm, self.bytes)
            .verify(message, signature)
            .map_err(|_| CertificateError::BadSignature.into())
    }

    fn algorithm(
        &self,
        strength: Strength,
        scheme: SignatureScheme,
    ) -> Result<&'static dyn VerificationAlgorithm, CertificateFault> {
        use KeyKind as Kind;
        use SignatureScheme as Scheme;
        let least = match strength {
            Strength::Usual => 2048,
            Strength::Pinned => 1024,
        };
        Ok(match (self.kind, scheme) {
            (Kind::P521 | Kind::Other, _) => return Err(self.unsupported()),
            (Kind::Rsa { bits }, _) if bits < least || bits > 8192 => {
                return Err(self.unsupported());
            }
            (Kind::Rsa { bits: 2048.. }, Scheme::RSA_PKCS1_SHA256) => {
                &signature::RSA_PKCS1_2048_8192_SHA256
            }
            (Kind::Rsa { bits: 2048.. }, Scheme::RSA_PKCS1_SHA384) => {
                &signature::RSA_PKCS1_2048_8192_SHA384
            }
            (Kind::Rsa { bits: 2048.. }, Scheme::RSA_PKCS1_SHA512) => {
                &signature::RSA_PKCS1_2048_8192_SHA512
            }
            (Kind::Rsa { bits: 2048.. }, Scheme::RSA_PSS_SHA256) => {
                &signature::RSA_PSS_2048_8192_SHA256
            }
            (Kind::Rsa { bits: 2048.. }, Scheme::RSA_PSS_SHA384) => {
                &signature::RSA_PSS_2048_8192_SHA384
            }
            (Kind::Rsa { bits: 2048.. }, Scheme::RSA_PSS_SHA512) => {
                &signature::RSA_PSS_2048_8192_SHA512
            }
            (Kind::Rsa { .. }, Scheme::RSA_PKCS1_SHA256) => {
                &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
            }
            (Kind::Rsa { .. }, Scheme::RSA_PKCS1_SHA512) => {
                &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
            }
            (
                Kind::Rsa { .. },
                Scheme::RSA_PSS_SHA256 | Scheme::RSA_PSS_SHA384 | Scheme::RSA_PSS_SHA512,
            ) => {
                return Err(CertificateFault::ShortRsaWithPss);
            }
            // The curve is that of the key; TLS 1.2 lets it go with either hash.
            (Kind::P256, Scheme::ECDSA_NISTP256_SHA256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Kind::P256, Scheme::ECDSA_NISTP384_SHA384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Kind::P384, Scheme::ECDSA_NISTP256_SHA256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Kind::P384, Scheme::ECDSA_NISTP384_SHA384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Kind::Ed25519, Scheme::ED25519) => &signature::ED25519,
            (_, Scheme::RSA_PKCS1_SHA1 | Scheme::ECDSA_SHA1_Legacy) => {
                let detail = "its key signs with SHA-1, which is no longer safe".to_owned();
                return Err(CertificateFault::Unsupported(detail));
            }
            (_, scheme) => {
                let detail = format!("its key ({}) signs with {scheme:?}", self.kind);
                return Err(CertificateFault::Unsupported(detail));
            }
        })
    }

    fn unsupported(&self) -> CertificateFault {
        CertificateFault::Unsupported(format!(
            "its key ({}) is of a kind that podcal's TLS library does not check",
            self.kind
        ))
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA of {bits} bits"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::P521 => f.write_str("P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other => f.write_str("of an unknown algorithm"),
        }
    }
}

/// The content of the first element of `bytes`, which must have this tag, and what
/// follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, length) = (*bytes.first()?, *bytes.get(1)?);
    if first != tag {
        return None;
    }
    // Below 128 the length itself, else how many bytes of length follow.
    let (start, length) = match length {
        0..=0x7f => (2, usize::from(length)),
        0x81..=0x83 => {
            let count = usize::from(length & 0x7f);
            let digits = bytes.get(2..2 + count)?;
            let length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            (2 + count, length)
        }
        _ => return None,
    };
    let end = start + length;
    Some((bytes.get(start..end)?, bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn self_signed() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    #[test]
    fn the_key_of_a_new_certificate_is_found() {
        let new = self_signed();
        let read = Certificate::parse(new.cert.der()).unwrap();
        assert_eq!(read.version, 3);
        assert!(read.is_self_signed);
        assert_eq!(read.key.kind, KeyKind::P256);
        use rcgen::PublicKeyData as _;
        assert_eq!(read.key.bytes, new.signing_key.der_bytes());
    }

    #[test]
    fn no_bytes_lead_astray() {
        let new = self_signed();
        let certificate = new.cert.der().to_vec();
        for length in 0..certificate.len() {
            let _ = Certificate::parse(&certificate[..length]);
        }
        for place in 0..certificate.len() {
            for value in [0, 0x30, 0x7f, 0x80, 0x83, 0x84, 0xff] {
                let mut broken = certificate.clone();
                broken[place] = value;
                let _ = Certificate::parse(&broken);
            }
        }
        assert_eq!(Certificate::parse(&[0x30, 0x83, 0xff, 0xff, 0xff]), None);
    }

    fn decoded(text: &str) -> Vec<u8> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(text).unwrap()
    }

    /// As `openssl` makes them, with a signature of `handshake`.
    const RSA_1024: &str = "MIICAjCCAWugAwIBAgIUetS8a7QoWhNs+IzIL+iN889Ca68wDQYJKoZIhvcNAQELBQAwEzERMA8GA1UEAwwIc29sc3RpY2UwHhcNMjYxMTI1MDIyMDM2WhcNMzYxMTIyMDIyMDM2WjATMREwDwYDVQQDDAhzb2xzdGljZTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEA43Njpo0f5jLmzSsTdHV1Ef4QVmSAY0eEOvnrM55siP4E0zST2fMPFVT4FY0q1cb3W6xFKD16ZaR6/oCQ+dDvMVgawRPgz2SueLTPj1ECDzBwePwPnsGpMaaaHPpQolZ83ES6QLTKLRLCKTqrc46HHrsF7wrDwDhOaPZBuJ8TdOkCAwEAAaNTMFEwHQYDVR0OBBYEFJHhwR/tPqUBPpXIuFmHxfMCc5fEMB8GA1UdIwQYMBaAFJHhwR/tPqUBPpXIuFmHxfMCc5fEMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEAZA9KXIqKND22aU3WCHmMqfDdbSgt8YH2MPaXETwo12Pm7DyR5ICh91xq6sGGDKQcqUvXyJfly+FFfCJToJE9QWf4aey3ejuymhxQLFtK2wr6vy/xUGBNqt/oc2afGU0dXmqQdEVhu7RFhCo345CnMLzJ7lpg3Xc3XclXnamdbBs=";
    const SIGNATURE: &str = "IiPSpZrYsn4ASlJYm3ahsbPOcMRHZa5EWG9ekb1dSmNByDBoTzVKMJPzBdGyW7a7labmZNDX6G9pJqMmyEWmvulFfe8oRAIi4VbXJQIsT6opcjsUFTekUWkMHZZDVoyuOXz+Pvgb2MmCTt+Jeqvht/btvQv64k1s7ypK8YSR/vk=";
    const P521: &str = "MIICAzCCAWSgAwIBAgIULUuIieS0JCgbqpMHhBwL6M+LyVIwCgYIKoZIzj0EAwIwEzERMA8GA1UEAwwIc29sc3RpY2UwHhcNMjYxMTI1MDIyMDM3WhcNMzYxMTIyMDIyMDM3WjATMREwDwYDVQQDDAhzb2xzdGljZTCBmzAQBgcqhkjOPQIBBgUrgQQAIwOBhgAEAdtAyCdY7CqDZIUI7NiIHpKKVMu9DJzWDT9GV3eNY6t4ZcP89dMCy+kFvovU2a9IodoLqxiqCk8ZFoDp9Drid9dmANsicJ9vtvja1NUFYbKpTDhzMFDWT1G17Q8p7aS4mH/gmzkjIiUTnSk3MYYXEN1j7DyvYCpOP0OVwccsTTbIC63Go1MwUTAdBgNVHQ4EFgQUB/+coo0q5M9Qtu3npvTqRCIYyFwwHwYDVR0jBBgwFoAUB/+coo0q5M9Qtu3npvTqRCIYyFwwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgOBjAAwgYgCQgETsLz5Kd+wqB4ahehydwmdcdBOH078y1DddrkzF0txMU3aktmcEA3dyQ7xlj5kBYSeCr7WuUqBKdnOOrkqo+D7dQJCAUZSLFmDwfKj4gMKcvWUYrIWKSOSagKyjbRkHvHjtlrTcggQTUU2bUE+f4JtN553DirDNxIudEcrnelIIpmesq6O";

    #[test]
    fn a_short_key_counts_under_a_pin_and_only_for_its_owner() {
        let certificate = decoded(RSA_1024);
        let read = Certificate::parse(&certificate).unwrap();
        assert_eq!(read.key.kind, KeyKind::Rsa { bits: 1024 });
        assert!(read.is_self_signed);
        let scheme = SignatureScheme::RSA_PKCS1_SHA256;
        let mut signature = decoded(SIGNATURE);
        let verify =
            |strength, signature: &[u8]| read.key.verify(strength, scheme, b"handshake", signature);
        verify(Strength::Pinned, &signature).unwrap();
        assert!(verify(Strength::Usual, &signature).is_err());
        signature[7] ^= 1;
        let forged = verify(Strength::Pinned, &signature).unwrap_err();
        assert_eq!(forged, CertificateError::BadSignature.into());
        let other = decoded(P521);
        let other = Certificate::parse(&other).unwrap();
        assert_eq!((other.key.kind, other.version), (KeyKind::P521, 3));
    }

    #[test]
    fn a_key_that_cannot_be_checked_is_not_taken_for_a_stranger() {
        let key = |kind| Key { kind, bytes: b"" };
        let fault = |kind, strength, scheme| {
            let error = key(kind).verify(strength, scheme, b"", b"").unwrap_err();
            super::super::transport::Cause::of_tls(&error)
        };
        let short = KeyKind::Rsa { bits: 1024 };
        let pkcs1 = SignatureScheme::RSA_PKCS1_SHA256;
        for (kind, strength, scheme, says) in [
            (
                KeyKind::P521,
                Strength::Pinned,
                SignatureScheme::ECDSA_NISTP521_SHA512,
                "P-521",
            ),
            (short, Strength::Usual, pkcs1, "RSA of 1024 bits"),
            (
                short,
                Strength::Pinned,
                SignatureScheme::RSA_PSS_SHA256,
                "RSA",
            ),
            (
                KeyKind::Rsa { bits: 512 },
                Strength::Pinned,
                pkcs1,
                "RSA of 512 bits",
            ),
            (
                KeyKind::Rsa { bits: 2048 },
                Strength::Pinned,
                SignatureScheme::RSA_PKCS1_SHA1,
                "SHA-1",
            ),
        ] {
            let cause = fault(kind, strength, scheme);
            assert!(cause.to_string().contains(says), "{cause}");
            assert_ne!(cause, super::super::transport::Cause::KeyNotProven);
        }
        let stranger = fault(short, Strength::Pinned, pkcs1);
        assert_eq!(stranger, super::super::transport::Cause::KeyNotProven);
    }
}
