//! The part of a room's page that answers for a time that one picks: what is on the display
//! then, what is not, and why.
//!
//! It is made from what the service read last, so that looking at a page asks no calendar.

use std::time::Duration;

use jiff::Unit;
use jiff::civil::DateTime;
use maud::{Markup, html};
use tokio::time::timeout;

use super::frame::{room_address, text};
use crate::config::Room;
use crate::control::published::FeedView;
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;
use crate::service::explanation::{Explanation, NEAR, Part, Titles};
use crate::service::past::{ALL_LINES, PastDisplay};
use crate::service::snapshot::Snapshot;
use crate::service::study::{AsOf, study_remembered};

/// What ended so long before the time that was picked is still explained.
const BACK: Duration = Duration::from_secs(24 * 3600);
/// Calendars are held without what ended earlier than this.
const EARLIEST: Duration = Duration::from_secs(24 * 3600);
/// A time that was over for less than this is now.
const JUST_NOW: Duration = Duration::from_secs(60);
/// A disk that does not answer must not keep the page.
const PATIENCE: Duration = Duration::from_secs(3);
const LATEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Rows of a table on the page; `podcal explain` has all.
const MAX_ROWS: usize = 100;

/// What was asked.
pub enum Question {
    Nothing,
    At(UnixTime),
    /// And what would be right.
    Invalid(&'static str),
}

impl Question {
    pub fn of_query(query: &str, zone: &Zone, now: UnixTime) -> Self {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let Some((_, value)) = pairs.find(|(key, _)| key == "at") else {
            return Self::Nothing;
        };
        let Ok(local) = value.trim().parse::<DateTime>() else {
            return Self::Invalid("Enter a date and a time, such as 2026-03-02T09:00.");
        };
        let at = zone.instant(local);
        if at > now.plus(LATEST) {
            return Self::Invalid("Enter a time within the next 366 days.");
        }
        Self::At(at)
    }
}

/// The answer, from what the service read last and, where the time is over, what it did.
pub async fn explanation(snapshot: &Snapshot, room: &Room, at: UnixTime) -> Explanation {
    let now = snapshot.at.wall;
    if at >= now.minus(JUST_NOW) {
        return of_calendars(snapshot, room, at).await;
    }
    let past = past(snapshot, room, at).await;
    if at < now.minus(EARLIEST) {
        return Explanation::of_past(room, at, past);
    }
    of_calendars(snapshot, room, at).await.with_past(Some(past))
}

/// What the displays showed then, by the history. A disk that does not answer in time has none.
async fn past(snapshot: &Snapshot, room: &Room, at: UnixTime) -> Vec<PastDisplay> {
    let ledger = snapshot.recorder.ledger();
    let history = timeout(PATIENCE, ledger.history(&room.name, &[], ALL_LINES)).await;
    let history = history.ok().and_then(Result::ok).unwrap_or_default();
    PastDisplay::all_of(room, &snapshot.memories, &history, at)
}

async fn of_calendars(snapshot: &Snapshot, room: &Room, at: UnixTime) -> Explanation {
    let feeds: Vec<FeedView> = room
        .feeds
        .iter()
        .map(|feed| match snapshot.views.feeds.get(&feed.id) {
            Some(view) => view.borrow().clone(),
            None => FeedView::unknown(feed.id.clone()),
        })
        .collect();
    let as_of = AsOf { at, back: BACK };
    let study = study_remembered(&snapshot.recorder, room, feeds, snapshot.at, as_of).await;
    let rules = &room.meetings;
    let titles = match rules.hide_titles {
        true => Titles::AllAs(rules.hidden_title.clone()),
        false => Titles::PrivateAs(rules.private_title.clone()),
    };
    let near = Window::new(at.minus(NEAR), at.plus(NEAR));
    Explanation::of_room(room, study, &snapshot.memories, at, near, titles)
}

/// The form and, where something was asked, the answer.
pub fn section(
    room: &Room,
    question: &Question,
    explanation: Option<&Explanation>,
    now: UnixTime,
) -> Markup {
    let picked = match question {
        Question::At(at) => *at,
        Question::Nothing | Question::Invalid(_) => now,
    };
    let local = room.zone.local(picked);
    let local = local.round(Unit::Minute).unwrap_or(local);
    let value = local.strftime("%Y-%m-%dT%H:%M").to_string();
    let is_invalid = matches!(question, Question::Invalid(_));
    html! {
        section aria-labelledby="explain" {
            h2 #explain { "Why is a meeting on the display, or not?" }
            form method="get" action={ (room_address(room.name.as_str())) "#explain" } {
                label for="at" { "Date and time in " (room.zone.name()) }
                input #at type="datetime-local" name="at" value=(value) required
                    aria-invalid=[is_invalid.then_some("true")]
                    aria-describedby=[is_invalid.then_some("at-fault")];
                button type="submit" { "Explain" }
            }
            @if let Question::Invalid(fault) = question { p #at-fault.warning role="alert" { (fault) } }
            @if let Some(explanation) = explanation { (answer(explanation)) }
        }
    }
}

fn answer(explanation: &Explanation) -> Markup {
    html! {
        div.answer {
            @for sentence in explanation.answers() { p { (text(&sentence)) } }
            @if !explanation.notes.is_empty() {
                ul.note { @for note in &explanation.notes { li { (text(note)) } } }
            }
            @for part in explanation.parts() { (table(&part)) }
        }
    }
}

fn table(part: &Part) -> Markup {
    let more = part.more + part.rows.len().saturating_sub(MAX_ROWS);
    html! {
        h3 { (part.heading) }
        div.scroll tabindex="0" role="region" aria-label=(part.heading) {
            table {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Why" } } }
                tbody {
                    @for row in part.rows.iter().take(MAX_ROWS) {
                        tr { td { (row.when) } td { (text(&row.what)) } td { (text(&row.why)) } }
                    }
                }
            }
        }
        @if more > 0 { p.note { "And " (more) " more; " code { "podcal explain" } " has them." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_in_the_rooms_zone_and_what_cannot_be_answered_is_said() {
        let zone = Zone::named("Asia/Tokyo").unwrap();
        let now = UnixTime::parse("2026-03-02T00:00:00Z").unwrap();
        let ask = |query: &str| Question::of_query(query, &zone, now);
        let Question::At(at) = ask("at=2026-03-02T09%3A30") else {
            panic!("refused")
        };
        assert_eq!(at.to_string(), "2026-03-02T00:30:00Z");
        assert!(matches!(ask("q=x"), Question::Nothing));
        assert!(matches!(ask("at=2025-03-02T09:30"), Question::At(_)));
        for wrong in ["at=", "at=noon", "at=2030-01-01T00:00"] {
            assert!(matches!(ask(wrong), Question::Invalid(_)), "{wrong}");
        }
    }
}
