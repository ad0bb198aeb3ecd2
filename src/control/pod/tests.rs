//! Short stories of one pod: a small model of it answers the steps, and the tests say what
//! the controller did about it.

use std::collections::VecDeque;

use serde_json::json;

use super::display::TOLERANCE;
use super::*;
use crate::config::MeetingRules;
use crate::model::cron::Cron;
use crate::model::failure::{Failure, FailureClass};
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::memory::PodMemory;
use crate::model::zone::Zone;

mod device_stories;
mod display_stories;
mod fault_stories;
mod time_stories;

const START: i64 = 1_699_999_200;

/// What a pod in a story is like.
struct Pod {
    device: Option<String>,
    shown: Vec<Meeting>,
    mode: ReportedMode,
    config: Value,
    clock_ahead: Option<i64>,
    /// What becomes of a set that it is sent.
    quirk: Quirk,
    /// A set that it shows later.
    pending: Option<(u64, Vec<Meeting>)>,
    /// Answers to the next requests that are no answers.
    failures: VecDeque<Failure>,
    /// As long as this is set, every request fails so.
    down: Option<Failure>,
    /// The next PUT does its work and its answer is lost.
    loses_answer: bool,
    /// Until when sign-in is paused, as the gate says.
    pause: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Quirk {
    None,
    ReadsEmpty,
    Keeps(usize),
    Late(u64),
    Ignores,
    IgnoresOnce,
    Cuts(usize),
    Rewrites,
    NewIds,
}

/// A pod, its controller and the time.
struct Story {
    pod: Pod,
    controller: PodController,
    /// Seconds since the start of the story.
    second: u64,
    /// When the process began.
    boot: u64,
    /// By which the wall clock was set.
    set: i64,
    /// What was done, with the second: `look`, `mode`, `put`, `config`, `patch`.
    steps: Vec<(u64, &'static str)>,
    puts: Vec<Vec<Meeting>>,
    events: Vec<PodEvent>,
    numbering: u64,
    /// The configuration that was written down.
    config: Option<Value>,
}

impl Story {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: PodSettings) -> Self {
        let now = now_at(0, 0);
        Self {
            pod: Pod {
                device: Some("dev-1".into()),
                shown: Vec::new(),
                mode: ReportedMode::ThirdParty,
                config: json!({ "display": { "name": "A" } }),
                clock_ahead: None,
                quirk: Quirk::None,
                pending: None,
                failures: VecDeque::new(),
                down: None,
                loses_answer: false,
                pause: None,
            },
            controller: PodController::new(settings, now),
            second: 0,
            boot: 0,
            set: 0,
            steps: Vec::new(),
            puts: Vec::new(),
            events: Vec::new(),
            numbering: 0,
            config: None,
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic: Monotonic::from_start(Duration::from_secs(self.second - self.boot)),
            ..now_at(self.second, self.set)
        }
    }

    /// The room wants these meetings, by hour from the start and title.
    fn want(&mut self, meetings: &[(i64, &str)]) -> &mut Self {
        self.want_value(Wanted {
            agenda: Some(Arc::new(agenda(meetings))),
            ..self.wanted()
        })
    }

    fn wanted(&self) -> Wanted {
        self.controller.wanted.clone().unwrap_or(Wanted {
            agenda: None,
            keep_shown: None,
            force: 0,
            clock_is_believed: true,
        })
    }

    fn want_value(&mut self, wanted: Wanted) -> &mut Self {
        let events = self.controller.set_wanted(wanted, self.now());
        self.events.extend(events);
        self
    }

