//! One secret: whether it works, since when it is paused, and who is using it.

use std::collections::BTreeMap;

use super::{
    Correction, GateEvent, Grant, LONGEST_ANSWER, Pause, RECENT, Request, Rows, UNANSWERED_PAUSE,
    Write, pause,
};
use crate::control::clock::RELEASED;
use crate::control::now::{Monotonic, Now};
use crate::model::sign_in::{AccountKey, Credential, SignIn};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// It never worked, or was rejected since.
    #[default]
    None,
    /// It worked once, says the ledger.
    Recorded,
    /// It worked in this process.
    Proven,
}

#[derive(Debug, Default)]
pub(super) struct SecretState {
    /// As the ledger has it, for compare-and-set.
    pub(super) row: Option<SignIn>,
    /// The last rows that were read, or were to be written: one of these is no news, also
    /// where a later one could not be written.
    known: Vec<SignIn>,
    pub(super) trust: Trust,
    pub(super) rejections: u32,
    pub(super) paused_until: Option<Monotonic>,
    pauses: u64,
    /// The turn of the request that alone may use it now.
    pub(super) turn: Option<u64>,
    /// The last two users that it worked for, the last one first.
    successes: Vec<(String, Monotonic)>,
    pub(super) alone: BTreeMap<String, AloneState>,
}

#[derive(Debug, Default)]
pub(super) struct AloneState {
    row: Option<SignIn>,
    /// As the ledger had it last: the same again is no news, also where a later row could
    /// not be written.
    read: Option<SignIn>,
    rejections: u32,
    paused_until: Option<Monotonic>,
}

impl AloneState {
    pub(super) fn is_paused(&self, now: Monotonic) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }
}

impl SecretState {
    pub(super) fn grant(
        &self,
        request: &Request,
        turn: u64,
        reserved: Option<(SignIn, Option<SignIn>)>,
    ) -> Grant {
        Grant {
            request: request.clone(),
            turn,
            pauses: self.pauses,
            reserved,
        }
    }

    pub(super) fn set_row(&mut self, row: Option<SignIn>) {
        if let Some(row) = &row {
            self.note(row.clone());
        }
        self.row = row;
    }

    /// This row is no news where it is read.
    pub(super) fn note(&mut self, row: SignIn) {
        const KEPT: usize = 6;
        if !self.known.contains(&row) {
            self.known.truncate(KEPT - 1);
            self.known.insert(0, row);
        }
    }

    pub(super) fn end(&mut self, turn: u64) {
        if self.turn == Some(turn) {
            self.turn = None;
        }
    }

    /// Whether another process wrote that it is about to send this secret, and may not
    /// have had the answer yet.
    pub(super) fn is_pending_elsewhere(&self, rows: &Rows, now: Now) -> bool {
        rows.shared.as_ref().is_some_and(|row| {
            let began = row.until.minus(pause(row.rejections));
            row.is_pending
                && !self.known.contains(row)
                && began <= now.wall
                && now.wall.since(began) <= LONGEST_ANSWER
        })
    }

    /// Learns what other processes wrote. What this one wrote itself, it knows better.
    pub(super) fn take_in(
        &mut self,
        credential: &Credential,
        user: &str,
        rows: Rows,
        now: Now,
    ) -> Option<Pause> {
        let mut correction = None;
        let is_news = |row: &&SignIn| !self.known.contains(row);
        if let Some(row) = rows.shared.as_ref().filter(is_news) {
            self.rejections = row.rejections;
            if row.proven_at.is_some() {
                self.paused_until = None;
                self.trust = self.trust.max_recorded();
            } else {
                self.trust = Trust::None;
                self.paused_until = paused_until(row, now);
                self.pauses += 1;
                correction = corrected(&credential.key(), row, now);
            }
        }
        self.set_row(rows.shared);
        let alone = self.alone.entry(user.to_owned()).or_default();
        let is_news = rows.alone != alone.read && rows.alone != alone.row;
        alone.read.clone_from(&rows.alone);
        match rows.alone {
            Some(row) if is_news => {
                alone.rejections = row.rejections;
                alone.paused_until = paused_until(&row, now);
                let wrong = corrected(&credential.key_alone(user), &row, now);
                correction = correction.or(wrong);
                alone.row = Some(row);
            }
            // Another process signed in with it.
            None if is_news => *alone = AloneState::default(),
            _ => {}
        }
        let pause = self.pause(user, now)?;
        Some(Pause {
            correction,
            ..pause
        })
    }

    pub(super) fn pause(&self, user: &str, now: Now) -> Option<Pause> {
        let of = |until: Option<Monotonic>, rejections, is_alone| {
            Some(Pause {
                until: until.filter(|until| *until > now.monotonic)?,
                rejections,
                is_alone,
                correction: None,
            })
        };
        of(self.paused_until, self.rejections, false).or_else(|| {
            let alone = self.alone.get(user)?;
            of(alone.paused_until, alone.rejections, true)
        })
    }

