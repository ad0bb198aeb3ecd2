//! The configuration of a pod: all of it kept, a few places typed.
//!
//! Unknown keys pass through. What is printed, logged or stored comes from
//! `without_secrets`; the types here print nothing of what they hold.

use std::fmt;

use serde_json::Value;

use super::error::{Body, PodError};
use super::operation::Operation;
use super::request::Request;
use super::tree;
use super::{Done, PodClient};
use crate::model::secret::Secret;

/// What `GET /v2/config` answers, whole.
#[derive(Clone, PartialEq)]
pub struct PodConfig(Value);

/// What `GET /v2/api/config` answers: the `m_...` keys of the first API.
#[derive(Clone, PartialEq)]
pub struct LegacyConfig(Value);

/// Where a pod has its meetings from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarMode {
    /// "3rd Party Only": what is set over this API.
    ThirdParty,
    Exchange,
    Microsoft365,
    Google,
    /// Another one, as the pod names or numbers it.
    Other(String),
    /// The pod does not tell in a way that is known.
    Unverified,
}

impl CalendarMode {
    /// The mode as both configurations tell it.
    ///
    /// | legacy `calendarType` | `display.calendar.type` | mode |
    /// | --- | --- | --- |
    /// | 3 | any | `ThirdParty` |
    /// | 0, 2, another number | any | `Exchange`, `Microsoft365`, `Other` |
    /// | unknown | as `third_party_type` | `ThirdParty` |
    /// | unknown | `exchange`, `o365`, `google` | that one |
    /// | unknown | other than a given `third_party_type` | `Other` |
    /// | unknown | anything else, or nothing | `Unverified` |
    ///
    /// The number is documented; of the words only `exchange` is, and what the
    /// third-party mode is called is published nowhere.
    #[must_use]
    pub fn of(
        legacy: Option<&LegacyConfig>,
        config: Option<&PodConfig>,
        third_party_type: Option<&str>,
    ) -> Self {
        if let Some(number) = legacy.and_then(LegacyConfig::calendar_type) {
            return match number {
                0 => Self::Exchange,
                2 => Self::Microsoft365,
                3 => Self::ThirdParty,
                other => Self::Other(other.to_string()),
            };
        }
        let Some(word) = config.and_then(PodConfig::calendar_type) else {
            return Self::Unverified;
        };
        let word = word.trim();
        match third_party_type.map(str::trim) {
            Some(ours) if ours.eq_ignore_ascii_case(word) => return Self::ThirdParty,
            _ => {}
        }
        match word.to_ascii_lowercase().as_str() {
            "exchange" => Self::Exchange,
            "o365" | "office365" | "microsoft365" | "m365" => Self::Microsoft365,
            "google" => Self::Google,
            "" => Self::Unverified,
            _ if third_party_type.is_some() => Self::Other(super::error::cleaned(word, 40)),
            _ => Self::Unverified,
        }
    }

    /// Whether a write could reach somebody's mailbox: the mode is known, and not ours.
    #[must_use]
    pub fn is_known_other(&self) -> bool {
        !matches!(self, Self::ThirdParty | Self::Unverified)
    }
}

impl fmt::Display for CalendarMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThirdParty => f.write_str("3rd party only"),
            Self::Exchange => f.write_str("Microsoft Exchange"),
            Self::Microsoft365 => f.write_str("Microsoft 365"),
            Self::Google => f.write_str("Google Workspace"),
            Self::Other(name) => write!(f, "`{name}`"),
            Self::Unverified => f.write_str("not verified"),
        }
    }
}

impl PodConfig {
    #[must_use]
    pub fn new(tree: Value) -> Self {
        Self(tree)
    }

    /// All of it, with secrets: to be compared or changed, never to be shown.
    #[must_use]
    pub fn reveal(&self) -> &Value {
        &self.0
    }

    /// All of it with a blank for each secret.
    #[must_use]
    pub fn without_secrets(&self) -> Value {
        tree::without_secrets(&self.0)
    }

    /// A mark that changes when a secret of the pod does; see [`tree::secrets_mark`].
    /// `key` is the pod's password.
    #[must_use]
    pub fn secrets_mark(&self, key: &Secret) -> String {
        tree::secrets_mark(&self.0, key)
    }

