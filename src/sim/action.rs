//! What can be done to a running pod from outside: on the command line's schedule and over the control address.
//!
//! Both say it in words (`slow=10s,method=PUT@5m`) or in JSON (`{"fault": "slow", "seconds": 10}`).

use std::io;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{CalendarMode, Fault, Sim};

/// One thing to do to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Fault(Fault),
    Reboot,
    Replace {
        keep_certificate: bool,
    },
    Certificate,
    /// Seconds by which the pod's clock is ahead.
    Clock(i64),
    Mode(CalendarMode),
}

/// An action at intervals; the first comes after one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    pub action: Action,
    pub every: Duration,
}

/// The words that [`Action::parse`] knows, for help texts and errors.
pub const WORDS: &str = "slow=10s, cut-off, 500 (any status), html, empty-object, lost-answer, hang, refuse, reboot, \
                         replace, certificate, clock=SECONDS, mode=exchange";

impl Scheduled {
    /// Reads `ACTION@EVERY`, such as `500@30s` or `slow=10s,method=PUT,path=/v2/calendar@5m`.
    ///
    /// # Errors
    /// Says what is wrong and what would be right. Without `times`, a fault is shown once at each turn.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (action, every) = text
            .rsplit_once('@')
            .ok_or("say how often, as in `500@30s`: an action, `@`, an interval")?;
        let every = duration(every).filter(|every| !every.is_zero());
        let every = every.ok_or("the interval must be like `30s`, `5m` or `1h`")?;
        let action = match Action::parse(action)? {
            Action::Fault(fault) => Action::Fault(fault.once_unless_counted()),
            other => other,
        };
        Ok(Self { action, every })
    }
}

