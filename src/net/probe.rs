//! Why a TLS server has nothing in common with podcal.
//!
//! The TLS library offers only what is safe, and a server that has none of it says no
//! more than "handshake failure". So that the reason can be told, one more connection
//! offers what old devices have too, reads what the server chooses, and ends there:
//! nothing is encrypted and nothing sent over it. TLS 1.2 and older show all of this
//! in the clear.

use std::fmt;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::certificate::{Certificate, KeyKind};

/// More than any honest server sends up to its certificate.
const MOST: usize = 64 * 1024;

/// What a server chooses when it may choose anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Such as 0x0301 for TLS 1.0.
    version: u16,
    cipher: u16,
    key: Option<KeyKind>,
}

/// Asks the server at the other end of a new connection; `None` where it does not
/// choose even then.
pub async fn probe(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Choice> {
    stream.write_all(&hello()).await.ok()?;
    let mut messages = Vec::new();
    while messages.len() < MOST {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.ok()?;
        let [kind, _, _, high, low] = head;
        let mut record = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        stream.read_exact(&mut record).await.ok()?;
        if kind != HANDSHAKE {
            break;
        }
        messages.extend(record);
        if let Some(choice) = read(&messages).filter(|choice| choice.key.is_some()) {
            return Some(choice);
        }
    }
    read(&messages)
}

const HANDSHAKE: u8 = 22;

/// What old devices speak, the better before the worse.
const CIPHERS: [(u16, &str); 18] = [
    (0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"),
    (0xc030, "ECDHE-RSA-AES256-GCM-SHA384"),
    (0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (0xc027, "ECDHE-RSA-AES128-SHA256"),
    (0xc013, "ECDHE-RSA-AES128-SHA"),
    (0xc014, "ECDHE-RSA-AES256-SHA"),
    (0xc009, "ECDHE-ECDSA-AES128-SHA"),
    (0xc00a, "ECDHE-ECDSA-AES256-SHA"),
    (0x0033, "DHE-RSA-AES128-SHA"),
    (0x0039, "DHE-RSA-AES256-SHA"),
    (0x009c, "AES128-GCM-SHA256"),
    (0x009d, "AES256-GCM-SHA384"),
    (0x003c, "AES128-SHA256"),
    (0x002f, "AES128-SHA"),
    (0x0035, "AES256-SHA"),
    (0x000a, "DES-CBC3-SHA"),
    (0x0005, "RC4-SHA"),
];

/// A `ClientHello` of TLS 1.2 (RFC 5246 section 7.4.1.2).
fn hello() -> Vec<u8> {
    /// With its length before it, in this number of bytes.
    fn sized(bytes: usize, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u64).to_be_bytes();
        let start = length.len().saturating_sub(bytes);
        [length.get(start..).unwrap_or_default(), content].concat()
    }
    fn numbers(numbers: &[u16]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }
    let extension =
        |kind: u16, content: Vec<u8>| [&kind.to_be_bytes()[..], &sized(2, &content)].concat();
    // P-256, P-384, P-521, X25519; RSA and ECDSA with SHA-256, 384, 512 and 1, and PSS.
    let groups = numbers(&[23, 24, 25, 29]);
    let schemes = numbers(&[
        0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0203,
    ]);
    let extensions = [
        extension(10, sized(2, &groups)),
        extension(11, vec![1, 0]),
        extension(13, sized(2, &schemes)),
    ]
    .concat();
    let ciphers: Vec<u16> = CIPHERS.iter().map(|(cipher, _)| *cipher).collect();
    let body = [
        &[3, 3][..],
        // In the place of a random number: nothing is ever derived from it.
        &[0x70; 32],
        // No session; one compression method, none.
        &[0],
        &sized(2, &numbers(&ciphers)),
        &[1, 0],
        &sized(2, &extensions),
    ]
    .concat();
    let message = [&[1][..], &sized(3, &body)].concat();
    [&[HANDSHAKE, 3, 1][..], &sized(2, &message)].concat()
}

/// `ServerHello` and, as soon as it is there, `Certificate`.
fn read(messages: &[u8]) -> Option<Choice> {
    const SERVER_HELLO: u8 = 2;
    const CERTIFICATE: u8 = 11;
    let mut rest = messages;
    let mut choice = None;
    while let [kind, a, b, c, after @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let body = after.get(..length)?;
        match (*kind, body) {
            (SERVER_HELLO, [high, low, hello @ ..]) => {
                // Past the random number and the session's name.
                let session = usize::from(*hello.get(32)?);
                let cipher = hello.get(33 + session..35 + session)?;
                choice = Some(Choice {
                    version: u16::from_be_bytes([*high, *low]),
                    cipher: u16::from_be_bytes(cipher.try_into().ok()?),
                    key: None,
                });
            }
            // The length of the list, then that of its first certificate.
            (CERTIFICATE, [_, _, _, a, b, c, list @ ..]) => {
                let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                let certificate = Certificate::parse(list.get(..length)?)?;
                let key = Some(certificate.key.kind);
                return choice.map(|choice| Choice { key, ..choice });
            }
            _ => {}
        }
        rest = after.get(length..)?;
    }
    choice
}

impl Choice {
    /// What of it podcal cannot go along with; `None` where nothing stands out.
    #[must_use]
    pub fn objection(&self) -> Option<String> {
        match (self.version, self.key) {
            (..0x0303, _) => Some(format!(
                "it offers nothing newer than {}",
                Version(self.version)
            )),
            (_, Some(key @ (KeyKind::P521 | KeyKind::Other))) => Some(format!(
                "the key of its certificate ({key}) is of a kind that podcal's TLS library does not check"
            )),
            _ => {
                let known = CIPHERS.iter().find(|(cipher, _)| *cipher == self.cipher);
                let name = known.map_or("an unknown one", |(_, name)| name);
                let is_safe = name.starts_with("ECDHE-") && name.contains("-GCM-");
                (!is_safe).then(|| format!("it offers only outdated ciphers such as {name}"))
            }
        }
    }
}

struct Version(u16);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0300 => f.write_str("SSL 3.0"),
            0x0301 => f.write_str("TLS 1.0"),
            0x0302 => f.write_str("TLS 1.1"),
            other => write!(f, "version {other:#06x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(version: u16, cipher: u16, key: Option<KeyKind>) -> Choice {
        Choice {
            version,
            cipher,
            key,
        }
    }

    #[test]
    fn what_is_outdated_is_named() {
        let rsa = Some(KeyKind::Rsa { bits: 2048 });
        for (choice, says) in [
            (choice(0x0301, 0xc013, rsa), Some("TLS 1.0")),
            (choice(0x0302, 0x002f, rsa), Some("TLS 1.1")),
            (choice(0x0303, 0xc02b, Some(KeyKind::P521)), Some("P-521")),
            (choice(0x0303, 0xc013, rsa), Some("ECDHE-RSA-AES128-SHA")),
            (choice(0x0303, 0x009c, rsa), Some("AES128-GCM-SHA256")),
            (choice(0x0303, 0x1234, None), Some("an unknown one")),
            (choice(0x0303, 0xc02f, rsa), None),
        ] {
            let found = choice.objection();
            assert_eq!(found.is_some(), says.is_some(), "{choice:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(says.unwrap_or_default()));
        }
    }

    /// Against a server of the TLS library, which is content with the better offers.
    #[tokio::test]
    async fn a_server_shows_what_it_chooses() {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der());
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private.unwrap())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let (mut here, there) = tokio::io::duplex(64 * 1024);
        let server = tokio::spawn(async move { acceptor.accept(there).await.map(drop) });
        let found = probe(&mut here).await.unwrap();
        assert_eq!((found.version, found.key), (0x0303, Some(KeyKind::P256)));
        assert_eq!(found.objection(), None);
        drop(here);
        assert!(server.await.unwrap().is_err());
    }

    #[test]
    fn no_bytes_lead_astray() {
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = certificate.cert.der();
        let length = |bytes: usize| (bytes as u32).to_be_bytes()[1..].to_vec();
        let hello = [&[3, 3][..], &[9; 32], &[0], &[0xc0, 0x2f, 0]].concat();
        let list = [length(der.len() + 3), length(der.len()), der.to_vec()].concat();
        let whole = [
            &[2][..],
            &length(hello.len()),
            &hello,
            &[11],
            &length(list.len()),
            &list,
        ]
        .concat();
        assert_eq!(read(&whole).unwrap().key, Some(KeyKind::P256));
        for end in 0..whole.len() {
            let _ = read(&whole[..end]);
        }
        for place in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[place] = value;
                let _ = read(&broken);
            }
        }
    }
}
