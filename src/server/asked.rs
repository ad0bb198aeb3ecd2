//! What commands ask for, and what other replicas ask of this one: passes, and to trust what
//! answers at a pod's address.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;

use super::Server;
use crate::ledger::{Ledger, RoomRequest};
use crate::model::name::RoomName;
use crate::service::control_socket::{Answer, Connection, Request, SyncRequest};
use crate::service::pass::{Pass, PassOptions};
use crate::service::pod_task::PodCommand;
use crate::service::remote::{Refusal, ask_owners, sync_by_owners};
use crate::service::report::SyncReport;

/// For the owner of a room to do a pass, or to meet a pod.
const LONGEST_PASS: Duration = Duration::from_secs(15 * 60);
const LONGEST_TRUST: Duration = Duration::from_secs(120);

/// Who is told the answer.
pub(super) enum Asker {
    Command(Connection),
    /// Through the database.
    Replica {
        ledger: Ledger,
        id: i64,
    },
}

impl Asker {
    async fn answer(self, answer: &Answer) {
        match self {
            Self::Command(connection) => {
                let _ = connection.answer(answer).await;
            }
            Self::Replica { ledger, id } => {
                if let Ok(json) = serde_json::to_string(answer) {
                    let _ = ledger.answer(id, &json).await;
                }
            }
        }
    }

    fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }
}

impl Server {
    /// Another replica, or a command elsewhere, asks something about a room that is served here.
    pub(super) fn ask_here(&self, request: RoomRequest) {
        let asker = Asker::Replica {
            ledger: self.ledger.recorder.ledger().clone(),
            id: request.id,
        };
        match serde_json::from_str(&request.request) {
            Ok(Request::Sync(request)) => self.sync(asker, request),
            Ok(Request::Trust { pod }) => self.trust(asker, &pod),
            _ => {
                let answer = Answer::Refused {
                    says: "a replica was asked for something that its version does not know"
                        .to_owned(),
                    hint: "run the same version of podcal everywhere".to_owned(),
                };
                tokio::spawn(async move { asker.answer(&answer).await });
            }
        }
    }

    /// Begins a pass; its answer is sent when it is done. Rooms that other replicas serve are
    /// asked of those.
    pub(super) fn sync(&self, asker: Asker, request: SyncRequest) {
        let configured: Vec<RoomName> = {
            let rooms = self.service.config().rooms.iter();
            rooms.map(|room| room.name.clone()).collect()
        };
        let is_configured = |name: &&String| configured.iter().any(|room| room.as_str() == **name);
        let unknown = request.rooms.iter().find(|name| !is_configured(name));
        let refused = unknown.map(|name| Answer::Refused {
            says: format!("the service does not serve a room `{name}`"),
            hint: "run `podcal reload` first, so that the service reads the new configuration"
                .to_owned(),
        });
        let is_wanted = |room: &RoomName| {
            request.rooms.is_empty() || request.rooms.iter().any(|name| room.as_str() == name)
        };
        let wanted = configured.iter().filter(|room| is_wanted(room));
        let served: Option<&BTreeSet<RoomName>> = self.service.served();
        let is_here = |room: &RoomName| served.is_none_or(|served| served.contains(room));
        let (here, elsewhere): (Vec<_>, Vec<_>) = wanted.cloned().partition(is_here);
        let options = PassOptions {
            force: request.force,
            try_password: request.try_password,
        };
        let recorder = self.ledger.recorder.clone();
        // An empty list would be all rooms.
        let pass =
            (!here.is_empty() || served.is_none()).then(|| Pass::of(&self.service, &here, options));
        tokio::spawn(async move {
            let answer = match refused {
                Some(refused) => refused,
                None if !elsewhere.is_empty() && !asker.is_command() => moved(&elsewhere),
                None => {
                    let mine = async {
                        let report = match pass {
                            Some(pass) => pass.run().await,
                            None => SyncReport::default(),
                        };
                        recorder.write_now().await;
                        report
                    };
                    let others = async {
                        match elsewhere.is_empty() {
                            true => Ok(Vec::new()),
                            false => {
                                let ledger = recorder.ledger();
                                sync_by_owners(ledger, &elsewhere, &request, LONGEST_PASS).await
                            }
                        }
                    };
                    match tokio::join!(mine, others) {
                        (mut report, Ok(others)) => {
                            report.rooms.extend(others);
                            let place = |name: &str| {
                                configured.iter().position(|room| room.as_str() == name)
                            };
                            report.rooms.sort_by_key(|room| place(&room.room));
                            Answer::Done(serde_json::to_value(report).unwrap_or_default())
                        }
                        (_, Err(refusal)) => refusal.into(),
                    }
                }
            };
            asker.answer(&answer).await;
        });
    }

    /// Has a pod's task accept what answers at its address now, here or where it is served.
    pub(super) fn trust(&self, asker: Asker, pod: &str) {
        let commands = self.service.pod_commands(pod);
        let rooms = self.service.config().rooms.iter();
        let mut of_pod = rooms.filter(|room| room.pods.iter().any(|one| one.url.key() == pod));
        let room = of_pod.next().map(|room| room.name.clone());
        let elsewhere = room.filter(|_| self.replica.is_some() && asker.is_command());
        let ledger = self.ledger.recorder.ledger().clone();
        let pod = pod.to_owned();
        tokio::spawn(async move {
            let answer = match (commands, elsewhere) {
                (None, Some(room)) => {
                    let request = Request::Trust { pod };
                    let asked = [(room.clone(), request)];
                    match ask_owners(&ledger, &asked, LONGEST_TRUST).await {
                        Ok(mut answers) => answers.remove(&room).unwrap_or_else(|| moved(&[room])),
                        Err(error) => Refusal::from(&error).into(),
                    }
                }
                (None, None) => Answer::Refused {
                    says: format!("the service does not serve a pod {pod}"),
                    hint:
                        "run `podcal reload` first, so that the service reads the new configuration"
                            .to_owned(),
                },
                (Some(commands), _) => {
                    let (done, accepted) = oneshot::channel();
                    let _ = commands.send(PodCommand::Trust { done }).await;
                    match accepted.await {
                        Ok(Ok(fingerprint)) => Answer::Done(json!({ "sha256": fingerprint })),
                        Ok(Err(failure)) => Answer::Refused {
                            says: failure.says,
                            hint: failure.hint,
                        },
                        Err(_) => Answer::Refused {
                            says: format!("the pod {pod} left the configuration"),
                            hint: "see `podcal status`".to_owned(),
                        },
                    }
                }
            };
            asker.answer(&answer).await;
        });
    }
}

fn moved(rooms: &[RoomName]) -> Answer {
    let room = rooms.first().map(ToString::to_string).unwrap_or_default();
    Answer::Refused {
        says: format!("the room `{room}` moved to another replica in between"),
        hint: "run the command again".to_owned(),
    }
}
