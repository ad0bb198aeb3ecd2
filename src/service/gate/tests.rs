//! The gate as its users meet it: several feeds, pods and processes over one ledger.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::*;
use crate::control::secret_gate::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::ledger::Ledger;
use crate::model::sign_in::SignIn;

/// A ledger in memory that takes its time, as a disk does.
#[derive(Clone, Default)]
pub struct StandIn {
    rows: Arc<Mutex<BTreeMap<AccountKey, SignIn>>>,
    writes: Arc<AtomicUsize>,
    is_full: Arc<Mutex<bool>>,
    /// What is written is there, and is said only when nobody waits for it any more.
    is_late: Arc<Mutex<bool>>,
}

impl StandIn {
    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }

    async fn writing(&self) -> Result<(), String> {
        self.pause().await;
        if *self.is_full.lock().unwrap() {
            return Err("the disk is full".to_owned());
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) async fn read(&self, key: &AccountKey) -> Result<Option<SignIn>, String> {
        self.pause().await;
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    pub(super) async fn reserve(
        &self,
        key: &AccountKey,
        expected: Option<&SignIn>,
        new: &SignIn,
    ) -> Result<bool, String> {
        self.writing().await?;
        let mut rows = self.rows.lock().unwrap();
        let is_ours = rows.get(key) == expected;
        if is_ours {
            rows.insert(key.clone(), new.clone());
        }
        if *self.is_late.lock().unwrap() {
            return Err("the disk does not answer".to_owned());
        }
        Ok(is_ours)
    }

    pub(super) async fn set(&self, key: &AccountKey, row: &SignIn) -> Result<(), String> {
        self.writing().await?;
        self.rows.lock().unwrap().insert(key.clone(), row.clone());
        Ok(())
    }

    pub(super) async fn clear(&self, key: &AccountKey) -> Result<(), String> {
        self.writing().await?;
        self.rows.lock().unwrap().remove(key);
        Ok(())
    }

    fn set_full(&self, is_full: bool) {
        *self.is_full.lock().unwrap() = is_full;
    }

    fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }
}

/// The wall clock of a test goes with tokio's, from one start.
const START: i64 = 1_800_000_000;

thread_local! {
    static BEGAN: tokio::time::Instant = tokio::time::Instant::now();
    static SET_BY: AtomicI64 = const { AtomicI64::new(0) };
}

fn wall() -> UnixTime {
    let passed = BEGAN.with(|began| began.elapsed().as_secs());
    let set_by = SET_BY.with(|by| by.load(Ordering::Relaxed));
    UnixTime::from_seconds(START + i64::try_from(passed).unwrap() + set_by)
}

fn gate(rows: &StandIn) -> Gate {
    BEGAN.with(|_| {});
    Gate::new(SignIns::StandIn(rows.clone()), Clock::start(wall))
}

fn credential(secret: &str) -> Credential {
    let account = AccountKey::new("dav.example.com", &["room"]);
    Credential::new(account, &Secret::new(secret))
}

