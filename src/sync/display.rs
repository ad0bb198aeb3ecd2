//! One display in one cycle: what is known of it, what to do, and doing it.

use std::time::{Duration, Instant};

use super::{Look, Manner};
use crate::config::{Pod, Room};
use crate::contact::{self, Contact, Learnt};
use crate::edges::Edges;
use crate::fault::Fault as _;
use crate::ledger::old::{LedgerError, PodStanding};
use crate::model::agenda::{Agenda, Changes, OnDisplay};
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;
use crate::plan::{self, Decision, Display, PushReason, Vanishing, Wish};
use crate::pod::config::CalendarMode;
use crate::pod::{Fingerprint, PodClient, PodError};

/// What a cycle did about one display.
#[derive(Debug)]
pub struct DisplayOutcome {
    pub pod: PodUrl,
    pub result: DisplayResult,
    /// Pinned in this cycle, on first use.
    pub pinned: Option<Fingerprint>,
    /// The calendar mode, where it is another than when it was last asked.
    pub new_mode: Option<CalendarMode>,
    /// Pushes that failed one after another before this.
    pub failures: u32,
}

#[derive(Debug)]
pub enum DisplayResult {
    InStep,
    Pushed {
        meetings: usize,
        changes: Changes,
        reason: PushReason,
        duration: Duration,
        needs: Needs,
        /// The pod shows the same times, but not the same words.
        altered: bool,
    },
    /// Of a dry run.
    WouldPush {
        meetings: usize,
        changes: Changes,
        reason: PushReason,
    },
    /// Meetings to come vanished whole. `pushed` when what is left was sent again.
    Held {
        since: UnixTime,
        until: UnixTime,
        missing: usize,
        pushed: bool,
    },
    Refused {
        mode: String,
    },
    Resting {
        until: UnixTime,
    },
    Failed(PodError),
}

/// What the pod asks for after a write. podcal never reboots a pod by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub reboot: bool,
    pub restart: bool,
}

/// Brings one display in step with the agenda of its room.
pub async fn bring_in_step(
    edges: &Edges,
    room: &Room,
    pod: &Pod,
    agenda: &Agenda,
    vanishing: Vanishing,
    manner: Manner,
    now: UnixTime,
) -> Result<DisplayOutcome, LedgerError> {
    let _turn = edges.pods.turn(pod).await;
    let standing = edges.ledger.pod(&pod.url).await?;
    let job = Job {
        edges,
        room,
        pod,
        agenda,
        vanishing,
        wish: manner.wish,
        now,
        standing: &standing,
    };
    let mut outcome = DisplayOutcome {
        pod: pod.url.clone(),
        result: DisplayResult::InStep,
        pinned: None,
        new_mode: None,
        failures: standing.failures,
    };
    if manner.look == Look::BeforePush {
        match job.decide(&remembered(&standing)) {
            Decision::Skip { .. } => return Ok(outcome),
            Decision::Hold {
                since,
                until,
                missing,
                push: None,
            } => {
                outcome.result = DisplayResult::Held {
                    since,
                    until,
                    missing,
                    pushed: false,
                };
                return Ok(outcome);
            }
            _ => {}
        }
    }
    let client = match contact::open(edges, pod, &standing, now) {
        Contact::Open(client) => client,
        Contact::Resting { until } => {
            outcome.result = DisplayResult::Resting { until };
            return Ok(outcome);
        }
        Contact::Failed(error) => {
            outcome.result = DisplayResult::Failed(error);
            return Ok(outcome);
        }
    };
    let done = job.look_and_push(&client).await;
    let Learnt {
        pinned,
        rests_until,
    } = contact::note(edges, pod, &standing, &client, &done, now).await?;
    outcome.pinned = pinned;
    outcome.result = match (done, rests_until) {
        (Ok(done), _) => {
            let known =
                |mode: &CalendarMode| standing.mode.as_deref() == Some(mode.to_string().as_str());
            outcome.new_mode = done.mode.clone().filter(|mode| !known(mode));
            job.confirm(done).await?
        }
        (Err(error), _) => {
            if !edges.is_dry() {
                let says = crate::fault::chain(&error);
                edges
                    .ledger
                    .push_failed(
                        &pod.url,
                        &room.name,
                        now,
                        &says,
                        error.kind(),
                        error.is_passing(),
                    )
                    .await?;
            }
            DisplayResult::Failed(error)
        }
    };
    Ok(outcome)
}

