//! Where the displays of a room do not show what they should, as far as podcal knows.

use super::status::{RoomStatus, current};
use crate::config::Room;
use crate::control::pod::{PodState, alteration};
use crate::model::agenda::Agenda;
use crate::model::memory::{Memories, PodMemory};
use crate::model::time::UnixTime;

/// What is known of the displays of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Whether no display is known to show something else than it should.
    pub is_in_step: bool,
    /// What differs, and how, as sentences.
    pub notes: Vec<String>,
}

impl Present {
    /// As of a time: now, or later if nothing changes.
    #[must_use]
    pub fn of(room: &Room, memories: &Memories, wanted: Option<&Agenda>, at: UnixTime) -> Self {
        let status = RoomStatus::of(room, memories);
        let mut notes = Vec::new();
        for display in &status.displays {
            let memory = &display.memory;
            if is_in_step(display.state) {
                let altered = memory.alteration.as_ref().map(alteration::words);
                notes.extend(altered.map(|words| format!("{}: {words}", display.pod)));
                continue;
            }
            let says = display.state.says(memory.detail.as_deref());
            notes.push(format!("{} is not in step: {says}", display.pod));
            // In another mode it shows another calendar.
            if display.state != PodState::WrongMode {
                let shows = wanted.and_then(|wanted| other(room, memory, wanted, at));
                notes.extend(shows.map(|shows| format!("{}: {shows}", display.pod)));
            }
        }
        Self {
            is_in_step: status
                .displays
                .iter()
                .all(|display| display.state.is_in_step()),
            notes,
        }
    }
}

fn is_in_step(state: PodState) -> bool {
    state.is_in_step() || state == PodState::Unknown
}

/// What a display shows at a time in place of what it should, where that is known.
fn other(room: &Room, memory: &PodMemory, wanted: &Agenda, at: UnixTime) -> Option<String> {
    let has = match (memory.cap, &memory.echo) {
        (Some(cap), _) => {
            let nearest = wanted.meetings().iter().take(cap);
            Agenda::new(nearest.cloned().collect())
        }
        (None, Some(echo)) if memory.unshown > 0 => echo.clone(),
        (None, _) => memory.sent.clone()?,
    };
    let (has, wanted) = (current(&has, at), current(wanted, at));
    let is_same = match (has, wanted) {
        (Some(has), Some(wanted)) => has.looks_like(wanted),
        (None, None) => true,
        _ => false,
    };
    (!is_same).then(|| match has {
        Some(_) if room.meetings.hide_titles => {
            format!(
                "as things are, it shows `{}` then",
                room.meetings.hidden_title
            )
        }
        Some(meeting) => format!("as things are, it shows `{}` then", meeting.title),
        None => "as things are, it shows the room as free then".to_owned(),
    })
}
