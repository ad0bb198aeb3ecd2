//! The configuration, checked: plain data that the rest of podcal can rely on.
//!
//! `file` is the TOML exactly as written, `check` turns it into these types and
//! gathers every problem, `load` is the only part that reads disk and environment.

pub(crate) mod check;
pub(crate) mod fault;
mod feeds;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod include;
mod keys;
mod known_feeds;
pub(crate) mod ledger;
pub(crate) mod load;
mod notes;
mod pods;
mod rooms;
mod rules;
mod schedule;
pub(crate) mod schema;
mod secret;
mod syntax;
mod text;
mod units;
mod web;
mod zone;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ring::digest;

use crate::model::cron::Cron;
use crate::model::digest::hex;
use crate::model::feed_url::FeedUrl;
use crate::model::ledger_place::{LedgerPlace, LedgerServer};
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::occurrence::Details;
use crate::model::pattern;
use crate::model::secret::Secret;
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;

#[derive(Clone, Debug)]
pub struct Config {
    /// Where the configuration was read from.
    pub path: PathBuf,
    pub time_zone: Zone,
    /// Absolute, or relative to the working directory; never to be joined again.
    /// With a server, what the files beside its ledger are named after.
    pub ledger: PathBuf,
    /// `None`: the ledger is a file.
    pub ledger_server: Option<Arc<LedgerServer>>,
    /// For how long the history of what was done is kept.
    pub keep_history: Duration,
    pub schedule: Schedule,
    /// What every room starts from.
    pub guard: Guard,
    /// So many rooms (and a third) that lose everything from one host at once are held
    /// together (`guard.rooms`); 0: off.
    pub brake_rooms: usize,
    /// In bytes, for all that is downloaded, waiting and being read at once
    /// (`limits.memory`).
    pub memory: u64,
    pub on_remove: OnRemove,
    /// The page and the metrics; `None`: off.
    pub web: Option<Web>,
    /// In the order of the file and of those that it includes; at least one.
    pub rooms: Vec<Room>,
}

impl Config {
    #[must_use]
    pub fn ledger_place(&self) -> LedgerPlace {
        LedgerPlace {
            path: self.ledger.clone(),
            server: self.ledger_server.clone(),
        }
    }
}

/// What becomes of the display of a room or pod that leaves the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRemove {
    /// It goes on showing what it was sent last.
    #[default]
    Keep,
    /// It is sent an empty set.
    Clear,
}

/// Where the page and the metrics are served (`[web]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    pub listen: SocketAddr,
    /// Asked for on every path but `/healthz` and `/readyz`.
    pub login: Option<WebLogin>,
}

/// Who may read the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebLogin {
    pub username: String,
    pub password: Secret,
}

/// When things are done. The cron expressions are read in `time_zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub sync: Cron,
    pub health: Cron,
    pub config: Cron,
    pub jitter: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub name: RoomName,
    /// For people; the name where the file gives none.
    pub title: String,
    pub zone: Zone,
    /// Days of the window, today included; at least 1.
    pub days: u16,
    pub meetings: MeetingRules,
    pub guard: Guard,
    /// At least one.
    pub feeds: Vec<Feed>,
    /// At least one.
    pub pods: Vec<Pod>,
}

impl Room {
    /// From now to the end of the day `days - 1` after today, in the room's zone.
    #[must_use]
    pub fn window(&self, now: UnixTime) -> Window {
        self.window_of_days(now, self.days)
    }

    /// The same for another number of days; at least one.
    #[must_use]
    pub fn window_of_days(&self, now: UnixTime, days: u16) -> Window {
        let today = self.zone.local(now).date();
        let span = jiff::Span::new().days(i64::from(days.max(1)));
        let end = today
            .checked_add(span)
            .map_or(UnixTime::MAX, |day| self.zone.start_of_day(day));
        Window::new(now, end).unwrap_or_else(|| window_of_one_day(now))
    }
}

/// Only for a clock that stands at the end of the year 9999.
fn window_of_one_day(now: UnixTime) -> Window {
    let day = Duration::from_secs(86_400);
    let from = if now.plus(day) > now {
        now
    } else {
        UnixTime::MAX.minus(day)
    };
    #[expect(
        clippy::expect_used,
        reason = "a day after an instant that is a day before the last one is later"
    )]
    Window::new(from, from.plus(day)).expect("a day has a length")
}

/// What a display may show (`[meetings]`, and `meetings` of a room over it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeetingRules {
    pub all_day: bool,
    pub tentative: bool,
    pub max: usize,
    pub description: Description,
    pub private_title: String,
    /// The title of every meeting where `hide_titles` is set.
    pub hidden_title: String,
    /// The title of an event that has none; the room is taken anyway.
    pub untitled: String,
    pub hide_titles: bool,
    pub hide_organizers: bool,
    /// What becomes of a feed's meetings once it has failed for this long; `None`: never.
    pub max_stale: Option<Duration>,
    pub when_stale: WhenStale,
}

/// What becomes of meetings whose feed failed for longer than `max_stale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenStale {
    /// They stay until they end.
    #[default]
    Keep,
    /// They leave the display.
    Clear,
}

