//! How a pod proves who it is: pinned on first use, by fingerprint, by
//! authorities, or not at all.
//!
//! One verifier serves all of these. It remembers the certificate whose key the
//! pod has proven, so that the service can keep a pin; it knows no ledger itself.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::sessions::Sessions;
use crate::config::TlsTrust;
use crate::model::fingerprint::Fingerprint;
use crate::net::authorities::{Authorities, AuthoritiesError, provider};
use crate::net::certificate::{Strength, check_handshake};
use crate::net::transport::CertificateFault;

/// What decides whether a certificate is good.
enum Judge {
    /// The pinned one; without a pin the first one is pinned.
    First,
    /// Name, expiry and chain are checked.
    Authorities(Arc<Authorities>),
    Anything,
}

pub(super) struct Verifier {
    judge: Judge,
    seen: Mutex<Seen>,
    sessions: Arc<Sessions>,
    /// The pod has a short RSA key, which can be checked only as TLS 1.2 signs.
    short_rsa: AtomicBool,
}

#[derive(Default)]
struct Seen {
    pin: Option<Fingerprint>,
    /// The certificate whose key the pod has proven.
    proven: Option<Fingerprint>,
    refused: Option<Fingerprint>,
}

impl Verifier {
    fn new(judge: Judge, pin: Option<Fingerprint>) -> Self {
        Self {
            judge,
            seen: Mutex::new(Seen {
                pin,
                ..Seen::default()
            }),
            sessions: Arc::default(),
            short_rsa: AtomicBool::new(false),
        }
    }

    /// The verifier that takes whatever certificate it is shown.
    pub(super) fn first() -> Self {
        Self::new(Judge::First, None)
    }

    /// The verifier for a pod; `pin` counts only where trust is on first use.
    ///
    /// # Errors
    /// There are no authorities to check the pod with.
    pub(super) fn of(trust: &TlsTrust, pin: Option<Fingerprint>) -> Result<Self, AuthoritiesError> {
        Ok(match trust {
            TlsTrust::Pin => Self::new(Judge::First, pin),
            TlsTrust::Sha256(bytes) => Self::new(Judge::First, Some(Fingerprint(*bytes))),
            TlsTrust::Off => Self::new(Judge::Anything, None),
            TlsTrust::Ca => Self::new(Judge::Authorities(Authorities::system()?), None),
            TlsTrust::CaFile(pem) => {
                Self::new(Judge::Authorities(Authorities::of_file(pem)?), None)
            }
        })
    }

    pub(super) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Whether the pod was found to have a short RSA key.
    pub(super) fn wants_tls12(&self) -> bool {
        self.short_rsa.load(Ordering::Relaxed)
    }

    /// The certificate whose key the pod has proven, if it was asked already.
    pub(super) fn proven(&self) -> Option<Fingerprint> {
        self.seen().proven
    }

    /// The pin and the certificate that was refused instead, since the last call.
    pub(super) fn take_refused(&self) -> Option<(Fingerprint, Fingerprint)> {
        let mut seen = self.seen();
        let found = seen.refused.take()?;
        seen.pin.map(|pin| (pin, found))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let strength = match self.judge {
            Judge::Anything => {
                self.keep(cert);
                return Ok(HandshakeSignatureValid::assertion());
            }
            Judge::First => Strength::Pinned,
            Judge::Authorities(_) => Strength::Usual,
        };
        match check_handshake(strength, message, cert, dss) {
            Ok(valid) => {
                self.keep(cert);
                Ok(valid)
            }
            Err(error) => {
                let is_short =
                    CertificateFault::of(&error) == Some(&CertificateFault::ShortRsaWithPss);
                self.short_rsa.fetch_or(is_short, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// The handshake's signature was good, so the pod holds the key of this certificate.
    ///
    /// Only now is it pinned: anybody can show the certificate of somebody else.
    fn keep(&self, certificate: &CertificateDer<'_>) {
        let found = Fingerprint::of(certificate);
        self.sessions.checked();
        let mut seen = self.seen();
        seen.proven = Some(found);
        if matches!(self.judge, Judge::First) && seen.pin.is_none() {
            seen.pin = Some(found);
        }
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
        match &self.judge {
            Judge::Anything => Ok(ServerCertVerified::assertion()),
            Judge::First => {
                let found = Fingerprint::of(end_entity);
                let mut seen = self.seen();
                match seen.pin {
                    Some(pin) if pin != found => {
                        seen.refused = Some(found);
                        self.sessions.forget();
                        Err(CertificateError::ApplicationVerificationFailure.into())
                    }
                    _ => Ok(ServerCertVerified::assertion()),
                }
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
        if self.wants_tls12() {
            return vec![
                SignatureScheme::RSA_PKCS1_SHA256,
                SignatureScheme::RSA_PKCS1_SHA512,
            ];
        }
        let mut schemes = provider()
            .signature_verification_algorithms
            .supported_schemes();
        // It cannot be checked; but a pod that has nothing else shows its certificate
        // only where it is offered, and then the reason can be told.
        schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        schemes
    }
}
