//! What is remembered of signing in to an account, so that a rejected secret is not tried
//! again too soon: by no task, no command and no other process.

use std::fmt;

use ring::digest;
use serde::{Deserialize, Serialize};

use super::name::hex;
use super::secret::Secret;
use super::time::UnixTime;

/// An account: a host and a user there; for tokens and OAuth a host and the credential.
///
/// Whoever locks accounts counts by these, so sign-in is paused by these. Holds no user
/// name and no credential: a digest of them, and the host for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountKey {
    digest: String,
    host: String,
}

impl AccountKey {
    /// `parts` is everything besides the host that tells this account from another,
    /// such as the kind of sign-in and the user's name.
    #[must_use]
    pub fn new(host: &str, parts: &[&str]) -> Self {
        let host = host.to_ascii_lowercase();
        let mut context = digest::Context::new(&digest::SHA256);
        for part in std::iter::once(&host.as_str()).chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let digest = hex(context.finish().as_ref().get(..10).unwrap_or_default());
        Self { digest, host }
    }

    /// Twenty hexadecimal digits; the key in the ledger.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.digest
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Tells one secret of this account from another. Sixteen bits: enough to notice a new
    /// secret, too few to confirm a guess at it.
    #[must_use]
    pub fn secret_tag(&self, secret: &Secret) -> u16 {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in ["secret tag", self.digest.as_str(), secret.reveal()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        match context.finish().as_ref() {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        }
    }
}

/// The host; two accounts of one host are told apart by the digest.
impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

/// What came of signing in to one account with one secret. In the ledger by the account's
/// key; written before a secret that has not worked yet is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The secret that this is about; see [`AccountKey::secret_tag`].
    pub secret_tag: u16,
    /// In a row, the one counted in advance before the secret is sent included.
    pub rejections: u32,
    /// The secret is not sent before then.
    pub until: UnixTime,
    /// When the secret was last accepted; `None`: it has not worked yet.
    pub proven_at: Option<UnixTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_told_apart_by_host_and_user_without_naming_the_user() {
        let one = AccountKey::new("dav.example.com", &["password", "room-one"]);
        let two = AccountKey::new("dav.example.com", &["password", "room-two"]);
        let elsewhere = AccountKey::new("dav.example.org", &["password", "room-one"]);
        assert_ne!(one, two);
        assert_ne!(one, elsewhere);
        assert_eq!(
            one,
            AccountKey::new("DAV.example.com", &["password", "room-one"])
        );
        assert!(!format!("{one} {one:?}").contains("room"));
    }

    #[test]
    fn a_new_secret_of_an_account_has_another_tag() {
        let account = AccountKey::new("dav.example.com", &["password", "room"]);
        let tag = |secret: &str| account.secret_tag(&Secret::new(secret));
        assert_eq!(tag("right"), tag("right"));
        assert_ne!(tag("right"), tag("wrong"));
        let other = AccountKey::new("dav.example.com", &["password", "other"]);
        assert_ne!(
            tag("right"),
            other.secret_tag(&Secret::new("right")),
            "two accounts with the same secret do not show it"
        );
    }
}
