//! Bodies as versions hold them: small ones as they are, larger ones as zlib.
//!
//! Calendars shrink five- to tenfold, and zlib's checksum notices a damaged body before
//! it is taken for a calendar.

use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::version::PackedBody;

/// Below this, the time is not worth the bytes.
const WORTH_IT: usize = 1024;

impl PackedBody {
    /// The same input always gives the same bytes.
    #[must_use]
    pub fn pack(body: &[u8]) -> Self {
        let deflated = (body.len() > WORTH_IT).then(|| deflate(body)).flatten();
        match deflated.filter(|deflated| deflated.len() < body.len()) {
            Some(deflated) => Self {
                bytes: deflated.into(),
                inflated_bytes: Some(body.len()),
            },
            None => Self {
                bytes: body.into(),
                inflated_bytes: None,
            },
        }
    }

    /// `None` when the bytes are damaged: not zlib, or of another size than was noted.
    #[must_use]
    pub fn unpack(&self) -> Option<Bytes> {
        let Some(size) = self.inflated_bytes else {
            return Some(self.as_held());
        };
        let mut inflated = Vec::new();
        // One byte more than noted is enough to see that it is wrong.
        ZlibDecoder::new(&*self.bytes)
            .take((size as u64).checked_add(1)?)
            .read_to_end(&mut inflated)
            .ok()?;
        (inflated.len() == size).then(|| inflated.into())
    }

    /// The bytes as they are held, without a copy.
    #[must_use]
    pub fn as_held(&self) -> Bytes {
        Bytes::from_owner(Arc::clone(&self.bytes))
    }

    /// The size that it has unpacked.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inflated_bytes.unwrap_or(self.bytes.len())
    }
}

fn deflate(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_as_they_went_in() {
        for body in [
            Vec::new(),
            b"short".to_vec(),
            b"BEGIN:VEVENT\r\n".repeat(1000),
            // Nothing to gain: held as it is.
            (0..5000u64)
                .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
                .collect(),
        ] {
            let packed = PackedBody::pack(&body);
            assert!(packed.bytes.len() <= body.len());
            assert_eq!(packed.size(), body.len());
            assert_eq!(packed.unpack().unwrap(), body);
        }
    }

    #[test]
    fn a_damaged_body_is_noticed() {
        let packed = PackedBody::pack(&b"BEGIN:VEVENT\r\n".repeat(1000));
        let damaged = |bytes: &[u8], inflated_bytes| PackedBody {
            bytes: bytes.into(),
            inflated_bytes,
        };
        let half = &packed.bytes[..packed.bytes.len() / 2];
        assert_eq!(damaged(half, Some(14_000)).unpack(), None);
        for wrong in [0, 13_999, 14_001, usize::MAX] {
            assert_eq!(damaged(&packed.bytes, Some(wrong)).unpack(), None);
        }
        let mut flipped = packed.bytes.to_vec();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x10;
        assert_eq!(damaged(&flipped, Some(14_000)).unpack(), None);
    }
}
