//! What the device at an address answers.

use super::*;

pub(super) fn latency(address: usize, step: &PodStep, env: &mut Env) -> u64 {
    let now = env.now;
    match env.device_at(address).fault.at(now) {
        Some(PodFault::Hangs) => 20_000,
        _ if matches!(step, PodStep::Put(_)) => env.rng.between(150, 900),
        _ => env.rng.between(40, 200),
    }
}

/// What the device at the address answers, and what the answer says of the password.
pub(super) fn answer(
    address: usize,
    flight: &Flight,
    secret: u32,
    env: &mut Env,
) -> (PodOutcome, Verdict) {
    let now = env.now;
    let true_seconds = env.true_seconds();
    let step = &flight.step;
    let took = now - flight.began;
    let device = env.device_at_mut(address);
    device.settle(now);
    if let Some(failure) = device.failure(now) {
        let verdict = match failure.class {
            FailureClass::Unreachable => Verdict::NotSent,
            FailureClass::TimedOut => Verdict::Unknown,
            _ => Verdict::Accepted,
        };
        if let Some(asked) = failure.retry_after {
            let until = now + u64::try_from(asked.as_millis()).unwrap_or(0);
            env.oracle.pod_asked(address, until, now);
        }
        let may_be_done = failure.class == FailureClass::TimedOut;
        return (failed(step, failure, may_be_done, took), verdict);
    }
    if device.secret != secret || device.fault.at(now) == Some(PodFault::Locked) {
        let failure = failure(FailureClass::SecretRejected, None);
        return (failed(step, failure, false, took), Verdict::Rejected);
    }
    let clock = device.clock(now, true_seconds);
    let outcome = match step {
        PodStep::Look => PodOutcome::Look(Ok(LookAnswer {
            device_id: device.device_id(now),
            shown: device.shown.clone(),
            clock,
        })),
        PodStep::AskMode => {
            let mode = device.mode(now);
            crate::years::promises::mode_was_told(address, &mode, env);
            PodOutcome::Mode(Ok(ModeAnswer { mode, clock }))
        }
        PodStep::Put(agenda) => {
            let agenda: Arc<_> = agenda.clone();
            if env.device_at(address).fault.at(now) == Some(PodFault::RefusesPuts) {
                env.oracle.pods[address].failed_at = Some(now);
                let failure = failure(FailureClass::Other, None);
                return (failed(step, failure, false, took), Verdict::Accepted);
            }
            crate::years::promises::is_put(address, &agenda, env);
            let device = env.device_at_mut(address);
            device.put(&agenda, now);
            env.put_was_done = true;
            let device = env.device_at_mut(address);
            let loses = device.fault.at(now) == Some(PodFault::LosesAnswers);
            let shown = device.shown.clone();
            env.say(|| {
                format!(
                    "pod {address} is sent {}, and shows {}",
                    crate::years::story::agenda(&agenda),
                    crate::years::story::agenda(&shown)
                )
            });
            PodOutcome::Put(match loses {
                true => Err(PutFailure {
                    failure: failure(FailureClass::TimedOut, None),
                    duration: Duration::from_millis(took),
                    may_be_done: true,
                }),
                false => Ok(PutAnswer {
                    duration: Duration::from_millis(took),
                    ..PutAnswer::default()
                }),
            })
        }
        PodStep::ReadConfig => PodOutcome::Config(Ok(ConfigAnswer {
            config: json!({ "display": { "name": device.id } }),
            last: None,
            mode: device.mode(now),
            clock,
        })),
        PodStep::PatchConfig(_) => PodOutcome::Patch(Ok(PatchAnswer::default())),
        PodStep::Wait(_) | PodStep::CheckSignIn | PodStep::Finished => PodOutcome::SignInBusy,
    };
    (outcome, Verdict::Accepted)
}

pub(super) fn failed(step: &PodStep, failure: Failure, may_be_done: bool, took: u64) -> PodOutcome {
    match step {
        PodStep::AskMode => PodOutcome::Mode(Err(failure)),
        PodStep::Put(_) => PodOutcome::Put(Err(PutFailure {
            failure,
            duration: Duration::from_millis(took),
            may_be_done,
        })),
        PodStep::ReadConfig => PodOutcome::Config(Err(failure)),
        PodStep::PatchConfig(_) => PodOutcome::Patch(Err(failure)),
        _ => PodOutcome::Look(Err(failure)),
    }
}
