//! The configuration of a pod: all of it kept, a few places typed.
//!
//! Unknown keys pass through. What is printed, logged or stored comes from
//! `without_secrets`; the types here print nothing of what they hold.

use std::fmt;

use serde_json::Value;

use super::tree;

/// What `GET /v2/config` answers, whole.
#[derive(Clone, PartialEq)]
pub struct PodConfig(Value);

/// What `GET /v2/api/config` answers: the `m_...` keys of the first API.
#[derive(Clone, PartialEq)]
pub struct LegacyConfig(Value);

impl PodConfig {
    #[must_use]
    pub fn new(tree: Value) -> Self {
        Self(tree)
    }

    /// All of it, with secrets.
    #[cfg(test)]
    pub fn reveal(&self) -> &Value {
        &self.0
    }

    /// All of it with a blank for each secret.
    #[must_use]
    pub fn without_secrets(&self) -> Value {
        tree::without_secrets(&self.0)
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

    /// The pod's clock, as the pod spells it; the form is not documented.
    #[must_use]
    pub fn current_time(&self) -> Option<String> {
        self.text(&["display", "clock", "current_time"])
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
}

impl LegacyConfig {
    #[must_use]
    pub fn new(tree: Value) -> Self {
        Self(tree)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_read_where_they_are_and_missed_where_not() {
        let config = PodConfig(json!({
            "display": {
                "name": "Aurora",
                "calendar": {"enabled": true, "show": "false"},
                "clock": null,
                "splash": [],
                "digital_signage": {"enabled": true, "screen_options": "fullscreen"},
            },
        }));
        assert_eq!(config.name().as_deref(), Some("Aurora"));
        assert_eq!(config.calendar_enabled(), Some(true));
        assert_eq!(config.calendar_show(), Some(false));
        assert_eq!(config.is_modern(), None);
        assert_eq!(config.signage_covers_the_screen(), Some(true));
        let empty = PodConfig(json!([]));
        assert_eq!(empty.name(), None);
    }

    #[test]
    fn debug_output_holds_nothing_of_a_configuration() {
        let tree = json!({"security": {"admin_password": {"secret_hash": "H1"}}});
        let text = format!("{:?} {:?}", PodConfig(tree.clone()), LegacyConfig(tree));
        assert_eq!(text, "PodConfig(1 groups) LegacyConfig(1 groups)");
    }
}
