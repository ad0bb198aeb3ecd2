//! A pod's own certificate: self-signed, and the same after a restart, because it follows from seed
//! and number.
//!
//! Ed25519 keys can be derived from a seed and sign without randomness, so the certificate's
//! fingerprint is stable. Browsers do not offer Ed25519; they are given a P-256 certificate that
//! lives as long as the process.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use ring::digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};

/// What comes before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 section 7).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

#[derive(Debug)]
pub(super) struct Certificate {
    fixed: Arc<CertifiedKey>,
    pem: String,
    fingerprint: [u8; 32],
    names: Names,
    for_browsers: OnceLock<Option<Arc<CertifiedKey>>>,
}

#[derive(Clone, Debug)]
struct Names {
    common: String,
    address: IpAddr,
}

impl Certificate {
    /// The certificate that belongs to these 32 bytes and names.
    pub fn derive(secret: [u8; 32], common: &str, address: IpAddr) -> io::Result<Self> {
        let mut der = ED25519_PKCS8.to_vec();
        der.extend_from_slice(&secret);
        let names = Names {
            common: common.to_owned(),
            address,
        };
        let key = KeyPair::try_from(der.as_slice()).map_err(io::Error::other)?;
        let (fixed, pem) = names.certify(&key)?;
        let mut fingerprint = [0; 32];
        if let Some(certificate) = fixed.cert.first() {
            fingerprint.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        }
        Ok(Self {
            fixed: Arc::new(fixed),
            pem,
            fingerprint,
            names,
            for_browsers: OnceLock::new(),
        })
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

impl Names {
    fn certify(&self, key: &KeyPair) -> io::Result<(CertifiedKey, String)> {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned()]).map_err(io::Error::other)?;
        params
            .distinguished_name
            .push(DnType::CommonName, self.common.as_str());
        params
            .subject_alt_names
            .push(SanType::IpAddress(self.address));
        let certificate = params.self_signed(key).map_err(io::Error::other)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing =
            rustls::crypto::ring::sign::any_supported_type(&private).map_err(io::Error::other)?;
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        Ok((CertifiedKey::new(chain, signing), certificate.pem()))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello
            .signature_schemes()
            .contains(&SignatureScheme::ED25519)
        {
            return Some(Arc::clone(&self.fixed));
        }
        self.for_browsers
            .get_or_init(|| {
                let key = KeyPair::generate().ok()?;
                self.names
                    .certify(&key)
                    .ok()
                    .map(|(certified, _)| Arc::new(certified))
            })
            .clone()
    }
}

/// The TLS settings of a server with this certificate.
///
/// Sessions are never resumed: a resumed one would not show a changed certificate, and memory for
/// thousands of pods stays modest.
pub(super) fn server_config(certificate: Arc<Certificate>) -> io::Result<Arc<ServerConfig>> {
    static PROVIDER: OnceLock<Arc<rustls::crypto::CryptoProvider>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()));
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
