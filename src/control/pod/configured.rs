//! What the configuration of a pod says, and what was done about it.

use serde_json::{Map, Value};

use super::contact::Phase;
use super::step::{ConfigAnswer, PatchAnswer};
use super::{PodController, PodEvent, PodState, drift};
use crate::control::now::Now;
use crate::control::retry::worth_saying;
use crate::model::failure::Failure;

impl PodController {
    pub(super) fn read_config(
        &mut self,
        answer: Result<ConfigAnswer, Failure>,
        now: Now,
    ) -> Vec<PodEvent> {
        self.schedule.config_was_read = true;
        self.schedule.config_due = self.due(false, now);
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                // What keeps a pod from answering at all is for the health poll to say.
                let is_its_own = PodState::of_failure(failure.class) == PodState::Failing;
                self.throttle(&failure, now);
                return if is_its_own {
                    self.config_failures = self.config_failures.saturating_add(1);
                    let is_quiet = !worth_saying(self.config_failures);
                    vec![PodEvent::ConfigFailed {
                        what: "read",
                        failure,
                        is_quiet,
                    }]
                } else {
                    self.say_quiet(&failure, now)
                };
            }
        };
        self.counts.config_reads += 1;
        let mut events = self.answered(answer.clock, now);
        events.extend(self.set_mode(answer.mode, now));
        let config = drift::at_rest(answer.config);
        let patch = self.patch_for(&config);
        let digest = drift::digest(&config);
        let is_new = self.config_digest.replace(digest) != Some(digest);
        let last = answer.last.filter(|_| is_new);
        events.extend(self.drifted(&config, last.as_ref(), patch.as_ref()));
        if is_new {
            self.new_config = Some(config);
        }
        match patch {
            Some(patch) => self.phase = Phase::Patch(patch),
            None => {
                self.config_failures = 0;
                events.extend(self.end_contact(now));
            }
        }
        events
    }

    fn drifted(
        &self,
        config: &Value,
        last: Option<&Value>,
        patch: Option<&Map<String, Value>>,
    ) -> Vec<PodEvent> {
        let patch = patch.cloned().map(Value::Object);
        let enforced = patch.as_ref().map(drift::leaves).unwrap_or_default();
        let changed = last.map(|last| drift::between(last, config));
        let mut events: Vec<PodEvent> = changed
            .unwrap_or_default()
            .into_iter()
            // Of these `enforce` speaks.
            .filter(|drift| enforced.iter().all(|(path, _)| *path != drift.path))
            .map(|drift| PodEvent::ConfigDrift {
                before: drift::printed(drift.before.as_ref()),
                now: drift::printed(drift.now.as_ref()),
                path: drift.path,
            })
            .collect();
        for (path, wanted) in &enforced {
            let is = path.split('.').try_fold(config, drift::child);
            let event = PodEvent::ConfigUnwanted {
                path: path.clone(),
                now: drift::printed(is),
                wanted: drift::printed(Some(wanted)),
            };
            // A repair that the pod refuses is said again with the repair.
            if worth_saying(self.config_failures + 1) {
                events.push(event);
            }
        }
        events
    }

    /// Where the pod must not be asked any more for a while, no poll comes to say why.
    fn say_quiet(&mut self, failure: &Failure, now: Now) -> Vec<PodEvent> {
        if self.schedule.quiet_until(now).is_none() {
            return Vec::new();
        }
        self.contact_failures = self.contact_failures.saturating_add(1);
        self.is_settled = true;
        let state = PodState::of_failure(failure.class);
        let detail = format!("{}; {}", failure.says, failure.hint);
        self.log
            .note(state, Some(detail), self.contact_failures, now)
    }

    pub(super) fn patched(
        &mut self,
        answer: Result<PatchAnswer, Failure>,
        patch: &Value,
        now: Now,
    ) -> Vec<PodEvent> {
        let mut events = match answer {
            Ok(answer) => {
                self.config_failures = 0;
                // What was repaired must not be found drifting at the next poll.
                if let Some(config) = &mut self.new_config {
                    drift::apply(patch, config);
                    self.config_digest = Some(drift::digest(config));
                }
                let settings: Vec<String> = drift::leaves(patch)
                    .into_iter()
                    .map(|(path, value)| format!("{path} = {}", drift::printed(Some(value))))
                    .collect();
                vec![PodEvent::ConfigRepaired {
                    settings: settings.join(", "),
                    reboot_required: answer.reboot_required,
                    restart_required: answer.restart_required,
                }]
            }
            Err(failure) => {
                self.throttle(&failure, now);
                self.config_failures = self.config_failures.saturating_add(1);
                let is_quiet = !worth_saying(self.config_failures);
                vec![PodEvent::ConfigFailed {
                    what: "repaired",
                    failure,
                    is_quiet,
                }]
            }
        };
        events.extend(self.end_contact(now));
        events
    }
}
