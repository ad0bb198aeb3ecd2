//! What can be done to a running pod from outside: at the start, at intervals, and over the control
//! address.
//!
//! All of it is said in words (`mode=exchange,for=5m`) or in JSON (`{"mode": "exchange", "for":
//! "5m"}`).

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::handle::{Fault, Sim};
use super::options::{CalendarMode, Password, Quirks};
use super::pod_fault;
use super::spec::Spec;
use super::state::{Pod, State};

pub use super::spec::duration;

/// One thing to do to a pod, and for how long.
#[derive(Clone, Debug)]
pub struct Command {
    pub action: Action,
    /// After this time it is undone. The time of a fault is with the fault.
    pub lasts: Option<Duration>,
}

#[derive(Clone, Debug)]
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
    Password(Password),
    Licence(bool),
    Quirks(Quirks),
    /// Somebody else's set.
    Meetings(Vec<Value>),
    Config {
        path: String,
        value: Value,
    },
    DeviceId(String),
    /// The device id of the pod with this number.
    DeviceIdOf(u32),
    /// Exchange of places with the pod with this number.
    Swap(u32),
}

/// The words that a command begins with, for help texts and errors.
#[must_use]
pub fn words() -> String {
    format!(
        "{}, reboot, replace, certificate, clock=SECONDS, mode=exchange, password=TEXT, device=ID, swap=POD",
        pod_fault::WORDS
    )
}

/// A command at the start or at intervals.
#[derive(Clone, Debug)]
pub struct ScheduledCommand {
    pub command: Command,
    /// The first time comes after one interval; at the start only, without one.
    pub every: Option<Duration>,
    /// The number of a pod; every pod without one.
    pub pod: Option<u32>,
}

impl ScheduledCommand {
    /// Reads `COMMAND` or `COMMAND@EVERY`, such as `cap=4,pod=2`, `500@30s` or
    /// `slow=10s,method=PUT@5m`.
    ///
    /// # Errors
    /// Says what is wrong and what would be right. At intervals, a fault without `times` and `for`
    /// is shown once at each turn.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (text, every) = match text.rsplit_once('@') {
            Some((text, every)) => {
                let every = duration(every).filter(|every| !every.is_zero());
                let every = every.ok_or("the interval must be like `30s`, `5m` or `1h`")?;
                (text, Some(every))
            }
            None => (text, None),
        };
        let mut spec = Spec::from_words(text)?;
        let pod = spec.number("pod")?;
        let mut command = Command::read(spec)?;
        if let (Action::Fault(fault), Some(_)) = (&command.action, every) {
            command.action = Action::Fault(fault.clone().once_unless_limited());
        }
        Ok(Self {
            command,
            every,
            pod,
        })
    }

    /// The pods that it is for.
    pub(super) fn targets<'a>(&self, pods: &'a [Sim]) -> Result<Vec<&'a Sim>, String> {
        match self.pod {
            Some(number) => Ok(vec![numbered(pods, number)?]),
            None => Ok(pods.iter().collect()),
        }
    }

    /// Does it to the pods that it is for.
    pub(super) fn perform(&self, pods: &[Sim]) -> Result<(), String> {
        self.targets(pods)?
            .into_iter()
            .try_for_each(|sim| self.command.perform(sim, pods))
    }
}

/// Undoes an action on the pod that it was done to.
type Undo = Box<dyn FnOnce(&Pod) + Send>;

