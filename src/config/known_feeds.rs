//! One feed may stand in several rooms; then each entry has to ask for it in the
//! same way.

use std::collections::HashMap;

use super::file::{Value, quoted};
use super::notes::Place;
use super::{Feed, Login, Source};

/// The feeds of all rooms: entries with the same id are one feed and have to ask
/// for it in one way.
#[derive(Default)]
pub struct KnownFeeds(HashMap<String, KnownFeed>);

struct KnownFeed {
    feed: Feed,
    room: String,
    place: Place,
}

impl KnownFeeds {
    /// Notes a problem where this entry differs from an earlier one of the same feed.
    pub fn add(&mut self, feed: &Feed, room: &str, value: &Value<'_>) {
        let Some(known) = self.0.get(feed.id.as_str()) else {
            let known = KnownFeed {
                feed: feed.clone(),
                room: room.to_owned(),
                place: value.place(),
            };
            self.0.insert(feed.id.as_str().to_owned(), known);
            return;
        };
        if let Some(key) = difference(&known.feed, feed) {
            let whose = match known.room == room {
                true => "this room".to_owned(),
                false => format!("room {}", quoted(&known.room)),
            };
            value.wrong(format!(
                "is the same feed as one of {whose} ({}), but with another `{key}`; write the same `{key}` in both",
                known.place.seen_from(&value.place())
            ));
        }
    }
}

/// The first key that decides how a feed is asked and is not the same in both.
fn difference(one: &Feed, other: &Feed) -> Option<&'static str> {
    let login = |feed: &Feed| match &feed.source {
        Source::Ics { login, .. } | Source::CalDav { login, .. } => login.clone(),
        Source::File { .. } => Login::None,
    };
    match (login(one), login(other)) {
        (Login::None, Login::None) => {}
        (
            Login::Password { password: one, .. },
            Login::Password {
                password: other, ..
            },
        ) => {
            if one != other {
                return Some("password");
            }
        }
        (Login::Token(one), Login::Token(other)) => {
            if one != other {
                return Some("token");
            }
        }
        (Login::OAuth2(one), Login::OAuth2(other)) => {
            if one != other {
                return Some("oauth2");
            }
        }
        (Login::OAuth2(_), _) | (_, Login::OAuth2(_)) => return Some("oauth2"),
        (Login::Token(_), _) | (_, Login::Token(_)) => return Some("token"),
        (Login::Password { .. }, Login::None) | (Login::None, Login::Password { .. }) => {
            return Some("password");
        }
    }
    if one.user_agent != other.user_agent {
        return Some("user_agent");
    }
    (one.tls != other.tls).then_some("tls")
}
