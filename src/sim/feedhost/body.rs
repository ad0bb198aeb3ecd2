//! Bodies that are too long, too well packed, or too slow.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt;

/// A calendar that is right but for its length, sent piece by piece.
pub(super) fn oversized(size: u64) -> Response<Body> {
    const LINE: &str = "X-FILL:0123456789012345678901234567890123456789012345678\r\n";
    let block = Bytes::from(LINE.repeat(1024));
    let blocks = size.div_ceil(u64::try_from(block.len()).unwrap_or(u64::MAX));
    let start = futures_util::stream::once(std::future::ready(Bytes::from_static(
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n",
    )));
    let fill = futures_util::stream::iter(0..blocks).map(move |_| block.clone());
    let end =
        futures_util::stream::once(std::future::ready(Bytes::from_static(b"END:VCALENDAR\r\n")));
    let mut response = Response::new(Body::from_stream(
        start.chain(fill).chain(end).map(Ok::<_, io::Error>),
    ));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/calendar"),
    );
    response
}

/// So many spaces, a thousandth of that as sent.
pub(super) fn gzip_bomb(size: u64) -> Response<Body> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let block = [b' '; 64 * 1024];
    for _ in 0..size.div_ceil(64 * 1024) {
        let _ = encoder.write_all(&block);
    }
    let mut response = Response::new(Body::from(encoder.finish().unwrap_or_default()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/calendar"),
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

pub(super) fn compressed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// Sends the body in pieces of `size` bytes, with a pause before each.
pub(super) async fn drip(response: Response<Body>, size: usize, every: Duration) -> Response<Body> {
    let (head, body) = response.into_parts();
    let chunks = futures_util::stream::unfold(whole(body).await, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let chunk = rest.split_to(size.max(1).min(rest.len()));
        Some((Ok::<_, io::Error>(chunk), rest))
    });
    Response::from_parts(head, Body::from_stream(chunks))
}

/// Sends the body late.
pub(super) async fn late(response: Response<Body>, by: Duration) -> Response<Body> {
    let (head, body) = response.into_parts();
    let body = whole(body).await;
    let late = futures_util::stream::once(async move {
        tokio::time::sleep(by).await;
        Ok::<_, io::Error>(body)
    });
    Response::from_parts(head, Body::from_stream(late))
}

async fn whole(body: Body) -> Bytes {
    let whole = axum::body::to_bytes(body, usize::MAX).await;
    whole.unwrap_or_default()
}
