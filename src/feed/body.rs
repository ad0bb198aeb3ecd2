//! The body of an answer: read as it comes, inflated as it comes, and given up
//! the moment it grows beyond its limit, as sent or as inflated.
//!
//! reqwest's own gzip is off, because it would hide the size that was sent.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

/// A body, complete.
pub(super) struct Body {
    /// With gzip undone.
    pub bytes: Bytes,
    pub sent: u64,
    pub gzip: bool,
}

/// Why there is no complete body.
#[derive(Debug)]
pub(super) enum BodyFault {
    TooLargeAsSent,
    TooLargeInflated,
    CutOff { received: u64 },
    BadEncoding(String),
    BadGzip,
}

/// Reads a body of at most `limit` bytes, as sent and as inflated.
pub(super) async fn read(mut response: Response, limit: u64) -> Result<Body, BodyFault> {
    let allowed = encoding(&response)?;
    if allowed == Encoding::Identity && response.content_length().is_some_and(|size| size > limit) {
        return Err(BodyFault::TooLargeAsSent);
    }
    let mut sink = Sink::Undecided(Vec::new());
    let mut sent: u64 = 0;
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            // A length that was promised and not kept, a chunk without its end,
            // a connection that was reset.
            Err(_) => return Err(BodyFault::CutOff { received: sent }),
        };
        sent = sent.saturating_add(chunk.len() as u64);
        if sent > limit {
            return Err(BodyFault::TooLargeAsSent);
        }
        sink = sink.take(&chunk, limit)?;
    }
    let gzip = matches!(sink, Sink::Gzip(_));
    let bytes = sink.finish(sent)?;
    Ok(Body { bytes, sent, gzip })
}

/// At most `limit` bytes of a body that is only looked at, such as an error's.
pub(super) async fn read_start(mut response: Response, limit: usize) -> Bytes {
    let Ok(_) = encoding(&response) else {
        return Bytes::new();
    };
    let mut sink = Sink::Undecided(Vec::new());
    let mut sent = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        sent += chunk.len();
        let Ok(more) = sink.take(&chunk, limit as u64) else {
            return Bytes::new();
        };
        sink = more;
        if sent >= limit {
            break;
        }
    }
    sink.finish(sent as u64).unwrap_or_default()
}

#[derive(PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
}

fn encoding(response: &Response) -> Result<Encoding, BodyFault> {
    let mut found = Encoding::Identity;
    for value in response.headers().get_all(CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for word in text.split(',').map(str::trim) {
            match word {
                "" | "identity" | "none" | "utf-8" | "utf8" | "8bit" => {}
                "gzip" | "x-gzip" if found == Encoding::Identity => found = Encoding::Gzip,
                other => {
                    let plain = other
                        .chars()
                        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
                        .take(20)
                        .collect();
                    return Err(BodyFault::BadEncoding(plain));
                }
            }
        }
    }
    Ok(found)
}

/// Where a body goes. The first two bytes decide, not the header: a `.ics.gz`
/// on a plain file server has no header, and some proxies inflate a body and
/// leave the header. No calendar and no XML begins with gzip's two bytes.
enum Sink {
    Undecided(Vec<u8>),
    Plain(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Limited>>),
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

impl Sink {
    fn take(self, chunk: &[u8], limit: u64) -> Result<Self, BodyFault> {
        match self {
            Self::Undecided(mut start) => {
                start.extend_from_slice(chunk);
                match start.get(..2) {
                    None => Ok(Self::Undecided(start)),
                    Some(magic) if magic == GZIP_MAGIC => {
                        let decoder = MultiGzDecoder::new(Limited::new(limit));
                        Self::Gzip(Box::new(decoder)).take(&start, limit)
                    }
                    Some(_) => Ok(Self::Plain(start)),
                }
            }
            Self::Plain(mut bytes) => {
                bytes.extend_from_slice(chunk);
                Ok(Self::Plain(bytes))
            }
            Self::Gzip(mut decoder) => match decoder.write_all(chunk) {
                Ok(()) => Ok(Self::Gzip(decoder)),
                Err(_) if decoder.get_ref().overflowed => Err(BodyFault::TooLargeInflated),
                Err(_) => Err(BodyFault::BadGzip),
            },
        }
    }

    fn finish(self, sent: u64) -> Result<Bytes, BodyFault> {
        match self {
            Self::Undecided(bytes) | Self::Plain(bytes) => Ok(bytes.into()),
            Self::Gzip(mut decoder) => match decoder.try_finish() {
                Ok(()) => Ok(std::mem::take(&mut decoder.get_mut().bytes).into()),
                Err(_) if decoder.get_ref().overflowed => Err(BodyFault::TooLargeInflated),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(BodyFault::CutOff { received: sent })
                }
                Err(_) => Err(BodyFault::BadGzip),
            },
        }
    }
}

/// Bytes that refuse to become more than `left`.
struct Limited {
    bytes: Vec<u8>,
    left: u64,
    overflowed: bool,
}

impl Limited {
    fn new(limit: u64) -> Self {
        Self {
            bytes: Vec::new(),
            left: limit,
            overflowed: false,
        }
    }
}

impl Write for Limited {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(chunk.len() as u64) {
            Some(left) => {
                self.left = left;
                self.bytes.extend_from_slice(chunk);
                Ok(chunk.len())
            }
            None => {
                self.overflowed = true;
                Err(io::Error::other("too large"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Inflates a file that is gzip; everything else stays as it is.
pub(super) fn inflated(bytes: Vec<u8>, limit: u64) -> Result<Bytes, BodyFault> {
    let size = bytes.len() as u64;
    Sink::Undecided(Vec::new())
        .take(&bytes, limit)?
        .finish(size)
}
