//! A reload: the configuration is read beside the loop, checked, and takes effect by
//! difference; one that cannot is refused whole.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::{Server, warned};
use crate::config::load::Loaded;
use crate::config::{self, Config};
use crate::fault::{Fault, chain};
use crate::ledger::Ledger;
use crate::service::control_socket::{Answer, Connection};
use crate::service::reload::Difference;
use crate::telemetry::{self, words};
use crate::web::{Bound, WebServer};

/// A disk that takes longer to read the configuration does not answer.
const LONGEST_READ: Duration = Duration::from_secs(60);

/// What went wrong, and what to do about it.
pub(super) type Refusal = (String, String);

/// A configuration as it was read, and that works with the ledger that is open.
pub(super) struct ConfigRead {
    loaded: Loaded,
}

/// Who asked for a reload: commands, or a signal, which wants no answer.
#[derive(Default)]
pub(super) struct Reloads {
    reading: Option<Reading>,
    /// Since the reading began; they want to see what is in the file now.
    waiting: Option<Vec<Connection>>,
}

struct Reading {
    task: JoinHandle<Result<ConfigRead, Refusal>>,
    until: Instant,
    askers: Vec<Connection>,
}

impl Reloads {
    /// Somebody asks for a reload of what `read` reads.
    pub(super) fn ask(
        &mut self,
        asker: Option<Connection>,
        read: impl Future<Output = Result<ConfigRead, Refusal>> + Send + 'static,
    ) {
        if self.reading.is_some() {
            self.waiting.get_or_insert_default().extend(asker);
            return;
        }
        self.reading = Some(Reading {
            task: tokio::spawn(read),
            until: Instant::now() + LONGEST_READ,
            askers: asker.into_iter().collect(),
        });
    }

    /// They are told with the others what came of the reading that is under way.
    fn add(&mut self, askers: Vec<Connection>) {
        if let Some(reading) = &mut self.reading {
            reading.askers.extend(askers);
        }
    }

    /// Whether somebody asked while the configuration was being read.
    pub(super) fn take_waiting(&mut self) -> Option<Vec<Connection>> {
        self.waiting.take()
    }

    /// Waits for what was read; without end where nobody asked. May be dropped and called again.
    pub(super) async fn read(&mut self) -> (Result<ConfigRead, Refusal>, Vec<Connection>) {
        let Some(reading) = &mut self.reading else {
            return std::future::pending().await;
        };
        let read = match timeout_at(reading.until, &mut reading.task).await {
            Ok(Ok(read)) => read,
            Err(_) => Err((
                format!(
                    "the configuration, or a file that it names, could not be read within {} s",
                    LONGEST_READ.as_secs()
                ),
                "see whether the disk answers, then run `podcal reload`".to_owned(),
            )),
            Ok(Err(_)) => Err(failed_inside()),
        };
        let askers = std::mem::take(&mut reading.askers);
        self.reading = None;
        (read, askers)
    }
}

impl Server {
    /// Somebody asks for a reload. Nothing waits while the configuration is read.
    pub(super) fn ask_reload(&mut self, asker: Option<Connection>) {
        let (path, ledger) = (self.path.clone(), self.ledger.recorder.ledger().clone());
        self.reloads.ask(asker, read_config(path, ledger));
    }

    /// What was read takes effect, or is refused; whoever asked is told.
    pub(super) async fn exchange(
        &mut self,
        read: Result<ConfigRead, Refusal>,
        askers: Vec<Connection>,
    ) {
        let done = match read {
            Ok(read) => self.take_over(read).await,
            Err(refusal) => Err(refusal),
        };
        let answer = match done {
            Ok((says, is_new)) => {
                let rooms = self.service.config().rooms.len();
                telemetry::emit(match is_new {
                    true => words::service::config_reloaded(rooms, &says),
                    false => words::service::config_unchanged(),
                });
                Answer::Done(json!({ "says": says }))
            }
            Err((says, hint)) => {
                telemetry::emit(words::service::config_refused(&format!("{says}; {hint}")));
                Answer::Refused { says, hint }
            }
        };
        for asker in askers {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = asker.answer(&answer).await;
            });
        }
        if let Some(askers) = self.reloads.take_waiting() {
            self.ask_reload(None);
            self.reloads.add(askers);
        }
    }

    async fn take_over(&mut self, read: ConfigRead) -> Result<(String, bool), Refusal> {
        let ConfigRead { loaded } = read;
        let difference = Difference::between(self.service.config(), &loaded.config);
        if difference.is_nothing() {
            return Ok((difference.says(), false));
        }
        let config = warned(loaded);
        let keep_history = config.keep_history;
        // Last, as it may have to let go of the old address.
        let bound = self.bind(&config).await?;
        self.service.reload(config, &difference).await;
        if let Some(replica) = &self.replica {
            replica.configure(Arc::new(self.service.config().clone()));
        }
        self.views = Arc::new(self.service.views());
        self.publish();
        if difference.web {
            self.exchange_web(bound);
        }
        self.ledger.recorder.set_keep_history(keep_history);
        Ok((difference.says(), true))
    }

    /// The address of a new configuration's page, where that is another one.
    async fn bind(&mut self, config: &Config) -> Result<Option<Bound>, (String, String)> {
        let Some(listen) = config.web.as_ref().map(|web| web.listen) else {
            return Ok(None);
        };
        let old = self.web.as_ref().map(WebServer::listen);
        if old == Some(listen) {
            return Ok(None);
        }
        match Bound::bind(listen).await {
            Ok(bound) => Ok(Some(bound)),
            // From 127.0.0.1 to 0.0.0.0, the port in use is our own.
            Err(_) if old.is_some_and(|old| old.port() == listen.port()) => {
                if let Some(web) = self.web.take() {
                    web.stop().await;
                }
                let bound = Bound::bind(listen).await;
                if bound.is_err()
                    && let Some(web) = &self.service.config().web
                    && let Ok(bound) = Bound::bind(web.listen).await
                {
                    self.web = Some(self.serve_web(bound, web));
                }
                bound.map(Some)
            }
            Err(error) => Err(error),
        }
        .map_err(|error| (chain(&error), error.hint().into_owned()))
    }

    /// Serves the page as the configuration in force has it.
    fn exchange_web(&mut self, bound: Option<Bound>) {
        let web = self.service.config().web.clone();
        match (web, bound) {
            (None, _) => self.web = None,
            (Some(web), Some(bound)) => self.web = Some(self.serve_web(bound, &web)),
            (Some(web), None) => {
                if let Some(server) = &self.web {
                    server.set_login(&web);
                }
            }
        }
    }

    fn serve_web(&self, bound: Bound, web: &config::Web) -> WebServer {
        WebServer::serve(bound, web, self.snapshots.subscribe(), self.clock)
    }
}

