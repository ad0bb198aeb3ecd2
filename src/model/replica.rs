//! Replicas that share one ledger, as the database has them.

use std::collections::{BTreeMap, BTreeSet};

use super::name::RoomName;

/// The name of a replica that is new with every start of a process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicaId(pub String);

/// The rooms of a replica's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRooms {
    /// Of all of them.
    pub digest: String,
    /// Each with a digest of its calendars and pods.
    pub rooms: BTreeMap<RoomName, String>,
}

impl KnownRooms {
    /// The rooms that both have, with the same calendars and pods.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> BTreeSet<RoomName> {
        let rooms = self.rooms.iter();
        rooms
            .filter(|(room, digest)| other.rooms.get(*room) == Some(*digest))
            .map(|(room, _)| room.clone())
            .collect()
    }

    /// The rooms that only one has, or that have other calendars or pods.
    #[must_use]
    pub fn differing_from(&self, other: &Self) -> Vec<RoomName> {
        let shared = self.shared_with(other);
        let all: BTreeSet<&RoomName> = self.rooms.keys().chain(other.rooms.keys()).collect();
        let differing = all.into_iter().filter(|room| !shared.contains(*room));
        differing.cloned().collect()
    }
}

/// A replica whose lease has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    pub id: ReplicaId,
    /// For people: its host and process.
    pub name: String,
    pub version: String,
    pub known: KnownRooms,
}

/// What the database said at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// By id, the one that asks among them.
    pub replicas: Vec<Replica>,
    pub owners: BTreeMap<RoomName, ReplicaId>,
}

impl Roll {
    /// Which replica serves a room; `None` where none does.
    #[must_use]
    pub fn owner_of(&self, room: &RoomName) -> Option<&Replica> {
        let owner = self.owners.get(room)?;
        self.replicas.iter().find(|one| one.id == *owner)
    }

    /// The replicas, each with the number of rooms that it serves.
    #[must_use]
    pub fn shares(&self) -> Vec<(&Replica, usize)> {
        let served = |replica: &Replica| {
            let owners = self.owners.values();
            owners.filter(|owner| **owner == replica.id).count()
        };
        let replicas = self.replicas.iter();
        replicas.map(|one| (one, served(one))).collect()
    }
}

/// What a replica asks of the database, besides renewing its lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Rooms of this replica whose tasks have ended: anybody may take them.
    pub give: BTreeSet<RoomName>,
    /// Free rooms; whoever is first gets them.
    pub take: BTreeSet<RoomName>,
}
