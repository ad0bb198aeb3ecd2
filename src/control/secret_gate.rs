//! When a password or token may be sent: the one rule for feeds and pods, commands and
//! the service.
//!
//! | what came of a secret | what follows |
//! | --- | --- |
//! | it never worked | one request at a time; its pause is in the ledger before it is sent |
//! | accepted | no pause, no writing, any number of requests |
//! | rejected | pause of the account, 5 min doubling to 6 h |
//! | rejected here, accepted elsewhere within the hour | this user alone pauses; the secret counts as never having worked, so a second rejection pauses the account |
//! | right, but not allowed here (403) | this user alone pauses |
//! | sent and not answered | a minute, and no rejection is counted |
//! | not sent, or answered with something else | nothing: it is as it was before |
//!
//! A user of a secret is a feed or a pod. Every secret of an account is counted for
//! itself: a new one is tried at once, an old one stays paused.

use std::collections::BTreeMap;
use std::time::Duration;

use self::state::{SecretState, Trust};
use super::mutation::{self, Mutation};
use super::now::{Monotonic, Now};
use super::retry::doubling;
use crate::model::sign_in::{AccountKey, Credential, SignIn};
use crate::model::time::UnixTime;

mod state;
#[cfg(test)]
mod tests;

/// The pause after the first rejection; each further one is twice as long.
pub const FIRST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// A secret is tried a few times a day at most.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// After a sign-in that was not answered.
pub const UNANSWERED_PAUSE: Duration = Duration::from_secs(60);
/// What was to be sent this long ago was answered, or its process was killed.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
/// A success within this time says that the secret is right.
const RECENT: Duration = Duration::from_secs(3600);

/// How long sign-in pauses after so many rejections in a row.
#[must_use]
pub fn pause(rejections: u32) -> Duration {
    doubling(FIRST_PAUSE, rejections.max(1), LONGEST_PAUSE)
}

/// What came of a request that was permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// 401, or the token endpoint's `invalid_grant`.
    Rejected,
    /// 403.
    Forbidden,
    /// The secret certainly did not leave.
    NotSent,
    /// An answer that says nothing of the secret, such as 404.
    Inconclusive,
    /// It may have arrived, and no answer came.
    Unknown,
}

/// Who wants to send which secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub credential: Credential,
    /// The feed or pod.
    pub user: String,
    /// A person asked to try in spite of a pause.
    pub insists: bool,
}

/// What is known of a request without the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Go(Grant),
    /// Somebody is proving this secret.
    Busy,
    /// The ledger has to be read; until then the turn is this request's.
    Look(Turn),
}

/// What is known of it with the rows of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    Go(Grant),
    Paused(Pause),
    /// Another process is proving it; the ledger is to be read again in a moment.
    Pending,
    /// To be written by compare-and-set before the secret is sent.
    Reserve {
        expected: Option<SignIn>,
        new: SignIn,
    },
}

/// Sign-in is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub until: Monotonic,
    /// In a row; 0 after a sign-in that was not answered.
    pub rejections: u32,
    /// Only for this user.
    pub is_alone: bool,
    /// The row names a time that no pause can last to, since a clock was wrong: to be
    /// put right by compare-and-set, so that every process sees the same end.
    pub correction: Option<Correction>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    pub key: AccountKey,
    pub expected: SignIn,
    pub new: SignIn,
}

/// The right to ask the ledger about a secret that is not proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn(u64);

/// The right to send a secret once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    request: Request,
    turn: u64,
    /// How many pauses there were when it was given: a request from before the last
    /// pause adds none.
    pauses: u64,
    /// What was written for it, and what stood there before.
    reserved: Option<(SignIn, Option<SignIn>)>,
}

impl Grant {
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }
}

/// The rows of the ledger for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Of [`Credential::key`].
    pub shared: Option<SignIn>,
    /// Of [`Credential::key_alone`].
    pub alone: Option<SignIn>,
}

/// What is to be written after a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Set(AccountKey, SignIn),
    Clear(AccountKey),
}

/// What is worth saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateEvent {
    /// The account's secret was rejected.
    Paused {
        account: AccountKey,
        user: String,
        rejections: u32,
        until: UnixTime,
    },
    /// One feed or pod was rejected; the secret itself seems to be right.
    PausedAlone {
        account: AccountKey,
        user: String,
        rejections: u32,
        until: UnixTime,
        is_forbidden: bool,
    },
    /// The secret was accepted after rejections.
    Resumed {
        account: AccountKey,
        user: String,
        rejections: u32,
    },
    /// Pauses cannot be written, so secrets that never worked are not tried.
    NotWritable { says: String },
    /// They can be again.
    Writable,
}

/// What is known of every secret.
#[derive(Debug, Default)]
pub struct SecretGate {
    secrets: BTreeMap<Credential, SecretState>,
    turns: u64,
}

impl SecretGate {
    fn state(&mut self, credential: &Credential) -> &mut SecretState {
        self.secrets.entry(credential.clone()).or_default()
    }

    /// Whether a secret may be sent, as far as this process knows.
    pub fn ask(&mut self, request: &Request, now: Now) -> Asked {
        self.turns += 1;
        let turn = self.turns;
        let state = self.state(&request.credential);
        let alone = state.alone.get(&request.user);
        let is_free = alone.is_some_and(|alone| !alone.is_paused(now.monotonic));
        if state.trust == Trust::Proven && is_free {
            return Asked::Go(state.grant(request, turn, None));
        }
        if state.turn.is_some() {
            return Asked::Busy;
        }
        state.turn = Some(turn);
        Asked::Look(Turn(turn))
    }