/// Reads the configuration, and sees whether it can go on with the ledger that is open.
async fn read_config(path: PathBuf, ledger: Ledger) -> Result<ConfigRead, Refusal> {
    let read = move || {
        let loaded = config::load::load(&path).map_err(|faults| {
            (
                faults.to_string(),
                "correct the file, then run `podcal reload`".to_owned(),
            )
        })?;
        let wanted = crate::ledger::resolve(&loaded.config.ledger);
        let wanted = wanted.map_err(|error| (chain(&error), error.hint().into_owned()))?;
        Ok((loaded, wanted))
    };
    // The disk may not answer.
    let read = tokio::task::spawn_blocking(read).await;
    let (loaded, wanted) = read.unwrap_or_else(|_| Err(failed_inside()))?;
    let server = loaded.config.ledger_server.as_deref();
    if !ledger.is_on(server) {
        return Err(moved_to_another_kind(&ledger, &loaded.config));
    }
    if wanted != ledger.path() {
        return Err(match server {
            None => moved(ledger.path(), &wanted),
            Some(_) => moved_folder(ledger.path(), &wanted),
        });
    }
    // The user or the password may be others.
    let used = ledger.use_server(&loaded.config.ledger_place()).await;
    used.map_err(|error| (chain(&error), error.hint().into_owned()))?;
    Ok(ConfigRead { loaded })
}

fn failed_inside() -> Refusal {
    (
        "reading the configuration failed inside podcal".to_owned(),
        "this is a fault of podcal, please report it".to_owned(),
    )
}

/// With the ledger go pins, sign-in pauses, devices, holds and tokens: a service that went
/// on with another one would have forgotten them.
fn moved(held: &Path, wanted: &Path) -> Refusal {
    let (held, wanted) = (held.display(), wanted.display());
    (
        format!(
            "`ledger.path` is now {wanted}, and the service works with {held}; a running service cannot move \
             its ledger"
        ),
        format!(
            "stop podcal, move {held} to {wanted} and {held}.tokens, where it exists, to {wanted}.tokens, then \
             start podcal; or set `ledger.path` back"
        ),
    )
}

/// From a file to a server, back, or to another database.
fn moved_to_another_kind(held: &Ledger, config: &Config) -> Refusal {
    let key = match config.ledger_server {
        Some(_) => "ledger.url",
        None => "ledger.path",
    };
    let held = held.name().display();
    (
        format!(
            "`{key}` names another ledger than {held}, with which the service works; a running service cannot \
             move its ledger"
        ),
        "stop podcal, take along what it remembers (`podcal ledger copy` copies from a file to a server), then \
         start podcal; or set `[ledger]` back"
            .to_owned(),
    )
}

fn moved_folder(held: &Path, wanted: &Path) -> Refusal {
    let folder = |path: &Path| path.parent().unwrap_or(path).display().to_string();
    (
        format!(
            "`ledger.folder` is now {}, and the service works with {}",
            folder(wanted),
            folder(held)
        ),
        "start podcal anew, or set `ledger.folder` back".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn refusal(says: &str) -> Refusal {
        (says.to_owned(), String::new())
    }

    #[tokio::test]
    async fn whoever_asks_while_it_is_read_is_answered_by_the_next_reading() {
        let mut reloads = Reloads::default();
        let (go, may_go) = oneshot::channel::<()>();
        reloads.ask(None, async {
            let _ = may_go.await;
            Err(refusal("first"))
        });
        // The loop goes on meanwhile.
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, reloads.read()).await.is_err());
        reloads.ask(None, async { Err(refusal("never")) });
        go.send(()).unwrap();
        let (read, _) = reloads.read().await;
        assert_eq!(read.err(), Some(refusal("first")));
        assert!(reloads.take_waiting().is_some());
        assert!(reloads.take_waiting().is_none());
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_a_refusal() {
        let mut reloads = Reloads::default();
        let (go, may_go) = oneshot::channel::<()>();
        reloads.ask(None, async {
            let _ = may_go.await;
            Err(refusal("late"))
        });
        if let Some(reading) = &mut reloads.reading {
            reading.until = Instant::now();
        }
        let (read, _) = reloads.read().await;
        let (says, _) = read.err().unwrap();
        assert!(says.contains("within 60 s"), "{says}");
        drop(go);
    }
}
