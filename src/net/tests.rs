//! Certificates as odd devices have them, and how a server of a test shows them.

use std::sync::Arc;

/// Key and self-signed certificate of X.509 version 1, as `openssl x509 -req` makes it.
pub(crate) fn version_1() -> (Vec<u8>, Vec<u8>) {
    use base64::Engine as _;
    let decode = |text: &str| {
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap()
    };
    let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEoGv2nxZClmClI9TFEJIwnivzR6UTUORoCLsuuKF11ahRANCAAQ1S+KSM4Q+cRLLuRefGE5dHKrxnQj3goeAED+WfuWV7iDyTbGQF2LYMQC3+oDZ+Zjere9pOlU6AOy6piIgZxZG";
    let certificate = "MIIBIjCByQIUA3OZHNu04ygCDM2M2iiuw+33ZlEwCgYIKoZIzj0EAwIwEzERMA8GA1UEAwwIc29sc3RpY2UwIBcNMjYxMTIzMTAwOTA3WhgPMjEyNjEwMzAxMDA5MDdaMBMxETAPBgNVBAMMCHNvbHN0aWNlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENUvikjOEPnESy7kXnxhOXRyq8Z0I94KHgBA/ln7lle4g8k2xkBdi2DEAt/qA2fmY3q3vaTpVOgDsuqYiIGcWRjAKBggqhkjOPQQDAgNIADBFAiAgXmdve0FYPgNSZXXNUGvgkMF5yV27Hg/pkkQeeL5HlQIhAKDbSuvZ5WOvhCxQEtnGITg/HWgrxqSxyT4YO6zPwUI3";
    (decode(key), decode(certificate))
}

/// Presents a certificate without reading it, as a pod does that holds an odd one.
#[derive(Debug)]
pub(crate) struct Presents(Arc<rustls::sign::CertifiedKey>);

impl Presents {
    pub(crate) fn new(certificate: &[u8], private: &rustls::pki_types::PrivateKeyDer<'_>) -> Self {
        let key = rustls::crypto::ring::sign::any_supported_type(private).unwrap();
        let chain = vec![certificate.to_vec().into()];
        Self(Arc::new(rustls::sign::CertifiedKey::new(chain, key)))
    }
}

impl rustls::server::ResolvesServerCert for Presents {
    fn resolve(
        &self,
        _: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
