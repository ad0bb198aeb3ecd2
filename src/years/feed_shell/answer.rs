//! What a calendar host answers, and what is read in it.

use super::*;

impl Process {
    pub(super) fn read(
        &mut self,
        feed: usize,
        pulled: Pulled,
        afresh: bool,
        state: Option<String>,
        date: Option<UnixTime>,
        env: &mut Env,
    ) -> FeedOutcome {
        let wall = env.wall();
        let Some(shell) = &self.feeds[feed] else {
            return FeedOutcome::Read {
                version: None,
                client_state: None,
            };
        };
        let latest = shell.controller.latest().cloned();
        let (entries, lacking, state) = match pulled {
            Pulled::Unchanged => {
                return FeedOutcome::Read {
                    version: None,
                    client_state: state,
                };
            }
            Pulled::Changed {
                entries,
                missing,
                state,
            } => (entries, missing, state),
        };
        let from = reduce_from(wall, shell.clock.is_believed, date);
        let reduction = Reduction {
            from,
            filters: shell.filters.iter().map(Only::digest).collect(),
        };
        let held = latest.and_then(|latest| env.readings.get(&(feed, latest.id)).cloned());
        let mut missing: BTreeSet<String> = BTreeSet::new();
        let mut all = entries;
        for lacks in lacking {
            // A member once read counts by its last version.
            let known = held
                .as_ref()
                .and_then(|held| held.entries.iter().find(|entry| entry.uid == lacks.uid));
            match known {
                Some(known) => {
                    all.push(known.clone());
                    let other = held
                        .as_ref()
                        .is_some_and(|held| held.reduction != reduction);
                    if afresh && other {
                        missing.insert(lacks.uid_text());
                    }
                }
                None => {
                    missing.insert(lacks.uid_text());
                }
            }
        }
        all.sort();
        let lets_through = |entry: &crate::years::calendar::Entry| {
            shell
                .filters
                .iter()
                .any(|only| crate::years::calendar::is_let_through(only, entry))
        };
        all.retain(lets_through);
        let reading = Arc::new(Reading::new(all.into_iter(), missing, reduction));
        let version = Arc::new(reading.version());
        env.readings.insert((feed, reading.id), reading);
        FeedOutcome::Read {
            version: Some(version),
            client_state: state,
        }
    }
}

pub(super) fn answer(feed: usize, state: Option<&str>, secret: u32, env: &mut Env) -> Answer {
    let fault = env.feed_fault(feed);
    let true_wall = UnixTime::from_seconds(env.true_seconds());
    let has_login = env.feeds[feed].has_login;
    let host = env.feeds[feed].host;
    let is_right = !has_login || env.oracle.host_secrets[host] == secret;
    let failed = |class, retry_after, verdict| Answer {
        pulled: Err(failure(class, retry_after)),
        verdict,
        date: None,
    };
    match fault {
        Some(HostFault::Refuses) => {
            return failed(FailureClass::Unreachable, None, Verdict::NotSent);
        }
        Some(HostFault::Hangs) => return failed(FailureClass::TimedOut, None, Verdict::Unknown),
        _ if has_login && (!is_right || fault == Some(HostFault::Rejects)) => {
            return failed(FailureClass::SecretRejected, None, Verdict::Rejected);
        }
        Some(HostFault::Forbids) if has_login => {
            return failed(FailureClass::Forbidden, None, Verdict::Forbidden);
        }
        Some(HostFault::Error | HostFault::LoginPage) => {
            return failed(FailureClass::Other, None, Verdict::Inconclusive);
        }
        Some(HostFault::CutOff) => {
            return failed(FailureClass::Other, None, Verdict::Unknown);
        }
        Some(HostFault::Throttles(asked)) => {
            let wait = asked.map(Duration::from_secs);
            return failed(FailureClass::Throttled, wait, Verdict::Inconclusive);
        }
        _ => {}
    }
    let date = match fault {
        Some(HostFault::OddDate) => true_wall.plus(Duration::from_secs(9 * DAY)),
        _ => true_wall,
    };
    let model = &env.feeds[feed];
    let document = &model.document;
    let revision = format!("r{}", document.revision);
    let changed = |entries, missing, state| Pulled::Changed {
        entries,
        missing,
        state,
    };
    let pulled = match fault {
        Some(HostFault::Empty) => changed(Vec::new(), Vec::new(), Some("empty".to_owned())),
        Some(HostFault::Stuck) if state.is_some() => Pulled::Unchanged,
        Some(HostFault::NoValidators) => changed(
            document.entries.values().cloned().collect(),
            Vec::new(),
            None,
        ),
        Some(HostFault::Partial) if model.is_collection => {
            let (have, lack) = document
                .entries
                .values()
                .cloned()
                .partition(|entry| entry.uid % 3 != 0);
            changed(have, lack, None)
        }
        _ if state == Some(&revision) => Pulled::Unchanged,
        _ => changed(
            document.entries.values().cloned().collect(),
            Vec::new(),
            Some(revision),
        ),
    };
    Answer {
        pulled: Ok(pulled),
        verdict: Verdict::Accepted,
        date: Some(date),
    }
}
