//! The loop of `podcal run`: signals, the control socket, reloads, and a look at the tasks
//! now and then. It joins the service, which does the work, and the page, which shows it;
//! neither knows the other's loop.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::config::Config;
use crate::config::load::Loaded;
use crate::fault::Fault;
use crate::ledger::{LedgerError, RoomRequest};
use crate::model::zone;
use crate::service::clock::Clock;
use crate::service::control_socket::{Answer, ControlSocket, Request};
use crate::service::open_ledger::OpenLedger;
use crate::service::replica_task::{ReplicaTask, Share};
use crate::service::signals::{SignalRequest, Signals};
use crate::service::snapshot::{Snapshot, Views};
use crate::service::{Service, reload};
use crate::telemetry::{self, words};
use crate::web::{Bound, WebError, WebServer};

mod asked;
mod exchange;
mod listening;
mod summaries;
mod supervisor;

use self::asked::Asker;
use self::exchange::Reloads;
use self::listening::{Listening, Question};
use self::summaries::Summaries;
use self::supervisor::Supervisor;

/// Tasks are looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// What is in flight at a stop may take this long to end.
const GRACE: Duration = Duration::from_secs(3);
/// A task that should have moved on before this long is late, for `status --healthy`.
const LATE: Duration = Duration::from_secs(60);

/// Questions that wait for the loop.
const QUESTIONS: usize = 64;

/// A service that serves until it is told to stop.
pub struct Server {
    path: PathBuf,
    clock: Clock,
    ledger: OpenLedger,
    service: Service,
    questions: mpsc::Receiver<Question>,
    /// `None` where the folder does not allow a socket, or nothing is written.
    beside_ledger: Option<Listening>,
    for_config: Option<Listening>,
    /// What the tasks publish; renewed when tasks come or go.
    views: Arc<Views>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    web: Option<WebServer>,
    reloads: Reloads,
    /// Where several processes share the rooms.
    replica: Option<ReplicaTask>,
    replica_requests: Option<mpsc::UnboundedReceiver<RoomRequest>>,
    settling: Option<JoinHandle<()>>,
    summaries: Summaries,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Web(#[from] WebError),
}

impl Fault for StartError {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Ledger(error) => error.hint(),
            Self::Web(error) => error.hint(),
        }
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_passing(),
            Self::Web(error) => error.is_passing(),
        }
    }
}

/// What the loop does next.
enum Next {
    Go,
    Stop(&'static str),
}

impl Server {
    /// Opens and claims the ledger and starts every task.
    ///
    /// # Errors
    /// When the ledger cannot be opened, another process holds it, or the address of the page
    /// cannot be had.
    pub async fn start(config: Config, clock: Clock, is_dry: bool) -> Result<Self, StartError> {
        let bound = match &config.web {
            Some(web) => Some(Bound::bind(web.listen).await?),
            None => None,
        };
        let ledger = OpenLedger::open_shared(&config, clock, is_dry).await?;
        let network = ledger.network();
        say_started(&config);
        let path = config.path.clone();
        let (asking, questions) = mpsc::channel(QUESTIONS);
        let beside_ledger = listen_beside(&ledger, is_dry, &asking);
        // Beside a service that is at work, one that only says what it would do is not asked.
        let for_config = (!is_dry)
            .then(|| ControlSocket::listen_for(&path))
            .flatten();
        let for_config = for_config.map(|socket| Listening::at(socket, asking.clone()));
        let ground = ledger.ground(clock, &network, is_dry, false);
        let is_replica = ledger.recorder.ledger().is_on_server() && !is_dry;
        let service = match is_replica {
            true => Service::start_replica(config, ground).await,
            false => Service::start(config, ground).await,
        };
        let (replica, replica_requests) = match is_replica {
            true => ReplicaTask::start(&service, &ledger.recorder, clock),
            false => None,
        }
        .unzip();
        let views = Arc::new(service.views());
        let (snapshots, published) =
            watch::channel(Arc::new(service.snapshot(views.clone(), 0, false)));
        let web = match (&service.config().web, bound) {
            (Some(web), Some(bound)) => Some(WebServer::serve(bound, web, published, clock)),
            _ => None,
        };
        Ok(Self {
            path,
            questions,
            beside_ledger,
            for_config,
            clock,
            ledger,
            service,
            views,
            snapshots,
            web,
            reloads: Reloads::default(),
            replica,
            replica_requests,
            settling: None,
            summaries: Summaries::from(Instant::now()),
        })
    }