    /// The value at a path such as `["display", "clock"]`; `null` is absent.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        tree::at(&self.0, path)
    }

    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<String> {
        self.at(path).and_then(tree::text)
    }

    #[must_use]
    pub fn flag(&self, path: &[&str]) -> Option<bool> {
        self.at(path).and_then(tree::flag)
    }

    #[must_use]
    pub fn integer(&self, path: &[&str]) -> Option<i64> {
        self.at(path).and_then(tree::integer)
    }

    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.text(&["display", "name"])
    }

    #[must_use]
    pub fn calendar_enabled(&self) -> Option<bool> {
        self.flag(&["display", "calendar", "enabled"])
    }

    /// Whether the calendar is on the welcome screen.
    #[must_use]
    pub fn calendar_show(&self) -> Option<bool> {
        self.flag(&["display", "calendar", "show"])
    }

    /// `exchange`, or another word; that of the third-party mode is unpublished.
    #[must_use]
    pub fn calendar_type(&self) -> Option<String> {
        self.text(&["display", "calendar", "type"])
    }

    #[must_use]
    pub fn show_titles(&self) -> Option<bool> {
        self.flag(&["display", "calendar", "show_titles"])
    }

    #[must_use]
    pub fn show_organizers(&self) -> Option<bool> {
        self.flag(&["display", "calendar", "show_organizers"])
    }

    /// The name of the pod's time zone, as the pod spells it.
    #[must_use]
    pub fn time_zone(&self) -> Option<String> {
        self.text(&["display", "clock", "timezone"])
    }

    /// The pod's clock, as the pod spells it; the form is not documented.
    #[must_use]
    pub fn current_time(&self) -> Option<String> {
        self.text(&["display", "clock", "current_time"])
    }

    /// Whether the pod sets its clock from the network.
    #[must_use]
    pub fn ntp_enabled(&self) -> Option<bool> {
        self.flag(&["display", "clock", "ntp_server", "enabled"])
    }

    /// The modern welcome screen, the only one that shows a calendar.
    #[must_use]
    pub fn is_modern(&self) -> Option<bool> {
        self.flag(&["display", "splash", "is_modern"])
    }

    /// Digital signage over the whole screen, which hides the calendar when idle.
    #[must_use]
    pub fn signage_covers_the_screen(&self) -> Option<bool> {
        let signage = |key| self.at(&["display", "digital_signage", key]);
        let enabled = tree::flag(signage("enabled")?)?;
        let options = signage("screen_options").and_then(tree::text);
        Some(enabled && options.is_none_or(|options| options == "fullscreen"))
    }

    /// The time of day of the daily restart, where it is enabled.
    #[must_use]
    pub fn daily_restart(&self) -> Option<String> {
        let restart = |key| self.at(&["maintenance", "daily_restart", key]);
        restart("enabled")
            .and_then(tree::flag)
            .filter(|enabled| *enabled)?;
        restart("time").and_then(tree::text)
    }
}

impl LegacyConfig {
    #[must_use]
    pub fn new(tree: Value) -> Self {
        Self(tree)
    }

    /// All of it, with secrets: never to be shown.
    #[must_use]
    pub fn reveal(&self) -> &Value {
        &self.0
    }

    #[must_use]
    pub fn without_secrets(&self) -> Value {
        tree::without_secrets(&self.0)
    }

    /// The value at a path; `null` is absent.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        tree::at(&self.0, path)
    }

    /// 0 Exchange, 2 Microsoft 365, 3 this API ("3rd party only").
    #[must_use]
    pub fn calendar_type(&self) -> Option<i64> {
        self.at(&["m_calendarCuration", "calendarType"])
            .and_then(tree::integer)
    }

    /// The pod's clock in milliseconds since 1970.
    #[must_use]
    pub fn clock_ms(&self) -> Option<i64> {
        self.at(&["m_systemCuration", "dateTime"])
            .and_then(tree::integer)
    }

    /// 0 none, 1 unreadable, 2 good, 3 expired.
    #[must_use]
    pub fn license_status(&self) -> Option<i64> {
        self.at(&["m_licenseCuration", "licenseStatus"])
            .and_then(tree::integer)
    }

    /// 999999999 for a licence without end.
    #[must_use]
    pub fn license_days(&self) -> Option<i64> {
        self.at(&["m_licenseCuration", "numDaysToExpiration"])
            .and_then(tree::integer)
    }

    /// The pod's software version.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.at(&["m_serverVersion"]).and_then(tree::text)
    }
}

