//! The task of a feed against a real HTTP host, with a real ledger.

use std::collections::BTreeSet;
use std::path::Path;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::config::{Login, Source, TlsTrust};
use crate::ledger::{Ledger, Loaded};
use crate::model::cron::Cron;
use crate::model::failure::FailureClass;
use crate::model::feed_url::FeedUrl;
use crate::model::name::FeedId;
use crate::model::secret::{Secret, SecretSource};
use crate::model::zone::Zone;
use crate::service::gate::SignIns;
use crate::sim::feedhost::{FeedFault, FeedHost, SignIn};

const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\n\
    DTSTART:20991231T100000Z\r\nDTEND:20991231T110000Z\r\nSUMMARY:Plan\r\nEND:VEVENT\r\n\
    END:VCALENDAR\r\n";

fn clock() -> Clock {
    Clock::start(|| UnixTime::from_seconds(jiff::Timestamp::now().as_second()))
}

/// A process with its ledger, and the host that its feeds are on.
struct World {
    host: FeedHost,
    shared: FeedShared,
    dates: mpsc::UnboundedReceiver<String>,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = FeedHost::start(listener, None).unwrap();
        host.set("/oak.ics", ICS);
        let (shared, dates) = shared(&folder.path().join("podcal.db"), 256_000_000).await;
        Self {
            host,
            shared,
            dates,
            folder,
        }
    }

    fn config(&self, path: &str, login: Login, sync: &str) -> FeedConfig {
        let url = FeedUrl::parse(&self.host.url(path)).unwrap().0;
        let filters: Arc<[Only]> = Arc::new([Only::default()]);
        FeedConfig {
            feed: Feed {
                id: FeedId::new(&url.host(), &["ics", path]),
                source: Source::Ics { url, login },
                only: Only::default(),
                user_agent: None,
                timeout: Duration::from_secs(5),
                max_size: 50_000_000,
                tls: TlsTrust::Ca,
            },
            settings: FeedSettings {
                sync: Cron::parse(sync).unwrap(),
                zone: Zone::utc(),
                spread: Duration::ZERO,
                is_on_demand: false,
                filters: filters.iter().map(Only::digest).collect::<BTreeSet<_>>(),
            },
            filters,
            rooms: vec![RoomName::new("oak").unwrap()],
        }
    }

    /// A feed that is pulled at the start and then only on demand.
    fn start(&self, path: &str, login: Login) -> Running {
        self.start_with(self.config(path, login, "0 0 0 1 1 *"))
    }

    fn start_with(&self, config: FeedConfig) -> Running {
        let id = config.feed.id.clone();
        let now = self.shared.clock.now();
        let controller = FeedController::new(id.clone(), config.settings.clone(), now);
        self.run(controller, config)
    }

    fn run(&self, controller: FeedController, config: FeedConfig) -> Running {
        let (view, views) = watch::channel(FeedView::unknown(config.feed.id.clone()));
        let (clock, clock_state) = watch::channel(ClockState {
            is_believed: true,
            steps: 0,
        });
        let (commands, received) = mpsc::channel(8);
        let inputs = FeedInputs {
            clock_state,
            commands: received,
        };
        let outputs = FeedOutputs {
            view,
            late_after: Deadline::never(),
        };
        let task = run(controller, config, self.shared.clone(), inputs, outputs);
        // There are thousands.
        assert!(size_of_val(&task) <= 1024);
        Running {
            views,
            commands,
            task: tokio::spawn(task),
            _clock: clock,
        }
    }

    fn asked(&self) -> usize {
        self.host.requests().len()
    }
}

async fn shared(path: &Path, memory: u64) -> (FeedShared, mpsc::UnboundedReceiver<String>) {
    let ledger = Ledger::open_to_read(path).await.unwrap();
    let recorder = Recorder::new(
        ledger.clone(),
        Loaded::default(),
        Duration::from_secs(86_400),
        Box::new(|| UnixTime::from_seconds(jiff::Timestamp::now().as_second())),
        Box::new(|_| {}),
    );
    let (dates, mut told) = mpsc::unbounded_channel::<ServerDate>();
    let (hosts, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(told) = told.recv().await {
            let _ = hosts.send(told.host);
        }
    });
    let clock = clock();
    let network = Network::new();
    let shared = FeedShared {
        clock,
        budget: ReadBudget::new(network.memory(), memory),
        network,
        gate: Gate::new(SignIns::Ledger(ledger), clock),
        recorder,
        dates,
    };
    (shared, received)
}

struct Running {
    views: watch::Receiver<FeedView>,
    commands: mpsc::Sender<FeedCommand>,
    task: JoinHandle<()>,
    _clock: watch::Sender<ClockState>,
}

