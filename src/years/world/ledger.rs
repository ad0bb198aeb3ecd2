//! What happens to the ledger, and to secrets.

use super::*;

impl World<'_> {
    pub(super) fn ledger(&mut self, fault: LedgerFault, ms: u64) {
        let now = self.env.now;
        self.mix_up();
        // Corrections that were counted may be forgotten.
        for pod in &mut self.env.oracle.pods {
            pod.puts.clear();
        }
        match fault {
            LedgerFault::Full => {
                self.env.disk.is_full = true;
                self.env.oracle.secrets_are_loose();
                self.env.after(
                    ms,
                    Happening::SecretFollows {
                        is_pod: false,
                        which: usize::MAX,
                    },
                );
                return;
            }
            LedgerFault::Lost | LedgerFault::Damaged(_) => {
                let kept =
                    (fault == LedgerFault::Damaged(true)).then(|| self.env.disk.sign_ins.clone());
                let is_full = self.env.disk.is_full;
                self.env.disk = crate::years::disk::Disk {
                    is_full,
                    sign_ins: kept.unwrap_or_default(),
                    ..crate::years::disk::Disk::default()
                };
                if let Some(process) = &mut self.process {
                    process.recorder.file_is_new(&mut self.env.disk);
                    process.record_soon(&mut self.env);
                }
            }
            LedgerFault::Yesterday => {
                self.end_process(true, 5 * SECOND);
                if let Some(backup) = self.env.backups.last().cloned() {
                    let is_full = self.env.disk.is_full;
                    let requests = self.env.requests();
                    self.env.oracle.pauses_come_back(
                        &backup.sign_ins,
                        requests.into_iter(),
                        now + 5 * SECOND,
                    );
                    self.env.disk = crate::years::disk::Disk { is_full, ..backup };
                }
            }
        }
        self.env.oracle.ledger_lost_at = Some(now);
        self.env.oracle.secrets_are_loose();
    }

    pub(super) fn secret_follows(&mut self, is_pod: bool, which: usize) {
        if which == usize::MAX {
            // Not a secret: there is room on the disk again.
            self.env.disk.is_full = false;
            self.env.oracle.ledger_lost_at = Some(self.env.now);
            self.env
                .say(|| "> there is room on the disk again".to_owned());
            return;
        }
        let now = self.env.now;
        if is_pod {
            let secret = self.env.device_at(which).secret;
            self.env.oracle.configured.pod_secrets[which] = secret;
            self.env.oracle.pods[which].changed_at = now;
        } else {
            let secret = self.env.oracle.host_secrets[which];
            self.env.oracle.configured.feed_secrets[which] = secret;
            for feed in 0..self.env.feeds.len() {
                if self.env.feeds[feed].host == which {
                    let facts = &mut self.env.oracle.feeds[feed];
                    facts.bad_until = facts.bad_until.max(now);
                }
            }
        }
        self.env
            .say(|| format!("> the secret of {which} is corrected (pod: {is_pod})"));
    }

    /// Another process tries every secret, and shares nothing with the service but the ledger.
    pub(super) fn check(&mut self) {
        let mut gate = crate::control::secret_gate::SecretGate::default();
        for feed in 0..self.env.feeds.len() {
            if self.env.feeds[feed].has_login {
                crate::years::feed_shell::check_secret(feed, &mut gate, &mut self.env);
            }
        }
    }
}