/// What the ledger knows of a display.
fn remembered(standing: &PodStanding) -> Display {
    let on_display = match &standing.confirmed {
        Some(_) if standing.lost => OnDisplay::Lost,
        Some(agenda) => OnDisplay::Shows(agenda.clone()),
        None => OnDisplay::Never,
    };
    Display {
        on_display,
        confirmed: standing.confirmed.clone(),
        lost: standing.lost,
        other_mode: None,
    }
}

struct Job<'a> {
    edges: &'a Edges,
    room: &'a Room,
    pod: &'a Pod,
    agenda: &'a Agenda,
    vanishing: Vanishing,
    wish: Wish,
    now: UnixTime,
    standing: &'a PodStanding,
}

/// What was done, before it is written down.
struct Done {
    decision: Decision,
    pushed: Option<Put>,
    mode: Option<CalendarMode>,
}

/// A set of meetings that the pod confirmed, or shows.
#[derive(Default)]
struct Put {
    duration: Duration,
    needs: Needs,
    /// What the pod made of it, where that is something else.
    echo: Option<Agenda>,
}

impl Job<'_> {
    fn decide(&self, display: &Display) -> Decision {
        plan::decide(self.agenda, display, self.vanishing, self.wish, self.now)
    }

    /// Looks at the display, decides, and pushes if that is what was decided.
    async fn look_and_push(&self, client: &PodClient) -> Result<Done, PodError> {
        let seen = Agenda::new(client.meetings().await?);
        let mut display = remembered(self.standing);
        display.on_display = OnDisplay::Shows(self.understood(seen));
        let mut decision = self.decide(&display);
        let mut done = Done {
            decision: decision.clone(),
            pushed: None,
            mode: None,
        };
        if to_push(&decision).is_none() {
            return Ok(done);
        }
        // A PUT could alter a real mailbox, so the mode is asked before every write.
        let mode = client.calendar_mode().await?;
        display.other_mode = mode.is_known_other().then(|| mode.to_string());
        decision = self.decide(&display);
        done.mode = Some(mode);
        if let Some(agenda) = to_push(&decision).filter(|_| !self.edges.is_dry()) {
            done.pushed = Some(put(client, agenda).await?);
        }
        done.decision = decision;
        Ok(done)
    }

    /// What the pod shows, in our own words where it is known to alter them.
    fn understood(&self, seen: Agenda) -> Agenda {
        match (&self.standing.echo, &self.standing.confirmed) {
            (Some(echo), Some(confirmed)) if echo.looks_like(&seen) => confirmed.clone(),
            _ => seen,
        }
    }

    /// Writes down what was done.
    async fn confirm(&self, done: Done) -> Result<DisplayResult, LedgerError> {
        let ledger = &self.edges.ledger;
        let is_dry = self.edges.is_dry();
        if let Some(mode) = &done.mode
            && !is_dry
        {
            ledger
                .set_mode(&self.pod.url, &mode.to_string(), self.now)
                .await?;
        }
        let pushed = done.pushed.is_some();
        let put = done.pushed.unwrap_or_default();
        match done.decision {
            Decision::Push {
                agenda,
                changes,
                reason,
            } if is_dry => Ok(DisplayResult::WouldPush {
                meetings: agenda.len(),
                changes,
                reason,
            }),
            Decision::Push {
                agenda,
                changes,
                reason,
            } => {
                self.remember(&agenda, &changes, reason.key(), &put).await?;
                let Put {
                    duration,
                    needs,
                    echo,
                } = put;
                let altered = echo.is_some();
                Ok(DisplayResult::Pushed {
                    meetings: agenda.len(),
                    changes,
                    reason,
                    duration,
                    needs,
                    altered,
                })
            }
            Decision::Skip { .. } => {
                let confirmed = self
                    .standing
                    .confirmed
                    .as_ref()
                    .is_some_and(|known| known.looks_like(self.agenda));
                if !is_dry && (!confirmed || self.standing.lost) {
                    // An answer was lost, or the ledger was: the display shows it already.
                    self.remember(self.agenda, &Changes::default(), "seen", &put)
                        .await?;
                }
                Ok(DisplayResult::InStep)
            }
            Decision::Hold {
                since,
                until,
                missing,
                push,
            } => {
                if let Some((agenda, changes)) = push.filter(|_| pushed) {
                    self.remember(&agenda, &changes, "held", &put).await?;
                }
                Ok(DisplayResult::Held {
                    since,
                    until,
                    missing,
                    pushed,
                })
            }
            Decision::Refuse { mode } => Ok(DisplayResult::Refused { mode }),
        }
    }

    async fn remember(
        &self,
        agenda: &Agenda,
        changes: &Changes,
        reason: &str,
        put: &Put,
    ) -> Result<(), LedgerError> {
        let duration_ms = u64::try_from(put.duration.as_millis()).unwrap_or(u64::MAX);
        let ledger = &self.edges.ledger;
        ledger
            .confirm(
                &self.pod.url,
                &self.room.name,
                agenda,
                changes,
                reason,
                self.now,
                duration_ms,
            )
            .await?;
        match &put.echo {
            Some(echo) => ledger.set_echo(&self.pod.url, Some(echo)).await,
            None => Ok(()),
        }
    }
}

