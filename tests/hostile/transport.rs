//! Answers that do not end, or come slowly.

use std::time::Duration;

use bytes::Bytes;

use crate::attack::Attack;
use crate::host::{Answer, Host, endless, repeated};

async fn check(name: &str, answer: impl Fn() -> Answer + Send + Sync + 'static, processor: u64) {
    let host = Host::start(move |_| answer()).await;
    let mut attack = Attack::new(64).await.with("http.timeout", "\"6s\"");
    for room in 0..8 {
        attack = attack.feed(&format!("r{room}"), &host, &format!("/{room}.ics"));
    }
    let cost = attack.on_feeds(&host).await;
    cost.at_most(name, Duration::from_secs(processor));
}

#[tokio::test]
async fn heads_without_end() {
    check(
        "interim answers without end",
        || Answer::raw(endless("HTTP/1.1 100 Continue\r\n\r\n")),
        10,
    )
    .await;
    check(
        "hints without end",
        || {
            Answer::raw(endless(
                "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
            ))
        },
        10,
    )
    .await;
    check(
        "headers without end",
        || {
            Answer::raw(
                std::iter::once(Bytes::from_static(b"HTTP/1.1 200 OK\r\n"))
                    .chain(endless("X-A: b\r\n")),
            )
        },
        10,
    )
    .await;
    check(
        "one header without end",
        || {
            Answer::raw(
                std::iter::once(Bytes::from_static(b"HTTP/1.1 200 OK\r\nX-A: "))
                    .chain(endless("x")),
            )
        },
        10,
    )
    .await;
    check(
        "a status without end",
        || Answer::raw(std::iter::once(Bytes::from_static(b"HTTP/1.1 200 ")).chain(endless("x"))),
        10,
    )
    .await;
    check(
        "empty lines without end",
        || Answer::raw(endless("\r\n")),
        20,
    )
    .await;
}

#[tokio::test]
async fn bodies_without_end() {
    check(
        "a body without end",
        || Answer::stream("200 OK", "", endless("BEGIN:VCALENDAR\r\n")),
        40,
    )
    .await;
    check(
        "chunks of one byte",
        || {
            Answer::stream(
                "200 OK",
                "Transfer-Encoding: chunked\r\n",
                endless("1\r\nB\r\n"),
            )
        },
        60,
    )
    .await;
    check(
        "a chunk's extension without end",
        || {
            Answer::raw(
                std::iter::once(Bytes::from_static(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
                ))
                .chain(endless("x")),
            )
        },
        20,
    )
    .await;
    check(
        "trailers without end",
        || {
            Answer::raw(
                std::iter::once(Bytes::from_static(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                ))
                .chain(endless("X-A: b\r\n")),
            )
        },
        20,
    )
    .await;
    check(
        "an error of a gigabyte",
        || {
            Answer::stream(
                "500 Internal Server Error",
                "",
                repeated("error ", 180_000_000),
            )
        },
        10,
    )
    .await;
    check(
        "a redirect of a gigabyte",
        || {
            Answer::stream(
                "302 Found",
                "Location: /again\r\n",
                repeated("moved ", 180_000_000),
            )
        },
        10,
    )
    .await;
    check(
        "a length that is not kept",
        || {
            Answer::stream(
                "200 OK",
                "Content-Length: 18446744073709551615\r\n",
                repeated("BEGIN", 1),
            )
        },
        10,
    )
    .await;
}

#[tokio::test]
async fn bodies_that_drip() {
    check(
        "a head, drop by drop",
        || Answer::raw(endless_drops("HTTP/1.1 200 OK\r\nX-A: ")).slow(Duration::from_millis(20)),
        20,
    )
    .await;
    check(
        "a body, drop by drop",
        || {
            Answer::raw(endless_drops("HTTP/1.1 200 OK\r\n\r\nBEGIN:VCALENDAR\r\n"))
                .slow(Duration::from_millis(20))
        },
        20,
    )
    .await;
    check(
        "silence",
        || Answer::raw(std::iter::empty()).then_hangs(),
        20,
    )
    .await;
}

fn endless_drops(begin: &'static str) -> impl Iterator<Item = Bytes> + Send {
    std::iter::once(Bytes::from_static(begin.as_bytes()))
        .chain(std::iter::repeat(Bytes::from_static(b"x")))
}
