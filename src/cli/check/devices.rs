//! Whether the devices that answer at the pods' addresses are different ones.

use super::{Checking, Finding, Grade};
use crate::model::fingerprint::Fingerprint;
use crate::model::memory::PodMemory;
use crate::model::name::{PodUrl, RoomName};
use crate::service::reload;

/// Which device answered at a pod's address.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) pod: PodUrl,
    pub(super) id: String,
    pub(super) certificate: Option<Fingerprint>,
}

impl Checking<'_> {
    /// Two addresses of one pod, and pods that exchanged their addresses, would show a room the
    /// meetings of another.
    pub(super) fn compare_devices(&self, checked: &mut [Vec<Finding>]) {
        let answered: Vec<(RoomName, Device)> = self
            .config
            .rooms
            .iter()
            .zip(checked.iter())
            .flat_map(|(room, findings)| {
                let devices = findings.iter().filter_map(|one| one.device.clone());
                devices.map(|device| (room.name.clone(), device))
            })
            .collect();
        for (room, findings) in self.config.rooms.iter().zip(checked) {
            for finding in findings {
                let Some(device) = finding.device.clone() else {
                    continue;
                };
                let others = answered
                    .iter()
                    .filter(|(_, other)| other.pod != device.pod && other.id == device.id);
                for (other_room, other) in others {
                    let is_one = other.certificate == device.certificate;
                    finding.add_twin(other_room, &other.pod, is_one);
                }
                let was_of = |known: &PodMemory| known.device_id.as_ref() == Some(&device.id);
                for (_, other_room, other) in reload::pods(self.config) {
                    let memories = self.ground.recorder.memories();
                    let answers_as_it = answered
                        .iter()
                        .any(|(_, one)| one.pod == other.url && one.id == device.id);
                    let was_it = memories.pod(&other.url).is_some_and(|known| was_of(known));
                    if other_room.name != room.name && was_it && !answers_as_it {
                        finding.grade = Grade::Failed;
                        finding.says.push(format!(
                            "the device that {} of room `{}` was; exchanged pods show a room `{}` the \
                             meetings of another",
                            other.url, other_room.name, room.name
                        ));
                    }
                }
            }
        }
    }
}

impl Finding {
    /// Another address has the same device id; `is_one` where the certificate is the same too.
    fn add_twin(&mut self, other_room: &RoomName, other: &PodUrl, is_one: bool) {
        self.grade = self.grade.max(match is_one {
            true => Grade::Failed,
            false => Grade::Warning,
        });
        self.says.push(match is_one {
            true => format!(
                "the same device as {other} of room `{other_room}`: they are two addresses of one pod; \
                 correct one of them"
            ),
            false => format!(
                "the same device id as {other} of room `{other_room}`, with another certificate: if they are \
                 two addresses of one pod, correct one of them"
            ),
        });
    }
}
