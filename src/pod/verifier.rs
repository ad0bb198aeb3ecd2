//! How a pod proves who it is: pinned on first use, by fingerprint, by
//! authorities, or not at all.
//!
//! One verifier serves all of these. It remembers the certificate whose key the
//! pod has proven, so that the service can keep a pin; it knows no ledger itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::error::PodErrorKind;
use super::sessions::Sessions;
use crate::config::TlsTrust;
use crate::model::digest::sha256;
use crate::model::fingerprint::Fingerprint;
use crate::net::certificate::{Certificate, Strength};
use crate::net::transport::CertificateFault;

/// What decides whether a certificate is good.
enum Judge {
    /// The pinned one; without a pin the first one is pinned.
    First,
    /// Name, expiry and chain are checked.
    Authorities(Arc<Authorities>),
    Anything,
}

/// Who vouches for pods; shared by all that have the same.
#[derive(Debug)]
struct Authorities {
    roots: Arc<dyn ServerCertVerifier>,
    /// Certificates that count by themselves.
    also: Vec<CertificateDer<'static>>,
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
    /// [`PodErrorKind::NoAuthorities`].
    pub(super) fn of(trust: &TlsTrust, pin: Option<Fingerprint>) -> Result<Self, PodErrorKind> {
        Ok(match trust {
            TlsTrust::Pin => Self::new(Judge::First, pin),
            TlsTrust::Sha256(bytes) => Self::new(Judge::First, Some(Fingerprint(*bytes))),
            TlsTrust::Off => Self::new(Judge::Anything, None),
            TlsTrust::Ca => Self::new(Judge::Authorities(system_authorities()?), None),
            TlsTrust::CaFile(pem) => Self::new(Judge::Authorities(file_authorities(pem)?), None),
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

    /// Whether the handshake was signed with the certificate's key.
    ///
    /// By podcal's own reading of it, for webpki does not read all that devices have;
    /// what authorities vouch for was read by webpki before.
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
        let read = Certificate::parse(cert).ok_or(CertificateError::BadEncoding)?;
        let result = read
            .key
            .verify(strength, dss.scheme, message, dss.signature());
        if let Err(error) = result {
            let is_short = matches!(
                &error,
                Error::InvalidCertificate(CertificateError::Other(other))
                    if other.0.downcast_ref() == Some(&CertificateFault::ShortRsaWithPss)
            );
            self.short_rsa.fetch_or(is_short, Ordering::Relaxed);
            return Err(error);
        }
        self.keep(cert);
        Ok(HandshakeSignatureValid::assertion())
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
                if authorities.also.iter().any(|one| one == end_entity) {
                    return Ok(ServerCertVerified::assertion());
                }
                authorities
                    .roots
                    .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                    .map_err(|error| told_apart(error, end_entity))
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

/// The reason why authorities do not vouch for a certificate, where webpki's says
/// less than the certificate does.
fn told_apart(error: Error, certificate: &CertificateDer<'_>) -> Error {
    let Error::InvalidCertificate(reason) = &error else {
        return error;
    };
    let read = Certificate::parse(certificate);
    match (reason, read) {
        (CertificateError::UnknownIssuer, Some(read)) if read.is_self_signed => {
            CertificateFault::SelfSigned.into()
        }
        // Signed by another authority of the same name.
        (CertificateError::BadSignature, _) => CertificateError::UnknownIssuer.into(),
        (CertificateError::BadEncoding | CertificateError::Other(_), Some(read))
            if read.version < 3 =>
        {
            let version = read.version;
            CertificateFault::Unsupported(format!(
                "it is of X.509 version {version}, which authorities cannot be checked with"
            ))
            .into()
        }
        _ => error,
    }
}

/// What encrypts and signs, made once.
pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// The system's authorities, read once: a building has many pods.
fn system_authorities() -> Result<Arc<Authorities>, PodErrorKind> {
    static SYSTEM: OnceLock<Arc<Authorities>> = OnceLock::new();
    if let Some(system) = SYSTEM.get() {
        return Ok(Arc::clone(system));
    }
    let roots =
        rustls_platform_verifier::Verifier::new(Arc::clone(provider())).map_err(|error| {
            PodErrorKind::NoAuthorities {
                why: error.to_string(),
            }
        })?;
    let system = Arc::new(Authorities {
        roots: Arc::new(roots),
        also: Vec::new(),
    });
    Ok(Arc::clone(SYSTEM.get_or_init(|| system)))
}

/// The authorities of a PEM file, read once while any pod uses them.
///
/// A certificate in it that a pod itself presents counts too: people put the
/// self-signed certificate of a pod there, which is not an authority's.
fn file_authorities(pem: &[u8]) -> Result<Arc<Authorities>, PodErrorKind> {
    type Files = Mutex<HashMap<[u8; 32], Weak<Authorities>>>;
    static FILES: OnceLock<Files> = OnceLock::new();
    let files = FILES.get_or_init(Files::default);
    let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
    let key = sha256(pem);
    if let Some(known) = files.get(&key).and_then(Weak::upgrade) {
        return Ok(known);
    }
    files.retain(|_, file| file.strong_count() > 0);
    let read = Arc::new(read_authorities(pem)?);
    files.insert(key, Arc::downgrade(&read));
    Ok(read)
}

fn read_authorities(pem: &[u8]) -> Result<Authorities, PodErrorKind> {
    let bad = |why: String| PodErrorKind::NoAuthorities { why };
    let also = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(format!("the file is not PEM: {error}")))?;
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(also.iter().cloned());
    if good == 0 {
        return Err(bad("the file holds no certificate".to_owned()));
    }
    let roots =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider()))
            .build()
            .map_err(|error| bad(error.to_string()))?;
    Ok(Authorities { roots, also })
}
