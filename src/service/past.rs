//! What the displays of a room showed at a time that is over: from what they were sent last,
//! and what the history says of each push since then.
//!
//! Calendars of earlier days are not kept, so nothing is said of why a meeting was not there.

use serde_json::{Value, json};

use super::history_text;
use super::status::{current, next};
use crate::config::{MeetingRules, Room};
use crate::control::pod::PodState;
use crate::ledger::{Entry, Event};
use crate::model::agenda::{Agenda, Changes};
use crate::model::meeting::Meeting;
use crate::model::memory::Memories;
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// Lines of the history that are read: all that a room keeps.
pub const ALL_LINES: u32 = 3000;

/// One display at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastDisplay {
    pub pod: PodUrl,
    /// The push that counted then; `None` where the history holds none.
    pub push: Option<PastPush>,
    /// What else is known and what is not, as sentences.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPush {
    pub at: UnixTime,
    /// All that the display was sent, as far as the history tells.
    pub meetings: Agenda,
}

impl PastDisplay {
    /// Each display of a room, by its history (newest first).
    #[must_use]
    pub fn all_of(room: &Room, memories: &Memories, history: &[Entry], at: UnixTime) -> Vec<Self> {
        let pods = room.pods.iter();
        pods.map(|pod| {
            let memory = memories.pod(&pod.url);
            let sent = memory.and_then(|memory| memory.sent.clone());
            let mut display = of_pod(&pod.url, sent.unwrap_or_default(), history, at, &room.zone);
            display.hide(&room.meetings);
            display
        })
        .collect()
    }

    /// Titles that are hidden now are not told of the past either.
    fn hide(&mut self, rules: &MeetingRules) {
        let Some(push) = self.push.as_mut().filter(|_| rules.hide_titles) else {
            return;
        };
        let meetings = push.meetings.meetings().iter().cloned();
        let hidden = meetings.map(|meeting| Meeting {
            title: rules.hidden_title.as_str().into(),
            description: None,
            ..meeting
        });
        push.meetings = Agenda::new(hidden.collect());
    }

    /// What it showed, as sentences. `is_alone`: the room has no other display.
    #[must_use]
    pub fn answers(&self, is_alone: bool, at: UnixTime, zone: &Zone) -> Vec<String> {
        let display = match is_alone {
            true => "the display".to_owned(),
            false => format!("the display {}", self.pod),
        };
        let as_of = stamp(zone, at);
        let mut answers = Vec::new();
        match &self.push {
            None => answers.push(format!(
                "What {display} showed at {as_of} is not known: the history of the room holds no push to it before that."
            )),
            Some(push) => {
                let sent = format!("as it was sent at {}", stamp(zone, push.at));
                let until = next(&push.meetings, at).map_or_else(String::new, |next| {
                    format!(" until {}", until(zone, at, next.start_time))
                });
                answers.push(match current(&push.meetings, at) {
                    Some(one) => format!("At {as_of} {display} showed `{}`, {sent}.", one.title),
                    None => {
                        format!("At {as_of} {display} showed the room as free{until}, {sent}.")
                    }
                });
            }
        }
        answers.extend(self.notes.iter().cloned());
        answers
    }

    #[must_use]
    pub fn as_json(&self) -> Value {
        json!({
            "pod": self.pod.to_string(),
            "pushed_at": self.push.as_ref().map(|push| push.at),
            "meetings": self.push.as_ref().map(|push| &push.meetings),
            "notes": self.notes,
        })
    }
}

fn of_pod(pod: &PodUrl, sent: Agenda, history: &[Entry], at: UnixTime, zone: &Zone) -> PastDisplay {
    let address = pod.to_string();
    let of_pod = |entry: &&Entry| history_text::subject(&entry.event) == address;
    let entries: Vec<&Entry> = history.iter().filter(of_pod).collect();
    let mut meetings = sent.meetings().to_vec();
    let mut push = None;
    let mut notes = Vec::new();
    let mut newer = entries.len();
    for (place, entry) in entries.iter().enumerate() {
        let Event::Pushed {
            meetings: sent,
            changes,
            ..
        } = &entry.event
        else {
            continue;
        };
        if entry.at > at {
            undo(&mut meetings, changes);
            continue;
        }
        let shown = Agenda::new(meetings);
        if shown.len() != *sent {
            notes.push(
                "What the display was sent then cannot be told whole; it may have shown another meeting."
                    .to_owned(),
            );
        }
        push = Some(PastPush {
            at: entry.at,
            meetings: shown,
        });
        newer = place;
        break;
    }
    let since_push: Vec<&Entry> = entries.iter().copied().take(newer).collect();
    notes.extend(losses(&since_push, at, zone));
    notes.extend(state_then(&entries, at, zone));
    PastDisplay {
        pod: pod.clone(),
        push,
        notes,
    }
}

