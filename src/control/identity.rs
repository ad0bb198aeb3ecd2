//! Which device answers at which address: what all pods together know, so that no room's
//! meetings get onto another room's display.
//!
//! Each pod publishes a [`PodIdentity`]; the service makes one [`Devices`] of all of them and
//! hands it to every pod, whose controller looks its own device up when it has looked at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::agenda::Agenda;
use crate::model::name::{PodUrl, RoomName};

/// What one pod says of its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIdentity {
    pub pod: PodUrl,
    pub room: RoomName,
    /// Its place in the configuration; of two that clash, the later one is not written to.
    pub place: usize,
    /// The device whose display this room's meetings belong on.
    pub accepted: Option<String>,
    /// The device that answered last, since the process began.
    pub live: Option<String>,
    /// What was put on it last, since it was seen to show it.
    pub sent: Option<Arc<Agenda>>,
}

/// All known devices, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices(BTreeMap<String, Vec<Arc<PodIdentity>>>);

impl Devices {
    /// Of all configured pods, in any order.
    #[must_use]
    pub fn of(pods: impl IntoIterator<Item = PodIdentity>) -> Self {
        let mut devices: BTreeMap<String, Vec<Arc<PodIdentity>>> = BTreeMap::new();
        for pod in pods {
            let pod = Arc::new(pod);
            let live = pod.live.iter();
            let accepted = pod
                .accepted
                .iter()
                .filter(|id| pod.live.as_ref() != Some(id));
            for id in live.chain(accepted) {
                devices.entry(id.clone()).or_default().push(pod.clone());
            }
        }
        for pods in devices.values_mut() {
            pods.sort_by_key(|pod| pod.place);
        }
        Self(devices)
    }

    /// The other pods at whose addresses this device answers, earlier ones first.
    pub fn live(&self, device: &str, than: &PodUrl) -> impl Iterator<Item = &Arc<PodIdentity>> {
        self.others(device, than)
            .filter(move |pod| pod.live.as_deref() == Some(device))
    }

    /// The pod of another room on whose display this device was accepted to be.
    #[must_use]
    pub fn owner(&self, device: &str, pod: &PodUrl, room: &RoomName) -> Option<&Arc<PodIdentity>> {
        self.others(device, pod)
            .find(|other| other.accepted.as_deref() == Some(device) && other.room != *room)
    }

    fn others(&self, device: &str, than: &PodUrl) -> impl Iterator<Item = &Arc<PodIdentity>> {
        let pods = self.0.get(device).map(Vec::as_slice).unwrap_or_default();
        pods.iter().filter(move |pod| pod.pod != *than)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(place: usize, accepted: &str, live: &str) -> PodIdentity {
        let id = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        PodIdentity {
            pod: url(place),
            room: room(place),
            place,
            accepted: id(accepted),
            live: id(live),
            sent: None,
        }
    }

    fn url(place: usize) -> PodUrl {
        PodUrl::parse(&format!("192.0.2.{place}")).unwrap()
    }

    fn room(place: usize) -> RoomName {
        RoomName::new(&format!("room{place}")).unwrap()
    }

    #[test]
    fn one_device_at_two_addresses_is_found_from_both() {
        let devices = Devices::of([pod(2, "a", "a"), pod(1, "a", "a"), pod(3, "b", "b")]);
        let of = |place| {
            let own = url(place);
            let others = devices.live("a", &own);
            others.map(|pod| pod.place).collect::<Vec<_>>()
        };
        assert_eq!([of(1), of(2)], [vec![2], vec![1]]);
    }

    #[test]
    fn swapped_devices_are_known_by_their_rooms() {
        let devices = Devices::of([pod(1, "a", "b"), pod(2, "b", "")]);
        let owner = |device, place| {
            let owner = devices.owner(device, &url(place), &room(place));
            owner.map(|pod| pod.place)
        };
        assert_eq!(owner("b", 1), Some(2));
        assert_eq!(owner("a", 2), Some(1));
        assert_eq!(owner("c", 1), None);
        // Of its own room it is no other room's.
        assert_eq!(
            devices.owner("b", &url(1), &room(2)).map(|pod| pod.place),
            None
        );
    }
}
