//! What a pull leaves in the history.

use crate::config::Feed;
use crate::control::feed::FeedEvent;
use crate::ledger::{Event, HistoryLine};
use crate::model::time::UnixTime;

/// The line of the history that a pull leaves, if any.
pub(super) fn history(
    events: &[FeedEvent],
    feed: &Feed,
    at: UnixTime,
    failing_since: Option<UnixTime>,
) -> Option<HistoryLine> {
    let mut written = None;
    for event in events {
        match event {
            FeedEvent::Recovered { failures, .. } if *failures > 0 => {
                written = Some((false, *failures));
            }
            FeedEvent::Pulled { is_new: true, .. } => {
                written = Some((true, written.map_or(0, |(_, failures)| failures)));
            }
            FeedEvent::Failing {
                failure, failures, ..
            } if *failures > 0 => {
                let event = Event::PullFailed {
                    feed: feed.id.to_string(),
                    error: failure.says.clone(),
                    kind: failure.kind.clone(),
                    passing: failure.is_passing,
                };
                let line = HistoryLine::of_feed(&feed.id, at, event);
                return Some(HistoryLine {
                    streak_since: Some(failing_since.unwrap_or(at)),
                    ..line
                });
            }
            _ => {}
        }
    }
    let (changed, failures) = written?;
    let event = Event::Pulled {
        feed: feed.id.to_string(),
        changed,
        failures,
    };
    Some(HistoryLine::of_feed(&feed.id, at, event))
}