    /// The same with what the ledger says. The turn ends, unless the answer is `Reserve`,
    /// `Pending` or a grant of a secret that did not work in this process yet.
    pub fn looked(&mut self, turn: &Turn, request: &Request, rows: Rows, now: Now) -> Looked {
        let state = self.state(&request.credential);
        if state.is_pending_elsewhere(&rows, now) {
            return Looked::Pending;
        }
        let paused = state.take_in(&request.credential, &request.user, rows, now);
        if let Some(pause) = paused.filter(|_| !request.insists) {
            state.end(turn.0);
            return Looked::Paused(pause);
        }
        match state.trust {
            Trust::Proven => {
                state.end(turn.0);
                Looked::Go(state.grant(request, turn.0, None))
            }
            Trust::Recorded => Looked::Go(state.grant(request, turn.0, None)),
            Trust::None => {
                let twice = u32::from(mutation::is(Mutation::RejectionsCountTwice));
                let rejections = state.rejections.saturating_add(1 + twice);
                Looked::Reserve {
                    expected: state.row.clone(),
                    new: SignIn {
                        secret_tag: request.credential.tag,
                        rejections,
                        until: now.wall.plus(pause(rejections)),
                        proven_at: None,
                        is_pending: true,
                    },
                }
            }
        }
    }

    /// The reservation was written: the secret may be sent.
    pub fn reserved(&mut self, turn: &Turn, request: &Request, new: SignIn) -> Grant {
        let state = self.state(&request.credential);
        let before = state.row.clone();
        state.set_row(Some(new.clone()));
        state.grant(request, turn.0, Some((new, before)))
    }

    /// The reservation failed, and may stand in the ledger anyway, such as where the disk answered
    /// too late. Nothing is sent for it, so it is no pause and no request of another process.
    pub fn may_be_reserved(&mut self, request: &Request, new: SignIn) {
        self.state(&request.credential).note(new);
    }

    /// The ledger cannot be read: a secret that worked is sent anyway, by what this
    /// process knows. `None`: it never worked.
    pub fn unreadable(&mut self, turn: &Turn, request: &Request, now: Now) -> Option<Looked> {
        let state = self.secrets.get_mut(&request.credential)?;
        let paused = state.pause(&request.user, now);
        if let Some(pause) = paused.filter(|_| !request.insists) {
            state.end(turn.0);
            return Some(Looked::Paused(pause));
        }
        if state.trust != Trust::Recorded {
            state.end(turn.0);
        }
        (state.trust != Trust::None).then(|| Looked::Go(state.grant(request, turn.0, None)))
    }

    /// The ledger could not be asked, or somebody else was faster: nothing is sent.
    pub fn withdraw(&mut self, turn: &Turn, request: &Request) {
        if let Some(state) = self.secrets.get_mut(&request.credential) {
            state.end(turn.0);
        }
    }

    /// Whether sign-in is paused, by what the ledger says now. Asks for nothing.
    pub fn peek(&mut self, request: &Request, rows: Rows, now: Now) -> Option<Pause> {
        let state = self.state(&request.credential);
        // A row that was written for a request under way is no pause yet.
        if state.turn.is_some() || state.is_pending_elsewhere(&rows, now) {
            return state.pause(&request.user, now);
        }
        state.take_in(&request.credential, &request.user, rows, now)
    }

    /// The same without the ledger.
    #[must_use]
    pub fn known_pause(&self, request: &Request, now: Now) -> Option<Pause> {
        let state = self.secrets.get(&request.credential)?;
        state.pause(&request.user, now)
    }

    /// Takes in what came of a request.
    pub fn report(
        &mut self,
        grant: Grant,
        verdict: Verdict,
        now: Now,
    ) -> (Vec<Write>, Vec<GateEvent>) {
        let state = self.state(&grant.request.credential);
        state.end(grant.turn);
        let mut writes = Vec::new();
        let event = match verdict {
            Verdict::Accepted => state.accepted(&grant, now, &mut writes),
            Verdict::Rejected if mutation::is(Mutation::RejectedIsTriedAgain) => {
                state.release(&grant, &mut writes);
                None
            }
            Verdict::Rejected => state.rejected(&grant, now, &mut writes),
            Verdict::Forbidden => {
                state.release(&grant, &mut writes);
                Some(state.pause_alone(&grant, true, now, &mut writes))
            }
            Verdict::NotSent | Verdict::Inconclusive => {
                state.release(&grant, &mut writes);
                None
            }
            Verdict::Unknown => {
                state.unanswered(&grant, now, &mut writes);
                None
            }
        };
        (writes, event.into_iter().collect())
    }

    /// A request was given up before its verdict was known: it counts as not answered. Until
    /// what is returned is written, the row that was reserved counts for other processes.
    pub fn abandoned(&mut self, grant: &Grant, now: Now) -> Vec<Write> {
        let mut writes = Vec::new();
        if let Some(state) = self.secrets.get_mut(&grant.request.credential) {
            state.end(grant.turn);
            state.unanswered(grant, now, &mut writes);
        }
        writes
    }
}
