//! What has to be remembered whenever a pod is talked to, by a sync or by a poll:
//! that it rests after a rejected password, which certificate it first showed,
//! and when it was last seen. The client itself remembers nothing over a restart.

use std::time::Duration;

use ring::digest;

use crate::config::{Pod, TlsTrust};
use crate::edges::Edges;
use crate::ledger::old::{LedgerError, PodStanding};
use crate::model::time::UnixTime;
use crate::pod::{Fingerprint, PodClient, PodError};

/// The first rest after a rejected password; each further one is twice as long.
const FIRST_REST: Duration = Duration::from_secs(5 * 60);
/// A password is tried a few times a day at the most, for ever.
const LONGEST_REST: Duration = Duration::from_secs(6 * 3600);

/// Whether a pod may be talked to now.
#[derive(Debug)]
pub enum Contact {
    Open(PodClient),
    /// Its password was rejected; not before then, unless the configuration changes.
    Resting {
        until: UnixTime,
    },
    /// No client could be made.
    Failed(PodError),
}

/// Makes ready to talk to a pod.
#[must_use]
pub fn open(edges: &Edges, pod: &Pod, standing: &PodStanding, now: UnixTime) -> Contact {
    if let Some(until) = standing.rest_until
        && until > now
        && standing.password_tag == Some(password_tag(pod))
    {
        return Contact::Resting { until };
    }
    match edges.pods.client(pod, standing.pin.map(Fingerprint)) {
        Ok(client) => Contact::Open(client),
        Err(error) => Contact::Failed(error),
    }
}

/// What was learnt of a pod besides its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Its certificate was pinned just now.
    pub pinned: Option<Fingerprint>,
    /// Its password was rejected and it rests until then.
    pub rests_until: Option<UnixTime>,
}

/// Writes down what a contact taught, whether it went well or not.
///
/// # Errors
/// Only the ledger's.
pub async fn note<T>(
    edges: &Edges,
    pod: &Pod,
    standing: &PodStanding,
    client: &PodClient,
    answer: &Result<T, PodError>,
    now: UnixTime,
) -> Result<Learnt, LedgerError> {
    let mut learnt = Learnt::default();
    if edges.is_dry() {
        return Ok(learnt);
    }
    let ledger = &edges.ledger;
    if pod.tls == TlsTrust::Pin
        && standing.pin.is_none()
        && let Some(seen) = client.seen()
    {
        ledger.set_pin(&pod.url, Some(seen.0), now).await?;
        learnt.pinned = Some(seen);
    }
    match answer {
        Err(PodError::WrongPassword { .. }) => {
            let rejections = standing.rejections.saturating_add(1);
            let until = now.plus(rest(rejections));
            ledger
                .rest(&pod.url, until, rejections, password_tag(pod))
                .await?;
            learnt.rests_until = Some(until);
        }
        Ok(_) => {
            if standing.rest_until.is_some() {
                ledger.clear_rest(&pod.url).await?;
            }
            ledger.seen(&pod.url, now).await?;
        }
        Err(_) => {}
    }
    Ok(learnt)
}

fn rest(rejections: u32) -> Duration {
    let doublings = rejections.saturating_sub(1).min(16);
    FIRST_REST.saturating_mul(1 << doublings).min(LONGEST_REST)
}

/// Sixteen bits of a digest of the password: enough to notice that the
/// configuration changed, too little to learn the password from the ledger.
fn password_tag(pod: &Pod) -> u16 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [&pod.url.key(), &pod.username, pod.password.reveal()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    match context.finish().as_ref() {
        [first, second, ..] => u16::from_be_bytes([*first, *second]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_from_minutes_to_hours() {
        let minutes: Vec<u64> = (1..=9)
            .map(|rejections| rest(rejections).as_secs() / 60)
            .collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
        assert_eq!(rest(u32::MAX), LONGEST_REST);
    }
}
