//! Packed bytes as two columns: the bytes, and their size before packing where they were
//! packed. How they are packed is [`PackedBody`]'s.

use bytes::Bytes;

use crate::model::version::PackedBody;

pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    /// The size before packing; `None` where the bytes are stored as they came.
    pub(super) inflated_bytes: Option<i64>,
}

impl From<&PackedBody> for Packed {
    fn from(body: &PackedBody) -> Self {
        let inflated = body.inflated_bytes.map(i64::try_from);
        Self {
            bytes: body.bytes.to_vec(),
            inflated_bytes: inflated.and_then(Result::ok),
        }
    }
}

/// The same input always gives the same bytes, so that equal events can be found.
pub(super) fn pack(bytes: &[u8]) -> Packed {
    Packed::from(&PackedBody::pack(bytes))
}

/// `None` when the size cannot be one.
pub(super) fn body(bytes: Vec<u8>, inflated_bytes: Option<i64>) -> Option<PackedBody> {
    Some(PackedBody {
        bytes: bytes.into(),
        inflated_bytes: inflated_bytes.map(usize::try_from).transpose().ok()?,
    })
}

/// `None` when the bytes are damaged: not zlib, or of another size than was noted.
pub(super) fn unpack(bytes: Vec<u8>, inflated_bytes: Option<i64>) -> Option<Bytes> {
    body(bytes, inflated_bytes)?.unpack()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_went_in() {
        for body in [b"short".to_vec(), b"BEGIN:VEVENT\r\n".repeat(1000)] {
            let packed = pack(&body);
            let unpacked = unpack(packed.bytes, packed.inflated_bytes);
            assert_eq!(unpacked.unwrap(), body);
        }
    }

    #[test]
    fn a_wrong_size_is_noticed() {
        let packed = pack(&b"BEGIN:VEVENT\r\n".repeat(1000));
        for wrong in [-1, 0, 13_999, 14_001, i64::MAX] {
            assert_eq!(unpack(packed.bytes.clone(), Some(wrong)), None, "{wrong}");
        }
    }
}
