//! Which rooms a replica takes, gives up and serves, of several that share one ledger.
//!
//! Every replica has one lease in the database for all of its rooms, by the database's clock.
//! Here it ends by the monotonic clock, counted from before the renewal was sent, so that it
//! never ends later here than there. A room that nobody owns is free; owners are changed in the
//! database alone, and this decides only what to ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::now::Monotonic;
use crate::model::name::RoomName;
use crate::model::replica::{KnownRooms, ReplicaId, Roll, Turn};

/// A lease is renewed so many times before it ends.
const RENEWALS: u32 = 15;
/// While rooms are to move, or the database does not answer, it is asked this often.
const SOON: Duration = Duration::from_secs(1);
/// A server that is known to be down for everybody is waited for, by this many turns at a time.
const PATIENT_TURNS: u32 = 4;

/// Why a turn failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnFailure {
    /// Nobody listens at its address, or it starts or stops: it is down for every replica, so
    /// none of them can take a room.
    ServerDown,
    /// This replica may be cut off alone.
    NoAnswer,
}

/// What happened, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// So many rooms are served here from now on, and so many no longer.
    Shared {
        taken: usize,
        given: usize,
        served: usize,
        replicas: usize,
    },
    /// The lease ended without an answer of the database: nothing is served.
    CutOff {
        rooms: usize,
    },
    /// Another replica ended the lease: it was not renewed in time.
    Lost {
        rooms: usize,
    },
    /// After either.
    Back,
    Joined {
        name: String,
        replicas: usize,
    },
    Left {
        name: String,
        replicas: usize,
    },
    /// Its configuration has other rooms, or others for them; what not all know is served by
    /// nobody.
    Differs {
        name: String,
        rooms: Vec<RoomName>,
    },
    /// All have the same rooms again.
    Agree,
}

/// Of one replica.
#[derive(Clone, Debug)]
pub struct LeaseController {
    me: ReplicaId,
    lease: Duration,
    /// The rooms of this replica's configuration.
    known: KnownRooms,
    /// When the lease ends; `None` without one.
    until: Option<Monotonic>,
    ask_at: Monotonic,
    /// As the database had them last.
    owned: BTreeSet<RoomName>,
    /// Of these, those whose tasks are to end, and those whose tasks have.
    giving: BTreeSet<RoomName>,
    given: BTreeSet<RoomName>,
    take: BTreeSet<RoomName>,
    is_down: bool,
    was_served: bool,
    replicas: BTreeMap<ReplicaId, String>,
    differing: BTreeMap<String, Vec<RoomName>>,
}

impl LeaseController {
    #[must_use]
    pub fn new(me: ReplicaId, lease: Duration, known: KnownRooms, now: Monotonic) -> Self {
        Self {
            me,
            lease,
            known,
            until: None,
            ask_at: now,
            owned: BTreeSet::new(),
            giving: BTreeSet::new(),
            given: BTreeSet::new(),
            take: BTreeSet::new(),
            is_down: false,
            was_served: true,
            replicas: BTreeMap::new(),
            differing: BTreeMap::new(),
        }
    }

    /// When to ask the database next.
    #[must_use]
    pub fn ask_at(&self) -> Monotonic {
        self.ask_at
    }

    /// When the lease ends if it is not renewed.
    #[must_use]
    pub fn ends_at(&self) -> Monotonic {
        self.until.unwrap_or(Monotonic::NEVER)
    }

    /// What to ask for.
    #[must_use]
    pub fn turn(&self) -> Turn {
        Turn {
            give: self.given.clone(),
            take: self.take.clone(),
        }
    }

    /// The rooms that are this replica's in the database, also those that are being given up.
    #[must_use]
    pub fn owned(&self) -> &BTreeSet<RoomName> {
        &self.owned
    }

    /// The rooms to serve now. Of the others every task ends.
    #[must_use]
    pub fn serve(&self, now: Monotonic) -> BTreeSet<RoomName> {
        if self.until.is_none_or(|until| until <= now) {
            return BTreeSet::new();
        }
        &self.owned - &self.giving
    }

