//! Values that must never be printed: passwords, tokens, client secrets.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// A secret text. It has no `Display`, its `Debug` is blank, and it is wiped
/// from memory when dropped. `reveal` is the only way to the value, so that
/// every use is easy to search for.
///
/// It knows where it was read from, so that it can be read again; two secrets are
/// equal when their texts are.
#[derive(Clone, Eq)]
pub struct Secret {
    text: Zeroizing<String>,
    source: SecretSource,
}

/// Where a secret was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretSource {
    /// It is written out in the configuration, or was made up.
    #[default]
    Text,
    /// A file, by the path that was opened: links in it are followed anew each time.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl Secret {
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self::read_from(SecretSource::Text, value)
    }

    #[must_use]
    pub fn read_from(source: SecretSource, value: impl Into<String>) -> Self {
        Self {
            text: Zeroizing::new(value.into()),
            source,
        }
    }

    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn source(&self) -> &SecretSource {
        &self.source
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_what_it_holds() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn secrets_are_compared_by_their_text() {
        let source = SecretSource::File("/run/secrets/pod".into());
        let read = Secret::read_from(source.clone(), "hunter2");
        assert_eq!(read, Secret::new("hunter2"));
        assert_ne!(read, Secret::read_from(source, "hunter3"));
    }
}
