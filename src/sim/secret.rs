//! Secrets as a pod keeps them: a salt and a hash, never the text.

use ring::{digest, hmac};
use serde_json::{Value, json};

/// A salted hash of a secret, or nothing at all.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SecretHash {
    salt: String,
    hash: String,
}

impl SecretHash {
    /// Hashes `secret` with a salt that follows from `key` and `place`, so that a simulated pod is
    /// the same each time.
    pub fn new(key: &[u8; 32], place: &str, secret: &str) -> Self {
        if secret.is_empty() {
            return Self::default();
        }
        let salt = hex(derive(key, &["salt", place]).get(..8).unwrap_or_default());
        let hash = hash(&salt, secret);
        Self { salt, hash }
    }

    pub fn is_unset(&self) -> bool {
        self.hash.is_empty()
    }

    pub fn is(&self, secret: &str) -> bool {
        self.hash == hash(&self.salt, secret)
    }

    /// As `GET /config` shows it.
    pub fn to_json(&self) -> Value {
        json!({ "secret_salt": self.salt, "secret_hash": self.hash })
    }

    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            salt: text("secret_salt")?,
            hash: text("secret_hash")?,
        })
    }
}

fn hash(salt: &str, secret: &str) -> String {
    hex(digest::digest(&digest::SHA256, format!("{salt}{secret}").as_bytes()).as_ref())
}

/// Thirty-two bytes that follow from `key` and what they are for.
pub(super) fn derive(key: &[u8; 32], purpose: &[&str]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for word in purpose {
        context.update(word.as_bytes());
        context.update(&[0]);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