impl Running {
    async fn until(&mut self, holds: impl Fn(&FeedView) -> bool) -> FeedView {
        let seen = self.views.wait_for(|view| holds(view));
        let view = timeout(Duration::from_secs(20), seen).await;
        view.expect("it was published").unwrap().clone()
    }

    async fn pull(&mut self, afresh: bool, insists: bool) -> FeedView {
        let before = self.views.borrow().attempts;
        let command = FeedCommand::PullNow(PullNow { afresh, insists });
        self.commands.send(command).await.unwrap();
        self.until(|view| view.attempts > before).await
    }
}

fn password(secret: &str) -> Login {
    Login::Password {
        username: "room".to_owned(),
        password: Secret::new(secret),
    }
}

#[tokio::test]
async fn a_feed_is_read_and_then_only_asked_whether_it_changed() {
    let mut world = World::new().await;
    let mut feed = world.start("/oak.ics", Login::None);
    let view = feed.until(|view| view.attempts == 1).await;
    let first = view.latest.clone().unwrap();
    assert_eq!(first.items.len(), 1);
    assert!(view.failing.is_none() && view.read_at.is_some());
    let view = feed.pull(false, false).await;
    assert_eq!(world.host.requests()[1].status, Some(304));
    assert!(Arc::ptr_eq(view.latest.as_ref().unwrap(), &first));
    assert_eq!(view.successes, 2);
    // Without validators, the same content is the same version.
    let view = feed.pull(true, false).await;
    assert_eq!(world.host.requests()[2].status, Some(200));
    assert_eq!(view.latest.unwrap().id, first.id);
    world.host.set("/oak.ics", ICS.replace("Plan", "Other"));
    let view = feed.pull(false, false).await;
    assert_ne!(view.latest.unwrap().id, first.id);
    // The hosts' time was handed on, and the memory with its version.
    let host = world.dates.recv().await.unwrap();
    assert!(host.starts_with("127.0.0.1"));
    let memories = world.shared.recorder.memories();
    let id = world.config("/oak.ics", Login::None, "0 0 0 1 1 *").feed.id;
    let memory = memories.feed(&id).unwrap().clone();
    assert_eq!(
        memory.latest,
        feed.views
            .borrow()
            .latest
            .as_ref()
            .map(|version| version.id)
    );
    assert!(memory.client_state.is_some());
}

#[tokio::test]
async fn whoever_asks_for_a_pull_that_has_just_begun_is_served_by_it() {
    let world = World::new().await;
    world
        .host
        .fault(FeedFault::slow(Duration::from_millis(300)).once());
    let mut feed = world.start("/oak.ics", Login::None);
    world
        .host
        .wait_for(|host| !host.requests().is_empty())
        .await;
    let now = PullNow {
        afresh: false,
        insists: false,
    };
    feed.commands.send(FeedCommand::PullNow(now)).await.unwrap();
    feed.until(|view| view.attempts == 1).await;
    let afresh = feed.pull(true, false).await;
    assert_eq!((afresh.attempts, world.asked()), (2, 2));
}

#[tokio::test]
async fn what_is_no_calendar_changes_nothing_that_was_read() {
    let world = World::new().await;
    let mut feed = world.start("/oak.ics", Login::None);
    let first = feed.until(|view| view.attempts == 1).await.latest.unwrap();
    let faults = [
        (FeedFault::login_page(), "not_a_calendar"),
        (FeedFault::empty(), "not_a_calendar"),
        (FeedFault::status(500), "server_error"),
        (FeedFault::status(404), "gone"),
        (FeedFault::refuse(), "unreachable"),
    ];
    for (n, (fault, kind)) in faults.into_iter().enumerate() {
        world.host.clear_faults();
        world.host.fault(fault);
        world
            .host
            .set("/oak.ics", ICS.replace("Plan", &format!("Plan {n}")));
        let view = feed.pull(true, false).await;
        let failing = view.failing.unwrap();
        assert_eq!(failing.failure.kind, kind);
        assert!(Arc::ptr_eq(&view.latest.unwrap(), &first));
    }
    world.host.clear_faults();
    let cut = ICS.replace("END:VCALENDAR\r\n", "");
    world.host.set("/oak.ics", cut);
    let view = feed.pull(true, false).await;
    assert_eq!(view.failing.unwrap().failure.kind, "cut_off");
    world.host.set("/oak.ics", ICS);
    let view = feed.pull(true, false).await;
    assert!(view.failing.is_none());
    assert_eq!(view.latest.unwrap().id, first.id);
}

