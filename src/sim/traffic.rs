//! Counts of what a pod or calendar host was sent, with times: requests, sign-ins, and how many at
//! once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// More paths than this are counted together.
const MAX_PATHS: usize = 1000;

/// The counts of one pod or host. They do not follow the pod's own clock.
#[derive(Debug, Default)]
pub struct Traffic {
    counts: Mutex<Counts>,
    /// How many times are kept of each count.
    remember: usize,
}

#[derive(Debug, Default)]
struct Counts {
    /// By method and path, such as `PUT /v2/calendar`.
    requests: BTreeMap<String, Count>,
    methods: BTreeMap<String, u64>,
    right: Count,
    wrong: Count,
    in_flight: u64,
    max_in_flight: u64,
}

#[derive(Debug, Default)]
struct Count {
    count: u64,
    /// The latest ones, in milliseconds since 1970.
    times: VecDeque<u64>,
}

impl Count {
    fn add(&mut self, remember: usize) {
        self.count += 1;
        while self.times.len() >= remember.max(1) {
            self.times.pop_front();
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_millis());
        self.times.push_back(u64::try_from(now).unwrap_or(u64::MAX));
    }

    fn to_json(&self) -> Value {
        let seconds = |milliseconds: &u64| Duration::from_millis(*milliseconds).as_secs_f64();
        let times: Vec<f64> = self.times.iter().map(seconds).collect();
        json!({ "count": self.count, "times": times })
    }
}

impl Traffic {
    pub(super) fn new(remember: usize) -> Self {
        Self {
            counts: Mutex::default(),
            remember,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, which is in flight until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, method: &str, path: &str) -> InFlight {
        let mut counts = self.lock();
        let mut key = format!("{method} {path}");
        if counts.requests.len() >= MAX_PATHS && !counts.requests.contains_key(&key) {
            key = "other".to_owned();
        }
        counts.requests.entry(key).or_default().add(self.remember);
        *counts.methods.entry(method.to_owned()).or_default() += 1;
        counts.in_flight += 1;
        counts.max_in_flight = counts.max_in_flight.max(counts.in_flight);
        drop(counts);
        InFlight(Arc::clone(self))
    }

    /// Counts a sign-in with a right or a wrong password.
    pub(super) fn sign_in(&self, is_right: bool) {
        let mut counts = self.lock();
        let count = if is_right {
            &mut counts.right
        } else {
            &mut counts.wrong
        };
        count.add(self.remember);
    }

    /// Starts counting anew; what is in flight stays so.
    pub fn reset(&self) {
        let mut counts = self.lock();
        let in_flight = counts.in_flight;
        *counts = Counts {
            in_flight,
            max_in_flight: in_flight,
            ..Counts::default()
        };
    }

    /// How often `method path` was asked; the path without its query.
    #[must_use]
    pub fn requests(&self, method: &str, path: &str) -> u64 {
        let counts = self.lock();
        let count = counts.requests.get(&format!("{method} {path}"));
        count.map_or(0, |count| count.count)
    }

    /// Sign-ins with the right password, and with a wrong one.
    #[must_use]
    pub fn sign_ins(&self) -> (u64, u64) {
        let counts = self.lock();
        (counts.right.count, counts.wrong.count)
    }

    /// The most requests that were in flight at once.
    #[must_use]
    pub fn max_in_flight(&self) -> u64 {
        self.lock().max_in_flight
    }

    #[must_use]
    pub fn to_json(&self) -> Value {
        let counts = self.lock();
        let requests: Map<String, Value> = counts
            .requests
            .iter()
            .map(|(key, count)| (key.clone(), count.to_json()))
            .collect();
        json!({
            "requests": requests,
            "methods": counts.methods,
            "sign_ins": { "right": counts.right.to_json(), "wrong": counts.wrong.to_json() },
            "in_flight": counts.in_flight,
            "max_in_flight": counts.max_in_flight,
        })
    }
}

/// A request that is being answered.
pub(super) struct InFlight(Arc<Traffic>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut counts = self.0.lock();
        counts.in_flight = counts.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_when_times_are_forgotten() {
        let traffic = Arc::new(Traffic::new(2));
        let first = traffic.begin("GET", "/a");
        for _ in 0..3 {
            drop(traffic.begin("GET", "/a"));
        }
        traffic.sign_in(false);
        let json = traffic.to_json();
        assert_eq!(json["requests"]["GET /a"]["count"], 4);
        assert_eq!(
            json["requests"]["GET /a"]["times"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(json["sign_ins"]["wrong"]["count"], 1);
        assert_eq!(
            (&json["in_flight"], &json["max_in_flight"]),
            (&json!(1), &json!(2))
        );
        drop(first);
        traffic.reset();
        assert_eq!(traffic.requests("GET", "/a"), 0);
        assert_eq!(traffic.to_json()["in_flight"], 0);
    }

    #[test]
    fn paths_without_end_do_not_fill_the_memory() {
        let traffic = Arc::new(Traffic::new(1));
        for number in 0..MAX_PATHS + 5 {
            drop(traffic.begin("GET", &format!("/{number}")));
        }
        assert_eq!(traffic.to_json()["requests"]["other"]["count"], 5);
    }
}
