//! What is remembered of signing in to an account, so that a rejected secret is not tried
//! again too soon: by no task, no command and no other process.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::{Parts, hex};
use super::secret::Secret;
use super::time::UnixTime;

/// An account: a host and a user there; for tokens and OAuth a host and the credential.
///
/// Whoever locks accounts counts by these, so sign-in is paused by these. Holds no user
/// name and no credential: a digest of them, and the host for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountKey {
    digest: Arc<str>,
    host: Arc<str>,
}

impl AccountKey {
    /// `parts` is everything besides the host that tells this account from another,
    /// such as the kind of sign-in and the user's name.
    #[must_use]
    pub fn new(host: &str, parts: &[&str]) -> Self {
        let host = host.to_ascii_lowercase();
        let all: Vec<&str> = std::iter::once(host.as_str())
            .chain(parts.iter().copied())
            .collect();
        let digest = Parts::of(&all);
        let digest = hex(digest.get(..10).unwrap_or_default());
        Self {
            digest: digest.into(),
            host: host.into(),
        }
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
        match Parts::of(["secret tag", &self.digest, secret.reveal()]) {
            [high, low, ..] => u16::from_be_bytes([high, low]),
        }
    }
}

/// An account with the secret that one of its users has for it.
///
/// Two feeds may have different secrets for one account, a right one and an old one. Each
/// secret has a row of its own in the ledger: otherwise each would look new after the
/// other, and the old one would be tried again and again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    /// See [`AccountKey::secret_tag`]. First, since it tells most of them apart.
    pub tag: u16,
    pub account: AccountKey,
}

impl Credential {
    #[must_use]
    pub fn new(account: AccountKey, secret: &Secret) -> Self {
        Self {
            tag: account.secret_tag(secret),
            account,
        }
    }

    /// The row of this secret in the ledger.
    #[must_use]
    pub fn key(&self) -> AccountKey {
        AccountKey::new(&self.account.host, &[&*self.account.digest, &self.digits()])
    }

    /// The row of one user of this secret that alone was rejected, such as a feed.
    #[must_use]
    pub fn key_alone(&self, user: &str) -> AccountKey {
        let parts = [&*self.account.digest, &self.digits(), user];
        AccountKey::new(&self.account.host, &parts)
    }

    fn digits(&self) -> String {
        format!("{:04x}", self.tag)
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
    /// It was about to be sent when this was written, and nothing is known of the answer.
    #[serde(default)]
    pub is_pending: bool,
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
    fn each_secret_of_an_account_has_a_row_of_its_own() {
        let account = AccountKey::new("dav.example.com", &["password", "room"]);
        let credential = |secret: &str| Credential::new(account.clone(), &Secret::new(secret));
        let (one, other) = (credential("right"), credential("wrong"));
        assert_eq!(one, credential("right"));
        assert_ne!(one, other);
        let keys = [
            one.key(),
            other.key(),
            one.key_alone("a"),
            one.key_alone("b"),
        ];
        let all: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(all.len(), keys.len());
        assert!(keys.iter().all(|key| key.host() == "dav.example.com"));
    }
}
