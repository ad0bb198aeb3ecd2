//! The task of a pod against a simulated one, over real connections.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::config::{MeetingRules, TlsTrust};
use crate::control::pod::{PodState, PushReason};
use crate::control::secret_gate::Verdict;
use crate::ledger::Ledger;
use crate::model::agenda::Agenda;
use crate::model::cron::Cron;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::name::{PodUrl, RoomName};
use crate::model::secret::Secret;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
use crate::service::gate::{Permit, SignIns};
use crate::sim::{self, CalendarMode as SimMode, Fault, Sim};

fn wall() -> UnixTime {
    UnixTime::from_seconds(jiff::Timestamp::now().as_second())
}

/// A simulated pod, a ledger, and what joins a task to them.
struct House {
    sim: Sim,
    clock: Clock,
    recorder: Recorder,
    gate: Gate,
    config: PodConfig,
    _folder: TempDir,
}

/// A task that runs; it ends with this.
struct Running {
    wanted: watch::Sender<Wanted>,
    commands: mpsc::Sender<PodCommand>,
    view: watch::Receiver<PodView>,
    task: tokio::task::JoinHandle<()>,
    _devices: watch::Sender<Arc<Devices>>,
    _clock_state: watch::Sender<ClockState>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start(wall);
        let lock = Ledger::claim(&folder.path().join("podcal.db"))
            .await
            .unwrap();
        let (ledger, _) = Ledger::open(lock, wall()).await.unwrap();
        let loaded = ledger.load().await.unwrap();
        let day = Duration::from_secs(86_400);
        let recorder = Recorder::new(ledger, loaded, day, Box::new(wall), Box::new(|_| {}));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sim = Sim::start(listener, sim::Options::default()).unwrap();
        let pod = Pod {
            url: PodUrl::parse(&sim.url()).unwrap(),
            username: "admin".to_owned(),
            password: Secret::new("solstice"),
            tls: TlsTrust::Pin,
            min_interval: Duration::ZERO,
            timeout: Duration::from_secs(20),
            third_party_type: None,
            enforce: None,
        };
        let settings = PodSettings {
            pod: pod.url.clone(),
            room: RoomName::new("oak").unwrap(),
            place: 0,
            health: Cron::parse("* * * * * *").unwrap(),
            config: Cron::parse("0 0 0 1 1 *").unwrap(),
            zone: Zone::utc(),
            jitter: Duration::ZERO,
            min_interval: Duration::ZERO,
            enforce: None,
            is_once: false,
            is_dry: false,
        };
        Self {
            sim,
            clock,
            gate: Gate::new(SignIns::Recorder(recorder.clone()), clock),
            recorder,
            config: PodConfig { pod, settings },
            _folder: folder,
        }
    }

    /// Starts the task, from what the recorder remembers.
    fn start(&self, titles: &[&str]) -> Running {
        let now = self.clock.now();
        let mut controller = PodController::new(self.config.settings.clone(), now);
        if let Some(memory) = self.recorder.memories().pod(&self.config.pod.url) {
            controller.restore(memory, now);
        }
        let (wanted, wanted_receiver) = watch::channel(wanted(titles));
        let (devices_sender, devices) = watch::channel(Arc::default());
        let (clock_sender, clock_state) = watch::channel(ClockState {
            is_believed: true,
            steps: 0,
        });
        let (commands, mailbox) = mpsc::channel(4);
        let (view_sender, view) = watch::channel(controller.view());
        let (identities, _) = mpsc::unbounded_channel();
        let shared = PodShared {
            clock: self.clock,
            gate: self.gate.clone(),
            recorder: self.recorder.clone(),
            identities,
        };
        let inputs = PodInputs {
            wanted: wanted_receiver,
            devices,
            clock_state,
            commands: mailbox,
        };
        let outputs = PodOutputs {
            view: view_sender,
            late_after: Deadline::never(),
        };
        let task = run(controller, self.config.clone(), shared, inputs, outputs);
        // There are thousands.
        assert!(size_of_val(&task) <= 1024);
        Running {
            wanted,
            commands,
            view,
            task: tokio::spawn(task),
            _devices: devices_sender,
            _clock_state: clock_sender,
        }
    }

    fn puts(&self) -> usize {
        self.sim.count("PUT", "/v2/calendar")
    }

    fn sign_ins(&self) -> usize {
        self.sim.count("POST", "/v2/token")
    }

    fn titles(&self) -> Vec<String> {
        let meetings = self.sim.meetings();
        let title = |one: &serde_json::Value| one["title"].as_str().unwrap().to_owned();
        meetings.iter().map(title).collect()
    }
}