/// A calendar host that accepts one password, slowly, and counts what it is sent.
#[derive(Clone)]
struct Host {
    right: Arc<Mutex<&'static str>>,
    attempts: Arc<AtomicUsize>,
    rejected: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Host {
    fn new(right: &'static str) -> Self {
        Self {
            right: Arc::new(Mutex::new(right)),
            attempts: Arc::default(),
            rejected: Arc::default(),
            at_once: Arc::default(),
            most_at_once: Arc::default(),
        }
    }

    async fn sign_in(&self, secret: &str) -> Verdict {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        if *self.right.lock().unwrap() == secret {
            Verdict::Accepted
        } else {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            Verdict::Rejected
        }
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }
}

/// One feed or command that signs in where it may; whether it was let in.
async fn sign_in(gate: &Gate, host: &Host, user: &str, secret: &str, insists: bool) -> bool {
    let credential = credential(secret);
    match gate.permit_in_turn(&credential, user, insists).await {
        Permit::Go(pass) => {
            let verdict = host.sign_in(secret).await;
            pass.report(verdict).await;
            verdict == Verdict::Accepted
        }
        _ => false,
    }
}

async fn all(gates: &[Gate], host: &Host, users: usize, secret: &str) -> usize {
    let users = (0..users).map(|n| {
        let gate = &gates[n % gates.len()];
        async move { sign_in(gate, host, &format!("feed-{n}"), secret, false).await }
    });
    let done = futures_util::future::join_all(users).await;
    done.into_iter().filter(|let_in| *let_in).count()
}

#[tokio::test(start_paused = true)]
async fn ten_feeds_with_a_wrong_password_try_it_once_per_pause() {
    let (rows, host) = (StandIn::default(), Host::new("right"));
    let gate = gate(&rows);
    let mut expected = 0;
    let mut length = FIRST_PAUSE;
    for _ in 0..9 {
        for _ in 0..3 {
            assert_eq!(
                all(std::slice::from_ref(&gate), &host, 10, "wrong").await,
                0
            );
        }
        expected += 1;
        assert_eq!(host.attempts(), expected);
        let pause = gate.paused(&credential("wrong"), "feed-0").await.unwrap();
        let left = pause.until.since(gate.inner.clock.now().monotonic);
        assert!(left <= length && left + Duration::from_secs(30) > length);
        tokio::time::sleep(left).await;
        length = (length * 2).min(LONGEST_PAUSE);
    }
}

#[tokio::test(start_paused = true)]
async fn any_mixture_of_processes_tries_a_wrong_password_once() {
    let (rows, host) = (StandIn::default(), Host::new("right"));
    let gates: Vec<Gate> = (0..5).map(|_| gate(&rows)).collect();
    assert_eq!(all(&gates, &host, 20, "wrong").await, 0);
    assert_eq!(host.attempts(), 1);
    // A command that begins later reads what they wrote.
    assert_eq!(all(&[gate(&rows)], &host, 3, "wrong").await, 0);
    assert_eq!(host.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_right_password_is_proven_by_one_and_then_used_by_all_at_once() {
    let (rows, host) = (StandIn::default(), Host::new("right"));
    let gate = gate(&rows);
    assert_eq!(
        all(std::slice::from_ref(&gate), &host, 10, "right").await,
        10
    );
    let at_once = host.most_at_once.load(Ordering::Relaxed);
    assert!(at_once > 5, "{at_once} at once");
    let written = rows.writes();
    assert_eq!(written, 2, "reserved and proven");
    for _ in 0..10 {
        assert_eq!(
            all(std::slice::from_ref(&gate), &host, 10, "right").await,
            10
        );
    }
    assert_eq!(rows.writes(), written, "a success costs nothing later on");
    // Another process goes by what is written.
    let gate = self::gate(&rows);
    assert!(sign_in(&gate, &host, "pod", "right", false).await);
    assert_eq!(rows.writes(), written);
}

#[tokio::test(start_paused = true)]
async fn a_new_password_is_tried_at_once_and_the_old_one_stays_paused() {
    let (rows, host) = (StandIn::default(), Host::new("new"));
    let gate = gate(&rows);
    assert!(!sign_in(&gate, &host, "a", "old", false).await);
    assert!(sign_in(&gate, &host, "a", "new", false).await);
    // One room still has the old one: nobody tries it for ever by turns.
    for _ in 0..20 {
        assert!(!sign_in(&gate, &host, "b", "old", false).await);
        assert!(sign_in(&gate, &host, "a", "new", false).await);
        assert!(!sign_in(&self::gate(&rows), &host, "b", "old", false).await);
        assert!(sign_in(&self::gate(&rows), &host, "a", "new", false).await);
    }
    assert_eq!(host.rejected.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_person_ends_the_pause_of_a_service_from_another_process() {
    let (rows, host) = (StandIn::default(), Host::new("right"));
    let (service, command) = (gate(&rows), gate(&rows));
    assert!(!sign_in(&service, &host, "a", "pw", false).await);
    assert!(!sign_in(&command, &host, "a", "pw", false).await);
    // Insisting in vain is an attempt like any other: the pause grows.
    assert!(!sign_in(&command, &host, "a", "pw", true).await);
    assert_eq!(host.attempts(), 2);
    let pause = service.paused(&credential("pw"), "a").await.unwrap();
    assert_eq!(pause.rejections, 2);
    *host.right.lock().unwrap() = "pw";
    assert!(!sign_in(&command, &host, "a", "pw", false).await);
    assert!(sign_in(&command, &host, "a", "pw", true).await);
    assert_eq!(service.paused(&credential("pw"), "a").await, None);
    assert!(sign_in(&service, &host, "a", "pw", false).await);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_written_an_unproven_secret_is_not_tried() {
    let (rows, host) = (StandIn::default(), Host::new("right"));
    rows.set_full(true);
    let gate = gate(&rows);
    for _ in 0..3 {
        let permit = gate.permit(&credential("right"), "a").await;
        assert!(matches!(permit, Permit::NotWritable(says) if says.contains("full")));
    }
    assert_eq!(host.attempts(), 0);
    let events = gate.take_events();
    assert!(matches!(events[..], [GateEvent::NotWritable { .. }]));
    rows.set_full(false);
    assert!(sign_in(&gate, &host, "a", "right", false).await);
    assert_eq!(gate.take_events(), [GateEvent::Writable]);
    // One that worked is used whatever becomes of the disk.
    rows.set_full(true);
    assert!(sign_in(&gate, &host, "a", "right", false).await);
    assert!(sign_in(&gate, &host, "b", "right", false).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_counts_as_not_answered() {
    let (rows, host) = (StandIn::default(), Host::new("right"));
    let gate = gate(&rows);
    let Permit::Go(pass) = gate.permit(&credential("right"), "a").await else {
        panic!("nobody tried it before");
    };
    let waiting = sign_in(&gate, &host, "b", "right", false);
    let given_up = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(pass);
    };
    let (let_in, ()) = tokio::join!(waiting, given_up);
    assert!(!let_in);
    let pause = gate.paused(&credential("right"), "b").await.unwrap();
    assert_eq!(pause.rejections, 0);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(sign_in(&gate, &host, "b", "right", false).await);
    // A turn that is given up while the ledger is asked is free again.
    let other = self::gate(&StandIn::default());
    let right = credential("right");
    let asked = other.permit(&right, "a");
    assert!(
        tokio::time::timeout(Duration::from_millis(1), asked)
            .await
            .is_err()
    );
    assert!(sign_in(&other, &host, "b", "right", false).await);
}

#[tokio::test(start_paused = true)]
async fn a_pause_does_not_outlive_a_clock_that_was_wrong() {
    const WEEK: i64 = 7 * 86_400;
    let (rows, host) = (StandIn::default(), Host::new("right"));
    SET_BY.with(|by| by.store(WEEK, Ordering::Relaxed));
    assert!(!sign_in(&gate(&rows), &host, "a", "wrong", false).await);
    SET_BY.with(|by| by.store(0, Ordering::Relaxed));
    // Commands that come and go do not begin the pause anew each time.
    for _ in 0..5 {
        assert!(!sign_in(&gate(&rows), &host, "a", "wrong", false).await);
        tokio::time::sleep(Duration::from_secs(59)).await;
    }
    assert_eq!(host.attempts(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!sign_in(&gate(&rows), &host, "a", "wrong", false).await);
    assert_eq!(host.attempts(), 2);
}

#[tokio::test]
async fn several_processes_over_a_real_ledger_try_a_wrong_password_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    let host = Host::new("right");
    let mut gates = Vec::new();
    // As `--dry-run` and `check` open it; there is no file yet.
    for _ in 0..4 {
        let ledger = Ledger::open_to_read(&path).await.unwrap();
        gates.push(Gate::new(SignIns::Ledger(ledger), Clock::start(wall)));
    }
    BEGAN.with(|_| {});
    assert_eq!(all(&gates, &host, 12, "wrong").await, 0);
    assert_eq!(host.attempts(), 1);
    let ledger = Ledger::open_to_read(&path).await.unwrap();
    let row = ledger.sign_in(&credential("wrong").key()).await.unwrap();
    assert_eq!(row.unwrap().rejections, 1);
    // And the right one, by all of them.
    assert_eq!(all(&gates, &host, 12, "right").await, 12);
}

#[test]
fn accounts_are_told_apart_by_host_user_and_kind() {
    let pod = |address: &str, user: &str| {
        let url = PodUrl::parse(address).unwrap();
        credential_of_pod(&url, user, &Secret::new("pw"))
    };
    let one = pod("192.0.2.11", "admin");
    assert_eq!(one, pod("https://192.0.2.11:5443", "admin"));
    assert_ne!(one, pod("192.0.2.11", "other"));
    assert_ne!(one, pod("192.0.2.12", "admin"));
    assert!(!format!("{one:?}").contains("pw"));
}

/// The row that was meant for a request is there, and the request was never made.
#[tokio::test(start_paused = true)]
async fn a_reservation_that_was_written_too_late_locks_nobody_out() {
    let (rows, host) = (StandIn::default(), Host::new("right"));
    let gate = gate(&rows);
    *rows.is_late.lock().unwrap() = true;
    let secret = credential("right");
    let permit = gate.permit(&secret, "feed-0").await;
    assert!(matches!(permit, Permit::NotWritable(_)));
    assert_eq!(rows.rows.lock().unwrap().len(), 1);
    *rows.is_late.lock().unwrap() = false;
    assert_eq!(gate.paused(&secret, "feed-0").await, None);
    assert_eq!(all(&[gate], &host, 1, "right").await, 1);
    assert_eq!(host.attempts(), 1);
    // Nor does it count as a rejection, for which a later pause would be longer.
    let after = rows.rows.lock().unwrap().values().next().cloned().unwrap();
    assert_eq!((after.rejections, after.is_pending), (0, false));
}
