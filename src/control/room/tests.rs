//! A room with model feeds: a version is a list of meetings, and composing looks it up.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::WhenStale;
use crate::config::check::{NoVariable, check as check_config};
use crate::control::published::FeedFailing;
use crate::control::retry::Past;
use crate::model::failure::{Failure, FailureClass};
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::version::{Reduction, Trouble};

const START: i64 = 1_772_442_000;
const MINUTE: u64 = 60;

struct World {
    room: RoomController,
    now: Now,
    /// The meetings of each version: title, start and end in minutes from the start.
    versions: BTreeMap<VersionId, Vec<(&'static str, i64, i64)>>,
    views: Vec<FeedView>,
    events: Vec<RoomEvent>,
}

fn room(feeds: usize, more: &str) -> Arc<Room> {
    let feeds: Vec<String> = (0..feeds)
        .map(|n| format!("{{ ics = \"https://host-{n}.example.com/a.ics\" }}"))
        .collect();
    room_with(&format!("feeds = [{}]\n{more}", feeds.join(", ")))
}

fn room_with(keys: &str) -> Arc<Room> {
    let text = format!(
        "time_zone = \"UTC\"\n[pod]\npassword = \"x\"\n[rooms.oak]\npod = \"192.0.2.1\"\n{keys}"
    );
    let loaded = check_config(
        &text,
        Path::new("podcal.toml"),
        &|_| Ok(Vec::new()),
        &|_| Ok(Vec::new()),
        &|_| Err(NoVariable::NotSet),
    );
    Arc::new(loaded.unwrap().config.rooms.remove(0))
}

fn settings(room: Arc<Room>, shared: usize) -> RoomSettings {
    let feeds = room.feeds.iter();
    RoomSettings {
        shared_by: feeds.map(|feed| (feed.id.clone(), shared)).collect(),
        room,
        jitter: Duration::ZERO,
    }
}

impl World {
    fn new(feeds: usize) -> Self {
        Self::of(settings(room(feeds, ""), 1))
    }

