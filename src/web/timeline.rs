//! A day of a room as a picture: hours from left to right, meetings that overlap below each other.
//!
//! It is an SVG placed by percentages, because the page allows no style of an element's own.
//! Screen readers get the list beside it instead.

use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;
use maud::{Markup, html};

use super::frame::text;
use crate::model::meeting::Meeting;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;

const HOURS_BETWEEN_MARKS: i8 = 3;
/// In pixels.
const LANE: usize = 28;
const HEAD: usize = 18;
/// Further meetings at the same time are in the list alone.
const MAX_LANES: usize = 6;

/// A day by a room's clock, which may have 23 or 25 hours.
struct Day {
    start: UnixTime,
    seconds: u64,
}

impl Day {
    fn of(zone: &Zone, date: Date) -> Option<Self> {
        let start = zone.start_of_day(date);
        let end = zone.start_of_day(date.checked_add(1.day()).ok()?);
        let seconds = end.since(start).as_secs();
        (seconds > 0).then_some(Self { start, seconds })
    }

    fn end(&self) -> UnixTime {
        self.start.plus(Duration::from_secs(self.seconds))
    }

    /// Seconds of this day that passed before then.
    fn seconds_to(&self, at: UnixTime) -> u64 {
        at.clamp(self.start, self.end()).since(self.start).as_secs()
    }

    /// Such as "37.50%".
    fn share(&self, seconds: u64) -> String {
        let hundredths = seconds * 10_000 / self.seconds;
        format!("{}.{:02}%", hundredths / 100, hundredths % 100)
    }
}

/// The meetings that touch the day, each in the first lane that is free.
fn lanes<'a>(day: &Day, meetings: &'a [Meeting]) -> Vec<(usize, &'a Meeting)> {
    let mut free_from: Vec<UnixTime> = Vec::new();
    let mut placed = Vec::new();
    for meeting in meetings {
        if meeting.end_time <= day.start || meeting.start_time >= day.end() {
            continue;
        }
        let free = free_from
            .iter()
            .position(|free| *free <= meeting.start_time);
        let lane = free.unwrap_or(free_from.len());
        match free_from.get_mut(lane) {
            Some(until) => *until = meeting.end_time,
            None if lane < MAX_LANES => free_from.push(meeting.end_time),
            None => continue,
        }
        placed.push((lane, meeting));
    }
    placed
}

/// The picture of one day. Meetings are sorted by their start.
pub fn timeline(zone: &Zone, date: Date, meetings: &[Meeting], now: UnixTime) -> Markup {
    let Some(day) = Day::of(zone, date) else {
        return html! {};
    };
    let placed = lanes(&day, meetings);
    let lanes = placed.iter().map(|(lane, _)| lane + 1).max().unwrap_or(1);
    let height = HEAD + lanes * LANE + 4;
    let hours = (0..24).step_by(usize::from(HOURS_BETWEEN_MARKS.unsigned_abs()));
    let marks = hours.map(|hour: i8| {
        let at = zone.instant(date.at(hour, 0, 0, 0));
        (hour, day.share(day.seconds_to(at)))
    });
    let is_today = day.start <= now && now < day.end();
    html! {
        svg.timeline width="100%" height=(height) aria-hidden="true" focusable="false" {
            @for (hour, x) in marks {
                line.hour x1=(x) x2=(x) y1="0" y2=(height) {}
                svg x=(x) width="12%" height=(HEAD) { text x="3" y="13" { (format!("{hour:02}:00")) } }
            }
            @for (lane, meeting) in &placed {
                @let from = day.seconds_to(meeting.start_time);
                @let to = day.seconds_to(meeting.end_time);
                @let is_on = meeting.start_time <= now && now < meeting.end_time;
                svg.meeting data-on=[is_on.then_some("now")] x=(day.share(from)) y=(HEAD + lane * LANE)
                    width=(day.share((to - from).max(day.seconds / 288))) height=(LANE - 2)
                {
                    title { (text(&meeting.title)) }
                    rect width="100%" height="100%" rx="3" {}
                    text x="5" y="18" { (text(&meeting.title)) }
                }
            }
            @if is_today {
                @let x = day.share(day.seconds_to(now));
                line.now x1=(x) x2=(x) y1="0" y2=(height) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::meeting::MeetingId;

    fn meeting(title: &str, start: &str, end: &str) -> Meeting {
        Meeting {
            id: MeetingId::from_text(title),
            title: title.into(),
            organizer: "".into(),
            description: None,
            start_time: UnixTime::parse(start).unwrap(),
            end_time: UnixTime::parse(end).unwrap(),
        }
    }

    #[test]
    fn meetings_stand_at_their_hours_and_overlapping_ones_below_each_other() {
        let zone = Zone::utc();
        let meetings = [
            meeting("A", "2026-03-02T06:00:00Z", "2026-03-02T12:00:00Z"),
            meeting("B<", "2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z"),
            meeting("C", "2026-03-02T12:00:00Z", "2026-03-03T02:00:00Z"),
            meeting("D", "2026-03-04T12:00:00Z", "2026-03-04T13:00:00Z"),
        ];
        let date = jiff::civil::date(2026, 3, 2);
        let now = UnixTime::parse("2026-03-02T18:00:00Z").unwrap();
        let html = timeline(&zone, date, &meetings, now).into_string();
        let at = |x: &str, y: usize, width: &str| {
            let wanted = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\"");
            assert!(html.contains(&wanted), "{wanted} in {html}");
        };
        at("25.00%", HEAD, "25.00%");
        at("37.50%", HEAD + LANE, "4.16%");
        at("50.00%", HEAD, "50.00%");
        assert!(html.contains("B&lt;") && !html.contains(">D<"), "{html}");
        assert!(html.contains("class=\"now\" x1=\"75.00%\""), "{html}");
    }

    #[test]
    fn a_day_of_25_hours_is_drawn_whole() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let day = Day::of(&zone, jiff::civil::date(2026, 10, 25)).unwrap();
        assert_eq!(day.seconds, 25 * 3600);
        let noon = zone.instant(jiff::civil::date(2026, 10, 25).at(12, 0, 0, 0));
        assert_eq!(day.share(day.seconds_to(noon)), "52.00%");
    }
}
