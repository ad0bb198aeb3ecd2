//! The TLS settings of a client, and the certificate that a pod presents.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error, SupportedProtocolVersion, version};
use tokio::net::TcpStream;

use super::error::{PodError, PodErrorKind};
use super::operation::Operation;
use super::verifier::Verifier;
use crate::config::Pod;
use crate::model::fingerprint::Fingerprint;
use crate::net::authorities::provider;
use crate::net::lookup::Lookup;
use crate::net::probe::probe;
use crate::net::transport::Cause;

/// The certificate that a pod presents now, whatever it is trusted for.
///
/// Only the handshake takes place: no request, no password. The pod has proven
/// that it holds the certificate's key.
///
/// # Errors
/// The pod cannot be reached, or does not speak TLS.
pub async fn certificate(pod: &Pod) -> Result<Fingerprint, PodError> {
    let fail = |kind| PodError::new(&pod.url, Operation::ReadCertificate, kind);
    let verifier = Arc::new(Verifier::first());
    let both = async {
        match handshake(pod, &verifier).await {
            // Once more as the pod can be checked; see `client_config`.
            Err(_) if verifier.wants_tls12() => handshake(pod, &verifier).await,
            result => result,
        }
    };
    let timed_out = |_: tokio::time::error::Elapsed| PodErrorKind::TimedOut {
        after: pod.timeout,
        sent: false,
    };
    match tokio::time::timeout(pod.timeout, both).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => {
            let cause = explained(pod, cause).await;
            return Err(fail(PodErrorKind::NotConnected(cause)));
        }
        Err(elapsed) => return Err(fail(timed_out(elapsed))),
    }
    verifier.proven().ok_or_else(|| {
        let cause = Cause::of_tls(&Error::NoCertificatesPresented);
        fail(PodErrorKind::NotConnected(cause))
    })
}

/// The cause of a failed handshake, with what the pod offers instead of what is
/// safe, where that is the cause; for this it is asked once more.
pub(super) async fn explained(pod: &Pod, cause: Cause) -> Cause {
    if !matches!(cause, Cause::OldTls | Cause::NothingInCommon { .. }) {
        return cause;
    }
    let host = pod.url.host().trim_matches(['[', ']']);
    let asking = async {
        let addresses = Lookup::shared()
            .addresses(host, pod.url.port())
            .await
            .ok()?;
        let mut stream = TcpStream::connect(addresses.as_slice()).await.ok()?;
        probe(&mut stream).await?.objection()
    };
    let limit = (pod.timeout / 4).min(Duration::from_secs(5));
    match tokio::time::timeout(limit, asking).await {
        Ok(Some(detail)) => Cause::NothingInCommon {
            detail: Some(detail),
        },
        _ => cause,
    }
}

async fn handshake(pod: &Pod, verifier: &Arc<Verifier>) -> Result<(), Cause> {
    let host = pod.url.host().trim_matches(['[', ']']).to_owned();
    let config = client_config(verifier).map_err(|error| Cause::of_tls(&error))?;
    let name = ServerName::try_from(host.clone()).map_err(|_| Cause::NameNotFound)?;
    let addresses = Lookup::shared().addresses(&host, pod.url.port()).await;
    let addresses = addresses.map_err(Cause::of_lookup)?;
    let stream = TcpStream::connect(addresses.as_slice())
        .await
        .map_err(|error| Cause::of_connecting(&error))?;
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| Cause::of_connecting(&error))?;
    // A polite end; it does no harm if the pod does not wait for it.
    let end = tokio::io::AsyncWriteExt::shutdown(&mut stream);
    let _ = tokio::time::timeout(Duration::from_millis(200), end).await;
    Ok(())
}

/// The TLS settings that use this verifier and its sessions.
///
/// All pods share what does not depend on the pod. A pod with a short RSA key is
/// asked for TLS 1.2: the padding of TLS 1.3 cannot be checked for such a key.
pub(super) fn client_config(verifier: &Arc<Verifier>) -> Result<ClientConfig, Error> {
    static BOTH: OnceLock<ClientConfig> = OnceLock::new();
    static OLD: OnceLock<ClientConfig> = OnceLock::new();
    let (shared, versions): (_, &[&SupportedProtocolVersion]) = if verifier.wants_tls12() {
        (&OLD, &[&version::TLS12])
    } else {
        (&BOTH, rustls::DEFAULT_VERSIONS)
    };
    let mut config = match shared.get() {
        Some(config) => config.clone(),
        None => {
            let config = ClientConfig::builder_with_provider(Arc::clone(provider()))
                .with_protocol_versions(versions)?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Verifier::first()))
                .with_no_client_auth();
            shared.get_or_init(|| config).clone()
        }
    };
    config
        .dangerous()
        .set_certificate_verifier(Arc::clone(verifier) as _);
    config.resumption = Resumption::store(Arc::clone(verifier.sessions()) as _);
    Ok(config)
}