#[tokio::test]
async fn ten_feeds_of_one_account_try_a_wrong_password_once() {
    let world = World::new().await;
    world.host.require(SignIn::basic("room", "right"));
    let mut feeds: Vec<Running> = (0..10)
        .map(|n| {
            world.host.set(&format!("/{n}.ics"), ICS);
            world.start(&format!("/{n}.ics"), password("wrong"))
        })
        .collect();
    for feed in &mut feeds {
        let view = feed.until(|view| view.attempts == 1).await;
        let class = view.failing.unwrap().failure.class;
        assert!(matches!(
            class,
            FailureClass::SecretRejected | FailureClass::SignInPaused
        ));
    }
    for feed in &mut feeds {
        feed.pull(false, false).await;
    }
    let sent = |world: &World| {
        let requests = world.host.requests();
        requests
            .iter()
            .filter(|seen| seen.authorization.is_some())
            .count()
    };
    assert_eq!(sent(&world), 1);
    // A command beside the service, over the same ledger.
    let (other, _dates) = shared(&world.folder.path().join("podcal.db"), 1_000_000).await;
    let command = World {
        shared: other,
        dates: mpsc::unbounded_channel().1,
        host: world.host,
        folder: world.folder,
    };
    let mut feed = command.start("/oak.ics", password("wrong"));
    let view = feed.until(|view| view.attempts == 1).await;
    assert_eq!(
        view.failing.unwrap().failure.class,
        FailureClass::SignInPaused
    );
    assert_eq!(sent(&command), 1);
    // It is corrected at the host, and a person insists: the others notice.
    command.host.require(SignIn::basic("room", "wrong"));
    let view = feed.pull(false, true).await;
    assert!(view.failing.is_none());
    let view = feeds[3].pull(false, false).await;
    assert!(view.failing.is_none() && view.latest.is_some());
}

#[tokio::test]
async fn a_feed_that_is_removed_still_notes_what_became_of_its_secret() {
    let world = World::new().await;
    world.host.require(SignIn::basic("room", "right"));
    let answer = FeedFault::slow(Duration::from_millis(500)).once();
    world.host.fault(answer);
    let feed = world.start("/oak.ics", password("right"));
    world
        .host
        .wait_for(|host| !host.requests().is_empty())
        .await;
    let Running { task, commands, .. } = feed;
    drop(commands);
    timeout(Duration::from_secs(20), task)
        .await
        .expect("it ends")
        .unwrap();
    // A pull that was given up would count as unanswered, and pause sign-in.
    let mut next = world.start("/oak.ics", password("right"));
    let view = next.until(|view| view.attempts == 1).await;
    assert!(view.failing.is_none(), "{:?}", view.failing);
}

