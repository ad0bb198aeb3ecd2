//! Stories of one secret: who asks, what the host says, and what follows.

use super::*;
use crate::model::secret::Secret;

/// One process with its ledger, and the time.
struct Story {
    gate: SecretGate,
    rows: BTreeMap<AccountKey, SignIn>,
    now: Now,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Sent, with a row written for it or without.
    Reserved,
    Sent,
    Busy,
    /// Until so many seconds from now.
    Paused(u64),
    /// For this user alone.
    PausedAlone(u64),
    Pending,
}

impl Story {
    fn new() -> Self {
        Self {
            gate: SecretGate::default(),
            rows: BTreeMap::new(),
            now: Now {
                wall: UnixTime::parse("2027-03-02T10:00:00Z").unwrap(),
                monotonic: Monotonic::from_start(Duration::from_secs(1)),
            },
        }
    }

    fn pass_seconds(&mut self, seconds: u64) {
        let span = Duration::from_secs(seconds);
        self.now.wall = self.now.wall.plus(span);
        self.now.monotonic = self.now.monotonic.plus(span);
    }

    fn request(user: &str) -> Request {
        let account = AccountKey::new("dav.example.com", &["room"]);
        Request {
            credential: Credential::new(account, &Secret::new("pw")),
            user: user.to_owned(),
            insists: false,
        }
    }

    fn ask(&mut self, request: &Request) -> (End, Option<Grant>) {
        let turn = match self.gate.ask(request, self.now) {
            Asked::Go(grant) => return (End::Sent, Some(grant)),
            Asked::Busy => return (End::Busy, None),
            Asked::Look(turn) => turn,
        };
        let rows = Rows {
            shared: self.rows.get(&request.credential.key()).cloned(),
            alone: self
                .rows
                .get(&request.credential.key_alone(&request.user))
                .cloned(),
        };
        match self.gate.looked(&turn, request, rows, self.now) {
            Looked::Go(grant) => (End::Sent, Some(grant)),
            Looked::Pending => {
                self.gate.withdraw(&turn, request);
                (End::Pending, None)
            }
            Looked::Paused(pause) => {
                if let Some(wrong) = pause.correction {
                    self.rows.insert(wrong.key, wrong.new);
                }
                let left = pause.until.since(self.now.monotonic).as_secs();
                let end = match pause.is_alone {
                    true => End::PausedAlone(left),
                    false => End::Paused(left),
                };
                (end, None)
            }
            Looked::Reserve { expected, new } => {
                assert_eq!(self.rows.get(&request.credential.key()), expected.as_ref());
                self.rows.insert(request.credential.key(), new.clone());
                (End::Reserved, Some(self.gate.reserved(&turn, request, new)))
            }
        }
    }

    /// Asks without sending.
    fn asks(&mut self, user: &str) -> End {
        let (end, grant) = self.ask(&Self::request(user));
        assert!(grant.is_none(), "{end:?}");
        end
    }

    fn grant(&mut self, user: &str) -> Grant {
        let (end, grant) = self.ask(&Self::request(user));
        grant.unwrap_or_else(|| panic!("{user}: {end:?}"))
    }

    fn report(&mut self, grant: Grant, verdict: Verdict) -> Vec<GateEvent> {
        let (writes, events) = self.gate.report(grant, verdict, self.now);
        for write in writes {
            match write {
                Write::Set(key, row) => drop(self.rows.insert(key, row)),
                Write::Clear(key) => drop(self.rows.remove(&key)),
            }
        }
        events
    }

    /// Asks, sends, and reports what the host says.
    fn sends(&mut self, user: &str, verdict: Verdict) -> End {
        let (end, grant) = self.ask(&Self::request(user));
        if let Some(grant) = grant {
            self.report(grant, verdict);
        }
        end
    }

    /// Another process over the same ledger.
    fn restarts(&mut self) {
        self.gate = SecretGate::default();
    }

    fn row(&self) -> Option<&SignIn> {
        self.rows.get(&Self::request("").credential.key())
    }
}

