//! What rooms, hosts, pods and secrets of a world are called.

use std::time::Duration;

use crate::config::Only;
use crate::control::secret_gate::Request;
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::secret::Secret;
use crate::model::sign_in::{AccountKey, Credential};
use crate::model::time::{UnixTime, Window};

#[must_use]
#[expect(clippy::expect_used, reason = "letters and digits make a name")]
pub fn room_name(room: usize) -> RoomName {
    RoomName::new(&format!("room{room}")).expect("a name")
}

#[must_use]
#[expect(clippy::expect_used, reason = "a documentation address")]
pub fn pod_url(address: usize) -> PodUrl {
    PodUrl::parse(&format!("192.0.2.{address}")).expect("an address")
}

#[must_use]
pub fn feed_secret(host: usize, version: u32) -> Secret {
    Secret::new(format!("hunter-feed-{host}-{version}"))
}

#[must_use]
pub fn pod_secret(address: usize, version: u32) -> Secret {
    Secret::new(format!("hunter-pod-{address}-{version}"))
}

#[must_use]
pub fn only(place: Option<u8>) -> Only {
    Only {
        location: place.map(|place| super::calendar::place_text(place).to_owned()),
        ..Only::default()
    }
}

#[must_use]
pub fn host_name(host: usize) -> String {
    format!("calendar-{host}.example.com")
}

fn credential(host: usize, secret: u32) -> Credential {
    let account = AccountKey::new(&host_name(host), &["feed", "user"]);
    Credential::new(account, &feed_secret(host, secret))
}

#[must_use]
pub fn feed_request(id: &FeedId, host: usize, secret: u32) -> Request {
    Request {
        credential: credential(host, secret),
        user: format!("{}#{}", id.host(), id.as_str()),
        insists: false,
    }
}

#[must_use]
pub fn pod_request(address: usize, url: &PodUrl, secret: u32) -> Request {
    let key = url.key();
    let account = AccountKey::new(url.host(), &["pod", &key, "admin"]);
    Request {
        credential: Credential::new(account, &pod_secret(address, secret)),
        user: key,
        insists: false,
    }
}

/// Only for a clock at the end of time.
#[must_use]
#[expect(clippy::expect_used, reason = "a day has a length")]
pub fn window_of_a_day(now: UnixTime) -> Window {
    let to = now.plus(Duration::from_secs(86_400));
    Window::new(now, to).expect("a day")
}