#[tokio::test]
async fn a_secret_that_is_corrected_in_its_file_is_tried_at_once() {
    let world = World::new().await;
    world.host.require(SignIn::basic("room", "right"));
    // As Kubernetes does it: the name leads through a link that is exchanged.
    let folder = world.folder.path().join("secret");
    std::fs::create_dir_all(folder.join("v1")).unwrap();
    std::fs::create_dir_all(folder.join("v2")).unwrap();
    std::fs::write(folder.join("v1/password"), "wrong\n").unwrap();
    std::fs::write(folder.join("v2/password"), "right\n").unwrap();
    let link = |version: &str| {
        let fresh = folder.join("fresh");
        std::os::unix::fs::symlink(version, &fresh).unwrap();
        std::fs::rename(&fresh, folder.join("data")).unwrap();
    };
    link("v1");
    let path = folder.join("data/password");
    let login = Login::Password {
        username: "room".to_owned(),
        password: Secret::read_from(SecretSource::File(path), "wrong"),
    };
    let config = world.config("/oak.ics", login, "0 0 0 1 1 *");
    let now = world.shared.clock.now();
    let controller = FeedController::new(config.feed.id.clone(), config.settings.clone(), now);
    let (view, _views) = watch::channel(FeedView::unknown(config.feed.id.clone()));
    let outputs = FeedOutputs {
        view,
        late_after: Deadline::never(),
    };
    let mut task = FeedTask::new(controller, config, world.shared.clone(), outputs);
    let outcome = task.pull(false, false).await;
    assert!(matches!(
        outcome,
        FeedOutcome::Failed {
            paused_until: Some(_),
            ..
        }
    ));
    // The same content: the pause stands.
    let outcome = task.check_sign_in().await;
    assert!(matches!(
        outcome,
        FeedOutcome::SignInChecked {
            paused_until: Some(_)
        }
    ));
    link("v2");
    let outcome = task.check_sign_in().await;
    assert!(matches!(
        outcome,
        FeedOutcome::SignInChecked { paused_until: None }
    ));
    let outcome = task.pull(false, false).await;
    assert!(matches!(outcome, FeedOutcome::Read { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_calendar_that_is_not_shared_pauses_that_feed_alone() {
    let world = World::new().await;
    world.host.require(SignIn::basic("room", "right"));
    world.host.set("/elm.ics", ICS);
    let mut oak = world.start("/oak.ics", password("right"));
    oak.until(|view| view.successes == 1).await;
    world.host.fault(FeedFault::status(403).on("/elm.ics"));
    let mut elm = world.start("/elm.ics", password("right"));
    let view = elm.until(|view| view.attempts == 1).await;
    let failing = view.failing.unwrap();
    assert_eq!(failing.failure.class, FailureClass::Forbidden);
    assert!(failing.not_before.is_some());
    let asked = world.asked();
    elm.pull(false, false).await;
    assert_eq!(world.asked(), asked, "it was paused");
    let view = oak.pull(false, false).await;
    assert!(view.failing.is_none());
    assert_eq!(world.asked(), asked + 1);
}

#[tokio::test]
async fn a_feed_of_an_account_that_is_not_found_keeps_nobody_else_waiting() {
    let world = World::new().await;
    world.host.require(SignIn::basic("room", "right"));
    world.host.fault(FeedFault::status(404).on("/none.ics"));
    let mut none = world.start("/none.ics", password("right"));
    let view = none.until(|view| view.attempts == 1).await;
    assert_eq!(view.failing.unwrap().failure.kind, "gone");
    let mut oak = world.start("/oak.ics", password("right"));
    let view = oak.until(|view| view.attempts == 1).await;
    assert!(view.failing.is_none() && view.latest.is_some());
}

#[tokio::test]
async fn a_dropped_task_leaves_no_request_and_no_turn_behind() {
    let world = World::new().await;
    world.host.require(SignIn::basic("room", "right"));
    world.host.fault(FeedFault::hang().once());
    let oak = world.start("/oak.ics", password("right"));
    world
        .host
        .wait_for(|host| !host.requests().is_empty())
        .await;
    oak.task.abort();
    assert!(oak.task.await.is_err());
    // The secret may have arrived: a minute's pause, and nobody waits for a turn.
    let mut elm = world.start("/oak.ics", password("right"));
    let view = elm.until(|view| view.attempts == 1).await;
    let failing = view.failing.unwrap();
    assert_eq!(failing.failure.class, FailureClass::SignInPaused);
    let until = failing.not_before.unwrap();
    assert!(until.since(world.shared.clock.now().wall) <= Duration::from_secs(60));
}

#[tokio::test]
async fn a_calendar_that_alone_is_too_large_to_read_is_refused_by_name() {
    let world = World::new().await;
    world.shared.budget.resize(300_000);
    world.host.fault(FeedFault::oversized(200_000));
    let mut feed = world.start("/oak.ics", Login::None);
    let view = feed.until(|view| view.attempts == 1).await;
    let failure = view.failing.unwrap().failure;
    assert_eq!(failure.kind, "too_large");
    assert!(failure.says.contains("127.0.0.1") && failure.says.contains("limits.memory"));
    world.host.clear_faults();
    assert!(feed.pull(false, false).await.failing.is_none());
}

#[tokio::test]
async fn new_settings_are_taken_over_and_another_filter_pulls_afresh() {
    let world = World::new().await;
    let mut config = world.config("/oak.ics", Login::None, "0 0 0 1 1 *");
    let mut feed = world.start_with(config.clone());
    feed.until(|view| view.attempts == 1).await;
    let configure = |config: &FeedConfig| FeedCommand::Configure(Box::new(config.clone()));
    feed.commands.send(configure(&config)).await.unwrap();
    let only = Only {
        title: Some("Plan*".to_owned()),
        ..Only::default()
    };
    config.filters = Arc::new([Only::default(), only.clone()]);
    config.settings.filters.insert(only.digest());
    feed.commands.send(configure(&config)).await.unwrap();
    let view = feed.until(|view| view.attempts == 2).await;
    assert!(
        view.latest
            .unwrap()
            .reduction
            .filters
            .contains(&only.digest())
    );
    assert_eq!(world.asked(), 2);
    assert_eq!(world.host.requests()[1].if_none_match, None);
    drop(feed.commands);
    timeout(Duration::from_secs(5), feed.task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_restart_asks_only_whether_it_changed() {
    let world = World::new().await;
    let mut feed = world.start("/oak.ics", Login::None);
    let latest = feed.until(|view| view.attempts == 1).await.latest;
    feed.task.abort();
    let config = world.config("/oak.ics", Login::None, "0 0 0 1 1 *");
    let memories = world.shared.recorder.memories();
    let memory = memories.feed(&config.feed.id).unwrap();
    let now = world.shared.clock.now();
    let mut controller = FeedController::new(config.feed.id.clone(), config.settings.clone(), now);
    controller.restore(memory, latest.clone(), now);
    let mut feed = world.run(controller, config);
    let view = feed.until(|view| view.attempts == 1).await;
    assert_eq!(world.host.requests()[1].status, Some(304));
    assert_eq!(view.latest, latest);
}