/// What there was before a push.
fn undo(meetings: &mut Vec<Meeting>, changes: &Changes) {
    let before = changes.changed.iter().map(|changed| &changed.before);
    let is_later = |meeting: &Meeting| {
        let after = changes.changed.iter().map(|changed| &changed.after);
        let mut later = changes.added.iter().chain(after);
        later.any(|later| later.id == meeting.id)
    };
    meetings.retain(|meeting| !is_later(meeting));
    meetings.extend(changes.removed.iter().chain(before).cloned());
}

/// What made a display show something else than it was sent last.
fn losses(since_push: &[&Entry], at: UnixTime, zone: &Zone) -> Vec<String> {
    let lost = since_push.iter().find_map(|entry| match &entry.event {
        Event::Lost { .. } if entry.at <= at => {
            let says = history_text::says(entry, zone);
            Some(format!("But at {} {says}.", stamp(zone, entry.at)))
        }
        _ => None,
    });
    let failed = since_push.iter().find_map(|entry| match &entry.event {
        Event::PushFailed { error, .. } if entry.since <= at => Some(format!(
            "What had changed since then could not be pushed: {error}."
        )),
        _ => None,
    });
    lost.into_iter().chain(failed).collect()
}

/// What hid the display from podcal.
fn state_then(entries: &[&Entry], at: UnixTime, zone: &Zone) -> Option<String> {
    let (since, state, detail) = entries.iter().find_map(|entry| match &entry.event {
        Event::Health { state, detail, .. } if entry.at <= at => {
            Some((entry.at, PodState::of_key(state)?, detail.as_deref()))
        }
        _ => None,
    })?;
    let is_usual = matches!(
        state,
        PodState::Unknown | PodState::Waiting | PodState::Behind
    );
    (!state.is_in_step() && !is_usual).then(|| {
        let (since, says) = (stamp(zone, since), state.says(detail));
        format!("podcal could not make sure of that; since {since} its state was: {says}.")
    })
}

fn stamp(zone: &Zone, at: UnixTime) -> String {
    zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string()
}