    /// A new configuration has these rooms.
    pub fn configure(&mut self, known: KnownRooms, now: Monotonic) {
        self.known = known;
        self.ask_at = now;
    }

    /// Only these rooms are served now, and everything of the others is written down.
    pub fn serves(&mut self, rooms: &BTreeSet<RoomName>, now: Monotonic) {
        let given = self.giving.iter().filter(|room| !rooms.contains(*room));
        self.given = given.cloned().collect();
        if !self.given.is_empty() {
            self.ask_at = now;
        }
    }

    /// The lease ended by the clock, as it was not renewed.
    pub fn ended(&mut self, now: Monotonic) -> Vec<LeaseEvent> {
        if self.until.is_none_or(|until| until > now) {
            return Vec::new();
        }
        self.until = None;
        self.was_served = false;
        let rooms = self.owned.len();
        vec![LeaseEvent::CutOff { rooms }]
    }

    /// The database says that this replica has no lease any more. With the next turn it gets
    /// a new one, without rooms.
    pub fn lost(&mut self, now: Monotonic) -> Vec<LeaseEvent> {
        let rooms = self.owned.len();
        let had_lease = self.until.take().is_some();
        self.owned.clear();
        self.giving.clear();
        self.given.clear();
        self.take.clear();
        self.ask_at = now;
        self.was_served = false;
        match had_lease {
            true => vec![LeaseEvent::Lost { rooms }],
            false => Vec::new(),
        }
    }

    pub fn failed(&mut self, failure: TurnFailure, now: Monotonic) {
        let soon = self.soon();
        self.ask_at = now.plus(soon);
        self.is_down = failure == TurnFailure::ServerDown;
        if let Some(until) = self.until.filter(|_| self.is_down) {
            let patient = now.plus(soon.saturating_mul(PATIENT_TURNS));
            self.until = Some(until.max(patient));
        }
    }

    /// The turn that was sent at `sent` was done, and the database then said this.
    pub fn learn(&mut self, roll: &Roll, sent: Monotonic, now: Monotonic) -> Vec<LeaseEvent> {
        let mut events = Vec::new();
        let before = self.serve(now);
        let is_first = self.replicas.is_empty();
        self.until = Some(sent.plus(self.lease));
        self.is_down = false;
        let mine = roll.owners.iter().filter(|(_, owner)| **owner == self.me);
        self.owned = mine.map(|(room, _)| room.clone()).collect();
        self.given.clear();
        self.giving.retain(|room| self.owned.contains(room));
        self.compare(roll, is_first, &mut events);
        let shared = self.shared(roll);
        let unshared = self.owned.iter().filter(|room| !shared.contains(*room));
        self.giving.extend(unshared.cloned());
        let is_settled = self.balance(roll, &shared);
        self.ask_at = match is_settled {
            true => sent.plus(self.lease / RENEWALS),
            false => now.plus(self.soon()),
        };
        if !self.was_served {
            self.was_served = true;
            events.push(LeaseEvent::Back);
        }
        let after = self.serve(now);
        let (taken, given) = ((&after - &before).len(), (&before - &after).len());
        if taken + given > 0 {
            events.push(LeaseEvent::Shared {
                taken,
                given,
                served: after.len(),
                replicas: roll.replicas.len(),
            });
        }
        events
    }

    /// The rooms that the configurations of all replicas have.
    fn shared(&self, roll: &Roll) -> BTreeSet<RoomName> {
        let others = roll.replicas.iter().filter(|one| one.id != self.me);
        let different = others.filter(|one| one.known.digest != self.known.digest);
        let all = self.known.rooms.keys().cloned().collect();
        different.fold(all, |shared, one| {
            &shared & &self.known.shared_with(&one.known)
        })
    }