    /// Lives on for so many seconds.
    fn live(&mut self, seconds: u64) -> &mut Self {
        let end = self.second + seconds;
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < 100_000, "the controller does not come to rest");
            let now = self.now();
            match self.controller.next(now) {
                PodStep::Wait(until) => {
                    let wait = until.since(now.monotonic);
                    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                    assert!(!wait.is_zero(), "a wait that is over is none");
                    let next = self.second.saturating_add(seconds);
                    if next > end {
                        self.second = end;
                        return self;
                    }
                    self.second = next;
                }
                PodStep::Finished => return self,
                step => {
                    let outcome = self.answer(step);
                    let now = self.now();
                    let events = self.controller.learn(outcome, now);
                    self.events.extend(events);
                    self.config = self.controller.take_config().or(self.config.take());
                }
            }
        }
    }

    fn answer(&mut self, step: PodStep) -> PodOutcome {
        let name = match &step {
            PodStep::Look => "look",
            PodStep::AskMode => "mode",
            PodStep::Put(_) => "put",
            PodStep::ReadConfig => "config",
            PodStep::PatchConfig(_) => "patch",
            PodStep::CheckSignIn => "check",
            PodStep::Wait(_) | PodStep::Finished => panic!("no step to be taken"),
        };
        self.steps.push((self.second, name));
        if let Some((at, _)) = &self.pod.pending
            && *at <= self.second
        {
            self.pod.shown = self.pod.pending.take().unwrap().1;
        }
        let failure = self.pod.failures.pop_front().or(self.pod.down.clone());
        let clock = self
            .pod
            .clock_ahead
            .map(|ahead| UnixTime::from_seconds(self.now().wall.seconds() + ahead));
        match step {
            PodStep::Look => PodOutcome::Look(match failure {
                Some(failure) => Err(failure),
                None => Ok(LookAnswer {
                    device_id: self.pod.device.clone(),
                    shown: Arc::new(match self.pod.quirk {
                        Quirk::ReadsEmpty => Agenda::default(),
                        _ => Agenda::new(self.pod.shown.clone()),
                    }),
                    clock,
                }),
            }),
            PodStep::AskMode => PodOutcome::Mode(match failure {
                Some(failure) => Err(failure),
                None => Ok(ModeAnswer {
                    mode: self.pod.mode.clone(),
                    clock,
                }),
            }),
            PodStep::Put(agenda) => PodOutcome::Put(match failure {
                Some(failure) => Err(PutFailure {
                    failure,
                    duration: Duration::ZERO,
                    may_be_done: false,
                }),
                None => self.take(agenda.meetings().to_vec()),
            }),
            PodStep::ReadConfig => PodOutcome::Config(match failure {
                Some(failure) => Err(failure),
                None => Ok(ConfigAnswer {
                    config: self.pod.config.clone(),
                    last: self.config.clone(),
                    mode: self.pod.mode.clone(),
                    clock,
                }),
            }),
            PodStep::PatchConfig(patch) => PodOutcome::Patch(match failure {
                Some(failure) => Err(failure),
                None => {
                    drift::apply(&Value::Object(patch), &mut self.pod.config);
                    Ok(PatchAnswer::default())
                }
            }),
            PodStep::CheckSignIn => PodOutcome::SignInChecked {
                paused_until: self.pod.pause,
            },
            PodStep::Wait(_) | PodStep::Finished => panic!("no step to be taken"),
        }
    }

    fn take(&mut self, meetings: Vec<Meeting>) -> Result<PutAnswer, PutFailure> {
        assert!(!self.pod.mode.is_other(), "a push to a pod in another mode");
        self.puts.push(meetings.clone());
        let with_title = |change: &dyn Fn(&str) -> String| -> Vec<Meeting> {
            let changed = meetings.iter().map(|one| Meeting {
                title: change(&one.title).into(),
                ..one.clone()
            });
            changed.collect()
        };
        match self.pod.quirk {
            Quirk::None | Quirk::ReadsEmpty => self.pod.shown = meetings,
            Quirk::Keeps(most) => self.pod.shown = meetings.into_iter().take(most).collect(),
            Quirk::Late(by) => {
                // The first of several is not held up by the next one.
                let at = self
                    .pod
                    .pending
                    .as_ref()
                    .map_or(self.second + by, |(at, _)| *at);
                self.pod.pending = Some((at, meetings));
            }
            Quirk::Ignores => {}
            Quirk::IgnoresOnce => self.pod.quirk = Quirk::None,
            Quirk::Cuts(length) => {
                self.pod.shown = with_title(&|title| title.chars().take(length).collect());
            }
            Quirk::Rewrites => self.pod.shown = with_title(&|title| format!("Meeting: {title}")),
            Quirk::NewIds => {
                self.numbering += 1;
                let round = self.numbering;
                self.pod.shown = meetings
                    .into_iter()
                    .enumerate()
                    .map(|(index, one)| Meeting {
                        id: MeetingId::from_text(&format!("{round}-{index}")),
                        ..one
                    })
                    .collect();
            }
        }
        if std::mem::take(&mut self.pod.loses_answer) {
            return Err(PutFailure {
                failure: failure(FailureClass::TimedOut),
                duration: Duration::from_secs(1),
                may_be_done: true,
            });
        }
        Ok(PutAnswer::default())
    }

    /// The process ends and begins again, with what it wrote down.
    fn restart(&mut self, seconds_off: u64) -> &mut Self {
        let memory = self.controller.memory(self.now());
        let text = serde_json::to_string(&memory).unwrap();
        let memory: PodMemory = serde_json::from_str(&text).unwrap();
        self.second += seconds_off;
        let wanted = self.controller.wanted.clone();
        let devices = self.controller.devices.clone();
        let settings = self.controller.settings.clone();
        // The new process counts its monotonic time from its own start.
        self.boot = self.second;
        let now = self.now();
        self.controller = PodController::new(settings, now);
        self.controller.restore(&memory, now);
        self.controller.set_devices(devices);
        if let Some(wanted) = wanted {
            self.want_value(wanted);
        }
        self
    }

    fn state(&self) -> PodState {
        self.controller.log.state()
    }

    #[track_caller]
    fn expect_state(&mut self, state: PodState) -> &mut Self {
        assert_eq!(self.state(), state, "after {} s", self.second);
        self
    }

    /// How many pushes were made so far.
    #[track_caller]
    fn expect_puts(&mut self, count: usize) -> &mut Self {
        let found = self.puts.len();
        assert_eq!(found, count, "after {} s: {:?}", self.second, self.steps);
        self
    }

    /// What the display shows, by title.
    #[track_caller]
    fn expect_shown(&mut self, titles: &[&str]) -> &mut Self {
        let agenda = Agenda::new(self.pod.shown.clone());
        let found: Vec<_> = agenda.meetings().iter().map(|one| &*one.title).collect();
        assert_eq!(found, titles, "after {} s", self.second);
        self
    }

    /// The steps since then, without their times.
    fn steps_since(&self, second: u64) -> Vec<&'static str> {
        let since = self.steps.iter().filter(|(at, _)| *at >= second);
        since.map(|(_, step)| *step).collect()
    }

    fn times(&self, wanted: &str) -> Vec<u64> {
        let of = self.steps.iter().filter(|(_, step)| *step == wanted);
        of.map(|(at, _)| *at).collect()
    }

    fn count(&self, fits: impl Fn(&PodEvent) -> bool) -> usize {
        self.events.iter().filter(|event| fits(event)).count()
    }
}

