//! Bytes as they are stored: small ones as they are, larger ones as zlib.
//!
//! Calendars and lists of meetings shrink five- to tenfold, and zlib's checksum
//! notices a damaged body before it is taken for a calendar.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// Below this, the time is not worth the bytes: a row takes a page of 4 kB at most anyway.
const WORTH_IT: usize = 1024;

pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    /// The size before packing; `None` where the bytes are stored as they came.
    pub(super) inflated_bytes: Option<i64>,
}

/// The same input always gives the same bytes, so that equal events can be found.
pub(super) fn pack(bytes: &[u8]) -> Packed {
    let plain = || Packed {
        bytes: bytes.to_vec(),
        inflated_bytes: None,
    };
    let (true, Ok(size)) = (bytes.len() > WORTH_IT, i64::try_from(bytes.len())) else {
        return plain();
    };
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(packed) if packed.len() < bytes.len() => Packed {
            bytes: packed,
            inflated_bytes: Some(size),
        },
        _ => plain(),
    }
}

/// `None` when the bytes are damaged: not zlib, or of another size than was noted.
pub(super) fn unpack(bytes: Vec<u8>, inflated_bytes: Option<i64>) -> Option<Vec<u8>> {
    let Some(size) = inflated_bytes else {
        return Some(bytes);
    };
    let size = u64::try_from(size).ok()?;
    let mut inflated = Vec::new();
    // One byte more than noted is enough to see that it is wrong.
    ZlibDecoder::new(bytes.as_slice())
        .take(size.checked_add(1)?)
        .read_to_end(&mut inflated)
        .ok()?;
    (inflated.len() as u64 == size).then_some(inflated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_went_in() {
        for body in [
            Vec::new(),
            b"short".to_vec(),
            b"BEGIN:VEVENT\r\n".repeat(1000),
            // Nothing to gain: stored as it is.
            (0..5000u64)
                .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
                .collect(),
        ] {
            let packed = pack(&body);
            assert!(packed.bytes.len() <= body.len());
            assert_eq!(unpack(packed.bytes, packed.inflated_bytes), Some(body));
        }
    }

    #[test]
    fn a_damaged_body_is_noticed() {
        let body = b"BEGIN:VEVENT\r\n".repeat(1000);
        let packed = pack(&body);
        let size = packed.inflated_bytes;
        assert!(size.is_some());
        let mut flipped = packed.bytes.clone();
        flipped[packed.bytes.len() / 2] ^= 0x10;
        assert_eq!(unpack(flipped, size), None);
        let half = packed.bytes[..packed.bytes.len() / 2].to_vec();
        assert_eq!(unpack(half, size), None);
        for wrong in [-1, 0, 13_999, 14_001, i64::MAX] {
            assert_eq!(unpack(packed.bytes.clone(), Some(wrong)), None, "{wrong}");
        }
    }
}