#[test]
fn pauses_grow_from_minutes_to_hours() {
    let minutes: Vec<u64> = (1..=9).map(|times| pause(times).as_secs() / 60).collect();
    assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
    assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    assert_eq!(pause(0), FIRST_PAUSE);
}

#[test]
fn a_rejection_pauses_everybody_and_the_next_one_for_longer() {
    let mut story = Story::new();
    assert_eq!(story.sends("a", Verdict::Rejected), End::Reserved);
    assert_eq!(story.asks("b"), End::Paused(300));
    story.pass_seconds(299);
    assert_eq!(story.asks("a"), End::Paused(1));
    story.pass_seconds(1);
    assert_eq!(story.sends("b", Verdict::Rejected), End::Reserved);
    assert_eq!(story.asks("a"), End::Paused(600));
    story.restarts();
    assert_eq!(story.asks("a"), End::Paused(600));
    story.pass_seconds(600);
    assert_eq!(story.sends("a", Verdict::Accepted), End::Reserved);
    let row = story.row().unwrap();
    assert_eq!((row.rejections, row.is_pending), (0, false));
    assert_eq!(story.sends("b", Verdict::Accepted), End::Sent);
}

#[test]
fn only_one_request_at_a_time_proves_a_secret() {
    let mut story = Story::new();
    let grant = story.grant("a");
    assert_eq!(story.asks("b"), End::Busy);
    assert!(story.row().unwrap().is_pending);
    story.report(grant, Verdict::Accepted);
    // Proven: any number at once.
    let grants = [story.grant("a"), story.grant("b"), story.grant("a")];
    for grant in grants {
        story.report(grant, Verdict::Accepted);
    }
    // One that the ledger knows is used without writing, but first by one alone.
    story.restarts();
    let written = story.rows.clone();
    let grant = story.grant("a");
    assert_eq!(story.asks("b"), End::Busy);
    story.report(grant, Verdict::Unknown);
    assert_eq!(story.sends("b", Verdict::Accepted), End::Sent);
    assert_eq!(story.rows, written);
}

/// A full disk: what is to be written is not.
#[test]
fn a_pause_of_one_user_that_could_not_be_written_holds_and_grows() {
    let mut story = Story::new();
    story.sends("a", Verdict::Accepted);
    let disk = story.rows.clone();
    for (pause, waits) in [(300, 299), (600, 1)] {
        let grant = story.grant("c");
        story.report(grant, Verdict::Forbidden);
        story.rows = disk.clone();
        story.pass_seconds(1);
        assert_eq!(story.asks("c"), End::PausedAlone(pause - 1));
        story.pass_seconds(waits);
    }
    // An older row that is still there says nothing new, neither of the pause nor of its end.
    story.pass_seconds(600);
    story.sends("c", Verdict::Forbidden);
    assert_eq!(story.asks("c"), End::PausedAlone(1200));
    let disk = story.rows.clone();
    story.pass_seconds(1200);
    story.sends("c", Verdict::Forbidden);
    story.rows = disk.clone();
    assert_eq!(story.asks("c"), End::PausedAlone(2400));
    story.pass_seconds(2400);
    story.sends("c", Verdict::Accepted);
    story.rows = disk;
    assert_eq!(story.sends("c", Verdict::Accepted), End::Sent);
    // What another process wrote does.
    let alone = Story::request("c").credential.key_alone("c");
    let row = SignIn {
        until: story.now.wall.plus(Duration::from_secs(120)),
        ..story.rows[&alone].clone()
    };
    story.rows.insert(alone, row);
    let request = Story::request("c");
    let rows = Rows {
        shared: story.row().cloned(),
        alone: story.rows.get(&request.credential.key_alone("c")).cloned(),
    };
    let pause = story.gate.peek(&request, rows, story.now).unwrap();
    assert_eq!(pause.until.since(story.now.monotonic).as_secs(), 120);
}