fn now_at(second: u64, set: i64) -> Now {
    Now {
        wall: UnixTime::from_seconds(START + set).plus(Duration::from_secs(second)),
        monotonic: Monotonic::from_start(Duration::from_secs(second)),
    }
}

fn settings() -> PodSettings {
    settings_of(1)
}

/// Of a pod that is polled every 30 seconds, and whose configuration is read every 15 minutes.
fn settings_of(place: usize) -> PodSettings {
    PodSettings {
        pod: PodUrl::parse(&format!("192.0.2.{place}")).unwrap(),
        room: RoomName::new(&format!("room{place}")).unwrap(),
        place,
        health: Cron::parse("*/30 * * * * *").unwrap(),
        config: Cron::parse("0 */15 * * * *").unwrap(),
        zone: Zone::utc(),
        jitter: Duration::ZERO,
        min_interval: Duration::from_secs(10),
        enforce: None,
        is_once: false,
        is_dry: false,
    }
}

/// A meeting of 50 minutes that begins so many hours from the start.
fn meeting(hour: i64, title: &str) -> Meeting {
    let start = UnixTime::from_seconds(START + hour * 3600);
    Meeting {
        id: MeetingId::new(&format!("event of hour {hour}"), ""),
        title: title.into(),
        organizer: "".into(),
        description: None,
        start_time: start,
        end_time: start.plus(Duration::from_secs(50 * 60)),
    }
}

fn agenda(meetings: &[(i64, &str)]) -> Agenda {
    Agenda::new(
        meetings
            .iter()
            .map(|(hour, title)| meeting(*hour, title))
            .collect(),
    )
}

fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        kind: "kind".into(),
        says: "it failed".into(),
        hint: "mend it".into(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: false,
    }
}

/// Meetings far enough ahead for a long story.
const DAY: [(i64, &str); 3] = [(100, "A"), (101, "B"), (102, "C")];
