//! What people change: calendars and the configuration.

use super::*;

impl World<'_> {
    pub(super) fn edit(&mut self, feed: usize, edit: Edit) {
        let now = self.env.true_seconds();
        self.env.oracle.feeds[feed].changed_at = self.env.now;
        let uid = self.env.next_uid;
        let document = &mut self.env.feeds[feed].document;
        document.revision += 1;
        let to_come: Vec<u32> = document
            .entries
            .values()
            .filter(|entry| entry.end > now && entry.start < now + 7 * 86_400)
            .map(|entry| entry.uid)
            .collect();
        let nth = |number: u64| {
            to_come
                .get((number % to_come.len().max(1) as u64) as usize)
                .copied()
        };
        match edit {
            Edit::Add {
                in_minutes,
                minutes,
                is_private,
            } => {
                let start = now + in_minutes as i64 * 60;
                let entry = Entry {
                    uid,
                    start,
                    end: start + minutes as i64 * 60,
                    edition: 0,
                    is_private,
                    place: (uid % 3) as u8,
                };
                document.entries.insert(uid, entry);
                self.env.next_uid += 1;
            }
            Edit::Cancel(number) => {
                if let Some(uid) = nth(number) {
                    document.entries.remove(&uid);
                }
            }
            Edit::Wipe => document.entries.retain(|_, entry| entry.end <= now),
            Edit::Move(number, minutes) => {
                if let Some(entry) = nth(number).and_then(|uid| document.entries.get_mut(&uid)) {
                    entry.start += minutes * 60;
                    entry.end += minutes * 60;
                    entry.edition += 1;
                }
            }
            Edit::Retitle(number) => {
                if let Some(entry) = nth(number).and_then(|uid| document.entries.get_mut(&uid)) {
                    entry.edition += 1;
                }
            }
            Edit::TogglePrivate(number) => {
                if let Some(entry) = nth(number).and_then(|uid| document.entries.get_mut(&uid)) {
                    entry.is_private = !entry.is_private;
                }
            }
        }
    }

    pub(super) fn configure(&mut self, edit: ConfigEdit) {
        let now = self.env.now;
        let mut config = self.env.oracle.configured.clone();
        change(&mut config.rooms, edit);
        // A configuration without rooms is refused.
        if config.rooms.iter().all(|room| !room.is_present) {
            return;
        }
        if config != self.env.oracle.configured {
            self.env.oracle.reloaded_at = now;
            self.mix_up();
        }
        self.env.oracle.configured = config.clone();
        if let Some(process) = &mut self.process {
            process.reload(self.plan, &config, &mut self.env);
        }
    }
}

fn change(rooms: &mut [RoomPlan], edit: ConfigEdit) {
    match edit {
        ConfigEdit::RemoveRoom(room) => rooms[room].is_present = false,
        ConfigEdit::AddRoom(room) => {
            rooms[room].is_present = !rooms[room].addresses.is_empty();
        }
        ConfigEdit::AddFeed { room, feed } => {
            let room = &mut rooms[room];
            if room.feeds.iter().all(|one| one.0 != feed) {
                room.feeds.push((feed, None));
            }
        }
        ConfigEdit::RemoveFeed { room, nth } => {
            let room = &mut rooms[room];
            if room.feeds.len() > 1 {
                room.feeds.remove(nth % room.feeds.len());
            }
        }
        ConfigEdit::ReplaceFeed { room, nth, feed } => {
            let room = &mut rooms[room];
            if room.feeds.iter().all(|one| one.0 != feed) {
                let nth = nth % room.feeds.len();
                room.feeds[nth] = (feed, None);
            }
        }
        ConfigEdit::Filter { room, nth, place } => {
            let room = &mut rooms[room];
            let nth = nth % room.feeds.len();
            room.feeds[nth].1 = place;
        }
        ConfigEdit::HideTitles(room) => rooms[room].hides_titles = !rooms[room].hides_titles,
        ConfigEdit::MovePod { address, room } => {
            rooms
                .iter_mut()
                .for_each(|room| room.addresses.retain(|one| *one != address));
            rooms[room].addresses.push(address);
            rooms[room].addresses.sort_unstable();
        }
        ConfigEdit::RemovePod(address) => {
            rooms
                .iter_mut()
                .for_each(|room| room.addresses.retain(|one| *one != address));
        }
        ConfigEdit::Guard {
            room,
            vanished,
            hold_minutes,
        } => {
            rooms[room].vanished = vanished;
            rooms[room].hold_minutes = hold_minutes;
        }
        ConfigEdit::Max { room, max } => rooms[room].max = max,
        ConfigEdit::Nothing => {}
    }
    for room in rooms {
        room.is_present &= !room.addresses.is_empty();
    }
}
