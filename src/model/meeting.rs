//! A meeting: the very object that a pod is sent and that `--json` prints.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::{Parts, hex};
use super::time::UnixTime;

/// The id of a meeting: 24 lower-case hexadecimal digits, the same from cycle
/// to cycle for the same instance of the same event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeetingId(Arc<str>);

impl MeetingId {
    /// The id of an instance: `uid` is that of its event, `instance` tells it from
    /// the other instances of a series and is empty for a single event.
    ///
    /// Where the meeting was moved to does not count, so that a moved meeting is
    /// the same one. iCalendar UIDs make poor ids themselves: they are long, not
    /// safe in a path, and shared by all instances of a series.
    #[must_use]
    pub fn new(uid: &str, instance: &str) -> Self {
        let mut digest = Parts::new();
        digest.add(uid);
        let digest = digest.finish_with(instance);
        Self(hex(digest.get(..12).unwrap_or_default()).into())
    }

    /// An id as a pod or the ledger spelt it.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MeetingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One meeting on a display (OpenControl v2, schema `Meeting`). Copies share the texts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    pub id: MeetingId,
    pub title: Arc<str>,
    /// Empty where the feed names nobody; the schema requires the key.
    pub organizer: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// Unix seconds.
    pub start_time: UnixTime,
    /// Unix seconds, exclusive.
    pub end_time: UnixTime,
}

impl Meeting {
    /// Whether people in front of the display see the same: ids do not show.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        self.face() == other.face()
    }

    /// What a display shows of the meeting.
    #[must_use]
    pub fn face(&self) -> (UnixTime, UnixTime, &str, &str, &str) {
        (
            self.start_time,
            self.end_time,
            &self.title,
            &self.organizer,
            self.description.as_deref().unwrap_or_default(),
        )
    }
}

/// Times and the id only: titles and people do not reach a log by accident.
impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Meeting({} {}..{})",
            self.id, self.start_time, self.end_time
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_safe_in_a_path_and_tell_instances_apart() {
        let ids = [
            MeetingId::new("a@example.org", ""),
            MeetingId::new("a@example.org", "2026-01-05T08:00:00Z"),
            MeetingId::new("b@example.org", ""),
        ];
        for id in &ids {
            assert_eq!(id.as_str().len(), 24);
            assert!(id.as_str().chars().all(|c| c.is_ascii_hexdigit()));
        }
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
        assert_eq!(ids[0], MeetingId::new("a@example.org", ""));
    }

    #[test]
    fn debug_output_holds_no_meeting_text() {
        let meeting = Meeting {
            id: MeetingId::new("a", ""),
            title: "Merger".into(),
            organizer: "Ada".into(),
            description: Some("secret plans".into()),
            start_time: UnixTime::from_seconds(0),
            end_time: UnixTime::from_seconds(60),
        };
        let debug = format!("{meeting:?}");
        assert!(
            !debug.contains("Merger") && !debug.contains("Ada") && !debug.contains("plans"),
            "{debug}"
        );
    }
}
