//! Lines of the history in words, for `podcal history` and the page.

use crate::control::pod::{Loss, PodState, PushReason};
use crate::ledger::{Entry, Event};
use crate::model::agenda::Changes;
use crate::model::zone::Zone;
use crate::telemetry::words::service::count;

/// The feed or pod that it is about.
#[must_use]
pub fn subject(event: &Event) -> &str {
    match event {
        Event::Pulled { feed, .. } | Event::PullFailed { feed, .. } => feed,
        Event::Pushed { pod, .. }
        | Event::PushFailed { pod, .. }
        | Event::Lost { pod, .. }
        | Event::Health { pod, .. }
        | Event::Mode { pod, .. }
        | Event::Certificate { pod, .. }
        | Event::Drift { pod, .. } => pod,
    }
}

/// The words of a key; of an unknown one the key itself.
fn state_words(key: &str) -> &str {
    match PodState::of_key(key) {
        Some(state) => state.words(),
        None => key,
    }
}

/// What happened, without meeting texts; times are in that zone.
#[must_use]
pub fn says(entry: &Entry, zone: &Zone) -> String {
    let again = |failures: u32| match failures {
        0 => String::new(),
        1 => " after a failure".to_owned(),
        more => format!(" after {more} failures"),
    };
    let text = match &entry.event {
        Event::Pulled {
            changed: true,
            failures,
            ..
        } => format!("pulled, changed{}", again(*failures)),
        Event::Pulled {
            changed: false,
            failures,
            ..
        } => format!("pulled, unchanged{}", again(*failures)),
        Event::PullFailed { error, .. } => format!("pull failed: {error}"),
        Event::Pushed {
            reason,
            meetings,
            changes,
            duration_ms,
            failures,
            ..
        } => {
            let Changes {
                added,
                removed,
                changed,
            } = changes;
            let (added, removed, changed) = (added.len(), removed.len(), changed.len());
            let how = if reason == "seen" {
                "seen to show"
            } else {
                "pushed"
            };
            format!(
                "{how} {} ({}): {added} added, {removed} removed, {changed} changed, \
                 {duration_ms} ms{}",
                count(*meetings, "meeting", "meetings"),
                PushReason::words_of_key(reason),
                again(*failures)
            )
        }
        Event::PushFailed { error, .. } => format!("push failed: {error}"),
        Event::Lost { reason, .. } => Loss::words_of_key(reason).to_owned(),
        Event::Health {
            before,
            state,
            detail,
            ..
        } => {
            let before = before
                .as_deref()
                .map(|before| format!(" (before: {})", state_words(before)))
                .unwrap_or_default();
            let detail = detail
                .as_deref()
                .map(|detail| format!(": {detail}"))
                .unwrap_or_default();
            format!("{}{before}{detail}", state_words(state))
        }
        Event::Mode { before, mode, .. } => {
            let before = before
                .as_deref()
                .map(|before| format!(", was {before}"))
                .unwrap_or_default();
            format!("calendar mode {mode}{before}")
        }
        Event::Certificate {
            sha256: Some(sha256),
            ..
        } => format!("trusts the certificate {sha256}"),
        Event::Certificate { sha256: None, .. } => "trusts no certificate any more".to_owned(),
        Event::Drift {
            detail,
            repaired: true,
            ..
        } => format!("repaired: {detail}"),
        Event::Drift {
            detail,
            repaired: false,
            ..
        } => format!("drifted: {detail}"),
    };
    let text = zone.told(&text);
    if entry.count > 1 {
        let since = zone.local(entry.since).strftime("%a %Y-%m-%d %H:%M");
        format!("{text} ({} times since {since})", entry.count)
    } else {
        text
    }
}
