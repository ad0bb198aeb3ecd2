//! The body of an answer: compression undone and the character set made UTF-8,
//! within a limit. Pure; large bodies are handled beside the async threads.

use std::io::{self, Read as _};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::header::{CONTENT_ENCODING, HeaderMap};

/// A body, complete.
pub(super) struct Body {
    /// With compression undone.
    pub bytes: Bytes,
    pub compressed: bool,
}

/// Why there is no complete body.
#[derive(Debug)]
pub(super) enum BodyProblem {
    TooLargeInflated,
    /// The compressed data ends too early.
    CutOff,
    UnknownEncoding(String),
    Damaged,
}

/// Undoes the compression of a body; `limit` is for what comes out of it.
///
/// The body decides, not the header: a `.ics.gz` on a plain file server has no
/// header, and some proxies inflate a body and leave the header.
pub(super) fn decoded(sent: Bytes, headers: &HeaderMap, limit: u64) -> Result<Body, BodyProblem> {
    let encodings = encodings(headers);
    let unknown = encodings
        .iter()
        .find(|encoding| !matches!(encoding.as_str(), "gzip" | "x-gzip" | "deflate"));
    if is_gzip(&sent) {
        // Some hosts compress what is a compressed file already.
        let once = inflated(MultiGzDecoder::new(&*sent), limit)?;
        return match is_gzip(&once.bytes) {
            true => inflated(MultiGzDecoder::new(&*once.bytes), limit),
            false => Ok(once),
        };
    }
    if is_text(&sent) || encodings.is_empty() || sent.is_empty() {
        return Ok(plain(sent));
    }
    if let Some(encoding) = unknown {
        let is_shown = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let encoding = encoding.chars().filter(is_shown).take(20).collect();
        return Err(BodyProblem::UnknownEncoding(encoding));
    }
    if encodings.iter().any(|encoding| encoding == "deflate") {
        // The name stands for zlib (RFC 9110 section 8.4.1.2); some send bare deflate.
        return if is_zlib(&sent) {
            inflated(ZlibDecoder::new(&*sent), limit)
        } else {
            inflated(DeflateDecoder::new(&*sent), limit)
        };
    }
    Ok(plain(sent))
}

/// As much of a body that is only looked at, such as an error's, as can be had.
pub(super) fn decoded_start(sent: Vec<u8>, limit: u64) -> Bytes {
    if !is_gzip(&sent) {
        return sent.into();
    }
    let mut bytes = Vec::new();
    let _ = MultiGzDecoder::new(sent.as_slice())
        .take(limit)
        .read_to_end(&mut bytes);
    bytes.into()
}

/// A file that may be gzip.
pub(super) fn decoded_file(bytes: Vec<u8>, limit: u64) -> Result<Bytes, BodyProblem> {
    decoded(bytes.into(), &HeaderMap::new(), limit).map(|body| body.bytes)
}

/// No calendar and no XML begins with these two bytes.
pub(super) fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

fn plain(sent: Bytes) -> Body {
    Body {
        bytes: sent,
        compressed: false,
    }
}

fn inflated(decoder: impl io::Read, limit: u64) -> Result<Body, BodyProblem> {
    let mut bytes = Vec::new();
    let read = decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes);
    if bytes.len() as u64 > limit {
        return Err(BodyProblem::TooLargeInflated);
    }
    match read {
        Ok(_) => Ok(Body {
            bytes: bytes.into(),
            compressed: true,
        }),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(BodyProblem::CutOff),
        Err(_) => Err(BodyProblem::Damaged),
    }
}

/// What the header names, without what changes nothing.
fn encodings(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            text.split(',')
                .map(|word| word.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|word| {
            !matches!(
                word.as_str(),
                "" | "identity" | "none" | "utf-8" | "utf8" | "8bit"
            )
        })
        .take(8)
        .collect()
}

