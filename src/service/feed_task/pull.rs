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
use crate::service::gate::Pass;
use crate::service::reading::{self, Download, ReduceBy};
use crate::telemetry::metrics::{self, DueWork};

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
        let size = self.last_size.or_else(|| latest.as_deref().map(size));
        // Room for the body is taken when a host has answered: those that are silent, or are
        // asked in turn, keep none from the others.
        let (give, mut given) = oneshot::channel();
        let budget = self.shared.budget.clone();
        let may_read = async move {
            let _ = give.send(budget.room(size).await);
        };
        let held = match (&latest, afresh) {
            (Some(latest), false) => held(latest, self.controller.client_state()),
            _ => Held::default(),
        };
        let answer = match &self.client {
            Ok(client) => client.pull_when(&held, self.now().wall, may_read).await,
            Err(error) => Err(error.clone()),
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
        let paused_until = self.report(pass, verdict, &user).await;
        let pulled = match answer {
            Ok(pulled) => pulled,
            Err(error) => {
                return FeedOutcome::Failed {
                    failure: error.failure(),
                    paused_until,
                };
            }
        };
        let by = ReduceBy {
            from: reduce_from(self.now().wall, self.clock_state.is_believed, date),
            filters: self.config.filters.clone(),
            largest: self.shared.budget.largest(),
            host: self.config.feed.id.host().to_owned(),
        };
        let (download, state) = match pulled {
            Pulled::Unchanged { state, missing, .. } => {
                let version = latest.and_then(|held| reading::with_missing(&held, &missing));
                return FeedOutcome::Read {
                    version: version.map(Arc::new),
                    client_state: state.0,
                };
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
        let size = download
            .items
            .iter()
            .map(|item| item.body.len() as u64)
            .sum();
        self.last_size = Some(size);
        let size = size.min(by.largest);
        let mut room = match given.try_recv() {
            Ok(room) => room,
            Err(_) => self.shared.budget.room(Some(size)).await,
        };
        self.shared.budget.grow(&mut room, size).await;
        let read = self.shared.budget.read(move || {
            let version = reading::version(&download, &by);
            // Given back only when the downloaded bytes are.
            drop((download, room));
            version
        });
        match read.await {
            Ok(Ok(version)) => FeedOutcome::Read {
                version: Some(Arc::new(version)),
                client_state: state,
            },
            Ok(Err(failure)) => FeedOutcome::Failed {
                failure,
                paused_until: None,
            },
            Err(_) => FeedOutcome::Failed {
                failure: failed_inside(&self.config.feed),
                paused_until: None,
            },
        }
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