#[test]
fn a_403_and_a_401_against_the_others_pause_one_user_alone() {
    let mut story = Story::new();
    story.sends("a", Verdict::Accepted);
    story.sends("b", Verdict::Accepted);
    let grant = story.grant("c");
    let events = story.report(grant, Verdict::Forbidden);
    assert!(matches!(
        events[..],
        [GateEvent::PausedAlone {
            is_forbidden: true,
            ..
        }]
    ));
    assert_eq!(story.asks("c"), End::PausedAlone(300));
    assert_eq!(story.sends("a", Verdict::Accepted), End::Sent);
    // Rejected here, while it works there.
    story.pass_seconds(300);
    assert_eq!(story.sends("c", Verdict::Rejected), End::Sent);
    assert_eq!(story.asks("c"), End::PausedAlone(600));
    assert_eq!(story.sends("a", Verdict::Accepted), End::Reserved);
    assert_eq!(story.sends("b", Verdict::Accepted), End::Sent);
    // Also after a restart.
    story.restarts();
    assert_eq!(story.asks("c"), End::PausedAlone(600));
    story.pass_seconds(600);
    let grant = story.grant("c");
    let events = story.report(grant, Verdict::Accepted);
    assert!(matches!(
        events[..],
        [GateEvent::Resumed { rejections: 2, .. }]
    ));
    assert_eq!(story.rows.len(), 1, "{:?}", story.rows);
}

#[test]
fn a_password_that_is_changed_at_the_host_is_sent_twice_in_all() {
    let mut story = Story::new();
    let users = ["a", "b", "c", "d", "e"];
    for user in users {
        story.sends(user, Verdict::Accepted);
    }
    story.pass_seconds(60);
    let ends = users.map(|user| story.sends(user, Verdict::Rejected));
    let sent = ends
        .iter()
        .filter(|end| matches!(end, End::Sent | End::Reserved))
        .count();
    assert_eq!(sent, 2, "{ends:?}");
    // Of those that were under way together, each comes back, but one pause follows.
    let mut story = Story::new();
    for user in users {
        story.sends(user, Verdict::Accepted);
    }
    let grants = users.map(|user| story.grant(user));
    for grant in grants {
        story.report(grant, Verdict::Rejected);
    }
    assert_eq!(story.asks("b"), End::Paused(300));
    assert_eq!(story.row().unwrap().rejections, 1);
}

#[test]
fn its_own_success_is_no_reason_to_pause_a_feed_alone() {
    let mut story = Story::new();
    story.sends("a", Verdict::Accepted);
    story.sends("a", Verdict::Rejected);
    assert_eq!(story.asks("b"), End::Paused(300));
    // Nor one of an hour ago.
    let mut story = Story::new();
    story.sends("a", Verdict::Accepted);
    story.sends("b", Verdict::Accepted);
    story.pass_seconds(3_601);
    story.sends("a", Verdict::Rejected);
    assert_eq!(story.asks("b"), End::Paused(300));
}

#[test]
fn what_was_not_sent_or_not_answered_is_no_rejection() {
    let mut story = Story::new();
    assert_eq!(story.sends("a", Verdict::NotSent), End::Reserved);
    assert_eq!(story.row(), None);
    // A 404 says nothing of the password, and stops nobody.
    assert_eq!(story.sends("b", Verdict::Inconclusive), End::Reserved);
    assert_eq!(story.row(), None);
    assert_eq!(story.sends("a", Verdict::Unknown), End::Reserved);
    assert_eq!(story.asks("a"), End::Paused(60));
    assert_eq!(story.row().unwrap().rejections, 0);
    story.pass_seconds(60);
    assert_eq!(story.sends("a", Verdict::Rejected), End::Reserved);
    story.pass_seconds(300);
    let before = story.row().cloned();
    assert_eq!(story.sends("a", Verdict::NotSent), End::Reserved);
    assert_eq!(story.row(), before.as_ref());
    assert_eq!(story.sends("a", Verdict::Rejected), End::Reserved);
    assert_eq!(story.row().unwrap().rejections, 2);
    // A secret that worked is not doubted because a host is slow.
    let mut story = Story::new();
    story.sends("a", Verdict::Accepted);
    story.sends("a", Verdict::Unknown);
    assert_eq!(story.sends("a", Verdict::Accepted), End::Sent);
}