fn to_push(decision: &Decision) -> Option<&Agenda> {
    match decision {
        Decision::Push { agenda, .. } => Some(agenda),
        Decision::Hold { push, .. } => push.as_ref().map(|(agenda, _)| agenda),
        Decision::Skip { .. } | Decision::Refuse { .. } => None,
    }
}

/// Puts a set of meetings on a display, and looks at what the display made of it.
///
/// Where the answer was lost on its way, the look tells whether the pod has done it.
async fn put(client: &PodClient, agenda: &Agenda) -> Result<Put, PodError> {
    let begun = Instant::now();
    let answer = client.set_meetings(agenda.meetings()).await;
    let duration = begun.elapsed();
    match answer {
        Ok(success) => {
            let needs = Needs {
                reboot: success.reboot_required,
                restart: success.restart_required,
            };
            let seen = client.meetings().await.map(Agenda::new);
            // Some answer so to a token that they do not accept, and do nothing; others
            // say that all is well and keep nothing of it.
            let is_done = match &seen {
                Ok(seen) => is_kept(agenda, seen),
                Err(_) => success.confirmed,
            };
            if !is_done {
                return Err(unconfirmed(client));
            }
            // The push is confirmed; what the look finds else is for the next poll.
            let echo = seen.ok().filter(|seen| is_echo(agenda, seen));
            Ok(Put {
                duration,
                needs,
                echo,
            })
        }
        Err(error) if error.ended_unanswered() => {
            let seen = client.meetings().await.map(Agenda::new);
            let is_done = seen.is_ok_and(|seen| seen.looks_like(agenda));
            if is_done {
                Ok(Put {
                    duration,
                    ..Put::default()
                })
            } else {
                Err(error)
            }
        }
        Err(error) => Err(error),
    }
}

/// The pod answered that all is well, but not with the reference's message.
fn unconfirmed(client: &PodClient) -> PodError {
    PodError::NotKept {
        pod: client.url().clone(),
    }
}

/// Whether a pod kept what it was sent: all of it, or some of it in its own way.
fn is_kept(ours: &Agenda, seen: &Agenda) -> bool {
    let is_ours = |id| ours.meetings().iter().any(|meeting| &meeting.id == id);
    seen.looks_like(ours)
        || is_echo(ours, seen)
        || seen.meetings().iter().any(|meeting| is_ours(&meeting.id))
}

/// Whether a pod shows our meetings in words of its own: the same times, all of them.
pub fn is_echo(ours: &Agenda, seen: &Agenda) -> bool {
    let times = |agenda: &Agenda| {
        let mut times: Vec<_> = agenda
            .meetings()
            .iter()
            .map(|one| (one.start_time, one.end_time))
            .collect();
        times.sort_unstable();
        times
    };
    !ours.is_empty() && !ours.looks_like(seen) && times(ours) == times(seen)
}
