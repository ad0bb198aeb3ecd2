//! What a pod's task says, has written down and shows to others.

use super::{GRACE, PodTask, REQUESTS_OF_A_STEP, history};
use crate::control::pod::{PodEvent, PodStep};
use crate::service::identity_task::Told;
use crate::telemetry::{self, words};

impl PodTask {
    pub(super) fn say(&self, events: &[PodEvent]) {
        let settings = &self.config.settings;
        for event in events {
            telemetry::emit(words::pod::line(&settings.room, &settings.pod, event));
        }
    }

    /// Says what happened at the gate.
    pub(super) fn say_gate(&self) {
        for event in self.shared.gate.take_events() {
            telemetry::emit(words::gate::line(&event));
        }
    }

    /// Says, records and shows what happened. `mode` is the calendar mode before.
    pub(super) async fn publish(&mut self, events: &[PodEvent], mode: Option<String>) {
        self.say(events);
        let now = self.now();
        let view = self.controller.view();
        let recorder = &self.shared.recorder;
        for line in history::lines(events, &view, mode, now.wall) {
            recorder.history(line);
        }
        let url = &self.config.pod.url;
        let changes = Some(self.controller.memory_changes());
        if self.recorded != changes || self.controller.is_idle() {
            self.recorded = changes;
            recorder.pod(url, self.controller.memory(now));
        }
        if let Some(config) = self.controller.take_config() {
            recorder.pod_config(url, config.to_string());
        }
        let accepted = events.iter().find_map(|event| match event {
            PodEvent::DeviceAccepted { device } => Some(device),
            _ => None,
        });
        let first = view.identity.live.as_ref();
        let accepted = accepted.or(first.filter(|_| self.expects_device));
        if let Some(device) = accepted.filter(|_| !self.config.settings.is_dry) {
            // It holds for this process in any case.
            let _ = recorder.accept_device(url, device).await;
        }
        self.expects_device &= accepted.is_none();
        self.show();
    }

    pub(super) fn show(&mut self) {
        let view = self.controller.view();
        if self.told.as_ref() != Some(&view.identity) {
            self.told = Some(view.identity.clone());
            let _ = self.shared.identities.send(Told {
                pod: self.config.pod.url.clone(),
                identity: Some(view.identity.clone()),
            });
        }
        self.outputs.view.send_replace(view);
    }

    pub(super) fn publish_late_after(&self, step: &PodStep) {
        let late_after = match step {
            PodStep::Wait(until) => until.plus(GRACE),
            _ => {
                let step = self.config.pod.timeout * REQUESTS_OF_A_STEP;
                self.now().monotonic.plus(step)
            }
        };
        self.outputs.late_after.set(late_after);
    }
}
