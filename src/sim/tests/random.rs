//! Any input at all: nothing makes the simulator crash, and every answer has one of the reference's
//! forms.

use std::sync::Arc;

use axum::Router;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::*;
use crate::sim::server::{Server, Site};
use crate::sim::state::Pod;

/// A pod over plain HTTP, as twenty thousand requests over TLS take long.
struct Plain(Arc<Pod>);

impl Site for Plain {
    fn router(self: Arc<Self>) -> Router {
        Arc::clone(&self.0).router()
    }
}

/// Sends a request as it stands and reads status and body of the answer.
async fn exchange(stream: &mut BufReader<TcpStream>, request: &[u8]) -> (u16, Vec<u8>) {
    stream.write_all(request).await.unwrap();
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "no answer");
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest.split(' ').next().unwrap().parse().unwrap();
        } else if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest.trim().parse().unwrap();
        } else if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![
        0;
        if request.starts_with(b"HEAD ") {
            0
        } else {
            length
        }
    ];
    stream.read_exact(&mut body).await.unwrap();
    (status, body)
}

/// A small generator of its own (xorshift), so that a failure can be repeated.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.below(if depth > 3 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.next()),
            3 => json!(i64::MIN),
            4 => json!(1.5e300),
            5 => json!(""),
            6 => json!("exchange\u{0}ä\u{1f600}'<{{"),
            7 => (0..self.below(4)).map(|_| self.value(depth + 1)).collect(),
            _ => self.object(depth),
        }
    }

    fn object(&mut self, depth: u32) -> Value {
        const KEYS: [&str; 24] = [
            "meetings",
            "id",
            "title",
            "organizer",
            "start_time",
            "end_time",
            "display",
            "calendar",
            "type",
            "splash",
            "images",
            "0",
            "position",
            "connection",
            "ethernet",
            "vlans",
            "secret",
            "secret_hash",
            "security",
            "admin_password",
            "enterprise_configuration",
            "force_off",
            "screen_key",
            "clock",
        ];
        let count = self.below(5);
        (0..count)
            .map(|_| ((*self.pick(&KEYS)).to_owned(), self.value(depth + 1)))
            .collect()
    }
}

#[tokio::test]
async fn twenty_thousand_random_requests_are_all_answered() {
    const METHODS: [&str; 8] = [
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW",
    ];
    const PATHS: [&str; 22] = [
        "/v2/token",
        "/v2/calendar",
        "/v2/calendar/1",
        "/v2/calendar/%00%ff",
        "/v2/config",
        "/v2/config/display/splash",
        "/v2/config/display/splash/images/0/16x9",
        "/v2/config/display/splash/images/255/32x9",
        "/v2/config/hdmi_input",
        "/v2/api/config",
        "/v2/control/cameras/status",
        "/v2/control/cameras/x",
        "/v2/info",
        "/v2/info/screen_key",
        "/v2/metadata",
        "/",
        "//",
        "/v2//",
        "/v2/config//",
        "*",
        "/v2/config?rollback_timeout_seconds=9",
        "/v2/config?rollback_timeout_seconds=%f0%9f&x",
    ];
    const MEDIA: [&str; 5] = [
        "application/json",
        "application/x-www-form-urlencoded",
        "image/png",
        "",
        "application/json; x",
    ];
    let world = pod().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _server = Server::start(listener, Arc::new(Plain(Arc::clone(&world.sim.pod))));
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let mut chance = Chance(0x5eed);
    for round in 0..20_000 {
        if round % 500 == 0 {
            let modes = [
                CalendarMode::ThirdPartyOnly,
                CalendarMode::Exchange,
                CalendarMode::Google,
            ];
            world.sim.set_mode(*chance.pick(&modes));
            let arrays = chance.below(2) == 0;
            world.sim.set_quirks(Quirks {
                arrays,
                ..Quirks::default()
            });
        }
        let bearer = if chance.below(10) == 0 {
            "Bearer x.y.z".to_owned()
        } else {
            format!("Bearer {}", world.token)
        };
        let (method, path) = (*chance.pick(&METHODS), *chance.pick(&PATHS));
        let media = *chance.pick(&MEDIA);
        let mut body = chance.object(0).to_string().into_bytes();
        if chance.below(8) == 0 {
            body.truncate(chance.below(body.len() + 1));
        }
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: pod\r\ncontent-type: {media}\r\nauthorization: {bearer}\r\n\
             content-length: {length}\r\n\r\n"
        );
        let request = [head.as_bytes(), &body].concat();
        // A password that was changed by chance would not matter: the token stays valid.
        let (status, body) = exchange(&mut stream, &request).await;
        assert!(
            (200..500).contains(&status) || status == 500 && path.starts_with("/v2/calendar/"),
            "{status} for {method} {path}"
        );
        if status >= 400 && !body.is_empty() {
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert!(
                body["errors"][0]["description"].is_string() || body["error"].is_string(),
                "{body}"
            );
        }
    }
    assert_eq!(world.get("/v2/config").await.0, 200);
}

#[tokio::test]
async fn noise_on_the_wire_harms_nobody_else() {
    let world = pod().await;
    let mut chance = Chance(0xbad);
    for _ in 0..100 {
        let mut stream = TcpStream::connect(world.sim.address()).await.unwrap();
        let noise: Vec<u8> = (0..chance.below(400))
            .map(|_| chance.next().to_le_bytes()[0])
            .collect();
        // The pod may have closed the connection already.
        let _ = stream.write_all(&noise).await;
    }
    assert_eq!(world.get("/v2/metadata").await.0, 200);
}
