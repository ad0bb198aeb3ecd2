//! A building with a database in memory and several replicas, whose time is passed.

use super::*;
use crate::model::replica::Replica;

const LEASE: Duration = Duration::from_secs(30);

fn at(milliseconds: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_millis(milliseconds))
}

fn rooms(numbers: std::ops::Range<usize>) -> BTreeSet<RoomName> {
    numbers
        .map(|number| RoomName::new(&format!("room-{number:03}")).unwrap())
        .collect()
}

fn known(rooms: &BTreeSet<RoomName>) -> KnownRooms {
    KnownRooms {
        digest: format!("{rooms:?}"),
        rooms: rooms
            .iter()
            .map(|room| (room.clone(), String::new()))
            .collect(),
    }
}

struct Process {
    controller: LeaseController,
    rooms: BTreeSet<RoomName>,
    is_connected: bool,
    is_registered: bool,
    serves: BTreeSet<RoomName>,
    events: Vec<LeaseEvent>,
}

/// The database, and everybody who uses it.
#[derive(Default)]
struct Building {
    now: u64,
    /// By the database's clock; a replica that is not here has no lease.
    ends: BTreeMap<ReplicaId, u64>,
    owners: BTreeMap<RoomName, ReplicaId>,
    processes: BTreeMap<ReplicaId, Process>,
    is_down: bool,
    begun_at: u64,
    moves: usize,
    longest_unserved: BTreeMap<RoomName, u64>,
}

fn id(name: &str) -> ReplicaId {
    ReplicaId(name.to_owned())
}

impl Building {
    fn join(&mut self, name: &str, rooms: &BTreeSet<RoomName>) {
        let process = Process {
            controller: LeaseController::new(id(name), LEASE, known(rooms), at(self.now)),
            rooms: rooms.clone(),
            is_connected: true,
            is_registered: false,
            serves: BTreeSet::new(),
            events: Vec::new(),
        };
        self.processes.insert(id(name), process);
    }

    fn kill(&mut self, name: &str) {
        self.processes.remove(&id(name)).unwrap();
    }

    fn stop(&mut self, name: &str) {
        self.kill(name);
        self.forget(&id(name));
    }

    fn forget(&mut self, id: &ReplicaId) {
        self.ends.remove(id);
        self.owners.retain(|_, owner| owner != id);
    }

    fn process(&mut self, name: &str) -> &mut Process {
        self.processes.get_mut(&id(name)).unwrap()
    }

    /// What the statements of a turn do; `None` where there was no lease to renew.
    fn turn(&mut self, me: &ReplicaId, turn: &Turn, is_registered: bool) -> Option<Roll> {
        let now = self.now;
        let lease = u64::try_from(LEASE.as_millis()).unwrap();
        if is_registered && !self.ends.contains_key(me) {
            return None;
        }
        self.ends.insert(me.clone(), now + lease);
        if now >= self.begun_at + lease {
            let ended = self.ends.iter().filter(|(_, end)| **end < now);
            let ended: Vec<_> = ended.map(|(id, _)| id.clone()).collect();
            ended.iter().for_each(|id| self.forget(id));
        }
        for room in &turn.give {
            if self.owners.get(room) == Some(me) {
                self.owners.remove(room);
            }
        }
        for room in &turn.take {
            if !self.owners.contains_key(room) {
                self.owners.insert(room.clone(), me.clone());
                self.moves += 1;
            }
        }
        let replicas = self.ends.keys().map(|id| {
            let rooms = match self.processes.get(id) {
                Some(process) => process.rooms.clone(),
                None => self.processes[me].rooms.clone(),
            };
            Replica {
                id: id.clone(),
                name: id.0.clone(),
                version: String::new(),
                known: known(&rooms),
            }
        });
        Some(Roll {
            replicas: replicas.collect(),
            owners: self.owners.clone(),
        })
    }

