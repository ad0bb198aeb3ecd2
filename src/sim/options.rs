//! What a simulated pod is like: identity, password, calendar mode, clock, and the quirks in which
//! pods differ.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::time::UnixTime;

/// How a pod is set up. `Options::default()` is a licensed pod in "3rd Party Only" mode with the
/// password `solstice`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tells pods with the same seed apart: identity, certificate and keys follow from seed and
    /// number.
    pub number: u32,
    pub seed: u64,
    /// `display.name`; follows from the number when empty.
    pub name: String,
    /// Follows from seed and number when empty.
    pub device_id: String,
    pub username: String,
    /// Empty: none is set, and any password is accepted.
    pub password: Password,
    pub token_life: Duration,
    pub mode: CalendarMode,
    /// How `display.calendar.type` spells "3rd Party Only"; the vendor does not publish it.
    pub type_spelling: String,
    pub time_zone: String,
    pub clock: Clock,
    /// Seconds by which the pod's clock is ahead of `clock`.
    pub clock_offset: i64,
    /// Refuse what the reference does not allow. Otherwise only what cannot be understood is
    /// refused.
    pub strict: bool,
    pub quirks: Quirks,
    /// After this many wrong passwords in a row no password is accepted until the pod is rebooted.
    pub lock_after: Option<u32>,
    pub licensed: bool,
    /// Whether a camera is attached.
    pub camera: bool,
    /// Whether the cloud is reachable; if not, `rollback_timeout_seconds` rolls network changes
    /// back.
    pub cloud_reachable: bool,
    /// How many requests and violations are kept.
    pub remember: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            number: 1,
            seed: 0,
            name: String::new(),
            device_id: String::new(),
            username: "admin".to_owned(),
            password: Password::from("solstice"),
            token_life: Duration::from_secs(3600),
            mode: CalendarMode::ThirdPartyOnly,
            type_spelling: "3rd_party_only".to_owned(),
            time_zone: "America/Denver".to_owned(),
            clock: Clock::system(),
            clock_offset: 0,
            strict: true,
            quirks: Quirks::default(),
            lock_after: None,
            licensed: true,
            camera: true,
            cloud_reachable: true,
            remember: 10_000,
        }
    }
}

/// A password; not printed.
#[derive(Clone, Default)]
pub struct Password(String);

impl Password {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password]")
    }
}

/// Where a pod's meetings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarMode {
    ThirdPartyOnly,
    Exchange,
    O365,
    Google,
}

impl CalendarMode {
    /// `m_calendarCuration.calendarType` of the legacy configuration. Google's number is not
    /// published.
    pub(super) fn legacy_number(self) -> u8 {
        match self {
            Self::Exchange => 0,
            Self::O365 => 2,
            Self::ThirdPartyOnly => 3,
            Self::Google => 4,
        }
    }

    /// The reading of `exchange`, `o365`, `google` and `3rd-party` on the command line and the
    /// control address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "3rd-party" | "third-party" | "api" => Some(Self::ThirdPartyOnly),
            "exchange" => Some(Self::Exchange),
            "o365" | "365" => Some(Self::O365),
            "google" => Some(Self::Google),
            _ => None,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ThirdPartyOnly => "3rd-party",
            Self::Exchange => "exchange",
            Self::O365 => "o365",
            Self::Google => "google",
        }
    }

    pub(super) fn spelt(self, third_party: &str) -> &str {
        match self {
            Self::ThirdPartyOnly => third_party,
            other => other.name(),
        }
    }

    pub(super) fn from_spelling(text: &str, third_party: &str) -> Option<Self> {
        [
            Self::ThirdPartyOnly,
            Self::Exchange,
            Self::O365,
            Self::Google,
        ]
        .into_iter()
        .find(|mode| mode.spelt(third_party) == text)
    }
}

/// Ways in which the reference contradicts itself or pods are said to differ. All off is the
/// reference's schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    pub colon_in_meetings: bool,
    pub times_as_strings: bool,
    pub empty_object_for_bad_token: bool,
    /// Positions of splash images then count from 1.
    pub arrays: bool,
    pub wrapped: bool,
    pub no_info: bool,
    pub no_legacy: bool,
}

/// A quirk by its name; in JSON the hyphens are underscores.
pub struct Quirk {
    pub name: &'static str,
    pub help: &'static str,
    pub of: fn(&mut Quirks) -> &mut bool,
}

impl Quirks {
    /// Every quirk, as the command line and the control address name it.
    pub const ALL: [Quirk; 7] = [
        Quirk {
            name: "colon-in-meetings",
            help: "`meetings:` for `meetings`, as in the reference's example",
            of: |quirks| &mut quirks.colon_in_meetings,
        },
        Quirk {
            name: "times-as-strings",
            help: "times of meetings as strings of digits",
            of: |quirks| &mut quirks.times_as_strings,
        },
        Quirk {
            name: "empty-object-for-bad-token",
            help: "200 and `{}` for an invalid token",
            of: |quirks| &mut quirks.empty_object_for_bad_token,
        },
        Quirk {
            name: "arrays",
            help: "arrays for splash images and VLANs, empty strings for EAP fields that are not set",
            of: |quirks| &mut quirks.arrays,
        },
        Quirk {
            name: "wrapped",
            help: "a part of the configuration under its own key, as `{\"sharing\": {...}}`",
            of: |quirks| &mut quirks.wrapped,
        },
        Quirk {
            name: "no-info",
            help: "no `/v2/info`, as before Solstice 6.2",
            of: |quirks| &mut quirks.no_info,
        },
        Quirk {
            name: "no-legacy",
            help: "no `/v2/api/config`",
            of: |quirks| &mut quirks.no_legacy,
        },
    ];
}

/// The right time, on which a pod's own clock is based.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixTime + Send + Sync>);

impl Clock {
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|| {
            let seconds = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs());
            UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
        })
    }

    #[must_use]
    pub fn from_fn(now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> UnixTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