    pub(super) fn accepted(
        &mut self,
        grant: &Grant,
        now: Now,
        writes: &mut Vec<Write>,
    ) -> Option<GateEvent> {
        let request = &grant.request;
        let (credential, user) = (&request.credential, &request.user);
        self.trust = Trust::Proven;
        self.paused_until = None;
        let mut rejections = std::mem::take(&mut self.rejections);
        match self.successes.first_mut() {
            Some((last, at)) if last == user => *at = now.monotonic,
            _ => {
                self.successes.retain(|(other, _)| other != user);
                self.successes.insert(0, (user.clone(), now.monotonic));
                self.successes.truncate(2);
            }
        }
        if self.row.as_ref().is_none_or(|row| row.proven_at.is_none()) {
            let row = SignIn {
                secret_tag: credential.tag,
                rejections: 0,
                until: now.wall,
                proven_at: Some(now.wall),
                is_pending: false,
            };
            writes.push(Write::Set(credential.key(), row.clone()));
            self.set_row(Some(row));
        }
        let alone = match self.alone.get_mut(user) {
            Some(alone) => alone,
            None => self.alone.entry(user.clone()).or_default(),
        };
        if alone.row.is_some() {
            rejections = rejections.max(alone.rejections);
            writes.push(Write::Clear(credential.key_alone(user)));
            *alone = AloneState {
                read: alone.read.take(),
                ..AloneState::default()
            };
        }
        (rejections > 0).then(|| GateEvent::Resumed {
            account: credential.account.clone(),
            user: user.clone(),
            rejections,
        })
    }

    pub(super) fn rejected(
        &mut self,
        grant: &Grant,
        now: Now,
        writes: &mut Vec<Write>,
    ) -> Option<GateEvent> {
        let request = &grant.request;
        let worked_elsewhere = self
            .successes
            .iter()
            .any(|(user, at)| *user != request.user && now.monotonic.since(*at) <= RECENT);
        self.trust = Trust::None;
        self.successes.clear();
        if worked_elsewhere {
            self.row = None;
            writes.push(Write::Clear(request.credential.key()));
            return Some(self.pause_alone(grant, false, now, writes));
        }
        // Others that were under way when the first was rejected say nothing new.
        if grant.pauses != self.pauses {
            return None;
        }
        self.pauses += 1;
        let row = match &grant.reserved {
            Some((row, _)) => SignIn {
                is_pending: false,
                ..row.clone()
            },
            None => {
                let rejections = self.rejections.saturating_add(1);
                SignIn {
                    secret_tag: request.credential.tag,
                    rejections,
                    until: now.wall.plus(pause(rejections)),
                    proven_at: None,
                    is_pending: false,
                }
            }
        };
        writes.push(Write::Set(request.credential.key(), row.clone()));
        self.rejections = row.rejections;
        self.paused_until = Some(now.restored(row.until, pause(row.rejections)));
        let event = GateEvent::Paused {
            account: request.credential.account.clone(),
            user: request.user.clone(),
            rejections: row.rejections,
            until: row.until,
        };
        self.set_row(Some(row));
        Some(event)
    }

    pub(super) fn pause_alone(
        &mut self,
        grant: &Grant,
        is_forbidden: bool,
        now: Now,
        writes: &mut Vec<Write>,
    ) -> GateEvent {
        let Request {
            credential, user, ..
        } = &grant.request;
        let alone = self.alone.entry(user.clone()).or_default();
        alone.rejections = alone.rejections.saturating_add(1);
        let length = pause(alone.rejections);
        alone.paused_until = Some(now.monotonic.plus(length));
        let row = SignIn {
            secret_tag: credential.tag,
            rejections: alone.rejections,
            until: now.wall.plus(length),
            proven_at: None,
            is_pending: false,
        };
        writes.push(Write::Set(credential.key_alone(user), row.clone()));
        let event = GateEvent::PausedAlone {
            account: credential.account.clone(),
            user: user.clone(),
            rejections: row.rejections,
            until: row.until,
            is_forbidden,
        };
        alone.row = Some(row);
        event
    }

    /// What was reserved was not needed: the row is as it was before.
    pub(super) fn release(&mut self, grant: &Grant, writes: &mut Vec<Write>) {
        let Some((_, before)) = &grant.reserved else {
            return;
        };
        let key = grant.request.credential.key();
        writes.push(match before {
            Some(before) => Write::Set(key, before.clone()),
            None => Write::Clear(key),
        });
        self.set_row(before.clone());
    }

    pub(super) fn unanswered(&mut self, grant: &Grant, now: Now, writes: &mut Vec<Write>) {
        // A secret that worked once does not turn wrong because a host is slow.
        if grant.reserved.is_none() || self.trust != Trust::None {
            return;
        }
        let row = SignIn {
            secret_tag: grant.request.credential.tag,
            rejections: self.rejections,
            until: now.wall.plus(UNANSWERED_PAUSE),
            proven_at: None,
            is_pending: false,
        };
        self.paused_until = Some(now.monotonic.plus(UNANSWERED_PAUSE));
        writes.push(Write::Set(grant.request.credential.key(), row.clone()));
        self.set_row(Some(row));
    }
}

impl Trust {
    fn max_recorded(self) -> Self {
        match self {
            Self::None => Self::Recorded,
            other => other,
        }
    }
}

fn paused_until(row: &SignIn, now: Now) -> Option<Monotonic> {
    (row.until > now.wall).then(|| now.restored(row.until, pause(row.rejections)))
}

/// The row as it should be, where its end is further away than any pause of its kind.
fn corrected(key: &AccountKey, row: &SignIn, now: Now) -> Option<Correction> {
    let longest = pause(row.rejections);
    if now.wall < RELEASED || row.until.since(now.wall) <= longest {
        return None;
    }
    Some(Correction {
        key: key.clone(),
        expected: row.clone(),
        new: SignIn {
            until: now.wall.plus(longest),
            is_pending: false,
            ..row.clone()
        },
    })
}