impl Action {
    /// Reads `WHAT[=VALUE][,times=N][,after=N][,method=M][,path=P]`; see [`WORDS`].
    ///
    /// # Errors
    /// Says which word is not known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let (what, value) = first.split_once('=').unwrap_or((first, ""));
        let mut object = Map::new();
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` must be `key=value`"))?;
            let value = value
                .parse::<u32>()
                .map_or_else(|_| Value::from(value), Value::from);
            object.insert(key.to_owned(), value);
        }
        let number = || {
            value
                .parse::<i64>()
                .map_err(|_| format!("`{first}` needs a number of seconds"))
        };
        let action = match what {
            "reboot" => Self::Reboot,
            "replace" => Self::Replace {
                keep_certificate: false,
            },
            "certificate" => Self::Certificate,
            "clock" => Self::Clock(number()?),
            "mode" => Self::Mode(mode(value)?),
            "slow" => {
                let by = duration(value).ok_or("`slow` needs a time, as in `slow=10s`")?;
                Self::Fault(qualified(Fault::slow(by), &object)?)
            }
            word => Self::Fault(qualified(fault(word)?, &object)?),
        };
        if !matches!(action, Self::Fault(_)) && !object.is_empty() {
            return Err(format!(
                "`{what}` takes no `times`, `after`, `method` or `path`"
            ));
        }
        Ok(action)
    }

    /// Reads a fault from JSON: `{"fault": "status", "status": 503, "times": 2, "method": "PUT", "path": "/v2/*"}`.
    ///
    /// # Errors
    /// Says which member is missing or wrong.
    pub fn fault_from_json(object: &Map<String, Value>) -> Result<Self, String> {
        let word = object
            .get("fault")
            .and_then(Value::as_str)
            .ok_or("`fault` is missing")?;
        let fault = match word {
            "slow" => {
                let seconds = object
                    .get("seconds")
                    .and_then(Value::as_f64)
                    .unwrap_or(-1.0);
                Fault::slow(
                    Duration::try_from_secs_f64(seconds).map_err(|_| "`slow` needs `seconds`")?,
                )
            }
            "status" => {
                let status = object
                    .get("status")
                    .map(Value::to_string)
                    .unwrap_or_default();
                fault(&status).map_err(|_| "`status` needs a `status` from 200 to 599")?
            }
            word => fault(word)?,
        };
        let mut rest = object.clone();
        for key in ["fault", "seconds", "status"] {
            rest.remove(key);
        }
        Ok(Self::Fault(qualified(fault, &rest)?))
    }

    /// Does it.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn perform(&self, pod: &Sim) -> io::Result<()> {
        match self {
            Self::Fault(fault) => pod.fault(fault.clone()),
            Self::Reboot => pod.reboot(),
            Self::Replace {
                keep_certificate: true,
            } => pod.replace_keeping_certificate(),
            Self::Replace {
                keep_certificate: false,
            } => pod.replace()?,
            Self::Certificate => pod.new_certificate()?,
            Self::Clock(seconds) => pod.set_clock_offset(*seconds),
            Self::Mode(mode) => pod.set_mode(*mode),
        }
        Ok(())
    }
}

/// The reading of a calendar mode's name.
pub(super) fn mode(text: &str) -> Result<CalendarMode, String> {
    CalendarMode::parse(text)
        .ok_or_else(|| "the mode must be `3rd-party`, `exchange`, `o365` or `google`".to_owned())
}

fn fault(word: &str) -> Result<Fault, String> {
    Ok(match word {
        "cut-off" => Fault::cut_off(),
        "html" => Fault::html(),
        "empty-object" => Fault::empty_object(),
        "lost-answer" => Fault::lost_answer(),
        "hang" => Fault::hang(),
        "refuse" => Fault::refuse(),
        word => match word.parse() {
            Ok(status @ 200..=599) => Fault::status(status),
            _ => return Err(format!("`{word}` is not known; there are {WORDS}")),
        },
    })
}

fn qualified(mut fault: Fault, object: &Map<String, Value>) -> Result<Fault, String> {
    let count = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let (mut method, mut path) = (String::new(), String::new());
    for (key, value) in object {
        let wrong = || format!("`{key}` has a wrong value");
        match key.as_str() {
            "times" => fault = fault.times(count(value).ok_or_else(wrong)?),
            "after" => fault = fault.after(count(value).ok_or_else(wrong)?),
            "method" => value.as_str().ok_or_else(wrong)?.clone_into(&mut method),
            "path" => value.as_str().ok_or_else(wrong)?.clone_into(&mut path),
            _ => {
                return Err(format!(
                    "`{key}` is not known; there are `times`, `after`, `method` and `path`"
                ));
            }
        }
    }
    Ok(fault.on(&method, &path))
}

/// Reads `250ms`, `30s`, `5m`, `1h`, or seconds without a unit.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" | "" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_from_words() {
        let calendar = Fault::slow(Duration::from_secs(10))
            .times(2)
            .on("PUT", "/v2/calendar");
        for (text, action) in [
            (
                "slow=10s,times=2,method=put,path=/v2/calendar",
                Action::Fault(calendar),
            ),
            ("503", Action::Fault(Fault::status(503))),
            (
                "lost-answer,after=3",
                Action::Fault(Fault::lost_answer().after(3)),
            ),
            ("clock=-90", Action::Clock(-90)),
            ("mode=o365", Action::Mode(CalendarMode::O365)),
            ("reboot", Action::Reboot),
        ] {
            assert_eq!(Action::parse(text), Ok(action), "{text}");
        }
        for (text, says) in [
            ("slow", "needs a time"),
            ("99", "is not known"),
            ("explode", "`explode` is not known; there are slow=10s"),
            ("mode=zimbra", "the mode must be"),
            ("reboot,times=3", "takes no `times`"),
            ("500,times=x", "wrong value"),
            ("500,path", "must be `key=value`"),
        ] {
            let refused = Action::parse(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }

    #[test]
    fn a_scheduled_fault_is_shown_once_at_each_turn() {
        let scheduled = Scheduled::parse("500@90s").unwrap();
        assert_eq!(scheduled.every, Duration::from_secs(90));
        assert_eq!(scheduled.action, Action::Fault(Fault::status(500).once()));
        let scheduled = Scheduled::parse("500,times=3@2m").unwrap();
        assert_eq!(scheduled.action, Action::Fault(Fault::status(500).times(3)));
        for text in ["500", "500@", "500@0s", "500@1d", "@5m"] {
            assert!(Scheduled::parse(text).is_err(), "{text}");
        }
    }
}
