//! How a pod proves who it is: pinned on first use, by fingerprint, by
//! authorities, or not at all.
//!
//! One verifier serves all of these. It remembers the certificate whose key the
//! pod has proven, so that the flow can keep a pin; it knows no ledger itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{
    CryptoProvider, ring as ring_provider, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;

use super::error::{PodError, Unreachable};
use super::operation::Operation;
use super::public_key;
use crate::config::{Pod, TlsTrust};
pub use crate::model::fingerprint::Fingerprint;
use crate::model::name::PodUrl;

/// The certificate that a pod presents now, whatever it is trusted for.
///
/// Only the handshake takes place: no request, no password. The pod has proven
/// that it holds the certificate's key.
///
/// # Errors
/// The pod cannot be reached, or does not speak TLS.
pub async fn certificate(pod: &Pod) -> Result<Fingerprint, PodError> {
    let verifier = Arc::new(Verifier::new(Judge::First, None));
    let config = client_config(&verifier).map_err(|error| PodError::tls(&pod.url, &error))?;
    let host = pod.url.host().trim_matches(['[', ']']).to_owned();
    let unreachable = |error: &std::io::Error| PodError::Unreachable {
        pod: pod.url.clone(),
        problem: Unreachable::from_io(error),
    };
    let handshake = async {
        let name = ServerName::try_from(host.clone()).map_err(|_| PodError::Unreachable {
            pod: pod.url.clone(),
            problem: Unreachable::UnknownHost,
        })?;
        let stream = TcpStream::connect((host.as_str(), pod.url.port()))
            .await
            .map_err(|error| unreachable(&error))?;
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .map_err(|error| match PodError::tls_in(&pod.url, &error) {
                Some(tls) => tls,
                None => unreachable(&error),
            })
    };
    let mut stream = tokio::time::timeout(pod.timeout, handshake)
        .await
        .map_err(|_| PodError::TimedOut {
            pod: pod.url.clone(),
            operation: Operation::ReadCertificate,
            after: pod.timeout,
            sent: false,
        })??;
    // A polite end; that the pod does not wait for it is no fault.
    let _ = tokio::time::timeout(
        std::time::Duration::from_millis(200),
        tokio::io::AsyncWriteExt::shutdown(&mut stream),
    )
    .await;
    verifier
        .proven()
        .ok_or_else(|| PodError::tls(&pod.url, &Error::NoCertificatesPresented))
}

/// What decides whether a certificate is good.
enum Judge {
    /// The pinned one; without a pin the first one is pinned.
    First,
    /// Name, expiry and chain are checked; `also` are certificates that count by themselves.
    Authorities {
        roots: Arc<dyn ServerCertVerifier>,
        also: Vec<CertificateDer<'static>>,
    },
    Anything,
}

pub(super) struct Verifier {
    judge: Judge,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
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
            provider: Arc::new(ring_provider::default_provider()),
            seen: Mutex::new(Seen {
                pin,
                ..Seen::default()
            }),
        }
    }

    /// The verifier for a pod; `pin` counts only where trust is on first use.
    pub(super) fn for_pod(pod: &Pod, pin: Option<Fingerprint>) -> Result<Self, PodError> {
        Ok(match &pod.tls {
            TlsTrust::Pin => Self::new(Judge::First, pin),
            TlsTrust::Sha256(bytes) => Self::new(Judge::First, Some(Fingerprint(*bytes))),
            TlsTrust::Off => Self::new(Judge::Anything, None),
            TlsTrust::Ca => {
                let roots = system_roots().map_err(|error| PodError::NoAuthorities {
                    pod: pod.url.clone(),
                    why: error.to_string(),
                })?;
                let also = Vec::new();
                Self::new(Judge::Authorities { roots, also }, None)
            }
            TlsTrust::CaFile(pem) => Self::new(authorities(&pod.url, pem)?, None),
        })
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

    /// The same check of the signature with nothing of the certificate but its key,
    /// for certificates that are not read otherwise. `error` is what was wrong.
    fn verify_by_key(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
        error: Error,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Authorities vouch for what they have signed as a whole.
        if matches!(self.judge, Judge::Authorities { .. }) {
            return Err(error);
        }
        let Some(key) = public_key::of(cert) else {
            return Err(error);
        };
        let key = SubjectPublicKeyInfoDer::from(key);
        let algorithms = &self.provider.signature_verification_algorithms;
        // That the key does not fit is worse than that the certificate is odd.
        verify_tls13_signature_with_raw_key(message, &key, dss, algorithms).map_err(|by_key| {
            match by_key {
                Error::InvalidCertificate(CertificateError::BadSignature) => by_key,
                _ => error,
            }
        })
    }

    /// The handshake's signature was good, so the pod holds the key of this certificate.
    ///
    /// Only now is it pinned: anybody can show the certificate of somebody else.
    fn keep(&self, certificate: &CertificateDer<'_>) {
        let found = Fingerprint::of(certificate);
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
                        Err(CertificateError::ApplicationVerificationFailure.into())
                    }
                    _ => Ok(ServerCertVerified::assertion()),
                }
            }
            Judge::Authorities { also, .. } if also.iter().any(|one| one == end_entity) => {
                Ok(ServerCertVerified::assertion())
            }
            Judge::Authorities { roots, .. } => roots
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| match error {
                    // Signed by another authority of the same name.
                    Error::InvalidCertificate(CertificateError::BadSignature) => {
                        CertificateError::UnknownIssuer.into()
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
        let algorithms = &self.provider.signature_verification_algorithms;
        let valid = match self.judge {
            Judge::Anything => HandshakeSignatureValid::assertion(),
            _ => verify_tls12_signature(message, cert, dss, algorithms)
                .or_else(|error| self.verify_by_key(message, cert, dss, error))?,
        };
        self.keep(cert);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let valid = match self.judge {
            Judge::Anything => HandshakeSignatureValid::assertion(),
            _ => verify_tls13_signature(message, cert, dss, algorithms)
                .or_else(|error| self.verify_by_key(message, cert, dss, error))?,
        };
        self.keep(cert);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The TLS settings that use this verifier.
///
/// Sessions are never resumed: a resumed one would skip the verifier, and with it
/// the pin.
pub(super) fn client_config(verifier: &Arc<Verifier>) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The system's authorities, read once: a building has many pods.
fn system_roots() -> Result<Arc<dyn ServerCertVerifier>, Error> {
    static ROOTS: OnceLock<Arc<rustls_platform_verifier::Verifier>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots) as Arc<dyn ServerCertVerifier>);
    }
    let provider = Arc::new(ring_provider::default_provider());
    let roots = Arc::new(rustls_platform_verifier::Verifier::new(provider)?);
    Ok(Arc::clone(ROOTS.get_or_init(|| roots)) as Arc<dyn ServerCertVerifier>)
}

/// The authorities of a PEM file.
///
/// A certificate in it that a pod itself presents counts too: people put the
/// self-signed certificate of a pod there, which is no authority's.
fn authorities(pod: &PodUrl, pem: &[u8]) -> Result<Judge, PodError> {
    let bad = |why: String| PodError::NoAuthorities {
        pod: pod.clone(),
        why,
    };
    let also = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(format!("the file is no PEM: {error}")))?;
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(also.iter().cloned());
    if good == 0 {
        return Err(bad("the file holds no certificate".to_owned()));
    }
    let provider = Arc::new(ring_provider::default_provider());
    let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    Ok(Judge::Authorities { roots, also })
}