    /// Decides what to give up and what to take; says whether every room is where it should be.
    fn balance(&mut self, roll: &Roll, shared: &BTreeSet<RoomName>) -> bool {
        let mut counts: BTreeMap<&ReplicaId, usize> =
            roll.replicas.iter().map(|one| (&one.id, 0)).collect();
        for owner in roll
            .owners
            .iter()
            .filter(|(room, _)| shared.contains(*room))
        {
            if let Some(count) = counts.get_mut(owner.1) {
                *count += 1;
            }
        }
        let targets = targets(&counts, shared.len());
        let free: Vec<&RoomName> = shared
            .iter()
            .filter(|room| !roll.owners.contains_key(*room))
            .collect();
        // Each takes its own part of what is free, so that two seldom reach for the same room.
        let missing = |id: &ReplicaId| {
            let target = targets.get(id).copied().unwrap_or_default();
            target.saturating_sub(counts.get(id).copied().unwrap_or_default())
        };
        let first: usize = targets
            .keys()
            .take_while(|id| ***id != self.me)
            .map(|id| missing(id))
            .sum();
        let mine = free.iter().skip(first).take(missing(&self.me));
        self.take = mine.map(|room| (*room).clone()).collect();
        if self.take.is_empty() {
            // Rooms that nobody took, such as those of a replica that joined and was killed.
            let rest = free.iter().rev().take(missing(&self.me));
            self.take = rest.map(|room| (*room).clone()).collect();
        }
        let target = targets.get(&self.me).copied().unwrap_or_default();
        let kept = &self.owned - &self.giving;
        let surplus = kept.len().saturating_sub(target);
        self.giving.extend(kept.into_iter().rev().take(surplus));
        let is_even = counts.iter().all(|(id, _)| missing(id) == 0);
        self.giving.is_empty() && self.take.is_empty() && free.is_empty() && is_even
    }

    /// Which replicas came and went, and whose rooms differ.
    fn compare(&mut self, roll: &Roll, is_first: bool, events: &mut Vec<LeaseEvent>) {
        let replicas = roll.replicas.len();
        let present: BTreeMap<ReplicaId, String> = roll
            .replicas
            .iter()
            .filter(|one| one.id != self.me)
            .map(|one| (one.id.clone(), one.name.clone()))
            .collect();
        let known = std::mem::replace(&mut self.replicas, present);
        let new = self
            .replicas
            .iter()
            .filter(|(id, _)| !known.contains_key(id));
        events.extend(new.map(|(_, name)| LeaseEvent::Joined {
            name: name.clone(),
            replicas,
        }));
        let gone = known
            .iter()
            .filter(|(id, _)| !self.replicas.contains_key(id));
        events.extend(
            gone.filter(|_| !is_first)
                .map(|(_, name)| LeaseEvent::Left {
                    name: name.clone(),
                    replicas,
                }),
        );
        let others = roll.replicas.iter().filter(|one| one.id != self.me);
        let differing: BTreeMap<String, Vec<RoomName>> = others
            .filter(|one| one.known.digest != self.known.digest)
            .map(|one| {
                let rooms = self.known.differing_from(&one.known);
                (one.name.clone(), rooms)
            })
            .collect();
        if differing == self.differing {
            return;
        }
        if differing.is_empty() {
            events.push(LeaseEvent::Agree);
        }
        let new = differing.iter().filter(|(name, rooms)| {
            self.differing
                .get(*name)
                .is_none_or(|known| known != *rooms)
        });
        events.extend(new.map(|(name, rooms)| LeaseEvent::Differs {
            name: name.clone(),
            rooms: rooms.clone(),
        }));
        self.differing = differing;
    }

    /// A short lease is renewed more often.
    fn soon(&self) -> Duration {
        SOON.min(self.lease / RENEWALS)
    }
}

/// How many rooms each is to have: evenly, and what is left over where most are already.
fn targets<'a>(
    counts: &BTreeMap<&'a ReplicaId, usize>,
    rooms: usize,
) -> BTreeMap<&'a ReplicaId, usize> {
    let replicas = counts.len().max(1);
    let mut ranked: Vec<_> = counts.iter().collect();
    ranked.sort_by_key(|(id, count)| (std::cmp::Reverse(**count), **id));
    let (each, over) = (rooms / replicas, rooms % replicas);
    let ranked = ranked.into_iter().enumerate();
    ranked
        .map(|(rank, (id, _))| (*id, each + usize::from(rank < over)))
        .collect()
}

#[cfg(test)]
mod tests;
