//! What became of each secret: how often it was rejected, and until when it may be paused.

use super::*;

#[derive(Clone, Debug, Default)]
pub(super) struct SecretFacts {
    /// In a row: as many as the gate surely knows of, and as many as it may know of.
    pub(super) rejections: u32,
    pub(super) at_most: u32,
    pub(super) at: u64,
    /// From when on its pause may count, where a process restored it by another clock.
    pub(super) restored_at: u64,
    /// Its pause may be gone with a ledger.
    pub(super) is_loose: bool,
}

impl Oracle {
    /// A backup of the ledger came back, with the pauses that it names.
    pub fn pauses_come_back(
        &mut self,
        rows: &BTreeMap<AccountKey, SignIn>,
        requests: impl Iterator<Item = Request>,
        now: u64,
    ) {
        for request in requests {
            let credential = request.credential;
            let shared = rows.get(&credential.key());
            let alone = rows.get(&credential.key_alone(&request.user));
            let of_rows = shared.into_iter().chain(alone);
            let most = of_rows.map(|row| row.rejections).max().unwrap_or(0);
            if most > 0 {
                let of_user = self.secrets.entry(request.user).or_default();
                let facts = of_user.entry(credential).or_default();
                facts.at_most = facts.at_most.max(most);
                facts.restored_at = now;
                facts.is_loose = true;
            }
        }
    }

    pub fn secret_is_sent(&mut self, credential: &Credential, user: &str, insists: bool, now: u64) {
        if insists {
            return;
        }
        let of_user = self.secrets.get(user);
        let Some(facts) = of_user.and_then(|secrets| secrets.get(credential)) else {
            return;
        };
        if facts.rejections == 0 || facts.is_loose {
            return;
        }
        // Of an account with several users a rejection may count for one of them alone.
        let is_pod = credential.account.host().starts_with("192.");
        let rejections = if is_pod { facts.rejections } else { 1 };
        let wait = u64::try_from(pause(rejections).as_millis()).unwrap_or(0);
        let since = now - facts.at;
        // The pause counts from when the secret was sent, and a request may hang.
        let slack = 25_000;
        if since + slack < wait {
            let rejections = facts.rejections;
            self.complain(|| {
                format!(
                    "a secret of {user} that was rejected {rejections} times is sent again after {} s",
                    since / 1000
                )
            });
        }
    }

    pub fn secret_was_judged(
        &mut self,
        credential: &Credential,
        user: &str,
        verdict: Verdict,
        now: u64,
    ) {
        match verdict {
            Verdict::Rejected | Verdict::Forbidden => {
                let of_user = self.secrets.entry(user.to_owned()).or_default();
                let facts = of_user.entry(credential.clone()).or_default();
                if facts.is_loose {
                    facts.rejections = 0;
                }
                facts.rejections += 1;
                facts.at_most += 1;
                facts.at = now;
                facts.is_loose = false;
            }
            Verdict::Accepted => {
                // It works, for whichever feed of the account.
                for (one, secrets) in &mut self.secrets {
                    if one == user {
                        secrets.remove(credential);
                    } else if let Some(facts) = secrets.get_mut(credential) {
                        facts.rejections = 0;
                    }
                }
                self.secrets.retain(|_, secrets| !secrets.is_empty());
            }
            _ => {}
        }
    }

    /// A pause that the process may forget: the ledger could not be written when it began.
    pub fn secrets_are_loose(&mut self) {
        for facts in self.secrets.values_mut().flat_map(BTreeMap::values_mut) {
            facts.is_loose = true;
        }
    }

    /// Whether any secret was rejected so far.
    #[must_use]
    pub fn knows_rejections(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Until when sign-in may be paused for a pod or feed, by what it was told.
    #[must_use]
    pub fn paused_until(&self, user: &str) -> u64 {
        let of_user = self
            .secrets
            .get(user)
            .into_iter()
            .flat_map(BTreeMap::values);
        of_user
            .filter(|facts| facts.at_most > 0)
            .map(|facts| {
                let wait = u64::try_from(pause(facts.at_most).as_millis()).unwrap_or(0);
                facts.at.max(facts.restored_at) + wait
            })
            .max()
            .unwrap_or(0)
    }

    /// When a secret of this user was rejected last, while the pause after it lasts.
    #[must_use]
    pub fn rejected_at(&self, user: &str, now: u64) -> Option<u64> {
        let of_user = self
            .secrets
            .get(user)
            .into_iter()
            .flat_map(BTreeMap::values);
        of_user
            .filter(|facts| facts.rejections > 0 && !facts.is_loose)
            .filter(|facts| facts.at > self.started_at && now + SECOND < facts.at + 5 * MINUTE)
            .map(|facts| facts.at)
            .max()
    }
}
