//! A ledger that several processes write, each for the rooms that it serves.

use std::collections::BTreeSet;

use super::Recorder;
use super::desk::Extent;
use super::desk::news::Own;
use crate::config::Config;
use crate::ledger::Loaded;
use crate::model::name::RoomName;

impl Recorder {
    /// Takes in what other processes wrote of rooms that are not served here.
    pub fn take_news(&self, news: Loaded, config: &Config, served: &BTreeSet<RoomName>) {
        let rooms = config.rooms.iter();
        let served: Vec<_> = rooms.filter(|room| served.contains(&room.name)).collect();
        let feeds = served.iter().flat_map(|room| &room.feeds);
        let pods = served.iter().flat_map(|room| &room.pods);
        let own = Own {
            feeds: feeds.map(|feed| feed.id.as_str().to_owned()).collect(),
            rooms: served
                .iter()
                .map(|room| room.name.as_str().to_owned())
                .collect(),
            pods: pods.map(|pod| pod.url.key()).collect(),
        };
        self.desk().take_news(news, &own);
    }

    /// Writes everything that the next owner of a room would like to know, also what is
    /// otherwise written seldom.
    pub async fn write_for_others(&self) {
        let recorder = self.clone();
        // Who waits may give up; the write comes to its end.
        let write = tokio::spawn(async move { recorder.write(Extent::All).await });
        let _ = write.await;
    }

    /// Forgets what was not written yet, as others serve now what it was about.
    pub fn forget_unwritten(&self) {
        self.desk().forget_unwritten();
    }
}
