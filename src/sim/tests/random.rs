//! Any input at all: nothing makes the simulator crash, and every answer has one of the reference's forms.

use axum::http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;
use crate::sim::pod::Received;
use crate::sim::route;
use crate::sim::strict::Asked;

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
    let pod = &world.sim.pod;
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
        let request = Request::builder()
            .method(*chance.pick(&METHODS))
            .uri(*chance.pick(&PATHS))
            .header("content-type", *chance.pick(&MEDIA))
            .header("authorization", bearer);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut body = chance.object(0).to_string().into_bytes();
        if chance.below(8) == 0 {
            body.truncate(chance.below(body.len() + 1));
        }
        let received = if chance.below(50) == 0 {
            Received::TooMuch
        } else {
            Received::All(body.into())
        };
        let asked = Asked::new(parts, received, 10);
        // A password that was changed by chance would not matter: the token stays good.
        let answer = pod.change(|state| route::answer(pod, state, &asked));
        let status = answer.status.as_u16();
        assert!(
            (200..500).contains(&status)
                || status == 500 && asked.path.starts_with("/v2/calendar/"),
            "{status}"
        );
        if status >= 400 && !answer.body.is_empty() {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
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
