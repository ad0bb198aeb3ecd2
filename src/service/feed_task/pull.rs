//! One pull: through the gate for secrets and the budget for reading, to a version of the feed.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::held::{held, size};
use super::sign_in::{Refusal, failed_inside, paused, permit, user, verdict};
use super::{FeedTask, ServerDate};
use crate::config::Source;
use crate::config::load::changed_login;
use crate::control::clock::reduce_from;
use crate::control::feed::FeedOutcome;
use crate::control::now::Monotonic;
use crate::control::secret_gate::Verdict;
use crate::model::item::{Held, Pulled};
use crate::model::version::FeedVersion;
use crate::net::memory::Room;
use crate::service::gate::Pass;
use crate::service::reading::{self, Download, ReduceBy, Unread};
use crate::telemetry::metrics::{self, DueWork};

/// What came of one attempt of a pull.
enum Attempt {
    Ended(FeedOutcome),
    /// What came takes more memory to read than was taken for it: as for a body of this size.
    NeedsRoom(u64),
}

impl FeedTask {
    pub(super) async fn pull(&mut self, afresh: bool, insists: bool) -> FeedOutcome {
        let feed = &self.config.feed;
        let user = user(feed);
        let permit = permit(feed, self.credential.as_ref(), &self.shared.gate, insists);
        let pass = match permit.await {
            Ok(pass) => pass,
            Err(Refusal::Paused(pause)) => {
                return FeedOutcome::SignInPaused {
                    failure: paused(feed, &pause),
                    until: pause.until,
                };
            }
            Err(Refusal::NotWritable(failure)) => {
                return FeedOutcome::Failed {
                    failure,
                    paused_until: None,
                };
            }
        };
        if let Some(due) = self.due.take() {
            metrics::begun(DueWork::Pull, self.now().monotonic.since(due));
        }
        let latest = self.controller.latest().cloned();
        let mut expected = self.last_size.or_else(|| latest.as_deref().map(size));
        let mut pass = pass;
        loop {
            match self
                .attempt(afresh, latest.clone(), expected, &mut pass, &user)
                .await
            {
                Attempt::Ended(outcome) => return outcome,
                // What was downloaded is given up, so that who waits holds nothing.
                Attempt::NeedsRoom(size) => expected = Some(size),
            }
        }
    }

    async fn attempt(
        &mut self,
        afresh: bool,
        latest: Option<Arc<FeedVersion>>,
        expected: Option<u64>,
        pass: &mut Option<Pass>,
        user: &str,
    ) -> Attempt {
        let held = match (&latest, afresh) {
            (Some(latest), false) => held(latest, self.controller.client_state()),
            _ => Held::default(),
        };
        let (answer, room) = match &self.client {
            Ok(client) => client.pull_into(&held, self.now().wall, expected).await,
            Err(error) => (Err(error.clone()), None),
        };
        self.token_not_saved = match &self.client {
            Ok(client) => client.token_not_saved().await,
            Err(_) => None,
        };
        let verdict = verdict(&answer);
        let (host, date) = match &answer {
            Ok(pulled) => (self.config.feed.id.host().to_owned(), pulled.server_date()),
            Err(error) => (error.host.clone(), error.server_date()),
        };
        if let Some(date) = date {
            // The clock is judged before anything is reduced by it, or taken off a display.
            let (judged, is_judged) = oneshot::channel();
            let told = ServerDate { host, date, judged };
            if self.shared.dates.send(told).is_ok() {
                let _ = is_judged.await;
            }
        }
        let paused_until = self.report(pass.take(), verdict, user).await;
        let pulled = match answer {
            Ok(pulled) => pulled,
            Err(error) => {
                return Attempt::Ended(FeedOutcome::Failed {
                    failure: error.failure(),
                    paused_until,
                });
            }
        };
        let by = ReduceBy {
            from: reduce_from(self.now().wall, self.clock_state.is_believed, date),
            filters: self.config.filters.clone(),
            memory: room.as_ref().map_or(u64::MAX, Room::bytes),
            largest: self.shared.budget.largest(),
            host: self.config.feed.id.host().to_owned(),
        };
        let (download, state) = match pulled {
            Pulled::Unchanged { state, missing, .. } => {
                let version = latest.and_then(|held| reading::with_missing(&held, &missing));
                return Attempt::Ended(FeedOutcome::Read {
                    version: version.map(Arc::new),
                    client_state: state.0,
                });
            }
            Pulled::Changed {
                items,
                removed,
                state,
                missing,
                ..
            } => {
                let download = Download {
                    is_document: !matches!(self.config.feed.source, Source::CalDav { .. }),
                    items,
                    removed,
                    missing,
                    held: latest,
                    is_afresh: afresh,
                };
                (download, state.0)
            }
        };
        let sizes = download.items.iter().map(|item| item.body.len() as u64);
        self.last_size = Some(sizes.sum::<u64>().max(expected.unwrap_or(0)));
        let size = self.last_size.unwrap_or(0);
        let taken = room.as_ref().map_or(u64::MAX, Room::size);
        let work = {
            let by = by.clone();
            move || {
                let version = reading::version(&download, &by);
                // Given back only when the downloaded bytes are.
                drop((download, room));
                version
            }
        };
        let failed = |failure| FeedOutcome::Failed {
            failure,
            paused_until: None,
        };
        Attempt::Ended(match self.shared.budget.read(size, work).await {
            Ok(Ok(version)) => FeedOutcome::Read {
                version: Some(Arc::new(version)),
                client_state: state,
            },
            Ok(Err(Unread::Failed(failure))) => failed(failure),
            Ok(Err(Unread::NeedsMemory)) if taken < by.largest => {
                let size = taken.saturating_mul(2).min(by.largest);
                self.last_size = Some(size);
                return Attempt::NeedsRoom(size);
            }
            Ok(Err(Unread::NeedsMemory)) => failed(reading::needs_too_much(&by)),
            Err(_) => failed(failed_inside(&self.config.feed)),
        })
    }

    /// Reports to the gate what became of the secret; until when sign-in is paused for it.
    async fn report(&self, pass: Option<Pass>, verdict: Verdict, user: &str) -> Option<Monotonic> {
        pass?.report(verdict).await;
        let credential = self.credential.as_ref()?;
        match verdict {
            Verdict::Rejected | Verdict::Forbidden => {
                let pause = self.shared.gate.paused(credential, user).await;
                pause.map(|pause| pause.until)
            }
            Verdict::Accepted | Verdict::NotSent | Verdict::Inconclusive | Verdict::Unknown => None,
        }
    }

    /// While sign-in is paused: is the secret another one, or has the pause ended?
    pub(super) async fn check_sign_in(&mut self) -> FeedOutcome {
        let mut feed = self.config.feed.clone();
        let renewed = tokio::task::spawn_blocking(move || {
            let login = match &mut feed.source {
                Source::Ics { login, .. } | Source::CalDav { login, .. } => login,
                Source::File { .. } => return None,
            };
            *login = changed_login(login)?;
            Some(feed)
        });
        if let Ok(Some(feed)) = renewed.await {
            self.config.feed = feed;
            self.renew_client();
            return FeedOutcome::SignInChecked { paused_until: None };
        }
        let user = user(&self.config.feed);
        let pause = match &self.credential {
            Some(credential) => self.shared.gate.paused(credential, &user).await,
            None => None,
        };
        FeedOutcome::SignInChecked {
            paused_until: pause.map(|pause| pause.until),
        }
    }
}
