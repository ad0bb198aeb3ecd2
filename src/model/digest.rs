//! SHA-256 over several parts, and bytes as hexadecimal digits.

use ring::digest;

/// A digest over parts, each with its length before it, so that no two lists of
/// parts run together: `["ab", "c"]` and `["a", "bc"]` differ.
pub struct Parts(digest::Context);

impl Parts {
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// The digest over these parts.
    pub fn of(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> [u8; 32] {
        let mut digest = Self::new();
        for part in parts {
            digest.add(part);
        }
        digest.finish()
    }

    pub fn add(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    /// Ends with a part that needs no length before it, being the last one.
    #[must_use]
    pub fn finish_with(mut self, last: impl AsRef<[u8]>) -> [u8; 32] {
        self.0.update(last.as_ref());
        self.finish()
    }

    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        array(self.0.finish())
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self::new()
    }
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, bytes))
}

/// Lower-case hexadecimal digits of some bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(digits);
    text
}

fn array(digest: digest::Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Parts::of(["ab", "c"]), Parts::of(["a", "bc"]));
        assert_ne!(Parts::of(["ab", ""]), Parts::of(["ab"]));
        let mut one = Parts::new();
        one.add("ab").add(b"c");
        assert_eq!(one.finish(), Parts::of(["ab", "c"]));
    }

    #[test]
    fn digests_are_those_of_everybody() {
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Parts::new().finish_with("abc"), sha256(b"abc"));
    }
}
