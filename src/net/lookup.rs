//! Names looked up on threads of their own.
//!
//! The system's resolver blocks its thread, with a silent name server for half a
//! minute. On the threads that do other blocking work, look-ups for a few hundred
//! rooms would hold all of that up; here a silent name server delays only names.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, oneshot};

/// Look-ups at a time, each on a thread that waits.
const MAX_LOOKUPS: usize = 32;

/// A second name server has answered by then, where the first is silent; below the
/// usual time limit of a connection, so that the name server is named as the cause.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The system's resolver for all clients of the process.
#[derive(Clone, Debug)]
pub struct Lookup {
    places: Arc<Semaphore>,
}

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    #[error("no such name")]
    NotFound,
    /// No name server answered, or it answered that it failed.
    #[error("the name servers did not answer")]
    NoAnswer,
}

impl Lookup {
    /// The one that all clients share.
    #[must_use]
    pub fn shared() -> Self {
        static SHARED: OnceLock<Lookup> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }

    /// The addresses of a host, each with this port.
    ///
    /// # Errors
    /// See [`LookupError`].
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let lookup = self.look_up(host, port);
        let result = tokio::time::timeout(TIMEOUT, lookup).await;
        result.unwrap_or(Err(LookupError::NoAnswer))
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
        // A semaphore that is never closed always gives a permit.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (answer, answered) = oneshot::channel();
        let host = host.to_owned();
        let look_up = move || {
            let found = (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect::<Vec<_>>);
            // Who asked may have given up meanwhile; the place is free only now.
            drop(place);
            let _ = answer.send(found);
        };
        thread::Builder::new()
            .name("name look-up".to_owned())
            .spawn(look_up)
            .map_err(|_| LookupError::NoAnswer)?;
        match answered.await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(LookupError::NotFound),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(LookupError::of(&error)),
            Err(_) => Err(LookupError::NoAnswer),
        }
    }
}

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.clone();
        Box::pin(async move {
            // The client puts its own port in place of 0.
            let addresses = lookup.addresses(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl LookupError {
    /// What the resolver said. The standard library keeps no code of it, only the
    /// system's words, here of glibc, musl and macOS.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let words = error.to_string();
        let passing = [
            "Temporary failure",
            "Try again",
            "System error",
            "Non-recoverable",
            "Unrecoverable",
            "not have permission",
        ];
        if passing.iter().any(|passing| words.contains(passing)) || error.raw_os_error().is_some() {
            Self::NoAnswer
        } else {
            Self::NotFound
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_and_addresses_are_found() {
        let lookup = Lookup::shared();
        let found = lookup.addresses("127.0.0.1", 80).await.unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
        let found = lookup.addresses("localhost", 80).await.unwrap();
        assert!(
            found.iter().all(|found| found.ip().is_loopback()),
            "{found:?}"
        );
    }

    #[tokio::test]
    async fn an_invalid_name_is_not_found() {
        let lookup = Lookup::new();
        let found = lookup.addresses("no such host.invalid", 80).await;
        assert!(found.is_err(), "{found:?}");
        assert_eq!(lookup.places.available_permits(), MAX_LOOKUPS);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_silent_name_server_is_told_so() {
        let full = Lookup {
            places: Arc::new(Semaphore::new(0)),
        };
        let found = full.addresses("pod.example.com", 80).await;
        assert_eq!(found, Err(LookupError::NoAnswer));
        // An address needs no name server.
        full.addresses("192.0.2.11", 80).await.unwrap();
    }

    #[test]
    fn a_name_server_that_is_silent_is_told_from_a_name_that_is_not_there() {
        let said = |words: &str| {
            let text = format!("failed to lookup address information: {words}");
            LookupError::of(&io::Error::other(text))
        };
        assert_eq!(said("Name or service not known"), LookupError::NotFound);
        assert_eq!(
            said("Temporary failure in name resolution"),
            LookupError::NoAnswer
        );
        assert_eq!(said("Name does not resolve"), LookupError::NotFound);
        assert_eq!(said("Try again"), LookupError::NoAnswer);
    }
}
