//! How a history is told.

use crate::control::pod::PodEvent;
use crate::model::agenda::Agenda;

/// The titles of a display, shortened.
#[must_use]
pub fn agenda(agenda: &Agenda) -> String {
    const MOST: usize = 8;
    if agenda.is_empty() {
        return "nothing".to_owned();
    }
    let meetings = agenda.meetings();
    let mut titles: Vec<String> = meetings
        .iter()
        .take(MOST)
        .map(|one| {
            let seconds = one.start_time.seconds().rem_euclid(86_400);
            format!(
                "{:02}:{:02} {}",
                seconds / 3600,
                seconds / 60 % 60,
                one.title
            )
        })
        .collect();
    if meetings.len() > MOST {
        titles.push(format!("and {} more", meetings.len() - MOST));
    }
    format!("[{}]", titles.join(", "))
}

#[must_use]
pub fn pod_event(event: &PodEvent) -> String {
    match event {
        PodEvent::State {
            before,
            state,
            detail,
            ..
        } => format!(
            "{} (was {}){}",
            state.words(),
            before.words(),
            detail
                .as_ref()
                .map_or(String::new(), |detail| format!(": {detail}"))
        ),
        event => format!("{event:?}"),
    }
}