impl Running {
    /// Waits until the pod's view is like this.
    async fn until(&mut self, is: impl Fn(&PodView) -> bool) -> PodView {
        let view = self.view.clone();
        let waited = tokio::time::timeout(Duration::from_secs(30), self.view.wait_for(&is)).await;
        match waited {
            Ok(view) => view.unwrap().clone(),
            Err(_) => panic!("still {:?}", *view.borrow()),
        }
    }

    async fn until_state(&mut self, state: PodState) -> PodView {
        self.until(|view| view.state == state).await
    }

    async fn command(&self, command: PodCommand) {
        self.commands.send(command).await.unwrap();
    }
}

/// Meetings of tomorrow, hour by hour.
fn wanted(titles: &[&str]) -> Wanted {
    let first = wall().plus(Duration::from_secs(86_400));
    let meetings = titles.iter().zip(0_u64..).map(|(title, hour)| {
        let start = first.plus(Duration::from_secs(hour * 3600));
        Meeting {
            id: MeetingId::new(title, ""),
            title: (*title).into(),
            organizer: "".into(),
            description: None,
            start_time: start,
            end_time: start.plus(Duration::from_secs(1800)),
        }
    });
    Wanted {
        agenda: Some(Arc::new(Agenda::new(meetings.collect()))),
        keep_shown: None::<Arc<MeetingRules>>,
        force: 0,
        clock_is_believed: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn meetings_get_onto_the_display_and_stay_over_a_restart() {
    let house = House::new().await;
    let mut running = house.start(&["A", "B"]);
    let view = running.until_state(PodState::InStep).await;
    assert_eq!(house.titles(), ["A", "B"]);
    assert_eq!(view.last_push.unwrap().reason, PushReason::First);
    let pin = house.recorder.pin(&house.config.pod.url).unwrap();
    assert_eq!(pin.sha256, house.sim.fingerprint());
    let wanted = running.wanted.borrow().clone();
    drop(running);
    let mut running = house.start(&[]);
    running.wanted.send_replace(wanted);
    running
        .until(|view| view.counts.looks >= 2 && view.state == PodState::InStep)
        .await;
    assert_eq!(
        (house.puts(), house.titles()),
        (1, vec!["A".to_owned(), "B".to_owned()])
    );
    // The display loses them, and gets them back.
    house.sim.reboot();
    running
        .until(|view| view.counts.pushes == 1 && view.state == PodState::InStep)
        .await;
    assert_eq!(house.titles(), ["A", "B"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_until_a_person_insists() {
    let house = House::new().await;
    house.sim.set_password("another");
    let mut running = house.start(&["A"]);
    running.until_state(PodState::SignInPaused).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(house.sign_ins(), 1);
    // Another task of the same process does not try it either.
    drop(running);
    let mut running = house.start(&["A"]);
    running
        .until(|view| view.is_settled && view.counts.attempts > 0)
        .await;
    assert_eq!(house.sign_ins(), 1);
    house.sim.set_password("solstice");
    running
        .command(PodCommand::LookNow { try_password: true })
        .await;
    running.until_state(PodState::InStep).await;
    assert_eq!(house.sign_ins(), 2);
}

/// The pod is off while a person insists; later the pause of sign-in holds as before.
#[tokio::test(flavor = "multi_thread")]
async fn insisting_is_for_one_request_also_where_that_could_not_be_sent() {
    let house = House::new().await;
    let url = &house.config.pod.url;
    let credential = gate::credential_of(&house.config.pod);
    let Permit::Go(pass) = house.gate.permit(&credential, &url.key()).await else {
        panic!("nobody tried it before");
    };
    pass.report(Verdict::Rejected).await;
    house.sim.fault(Fault::refuse());
    let mut running = house.start(&["A"]);
    let view = running.until(|view| view.counts.attempts > 0).await;
    let attempts = view.counts.attempts;
    running
        .command(PodCommand::LookNow { try_password: true })
        .await;
    running.until(|view| view.counts.attempts > attempts).await;
    house.sim.clear_faults();
    running.until_state(PodState::SignInPaused).await;
    assert_eq!(house.sign_ins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_stops_everything_until_it_is_trusted() {
    let house = House::new().await;
    let mut running = house.start(&["A"]);
    running.until_state(PodState::InStep).await;
    house.sim.replace().unwrap();
    running.until_state(PodState::CertificateChanged).await;
    let before = house.sign_ins();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(house.sign_ins(), before);
    let (done, answer) = oneshot::channel();
    running.command(PodCommand::Trust { done }).await;
    answer.await.unwrap().unwrap();
    running.until_state(PodState::InStep).await;
    assert_eq!(house.titles(), ["A"]);
    // Written down by a task of its own.
    let accepted = async {
        while house.recorder.accepted_device(&house.config.pod.url) != Some(house.sim.device_id()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), accepted).await;
    waited.expect("the new device is written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_in_another_mode_is_left_alone_until_it_is_back() {
    let house = House::new().await;
    house.sim.set_mode(SimMode::Exchange);
    let mut running = house.start(&["A"]);
    running.until_state(PodState::WrongMode).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((house.puts(), house.sim.violations()), (0, Vec::new()));
    house.sim.set_mode(SimMode::ThirdPartyOnly);
    running.until_state(PodState::InStep).await;
    assert_eq!(house.titles(), ["A"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_with_ways_of_their_own_are_in_step_or_said() {
    for (fault, state, most) in [
        (Fault::new_ids(), PodState::InStep, 1),
        (Fault::truncate(5), PodState::InStep, 1),
        (Fault::upper_case(), PodState::InStep, 1),
        (Fault::cap(2), PodState::ShowsPart, 2),
        (Fault::late(Duration::from_secs(3)), PodState::InStep, 1),
    ] {
        let house = House::new().await;
        let name = format!("{fault:?}");
        house.sim.fault(fault);
        let mut running = house.start(&["Meeting A", "Meeting B", "Meeting C"]);
        running.until_state(state).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(running.view.borrow().state, state, "{name}");
        assert!(house.puts() <= most, "{name}: {} pushes", house.puts());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_is_lost_is_seen_on_the_display() {
    let house = House::new().await;
    house
        .sim
        .fault(Fault::lost_answer().once().on("PUT", "/v2/calendar"));
    let mut running = house.start(&["A"]);
    running.until_state(PodState::InStep).await;
    assert_eq!((house.puts(), house.titles()), (1, vec!["A".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_asks_to_be_left_alone_is() {
    let house = House::new().await;
    house
        .sim
        .fault(Fault::retry_after(429, 4).once().on("GET", "/v2/calendar"));
    let mut running = house.start(&["A"]);
    running.until_state(PodState::Throttled).await;
    let requests = house.sim.requests().len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(house.sim.requests().len(), requests);
    running.until_state(PodState::InStep).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_leaves_is_cleared_and_its_task_ends() {
    let house = House::new().await;
    let mut running = house.start(&["A"]);
    running.until_state(PodState::InStep).await;
    running.command(PodCommand::Remove { clear: true }).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), &mut running.task).await;
    assert!(ended.is_ok());
    assert_eq!(house.titles(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_task_that_was_dropped_reaches_the_pod_later() {
    let house = House::new().await;
    let mut running = house.start(&["Old"]);
    running.until_state(PodState::InStep).await;
    let asked = house.sim.count("GET", "/v2/api/config");
    let slow = Fault::slow(Duration::from_secs(2));
    house.sim.fault(slow.on("GET", "/v2/api/config"));
    running.wanted.send_replace(wanted(&["Dropped"]));
    let is_asked = |sim: &Sim| sim.count("GET", "/v2/api/config") > asked;
    house.sim.wait_for(is_asked).await;
    drop(running);
    let mut running = house.start(&["New"]);
    running.until_state(PodState::InStep).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((house.puts(), house.titles()), (2, vec!["New".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_in_the_configuration_is_tried_at_once() {
    let house = House::new().await;
    house.sim.set_password("another");
    let mut running = house.start(&["A"]);
    running.until_state(PodState::SignInPaused).await;
    let mut config = house.config.clone();
    config.pod.password = Secret::new("another");
    running
        .command(PodCommand::Configure {
            config: Box::new(config),
            wanted: running.wanted.subscribe(),
        })
        .await;
    running.until_state(PodState::InStep).await;
    assert_eq!(house.sign_ins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_over_a_restart() {
    let mut house = House::new().await;
    house.config.settings.health = Cron::parse("*/2 * * * * *").unwrap();
    house.config.settings.config = Cron::parse("* * * * * *").unwrap();
    let mut running = house.start(&["A"]);
    running.until(|view| view.counts.config_reads > 0).await;
    let stop = tokio::time::sleep(Duration::from_secs(2));
    house.recorder.run(stop).await;
    drop(running);
    let kept = house
        .recorder
        .ledger()
        .pod_settings(&house.config.pod.url)
        .await;
    let (_, json) = kept.unwrap().unwrap();
    assert!(
        json.contains("calendar") && !json.contains("current_time"),
        "{json}"
    );
}