fn until(zone: &Zone, at: UnixTime, then: UnixTime) -> String {
    let (today, local) = (zone.local(at).date(), zone.local(then));
    match local.date() == today {
        true => local.strftime("%H:%M").to_string(),
        false => stamp(zone, then),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::meeting::MeetingId;

    const POD: &str = "https://192.0.2.11:5443";

    fn at(clock: &str) -> UnixTime {
        UnixTime::parse(&format!("2026-03-02T{clock}:00Z")).unwrap()
    }

    fn meeting(title: &str, start: &str, end: &str) -> Meeting {
        Meeting {
            id: MeetingId::from_text(title),
            title: title.into(),
            organizer: "".into(),
            description: None,
            start_time: at(start),
            end_time: at(end),
        }
    }

    fn entry(clock: &str, event: Event) -> Entry {
        Entry {
            at: at(clock),
            since: at(clock),
            count: 1,
            event,
        }
    }

    fn pod() -> String {
        PodUrl::parse(POD).unwrap().to_string()
    }

    fn pushed(clock: &str, before: &[Meeting], after: &[Meeting]) -> Entry {
        let agenda = |meetings: &[Meeting]| Agenda::new(meetings.to_vec());
        entry(
            clock,
            Event::Pushed {
                pod: pod(),
                reason: "new_meetings".to_owned(),
                meetings: after.len(),
                changes: Changes::between(&agenda(before), &agenda(after)),
                duration_ms: 1,
                failures: 0,
            },
        )
    }

    /// A plan that is moved and renamed, and a choir that is cancelled.
    struct Day {
        history: Vec<Entry>,
        sent: Agenda,
    }

    fn day() -> Day {
        let plan = meeting("Plan", "09:00", "10:00");
        let choir = meeting("Choir", "11:00", "12:00");
        let moved = Meeting {
            id: plan.id.clone(),
            ..meeting("Plan B", "11:00", "12:00")
        };
        let first = [plan, choir];
        let second = [moved];
        Day {
            history: vec![
                pushed("10:30", &first, &second),
                pushed("08:00", &[], &first),
            ],
            sent: Agenda::new(second.to_vec()),
        }
    }

    #[track_caller]
    fn check(day: &Day, clock: &str, expected: &[&str]) {
        let url = PodUrl::parse(POD).unwrap();
        let display = of_pod(
            &url,
            day.sent.clone(),
            &day.history,
            at(clock),
            &Zone::utc(),
        );
        let answers = display.answers(true, at(clock), &Zone::utc());
        assert_eq!(answers, expected, "{clock}");
    }

    #[test]
    fn each_time_has_what_was_sent_last_before_it() {
        let day = day();
        check(
            &day,
            "07:59",
            &[
                "What the display showed at Mon 2026-03-02 07:59 is not known: the history of the room holds no push \
             to it before that.",
            ],
        );
        check(
            &day,
            "08:30",
            &[
                "At Mon 2026-03-02 08:30 the display showed the room as free until 09:00, as it was sent at Mon 2026-03-02 08:00.",
            ],
        );
        check(
            &day,
            "09:30",
            &[
                "At Mon 2026-03-02 09:30 the display showed `Plan`, as it was sent at Mon 2026-03-02 08:00.",
            ],
        );
        check(
            &day,
            "11:30",
            &[
                "At Mon 2026-03-02 11:30 the display showed `Plan B`, as it was sent at Mon 2026-03-02 10:30.",
            ],
        );
        check(
            &day,
            "12:30",
            &[
                "At Mon 2026-03-02 12:30 the display showed the room as free, as it was sent at Mon 2026-03-02 10:30.",
            ],
        );
    }

    #[test]
    fn what_the_history_does_not_hold_whole_is_not_said_to_be_sure() {
        let mut day = day();
        // The device was replaced: what it had is forgotten.
        day.sent = Agenda::default();
        day.history.remove(0);
        check(
            &day,
            "09:30",
            &[
                "At Mon 2026-03-02 09:30 the display showed the room as free, as it was sent at Mon 2026-03-02 08:00.",
                "What the display was sent then cannot be told whole; it may have shown another meeting.",
            ],
        );
    }

    #[test]
    fn trouble_at_that_time_is_told() {
        let mut day = day();
        let health = |clock: &str, state: &str| {
            let event = Event::Health {
                pod: pod(),
                before: Some("in_step".to_owned()),
                state: state.to_owned(),
                detail: Some("no connection within 20 s".to_owned()),
            };
            entry(clock, event)
        };
        let failed = Entry {
            at: at("10:20"),
            ..entry(
                "09:40",
                Event::PushFailed {
                    pod: pod(),
                    error: "the pod does not answer".to_owned(),
                    kind: "timed_out".to_owned(),
                    passing: true,
                },
            )
        };
        let lost = Event::Lost {
            pod: pod(),
            reason: "emptied".to_owned(),
        };
        day.history.insert(1, failed);
        day.history.insert(1, health("09:45", "unreachable"));
        day.history.insert(3, entry("09:10", lost));
        day.history.insert(0, health("10:30", "in_step"));
        let shown = "At Mon 2026-03-02 09:50 the display showed `Plan`, as it was sent at Mon 2026-03-02 08:00.";
        let url = PodUrl::parse(POD).unwrap();
        let told = |clock: &str| {
            let zone = Zone::utc();
            let display = of_pod(&url, day.sent.clone(), &day.history, at(clock), &zone);
            display.answers(true, at(clock), &zone)
        };
        let answers = told("09:50");
        assert_eq!(answers[0], shown);
        for words in [
            "But at Mon 2026-03-02 09:10 its display lost the meetings",
            "podcal could not make sure of that; since Mon 2026-03-02 09:45",
            "could not be pushed: the pod does not answer.",
        ] {
            assert!(
                answers.iter().any(|one| one.contains(words)),
                "{words}: {answers:?}"
            );
        }
        assert_eq!(told("11:30").len(), 1, "{:?}", told("11:30"));
        assert_eq!(told("09:05").len(), 1, "{:?}", told("09:05"));
    }
}
