//! The body of an answer: compression undone and the character set made UTF-8,
//! within a limit. Pure; large bodies are handled beside the async threads.

use std::io::{self, BufRead as _, BufReader, Read as _};

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
    let size = decoded_size(&sent, headers, limit)?;
    decoded_of(sent, headers, size)
}

/// The same, where it is known how large it becomes.
pub(super) fn decoded_of(sent: Bytes, headers: &HeaderMap, size: u64) -> Result<Body, BodyProblem> {
    match compression(&sent, headers)? {
        Packing::None => Ok(plain(sent)),
        Packing::Gzip => inflated(gunzipped(&sent, u64::MAX)?, size),
        Packing::Zlib => inflated(ZlibDecoder::new(&*sent), size),
        Packing::Deflate => inflated(DeflateDecoder::new(&*sent), size),
    }
}

enum Packing {
    None,
    Gzip,
    Zlib,
    /// Without the frame of zlib.
    Deflate,
}

fn compression(sent: &Bytes, headers: &HeaderMap) -> Result<Packing, BodyProblem> {
    let encodings = encodings(headers);
    let unknown = encodings
        .iter()
        .find(|encoding| !matches!(encoding.as_str(), "gzip" | "x-gzip" | "deflate"));
    if is_gzip(sent) {
        return Ok(Packing::Gzip);
    }
    if is_text(sent) || encodings.is_empty() || sent.is_empty() {
        return Ok(Packing::None);
    }
    if let Some(encoding) = unknown {
        let is_shown = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let encoding = encoding.chars().filter(is_shown).take(20).collect();
        return Err(BodyProblem::UnknownEncoding(encoding));
    }
    if encodings.iter().any(|encoding| encoding == "deflate") {
        // The name stands for zlib (RFC 9110 section 8.4.1.2); some send bare deflate.
        return Ok(if is_zlib(sent) {
            Packing::Zlib
        } else {
            Packing::Deflate
        });
    }
    Ok(Packing::None)
}

/// How large [`decoded`] makes it, without holding it; 0 where it is not compressed.
pub(super) fn decoded_size(
    sent: &Bytes,
    headers: &HeaderMap,
    limit: u64,
) -> Result<u64, BodyProblem> {
    match compression(sent, headers)? {
        Packing::None => Ok(0),
        Packing::Gzip => size(gunzipped(sent, limit)?, limit),
        Packing::Zlib => size(ZlibDecoder::new(&**sent), limit),
        Packing::Deflate => size(DeflateDecoder::new(&**sent), limit),
    }
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

/// Some hosts compress what is a compressed file already. `limit` is for what lies between:
/// it may be large and come to nothing.
fn gunzipped(sent: &[u8], limit: u64) -> Result<Box<dyn io::Read + '_>, BodyProblem> {
    let once = Bounded {
        reader: MultiGzDecoder::new(sent),
        left: limit,
    };
    let mut once = BufReader::new(once);
    let start = once.fill_buf().map_err(|error| fault(&error))?;
    Ok(match is_gzip(start) {
        true => Box::new(MultiGzDecoder::new(once)),
        false => Box::new(once),
    })
}

/// Fails where more comes.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: io::Read> io::Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }
}

fn inflated(mut decoder: impl io::Read, size: u64) -> Result<Body, BodyProblem> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    match decoder.read_to_end(&mut bytes) {
        Ok(_) => Ok(Body {
            bytes: bytes.into(),
            compressed: true,
        }),
        Err(error) => Err(fault(&error)),
    }
}

fn size(decoder: impl io::Read, limit: u64) -> Result<u64, BodyProblem> {
    let mut rest = decoder.take(limit.saturating_add(1));
    match io::copy(&mut rest, &mut io::sink()) {
        Ok(size) if size > limit => Err(BodyProblem::TooLargeInflated),
        // What came before a fault counts in `inflated`.
        Err(_) if rest.limit() == 0 => Err(BodyProblem::TooLargeInflated),
        Ok(size) => Ok(size),
        Err(error) => Err(fault(&error)),
    }
}

fn fault(error: &io::Error) -> BodyProblem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BodyProblem::CutOff,
        io::ErrorKind::FileTooLarge => BodyProblem::TooLargeInflated,
        _ => BodyProblem::Damaged,
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

/// How large [`in_utf8`] makes a body, without holding it; 0 where it stays as it is.
pub(super) fn text_size(
    body: &[u8],
    content_type: Option<&str>,
    limit: u64,
) -> Result<u64, BodyProblem> {
    let Some(encoding) = other_encoding(body, content_type) else {
        return Ok(0);
    };
    let mut decoder = encoding.new_decoder();
    let (mut buffer, mut rest, mut size) = ([0; 4096], body, 0);
    loop {
        let (result, read, written, _) = decoder.decode_to_utf8(rest, &mut buffer, true);
        size += written as u64;
        rest = rest.get(read..).unwrap_or_default();
        if size > limit {
            return Err(BodyProblem::TooLargeInflated);
        }
        if result == encoding_rs::CoderResult::InputEmpty {
            return Ok(size);
        }
    }
}

/// The same text in UTF-8. A body that is UTF-8 already stays as it is, whatever
/// its header says; another one is read by its byte-order mark, by the charset of
/// `Content-Type`, or by what an XML declaration names.
pub(super) fn in_utf8(body: Bytes, content_type: Option<&str>) -> Bytes {
    match other_encoding(&body, content_type) {
        Some(encoding) => {
            let (text, _, _) = encoding.decode(&body);
            text.into_owned().into_bytes().into()
        }
        None => body,
    }
}

/// In which a body is that is not UTF-8, where that is known.
fn other_encoding(
    body: &[u8],
    content_type: Option<&str>,
) -> Option<&'static encoding_rs::Encoding> {
    if std::str::from_utf8(body).is_ok() {
        return None;
    }
    let marked = encoding_rs::Encoding::for_bom(body).map(|(encoding, _)| encoding);
    let named = || {
        charset(content_type?)
            .or_else(|| xml_encoding(body))
            .and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()))
    };
    let encoding = marked.or_else(named);
    encoding.filter(|encoding| *encoding != encoding_rs::UTF_8)
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
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

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

    #[test]
    fn what_was_compressed_twice_is_bounded_between() {
        let gzip = |data: &[u8]| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(data).unwrap();
            gzip.finish().unwrap()
        };
        let decoded = |sent: Vec<u8>| decoded(sent.into(), &HeaderMap::new(), 1000);
        let twice = decoded(gzip(&gzip(b"BEGIN:VCALENDAR"))).unwrap();
        assert_eq!(twice.bytes, b"BEGIN:VCALENDAR".as_slice());
        // Ten thousand members with nothing in them.
        let nothing = gzip(&gzip(b"").repeat(10_000));
        assert!(nothing.len() < 5_000, "{}", nothing.len());
        let refused = decoded(nothing);
        assert!(matches!(refused, Err(BodyProblem::TooLargeInflated)));
    }
}
