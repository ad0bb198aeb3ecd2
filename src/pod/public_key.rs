//! The public key of a certificate that the certificate library does not read.
//!
//! Devices hold self-signed certificates of X.509 version 1, which webpki
//! refuses. Where only the pin counts nothing but the key is needed of them: to
//! check that the pod can sign with it.

/// `SubjectPublicKeyInfo` of a certificate in DER (RFC 5280 section 4.1).
pub(super) fn of(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate.content, SEQUENCE).map(|(tbs, _)| (tbs.content, ()))?;
    // Version 1 leaves the version out.
    if rest.first() == Some(&VERSION) {
        rest = element(rest, VERSION)?.1;
    }
    const INTEGER: u8 = 0x02;
    // Serial number; then algorithm, issuer, validity and subject.
    rest = element(rest, INTEGER)?.1;
    for _ in 0..4 {
        rest = element(rest, SEQUENCE)?.1;
    }
    element(rest, SEQUENCE).map(|(key, _)| key.whole)
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

/// The first element of `bytes`, which must have this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(Element<'_>, &[u8])> {
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
    let element = Element {
        whole: bytes.get(..end)?,
        content: bytes.get(start..end)?,
    };
    Some((element, bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_in_certificates_of_every_version() {
        let new = crate::pod::tests::new_certificate();
        use rcgen::PublicKeyData as _;
        assert_eq!(
            of(new.cert.der()),
            Some(new.signing_key.subject_public_key_info().as_slice())
        );
        let (_, old) = crate::pod::tests::version_1();
        let key = of(&old).unwrap();
        assert_eq!((key.len(), &key[..2]), (91, &[0x30, 0x59][..]));
    }

    #[test]
    fn no_bytes_lead_astray() {
        let (_, certificate) = crate::pod::tests::version_1();
        for length in 0..certificate.len() {
            let _ = of(&certificate[..length]);
        }
        for place in 0..certificate.len() {
            for value in [0, 0x30, 0x7f, 0x80, 0x83, 0x84, 0xff] {
                let mut broken = certificate.clone();
                broken[place] = value;
                let _ = of(&broken);
            }
        }
        assert_eq!(of(&[0x30, 0x83, 0xff, 0xff, 0xff]), None);
    }
}
