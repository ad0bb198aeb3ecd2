//! How a calendar server proves who it is: by the system's authorities, by those
//! of a file, by its fingerprint, or not at all.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::config::TlsTrust;
use crate::model::fingerprint::Fingerprint;
use crate::net::authorities::{Authorities, AuthoritiesError, provider};
use crate::net::certificate::{Strength, check_handshake};
use crate::net::transport::CertificateFault;

/// The TLS settings for this kind of trust.
///
/// # Errors
/// There are no authorities to check the server with.
pub(super) fn client_config(trust: &TlsTrust) -> Result<Arc<ClientConfig>, AuthoritiesError> {
    let judge = match trust {
        // `pin` is for pods; the configuration refuses it for feeds.
        TlsTrust::Ca | TlsTrust::Pin => Judge::Authorities(Authorities::system()?),
        TlsTrust::CaFile(pem) => Judge::Authorities(Authorities::of_file(pem)?),
        TlsTrust::Sha256(bytes) => Judge::Fingerprint(Fingerprint(*bytes)),
        TlsTrust::Off => Judge::Anything,
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| AuthoritiesError::System(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier(judge)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What decides whether a certificate is good.
enum Judge {
    /// Name, expiry and chain are checked.
    Authorities(Arc<Authorities>),
    Fingerprint(Fingerprint),
    Anything,
}

struct Verifier(Judge);

impl Verifier {
    fn check_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let strength = match self.0 {
            Judge::Anything => return Ok(HandshakeSignatureValid::assertion()),
            Judge::Fingerprint(_) => Strength::Pinned,
            Judge::Authorities(_) => Strength::Usual,
        };
        check_handshake(strength, message, cert, dss)
    }
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
        match &self.0 {
            Judge::Anything => Ok(ServerCertVerified::assertion()),
            Judge::Fingerprint(expected) => {
                if Fingerprint::of(end_entity) == *expected {
                    return Ok(ServerCertVerified::assertion());
                }
                let words = "its fingerprint is not the one in `tls.sha256`";
                Err(CertificateFault::Unsupported(words.to_owned()).into())
            }
            Judge::Authorities(authorities) => {
                authorities.check(end_entity, intermediates, server_name, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
