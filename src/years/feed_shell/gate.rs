//! The gate before a secret, with the ledger behind it.

use super::*;

/// What the gate of a process says, with the ledger behind it.
pub enum Permit {
    Go(Option<Grant>),
    /// Until when, and whether the secret was rejected.
    Paused(crate::control::now::Monotonic, bool),
    Busy,
    NotWritable,
}

pub fn permit(
    gate: &mut crate::control::secret_gate::SecretGate,
    request: &Request,
    env: &mut Env,
) -> Permit {
    let clocks = env.clocks();
    let turn = match gate.ask(request, clocks) {
        Asked::Go(grant) => return Permit::Go(Some(grant)),
        Asked::Busy => return Permit::Busy,
        Asked::Look(turn) => turn,
    };
    for _ in 0..8 {
        let rows = env.disk.rows(request);
        match gate.looked(&turn, request, rows, clocks) {
            Looked::Go(grant) => return Permit::Go(Some(grant)),
            Looked::Paused(pause) => {
                if let Some(wrong) = &pause.correction {
                    env.disk
                        .reserve(&wrong.key, Some(&wrong.expected), &wrong.new);
                }
                return Permit::Paused(pause.until, pause.rejections > 0);
            }
            Looked::Pending => {
                gate.withdraw(&turn, request);
                return Permit::Busy;
            }
            Looked::Reserve { expected, new } => {
                let key = request.credential.key();
                match env.disk.reserve(&key, expected.as_ref(), &new) {
                    Some(true) => return Permit::Go(Some(gate.reserved(&turn, request, new))),
                    Some(false) => {}
                    None => {
                        gate.withdraw(&turn, request);
                        return Permit::NotWritable;
                    }
                }
            }
        }
    }
    gate.withdraw(&turn, request);
    Permit::Busy
}

pub fn note_gate(events: &[GateEvent], recorder: &mut crate::years::disk::Recorder, env: &mut Env) {
    let _ = recorder;
    for event in events {
        env.oracle.line(env.now);
        env.say(|| format!("sign-in: {event:?}"));
    }
}

/// The recorder knows what was last written of secrets, should the file be gone.
pub fn note_writes(
    writes: &[crate::control::secret_gate::Write],
    recorder: &mut crate::years::disk::Recorder,
) {
    use crate::control::secret_gate::Write;
    for write in writes {
        match write {
            Write::Set(key, row) => recorder.sign_ins.insert(key.clone(), row.clone()),
            Write::Clear(key) => recorder.sign_ins.remove(key),
        };
    }
}

impl Process {
    pub(super) fn feed_checks_sign_in(&mut self, feed: usize, env: &mut Env) -> FeedOutcome {
        let clocks = env.clocks();
        let host = env.feeds[feed].host;
        let configured = env.oracle.configured.feed_secrets[host];
        let paused_until = match &mut self.feeds[feed] {
            Some(shell) if shell.secret != configured => {
                shell.secret = configured;
                let model = &env.feeds[feed];
                shell.request = model.has_login.then(|| model.request(configured));
                None
            }
            Some(shell) => shell.request.as_ref().and_then(|request| {
                let rows = env.disk.rows(request);
                let pause = self.gate.peek(request, rows, clocks)?;
                if let Some(wrong) = &pause.correction {
                    env.disk
                        .reserve(&wrong.key, Some(&wrong.expected), &wrong.new);
                }
                Some(pause.until)
            }),
            None => None,
        };
        FeedOutcome::SignInChecked { paused_until }
    }
}

/// A command beside the service tries the secret of a feed once.
pub fn check_secret(
    feed: usize,
    gate: &mut crate::control::secret_gate::SecretGate,
    env: &mut Env,
) {
    let model = &env.feeds[feed];
    let secret = env.oracle.configured.feed_secrets[model.host];
    let request = model.request(secret);
    let Permit::Go(Some(grant)) = permit(gate, &request, env) else {
        return;
    };
    env.oracle
        .secret_is_sent(&request.credential, &request.user, false, env.now);
    if let Some(broken) = env.oracle.take_complaint() {
        env.broken("no secret more often than said", || broken);
    }
    let verdict = answer(feed, None, secret, env).verdict;
    let (writes, _) = gate.report(grant, verdict, env.clocks());
    env.disk.apply(writes);
    env.oracle
        .secret_was_judged(&request.credential, &request.user, verdict, env.now);
}
