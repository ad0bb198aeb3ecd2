//! The calendar mode of a pod: where it has its meetings from.

use std::fmt;

use crate::net::clean;

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
    /// The pod does not report it in a way that is known.
    Unverified,
}

impl CalendarMode {
    /// The mode as both configurations report it: the legacy `calendarType`, and
    /// `display.calendar.type`.
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
    pub fn of(legacy: Option<i64>, word: Option<&str>, third_party_type: Option<&str>) -> Self {
        if let Some(number) = legacy {
            return match number {
                0 => Self::Exchange,
                2 => Self::Microsoft365,
                3 => Self::ThirdParty,
                other => Self::Other(other.to_string()),
            };
        }
        let word = word.unwrap_or_default().trim();
        match third_party_type.map(str::trim) {
            Some(ours) if !word.is_empty() && ours.eq_ignore_ascii_case(word) => {
                return Self::ThirdParty;
            }
            _ => {}
        }
        match word.to_ascii_lowercase().as_str() {
            "exchange" => Self::Exchange,
            "o365" | "office365" | "microsoft365" | "m365" => Self::Microsoft365,
            "google" => Self::Google,
            "" => Self::Unverified,
            _ if third_party_type.is_some() => Self::Other(clean::line(word, 40)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_mode_is_known_before_the_first_write() {
        let check = |legacy, word, ours, expected: CalendarMode| {
            let found = CalendarMode::of(legacy, word, ours);
            assert_eq!(found, expected, "{legacy:?} {word:?} {ours:?}");
        };
        let other = |name: &str| CalendarMode::Other(name.into());
        check(Some(3), Some("exchange"), None, CalendarMode::ThirdParty);
        check(Some(3), None, None, CalendarMode::ThirdParty);
        check(Some(0), Some("tp"), Some("tp"), CalendarMode::Exchange);
        check(Some(2), None, None, CalendarMode::Microsoft365);
        check(Some(1), None, None, other("1"));
        check(None, Some("tp"), Some(" TP "), CalendarMode::ThirdParty);
        check(None, Some("exchange"), None, CalendarMode::Exchange);
        check(None, Some("o365"), Some("tp"), CalendarMode::Microsoft365);
        check(None, Some("google"), None, CalendarMode::Google);
        check(None, Some("new"), Some("tp"), other("new"));
        check(None, Some("third_party"), None, CalendarMode::Unverified);
        check(None, None, Some("tp"), CalendarMode::Unverified);
        check(None, None, None, CalendarMode::Unverified);
        assert!(!CalendarMode::Unverified.is_known_other());
        assert!(CalendarMode::Exchange.is_known_other());
    }
}
