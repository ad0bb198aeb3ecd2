//! Pods, and whoever answers at their addresses.

use std::time::Duration;

use bytes::Bytes;

use crate::attack::Attack;
use crate::host::{Answer, Asked, Host, endless, repeated, whole};

fn is_sign_in(asked: &Asked) -> bool {
    asked.path.contains("token")
}

fn token() -> Answer {
    Answer::json("{\"access_token\":\"abc\",\"token_type\":\"jwt\"}")
}

/// Thirty rooms whose pods are this host, each under an address of its own.
async fn check(
    name: &str,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    processor: u64,
) {
    let host = Host::start_tls(answer).await;
    let port = host.url("").rsplit(':').next().unwrap().to_owned();
    let mut attack = Attack::new(64).await.with("http.timeout", "\"6s\"");
    for room in 0..30 {
        let pod = format!(
            "{{ url = \"https://127.0.1.{}:{port}\", tls = {{ verify = \"off\" }} }}",
            room + 1
        );
        attack = attack.room(
            &format!("r{room}"),
            &[("pod", &pod), ("feed", &format!("\"file:{room}.ics\""))],
        );
    }
    let cost = attack.on_pods(&host).await;
    cost.at_most(name, Duration::from_secs(processor));
}

/// Signs anybody in, and answers everything else with this.
async fn after_sign_in(name: &str, body: Bytes, processor: u64) {
    check(
        name,
        move |asked| {
            if is_sign_in(asked) {
                token()
            } else {
                Answer::json(body.clone())
            }
        },
        processor,
    )
    .await;
}

#[tokio::test]
async fn json_that_is_made_to_hurt() {
    let array = |unit: &str, size: usize| {
        let one = |text: &'static str| std::iter::once(Bytes::from_static(text.as_bytes()));
        whole(
            one("[")
                .chain(repeated(unit, size / unit.len()))
                .chain(one("0]")),
        )
    };
    after_sign_in("8 MB of empty objects", array("{},", 8_000_000), 60).await;
    after_sign_in("2 MB of empty objects", array("{},", 2_000_000), 60).await;
    after_sign_in("2 MB of small objects", array("{\"a\":0},", 2_000_000), 90).await;
    let calendar = format!(
        "{{\"meetings\":{}}}",
        String::from_utf8(array("{\"id\":\"a\"},", 2_000_000).to_vec()).unwrap()
    );
    after_sign_in("200,000 meetings", calendar.into(), 90).await;
    after_sign_in("depth", Bytes::from("[".repeat(2_000_000)), 30).await;
    let deep = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
    let deep = format!(
        "{{\"a\":[{}1]}}",
        format!("{deep},").repeat(2_000_000 / deep.len() - 5)
    );
    after_sign_in("depth, again and again", deep.into(), 90).await;
    let keys: String = (0..150_000).map(|n| format!("\"k{n}\":1,")).collect();
    after_sign_in("150,000 settings", format!("{{{keys}\"z\":1}}").into(), 90).await;
}

#[tokio::test]
async fn answers_of_pods_without_end() {
    check(
        "100 MB as health",
        |asked| {
            if is_sign_in(asked) {
                token()
            } else {
                Answer::stream(
                    "200 OK",
                    "Content-Type: application/json\r\n",
                    repeated("[0],", 25_000_000),
                )
            }
        },
        40,
    )
    .await;
    check(
        "an error of a gigabyte",
        |asked| {
            if is_sign_in(asked) {
                token()
            } else {
                Answer::stream(
                    "500 Internal Server Error",
                    "",
                    repeated("error ", 180_000_000),
                )
            }
        },
        40,
    )
    .await;
    check(
        "sign-in without end",
        |_| {
            Answer::stream(
                "200 OK",
                "Content-Type: application/json\r\n",
                endless("{\"access_token\":"),
            )
        },
        40,
    )
    .await;
    check(
        "a token of a megabyte",
        |_| {
            Answer::json(format!(
                "{{\"access_token\":\"{}\"}}",
                "x".repeat(1_900_000)
            ))
        },
        40,
    )
    .await;
    check(
        "interim answers without end",
        |_| Answer::raw(endless("HTTP/1.1 100 Continue\r\n\r\n")),
        60,
    )
    .await;
    check(
        "headers without end",
        |_| {
            Answer::raw(
                std::iter::once(Bytes::from_static(b"HTTP/1.1 200 OK\r\n"))
                    .chain(endless("X-A: b\r\n")),
            )
        },
        40,
    )
    .await;
    check(
        "an answer, drop by drop",
        |_| {
            Answer::raw(
                std::iter::once(Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n{"))
                    .chain(std::iter::repeat(Bytes::from_static(b" "))),
            )
            .slow(Duration::from_millis(20))
        },
        40,
    )
    .await;
    check(
        "redirects",
        |_| {
            Answer::with(
                "307 Temporary Redirect",
                "Location: https://127.0.0.1:1/v2/token\r\n",
                "",
            )
        },
        30,
    )
    .await;
}