/// Whether a body is a calendar or a page as it is, whatever its header says.
fn is_text(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let start = body.trim_ascii_start();
    let begins = |word: &[u8]| {
        start
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    begins(b"BEGIN:") || begins(b"<")
}

/// The two bytes that open zlib data (RFC 1950 section 2.2).
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0
        }
        _ => false,
    }
}

/// The same text in UTF-8. A body that is UTF-8 already stays as it is, whatever
/// its header says; another one is read by its byte-order mark, by the charset of
/// `Content-Type`, or by what an XML declaration names.
pub(super) fn in_utf8(body: Bytes, content_type: Option<&str>) -> Bytes {
    if std::str::from_utf8(&body).is_ok() {
        return body;
    }
    let marked = encoding_rs::Encoding::for_bom(&body).map(|(encoding, _)| encoding);
    let named = || {
        charset(content_type?)
            .or_else(|| xml_encoding(&body))
            .and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()))
    };
    match marked.or_else(named) {
        Some(encoding) if encoding != encoding_rs::UTF_8 => {
            let (text, _, _) = encoding.decode(&body);
            text.into_owned().into_bytes().into()
        }
        _ => body,
    }
}

/// The parameter `charset` of a `Content-Type`.
fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// `encoding` in `<?xml version="1.0" encoding="…"?>`.
fn xml_encoding(body: &[u8]) -> Option<String> {
    let start = String::from_utf8_lossy(body.get(..200).unwrap_or(body)).into_owned();
    let declaration = start.trim_start().strip_prefix("<?xml")?;
    let declaration = declaration.split_once("?>")?.0;
    let value = declaration.split_once("encoding=")?.1;
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.split(quote).nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};

    use super::*;

    fn utf8(body: &[u8], content_type: &str) -> String {
        let body = in_utf8(Bytes::copy_from_slice(body), Some(content_type));
        String::from_utf8_lossy(&body).into_owned()
    }

    #[test]
    fn the_charset_counts_where_the_body_is_not_utf_8() {
        for (body, content_type, text) in [
            (
                &b"Porada \x9e\xe1k\x99"[..],
                "text/calendar; charset=windows-1250",
                "Porada žák™",
            ),
            (
                b"\x89\xef\x8b\x63",
                "text/calendar;charset=\"Shift_JIS\"",
                "会議",
            ),
            (b"Gr\xfc\xdfe", "text/calendar; charset=ISO-8859-1", "Grüße"),
            // UTF-8 under a wrong name is UTF-8.
            (
                "Grüße".as_bytes(),
                "text/calendar; charset=iso-8859-1",
                "Grüße",
            ),
            (b"\xff\xfeB\0E\0", "text/calendar", "BE"),
            (
                b"<?xml version='1.0' encoding='iso-8859-1'?>\xfc",
                "text/xml",
                "<?xml version='1.0' encoding='iso-8859-1'?>ü",
            ),
            // Unknown: left for the reader.
            (b"Gr\xfc\xdfe", "text/calendar", "Gr\u{fffd}\u{fffd}e"),
            (
                b"Gr\xfc\xdfe",
                "text/calendar; charset=klingon",
                "Gr\u{fffd}\u{fffd}e",
            ),
        ] {
            assert_eq!(utf8(body, content_type), text, "{content_type}");
        }
    }

    #[test]
    fn deflate_is_read_in_both_its_meanings() {
        let text = b"BEGIN:VCALENDAR";
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(text).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(text).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "deflate".parse().unwrap());
        for sent in [
            zlib.finish().unwrap(),
            bare.finish().unwrap(),
            text.to_vec(),
        ] {
            let body = decoded(sent.into(), &headers, 100).unwrap();
            assert_eq!(body.bytes, text.as_slice());
        }
        let bomb = {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(&[0; 10_000]).unwrap();
            zlib.finish().unwrap()
        };
        let refused = decoded(bomb.into(), &headers, 100);
        assert!(matches!(refused, Err(BodyProblem::TooLargeInflated)));
    }
}
