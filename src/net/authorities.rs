//! Certificate authorities: the system's, or those of a file in PEM form. Feeds and
//! pods are checked with the same ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};

use super::certificate::Certificate;
use super::transport::CertificateFault;
use crate::model::digest::sha256;

/// The authorities that vouch for servers.
#[derive(Debug)]
pub struct Authorities {
    verifier: Arc<dyn ServerCertVerifier>,
    /// Certificates that are accepted as they are.
    also: Vec<CertificateDer<'static>>,
}

/// Why there are no authorities to check a server with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthoritiesError {
    #[error("the system's certificate authorities cannot be read: {0}")]
    System(String),
    #[error("`ca_file` is not in PEM form: {0}")]
    NotPem(String),
    #[error("`ca_file` contains no usable certificate")]
    Empty,
}

impl AuthoritiesError {
    /// What an administrator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::System(_) => "install the system's CA certificates (package `ca-certificates`)",
            Self::NotPem(_) | Self::Empty => {
                "set `ca_file` to a file with the authority's certificate in PEM form"
            }
        }
    }
}

/// What encrypts and signs, made once.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
}

impl Authorities {
    /// The system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), read
    /// once: a building has many pods.
    ///
    /// # Errors
    /// [`AuthoritiesError::System`]; they are looked for again the next time.
    pub fn system() -> Result<Arc<Self>, AuthoritiesError> {
        static SYSTEM: OnceLock<Arc<Authorities>> = OnceLock::new();
        if let Some(system) = SYSTEM.get() {
            return Ok(Arc::clone(system));
        }
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider()))
            .map_err(|error| AuthoritiesError::System(error.to_string()))?;
        let system = Arc::new(Self {
            verifier: Arc::new(verifier),
            also: Vec::new(),
        });
        Ok(Arc::clone(SYSTEM.get_or_init(|| system)))
    }

    /// The authorities of a PEM file, read once while anything uses them.
    ///
    /// A certificate in it that a server itself shows is accepted too: people put the
    /// self-signed certificate of a server there, which is not an authority's.
    ///
    /// # Errors
    /// The file is not PEM or contains no certificate that can be used.
    pub fn of_file(pem: &[u8]) -> Result<Arc<Self>, AuthoritiesError> {
        type Files = Mutex<HashMap<[u8; 32], Weak<Authorities>>>;
        static FILES: OnceLock<Files> = OnceLock::new();
        let files = FILES.get_or_init(Files::default);
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        let key = sha256(pem);
        if let Some(known) = files.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        files.retain(|_, file| file.strong_count() > 0);
        let read = Arc::new(Self::read(pem)?);
        files.insert(key, Arc::downgrade(&read));
        Ok(read)
    }

    fn read(pem: &[u8]) -> Result<Self, AuthoritiesError> {
        let also = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| AuthoritiesError::NotPem(error.to_string()))?;
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(also.iter().cloned());
        // Fails only where the store is empty.
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider()))
                .build()
                .map_err(|_| AuthoritiesError::Empty)?;
        Ok(Self { verifier, also })
    }

    /// Checks name, expiry and chain of a certificate.
    ///
    /// # Errors
    /// The reason, told more exactly than webpki does where the certificate allows it.
    pub fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.also.iter().any(|one| one == certificate) {
            return Ok(ServerCertVerified::assertion());
        }
        self.verifier
            .verify_server_cert(certificate, intermediates, server_name, ocsp_response, now)
            .map_err(|error| told_apart(error, certificate))
    }
}

/// The reason why authorities do not vouch for a certificate, where webpki's says less
/// than the certificate does.
fn told_apart(error: Error, certificate: &CertificateDer<'_>) -> Error {
    let Error::InvalidCertificate(reason) = &error else {
        return error;
    };
    let read = Certificate::parse(certificate);
    match (reason, read) {
        (CertificateError::UnknownIssuer | CertificateError::BadSignature, Some(read))
            if read.is_self_signed =>
        {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        for pem in [
            "",
            "no PEM",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = Authorities::of_file(pem.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("`ca_file`"), "{pem}: {error}");
            assert!(error.hint().contains("`ca_file`"), "{pem}");
        }
    }

    #[test]
    fn a_file_is_read_once_while_it_is_used() {
        let key = rcgen::generate_simple_self_signed(vec!["pod.example.com".to_owned()]).unwrap();
        let pem = key.cert.pem();
        let first = Authorities::of_file(pem.as_bytes()).unwrap();
        let second = Authorities::of_file(pem.as_bytes()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