    /// Serves until a signal asks to stop; says which.
    pub async fn serve(mut self, signals: &mut Signals) -> &'static str {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut supervisor = Supervisor::ready("every room is looked at for the first time");
        let signal = loop {
            let next = tokio::select! {
                asked = signals.next() => match asked {
                    SignalRequest::Stop { signal } => Next::Stop(signal),
                    SignalRequest::Reload => {
                        self.ask_reload(None);
                        Next::Go
                    }
                },
                (read, askers) = self.reloads.read() => {
                    self.exchange(read, askers).await;
                    Next::Go
                }
                share = ReplicaTask::changed(self.replica.as_mut()) => {
                    self.serve_share(&share).await;
                    Next::Go
                }
                request = ReplicaTask::request(self.replica_requests.as_mut()) => {
                    self.ask_here(request);
                    Next::Go
                }
                Some(question) = self.questions.recv() => {
                    self.answer(question).await;
                    Next::Go
                }
                _ = look.tick() => {
                    self.look(&mut supervisor).await;
                    Next::Go
                }
            };
            if let Next::Stop(signal) = next {
                break signal;
            }
        };
        supervisor.stopping();
        drop(self.web.take());
        if let Some(replica) = self.replica.take() {
            replica.end().await;
        }
        self.service.finish(GRACE).await;
        // The others end in the middle of what they do: a pass can be repeated.
        self.service.end().await;
        let listening = [self.for_config.take(), self.beside_ledger.take()];
        for listening in listening.into_iter().flatten() {
            listening.end().await;
        }
        self.ledger.close().await;
        telemetry::emit(words::service::stopped(signal));
        signal
    }

    /// Other rooms are served here from now on.
    async fn serve_share(&mut self, share: &Share) {
        self.service.serve_only(&share.rooms).await;
        self.views = Arc::new(self.service.views());
        self.publish();
        if let Some(replica) = &self.replica {
            replica.serves(share);
        }
    }

    async fn look(&mut self, supervisor: &mut Supervisor) {
        if self.service.revive().await {
            self.views = Arc::new(self.service.views());
        }
        self.settle();
        let service = &self.service;
        let has_share = |replica: &ReplicaTask| replica.is_settled(service);
        let has_share = self.replica.as_ref().is_none_or(has_share);
        let is_done = || has_share && service.is_first_pass_done();
        if let Some(is_first) = self.summaries.due(Instant::now(), is_done) {
            self.say_summary(is_first, supervisor);
        }
        // As for `status --healthy`: whoever looks may start a service again that stands still.
        if supervisor.is_due() && self.service.late(LATE).is_empty() {
            supervisor.alive();
        }
        if self.web.is_some() {
            self.publish();
        }
    }

    fn say_summary(&self, is_first: bool, supervisor: &Supervisor) {
        let summary = self.service.summary(is_first);
        supervisor.stands(&summary.text);
        telemetry::emit(summary);
    }

    /// Writes down what became of requests that were given up. Nobody waits for the disk.
    fn settle(&mut self) {
        if self.settling.as_ref().is_none_or(JoinHandle::is_finished) {
            let gate = self.ledger.gate.clone();
            self.settling = Some(tokio::spawn(async move { gate.settle().await }));
        }
    }

    /// For whoever reads; see [`crate::web`].
    fn publish(&mut self) {
        if let Some(replica) = &self.replica {
            self.service.set_roll(replica.roll());
        }
        let late = self.service.late(LATE).len();
        let snapshot =
            self.service
                .snapshot(self.views.clone(), late, self.summaries.first_is_said());
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    async fn answer(&mut self, question: Question) {
        let Question {
            request,
            connection,
        } = question;
        let answer = match request {
            Request::Health => Answer::Done(self.health()),
            Request::Reload => {
                self.ask_reload(Some(connection));
                return;
            }
            Request::Sync(request) => {
                self.sync(Asker::Command(connection), request);
                return;
            }
            Request::Trust { pod } => {
                self.trust(Asker::Command(connection), &pod);
                return;
            }
        };
        let _ = connection.answer(&answer).await;
    }

    /// Whether the tasks are alive and on time, whatever calendars and pods do.
    fn health(&self) -> Value {
        let late = self.service.late(LATE);
        json!({
            "healthy": late.is_empty(),
            "late": late,
            "ready": self.summaries.first_is_said(),
            "ledger_writable": self.ledger.recorder.failing().is_none(),
        })
    }
}

/// Listens beside the ledger; a service that writes nothing does not.
fn listen_beside(
    ledger: &OpenLedger,
    is_dry: bool,
    asking: &mpsc::Sender<Question>,
) -> Option<Listening> {
    let path = ledger.recorder.ledger().path();
    if is_dry {
        return None;
    }
    match ControlSocket::listen(path) {
        Ok(socket) => Some(Listening::at(socket, asking.clone())),
        Err(error) => {
            telemetry::emit(words::service::no_control_socket(path, &error));
            None
        }
    }
}

/// Says what is unwise in a configuration.
#[must_use]
pub fn warned(loaded: Loaded) -> Config {
    for warning in &loaded.warnings {
        let path = &loaded.config.path;
        telemetry::emit(words::service::config_warning(path, &warning.to_string()));
    }
    loaded.config
}

fn say_started(config: &Config) {
    telemetry::emit(words::service::started(
        env!("CARGO_PKG_VERSION"),
        config.rooms.len(),
        reload::pods(config).count(),
        zone::database_version(),
        &config.schedule.sync.to_string(),
    ));
}