    fn of(settings: RoomSettings) -> Self {
        let now = Now {
            wall: UnixTime::from_seconds(START),
            monotonic: Monotonic::from_start(Duration::from_secs(10)),
        };
        let views = settings.room.feeds.iter();
        Self {
            views: views
                .map(|feed| FeedView::unknown(feed.id.clone()))
                .collect(),
            room: RoomController::new(settings, RoomMemory::default(), &BTreeMap::new(), now),
            now,
            versions: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn version(&mut self, meetings: &[(&'static str, i64, i64)]) -> Arc<FeedVersion> {
        let known = self.versions.iter().find(|(_, known)| *known == meetings);
        let id = known.map_or(VersionId(self.versions.len() as u64 + 1), |(id, _)| *id);
        self.versions.insert(id, meetings.to_vec());
        Arc::new(FeedVersion {
            id,
            items: Vec::new(),
            reduction: Reduction {
                from: self.now.wall,
                filters: BTreeSet::new(),
            },
            missing: Vec::new(),
            trouble: Trouble::default(),
        })
    }

    fn reads(&mut self, feed: usize, meetings: &[(&'static str, i64, i64)]) -> &mut Self {
        let version = self.version(meetings);
        self.reads_version(feed, version)
    }

    /// A version of which members are missing.
    fn partial(&mut self, meetings: &[(&'static str, i64, i64)]) -> Arc<FeedVersion> {
        let mut version = (*self.version(meetings)).clone();
        version.missing = vec!["member.ics".to_owned()];
        Arc::new(version)
    }

    fn reads_version(&mut self, feed: usize, version: Arc<FeedVersion>) -> &mut Self {
        let view = &mut self.views[feed];
        view.latest = Some(version);
        view.successes += 1;
        view.attempts += 1;
        view.succeeded_at = Some(self.now.monotonic);
        view.succeeding_since.get_or_insert(self.now.monotonic);
        view.failing = None;
        let view = view.clone();
        let events = self.room.learn_feed(view, self.now);
        self.events.extend(events);
        self.settle()
    }

    fn fails(&mut self, feed: usize) -> &mut Self {
        let view = &mut self.views[feed];
        view.attempts += 1;
        view.succeeding_since = None;
        view.failing.get_or_insert(FeedFailing {
            since: self.now.wall,
            began: Past::now(self.now),
            failures: 1,
            failure: Failure {
                class: FailureClass::TimedOut,
                kind: "timed_out".into(),
                says: String::new(),
                hint: String::new(),
                is_passing: true,
                retry_after: None,
                secret_was_sent: false,
            },
            not_before: None,
        });
        let view = view.clone();
        let events = self.room.learn_feed(view, self.now);
        self.events.extend(events);
        self.settle()
    }

    fn configured(&mut self, settings: RoomSettings) -> &mut Self {
        let feeds = settings.room.feeds.iter();
        self.views = feeds
            .map(|feed| {
                let known = self.views.iter().find(|view| view.id == feed.id);
                known
                    .cloned()
                    .unwrap_or_else(|| FeedView::unknown(feed.id.clone()))
            })
            .collect();
        let events = self.room.configure(settings, self.now);
        self.events.extend(events);
        self.settle()
    }

    fn passes(&mut self, seconds: u64) -> &mut Self {
        let span = Duration::from_secs(seconds);
        self.now.wall = self.now.wall.plus(span);
        self.now.monotonic = self.now.monotonic.plus(span);
        let events = self.room.tick(self.now);
        self.events.extend(events);
        self.settle()
    }

    /// Composes whatever is asked for.
    fn settle(&mut self) -> &mut Self {
        while let RoomStep::Compose(jobs) = self.room.next(self.now) {
            let compositions = jobs.iter().map(|job| self.composed(job)).collect();
            let events = self.room.learn_composed(compositions, self.now);
            self.events.extend(events);
        }
        self
    }

    fn composed(&self, job: &ComposeJob) -> Composition {
        let rules = &self.room.settings().room.meetings;
        let mut candidates: Vec<Candidate> = self.versions[&job.version.id]
            .iter()
            .map(|(title, start, end)| {
                let minute = |minutes: i64| UnixTime::from_seconds(START + minutes * 60);
                let mut meeting = Meeting {
                    id: MeetingId::new(title, &job.place.to_string()),
                    title: (*title).into(),
                    organizer: "Ada".into(),
                    description: None,
                    start_time: minute(*start),
                    end_time: minute(*end),
                };
                compose::restrict(&mut meeting, rules);
                Candidate::remembered(meeting)
            })
            .collect();
        candidates.retain(|one| {
            let (start, end) = (one.meeting.start_time, one.meeting.end_time);
            job.basis.window.overlaps(start, end)
        });
        Composition {
            place: job.place,
            version: job.version.id,
            basis: job.basis,
            candidates: candidates.into(),
            is_truncated: false,
        }
    }

    /// The same room in a new process; feeds know what they knew, and pull again.
    fn restarts(&mut self) -> &mut Self {
        let memory = self.room.memory(self.now);
        let json = serde_json::to_string(&memory).unwrap();
        let memory: RoomMemory = serde_json::from_str(&json).unwrap();
        let ids: Vec<VersionId> = self.versions.keys().copied().collect();
        let versions = ids
            .into_iter()
            .flat_map(|id| {
                let meetings = self.versions[&id].clone();
                let version = self.version(&meetings);
                let feeds = self.views.iter();
                feeds
                    .map(|view| ((view.id.as_str().to_owned(), id), version.clone()))
                    .collect::<Vec<_>>()
            })
            .collect();
        self.now.monotonic = Monotonic::from_start(Duration::from_secs(1));
        self.room = RoomController::new(self.room.settings().clone(), memory, &versions, self.now);
        for view in &mut self.views {
            view.successes = 0;
            view.attempts = 0;
            view.succeeded_at = None;
            if let Some(failing) = &mut view.failing {
                failing.began = Past::restored(failing.since, self.now);
            }
            let is_well = view.latest.is_some() && view.failing.is_none();
            view.succeeding_since = is_well.then_some(Monotonic::default());
        }
        for view in self.views.clone() {
            let events = self.room.learn_feed(view, self.now);
            self.events.extend(events);
        }
        self.settle()
    }

    #[track_caller]
    fn shows(&mut self, titles: &[&str]) -> &mut Self {
        let agenda = self.room.wanted().agenda.clone();
        let shown: Option<Vec<&str>> = agenda.as_ref().map(|agenda| {
            let meetings = agenda.meetings().iter();
            meetings.map(|one| &*one.title).collect()
        });
        assert_eq!(shown.as_deref(), Some(titles));
        self
    }

    #[track_caller]
    fn is_held(&mut self, missing: usize) -> &mut Self {
        let held = self.room.view(self.now).held;
        let held: usize = held.iter().map(|feed| feed.missing).sum();
        assert_eq!(held, missing, "{:?}", self.events);
        self
    }
}

const THREE: [(&str, i64, i64); 3] = [("A", 60, 90), ("B", 120, 150), ("C", 180, 210)];
const ABC: [&str; 3] = ["A", "B", "C"];

#[test]
fn a_feed_that_is_read_is_shown_and_ended_meetings_leave() {
    let mut world = World::new(1);
    assert_eq!(world.room.wanted().agenda, None);
    world.reads(0, &THREE).shows(&ABC);
    let end_of_a = world.now.monotonic.plus(Duration::from_secs(90 * MINUTE));
    assert!(matches!(world.room.next(world.now), RoomStep::Wait(at) if at == end_of_a));
    world.passes(90 * MINUTE).shows(&["B", "C"]);
}

#[test]
fn a_hold_goes_on_whatever_else_happens() {
    let mut world = World::new(1);
    world.reads(0, &THREE).passes(300).reads(0, &[]);
    world.shows(&ABC).is_held(3);
    world.passes(300).fails(0).shows(&ABC).is_held(3);
    world.passes(300).restarts().shows(&ABC).is_held(3);
    let same = world.room.settings().clone();
    world.passes(300).configured(same).shows(&ABC).is_held(3);
    world.passes(60).reads(0, &[]).shows(&ABC).is_held(3);
    // Fifteen minutes after the first of the pulls that found nothing.
    world.passes(14 * MINUTE).reads(0, &[]).shows(&ABC);
    world.passes(MINUTE).reads(0, &[]).shows(&[]).is_held(0);
    let released = world.events.last();
    assert!(matches!(
        released,
        Some(RoomEvent::Released {
            why: Released::SeenLongEnough,
            ..
        })
    ));
    let begun = |event: &&RoomEvent| matches!(event, RoomEvent::Held { .. });
    assert_eq!(world.events.iter().filter(begun).count(), 1);
}

#[test]
fn a_hold_ends_when_the_meetings_come_back() {
    let mut world = World::new(1);
    world.reads(0, &THREE).reads(0, &[]).is_held(3);
    world.reads(0, &THREE).shows(&ABC).is_held(0);
    world.reads(0, &[]).is_held(3);
    world.reads(0, &THREE[..1]).shows(&["A"]).is_held(0);
}

#[test]
fn what_is_held_leaves_when_it_ends() {
    let mut world = World::new(1);
    world.reads(0, &THREE).passes(MINUTE).reads(0, &[]);
    world
        .passes(100 * MINUTE)
        .fails(0)
        .shows(&["B", "C"])
        .is_held(2);
    world.passes(120 * MINUTE).shows(&[]).is_held(0);
}

#[test]
fn force_accepts_the_empty_calendar_now() {
    let mut world = World::new(1);
    world.reads(0, &THREE).reads(0, &[]).shows(&ABC);
    let events = world.room.force(world.now);
    assert!(matches!(
        events.as_slice(),
        [RoomEvent::Released { .. }, ..]
    ));
    world.settle().shows(&[]).is_held(0);
    assert_eq!(world.room.wanted().force, 1);
}

#[test]
fn each_feed_of_a_room_is_guarded_by_itself() {
    let mut world = World::new(2);
    world.reads(0, &THREE).reads(1, &[("D", 240, 270)]);
    world.reads(0, &[]).shows(&["A", "B", "C", "D"]).is_held(3);
    world.reads(1, &[]).shows(&ABC).is_held(3);
}

#[test]
fn titles_are_hidden_at_once_during_a_hold() {
    let mut world = World::new(1);
    world.reads(0, &THREE).reads(0, &[]).shows(&ABC);
    let hidden = settings(room(1, "meetings = { hide_titles = true }"), 1);
    world.configured(hidden).shows(&["Reserved"; 3]).is_held(3);
}

#[test]
fn a_rule_that_the_operator_changes_is_never_held() {
    let mut world = World::new(1);
    world.reads(
        0,
        &[("A", 2000, 2030), ("B", 2040, 2060), ("C", 2080, 2090)],
    );
    world.shows(&ABC);
    let today = settings(room(1, "window = { days = 1 }"), 1);
    world.configured(today).shows(&[]).is_held(0);
}

#[test]
fn a_single_meeting_that_is_cancelled_leaves_at_once() {
    let mut world = World::new(1);
    world.reads(0, &THREE[..1]).reads(0, &[]).shows(&[]);
}

#[test]
fn the_brake_brings_back_what_was_just_taken_away() {
    let mut world = World::new(1);
    world
        .reads(0, &THREE[..1])
        .passes(60)
        .reads(0, &[])
        .shows(&[]);
    assert!(world.room.losses(world.now)[0].lost_at.is_some());
    let mut brake = BrakeState::default();
    brake.hosts.insert("host-0.example.com".to_owned());
    let events = world.room.learn_brake(Arc::new(brake), world.now);
    world.events.extend(events);
    world.settle().shows(&["A"]).is_held(1);
    // Its hold runs from its own loss.
    world.passes(14 * MINUTE).reads(0, &[]).shows(&["A"]);
    world.passes(MINUTE).reads(0, &[]).shows(&[]).is_held(0);
    world.passes(MINUTE).reads(0, &[]).shows(&[]);
}

#[test]
fn a_shared_document_is_not_believed_before_the_other_rooms_had_a_word() {
    let mut world = World::of(settings(room(1, ""), 2));
    world
        .reads(0, &THREE[..1])
        .passes(60)
        .reads(0, &[])
        .shows(&["A"]);
    assert!(world.room.losses(world.now)[0].lost_at.is_some());
    // A one-shot run waits for what becomes of it.
    assert!(!world.room.view(world.now).is_settled);
    world.passes(2).shows(&[]);
    assert!(world.room.view(world.now).is_settled);
}

#[test]
fn a_feed_that_was_never_read_holds_nothing_up() {
    let mut world = World::new(2);
    world.fails(1).reads(0, &THREE).shows(&ABC);
    world.reads(0, &THREE[1..]).shows(&["B", "C"]);
    world
        .reads(0, &[("B", 120, 150), ("N", 160, 170)])
        .shows(&["B", "N"]);
    assert_eq!(world.room.view(world.now).unread.len(), 1);
    let said = |event: &&RoomEvent| matches!(event, RoomEvent::FeedUnread { .. });
    assert_eq!(world.events.iter().filter(said).count(), 1);
}

#[test]
fn what_an_old_address_gave_stays_until_the_new_one_was_read() {
    let mut world = World::new(1);
    world.reads(0, &THREE).shows(&ABC);
    let other = settings(room_with("feed = \"https://new.example.com/b.ics\""), 1);
    world.configured(other).fails(0).shows(&ABC);
    world.passes(100 * MINUTE).shows(&["B", "C"]);
    let back = settings(room(1, ""), 1);
    world
        .configured(back)
        .reads(0, &THREE[1..])
        .shows(&["B", "C"]);
    let other = settings(room_with("feed = \"https://new.example.com/b.ics\""), 1);
    world.configured(other).shows(&["B", "C"]);
    world.reads(0, &[("N", 300, 330)]).shows(&["N"]);
}

#[test]
fn kept_meetings_lose_their_titles_too() {
    let mut world = World::new(1);
    world.reads(0, &THREE).shows(&ABC);
    let keys = "feed = \"https://new.example.com/b.ics\"\nmeetings = { hide_titles = true }";
    world.configured(settings(room_with(keys), 1)).fails(0);
    world.shows(&["Reserved"; 3]);
}

#[test]
fn a_clock_that_is_not_believed_takes_nothing_away() {
    let mut world = World::new(1);
    world.reads(0, &THREE).shows(&ABC);
    world.room.learn_clock(false, world.now);
    // A one-shot run does not wait until somebody sets the clock.
    assert!(world.room.view(world.now).is_settled);
    world.now.wall = world.now.wall.plus(Duration::from_secs(7 * 86_400));
    world.reads(0, &[]).shows(&ABC);
    world.now.wall = world.now.wall.minus(Duration::from_secs(7 * 86_400));
    world.room.learn_clock(true, world.now);
    // What was reduced by the wrong clock is no reading; the next one is.
    world.settle().shows(&ABC).is_held(0);
    world.reads(0, &[]).shows(&ABC).is_held(3);
}

#[test]
fn a_copy_that_was_reduced_in_the_future_counts_as_unread() {
    let mut world = World::new(1);
    world.reads(0, &THREE).shows(&ABC);
    let mut ahead = (*world.version(&[])).clone();
    ahead.reduction.from = world.now.wall.plus(Duration::from_secs(86_400));
    world
        .reads_version(0, Arc::new(ahead))
        .shows(&ABC)
        .is_held(0);
}

#[test]
fn stale_meetings_leave_where_the_operator_wants_it() {
    let mut world = World::of(settings(
        {
            let mut room = (*room(1, "")).clone();
            room.meetings.max_stale = Some(Duration::from_secs(3600));
            room.meetings.when_stale = WhenStale::Clear;
            Arc::new(room)
        },
        1,
    ));
    world
        .reads(0, &THREE)
        .fails(0)
        .passes(59 * MINUTE)
        .shows(&ABC);
    let clears = Duration::from_secs(MINUTE);
    assert!(
        matches!(world.room.next(world.now), RoomStep::Wait(at) if at == world.now.monotonic.plus(clears))
    );
    world.passes(MINUTE).shows(&[]);
    world.reads(0, &THREE).shows(&ABC);
}

#[test]
fn a_ledger_that_began_anew_lets_displays_keep_what_they_show() {
    let now = World::new(1).now;
    let memory = RoomMemory {
        keeps_shown: true,
        ..RoomMemory::default()
    };
    let mut world = World::new(2);
    world.room = RoomController::new(settings(room(2, ""), 1), memory, &BTreeMap::new(), now);
    world.fails(1).reads(0, &THREE).shows(&ABC);
    assert!(world.room.wanted().keep_shown.is_some());
    world.reads(1, &[]);
    assert!(world.room.wanted().keep_shown.is_none());
}

#[test]
fn a_reading_that_lacks_members_takes_nothing_away_at_first_contact() {
    let mut world = World::new(1);
    world.reads(0, &THREE);
    // The ledger lost the version, not the agenda.
    let memory = world.room.memory(world.now);
    let settings = world.room.settings().clone();
    world.room = RoomController::new(settings, memory, &BTreeMap::new(), world.now);
    let mut partial = (*world.version(&THREE[..1])).clone();
    partial.missing = vec!["b.ics".to_owned()];
    world.reads_version(0, Arc::new(partial)).shows(&ABC);
    world.reads(0, &THREE[..1]).shows(&["A"]);
}

#[test]
fn what_had_ended_by_a_clock_that_was_ahead_comes_back_with_the_right_time() {
    let mut world = World::new(1);
    let versions = world.version(&THREE);
    let before = UnixTime::from_seconds(START);
    let right = world.now;
    world.now.wall = world.now.wall.plus(Duration::from_secs(100 * MINUTE));
    // Whole, whatever the clock says: it was reduced before that was set.
    let whole = FeedVersion {
        reduction: Reduction {
            from: before,
            ..versions.reduction.clone()
        },
        ..(*versions).clone()
    };
    world.reads_version(0, Arc::new(whole)).shows(&["B", "C"]);
    world.now = right;
    let events = world.room.learn_clock(true, world.now);
    world.events.extend(events);
    world.settle().shows(&ABC);
}

#[test]
fn titles_that_are_to_be_hidden_are_hidden_while_the_clock_is_not_believed() {
    let mut world = World::new(1);
    world.reads(0, &THREE).shows(&ABC);
    let events = world.room.learn_clock(false, world.now);
    world.events.extend(events);
    let hides = settings(room(1, "meetings = { hide_titles = true }"), 1);
    world.configured(hides);
    world.shows(&["Reserved", "Reserved", "Reserved"]);
}

#[test]
fn a_clock_that_is_set_back_ends_no_hold() {
    let mut world = World::new(1);
    world
        .passes(2 * 3600)
        .reads(0, &LATER)
        .passes(300)
        .reads(0, &[]);
    world.is_held(3);
    world.now.wall = world.now.wall.minus(Duration::from_secs(3600));
    world.passes(1).is_held(3);
    world.reads(0, &[]).is_held(3).shows(&ABC);
}

/// A room that takes a feed off its displays that fails for two hours.
fn clears_stale(feeds: usize) -> World {
    World::of(settings(
        room(
            feeds,
            "meetings = { max_stale = \"2h\", when_stale = \"clear\" }",
        ),
        1,
    ))
}

fn stale_cleared(world: &World) -> usize {
    let cleared = |event: &&RoomEvent| matches!(event, RoomEvent::StaleCleared { .. });
    world.events.iter().filter(cleared).count()
}

#[test]
fn max_stale_goes_on_over_a_restart_and_in_a_run_of_one_pass() {
    let mut world = clears_stale(1);
    world.reads(0, &LATER).fails(0).shows(&ABC);
    // An hour here, an hour there: each process sees half of it.
    world.passes(3600).restarts().fails(0).shows(&ABC);
    world.passes(3599).fails(0).shows(&ABC);
    world.passes(1).shows(&[]);
    assert_eq!(stale_cleared(&world), 1);
    // It stays so until it was read, and is not said again.
    world.passes(60).restarts().shows(&[]);
    world.fails(0).shows(&[]);
    assert_eq!(stale_cleared(&world), 1);
    world.restarts().reads(0, &LATER).shows(&ABC);
    // One pass after three hours in which nothing ran: it is tried once, and that is all.
    world.fails(0);
    world.now.wall = world.now.wall.plus(Duration::from_secs(3 * 3600));
    world.restarts();
    world.shows(&["B", "C"]);
    world.fails(0).shows(&[]);
}

#[test]
fn a_failure_that_the_room_did_not_see_begins_a_hold_anew() {
    let mut world = World::new(1);
    world.reads(0, &LATER).reads(0, &[]).is_held(3);
    world.passes(14 * MINUTE);
    // It failed and was read again before the room looked.
    world.views[0].succeeding_since = Some(world.now.monotonic);
    world.reads(0, &[]).is_held(3);
    world.passes(14 * MINUTE).reads(0, &[]).is_held(3);
    world.passes(MINUTE).reads(0, &[]).is_held(0).shows(&[]);
}

#[test]
fn what_a_version_lacks_because_members_are_missing_is_kept_over_a_restart() {
    let mut world = World::new(1);
    world.reads(0, &LATER);
    let memory = RoomMemory {
        feeds: BTreeMap::new(),
        keeps_shown: true,
        ..world.room.memory(world.now)
    };
    let settings = world.room.settings().clone();
    world.room = RoomController::new(settings, memory, &BTreeMap::new(), world.now);
    let partial = world.partial(&LATER[..1]);
    world.reads_version(0, partial).shows(&ABC);
    assert!(world.room.wanted().keep_shown.is_some());
    world.restarts().shows(&ABC);
    assert!(world.room.wanted().keep_shown.is_some());
    // A whole reading takes them away.
    world.reads(0, &LATER[..1]).shows(&["A"]);
    assert_eq!(world.room.wanted().keep_shown, None);
}

#[test]
fn a_kept_meeting_that_moved_is_shown_once() {
    let mut world = World::new(1);
    world.reads(0, &LATER);
    let memory = RoomMemory {
        feeds: BTreeMap::new(),
        ..world.room.memory(world.now)
    };
    let settings = world.room.settings().clone();
    world.room = RoomController::new(settings, memory, &BTreeMap::new(), world.now);
    let moved = world.partial(&[("A", 500, 530)]);
    world.reads_version(0, moved).shows(&["B", "C", "A"]);
    assert_eq!(world.room.view(world.now).kept, 2);
}

#[test]
fn two_meetings_of_one_name_in_two_feeds_both_stay() {
    let mut world = World::new(2);
    // The model's ids are of titles and places; both are of the first place here.
    let one = RememberedMeeting {
        meeting: Meeting {
            id: MeetingId::new("A", "1"),
            title: "A of old".into(),
            organizer: "".into(),
            description: None,
            start_time: UnixTime::from_seconds(START + 60 * 60),
            end_time: UnixTime::from_seconds(START + 90 * 60),
        },
        feeds: vec!["feed that left".into()],
    };
    let mut other = one.clone();
    other.meeting.id = MeetingId::new("A", "1 again");
    other.meeting.title = "A".into();
    other.meeting.start_time = UnixTime::from_seconds(START + 260 * 60);
    other.meeting.end_time = UnixTime::from_seconds(START + 290 * 60);
    other.feeds = vec![world.views[1].id.key()];
    let memory = RoomMemory {
        agenda: vec![one, other].into(),
        is_known: true,
        ..RoomMemory::default()
    };
    let settings = world.room.settings().clone();
    world.room = RoomController::new(settings, memory, &BTreeMap::new(), world.now);
    // The first feed, which came in place of the one that left, was never read.
    world
        .fails(0)
        .reads(1, &LATER[..1])
        .shows(&["A of old", "A"]);
    // It moves: that one only.
    world.reads(1, &[("A", 300, 330)]).shows(&["A of old", "A"]);
}

#[test]
fn what_the_brake_brings_back_is_no_older_than_what_it_counts() {
    let pulled = |within: u64, world: &World| {
        Arc::new(BrakeState {
            feeds: [world.views[0].id.clone()].into(),
            within: Duration::from_secs(within),
            ..BrakeState::default()
        })
    };
    for (age, within, is_back) in [
        (14 * MINUTE, 60, true),
        (16 * MINUTE, 60, false),
        (16 * MINUTE, 1800, true),
        (31 * MINUTE, 1800, false),
    ] {
        for restarts in [false, true] {
            let mut world = World::new(1);
            world.reads(0, &LATER[..2]).reads(0, &[]).shows(&[]);
            world.passes(age);
            if restarts {
                world.restarts();
            }
            let brake = pulled(within, &world);
            let events = world.room.learn_brake(brake, world.now);
            world.events.extend(events);
            let shown: &[&str] = if is_back { &["A", "B"] } else { &[] };
            world.settle().shows(shown);
        }
    }
}

#[test]
fn a_replaced_version_that_cannot_be_used_yet_is_not_dropped() {
    let filtered = |place: &str| {
        let feed = format!(
            "feeds = [{{ ics = \"https://host-0.example.com/a.ics\", only = {{ location = \"{place}\" }} }}]"
        );
        settings(room_with(&feed), 1)
    };
    let mut world = World::of(filtered("Oak"));
    let of = |world: &World| world.room.settings().room.feeds[0].only.digest();
    let oak = of(&world);
    let elm = World::of(filtered("Elm"));
    let elm = of(&elm);
    let mut full = (*world.version(&LATER[..2])).clone();
    full.reduction.filters = [oak.clone()].into();
    world.reads_version(0, Arc::new(full));
    let mut empty = (*world.version(&[])).clone();
    empty.reduction.filters = [oak, elm].into();
    world.reads_version(0, Arc::new(empty)).shows(&[]);
    world.configured(filtered("Elm"));
    let brake = Arc::new(BrakeState {
        feeds: [world.views[0].id.clone()].into(),
        within: Duration::from_secs(900),
        ..BrakeState::default()
    });
    let events = world.room.learn_brake(brake, world.now);
    world.events.extend(events);
    // What was kept for Oak says nothing of Elm.
    world.settle().shows(&[]);
    world.configured(filtered("Oak")).shows(&["A", "B"]);
}

#[test]
fn titles_that_are_to_be_hidden_are_hidden_by_the_first_word_of_a_new_process() {
    let mut world = World::new(1);
    world.reads(0, &THREE).shows(&ABC);
    let memory = world.room.memory(world.now);
    let hides = settings(room(1, "meetings = { hide_titles = true }"), 1);
    // Before any version could be read, and whatever the feeds do.
    world.room = RoomController::new(hides, memory, &BTreeMap::new(), world.now);
    world.shows(&["Reserved", "Reserved", "Reserved"]);
}

const LATER: [(&str, i64, i64); 3] = [("A", 260, 290), ("B", 320, 350), ("C", 380, 410)];

/// Every look hands the memory on: thousands of rooms have their meetings once.
#[test]
fn what_is_written_down_shares_its_meetings_with_the_room() {
    let mut world = World::new(1);
    world.reads(0, &[("A", 1, 2), ("B", 3, 4)]);
    let [one, two] = [world.now, world.now].map(|now| world.room.memory(now));
    assert_eq!(one.agenda.len(), 2);
    assert!(Arc::ptr_eq(&one.agenda, &two.agenda));
}