/// How many groups there are, and nothing of what is in them.
impl fmt::Debug for PodConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0.as_object().map_or(0, serde_json::Map::len);
        write!(f, "PodConfig({groups} groups)")
    }
}

impl fmt::Debug for LegacyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0.as_object().map_or(0, serde_json::Map::len);
        write!(f, "LegacyConfig({groups} groups)")
    }
}

impl PodClient {
    /// The whole configuration.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn config(&self) -> Result<PodConfig, PodError> {
        let answer = self.ask(&Request::config(self.url(), &[])?).await?;
        Ok(PodConfig(answer.object(self.url(), Operation::ReadConfig)?))
    }

    /// The part of the configuration at a path of keys. It may be any JSON, also
    /// a single value, and holds secrets: pass it through
    /// [`tree::without_secrets`] before it is shown.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn config_at(&self, path: &[&str]) -> Result<Value, PodError> {
        let answer = self.ask(&Request::config(self.url(), path)?).await?;
        let value = answer.json(self.url(), Operation::ReadConfig)?;
        Ok(unwrapped(value, path))
    }

    /// The configuration in the words of the first API; it tells the calendar
    /// mode, the licence and the clock.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn legacy_config(&self) -> Result<LegacyConfig, PodError> {
        let answer = self.ask(&Request::legacy_config(self.url())).await?;
        let operation = Operation::ReadLegacyConfig;
        Ok(LegacyConfig(answer.object(self.url(), operation)?))
    }

    /// The calendar mode; asks for the second configuration only where the
    /// first does not tell.
    ///
    /// # Errors
    /// The pod could not be asked. That it does not know one of the two
    /// configurations is no error.
    pub async fn calendar_mode(&self) -> Result<CalendarMode, PodError> {
        let legacy = match self.legacy_config().await {
            Err(error) if error.is_about_the_operation() => None,
            other => Some(other?),
        };
        if legacy
            .as_ref()
            .and_then(LegacyConfig::calendar_type)
            .is_some()
        {
            return Ok(CalendarMode::of(legacy.as_ref(), None, None));
        }
        let config = match self.config().await {
            Err(error) if error.is_about_the_operation() => None,
            other => Some(other?),
        };
        let ours = self.pod().third_party_type.as_deref();
        Ok(CalendarMode::of(None, config.as_ref(), ours))
    }

    /// Changes a part of the configuration; other keys stay as they are.
    ///
    /// `rollback` is `rollback_timeout_seconds` and concerns network settings only.
    ///
    /// # Errors
    /// See [`PodError`].
    pub async fn patch_config(
        &self,
        subset: Value,
        rollback: Option<u32>,
    ) -> Result<Done, PodError> {
        let request = Request::patch_config(self.url(), subset, rollback);
        self.ask(&request)
            .await?
            .done(self.url(), request.operation)
    }
}

impl PodError {
    /// Whether the pod works but does not know or give what was asked for.
    pub(super) fn is_about_the_operation(&self) -> bool {
        use super::error::ApiError;
        match self {
            Self::Refused { error, .. } => {
                matches!(error, ApiError::NotFound | ApiError::InvalidRequest)
            }
            Self::Unexpected { status, body, .. } => {
                matches!(status, 400 | 404 | 405 | 501) && *body != Body::EmptyObject
            }
            _ => false,
        }
    }
}