impl Command {
    #[cfg(test)]
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(Spec::from_words(text)?)
    }

    pub(super) fn read(mut spec: Spec) -> Result<Self, String> {
        let action = match spec.word() {
            "reboot" => Action::Reboot,
            "replace" => Action::Replace {
                keep_certificate: spec.flag("keep_certificate")?.unwrap_or_default(),
            },
            "certificate" => Action::Certificate,
            "clock" => Action::Clock(spec.needed("offset_seconds", Spec::integer)?),
            "mode" => {
                let mode = CalendarMode::parse(&spec.needed("mode", Spec::text)?);
                Action::Mode(
                    mode.ok_or("the mode must be `3rd-party`, `exchange`, `o365` or `google`")?,
                )
            }
            "password" => Action::Password(spec.needed("password", Spec::text)?.into()),
            "licence" => Action::Licence(spec.needed("licensed", Spec::flag)?),
            "quirks" => Action::Quirks(quirks(&mut spec)?),
            "meetings" => match spec.value("meetings") {
                Some(Value::Array(meetings)) => Action::Meetings(meetings),
                _ => return Err("`meetings` must be an array".to_owned()),
            },
            "config" => Action::Config {
                path: spec.needed("path", Spec::text)?,
                value: spec.value("value").unwrap_or_default(),
            },
            "device" => match (spec.text("device_id")?, spec.number("same_as")?) {
                (Some(device_id), None) => Action::DeviceId(device_id),
                (None, Some(number)) => Action::DeviceIdOf(number),
                _ => return Err("`device` needs `device_id` or `same_as`".to_owned()),
            },
            "swap" => Action::Swap(spec.needed("with", Spec::number)?),
            _ => Action::Fault(Fault::read(&mut spec).map_err(|error| {
                match error.starts_with("unknown fault") {
                    true => format!("`{}` is unknown; known are {}", spec.word(), words()),
                    false => error,
                }
            })?),
        };
        let lasts = match action {
            Action::Reboot
            | Action::Replace { .. }
            | Action::Meetings(_)
            | Action::Config { .. } => None,
            _ => spec.time("for")?,
        };
        spec.finish()?;
        Ok(Self { action, lasts })
    }

    /// Does it to `sim`, which is one of `pods`.
    ///
    /// # Errors
    /// Says why it could not be done.
    pub(super) fn perform(&self, sim: &Sim, pods: &[Sim]) -> Result<(), String> {
        let undo = self.lasts.map(|lasts| (lasts, self.action.undo(sim, pods)));
        self.action.perform(sim, pods)?;
        if let Some((lasts, Some(undo))) = undo {
            let pod = Arc::downgrade(&sim.pod);
            tokio::spawn(async move {
                tokio::time::sleep(lasts).await;
                if let Some(pod) = pod.upgrade() {
                    undo(&pod);
                }
            });
        }
        Ok(())
    }
}

impl Action {
    fn perform(&self, sim: &Sim, pods: &[Sim]) -> Result<(), String> {
        match self {
            Self::Fault(fault) => sim.fault(fault.clone()),
            Self::Reboot => sim.reboot(),
            Self::Replace { keep_certificate } => {
                if *keep_certificate {
                    sim.replace_keeping_certificate();
                } else {
                    sim.replace().map_err(|error| error.to_string())?;
                }
            }
            Self::Certificate => sim.new_certificate().map_err(|error| error.to_string())?,
            Self::Clock(seconds) => sim.set_clock_offset(*seconds),
            Self::Mode(mode) => sim.set_mode(*mode),
            Self::Password(password) => sim.set_password(password.reveal()),
            Self::Licence(licensed) => sim.set_licensed(*licensed),
            Self::Quirks(quirks) => sim.set_quirks(*quirks),
            Self::Meetings(meetings) => sim.put_foreign(meetings)?,
            Self::Config { path, value } => sim.set_config(path, value.clone())?,
            Self::DeviceId(device_id) => sim.set_device_id(device_id),
            Self::DeviceIdOf(number) => sim.set_device_id(&numbered(pods, *number)?.device_id()),
            Self::Swap(number) => sim.swap_with(numbered(pods, *number)?),
        }
        Ok(())
    }

    /// How things are put back as they are now.
    fn undo(&self, sim: &Sim, pods: &[Sim]) -> Option<Undo> {
        let pod = &sim.pod;
        Some(match self {
            Self::Certificate => {
                let number = pod.read(|state| state.certificates);
                Box::new(move |pod| {
                    // As it could be made before, it can be made again.
                    let _ = pod.present(number);
                })
            }
            Self::Clock(_) => restore(pod, |state| &mut state.clock_offset),
            Self::Mode(_) => restore(pod, |state| &mut state.mode),
            Self::Password(_) => {
                let password = pod.read(|state| state.password.clone());
                Box::new(move |pod| pod.change(|state| state.take_password(password)))
            }
            Self::Licence(_) => restore(pod, |state| &mut state.licensed),
            Self::Quirks(_) => restore(pod, |state| &mut state.quirks),
            Self::DeviceId(_) | Self::DeviceIdOf(_) => restore(pod, |state| &mut state.device_id),
            Self::Swap(number) => {
                let other = Arc::downgrade(&numbered(pods, *number).ok()?.pod);
                Box::new(move |pod| {
                    if let Some(other) = other.upgrade() {
                        pod.swap(&other);
                    }
                })
            }
            _ => return None,
        })
    }
}

