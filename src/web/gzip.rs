//! Large answers, smaller: all tiles of a large building, and their changes at the full hour.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// Of RFC 1952: deflate, no flags, no time, any system.
const HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Whether whoever asks can read it.
pub fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").map(str::parse::<f32>);
            matches!(weight, Some(Ok(weight)) if weight <= 0.0)
        });
        is_gzip && !is_refused
    })
}

/// Says that the body is compressed.
pub fn response(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// All of an answer.
pub fn whole(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default().into()
}

/// What an answer that goes on begins with, before its pieces.
pub fn head() -> Bytes {
    Bytes::from_static(HEAD)
}

/// A piece of an answer that goes on: whole blocks of deflate that end at a byte and look
/// back to no other piece, so that one may be sent to many, after whatever each had before.
pub fn piece(text: &[u8]) -> Bytes {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let _ = encoder.write_all(text).and_then(|()| encoder.flush());
    std::mem::take(encoder.get_mut()).into()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn pieces_are_read_as_they_come_whatever_was_before() {
        let (one, two) = (
            piece(b"data: one\n\n"),
            piece("data: two\n\n".repeat(9000).as_bytes()),
        );
        for pieces in [vec![&one, &two], vec![&two], vec![&two, &one, &one]] {
            let mut sent = head().to_vec();
            let mut expected = 0;
            for piece in &pieces {
                sent.extend_from_slice(piece);
                expected += if **piece == one { 11 } else { 99_000 };
                // No more is needed to read all that was sent so far.
                let mut read = Vec::new();
                let _ = GzDecoder::new(&sent[..]).read_to_end(&mut read);
                assert_eq!(read.len(), expected);
            }
        }
        assert!(two.len() < 2000, "{}", two.len());
    }

    #[test]
    fn it_is_sent_to_those_that_say_so() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            is_accepted(&headers)
        };
        assert!(accepts("gzip") && accepts("br, GZIP;q=0.5") && accepts("deflate, gzip, br"));
        assert!(!accepts("br") && !accepts("gzip;q=0") && !accepts("x-gzipped"));
        assert!(!is_accepted(&HeaderMap::new()));
    }
}
