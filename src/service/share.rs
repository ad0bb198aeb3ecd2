//! A service that serves some of the rooms of its configuration, while other replicas serve
//! the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::reload::{self, Difference};
use super::{Running, Service, identity_task};
use crate::config::Config;
use crate::model::name::RoomName;
use crate::model::replica::Roll;

impl Service {
    /// The rooms that are served here; `None`: all of the configuration.
    #[must_use]
    pub fn served(&self) -> Option<&BTreeSet<RoomName>> {
        self.served.as_ref()
    }

    /// For whoever looks at the building here.
    pub fn set_roll(&mut self, roll: Arc<Roll>) {
        self.roll = roll;
    }

    /// Serves these rooms of the configuration and no others. Of those that go every task has
    /// ended when this is done; their displays are left as they are.
    pub async fn serve_only(&mut self, rooms: &BTreeSet<RoomName>) {
        let before = self.served.replace(rooms.clone()).unwrap_or_default();
        let part = self.part_of(&self.config);
        let pods: BTreeSet<_> = reload::pods(&part)
            .map(|(_, _, pod)| pod.url.clone())
            .collect();
        let gone = self.pods.extract_if(.., |url, _| !pods.contains(url));
        let gone: Vec<_> = gone.collect();
        for (url, _) in &gone {
            let _ = self.joints.identities.send(identity_task::Told {
                pod: url.clone(),
                identity: None,
            });
        }
        join_all(gone.into_iter().map(|(_, pod)| pod.end())).await;
        let feeds = reload::feeds(&part);
        let gone = self.feeds.extract_if(.., |id, _| !feeds.contains_key(id));
        let gone: Vec<_> = gone.map(|(_, feed)| feed).collect();
        join_all(gone.into_iter().map(Running::end)).await;
        let difference = Difference {
            added: rooms - &before,
            removed: &before - rooms,
            ..Difference::default()
        };
        self.arrange(&part, &difference).await;
    }

    /// The rooms of a configuration that are served here.
    pub(super) fn part_of(&self, config: &Arc<Config>) -> Arc<Config> {
        let Some(served) = &self.served else {
            return config.clone();
        };
        let mut part = Config::clone(config);
        part.rooms.retain(|room| served.contains(&room.name));
        Arc::new(part)
    }
}