/// Puts a part of the state back as it is now.
fn restore<T: Clone + Send + 'static>(pod: &Pod, part: fn(&mut State) -> &mut T) -> Undo {
    let before = pod.change_quietly(|state| part(state).clone());
    Box::new(move |pod| pod.change(|state| *part(state) = before))
}

/// The pod with this number.
pub(super) fn numbered(pods: &[Sim], number: u32) -> Result<&Sim, String> {
    pods.iter()
        .find(|sim| sim.number() == number)
        .ok_or_else(|| {
            format!(
                "there is no pod {number}; pods are numbered from 1 to {}",
                pods.len()
            )
        })
}

fn quirks(spec: &mut Spec) -> Result<Quirks, String> {
    let mut quirks = Quirks::default();
    for quirk in &Quirks::ALL {
        *(quirk.of)(&mut quirks) = spec
            .flag(&quirk.name.replace('-', "_"))?
            .unwrap_or_default();
    }
    Ok(quirks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        match Command::parse(text).unwrap().action {
            Action::Fault(fault) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_are_read_from_words() {
        let calendar = Fault::slow(Duration::from_secs(10))
            .times(2)
            .on("PUT", "/v2/calendar");
        for (text, wanted) in [
            ("slow=10s,times=2,method=put,path=/v2/calendar", calendar),
            ("503", Fault::status(503)),
            ("429,retry_after=7", Fault::retry_after(429, 7)),
            ("lost-answer,after=3", Fault::lost_answer().after(3)),
            ("late,reads=2", Fault::late_reads(2)),
            ("late=2s", Fault::late(Duration::from_secs(2))),
            (
                "cap=4,for=5m",
                Fault::cap(4).lasting(Duration::from_secs(300)),
            ),
            ("suffix= *", Fault::suffix(" *")),
        ] {
            assert_eq!(fault(text), wanted, "{text}");
        }
        let command = Command::parse("mode=o365,for=5s").unwrap();
        assert!(matches!(command.action, Action::Mode(CalendarMode::O365)));
        assert_eq!(command.lasts, Some(Duration::from_secs(5)));
        assert!(matches!(
            Command::parse("clock=-90").unwrap().action,
            Action::Clock(-90)
        ));
        for (text, says) in [
            ("slow", "needs `seconds`"),
            ("99", "must be from 200 to 599"),
            ("explode", "`explode` is unknown; known are slow=10s"),
            ("mode=zimbra", "the mode must be"),
            ("reboot,times=3", "takes no `times`"),
            ("reboot,for=3s", "takes no `for`"),
            ("500,times=x", "`times` must be an integer"),
            ("500,path", "must be `key=value`"),
        ] {
            let refused = Command::parse(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }

    #[test]
    fn a_scheduled_fault_is_shown_once_at_each_turn() {
        let scheduled = |text: &str| ScheduledCommand::parse(text).unwrap();
        assert_eq!(scheduled("500@90s").every, Some(Duration::from_secs(90)));
        for (text, wanted) in [
            ("500@90s", Fault::status(500).once()),
            ("500,times=3@2m", Fault::status(500).times(3)),
            (
                "500,for=9s@2m",
                Fault::status(500).lasting(Duration::from_secs(9)),
            ),
            ("500", Fault::status(500)),
        ] {
            let Action::Fault(fault) = scheduled(text).command.action else {
                panic!("{text}")
            };
            assert_eq!(fault, wanted, "{text}");
        }
        let second = scheduled("cap=4,pod=2");
        assert_eq!((second.pod, second.every), (Some(2), None));
        for text in ["500@", "500@0s", "500@1d", "@5m", ""] {
            assert!(ScheduledCommand::parse(text).is_err(), "{text}");
        }
    }
}