    /// Half a second passes for everybody.
    fn step(&mut self) {
        self.now += 500;
        let now = at(self.now);
        let ids: Vec<_> = self.processes.keys().cloned().collect();
        for id in ids {
            let mut process = self.processes.remove(&id).unwrap();
            let mut events = process.controller.ended(now);
            if process.controller.ask_at() <= now {
                let turn = process.controller.turn();
                self.processes.insert(id.clone(), process);
                let connected = self.processes[&id].is_connected;
                let is_registered = self.processes[&id].is_registered;
                let said =
                    (connected && !self.is_down).then(|| self.turn(&id, &turn, is_registered));
                process = self.processes.remove(&id).unwrap();
                match said {
                    Some(Some(roll)) => {
                        process.is_registered = true;
                        events.extend(process.controller.learn(&roll, now, now));
                    }
                    Some(None) => {
                        process.is_registered = false;
                        events.extend(process.controller.lost(now));
                    }
                    None if self.is_down => {
                        process.controller.failed(TurnFailure::ServerDown, now);
                    }
                    None => process.controller.failed(TurnFailure::NoAnswer, now),
                }
            }
            process.serves = process.controller.serve(now);
            process.controller.serves(&process.serves, now);
            process.events.extend(events);
            self.processes.insert(id, process);
        }
        let served: Vec<&RoomName> = self
            .processes
            .values()
            .flat_map(|process| &process.serves)
            .collect();
        for (room, unserved) in &mut self.longest_unserved {
            match served.contains(&room) {
                true => *unserved = 0,
                false => *unserved += 500,
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.step();
        }
    }

    fn counts(&self) -> Vec<usize> {
        let processes = self.processes.values();
        processes.map(|process| process.serves.len()).collect()
    }

    /// No room is served by two, and these many are served.
    fn check(&self, served: usize) {
        let mut seen = BTreeSet::new();
        for room in self.processes.values().flat_map(|one| &one.serves) {
            assert!(seen.insert(room), "{room} is served by two");
        }
        assert_eq!(seen.len(), served);
    }
}

fn three(count: usize) -> Building {
    let mut building = Building::default();
    for name in ["a", "b", "c"] {
        building.join(name, &rooms(0..count));
    }
    building.pass(10);
    building
}

#[test]
fn one_alone_serves_everything() {
    let mut building = Building::default();
    building.join("a", &rooms(0..7));
    building.pass(3);
    building.check(7);
    building.pass(3600);
    building.check(7);
    assert_eq!(building.moves, 7);
}

#[test]
fn a_third_that_joins_takes_a_third_and_nothing_else_moves() {
    let mut building = Building::default();
    building.join("a", &rooms(0..300));
    building.join("b", &rooms(0..300));
    building.pass(10);
    assert_eq!(building.counts(), [150, 150]);
    building.moves = 0;
    building.join("c", &rooms(0..300));
    building.pass(10);
    assert_eq!(building.counts(), [100, 100, 100]);
    assert_eq!(building.moves, 100);
    building.check(300);
    building.pass(600);
    assert_eq!(building.moves, 100);
}

#[test]
fn a_rest_stays_where_it_is() {
    let mut building = three(11);
    let mut counts = building.counts();
    counts.sort_unstable();
    assert_eq!(counts, [3, 4, 4]);
    building.moves = 0;
    building.pass(600);
    assert_eq!(building.moves, 0);
}

#[test]
fn a_killed_one_is_replaced_when_its_lease_has_ended_and_a_stopped_one_at_once() {
    let mut building = three(300);
    building.moves = 0;
    building.kill("a");
    building.pass(25);
    building.check(200);
    building.pass(9);
    building.check(300);
    assert_eq!(building.counts(), [150, 150]);
    assert_eq!(building.moves, 100);
    building.stop("b");
    building.pass(3);
    building.check(300);
    assert_eq!(building.counts(), [300]);
}

#[test]
fn one_that_is_cut_off_serves_until_its_lease_ends_and_comes_back() {
    let mut building = three(300);
    building.process("a").is_connected = false;
    building.pass(26);
    assert_eq!(building.process("a").serves.len(), 100);
    building.check(300);
    // At no moment two.
    for _ in 0..20 {
        building.step();
        let served = building.counts().iter().sum();
        building.check(served);
    }
    assert_eq!(building.counts(), [0, 150, 150]);
    let events = &building.process("a").events;
    assert!(
        events.contains(&LeaseEvent::CutOff { rooms: 100 }),
        "{events:?}"
    );
    building.process("a").is_connected = true;
    building.pass(10);
    assert_eq!(building.counts(), [100, 100, 100]);
    assert!(building.process("a").events.contains(&LeaseEvent::Back));
}

#[test]
fn a_database_that_is_down_for_everybody_leaves_every_room_where_it_is() {
    let mut building = three(30);
    building.moves = 0;
    building.is_down = true;
    building.pass(3600);
    building.check(30);
    building.is_down = false;
    building.begun_at = building.now;
    building.pass(120);
    building.check(30);
    assert_eq!(building.moves, 0);
}

#[test]
fn rooms_that_not_all_know_are_said_and_served_by_nobody() {
    let mut building = Building::default();
    building.join("a", &rooms(0..10));
    building.pass(5);
    building.check(10);
    building.join("b", &rooms(2..12));
    building.pass(10);
    building.check(8);
    let differing: Vec<RoomName> = rooms(0..2).union(&rooms(10..12)).cloned().collect();
    let events = &building.process("a").events;
    let said = events.iter().filter(|event| {
        **event
            == LeaseEvent::Differs {
                name: "b".to_owned(),
                rooms: differing.clone(),
            }
    });
    assert_eq!(said.count(), 1, "{events:?}");
    let now = at(building.now);
    let process = building.process("a");
    process.rooms = rooms(2..12);
    process.controller.configure(known(&rooms(2..12)), now);
    building.pass(10);
    building.check(10);
    assert!(building.process("a").events.contains(&LeaseEvent::Agree));
}

/// Kills, stops, cuts and joins in a fixed order that looks like chance.
#[test]
fn through_thousands_of_changes_no_room_is_served_by_two_or_left_alone() {
    let mut building = Building::default();
    let all = rooms(0..40);
    building.longest_unserved = all.iter().map(|room| (room.clone(), 0)).collect();
    let mut seed: u64 = 7;
    let mut names = 0;
    for _ in 0..2000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pick = usize::try_from(seed >> 40).unwrap();
        let count = building.processes.len();
        let name = building.processes.keys().nth(pick % count.max(1)).cloned();
        match (pick / 7 % 6, name) {
            (0, Some(name)) if count > 1 => building.kill(&name.0),
            (1, Some(name)) if count > 1 => building.stop(&name.0),
            (2, Some(name)) => {
                let process = building.process(&name.0);
                process.is_connected = !process.is_connected;
            }
            (3, _) => {
                building.is_down = !building.is_down;
                building.begun_at = building.now;
            }
            _ if count < 4 => {
                names += 1;
                building.join(&format!("r{names}"), &all);
            }
            _ => {}
        }
        for _ in 0..pick % 60 {
            building.step();
            let served = building.counts().iter().sum();
            if !building.is_down {
                building.check(served);
            }
        }
    }
    building.is_down = false;
    building.begun_at = building.now;
    for process in building.processes.values_mut() {
        process.is_connected = true;
    }
    building.pass(120);
    building.check(40);
    assert!(
        building
            .longest_unserved
            .values()
            .all(|unserved| *unserved == 0)
    );
}
