//! Joins what all pods know of their devices, and hands it back to each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::restart::Keeper;
use crate::control::identity::{Devices, PodIdentity};
use crate::model::name::PodUrl;

/// What a pod tells: its identity, or that it left the configuration.
#[derive(Debug)]
pub struct Told {
    pub pod: PodUrl,
    pub identity: Option<PodIdentity>,
}

/// Where pods tell it.
pub type Identities = mpsc::UnboundedSender<Told>;

/// What is told within this is joined once: thousands of pods begin together.
const TOGETHER: Duration = Duration::from_millis(100);

/// Runs until its task is dropped, from what is remembered.
pub async fn run(
    mut known: BTreeMap<PodUrl, PodIdentity>,
    mut told: mpsc::UnboundedReceiver<Told>,
    devices: watch::Sender<Arc<Devices>>,
) {
    let mut keeper = Keeper::new("the comparison of devices");
    while keeper.failed(join(&mut known, &mut told, &devices)).await {}
}

async fn join(
    known: &mut BTreeMap<PodUrl, PodIdentity>,
    told: &mut mpsc::UnboundedReceiver<Told>,
    devices: &watch::Sender<Arc<Devices>>,
) {
    while let Some(first) = told.recv().await {
        note(known, first);
        tokio::time::sleep(TOGETHER).await;
        while let Ok(more) = told.try_recv() {
            note(known, more);
        }
        let joined = Devices::of(known.values().cloned());
        devices.send_if_modified(|published| {
            let is_new = **published != joined;
            if is_new {
                *published = Arc::new(joined);
            }
            is_new
        });
    }
}

fn note(known: &mut BTreeMap<PodUrl, PodIdentity>, told: Told) {
    match told.identity {
        Some(identity) => {
            known.insert(told.pod, identity);
        }
        None => {
            known.remove(&told.pod);
        }
    }
}