impl Default for MeetingRules {
    fn default() -> Self {
        Self {
            all_day: true,
            tentative: true,
            max: 100,
            description: Description::Conference,
            private_title: "Private meeting".to_owned(),
            hidden_title: "Reserved".to_owned(),
            untitled: "Busy".to_owned(),
            hide_titles: false,
            hide_organizers: false,
            max_stale: None,
            when_stale: WhenStale::Keep,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Description {
    None,
    /// Join links only.
    Conference,
    /// Plain text.
    Full,
}

/// When a feed from which everything vanished is not believed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// So many meetings to come, vanishing together and leaving none; 0 turns the guard off.
    pub vanished: u32,
    /// Seen again after this long, it is believed.
    pub hold: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// A digest of kind, address, user name and calendar. Entries of several rooms
    /// with the same id are one feed, whatever their `only`.
    pub id: FeedId,
    pub source: Source,
    /// Of this room's entry.
    pub only: Only,
    pub user_agent: Option<String>,
    pub tls: TlsTrust,
    /// For one request.
    pub timeout: Duration,
    /// In bytes; as sent, and again as inflated.
    pub max_size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// One ICS document over http(s).
    Ics { url: FeedUrl, login: Login },
    /// One ICS document on disk; absolute, or relative to the working directory.
    File { path: PathBuf },
    /// A CalDAV calendar, or a place from which it can be discovered.
    CalDav {
        url: FeedUrl,
        login: Login,
        /// The display name of the calendar, where several are found.
        calendar: Option<String>,
    },
}

/// How to sign in at a calendar server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    None,
    /// Basic or Digest, as the server asks.
    Password {
        username: String,
        password: Secret,
    },
    /// `Authorization: Bearer`.
    Token(Secret),
    /// A refresh token (RFC 6749 section 6).
    OAuth2(Arc<OAuth2>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    pub token_url: FeedUrl,
    pub client_id: String,
    pub client_secret: Secret,
    pub refresh_token: Secret,
}

/// Which events of a feed are for this room: all patterns given must match.
/// Case does not count and `*` stands for any text; a pattern without `*` matches
/// the whole field, or one of several (categories).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    pub location: Option<String>,
    pub title: Option<String>,
    pub organizer: Option<String>,
    pub category: Option<String>,
}

impl Only {
    /// Whether every event is for this room.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// What tells this filter from others in a calendar that is held for several rooms;
    /// the same in every run.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for (_, pattern) in self.patterns() {
            context.update(&[u8::from(pattern.is_some())]);
            let pattern = pattern.unwrap_or_default();
            context.update(&(pattern.len() as u64).to_be_bytes());
            context.update(pattern.as_bytes());
        }
        hex(context.finish().as_ref().get(..8).unwrap_or_default())
    }

    fn patterns(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("location", self.location.as_deref()),
            ("title", self.title.as_deref()),
            ("organizer", self.organizer.as_deref()),
            ("category", self.category.as_deref()),
        ]
    }

    fn first_key(&self) -> Option<&'static str> {
        let given = self
            .patterns()
            .into_iter()
            .find(|(_, pattern)| pattern.is_some());
        given.map(|(key, _)| key)
    }

    /// The first key that an event does not match; `None` when it is for this room.
    #[must_use]
    pub fn missed(&self, details: &Details) -> Option<&'static str> {
        // Without its text, an event can no longer be compared.
        if let Some(matched) = &details.only_matched {
            return match self.first_key() {
                Some(key) if !matched.contains(&self.digest()) => Some(key),
                _ => None,
            };
        }
        let any = |pattern: &Option<String>, texts: &[&str]| match pattern {
            None => true,
            Some(pattern) if texts.is_empty() => pattern::matches(pattern, ""),
            Some(pattern) => texts.iter().any(|text| pattern::matches(pattern, text)),
        };
        if !any(&self.location, details.location.as_deref().as_slice()) {
            return Some("location");
        }
        if !any(&self.title, details.summary.as_deref().as_slice()) {
            return Some("title");
        }
        let person = details.organizer.iter();
        let people: Vec<&str> = person
            .flat_map(|person| [&person.name, &person.address])
            .filter_map(|text| text.as_deref())
            .collect();
        if !any(&self.organizer, &people) {
            return Some("organizer");
        }
        let categories: Vec<&str> = details.categories.iter().map(String::as_str).collect();
        if !any(&self.category, &categories) {
            return Some("category");
        }
        None
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub url: PodUrl,
    pub username: String,
    pub password: Secret,
    pub tls: TlsTrust,
    /// Polls of this pod are at least this far apart; pushes are not held up.
    pub min_interval: Duration,
    /// For one request.
    pub timeout: Duration,
    /// How these pods spell "3rd party only" in `display.calendar.type`.
    pub third_party_type: Option<String>,
    /// The part of the pod's configuration that is repaired when it drifts.
    pub enforce: Option<serde_json::Map<String, serde_json::Value>>,
}

/// How a pod or a calendar server proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsTrust {
    /// Trust on first use; the fingerprint is kept in the ledger. Pods only.
    Pin,
    /// The system's certificate authorities.
    Ca,
    /// Anything goes; said once in the log.
    Off,
    /// SHA-256 of the certificate in DER.
    Sha256([u8; 32]),
    /// These authorities, in PEM; read when the configuration is.
    CaFile(Arc<[u8]>),
}