/// A pod may answer a path with the value alone or under its own keys, and the
/// reference does not say which.
fn unwrapped(value: Value, path: &[&str]) -> Value {
    let only_child = |value: &Value, key: &str| match value {
        Value::Object(map) if map.len() == 1 => map.get(key).cloned(),
        _ => None,
    };
    let whole = path
        .iter()
        .try_fold(value.clone(), |value, key| only_child(&value, key));
    let last = || path.last().and_then(|key| only_child(&value, key));
    whole.or_else(last).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_calendar_mode_is_known_before_the_first_write() {
        let check = |legacy: Value, word: Value, ours: Option<&str>, expected: CalendarMode| {
            let legacy = LegacyConfig(json!({"m_calendarCuration": {"calendarType": legacy}}));
            let config = PodConfig(json!({"display": {"calendar": {"type": word}}}));
            let found = CalendarMode::of(Some(&legacy), Some(&config), ours);
            assert_eq!(found, expected, "{legacy:?} {word} {ours:?}");
        };
        let other = |name: &str| CalendarMode::Other(name.into());
        let null = Value::Null;
        check(json!(3), json!("exchange"), None, CalendarMode::ThirdParty);
        check(json!("3"), null.clone(), None, CalendarMode::ThirdParty);
        check(json!(0), json!("tp"), Some("tp"), CalendarMode::Exchange);
        check(json!(2), null.clone(), None, CalendarMode::Microsoft365);
        check(json!(1), null.clone(), None, other("1"));
        check(
            null.clone(),
            json!("tp"),
            Some(" TP "),
            CalendarMode::ThirdParty,
        );
        check(
            null.clone(),
            json!("exchange"),
            None,
            CalendarMode::Exchange,
        );
        check(
            null.clone(),
            json!("o365"),
            Some("tp"),
            CalendarMode::Microsoft365,
        );
        check(null.clone(), json!("google"), None, CalendarMode::Google);
        check(null.clone(), json!("new"), Some("tp"), other("new"));
        check(
            null.clone(),
            json!("third_party"),
            None,
            CalendarMode::Unverified,
        );
        check(
            null.clone(),
            null.clone(),
            Some("tp"),
            CalendarMode::Unverified,
        );
        check(json!("x"), json!({"a": 1}), None, CalendarMode::Unverified);
        assert!(!CalendarMode::Unverified.is_known_other());
        assert!(CalendarMode::Exchange.is_known_other());
    }

    #[test]
    fn a_path_is_read_bare_or_under_its_own_keys() {
        let bare = json!({"enabled": true, "show": false});
        for answer in [
            bare.clone(),
            json!({"calendar": bare}),
            json!({"display": {"calendar": bare}}),
        ] {
            assert_eq!(unwrapped(answer, &["display", "calendar"]), bare);
        }
        assert_eq!(unwrapped(json!(true), &["a"]), json!(true));
    }

    #[test]
    fn settings_are_read_where_they_are_and_missed_where_not() {
        let config = PodConfig(json!({
            "display": {
                "name": "Aurora",
                "calendar": {"enabled": true, "show": "false", "show_titles": 1},
                "clock": null,
                "splash": [],
                "digital_signage": {"enabled": true, "screen_options": "fullscreen"},
            },
            "maintenance": {"daily_restart": {"enabled": true, "time": "03:00"}},
        }));
        assert_eq!(config.name().as_deref(), Some("Aurora"));
        assert_eq!(config.calendar_enabled(), Some(true));
        assert_eq!(config.calendar_show(), Some(false));
        assert_eq!(config.show_titles(), Some(true));
        assert_eq!(config.show_organizers(), None);
        assert_eq!(config.time_zone(), None);
        assert_eq!(config.is_modern(), None);
        assert_eq!(config.signage_covers_the_screen(), Some(true));
        assert_eq!(config.daily_restart().as_deref(), Some("03:00"));
        let empty = PodConfig(json!([]));
        assert_eq!(empty.name(), None);
        assert_eq!(empty.daily_restart(), None);
    }

    #[test]
    fn debug_output_holds_nothing_of_a_configuration() {
        let tree = json!({"security": {"admin_password": {"secret_hash": "H1"}}});
        let text = format!("{:?} {:?}", PodConfig(tree.clone()), LegacyConfig(tree));
        assert_eq!(text, "PodConfig(1 groups) LegacyConfig(1 groups)");
    }
}