#[test]
fn a_process_that_was_killed_while_it_asked_counts_as_rejected() {
    let mut story = Story::new();
    let _grant = story.grant("a");
    story.restarts();
    assert_eq!(story.asks("a"), End::Pending);
    story.pass_seconds(60);
    assert_eq!(story.asks("a"), End::Pending);
    story.pass_seconds(1);
    assert_eq!(story.asks("a"), End::Paused(239));
}

#[test]
fn a_request_that_was_dropped_gives_its_turn_back() {
    let mut story = Story::new();
    let grant = story.grant("a");
    story.gate.abandoned(&grant, story.now);
    assert_eq!(story.asks("b"), End::Paused(60));
    story.pass_seconds(60);
    assert_eq!(story.sends("b", Verdict::Accepted), End::Reserved);
}

#[test]
fn insisting_ends_no_pause_but_by_success() {
    let mut story = Story::new();
    story.sends("a", Verdict::Rejected);
    let insisting = Request {
        insists: true,
        ..Story::request("b")
    };
    let (end, grant) = story.ask(&insisting);
    assert_eq!(end, End::Reserved);
    story.report(grant.unwrap(), Verdict::Rejected);
    assert_eq!(story.asks("a"), End::Paused(600));
    let (_, grant) = story.ask(&insisting);
    story.report(grant.unwrap(), Verdict::Accepted);
    assert_eq!(story.sends("a", Verdict::Accepted), End::Sent);
}

#[test]
fn what_could_not_be_written_holds_for_this_process() {
    let mut story = Story::new();
    story.sends("a", Verdict::Accepted);
    // Rejected, and the disk is full: the row still says that it works.
    let grant = story.grant("a");
    let (writes, _) = story.gate.report(grant, Verdict::Rejected, story.now);
    assert!(!writes.is_empty());
    assert_eq!(story.asks("a"), End::Paused(300));
    assert_eq!(story.asks("b"), End::Paused(300));
    // The other way round: it worked, and the row still says that it was to be sent.
    let mut story = Story::new();
    let grant = story.grant("a");
    let _ = story.gate.report(grant, Verdict::Accepted, story.now);
    assert_eq!(story.sends("b", Verdict::Accepted), End::Sent);
    // A row that cannot be read at all: what worked is used, what is paused stays so.
    let unreadable = |story: &mut Story, user: &str| {
        let request = Story::request(user);
        match story.gate.ask(&request, story.now) {
            Asked::Look(turn) => story.gate.unreadable(&turn, &request, story.now),
            asked => panic!("{asked:?}"),
        }
    };
    assert!(matches!(unreadable(&mut story, "c"), Some(Looked::Go(_))));
    let grant = story.grant("d");
    story.report(grant, Verdict::Forbidden);
    assert!(matches!(
        unreadable(&mut story, "d"),
        Some(Looked::Paused(Pause { is_alone: true, .. }))
    ));
    assert_eq!(unreadable(&mut Story::new(), "a"), None);
    // A ledger that is gone changes nothing.
    let mut story = Story::new();
    story.sends("a", Verdict::Rejected);
    story.rows.clear();
    assert_eq!(story.asks("a"), End::Paused(300));
}

#[test]
fn a_clock_that_was_ahead_or_stood_in_1970_makes_no_pause_longer() {
    let mut story = Story::new();
    story.sends("a", Verdict::Rejected);
    story.restarts();
    // Set back by a week: five minutes from now at most, for every process.
    story.now.wall = story.now.wall.minus(Duration::from_secs(7 * 86_400));
    assert_eq!(story.asks("a"), End::Paused(300));
    story.restarts();
    story.pass_seconds(200);
    assert_eq!(story.asks("a"), End::Paused(100));
    // By a clock before the release nothing is put right.
    let mut story = Story::new();
    story.sends("a", Verdict::Rejected);
    let row = story.row().cloned();
    story.restarts();
    story.now.wall = UnixTime::from_seconds(0);
    assert_eq!(story.asks("a"), End::Paused(300));
    assert_eq!(story.row(), row.as_ref());
}
