//! How a calendar server proves who it is: by the system's authorities, by those
//! of a file, by its fingerprint, or not at all.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring as ring_provider};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::config::TlsTrust;
use crate::model::fingerprint::Fingerprint;
use crate::net::transport::CertificateFault;

/// The TLS settings for this kind of trust.
///
/// # Errors
/// Why they cannot be made, in words.
pub(super) fn client_config(trust: &TlsTrust) -> Result<Arc<ClientConfig>, String> {
    let judge = match trust {
        // `pin` is for pods; the configuration refuses it for feeds.
        TlsTrust::Ca | TlsTrust::Pin => Judge::Authorities {
            roots: system_roots().map_err(|error| error.to_string())?,
            also: Vec::new(),
        },
        TlsTrust::CaFile(pem) => authorities(pem)?,
        TlsTrust::Sha256(bytes) => Judge::Fingerprint(Fingerprint(*bytes)),
        TlsTrust::Off => Judge::Anything,
    };
    let provider = Arc::new(ring_provider::default_provider());
    let verifier = Verifier {
        judge,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), read once.
fn system_roots() -> Result<Arc<dyn ServerCertVerifier>, Error> {
    static ROOTS: OnceLock<Arc<rustls_platform_verifier::Verifier>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots) as Arc<dyn ServerCertVerifier>);
    }
    let provider = Arc::new(ring_provider::default_provider());
    let roots = Arc::new(rustls_platform_verifier::Verifier::new(provider)?);
    Ok(Arc::clone(ROOTS.get_or_init(|| roots)) as Arc<dyn ServerCertVerifier>)
}

/// The authorities of a PEM file. A certificate in it that a server itself shows
/// counts too: people put the self-signed certificate of the server there.
fn authorities(pem: &[u8]) -> Result<Judge, String> {
    let also = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("`ca_file` is not in PEM form: {error}"))?;
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(also.iter().cloned());
    if good == 0 {
        return Err("`ca_file` contains no usable certificate".to_owned());
    }
    let provider = Arc::new(ring_provider::default_provider());
    let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Judge::Authorities { roots, also })
}

/// What decides whether a certificate is good.
enum Judge {
    /// Name, expiry and chain are checked; `also` are certificates that count by themselves.
    Authorities {
        roots: Arc<dyn ServerCertVerifier>,
        also: Vec<CertificateDer<'static>>,
    },
    Fingerprint(Fingerprint),
    Anything,
}

struct Verifier {
    judge: Judge,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.judge {
            Judge::Anything => Ok(ServerCertVerified::assertion()),
            Judge::Fingerprint(wanted) => {
                if Fingerprint::of(end_entity) == *wanted {
                    return Ok(ServerCertVerified::assertion());
                }
                let words = "its fingerprint is not the one in `tls.sha256`";
                Err(CertificateFault::Unsupported(words.to_owned()).into())
            }
            Judge::Authorities { also, .. } if also.iter().any(|one| one == end_entity) => {
                Ok(ServerCertVerified::assertion())
            }
            Judge::Authorities { roots, .. } => roots
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| match error {
                    Error::InvalidCertificate(
                        CertificateError::UnknownIssuer | CertificateError::BadSignature,
                    ) => {
                        if is_self_signed(end_entity) {
                            CertificateFault::SelfSigned.into()
                        } else {
                            CertificateError::UnknownIssuer.into()
                        }
                    }
                    error => error,
                }),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if matches!(self.judge, Judge::Anything) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if matches!(self.judge, Judge::Anything) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Whether issuer and subject of a certificate in DER are the same name
/// (RFC 5280 section 4.1).
fn is_self_signed(certificate: &[u8]) -> bool {
    names(certificate).is_some_and(|(issuer, subject)| issuer == subject)
}

fn names(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (certificate, _) = element(certificate)?;
    let (mut rest, _) = element(certificate)?;
    // Version 1 leaves the version out.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.1;
    }
    let mut next = || {
        let (content, after) = element(rest)?;
        rest = after;
        Some(content)
    };
    let (_serial, _algorithm) = (next()?, next()?);
    let issuer = next()?;
    let _validity = next()?;
    Some((issuer, next()?))
}

/// The content of the first element of `bytes`, and what follows it.
fn element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (start, length) = match *bytes.get(1)? {
        short @ 0..=0x7f => (2, usize::from(short)),
        // How many bytes of length follow.
        long @ 0x81..=0x83 => {
            let count = usize::from(long & 0x7f);
            let digits = bytes.get(2..2 + count)?.iter();
            let length = digits.fold(0, |length, digit| length << 8 | usize::from(*digit));
            (2 + count, length)
        }
        _ => return None,
    };
    Some((
        bytes.get(start..start + length)?,
        bytes.get(start + length..)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_vouches_for_itself_is_known() {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec!["dav.example.com".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        assert!(is_self_signed(own.der()));
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Example authority");
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let signed = rcgen::CertificateParams::new(vec!["dav.example.com".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        assert!(!is_self_signed(signed.der()));
        assert!(!is_self_signed(b""));
        assert!(!is_self_signed(&[0x30, 0x83, 0xff]));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        for pem in ["", "-----BEGIN CERTIFICATE-----"] {
            let trust = TlsTrust::CaFile(pem.as_bytes().into());
            assert!(client_config(&trust).unwrap_err().contains("`ca_file`"));
        }
    }
}
